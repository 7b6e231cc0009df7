"""What is stored of segments and scores is what the facts say: after every step of random histories, rules and clock moves.

LAZO_SEED repeats a run, LAZO_STEPS makes it longer."""
import datetime as dt
import json
import os
import pathlib
import random
import subprocess
import sys

import pytest
from lazo_test import Instance

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rules"))
import oracle  # noqa: E402
import worlds  # noqa: E402

SEED = int(os.environ.get("LAZO_SEED") or random.SystemRandom().randrange(10**9))
STEPS = int(os.environ.get("LAZO_STEPS") or 40)
RULES = 40
CONTACTS = 30
START = "2024-03-30T20:00:00Z"
MODELS = {
    "main": {"kinds": ["donation"], "look_back": "1 year", "scoring": "quantile", "classes": 5,
             "labels": [{"label": "Champion", "r": [4, 5]}, {"label": "En riesgo", "r": [1, 2]}]},
    "calls": {"kinds": ["call", "donation"], "scoring": "fixed", "classes": 3,
              "breaks": {"recency": [30, 90], "frequency": [2, 5], "monetary": ["10", "100"]}},
}


class History:
    """An instance under random hands: strangers' SQL, the API, the clock."""

    def __init__(self, one, seed):
        self.one, self.rnd = one, random.Random(seed)
        self.world = worlds.World(self.rnd, 0)
        self.world.tz, self.world.leap = "Europe/Madrid", "02-28"
        self.connection = one.connect(org=1)
        self.db = self.connection.cursor()
        self.contacts = []
        self.merges = []
        self.prepare()

    def ask(self, sql, *args):
        self.db.execute(sql, args)
        return [row[0] for row in self.db.fetchall()]

    def do(self, sql, *args):
        self.db.execute(sql, args)

    def prepare(self):
        one = self.one
        for topic in worlds.TOPICS:
            one.api("PUT", f"/v1/topics/{topic}", {})
        for name, sort in self.world.fields.items():
            one.api("PUT", f"/v1/fields/{name}", {"type": sort})
        for name in worlds.SEGMENTS:
            one.api("PUT", f"/v1/segments/{name}", {"kind": "fixed"})
        one.api("PUT", "/v1/relations/colleague", {"shares": "employee of"})
        self.relations = [self.ask("SELECT id FROM relation_kind WHERE name = %s", pair[0])[0] for pair in worlds.RELATIONS]
        self.world.asks_related = True
        for kind in worlds.KINDS:
            self.do("INSERT INTO kind (org_id, name) VALUES (1, %s) ON CONFLICT DO NOTHING", kind)
        self.kinds = [self.ask("SELECT id FROM kind WHERE name = %s", k)[0] for k in worlds.KINDS]
        self.topics = [self.ask("SELECT id FROM topic WHERE name = %s", t)[0] for t in worlds.TOPICS]
        self.fields = {f: self.ask("SELECT id FROM field WHERE name = %s", f)[0] for f in self.world.fields}
        for name, model in MODELS.items():
            one.api("PUT", f"/v1/rfm/{name}", model)
        for _ in range(CONTACTS):
            self.new_contact()

    def define(self, n):
        self.moved()
        for i in range(n):
            text = oracle.text(self.world.rule())
            if i % 5 == 4:  # rules over rules
                text = f'({text}) or in segment "s{self.rnd.randrange(i)}"'
            if i % 7 == 6:
                text = f'({text}) and not in segment "s{self.rnd.randrange(i)}"'
            if i % 9 == 8:  # over rules about others
                text = f'({text}) or related as "{self.rnd.choice(["spouse", "same household", "employs"])}" where (in segment "s{self.rnd.randrange(i)}")'
            self.one.api("PUT", f"/v1/segments/s{i}", {"kind": "dynamic", "rule": text})

    def moved(self):
        self.world.now = dt.datetime.fromisoformat(self.one.now().replace("Z", "+00:00"))

    # --- one hand each ----------------------------------------------------------------------------

    def new_contact(self):
        c = self.world.contact()
        columns = [n for n in worlds.TEXTS if n not in ("email_domain", "email", "external_id")]
        columns += ["kind", "time_zone", "birth_year", "birth_month", "birth_day", "created_at"]
        self.contacts += self.ask("INSERT INTO contact (org_id, %s) VALUES (1%s) RETURNING id" % (", ".join(columns), ", %s" * len(columns)),
                                  *(c[n] for n in columns))

    def who(self):
        return self.rnd.choice(self.contacts)

    def fact(self):
        i = self.world.interaction(0)
        self.do("INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount, currency, source, data) VALUES (1, %s, %s, %s, %s, %s, %s, %s)",
                self.who(), self.rnd.choice(self.kinds), i["at"], i["amount"], i["currency"], i["source"],
                None if i["data"] is None else json.dumps(i["data"]))

    def lost_fact(self):
        self.do("DELETE FROM interaction WHERE id IN (SELECT id FROM interaction WHERE contact_id = %s AND source <> 'lazo' ORDER BY random() LIMIT 1)", self.who())

    def changed_fact(self):
        i = self.world.interaction(0)
        self.do("UPDATE interaction SET occurred_at = %s, amount = %s, kind_id = %s WHERE id IN (SELECT id FROM interaction WHERE contact_id = %s AND source <> 'lazo'"
                " ORDER BY random() LIMIT 1)", i["at"], i["amount"], self.rnd.choice(self.kinds), self.who())

    def recorded(self):
        i = self.world.interaction(0)
        self.one.record({"id": self.who()}, self.rnd.choice(worlds.KINDS), occurred_at=i["at"].isoformat(), source="web", amount="25.50")

    def amended(self):
        """Taken back in part or whole, set to another amount, or removed; what is no gift any more is refused."""
        found = self.ask("SELECT i.id FROM interaction i WHERE i.contact_id = %s AND i.amount > 0 AND i.source <> 'lazo' ORDER BY random() LIMIT 1", who := self.who())
        if not found:
            return
        if self.rnd.random() < 0.2:
            self.one.request("DELETE", f"/v1/contacts/{who}/interactions/{found[0]}")
        else:
            self.one.request("POST", "/v1/interactions", json={"contact": {"id": who}, "amends": found[0], **self.rnd.choice([
                {"amount": "-5"}, {"amount": "-25.50"}, {"kind": "correction", "amount": "12.00"}])})

    def burst(self):
        """Many at once, some of them of contacts that are new."""
        self.one.api("POST", "/v1/interactions", [
            {"contact": {"id": self.who()}, "kind": self.rnd.choice(worlds.KINDS), "amount": "3", "source": "burst",
             "occurred_at": self.world.near(self.world.now).isoformat()} for _ in range(60)])

    def field(self):
        name = self.rnd.choice(["first_name", "city", "country", "stage", "time_zone", "language"])
        value = self.rnd.choice(worlds.ZONES if name == "time_zone" else worlds.TEXTS[name])
        self.do(f"UPDATE contact SET {name} = %s WHERE id = %s", value or None, self.who())

    def birthday(self):
        day = self.world.now.date() + dt.timedelta(days=self.rnd.randint(-2, 9))
        self.do("UPDATE contact SET birth_month = %s, birth_day = %s, birth_year = %s WHERE id = %s", day.month, day.day,
                self.rnd.choice([None, 1988, 2004]), self.who())

    def patched(self):
        self.one.api("PATCH", f"/v1/contacts/{self.who()}", {"first_name": self.rnd.choice(["Ana", "José", "Zoë"])})

    def tag(self):
        who, tag = self.who(), self.rnd.choice(["socio", "no-mail", "VIP"])
        self.do("INSERT INTO contact_tag VALUES (1, %s, %s) ON CONFLICT DO NOTHING", who, tag)

    def untag(self):
        self.do("DELETE FROM contact_tag WHERE contact_id = %s", self.who())

    def group(self):
        self.do("INSERT INTO contact_group VALUES (1, %s, %s) ON CONFLICT DO NOTHING", self.who(), self.rnd.choice(worlds.GROUPS))

    def topic(self):
        self.do("INSERT INTO subscription VALUES (1, %s, %s, %s, '2020-01-01') ON CONFLICT (contact_id, topic_id) DO UPDATE SET subscribed = excluded.subscribed",
                self.who(), self.rnd.choice(self.topics), self.rnd.random() < 0.5)

    def attribute(self):
        name = self.rnd.choice(list(self.fields))
        sort = self.world.fields[name]
        value = {"number": lambda: self.rnd.choice([0.1, 25.5, -3.0]), "text": lambda: self.rnd.choice(["A", "á", "b2"]),
                 "boolean": lambda: self.rnd.random() < 0.5, "date": lambda: self.world.near(self.world.now).date()}[sort]()
        self.do(f"INSERT INTO contact_attr (org_id, contact_id, field_id, value_{sort}) VALUES (1, %s, %s, %s)"
                f" ON CONFLICT (contact_id, field_id) DO UPDATE SET value_{sort} = excluded.value_{sort}", self.who(), self.fields[name], value)

    def unattribute(self):
        self.do("DELETE FROM contact_attr WHERE contact_id = %s", self.who())

    def relate(self):
        a, b = self.rnd.sample(self.contacts, 2)
        days = sorted(self.world.near(self.world.now).date() for _ in range(2))
        self.do("INSERT INTO relation (org_id, contact_id, kind_id, other_id, since, until) VALUES (1, %s, %s, %s, %s, %s)"
                " ON CONFLICT (contact_id, kind_id, other_id) DO UPDATE SET since = excluded.since, until = excluded.until",
                a, self.rnd.choice(self.relations), b, self.rnd.choice([None, None, days[0]]), self.rnd.choice([None, None, days[1]]))

    def unrelate(self):
        self.do("DELETE FROM relation WHERE contact_id = %s", self.who())

    def fixed(self):
        method = self.rnd.choice(["PUT", "PUT", "DELETE"])
        self.one.request(method, f"/v1/segments/{self.rnd.choice(worlds.SEGMENTS)}/members/{self.who()}")

    def exception(self):
        segment, who = f"s{self.rnd.randrange(8)}", self.who()
        if self.rnd.random() < 0.3:
            self.one.request("DELETE", f"/v1/segments/{segment}/exceptions/{who}")
        else:
            self.one.api("PUT", f"/v1/segments/{segment}/exceptions/{who}", {"mode": self.rnd.choice(["in", "out"]), "reason": "by lot"})

    def exception_by_sql(self):
        self.do("DELETE FROM segment_exception WHERE contact_id = %s", self.who())

    def gone(self):
        if len(self.contacts) > 20:
            who = self.who()
            self.contacts.remove(who)
            self.do("DELETE FROM contact WHERE id = %s", who)

    def tried(self, path, body=None):
        """What is answered when it is asked again as long as somebody else is at it."""
        for _ in range(50):
            r = self.one.request("POST", path, json=body)
            if r.status_code != 503:
                break
        return r

    def merged(self):
        if len(self.contacts) <= 20:
            return
        keep, gone = self.rnd.sample(self.contacts, 2)
        r = self.tried("/v1/contacts/merge", {"keep": keep, "merge": gone, "fields": {"kind": self.rnd.choice(["keep", "merge"])}})
        assert r.status_code == 200, r.text
        self.contacts.remove(gone)
        self.merges.append(r.json()["id"])

    def unmerged(self):
        """Any merge, not the last one alone; that of a contact that was deleted since is gone with it."""
        if not self.merges:
            return
        number = self.merges.pop(self.rnd.randrange(len(self.merges)))
        r = self.tried(f"/v1/contacts/merges/{number}/undo")
        assert r.status_code in (200, 404), r.text
        if r.status_code == 200:
            self.contacts.append(r.json()["merged"])

    def redefined(self):
        text = oracle.text(self.world.rule())
        self.one.api("PUT", f"/v1/segments/s{self.rnd.randrange(4)}", {"kind": "dynamic", "rule": text})

    def clock(self):
        n, unit = self.rnd.choice([(1, "minute"), (5, "h"), (1, "day"), (3, "days"), (9, "days"), (31, "days"), (1, "h"), (17, "s")])
        self.one.advance(f"{n} {unit}")
        self.moved()

    HANDS = [("fact", 8), ("lost_fact", 3), ("changed_fact", 3), ("recorded", 3), ("amended", 2), ("burst", 0.3), ("field", 2), ("birthday", 2), ("patched", 1), ("tag", 2), ("untag", 1),
             ("group", 1), ("topic", 2), ("attribute", 2), ("unattribute", 1), ("fixed", 2), ("relate", 3), ("unrelate", 0.5), ("exception", 2), ("exception_by_sql", 0.5), ("new_contact", 1), ("gone", 0.3), ("merged", 0.7), ("unmerged", 0.7), ("redefined", 0.1), ("clock", 3)]

    def step(self, n):
        """What was done, in words."""
        names = self.rnd.choices([h[0] for h in self.HANDS], [h[1] for h in self.HANDS], k=n)
        for name in names:
            getattr(self, name)()
        return names


