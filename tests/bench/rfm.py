#!/usr/bin/python3
"""make bench, RFM: scores of everybody, breaks included, against one statement written by hand over the same tables.

Both run as lazod does (row-level security, generic plans off for the one by hand, which is the better for it), in transactions that are rolled back. The one by
hand finds the quantiles and writes the scores of one model that cannot be anything else; ours also finds who waits for a day to pass, writes the change log, and
keeps what is needed to check it all later."""
import os
import pathlib
import re
import shutil
import statistics
import tempfile
import time

import population
import psycopg2
from bench import Instance

CONTACTS = int(os.environ.get("LAZO_BENCH_CONTACTS", "50000"))
TURNS = int(os.environ.get("LAZO_BENCH_TURNS", "3"))
STATEMENTS = pathlib.Path(__file__).resolve().parents[2] / "schema" / "statements" / "rfm.sql"

BY_HAND = """
WITH gifts AS MATERIALIZED (
    SELECT contact_id, max(occurred_at) AS last_at, count(*)::int AS n, sum(amount)::bigint AS total FROM interaction
     WHERE kind_id = {kind} AND occurred_at <= '{now}' GROUP BY contact_id
), given AS MATERIALIZED (
    SELECT contact_id, (last_at AT TIME ZONE '{zone}')::date AS last_on, ('{now}'::timestamptz AT TIME ZONE '{zone}')::date - (last_at AT TIME ZONE '{zone}')::date AS days, n, total
      FROM gifts
), b AS MATERIALIZED (
    SELECT percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY -days) AS r,
           percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY n) AS f,
           percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY total) AS m FROM given
)
INSERT INTO rfm_score (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at)
SELECT 1, contact_id, {model}, last_on, n, total, 1 + width_bucket(-days::float8, b.r), 1 + width_bucket(n::float8, b.f), 1 + width_bucket(total::float8, b.m),
       CASE WHEN width_bucket(-days::float8, b.r) >= 3 THEN 'recent' ELSE 'rest' END, '{now}'
  FROM given, b ORDER BY contact_id
ON CONFLICT (contact_id, model_id) DO UPDATE SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r,
    f = excluded.f, m = excluded.m, label = excluded.label, scored_at = excluded.scored_at
"""


def statement(name):
    text = STATEMENTS.read_text().split(f"-- name: {name}\n")[1].split("-- name:")[0].strip().rstrip(";")
    return re.sub(r"\$(\d+)", lambda m: "{" + m.group(1) + "}", "\n".join(line for line in text.split("\n") if not line.strip().startswith("--")).replace("{", "{{").replace("}", "}}"))


def rolled_back(cursor, sql):
    """Seconds; how many rows."""
    cursor.execute("BEGIN; SET LOCAL lazo.org = '1'; SET LOCAL lazo.writer = 'lazod'")
    started = time.monotonic()
    cursor.execute(sql)
    took = time.monotonic() - started
    cursor.execute("SELECT count(*) FROM rfm_score")
    found = cursor.fetchone()[0]
    cursor.execute("ROLLBACK")
    return took, found


def main():
    folder = tempfile.mkdtemp(prefix="lazo-rfm-")
    os.chmod(folder, 0o755)
    instance = Instance(folder)
    try:
        interactions = population.fill(instance.home, CONTACTS, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        superuser = population.superuser(instance.home)
        ask = superuser.cursor()
        # Made behind lazod's back and fresh: it is scored here alone.
        ask.execute("INSERT INTO rfm_model (org_id, name, kinds, labels, recompute, scored_at, stale, updated_at) VALUES (1, 'bench', '{donation}', "
                    """'[{"label": "recent", "r": [4, 5], "f": [1, 5], "m": [1, 5]}, {"label": "rest", "r": [1, 5], "f": [1, 5], "m": [1, 5]}]', 'never', now(), false, now())"""
                    " RETURNING id, now()::text, (SELECT id FROM kind WHERE name = 'donation'), (SELECT time_zone FROM organisation WHERE id = 1)")
        model, now, kind, zone = ask.fetchone()
        app = psycopg2.connect(host=superuser.info.host, user="lazo_app", dbname="lazo", options="-c search_path=lazo")
        app.autocommit = True
        cursor = app.cursor()
        ours = statement("rfm_score_all").format("", "1", str(model), f"'{now}'", "100", "true")
        hand = BY_HAND.format(now=now, kind=kind, zone=zone, model=model)
        for what in ("first", "again"):  # again: scores are there, as on each day but the first
            mine, theirs = [], []
            for _ in range(TURNS):
                (a, n), (b, m) = rolled_back(cursor, ours), rolled_back(cursor, hand)
                assert n == m > 0, (n, m)
                mine.append(a)
                theirs.append(b)
            a, b = statistics.median(mine) * 1e3, statistics.median(theirs) * 1e3
            print(f"RFM of all, {what}: {n} donors, {CONTACTS} contacts, {interactions} interactions".ljust(70)
                  + f" {a:9.1f} ms  by hand {b:9.1f} ms {a / b:6.2f}  1.10", flush=True)
            cursor.execute("BEGIN; SET LOCAL lazo.org = '1'; SET LOCAL lazo.writer = 'lazod'")
            cursor.execute(ours)
            cursor.execute("DELETE FROM change; COMMIT; BEGIN; COMMIT")
            ask.execute("VACUUM (ANALYZE) rfm_score")
            ask.execute("VACUUM (ANALYZE) wake")
        app.close()
        superuser.close()
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
