"""What the planner makes of compiled rules as the application's role, with generic plans; and statements of the largest size."""
import datetime as dt

import pytest
from test_rules import app, array, compiled, run, world_of, writer  # noqa: F401 (fixtures)

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)

FILL = """
SET lazo.org = '{org}';
SELECT setval('interaction_id_seq', 100000);
INSERT INTO contact (org_id, first_name, last_name, email, country, city, birth_year, birth_month, birth_day, created_at)
SELECT {org}, 'Ana' || i % 100, 'Perez' || i % 1000, 'ana' || i || '@example.org', 'ES', 'Ciudad ' || i % 5000, 1950 + i % 50, 1 + i % 12, 1 + i % 28, '2020-01-01'
  FROM generate_series(1, 20000) i;
UPDATE contact SET kind = 'company' WHERE id % 500 = 1;
INSERT INTO relation (org_id, contact_id, kind_id, other_id) SELECT {org}, c.id, k.id, c.id + 1 FROM contact c, relation_kind k
 WHERE k.org_id = {org} AND k.name IN ('spouse', 'employee of') AND c.id % 50 = 0 AND c.id < (SELECT max(id) FROM contact) ON CONFLICT DO NOTHING;
INSERT INTO contact_tag (org_id, contact_id, tag) SELECT {org}, id, 'tag ' || id % 500 FROM contact WHERE email LIKE 'ana%@example.org';
INSERT INTO contact_group (org_id, contact_id, name) SELECT {org}, id, 'group ' || id % 500 FROM contact WHERE email LIKE 'ana%@example.org';
INSERT INTO contact_attr (org_id, contact_id, field_id, value_text) SELECT {org}, id, {carnet}, 'C' || id % 500 FROM contact WHERE email LIKE 'ana%@example.org' AND id NOT IN (SELECT contact_id FROM contact_attr);
INSERT INTO rfm_score (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at)
SELECT {org}, id, {model}, '2025-01-01', 1, 1, 1, 1, 1, 'L' || id % 500, '2026-01-01' FROM contact WHERE id NOT IN (SELECT contact_id FROM rfm_score);
SELECT setval('interaction_id_seq', 10000);
INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount, source)
SELECT {org}, id, {donation}, timestamptz '2026-01-01Z' - (j * 7 || ' days')::interval, 1000 * j, 'web' FROM contact, generate_series(1, 5) j;
"""


@pytest.fixture(scope="module")
def world(writer, app):
    one = world_of(5, writer, app, 3)
    writer.execute("SET lazo.writer = 'lazod'")
    field = next(f["id"] for f in one.catalogue["fields"] if f["name"] == "carnet")
    writer.execute(FILL.format(org=one.org, carnet=field, model=one.catalogue["models"]["main"], donation=one.catalogue["kinds"]["donation"]))
    writer.execute("VACUUM ANALYZE")
    return one


def plan(app, answer, *fixed):
    args = [*fixed, *answer["params"]]
    app.execute("PREPARE r AS " + answer["sql"])
    app.execute("EXPLAIN (COSTS off) EXECUTE r(" + ", ".join(["%s"] * len(args)) + ")", args)
    lines = [row[0] for row in app.fetchall()]
    app.execute("DEALLOCATE r")
    return "\n".join(lines)


@pytest.mark.parametrize("rule, index, condition", [
    ('city = "ciudad 7"', "contact_city", "city_fold ="),
    ('city in ("Ciudad 7", "ciudad 8")', "contact_city", "city_fold = ANY"),
    ('last_name = "PEREZ7"', "contact_last_name", "last_name_fold ="),
    ('email = "Ana7@example.org"', "contact_email", "email ="),
    ('email in ("ana7@example.org", "ana8@example.org") and person', "contact_email", "email = ANY"),
    ('tag "TAG 7"', "contact_tag_find", "tag_fold ="),
    ('in group "group 7"', "contact_group_find", "name_fold ="),
    ('attr.carnet = "c7"', "contact_attr_text", "value_fold ="),
    ('related as "spouse"', "relation_", "kind_id ="),
    ('related as "employee of" where (company)', "relation_", "kind_id ="),
    ('rfm.label = "l7" and not company', "rfm_score_label", "label_fold ="),
    ('city = "ciudad 7" and count(donation in last 12 months) > 1', "contact_city", "city_fold ="),
])
def test_a_search_keeps_its_index(compiler, app, world, rule, index, condition):
    answer = compiled(compiler, world, "search", [rule])
    lines = plan(app, answer, 0, NOW, 100).split("\n")
    assert any(index in line and any("Index Cond" in l and condition in l for l in lines[n:n + 3]) for n, line in enumerate(lines)), "\n".join(lines)
    assert run(app, answer, 0, NOW, 100)


def test_interactions_are_read_from_the_covering_index(compiler, app, world):
    rules = ["count(donation in last %d months) >= 2 and sum(donation.amount in last %d days) > 5" % (n, n) for n in range(1, 30)]
    answer = compiled(compiler, world, "some", rules)
    lines = plan(app, answer, "{1}", NOW)
    assert lines.count("interaction_by_kind") == 1 and "Index Only Scan Backward using interaction_by_kind" in lines and "Memoize" not in lines, lines
    lines = plan(app, compiled(compiler, world, "page", rules), 0, NOW, 100)
    assert "Index Only Scan Backward using interaction_by_kind" in lines and "Seq Scan on contact" not in lines, lines