def said(one, report):
    """The differences with their rules."""
    names = {d["segment"] for d in report["differences"] if "segment" in d}
    return json.dumps(report, indent=1)[:3000] + "".join(f"\n{n}: {one.get('/v1/segments/' + n)['rule']}" for n in sorted(names))


@pytest.fixture(scope="module")
def lived():
    one = Instance(clock=START).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def history(lived):
    print(f"LAZO_SEED={SEED}")
    h = History(lived, SEED)
    h.define(RULES)
    yield h
    h.connection.close()


def test_incremental_equals_rebuilt_after_every_step(history):
    one = history.one
    for n in range(STEPS):
        done = history.step(history.rnd.choice([1, 3, 10]))
        report = one.check()
        assert report["count"] == 0 and report["unreadable"] == [], f"seed {SEED}, step {n} after {done} at {one.now()}: {said(one, report)}"
        assert report["segments"] == RULES and report["models"] == 2 and report["contacts"] > 0


def test_explain_knows_when_a_rule_changes(history):
    """Neither late nor early: a microsecond before, the answer is the old one; at that instant it is the other. Scores and segments go with time, as the rest does."""
    one, flips, computed, asked_of = history.one, 0, 0, 0
    history.moved()
    while asked_of < 80 or (0 in (flips, computed) and asked_of < 1000):
        asked_of += 1
        rule, who = oracle.text(history.world.rule()), history.who()
        if asked_of % 3 == 0:
            rule = f'({rule}) {history.rnd.choice(["and", "or"])} in segment "s{history.rnd.randrange(RULES)}"'
        elif asked_of % 3 == 1:
            rule = f'({rule}) {history.rnd.choice(["and", "or"])} {history.rnd.choice(["rfm.r", "rfm.calls.r"])} {history.rnd.choice(["=", ">=", "<"])} {history.rnd.randint(1, 3)}'
        told = one.api("POST", "/v1/rules/explain", {"rule": rule, "contact": who})
        if told["changes_at"] is None:
            continue
        flips += 1
        computed += "in segment" in rule or "rfm." in rule
        at = dt.datetime.fromisoformat(told["changes_at"].replace("Z", "+00:00"))
        for when, expected in ((at - dt.timedelta(microseconds=1), told["holds"]), (at, not told["holds"])):
            asked = one.api("POST", "/v1/rules/explain", {"rule": rule, "contact": who, "as_of": when.isoformat()})
            assert asked["holds"] is expected, f"seed {SEED}, contact {who}, {told['changes_at']}, asked for {when}: {rule}"
            if when == at:
                assert asked["since"] == told["changes_at"] or "unknown" in asked, f"seed {SEED}, contact {who}, {told['changes_at']}, since {asked['since']}: {rule}"
    assert flips > 0 and computed > 0


