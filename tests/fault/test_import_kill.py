"""kill -9 in the middle of an import, of its dry run and of its undoing: each goes on by itself, and in the end everything is there once, or not at all."""
import random

import requests

from lazo_test import eventually

ROWS = 9000
PEOPLE = 1200
KILLS = 3


def text():
    """Rows that are alike many times over: their keys hang on how many came before."""
    lines = ["external_id,nombre,importe,fecha"]
    for i in range(ROWS):
        lines.append(f"k{i % PEOPLE},Nombre {i % PEOPLE},{5 + i % 3},2022-01-{1 + i % 7:02}")
    return "\n".join(lines) + "\n"


def show(lazo, one):
    """The import, also while lazod is starting again."""
    try:
        return lazo.get(f"/v1/imports/{one['id']}")
    except (requests.ConnectionError, requests.Timeout, AssertionError):
        return {}


def call(lazo, one, what):
    def sent():
        try:
            return lazo.api("POST", f"/v1/imports/{one['id']}/{what}")
        except requests.ConnectionError:
            return None
    return eventually(sent, 60, what)


def kill(lazo, name="lazod"):
    pid = lazo.kill(name)
    eventually(lambda: lazo.pid(name) not in (None, pid) and lazo.is_ours(lazo.pid(name)), 60, f"{name} is started again")


def until(lazo, one, what, kills, seed):
    """Waits until the import rests, with so many kills at random moments; its document."""
    rest = random.Random(seed)
    for _ in range(kills):
        threshold = rest.random() * 0.8
        eventually(lambda: (s := show(lazo, one)) and (s["state"] in what or (s["percent"] or 0) >= threshold * 100), 120)
        if show(lazo, one).get("state") not in what:
            kill(lazo)
    return eventually(lambda: (s := show(lazo, one)) and s["state"] in what and s, 180, f"the import is {what}")


def test_kill_an_import(lazo):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    one = lazo.api("POST", "/v1/imports?name=kill.csv", data=text().encode(), headers={"Content-Type": "text/csv"})
    lazo.api("PUT", f"/v1/imports/{one['id']}/mapping", {"kind": "killgift"})
    call(lazo, one, "dry-run")
    would = until(lazo, one, ("ready",), 1, seed)["check"]
    call(lazo, one, "start")
    did = until(lazo, one, ("finished",), KILLS, seed + 1)["report"]
    assert {k: v for k, v in did.items() if k != "sample"} == {k: v for k, v in would.items() if k != "sample"}
    assert (did["rows"], did["recorded"], did["duplicates"], did["created"]) == (ROWS, ROWS, 0, PEOPLE)
    count = "SELECT count(*), sum(amount) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'killgift'"
    assert lazo.sql(count) == [(ROWS, sum(5 + i % 3 for i in range(ROWS)) * 100)]
    call(lazo, one, "undo")
    undone = until(lazo, one, ("undone",), 0, seed + 2)["undone"]
    assert (undone["interactions_removed"], undone["contacts_removed"]) == (ROWS, PEOPLE)
    assert lazo.sql(count) == [(0, None)]
    assert lazo.sql("SELECT count(*) FROM identity WHERE value ^@ 'k' AND import_id = %s", [one["id"]]) == [(0,)]


def test_kill_an_undoing(lazo):
    one = lazo.api("POST", "/v1/imports?name=undo.csv", data=text().encode(), headers={"Content-Type": "text/csv"})
    lazo.api("PUT", f"/v1/imports/{one['id']}/mapping", {"kind": "killgift", "source": "other"})
    call(lazo, one, "start")
    until(lazo, one, ("finished",), 0, 1)
    call(lazo, one, "undo")
    eventually(lambda: (s := show(lazo, one)) and (s["state"] == "undone" or (s["undone"] or {}).get("interactions_removed")), 60)
    kill(lazo)
    undone = until(lazo, one, ("undone",), 0, 2)["undone"]
    assert (undone["interactions_removed"], undone["contacts_removed"]) == (ROWS, PEOPLE)
    assert lazo.sql("SELECT count(*) FROM interaction WHERE import_id = %s", [one["id"]]) == [(0,)]


# A row that gives an external id of nobody to whom a later row says is q; the same in the next block, of another one.
MERGING = ["external_id,email,importe,fecha", "x,p@merging.example,1,2022-01-01", "q,p@merging.example,2,2022-01-02", "x,,4,2022-01-03",
           *(f"fill{i},,1,2022-01-04" for i in range(1000)), "y,r@merging.example,8,2022-01-05", "q,r@merging.example,16,2022-01-06", "y,,32,2022-01-07"]


def test_kill_between_merges_and_rows(lazo):
    """What the rows say of each other is found out again after the merges: as if they were not made."""
    for who in ({"email": "p@merging.example"}, {"external_id": "q"}, {"email": "r@merging.example"}):
        lazo.api("POST", "/v1/contacts", who)
    one = lazo.api("POST", "/v1/imports?name=merging.csv", data="\n".join(MERGING + [""]).encode(), headers={"Content-Type": "text/csv"})
    lazo.api("PUT", f"/v1/imports/{one['id']}/mapping", {"kind": "killgift", "two_contacts": "merge"})
    call(lazo, one, "dry-run")
    would = until(lazo, one, ("ready",), 0, 1)["check"]
    assert (would["refused"], would["merged"], would["recorded"]) == (0, 2, 1006)
    # The first block of rows waits for one lock, those behind it for another.
    lazo.sql("CREATE FUNCTION lazo.gate() RETURNS trigger LANGUAGE plpgsql AS "
             "'BEGIN PERFORM pg_advisory_xact_lock_shared(CASE WHEN EXISTS (SELECT FROM lazo.import WHERE position > 0) THEN 2 ELSE 1 END); RETURN NEW; END'", user="postgres")
    lazo.sql("CREATE TRIGGER gate BEFORE INSERT ON lazo.interaction FOR EACH ROW EXECUTE FUNCTION lazo.gate()", user="postgres")
    gates = lazo.connect("postgres")
    with gates.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1), pg_advisory_lock(2)")
        call(lazo, one, "start")
        eventually(lambda: lazo.sql("SELECT count(*) FROM contact_merge") == [(2,)])
        kill(lazo)
        cursor.execute("SELECT pg_advisory_unlock(1)")
        eventually(lambda: lazo.sql("SELECT position > 0 FROM import") == [(True,)])
        kill(lazo)
        cursor.execute("SELECT pg_advisory_unlock(2)")
    gates.close()
    did = until(lazo, one, ("finished",), 0, 1)["report"]
    assert {k: v for k, v in did.items() if k != "sample"} == {k: v for k, v in would.items() if k != "sample"}
    call(lazo, one, "undo")
    undone = until(lazo, one, ("undone",), 0, 1)["undone"]
    assert (undone["merges_undone"], undone["interactions_removed"]) == (2, 1006)
