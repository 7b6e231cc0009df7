"""Campaigns: to whom, when, and how they are held."""
import datetime as dt

import pytest

from lazo_test import PUBLIC, ApiError, eventually, never


def people(lazo, tag, n, topic="news"):
    contacts = [{"contact": {"email": f"{tag}{i}@campaign.example", "first_name": f"N{i}", "tags": [tag],
                             "consents": [{"topic": topic, "action": "grant"}] if topic else []},
                 "kind": "registered"} for i in range(n)]
    done = lazo.api("POST", "/v1/interactions", contacts)
    assert done["recorded"] == n
    lazo.settle()
    return [f"{tag}{i}@campaign.example" for i in range(n)]


def campaign(lazo, name, rule, **more):
    lazo.template("letter", "Carta {{ campaign.name }} {{ contact.first_name }}", "{{ organisation.postal_address }} {{ unsubscribe_url }}")
    return lazo.api("PUT", f"/v1/campaigns/{name}", {"template": "letter", "rule": rule, "topic": "news", **more})["id"]


def state(lazo, name):
    return lazo.get(f"/v1/campaigns/{name}")["state"]


def finished(lazo, name):
    eventually(lambda: state(lazo, name) == "finished", what=f"campaign {name} is finished")
    return lazo.get(f"/v1/campaigns/{name}")


def test_start(lazo, sink):
    addresses = people(lazo, "one", 25)
    people(lazo, "other", 3)
    campaign(lazo, "one", 'tag "one"')
    never(lambda: sink.to(addresses[0]), 0.5)
    lazo.api("POST", "/v1/campaigns/one/start")
    c = finished(lazo, "one")
    assert (c["audience"], c["sent"]) == (25, 25)
    for i, a in enumerate(addresses):
        mail, = sink.to(a)
        assert mail.subject == f"Carta one N{i}"
        assert mail["List-Unsubscribe"].startswith(f"<{PUBLIC}/u/")
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert "Calle 1, Madrid" in mail.text
    assert not sink.to("other0@campaign.example")
    with pytest.raises(ApiError) as e:
        lazo.api("POST", "/v1/campaigns/one/start")
    assert e.value.status == 409
    who = lazo.contact_id(addresses[0])
    assert [i for i in lazo.items(f"/v1/contacts/{who}/interactions") if i["kind"] == "email_sent"]


def test_at_a_time(lazo, sink):
    address, = people(lazo, "timed", 1)
    start = dt.datetime.fromisoformat(lazo.now().replace("Z", "+00:00")) + dt.timedelta(minutes=30)
    campaign(lazo, "timed", 'tag "timed"', start_at=start.isoformat())
    assert state(lazo, "timed") == "scheduled"
    never(lambda: sink.to(address), 1)
    lazo.advance("31 min")
    assert sink.wait(address)
    finished(lazo, "timed")


def test_without_consent_or_suppressed_nobody_gets_it(lazo, sink):
    yes, no, hard = people(lazo, "mixed", 3)
    silent = people(lazo, "silent", 1, topic=None)[0]
    lazo.api("POST", f"/v1/contacts/{lazo.contact_id(no)}/consents", {"topic": "news", "action": "withdraw"})
    lazo.api("POST", "/v1/suppressions", {"email": hard, "reason": "manual"})
    lazo.settle()
    campaign(lazo, "mixed", 'tag "mixed" or tag "silent"')
    lazo.api("POST", "/v1/campaigns/mixed/start")
    c = finished(lazo, "mixed")
    assert (c["sent"], c["suppressed"], c["not_subscribed"]) == (1, 1, 2)
    assert len(sink.to(yes)) == 1
    assert not sink.to(no) and not sink.to(hard) and not sink.to(silent)
    lazo.api("DELETE", f"/v1/suppressions/{hard}")


