"""kill -9 at random moments under load: lazod, the database's first process or any other of its processes.

Clients post all sorts of bodies and keep a ledger: what they sent and what was answered 2xx. What was not answered they send again, the
same, until it is. In the end the database is held against the ledger: each interaction there once, whole, as it was said.

LAZO_KILLS is how often (unless told: for three quarters of a minute), LAZO_SEED repeats the choices of a run."""
import collections
import contextlib
import json
import os
import random
import signal
import threading
import time

import requests

from lazo_test import eventually

KILLS = int(os.environ.get("LAZO_KILLS") or 0)
SHARE_S = 45
LEAST = 8
SEED = int(os.environ.get("LAZO_SEED") or random.SystemRandom().randrange(10**9))
CLIENTS = 6
KNOWN = 40       # people of each client whom it speaks of again and again
PAIR = ["left", "right"]  # tags that are only said together


class Client(threading.Thread):
    """One sender. Its ledger is its own: `items` by (source, key), `consents` and `amended` by contact."""

    def __init__(self, lazo, who):
        super().__init__(name=f"client {who}")
        self.lazo, self.who = lazo, who
        self.random = random.Random(f"{SEED}/{who}")
        self.stop = threading.Event()
        self.items = {}       # (source, key) -> {"nonce", "email", "external_id", "contact", "id"}
        self.amended = {}     # interaction -> what is left in cents
        self.gifts = []       # (contact, interaction) that may be amended
        self.granted = {}     # e-mail -> whether subscribed
        self.upserted = set()
        self.doubtful = set() # e-mails and interactions of the request that was not answered when the test ended
        self.requests = self.answered = self.repeated = 0
        self.wrong = None
        self.n = 0

    # What is said

    def person(self):
        """A known one, by one of the names; or a new one with both."""
        if self.random.random() < 0.6:
            k = self.random.randrange(KNOWN)
            return {"email": f"c{self.who}-{k}@known.example", "external_id": f"known-{self.who}-{k}"}
        self.n += 1
        return {"email": f"c{self.who}-n{self.n}@new.example", "external_id": f"new-{self.who}-{self.n}"}

    def item(self, keyed=True):
        person = self.person()
        self.n += 1
        nonce = f"{self.who}:{self.n}"
        contact = {**person, "tags": PAIR, "first_name": f"N{self.n}"}
        if person["email"].endswith("@known.example") and self.random.random() < 0.3:
            contact["consents"] = [{"topic": "news", "action": self.random.choice(["grant", "withdraw"])}]
        it = {"contact": contact, "kind": "killed", "amount": "100.00", "data": {"nonce": nonce}}
        if keyed:
            it.update(source="ledger", key=nonce)
        return it

    # How it is sent

    def post(self, path, **what):
        """Again and again until it is answered 2xx; the answer. None when the test ends first."""
        while True:
            self.requests += 1
            try:
                r = self.lazo.request("POST", path, timeout=60, **what)
            except requests.RequestException:
                r = None
            if r is not None and 200 <= r.status_code < 300:
                self.answered += 1
                return r.json()
            if r is not None:
                assert r.status_code == 503, f"{r.status_code} {r.text[:2000]}"
                assert int(r.headers["Retry-After"]) > 0
            self.repeated += 1
            if self.stop.wait(0.02):
                return None

    def note(self, items, answer, keys):
        """Writes what was answered into the ledger."""
        assert answer["recorded"] + answer["duplicates"] == len(items) == len(answer["items"]), answer
        for it, key, said in zip(items, keys, answer["items"]):
            c = it["contact"]
            self.items[key] = {"nonce": it["data"]["nonce"], "email": c["email"], "external_id": c["external_id"],
                               "contact": said["contact"], "id": said["id"]}
            self.gifts.append((said["contact"], said["id"]))
            for consent in c.get("consents", []):
                self.granted[c["email"]] = consent["action"] == "grant"

    def record(self, shape):
        self.n += 1
        n = 1 if shape.startswith("single") else self.random.randrange(2, 40)
        keyed = not shape.endswith("idempotent")
        items = [self.item(keyed) for _ in range(n)]
        headers, idem = {}, f"r{self.who}-{self.n}"
        if not keyed:
            headers["Idempotency-Key"] = idem
        keys = [("ledger", it["key"]) if keyed else ("", f"idem:{idem}:{i}") for i, it in enumerate(items)]
        if shape.startswith("lines"):
            headers["Content-Type"] = "application/x-ndjson"
            answer = self.post("/v1/interactions", data="\n".join(map(json.dumps, items)), headers=headers)
        else:
            answer = self.post("/v1/interactions", json=items if n > 1 else items[0], headers=headers)
        if answer is not None:
            self.note(items, answer, keys)
        else:
            self.doubtful.update(it["contact"]["email"] for it in items)

    def amend(self):
        if not self.gifts:
            return
        contact, gift = self.random.choice(self.gifts)
        self.n += 1
        left = self.amended.get(gift, 10000)
        sets = self.random.random() < 0.4
        cents = self.random.randrange(0, 20000) if sets else -self.random.randrange(1, 100)
        if left + cents < 0 and not sets:
            return
        body = {"contact": {"id": contact}, "amends": gift, "amount": f"{cents / 100:.2f}", "source": "amend", "key": f"{self.who}:{self.n}"}
        if self.post("/v1/interactions", json=body) is not None:
            self.amended[gift] = cents if sets else left + cents
        else:
            self.doubtful.add(gift)

    def upsert(self):
        person = self.person()
        if self.post("/v1/contacts", json={**person, "tags": PAIR, "first_name": "U"}) is not None:
            self.upserted.add(person["email"])

    def run(self):
        shapes = ["single", "single", "single idempotent", "array", "array idempotent", "lines", "lines idempotent"]
        try:
            while not self.stop.is_set():
                turn = self.random.random()
                if turn < 0.15:
                    self.amend()
                elif turn < 0.22:
                    self.upsert()
                else:
                    self.record(self.random.choice(shapes))
        except BaseException as e:  # shown by the test
            self.wrong = e


