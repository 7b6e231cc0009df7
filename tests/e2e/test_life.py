"""Stages, and that a contact died: everything stops at once, and nothing of it is sent in arrears."""
import concurrent.futures
import datetime as dt
import random

from lazo_test import ApiError, Instance, eventually, never

import pytest


def refused(lazo, method, path, body):
    with pytest.raises(ApiError) as e:
        lazo.api(method, path, body)
    return e.value.status, e.value.response.json()


def deliveries(lazo, who):
    return lazo.sql("SELECT state, status FROM delivery WHERE contact_id = %s ORDER BY id", [who])


@pytest.fixture(scope="module")
def own(sink):
    """An instance whose organisation has stages."""
    one = Instance(relay=sink.url, clock="2023-02-20T09:00:00Z").start()
    one.api("PATCH", "/v1/organisation", {"mail_from": "hola@casa.example", "postal_address": "Calle 1, Madrid"})
    yield one
    one.stop()


def test_stages(own, sink):
    lazo = own
    assert lazo.get("/v1/stages") == {"items": [], "next": None}
    free = lazo.api("POST", "/v1/contacts", {"email": "free@life.example", "stage": "anything"})
    stages = [{"name": "lead", "title": "Interesado"}, {"name": "member", "title": "Socio"}]
    assert lazo.api("PUT", "/v1/stages", {"items": stages})["changed"]
    assert not lazo.api("PUT", "/v1/stages", {"items": stages})["changed"]
    assert lazo.get("/v1/stages")["items"] == stages
    status, problem = refused(lazo, "PUT", "/v1/stages", {"items": [{"name": "a"}, {"name": "A"}, {"title": "x"}]})
    assert status == 422 and [e["pointer"] for e in problem["errors"]] == ["/items/1/name", "/items/2/name"]
    status, problem = refused(lazo, "PATCH", f"/v1/contacts/{free['id']}", {"stage": "membr"})
    assert status == 422 and problem["errors"][0]["pointer"] == "/stage" and "did you mean \"member\"" in problem["errors"][0]["detail"]

    lazo.template("joined", "Bienvenido", "T {{ unsubscribe_url }}")
    lazo.journey("joined", {"start": {"interaction": "stage_changed", "where": 'data.to = "member"'}, "steps": [{"send": "joined"}]})
    who = lazo.api("POST", "/v1/contacts", {"email": "eva@life.example", "stage": "Lead"})
    assert who["stage"] == "lead", "spelled as the organisation has it"
    lazo.api("PATCH", f"/v1/contacts/{who['id']}", {"stage": None})
    lazo.api("PATCH", f"/v1/contacts/{who['id']}", {"stage": "lead"})
    lazo.settle()
    never(lambda: sink.to("eva@life.example"), 0.5)
    lazo.api("PATCH", f"/v1/contacts/{who['id']}", {"stage": "member"})
    lazo.api("PATCH", f"/v1/contacts/{who['id']}", {"stage": "member"})
    sink.wait("eva@life.example")
    facts = lazo.items(f"/v1/contacts/{who['id']}/interactions?kind=stage_changed")
    assert [f["data"] for f in reversed(facts)] == [{"from": "lead", "to": None}, {"from": None, "to": "lead"}, {"from": "lead", "to": "member"}]
    assert [(h["was"], h["became"]) for h in lazo.items(f"/v1/contacts/{who['id']}/history?field=stage")][0] == ("lead", "member")


def test_stages_as_text(own, tmp_path):
    (tmp_path / "stages.yaml").write_text("lead: Interesado\nmember: Socio\nformer:\n")
    assert "1 changed" in own.ctl("apply", "--dry-run", tmp_path).stdout
    own.ctl("apply", tmp_path)
    assert own.get("/v1/stages")["items"][2] == {"name": "former", "title": ""}
    assert "1 unchanged" in own.ctl("apply", tmp_path).stdout


