"""Compiled rules against the naive oracle, on random rules over random histories with the clock moving.

LAZO_SEED repeats a run, LAZO_ROUNDS makes it longer."""
import datetime as dt
import os
import random

import oracle
import pytest
import worlds

SEED = int(os.environ.get("LAZO_SEED") or random.SystemRandom().randrange(10**9))
ROUNDS = int(os.environ.get("LAZO_ROUNDS") or 4)
RULES = 30


@pytest.fixture(scope="module")
def writer(cluster):
    connection = cluster.connect("postgres")
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


@pytest.fixture(scope="module")
def app(cluster):
    connection = cluster.connect("lazo_app")
    connection.autocommit = True
    cursor = connection.cursor()
    # A session's own zone must not matter.
    cursor.execute("SET search_path = lazo; SET plan_cache_mode = force_generic_plan; SET enable_memoize = off; SET timezone = 'America/St_Johns'")
    yield cursor
    connection.close()


def run(app, answer, *fixed):
    assert "sql" in answer, answer
    args = [*fixed, *answer["params"]]
    app.execute("PREPARE r AS " + answer["sql"].replace("%", "%%") if not args else "PREPARE r AS " + answer["sql"])
    try:
        app.execute("EXECUTE r" + ("(" + ", ".join(["%s"] * len(args)) + ")" if args else ""), args)
        return app.fetchall()
    finally:
        app.execute("DEALLOCATE r")


def array(ids):
    return "{" + ",".join(map(str, ids)) + "}"


def world_of(seed, writer, app, n_contacts):
    rnd = random.Random(seed)
    world = worlds.World(rnd, n_contacts)
    world.store(writer)
    app.execute("SET lazo.org = %s", (str(world.org),))
    return world


def compiled(compiler, world, mode, rules, **more):
    return compiler.ask(mode=mode, rules=rules, catalogue=world.catalogue, **more)


def everybody(compiler, app, world, form, text, now):
    return sorted(row[0] for row in run(app, compiled(compiler, world, form, [text]), now))


def expected(world, c, now, rules):
    return [n for n, rule in enumerate(rules, 1) if oracle.holds(world, c, now, rule)]


def differing(world, c, now, rules, got):
    n = next(iter(set(got) ^ set(expected(world, c, now, rules))))
    return "seed %d, zone %s, leap %s, now %s, contact %s: the SQL says %s of: %s\n%r" % (
        SEED, world.tz, world.leap, now, c, n in got, oracle.text(rules[n - 1]), rules[n - 1])


