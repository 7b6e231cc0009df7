#!/usr/bin/python3
"""make bench, RFM: scores of everybody, breaks included, against statements written by hand over the same tables.

Lazo's is the one that lazod sends, prepared and planned as lazod has it, with row-level security, which binds the peers too. Each stands in a transaction that is
rolled back. The peers are written for one model that cannot be anything else, and planned with its numbers in them:

    bare       finds the breaks and writes the scores that differ, nothing else
    same job   also finds who has no score any more, keeps what scores were, records which labels changed, says in the model what was scored, tells the change log
               where a rule reads the scores, and notes when the passing of days changes a score before all are computed anew

All three leave the same scores, which is asserted each time; the last two the same history, timeline, change log and wakes."""
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

# As lazod's connections have it (daemon/pg/pgpool.c).
OPTIONS = "-c search_path=lazo -c lazo.writer=lazod -c TimeZone=UTC -c jit=off -c enable_memoize=off"

# A class is 1 + how many whole numbers it has reached that are above a break.
SCORED = """
WITH gifts AS MATERIALIZED (
    SELECT contact_id, max(occurred_at) AS last_at, count(*)::int AS n, sum(amount)::bigint AS total FROM interaction
     WHERE kind_id = {kind} AND occurred_at <= {now} GROUP BY contact_id
), given AS MATERIALIZED (
    SELECT contact_id, (last_at AT TIME ZONE '{zone}')::date AS last_on, n, total FROM gifts
), q AS MATERIALIZED (
    SELECT percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY {today} - last_on) AS r,
           percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY n) AS f,
           percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY total) AS m{measured} FROM given
), b AS MATERIALIZED (
    SELECT ARRAY(SELECT floor(round(x::numeric, 6)) + 1 FROM unnest(r) x)::float8[] AS r, ARRAY(SELECT floor(round(x::numeric, 6)) + 1 FROM unnest(f) x)::float8[] AS f,
           ARRAY(SELECT floor(round(x::numeric, 6)) + 1 FROM unnest(m) x)::float8[] AS m FROM q
), kept AS (
    UPDATE rfm_model SET recency_breaks = q.r, frequency_breaks = q.f, monetary_breaks = q.m, scored_at = {now}, stale = false{keeping} FROM q WHERE id = {model}
), scored AS (
    SELECT c.*, CASE WHEN r >= 4 THEN 'recent' ELSE 'rest' END AS label
      FROM (SELECT contact_id, last_on, n, total, 5 - width_bucket(({today} - last_on)::float8, b.r) AS r, 1 + width_bucket(n::float8, b.f) AS f,
                   1 + width_bucket(total::float8, b.m) AS m FROM given, b OFFSET 0) c
    OFFSET 0)"""

WRITTEN = """
INSERT INTO rfm_score AS o (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at, since)
SELECT 1, contact_id, {model}, last_on, n, total, r, f, m, label, {now}, {now} FROM differing ORDER BY contact_id
ON CONFLICT (contact_id, model_id) DO UPDATE SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r,
    f = excluded.f, m = excluded.m, label = excluded.label, scored_at = excluded.scored_at,
    since = CASE WHEN (o.r, o.f, o.m, o.label) IS DISTINCT FROM (excluded.r, excluded.f, excluded.m, excluded.label) THEN excluded.since ELSE o.since END"""

DIFFERS = """s.contact_id IS NULL OR (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM (c.last_on, c.n, c.total, c.r, c.f, c.m, c.label)"""

BARE = SCORED + """, differing AS (
    SELECT c.* FROM scored c LEFT JOIN rfm_score s ON s.contact_id = c.contact_id AND s.model_id = {model} WHERE """ + DIFFERS + ")" + WRITTEN

