"""Rules over rules settle in one step, in order; and only the rules that a change speaks to are asked again."""
import re

import pytest
from lazo_test import Instance, eventually

LINKS = 5


@pytest.fixture(scope="module")
def one():
    one = Instance(clock="2024-03-30T20:00:00Z").start()
    one.api("PUT", "/v1/rfm/main", {"kinds": ["donation"], "scoring": "fixed", "classes": 3,
                                    "breaks": {"recency": [30, 90], "frequency": [2, 5], "monetary": ["10", "100"]},
                                    "labels": [{"label": "best", "r": [3, 3], "m": [3, 3]}]})
    yield one
    one.stop()


def at_rest(one):
    report = one.check()
    assert report["count"] == 0, report


def moves(one, who, prefix):
    """(instant, segment, kind) of each entering and leaving, in their order."""
    found = [i for i in one.items(f"/v1/contacts/{who}/interactions") if i["kind"] in ("segment_entered", "segment_left")]
    found.sort(key=lambda i: i["id"])
    return [(i["occurred_at"], i["data"]["segment"], i["kind"][8:]) for i in found if i["data"]["segment"].startswith(prefix)]


def answers(one):
    return int(re.search(r"^lazo_evaluate_answers_total (\d+)$", one.request("GET", "/metrics").text, re.M)[1])


def chain(one, name, first):
    """Each link hangs on the one before it, every second one the other way round: were a link asked too early, it would enter and leave."""
    one.segment(f"{name}0", first)
    for i in range(1, LINKS):
        word = "not in segment" if i % 2 else "in segment"
        one.segment(f"{name}{i}", f'last_name = "{name}" and {word} "{name}{i - 1}"')
    at_rest(one)


def odd_and_even(name):
    """Who holds where the first link holds, and where it does not: in, out, out, in, in …"""
    held = [True]
    for i in range(1, LINKS):
        held.append(held[-1] if i % 2 == 0 else not held[-1])
    return {f"{name}{i}" for i in range(LINKS) if held[i]}, {f"{name}{i}" for i in range(LINKS) if not held[i]}


def settled_once(one, who, name, before, after, known):
    """Since `known` moves were there: each link moved once, all at one instant, and nothing else did."""
    fresh = moves(one, who, name)[known:]
    assert sorted(m[1:] for m in fresh) == sorted([(s, "left") for s in before - after] + [(s, "entered") for s in after - before])
    assert len({m[0] for m in fresh}) == 1
    return known + len(fresh)


def test_a_chain_flips_in_one_step(one):
    chain(one, "facts", 'last_name = "facts" and count(donation) >= 2')
    on, off = odd_and_even("facts")
    who = one.record({"email": "a@settle.example", "last_name": "facts"}, "donation", amount="5")
    at_rest(one)
    known = settled_once(one, who, "facts", set(), off, 0)
    one.record({"id": who}, "donation", amount="5")
    at_rest(one)
    known = settled_once(one, who, "facts", off, on, known)
    one.sql("DELETE FROM interaction WHERE id = (SELECT max(i.id) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE contact_id = %s AND k.name = 'donation')", (who,))
    at_rest(one)
    settled_once(one, who, "facts", on, off, known)


def test_a_chain_flips_by_time_alone(one):
    chain(one, "time", 'last_name = "time" and any(donation in last 10 days)')
    on, off = odd_and_even("time")
    who = one.record({"email": "t@settle.example", "last_name": "time"}, "donation", amount="5", occurred_at=one.now())
    at_rest(one)
    known = settled_once(one, who, "time", set(), on, 0)
    one.advance("9 days")
    at_rest(one)
    assert len(moves(one, who, "time")) == known
    one.advance("2 days")
    at_rest(one)
    settled_once(one, who, "time", on, off, known)


def test_scores_come_before_the_rules_that_read_them(one):
    chain(one, "score", 'last_name = "score" and rfm.label = "best"')
    on, off = odd_and_even("score")
    who = one.record({"email": "s@settle.example", "last_name": "score"}, "donation", amount="5", occurred_at=one.now())
    at_rest(one)
    known = settled_once(one, who, "score", set(), off, 0)
    one.record({"id": who}, "donation", amount="500", occurred_at=one.now())
    at_rest(one)
    known = settled_once(one, who, "score", off, on, known)
    one.advance("40 days")
    at_rest(one)
    settled_once(one, who, "score", on, off, known)


