"""Recording: once for a key, one contact for an address, in every form of the API."""
import concurrent.futures
import json

from lazo_test import ApiError, eventually

import pytest


def facts(lazo, who, kind):
    return [i for i in lazo.items(f"/v1/contacts/{who}/interactions") if i["kind"] == kind]


def test_key_is_unique_per_source(lazo):
    one = {"contact": {"email": "key@record.example"}, "kind": "keyed", "source": "shop", "key": "k1"}
    first, again = lazo.api("POST", "/v1/interactions", one), lazo.api("POST", "/v1/interactions", one)
    assert (first["recorded"], first["duplicates"], again["recorded"], again["duplicates"]) == (1, 0, 0, 1)
    assert again["items"][0]["id"] == first["items"][0]["id"]
    assert lazo.api("POST", "/v1/interactions", {**one, "source": "web"})["recorded"] == 1
    twice = lazo.api("POST", "/v1/interactions", [{**one, "key": "k2"}, {**one, "key": "k2"}])
    assert (twice["recorded"], twice["duplicates"]) == (1, 1)
    assert len(facts(lazo, first["items"][0]["contact"], "keyed")) == 3


def test_idempotency_key(lazo):
    body = [{"contact": {"email": "idem@record.example"}, "kind": "idem"}] * 3
    done = [lazo.api("POST", "/v1/interactions", body, headers={"Idempotency-Key": "abc"}) for _ in range(3)]
    assert [d["recorded"] for d in done] == [3, 0, 0]
    assert len(facts(lazo, done[0]["items"][0]["contact"], "idem")) == 3


def test_a_batch_is_all_or_nothing(lazo):
    good = {"contact": {"email": "batch@record.example"}, "kind": "batch"}
    with pytest.raises(ApiError) as e:
        lazo.api("POST", "/v1/interactions", [good, {**good, "amount": "x"}, {**good, "kind": 7}])
    assert e.value.status == 422
    assert [p["pointer"] for p in e.value.response.json()["errors"]][:2] == ["/1/amount", "/2/kind"]
    assert not lazo.get("/v1/contacts?q=batch@record.example")["items"]


def test_what_is_said_at_once_keeps_its_order(lazo):
    """Of one instant, what was said later is the last: in an array, in a stream, known or new."""
    at = lazo.now()
    for turn in range(2):
        for form in ("array", "stream"):
            who = {"email": f"order-{form}@record.example"}
            said = [{"contact": who, "kind": "ordered", "occurred_at": at, "amount": str(100 * turn + n)} for n in range(1, 30)]
            if form == "array":
                items = lazo.api("POST", "/v1/interactions", said)["items"]
            else:
                items = lazo.request("POST", "/v1/interactions", data="\n".join(map(json.dumps, said)),
                                     headers={"Content-Type": "application/x-ndjson"}).json()["items"]
            assert [i["id"] for i in items] == sorted(i["id"] for i in items)
            conditions = lazo.api("POST", "/v1/rules/explain", {"rule": "first(ordered.amount) > 0 and last(ordered.amount) > 0",
                                                                "contact": items[0]["contact"]})["conditions"]
            assert [c["value"] for c in conditions] == ["1.00", f"{100 * turn + 29}.00"]


def test_a_last_line_without_an_end_is_the_last(lazo):
    """It is seen when the body ends, when those before it are under way. Some requests go the long way after one that spoke of somebody new: here the lines, and the last no more."""
    who, at = {"email": "order-end@record.example"}, lazo.now()
    for _ in range(21):
        lazo.record(who, "ordered", occurred_at=at, amount="1")
    lazo.record({"email": "order-new@record.example"}, "ordered")
    lazo.record(who, "ordered", occurred_at=at, amount="1")
    for turn in range(10):
        lines = [json.dumps({"contact": who, "kind": "ordered", "occurred_at": at, "amount": str(100 * turn + n)}) for n in range(1, 30)]
        said = lazo.request("POST", "/v1/interactions", data="\n".join(lines), headers={"Content-Type": "application/x-ndjson"}).json()
        assert [i["line"] for i in said["items"]] == list(range(1, 30)), turn
        assert [i["id"] for i in said["items"]] == sorted(i["id"] for i in said["items"]), turn


def test_ndjson_lines_stand_alone(lazo):
    lines = [json.dumps({"contact": {"email": f"line{i}@record.example"}, "kind": "line"}) for i in range(2500)]
    lines[7] = "{broken"
    lines[1999] = json.dumps({"contact": {"email": "nobody"}, "kind": "line"})
    said = lazo.request("POST", "/v1/interactions", data="\n".join(lines), headers={"Content-Type": "application/x-ndjson"}).json()
    assert said["recorded"] == 2498
    assert {e["line"] for e in said["errors"]} == {8, 2000}


