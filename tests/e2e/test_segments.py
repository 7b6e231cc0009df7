"""Segments follow the facts, however these arrive, and the clock."""
import datetime as dt
from urllib.parse import quote

from lazo_test import eventually


def test_window_ends_with_the_clock(lazo):
    lazo.segment("lately here", "any(latevisit in last 7 days)")
    lazo.record({"email": "visitor@segment.example"}, "latevisit")
    eventually(lambda: lazo.members("lately here") == {"visitor@segment.example"})
    lazo.advance("6 days")
    lazo.settle()
    assert lazo.count("lately here") == 1
    lazo.advance("25 h")
    eventually(lambda: lazo.count("lately here") == 0)


def test_a_strangers_rows_count(lazo):
    lazo.segment("till", "sum(purchase.amount) >= 50")
    who = lazo.record({"email": "till@segment.example"}, "purchase", amount="20.00")
    lazo.settle()
    assert lazo.count("till") == 0
    lazo.psql(f"INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount, amount_recorded, currency) "
              f"SELECT 1, {who}, id, clock_now(), 3000, 3000, 'EUR' FROM kind WHERE name = 'purchase'")
    eventually(lambda: lazo.count("till") == 1)
    lazo.psql(f"UPDATE interaction SET amount = 2999 WHERE contact_id = {who} AND amount = 3000")
    eventually(lambda: lazo.count("till") == 0)
    lazo.psql(f"UPDATE interaction SET amount = 3000 WHERE contact_id = {who} AND amount = 2999")
    eventually(lambda: lazo.count("till") == 1)
    lazo.psql(f"DELETE FROM interaction WHERE contact_id = {who} AND amount = 3000")
    eventually(lambda: lazo.count("till") == 0)


def test_contacts_by_psql_count(lazo):
    lazo.segment("lisbon", 'city = "lisboa"')
    lazo.psql("INSERT INTO contact (org_id, email, city) VALUES (1, 'psql@segment.example', 'LISBOA')")
    eventually(lambda: lazo.members("lisbon") == {"psql@segment.example"})
    lazo.psql("DELETE FROM contact WHERE email = 'psql@segment.example'")
    eventually(lambda: lazo.count("lisbon") == 0)


def test_fields_tags_and_other_segments(lazo):
    lazo.segment("malaga", 'city = "alhama de malaga"')
    lazo.segment("malaga-members", 'in segment "malaga" and tag "socio"')
    who = lazo.api("POST", "/v1/contacts", {"email": "city@segment.example", "city": "Alhama de Málaga"})["id"]
    eventually(lambda: lazo.count("malaga") == 1)
    assert lazo.count("malaga-members") == 0
    lazo.api("POST", f"/v1/contacts/{who}/tags", {"tags": ["Socio"]})
    eventually(lambda: lazo.count("malaga-members") == 1)
    lazo.api("PATCH", f"/v1/contacts/{who}", {"city": "Cádiz"})
    eventually(lambda: lazo.count("malaga-members") == 0 and lazo.count("malaga") == 0)
    kinds = [i["kind"] for i in lazo.items(f"/v1/contacts/{who}/interactions")]
    assert kinds.count("segment_entered") == 2 and kinds.count("segment_left") == 2


def test_fixed_segment(lazo):
    lazo.api("PUT", "/v1/segments/board", {"kind": "fixed"})
    who = lazo.api("POST", "/v1/contacts", {"email": "board@segment.example"})["id"]
    lazo.api("PUT", f"/v1/segments/board/members/{who}")
    assert lazo.members("board") == {"board@segment.example"}
    lazo.api("DELETE", f"/v1/segments/board/members/{who}")
    assert lazo.members("board") == set()


