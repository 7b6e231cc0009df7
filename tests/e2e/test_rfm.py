"""RFM that lives: how money counts, what labels start, the history of scores, schedules, the edges of days and windows."""
import datetime as dt
import json
import zoneinfo

from urllib.parse import quote

import pytest
from lazo_test import Instance, Receiver, eventually, never

START = "2027-03-10T10:00:00Z"  # Madrid: 11:00
FIXED = {"kinds": ["donation"], "scoring": "fixed", "classes": 3,
         "breaks": {"recency": [10, 30], "frequency": [2, 4], "monetary": ["50", "200"]},
         "labels": [{"label": "best", "r": [3, 3], "f": [2, 3]}, {"label": "new", "r": [3, 3]}, {"label": "fading", "r": [2, 2]}, {"label": "lost"}]}


@pytest.fixture(scope="module")
def receiver():
    r = Receiver().start()
    yield r
    r.stop()


@pytest.fixture(scope="module")
def one(receiver):
    instance = Instance(clock=START).start()
    instance.api("PATCH", "/v1/organisation", {"time_zone": "Europe/Madrid"})
    instance.api("PUT", "/v1/webhooks/labels", {"url": receiver.url, "events": ["label_changed"]})
    yield instance
    instance.stop()


def settle(one):
    one.settle()
    report = one.check()
    assert report["count"] == 0, report["differences"][:5]


def model(one, name, **settings):
    put = one.api("PUT", f"/v1/rfm/{name}", {**FIXED, **settings})
    eventually(lambda: not one.get(f"/v1/rfm/{name}")["stale"], what=f"model {name} is scored")
    return put


def score(one, name, who):
    found = one.get(f"/v1/rfm/{name}/scores?contact={who}")["items"]
    return found[0] if found else None


def labels(one, who, name):
    """What the timeline says, oldest first."""
    found = [i for i in one.items(f"/v1/contacts/{who}/interactions") if i["kind"] == "label_changed" and i["data"]["model"] == name]
    return [(i["data"]["from"], i["data"]["to"]) for i in sorted(found, key=lambda i: (i["occurred_at"], i["id"]))]


def person(one, address):
    return one.record({"email": address}, "call")


def gift(one, who, kind="donation", **fields):
    return one.record({"id": who}, kind, **fields)


def test_sum_average_largest_side_by_side(one):
    for name in ("sum", "average", "largest"):
        model(one, f"m-{name}", monetary=name, kinds=["gave"], labels=[])
    who, nobody = person(one, "m@rfm.example"), person(one, "nobody@rfm.example")
    for amount in ("10.01", "100.00", "0"):
        gift(one, who, "gave", amount=amount)
    gift(one, who, "gave")  # in kind: no amount
    settle(one)
    assert {n: score(one, f"m-{n}", who)["monetary"] for n in ("sum", "average", "largest")} == \
        {"sum": "110.01", "average": "36.67", "largest": "100.00"}
    assert score(one, "m-sum", who)["frequency"] == 4 and score(one, "m-sum", nobody) is None
    one.segment("large", "rfm.`m-largest`.monetary >= 100 and rfm.`m-average`.m = 1")
    assert [m["id"] for m in one.items("/v1/segments/large/members")] == [who]
    summary = one.get("/v1/rfm/m-average/summary")
    assert summary["population"]["kinds"] == ["gave"] and summary["population"]["monetary"] == "average"
    one.segment("large", "false")
    for name in ("sum", "average", "largest"):
        assert one.request("DELETE", f"/v1/rfm/m-{name}").status_code == 204


