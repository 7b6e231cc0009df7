"""kill -9 in the middle of things, then going on: no mail is lost, none is sent twice, and what is in doubt is listed.

Only the message that was in the relay's hands at the very moment of a kill may be in doubt; the sink then has it once or not at all.
"""
import json
import signal
import threading

import pytest
import requests

from lazo_test import eventually

RECIPIENTS = 2000
SLOW_S = 0.004  # of the sink for each message: the campaign goes on for a while


def campaign(lazo, n=RECIPIENTS):
    """n subscribed people and a campaign to them; their addresses."""
    people = [{"contact": {"email": f"p{i}@kill.example", "first_name": f"P{i}", "consents": [{"topic": "news", "action": "grant"}]},
               "kind": "registered"} for i in range(n)]
    for i in range(0, n, 1000):
        assert lazo.api("POST", "/v1/interactions", people[i:i + 1000])["recorded"] == len(people[i:i + 1000])
    lazo.api("PUT", "/v1/campaigns/all", {"template": "letter", "rule": "any(registered)", "topic": "news"})
    return {f"p{i}@kill.example" for i in range(n)}


def start(lazo):
    lazo.api("POST", "/v1/campaigns/all/start")


def start_held(lazo, sink):
    """The sink takes as many as middle() says."""
    sink.delay = SLOW_S
    sink.hold_after(0)
    start(lazo)


def show(lazo):
    """The campaign, also while lazod is starting again."""
    try:
        return lazo.get("/v1/campaigns/all")
    except (requests.ConnectionError, requests.Timeout, AssertionError):
        return {}


def finish(lazo):
    return eventually(lambda: (c := show(lazo)).get("state") == "finished" and c, 150, "the campaign is finished")


def check(lazo, sink, everybody):
    """The ledgers against each other: what the campaign says, its deliveries, and what the relay has."""
    c = finish(lazo)
    seen = sink.counts()
    doubtful = {d["address"] for d in lazo.items("/v1/deliveries?state=uncertain")}
    sent = {d["address"] for d in lazo.items("/v1/deliveries?state=sent")}
    assert c["audience"] == len(everybody)
    assert c["audience"] == c["sent"] + c["failed"] + c["suppressed"] + c["not_subscribed"] + c["uncertain"]
    assert (c["failed"], c["suppressed"], c["queued"], c["sending"]) == (0, 0, 0, 0)
    assert c["uncertain"] == len(doubtful) == lazo.get("/v1/status")["in_doubt"]
    assert sent | doubtful == everybody and not sent & doubtful
    twice = {a: n for a, n in seen.items() if n > 1}
    assert not twice, f"sent twice: {twice}"
    lost = sent - set(seen)
    assert not lost, f"said to be sent and not at the relay: {sorted(lost)[:10]}"
    assert set(seen) <= everybody
    return c


def middle(sink, share=0.3):
    """So much of the campaign is sent, and more is in the relay's hands, which holds it until release()."""
    sink.room = int(RECIPIENTS * share)
    eventually(lambda: len(sink) == sink.room, 60, f"{share:.0%} of the campaign is sent")


def back(lazo, name, before):
    eventually(lambda: lazo.pid(name) not in (None, before) and lazo.is_ours(lazo.pid(name)), 60, f"{name} is started again")


@pytest.mark.parametrize("names", [["lazod"], ["lazo-mailer"], ["lazod", "lazo-mailer"]], ids="+".join)
def test_kill_in_the_middle_of_a_campaign(lazo, sink, names):
    everybody = campaign(lazo)
    start_held(lazo, sink)
    for share in (0.25, 0.6):
        middle(sink, share)
        for name, pid in [(name, lazo.kill(name)) for name in names]:
            back(lazo, name, pid)
    sink.release()
    c = check(lazo, sink, everybody)
    # lazod holds nothing; of the mailer each of its 16 connections may have had one message in hand, twice.
    assert c["uncertain"] <= (32 if "lazo-mailer" in names else 0)


def test_kill_while_the_audience_expands(lazo, sink):
    everybody = campaign(lazo)
    start(lazo)
    eventually(lambda: len(sink) > 0, 60, "the first mail is sent")
    before = lazo.kill("lazod")
    back(lazo, "lazod", before)
    assert check(lazo, sink, everybody)["uncertain"] == 0


def test_kill_of_up_itself(lazo, sink):
    everybody = campaign(lazo)
    start_held(lazo, sink)
    middle(sink)
    lazo.kill_up()
    sink.release()
    lazo.start()
    check(lazo, sink, everybody)


