"""lazoctl check while facts come in, and what it finds: breaks, and the history of memberships and scores."""
import random
import threading

import pytest
from lazo_test import Instance, eventually

START = "2027-03-10T10:00:00Z"
RULES = {"donors": "any(donation)", "twice": "count(donation in last 30 days) >= 2", "of donors": 'in segment "donors" and not any(donation in last 3 days)',
         "top": 'rfm.label = "top"', "sum": "sum(donation.amount in last 12 months) > 100 or first_name = \"Ana\"",
         "kin": 'related as "spouse" where (any(donation in last 30 days))'}


@pytest.fixture(scope="module")
def one():
    instance = Instance(clock=START).start()
    yield instance
    instance.stop()


def check(one, **body):
    """While others write there may be contacts that it leaves out."""
    return one.api("POST", "/v1/check", body, timeout=200)


def define(one):
    one.api("PUT", "/v1/rfm/giving", {"kinds": ["donation"], "classes": 3, "labels": [{"label": "top", "m": [3, 3]}, {"label": "rest"}]})
    one.api("PUT", "/v1/rfm/fixed", {"kinds": ["donation"], "classes": 3, "scoring": "fixed", "monetary": "largest", "look_back": "2 months",
                                     "breaks": {"recency": [5, 20], "frequency": [2, 3], "monetary": [20, 90]}})
    for name, rule in RULES.items():
        answer = one.request("PUT", f"/v1/segments/{name}", json={"kind": "dynamic", "rule": rule})
        assert answer.status_code in (200, 201) or name == "kin", answer.text
    one.settle()


def test_nothing_is_found_while_facts_come_in(one):
    """Threads record, amend, relate and move the clock; each check in between finds nothing."""
    define(one)
    stop, failed, seen, seed = threading.Event(), [], set(), random.randrange(1 << 32)
    print("seed", seed)

    def load(n):
        rnd = random.Random(seed + n)
        try:
            while not stop.is_set():
                items = [{"contact": {"email": f"p{rnd.randrange(150)}@load.example", "first_name": rnd.choice(["Ana", "Ben"])}, "kind": rnd.choice(["donation", "donation", "call"]),
                          "amount": str(rnd.randrange(200))} for _ in range(rnd.randrange(1, 20))]
                for item in items:
                    if item["kind"] == "call":
                        del item["amount"]
                seen.update(i["contact"] for i in one.api("POST", "/v1/interactions", items)["items"])
        except Exception as e:  # noqa: BLE001 - whatever it is, the test fails by it
            failed.append(e)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    reports = []
    try:
        for n in range(12):
            if n % 3 == 2:
                one.advance(f"{20 * n} h")
            reports.append(check(one))
        eventually(lambda: failed or len(seen) >= 100, what="there is something to be checked")
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not failed, failed
    for report in reports:
        assert report["count"] == 0, (seed, report["differences"][:5])
    one.settle()
    report = one.check()
    assert report["count"] == 0 and report["left_out"] == 0 and report["contacts"] >= 100, report


def test_breaks_are_computed_anew(one):
    one.ctl("rfm", "recompute", "giving")
    one.settle()
    assert check(one)["count"] == 0
    one.sql("UPDATE rfm_model SET monetary_breaks[1] = monetary_breaks[1] + 1 WHERE name = 'giving'")
    report = check(one, segments=False)
    found = [d for d in report["differences"] if d["contact"] is None]
    assert [d["model"] for d in found] == ["giving"] and found[0]["stored"]["monetary"][0] == found[0]["true"]["monetary"][0] + 1
    assert check(one, repair=True)["left"] == 0
    assert check(one)["count"] == 0
    # Facts that are no longer those of then say nothing about the breaks of then.
    who = one.contact_id("p1@load.example")
    one.record({"id": who}, "donation", amount="3", occurred_at="2027-01-01T00:00:00Z")
    one.settle()
    assert check(one)["count"] == 0


def test_history_is_looked_at(one):
    who = one.record({"email": "past@check.example", "first_name": "Ana"}, "donation", amount="5")
    one.settle()
    segment = one.sql("SELECT id FROM segment WHERE name = 'donors'")[0][0]
    one.sql("INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at) VALUES (1, %s, %s, '2026-01-01', '2026-03-01'), (1, %s, %s, '2026-02-01', '2026-04-01')",
            (who, segment) * 2)
    model = one.sql("SELECT id FROM rfm_model WHERE name = 'fixed'")[0][0]
    one.sql("INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until) "
            "VALUES (1, %s, %s, '2026-01-01', 1, 1, 1, 1, 1, '', '2026-01-01', '2126-01-01')", (who, model))
    report = check(one)
    assert report["count"] == 2 and [(d.get("segment"), d.get("model"), d["contact"]) for d in report["differences"]] == \
        [(None, "fixed", who), ("donors", None, who)], report
    assert report["differences"][1]["stored"]["until"].startswith("2026-03-01") and report["differences"][1]["true"]["until"].startswith("2026-02-01")
    assert check(one, repair=True)["left"] == 0 and check(one)["count"] == 0