def test_a_backlog(lazo):
    """Far more at once than a pass takes: two passes go through it side by side, each with half of the contacts."""
    lazo.segment("often", "count(burst in last 2 years) >= 3")
    lazo.segment("seldom", 'any(burst) and not in segment "often"')
    lazo.psql("INSERT INTO kind (org_id, name) VALUES (1, 'burst')")
    lazo.psql("INSERT INTO contact (org_id, city) SELECT 1, 'Burst ' || i % 7 FROM generate_series(1, 1000) AS i")
    lazo.settle()
    for times, often in ((2, 0), (4, 600), (2, 1000)):
        lazo.psql(f"INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) SELECT 1, c.id, k.id, clock_now() - (i || ' days')::interval FROM contact c, kind k,"
                  f" generate_series(1, {times}) AS i WHERE c.city LIKE 'Burst%' AND k.name = 'burst' AND ({times} <> 4 OR c.id % 5 < 3)")
        lazo.settle()
        assert (lazo.count("often"), lazo.count("seldom")) == (often, 1000 - often)
    lazo.psql("DELETE FROM interaction i USING kind k WHERE k.id = i.kind_id AND k.name = 'burst'")
    lazo.settle()
    assert (lazo.count("often"), lazo.count("seldom")) == (0, 0)


def test_the_planner_knows_of_members(lazo):
    """Each pass reads memberships; of a table that it takes for empty, as after a large segment was deleted, the planner would read all."""
    lazo.settle()
    lazo.psql("INSERT INTO contact (org_id, city) SELECT 1, 'Planned' FROM generate_series(1, 600)")
    lazo.settle()
    lazo.psql("ANALYZE membership")
    before = lazo.sql("SELECT count(*) FROM membership", user="postgres")[0][0]
    lazo.segment("planned", 'city = "Planned"')
    eventually(lambda: lazo.sql("SELECT reltuples FROM pg_class WHERE oid = 'lazo.membership'::regclass", user="postgres")[0][0] >= before + 600)


def test_incremental_equals_from_nothing(lazo):
    """What the evaluator keeps, against the search by the same rule over everybody."""
    lazo.settle()
    for s in lazo.items("/v1/segments"):
        if s["kind"] == "dynamic":
            found = {c["id"] for c in lazo.items("/v1/contacts?rule=" + quote(s["rule"]))}
            kept = {m["id"] for m in lazo.items(f"/v1/segments/{s['name']}/members")}
            assert kept == found, s["name"]
            assert lazo.api("POST", "/v1/rules/check", {"rule": s["rule"]})["count"] == len(found), s["name"]


def test_a_count_is_the_same_however_few_are_looked_at(lazo):
    """Of rules over interactions: one contact by the e-mail address, everybody, and those who have none."""
    for n in range(3):
        for _ in range(n):
            lazo.api("POST", "/v1/interactions", {"contact": {"email": f"tally{n}@segment.example"}, "kind": "counted", "amount": "7.50"})
    lazo.api("POST", "/v1/contacts", {"email": "tally0@segment.example"})
    for rule, n in [('email = "tally2@segment.example" and count(counted) >= 2', 1), ("count(counted) >= 1", 2), ("any(counted in last 1 year) and sum(counted.amount) > 10", 1),
                    ('email starts with "tally" and not any(counted)', 1), ('email starts with "tally" and count(counted) < 2', 2)]:
        said = lazo.api("POST", "/v1/rules/check", {"rule": rule})
        assert said["valid"] and said["count"] == n == len(said["sample"]), (rule, said)


def test_check_and_explain(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "why@segment.example", "country": "ES"})["id"]
    said = lazo.api("POST", "/v1/rules/explain", {"rule": 'country = "ES" and tag "x"', "contact": who})
    assert said["holds"] is False
    assert [c["holds"] for c in said["conditions"]] == [True, False]
    said = lazo.api("POST", "/v1/rules/check", {"rule": 'email = "why@segment.example"'})
    assert said["valid"] and said["count"] == 1 and said["sample"][0]["id"] == who
    # Tags and groups are whatever somebody gave a contact; who names one that nobody has is told.
    lazo.api("POST", f"/v1/contacts/{who}/tags", {"tags": ["Patrocinador", "Niño"]})
    lazo.sql("INSERT INTO contact_group VALUES (1, %s, 'Patronato')", (who,))
    said = lazo.api("POST", "/v1/rules/check", {"rule": 'tag "patrocinador" and not tag "nino"\n or tag "patrocniador" or in group "PATRONATO" or in group "Patrnato"\n'
                                                        ' or related as "spouse" where (tag "xylofon")'})
    assert said["valid"] and [(w["line"], w["column"], w["message"]) for w in said["warnings"]] == [
        (2, 5, 'nobody has the tag "patrocniador" yet; did you mean "patrocinador"?'),
        (2, 51, 'nobody is in the group "Patrnato" yet; did you mean "patronato"?'), (3, 32, 'nobody has the tag "xylofon" yet')]
    assert '2:5: warning: nobody has the tag' in lazo.ctl("rule", "check", input='person\nor  tag "patrocniador"').stderr


