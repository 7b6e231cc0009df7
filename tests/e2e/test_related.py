"""Rules about related contacts stay true: what happens to one decides of the other, at once and as time passes."""
import pytest

DAY = "T12:00:00Z"


@pytest.fixture(scope="module")
def people(lazo):
    """A household of two with a company that one of them works for."""
    add = lambda name, **fields: lazo.api("POST", "/v1/contacts", {"external_id": f"related-{name}", "first_name": name, **fields})["id"]
    who = {n: add(n) for n in ("ana", "leo", "eva")}
    who["home"] = add("home", kind="household")
    who["firm"] = add("firm", kind="company")
    yield who
    # Others count what is recorded in this instance.
    for name in ("household-gave", "their-homes", "staff-of-sponsors", "sponsors", "wed", "of-bosses"):
        lazo.request("DELETE", f"/v1/segments/{name}")


def relate(lazo, one, relation, other, **days):
    lazo.api("PUT", f"/v1/contacts/{one}/relations/{relation.replace(' ', '%20')}/{other}", days)


def unrelate(lazo, one, relation, other):
    assert lazo.request("DELETE", f"/v1/contacts/{one}/relations/{relation.replace(' ', '%20')}/{other}").status_code == 204


def members(lazo, people, segment):
    lazo.check()
    names = {v: k for k, v in people.items()}
    return {names.get(m["id"], m["id"]) for m in lazo.items(f"/v1/segments/{segment}/members")}


def test_part_of_a_household_that_gave(lazo, people):
    lazo.api("PUT", "/v1/segments/household-gave", {"kind": "dynamic", "rule": 'related as "same household" where (any(hgift in last 30 days))'})
    in_it = lambda: members(lazo, people, "household-gave")
    assert in_it() == set()
    gift = lazo.api("POST", "/v1/interactions", {"contact": {"id": people["leo"]}, "kind": "hgift", "amount": "10"})["items"][0]["id"]
    assert in_it() == set()
    relate(lazo, people["ana"], "member of household", people["home"])
    assert in_it() == set()
    relate(lazo, people["home"], "has household member", people["leo"])  # she changes by what happens two relations away
    assert in_it() == {"ana"}
    lazo.api("PATCH", f"/v1/contacts/{people['leo']}/interactions/{gift}", {"amount": "12"})
    lazo.record({"id": people["ana"]}, "hgift", amount="5")
    assert in_it() == {"ana", "leo"}
    assert lazo.request("DELETE", f"/v1/contacts/{people['leo']}/interactions/{gift}").status_code == 204
    assert in_it() == {"leo"}
    moves = [i["kind"] for i in lazo.items(f"/v1/contacts/{people['ana']}/interactions") if i["data"].get("segment") == "household-gave"]
    assert moves == ["segment_left", "segment_entered"]
    explained = lazo.api("POST", "/v1/rules/explain", {"segment": "household-gave", "contact": people["leo"]})
    assert explained["holds"] and explained["changes_at"] and explained["conditions"][0]["value"] == [people["ana"]]
    lazo.advance("31 days")  # time passes for her gift, and he leaves
    assert in_it() == set()


def test_from_segment_to_segment(lazo, people):
    lazo.api("PUT", "/v1/segments/sponsors", {"kind": "dynamic", "rule": "company and sum(sponsoring.amount in last 12 months) >= 100"})
    lazo.api("PUT", "/v1/segments/staff-of-sponsors", {"kind": "dynamic", "rule": 'related as "employee of" where (in segment "sponsors")'})
    lazo.api("PUT", "/v1/segments/their-homes", {"kind": "dynamic", "rule": 'household and related as "has household member" where (in segment "staff-of-sponsors")'})
    relate(lazo, people["leo"], "employee of", people["firm"])
    lazo.record({"id": people["firm"]}, "sponsoring", amount="60")
    assert members(lazo, people, "their-homes") == set()
    lazo.record({"id": people["firm"]}, "sponsoring", amount="60")
    assert members(lazo, people, "their-homes") == {"home"} and members(lazo, people, "staff-of-sponsors") == {"leo"}
    found = lazo.get("/v1/contacts?rule=" + 'external_id = "related-home" and related as "has household member" where (related as "employee of" where (company))')["items"]
    assert [c["id"] for c in found] == [people["home"]]
    lazo.advance("366 days")
    assert members(lazo, people, "their-homes") == set()
    assert lazo.check()["count"] == 0


