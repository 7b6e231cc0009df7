"""RFM against published data: the orders of the R package rfm with its two maps of labels, and CDNOW's customers against a computation of our own in exact fractions."""
import collections
import csv
import datetime as dt
import fractions
import io
import itertools
import json

import pytest
from lazo_test import SHARED, Instance

ORDERS, CDNOW = SHARED / "data" / "rfm", SHARED / "data" / "cdnow" / "CDNOW_master.txt"
BINS = 5


# --- our own reading of STANDARDS.md 43 ---------------------------------------------------------------------------------------

def quantiles(values, classes):
    """Type 7, exactly."""
    values, n, found = sorted(values), len(values), []
    for i in range(1, classes):
        at = fractions.Fraction((n - 1) * i, classes)
        low = at.numerator // at.denominator
        found.append(values[low] + (at - low) * (values[min(low + 1, n - 1)] - values[low]))
    return found


def classes_of(values, classes, plus, reverse):
    """{value: class}; a class begins at quantile + plus, else above the quantile."""
    breaks = [q + (plus or 0) for q in quantiles(values, classes)]
    # Thresholds of the package: a value that reaches one is above it, of recency too.
    rank = {v: 1 + sum(v >= b if plus is not None else v > b for b in breaks) for v in set(values)}
    return {v: classes + 1 - c if reverse else c for v, c in rank.items()}


def scores(people, classes=BINS, unit=None):
    """{who: (r, f, m)} of {who: (recency in days, count, minor units)}; unit: of the currency, with integer bins."""
    r = classes_of([p[0] for p in people.values()], classes, None if unit is None else 1, True)
    f = classes_of([p[1] for p in people.values()], classes, None if unit is None else 1, False)
    m = classes_of([p[2] for p in people.values()], classes, unit, False)
    return {who: (r[a], f[b], m[c]) for who, (a, b, c) in people.items()}


def test_of_our_own_reading():
    assert quantiles(range(91), 10)[6] == 63
    assert scores({i: (i, i, i) for i in range(91)}, 10)[63] == (4, 7, 7)


# --- the orders of the R package ----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def orders():
    if not ORDERS.exists():
        pytest.skip(f"{ORDERS} is not there")
    one = Instance(clock="2006-12-31T12:00:00Z").start()
    with open(ORDERS / "rfm_data_orders.csv", newline="") as f:
        rows = [{"contact": {"external_id": r["customer_id"]}, "kind": "order", "amount": r["revenue"], "occurred_at": r["order_date"] + "T12:00:00Z"}
                for r in csv.DictReader(f)]
    one.request("POST", "/v1/interactions", data="".join(json.dumps(r) + "\n" for r in rows), headers={"Content-Type": "application/x-ndjson"}).raise_for_status()
    yield one
    one.stop()


@pytest.mark.parametrize("name,column", [("upstream_test", "segment_test_map"), ("upstream_readme", "segment_readme_map")])
def test_scores_and_labels_of_the_package(orders, name, column):
    meta = json.loads((ORDERS / "meta.json").read_text())
    boxes = [{"label": label, "r": r, "f": f, "m": m} for label, r, f, m in meta["segment_maps"][name]] + [{"label": "Others"}]
    put = orders.api("PUT", f"/v1/rfm/{name}", {"kinds": ["order"], "integer_bins": True, "labels": boxes[:-1]})
    held = lambda b, t: all(b[k][0] <= n <= b[k][1] for k, n in zip("rfm", t))
    first = {t: next((b["label"] for b in boxes[:-1] if held(b, t)), None) for t in itertools.product(range(1, 6), repeat=3)}
    unnamed = [list(t) for t, label in first.items() if label is None]
    assert put["coverage"]["uncovered"] == len(unnamed) and put["coverage"]["unnamed"] == unnamed[:20]
    assert set(put["coverage"]["unreachable"]) == {b["label"] for b in boxes[:-1]} - set(first.values())
    if name == "upstream_test":
        assert put["coverage"]["uncovered"] == 36 and len(put["coverage"]["unreachable"]) == 3, "as is well known"
    orders.api("PUT", f"/v1/rfm/{name}", {"kinds": ["order"], "integer_bins": True, "labels": boxes})
    orders.settle(180)
    ids = {c["id"]: c["external_id"] for c in orders.items("/v1/contacts")}
    seen = {ids[s["contact"]]: s for s in orders.items(f"/v1/rfm/{name}/scores")}
    with open(ORDERS / "expected_orders_20061231.csv", newline="") as f:
        expected = {r["customer_id"]: r for r in csv.DictReader(f)}
    assert len(seen) == len(expected) == meta["published_checks"]["customers"]
    wrong = [(who, seen[who], row) for who, row in expected.items()
             if (seen[who]["score"], seen[who]["frequency"], seen[who]["monetary"], seen[who]["label"])
             != (int(row["rfm_score"]), int(row["transaction_count"]), row["amount"] + ".00", row[column])]
    assert not wrong, wrong[:3]
    assert sum(s["frequency"] for s in seen.values()) == meta["published_checks"]["sum transaction_count orders"]
    breaks = orders.get(f"/v1/rfm/{name}/breaks")
    assert [[float(b) for b in breaks[k]] for k in ("recency", "frequency", "monetary")] == meta["orders_thresholds"]