def test_a_title_costs_no_rule(lazo):
    """What a PUT leaves out stays: who changes the title alone has the rule still, and the members."""
    who = lazo.record({"email": "titled@segment.example"}, "titled")
    lazo.segment("titled", "any(titled)")
    put = lazo.api("PUT", "/v1/segments/titled", {"title": "Con título"})
    assert (put["kind"], put["rule"], put["changed"]) == ("dynamic", "any(titled)", True)
    assert lazo.api("PUT", "/v1/segments/titled", {})["changed"] is False
    shown = lazo.get("/v1/segments/titled")
    assert (shown["title"], shown["kind"], shown["rule"], shown["stale"], shown["count"]) == ("Con título", "dynamic", "any(titled)", False, 1)
    assert lazo.request("PUT", f"/v1/segments/titled/members/{who}").status_code == 409
    # To give it up is said.
    assert lazo.api("PUT", "/v1/segments/titled", {"kind": "fixed"}) == {"name": "titled", "kind": "fixed", "rule": None, "changed": True}
    assert lazo.api("PUT", "/v1/segments/titled", {"title": "Otro"})["kind"] == "fixed" and lazo.get("/v1/segments/titled")["count"] == 1
    assert lazo.api("PUT", "/v1/segments/titled", {"rule": "any(titled)"})["kind"] == "dynamic"
    assert lazo.api("PUT", "/v1/segments/titled too", {"title": "x"})["kind"] == "fixed"
    said = lazo.request("POST", "/v1/segments", json={"name": "titled", "rule": "true"})
    assert said.status_code == 409 and said.json()["detail"] == "there is one of this name already"
    for name in (" titled", "titled "):
        said = lazo.request("POST", "/v1/segments", json={"name": name, "rule": "true"})
        assert said.status_code == 422 and "without a blank" in said.text


def test_the_past_does_not_lie_ahead(lazo):
    """Who was in, or which scores there were, at an instant that is still to come is refused: what will be is told by forecast and explain."""
    lazo.api("PUT", "/v1/rfm/ahead", {"kinds": ["titled"]})
    who = lazo.record({"email": "ahead@segment.example"}, "call")
    ahead = quote((dt.datetime.fromisoformat(lazo.now().replace("Z", "+00:00")) + dt.timedelta(hours=1)).isoformat())
    lazo.segment("ahead", "any(call in last 1 minute)")
    for path in ("/v1/segments/ahead/members", "/v1/rfm/ahead/scores", f"/v1/contacts/{who}/rfm"):
        said = lazo.request("GET", f"{path}?as_of={ahead}")
        assert said.status_code == 422 and "as_of is still to come: it is " in said.json()["detail"], said.text
        assert lazo.request("GET", f"{path}?as_of={quote(lazo.now())}").status_code == 200
    said = lazo.request("GET", f"/v1/contacts/{who}/as-of?at={ahead}")
    assert said.status_code == 422 and "at is still to come" in said.text
    assert 'no segment \\"ahed\\"; did you mean \\"ahead\\"?' in lazo.request("POST", "/v1/rules/explain", json={"segment": "ahed", "contact": who}).text
    # Where there was no score there is no item.
    assert lazo.get(f"/v1/contacts/{who}/rfm?model=ahead") == {"items": [], "next": None} == lazo.get(f"/v1/contacts/{who}/rfm?as_of=2020-01-01T00:00:00Z")
    assert lazo.request("GET", "/v1/contacts/999999999/rfm").status_code == 404