def test_thousands_of_operations_then_lazoctl_check(history):
    one = history.one
    history.step(2000)
    one.check()
    assert "0 differences" in one.ctl("check", "--segments", "--rfm").stdout


def test_tampering_is_found_and_mended(history):
    """Exactly what was tampered with, where no rule refers to it."""
    one = history.one
    one.segment("all people", "true")
    one.segment("nobody", "false")
    assert one.check()["count"] == 0
    a, b = history.contacts[:2]
    ids = {name: one.sql("SELECT id FROM segment WHERE name = %s", (name,))[0][0] for name in ("all people", "nobody")}
    assert one.sql("DELETE FROM membership WHERE contact_id = %s AND segment_id = %s", (a, ids["all people"])) == 1
    one.sql("INSERT INTO membership VALUES (1, %s, %s, %s)", (b, ids["nobody"], one.now()))
    report = one.check(rfm=False)
    assert [(d["segment"], d["contact"], d["stored"], d["true"]) for d in report["differences"]] == [
        ("all people", a, False, True), ("nobody", b, True, False)]
    assert report["count"] == 2 and report["models"] == 0 and "mended" not in report
    done = one.ctl("check", "--segments", "--repair", check=False)
    assert done.returncode == 1 and "2 differences" in done.stdout and "2 mended, 0 left" in done.stdout, done.stdout
    assert one.ctl("check").returncode == 0
    assert one.sql("SELECT count(*) FROM membership WHERE segment_id = %s", (ids["nobody"],))[0][0] == 0


