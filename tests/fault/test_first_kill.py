"""kill -9 while new segments are evaluated in full, with gifts coming in: each goes on where it stood, and in the end nothing differs from the rules."""
import signal

import requests

from lazo_test import eventually

PEOPLE = 60000
RULES = {"givers": "count(donation in last 12 months) >= 1",
         "generous": "sum(donation.amount in last 24 months) > 60",
         "asleep": "any(donation) and not any(donation in last 6 months)",
         "late": 'any(donation after 30 days ago) or city = "Ciudad 7"',
         "both": 'in segment "givers" and in segment "generous"'}

FILL = """
SET lazo.writer = 'lazod';
INSERT INTO contact (org_id, first_name, city, created_at, updated_at)
SELECT 1, 'P' || i, 'Ciudad ' || i %% 50, '2024-01-01Z', '2024-01-01Z' FROM generate_series(1, %(people)s) AS i;
INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, amount)
SELECT 1, c.id, k.id, %(now)s::timestamptz - make_interval(days => ((c.id * 7919 + n * 104729) %% 900)::int), %(now)s, (c.id * n) %% 9000
  FROM contact c CROSS JOIN generate_series(1, 3) AS n JOIN kind k ON k.name = 'donation'
 WHERE c.first_name ^@ 'P' AND c.id %% 3 <> 0;
ANALYZE contact; ANALYZE interaction;
"""


def filled(lazo):
    """People and gifts as they would stand there for years: nothing of them is in the change log."""
    lazo.record({"external_id": "first"}, "donation", amount="1")
    lazo.settle()
    with lazo.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SET lazo.org = '1'")
        cursor.execute(FILL, {"people": PEOPLE, "now": lazo.now()})
    return [row[0] for row in lazo.sql("SELECT id FROM contact WHERE first_name ^@ 'P' ORDER BY id")]


def done_to(lazo):
    return (lazo.sql("SELECT coalesce(max(done_to), 0) FROM segment_run") or [(0,)])[0][0]


def stale(lazo):
    return bool(lazo.sql("SELECT FROM segment WHERE stale"))


def answers(lazo):
    try:
        return lazo.get("/v1/status")
    except (requests.RequestException, AssertionError):
        return None


def kill(lazo):
    """Kills lazod; where the evaluation stands when the server has ended what it was asked by then, None: nowhere."""
    lazo.process.send_signal(signal.SIGSTOP)  # `up` would start it again at once
    try:
        before = lazo.kill("lazod")
        eventually(lambda: lazo.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lazod'", user="postgres") == [(0,)], what="its sessions end")
        stood = lazo.sql("SELECT max(done_to) FROM segment_run")[0][0]
    finally:
        lazo.process.send_signal(signal.SIGCONT)
    eventually(lambda: lazo.pid("lazod") not in (None, before) and answers(lazo), what="lazod is started again")
    return stood


def give(lazo, contact):
    lazo.api("POST", "/v1/interactions", {"contact": {"id": contact}, "kind": "donation", "amount": "100"})


def givers_by_hand(lazo, without):
    return lazo.sql("""SELECT count(DISTINCT i.contact_id) FROM interaction i JOIN kind k ON k.id = i.kind_id AND k.name = 'donation' CROSS JOIN organisation o
                        WHERE i.occurred_at > ((%s::timestamptz AT TIME ZONE o.time_zone) - interval '12 months') AT TIME ZONE o.time_zone
                          AND i.contact_id <> ALL (%s)""", (lazo.now(), without))[0][0]


def test_kill_while_new_segments_are_evaluated(lazo):
    people = filled(lazo)
    for name, rule in RULES.items():
        lazo.api("PUT", f"/v1/segments/{name}", {"kind": "dynamic", "rule": rule})
    lazo.api("PUT", f"/v1/segments/givers/exceptions/{people[3]}", {"mode": "in"})
    lazo.api("PUT", f"/v1/segments/givers/exceptions/{people[-4]}", {"mode": "out"})
    given, stood = [], []
    while len(stood) < 3:
        eventually(lambda: done_to(lazo) not in (0, *stood[-1:]) or not stale(lazo), 60, "another block is done", every=0.005)
        if not stale(lazo):  # it was quicker than this test: once more
            lazo.sql("UPDATE segment SET stale = true")
            continue
        given.append(people[(12007 * len(given) + 12012) % len(people)])
        give(lazo, given[-1])
        at = kill(lazo)
        if at is not None:
            stood.append(at)
    lazo.settle(120)
    print("killed when it stood at", stood)
    went_on = [int(line.rsplit("after=", 1)[1]) for line in lazo.log("lazod").splitlines() if "a full evaluation goes on" in line]
    assert went_on == stood
    assert lazo.sql("SELECT count(*) FROM segment_run") == [(0,)]
    report = lazo.check()
    assert report["count"] == 0, report
    assert lazo.count("givers") == givers_by_hand(lazo, [people[3], people[-4]]) + 1
    assert lazo.count("both") > 0 and lazo.count("asleep") > 0
    # First members do not enter.
    assert lazo.sql("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id AND k.name = 'segment_entered'"
                    " WHERE i.contact_id <> ALL (%s)", (given,)) == [(0,)]