@pytest.mark.parametrize("round", range(ROUNDS))
def test_agrees_with_the_oracle(compiler, writer, app, round):
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + round, writer, app, 40)
    rules = [world.rule() for _ in range(RULES)]
    texts = [oracle.text(r) for r in rules]
    some, page, span = (compiled(compiler, world, form, texts) for form in ("some", "page", "range"))
    assert "sql" in some, some
    assert compiled(compiler, world, "some", some["texts"])["sql"] == some["sql"]  # the canonical text means the same
    ids = array(c["id"] for c in world.contacts)
    for _ in range(3):
        now = world.now
        rows = {row[0]: row for row in run(app, some, ids, now)}
        for c in world.contacts:
            _, holds, changes_at = rows[c["id"]]
            assert sorted(holds) == expected(world, c, now, rules), differing(world, c, now, rules, holds)
            assert changes_at is None or changes_at > now
        paged = run(app, page, world.contacts[4]["id"], now, 10)
        assert paged == [rows[c["id"]] for c in world.contacts[5:15]]
        # Interactions that are grouped say the same as those that are looked up for each contact, the next change included.
        ranged = sorted(run(app, span, world.contacts[2]["id"], now, world.contacts[35]["id"]))
        assert ranged == [rows[c["id"]] for c in world.contacts[3:36]]
        for n, rule in world.rnd.sample(list(enumerate(rules, 1)), 6):
            found = [row[0] for row in run(app, compiled(compiler, world, "search", [texts[n - 1]]), 0, now, 1000)]
            assert found == [c["id"] for c in world.contacts if n in rows[c["id"]][1]], texts[n - 1]
            for form in ("each", "whole"):
                assert everybody(compiler, app, world, form, texts[n - 1], now) == found, (form, texts[n - 1])
        world.now = world.near(now)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_first_members(compiler, writer, app, round):
    """What a full evaluation writes, of rules that had other members before; and it writes nothing into a segment that was made a fixed one meanwhile."""
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + round, writer, app, 30)
    rnd, now = world.rnd, world.now
    texts = [oracle.text(world.rule()) for _ in range(4)]

    def rows(sql, *args):
        app.execute(sql, args)
        return app.fetchall()

    app.execute("SET lazo.writer = 'lazod'")
    try:
        tags = [rows("INSERT INTO segment (org_id, name, kind, rule, stale, updated_at) VALUES (%s, %s, %s, %s, %s, '2020-01-01') RETURNING id",
                     world.org, "first %d" % n, "fixed" if n == 3 else "dynamic", None if n == 3 else "true", n < 3)[0][0] for n in range(5)]
        ids = [c["id"] for c in world.contacts]
        before = {(rnd.choice(ids), rnd.choice(tags[:4])) for _ in range(40)}
        by_hand = {(rnd.choice(ids), rnd.choice(tags[:4])): rnd.choice(["in", "out"]) for _ in range(10)}
        for contact, segment in before:
            app.execute("INSERT INTO membership VALUES (%s, %s, %s, '2020-01-01')", (world.org, contact, segment))
        for (contact, segment), mode in by_hand.items():
            app.execute("INSERT INTO segment_exception (org_id, contact_id, segment_id, mode, reason, made_by, made_at) VALUES (%s, %s, %s, %s, '', '', '2020-01-01')",
                        (world.org, contact, segment, mode))
        app.execute("DELETE FROM change")
        referred = [(tags[0], tags[4]), (tags[1], tags[2])]  # by one that is fresh, by one that is stale
        some = {row[0]: row[1:] for row in run(app, compiled(compiler, world, "some", texts), array(ids), now)}
        first = compiled(compiler, world, "first", texts, tags=tags[:4], org=world.org, referred=referred)
        said = [run(app, first, *span)[0] for span in ((0, now, ids[9]), (ids[9], now, ids[-1]))]
        wanted = {(c, tags[n - 1]) for c in ids for n in some[c][0] if n < 4 and by_hand.get((c, tags[n - 1])) != "out"}
        wanted |= {key for key, mode in by_hand.items() if mode == "in" and key[1] != tags[3]} | {key for key in before if key[1] == tags[3]}
        assert set(rows("SELECT contact_id, segment_id FROM membership WHERE segment_id = ANY (%s)", tags)) == wanted, (SEED, texts)
        gone, come = before - wanted, wanted - before
        assert set(rows("SELECT contact_id, segment_id FROM membership_past WHERE segment_id = ANY (%s) AND left_at = greatest(%s, entered_at) AND entered_at = '2020-01-01'",
                        tags, now)) == gone
        assert [c for c, _, _ in said] == [10, 20] and sum(m for _, m, _ in said) == len(gone) + len(come)
        assert dict(rows("SELECT contact_id, at FROM wake WHERE part = 7")) == {c: at for c, (_, at) in some.items() if at is not None}
        logged = {c for c, segment in gone | come if segment == tags[0]}
        assert sorted(rows("SELECT contact_id, quiet, what FROM change WHERE sort = 'segment'")) == sorted((c, True, [str(tags[0])]) for c in logged)
        assert rows("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name IN ('segment_entered', 'segment_left')") == [(0,)]
        assert run(app, first, 0, now, ids[-1]) == [(30, 0, 0)]
    finally:
        app.execute("RESET lazo.writer")


