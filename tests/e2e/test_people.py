"""People: several addresses, of which one is the primary; groups."""
import concurrent.futures
import datetime as dt
import json

from lazo_test import ApiError

import pytest


def refused(lazo, method, path, body=None):
    with pytest.raises(ApiError) as e:
        lazo.api(method, path, body)
    problem = e.value.response.json()
    return e.value.status, [(x.get("pointer"), x["detail"]) for x in problem.get("errors", [])] or problem["detail"]


def emails(contact):
    return [(e["email"], e["label"], e["primary"]) for e in contact["emails"]]


def phones(contact):
    return [(p["phone"], p["label"], p["primary"]) for p in contact["phones"]]


# --- e-mail addresses ------------------------------------------------------------------------------------------------------

def test_several_addresses_one_primary(lazo):
    who = lazo.api("POST", "/v1/contacts", {"emails": ["One@Addresses.example", {"email": "two@ñandú.example", "label": "work", "primary": True}]})
    assert who["email"] == "two@xn--and-6ma2c.example"
    assert emails(who) == [("two@xn--and-6ma2c.example", "work", True), ("one@addresses.example", None, False)]
    path = f"/v1/contacts/{who['id']}"
    # Any of them finds the contact; what is said again changes nothing.
    for known in ({"email": "one@addresses.example"}, {"emails": ["two@ñandú.example"]}, {"email": "new@addresses.example", "emails": ["one@addresses.example"]}):
        assert lazo.api("POST", "/v1/contacts", known)["id"] == who["id"]
    assert lazo.record({"emails": ["one@addresses.example"]}, "visit") == who["id"]
    before = lazo.get(path)
    assert lazo.api("POST", path + "/emails", {"email": "two@ñandú.example", "label": "work", "primary": True}) == before

    now = lazo.api("POST", path + "/emails", {"email": "one@addresses.example", "label": "home", "primary": True})
    assert now["email"] == "one@addresses.example" and now["updated_at"] > before["updated_at"]
    now = lazo.api("PATCH", path, {"emails": [{"email": "three@addresses.example"}, {"email": "new@addresses.example", "primary": True}]})
    assert emails(now) == [("new@addresses.example", None, True), ("one@addresses.example", "home", False),
                           ("three@addresses.example", None, False), ("two@xn--and-6ma2c.example", "work", False)]
    assert lazo.get(path + "/emails") == {"items": now["emails"], "next": None}
    for word in ("one@addresses.example", "three@addresses.example"):
        assert [c["id"] for c in lazo.get(f"/v1/contacts?q={word}")["items"]] == [who["id"]]

    # The primary one goes: the first of the rest is it.
    assert lazo.request("DELETE", path + "/emails/New@addresses.example").status_code == 204
    assert lazo.get(path)["email"] == "one@addresses.example"
    assert lazo.request("DELETE", path + "/emails/new@addresses.example").status_code == 404
    for one in ("one@addresses.example", "three@addresses.example", "two@xn--and-6ma2c.example"):
        assert lazo.request("DELETE", path + "/emails/" + one).status_code == 204
    assert lazo.get(path)["email"] is None and lazo.get(path)["emails"] == []
    # What was let go is free for another.
    assert lazo.api("POST", "/v1/contacts", {"email": "one@addresses.example"})["id"] != who["id"]


def test_an_address_is_one_contacts(lazo):
    a = lazo.api("POST", "/v1/contacts", {"email": "a@mine.example", "emails": ["a2@mine.example"]})["id"]
    b = lazo.api("POST", "/v1/contacts", {"email": "b@mine.example"})["id"]
    anothers = f"belongs to another contact ({a})"
    assert refused(lazo, "POST", f"/v1/contacts/{b}/emails", {"email": "a2@mine.example"}) == (422, [("", anothers)])
    assert refused(lazo, "PATCH", f"/v1/contacts/{b}", {"emails": ["b2@mine.example", "A2@mine.example"]}) == (422, [("/emails/1", anothers)])
    assert refused(lazo, "POST", "/v1/contacts", {"email": "b@mine.example", "emails": ["a2@mine.example"]}) == (422, [("/emails/0", anothers)])
    assert refused(lazo, "PATCH", f"/v1/contacts/{b}", {"email": "a2@mine.example"})[0] == 409
    assert emails(lazo.get(f"/v1/contacts/{b}")) == [("b@mine.example", None, True)]
    # In one request: each item stands for itself where they are lines; the second loses.
    lines = [{"contact": {"external_id": f"mine-{n}", "emails": ["both@mine.example"]}, "kind": "visit"} for n in (1, 2)]
    r = lazo.request("POST", "/v1/interactions", data="\n".join(map(json.dumps, lines)), headers={"Content-Type": "application/x-ndjson"}).json()
    assert r["recorded"] == 1 and [(e["line"], e["pointer"]) for e in r["errors"]] == [(2, "/contact/emails/0")]