SAME_JOB = SCORED + """, differing AS MATERIALIZED (
    SELECT c.*, s.contact_id IS NOT NULL AS had, s.last_on AS was_last_on, s.frequency AS was_n, s.monetary AS was_total, s.r AS was_r, s.f AS was_f, s.m AS was_m,
           s.label AS was_label, s.since AS was_since
      FROM scored c LEFT JOIN rfm_score s ON s.contact_id = c.contact_id AND s.model_id = {model} WHERE """ + DIFFERS + """
), written AS (""" + WRITTEN + """
), gone AS (
    DELETE FROM rfm_score s WHERE model_id = {model} AND NOT EXISTS (SELECT FROM gifts g WHERE g.contact_id = s.contact_id) RETURNING *
), past AS (
    INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until)
    SELECT 1, contact_id, {model}, was_last_on, was_n, was_total, was_r, was_f, was_m, was_label, was_since, {now} FROM differing
     WHERE had AND (was_r, was_f, was_m, was_label) IS DISTINCT FROM (r, f, m, label)
    UNION ALL SELECT 1, contact_id, {model}, last_on, frequency, monetary, r, f, m, label, since, {now} FROM gone
), recorded AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT 1, x.contact_id, (SELECT id FROM kind WHERE name = 'label_changed'), {now}, {now}, 'lazo',
           jsonb_build_object('model', 'bench', 'from', x.was_label, 'to', x.label, 'cause', 'schedule')
      FROM (SELECT contact_id, was_label, label FROM differing WHERE was_label IS DISTINCT FROM label UNION ALL SELECT contact_id, label, NULL FROM gone) x
     WHERE NOT {quiet}
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT 1, contact_id, 'score', NULL::int, NULL::bigint, {quiet} FROM (SELECT contact_id FROM differing UNION ALL SELECT contact_id FROM gone) x WHERE {read}
    UNION ALL SELECT 1, contact_id, 'interaction', kind_id, id, false FROM recorded
), woken AS (
    INSERT INTO wake AS w (org_id, contact_id, part, at)
    SELECT 1, x.contact_id, 1, x.at
      FROM (SELECT c.contact_id, ((c.last_on + b.r[6 - c.r]::int)::timestamp AT TIME ZONE '{zone}') AS at FROM scored c, b WHERE NOT {daily} AND c.r > 1) x
      LEFT JOIN wake k ON k.contact_id = x.contact_id AND k.part = 1
     WHERE k.at IS NULL OR k.at > x.at ORDER BY x.contact_id
    ON CONFLICT (contact_id, part) DO UPDATE SET at = least(w.at, excluded.at)
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM recorded)"""

# A number that is another one where something else was written.
SCORES = """SELECT count(*), sum(hashtextextended(concat_ws(',', contact_id, last_on, frequency, monetary, r, f, m, label, since), 0)) FROM rfm_score"""
REST = """SELECT (SELECT sum(hashtextextended(concat_ws(',', contact_id, last_on, frequency, r, f, m, label, until), 0)) FROM rfm_history),
       (SELECT sum(hashtextextended(concat_ws(',', contact_id, data), 0)) FROM interaction WHERE source = 'lazo'),
       (SELECT sum(hashtextextended(concat_ws(',', contact_id, sort, quiet), 0)) FROM change), (SELECT sum(hashtextextended(concat_ws(',', contact_id, part, at), 0)) FROM wake),
       population, fingerprint,
       (SELECT array_agg(round(x::numeric, 6)) FROM unnest(recency_breaks || frequency_breaks || monetary_breaks) x) FROM rfm_model WHERE name = 'bench'"""


def statement(name):
    text = STATEMENTS.read_text().split(f"-- name: {name}\n")[1].split("-- name:")[0].strip().rstrip(";")
    return "\n".join(line for line in text.split("\n") if not line.strip().startswith("--"))


