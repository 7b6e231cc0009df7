"""The functions that follow a window through time, against the oracle: each step is a change, and between two steps there is none.

LAZO_SEED repeats a run, LAZO_ROUNDS makes it longer."""
import datetime as dt
import random

import oracle
import pytest
from test_rules import ROUNDS, SEED, app  # noqa: F401 (fixture)
from worlds import ZONES, World

MICROSECOND = dt.timedelta(microseconds=1)
LENGTHS = [(1, "month"), (2, "month"), (3, "month"), (11, "month"), (12, "month"), (1, "year"), (2, "year")]
FAR = dt.timedelta(days=1500)


@pytest.fixture(autouse=True)
def of_no_organisation(app):
    app.execute("SET lazo.org = '0'")


def ask(app, call, *args):
    app.execute("SELECT * FROM " + call, args)
    return app.fetchall()


def between(rnd, start, end):
    """Instants from `start` to just before `end`: the quarters of an hour of its first and last two days, and random ones."""
    quarter = dt.timedelta(minutes=15)
    for n in range(1, 4 * 24 * 2):
        yield start + n * quarter
        yield end - n * quarter
    for _ in range(50):
        yield start + rnd.random() * (end - start)
    yield end - MICROSECOND


@pytest.mark.parametrize("round", range(ROUNDS))
def test_the_bound_is_known_to_the_microsecond(app, round):
    """Near a change of the clocks and where months are shorter, too; forwards (in next) as well."""
    print("LAZO_SEED=%d" % SEED)
    rnd = random.Random(SEED + round)
    for _ in range(40):
        world = World(rnd, 0)
        n, unit = rnd.choice(LENGTHS)
        sign = rnd.choice([-1, -1, -1, 1])
        bound = lambda t: oracle.shift(t, sign, n, unit, world.tz)
        now = world.now
        v = bound(now + rnd.choice([0, 1, -1, 1, rnd.randint(-3, 40), rnd.randint(0, 400)]) * dt.timedelta(days=rnd.random() * rnd.choice([0, 1, 1]) + rnd.randint(0, 1)))
        v += rnd.choice([0, 0, 1, -1]) * rnd.choice([MICROSECOND, dt.timedelta(minutes=30), dt.timedelta(hours=7)])
        flip = ask(app, "calendar_flip(%s, %s, %s::interval, %s, %s)", v, bound(now), "%d %ss" % (-sign * n, unit), world.tz, now)[0][0]
        told = "seed %d: %s, %s %d %s: %s of %s is said to change at %s" % (SEED, world.tz, "now plus" if sign > 0 else "now less", n, unit, now, v, flip)
        passed = bound(now) >= v
        assert flip is None or (flip > now and (bound(flip) >= v) != passed), told
        assert flip or passed, told
        for t in between(rnd, now, flip or now + dt.timedelta(days=40)):
            if now <= t and (flip is None or t < flip):
                assert (bound(t) >= v) == passed, "%s, but at %s" % (told, t)


def asked_of(window):
    """A window of the language as window_steps() takes it: sort, length, whether on the calendar."""
    if window[0] in ("in last", "before ago"):
        return {"in last": "last", "before ago": "before"}[window[0]], "%d %ss" % ((window[1] * {"day": 24, "week": 168}.get(window[2], 1)),
                                                                                 {"day": "hour", "week": "hour"}.get(window[2], window[2])), window[2] in ("month", "year")
    unit = {"today": "day", "yesterday": "day"}.get(window[0], window[-1])
    return ("this " if window[0] in ("today", "this") else "previous ") + unit, "3 months" if unit == "quarter" else "1 " + unit, True


@pytest.mark.parametrize("round", range(ROUNDS))
def test_what_stands_in_a_window_as_time_passes(app, round):
    print("LAZO_SEED=%d" % SEED)
    rnd = random.Random(SEED + 100 + round)
    for _ in range(40):
        world = World(rnd, 0)
        window = world.window(True)
        while window[0] not in ("in last", "before ago", "today", "yesterday", "this", "previous"):
            window = world.window(True)
        sort, length, calendar = asked_of(window)
        times = sorted((world.near(world.now) for _ in range(rnd.choice([0, 1, 2, 6]))), reverse=True)
        zone = world.tz if calendar else None
        steps = ask(app, "window_steps(%s, %s::interval, %s, NULL, NULL, %s::timestamptz[], %s, NULL)", sort, length, zone, times, world.now)
        assert ask(app, "window_steps(%s, %s::interval, %s, NULL, NULL, %s::timestamptz[], %s, 2)", sort, length, zone, times, world.now) == steps[:2]
        told = "seed %d, %s, now %s, %s of %s: " % (SEED, world.tz, world.now, window, list(map(str, times)))
        assert steps[0][0] == world.now, told
        for (at, until, newest, oldest), following in zip(steps, steps[1:] + [None]):
            assert following is None or following[0] == until > at, told
            for t in between(rnd, at, until if following else at + FAR):
                if at <= t and (following is None or t < until):
                    stand = [v for v in times if v <= t and oracle.in_window(window, v, t, world.tz)]
                    assert times[newest - 1:oldest] == stand, told + "at %s stand %s, not %d to %d" % (t, stand, newest, oldest)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_ranks(app, round):
    """What hangs on the n-th newest, while some are still to come."""
    print("LAZO_SEED=%d" % SEED)
    rnd = random.Random(SEED + 200 + round)
    for _ in range(20):
        world = World(rnd, 0)
        times = [world.near(world.now) for _ in range(rnd.choice([1, 2, 6]))]
        asked = [(rnd.randint(1, 3), *world.duration()) for _ in range(8)]
        lengths = [asked_of(("in last", n, unit))[1] for _, n, unit in asked]
        flips = ask(app, "rank_flips(%s::timestamptz[], %s, %s::interval[], %s, %s)", rnd.sample(times, len(times)) + [None], [a[0] for a in asked], lengths, world.tz, world.now)[0][0]
        for (rank, *length), flip in zip(asked, flips):
            answer = lambda t: sum(v <= t and oracle.in_window(("in last", *length), v, t, world.tz) for v in times) >= rank
            told = "seed %d, %s, now %s, %d in last %s of %s: changes at %s" % (SEED, world.tz, world.now, rank, length, list(map(str, times)), flip)
            assert flip is None or answer(flip) != answer(world.now), told
            for t in between(rnd, world.now, flip or world.now + FAR):
                if world.now <= t and (flip is None or t < flip):
                    assert answer(t) == answer(world.now), "%s, but at %s" % (told, t)


def test_zones(app):
    """Those of the worlds are known here and there."""
    for name in ZONES:
        assert ask(app, "calendar_search('2026-01-10Z', '1 month', %s, '2026-01-20Z')", name)[0][0]
