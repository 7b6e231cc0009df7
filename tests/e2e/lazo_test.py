"""What the end-to-end tests, the fault tests and the demo stand on.

    Instance    a whole Lazo by `lazoctl up`, in a private folder in /tmp
    Sink        a real SMTP server on a free loopback port that keeps every message
    Receiver    a real HTTP server on a free loopback port that keeps every webhook call
    eventually  asks again until something is so

The programs are found through LAZO_BUILD, by default build/debug under the repository. Nothing here asserts how long something
takes: waits are generous and end as soon as what is waited for is there.
"""
import asyncio
import base64
import contextlib
import datetime as dt
import email
import email.policy
import glob
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import psycopg2
import requests
from aiosmtpd.controller import Controller

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LAZO_BUILD", ROOT / "build" / "debug")).resolve()
SHARED = pathlib.Path(os.environ.get("LAZO_SHARED", ROOT.parent / "shared"))
EXAMPLE = ROOT / "config" / "example"
EXPECTED_SCORES = ROOT / "tests" / "data" / "rfm" / "expected_orders_20061231.csv"
PUBLIC = "https://mail.example.org"  # how the links in mail begin; one-click needs https
READY_S = 180
WAIT_S = 120


class Timeout(AssertionError):
    pass


def eventually(fn, timeout=WAIT_S, what=None, every=0.05):
    """fn()'s first true value. An AssertionError of fn counts as "not yet", and is what fails in the end. A machine that was halted
    meanwhile has let no time pass for us: a few dozen looks are always taken."""
    until = time.monotonic() + timeout
    last = None
    looks = 0
    while True:
        looks += 1
        try:
            value = fn()
            if value:
                return value
            last = None
        except AssertionError as e:
            last = e
        if time.monotonic() > until and looks > 40:
            if last is not None:
                raise last
            raise Timeout(f"not within {timeout} s: {what or getattr(fn, '__name__', fn)}")
        time.sleep(every)


def never(fn, during=2.0, what=None):
    """That fn() stays false for a while: for what must not happen. It can miss a fault, never invent one."""
    until = time.monotonic() + during
    while time.monotonic() < until:
        value = fn()
        assert not value, f"{what or 'this must not happen'}: {value!r}"
        time.sleep(0.1)


def free_port():
    """One below those that the kernel gives to connections, so that it stays free while nobody listens there for a while; lazoctl up takes others."""
    while True:
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", random.SystemRandom().randrange(30000, 32768)))
                return s.getsockname()[1]


def program(name):
    path = BUILD / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built; make first, or say LAZO_BUILD")
    return str(path)


class ApiError(AssertionError):
    def __init__(self, method, path, response):
        super().__init__(f"{method} {path}: {response.status_code} {response.text[:2000]}")
        self.status = response.status_code
        self.response = response


# --- an instance -----------------------------------------------------------------------------------------------------------

