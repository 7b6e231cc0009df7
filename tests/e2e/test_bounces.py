"""Mail that comes back: from the relay's bounce in the Maildir to the suppression and the timeline."""

import pytest

from lazo_test import Instance, eventually

DSN = """Return-Path: <>
From: MAILER-DAEMON@mx.example.org
To: {to}
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Sorry.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--b--
"""


@pytest.fixture(scope="module")
def bouncing(sink):
    one = Instance(relay=sink.url, env={"LAZO_MAIL_BOUNCE_ADDRESS": "rebote@casa.example", "LAZO_INBOX_POLL": "1 s"}).start()
    one.api("PATCH", "/v1/organisation", {"mail_from": "hola@casa.example"})
    one.template("plain")
    yield one
    one.stop()


def deliver(instance, name, text):
    folder = instance.home / "inbox"
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part).chmod(0o777)
    (folder / "tmp" / name).write_text(text)
    (folder / "tmp" / name).chmod(0o666)
    (folder / "tmp" / name).rename(folder / "new" / name)


def bounces(instance, address):
    return [i for i in instance.items(f"/v1/contacts/{instance.contact_id(address)}/interactions") if i["kind"] == "email_bounced"]


def test_a_hard_bounce_suppresses_and_is_recorded_once(bouncing, sink):
    address = "gone@bounces.example"
    bouncing.api("POST", "/v1/contacts", {"email": address, "first_name": "Ida"})
    bouncing.api("POST", "/v1/messages", {"template": "plain", "contact": bouncing.contact_id(address), "key": "bounce-1"})
    mail, = sink.wait(address)
    assert mail.sender.startswith("rebote+") and mail.sender.endswith("@casa.example")
    bouncing.settle()
    for again in range(2):
        # The same file once more, as after a crash between lazod's commit and its acknowledgement.
        deliver(bouncing, "bounce.1", DSN.format(to=mail.sender, recipient=address))
        eventually(lambda: not list((bouncing.home / "inbox" / "new").iterdir()), what="the inbox is read")
        eventually(lambda: bounces(bouncing, address), what="the bounce is in the timeline")
    assert len(bounces(bouncing, address)) == 1
    assert [s["reason"] for s in bouncing.items("/v1/suppressions") if s["email"] == address] == ["bounce"]
    bouncing.api("POST", "/v1/messages", {"template": "plain", "contact": bouncing.contact_id(address), "key": "bounce-2"})
    bouncing.settle()
    assert len(sink.wait(address)) == 1


def test_a_forged_bounce_changes_nothing(bouncing):
    deliver(bouncing, "forged.1", DSN.format(to="rebote+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@casa.example", recipient="somebody@bounces.example"))
    eventually(lambda: not list((bouncing.home / "inbox" / "new").iterdir()), what="the inbox is read")
    assert [s for s in bouncing.items("/v1/suppressions") if s["email"] == "somebody@bounces.example"] == []


ABUSE = """Return-Path: <>
From: abuse@mx.example.org
To: {to}
Subject: Complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

This mail was reported.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: test/1
Version: 1

--b--
"""


@pytest.mark.parametrize("sort,text,reason", [("hard", DSN, "bounce"), ("complaint", ABUSE, "complaint")])
def test_an_address_that_is_nobodys_is_suppressed_too(bouncing, sink, sort, text, reason):
    address = f"{sort}@nobody.example"
    bouncing.api("POST", "/v1/messages", {"template": "plain", "to": address, "key": address})
    mail, = sink.wait(address)
    bouncing.settle()
    deliver(bouncing, f"nobody.{sort}", text.format(to=mail.sender, recipient=address))
    eventually(lambda: [s["reason"] for s in bouncing.items("/v1/suppressions") if s["email"] == address] == [reason], what="it is suppressed")


def test_a_complaint_about_an_address_that_is_somebody_elses_by_now(bouncing, sink):
    """The mail went out in the name of whom its reader was merged into; the reader is somebody else again, and complains."""
    bouncing.api("PUT", "/v1/topics/news", {"title": "N"})
    keep = bouncing.api("POST", "/v1/contacts", {"external_id": "complained", "consents": [{"topic": "news", "action": "grant"}]})["id"]
    gone = bouncing.api("POST", "/v1/contacts", {"email": "reader@complaints.example", "consents": [{"topic": "news", "action": "grant"}]})["id"]
    number = bouncing.api("POST", "/v1/contacts/merge", {"keep": keep, "merge": gone})["id"]
    bouncing.api("POST", "/v1/messages", {"template": "plain", "contact": keep, "key": "complained"})
    mail, = sink.wait("reader@complaints.example")
    bouncing.settle()
    bouncing.api("POST", f"/v1/contacts/merges/{number}/undo")
    deliver(bouncing, "complained.1", ABUSE.format(to=mail.sender))
    for who in (keep, gone):
        eventually(lambda: not any(s["subscribed"] for s in bouncing.get(f"/v1/contacts/{who}")["subscriptions"]), what="both have left")
    assert "reader@complaints.example" in {s["email"] for s in bouncing.items("/v1/suppressions")}