def test_a_relation_begins_and_ends(lazo, people):
    lazo.api("PUT", "/v1/segments/wed", {"kind": "dynamic", "rule": 'related as "spouse"'})
    today = lazo.now()[:10]
    year = int(today[:4])
    relate(lazo, people["ana"], "spouse", people["eva"], since=f"{year + 1}-03-02", until=f"{year + 1}-05-31")
    assert members(lazo, people, "wed") == set()

    def wed(*names):
        assert members(lazo, people, "wed") == set(names)

    for midnight, before, after in ((f"{year + 1}-03-01T23:00:00Z", (), ("ana", "eva")),  # Madrid is an hour ahead, in May two
                                    (f"{year + 1}-05-31T22:00:00Z", ("ana", "eva"), ())):
        lazo.just_before(midnight, lambda: wed(*before))
        lazo.reach(midnight)
        wed(*after)
    relate(lazo, people["eva"], "spouse", people["ana"])
    assert members(lazo, people, "wed") == {"ana", "eva"}
    unrelate(lazo, people["ana"], "spouse", people["eva"])
    assert members(lazo, people, "wed") == set()


def test_who_goes_takes_it_along(lazo, people):
    boss = lazo.api("POST", "/v1/contacts", {"external_id": "related-boss", "tags": ["vip boss"]})["id"]
    lazo.api("PUT", "/v1/segments/of-bosses", {"kind": "dynamic", "rule": 'related as "child of" where (tag "vip boss")'})
    relate(lazo, people["eva"], "child of", boss)
    assert members(lazo, people, "of-bosses") == {"eva"}
    assert lazo.request("DELETE", f"/v1/contacts/{boss}").status_code == 204
    assert members(lazo, people, "of-bosses") == set()


def test_what_is_refused(lazo):
    check = lambda rule: [e["message"] for e in lazo.api("POST", "/v1/rules/check", {"rule": rule})["errors"]]
    assert check('related as "spuose"') == ['there is no relation "spuose"; did you mean "spouse"?']
    assert check('related as "Spouse" where (city = 1)') == ["city is a text: expected a string in double quotes"]
    deep = 'related as "spouse"'
    for _ in range(2):
        deep = f'related as "sibling" where ({deep})'
    assert check(deep) == []
    assert check(f'related as "sibling" where ({deep})') == ['"related as" stands at most 3 deep']
    lazo.api("PUT", "/v1/segments/rel-a", {"kind": "dynamic", "rule": "person"})
    lazo.api("PUT", "/v1/segments/rel-b", {"kind": "dynamic", "rule": 'related as "spouse" where (in segment "rel-a")'})
    r = lazo.request("PUT", "/v1/segments/rel-a", json={"kind": "dynamic", "rule": 'related as "spouse" where (in segment "rel-b")'})
    assert r.status_code == 422 and "refer to itself" in r.text
    for spelled in ("spouse", "Spouse", "SPOUSE"):
        r = lazo.request("DELETE", f"/v1/relations/{spelled}")
        assert r.status_code == 409 and 'the segment "rel-b"' in r.json()["detail"], r.text
    for name in ("rel-b", "rel-a"):
        assert lazo.request("DELETE", f"/v1/segments/{name}").status_code == 204
    lazo.api("PUT", "/v1/relations/cousin", {})
    assert lazo.request("DELETE", "/v1/relations/cousin").status_code == 204
