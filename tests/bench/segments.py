#!/usr/bin/python3
"""make bench, the segments: how fast membership follows, and whether that hangs on how many contacts and rules there are.

Two instances, a small one and one of LAZO_BENCH_CONTACTS, each with five rules and then five hundred. A gift's latency is the time from the answer of POST
(it is on disk) until the membership that follows from it can be read. The peer of a full evaluation is a statement written by hand for that one rule."""
import os
import shutil
import statistics
import sys
import tempfile
import time

import population
from bench import Instance

SMALL = int(os.environ.get("LAZO_BENCH_SMALL", "10000"))
CONTACTS = int(os.environ.get("LAZO_BENCH_CONTACTS", "50000"))
GIFTS = int(os.environ.get("LAZO_BENCH_GIFTS", "200"))
BURST = int(os.environ.get("LAZO_BENCH_BURST", "20000"))
TURNS = int(os.environ.get("LAZO_BENCH_TURNS", "3"))

TYPICAL = [
    ("gave twice this year, 50 in all", 'count(donation in last 12 months) >= 2 and sum(donation.amount in last 12 months) > 50',
     """SELECT count(*) FROM (SELECT contact_id FROM interaction WHERE kind_id = %(donation)s AND occurred_at > {year} AND occurred_at <= {now}
        GROUP BY contact_id HAVING count(*) >= 2 AND sum(amount) > 5000) x"""),
    ("gave once, not for two years", 'country = "ES" and any(donation) and not any(donation in last 2 years)',
     """SELECT count(*) FROM (SELECT contact_id FROM interaction WHERE kind_id = %(donation)s AND occurred_at <= {now}
        GROUP BY contact_id HAVING max(occurred_at) <= {two_years}) x JOIN contact c ON c.id = x.contact_id WHERE c.country = 'ES'"""),
    ("opens, but never gave", 'count(email_opened in last 12 months) >= 2 and not any(donation)',
     """SELECT count(*) FROM (SELECT contact_id FROM interaction WHERE kind_id = %(email_opened)s AND occurred_at > {year} AND occurred_at <= {now}
        GROUP BY contact_id HAVING count(*) >= 2) x WHERE NOT EXISTS (SELECT FROM interaction d
        WHERE d.contact_id = x.contact_id AND d.kind_id = %(donation)s AND d.occurred_at <= {now})"""),
]


def rules(n):
    """`n` rules as an organisation has them: a third of gifts, a third of opened mail, the rest of visits, fields and tags; all different."""
    for i in range(n):
        k = i // 6
        yield [f'any(donation where amount > {50 * k} in last {1 + k} hours)',
               f'count(email_opened in last {10 + k} days) >= {3 + k % 5}',
               f'count(donation in last {1 + k % 36} months) >= {1 + k % 4} and city = "Ciudad {k}"',
               f'country = "ES" and city = "Ciudad {k}" and age > {20 + k % 50}',
               f'count(visit in last {10 + 5 * k} days) > {2 + k % 5} and not any(email_opened in last {30 + k} days)',
               f'sum(donation.amount in last {1 + k % 24} months) > {100 + 10 * k} and not any(email_opened in last {k + 1} weeks)'][i % 6]