def test_what_an_address_may_be(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "may@be.example"})["id"]
    path = f"/v1/contacts/{who}/emails"
    status, errors = refused(lazo, "POST", path, {"email": "no address"})
    assert status == 422 and errors[0][0] == "/email" and "no valid e-mail address" in errors[0][1]
    assert refused(lazo, "POST", path, {"label": "x"}) == (422, [("/email", "this is missing")])
    assert refused(lazo, "POST", path, {"email": "x@be.example", "primary": 1}) == (422, [("/primary", "true or false is expected")])
    assert refused(lazo, "POST", path, {"email": "x@be.example", "lable": "work"}) == (422, [("/lable", "no field has this name")])
    assert refused(lazo, "PATCH", f"/v1/contacts/{who}", {"emails": [7], "phones": ["no"]}) == \
        (422, [("/emails/0", 'an address, or an object with "email", is expected'), ("/phones/0/phone", "a phone number is expected")])
    assert refused(lazo, "PATCH", f"/v1/contacts/{who}", {"emails": "x@be.example"}) == (422, [("/emails", "an array of at most 100 is expected")])
    assert lazo.request("POST", "/v1/contacts/999999999/emails", json={"email": "x@be.example"}).status_code == 404
    assert lazo.request("GET", "/v1/contacts/999999999/emails").status_code == 404


def test_one_address_that_bounces_silences_no_other(lazo, sink):
    lazo.template("people-hi", "Hola", "Hola {{ unsubscribe_url }}")
    who = lazo.api("POST", "/v1/contacts", {"emails": ["dead@bounce.example", "alive@bounce.example"]})["id"]
    lazo.api("POST", "/v1/suppressions", {"email": "dead@bounce.example", "reason": "bounce"})
    lazo.api("POST", "/v1/messages", {"template": "people-hi", "contact": who, "key": "people 1"})
    lazo.settle()
    assert [d["state"] for d in lazo.items("/v1/deliveries") if d["contact"] == who] == ["suppressed"]
    lazo.api("POST", f"/v1/contacts/{who}/emails", {"email": "alive@bounce.example", "primary": True})
    lazo.api("POST", "/v1/messages", {"template": "people-hi", "contact": who, "key": "people 2"})
    sink.wait("alive@bounce.example")
    file = lazo.get(f"/v1/contacts/{who}/file")
    assert [s["email"] for s in file["suppressions"]] == ["dead@bounce.example"] and len(file["contact"]["emails"]) == 2


# --- phones ----------------------------------------------------------------------------------------------------------------

def test_phones(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "phones@people.example", "country": "ES", "phone": "600 11 12 22"})
    path = f"/v1/contacts/{who['id']}"
    assert phones(who) == [("+34600111222", None, True)] and who["phone"] == "+34600111222"
    before = lazo.get(path)["updated_at"]
    assert lazo.api("PATCH", path, {"phone": "600-111-222"})["updated_at"] == before
    now = lazo.api("PATCH", path, {"phones": ["91 123 45 67", {"phone": "+33 6 12 34 56 78", "label": "work"}]})
    assert now["phone"] == "+34600111222" and sorted(phones(now)[1:]) == [("+33612345678", "work", False), ("+34911234567", None, False)]
    now = lazo.api("POST", path + "/phones", {"phone": "0034 911 234 567", "label": "home", "primary": True})
    assert phones(now)[0] == ("+34911234567", "home", True) and len(now["phones"]) == 3
    assert lazo.get(path + "/phones")["items"] == now["phones"]
    assert lazo.api("POST", path + "/phones", {"phone": "911234567"}) == now  # nothing new
    assert lazo.request("DELETE", path + "/phones/911%20234%20567").status_code == 204
    assert lazo.get(path)["phone"] == "+34600111222"
    assert lazo.request("DELETE", path + "/phones/911234567").status_code == 404
    # A new primary one joins those that there are; null forgets them all.
    now = lazo.api("PATCH", path, {"phone": "610000001"})
    assert phones(now)[0] == ("+34610000001", None, True) and len(now["phones"]) == 3
    now = lazo.api("PATCH", path, {"phone": None})
    assert now["phone"] is None and now["phones"] == []
    # Several people may share one; a stranger's row takes the form, too.
    other = lazo.api("POST", "/v1/contacts", {"email": "phones2@people.example", "phones": [{"phone": "+34 600 111 222"}]})
    assert other["phone"] == "+34600111222"
    lazo.sql("UPDATE lazo.contact SET phone = '+34 (611) 222-333' WHERE id = %s", [other["id"]], org=1)
    assert phones(lazo.get(f"/v1/contacts/{other['id']}")) == [("+34611222333", None, True), ("+34600111222", None, False)]


