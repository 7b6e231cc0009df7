"""Two lazods on one database: both serve, one leads; what one is told the other knows; where the leader dies the other goes on."""
import random
import signal

import pytest
import requests
from second import Second

from lazo_test import eventually


@pytest.fixture
def other(lazo):
    eventually(lambda: "is=here" in lazo.log("lazod"), what="the instance's own lazod leads")
    one = Second(lazo).start()
    yield one
    one.stop()


def ready(lazo):
    def ask():
        try:
            return lazo.request("GET", "/readyz").status_code == 200
        except requests.RequestException:
            return False
    return ask


def leader_is_first(lazo, other):
    """The instance's own lazod leads: it was there before."""
    assert not other.leads()
    assert "is=here" in lazo.log("lazod")


def test_both_serve_and_hear_of_definitions(lazo, other):
    leader_is_first(lazo, other)
    # Facts by the one that does not lead are evaluated by the one that does.
    other.api("PUT", "/v1/segments/givers", {"kind": "dynamic", "rule": "count(gift) >= 2"})
    for n in range(6):
        one = (lazo, other)[n % 2]
        one.api("POST", "/v1/interactions", {"contact": {"email": f"g{n % 3}@two.example"}, "kind": "gift", "amount": "5.00"})
    eventually(lambda: lazo.count("givers") == 3)
    assert other.api("GET", "/v1/segments/givers")["count"] == 3

    # A field that one was told of is known to the other at once, not after the ten seconds that it keeps an organisation in memory.
    for n, (teller, hearer) in enumerate(((lazo, other), (other, lazo)) * 3):
        hearer.api("POST", "/v1/contacts", {"email": "f@two.example"})  # it has the organisation in memory
        teller.api("PUT", f"/v1/fields/size{n}", {"type": "number"})
        eventually(lambda: hearer.request("POST", "/v1/contacts", json={"email": "f@two.example", "attr": {f"size{n}": n}}).status_code == 201
                   or hearer.request("POST", "/v1/contacts", json={"email": "f@two.example", "attr": {f"size{n}": n}}).status_code == 200,
                   5, f"field size{n} is known to the other")
    # And one that a stranger declared.
    lazo.psql("INSERT INTO field (org_id, name, type) VALUES (1, 'weight', 'number')")
    for one in (lazo, other):
        eventually(lambda: one.request("POST", "/v1/contacts", json={"email": "f@two.example", "attr": {"weight": 5}}).status_code < 300, 5, "weight is known")

    # A journey that is enabled through the one that does not lead is played by the one that does; so is a campaign.
    other.api("PUT", "/v1/journeys/mark", {"start": {"interaction": "gift"}, "again": "always", "steps": [{"tag": "marked"}]})
    other.api("POST", "/v1/journeys/mark/enable")
    other.api("POST", "/v1/interactions", {"contact": {"email": "j@two.example"}, "kind": "gift", "amount": "1.00"})
    eventually(lambda: "marked" in [t for t in lazo.get(f"/v1/contacts/{lazo.contact_id('j@two.example')}")["tags"]], what="the journey tags")
    # A rule that is edited through the one that does not lead is evaluated by the one that does.
    other.api("PUT", "/v1/segments/givers", {"kind": "dynamic", "rule": "count(gift) >= 1"})
    eventually(lambda: lazo.count("givers") == 4)


def test_a_token_that_is_withdrawn_ends_everywhere(lazo, other):
    token = lazo.ctl("token", "create", "--organisation", "demo", "--name", "short", "--role", "reader",
                     "--database", (lazo.home / "database").read_text()).stdout.split()[-1]
    for one in (lazo, other):
        assert one.request("GET", "/v1/segments", token=token).status_code == 200
    lazo.sql("DELETE FROM token WHERE name = 'short'", user="postgres")
    for one in (lazo, other):
        eventually(lambda: one.request("GET", "/v1/segments", token=token).status_code == 401, 10, "the token is forgotten")


def test_the_other_goes_on(lazo, sink, other):
    """The leader is killed while it evaluates, plays journeys and sends, three times, and each time one that stood by leads on."""
    chance = random.Random(7)
    lazo.segment("known", "count(seen) >= 1")
    lazo.journey("greet", {"start": {"interaction": "seen"}, "again": "once", "steps": [{"send": "letter", "topic": "news"}, {"tag": "greeted"}]})
    people = [f"p{n}@over.example" for n in range(900)]
    ones = [other, Second(lazo, "third").start()]
    serving = [lazo, *ones]
    for n in range(3):
        for i in range(0, 300, 50):
            body = [{"contact": {"email": e, "consents": [{"topic": "news", "action": "grant"}]}, "kind": "seen", "source": "over", "key": e}
                    for e in people[n * 300 + i:n * 300 + i + 50]]
            assert chance.choice(serving).api("POST", "/v1/interactions", body)["recorded"] == 50
        # Some of it is under way.
        eventually(lambda: len(sink) > n * 300 + 20, 60, "mail goes out")
        leading = next((one for one in ones if one in serving and one.leads()), lazo)
        serving.remove(leading)
        if leading is lazo:
            # `up` would start it anew, and it might be the first to ask.
            lazo.process.send_signal(signal.SIGSTOP)
            lazo.kill("lazod")
        else:
            leading.kill()
        if serving:
            eventually(lambda: any(one.leads() for one in serving), 60, "one that stood by leads")
        else:
            lazo.process.send_signal(signal.SIGCONT)
    eventually(ready(lazo), 60, "up's own is back")
    lazo.settle(120)
    seen = sink.counts()
    assert set(seen) == set(people) and max(seen.values()) == 1, {a: c for a, c in seen.items() if c > 1}
    assert lazo.count("known") == len(people)
    rows = lazo.sql("SELECT count(*), count(DISTINCT contact_id) FROM journey_position")
    assert rows == [(len(people), len(people))]
    assert lazo.sql("SELECT count(*) FROM contact_tag WHERE tag = 'greeted'") == [(len(people),)]
    assert lazo.get("/v1/status")["in_doubt"] == 0
    assert lazo.ctl("check", "--segments").returncode == 0
