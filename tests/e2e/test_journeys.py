"""Journeys: what follows from a fact, from a segment, from the calendar."""
import datetime

from lazo_test import eventually, never, verify_signature

EURO = "\u00a0€"


def test_welcome(lazo, sink):
    lazo.template("welcome", "Hola {{ contact.first_name }}", "Te damos la bienvenida, {{ contact.first_name }}.")
    lazo.journey("welcome", {"start": {"interaction": "signup"}, "again": "once", "steps": [{"send": "welcome"}, {"tag": "new"}]})
    who = lazo.record({"email": "Ana.Welcome@example.org", "first_name": "Ana"}, "signup")
    mail, = sink.wait("ana.welcome@example.org")
    assert mail.subject == "Hola Ana"
    assert "Te damos la bienvenida, Ana." in mail.text
    assert "Te damos la bienvenida, Ana." in mail.html
    assert mail["Message-ID"].startswith("<") and mail["Message-ID"].endswith("@casa.example>")
    assert mail["From"].addresses[0].addr_spec == "hola@casa.example"
    assert mail["List-Unsubscribe"] is None, "a service mail has no list"
    eventually(lambda: "new" in lazo.get(f"/v1/contacts/{who}")["tags"])
    lazo.record({"id": who}, "signup")
    lazo.settle()
    assert len(sink.to("ana.welcome@example.org")) == 1, "again: once"


def test_html_is_escaped(lazo, sink):
    lazo.template("escape", "{{ contact.first_name }}", "{{ contact.first_name }}")
    lazo.journey("escape", {"start": {"interaction": "escape"}, "steps": [{"send": "escape"}]})
    lazo.record({"email": "escape@example.org", "first_name": "<b>A&B</b>"}, "escape")
    mail, = sink.wait("escape@example.org")
    assert mail.subject == "<b>A&B</b>"
    assert mail.text.strip() == "<b>A&B</b>"
    assert "&lt;b&gt;A&amp;B&lt;/b&gt;" in mail.html and "<b>" not in mail.html


def thank_you(lazo):
    for language, first, other in (("es", "Primer regalo", "Gracias"), ("en", "First gift", "Thank you")):
        lazo.template("first", first + ": {{ interaction.amount | money }}", "{{ interaction.amount | money }}", language=language)
        lazo.template("thanks", other + ": {{ interaction.amount | money }}", "{{ interaction.amount | money }}", language=language)
    lazo.journey("thank-you", {"start": {"interaction": "gift", "where": "amount > 0"}, "again": "always",
                               "steps": [{"if": "count(gift) = 1", "then": [{"send": "first"}, {"tag": "donor"}],
                                          "else": [{"send": "thanks"}]}]})


def test_thanks_with_amount_in_two_languages(lazo, sink):
    thank_you(lazo)
    for n, (language, first, other) in enumerate((("es", f"Primer regalo: 1234,50{EURO}", f"Gracias: 25,00{EURO}"),
                                                  ("en", "First gift: €1,234.50", "Thank you: €25.00"))):
        address = f"giver{n}@example.org"
        who = lazo.record({"email": address, "language": language}, "gift", amount="1234.50")
        assert sink.wait(address)[0].subject == first
        eventually(lambda: "donor" in lazo.get(f"/v1/contacts/{who}")["tags"])
        lazo.record({"id": who}, "gift", amount=25)
        assert {m.subject for m in sink.wait(address, 2)} == {first, other}


def test_where_decides(lazo, sink):
    thank_you(lazo)
    lazo.record({"email": "nothing@example.org"}, "gift", amount=0)
    lazo.record({"email": "refund@example.org"}, "gift", amount="-5.00")
    lazo.settle()
    assert not sink.to("nothing@example.org") and not sink.to("refund@example.org")


