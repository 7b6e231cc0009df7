"""The database is away, stands still, throws everybody out, keeps a lock, or has no room: what was answered 2xx is there, what was not is
refused with 503, memory and queues keep within bounds, and all goes on by itself."""
import os
import signal
import subprocess
import threading
import time

import pytest
import requests
from second import pids_of

from lazo_test import Instance, eventually

MiB = 1 << 20


@pytest.fixture(scope="module")
def lazo():
    one = Instance(env={"LAZO_DATABASE_STATEMENT_TIMEOUT": "2 s", "LAZO_LIMITS_BODIES": "16M", "LAZO_LIMITS_REQUEST_TIME": "3 minutes"}).start()
    yield one
    one.stop()


class Load:
    """Threads that post, with keys, what they noted as answered; each sends again what was not."""

    def __init__(self, lazo, name, threads=4):
        self.lazo, self.name = lazo, name
        self.answered, self.statuses, self.lock, self.stop = set(), {}, threading.Lock(), threading.Event()
        self.wrong = []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(threads)]

    def run(self, who):
        n = 0
        try:
            while not self.stop.is_set():
                keys = [f"{self.name}:{who}:{n}:{i}" for i in range(5)]
                self.post(keys, [{"contact": {"email": f"{self.name}{who}-{n % 50}@away.example"}, "kind": "load", "source": self.name, "key": k} for k in keys])
                n += 1
        except BaseException as e:  # shown by the test
            self.wrong.append(e)

    def post(self, keys, body):
        while not self.stop.is_set():
            try:
                r = self.lazo.request("POST", "/v1/interactions", json=body, timeout=60)
            except requests.RequestException:
                self.note("no answer")
                self.stop.wait(0.05)
                continue
            self.note(r.status_code)
            if r.status_code == 201:
                with self.lock:
                    self.answered.update(keys)
                return
            assert r.status_code == 503 and int(r.headers["Retry-After"]) > 0, f"{r.status_code} {r.text}"
            self.stop.wait(0.05)

    def note(self, status):
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def progress(self, more=100):
        enough = len(self.answered) + more
        eventually(lambda: self.wrong or len(self.answered) >= enough, 120, "recording goes on")
        assert not self.wrong, self.wrong

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.progress()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def check(self):
        stored = {key for key, in self.lazo.sql("SELECT k.key FROM interaction_key k JOIN interaction i ON (i.contact_id, i.id) = (k.contact_id, k.interaction_id)"
                                                " WHERE k.source = %s", (self.name,))}
        assert self.answered <= stored, f"answered and lost: {sorted(self.answered - stored)[:10]}"
        assert self.lazo.sql("SELECT count(*) FROM interaction WHERE source = %s", (self.name,)) == [(len(stored),)]
        assert self.lazo.sql("SELECT email FROM contact WHERE email LIKE %s GROUP BY email HAVING count(*) > 1", (self.name + "%",)) == []
        self.lazo.settle(120)


def status(lazo, path):
    return lazo.request("GET", path, token="", timeout=10).status_code


def metric(lazo, name):
    lines = lazo.request("GET", "/metrics", token="", timeout=10).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.split()[0] == name))