class Instance:
    """`lazoctl up` on a folder of its own. stop() ends it and fails where a sanitizer has said something."""

    running = []

    def __init__(self, relay=None, clock=None, example=False, env=None, base=None):
        self.base = pathlib.Path(base or tempfile.mkdtemp(prefix="lazo-test-", dir="/tmp"))
        self.base.chmod(0o711)
        self.home = self.base / "home"
        self.reports = self.base / "sanitizer"  # open to all: the programs run as an unprivileged user
        self.reports.mkdir(exist_ok=True)
        self.reports.chmod(0o777)
        self.relay, self.clock, self.example = relay, clock, example
        self.env = {"LAZO_HTTP_PUBLIC_URL": PUBLIC, **(env or {})}
        self.process = None
        self.url = self.token = None
        self.local = threading.local()

    # Starting and ending

    def environment(self):
        env = dict(os.environ)
        for name in list(env):
            if name.startswith("LAZO_") and name not in ("LAZO_BUILD", "LAZO_SHARED"):
                del env[name]
        leaks = os.environ.get("LAZO_LEAKS", "1")
        env["ASAN_OPTIONS"] = f"abort_on_error=0:exitcode=99:detect_leaks={leaks}:log_path={self.reports}/asan"
        env["UBSAN_OPTIONS"] = f"print_stacktrace=1:log_path={self.reports}/ubsan"
        env.update(self.env)
        return env

    def start(self):
        words = [program("lazoctl"), "up", "--home", str(self.home), "--http", "127.0.0.1:0"]
        if self.relay:
            words += ["--relay", self.relay]
        if self.clock:
            words += ["--clock", self.clock]
        if self.example:
            words += ["--example"]
        self.up_log = open(self.base / "up.log", "ab")
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self.up_log, stdin=subprocess.DEVNULL,
                                        env=self.environment(), cwd=ROOT, text=True)
        Instance.running.append(self)
        said = []
        reader = threading.Thread(target=self._read, args=(self.process.stdout, said), daemon=True)
        reader.start()
        try:
            self.url = eventually(lambda: self._ready(said), READY_S, "lazoctl up is ready")
        except BaseException:
            self.kill_all()
            raise
        self.token = (self.home / "token").read_text().strip()
        return self

    @staticmethod
    def _read(stream, said):
        for line in stream:
            said.append(line)

    def _ready(self, said):
        for line in list(said):
            if line.startswith("ready http://"):
                return line.split()[1]
        if self.process.poll() is not None:
            raise RuntimeError(f"lazoctl up ended with {self.process.returncode}\n{self.diagnostics()}")
        return None

    def stop(self, keep=False):
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(timeout=180)
            status = self.process.returncode if self.process else 0
            self.assert_clean()
            assert status == 0, f"lazoctl up ended with {status}\n{self.diagnostics()}"
        finally:
            self.kill_all()
            Instance.running.remove(self)
            if not keep:
                self.remove()

    def restart(self):
        self.stop(keep=True)
        self.start()

    def remove(self):
        if "LAZO_KEEP" not in os.environ:
            shutil.rmtree(self.base, ignore_errors=True)

    def kill_all(self):
        """Whatever still runs of this instance, and nothing else."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for name in ("lazod", "lazo-mailer", "lazo-hook", "lazo-inbox", "postgres"):
            pid = self.pid(name)
            if pid and self.is_ours(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT if name == "postgres" else signal.SIGKILL)

    def is_ours(self, pid):
        try:
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            at = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return False
        return str(self.home).encode() in line or at.startswith(str(self.home))

    # Children

    def pid(self, name):
        try:
            return int((self.home / "run" / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return None

    def kill(self, name, how=signal.SIGKILL):
        """Sends a signal to a child; its process id."""
        pid = self.pid(name)
        assert pid and self.is_ours(pid), f"{name} does not run"
        os.kill(pid, how)
        return pid

    def kill_up(self):
        """kill -9 of `lazoctl up` itself; what it started ends by itself."""
        Instance.running.remove(self)
        self.process.kill()
        self.process.wait()

    # What it says

    def log(self, name, tail=None):
        path = self.home / "log" / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-tail:]) if tail else text

    def sanitizer_reports(self):
        found = {}
        for path in glob.glob(f"{self.reports}/*"):
            with open(path, errors="replace") as f:
                text = f.read()
            if text.strip():
                found[os.path.basename(path)] = text
        return found

    def assert_clean(self):
        reports = self.sanitizer_reports()
        assert not reports, "\n\n".join(f"{name}:\n{text[:6000]}" for name, text in reports.items())

    def diagnostics(self):
        parts = []
        up = self.base / "up.log"
        if up.exists():
            parts.append("== lazoctl up\n" + "\n".join(up.read_text(errors="replace").splitlines()[-15:]))
        for path in sorted(glob.glob(f"{self.home}/log/*")):
            if path.endswith("initdb.log") and (self.home / "pg").exists():
                continue
            with open(path, errors="replace") as f:
                parts.append(f"== {os.path.basename(path)}\n" + "\n".join(f.read().splitlines()[-25:]))
        return "\n".join(parts)

    # HTTP

    def session(self):
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.trust_env = False
        return self.local.session

    def request(self, method, path, token=None, **kw):
        """The raw response. token: another one; "" for none."""
        headers = dict(kw.pop("headers", None) or {})
        token = self.token if token is None else token
        if token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("http") else self.url + path
        return self.session().request(method, url, headers=headers, timeout=kw.pop("timeout", 60), **kw)

    def api(self, method, path, body=None, **kw):
        """The JSON of a good answer; ApiError else."""
        r = self.request(method, path, json=body, **kw) if body is not None else self.request(method, path, **kw)
        if not 200 <= r.status_code < 300:
            raise ApiError(method, path, r)
        return r.json() if r.content and "json" in r.headers.get("Content-Type", "") else None

    def get(self, path):
        return self.api("GET", path)

    def items(self, path):
        """All items of a list, page by page."""
        found, after = [], None
        if "limit=" not in path:
            path += ("&" if "?" in path else "?") + "limit=1000"
        while True:
            page = self.get(path + (f"&after={after}" if after is not None else ""))
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    def record(self, contact, kind, **fields):
        """One interaction; the id of its contact."""
        return self.api("POST", "/v1/interactions", {"contact": contact, "kind": kind, **fields})["items"][0]["contact"]

    def contact_id(self, address):
        found = self.get(f"/v1/contacts?q={requests.utils.quote(address)}")["items"]
        assert found, f"nobody has the address {address}"
        return found[0]["id"]

    def now(self):
        return self.get("/v1/clock")["now"]

    def advance(self, duration):
        return self.api("POST", "/v1/clock", {"advance": duration})["now"]

    def advance_to(self, instant):
        return self.api("POST", "/v1/clock", {"to": instant})["now"]

    def reach(self, instant):
        """The same, where the clock is not past it by itself."""
        r = self.request("POST", "/v1/clock", json={"to": instant})
        assert r.status_code in (200, 409), r.text

    def just_before(self, instant, look):
        """look() a minute and a second before the instant. The clock runs on meanwhile: what was seen too late says nothing."""
        end = dt.datetime.fromisoformat(instant.replace("Z", "+00:00"))
        for seconds in (60, 1):
            self.reach((end - dt.timedelta(seconds=seconds)).isoformat())
            try:
                look()
            except AssertionError:
                if dt.datetime.fromisoformat(self.now().replace("Z", "+00:00")) < end:
                    raise

    def settled(self):
        """Nothing waits to be evaluated, decided or sent."""
        status = self.get("/v1/status")
        busy = [n for part in status["queue"].values() for n in part.values()]
        return not any((status["changes"], status["cues"], status["steps"], status["stale"], *busy))

    def settle(self, timeout=WAIT_S):
        eventually(lambda: self.settled() and self.settled(), timeout, "everything is evaluated and sent")

    def check(self, **body):
        """What a check reports at rest; it waits for that itself, but a slow machine may take longer."""
        def report():
            told = self.api("POST", "/v1/check", body, timeout=200)
            return None if told["waiting"] else told

        return eventually(report, what="it comes to rest, and is checked")

    def count(self, segment):
        s = self.get(f"/v1/segments/{segment}")
        return None if s["stale"] else s["count"]

    def members(self, segment):
        return {m["email"] for m in self.items(f"/v1/segments/{segment}/members")}

    # Definitions

    def template(self, name, subject="S", text="T {{ unsubscribe_url }}", html=None, language="es"):
        return self.api("PUT", f"/v1/templates/{name}", {"language": language, "subject": subject, "text": text,
                                                         "html": html or f"<p>{text}</p>"})

    def journey(self, name, definition):
        self.api("PUT", f"/v1/journeys/{name}", definition)
        self.api("POST", f"/v1/journeys/{name}/enable")

    def segment(self, name, rule):
        """A dynamic segment, evaluated."""
        self.api("PUT", f"/v1/segments/{name}", {"kind": "dynamic", "rule": rule})
        eventually(lambda: self.count(name) is not None, what=f"segment {name} is evaluated")

    # The database

    def sockets(self):
        return psycopg2.extensions.parse_dsn((self.home / "database").read_text().strip())["host"]

    def connect(self, user="lazo_app", org=None):
        connection = psycopg2.connect(host=self.sockets(), dbname="lazo", user=user)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = lazo, public")
            if org is not None:
                cursor.execute("SELECT set_config('lazo.org', %s, false)", (str(org),))
        return connection

    def sql(self, text, args=None, user="lazo_app", org=1):
        """Rows of one statement, as the application's role within an organisation; user="postgres" sees all."""
        connection = self.connect(user, None if user == "postgres" else org)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, args)
                return cursor.fetchall() if cursor.description else cursor.rowcount
        finally:
            connection.close()

    @contextlib.contextmanager
    def holding(self, text, args=None):
        """Within it somebody's transaction has done this and is not ended; then it is committed."""
        connection = self.connect("postgres")
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lazo.org = '1'")
                cursor.execute("BEGIN")
                cursor.execute(text, args)
                self.holder = connection.info.backend_pid
                yield
                cursor.execute("COMMIT")
        finally:
            connection.close()

    def wait_for_lock(self):
        """Until a session of lazod waits for what is being held: they wait for each other for moments, too."""
        eventually(lambda: self.sql("SELECT FROM pg_stat_activity WHERE usename = 'lazo_app' AND wait_event_type = 'Lock' AND %s = ANY (pg_blocking_pids(pid))",
                                    (self.holder,), user="postgres"),
                   what="lazod waits for the lock that is held")

    # lazoctl

    def ctl(self, *words, check=True, input=None, env=None):
        e = self.environment()
        e["LAZO_HOME"] = str(self.home)
        e.update(env or {})
        done = subprocess.run([program("lazoctl"), *map(str, words)], env=e, input=input, text=True, capture_output=True,
                              timeout=300)
        if check:
            assert done.returncode == 0, f"lazoctl {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode != 99, str(self.sanitizer_reports())
        return done

    def psql(self, command, user="lazo_app", org=1):
        """psql itself, as a stranger would type it."""
        env = dict(os.environ, PGOPTIONS=f"-c lazo.org={org} -c search_path=lazo")
        return subprocess.run(["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.sockets(), "-U", user, "-d", "lazo", "-c", command],
                              env=env, text=True, capture_output=True, check=True).stdout.strip()


# --- mail ------------------------------------------------------------------------------------------------------------------

class Mail:
    """One message as it came, with its envelope."""

    def __init__(self, sender, to, content):
        self.sender, self.to, self.content = sender, to, content
        self.parsed = email.message_from_bytes(content, policy=email.policy.default)

    def __getitem__(self, header):
        return self.parsed[header]

    @property
    def subject(self):
        return str(self.parsed["Subject"])

    def part(self, kind):
        found = self.parsed.get_body(preferencelist=(kind,))
        return found.get_content() if found is not None else ""

    @property
    def text(self):
        return self.part("plain")

    @property
    def html(self):
        return self.part("html")

    def __repr__(self):
        return f"<mail to {', '.join(self.to)}: {self.subject}>"


class Sink:
    """An SMTP server. `answer(mail)` may give another reply than 250, or "drop" to keep the mail and close the connection in place of the answer,
    or "lose" to close it and keep nothing. `delay` seconds pass before each answer. hold_after(n): n more are taken, and those after them are in its hands until
    release()."""

    def __init__(self, delay=0.0):
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.mails = []
        self.refused = []
        self.delay = delay
        self.room = None
        self.answer = None
        self.lock = threading.Lock()
        self.controller = None

    def start(self):
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, ident="lazo test sink",
                                     enable_SMTPUTF8=True, data_size_limit=50_000_000)
        eventually(self._bind, 30, f"port {self.port} is free")
        return self

    def _bind(self):
        try:
            self.controller.start()
            return True
        except OSError:
            return False

    def stop(self):
        """The relay goes away; its port stays closed."""
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    async def handle_DATA(self, server, session, envelope):
        mail = Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content or envelope.content)
        if self.delay:
            await asyncio.sleep(self.delay)
        while self.room is not None and len(self.mails) >= self.room:
            await asyncio.sleep(0.02)
        said = self.answer(mail) if self.answer else None
        if said in (None, "drop"):
            with self.lock:
                self.mails.append(mail)
        else:
            self.refused.append((mail, said))
        if said in ("drop", "lose"):
            server.transport.abort()
            return "250 never seen"
        return said or "250 2.0.0 OK"

    def hold_after(self, n):
        self.room = len(self.mails) + n

    def release(self):
        self.room = None

    # What came

    def __len__(self):
        return len(self.mails)

    def all(self):
        with self.lock:
            return list(self.mails)

    def clear(self):
        with self.lock:
            self.mails.clear()

    def to(self, address):
        return [m for m in self.all() if address.lower() in (t.lower() for t in m.to)]

    def wait(self, address, n=1, timeout=WAIT_S):
        """The mails to this address, once there are n."""
        return eventually(lambda: self.to(address)[:] if len(self.to(address)) >= n else None, timeout, f"{n} mail(s) to {address}")

    def counts(self):
        found = {}
        for m in self.all():
            for to in m.to:
                found[to.lower()] = found.get(to.lower(), 0) + 1
        return found