def test_labels_that_change_start_journeys_and_webhooks(one, receiver):
    who = person(one, "live@rfm.example")
    gift(one, who, amount="20")
    settle(one)
    model(one, "live")
    settle(one)
    assert score(one, "live", who)["label"] == "new" and labels(one, who, "live") == [], "a new model's first scores start nothing"
    one.journey("fades", {"start": {"rfm": {"model": "live", "from": "new", "to": "fading"}}, "steps": [{"tag": "fading"}]})
    one.journey("any", {"start": {"rfm": {"model": "live"}}, "steps": [{"tag": "moved"}]})
    one.journey("best", {"start": {"rfm": {"model": "live", "to": "best"}}, "steps": [{"tag": "best"}]})
    assert one.request("DELETE", "/v1/rfm/live").status_code == 409, "journeys start by it"
    first = score(one, "live", who)["since"]
    calls = len(receiver.calls)

    def still_new():
        settle(one)
        assert score(one, "live", who)["label"] == "new" and labels(one, who, "live") == []

    one.just_before("2027-03-20T23:00:00Z", still_new)  # midnight in Madrid: ten days
    one.reach("2027-03-20T23:00:00Z")
    settle(one)
    faded = score(one, "live", who)
    assert (faded["r"], faded["label"]) == (2, "fading") and labels(one, who, "live") == [("new", "fading")]
    assert set(one.get(f"/v1/contacts/{who}")["tags"]) == {"fading", "moved"}
    call = receiver.wait(calls + 1)[calls]
    body = json.loads(call.body)
    assert body["type"] == "label_changed" and json.dumps(body).count('"fading"') >= 1
    gift(one, who, amount="5")
    settle(one)
    assert labels(one, who, "live") == [("new", "fading"), ("fading", "best")]
    assert set(one.get(f"/v1/contacts/{who}")["tags"]) == {"fading", "moved", "best"}
    # What scores were: each with its time, none overlapping.
    past = one.items(f"/v1/contacts/{who}/rfm?model=live")
    assert [p["label"] for p in past] == ["best", "fading", "new"] and past[0]["until"] is None and past[2]["since"] == first
    assert [p["since"] for p in past[:2]] == [p["until"] for p in past[1:]]
    assert [p["label"] for p in one.items(f"/v1/contacts/{who}/rfm?model=live&as_of={quote(past[1]['since'])}")] == ["fading"]
    then = one.get(f"/v1/rfm/live/scores?as_of={START}")["items"]
    assert [(s["contact"], s["label"]) for s in then if s["contact"] == who] == []
    then = one.items("/v1/rfm/live/scores?as_of=2027-03-20T00:00:00Z")
    assert [(s["contact"], s["label"], s["score"]) for s in then if s["contact"] == who] == [(who, "new", 311)]
    assert "fading" in one.ctl("rfm", "contact", who, "--model", "live").stdout
    assert "best" not in one.ctl("rfm", "contact", "live@rfm.example", "--as-of", past[1]["since"]).stdout


def test_edits_and_imports_start_nothing(one, tmp_path):
    who = next(s["contact"] for s in one.items("/v1/rfm/live/scores") if s["label"] == "best")
    before = labels(one, who, "live")
    model(one, "live", labels=[{"label": "donor"}])
    settle(one)
    assert score(one, "live", who)["label"] == "donor" and labels(one, who, "live") == before
    assert one.items(f"/v1/contacts/{who}/rfm?model=live")[1]["label"] == "best", "history follows"
    model(one, "live")
    settle(one)
    late = person(one, "late@rfm.example")
    rows = "email,date,amount\nlate@rfm.example,2026-01-01,9\n"
    (tmp_path / "gifts.csv").write_text(rows)
    one.ctl("import", "interactions", tmp_path / "gifts.csv", "--kind", "donation", "--source", "old")
    settle(one)
    assert score(one, "live", late)["label"] == "lost" and labels(one, late, "live") == []
    assert one.ctl("rfm", "recompute", "live").returncode == 0
    settle(one)
    assert labels(one, who, "live") == before
    assert one.request("POST", "/v1/rfm/nothing/recompute").status_code == 404