def test_two_people_made_one_have_one_past(one):
    a, b = (one.record({"email": f"merge{n}@check.example", "first_name": "Ana"}, "donation", amount="5") for n in (1, 2))
    one.settle()
    segment = one.sql("SELECT id FROM segment WHERE name = 'donors'")[0][0]
    for who, left in ((a, "2026-03-01"), (b, "2026-04-01")):
        one.sql("INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at) VALUES (1, %s, %s, '2026-01-01', %s)", (who, segment, left))

    def past(who):
        return one.sql("SELECT left_at::date::text FROM membership_past WHERE contact_id = %s AND entered_at = '2026-01-01'", (who,))

    number = one.api("POST", "/v1/contacts/merge", {"keep": a, "merge": b})["id"]
    one.settle()
    assert check(one)["count"] == 0 and past(a) == [("2026-03-01",)]
    told = one.get(f"/v1/contacts/{a}/file")["merged"][0]
    assert ("donors", "2026-04-01") in {(s["name"], (s["left_at"] or "")[:10]) for s in told["segments"]} and told["scores"], told
    one.api("POST", f"/v1/contacts/merges/{number}/undo")
    one.settle()
    assert check(one)["count"] == 0 and (past(a), past(b)) == ([("2026-03-01",)], [("2026-04-01",)])
    assert one.get(f"/v1/contacts/{a}/file")["merged"][0]["segments"] == []


def test_a_membership_by_hand_goes_along(one):
    """Of a segment that the kept contact had left: it begins after that, and the other one's begins again when it did."""
    one.api("PUT", "/v1/segments/chosen", {"kind": "fixed"})
    one.segment("chosen few", 'in segment "chosen" and first_name = "Ana"')
    a, b = (one.record({"email": f"chosen{n}@check.example", "first_name": "Ana"}, "call") for n in (1, 2))
    for who in (a, b):
        one.api("PUT", f"/v1/segments/chosen/members/{who}", {})
    one.advance("1 day")
    one.request("DELETE", f"/v1/segments/chosen/members/{a}")
    one.settle()

    def spans(who):
        return one.sql("SELECT entered_at, NULL FROM membership WHERE contact_id = %s AND segment_id = (SELECT id FROM segment WHERE name = 'chosen') UNION ALL "
                       "SELECT entered_at, left_at FROM membership_past WHERE contact_id = %s AND segment_id = (SELECT id FROM segment WHERE name = 'chosen') ORDER BY 1", (who, who))

    before = spans(a), spans(b)
    one.advance("1 day")
    number = one.api("POST", "/v1/contacts/merge", {"keep": a, "merge": b})["id"]
    one.settle()
    assert spans(a) == [before[0][0], (before[0][0][1], None)] and one.members("chosen few") == {"chosen1@check.example"}
    assert check(one)["count"] == 0
    one.api("POST", f"/v1/contacts/merges/{number}/undo")
    one.settle()
    assert (spans(a), spans(b)) == before and one.members("chosen few") == {"chosen2@check.example"}
    assert check(one)["count"] == 0
    # A segment that was deleted meanwhile is not missed.
    number = one.api("POST", "/v1/contacts/merge", {"keep": a, "merge": b})["id"]
    for name in ("chosen few", "chosen"):
        assert one.request("DELETE", f"/v1/segments/{name}").status_code == 204
    one.api("POST", f"/v1/contacts/merges/{number}/undo")
    one.settle()
    assert check(one)["count"] == 0


def test_history_of_a_fixed_segment_that_a_journey_fills(one):
    one.api("PUT", "/v1/segments/hand", {"kind": "fixed"})
    one.journey("in", {"start": {"interaction": "joins"}, "steps": [{"add to": "hand"}]})
    one.journey("out", {"start": {"interaction": "quits"}, "steps": [{"remove from": "hand"}]})
    who = one.record({"email": "hand@check.example"}, "joins")
    eventually(lambda: one.count("hand") == 1)
    one.advance("1 day")
    inside = one.now()
    one.advance("1 day")
    one.record({"id": who}, "quits")
    eventually(lambda: one.count("hand") == 0)
    assert [m["id"] for m in one.items(f"/v1/segments/hand/members?as_of={inside}")] == [who]
    assert max(d["count"] for d in one.get("/v1/segments/hand/history")["items"]) == 1
    one.settle()
    assert check(one)["count"] == 0