def test_a_chain_that_was_defined_from_its_end(one):
    """Put a second time the other way round: levels follow the rules, not their age."""
    who = one.record({"email": "r@settle.example", "last_name": "turned"}, "call")
    one.segment("turned0", 'last_name = "turned"')
    one.segment("turned1", 'in segment "turned0" and any(donation)')
    at_rest(one)
    one.segment("turned1", 'last_name = "turned" and any(donation)')
    one.segment("turned0", 'in segment "turned1"')
    at_rest(one)
    known = len(moves(one, who, "turned"))
    one.record({"id": who}, "donation", amount="1")
    at_rest(one)
    settled_once(one, who, "turned", set(), {"turned0", "turned1"}, known)


def test_only_what_a_change_speaks_to_is_asked(one):
    """As many answers as there are rules that read the kind or the field, and those that count any kind."""
    for i in range(7):
        one.segment(f"gifts{i}", f"count(donation in last {i + 1} days) > 1 and city = \"Lugo\"")
    for i in range(3):
        one.segment(f"opened{i}", f"count(email_opened in last {i + 1} days) > 1")
    one.segment("phone", 'phone = "5"')
    who = one.record({"email": "asked@settle.example"}, "call")
    at_rest(one)

    def asked(do):
        before = answers(one)
        do()
        at_rest(one)
        return answers(one) - before

    assert asked(lambda: one.record({"id": who}, "email_opened")) == 3
    assert asked(lambda: one.record({"id": who}, "call")) == 0
    assert asked(lambda: one.record({"id": who}, "donation", amount="1")) >= 7
    assert asked(lambda: one.sql("INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) SELECT 1, %s, id, '2024-01-01' FROM kind WHERE name = 'email_opened'", (who,))) == 3
    lugo = asked(lambda: one.api("PATCH", f"/v1/contacts/{who}", {"city": "Lugo"}))
    assert 7 <= lugo < 3 + 7 + 5 * 3
    assert asked(lambda: one.sql("UPDATE contact SET language = 'ca' WHERE id = %s", (who,))) == 0
    assert asked(lambda: one.sql("UPDATE contact SET city = city WHERE id = %s", (who,))) == 0
    assert asked(lambda: one.sql("UPDATE contact SET city = 'Vigo' WHERE id = %s", (who,))) == lugo


def test_a_label_is_asked_for_by_its_name(one):
    """A tag, group or custom field asks the rules over the kinds of those that speak of it, and nobody else's."""
    one.api("PUT", "/v1/fields/shoes", {"type": "number"})
    one.api("PUT", "/v1/fields/hats", {"type": "number"})
    one.segment("l1", 'any(rare1) and (tag "Settle, x" or in group "g1" or attr.shoes = 1)')
    one.segment("l2", 'any(rare2) and (tag "settle y" or in group "g2" or attr.hats = 1)')
    one.segment("l3", 'any(rare3) and (tag "sóla" or in group "Gós")')
    who = one.record({"email": "label@settle.example"}, "rare1")
    for kind in ("rare2", "rare3"):
        one.record({"id": who}, kind)
    at_rest(one)

    def members():
        return {name for name in ("l1", "l2", "l3") if one.count(name)}

    def patch(**body):
        return lambda: one.api("PATCH", f"/v1/contacts/{who}", body)

    def sql(text):
        return lambda: one.sql(text, (who,))

    def asked(do, n):
        before = answers(one)
        do()
        at_rest(one)
        assert answers(one) - before == n

    asked(patch(tags=["settle z"]), 1)  # "sóla" is no plain ASCII: what folding makes of it the database alone knows, and any tag may be meant
    asked(patch(groups=["g3"]), 1)
    asked(patch(attr={"hats": 2}), 1)
    asked(patch(tags=["SETTLE, X"]), 2)
    assert members() == {"l1"}
    asked(patch(groups=["G2"]), 2)
    assert members() == {"l1", "l2"}
    asked(sql("UPDATE contact_tag SET tag = 'Sola' WHERE contact_id = %s AND tag_fold = 'settle, x'"), 2)
    assert members() == {"l2", "l3"}
    asked(sql("DELETE FROM contact_group WHERE contact_id = %s AND name_fold = 'g2'"), 2)
    assert members() == {"l3"}
    asked(lambda: one.request("DELETE", f"/v1/contacts/{who}/tags/SOLA"), 1)
    assert members() == set()
    asked(sql("INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (1, %s, 'Settle Y')"), 2)
    assert members() == {"l2"}
    asked(lambda: one.api("PATCH", "/v1/tags/settle%20y", {"tag": "settle, x"}), 3)
    assert members() == {"l1"}
    asked(lambda: one.request("DELETE", "/v1/tags/settle%2C%20x"), 2)
    assert members() == set()


