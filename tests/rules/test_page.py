"""What a fundraiser says, as lazo-rules(7) writes it: the page's own examples over people whose gifts are known."""
import datetime as dt
import pathlib
import random

import pytest
import worlds
from test_rules import app, array, run, writer  # noqa: F401

PAGE = pathlib.Path(__file__).resolve().parents[2] / "daemon/rules/lazo-rules.7"
NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.timezone.utc)

GIFTS = {  # day, euros
    "monthly": [(f"20{25 + m // 12}-{m % 12 + 1:02}-01", 10) for m in range(6, 18)],
    "last year": [("2025-03-01", 50)],
    "long ago": [("2021-12-31", 50), ("2022-02-01", 5)],
    "both years": [("2025-11-01", 30), ("2026-02-01", 20)],
    "grows": [("2025-01-10", 30), ("2025-12-10", 10), ("2026-01-10", 60)],
    "new": [("2026-06-01", 700)],
    "back": [("2024-01-01", 20), ("2026-06-02", 15)],
    "two months": [("2026-04-20", 10), ("2026-05-20", 10), ("2026-06-10", 5)],
    "never": [],
    "kin": [],
    "house": [],
    "empty house": [],
}
HOUSES = {"house": ["both years", "kin", "never"], "empty house": ["long ago", "never"]}

SAID = {
    "Lapsed: gave before, nothing for a year, known for longer than that": {"last year", "long ago"},
    "Gave last year but not yet this year (LYBUNT)": {"last year"},
    "Gave in some year before the last, and not since (SYBUNT)": {"long ago"},
    "The first gift of all, in the last 30 days": {"new"},
    "The largest gift so far is one of 500 or more": {"new"},
    "The last gift is the largest so far": {"grows", "monthly"},
    "Upgraded: the last gift is above the average": {"grows"},
    "Upgraded: has given more this year than in all of the year before": {"grows"},
    "Gave in each of the last three months: each longer window holds more": {"monthly"},
    "Somebody else of the household gave": {"kin", "never"},
    "Households of which nobody gave this year, to write to them once": {"empty house"},
    "Gave at Christmas, of whatever year, and not yet at this one": {"long ago", "monthly", "grows", "back"},
    "Came back: a gift in the last 30 days after a year without": {"back"},
}


def examples():
    text = PAGE.read_text().split(".Bd -literal\n")[1].split("\n.Ed")[0]
    return dict(one[2:].split("\n", 1) for one in text.split("\n\n"))


@pytest.fixture(scope="module")
def people(writer, app):  # noqa: F811
    world = worlds.World(random.Random(1), 0)
    world.tz, world.now = "Europe/Madrid", NOW
    named = {}
    for name, gifts in GIFTS.items():
        c = named[name] = world.contact()
        c.update(first_name=name, email=None, external_id=None, phone=None, time_zone=None, kind="household" if name in HOUSES else "person",
                 created_at=dt.datetime(2021, 1, 1, tzinfo=dt.timezone.utc) if gifts else NOW, segments=[], score=None)
        c["interactions"] = [dict(id=n, kind="donation", at=dt.datetime.fromisoformat(day + "T10:00:00+00:00"), amount=100 * amount, currency="EUR", source="web",
                                  campaign_id=None, data=None) for n, (day, amount) in enumerate(gifts, 1)]
        world.contacts.append(c)
    world.relations = [(named[who], "member of household", "has household member", named[house], None, None) for house, members in HOUSES.items() for who in members]
    world.store(writer)
    app.execute("SET lazo.org = %s", (str(world.org),))
    return world


@pytest.mark.parametrize("said", SAID)
def test_what_a_fundraiser_says(compiler, app, people, said):  # noqa: F811
    answer = compiler.ask(mode="some", rules=[examples()[said]], catalogue=people.catalogue)
    names = {c["id"]: c["first_name"] for c in people.contacts}
    rows = run(app, answer, array(names), NOW)
    assert {names[contact] for contact, holds, _ in rows if holds} == SAID[said]
