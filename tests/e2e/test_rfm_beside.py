"""What happens while all contacts of a model are scored: with a million of them that takes many seconds."""
import pytest
from lazo_test import Instance, eventually

START = "2027-03-10T10:00:00Z"
QUANTILES = {"kinds": ["donation"], "classes": 3, "labels": [{"label": "top", "f": [3, 3]}, {"label": "rest"}]}
FIXED = {"kinds": ["donation"], "scoring": "fixed", "classes": 3, "labels": [{"label": "often", "f": [3, 3]}, {"label": "seldom"}],
         "breaks": {"recency": [10, 30], "frequency": [2, 4], "monetary": ["50", "200"]}}


@pytest.fixture(scope="module")
def one():
    instance = Instance(clock=START).start()
    yield instance
    instance.stop()


def settle(one):
    one.settle()
    report = one.check()
    assert report["count"] == 0, report["differences"][:5]


@pytest.fixture
def people(one):
    """Nine who gave once to five times, scored by two models."""
    one.sql("DELETE FROM contact")
    found = [one.record({"external_id": f"p{i}"}, "call") for i in range(9)]
    for i, who in enumerate(found):
        for _ in range(1 + i // 2):
            one.record({"id": who}, "donation", amount="10")
    for name, model in (("held", QUANTILES), ("aside", FIXED)):
        one.api("PUT", f"/v1/rfm/{name}", model)
    eventually(lambda: not any(m["stale"] for m in one.items("/v1/rfm")))
    settle(one)
    return found


def scores(one, model):
    return {s["contact"]: (s["frequency"], s["label"]) for s in one.items(f"/v1/rfm/{model}/scores")}


def label_changes(one, who, model):
    return [(i["data"]["from"], i["data"]["to"]) for i in one.items(f"/v1/contacts/{who}/interactions")
            if i["kind"] == "label_changed" and i["data"]["model"] == model]


def test_changes_are_followed_meanwhile(one, people, tmp_path):
    one.segment("friends", "count(call) >= 2")
    one.segment("tops", 'rfm.held.label = "top"')
    settle(one)
    giver, quiet = people[0], people[1]
    assert scores(one, "held")[giver] == (1, "rest") and one.count("friends") == 0
    with one.holding("SELECT FROM rfm_model WHERE name = 'held' FOR UPDATE"):
        one.advance_to(one.get("/v1/rfm/held")["due_at"])
        one.wait_for_lock()  # all is computed but the end
        one.record({"id": giver}, "call")
        for _ in range(6):
            one.record({"id": giver}, "donation", amount="10")
        (tmp_path / "gifts.csv").write_text("external_id,date,amount\n" + "p1,2026-01-01,9\n" * 7)
        one.ctl("import", "interactions", tmp_path / "gifts.csv", "--kind", "donation", "--source", "old")
        eventually(lambda: one.count("friends") == 1, what="the segment follows")
        eventually(lambda: scores(one, "aside")[giver] == (7, "often"), what="the other model's score follows")
        eventually(lambda: scores(one, "aside")[quiet] == (8, "often"))
        assert scores(one, "held")[giver] == (1, "rest"), "is still being scored"
    settle(one)
    assert scores(one, "held")[giver] == (7, "top") and scores(one, "held")[quiet] == (8, "top")
    assert {giver, quiet} <= {m["id"] for m in one.items("/v1/segments/tops/members")}
    assert label_changes(one, giver, "held") == [("rest", "top")] and label_changes(one, giver, "aside") == [("seldom", "often")]
    assert label_changes(one, quiet, "held") == label_changes(one, quiet, "aside") == [], "history starts nothing"
    one.segment("tops", "false")


def test_an_edit_meanwhile_is_not_lost(one, people):
    for who in people[:3]:
        one.record({"id": who}, "visit")
    settle(one)
    with one.holding("UPDATE rfm_model SET kinds = '{visit}' WHERE name = 'held'"):
        one.advance_to(one.get("/v1/rfm/held")["due_at"])
        one.wait_for_lock()
    eventually(lambda: set(scores(one, "held")) == set(people[:3]), what="who visited is scored")
    settle(one)
    shown = one.get("/v1/rfm/held")
    assert shown["kinds"] == ["visit"] and not shown["stale"]


def test_a_second_word_meanwhile_is_not_lost(one, people):
    """Who asks for scores while they are being computed gets those of all that was there when they asked."""
    before = one.get("/v1/rfm/held")["scored_at"]
    with one.holding("UPDATE rfm_model SET stale = true WHERE name = 'held'"):
        one.advance_to(one.get("/v1/rfm/held")["due_at"])
        one.wait_for_lock()
        one.advance("1 s")
        asked = one.now()
    eventually(lambda: not one.get("/v1/rfm/held")["stale"])
    assert before < asked <= one.get("/v1/rfm/held")["scored_at"]
    settle(one)


def organisation(one, name):
    """The token of another organisation with a model, scored, of one who gave."""
    database = (one.home / "database").read_text().strip().replace("user=postgres", "user=lazo_owner")
    one.ctl("organisation", "create", name, "--name", name, "--language", "en", "--database", database)
    token = one.ctl("token", "create", "--organisation", name, "--role", "owner", "--database", database).stdout.split()[-1]
    one.api("POST", "/v1/interactions", {"contact": {"external_id": "x"}, "kind": "donation", "amount": "10"}, token=token)
    one.api("PUT", "/v1/rfm/held", QUANTILES, token=token)
    one.api("PUT", "/v1/segments/givers", {"kind": "dynamic", "rule": "count(donation) >= 2"}, token=token)
    return token


def test_all_are_due_at_one_midnight(one, people):
    """More organisations than there are connections: one is scored after the other, and nobody waits for them who only gives."""
    tokens = [organisation(one, f"house{n}") for n in range(7)]
    shown = [lambda t=t: one.api("GET", "/v1/rfm/held", token=t) for t in tokens]
    eventually(lambda: not any(s()["stale"] or s()["scored_at"] is None for s in shown), what="all are scored")
    due = max(s()["due_at"] for s in shown)
    with one.holding("SELECT FROM rfm_model WHERE name = 'held' FOR UPDATE"):
        one.advance_to(max(due, one.get("/v1/rfm/held")["due_at"]))
        one.wait_for_lock()
        for token in tokens:
            one.api("POST", "/v1/interactions", {"contact": {"external_id": "x"}, "kind": "donation", "amount": "10"}, token=token)
            eventually(lambda: one.api("GET", "/v1/segments/givers/members", token=token)["items"], what="the segment follows")
    eventually(lambda: all(s()["due_at"] > due for s in shown), what="all are scored in turn")
    for token in tokens:
        eventually(lambda: one.api("GET", "/v1/rfm/held/scores", token=token)["items"][0]["frequency"] == 2, what="the gift is scored")
    settle(one)
