"""kill -9 while a model is being scored and gifts come in: all are scored, once, when lazod is back."""
from lazo_test import Instance, eventually


def test_kill_while_a_model_is_scored(sink):
    lazo = Instance(clock="2027-03-10T10:00:00Z", relay=sink.url).start()
    people = [lazo.record({"external_id": f"p{i}"}, "donation", amount="10") for i in range(6)]
    lazo.api("PUT", "/v1/rfm/held", {"kinds": ["donation"], "classes": 3, "labels": [{"label": "top", "f": [3, 3]}, {"label": "rest"}]})
    lazo.segment("tops", 'rfm.held.label = "top"')
    lazo.segment("givers", "count(donation) >= 2")
    eventually(lambda: not lazo.get("/v1/rfm/held")["stale"])
    lazo.settle()
    with lazo.holding("SELECT FROM rfm_model WHERE name = 'held' FOR UPDATE"):
        lazo.advance_to(lazo.get("/v1/rfm/held")["due_at"])
        lazo.wait_for_lock()
        for _ in range(3):
            lazo.record({"id": people[0]}, "donation", amount="10")
        eventually(lambda: lazo.count("givers") == 1, what="the segment follows")
        before = lazo.kill("lazod")
    eventually(lambda: lazo.pid("lazod") not in (None, before), 60, "lazod is started again")
    eventually(lambda: lazo.sql("SELECT frequency FROM rfm_score WHERE contact_id = %s", (people[0],)) == [(4,)], 60, "the gifts are scored")
    lazo.settle(120)
    report = lazo.check()
    assert report["count"] == 0, report
    changes = lazo.sql("SELECT data ->> 'to' FROM interaction i JOIN kind k ON k.id = i.kind_id AND k.name = 'label_changed' WHERE contact_id = %s", (people[0],))
    assert changes == [("top",)] and lazo.count("tops") == 1
    lazo.stop()
