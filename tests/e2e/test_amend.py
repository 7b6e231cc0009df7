"""Refunds and corrections: everything computed follows."""
import json

from lazo_test import ApiError, eventually

import pytest

CSV = """email,fecha,importe,key,amends
first@amendcsv.example,2023-01-01,100.00,A1,
first@amendcsv.example,2023-01-02,-30.00,A2,A1
second@amendcsv.example,2023-01-03,50.00,B1,
second@amendcsv.example,2023-01-04,-50.00,B2,B1
second@amendcsv.example,2023-01-05,-1.00,B3,B1
"""


def gift(lazo, who, amount, kind="amdgift", **more):
    return lazo.api("POST", "/v1/interactions", {"contact": {"email": who}, "kind": kind, "amount": amount, **more})["items"][0]["id"]


def amend(lazo, who, amends, amount, **more):
    return lazo.api("POST", "/v1/interactions", {"contact": {"email": who}, "amends": amends, "amount": amount, **more})


def refused(lazo, *said, **more):
    with pytest.raises(ApiError) as e:
        amend(lazo, *said, **more)
    assert e.value.status == 422
    return e.value.response.json()["errors"][0]


def timeline(lazo, who):
    return {i["id"]: i for i in lazo.items(f"/v1/contacts/{lazo.contact_id(who)}/interactions")}


def test_segments_follow(lazo):
    who = "follow@amend.example"
    lazo.segment("amend-sum", "sum(amdgift.amount) >= 100")
    lazo.segment("amend-count", "count(amdgift) >= 2")
    one, two = gift(lazo, who, "80.00"), gift(lazo, who, "40.00")
    lazo.settle()
    assert lazo.count("amend-sum") == 1 and lazo.count("amend-count") == 1
    amend(lazo, who, two, "-20.01")
    eventually(lambda: lazo.count("amend-sum") == 0)
    assert lazo.count("amend-count") == 1
    corrected = amend(lazo, who, two, "20.00")["items"][0]["id"]
    eventually(lambda: lazo.count("amend-sum") == 1)
    undone = amend(lazo, who, one, "0")["items"][0]["id"]
    eventually(lambda: lazo.count("amend-count") == 0)
    seen = timeline(lazo, who)
    assert (seen[one]["kind"], seen[one]["amount"], seen[one]["recorded_kind"], seen[one]["recorded_amount"]) == ("refunded", "0.00", "amdgift", "80.00")
    assert (seen[undone]["kind"], seen[undone]["amends"], seen[undone]["amount"]) == ("refund", one, None)
    assert seen[corrected]["kind"] == "correction"

    base = f"/v1/contacts/{lazo.contact_id(who)}/interactions"
    lazo.api("DELETE", f"{base}/{undone}")
    eventually(lambda: lazo.count("amend-count") == 1 and lazo.count("amend-sum") == 1)
    lazo.api("PATCH", f"{base}/{one}", {"amount": "79.99"})
    eventually(lambda: lazo.count("amend-sum") == 0)
    with pytest.raises(ApiError) as e:
        lazo.api("PATCH", f"{base}/{two}", {"amount": "1.00"})
    assert e.value.status == 409
    lazo.api("DELETE", f"{base}/{corrected}")
    eventually(lambda: timeline(lazo, who)[two]["amount"] == "19.99")
    lazo.api("DELETE", f"{base}/{two}")
    eventually(lambda: lazo.count("amend-count") == 0)
    assert set(timeline(lazo, who)) & {two, corrected} == set()
    assert lazo.request("DELETE", f"{base}/{two}").status_code == 404