def instants(rnd, now, end):
    """Instants from now to just before `end`: random ones, near ones, whole hours and the very last."""
    span = (end - now).total_seconds()
    for _ in range(12):
        yield now + dt.timedelta(seconds=rnd.random() * span)
        yield now + dt.timedelta(seconds=rnd.random() ** 6 * span)
        hour = now.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=rnd.randint(1, max(1, int(span // 3600))))
        yield hour
        yield hour.replace(hour=rnd.randint(0, 23))
    yield end - dt.timedelta(microseconds=1)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_is_never_late(compiler, writer, app, round):
    """Until changes_at the answer stays; followed from change to change, nothing is missed."""
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + 1000 + round, writer, app, 12)
    for _ in range(RULES):
        rule = world.rnd.choice([world.aggregate_rule, world.instant_rule, world.date_rule, world.yearly_rule, world.number_rule, world.related_rule, lambda: world.rule(1)])()
        answer = compiled(compiler, world, "some", [oracle.text(rule)])
        now = world.now
        for _ in range(4):
            rows = run(app, answer, array(c["id"] for c in world.contacts), now)
            soonest = None
            for (contact, holds, changes_at), c in zip(sorted(rows), world.contacts):
                end = changes_at or now + dt.timedelta(days=1000)
                assert end > now
                for t in instants(world.rnd, now, end):
                    if now <= t < end:
                        assert oracle.holds(world, c, t, rule) == bool(holds), "seed %d, zone %s, now %s, changes_at %s but another answer at %s: %s\n%s" % (
                            SEED, world.tz, now, changes_at, t, oracle.text(rule), c)
                if changes_at and (soonest is None or world.rnd.random() < 0.3):
                    soonest = changes_at
            if soonest is None:
                break
            now = soonest


def next_change(app, answer, c, now):
    """As explain has it: the statement is asked where the answer can change, until it is another one."""
    held, looks = None, []
    for _ in range(1000):
        looks.append(now)
        _, holds, changes_at = run(app, answer, array([c["id"]]), now)[0]
        if held is None:
            held = bool(holds)
        if bool(holds) != held:
            return held, now
        if changes_at is None or changes_at.year > 2100:
            return held, None
        now = changes_at
    raise AssertionError("no end of looking at: %s: %s … %s contact %s" % (answer["texts"], looks[:5], looks[-5:], c))


@pytest.mark.parametrize("round", range(ROUNDS))
def test_the_next_change_is_neither_late_nor_early(compiler, writer, app, round):
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + 4000 + round, writer, app, 10)
    for _ in range(RULES):
        rule = world.rnd.choice([world.aggregate_rule, world.instant_rule, world.yearly_rule, world.number_rule, lambda: world.rule(1), lambda: world.rule(2)])()
        answer = compiled(compiler, world, "some", [oracle.text(rule)])
        for c in world.contacts:
            now = world.now
            for _ in range(2):
                held, at = next_change(app, answer, c, now)
                told = "seed %d, zone %s, now %s, next change %s: %s\n%s" % (SEED, world.tz, now, at, oracle.text(rule), c)
                assert oracle.holds(world, c, now, rule) == held, told
                for t in instants(world.rnd, now, at or now + dt.timedelta(days=1000)):
                    if now <= t < (at or t + dt.timedelta(1)):
                        assert oracle.holds(world, c, t, rule) == held, "late, another answer at %s: " % t + told
                if at is None:
                    break
                assert oracle.holds(world, c, at, rule) != held, "early: " + told
                now = at


def moves_by_leap_year(rule):
    """29 February comes and goes from a span of a year, and is looked at on each birthday."""
    return rule[0] in ("birthday", "anniversary") and rule[-1][-1] == "year"


def hangs_on_one_of_several(rule, c):
    """Of several at one instant each is looked at, though only one is the last."""
    if rule[0] != "test" or rule[1][0] != "last":
        return False
    times = [i["at"] for i in c["interactions"] if i["kind"] == rule[1][1]]
    return len(set(times)) < len(times)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_a_condition_knows_its_change_at_once(compiler, writer, app, round):
    """No look is in vain: a contact is woken when the answer changes, and at no other time; wherever interactions lie, whatever the calendar does."""
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + 5000 + round, writer, app, 0)
    for _ in range(15):
        c = world.contact()
        c["created_at"] = min(c["created_at"], world.now)
        world.contacts.append(c)
    world.store(writer)
    app.execute("SET lazo.org = %s", (str(world.org),))
    asked = [world.aggregate_rule] * 3 + [world.instant_rule] * 2 + [world.pair_rule] * 2 + [world.yearly_rule, world.date_rule, world.day_rule]
    for _ in range(2 * RULES):
        rule = world.rnd.choice(asked)()
        if moves_by_leap_year(rule):
            continue
        answer = compiled(compiler, world, "some", [oracle.text(rule)])
        for contact, holds, changes_at in run(app, answer, array(c["id"] for c in world.contacts), world.now):
            c = next(c for c in world.contacts if c["id"] == contact)
            # Samoa had no 30 December 2011: who was there on the 29th is of no yesterday.
            if changes_at and not hangs_on_one_of_several(rule, c) and not (world.tz == "Pacific/Apia" and changes_at.year == 2011):
                assert oracle.holds(world, c, changes_at, rule) != bool(holds), "seed %d, zone %s, now %s, woken in vain at %s: %s\n%s" % (
                    SEED, world.tz, world.now, changes_at, oracle.text(rule), c)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_a_relation_knows_its_change(compiler, writer, app, round):
    """Of one related contact: when the relation begins or ends, or the answer for that one changes."""
    print("LAZO_SEED=%d" % SEED)
    world, found = worlds.World(random.Random(SEED + 7000 + round), 16), {}
    for relation in world.relations:  # to one at most of each kind
        found.setdefault((id(relation[0]), relation[1]), relation)
    world.relations = list(found.values())
    world.store(writer)
    app.execute("SET lazo.org = %s", (str(world.org),))
    for _ in range(RULES):
        name = world.rnd.choice([r[1] for r in world.relations if r[1] != r[2]])
        rule = ("related", name, world.rnd.choice([None, world.aggregate_rule(), world.aggregate_rule(), world.pair_rule()]))
        answer = compiled(compiler, world, "some", [oracle.text(rule)])
        for contact, holds, changes_at in run(app, answer, array(c["id"] for c in world.contacts), world.now):
            c = next(c for c in world.contacts if c["id"] == contact)
            begins = {oracle.day_start(r[4], world.tz) for r in world.relations if r[4]}
            tied = rule[2] and any(hangs_on_one_of_several(rule[2], other) for other in world.contacts)
            if changes_at and not tied and (bool(holds) or rule[2] is None or changes_at not in begins) and not (world.tz == "Pacific/Apia" and changes_at.year == 2011):
                assert oracle.holds(world, c, changes_at, rule) != bool(holds), "seed %d, zone %s, now %s, woken in vain at %s: %s\n%s" % (
                    SEED, world.tz, world.now, changes_at, oracle.text(rule), c)


