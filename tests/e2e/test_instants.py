"""Explain: since when, until when, and as of; forecast: who will enter and leave by time alone. The clock moved, what was foretold happens, at its instant."""
import datetime as dt
import json
from urllib.parse import quote

import pytest
from lazo_test import Instance, eventually

START = "2027-03-10T10:00:00Z"
ZERO = dt.timedelta(0)


def at(text):
    return None if text is None else dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture(scope="module")
def one():
    instance = Instance(clock=START).start()
    instance.api("PATCH", "/v1/organisation", {"time_zone": "Europe/Madrid"})
    yield instance
    instance.stop()


def settle(one):
    """Whoever is due too."""
    one.settle()
    report = one.check()
    assert report["count"] == 0, report


def explain(one, contact, rule=None, **more):
    body = {"contact": contact, **({"rule": rule} if rule else {}), **more}
    return one.api("POST", "/v1/rules/explain", body)


def about(said):
    return [(c["holds"], at(c["since"]), at(c["changes_at"])) for c in said["conditions"]]


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.timezone.utc)


def test_since_and_until_by_the_facts(one):
    who = one.record({"email": "since@instants.example"}, "donation", amount="10", occurred_at="2027-01-05T12:00:00Z")
    one.record({"id": who}, "donation", amount="10", occurred_at="2027-02-20T12:00:00Z")
    settle(one)
    said = explain(one, who, 'any(donation) and count(donation in last 60 days) >= 2 and not any(call) and any(donation in last 30 days)')
    # 60 days after 5 January is 6 March; the second gift began its 30 days, which end on 22 March.
    assert about(said) == [(True, utc(2027, 1, 5, 12), None), (False, utc(2027, 3, 6, 12), None), (False, None, None),
                           (True, utc(2027, 2, 20, 12), utc(2027, 3, 22, 12))]
    assert said["holds"] is False and at(said["since"]) == utc(2027, 3, 6, 12) and said["changes_at"] is None
    # As of an instant when it held.
    then = explain(one, who, "count(donation in last 60 days) >= 2", as_of="2027-03-01T00:00:00Z")
    assert then["holds"] is True and then["conditions"][0]["value"] == 2
    assert (at(then["since"]), at(then["changes_at"])) == (utc(2027, 2, 20, 12), utc(2027, 3, 6, 12))
    by_address = [one.ctl("rule", "explain", name, input="any(donation)").stdout for name in (who, "Since@instants.example")]
    assert by_address[0] == by_address[1] and "the rule holds" in by_address[0]
    refused = one.ctl("rule", "explain", "since@instants.exampl", input="any(donation)", check=False)
    assert (refused.returncode, refused.stderr) == (1, "rule: nobody has the address since@instants.exampl\n")
    # What is always so.
    said = explain(one, who, 'true or country = "ES"')
    assert about(said) == [(True, None, None), (False, None, None)]
    assert "2027-03-22T12:00:00" in one.ctl("rule", "explain", who, input="any(donation in last 30 days)").stdout


def test_more_conditions_than_are_told(one):
    who = one.record({"email": "long@instants.example", "city": "c119"}, "call")
    rule = " or ".join(f'city = "c{n}"' for n in range(120))
    said = explain(one, who, rule)
    assert said["holds"] is True and len(said["conditions"]) == 99 and said["omitted"] == 21
    assert "and 21 more conditions\n" in one.ctl("rule", "explain", who, input=rule).stdout
    assert "omitted" not in explain(one, who, "person")


def test_as_of_by_history(one):
    who = one.record({"email": "past@instants.example", "first_name": "Eva", "city": "Madrid", "consents": []}, "call")
    one.api("PUT", "/v1/fields/points", {"type": "number"})
    one.api("PATCH", f"/v1/contacts/{who}", {"attr": {"points": 5}})
    settle(one)
    first = one.now()
    one.advance("10 days")
    one.api("PATCH", f"/v1/contacts/{who}", {"city": "Sevilla", "attr": {"points": 9}})
    one.api("PATCH", f"/v1/contacts/{who}", {"tags": ["socia"]})
    settle(one)
    changed = at(one.now())
    one.advance("10 days")
    rule = 'city = "sevilla" and attr.points > 6 and tag "socia" and first_name = "Eva"'
    said = explain(one, who, rule)
    assert [c["holds"] for c in said["conditions"]] == [True] * 4 and said["holds"]
    for c in said["conditions"][:3]:
        assert ZERO <= changed - at(c["since"]) < dt.timedelta(minutes=5), c
    then = explain(one, who, rule, as_of=first)
    assert [(c["holds"], c["value"]) for c in then["conditions"]] == [(False, "madrid"), (False, 5), (False, None), (True, "eva")], then
    assert at(then["changes_at"]) == at(said["since"]), "as of then, it changed when it did"