def test_addresses_leave_with_the_file_and_the_card(lazo):
    who = lazo.api("POST", "/v1/contacts", {"emails": [{"email": "card@people.example", "label": "work"}, "card2@people.example"], "country": "ES",
                                            "phones": [{"phone": "622 000 111", "label": "home"}], "street": "Calle del Olmo 12", "city": "Madrid"})["id"]
    card = lazo.request("GET", f"/v1/contacts/{who}/vcard").text
    for line in ("EMAIL;PREF=1;TYPE=work:card@people.example", "EMAIL:card2@people.example", "TEL;PREF=1;TYPE=home:+34622000111", "ADR:;;Calle del Olmo 12;Madrid;;;ES"):
        assert line in card.splitlines(), card
    file = lazo.get(f"/v1/contacts/{who}/file")["contact"]
    assert file["street"] == "Calle del Olmo 12" and len(file["emails"]) == 2 and len(file["phones"]) == 1
    lazo.api("POST", f"/v1/contacts/{who}/erase", {"reason": "asked"})
    assert lazo.sql("SELECT count(*) FROM lazo.contact_phone WHERE phone = '+34622000111'", user="postgres") == [(0,)]
    status, errors = refused(lazo, "POST", "/v1/contacts", {"email": "card3@people.example", "emails": ["card2@people.example"]})
    assert status == 422 and errors[0][0] == "/emails/0" and "erased" in errors[0][1]


# --- lazoctl ---------------------------------------------------------------------------------------------------------------

def test_lazoctl(lazo, tmp_path):
    for n in ("one", "two"):
        lazo.api("POST", "/v1/contacts", {"email": f"{n}@ctl.example", "first_name": n.title()})
    lazo.ctl("address", "add", "one@ctl.example", "uno@ctl.example", "--label", "work")
    lazo.ctl("address", "primary", "one@ctl.example", "+34 633 000 111")
    lazo.ctl("address", "add", "one@ctl.example", "+34 633 000 222")
    lazo.ctl("address", "remove", "one@ctl.example", "+34 633 000 111")
    shown = lazo.ctl("address", "list", "uno@ctl.example").stdout
    assert "uno@ctl.example" in shown and "work" in shown and "+34633000222" in shown and "+34633000111" not in shown
    assert lazo.ctl("address", "add", "two@ctl.example", "uno@ctl.example", check=False).returncode == 1
    lazo.ctl("relation", "add", "one@ctl.example", "spouse", "two@ctl.example", "--since", "2001-01-01", "--note", "civil")
    listed = lazo.ctl("relation", "list", "two@ctl.example").stdout
    assert "spouse" in listed and "One" in listed and "2001-01-01" in listed and "civil" in listed
    assert "member of household" in lazo.ctl("relation", "kinds").stdout
    lazo.ctl("relation", "remove", "two@ctl.example", "spouse", "one@ctl.example")
    assert "spouse" not in lazo.ctl("relation", "list", "two@ctl.example").stdout
    lazo.ctl("group", "add", "Coro del Faro", "two@ctl.example")
    assert "Coro del Faro" in lazo.ctl("group", "list").stdout and "two@ctl.example" in lazo.ctl("group", "members", "coro del faro").stdout
    lazo.ctl("group", "remove", "Coro del Faro", "two@ctl.example")
    assert lazo.ctl("group", "members", "coro del faro", check=False).returncode == 1
    assert lazo.ctl("relation", "add", "x", check=False).returncode == 2
    (tmp_path / "relations.yaml").write_text("mentor of: mentored by\nteammate: teammate\nfellow: {shares: member of}\n")
    said = lazo.ctl("apply", tmp_path).stdout
    assert said.count("created") >= 3, said
    assert "created" not in lazo.ctl("apply", tmp_path).stdout.replace("0 created", "")
    kinds = {r["name"]: (r["inverse"], r["shares"]) for r in lazo.items("/v1/relations")}
    assert (kinds["mentor of"], kinds["mentored by"], kinds["teammate"], kinds["fellow"]) == \
        (("mentored by", None), ("mentor of", None), ("teammate", None), (None, "member of"))
    (tmp_path / "relations.yaml").write_text("mentor of: something else\n")
    refused = lazo.ctl("apply", tmp_path, check=False)
    assert refused.returncode == 1 and "relations.yaml:1:1" in refused.stderr + refused.stdout