def test_of_two_at_one_instant_one_is_the_first(compiler, writer, app):
    """They leave a window together: the other one never comes to be the first, nor does the answer for it."""
    world = world_of(SEED, writer, app, 0)
    c = world.contact()
    made = [(-30, {"units": 3}), (-30, None), (-20, None)]
    c["interactions"] = [dict(world.interaction(n + 1), kind="call", at=world.now + dt.timedelta(minutes=at), data=data) for n, (at, data) in enumerate(made)]
    world.contacts.append(c)
    world.store(writer)
    app.execute("SET lazo.org = %s", (str(world.org),))
    for text, flips_in in (("first(call.data.units in last 90 minutes) is known", 60), ("first(call.data.units in last 90 minutes) is unknown", 60),
                           ("last(call.data.units in last 90 minutes) is unknown", None)):
        answer = compiled(compiler, world, "some", [text])
        _, at = next_change(app, answer, c, world.now)
        assert at == (None if flips_in is None else world.now + dt.timedelta(minutes=flips_in)), text


@pytest.mark.parametrize("round", range(ROUNDS))
def test_a_value_s_period_is_known_at_once(compiler, writer, app, round):
    """However far ahead a date lies, nobody looks at it each day until "yesterday" or "this month" is its own."""
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + 6000 + round, writer, app, 12)
    for n in range(RULES):
        window = world.window(False)
        while window[0] not in ("today", "yesterday", "this", "previous"):
            window = world.window(False)
        rule = ("during", ("field", "created_at" if n % 2 else "attr.alta"), window)
        answer = compiled(compiler, world, "some", [oracle.text(rule)])
        now = world.now - dt.timedelta(days=world.rnd.choice([0, 3, 40, 1000]))
        for contact, holds, changes_at in run(app, answer, array(c["id"] for c in world.contacts), now):
            c = next(c for c in world.contacts if c["id"] == contact)
            told = "seed %d, zone %s, now %s, next change %s: %s\n%s" % (SEED, world.tz, now, changes_at, oracle.text(rule), c)
            assert oracle.holds(world, c, now, rule) == bool(holds), told
            # Samoa had no 30 December 2011: who was there on the 29th is of no yesterday.
            if changes_at and not (world.tz == "Pacific/Apia" and changes_at.year == 2011):
                assert oracle.holds(world, c, changes_at, rule) != bool(holds), "in vain: " + told


