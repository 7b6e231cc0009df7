"""The published cohort of 11,104 first-time givers: who gave in k of the six years after, the last time in the jth, counted by rules.

The matrix (Fader, Hardie and Shang, 2010) is /work/shared's; without it the test is skipped, and says so. Each giver is built from their cell: the last year and
k - 1 of the years before it, chosen by lot, with one gift or more in each."""
import csv
import datetime as dt
import itertools
import os
import pathlib
import random

import pytest
from test_rules import SEED, app, array, compiled, run, world_of, writer  # noqa: F401 (fixtures)

MATRIX = pathlib.Path(os.environ.get("LAZO_SHARED") or pathlib.Path(__file__).resolve().parents[3] / "shared") / "data/donations/donations_rf_matrix.csv"
NOW = dt.datetime(2002, 1, 1, 12, tzinfo=dt.timezone.utc)
YEARS = range(1, 7)

pytestmark = pytest.mark.skipif(not MATRIX.exists(), reason=f"{MATRIX} is not there")


def cells():
    with open(MATRIX, encoding="utf-8") as lines:
        return {(int(row["x"]), int(row["t.x"])): int(row["custs"]) for row in csv.DictReader(lines)}


def gave(year):
    return f"any(donation between {1995 + year}-01-01 and {1995 + year}-12-31)"


def rule_of(k, last):
    """Gave in the last year, never after it, and in exactly k - 1 of the years before."""
    never = [f"not {gave(y)}" for y in YEARS if y > last]
    if k == 0:
        return " and ".join(never)
    before = range(1, last)
    ways = [" and ".join([gave(y) if y in chosen else f"not {gave(y)}" for y in before] or ["true"]) for chosen in itertools.combinations(before, k - 1)]
    return " and ".join([gave(last)] + never + ["(" + " or ".join(f"({w})" for w in ways) + ")"])


def gifts(rnd, contact, k, last):
    """(contact, instant): one or more in 1995, in the last year and in k - 1 of the others."""
    for year in [0] + rnd.sample(range(1, max(last, 1)), max(k - 1, 0)) + [last] * (k > 0):
        for _ in range(rnd.choice([1, 1, 1, 2, 5])):
            # In Madrid a year begins on 31 December at 23:00 UTC.
            start = dt.datetime(1994 + year, 12, 31, 23, tzinfo=dt.timezone.utc)
            yield contact, start + dt.timedelta(seconds=rnd.choice([0, rnd.randrange(365 * 86400), 365 * 86400 - 1]))


def test_each_cell_counts_as_published(compiler, writer, app):
    print("LAZO_SEED=%d" % SEED)
    published, rnd = cells(), random.Random(SEED)
    assert sum(published.values()) == 11104
    world = world_of(SEED, writer, app, 0)
    world.catalogue["time_zone"] = "Europe/Madrid"
    writer.execute("SET lazo.org = %s; SET lazo.writer = 'lazod'", (str(world.org),))
    writer.execute("INSERT INTO contact (org_id, kind, created_at) SELECT %s, 'person', '1995-01-01' FROM generate_series(1, 11104) RETURNING id", (world.org,))
    ids = [row[0] for row in writer.fetchall()]
    rnd.shuffle(ids)
    rows, cell_of, at = [], {}, 0
    for (k, last), n in published.items():
        for contact in ids[at:at + n]:
            cell_of[contact] = (k, last)
            rows += gifts(rnd, contact, k, last)
        at += n
    writer.execute("INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) SELECT %s, c, %s, t FROM unnest(%s::bigint[], %s::timestamptz[]) AS u(c, t)",
                   (world.org, world.catalogue["kinds"]["donation"], array(r[0] for r in rows), [r[1] for r in rows]))
    writer.execute("ANALYZE contact; ANALYZE interaction")
    order = list(published)
    found = run(app, compiled(compiler, world, "some", [rule_of(*cell) for cell in order]), array(ids), NOW)
    assert len(found) == 11104
    for contact, holds, _ in found:
        assert [order[n - 1] for n in holds] == [cell_of[contact]], contact
    for cell in rnd.sample(order, 4):
        assert len(run(app, compiled(compiler, world, "search", [rule_of(*cell)]), 0, NOW, 100000)) == published[cell], cell