def test_relay_away_for_a_while(lazo, sink):
    everybody = campaign(lazo)
    start_held(lazo, sink)
    middle(sink)
    sink.stop()
    sink.release()
    eventually(lambda: "away" in lazo.log("lazo-mailer"), 60, "the mailer notices")
    sink.start()
    c = check(lazo, sink, everybody)
    assert c["failed"] == 0


def test_relay_that_drops_the_connection_after_the_dot(lazo, sink):
    """It has the mail and gives no answer: in doubt, and not sent again."""
    everybody = campaign(lazo, 200)
    unlucky = {f"p{i}@kill.example" for i in range(0, 200, 50)}
    sink.answer = lambda mail: "drop" if mail.to[0] in unlucky else None
    start(lazo)
    c = check(lazo, sink, everybody)
    assert c["uncertain"] == len(unlucky)
    assert {d["address"] for d in lazo.items("/v1/deliveries?state=uncertain")} == unlucky
    sink.answer = None
    doubt = lazo.items("/v1/deliveries?state=uncertain")[0]
    lazo.ctl("doubt", "resend", doubt["id"])
    eventually(lambda: sink.counts()[doubt["address"]] == 2, what="a mail in doubt is sent again by hand")


def test_kill_of_the_database_while_recording(lazo):
    """Every answer 2xx is in the database, once; nothing is there twice though all that was not answered is sent again."""
    answered, stop, lock = set(), threading.Event(), threading.Lock()

    def load(who):
        n = 0
        while not stop.is_set():
            keys = [f"{who}:{n}:{i}" for i in range(10)]
            body = [{"contact": {"email": f"load{who}-{n % 20}@db.example"}, "kind": "load", "source": "test", "key": k} for k in keys]
            while not stop.is_set():
                try:
                    r = lazo.request("POST", "/v1/interactions", json=body, timeout=30)
                except requests.RequestException:
                    continue
                if r.status_code == 201:
                    with lock:
                        answered.update(keys)
                    break
                assert r.status_code in (500, 503), r.text
                stop.wait(0.05)
            n += 1

    threads = [threading.Thread(target=load, args=(w,)) for w in range(8)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            enough = len(answered) + 500
            eventually(lambda: len(answered) >= enough, 60, "recording goes on")
            before = lazo.kill("postgres")
            back(lazo, "postgres", before)
        enough = len(answered) + 500
        eventually(lambda: len(answered) >= enough, 60, "recording goes on after the last kill")
    finally:
        stop.set()
        for t in threads:
            t.join()
    eventually(lambda: lazo.request("GET", "/readyz").status_code == 200)
    rows = lazo.sql("SELECT key, count(*) FROM interaction_key WHERE source = 'test' GROUP BY key")
    stored = {key for key, _ in rows}
    assert answered <= stored, f"answered and lost: {sorted(answered - stored)[:10]}"
    assert lazo.sql("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'load'") == [(len(stored),)]
    assert lazo.sql("SELECT count(*) FROM contact c WHERE email LIKE 'load%%' GROUP BY email HAVING count(*) > 1") == []
    lazo.settle(120)


def test_stop_and_go(lazo, sink):
    """SIGTERM in the middle: up ends well, and goes on where it was."""
    everybody = campaign(lazo)
    start_held(lazo, sink)
    middle(sink)
    sink.release()
    lazo.restart()
    assert check(lazo, sink, everybody)["uncertain"] == 0


def test_a_worker_that_is_stopped_and_woken(lazo, sink):
    """SIGSTOP is worse than death: the socket stays. Its work goes on when it is woken, and nothing is sent twice."""
    everybody = campaign(lazo, 500)
    sink.delay = 0.02
    start(lazo)
    eventually(lambda: len(sink) > 50, 60)
    lazo.kill("lazo-mailer", signal.SIGSTOP)
    sink.delay = 0.0
    threading.Event().wait(3)
    lazo.kill("lazo-mailer", signal.SIGCONT)
    check(lazo, sink, everybody)


def test_metrics_survive(lazo):
    """A restart leaves a readable /metrics and /healthz."""
    before = lazo.kill("lazod")
    back(lazo, "lazod", before)

    def ready():
        try:
            return lazo.request("GET", "/readyz", token="").status_code == 200
        except requests.ConnectionError:
            return False
    eventually(ready)
    assert "lazo_database_up 1" in lazo.request("GET", "/metrics", token="").text
    assert json.dumps(lazo.get("/v1/status"))