def test_everybody_is_one_reading_of_the_interactions(compiler, app, world):
    rule = "count(donation in last 12 months) >= 2 and sum(donation.amount in last 12 months) > 5"
    answer = compiled(compiler, world, "whole", [rule])
    app.execute("SET plan_cache_mode = force_custom_plan")
    lines = plan(app, answer, NOW)
    app.execute("SET plan_cache_mode = force_generic_plan")
    assert lines.count("on interaction i") == 1 and "FILTER" not in answer["sql"], lines
    assert "Left" not in lines and "Right" not in lines, lines  # begins with those who have interactions


def test_a_hundred_large_rules(compiler, app, world):
    """The most that one call may ask for: each rule at its own limits and all different."""
    rules = []
    for n in range(100):
        parts = ['sum(donation.amount where amount > %d in last %d months) > %d' % (n, 1 + (n * 7 + j) % 500, j) for j in range(30)]
        parts += ['tag "t%d" or city = "c%d" or created_at before %d hours ago' % (n * 100 + j, j, n * 100 + j + 1) for j in range(40)]
        parts.append("age in (%s)" % ", ".join(str(n * 1000 + j) for j in range(100)))
        rules.append(" or ".join(parts))
    answer = compiled(compiler, world, "some", rules)
    rows = run(app, answer, array(c["id"] for c in world.contacts), NOW)
    assert sorted(row[0] for row in rows) == sorted(c["id"] for c in world.contacts)
    some = {row[0]: row for row in run(app, compiled(compiler, world, "some", rules[:3]), array(c["id"] for c in world.contacts), NOW)}
    for contact, holds, _ in rows:
        assert [n for n in sorted(holds) if n <= 3] == sorted(some[contact][1])


def test_the_deepest_rules(compiler, app, world):
    """`and` and `or` in turn, in as many brackets as a rule may have; once it hangs on what is innermost, once on nothing."""
    def deep(condition, inner):
        return (condition + " and (company and person or ") * 61 + inner + ")" * 61

    inner = "any(donation in last 3 days)"
    rules = [deep("not birthday today", inner), deep("birthday today", inner), "not birthday today and " + inner]
    rows = run(app, compiled(compiler, world, "some", rules), array(c["id"] for c in world.contacts), NOW)
    for _, holds, _ in rows:
        assert (1 in holds) == (3 in holds)
    assert len(rows) == len(world.contacts)


def test_one_rule_at_all_its_limits(compiler, app, world):
    """What no statement can be spread over: 99 aggregates and 199 conditions, all different."""
    parts = ['sum(donation.amount where source != "s%d" in last %d months) > %d' % (n, n + 1, n) for n in range(49)]
    parts += ['count(donation where source = "w%d" before %d months ago) = %d' % (n, n + 300, n) for n in range(50)]
    parts.append("age in (%s)" % ", ".join(map(str, range(100))))
    row = run(app, compiled(compiler, world, "some", [" or ".join(parts)]), array(c["id"] for c in world.contacts), NOW)
    assert len(row) == len(world.contacts)


def test_hostile_data(compiler, writer, app, world):
    """Whatever stands in data, no statement fails."""
    c = world.contacts[0]["id"]
    for n, value in enumerate(['9' * 100000, '1e400', '"1e400"', '"NaN"', '"Infinity"', '-1e-400', '[1]', '{"a": 1}', 'null', '"\\u00e1"', '"0x10"', '" 5"', '"5\\n"', '"' + 'x' * 9000 + '"']):
        writer.execute("INSERT INTO interaction (org_id, contact_id, id, kind_id, occurred_at, data) VALUES (%s, %s, %s, %s, '2026-02-01', %s::jsonb)",
                       (world.org, c, 1000 + n, world.catalogue["kinds"]["call"], '{"x": %s}' % value))
    for rule in ["sum(call.data.x) > 1", "max(call.data.x) > 1", "avg(call.data.x) >= 0", "any(call where data.x > 1)", 'any(call where data.x contains "x")', "last(call.data.x) = 5",
                 "any(call where data.x = true)", 'last(call.data.x) in ("a", 5)', "first(call.data.x) = last(call.data.x)", "min(call.data.x) < attr.renta"]:
        run(app, compiled(compiler, world, "some", [rule, "not " + rule]), array([c]), NOW)


def test_impossible_birthdays(compiler, writer, app, world):
    writer.execute("UPDATE contact SET birth_month = 2, birth_day = 31, birth_year = 2200 WHERE id = %s", (world.contacts[1]["id"],))
    rules = ["birthday today", "birthday tomorrow", "birthday in next 1 year", "age > 3", "not age > 3"]
    assert len(run(app, compiled(compiler, world, "some", rules), array([world.contacts[1]["id"]]), NOW)) == 1


def test_names_of_segments_and_cycles(compiler, world):
    catalogue = dict(world.catalogue, segments=[dict(name="a", id=1, rule='in segment "b"'), dict(name="b", id=2, rule="person")])
    answer = compiler.ask(mode="cycle", name="b", rules=['company or in segment "a"'], catalogue=catalogue)
    assert answer["errors"] == ["1:12: the segment would refer to itself: b > a > b"]
    assert compiler.ask(mode="cycle", name="c", rules=['in segment "a"'], catalogue=catalogue)["errors"] == []


def test_a_kind_nobody_used(compiler, app, world):
    answer = compiled(compiler, world, "some", ["any(donatoin)", "not any(donatoin)"])
    assert answer["warnings"][0].startswith('1:1: no interaction of the kind "donatoin"')
    assert run(app, answer, array([world.contacts[0]["id"]]), NOW)[0][1] == [2]