def test_names_that_nothing_has(lazo):
    """Campaigns, stages and labels of scores are compared as texts; a name that is none of them is told, where it stands."""
    lazo.template("warned")
    lazo.api("PUT", "/v1/topics/warned", {})
    lazo.api("POST", "/v1/campaigns", {"name": "Navidad 2026", "template": "warned", "topic": "warned", "rule": "false"})
    lazo.api("PUT", "/v1/rfm/warned", {"kinds": ["counted"], "labels": [{"label": "campeón", "r": [4, 5]}, {"label": "resto"}]})

    def warned(rule):
        return [(w["line"], w["column"], w["message"]) for w in lazo.api("POST", "/v1/rules/check", {"rule": rule})["warnings"]]

    assert warned('any(email_opened where campaign = "navidad 2026")\nor any(email_opened where campaign in ("NAVIDAD 2026", "Navidat 2026"))') == [
        (2, 56, 'no mail is of a campaign "Navidat 2026"; did you mean "Navidad 2026"?')]
    assert warned('last(email_sent.campaign) = "zzz" or any(email_sent where data.campaign = "zzz")') == [(1, 29, 'no mail is of a campaign "zzz"')]
    assert warned('rfm.warned.label = "campeon" or rfm.warned.label != "campeóna"') == [(1, 53, 'no box of the model has the label "campeóna"; did you mean "campeón"?')]
    assert warned('stage = "whatever"') == []
    before = lazo.get("/v1/stages")["items"]
    lazo.api("PUT", "/v1/stages", {"items": [{"name": "Socío"}, {"name": "lead"}]})
    assert warned('stage = "socio" or stage in ("LEAD", "laed")') == [(1, 38, 'there is no stage "laed"; did you mean "lead"?')]
    lazo.api("PUT", "/v1/stages", {"items": before})
    for path in ("/v1/campaigns/Navidad 2026", "/v1/rfm/warned"):
        lazo.request("DELETE", path)


def test_a_rule_made_with_notepad(lazo, tmp_path):
    (tmp_path / "segments").mkdir()
    file = tmp_path / "segments" / "ventana.rule"
    file.write_bytes('\ufeff# Título de Windows\r\nperson\r\n and\u00a0city = "Ronda" # sí\r\n'.encode())
    (tmp_path / "topics.yaml").write_bytes("\ufeffventanas: Ventanas\r\n".encode())
    assert "2 created" in lazo.ctl("apply", tmp_path).stdout
    assert lazo.get("/v1/segments/ventana")["title"] == "Título de Windows" and lazo.get("/v1/topics/ventanas")["title"] == "Ventanas"
    assert "2 unchanged" in lazo.ctl("apply", tmp_path).stdout
    file.write_bytes("\ufeffperson\r\n\tand city = “Ronda”\r\n".encode())
    done = lazo.ctl("apply", tmp_path, check=False)
    assert done.returncode == 1 and f'{file}:2:13: a text stands in straight double quotes: "Ronda"' in done.stderr


def test_lazoctl_steers_segments(lazo):
    lazo.api("PUT", "/v1/segments/ctl-board", {"kind": "fixed"})
    lazo.segment("ctl-gave", "any(ctlgift)")
    for name in ("one", "two"):
        lazo.api("POST", "/v1/contacts", {"email": f"{name}@ctl-segment.example", "first_name": name.title()})
    lazo.settle()
    before = lazo.now()
    lazo.advance("2 days")
    lazo.ctl("segment", "add", "ctl-board", "one@ctl-segment.example")
    assert "one@ctl-segment.example" in lazo.ctl("segment", "members", "ctl-board").stdout
    assert "one@ctl-segment.example" not in lazo.ctl("segment", "members", "ctl-board", "--as-of", before).stdout
    lazo.ctl("segment", "remove", "ctl-board", "one@ctl-segment.example")
    assert lazo.members("ctl-board") == set()

    lazo.ctl("segment", "always", "ctl-gave", "two@ctl-segment.example", "--reason", "she founded it")
    eventually(lambda: lazo.members("ctl-gave") == {"two@ctl-segment.example"})
    listed = lazo.ctl("segment", "exceptions", "ctl-gave").stdout
    assert "she founded it" in listed and "in" in listed.split()
    who, = [c["id"] for c in lazo.items("/v1/contacts?q=two@ctl-segment.example")]
    assert "she founded it" in lazo.ctl("rule", "explain", str(who), "--segment", "ctl-gave").stdout
    lazo.ctl("segment", "never", "ctl-gave", "two@ctl-segment.example")
    eventually(lambda: lazo.members("ctl-gave") == set())
    lazo.ctl("segment", "by-rule", "ctl-gave", "two@ctl-segment.example")
    assert lazo.items("/v1/segments/ctl-gave/exceptions") == []
    lazo.record({"id": who}, "ctlgift")
    eventually(lambda: lazo.members("ctl-gave") == {"two@ctl-segment.example"})
    day = lazo.now()[:10]
    days = lazo.ctl("segment", "history", "ctl-gave", "--from", day, "--to", day).stdout
    assert day in days and len(days.strip().splitlines()) == 2, days

    for words, why in ((("add", "ctl-gave", "one@ctl-segment.example"), "follow from its rule"), (("members", "no-such"), "no-such"), (("add", "ctl-board", "nobody@ctl-segment.example"), "nobody")):
        refused = lazo.ctl("segment", *words, check=False)
        assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    assert lazo.ctl("segment", "add", "ctl-board", check=False).returncode == 2