def memory(lazo):
    """What lazod ever had, in MiB; sanitizers take more."""
    with open(f"/proc/{lazo.pid('lazod')}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def back(lazo):
    def ready():
        try:
            return status(lazo, "/readyz") == 200
        except requests.RequestException:
            return False
    eventually(ready, 120, "it is ready again")


def signal_all(lazo, how):
    for pid in pids_of(lazo.home / "pg"):
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass


def test_away(lazo):
    with Load(lazo, "away") as load:
        # `up` would start it again at once.
        lazo.process.send_signal(signal.SIGSTOP)
        try:
            lazo.kill("postgres")
            eventually(lambda: status(lazo, "/readyz") == 503, 30, "it is no longer ready")
            assert status(lazo, "/healthz") == 200
            assert metric(lazo, "lazo_database_up") == 0
            for method, path, body in (("GET", "/v1/contacts", None), ("GET", "/v1/segments", None), ("POST", "/v1/contacts", {"email": "x@away.example"}),
                                       ("PUT", "/v1/segments/s", {"kind": "dynamic", "rule": "person"}), ("POST", "/v1/rules/check", {"rule": "person"}),
                                       ("GET", "/v1/exports?what=contacts&format=csv", None)):
                r = lazo.request(method, path, json=body)
                assert (r.status_code, r.headers.get("Retry-After")) == (503, "1"), f"{method} {path}: {r.status_code} {r.text}"
                assert r.headers["Content-Type"] == "application/problem+json"
            r = lazo.request("POST", "/v1/interactions", data='{"contact": {"email": "x@away.example"}, "kind": "k"}\n' * 5,
                             headers={"Content-Type": "application/x-ndjson"})
            assert r.status_code == 503 and int(r.headers["Retry-After"]) > 0
            said = lazo.ctl("contact", "duplicates", check=False)  # waits where something is being made ready, and not for this
            assert said.returncode == 1 and said.stderr.splitlines()[-1] == "contact: the database is away; try again (HTTP status 503)", said.stderr
        finally:
            lazo.process.send_signal(signal.SIGCONT)
        back(lazo)
        load.progress()
    load.check()
    assert load.statuses[503] > 0


def test_standing_still(lazo):
    """Its processes are stopped: no answer and no error. Bodies up to limits.bodies wait, others are told so; then all of them are recorded."""
    before = memory(lazo)
    with Load(lazo, "still") as load:
        signal_all(lazo, signal.SIGSTOP)
        try:
            body = b"".join((b'[', b",".join(b'{"contact": {"email": "b%d@still.example"}, "kind": "large", "data": {"t": "%s"}}' % (n, b"x" * 30000) for n in range(60)), b']'))
            told, lock = [], threading.Lock()

            def post():
                r = lazo.request("POST", "/v1/interactions", data=body, headers={"Content-Type": "application/json"}, timeout=120)
                with lock:
                    told.append(r.status_code)
            posts = [threading.Thread(target=post) for _ in range(40)]
            for t in posts:
                t.start()
            # 72 MB were sent: most are told to come again though nothing moves, and the others wait.
            eventually(lambda: len(told) >= 28, 60, "what is too much is refused")
            assert set(told) == {503} and len(told) < 40
            assert status(lazo, "/healthz") == 200
            assert 1 * MiB < metric(lazo, "lazo_http_bodies_bytes") <= 16 * MiB
            assert metric(lazo, "lazo_http_crowded_total") >= 28
        finally:
            signal_all(lazo, signal.SIGCONT)
        for t in posts:
            t.join()
        load.progress()
    assert told.count(201) >= 1 and set(told) <= {201, 503}
    load.check()
    assert lazo.sql("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'large'") == [(60 * told.count(201),)]
    assert metric(lazo, "lazo_http_bodies_bytes") == 0
    assert memory(lazo) - before < 400, "MiB more"


def test_everybody_is_thrown_out_again_and_again(lazo):
    with Load(lazo, "thrown") as load, lazo.connect("postgres") as connection, connection.cursor() as cursor:
        for _ in range(25):
            cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'lazod'")
            # As soon as somebody is there again.
            eventually(lambda: cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lazod'") or cursor.fetchone()[0] > 0, 60)
        back(lazo)
        load.progress()
    load.check()


def test_a_lock_that_is_kept(lazo):
    """Longer than a statement may take. Other pages are served meanwhile."""
    with Load(lazo, "locked", threads=8) as load:
        connection = lazo.connect("postgres")
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE lazo.interaction IN ACCESS EXCLUSIVE MODE")
            eventually(lambda: load.statuses.get(503, 0) >= 3, 60, "statements that wait too long are given up")
            assert lazo.request("GET", "/v1/segments", timeout=30).status_code == 200
            assert status(lazo, "/readyz") == 200
            waiting = metric(lazo, "lazo_database_waiting")
            assert waiting < 200, "the queue is bounded"
        connection.rollback()
        connection.close()
        load.progress()
    load.check()
    assert set(load.statuses) <= {201, 503}


def test_no_connection_is_free(lazo):
    """More long transactions than exclusive connections: what waits is served in the end."""
    back(lazo)
    # Two shared, six for transactions, the leader's; those that were given up may still be ending.
    eventually(lambda: lazo.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lazod'", user="postgres")[0][0] <= 9)
    done = []

    def many(n):
        for i in range(20):
            done.append(lazo.request("POST", "/v1/contacts", json={"email": f"c{n}-{i}@free.example"}).status_code)
    threads = [threading.Thread(target=many, args=(n,)) for n in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(done) == 600 and set(done) <= {200, 201}


# --- no room -------------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def small_disk():
    """An instance whose database is on a file system of its own, of 300 MB."""
    one = Instance().start()
    one.stop(keep=True)
    pg, kept = one.home / "pg", one.home / "pg.kept"
    pg.rename(kept)
    pg.mkdir(mode=0o700)
    owner = os.stat(kept)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=300m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}", "lazo-test", pg],
                          capture_output=True, text=True)
    if done.returncode != 0:
        one.remove()
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip() or done.stdout.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", pg], check=True)
        one.start()
        yield one
        one.stop(keep=True)
    finally:
        one.kill_all()
        eventually(lambda: subprocess.run(["umount", pg], capture_output=True).returncode == 0, 60, "it is unmounted")
        one.remove()


def fill(folder):
    """Takes what is left, to the last block; gives the file."""
    path = folder / "ballast"
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 65536)
        except OSError:
            pass
        try:
            while True:
                f.write(b"\0" * 512)
        except OSError:
            pass
    return path


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small file system")
def test_no_room(small_disk):
    lazo = small_disk
    lazo.segment("loaded", "count(load) >= 1")
    with Load(lazo, "room") as load:
        for _ in range(2):
            ballast = fill(lazo.home / "pg")
            refused = load.statuses.get(503, 0)
            # Each attempt is refused; the server may end itself when it cannot write its log, and `up` starts it again and again.
            eventually(lambda: load.statuses.get(503, 0) >= refused + 20, 120, "it is refused")
            assert status(lazo, "/healthz") == 200
            recorded = len(load.answered)
            time.sleep(1)  # nothing is accepted while there is no room; what had its room before may still have been
            assert len(load.answered) <= recorded + 200
            ballast.unlink()
            back(lazo)
            load.progress()
    load.check()
    assert set(load.statuses) <= {201, 503, "no answer"}
    eventually(lambda: lazo.count("loaded") == lazo.sql("SELECT count(DISTINCT contact_id) FROM interaction WHERE source = 'room'")[0][0])
    assert lazo.ctl("check", "--segments").returncode == 0
    lazo.ctl("consent", "verify")
    # Nothing of the database itself is broken.
    for table, in lazo.sql("SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'lazo'::regnamespace AND c.relkind = 'r'", user="postgres"):
        lazo.sql(f"SELECT count(*) FROM {table} t WHERE t IS NULL", user="postgres")