# --- groups ----------------------------------------------------------------------------------------------------------------

def test_groups(lazo):
    a, b = (lazo.api("POST", "/v1/contacts", {"email": f"{n}@groups.example"})["id"] for n in "ab")
    lazo.api("PUT", "/v1/segments/in-the-board", {"kind": "dynamic", "rule": 'in group "junta directiva"'})
    now = lazo.api("POST", f"/v1/contacts/{a}/groups", {"groups": ["Junta Directiva", "Voluntarios/as"]})
    assert now["groups"] == ["Junta Directiva", "Voluntarios/as"]
    assert lazo.api("PUT", f"/v1/groups/junta%20directiva/members/{b}")["groups"] == ["junta directiva"]

    def ours():
        return {g["name"]: g["count"] for g in lazo.items("/v1/groups") if g["name"].lower() in ("junta directiva", "voluntarios/as")}

    assert ours() == {"Junta Directiva": 2, "Voluntarios/as": 1}
    assert [m["id"] for m in lazo.items("/v1/groups/JUNTA%20DIRECTIVA/members")] == [a, b]
    lazo.settle()
    assert lazo.count("in-the-board") == 2
    assert lazo.request("DELETE", f"/v1/contacts/{a}/groups/Junta%20directiva").status_code == 204
    assert lazo.request("DELETE", f"/v1/contacts/{a}/groups/Junta%20directiva").status_code == 404
    assert lazo.request("DELETE", f"/v1/groups/Voluntarios%2Fas/members/{a}").status_code == 204
    lazo.settle()
    assert lazo.count("in-the-board") == 1
    assert ours() == {"junta directiva": 1}
    assert lazo.request("GET", "/v1/groups/nobody/members").status_code == 404
    assert lazo.request("PUT", "/v1/groups/x/members/999999999").status_code == 404
    assert refused(lazo, "PUT", f"/v1/groups/{'x' * 101}/members/{a}")[0] == 422
    assert lazo.request("DELETE", "/v1/segments/in-the-board").status_code == 204


# --- relations -------------------------------------------------------------------------------------------------------------

def related(lazo, who, relation=None):
    found = lazo.items(f"/v1/contacts/{who}/relations?limit=1" + (f"&relation={relation}" if relation else ""))
    return [(r["relation"], r["contact"]["id"], r["since"], r["until"], r["note"]) for r in found]


def person(lazo, name, **fields):
    return lazo.api("POST", "/v1/contacts", {"email": f"{name}@relations.example", "first_name": name.title(), **fields})["id"]