def test_scores_and_segments_in_the_past_and_ahead(one):
    one.api("PUT", "/v1/rfm/inst", {"kinds": ["present"], "scoring": "fixed", "classes": 3, "labels": [{"label": "new", "r": [3, 3]}, {"label": "old"}],
                                    "breaks": {"recency": [10, 30], "frequency": [2, 4], "monetary": [50, 200]}})
    one.segment("fresh", 'rfm.inst.label = "new"')
    one.segment("stale", 'not in segment "fresh" and any(present)')
    who = one.record({"email": "ahead@instants.example"}, "present", amount="20")
    settle(one)
    begun = at(one.now())
    said = explain(one, who, 'rfm.inst.label = "new" and in segment "fresh" and not in segment "stale"')
    assert [c["holds"] for c in said["conditions"]] == [True, True, False] and said["holds"]
    midnight = begun.astimezone(dt.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=11)
    flips = {at(c["changes_at"]) for c in said["conditions"]} | {at(said["changes_at"])}
    assert len(flips) == 1, flips
    flip = flips.pop()
    assert abs(flip - midnight) <= dt.timedelta(hours=2), "a midnight in Madrid"
    since = at(said["since"])
    # Asked about an instant to come, values, segments and scores are those of then.
    rule = 'rfm.inst.label = "new" and in segment "fresh" and not in segment "stale" and count(present in last 5 days) = 0'
    for to_come, conditions in ((flip - dt.timedelta(microseconds=1), [True, True, False, True]), (flip, [False, False, True, True])):
        told = explain(one, who, rule, as_of=to_come.isoformat())
        assert [c["holds"] for c in told["conditions"]] == conditions, told
        assert [c["value"] for c in told["conditions"]][::3] == ["new" if conditions[0] else "old", 0]
        assert at(told["conditions"][1]["since"]) == (since if conditions[0] else flip) and "unknown" not in told
    # Asked about what was, what is still to come is told as of now.
    assert at(explain(one, who, 'in segment "fresh"', as_of=(since + dt.timedelta(seconds=1)).isoformat())["changes_at"]) == flip
    # Whom somebody keeps in stays in.
    one.api("PUT", f"/v1/segments/fresh/exceptions/{who}", {"mode": "in"})
    settle(one)
    kept = explain(one, who, 'in segment "fresh"')
    assert kept["holds"] and kept["changes_at"] is None
    assert explain(one, who, 'in segment "fresh"', as_of=(flip + dt.timedelta(days=1)).isoformat())["holds"] is True
    one.request("DELETE", f"/v1/segments/fresh/exceptions/{who}")
    settle(one)

    def still_fresh():
        settle(one)
        assert explain(one, who, segment="fresh")["member"] is True and one.count("stale") == 0

    one.just_before(flip.isoformat(), still_fresh)
    one.reach(flip.isoformat())
    settle(one)
    now = explain(one, who, segment="stale")
    assert now["member"] is True and ZERO <= at(now["since"]) - flip < dt.timedelta(minutes=10)
    then = explain(one, who, segment="fresh", as_of=(flip - dt.timedelta(hours=3)).isoformat())
    assert then["holds"] is True and abs(at(then["since"]) - since) < dt.timedelta(minutes=1), then


def test_what_has_no_history_says_so(one):
    who = one.record({"email": "kin@instants.example"}, "call")
    said = explain(one, who, "updated_at in last 5 days", as_of="2027-03-12T00:00:00Z")
    assert "not kept" in said["conditions"][0]["unknown"] and "not kept" in said["unknown"]


def test_what_lies_too_far_ahead_says_so(one):
    """With each that leaves another one is the first, and both conditions change: the rule never does; all instants are more than explain looks at."""
    one.api("POST", "/v1/interactions", [
        {"contact": {"email": "often@instants.example"}, "kind": "visit", "data": {"odd": n % 2}, "occurred_at": (dt.datetime(2027, 3, 1, tzinfo=dt.timezone.utc) + n * dt.timedelta(minutes=1)).isoformat()}
        for n in range(900)])
    who = one.record({"email": "often@instants.example"}, "call")
    settle(one)
    rule = "not (first(visit.data.odd in last 300 days) = 1 and first(visit.data.odd in last 300 days) = 0)"
    said = explain(one, who, rule)
    assert said["holds"] is True and said["changes_at"] is None and "stays so until 2027-12-2" in said["unknown"], said
    printed = one.ctl("rule", "explain", who, input=rule).stdout
    assert "stays so until 2027-12-2" in printed and "time alone changes nothing" not in printed


# --- forecast ----------------------------------------------------------------------------------------------------------------