def test_tampered_scores_are_found_and_mended(history):
    one = history.one
    one.record({"id": history.contacts[0]}, "donation", amount="12.00")
    assert one.check()["count"] == 0
    # A label that no rule's answer hangs on would leave segments as they are; any may follow here.
    one.sql("UPDATE rfm_score SET r = CASE r WHEN 1 THEN 2 ELSE 1 END, label = 'x' WHERE contact_id = %s AND model_id = (SELECT id FROM rfm_model WHERE name = 'calls')",
            (history.contacts[0],))
    report = one.check(segments=False)
    assert [(d["model"], d["contact"]) for d in report["differences"]] == [("calls", history.contacts[0])]
    assert report["differences"][0]["stored"]["label"] == "x" and report["differences"][0]["true"]["label"] == ""
    mended = one.check(repair=True)
    assert mended["count"] >= 1 and mended["left"] == 0
    assert one.check()["count"] == 0


# --- exceptions by hand, and the past ----------------------------------------------------------------------------------------

def settled(one):
    assert one.check()["count"] == 0


def member_ids(one, name, more=""):
    return {m["id"] for m in one.items(f"/v1/segments/{name}/members{more}")}


def test_exceptions_go_before_the_rule(lived):
    one = lived
    one.segment("donors", "count(donation) > 0 and first_name = \"Excepta\"")
    one.segment("of donors", 'in segment "donors"')
    a = one.record({"email": "a@except.example", "first_name": "Excepta"}, "donation", amount="5")
    b = one.record({"email": "b@except.example", "first_name": "Excepta"}, "call")
    settled(one)
    assert member_ids(one, "donors") == {a}
    put = one.api("PUT", f"/v1/segments/donors/exceptions/{a}", {"mode": "out", "reason": "asked by phone"})
    assert put["changed"] is True
    one.api("PUT", f"/v1/segments/donors/exceptions/{b}", {"mode": "in", "reason": "gives in kind"})
    assert one.api("PUT", f"/v1/segments/donors/exceptions/{b}", {"mode": "in", "reason": "gives in kind"})["changed"] is False
    settled(one)
    assert member_ids(one, "donors") == {b} == member_ids(one, "of donors")
    listed = {e["contact"]: e for e in one.items("/v1/segments/donors/exceptions")}
    assert (listed[a]["mode"], listed[a]["reason"]) == ("out", "asked by phone") and listed[a]["by"] and listed[a]["at"]
    assert one.items("/v1/segments/donors/members")[0]["exception"]["reason"] == "gives in kind"
    explained = one.api("POST", "/v1/rules/explain", {"segment": "donors", "contact": a})
    assert explained["holds"] is True and explained["member"] is False and explained["exception"]["reason"] == "asked by phone"
    moves = [(i["kind"], i["data"]) for i in one.items(f"/v1/contacts/{a}/interactions") if i["kind"] == "segment_left" and i["data"]["segment"] == "donors"]
    assert moves == [("segment_left", {"segment": "donors", "cause": "by hand"})]
    # What is recorded meanwhile changes nothing; taken back, the rule decides again.
    one.record({"id": a}, "donation", amount="7")
    settled(one)
    assert member_ids(one, "donors") == {b}
    for who in (a, b):
        assert one.request("DELETE", f"/v1/segments/donors/exceptions/{who}").status_code == 204
    assert one.request("DELETE", f"/v1/segments/donors/exceptions/{a}").status_code == 404
    settled(one)
    assert member_ids(one, "donors") == {a}