def test_one_contact_for_many_at_once(lazo):
    def go(i):
        contact = {"email": "Many@Record.Example"} if i % 2 else {"external_id": "many", "email": "many@record.example"}
        return lazo.record(contact, "many")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = set(pool.map(go, range(200)))
    assert len(found) == 1
    assert len(facts(lazo, found.pop(), "many")) == 200


def test_segment_calls(lazo):
    """The tracking calls of Segment's libraries."""
    lazo.api("POST", "/v1/identify", {"userId": "seg-1", "traits": {"email": "seg@record.example", "firstName": "Seg"}})
    lazo.api("POST", "/v1/track", {"userId": "seg-1", "event": "Order Completed", "properties": {"revenue": 12.5, "sku": "x"},
                                   "timestamp": "2020-01-01T00:00:00Z", "messageId": "m1"})
    lazo.api("POST", "/v1/batch", {"batch": [{"type": "track", "userId": "seg-1", "event": "Order Completed", "messageId": "m1"}]})
    who = lazo.contact_id("seg@record.example")
    assert lazo.get(f"/v1/contacts/{who}")["external_id"] == "seg-1"
    fact, = facts(lazo, who, "Order Completed")
    assert fact["amount"] == "12.50" and fact["occurred_at"].startswith("2020-01-01")


def test_amounts_are_exact(lazo):
    who = None
    for amount, shown in (("0.01", "0.01"), (25, "25.00"), (0.1, "0.10"), ("1234567890.12", "1234567890.12"), ("-3.50", "-3.50")):
        who = lazo.record({"email": "amount@record.example"}, "amount", amount=amount)
        assert facts(lazo, who, "amount")[0]["amount"] == shown
    for amount in ("1.234", "1e3", "12,50", "", "NaN", True, [1], "99999999999999999999"):
        with pytest.raises(ApiError) as e:
            lazo.record({"email": "amount@record.example"}, "amount", amount=amount)
        assert e.value.status == 422, amount
    assert len(facts(lazo, who, "amount")) == 5


def test_contacts_upsert_patch_and_forget(lazo):
    made = lazo.api("POST", "/v1/contacts", {"email": "person@record.example", "first_name": "Per", "attr": {}})
    again = lazo.api("POST", "/v1/contacts", {"email": "PERSON@record.example", "last_name": "Son"})
    assert made["id"] == again["id"]
    seen = lazo.get(f"/v1/contacts/{made['id']}")
    assert (seen["first_name"], seen["last_name"], seen["email"]) == ("Per", "Son", "person@record.example")
    other = lazo.api("POST", "/v1/contacts", {"email": "other@record.example"})
    with pytest.raises(ApiError) as e:
        lazo.api("PATCH", f"/v1/contacts/{other['id']}", {"email": "person@record.example"})
    assert e.value.status in (409, 422)
    lazo.api("DELETE", f"/v1/contacts/{made['id']}")
    eventually(lambda: lazo.request("GET", f"/v1/contacts/{made['id']}").status_code == 404)
    assert lazo.api("POST", "/v1/contacts", {"email": "person@record.example"})["id"] != made["id"]


def test_search(lazo):
    for first, last, address in (("Íñigo", "Ñúñez", "n"), ("Inigo", "Montoya", "m")):
        lazo.api("POST", "/v1/contacts", {"email": f"{address}@search.example", "first_name": first, "last_name": last})

    def found(query):
        return {c["last_name"] for c in lazo.get("/v1/contacts?" + query)["items"] if c["email"].endswith("@search.example")}
    assert found("q=inigo") == {"Ñúñez", "Montoya"}
    assert found("q=INIGO%20nun") == {"Ñúñez"}
    assert found('rule=last_name%20%3D%20%22nunez%22') == {"Ñúñez"}
    assert found("q=m@search.example") == {"Montoya"}


def test_the_planner_knows_of_many_new_contacts(lazo):
    """Else it looks each up by any index, and who reads the change log falls behind."""
    lazo.api("POST", "/v1/interactions", [{"contact": {"external_id": f"many-{i}"}, "kind": "many"} for i in range(1000)])
    eventually(lambda: lazo.sql("SELECT reltuples FROM pg_class WHERE oid = 'lazo.contact'::regclass")[0][0] >= 1000)
