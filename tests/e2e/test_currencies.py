"""Amounts in other currencies: what they count is fixed by the rate of their day, and refunds take back the same part."""
import os
import random
import subprocess

import pytest

from lazo_test import ApiError, eventually


@pytest.fixture(scope="module", autouse=True)
def rates(lazo):
    lazo.api("POST", "/v1/rates", [{"currency": "USD", "rate": "0.92", "on": "2023-01-01"}, {"currency": "USD", "rate": "0.95", "on": "2023-02-01"},
                                   {"currency": "JPY", "rate": "0.0071", "on": "2023-01-01"}, {"currency": "KWD", "rate": 3.02, "on": "2023-01-01"}])


def give(lazo, who, amount, currency="USD", at="2023-01-15T10:00:00Z", **more):
    return lazo.api("POST", "/v1/interactions", {"contact": {"email": who}, "kind": "curgift", "amount": amount, "currency": currency, "occurred_at": at, **more})


def seen(lazo, who):
    return [(i["kind"], i["amount"], i["recorded_amount"], i["currency"]) for i in reversed(lazo.items(f"/v1/contacts/{lazo.contact_id(who)}/interactions"))
            if not i["kind"].startswith("segment_")]


def problem(lazo, method, path, body):
    with pytest.raises(ApiError) as e:
        lazo.api(method, path, body)
    return e.value.status, [(m["pointer"], m["detail"]) for m in e.value.response.json().get("errors", [])]


def test_amounts_count_in_the_own_currency(lazo):
    who = "one@currency.example"
    lazo.segment("cur-sum", "sum(curgift.amount) >= 190")
    lazo.segment("cur-dollars", 'any(curgift where currency = "USD" and data.amount = 100)')
    give(lazo, who, "100.00")
    give(lazo, who, 100, at="2023-02-03T10:00:00Z")
    give(lazo, who, "100", "JPY")
    give(lazo, who, "1.005", "KWD")
    assert seen(lazo, who) == [("curgift", "92.00", "100.00", "USD"), ("curgift", "0.71", "100", "JPY"), ("curgift", "3.04", "1.005", "KWD"),
                               ("curgift", "95.00", "100.00", "USD")]
    eventually(lambda: lazo.count("cur-sum") == 1)
    assert lazo.count("cur-dollars") == 1
    # The rate of that day may change: what was recorded stays.
    lazo.api("POST", "/v1/rates", {"currency": "USD", "rate": "0.50", "on": "2023-01-15"})
    assert seen(lazo, who)[0][1] == "92.00"
    lazo.api("DELETE", "/v1/rates/USD/2023-01-15")
    lines = lazo.request("GET", "/v1/exports?what=interactions&format=ndjson&rule=email%20%3D%20%22one%40currency.example%22")
    assert lines.status_code == 200 and '"recorded_amount":"100"' in lines.text.replace(" ", "")


def test_the_day_is_the_organisations(lazo):
    who = "day@currency.example"
    give(lazo, who, "100", at="2023-01-31T22:59:59Z")  # 23:59:59 in Madrid
    give(lazo, who, "100", at="2023-01-31T23:00:00Z")  # midnight
    assert [row[1] for row in seen(lazo, who)] == ["92.00", "95.00"]


def test_without_a_rate_nothing_is_recorded(lazo):
    who = "none@currency.example"
    good = {"contact": {"email": who}, "kind": "curgift", "amount": "5", "key": "norate-1"}
    status, errors = problem(lazo, "POST", "/v1/interactions", {**good, "currency": "CHF"})
    assert (status, errors) == (422, [("/currency", "there is no rate for CHF on this day or before")])
    status, errors = problem(lazo, "POST", "/v1/interactions", {**good, "currency": "USD", "occurred_at": "2022-12-31T12:00:00Z"})
    assert (status, [p for p, _ in errors]) == (422, ["/currency"])
    status, errors = problem(lazo, "POST", "/v1/interactions", [good, {**good, "currency": "CHF", "key": "norate-2"}])
    assert (status, [p for p, _ in errors]) == (422, ["/0", "/1/currency"])
    assert lazo.get(f"/v1/contacts?q={who}")["items"] == []
    # In a stream the bad line fails alone.
    lines = "\n".join(['{"contact": {"email": "%s"}, "kind": "curgift", "amount": "5", "currency": "%s"}' % (who, c) for c in ("CHF", "USD", "EUR")])
    lazo.request("POST", "/v1/interactions", data=lines, headers={"Content-Type": "application/x-ndjson"})
    assert [row[2:] for row in seen(lazo, who)] == [("5.00", "USD"), ("5.00", "EUR")]