def test_exceptions_that_cannot_be(lived):
    one = lived
    one.api("PUT", "/v1/segments/board", {"kind": "fixed"})
    one.segment("everybody", "true")
    who = one.record({"email": "c@except.example"}, "call")
    assert one.request("PUT", f"/v1/segments/board/exceptions/{who}", json={"mode": "in"}).status_code == 409
    assert one.request("PUT", f"/v1/segments/nobody-knows/exceptions/{who}", json={"mode": "in"}).status_code == 404
    assert one.request("PUT", "/v1/segments/everybody/exceptions/999999999", json={"mode": "in"}).status_code == 404
    assert one.request("PUT", f"/v1/segments/everybody/exceptions/{who}", json={"mode": "maybe"}).status_code == 422
    assert one.request("PUT", f"/v1/segments/everybody/exceptions/{who}", json={}).status_code == 422


def test_history_of_a_segment(lived):
    one = lived
    one.segment("recent", 'first_name = "Historia" and any(donation in last 3 days)')
    begin = one.now()
    a = one.record({"email": "a@history.example", "first_name": "Historia"}, "donation", amount="5")
    settled(one)
    one.advance("2 days")
    b = one.record({"email": "b@history.example", "first_name": "Historia"}, "donation", amount="5")
    settled(one)
    middle = one.now()
    one.advance("2 days")
    settled(one)
    after_a = one.now()
    one.advance("4 days")
    settled(one)
    assert member_ids(one, "recent") == set()
    assert member_ids(one, "recent", f"?as_of={begin}") == set()
    assert member_ids(one, "recent", f"?as_of={middle}") == {a, b}
    assert member_ids(one, "recent", f"?as_of={after_a}") == {b}
    days = one.get(f"/v1/segments/recent/history?from={begin[:10]}")["items"]
    assert len(days) in (9, 10) and days[0]["day"] == begin[:10]
    counts = [d["count"] for d in days]
    assert counts[-1] == 0 and max(counts) == 2 and 1 in counts
    assert sum(d["entered"] for d in days) == 2 == sum(d["left"] for d in days)
    # The first members of a rule count from its first evaluation, which is no entering.
    one.segment("all along", 'first_name = "Historia"')
    assert one.get("/v1/segments/all along/history")["items"][-1]["count"] == 2
    assert one.request("GET", "/v1/segments/recent/history?from=yesterday").status_code == 422
    assert one.request("GET", "/v1/segments/recent/history?from=1990-01-01").status_code == 422
    assert one.request("GET", "/v1/segments/recent/history?from=2020-01-02&to=2020-01-01").status_code == 422
    ahead = (dt.datetime.fromisoformat(one.now().replace("Z", "+00:00")) + dt.timedelta(days=3)).date()
    assert one.get(f"/v1/segments/recent/history?from={ahead}")["items"] == [], "days to come are left out"
    assert one.request("GET", "/v1/segments/nobody-knows/history").status_code == 404
    assert one.request("GET", "/v1/segments/recent/members?as_of=then").status_code == 422


