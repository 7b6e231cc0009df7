"""Facts with much data: the limit, and that what goes over the bus stays within what it takes where the limit was raised."""
import json

import pytest
import requests

from lazo_test import Instance


@pytest.fixture(scope="module")
def roomy(sink):
    one = Instance(relay=sink.url, clock="2023-02-20T09:00:00Z", env={"LAZO_LIMITS_LINE": "8M"}).start()
    one.api("PATCH", "/v1/organisation", {"mail_from": "hola@casa.example", "postal_address": "Calle 1, Madrid"})
    yield one
    one.stop()


def test_data_beyond_the_limit_is_refused(lazo):
    fact = {"contact": {"email": "toolarge@example.org"}, "kind": "toolarge", "data": {"note": "x" * 70_000}}
    for body, pointer in ((fact, "/data"), ([{**fact, "data": {}}, fact], "/1/data")):
        answer = lazo.request("POST", "/v1/interactions", json=body)
        assert answer.status_code == 422
        assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    assert lazo.get("/v1/contacts?q=toolarge@example.org")["items"] == []


def test_many_large_facts_at_once(roomy, sink):
    roomy.template("large", "Hola {{ contact.first_name }}", "{{ interaction.data.note | size }}")
    roomy.journey("large", {"start": {"interaction": "large"}, "steps": [{"wait": "1 hour"}, {"send": "large"}]})
    for n in range(9):
        roomy.record({"email": f"large{n}@example.org", "first_name": "Ana"}, "large", data={"note": "x" * 6_000_000})
    roomy.settle()
    roomy.advance("2 hours")
    for n in range(9):
        mail, = sink.wait(f"large{n}@example.org")
        assert mail.text.strip() == "6000000"


def test_large_facts_go_out(roomy):
    """More than one piece of the answer holds, by a rule and without one, and each row once."""
    for n in range(8):
        roomy.record({"email": f"out{n % 2}@example.org"}, "out", key=f"out{n}", data={"n": n, "note": "x" * 6_000_000})
    for query in ("", f"&rule={requests.utils.quote('any(out)')}"):
        with roomy.request("GET", f"/v1/exports?what=interactions&format=ndjson{query}", stream=True) as r:
            assert r.status_code == 200
            rows = [json.loads(line) for line in r.iter_lines(chunk_size=1 << 20)]
        out = [row for row in rows if row["kind"] == "out"]
        assert sorted(row["data"]["n"] for row in out) == list(range(8))
        assert {len(row["data"]["note"]) for row in out} == {6_000_000}
        assert len({row["id"] for row in rows}) == len(rows)