# --- who is killed ---------------------------------------------------------------------------------------------------------------

def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def kill_one(lazo, chance):
    """Any of our processes, at once; what it was, or None where it was not there just now."""
    what = chance.choice(["lazod", "lazod", "postgres", "backend", "backend"])
    pid = lazo.pid("lazod" if what == "lazod" else "postgres")
    if not pid or not lazo.is_ours(pid):
        return None
    if what == "backend":
        below = children(pid)
        if not below:
            return None
        pid = chance.choice(below)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    return what


def ready(lazo):
    try:
        return lazo.request("GET", "/readyz", token="").status_code == 200
    except requests.RequestException:
        return False


# --- the ledgers -----------------------------------------------------------------------------------------------------------------

def no_rows(lazo, what, sql):
    rows = lazo.sql(sql)
    assert rows == [], f"{what}: {len(rows)}, as {rows[:5]}"


def check_whole(lazo):
    """What must hold whoever was answered: nothing twice, nothing half."""
    no_rows(lazo, "interactions there twice",
            "SELECT data->>'nonce', count(*) FROM interaction WHERE data ? 'nonce' GROUP BY 1 HAVING count(*) > 1")
    no_rows(lazo, "keys without their interaction",
            "SELECT k.source, k.key FROM interaction_key k LEFT JOIN interaction i ON (i.contact_id, i.id) = (k.contact_id, k.interaction_id)"
            " WHERE i.id IS NULL")
    no_rows(lazo, "interactions without their key",
            "SELECT i.id FROM interaction i WHERE i.data ? 'nonce' AND NOT EXISTS (SELECT FROM interaction_key k WHERE k.interaction_id = i.id)")
    no_rows(lazo, "identities without a contact",
            "SELECT i.value FROM identity i LEFT JOIN contact c ON c.id = i.contact_id WHERE c.id IS NULL")
    no_rows(lazo, "contacts without their identity",
            "SELECT c.id FROM contact c WHERE"
            " (c.email IS NOT NULL AND NOT EXISTS (SELECT FROM identity i WHERE i.sort = 'email' AND i.value = c.email AND i.contact_id = c.id))"
            " OR (c.external_id IS NOT NULL AND NOT EXISTS"
            "     (SELECT FROM identity i WHERE i.sort = 'external_id' AND i.value = c.external_id AND i.contact_id = c.id))")
    no_rows(lazo, "contacts with half of their names", "SELECT id FROM contact WHERE email IS NULL OR external_id IS NULL")
    no_rows(lazo, "contacts with half of their tags",
            "SELECT c.id, array_agg(t.tag) FROM contact c LEFT JOIN contact_tag t ON t.contact_id = c.id AND t.tag IN ('left', 'right')"
            " GROUP BY c.id HAVING count(t.tag) <> 2")
    no_rows(lazo, "amendments without their key",
            "SELECT a.id FROM amendment a WHERE NOT EXISTS (SELECT FROM interaction_key k WHERE k.interaction_id = a.id AND k.source = 'amend')")
    no_rows(lazo, "consents that do not agree with what is in force",
            "SELECT s.contact_id FROM subscription s WHERE s.subscribed <> ((SELECT c.action FROM consent c"
            " WHERE c.contact_id = s.contact_id AND c.topic_id = s.topic_id ORDER BY c.id DESC LIMIT 1) = 'grant')")
    no_rows(lazo, "changes that were never looked at", "SELECT * FROM change")