def test_relations_have_two_sides(lazo):
    ana, luz, leo = (person(lazo, n) for n in ("ana", "luz", "leo"))
    path = f"/v1/contacts/{ana}/relations/parent%20of/{luz}"
    r = lazo.request("PUT", path, json={"since": "2001-02-03", "note": "adopted"})
    assert r.status_code == 201 and r.json()["changed"]
    assert related(lazo, ana) == [("parent of", luz, "2001-02-03", None, "adopted")]
    assert related(lazo, luz) == [("child of", ana, "2001-02-03", None, "adopted")]
    assert lazo.api("PUT", path, {"since": "2001-02-03", "note": "adopted"})["changed"] is False
    # Said from the other side it is the same relation.
    assert lazo.api("PUT", f"/v1/contacts/{luz}/relations/CHILD%20OF/{ana}", {"until": "2030-01-01"})["changed"]
    assert related(lazo, ana) == [("parent of", luz, None, "2030-01-01", "")]
    lazo.api("PUT", f"/v1/contacts/{ana}/relations/spouse/{leo}", {})
    assert related(lazo, leo) == [("spouse", ana, None, None, "")]
    assert related(lazo, ana, "spouse") == [("spouse", leo, None, None, "")] and len(related(lazo, ana)) == 2
    assert [(r["relation"], r["contact"]) for r in lazo.get(f"/v1/contacts/{ana}/file")["relations"]] == [("parent of", luz), ("spouse", leo)]
    assert lazo.request("DELETE", f"/v1/contacts/{leo}/relations/spouse/{ana}").status_code == 204
    assert lazo.request("DELETE", f"/v1/contacts/{leo}/relations/spouse/{ana}").status_code == 404
    assert related(lazo, ana, "spouse") == [] and related(lazo, leo) == []
    # Who goes takes both sides along; a stranger's row has two, too.
    lazo.sql("INSERT INTO lazo.relation (org_id, contact_id, kind_id, other_id) SELECT 1, %s, id, %s FROM lazo.relation_kind WHERE name = 'sibling'", [luz, leo], org=1)
    assert related(lazo, leo) == [("sibling", luz, None, None, "")]
    lazo.api("POST", f"/v1/contacts/{luz}/erase", {"reason": "asked"})
    assert related(lazo, ana) == related(lazo, leo) == []
    assert lazo.sql("SELECT count(*) FROM lazo.relation WHERE %s IN (contact_id, other_id)", [luz], user="postgres") == [(0,)]


def test_both_sides_at_once(lazo):
    """Two who say the same from either side do not stand in each other's way."""
    pairs = [(person(lazo, f"left{n}"), person(lazo, f"right{n}")) for n in range(3)]

    def say(side):
        codes = set()
        for n in range(40):
            a, b = pairs[n % 3] if side else reversed(pairs[n % 3])
            relation = "parent%20of" if side else "child%20of"
            r = lazo.request("PUT" if n % 4 < 3 else "DELETE", f"/v1/contacts/{a}/relations/{relation}/{b}", json={"note": f"{side} {n}"} if n % 4 < 3 else None)
            codes.add(r.status_code)
        return codes

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = set().union(*pool.map(say, [0, 1, 0, 1]))
    assert codes <= {200, 201, 204, 404}, codes
    for a, b in pairs:
        assert [(r[4], r[1]) for r in related(lazo, a)] == [(r[4], b) for r in related(lazo, b)]


def test_a_company_and_a_household(lazo):
    maker = lazo.api("POST", "/v1/contacts", {"kind": "company", "company_name": "Makers", "email": "office@makers.example"})["id"]
    home = lazo.api("POST", "/v1/contacts", {"kind": "household", "company_name": "Familia Ruiz", "street": "Sol 1", "city": "Lugo", "external_id": "home-1"})
    assert (home["kind"], home["street"]) == ("household", "Sol 1")
    staff = [person(lazo, f"staff{n}") for n in range(3)]
    for n in staff:
        lazo.api("PUT", f"/v1/contacts/{n}/relations/employee%20of/{maker}", {})
        lazo.api("PUT", f"/v1/contacts/{home['id']}/relations/has%20household%20member/{n}", {})
    assert [r[1] for r in related(lazo, maker, "employs")] == staff
    assert sorted(r[:2] for r in related(lazo, staff[0])) == [("employee of", maker), ("member of household", home["id"])]
    card = lazo.request("GET", f"/v1/contacts/{home['id']}/vcard").text
    assert "KIND:group" in card and "FN:Familia Ruiz" in card