def test_who_would_be_looked_at_too_late(one):
    """Rows that say when time changes an answer next are computed too: lost ones, and such as say a later instant, are found and mended."""
    define(one)
    givers = [one.record({"email": f"late{n}@check.example", "first_name": "Lata"}, "donation", amount="95") for n in range(3)]
    one.settle()
    assert one.check()["count"] == 0
    parts = {part for part, in one.sql("SELECT part FROM wake WHERE contact_id = ANY (%s)", (givers,))}
    assert 1 in parts and len(parts) > 1
    assert one.sql("DELETE FROM wake WHERE contact_id = %s", (givers[0],)) > 1
    assert one.sql("UPDATE wake SET at = at + interval '1 second' WHERE contact_id = %s", (givers[1],)) > 1
    assert one.sql("UPDATE wake SET at = at - interval '1 second' WHERE contact_id = %s", (givers[2],)) > 1  # in vain, which is no fault
    report = one.check()
    found = [(d["next"], d["contact"], d["stored"] is None) for d in report["differences"]]
    assert sorted(set(found)) == [("scores", givers[0], True), ("scores", givers[1], False), ("segments", givers[0], True), ("segments", givers[1], False)], report
    assert all(d["true"][:10] > one.now()[:10] for d in report["differences"])
    assert {d["next"] for d in one.check(rfm=False)["differences"]} == {"segments"} == {d["next"] for d in one.check(segments=True, rfm=False)["differences"]}
    assert "scores" in one.ctl("check", check=False).stdout
    moves = "SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name IN ('segment_entered', 'segment_left', 'label_changed')"
    before = one.sql(moves)
    assert check(one, repair=True)["left"] == 0 and one.check()["count"] == 0
    assert one.sql(moves) == before
    one.advance("40 days")
    one.settle()
    assert one.check()["count"] == 0
    assert not {f"late{n}@check.example" for n in range(3)} & one.members("kin")


def test_more_would_be_looked_at_too_late_than_are_listed(one):
    one.segment("lately", "any(donation in last 10 days)")
    for block in range(3):
        one.api("POST", "/v1/interactions", [{"contact": {"email": f"many{block}.{n}@check.example"}, "kind": "donation", "amount": "5"} for n in range(500)])
    one.settle()
    assert one.sql("DELETE FROM wake") > 1500
    report = check(one, repair=True)
    assert report["count"] >= 3000 and len(report["differences"]) == 1000 and report["left"] == 0, (report["count"], report["left"])
    one.advance("11 days")
    one.settle()
    assert one.check()["count"] == 0 and one.count("lately") == 0


def test_history_that_is_still_to_come(one):
    """Somebody's clock was wrong, or a dump is of another machine: what begins ahead of now, and what lasts since before that which is over."""
    who = one.record({"email": "ahead@check.example", "first_name": "Ana"}, "donation", amount="5")
    other = one.record({"email": "before@check.example", "first_name": "Ana"}, "donation", amount="5")
    one.settle()
    assert one.check()["count"] == 0
    segment = one.sql("SELECT id FROM segment WHERE name = 'donors'")[0][0]
    model = one.sql("SELECT id FROM rfm_model WHERE name = 'fixed'")[0][0]
    one.sql("INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at) VALUES (1, %s, %s, '2090-01-01', '2090-03-01')", (who, segment))
    assert one.sql("UPDATE rfm_score SET since = '2090-01-01' WHERE contact_id = %s AND model_id = %s", (who, model)) == 1
    assert one.sql("UPDATE membership SET entered_at = '2020-01-01' WHERE contact_id = %s AND segment_id = %s", (other, segment)) == 1
    one.sql("INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at) VALUES (1, %s, %s, '2021-01-01', '2021-03-01')", (other, segment))
    report = one.check()
    assert [(d.get("segment"), d.get("model"), d["contact"]) for d in report["differences"]] == [(None, "fixed", who), ("donors", None, who), ("donors", None, other)], report
    assert report["differences"][1]["true"] is None and report["differences"][2]["true"]["since"].startswith("2021-03-01")
    assert check(one, repair=True)["left"] == 0 and one.check()["count"] == 0
    assert one.sql("SELECT entered_at::date::text FROM membership WHERE contact_id = %s AND segment_id = %s", (other, segment)) == [("2021-03-01",)]
    assert who in {m["id"] for m in one.items(f"/v1/segments/donors/members?as_of={one.now()}")}