def test_who_uses_what_is_deleted(lazo):
    """A refusal names whoever uses it, whether by its number or in a rule; then nothing is in the way."""
    def refusal(path):
        r = lazo.request("DELETE", f"/v1/{path}")
        assert r.status_code == 409, r.text
        return r.json()["detail"]

    lazo.api("PUT", "/v1/topics/used", {"title": "U"})
    lazo.template("used-mail", "Hola", "T {{ unsubscribe_url }}")
    lazo.segment("used", 'subscribed "used"')
    who = lazo.api("POST", "/v1/contacts", {"email": "used@segments.example", "consents": [{"topic": "used", "action": "grant", "wording": "Sí"}]})["id"]
    assert refusal("topics/used") == 'the segment "used" and contacts who said yes or no to it use this topic'
    lazo.api("POST", "/v1/campaigns", {"name": "used-letter", "template": "used-mail", "segment": "used", "topic": "used"})
    lazo.journey("used-steps", {"start": {"segment": {"enter": "used"}}, "steps": [{"send": "used-mail"}]})
    assert refusal("topics/used") == 'the segment "used", the campaign "used-letter" and contacts who said yes or no to it use this topic'
    assert refusal("segments/used") == 'the journey "used-steps" and the campaign "used-letter" use this segment'
    assert refusal("templates/used-mail") == 'the journey "used-steps" and the campaign "used-letter" use this template'
    for i in range(5):
        lazo.segment(f"used-{i}", 'in segment "used"')
    assert refusal("segments/used") == 'the segment "used-0", the segment "used-1", the segment "used-2", the segment "used-3" and 3 more use this segment'
    for path in ("campaigns/used-letter", "journeys/used-steps", *(f"segments/used-{i}" for i in range(5)), f"contacts/{who}", "segments/used", "templates/used-mail", "topics/used"):
        r = lazo.request("DELETE", f"/v1/{path}")
        assert r.status_code == 204, (path, r.text)


def test_what_contacts_still_go_through_is_used(lazo):
    """Who waits in an earlier version of a journey gets the mail that it had promised: its template stays until they are through."""
    for name in ("walk-old", "walk-new"):
        lazo.template(name, "Hola", "T {{ unsubscribe_url }}")
    who = lazo.api("POST", "/v1/contacts", {"email": "walk@segments.example"})["id"]
    walk = lambda template: lazo.journey("walk", {"start": {"interaction": "walked"}, "steps": [{"wait": "3 hours"}, {"send": template}]})
    walk("walk-old")
    lazo.record({"id": who}, "walked")
    eventually(lambda: lazo.sql("SELECT FROM journey_position WHERE contact_id = %s AND state = 'waiting'", [who]))
    walk("walk-new")
    r = lazo.request("DELETE", "/v1/templates/walk-old")
    assert r.status_code == 409 and r.json()["detail"] == 'an earlier version, which contacts are still in, of the journey "walk" uses this template'
    lazo.api("DELETE", f"/v1/contacts/{who}")
    assert lazo.request("DELETE", "/v1/templates/walk-old").status_code == 204