class Bench:
    def __init__(self, contacts):
        self.folder = tempfile.mkdtemp(prefix="lazo-segments-")
        os.chmod(self.folder, 0o755)
        self.instance = Instance(self.folder)
        for kind in population.KINDS:
            self.instance.api("POST", "/v1/interactions", {"contact": {"external_id": "first"}, "kind": kind})
        started = time.monotonic()
        self.interactions = population.fill(self.instance.home, contacts, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self.contacts = contacts
        self.filled_s = time.monotonic() - started
        self.connection = population.superuser(self.instance.home)
        self.db = self.connection.cursor()
        self.n_rules = 0
        self.asked = 0

    def stop(self):
        self.connection.close()
        self.instance.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, sql, *args):
        self.db.execute(sql, args or None)
        return self.db.fetchall()

    def settle(self):
        while self.ask("SELECT EXISTS (SELECT FROM change) OR EXISTS (SELECT FROM segment WHERE stale) OR EXISTS (SELECT FROM rfm_model WHERE stale)")[0][0]:
            time.sleep(0.05)

    def define(self, n):
        for i, rule in enumerate(rules(n)):
            if i >= self.n_rules:
                self.instance.api("PUT", f"/v1/segments/bench{i}", {"kind": "dynamic", "rule": rule})
        self.n_rules = n
        started = time.monotonic()
        self.settle()
        return time.monotonic() - started

    def rest(self):
        """Until all is done that follows a million rows that were written at once: statistics are gathered, and tables vacuumed."""
        time.sleep(2)
        while self.ask("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
                       " OR state = 'active' AND query LIKE '%%gather_statistics%%' AND pid <> pg_backend_pid())")[0][0]:
            time.sleep(1)
        self.db.execute("CHECKPOINT")

    def latencies(self):
        """Of gifts of people who have not given in the last hour: each enters bench0."""
        self.rest()
        segment = self.ask("SELECT id FROM segment WHERE name = 'bench0'")[0][0]
        found = []
        for n in range(GIFTS + 20):
            contact = self.ask("SELECT c.id FROM contact c WHERE c.id > %s AND NOT EXISTS (SELECT FROM membership m WHERE m.contact_id = c.id AND m.segment_id = %s)"
                               " ORDER BY c.id LIMIT 1", self.asked, segment)[0][0]
            self.asked = contact + max(1, self.contacts // (GIFTS + 20) // 6)
            self.instance.api("POST", "/v1/interactions", {"contact": {"id": contact}, "kind": "donation", "amount": "12.50"})
            started = time.monotonic()
            while not self.ask("SELECT EXISTS (SELECT FROM membership WHERE contact_id = %s AND segment_id = %s)", contact, segment)[0][0]:
                time.sleep(0.0005)
            found.append(time.monotonic() - started)
        found = sorted(found[20:])  # the first ones are for plans and connections
        return statistics.median(found) * 1e3, found[int(len(found) * 0.99)] * 1e3

    def burst(self, turn):
        """(recorded a second, caught up a second, moves): BURST interactions of as many contacts, if there are, other ones each turn."""
        self.rest()
        moved = "SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name IN ('segment_entered', 'segment_left')"
        before = self.ask(moved)[0][0]
        contacts = [row[0] for row in self.ask("SELECT id FROM contact ORDER BY hashint8(id) LIMIT %s OFFSET %s",
                                               BURST, min(BURST * turn, max(0, self.contacts - BURST)))]
        started = time.monotonic()
        for at in range(0, BURST, 1000):
            self.instance.api("POST", "/v1/interactions", [
                {"contact": {"id": contacts[i % len(contacts)]}, "kind": ["donation", "email_opened", "visit"][i % 3], "amount": "5", "source": "burst"}
                for i in range(at, at + 1000)])
        recorded = time.monotonic() - started
        self.settle()
        return BURST / recorded, BURST / (time.monotonic() - started), self.ask(moved)[0][0] - before

    def memory(self):
        return self.instance.memory()["lazod"]

    def full(self, rule, by_hand):
        """(seconds by the rule, seconds by hand); both give the same number."""
        kinds = dict(self.ask("SELECT name, id FROM kind"))
        ours, hand = [], []
        for _ in range(TURNS):
            started = time.monotonic()
            counted = self.instance.api("POST", "/v1/rules/check", {"rule": rule})["count"]
            ours.append(time.monotonic() - started)
            zone = self.ask("SELECT time_zone FROM organisation WHERE id = 1")[0][0]
            now = "now()"
            ago = lambda years: f"((({now}) AT TIME ZONE '{zone}' - interval '{years} years') AT TIME ZONE '{zone}')"
            started = time.monotonic()
            self.db.execute(by_hand.format(now=now, year=ago(1), two_years=ago(2)), kinds)
            expected = self.db.fetchone()[0]
            hand.append(time.monotonic() - started)
            if abs(counted - expected) > 2:  # the clock went on between
                sys.exit(f"bench: {rule}: {counted} by the rule, {expected} by hand")
        return statistics.median(ours), statistics.median(hand)


    def first(self, rule, by_hand):
        """(seconds until the members of a new segment are there, seconds by hand). By hand: one INSERT ... SELECT of the same members into the same table with its
        indexes; unlike ours it finds no next change, writes no wakes, and holds everybody up until it is done."""
        kinds = dict(self.ask("SELECT name, id FROM kind"))
        zone = self.ask("SELECT time_zone FROM organisation WHERE id = 1")[0][0]
        ago = lambda years: f"(((now()) AT TIME ZONE '{zone}' - interval '{years} years') AT TIME ZONE '{zone}')"
        members = by_hand.format(now="now()", year=ago(1), two_years=ago(2)).replace("SELECT count(*)", "SELECT x.contact_id", 1)
        ours, hand = [], []
        for _ in range(TURNS):
            self.instance.api("PUT", "/v1/segments/first", {"kind": "dynamic", "rule": rule})
            started = time.monotonic()
            self.settle()
            ours.append(time.monotonic() - started)
            found = self.ask("SELECT count(*) FROM membership m JOIN segment s ON s.id = m.segment_id WHERE s.name = 'first'")[0][0]
            self.instance.api("DELETE", "/v1/segments/first")
            self.db.execute("BEGIN; SET LOCAL lazo.writer = 'lazod'; SET LOCAL jit = off")
            started = time.monotonic()
            self.db.execute(f"INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT 1, m.contact_id, 0, now() FROM ({members}) m", kinds)
            expected = self.db.rowcount
            hand.append(time.monotonic() - started)
            self.db.execute("ROLLBACK; DELETE FROM wake")
            if abs(found - expected) > 2:
                sys.exit(f"bench: {rule}: {found} members by the rule, {expected} by hand")
        return statistics.median(ours), statistics.median(hand)


def report(what, ours, unit, peer_name, peer, goal):
    print(f"{what:50} {ours:9.1f} {unit:3}  {peer_name:38} {peer:9.1f} {unit:3} {ours / peer:6.2f}  {goal}", flush=True)


def measure(contacts):
    bench = Bench(contacts)
    try:
        print(f"{contacts} contacts, {bench.interactions} interactions, made in {bench.filled_s:.0f} s", flush=True)
        said = {"full": [bench.full(rule, by_hand) for _, rule, by_hand in TYPICAL]}
        bench.define(5)
        said["few"] = bench.latencies()
        if contacts >= 3 * BURST:  # else nobody is left who has not given
            said["burst of few"] = bench.burst(0)
        said["first"] = [bench.first(rule, by_hand) for _, rule, by_hand in TYPICAL]
        said["defined_s"] = bench.define(500)
        said["many"] = bench.latencies()
        said["burst of many"] = bench.burst(1)
        said["memory"] = bench.memory()
        return said
    finally:
        bench.stop()


def main():
    small, large = measure(SMALL), measure(CONTACTS)
    for (name, _, _), (ours, hand) in zip(TYPICAL, large["full"]):
        report(f"full: {name}", ours * 1e3, "ms", "SQL by hand", hand * 1e3, "1.20")
    for (name, _, _), (ours, hand) in zip(TYPICAL, large["first"]):
        report(f"new segment: {name}", ours * 1e3, "ms", "INSERT of the members, no wakes", hand * 1e3, "")
    for n, what in ((0, "median"), (1, "99th percentile")):
        report(f"gift to membership, 500 rules, {what}", large["many"][n], "ms", f"at {SMALL} contacts", small["many"][n], "1.50")
        report(f"gift to membership, 500 rules, {what}", large["many"][n], "ms", "at 5 rules", large["few"][n], "3.00")
    for which, n in (("burst of few", 5), ("burst of many", 500)):
        if which not in large:
            continue
        recorded, caught_up, moves = large[which]
        report(f"burst, {n} rules: recorded and caught up, a second", caught_up, "/s", f"recorded ({moves / BURST:.1f} moves each)", recorded, "1.00")
    report("lazod's peak memory", large["memory"], "MiB", f"at {SMALL} contacts", small["memory"], "1.00")
    print(f"first evaluation of 495 rules: {large['defined_s']:.0f} s for {CONTACTS} contacts, {small['defined_s']:.1f} s for {SMALL}")


if __name__ == "__main__":
    main()