def test_definitions_that_strangers_change(one):
    """With psql: the zone, a rule, the name of a kind. What is stored follows, also where it was being evaluated."""
    one.segment("day", "any(sql_seen on 2024-03-15)")
    one.segment("sql ruled", "false")
    who = one.record({"email": "defined@settle.example"}, "sql_seen", occurred_at="2024-03-15T23:30:00Z")  # the 16th in Madrid

    def members():
        at_rest(one)
        return one.count("day"), one.count("sql ruled")

    assert members() == (0, 0)
    one.sql("UPDATE organisation SET time_zone = 'UTC'")
    eventually(lambda: members() == (1, 0))
    one.sql("UPDATE segment SET rule = 'any(sql_seen)' WHERE name = 'sql ruled'")
    eventually(lambda: members() == (1, 1))
    one.sql("UPDATE kind SET name = 'sql_saw' WHERE name = 'sql_seen'")
    eventually(lambda: members() == (0, 0))
    one.sql("UPDATE kind SET name = 'sql_seen' WHERE name = 'sql_saw'")
    eventually(lambda: members() == (1, 1))
    zone = one.api("PATCH", "/v1/organisation", {"time_zone": "Europe/Madrid"})["time_zone"]
    eventually(lambda: members() == (0, 1))
    assert zone == "Europe/Madrid" and who


def test_names_that_differ_in_their_capitals(one):
    one.segment("Twins", 'last_name = "twin"')
    one.segment("twins", 'in segment "Twins" and first_name = "one"')
    for first in ("one", "two"):
        one.record({"email": f"{first}@twins.example", "first_name": first, "last_name": "Twin"}, "call")
    at_rest(one)
    assert (one.count("Twins"), one.count("twins")) == (2, 1)
    refused = one.request("PUT", "/v1/segments/Twins", json={"kind": "dynamic", "rule": 'in segment "twins"'})
    assert refused.status_code == 422 and "Twins > twins > Twins" in refused.text


def test_names_that_come_and_go(one):
    """A name means another thing when there is one that is called exactly so; and again the first when that goes. What named nothing for a while catches up."""
    def who_is_in(name):
        at_rest(one)
        return {m["id"] for m in one.items(f"/v1/segments/{name}/members")}

    ids = [one.record({"email": f"{n}@names.example", "first_name": n, "last_name": "Names"}, "greeting") for n in ("ana", "bea", "eva")]
    ana, bea, eva = ids
    one.segment("Friends", 'last_name = "names" and first_name = "ana"')
    one.segment("of friends", 'in segment "friends"')
    assert who_is_in("of friends") == {ana}
    one.segment("friends", 'last_name = "names" and first_name = "bea"')
    eventually(lambda: who_is_in("of friends") == {bea})
    assert one.request("DELETE", "/v1/segments/friends").status_code == 204
    eventually(lambda: who_is_in("of friends") == {ana})
    # With psql a name may go that a rule has.
    one.sql("UPDATE segment SET name = 'foes' WHERE name = 'Friends'")
    one.api("PATCH", f"/v1/contacts/{eva}", {"first_name": "Ana"})
    eventually(lambda: who_is_in("foes") == {ana, eva} if check_unreadable(one) == ["of friends"] else False)
    one.sql("UPDATE segment SET name = 'friends' WHERE name = 'foes'")
    eventually(lambda: who_is_in("of friends") == {ana, eva})
    # Kinds are made by who records them.
    one.segment("greeted", 'any(Greeting) and last_name = "names"')
    assert who_is_in("greeted") == set(ids)
    one.record({"id": bea}, "Greeting")
    eventually(lambda: who_is_in("greeted") == {bea})
    # The same of a segment with quotes in its name, a topic, a custom field, a relation.
    one.segment('say "hi"', 'first_name = "nobody"')
    one.api("PUT", "/v1/topics/names", {})
    one.api("PUT", "/v1/fields/wage", {"type": "number"})
    one.api("PUT", "/v1/relations/idol of", {"inverse": "fan of"})
    named = {"segment": ('say "hi"', r'in segment "Say \"hi\""'), "topic": ("names", 'subscribed "names"'),
             "field": ("wage", "attr.wage is known"), "relation_kind": ("idol of", 'related as "idol of"')}
    for table, (name, condition) in named.items():
        one.segment(f"names {table}", f'last_name = "names" and not {condition}')
    at_rest(one)
    for table, (name, _) in named.items():
        one.sql(f"UPDATE {table} SET name = 'gone' WHERE name = %s", (name,))
    eventually(lambda: check_unreadable(one) == sorted(f"names {table}" for table in named))
    late = one.record({"email": "late@names.example", "last_name": "Names"}, "call")
    at_rest(one)
    for table, (name, _) in named.items():
        one.sql(f"UPDATE {table} SET name = %s WHERE name = 'gone'", (name,))
    for table in named:
        eventually(lambda: late in who_is_in(f"names {table}"), what=table)