def test_refunds_and_future_gifts(one):
    who = person(one, "refund@rfm.example")
    gift(one, who, amount="100", key="r1", source="web")
    settle(one)
    assert score(one, "live", who)["monetary"] == "100.00"
    gift(one, who, amount="40", occurred_at=(dt.datetime.fromisoformat(one.now().replace("Z", "+00:00")) + dt.timedelta(hours=5)).isoformat())
    settle(one)
    assert score(one, "live", who)["frequency"] == 1, "not before its instant"
    one.advance("5 h")
    settle(one)
    assert (score(one, "live", who)["frequency"], score(one, "live", who)["monetary"]) == (2, "140.00")
    one.api("POST", "/v1/interactions", {"contact": {"id": who}, "kind": "refund", "amends": {"source": "web", "key": "r1"}, "amount": "-100"})
    settle(one)
    assert (score(one, "live", who)["frequency"], score(one, "live", who)["monetary"]) == (1, "40.00")
    # A model that is made when the gift is known and yet to come.
    gift(one, who, "pledge", amount="7", occurred_at=(dt.datetime.fromisoformat(one.now().replace("Z", "+00:00")) + dt.timedelta(hours=3)).isoformat())
    settle(one)
    model(one, "pledges", kinds=["pledge"])
    assert score(one, "pledges", who) is None
    one.advance("3 h")
    settle(one)
    assert score(one, "pledges", who)["monetary"] == "7.00" and labels(one, who, "pledges") == [(None, "new")]
    # Some past, some to come, among kinds that are not scored: the model's kinds are not neighbours.
    for kind, amount, hours in (("pledge-a", "5", -2), ("pledge-b", "900", -1), ("pledge-c", "3", -1), ("pledge-c", "4", 2), ("pledge-a", "50", 4)):
        gift(one, who, kind, amount=amount, occurred_at=(dt.datetime.fromisoformat(one.now().replace("Z", "+00:00")) + dt.timedelta(hours=hours)).isoformat())
    settle(one)
    for money, count, shown in (("sum", 2, "8.00"), ("average", 2, "4.00"), ("largest", 2, "5.00")):
        model(one, f"mixed-{money}", kinds=["pledge-c", "pledge-a"], monetary=money)
        assert (score(one, f"mixed-{money}", who)["frequency"], score(one, f"mixed-{money}", who)["monetary"]) == (count, shown)
    one.advance("2 h")
    settle(one)
    assert [score(one, f"mixed-{m}", who)["monetary"] for m in ("sum", "average", "largest")] == ["12.00", "4.00", "5.00"]
    one.advance("2 h")
    settle(one)
    assert [score(one, f"mixed-{m}", who)["monetary"] for m in ("sum", "average", "largest")] == ["62.00", "15.50", "50.00"]


def test_a_gift_leaves_the_look_back_at_midnight(one):
    model(one, "month", kinds=["monthly"], look_back="1 month")
    one.advance_to("2028-01-31T22:30:00Z")  # 23:30 of 31 January in Madrid
    who = person(one, "month@rfm.example")
    gift(one, who, "monthly", amount="30")
    settle(one)
    assert score(one, "month", who)["label"] == "new"

    def still_counts():
        settle(one)
        assert score(one, "month", who) is not None

    one.just_before("2028-02-29T23:00:00Z", still_counts)  # 29 February less a month is 29 January
    one.reach("2028-02-29T23:00:00Z")
    settle(one)
    assert score(one, "month", who) is None and labels(one, who, "month")[-1][1] is None
    last = one.items(f"/v1/contacts/{who}/rfm?model=month")
    assert "2028-02-29T23:00:00" <= last[0]["until"] < "2028-02-29T23:10:00"


