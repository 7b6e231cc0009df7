"""Facts with much data: the limit, and that what goes over the bus stays within what it takes where the limit was raised."""

import pytest

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