def check_unreadable(one):
    return sorted(one.check()["unreadable"])


def test_a_campaign_that_is_called_otherwise(one):
    """Rules read campaigns by name."""
    one.api("PUT", "/v1/topics/news", {})
    one.template("news")
    one.segment("everybody", "true")
    one.api("PUT", "/v1/campaigns/spring", {"template": "news", "segment": "everybody", "topic": "news"})
    one.segment("of spring", 'any(visit where campaign = "spring")')
    one.segment("of summer", 'any(visit where Campaign = "summer")')
    who = one.record({"email": "campaign@settle.example"}, "visit")
    one.sql("UPDATE interaction SET campaign_id = (SELECT id FROM campaign WHERE name = 'spring') WHERE contact_id = %s", (who,))

    def members():
        at_rest(one)
        return one.count("of spring"), one.count("of summer")

    assert members() == (1, 0)
    one.sql("UPDATE campaign SET name = 'summer' WHERE name = 'spring'")
    eventually(lambda: members() == (0, 1))
    assert one.request("DELETE", "/v1/campaigns/summer").status_code == 204
    eventually(lambda: members() == (0, 0))


def test_a_stranger_fills_a_fixed_segment(one):
    one.api("PUT", "/v1/segments/board of sql", {"kind": "fixed"})
    one.segment("of the board", 'in segment "board of sql"')
    who = one.record({"email": "board@settle.example"}, "call")
    at_rest(one)
    one.sql("INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT 1, %s, id, clock_now() FROM segment WHERE name = 'board of sql'", (who,))
    at_rest(one)
    assert one.count("of the board") == 1
    one.sql("DELETE FROM membership WHERE segment_id = (SELECT id FROM segment WHERE name = 'board of sql')")
    at_rest(one)
    assert one.count("of the board") == 0


def test_a_wake_of_nobody_goes_away(one):
    """What is due for a contact that is no longer there is taken away, and is not looked at for ever."""
    one.sql("INSERT INTO wake (org_id, contact_id, part, at) VALUES (1, 987654321, 5, %s::timestamptz - interval '1 hour')", (one.now(),))
    eventually(lambda: one.sql("SELECT count(*) FROM wake WHERE contact_id = 987654321") == [(0,)], what="it is gone")
    at_rest(one)


def test_a_rule_over_leaving(one):
    """What is entered and left goes into the change log where a rule reads it: a rule that is saved later, too."""
    one.segment("short", 'tag "short"')
    early, late = (one.api("POST", "/v1/contacts", {"email": f"{n}@short.example"})["id"] for n in ("early", "late"))

    def come_and_go(who):
        one.api("POST", f"/v1/contacts/{who}/tags", {"tags": ["short"]})
        at_rest(one)
        one.api("DELETE", f"/v1/contacts/{who}/tags/short")
        at_rest(one)

    come_and_go(early)
    one.segment("gone", 'any(segment_left where data.segment = "short")')
    at_rest(one)
    assert one.members("gone") == {"early@short.example"}
    come_and_go(late)
    assert one.members("gone") == {"early@short.example", "late@short.example"}
    assert [m[1:] for m in moves(one, late, "short") + moves(one, late, "gone")] == [("short", "entered"), ("short", "left"), ("gone", "entered")]


def test_the_first_model_goes(one):
    """rfm.r is the first model's: who reads it so uses it, too; and where a stranger takes it away, the next one is meant."""
    settings = {"kinds": ["gift"], "scoring": "fixed", "classes": 3, "breaks": {"recency": [30, 90], "frequency": [2, 5], "monetary": ["10", "100"]}}
    one.record({"email": "model@settle.example"}, "gift", amount="5")
    one.api("PUT", "/v1/rfm/second", settings)
    one.segment("scored", 'rfm.r >= 1 and email = "model@settle.example"')
    one.segment("second scored", 'rfm.second.r >= 1 and email = "model@settle.example"')
    at_rest(one)
    assert (one.count("scored"), one.count("second scored")) == (0, 1)
    for reads in [s["name"] for s in one.items("/v1/segments") if "rfm.main." in (s["rule"] or "")]:
        one.request("DELETE", f"/v1/segments/{reads}")
    refused = one.request("DELETE", "/v1/rfm/main")
    assert refused.status_code == 409 and 'the segment "scored"' in refused.json()["detail"], refused.text
    one.sql("DELETE FROM rfm_model WHERE name = 'main'")
    eventually(lambda: one.count("scored") == 1)
    at_rest(one)
    one.sql("UPDATE rfm_model SET name = 'other' WHERE name = 'second'")
    eventually(lambda: check_unreadable(one) == ["second scored"])