def test_a_repeat_needs_no_rate(lazo):
    lazo.api("POST", "/v1/rates", {"currency": "NOK", "rate": "0.1", "on": "2023-02-01"})
    first = give(lazo, "repeat@currency.example", "50", "NOK", at="2023-02-20T12:00:00Z", key="nok-1")
    day = lazo.get("/v1/rates?currency=NOK")["items"][0]["on"]
    lazo.api("DELETE", f"/v1/rates/NOK/{day}")
    again = give(lazo, "repeat@currency.example", "50", "NOK", at="2023-02-20T12:00:00Z", key="nok-1")
    assert (again["duplicates"], again["items"][0]["id"]) == (1, first["items"][0]["id"])


def test_refunds_take_back_the_same_part(lazo):
    """Any parts that add up to the gift leave exactly nothing, whatever was rounded and whatever the rate is by then; and without one of them what is left is its part."""
    seed = int(os.environ.get("LAZO_SEED", random.SystemRandom().randrange(2**32)))
    print("seed", seed)
    rnd = random.Random(seed)
    for n in range(25):
        who = f"refund{n}@currency.example"
        currency, digits, rate = rnd.choice([("USD", 2, 0.92), ("JPY", 0, 0.0071), ("KWD", 3, 3.02)])
        whole = rnd.randint(3, 10 ** rnd.randint(1, 7))
        gift = give(lazo, who, f"{whole / 10**digits:.{digits}f}", currency)["items"][0]["id"]
        cuts = sorted(rnd.sample(range(1, whole), min(rnd.randint(1, 4), whole - 1)))
        parts = [b - a for a, b in zip([0] + cuts, cuts + [whole])]
        refunds = [give(lazo, who, f"-{part / 10**digits:.{digits}f}", currency, at="2023-02-10T10:00:00Z", kind="refund", amends=gift)["items"][0]["id"] for part in parts]
        assert seen(lazo, who)[0][:2] == ("refunded", "0.00")
        status, errors = problem(lazo, "POST", "/v1/interactions", {"contact": {"email": who}, "kind": "refund", "amount": "-1", "currency": currency, "amends": gift})
        assert status == 422 and errors[0][0] == "/amount" and errors[0][1].startswith("more than is left: 0")
        lost = rnd.randrange(len(parts))
        lazo.api("DELETE", f"/v1/contacts/{lazo.contact_id(who)}/interactions/{refunds[lost]}")
        first = lazo.sql(f"SELECT first_amount FROM amendment WHERE amends = {gift}")
        if first:
            counts = lazo.sql(f"SELECT amount FROM interaction WHERE id = {gift}")[0][0]
            assert abs(counts - first[0][0] * parts[lost] / whole) <= 0.5


def test_a_refund_in_the_own_currency_or_a_third(lazo):
    who = "mixed@currency.example"
    gift = give(lazo, who, "100")["items"][0]["id"]
    give(lazo, who, "-10.00", "EUR", kind="refund", amends=gift)
    give(lazo, who, "-1.000", "KWD", kind="refund", amends=gift)
    assert seen(lazo, who)[0][:2] == ("curgift", "78.98")
    give(lazo, who, "50.00", "USD", kind="correction", amends=gift)
    assert seen(lazo, who)[0][:2] == ("curgift", "46.00")


def test_an_edit(lazo):
    who = "edit@currency.example"
    gift = give(lazo, who, "100")["items"][0]["id"]
    path = f"/v1/contacts/{lazo.contact_id(who)}/interactions/{gift}"
    assert lazo.api("PATCH", path, {"amount": "50.5"})["amount"] == "46.46"
    assert lazo.api("PATCH", path, {"amount": 50, "currency": "KWD"})["amount"] == "151.00"
    assert seen(lazo, who) == [("curgift", "151.00", "50.000", "KWD")]
    assert problem(lazo, "PATCH", path, {"amount": "1", "currency": "CHF"})[0] == 422
    assert problem(lazo, "PATCH", path, {"amount": "0.1", "currency": "JPY"})[1][0][0] == "/amount"
    assert problem(lazo, "PATCH", path, {"currency": "USD"})[1][0][0] == "/amount"
    assert problem(lazo, "PATCH", path, {"amount": "0.0001"})[0] == 422
    assert seen(lazo, who) == [("curgift", "151.00", "50.000", "KWD")]