@pytest.mark.parametrize("round", range(ROUNDS))
def test_relations(compiler, writer, app, round):
    """Rules about related contacts, and about those related to them; alone and among others."""
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + 3000 + round, writer, app, 16)
    rules = [world.related_rule() for _ in range(24)] + [("not", world.related_rule()) for _ in range(4)]
    some = compiled(compiler, world, "some", [oracle.text(r) for r in rules])
    ids = array(c["id"] for c in world.contacts)
    for _ in range(4):
        now = world.now
        rows = {row[0]: row for row in run(app, some, ids, now)}
        for c in world.contacts:
            assert sorted(rows[c["id"]][1]) == expected(world, c, now, rules), differing(world, c, now, rules, rows[c["id"]][1])
        for n, rule in world.rnd.sample(list(enumerate(rules, 1)), 4):
            found = [row[0] for row in run(app, compiled(compiler, world, "search", [oracle.text(rule)]), 0, now, 1000)]
            assert found == [c["id"] for c in world.contacts if n in rows[c["id"]][1]], oracle.text(rule)
            for form in ("each", "whole"):
                assert everybody(compiler, app, world, form, oracle.text(rule), now) == found, (form, oracle.text(rule))
        world.now = world.near(now)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_where_over_interactions(compiler, writer, app, round):
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED + 2000 + round, writer, app, 20)
    pairs = [(c["id"], i) for c in world.contacts for i in c["interactions"]]
    for _ in range(RULES):
        rule = world.where(2)
        rows = run(app, compiled(compiler, world, "where", [oracle.text(rule)]), array(p[0] for p in pairs), array(p[1]["id"] for p in pairs), world.now)
        assert sorted(rows) == sorted((c, i["id"]) for c, i in pairs if oracle.where_holds(world, i, rule)), oracle.text(rule)