def test_what_is_refused(lazo):
    who, other = "refused@amend.example", "other@amend.example"
    one = gift(lazo, who, "10.00", key="r1", source="shop")
    call = lazo.api("POST", "/v1/interactions", {"contact": {"email": who}, "kind": "amdcall"})["items"][0]["id"]
    gift(lazo, other, "10.00")
    assert refused(lazo, who, one, "-10.01") == {"pointer": "/amount", "detail": "more than is left: 10.00"}
    assert refused(lazo, other, one, "-1")["detail"] == "the contact has no such interaction"
    assert refused(lazo, other, "r1", "-1", source="shop")["detail"] == "this interaction is another contact's"
    assert refused(lazo, who, "r1", "-1")["detail"] == "no interaction has this key"
    assert refused(lazo, who, one, "4", kind="refund") == {"pointer": "/amount", "detail": 'a refund is what is taken off: a negative amount, like "-25.00"'}
    assert refused(lazo, who, call, "-1")["detail"] == "this interaction has no amount to take from"
    assert refused(lazo, who, 987654321, "-1")["pointer"] == "/amends"
    assert refused(lazo, who, [1], "-1")["pointer"] == "/amends"
    took = amend(lazo, who, {"key": "r1", "source": "shop"}, "-4")["items"][0]["id"]
    assert refused(lazo, who, took, "-1")["detail"] == f"this interaction is an amendment itself; amend interaction {one}"
    assert refused(lazo, who, one, "-6.01")["detail"] == "more than is left: 6.00"
    assert refused(lazo, "nobody@amend.example", one, "-1")["pointer"] == "/amends"
    assert not lazo.get("/v1/contacts?q=nobody@amend.example")["items"], "a refused amendment leaves no contact"
    assert timeline(lazo, who)[one]["amount"] == "6.00"


def test_together_with_what_it_amends_and_once(lazo):
    who = "once@amend.example"
    both = [{"contact": {"email": who}, "kind": "amdgift", "amount": "5.00", "key": "o1"},
            {"contact": {"email": who}, "amends": "o1", "amount": "-2.00", "key": "o2"}]
    first, again = lazo.api("POST", "/v1/interactions", both), lazo.api("POST", "/v1/interactions", both)
    assert (first["recorded"], again["recorded"], again["duplicates"]) == (2, 0, 2)
    assert [i["id"] for i in first["items"]] == [i["id"] for i in again["items"]]
    assert timeline(lazo, who)[first["items"][0]["id"]]["amount"] == "3.00"
    with pytest.raises(ApiError):
        lazo.api("POST", "/v1/interactions", [{"contact": {"email": who}, "kind": "amdgift", "key": "o3"},
                                              {"contact": {"email": who}, "amends": "o1", "amount": "-4.00"}])
    assert len(timeline(lazo, who)) == 2, "all or nothing"


def test_rfm_follows(lazo):
    who = "rfm@amend.example"
    lazo.api("PUT", "/v1/rfm/amd", {"kinds": ["amdrfm"], "scoring": "fixed", "classes": 3,
                                    "breaks": {"recency": [30, 90], "frequency": [2, 3], "monetary": [50, 100]}})
    one, two = gift(lazo, who, "60.00", "amdrfm"), gift(lazo, who, "60.00", "amdrfm")

    def score():
        rows = lazo.sql("SELECT frequency, monetary FROM rfm_score WHERE contact_id = %s", [lazo.contact_id(who)])
        return rows[0] if rows else None
    eventually(lambda: score() == (2, 12000))
    amend(lazo, who, one, "-10.00")
    eventually(lambda: score() == (2, 11000))
    amend(lazo, who, two, "0")
    eventually(lambda: score() == (1, 5000))


def test_a_thank_you_not_yet_sent(lazo, sink):
    lazo.template("amend-thanks", subject="Gracias {{ interaction.amount }}", text="Gracias {{ unsubscribe_url }}")
    lazo.journey("amend-thanks", {"start": {"interaction": "amdthank"}, "steps": [{"wait": "1 day"}, {"send": "amend-thanks"}]})
    whole, part = "whole@amend.example", "part@amend.example"
    given = {w: gift(lazo, w, "100.00", "amdthank") for w in (whole, part)}
    lazo.settle()
    amend(lazo, whole, given[whole], "-100.00")
    amend(lazo, part, given[part], "-40.00")
    lazo.advance("1 day 1 hour")
    assert "60" in sink.wait(part)[0].subject
    eventually(lambda: lazo.sql("SELECT state FROM delivery WHERE contact_id = %s", [lazo.contact_id(whole)]) == [("cancelled",)])
    assert not sink.to(whole)