def test_plain_sql(lazo):
    who = "sql@currency.example"
    give(lazo, who, "1", "EUR")
    row = "INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount_recorded, currency) SELECT 1, {}, id, '2023-02-03', 10000, '{}' FROM kind WHERE name = 'curgift'"
    lazo.psql(row.format(lazo.contact_id(who), "USD"))
    assert ("curgift", "95.00", "100.00", "USD") in seen(lazo, who)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        lazo.psql(row.format(lazo.contact_id(who), "CHF"))
    assert "there is no rate for CHF" in refused.value.stderr


def test_a_thank_you_names_what_was_given(lazo, sink):
    lazo.template("cur-thanks", subject="Gracias por {{ interaction.amount | money }}", text="{{ interaction.base_amount }} {{ unsubscribe_url }}", language="en")
    lazo.journey("cur-thanks", {"start": {"interaction": "curthanks"}, "steps": [{"send": "cur-thanks"}]})
    lazo.record({"email": "thanks@currency.example", "language": "en"}, "curthanks", amount="100", currency="USD")
    mail = sink.wait("thanks@currency.example")[0]
    assert "$100.00" in mail.subject and "95.00" in mail.text


def test_segment_revenue(lazo):
    """A site sends an event once and cannot mend it: where there is no rate it is kept as it was said."""
    for n, currency in enumerate(("USD", "CHF")):
        lazo.api("POST", "/v1/track", {"userId": "cur-site", "event": "curgift", "messageId": f"cur-{n}", "timestamp": "2023-01-15T10:00:00Z",
                                       "properties": {"revenue": 100, "currency": currency}})
    rows = lazo.sql("SELECT i.amount, i.amount_recorded, i.currency FROM interaction i JOIN contact c ON c.id = i.contact_id WHERE c.external_id = 'cur-site' AND i.source <> 'lazo' AND i.amount_recorded > 0 ORDER BY i.currency")
    assert rows == [(None, 10000, "CHF"), (9200, 10000, "USD")]


def test_rates(lazo, tmp_path):
    assert problem(lazo, "POST", "/v1/rates", {"currency": "EUR", "rate": "1"})[1] == [("/currency", "EUR is the organisation's own currency")]
    bad = [{"currency": "usd", "rate": "1"}, {"currency": "USD", "rate": "0"}, {"currency": "USD", "rate": "-1"}, {"currency": "USD", "rate": "1e3"},
           {"currency": "USD", "rate": "1", "on": "2023-02-30"}, {"currency": "USD", "rate": "1", "day": "x"}, 5]
    assert [p for p, _ in problem(lazo, "POST", "/v1/rates", bad)[1]] == ["/0/currency", "/1/rate", "/2/rate", "/3/rate", "/4/on", "/5/day", "/6"]
    assert problem(lazo, "PATCH", "/v1/organisation", {"currency": "USD"})[0] == 409
    file = tmp_path / "rates.csv"
    file.write_text("on;currency;rate\n" + "".join(f"2023-01-{d:02};SEK;0.0{d:02}\n" for d in range(1, 11)))
    assert "10 rates set" in lazo.ctl("rate", "load", file).stdout
    assert lazo.ctl("rate", "list", "SEK").stdout.count("SEK") == 10
    page = lazo.get("/v1/rates?currency=SEK&limit=4")
    rest = lazo.get(f"/v1/rates?currency=SEK&after={page['next']}")
    assert [r["on"][-2:] for r in page["items"] + rest["items"]] == [f"{d:02}" for d in range(1, 11)] and rest["next"] is None
    lazo.ctl("rate", "set", "SEK", "0.5", "--on", "2023-01-03")
    assert lazo.get("/v1/rates?currency=SEK")["items"][2] == {"currency": "SEK", "on": "2023-01-03", "rate": "0.5"}
    lazo.ctl("rate", "delete", "SEK", "2023-01-03")
    assert lazo.ctl("rate", "delete", "SEK", "2023-01-03", check=False).returncode == 1
    assert lazo.request("GET", "/v1/rates?after=x").status_code == 400
    file.write_text("currency,rate\nSEK,nada\n")
    failed = lazo.ctl("rate", "load", file, check=False)
    assert failed.returncode == 1 and "/0/rate" in failed.stderr and "line 2" in failed.stderr