def test_one_click(lazo, sink):
    address, = people(lazo, "click", 1)
    campaign(lazo, "click", 'tag "click"')
    lazo.api("POST", "/v1/campaigns/click/start")
    mail, = sink.wait(address)
    path = mail["List-Unsubscribe"].strip("<>").removeprefix(PUBLIC)
    who = lazo.contact_id(address)

    def subscribed():
        return [s["subscribed"] for s in lazo.get(f"/v1/contacts/{who}")["subscriptions"]]

    page = lazo.request("GET", path, token="")
    assert page.status_code == 200 and "<form" in page.text
    assert lazo.request("HEAD", path, token="").status_code in (200, 405)
    assert subscribed() == [True], "looking changes nothing"
    assert lazo.request("POST", path, token="", data={"x": "y"}).status_code == 422
    assert subscribed() == [True]
    assert lazo.request("POST", path[:-1] + ("A" if path[-1] != "A" else "B"), token="", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert subscribed() == [True], "a token that was changed says nothing"
    assert lazo.request("POST", path, token="", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert subscribed() == [False]
    assert lazo.request("POST", path, token="", data={"List-Unsubscribe": "One-Click"}).status_code == 200, "twice is harmless"
    consent = lazo.items(f"/v1/contacts/{who}/consents")[-1]
    assert (consent["action"], consent["method"]) == ("withdraw", "one-click")
    eventually(lambda: [i for i in lazo.items(f"/v1/contacts/{who}/interactions") if i["kind"] == "unsubscribed"])


def test_pause_resume_cancel(lazo, sink):
    held, dropped = people(lazo, "held", 60), people(lazo, "dropped", 60)
    sink.hold_after(5)
    try:
        campaign(lazo, "held", 'tag "held"')
        campaign(lazo, "dropped", 'tag "dropped"')
        for name in ("held", "dropped"):
            lazo.api("POST", f"/v1/campaigns/{name}/start")
        eventually(lambda: len(sink) == sink.room and all(lazo.get(f"/v1/campaigns/{n}")["audience"] == 60 for n in ("held", "dropped")))
        lazo.api("POST", "/v1/campaigns/held/pause")
        lazo.api("POST", "/v1/campaigns/dropped/cancel")
    finally:
        sink.release()
    assert state(lazo, "held") == "paused"
    eventually(lambda: lazo.get("/v1/campaigns/held")["sending"] == 0 and lazo.get("/v1/campaigns/dropped")["sending"] == 0)
    before = sum(len(sink.to(a)) for a in held)
    never(lambda: sum(len(sink.to(a)) for a in held) != before, 1)
    lazo.api("POST", "/v1/campaigns/held/resume")
    assert finished(lazo, "held")["sent"] == 60
    assert all(len(sink.to(a)) == 1 for a in held)
    c = lazo.get("/v1/campaigns/dropped")
    assert c["state"] == "cancelled"
    assert c["sent"] + c["cancelled"] == 60 and c["queued"] == 0
    assert sum(len(sink.to(a)) for a in dropped) == c["sent"]


def test_resend_of_temporary_refusals(lazo, sink):
    """4xx is tried again later, 5xx ends, and an address that does not exist is suppressed."""
    soft, hard, fine = people(lazo, "refused", 3)
    refusals = {soft: "451 4.3.0 come back", hard: "550 5.1.1 nobody here"}
    sink.answer = lambda mail: refusals.get(mail.to[0])
    try:
        campaign(lazo, "refused", 'tag "refused"')
        lazo.api("POST", "/v1/campaigns/refused/start")
        eventually(lambda: lazo.get("/v1/campaigns/refused")["sent"] == 1 and lazo.get("/v1/campaigns/refused")["failed"] == 1)
        eventually(lambda: lazo.sql("SELECT FROM job WHERE contact_id = %s AND attempt = 1 AND lease IS NULL", [lazo.contact_id(soft)]), what="it was refused once")
        assert state(lazo, "refused") == "running"
        assert hard in [s["email"] for s in lazo.items("/v1/suppressions")]
        refusals.pop(soft)
        lazo.advance("10 min")
        c = finished(lazo, "refused")
    finally:
        sink.answer = None
    assert (c["sent"], c["failed"]) == (2, 1)
    assert len(sink.to(soft)) == 1 and not sink.to(hard)
    assert [i for i in lazo.items(f"/v1/contacts/{lazo.contact_id(hard)}/interactions") if i["kind"] == "email_bounced"]


def test_a_campaign_must_be_ready(lazo):
    lazo.template("bare", "Bare", "nothing")
    lazo.api("PUT", "/v1/campaigns/bare", {"template": "bare", "rule": "true", "topic": "news"})
    with pytest.raises(ApiError) as e:
        lazo.api("POST", "/v1/campaigns/bare/start")
    assert e.value.status == 422 and "unsubscribe_url" in e.value.response.text


def test_single_message_is_made_once_for_its_key(lazo, sink):
    lazo.template("receipt", "Recibo {{ number }}", "N.º {{ number }}")
    ask = {"template": "receipt", "to": "receipt@campaign.example", "data": {"number": 7}, "key": "receipt-7"}
    first = lazo.api("POST", "/v1/messages", ask)
    again = lazo.api("POST", "/v1/messages", ask)
    assert (first["duplicate"], again["duplicate"]) == (False, True) and first["id"] == again["id"]
    mail, = sink.wait("receipt@campaign.example")
    assert mail.subject == "Recibo 7"
    lazo.settle()
    assert len(sink.to("receipt@campaign.example")) == 1
    assert lazo.get(f"/v1/messages/{first['id']}")["state"] == "sent"