def test_how_it_is_said(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "said@life.example"})
    assert (who["deceased"], who["deceased_on"]) == (False, None)
    path = f"/v1/contacts/{who['id']}"
    assert lazo.api("PATCH", path, {"deceased_on": "2023-02-01"})["deceased"] is True
    assert lazo.request("GET", f"{path}/vcard").text.count("DEATHDATE:20230201") == 1
    assert lazo.items('/v1/contacts?rule=deceased = true and deceased_on < 2023-02-02')[0]["id"] == who["id"]
    alive = lazo.api("PATCH", path, {"deceased": False})
    assert (alive["deceased"], alive["deceased_on"]) == (False, None)
    for wrong, pointer in (({"deceased": "yes"}, "/deceased"), ({"deceased_on": "2099-01-01"}, "/deceased_on"), ({"deceased_on": "x"}, "/deceased_on"),
                           ({"deceased": False, "deceased_on": "2023-02-01"}, "/deceased_on")):
        status, problem = refused(lazo, "PATCH", path, wrong)
        assert status == 422 and problem["errors"][0]["pointer"] == pointer
    lazo.ctl("contact", "deceased", "said@life.example", "--on", "2023-01-31")
    assert lazo.get(path)["deceased_on"] == "2023-01-31"
    row = lazo.request("GET", '/v1/exports?what=contacts&columns=email,deceased,deceased_on&rule=deceased = true').text
    assert "said@life.example,true,2023-01-31" in row.replace('"', '')
    # The address as it is: words find who begins so, or is one typing mistake away.
    for other in ("sad@life.example", "said@life", "said@life.exampl", "said"):
        told = lazo.ctl("contact", "alive", other, check=False)
        assert told.returncode == 1 and f"nobody has the address {other}" in told.stderr, other
    lazo.ctl("contact", "alive", "Said@Life.example")
    assert lazo.get(path)["deceased"] is False
    assert [h["became"] for h in reversed(lazo.items(f"{path}/history?field=deceased_on"))] == ["2023-02-01", None, "2023-01-31", None]


def test_everything_stops(lazo, sink):
    lazo.template("life", "Vida", "T {{ unsubscribe_url }}")
    lazo.journey("life-wait", {"start": {"interaction": "lifefact"}, "steps": [{"wait": "2 days"}, {"send": "life"}]})
    lazo.journey("life-birthday", {"start": {"birthday": True, "at": "09:00"}, "steps": [{"send": "life"}]})
    grant = [{"topic": "news", "action": "grant"}]
    # Noon: in Madrid it is the same day, and later than nine.
    tomorrow = (dt.datetime.fromisoformat(lazo.now().replace("Z", "+00:00")) + dt.timedelta(days=1)).date().isoformat()
    lazo.advance_to(f"{tomorrow}T12:00:00Z")
    born = tomorrow[5:]
    who = lazo.api("POST", "/v1/contacts", {"email": "dead@life.example", "consents": grant, "tags": ["lifeseg"]})["id"]
    other = lazo.api("POST", "/v1/contacts", {"email": "alive@life.example", "consents": grant, "tags": ["lifeseg"]})["id"]
    lazo.segment("life-segment", 'tag "lifeseg"')
    for one in (who, other):
        lazo.record({"id": one}, "lifefact")
    lazo.settle()
    eventually(lambda: lazo.sql("SELECT count(*) FROM journey_position WHERE contact_id = %s AND state = 'waiting'", [who]) == [(1,)])
    lazo.api("PATCH", f"/v1/contacts/{who}", {"deceased": True})
    assert lazo.sql("SELECT state FROM journey_position WHERE contact_id = %s", [who]) == [("left",)]
    # What begins later: single messages, to the contact and to its address; journeys; a campaign; its birthday; a form.
    lazo.api("POST", "/v1/messages", {"template": "life", "contact": who, "key": "life-1"})
    lazo.api("POST", "/v1/messages", {"template": "life", "to": "dead@life.example", "key": "life-2"})
    lazo.record({"id": who}, "lifefact")
    campaign = lazo.api("POST", "/v1/campaigns", {"name": "life", "template": "life", "segment": "life-segment", "topic": "news"})
    lazo.settle()
    lazo.api("POST", f"/v1/campaigns/{campaign['id']}/start")
    sink.wait("alive@life.example")
    for one in (who, other):
        lazo.api("PATCH", f"/v1/contacts/{one}", {"birth_date": f"--{born}"})
    lazo.advance("1 minute")
    sink.wait("alive@life.example", 2)
    eventually(lambda: lazo.sql("SELECT count(*) FROM delivery WHERE status = 'deceased' AND state = 'cancelled' AND key LIKE '%%life-_'") == [(2,)])
    lazo.advance("3 days")
    sink.wait("alive@life.example", 3)
    lazo.settle()
    assert not sink.to("dead@life.example")
    assert {s for s, _ in deliveries(lazo, who)} == {"cancelled"}
    lazo.api("POST", "/v1/journeys/life-birthday/disable")
    # Taken back, nothing is sent in arrears; what comes anew is.
    lazo.api("PATCH", f"/v1/contacts/{who}", {"deceased": False})
    lazo.advance("3 days")
    lazo.settle()
    never(lambda: sink.to("dead@life.example"), 0.5)
    lazo.api("POST", "/v1/messages", {"template": "life", "contact": who, "key": "life-3"})
    sink.wait("dead@life.example")


