"""Webhooks: their signature, and what happens where the receiver fails."""
import pytest

from lazo_test import ApiError, Instance, eventually, verify_signature


def calls_for(receiver, address):
    return [c for c in receiver.calls if c.json["data"].get("contact", {}).get("email") == address]


@pytest.fixture
def failing(receiver):
    yield receiver
    receiver.answer = None


def test_event_with_rule(lazo, receiver):
    secret = lazo.api("PUT", "/v1/webhooks/big", {"url": receiver.url, "events": ["pledge"], "rule": "sum(pledge.amount) >= 100"})["secret"]
    lazo.record({"email": "small@hook.example"}, "pledge", amount=10)
    lazo.record({"email": "big@hook.example"}, "pledge", amount=150)
    call, = eventually(lambda: calls_for(receiver, "big@hook.example"))
    assert verify_signature(call, secret) is None
    assert call.json["type"] == "pledge"
    assert verify_signature(call, "whsec_" + "A" * 44) == "no signature fits"
    lazo.settle()
    assert not calls_for(receiver, "small@hook.example")


def test_secret_is_shown_once(lazo, receiver):
    assert "secret" in lazo.api("PUT", "/v1/webhooks/once", {"url": receiver.url, "events": []})
    assert "secret" not in lazo.api("PUT", "/v1/webhooks/once", {"url": receiver.url, "events": ["x"]})
    assert "secret" not in lazo.get("/v1/webhooks/once")


def test_it_is_tried_again_with_the_same_id(lazo, failing):
    secret = lazo.api("PUT", "/v1/webhooks/again", {"url": failing.url, "events": ["try"]})["secret"]
    failing.answer = lambda call: 503 if len(calls_for(failing, "again@hook.example")) < 3 else 200
    lazo.record({"email": "again@hook.example"}, "try")
    eventually(lambda: len(calls_for(failing, "again@hook.example")) >= 3)
    lazo.settle()
    calls = calls_for(failing, "again@hook.example")
    assert len(calls) == 3
    assert len({c.id for c in calls}) == 1, "one delivery has one id"
    assert len({c.body for c in calls}) == 1
    assert all(verify_signature(c, secret) is None for c in calls)
    assert lazo.get("/v1/webhooks/again/deliveries")["items"][0]["state"] == "sent"


def test_failure_is_an_interaction(lazo, failing):
    lazo.api("PUT", "/v1/webhooks/never", {"url": failing.url, "events": ["never"]})
    failing.answer = lambda call: 500
    who = lazo.record({"email": "never@hook.example"}, "never")
    eventually(lambda: lazo.get("/v1/webhooks/never/deliveries")["items"], timeout=120)
    assert lazo.get("/v1/webhooks/never/deliveries")["items"][0]["state"] == "failed"
    assert len(calls_for(failing, "never@hook.example")) == 3, "one and two retries"
    eventually(lambda: lazo.get(f"/v1/contacts/{who}/interactions?kind=webhook_failed")["items"])


def test_gone_disables(lazo, failing):
    lazo.api("PUT", "/v1/webhooks/gone", {"url": failing.url, "events": ["leaving"]})
    failing.answer = lambda call: 410
    lazo.record({"email": "gone@hook.example"}, "leaving")
    eventually(lambda: lazo.get("/v1/webhooks/gone")["enabled"] is False)
    assert len(calls_for(failing, "gone@hook.example")) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://user:word@127.0.0.1/", "nothing", "http://127.0.0.1/#part", "http://a b/"])
def test_bad_addresses_are_refused(lazo, url):
    with pytest.raises(ApiError) as e:
        lazo.api("PUT", "/v1/webhooks/bad", {"url": url, "events": []})
    assert e.value.status == 422
    assert e.value.response.json()["errors"][0]["pointer"] == "/url"


def test_calls_come_back_over_days(failing):
    """What the worker could not deliver within its minutes lazod gives out again, ever later, until it gives up; with one id throughout."""
    one = Instance(clock="2023-02-20T09:00:00Z", env={"LAZO_HOOK_RETRIES": "0", "LAZO_HOOK_GIVE_UP": "2 days"}).start()
    try:
        one.api("PUT", "/v1/webhooks/days", {"url": failing.url, "events": ["days"]})
        failing.answer = lambda call: 500
        who = one.record({"email": "days@hook.example"}, "days")
        # 5 minutes, 20, 80, 320, then a day at most.
        for n, wait in enumerate((5, 20, 80, 320, 1280), 1):
            eventually(lambda: one.sql("SELECT count(*) FROM job WHERE lease IS NULL AND attempt = %s", (n,)) == [(1,)], what=f"attempt {n} is over")
            assert len(calls_for(failing, "days@hook.example")) == n
            seconds = one.sql("SELECT extract(epoch FROM run_at - lazo.clock_now()) FROM job")[0][0]
            assert wait * 60 - 120 < seconds <= wait * 60
            assert one.get("/v1/webhooks/days/deliveries")["items"] == []
            one.advance(f"{wait} minutes")
        # Another day: it is given up.
        eventually(lambda: one.sql("SELECT count(*) FROM job WHERE lease IS NULL AND attempt = 6") == [(1,)])
        one.advance("1 day")
        eventually(lambda: [d["state"] for d in one.get("/v1/webhooks/days/deliveries")["items"]] == ["failed"])
        assert len({c.id for c in calls_for(failing, "days@hook.example")}) == 1
        eventually(lambda: one.get(f"/v1/contacts/{who}/interactions?kind=webhook_failed")["items"])
    finally:
        one.stop()