# --- lazoctl rule ------------------------------------------------------------------------------------------------------------

def test_lazoctl_rule(lived):
    one = lived
    rule = 'first_name = "Regla" and count(donation in last 10 days) >= 1'
    who = one.record({"email": "r@rule.example", "first_name": "Regla"}, "donation", amount="5", occurred_at=one.now())
    said = one.ctl("rule", "check", input=rule).stdout
    assert "holds for 1" in said and "r@rule.example" in said
    one.segment("checked", "true")
    begin = (dt.datetime.fromisoformat(one.now().replace("Z", "+00:00")) - dt.timedelta(days=20)).isoformat()
    for text, when, unknown in (("any(donation)", begin, None), ('city = "x"', begin, "fields"), ('city = "x"', None, None), ('city = "x"', "2099-01-01T00:00:00Z", None),
                                ('in segment "checked"', "2099-01-01T00:00:00Z", "segments and scores are taken as they are now")):
        told = one.api("POST", "/v1/rules/check", {"rule": text, **({"as_of": when} if when else {})})
        assert told["valid"] and (told.get("unknown") is None if unknown is None else unknown in told["unknown"]), (text, when, told)
    assert "not known: fields" in one.ctl("rule", "check", "--as-of", begin, input='city = "x"').stdout
    bad = one.ctl("rule", "check", input="contry = 5", check=False)
    assert bad.returncode == 1 and bad.stderr.startswith("1:1: ") and 'did you mean "country"' in bad.stderr
    said = one.ctl("rule", "explain", who, input=rule).stdout
    assert "the rule holds" in said and "time alone may change this at" in said and "Regla" in said
    said = json.loads(one.ctl("rule", "explain", who, "--json", input='first_name = "x" or true').stdout)
    assert said["holds"] is True and said["changes_at"] is None and [c["holds"] for c in said["conditions"]] == [False, True]
    later = (dt.datetime.fromisoformat(one.now().replace("Z", "+00:00")) + dt.timedelta(days=11)).isoformat()
    assert "does not hold" in one.ctl("rule", "explain", who, "--as-of", later, input=rule).stdout
    one.segment("regla", rule)
    one.api("PUT", f"/v1/segments/regla/exceptions/{who}", {"mode": "out", "reason": "she asked"})
    assert "always out" in one.ctl("rule", "explain", who, "--segment", "regla").stdout
    # The SQL runs as it stands.
    sql = one.api("POST", "/v1/rules/sql", {"rule": rule})
    connection = one.connect(org=1)
    with connection.cursor() as cursor:
        args = ["0", one.now(), "10", *sql["params"]]
        cursor.execute("PREPARE r AS " + sql["sql"])
        cursor.execute("EXECUTE r(" + ", ".join(["%s"] * len(args)) + ")", args)
        assert cursor.fetchall() == [(who,)]
    connection.close()
    # What lazoctl prints is run by psql as it is, whoever runs it; nothing of the rule leaves its literal.
    hostile = one.record({"email": "q@rule.example", "first_name": "Re'gla", "last_name": "a\\'; DROP TABLE x; --"}, "call")
    for text, found in ((rule, [who]), ('first_name = "re\'gla" and last_name = "a\\\\\'; DROP TABLE x; --"', [hostile]), ('city = "x\r\\\\! id"', []),
                        ("any(donation where source = \":x\") or false", []), ("false", [])):
        script = one.ctl("rule", "sql", input=text).stdout
        for user in ("postgres", "lazo_app"):
            done = subprocess.run(["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", one.sockets(), "-U", user, "-d", "lazo"], input=script, text=True, capture_output=True)
            assert done.returncode == 0 and [int(line) for line in done.stdout.split()] == found, (script, done)
    assert one.ctl("rule", "explain", "nobody", input=rule, check=False).returncode == 1
    assert one.ctl("rule", check=False).returncode == 2