JOB = """WITH k AS (INSERT INTO job_key (org_id, key, job_id) VALUES (1, %(key)s, nextval('job_id_seq')) RETURNING key, job_id)
    INSERT INTO job (id, org_id, class, sort, run_at, contact_id, key, template_id, first_at) OVERRIDING SYSTEM VALUE
    SELECT job_id, 1, 0, 'mail', clock_now() + %(wait)s::interval, %(who)s, key, (SELECT id FROM template WHERE name = 'race'), clock_now() FROM k"""


def test_between_queue_and_lease(lazo, sink):
    """One mail waits for its time when the contact dies; another is being queued at that moment, and is seen only when the contact is dead."""
    lazo.template("race", "Carrera", "T {{ unsubscribe_url }}")
    who = lazo.api("POST", "/v1/contacts", {"email": "queued@life.example"})["id"]
    lazo.sql(JOB, {"key": "waits", "wait": "1 hour", "who": who})
    with lazo.connect(org=1) as late:
        cursor = late.cursor()
        cursor.execute(JOB, {"key": "late", "wait": "0", "who": who})
        lazo.api("PATCH", f"/v1/contacts/{who}", {"deceased": True})
        assert deliveries(lazo, who) == [("cancelled", "deceased")], "what waited was cancelled with the word"
    late.close()
    eventually(lambda: deliveries(lazo, who) == [("cancelled", "deceased")] * 2)
    lazo.advance("2 hours")
    lazo.settle()
    assert not sink.to("queued@life.example")
    assert lazo.sql("SELECT count(*) FROM job WHERE contact_id = %s", [who]) == [(0,)]


def test_many_at_once(lazo, sink):
    """Mails are asked for while the contacts die: who had died before a mail was asked for gets none."""
    people = [lazo.api("POST", "/v1/contacts", {"email": f"race{i}@life.example"})["id"] for i in range(30)]
    dead, late = set(), []

    def send(i):
        was_dead = i in dead
        lazo.api("POST", "/v1/messages", {"template": "race", "contact": people[i], "key": f"race-{i}"})
        if was_dead:
            late.append(i)

    def die(i):
        lazo.api("PATCH", f"/v1/contacts/{people[i]}", {"deceased": True})
        dead.add(i)

    acts = [(send, i) for i in range(len(people))] + [(die, i) for i in range(len(people))]
    random.Random(7).shuffle(acts)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda act: act[0](act[1]), acts))
    eventually(lambda: lazo.sql("SELECT count(*) FROM delivery WHERE contact_id = ANY (%s)", [people]) == [(len(people),)])
    states = dict(lazo.sql("SELECT contact_id, state FROM delivery WHERE contact_id = ANY (%s)", [people]))
    assert late and {states[people[i]] for i in late} == {"cancelled"} and set(states.values()) <= {"sent", "cancelled"}
