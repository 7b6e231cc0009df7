"""Search: the first page of contacts, out of a million (LAZO_BENCH_CONTACTS), beside one contact asked for by its number. In
milliseconds."""
import os
import statistics
import time

from ingest import owner

CONTACTS = int(os.environ.get("LAZO_BENCH_CONTACTS", "1000000"))
BLOCK = 100000
ASKED = 15

FILL = """
INSERT INTO contact (org_id, first_name, last_name, email, city, postal_code, country, created_at, updated_at)
SELECT 1, (ARRAY['Ana','María','José','Luis','Carmen','Antonio','Manuel','Francisco','Laura','Marta','Lucía','Pablo','Javier','Elena','Sara','Jorge','Iker','Nuria',
                 'Rosa','Pilar'])[1 + i %% 20], l[1 + (i / 20) %% 20] || ' ' || l[1 + (i / 400) %% 20] || CASE WHEN i %% 7 = 0 THEN ' Zz' || i %% 50000 ELSE '' END,
       'search' || i || '@bench.example', (ARRAY['Madrid','Barcelona','Valencia','Sevilla','Málaga','Lugo','Vic','Teruel','Cádiz','Bilbao'])[1 + (i / 8000) %% 10],
       lpad((i %% 52000)::text, 5, '0'), 'ES', '2026-01-01', '2026-01-01'
  FROM generate_series(%s, %s) AS i,
       (SELECT ARRAY['García','González','Rodríguez','Fernández','López','Martínez','Sánchez','Pérez','Gómez','Martín','Jiménez','Ruiz','Hernández','Díaz','Moreno',
                     'Álvarez','Muñoz','Romero','Alonso','Gutiérrez'] AS l) AS names
RETURNING id, email
"""
SEARCHES = [
    ("one frequent word", {"q": "maria"}), ("two words", {"q": "maria garcia"}), ("a rare word", {"q": "zz49999"}),
    ("an e-mail address", {"q": "search777@bench.example"}), ("mistyped", {"q": "gonzlaez"}), ("two words, mistyped", {"q": "mraia garcia"}),
    ("a word that nobody has", {"q": "xqwzyk"}), ("a rule over fields", {"rule": 'city = "lugo"'}), ("a rule over what was done", {"rule": "any(searched)"}),
    ("a rule and words", {"q": "garcia", "rule": "any(searched)"}), ("a rule that nobody meets", {"rule": "sum(searched.amount) > 1000000"}),
]


def fill(database, make_statistics):
    cursor = database.cursor()
    cursor.execute("SET lazo.writer = 'lazod'")  # the triggers for strangers look at each row
    cursor.execute("INSERT INTO kind (org_id, name) VALUES (1, 'searched') ON CONFLICT DO NOTHING")
    for first in range(1, CONTACTS + 1, BLOCK):
        cursor.execute(f"WITH made AS ({FILL}), named AS (INSERT INTO identity (org_id, sort, value, contact_id) SELECT 1, 'email', email, id FROM made) "
                       "INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount, source) "
                       "SELECT 1, m.id, k.id, '2026-01-01', 500, 'bench' FROM made m, kind k WHERE k.name = 'searched' AND m.id %% 2 = 0",
                       (first, min(first + BLOCK - 1, CONTACTS)))
    cursor.execute(make_statistics)


def timed(ask):
    taken = []
    for _ in range(ASKED):
        start = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


def measure(instance):
    database = owner(instance)
    fill(database, "SELECT gather_statistics()")
    cursor = database.cursor()
    cursor.execute("SELECT max(id) FROM contact")
    one = f"{instance.url}/v1/contacts/{cursor.fetchone()[0]}"
    shortest = timed(lambda: instance.session.get(one, timeout=60).raise_for_status())
    for name, params in SEARCHES:
        def ask(params=params):
            instance.session.get(instance.url + "/v1/contacts", params={"limit": 20, **params}, timeout=60).raise_for_status()
        ours = timed(ask)
        print(f"search, {name:26} {ours:8.1f} ms {'':10} {'one contact by its number':28} {shortest:8.2f} ms   {ours / shortest:6.1f}")
    print(f"(first pages of 20 out of {CONTACTS:,} contacts)")