def test_old_facts_start_nothing(lazo, sink):
    thank_you(lazo)
    long_ago = (datetime.datetime.fromisoformat(lazo.now().replace("Z", "+00:00")) - datetime.timedelta(days=3)).isoformat()
    lazo.record({"email": "late@example.org"}, "gift", amount=10, occurred_at=long_ago)
    lazo.api("POST", "/v1/interactions?import=true", {"contact": {"email": "quiet@example.org"}, "kind": "gift", "amount": 10})
    lazo.settle()
    assert not sink.to("late@example.org") and not sink.to("quiet@example.org")


def test_wait_lets_time_pass(lazo, sink):
    lazo.template("later", "Later")
    lazo.journey("later", {"start": {"interaction": "later"}, "steps": [{"wait": "3 hours"}, {"send": "later"}]})
    lazo.record({"email": "later@example.org"}, "later")
    eventually(lambda: lazo.get("/v1/journeys/later")["waiting"] == 1)
    lazo.advance("2 h")
    never(lambda: sink.to("later@example.org"), 1.5)
    lazo.advance("1 h")
    assert sink.wait("later@example.org")


def test_leave_when(lazo, sink):
    lazo.template("leaver", "Leaver")
    lazo.journey("leaver", {"start": {"interaction": "leaver"}, "leave when": 'tag "no-mail"',
                            "steps": [{"wait": "1 hour"}, {"send": "leaver"}]})
    who = lazo.record({"email": "leaver@example.org"}, "leaver")
    eventually(lambda: lazo.get("/v1/journeys/leaver")["waiting"] == 1)
    lazo.api("POST", f"/v1/contacts/{who}/tags", {"tags": ["no-mail"]})
    lazo.settle()
    lazo.advance("2 h")
    eventually(lambda: lazo.get("/v1/journeys/leaver")["left"] == 1)
    assert not sink.to("leaver@example.org")


def next_february(lazo, wanted):
    """The next year, counted from the instance's clock, that has (or has no) 29 February and whose 27th is to come."""
    now = datetime.date.fromisoformat(lazo.now()[:10])
    year = now.year if now < datetime.date(now.year, 2, 26) else now.year + 1
    while (year % 4 == 0) != wanted:
        year += 1
    return year


def test_birthday(lazo, sink):
    """29 February in a year without one, and the morning of two time zones."""
    year = next_february(lazo, False)
    lazo.advance_to(f"{year}-02-26T12:00:00Z")
    lazo.template("birthday", "Feliz cumpleaños {{ contact.first_name }}")
    lazo.journey("birthday", {"start": {"birthday": True, "at": "09:00"}, "steps": [{"send": "birthday"}]})
    for name, date, zone in (("leap", "1996-02-29", None), ("madrid", "--02-28", None), ("mexico", "1990-02-28", "America/Mexico_City"),
                             ("tomorrow", "1990-03-01", None)):
        lazo.api("POST", "/v1/contacts", {"email": f"{name}@birthday.example", "first_name": name, "birth_date": date, "time_zone": zone})
    lazo.settle()
    lazo.advance_to(f"{year}-02-28T07:50:00Z")  # 08:50 in Madrid
    never(lambda: [m for m in sink.all() if m.to[0].endswith("@birthday.example")], 1.5)
    lazo.reach(f"{year}-02-28T08:00:30Z")
    assert sink.wait("madrid@birthday.example")[0].subject == "Feliz cumpleaños madrid"
    assert sink.wait("leap@birthday.example")
    assert not sink.to("mexico@birthday.example")
    lazo.advance_to(f"{year}-02-28T15:00:30Z")  # 09:00 in Mexico City
    assert sink.wait("mexico@birthday.example")
    assert not sink.to("tomorrow@birthday.example")
    lazo.advance_to(f"{year}-03-01T08:01:00Z")
    assert sink.wait("tomorrow@birthday.example")
    lazo.settle()
    assert all(len(sink.to(f"{n}@birthday.example")) == 1 for n in ("leap", "madrid", "mexico", "tomorrow"))