def test_each_move_says_its_cause(one):
    """What changed that the rule reads, by name; the interaction itself; time where nothing did."""
    one.api("PUT", "/v1/topics/causes", {})
    one.api("PUT", "/v1/fields/rank", {"type": "number"})
    one.api("PUT", "/v1/rfm/causes", {"kinds": ["alms"], "scoring": "fixed", "classes": 3, "breaks": {"recency": [30, 90], "frequency": [2, 5], "monetary": ["10", "100"]}})
    rules = {"alms": "any(alms in last 2 days)", "city": 'city = "ronda" and last_name = "cause"', "rank": "attr.rank > 1", "tag": 'tag "caused"', "group": 'in group "Causas"',
             "topic": 'subscribed "causes"', "chain": 'in segment "cause alms" or in segment "cause city"', "score": "rfm.causes.m = 3", "aunt": 'related as "spouse" where (city = "ronda")',
             "wed": 'related as "spouse"', "twice": 'count(alms) >= 2 and last_name = "cause"', "new": 'last_name = "cause"'}
    for name, rule in rules.items():
        one.segment(f"cause {name}", rule)

    def causes(who):
        at_rest(one)
        found = [i for i in one.items(f"/v1/contacts/{who}/interactions") if i["kind"] in ("segment_entered", "segment_left") and i["data"]["segment"].startswith("cause ")]
        found.sort(key=lambda i: i["id"])
        new, told[who] = found[told.get(who, 0):], len(found)
        return {(i["data"]["segment"][6:], i["kind"][8:], i["data"]["cause"], i["data"].get("interaction")) for i in new}

    told = {}
    given = one.api("POST", "/v1/interactions", {"contact": {"email": "ana@cause.example", "last_name": "Cause"}, "kind": "alms", "amount": "500"})["items"][0]
    who, first = given["contact"], given["id"]
    assert causes(who) == {("alms", "entered", "interaction alms", first), ("chain", "entered", "segment cause alms", None), ("score", "entered", "score causes", None),
                           ("new", "entered", "field last_name", None)}
    # Of several things that changed at once each segment is told its own.
    one.sql("UPDATE contact SET city = 'Ronda' WHERE id = %s; INSERT INTO contact_tag VALUES (1, %s, 'caused'); INSERT INTO contact_group VALUES (1, %s, 'Causas');"
            "INSERT INTO subscription SELECT 1, %s, id, true, '2020-01-01' FROM topic WHERE name = 'causes';"
            "INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) SELECT 1, %s, id, 7 FROM field WHERE name = 'rank'", (who,) * 5)
    eventually(lambda: one.count("cause topic") == 1)
    assert causes(who) == {("city", "entered", "field city", None), ("tag", "entered", "tag caused", None), ("group", "entered", "group causas", None),
                           ("topic", "entered", "topic causes", None), ("rank", "entered", "field attr.rank", None)}
    second = one.api("POST", "/v1/interactions", {"contact": {"id": who}, "kind": "alms", "amount": "1"})["items"][0]["id"]
    assert causes(who) == {("twice", "entered", "interaction alms", second)}
    other = one.record({"email": "bea@cause.example"}, "call")
    at_rest(one)
    one.api("PUT", f"/v1/contacts/{other}/relations/spouse/{who}", {})
    assert causes(other) == {("wed", "entered", "relation", None), ("aunt", "entered", "relation", None)}
    one.api("PATCH", f"/v1/contacts/{who}", {"city": "Cádiz"})
    assert causes(other) == {("aunt", "left", "related contact", None)}
    assert causes(who) == {("wed", "entered", "relation", None), ("city", "left", "field city", None)}
    one.api("PUT", f"/v1/segments/cause rank/exceptions/{who}", {"mode": "out"})
    assert causes(who) == {("rank", "left", "by hand", None)}
    assert one.request("DELETE", f"/v1/segments/cause rank/exceptions/{who}").status_code == 204
    assert causes(who) == {("rank", "entered", "by hand", None)}
    one.advance("3 days")
    assert causes(who) == {("alms", "left", "time", None), ("chain", "left", "segment cause alms", None)}
    assert one.request("DELETE", f"/v1/contacts/{who}/interactions/{second}").status_code < 300
    assert causes(who) == {("twice", "left", "interaction alms", None)}