def test_which_relations_there_are(lazo):
    usual = {r["name"]: r for r in lazo.items("/v1/relations")}
    assert usual["member of household"]["inverse"] == "has household member" and usual["spouse"]["inverse"] == "spouse"
    assert usual["same household"]["shares"] == "member of household" and usual["same household"]["count"] is None
    assert lazo.request("PUT", "/v1/relations/godparent%20of", json={"inverse": "godchild of"}).status_code == 201
    assert lazo.api("PUT", "/v1/relations/Godparent%20of", {"inverse": "Godchild of"})["changed"] is False
    assert refused(lazo, "PUT", "/v1/relations/godparent%20of", {"inverse": "other"})[0] == 409
    assert refused(lazo, "PUT", "/v1/relations/x", {"inverse": "godchild of"})[0] == 409
    assert lazo.request("PUT", "/v1/relations/neighbour", json={}).status_code == 201
    assert lazo.api("PUT", "/v1/relations/colleague", {"shares": "employee of"})["changed"] is True
    assert lazo.api("PUT", "/v1/relations/colleague", {"shares": "employee of"})["changed"] is False
    assert refused(lazo, "PUT", "/v1/relations/y", {"shares": "colleague"})[0] == 422
    assert refused(lazo, "PUT", "/v1/relations/y", {"shares": "spouse", "inverse": "z"})[0] == 422
    a, b = person(lazo, "kinda"), person(lazo, "kindb")
    path = f"/v1/contacts/{a}/relations"
    assert refused(lazo, "PUT", f"{path}/colleague/{b}", {}) == (422, '"colleague" is read from "employee of"; write that')
    assert refused(lazo, "PUT", f"{path}/cousin/{b}", {}) == (422, 'there is no relation "cousin"')
    assert refused(lazo, "PUT", f"{path}/spouse/{a}", {}) == (422, "nobody is related to themselves")
    assert refused(lazo, "PUT", f"{path}/spouse/999999999", {}) == (422, "there is no contact 999999999 to be related to")
    assert refused(lazo, "PUT", f"/v1/contacts/999999999/relations/spouse/{a}", {})[0] == 404
    assert refused(lazo, "PUT", f"{path}/spouse/{b}", {"since": "2020-13-01"}) == (422, [("/since", "a date like 2026-03-01 is expected")])
    assert refused(lazo, "PUT", f"{path}/spouse/{b}", {"since": "2020-02-01", "until": "2020-01-01"}) == (422, [("/until", 'this day is before "since"')])
    lazo.api("PUT", f"{path}/neighbour/{b}", {})
    assert refused(lazo, "DELETE", "/v1/relations/Neighbour") == (409, "contacts who are so related use this relation")
    lazo.api("PUT", "/v1/relations/pupil%20of", {"inverse": "teacher of"})
    lazo.api("PUT", "/v1/relations/classmate", {"shares": "pupil of"})
    assert refused(lazo, "DELETE", "/v1/relations/Teacher%20of") == (409, 'the relation "classmate" uses this relation')
    assert lazo.request("DELETE", f"{path}/neighbour/{b}").status_code == 204
    assert lazo.request("DELETE", "/v1/relations/neighbour").status_code == 204
    assert lazo.request("DELETE", "/v1/relations/godchild%20of").status_code == 204
    told = [(e["action"], e["name"]) for e in lazo.items("/v1/audit?what=relation") if "god" in e["name"]]
    assert sorted(told) == [("created", "godchild of"), ("created", "godparent of"), ("deleted", "godchild of"), ("deleted", "godparent of")]
    assert not {"godparent of", "neighbour"} & {r["name"] for r in lazo.items("/v1/relations")}
    assert lazo.request("GET", f"{path}?after=x").status_code == 400


def test_what_nobody_can_have(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "odd@people.example"})["id"]
    tomorrow = (dt.datetime.fromisoformat(lazo.now().replace("Z", "+00:00")) + dt.timedelta(days=3)).date()
    for said, pointer, detail in (({"birth_date": tomorrow.isoformat()}, "/birth_date", "of the past"), 
                                  ({"phones": [{"phone": "600111222", "primary": True}, "no"]}, "/phones/1/phone", "phone number"),
                                  ({"emails": [{"email": f"odd{n}@people.example", "primary": True} for n in (1, 2)]}, "/emails/1/primary", "only one")):
        r = lazo.request("PATCH", f"/v1/contacts/{who}", json=said)
        assert (r.status_code, [e["pointer"] for e in r.json()["errors"]]) == (422, [pointer]) and detail in r.json()["errors"][0]["detail"], (said, r.text)
    lazo.api("PATCH", f"/v1/contacts/{who}", {"phone": None, "birth_date": lazo.now()[:10]})
