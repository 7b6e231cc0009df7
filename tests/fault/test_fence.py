"""A mailer that slept longer than its leases: what it still has in hand is another's by then, and it does not send it."""
import re
import signal

import pytest
from second import run_beside

from lazo_test import Instance, Sink, eventually

MAILS = 40


@pytest.fixture
def slow():
    s = Sink().start()
    s.hold_after(5)
    yield s
    s.stop()


@pytest.fixture
def lazo(slow):
    one = Instance(relay=slow.url, env={"LAZO_BUS_LEASE": "8 s", "LAZO_BUS_DEAD_AFTER": "2 s", "LAZO_MAIL_THREADS": "1",
                                        "LAZO_MAIL_RETRY_FIRST": "1 s"}).start()
    one.api("PATCH", "/v1/organisation", {"mail_from": "hola@casa.example", "postal_address": "Calle 1, Madrid"})
    one.template("note", "Nota {{ n }}", "{{ n }}")
    yield one
    one.stop()


@pytest.mark.parametrize("wake_before_others", [False, True], ids=["another-sends", "alone"])
def test_a_mailer_that_slept_longer_than_its_leases(lazo, slow, wake_before_others):
    for n in range(MAILS):
        lazo.api("POST", "/v1/messages", {"template": "note", "to": f"n{n}@fence.example", "data": {"n": n}, "key": f"n{n}"})
    eventually(lambda: len(slow) == 5, 60, "some are sent, and one is in the relay's hands")
    lazo.kill("lazo-mailer", signal.SIGSTOP)
    beside = None
    try:
        # They are in doubt, and, being transactional, go into the queue again.
        eventually(lambda: "ran out" in lazo.log("lazod"), 60, "the leases run out")
        eventually(lambda: lazo.sql("SELECT count(*) FROM job WHERE lease IS NOT NULL") == [(0,)], 60, "no lease is left")
        slow.release()
        if not wake_before_others:
            conf = lazo.home / "lazo-beside.conf"
            conf.write_text(re.sub(r"(?m)^journal = .*$", f"journal = {lazo.home}/beside.journal", (lazo.home / "lazo.conf").read_text()))
            beside = run_beside(lazo, "lazo-mailer", conf, lazo.home / "log" / "beside.log", "--name", "beside")
            eventually(lambda: lazo.sql("SELECT count(*) FROM job") == [(0,)], 60, "the other one sends them")
    finally:
        lazo.kill("lazo-mailer", signal.SIGCONT)
    lazo.settle(60)
    # It is heard again, so that nothing of it is still to come.
    eventually(lambda: any(w["worker"] != "beside" and w["sort"] == "mail" for w in lazo.get("/v1/status")["workers"]), 60, "it is back")
    lazo.settle(60)
    seen = slow.counts()
    assert set(seen) == {f"n{n}@fence.example" for n in range(MAILS)}
    # The one that was in the relay's hands when the mailer was stopped was sent again, as transactional mail is; no other.
    twice = {a: n for a, n in seen.items() if n > 1}
    assert len(twice) <= 1 and set(twice.values()) <= {2}, twice
    if beside is not None:
        beside.terminate()
        assert beside.wait(60) == 0