# --- labels of scores --------------------------------------------------------------------------------------------------------

def test_what_labels_cover(lived):
    one = lived
    labels = [{"label": "best", "r": [2, 3]}, {"label": "never", "r": [3, 3], "f": [1, 2]}, {"label": "rest", "r": [1, 1], "m": [2, 3]}]
    put = one.api("PUT", "/v1/rfm/covered", {"kinds": ["signup"], "classes": 3, "labels": labels})
    assert put["coverage"] == {"triples": 27, "uncovered": 3, "unnamed": [[1, 1, 1], [1, 2, 1], [1, 3, 1]], "unreachable": ["never"]}
    assert len(put["warnings"]) == 2 and "3 of 27" in put["warnings"][0] and '"never"' in put["warnings"][1]
    assert one.get("/v1/rfm/covered/summary")["coverage"] == put["coverage"]
    said = one.ctl("rfm", "covered").stdout
    assert "3 of 27 combinations of scores have no label" in said and "no score gets the label never" in said
    put = one.api("PUT", "/v1/rfm/covered", {"kinds": ["signup"], "classes": 3, "labels": labels[:1] + [{"label": "other"}]})
    assert put["coverage"] == {"triples": 27, "uncovered": 0, "unnamed": [], "unreachable": []} and put["changed"] is True and put["warnings"] == []
    assert one.request("DELETE", "/v1/rfm/covered").status_code == 204
    assert one.request("GET", "/v1/rfm/covered/summary").status_code == 404


