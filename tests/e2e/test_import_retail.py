"""Online Retail (UCI): a shop's year of invoices, refunds among them, by the settings of an import alone. LAZO_RETAIL_ROWS rows of it, or "all" 541,909;
each count and each sum is recomputed from the file."""
import collections
import csv
import decimal
import gzip
import io
import os

import pytest

from lazo_test import SHARED, eventually

FILE = SHARED / "data" / "online-retail" / "online_retail.csv.gz"
ROWS = os.environ.get("LAZO_RETAIL_ROWS", "8000")
PIECE = 4 << 20
MAPPING = {
    "what": "interactions", "kind": "purchase", "source": "shop", "dates": "yyyy-mm-dd", "decimal": ".", "time_zone": "Europe/London",
    "columns": {"InvoiceNo": "data.invoice", "StockCode": "data.item", "Description": "data.description", "Quantity": "data.quantity",
                "InvoiceDate": "occurred_at", "UnitPrice": "data.price", "CustomerID": "external_id", "Country": "data.country"},
    "amount_of": ["Quantity", "UnitPrice"], "refunds": {"kind": "returned", "otherwise": "return", "same": ["StockCode", "Quantity"]},
    "without_contact": "skip",
}

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there; LAZO_SHARED says where the data are")


@pytest.fixture(scope="module")
def text():
    """The bytes of the file, or of its first rows."""
    with gzip.open(FILE, "rb") as f:
        return f.read() if ROWS == "all" else b"".join(line for _, line in zip(range(int(ROWS) + 1), f))


def cents(row):
    """Quantity times price, halves of a cent away from zero."""
    return int((decimal.Decimal(row["Quantity"]) * decimal.Decimal(row["UnitPrice"])).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP) * 100)


def expected(text):
    """What the rows are: how many of each kind, and what each customer spent; by another reading of the rule."""
    kinds, spent, nobody = collections.Counter(), collections.Counter(), 0
    open_purchases = collections.defaultdict(list)  # (customer, item, quantity) → what is left of each
    taken = 0
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8"))))
    for row in rows:
        who, amount = row["CustomerID"].strip(), cents(row)
        if not who:
            nobody += 1
            continue
        spent[who] += amount
        same = who, row["StockCode"].strip(), row["Quantity"].strip().removeprefix("-")
        if amount >= 0:
            kinds["purchase"] += 1
            if amount > 0:
                open_purchases[same].append(amount)
            continue
        lefts = open_purchases[same]
        at = next((i for i in range(len(lefts) - 1, -1, -1) if lefts[i] >= -amount), None)
        if at is None:
            kinds["return"] += 1
        else:
            lefts[at] += amount
            taken += amount
            kinds["returned"] += 1
    return rows, kinds, spent, nobody, taken


def upload(lazo, text):
    one = None
    for at in range(0, len(text), PIECE):
        path = f"/v1/imports?name=online_retail.csv&size={len(text)}" if one is None else f"/v1/imports/{one['id']}/pieces?offset={at}"
        one = lazo.api("POST", path, data=text[at:at + PIECE], headers={"Content-Type": "text/csv"}, timeout=120)
    return one


def wait(lazo, one, state):
    def there():
        seen = lazo.get(f"/v1/imports/{one['id']}")
        assert seen["state"] != "failed", seen
        return seen if seen["state"] == state else None
    return eventually(there, 1800, f"the import is {state}", every=0.2)


def test_a_year_of_a_shop(lazo, text):
    rows, kinds, spent, nobody, taken = expected(text)
    one = upload(lazo, text)
    assert one["state"] == "ready" and one["rows"] == len(rows)
    assert one["guess"]["settings"]["columns"]["CustomerID"] == "external_id"
    lazo.api("PUT", f"/v1/imports/{one['id']}/mapping", MAPPING)
    lazo.api("POST", f"/v1/imports/{one['id']}/dry-run")
    would = wait(lazo, one, "ready")["check"]
    lazo.api("POST", f"/v1/imports/{one['id']}/start")
    did = wait(lazo, one, "finished")["report"]
    assert {k: v for k, v in would.items() if k != "sample"} == {k: v for k, v in did.items() if k != "sample"}
    assert (did["rows"], did["without_contact"], did["refused"], did["duplicates"]) == (len(rows), nobody, 0, 0)
    assert (did["recorded"], did["amended"], did["created"]) == (sum(kinds.values()), kinds["returned"], len(spent))
    with_import = "FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE i.import_id = %s"
    seen = dict(lazo.sql(f"SELECT k.name, count(*) {with_import} GROUP BY 1", [one["id"]]))
    whole = seen.pop("refunded", 0)  # purchases of which nothing is left
    assert seen["purchase"] + whole == kinds["purchase"]
    assert (seen.get("returned", 0), seen.get("return", 0)) == (kinds["returned"], kinds["return"])
    assert lazo.sql(f"SELECT sum(i.amount_recorded) {with_import} AND k.name = 'returned'", [one["id"]])[0][0] == (taken or None)
    found = dict(lazo.sql("SELECT c.external_id, sum(i.amount)::bigint FROM interaction i JOIN contact c ON c.id = i.contact_id WHERE i.import_id = %s GROUP BY 1",
                          [one["id"]]))
    assert found == dict(spent), "each customer's money, to the cent"
    print(f"{len(rows)} rows: {dict(kinds)}, {whole} refunded wholly, {nobody} of nobody, {sum(spent.values()) / 100:.2f} in all, {taken / 100:.2f} taken back")
    lazo.api("POST", f"/v1/imports/{one['id']}/start")
    again = wait(lazo, one, "finished")["report"]
    assert (again["recorded"], again["duplicates"], again["created"], again["changed"]) == (0, did["recorded"], 0, 0)
    lazo.api("POST", f"/v1/imports/{one['id']}/undo")
    undone = wait(lazo, one, "undone")["undone"]
    assert (undone["interactions_removed"], undone["contacts_removed"]) == (did["recorded"], did["created"])
    assert lazo.sql("SELECT count(*) FROM interaction WHERE import_id = %s", [one["id"]]) == [(0,)]
