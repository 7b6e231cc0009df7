"""The same person created at once by several: over HTTP through two lazods (one alone lets a transaction of an organisation through after
the other, so that nothing would race) and with plain SQL; by e-mail, by external id, by both. Each is one contact.

LAZO_PEOPLE is how many (3,000 unless told), LAZO_SEED repeats the choices."""
import os
import random
import threading

import psycopg2
from second import Second

PEOPLE = int(os.environ.get("LAZO_PEOPLE") or 3000)
SEED = int(os.environ.get("LAZO_SEED") or random.SystemRandom().randrange(10**9))
# By which names the first, the second and the stranger know a person.
SHAPES = [("e", "e", "e"), ("x", "x", "x"), ("ex", "ex", "ex"), ("ex", "e", "e"), ("x", "ex", "x"), ("ex", "ex", "e"), ("ex", "ex", "x"), ("e", "ex", "ex")]


def names(n, how):
    return {**({"email": f"n{n}@same.example"} if "e" in how else {}), **({"external_id": f"same-{n}"} if "x" in how else {})}


class Sender(threading.Thread):
    def __init__(self, place, rounds, barrier):
        super().__init__()
        self.place, self.rounds, self.barrier = place, rounds, barrier
        self.random = random.Random(f"{SEED}/{place}")
        self.wrong = None

    def run(self):
        try:
            for people in self.rounds:
                mine = self.random.sample(people, len(people))
                self.barrier.wait(120)
                self.send(mine)
        except BaseException as e:  # shown by the test
            self.wrong = e
            self.barrier.abort()


class Poster(Sender):
    """By HTTP, in one request or in some."""

    def __init__(self, one, *more):
        super().__init__(*more)
        self.one = one
        self.recorded = self.duplicates = self.again = 0

    def send(self, people):
        size = self.random.choice([1, 5, len(people), len(people)])
        for i in range(0, len(people), size):
            body = [{"contact": names(n, how[self.place]), "kind": "met", "source": "same", "key": str(n)} for n, how in people[i:i + size]]
            while True:
                r = self.one.request("POST", "/v1/interactions", json=body)
                if r.status_code == 201:
                    break
                assert r.status_code == 503, f"{r.status_code} {r.text[:1000]}"
                self.again += 1
            self.recorded += r.json()["recorded"]
            self.duplicates += r.json()["duplicates"]


class Stranger(Sender):
    """With INSERT; who is second gets a unique violation."""

    def __init__(self, lazo, *more):
        super().__init__(*more)
        self.connection = lazo.connect(org=1)
        self.made = self.refused = 0

    def send(self, people):
        with self.connection.cursor() as cursor:
            for n, how in people:
                said = names(n, how[self.place])
                try:
                    cursor.execute("INSERT INTO contact (org_id, email, external_id) VALUES (1, %s, %s)", (said.get("email"), said.get("external_id")))
                    self.made += 1
                except (psycopg2.errors.UniqueViolation, psycopg2.errors.DeadlockDetected):
                    self.refused += 1


def test_one_contact_each(lazo):
    print(f"LAZO_SEED={SEED} LAZO_PEOPLE={PEOPLE}")
    chance = random.Random(SEED)
    everybody = [(n, chance.choice(SHAPES)) for n in range(PEOPLE)]
    rounds, at = [], 0
    while at < PEOPLE:
        size = chance.choice([1, 2, 20, 50])
        rounds.append(everybody[at:at + size])
        at += size
    other = Second(lazo).start()
    barrier = threading.Barrier(3)
    first, second = Poster(lazo, 0, rounds, barrier), Poster(other, 1, rounds, barrier)
    stranger = Stranger(lazo, 2, rounds, barrier)
    senders = [first, second, stranger]
    try:
        for s in senders:
            s.start()
        for s in senders:
            s.join()
    finally:
        stranger.connection.close()
        other.stop()
    wrong = [s.wrong for s in senders if s.wrong and not isinstance(s.wrong, threading.BrokenBarrierError)]
    assert not wrong, wrong
    print(f"{len(rounds)} rounds; recorded {first.recorded} and {second.recorded}, sent again {first.again} and {second.again};"
          f" the stranger made {stranger.made}, was refused {stranger.refused}")
    assert first.recorded + second.recorded == PEOPLE == first.duplicates + second.duplicates
    # All three were first at times, or nothing was tried.
    assert min(first.recorded, second.recorded, stranger.made) > PEOPLE // 100

    assert lazo.sql("SELECT count(*) FROM contact") == [(PEOPLE,)]
    assert lazo.sql("SELECT count(*), count(DISTINCT contact_id) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'met'") == [(PEOPLE, PEOPLE)]
    said = {n: {name for h in how for name in names(n, h).items()} for n, how in everybody}
    held = {}
    for who, sort, value in lazo.sql("SELECT contact_id, sort, value FROM identity"):
        held.setdefault(who, set()).add((sort, value))
    # A duplicate adds no name: so each has at least one of those that were said, and nobody else's.
    whose = {name: n for n, these in said.items() for name in these}
    for these in held.values():
        assert len({whose[name] for name in these}) == 1 and these <= said[whose[min(these)]]
    assert len(held) == PEOPLE
    assert lazo.sql("SELECT count(*) FROM contact c WHERE (email IS NOT NULL) <> EXISTS (SELECT FROM identity i WHERE i.contact_id = c.id AND i.sort = 'email'"
                    " AND i.value = c.email)") == [(0,)]