SEGMENTS = {"f recent": "any(donation in last 7 days)", "f lapsed": 'any(donation) and not in segment "f recent"', "f twice": "count(donation in last 20 days) >= 2",
            "f old": 'rfm.fore.label = "old"', "f birthday": "birthday today",
            "f kin": 'related as "spouse" where (birthday in next 4 days or any(donation in last 7 days))',
            "f mixed": 'rfm.fore.r = 2 and (in segment "f lapsed" or birthday in next 3 days)'}


def foretold(one, name, days):
    said = one.get(f"/v1/segments/{quote(name)}/forecast?days={days}&limit=1000")
    assert said["complete"] and said["exact"], said
    assert said["entering"] == sum(i["move"] == "enter" for i in said["items"]) == sum(d["entering"] for d in said["days"])
    assert said["leaving"] == sum(i["move"] == "leave" for i in said["items"]) == sum(d["leaving"] for d in said["days"])
    assert [i["at"] for i in said["items"]] == sorted(i["at"] for i in said["items"])
    return [(i["contact"], at(i["at"]), i["move"]) for i in said["items"]]


def test_what_is_foretold_happens(one):
    """Each move at its instant, and no other."""
    one.api("PUT", "/v1/rfm/fore", {"kinds": ["donation"], "scoring": "fixed", "classes": 3, "labels": [{"label": "new", "r": [3, 3]}, {"label": "old"}], "look_back": "1 month",
                                    "breaks": {"recency": [5, 12], "frequency": [2, 4], "monetary": [50, 200]}})
    now = at(one.now())
    ids = set()
    for n in range(12):
        who = one.record({"email": f"fore{n}@instants.example", "birth_date": f"1980-{(now + dt.timedelta(days=n)).strftime('%m-%d')}"}, "call")
        ids.add(who)
        for k in range(n % 4):
            one.record({"id": who}, "donation", amount="20", occurred_at=(now - dt.timedelta(days=3 * n * (k + 1) - 9, hours=n, minutes=7 * k)).isoformat())
    for name, rule in SEGMENTS.items():
        one.segment(name, rule)
    couples, kept = sorted(ids), max(ids)
    for a, b in zip(couples[::2], couples[1::2]):
        one.api("PUT", f"/v1/contacts/{a}/relations/spouse/{b}", {"until": (now + dt.timedelta(days=9)).date().isoformat()})
    one.api("PUT", f"/v1/segments/f%20recent/exceptions/{kept}", {"mode": "in", "reason": "stays"})
    settle(one)
    days = 15
    expected = {name: foretold(one, name, days) for name in SEGMENTS}
    begun = at(one.get(f"/v1/segments/f%20old/forecast?days={days}")["from"])
    assert all(expected[name] for name in SEGMENTS), {k: len(v) for k, v in expected.items()}
    assert not any(who == kept for who, _, _ in expected["f lapsed"])
    assert "by time alone" in one.ctl("segment", "forecast", "f recent", "--days", days).stdout
    instants = sorted({i for moves in expected.values() for _, i, _ in moves})
    members = {name: {m["id"] for m in one.items(f"/v1/segments/{quote(name)}/members")} for name in SEGMENTS}
    # A look shortly before each instant that is further from the last, and one after it: between two looks only what was foretold of that time has happened.
    seen = begun
    for instant in instants:
        for look in (instant - dt.timedelta(seconds=20), instant + dt.timedelta(seconds=20)):
            if look <= at(one.now()):
                continue
            one.advance_to(look.isoformat())
            settle(one)
            until = at(one.now())
            for name, moves in expected.items():
                for who, when, move in moves:
                    if seen < when <= look:
                        (members[name].add if move == "enter" else members[name].discard)(who)
                if not any(look < when <= until for _, when, _ in moves):
                    assert {m["id"] for m in one.items(f"/v1/segments/{quote(name)}/members")} == members[name], (name, look, expected[name])
            seen = look
    # What cannot be followed is said; what the rule does not read does not matter.
    one.api("PUT", "/v1/rfm/shares", {"kinds": ["donation"], "scoring": "quantile", "classes": 3, "look_back": "1 month"})
    for rule, exact in (("birthday today", True), ("rfm.fore.r > 1", True), ("rfm.shares.r > 1", False), ('related as "spouse" where (rfm.fore.r > 1)', False),
                        ('related as "spouse" where (in segment "f recent")', False), ('not in segment "f recent" and related as "spouse"', True)):
        one.segment("f exact", rule)
        assert one.get("/v1/segments/f%20exact/forecast?days=3")["exact"] is exact, rule
    kin = explain(one, kept, 'related as "spouse" where (in segment "f recent")')
    assert "related contacts" in kin["unknown"]
    assert one.request("GET", "/v1/segments/f%20old/forecast?days=0").status_code == 422
    assert one.request("GET", "/v1/segments/nobody%20knows/forecast").status_code == 404