def test_lapsed(lazo, sink):
    lazo.template("lapsed", "Te echamos de menos")
    lazo.segment("asleep", "any(membership_fee) and not any(membership_fee in last 90 days)")
    lazo.journey("lapsed", {"start": {"segment": {"enter": "asleep"}}, "again": "once per 365 days", "steps": [{"send": "lapsed"}]})
    for name in ("sleeper", "payer"):
        lazo.record({"email": f"{name}@lapsed.example"}, "membership_fee", amount=10)
    lazo.settle()
    lazo.advance("60 days")
    lazo.record({"email": "payer@lapsed.example"}, "membership_fee", amount=10)
    lazo.settle()
    assert lazo.count("asleep") == 0
    lazo.advance("31 days")
    assert sink.wait("sleeper@lapsed.example")[0].subject == "Te echamos de menos"
    lazo.settle()
    assert lazo.members("asleep") == {"sleeper@lapsed.example"}
    assert not sink.to("payer@lapsed.example")


def test_webhook_step(lazo, receiver):
    secret = lazo.api("PUT", "/v1/webhooks/crm", {"url": receiver.url, "events": []})["secret"]
    lazo.journey("tell", {"start": {"interaction": "tell"}, "steps": [{"webhook": "crm"}]})
    who = lazo.record({"email": "tell@example.org", "first_name": "Tel"}, "tell", amount="7.25", data={"from": "till 3"})
    call, = receiver.wait(where=lambda c: c.json["data"].get("contact", {}).get("email") == "tell@example.org")
    assert verify_signature(call, secret) is None
    assert call.json["data"]["contact"]["id"] == who
    assert call.json["data"]["interaction"]["amount"] == "7.25"
    assert call.json["data"]["interaction"]["data"] == {"from": "till 3"}
    assert call.headers["content-type"].startswith("application/json")


def test_journeys_that_begin_each_other_come_to_rest(lazo):
    lazo.journey("ping", {"start": {"interaction": "pinged"}, "again": "always", "steps": [{"record": "ponged"}]})
    lazo.journey("pong", {"start": {"interaction": "ponged"}, "again": "always", "steps": [{"record": "pinged"}]})
    lazo.journey("tick", {"start": {"interaction": "ticked"}, "again": "always", "steps": [{"wait": "1 minute"}, {"record": "tocked"}]})
    lazo.journey("tock", {"start": {"interaction": "tocked"}, "again": "always", "steps": [{"record": "ticked"}]})
    who = lazo.record({"email": "round@example.org"}, "pinged")
    lazo.settle()
    counts = lambda kind: lazo.sql("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = %s AND i.contact_id = %s", (kind, who))[0][0]
    assert 20 <= counts("pinged") <= 30 and 20 <= counts("ponged") <= 30
    said = lazo.log("lazod")
    assert 'event="goes round"' in said
    metrics = lazo.request("GET", "/metrics", token="").text
    assert any(line.startswith("lazo_decide_loops_total") and float(line.split()[1]) > 0 for line in metrics.splitlines())
    # With waits between, too.
    lazo.record({"id": who}, "ticked")
    for _ in range(40):
        lazo.advance("1 minute")
        lazo.settle()
    assert 20 <= counts("ticked") <= 30
    # What others record begins it as often as it is recorded.
    other = lazo.api("POST", "/v1/interactions", [{"contact": {"email": "often@example.org"}, "kind": "pinged", "key": f"often{n}"} for n in range(40)])["items"][0]["contact"]
    lazo.settle()
    assert lazo.sql("SELECT count(*) FROM journey_position p JOIN journey j ON j.id = p.journey_id JOIN interaction i ON i.id = p.interaction_id"
                    " WHERE p.contact_id = %s AND j.name = 'ping' AND i.source <> 'journey'", (other,)) == [(40,)]
    for name in ("ping", "pong", "tick", "tock"):
        lazo.api("POST", f"/v1/journeys/{name}/disable")