def test_csv(lazo, tmp_path):
    file = tmp_path / "gifts.csv"
    file.write_text(CSV)
    for _ in range(2):
        lazo.ctl("import", "interactions", file, "--kind", "amdcsv", "--source", "csv", check=False)
        seen = lazo.sql("SELECT k.name, i.amount, i.amount_recorded FROM interaction i JOIN kind k ON k.id = i.kind_id JOIN contact c ON c.id = i.contact_id"
                        " WHERE c.email LIKE '%%@amendcsv.example' ORDER BY i.occurred_at", [])
        assert [(k, a) for k, a, _ in seen][:1] == [("amdcsv", 7000)]
        assert seen[2][:2] == ("refunded", 0) and len(seen) == 4


def test_lazoctl_records_and_puts_right(lazo, tmp_path):
    who = lazo.api("POST", "/v1/contacts", {"email": "desk@amend.example"})["id"]
    said = lazo.ctl("interaction", "record", "desk@amend.example", "deskgift", "--amount", "25.00", "--key", "d1", "--source", "desk", "--data", '{"note": "efectivo"}').stdout
    gift, = lazo.items(f"/v1/contacts/{who}/interactions?kind=deskgift")
    assert said == f"recorded as interaction {gift['id']}\n" and (gift["amount"], gift["source"], gift["data"]) == ("25.00", "desk", {"note": "efectivo"})
    again = lazo.ctl("interaction", "record", "desk@amend.example", "deskgift", "--amount", "25.00", "--key", "d1", "--source", "desk").stdout
    assert again == f"was there as interaction {gift['id']}\n"
    lazo.ctl("interaction", "refund", who, gift["id"], "5.00")
    assert lazo.items(f"/v1/contacts/{who}/interactions?kind=deskgift")[0]["amount"] == "20.00"
    lazo.ctl("interaction", "correct", who, gift["id"], "30.00")
    listed = lazo.ctl("interaction", "list", "desk@amend.example", "--kind", "deskgift").stdout
    assert "30.00" in listed and str(gift["id"]) in listed
    for words, why in (((who, gift["id"], "31.00"), "more than is left: 30.00"), ((who, "x", "1"), "no id of an interaction"), (("nobody@amend.example", "1", "1"), "nobody@amend.example")):
        refused = lazo.ctl("interaction", "refund", *words, check=False)
        assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    refused = lazo.ctl("interaction", "record", who, "deskgift", "--data", "[1]", check=False)
    assert refused.returncode == 1 and "a JSON object is expected" in refused.stderr
    lazo.ctl("interaction", "delete", who, gift["id"])
    assert lazo.items(f"/v1/contacts/{who}/interactions") == []


def test_lazoctl_makes_any_call(lazo, tmp_path):
    file = tmp_path / "gifts.ndjson"
    file.write_text("".join('{"contact": {"email": "api%d@amend.example"}, "kind": "apigift"}\n' % n for n in range(3)) + "{}\n")
    answer = json.loads(lazo.ctl("api", "POST", "/v1/interactions", str(file)).stdout)
    assert (answer["recorded"], answer["refused"]) == (3, 1)
    assert json.loads(lazo.ctl("api", "GET", "/v1/contacts?q=api1@amend.example").stdout)["items"][0]["email"] == "api1@amend.example"
    lazo.ctl("api", "PUT", "/v1/topics/ctl-api", "-", input='{"title": "API"}')
    refused = lazo.ctl("api", "PUT", "/v1/topics/ctl-api", "-", input='{"titel": "API"}', check=False)
    assert refused.returncode == 1 and 'did you mean "title"' in refused.stderr
    assert lazo.ctl("api", "LIST", "/v1/topics", check=False).returncode == 2