# --- what a fundraiser would say ----------------------------------------------------------------------------------------------

PAGE = pathlib.Path(__file__).resolve().parents[2] / "daemon" / "rules" / "lazo-rules.7"
GIVERS = {  # by name: day and amount of each gift, as seen on 2024-06-15
    "nobody": [],
    "new": [("2024-06-01", 20)],
    "last_year": [("2022-03-01", 10), ("2023-11-02", 10)],
    "long_ago": [("2021-05-05", 10), ("2022-12-31", 30)],
    "monthly": [("2024-04-01", 10), ("2024-05-01", 10), ("2024-06-01", 10)],
    "two_of_three": [("2024-05-01", 10), ("2024-06-01", 10), ("2024-06-02", 10)],
    "upgraded": [("2023-02-01", 50), ("2024-02-01", 60)],
    "downgraded": [("2023-02-01", 50), ("2024-02-01", 40)],
    "returned": [("2022-02-01", 50), ("2024-06-10", 40)],
}
RECIPES = {  # the comment above it in the manual page: for whom it holds
    "LYBUNT": {"last_year"},
    "SYBUNT": {"long_ago"},
    "first gift of all": {"new"},
    "is the largest": {"last_year", "long_ago", "monthly", "two_of_three", "upgraded"},
    "Upgraded: has given more": {"upgraded"},
    "each of the last three months": {"monthly"},
    "Came back": {"returned"},
}


def recipe(words):
    """The rule under the comment that has these words."""
    found = [block for block in PAGE.read_text().split("\n\n") if block.startswith("#") and words in block.split("\n")[0]]
    assert len(found) == 1, words
    return "\n".join(line for line in found[0].split("\n") if not line.startswith("."))


def test_recipes_of_the_manual():
    one = Instance(clock="2024-06-15T10:00:00Z").start()
    try:
        ids = {}
        for name, gifts in GIVERS.items():
            ids[name] = one.record({"email": f"{name}@recipe.example"}, "call")
            for day, amount in gifts:
                one.record({"id": ids[name]}, "donation", occurred_at=f"{day}T12:00:00Z", amount=str(amount))
        for i, words in enumerate(RECIPES):
            one.segment(f"recipe {i}", recipe(words))
        for i, (words, expected) in enumerate(RECIPES.items()):
            assert {n for n, who in ids.items() if who in member_ids(one, f"recipe {i}")} == expected, words
        # A new year makes last year's givers of this year's.
        one.advance_to("2025-01-02T10:00:00Z")
        settled(one)
        lybunt = member_ids(one, "recipe 0")
        assert {n for n, who in ids.items() if who in lybunt} == {"new", "monthly", "two_of_three", "upgraded", "downgraded", "returned"}
    finally:
        one.stop()