def test_quantiles_are_computed_at_midnight(one):
    put = one.api("PUT", "/v1/rfm/quant", {"kinds": ["q"], "classes": 3, "labels": [{"label": "top", "m": [3, 3]}, {"label": "rest"}]})
    assert put["warnings"] == ['no interaction of the kind "q" has been recorded yet']
    people = [person(one, f"q{i}@rfm.example") for i in range(6)]
    for i, who in enumerate(people):
        gift(one, who, "q", amount=str(10 * (i + 1)))
    settle(one)
    one.ctl("rfm", "recompute", "quant")
    settle(one)
    shown = one.get("/v1/rfm/quant")
    assert shown["recompute"] == "day" and shown["due_at"] is not None
    assert [score(one, "quant", who)["label"] for who in people] == ["rest"] * 4 + ["top"] * 2
    said = {who: labels(one, who, "quant") for who in people}
    one.segment("at-the-top", 'rfm.quant.label = "top"')
    assert [m["id"] for m in one.items("/v1/segments/at-the-top/members")] == people[4:]
    gift(one, people[0], "q", amount="500")
    settle(one)
    assert score(one, "quant", people[0])["label"] == "top" and labels(one, people[0], "quant") == said[people[0]] + [("rest", "top")]
    assert [score(one, "quant", who)["label"] for who in people] == ["top"] + ["rest"] * 3 + ["top"] * 2, "by the breaks of yesterday"
    due = one.get("/v1/rfm/quant")["due_at"]
    one.advance_to(due)
    settle(one)
    eventually(lambda: one.get("/v1/rfm/quant")["due_at"] > due)
    settle(one)
    moved = [who for who in people[1:] if labels(one, who, "quant") != said[who]]
    assert moved == [people[4]], "there is one fewer at the top, for others gave more"
    cause = next(i for i in one.items(f"/v1/contacts/{people[4]}/interactions") if i["kind"] == "label_changed" and i["data"]["model"] == "quant"
                 and i["data"]["from"] == "top")
    assert cause["data"] == {"model": "quant", "from": "top", "to": "rest", "cause": "schedule"}
    assert [m["id"] for m in one.items("/v1/segments/at-the-top/members")] == [people[0], people[5]], "whose rule reads the scores hears of them"
    one.segment("at-the-top", "false")
    # Another schedule: time moves scores up to the new one.
    for word in ("month", "week", "never"):
        put = one.api("PUT", "/v1/rfm/quant", {"kinds": ["q"], "classes": 3, "recompute": word, "labels": [{"label": "top", "m": [3, 3]}, {"label": "rest"}]})
        assert put["changed"] is True
        eventually(lambda: one.get("/v1/rfm/quant")["stale"] is False)
        shown = one.get("/v1/rfm/quant")
        assert shown["recompute"] == word and (shown["due_at"] is None) == (word == "never")
        one.advance("2 days")
        settle(one)
    assert {score(one, "quant", who)["r"] for who in people} == {1}, "nobody gave since"


def test_what_was_counted_at_an_instant(one):
    """A gift that moves no class leaves no row of history; what was counted before it is told all the same."""
    who = person(one, "counted@rfm.example")
    model(one, "counted", kinds=["counted"], labels=[{"label": "any"}], breaks={"recency": [10, 30], "frequency": [5, 9], "monetary": ["50", "200"]})
    gift(one, who, "counted", amount="10")
    settle(one)
    before = one.now()
    day = dt.datetime.fromisoformat(before).astimezone(zoneinfo.ZoneInfo("Europe/Madrid")).date().isoformat()
    one.advance("2 days")
    gift(one, who, "counted", amount="15", occurred_at=one.now())
    one.advance("1 day")
    settle(one)
    rules = {"rfm.counted.frequency = 1": True, "rfm.counted.monetary = 10": True, f"rfm.counted.last_on = {day}": True, "rfm.counted.recency = 0": True, "rfm.counted.recency = 1": False}
    for rule, holds in rules.items():
        assert one.api("POST", "/v1/rules/explain", {"rule": rule, "contact": who, "as_of": before})["holds"] is holds, rule
    assert one.api("POST", "/v1/rules/explain", {"rule": "rfm.counted.recency = 1", "contact": who})["holds"] is True
    for path in (f"/v1/rfm/counted/scores?contact={who}&as_of={quote(before)}", f"/v1/contacts/{who}/rfm?model=counted&as_of={quote(before)}"):
        then = one.get(path)["items"]
        assert [(s["last_on"], s["frequency"], s["monetary"]) for s in then] == [(day, 1, "10.00")], path
    assert [(s["frequency"], s["monetary"]) for s in one.get(f"/v1/contacts/{who}/rfm?model=counted")["items"]] == [(2, "25.00")]
    # A gift that is known no more leaves what was said of it.
    for given in one.items(f"/v1/contacts/{who}/interactions?kind=counted"):
        assert one.request("DELETE", f"/v1/contacts/{who}/interactions/{given['id']}").status_code < 300
    settle(one)
    assert [s["r"] for s in one.get(f"/v1/contacts/{who}/rfm?model=counted&as_of={quote(before)}")["items"]] == [3]


