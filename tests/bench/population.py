"""A population for the benchmarks: contacts and ten interactions a contact over five years, made set-wise in the database.

Half of the contacts have given something, most of them little and seldom; everybody gets mail and visits. The same size gives the same population."""
import glob
import os

import psycopg2

KINDS = ["donation", "email_opened", "visit"]

# Rows come contact by contact. No triggers: nothing is told to the change log.
FILL = """
SET lazo.org = '1';
SET session_replication_role = replica;
SELECT setseed(0.5);
INSERT INTO kind (org_id, name) SELECT 1, n FROM unnest(%(kinds)s) AS n ON CONFLICT DO NOTHING;
INSERT INTO contact (org_id, first_name, last_name, country, city, birth_year, birth_month, birth_day, created_at, updated_at)
SELECT 1, 'Ana' || i %% 997, 'García' || i %% 9973, (ARRAY['ES', 'ES', 'ES', 'PT', 'FR'])[1 + i %% 5], 'Ciudad ' || i %% 500, 1930 + i %% 75, 1 + i %% 12, 1 + i %% 28,
       %(now)s::timestamptz - random() * interval '5 years', %(now)s::timestamptz
  FROM generate_series(1, %(n)s) AS i;
INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, amount, source)
SELECT 1, c.id, k.id, %(now)s::timestamptz - random() * random() * interval '5 years', %(now)s::timestamptz,
       CASE WHEN k.name = 'donation' THEN (500 + 20000 * random() * random())::bigint END, 'web'
  FROM (SELECT id, (-4 * ln(random() + 0.000001))::int AS gifts FROM contact WHERE org_id = 1) c
 CROSS JOIN LATERAL (SELECT 'donation' AS name FROM generate_series(1, CASE WHEN c.id %% 2 = 0 THEN c.gifts ELSE 0 END)
                     UNION ALL SELECT 'email_opened' FROM generate_series(1, 5 + (c.id %% 3)::int - 1)
                     UNION ALL SELECT 'visit' FROM generate_series(1, 3)) w
  JOIN kind k ON k.name = w.name
 ORDER BY c.id;
"""


def superuser(home):
    host = os.path.dirname(glob.glob(home + "/**/.s.PGSQL.*[0-9]", recursive=True)[0])
    connection = psycopg2.connect(host=host, user="postgres", dbname="lazo", options="-c search_path=lazo")
    connection.autocommit = True
    return connection


def fill(home, contacts, now):
    """The same for every size: `contacts` of them, seen at `now`."""
    connection = superuser(home)
    cursor = connection.cursor()
    cursor.execute(FILL, {"kinds": KINDS, "n": contacts, "now": now})
    cursor.execute("RESET session_replication_role")
    cursor.execute("VACUUM (ANALYZE) contact")
    cursor.execute("VACUUM (ANALYZE) interaction")
    cursor.execute("SELECT count(*) FROM interaction")
    found = cursor.fetchone()[0]
    connection.close()
    return found
