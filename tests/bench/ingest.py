"""The lines of make bench about interactions coming in: beside COPY, beside Node, the memory of a million, and whether the rate falls as rows are stored.

Alone: LAZO_BUILD=build/release python3 tests/bench/ingest.py [stream] [single] [million] [growth]"""

import http.client
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import psycopg2

from bench import HERE, ROWS, TURNS, Instance, line, settle, single_posts, wrk

PEOPLE = 1000
GROWTH = int(os.environ.get("LAZO_BENCH_STORED", "300000"))  # rows stored at the end of the line about growth; ten million shows it all
MILLION = int(os.environ.get("LAZO_BENCH_MILLION", "1000000"))


def owner(instance):
    """The superuser, whom row-level security does not hold: COPY works for nobody else."""
    there = psycopg2.connect(host=instance.sockets(), user="postgres", dbname="lazo", options="-c search_path=lazo")
    there.autocommit = True
    return there


def fact(i, key):
    keyed = f',"key":"{key}-{i}"' if key else ""
    return (f'{{"contact":{{"external_id":"bench-{i * 7919 % PEOPLE}"}},"kind":"visit","occurred_at":"2026-10-{1 + i % 28:02d}T10:11:12Z",'
            f'"amount":"{i % 500}.50","source":"stream"{keyed}}}\n')


def post(instance, pieces):
    """One request; what it answers."""
    connection = http.client.HTTPConnection(instance.url.removeprefix("http://"), timeout=3600)
    connection.request("POST", "/v1/interactions", body=pieces, encode_chunked=not isinstance(pieces, bytes),
                       headers={"Authorization": "Bearer " + instance.token, "Content-Type": "application/x-ndjson",
                                **({} if isinstance(pieces, bytes) else {"Transfer-Encoding": "chunked"})})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 201 or b'"refused":0' not in body:
        sys.exit(f"bench: {answer.status} {body[:500]}")
    connection.close()


def stream(instance, key):
    body = "".join(fact(i, key) for i in range(ROWS)).encode()
    before, started = instance.cpu(), time.monotonic()
    post(instance, body)
    return ROWS / (time.monotonic() - started), (instance.cpu() - before) / ROWS


def copy(instance, contacts, kind, key):
    """The same rows by COPY into the same table, whose triggers write the change log; with keys, into their table too, in the same transaction."""
    database = owner(instance)
    database.autocommit = False
    cursor = database.cursor()
    rows = [(contacts[i * 7919 % PEOPLE], i) for i in range(ROWS)]
    cursor.execute("SELECT nextval('interaction_id_seq'), setval('interaction_id_seq', (SELECT last_value FROM interaction_id_seq) + %s)", (ROWS + 1,))
    first = cursor.fetchone()[0]
    database.commit()
    facts = io.StringIO("".join(f"1\t{first + i}\t{c}\t{kind}\t2026-10-{1 + i % 28:02d} 10:11:12+00\t2026-10-28 10:11:12+00\t{i % 500 * 100 + 50}\t{i % 500 * 100 + 50}\tEUR\tstream\n"
                                for c, i in rows))
    keys = io.StringIO("".join(f"1\tstream\t{key}-{i}\t{c}\t{first + i}\n" for c, i in rows)) if key else None
    started = time.monotonic()
    cursor.copy_expert("COPY interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source) FROM STDIN", facts, 1 << 20)
    if keys:
        cursor.copy_expert("COPY interaction_key (org_id, source, key, contact_id, interaction_id) FROM STDIN", keys, 1 << 20)
    database.commit()
    rate = ROWS / (time.monotonic() - started)
    database.close()
    return rate


def beside_copy(instance, contacts, kind):
    for key, name, peer in (("", "NDJSON, one stream", "COPY, same table, triggers"), ("k", "NDJSON with keys, one stream", "COPY into both tables")):
        ours, peers = [], []
        for turn in range(TURNS):
            ours.append(stream(instance, key and f"{key}{turn}"))
            settle(instance)
            peers.append(copy(instance, contacts, kind, key and f"c{turn}"))
            settle(instance)
        line(name, ours, peer, peers, "0.60")


# --- Node ------------------------------------------------------------------------------------------------------------------

def node_folder():
    """fastify and pg from npm's registry, kept for the next run; None where they are not to be had."""
    folder = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "lazo-bench")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(HERE + "/server.js", folder)
    with open(folder + "/package.json", "w", encoding="utf-8") as out:
        out.write('{"private": true, "type": "module", "dependencies": {"fastify": "^5", "pg": "^8"}}\n')
    try:
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    return folder