# --- webhooks --------------------------------------------------------------------------------------------------------------

class Call:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.at = time.time()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers["webhook-id"]


class Receiver:
    """An HTTP server that keeps every POST. `answer(call)` gives the status, 200 by default."""

    def __init__(self):
        self.calls = []
        self.answer = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                call = Call(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                outer.calls.append(call)
                status = outer.answer(call) if outer.answer else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def wait(self, n=1, timeout=WAIT_S, where=lambda call: True):
        def enough():
            found = [c for c in list(self.calls) if where(c)]
            return found if len(found) >= n else None
        return eventually(enough, timeout, f"{n} webhook call(s)")


def verify_signature(call, secret, tolerance=None):
    """Standard Webhooks, read from its text: HMAC-SHA256 over id.timestamp.body with the base64 after whsec_, "v1," and base64 in a
    list separated by spaces. Says what is wrong, or None."""
    key = base64.b64decode(secret.strip().removeprefix("whsec_"))
    try:
        said_id, stamp, given = (call.headers[h] for h in ("webhook-id", "webhook-timestamp", "webhook-signature"))
    except KeyError as e:
        return f"no header {e}"
    if not stamp.isdigit():
        return "the timestamp is no number of seconds"
    if tolerance and abs(time.time() - int(stamp)) > tolerance:
        return "the timestamp is too far from now"
    wanted = base64.b64encode(hmac.new(key, f"{said_id}.{stamp}.".encode() + call.body, hashlib.sha256).digest()).decode()
    versions = [one.split(",", 1) for one in given.split(" ")]
    if any(len(v) == 2 and v[0] == "v1" and hmac.compare_digest(v[1], wanted) for v in versions):
        return None
    return "no signature fits"