# --- CDNOW --------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def purchases():
    """[(customer, day, cents)]"""
    if not CDNOW.exists():
        pytest.skip(f"{CDNOW} is not there")
    found = []
    for line in CDNOW.read_text().split("\n")[1:]:
        if line.strip():
            who, day, _, dollars = line.split()
            found.append((who, dt.date(int(day[:4]), int(day[4:6]), int(day[6:])), round(fractions.Fraction(dollars) * 100)))
    return found


@pytest.fixture(scope="module")
def customers(purchases):
    today = max(day for _, day, _ in purchases)
    people = collections.defaultdict(list)
    for who, day, cents in purchases:
        people[who].append((day, cents))
    return today, {who: ((today - max(d for d, _ in g)).days, len(g), sum(c for _, c in g)) for who, g in people.items()}


def test_cdnow_in_an_instance(purchases, customers):
    today, people = customers
    one = Instance(clock=f"{today}T20:00:00Z").start()
    try:
        one.api("PATCH", "/v1/organisation", {"time_zone": "Etc/UTC"})
        rows = ({"contact": {"external_id": who}, "kind": "purchase", "amount": f"{cents // 100}.{cents % 100:02}", "occurred_at": f"{day}T12:00:00Z"}
                for who, day, cents in purchases)
        answer = one.request("POST", "/v1/interactions", data="".join(json.dumps(r) + "\n" for r in rows), headers={"Content-Type": "application/x-ndjson"}, timeout=300)
        answer.raise_for_status()
        one.api("PUT", "/v1/rfm/plain", {"kinds": ["purchase"]})
        one.api("PUT", "/v1/rfm/bins", {"kinds": ["purchase"], "integer_bins": True})
        one.api("PUT", "/v1/rfm/ten", {"kinds": ["purchase"], "classes": 10})
        one.settle(300)
        ids = {c["id"]: c["external_id"] for c in one.items("/v1/contacts")}
        for name, expected in (("plain", scores(people)), ("bins", scores(people, BINS, 100)), ("ten", scores(people, 10))):
            seen = {ids[s["contact"]]: s for s in one.items(f"/v1/rfm/{name}/scores")}
            assert len(seen) == len(people) == 23570
            wrong = [(who, people[who], expected[who], s) for who, s in seen.items() if (s["r"], s["f"], s["m"]) != expected[who]]
            assert not wrong, (name, len(wrong), wrong[:3])
    finally:
        one.stop()


def test_cdnow_by_lazoctl(purchases, customers, tmp_path):
    today, people = customers
    with open(tmp_path / "cdnow.csv", "w") as f:
        f.write("contact,date,amount\n" + "".join(f"{who},{day},{cents // 100}.{cents % 100:02}\n" for who, day, cents in purchases))
    command = Instance()
    try:
        for text, expected in (("classes: 5\n", scores(people)), ("classes: 5\ninteger_bins: true\n", scores(people, BINS, 100)), ("classes: 10\n", scores(people, 10))):
            (tmp_path / "model.yaml").write_text(text)
            said = command.ctl("rfm", "score", tmp_path / "cdnow.csv", "--model", tmp_path / "model.yaml", "--date", today).stdout
            seen = {r["contact"]: (int(r["r"]), int(r["f"]), int(r["m"])) for r in csv.DictReader(io.StringIO(said))}
            assert seen == expected, text
    finally:
        command.remove()