def node_posts(instance, folder, mode, first, kind):
    environment = dict(os.environ, PGHOST=instance.sockets(), PGUSER="postgres", PGDATABASE="lazo", TABLE="public.beside", CONTACT=str(first), KIND=str(kind), LAZO_TOKEN="")
    server = subprocess.Popen(["node", "server.js", mode], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        return wrk(f"http://127.0.0.1:{port}/interactions", environment)[1]
    finally:
        server.terminate()
        server.wait()


def beside_node(instance, contacts, kind):
    folder = node_folder()
    if folder is None:
        print("HTTP beside Node: node or npm is missing, or its registry is not reachable", flush=True)
        return
    cursor = owner(instance).cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS public.beside (LIKE lazo.interaction INCLUDING ALL)")
    ours, modes = [], {"single": [], "batch": [], "bare": []}
    for _ in range(TURNS):
        ours.append(single_posts(instance))
        settle(instance)
        for mode, peers in modes.items():
            peers.append(node_posts(instance, folder, mode, min(contacts), kind))
            settle(instance)
    line("HTTP, one interaction a POST, 64 c.", ours, "Node, the same insert a request", modes["single"], "5.00")
    line("HTTP, one interaction a POST, 64 c.", ours, "Node, the same, batches of 5 ms", modes["batch"], "2.50")
    line("HTTP, one interaction a POST, 64 c.", ours, "Node, bare INSERT of numbers", modes["bare"])


# --- much ------------------------------------------------------------------------------------------------------------------

def pieces(n, key, at=0):
    for start in range(at, at + n, 500):
        yield "".join(fact(i, key) for i in range(start, min(start + 500, at + n))).encode()


def million(instance):
    before, started = instance.memory()["lazod"], time.monotonic()
    post(instance, pieces(MILLION, "million"))
    rate = MILLION / (time.monotonic() - started)
    print(f"{'memory while a stream of ' + str(MILLION):34} {rate:9.0f}/s   lazod {instance.memory()['lazod']} MiB at most, {before} before   goal 64 MiB", flush=True)


def growth(instance):
    """The rate of 20,000 keyed lines when the table is nearly empty and when it is full. What lies between is copied."""
    database = owner(instance)
    cursor = database.cursor()
    rates = []
    for wanted in (10_000, GROWTH):
        cursor.execute("SELECT count(*) FROM interaction")
        there = cursor.fetchone()[0]
        if wanted > there:
            fill(cursor, wanted - there)
        settle(instance)
        cursor.execute("VACUUM ANALYZE interaction, interaction_key")
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT count(*) FROM interaction")
        stored, found = cursor.fetchone()[0], []
        for turn in range(TURNS):
            body = b"".join(pieces(20_000, f"growth{wanted}-{turn}"))
            started = time.monotonic()
            post(instance, body)
            found.append(20_000 / (time.monotonic() - started))
            settle(instance)
        rates.append((stored, statistics.median(found)))
    (few, at_few), (many, at_many) = rates
    print(f"{'NDJSON with keys, rows stored':34} {few:9} {at_few:7.0f}/s   {many:9} {at_many:7.0f}/s   {at_many / at_few:6.2f}  1.00", flush=True)


def fill(cursor, n):
    """n rows of a hundred thousand people, each with its key, as they would come over months."""
    cursor.execute("SET lazo.writer = 'lazod'")
    cursor.execute("""WITH c AS (
            INSERT INTO contact (org_id, external_id) SELECT 1, 'fill-' || g FROM generate_series(1, 100000) g
             WHERE NOT EXISTS (SELECT FROM contact WHERE external_id = 'fill-1') RETURNING id, external_id)
        INSERT INTO identity (org_id, sort, value, contact_id) SELECT 1, 'external_id', external_id, id FROM c""")
    cursor.execute("SELECT min(id), (SELECT min(id) FROM kind WHERE name = 'visit') FROM contact WHERE external_id LIKE 'fill-%'")
    first, kind = cursor.fetchone()
    for at in range(0, n, 1_000_000):
        cursor.execute("""WITH a AS (
                INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source)
                SELECT 1, %s + (g::bigint * 7919) %% 100000, %s, '2021-01-01'::timestamptz + g * interval '15 seconds', '2026-01-01', g %% 50000, g %% 50000, 'EUR', 'fill'
                  FROM generate_series(%s, %s) g RETURNING contact_id, id)
            INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id) SELECT 1, 'fill', md5(id::text), contact_id, id FROM a""",
                       (first, kind, at, min(at + 1_000_000, n) - 1))
    cursor.execute("SET lazo.writer = ''")


def measure(instance, which=()):
    """All lines, or those that are named."""
    instance.api("POST", "/v1/interactions", [{"contact": {"external_id": f"bench-{i}"}, "kind": "visit"} for i in range(PEOPLE)])
    settle(instance)
    cursor = owner(instance).cursor()
    cursor.execute("SELECT contact_id FROM identity WHERE sort = 'external_id' AND value LIKE 'bench-%' ORDER BY substr(value, 7)::int")
    contacts = [row[0] for row in cursor.fetchall()]
    cursor.execute("SELECT id FROM kind WHERE name = 'visit'")
    kind = cursor.fetchone()[0]
    if not which or "growth" in which:
        growth(instance)
    if not which or "stream" in which:
        beside_copy(instance, contacts, kind)
    if not which or "single" in which:
        beside_node(instance, contacts, kind)
    if not which or "million" in which:
        million(instance)


def main():
    folder = tempfile.mkdtemp(prefix="lazo-bench-")
    os.chmod(folder, 0o755)
    instance = Instance(folder)
    try:
        measure(instance, sys.argv[1:])
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