class Bench:
    def __init__(self, instance):
        self.superuser = population.superuser(instance.home)
        self.ask = self.superuser.cursor()
        # Made behind lazod's back and fresh: it is scored here alone.
        self.ask.execute("INSERT INTO rfm_model (org_id, name, kinds, labels, recompute, scored_at, stale, updated_at) VALUES (1, 'bench', '{donation}', "
                         """'[{"label": "recent", "r": [4, 5], "f": [1, 5], "m": [1, 5]}, {"label": "rest", "r": [1, 5], "f": [1, 5], "m": [1, 5]}]', 'never', now(), false,"""
                         " now()) RETURNING id, (SELECT id FROM kind WHERE name = 'donation'), (SELECT time_zone FROM organisation WHERE id = 1), now()::text")
        self.model, self.kind, self.zone, self.now = self.ask.fetchone()
        self.app = psycopg2.connect(host=self.superuser.info.host, user="lazo_app", dbname="lazo", options=OPTIONS)
        self.app.autocommit = True
        self.cursor = self.app.cursor()
        self.cursor.execute("PREPARE ours (bigint, int, timestamptz, bigint, boolean, boolean) AS " + statement("rfm_score_all"))

    def statements(self, days, daily, quiet, read):
        now = f"('{self.now}'::timestamptz + interval '{days} days')"
        self.ask.execute(f"SELECT {now}::text, ({now} AT TIME ZONE '{self.zone}')::date::text")
        now, today = self.ask.fetchone()
        words = {"kind": self.kind, "model": self.model, "zone": self.zone, "now": f"'{now}'::timestamptz", "today": f"'{today}'::date", "quiet": quiet, "read": read,
                 "daily": daily}
        job = {"measured": ", count(*) AS population, bit_xor(hashint8extended(contact_id, (last_on - date '2000-01-01') + n * 1000003::bigint + total * 998244353))"
                           " AS fingerprint", "keeping": ", population = q.population, fingerprint = q.fingerprint"}
        return (f"EXECUTE ours (1, {self.model}, '{now}', 100, {quiet}, {read})", BARE.format(measured="", keeping="", **words), SAME_JOB.format(**job, **words))

    def run(self, sql, end="ROLLBACK"):
        """Seconds; the scores; what else there is."""
        self.cursor.execute("BEGIN; SET LOCAL lazo.org = '1'; SET LOCAL plan_cache_mode = " + ("force_generic_plan" if sql.startswith("EXECUTE") else "auto"))
        started = time.monotonic()
        self.cursor.execute(sql)
        took = time.monotonic() - started
        self.cursor.execute(SCORES)
        scores = self.cursor.fetchone()
        self.cursor.execute(REST)
        rest = self.cursor.fetchone()
        self.cursor.execute(end)
        for table in ("rfm_score", "wake", "change", "rfm_history"):
            self.ask.execute("VACUUM " + table)
        return took, scores, rest

    def measure(self, what, days=0, daily=True, quiet=False, read=False):
        self.recompute(daily)
        statements = self.statements(days, daily, quiet, read)
        times = [[], [], []]
        for _ in range(TURNS):
            found = [self.run(sql) for sql in statements]
            assert found[0][1] == found[1][1] == found[2][1] and found[0][1][0] > 0, [f[1] for f in found]
            assert found[0][2] == found[2][2], [f[2] for f in found]
            for many, (took, _, _) in zip(times, found):
                many.append(took)
        ours, bare, same = (statistics.median(many) * 1e3 for many in times)
        print(f"RFM of all, {what}".ljust(52) + f" {ours:9.1f} ms   bare {bare:9.1f} ms {ours / bare:6.2f}   same job {same:9.1f} ms {ours / same:6.2f}  1.10", flush=True)

    def recompute(self, daily):
        # Not due: lazod leaves it alone.
        self.ask.execute("UPDATE rfm_model SET recompute = %s, due_at = NULL WHERE id = %s", ("day" if daily else "never", self.model))

    def give(self, days):
        """A gift of one in twenty contacts, some of whom had given before, in the days to come."""
        self.ask.execute("SET session_replication_role = replica")
        self.ask.execute("""INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, amount, source)
                            SELECT 1, id, %s, %s::timestamptz + id %% %s * interval '1 day', %s, 100 + id %% 20000, 'given' FROM contact WHERE id %% 20 = 0""",
                         (self.kind, self.now, days, self.now))
        self.ask.execute("RESET session_replication_role")
        self.ask.execute("VACUUM (ANALYZE) interaction")

    def take_back(self):
        self.ask.execute("SET session_replication_role = replica")
        self.ask.execute("DELETE FROM interaction WHERE source = 'given'")
        self.ask.execute("RESET session_replication_role")
        self.ask.execute("VACUUM (ANALYZE) interaction")

    def score(self, daily):
        """For good."""
        self.recompute(daily)
        self.run(self.statements(0, daily, True, False)[0], "COMMIT")
        self.recompute(daily)
        for table in ("rfm_score", "wake"):
            self.ask.execute("ANALYZE " + table)


def main():
    folder = tempfile.mkdtemp(prefix="lazo-rfm-")
    os.chmod(folder, 0o755)
    instance = Instance(folder)
    try:
        interactions = population.fill(instance.home, CONTACTS, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        print(f"RFM of {CONTACTS} contacts, {interactions} interactions", flush=True)
        bench = Bench(instance)
        bench.measure("first", quiet=True)
        bench.measure("first, and a rule reads the scores", quiet=True, read=True)
        bench.measure("first, breaks that are never computed again", quiet=True, daily=False)
        bench.score(daily=True)
        bench.measure("again")
        bench.measure("a day later", days=1)
        bench.give(days=30)
        bench.measure("a month and many gifts later, a rule reads them", days=30, read=True)
        bench.take_back()
        bench.score(daily=False)
        bench.measure("again, breaks that are never computed again", daily=False)
        bench.app.close()
        bench.superuser.close()
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