def test_a_model_that_is_edited_while_it_is_scored(one):
    """What the scoring that was under way makes of it does not count: neither scores, nor breaks, nor that all is done."""
    who = person(one, "edited@rfm.example")
    gift(one, who, "edit", amount="100")
    settings = {"kinds": ["edit"], "labels": [{"label": "old"}], "recompute": "week"}
    model(one, "edited", **settings)
    settle(one)
    # A scoring stops where it has read all and is about to write, for as long as we hold the lock.
    one.sql("""CREATE FUNCTION lazo.halt() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN IF current_query() LIKE '%percentile_cont%' THEN PERFORM pg_advisory_xact_lock_shared(4711); END IF; RETURN NULL; END $$;
               CREATE TRIGGER halt BEFORE UPDATE ON lazo.rfm_model FOR EACH STATEMENT EXECUTE FUNCTION lazo.halt()""", user="postgres")
    held = one.connect(org=1)
    for edit, label in (({"recompute": "never", "labels": [{"label": "older"}]}, "older"),
                        ({"scoring": "quantile", "breaks": None, "classes": 4, "recompute": "never", "labels": [{"label": "new"}]}, "new")):
        with held.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(4711)")
            one.api("PUT", "/v1/rfm/edited", {**FIXED, **settings, "labels": [{"label": "meanwhile " + label}]})
            eventually(lambda: one.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'", user="postgres")[0][0], what="the scoring waits")
            one.api("PUT", "/v1/rfm/edited", {k: v for k, v in {**FIXED, **settings, **edit}.items() if v is not None})
            cursor.execute("SELECT pg_advisory_unlock(4711)")
        eventually(lambda: score(one, "edited", who)["label"] == label, what=label)
        settle(one)
        shown = one.get("/v1/rfm/edited")
        assert shown["recompute"] == "never" and shown["due_at"] is None and shown["stale"] is False
    held.close()
    one.sql("DROP TRIGGER halt ON lazo.rfm_model", user="postgres")
    assert len(one.get("/v1/rfm/edited/breaks")["recency"]) == 3
    # A stranger says so, and leaves when it was due.
    one.segment("edited", 'rfm.edited.label = "new"')
    one.sql("UPDATE rfm_model SET due_at = %s WHERE name = 'edited'", (dt.datetime.fromisoformat(one.now()) + dt.timedelta(days=3),))
    assert one.get("/v1/segments/edited/forecast?days=10")["exact"] is True
    assert one.request("DELETE", "/v1/segments/edited").status_code == 204
    assert one.request("DELETE", "/v1/rfm/edited").status_code == 204


def test_what_is_no_model(one):
    who = person(one, "early@rfm.example")
    gift(one, who, amount="5")
    put = one.api("PUT", "/v1/rfm/early", {"kinds": ["Donation", "nothing"]})
    assert put["warnings"] == ['no interaction of the kind "Donation" has been recorded yet; did you mean "donation"?', 'no interaction of the kind "nothing" has been recorded yet']
    eventually(lambda: one.get("/v1/rfm/early")["stale"] is False)
    empty = one.get("/v1/rfm/early/breaks")
    assert (empty["recency"], empty["frequency"], empty["monetary"]) == ([], [], [])
    assert one.request("DELETE", "/v1/rfm/early").status_code == 204
    assert one.request("GET", f"/v1/contacts/{who}/rfm?model=early").status_code == 404
    assert one.ctl("rfm", "contact", who, "--model", "early", check=False).returncode == 1
    for body, pointer in (({"kinds": ["x"], "monetary": "most"}, "/monetary"), ({"kinds": ["x"], "recompute": "hourly"}, "/recompute"),
                          ({"kinds": ["x"], "look_back": "1001 years"}, "/look_back")):
        answer = one.request("PUT", "/v1/rfm/bad", json=body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == pointer
    assert one.request("GET", "/v1/contacts/999999/rfm").status_code == 404
    assert one.request("GET", "/v1/rfm/live/scores?as_of=then").status_code == 422
    assert one.request("GET", "/v1/rfm/live/scores?contact=x").status_code == 422