def check_answered(lazo, clients):
    """Each 2xx is in the database, as it was said and answered."""
    keys = {(source, key): (contact, interaction) for source, key, contact, interaction in
            lazo.sql("SELECT source, key, contact_id, interaction_id FROM interaction_key")}
    facts = {i: (contact, nonce, amount) for i, contact, nonce, amount in
             lazo.sql("SELECT id, contact_id, data->>'nonce', amount FROM interaction")}
    people = {i: (email, external) for i, email, external in lazo.sql("SELECT id, email, external_id FROM contact")}
    subscribed = dict(lazo.sql("SELECT c.email, s.subscribed FROM subscription s JOIN contact c ON c.id = s.contact_id"))
    for client in clients:
        for email, granted in client.granted.items():
            assert email in client.doubtful or subscribed[email] == granted, f"{email} said {granted} last"
        for key, said in client.items.items():
            assert keys.get(key) == (said["contact"], said["id"]), f"answered {said} for {key}, stored {keys.get(key)}"
            contact, nonce, amount = facts[said["id"]]
            assert (contact, nonce) == (said["contact"], said["nonce"])
            assert people[contact] == (said["email"], said["external_id"])
            if said["id"] in client.amended and said["id"] not in client.doubtful:
                assert amount == client.amended[said["id"]], f"interaction {said['id']}: {amount}, not {client.amended[said['id']]}"
        known = {email for email, _ in people.values()}
        assert client.upserted <= known
    assert len({email for email, _ in people.values()}) == len(people)


def check_steps(lazo):
    """What follows from the facts did follow, once each: the segment, and the journey for each contact."""
    found = lazo.ctl("check", "--segments", "--rfm", check=False)
    assert found.returncode == 0, found.stdout
    no_rows(lazo, "scores that a gift is missing from",
            "SELECT t.* FROM (SELECT contact_id, count(*) AS n FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'killed' GROUP BY 1) t"
            " FULL JOIN rfm_score s ON s.contact_id = t.contact_id WHERE s.frequency IS DISTINCT FROM t.n")
    assert lazo.count("often") == lazo.sql("SELECT count(*) FROM (SELECT contact_id FROM interaction i JOIN kind k ON k.id = i.kind_id"
                                           " WHERE k.name = 'killed' GROUP BY 1 HAVING count(*) >= 3) t")[0][0]
    no_rows(lazo, "contacts that the journey forgot",
            "SELECT DISTINCT i.contact_id FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'killed'"
            " AND NOT EXISTS (SELECT FROM contact_tag t WHERE t.contact_id = i.contact_id AND t.tag = 'greeted')")
    no_rows(lazo, "journeys begun twice",
            "SELECT contact_id FROM journey_position GROUP BY contact_id HAVING count(*) > 1")


def score_anew(lazo):
    """All of the model, beside what comes in; or not, where nobody answers."""
    with contextlib.suppress(requests.RequestException):
        lazo.request("POST", "/v1/rfm/killed/recompute", json={}, timeout=5)


def enough_kills(n, started):
    return n >= KILLS if KILLS else n >= LEAST and time.monotonic() - started > SHARE_S


def test_random_kills(lazo):
    print(f"LAZO_SEED={SEED}")
    lazo.segment("often", "count(killed) >= 3")
    lazo.api("PUT", "/v1/rfm/killed", {"kinds": ["killed"], "classes": 3, "labels": [{"label": "top", "f": [3, 3]}, {"label": "rest"}]})
    lazo.segment("tops", 'rfm.label = "top"')
    lazo.journey("greet", {"start": {"interaction": "killed"}, "again": "once", "steps": [{"tag": "greeted"}]})
    chance, killed, started = random.Random(SEED), collections.Counter(), time.monotonic()
    clients = [Client(lazo, n) for n in range(CLIENTS)]
    for c in clients:
        c.start()
    try:
        while not enough_kills(sum(killed.values()), started):
            # Some answers, so that each kill finds work under way; the moment within it is anybody's.
            enough = sum(c.answered for c in clients) + chance.randrange(1, 40)
            eventually(lambda: any(c.wrong for c in clients) or sum(c.answered for c in clients) >= enough, 120, "work goes on", every=0.005)
            wrong = [c.wrong for c in clients if c.wrong]
            assert not wrong, wrong
            if chance.random() < 0.5:
                score_anew(lazo)
            what = eventually(lambda: kill_one(lazo, chance), 60, "something to kill")
            killed[what] += 1
            # Now and then once more, while it is coming back.
            if chance.random() < 0.2:
                what = eventually(lambda: kill_one(lazo, chance), 60, "something to kill")
                killed[what] += 1
        eventually(lambda: ready(lazo), 120, "it comes back by itself")
    finally:
        for c in clients:
            c.stop.set()
        for c in clients:
            c.join()
    assert not [c.wrong for c in clients if c.wrong]
    lazo.settle(120)
    print(f"killed {dict(killed)}; {sum(c.requests for c in clients)} requests, {sum(c.answered for c in clients)} answered,"
          f" {sum(c.repeated for c in clients)} sent again, {sum(len(c.items) for c in clients)} interactions")
    check_whole(lazo)
    check_answered(lazo, clients)
    check_steps(lazo)
    lazo.ctl("consent", "verify")