EDGES = [  # zone, when the one donation was, the rule, from when to look
    ("Europe/Madrid", "2026-02-28T10:00:00+00:00", ("in last", 1, "month"), "2026-03-20T00:00:00+00:00"),
    ("Europe/Madrid", "2026-01-31T10:00:00+00:00", ("in last", 1, "month"), "2026-02-20T00:00:00+00:00"),
    ("Europe/Madrid", "2024-02-29T23:30:00+00:00", ("before ago", 1, "year"), "2025-02-20T00:00:00+00:00"),
    ("Europe/Madrid", "2025-10-26T00:30:00+00:00", ("in last", 1, "month"), "2025-11-20T00:00:00+00:00"),
    ("Europe/Madrid", "2025-09-26T00:30:00+00:00", ("in last", 1, "month"), "2025-10-20T00:00:00+00:00"),
    ("Europe/Madrid", "2025-03-30T01:20:00+00:00", ("after ago", 12, "month"), "2026-03-20T00:00:00+00:00"),
    ("America/Havana", "2018-11-04T04:30:00+00:00", ("in last", 1, "month"), "2018-11-28T00:00:00+00:00"),
    ("America/Sao_Paulo", "2018-01-18T02:30:00+00:00", ("in last", 1, "month"), "2018-02-12T00:00:00+00:00"),
    ("Pacific/Apia", "2011-11-30T11:00:00+00:00", ("in last", 1, "month"), "2011-12-25T00:00:00+00:00"),
    ("America/Havana", "2018-11-04T04:30:00+00:00", ("today",), "2018-11-03T00:00:00+00:00"),
    ("America/Sao_Paulo", "2018-02-18T02:30:00+00:00", ("yesterday",), "2018-02-17T00:00:00+00:00"),
    ("Pacific/Apia", "2011-12-29T11:00:00+00:00", ("previous", "week"), "2011-12-27T00:00:00+00:00"),
    ("Pacific/Apia", "2011-12-30T09:30:00+00:00", ("yesterday",), "2011-12-28T00:00:00+00:00"),
    ("Pacific/Apia", "2011-12-30T10:30:00+00:00", ("in last", 1, "month"), "2012-01-20T00:00:00+00:00"),
    ("Atlantic/Canary", "2026-03-29T00:30:00+00:00", ("in last", 1, "month"), "2026-04-22T00:00:00+00:00"),
    ("Atlantic/Canary", "2025-10-26T00:30:00+00:00", ("today",), "2025-10-25T00:00:00+00:00"),
    ("Asia/Kathmandu", "2025-12-31T18:14:59.999999+00:00", ("this", "year"), "2025-12-25T00:00:00+00:00"),
    ("Asia/Kathmandu", "2026-01-31T18:15:00+00:00", ("in last", 1, "month"), "2026-02-20T00:00:00+00:00"),
    ("Europe/Madrid", "2024-02-29T23:30:00+00:00", ("in last", 12, "month"), "2025-02-20T00:00:00+00:00"),
    ("Europe/Madrid", "2023-02-28T23:30:00+00:00", ("in last", 1, "year"), "2024-02-20T00:00:00+00:00"),
]


@pytest.mark.parametrize("tz, at, window, start", EDGES)
def test_where_the_calendar_jumps(compiler, writer, app, tz, at, window, start):
    """Looked at again at each changes_at and at no other time, the answer is right in every quarter of an hour of three weeks."""
    world = world_of(1, writer, app, 1)
    c = world.contacts[0]
    at, t = (dt.datetime.fromisoformat(x) for x in (at, start))
    c["interactions"] = [dict(id=1, kind="donation", at=at, amount=1, currency=None, source="", campaign_id=None, data=None)]
    world.tz, c["time_zone"] = tz, None
    world.store(writer)
    app.execute("SET lazo.org = %s", (str(world.org),))
    rule = ("any", "donation", None, window)
    answer = compiled(compiler, world, "some", [oracle.text(rule)])
    end, looks, changes_at = t + dt.timedelta(days=21), 0, t
    while t < end:
        while changes_at and changes_at <= t:
            looks += 1
            _, holds, following = run(app, answer, array([c["id"]]), changes_at)[0]
            assert following is None or following > changes_at
            changes_at = following
        assert bool(holds) == oracle.holds(world, c, t, rule), "at %s, next look %s" % (t, changes_at)
        t += dt.timedelta(minutes=15)
    assert looks < 40


def test_expressions_that_pass_the_checker_never_fail_in_the_database(compiler, app, writer):
    """matches: one rule that fails would hold up all of them."""
    print("LAZO_SEED=%d" % SEED)
    world = world_of(SEED, writer, app, 1)
    rnd = random.Random(SEED)
    parts = list("ab[]()*+?{}|^$.-:,129é≠Iİß") + ["\\\\", "[a-z]", "[[:digit:]]", "{2}", "{1,3}", "(a|b)", "[^", "(?", "***", "[=", "[.", "\\\\."]
    passed = 0
    for _ in range(1500):
        pattern = "".join(rnd.choice(parts) for _ in range(rnd.randint(1, 8)))
        answer = compiler.ask(mode="some", rules=['city matches "%s"' % pattern], catalogue=world.catalogue)
        if "sql" in answer:
            passed += 1
            run(app, answer, array([world.contacts[0]["id"]]), world.now)
            app.execute("SELECT 'x' ~ fold(%s)", (pattern.replace("\\\\", "\\"),))
    assert passed > 100
