"""What strangers write by SQL in bulk costs as much for each row as one row does: no trigger reads a table, or the rows of its own statement, anew for each row.

A session keeps the plans of triggers from their first use. So each statement is planned in three states: when nothing was ever there, after a few rows that nobody
analysed, and after a few that the statistics know; and the plans themselves are judged. Then a load runs that would not end if it were quadratic."""
import json
import re

import psycopg2
import pytest
from conftest import migrate, started

LARGE = {"contact", "identity", "contact_phone", "contact_word", "contact_tag", "contact_group", "contact_attr", "interaction", "interaction_key", "field_history",
         "consent", "consent_head", "subscription", "relation", "change", "job", "journey_position", "membership"}

LOAD = {
    "contacts and their names": """WITH c AS (INSERT INTO contact (org_id, first_name, last_name, email) SELECT {org}, 'Ana' || i, 'Perez', 'c' || i || '@{org}.example'
        FROM generate_series(1, {n}) i RETURNING id, email) INSERT INTO identity (org_id, sort, value, contact_id) SELECT {org}, 'email', email, id FROM c""",
    "contacts with e-mail": "INSERT INTO contact (org_id, first_name, email) SELECT {org}, 'Eva' || i, 'e' || i || '@{org}.example' FROM generate_series(1, {n}) i",
    "contacts with phone": "INSERT INTO contact (org_id, first_name, phone, external_id) SELECT {org}, 'Leo' || i, '6' || 10000000 + i, i FROM generate_series(1, {n}) i",
    "interactions": """INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount_recorded, currency)
        SELECT {org}, c.id, k.id, '2026-01-01', 500, 'EUR' FROM contact c, kind k WHERE c.first_name ^@ 'Eva' AND k.name = 'donation'""",
    "interactions with keys": """WITH i AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, data) SELECT {org}, c.id, k.id, '2026-01-02',
        '{{"note": "called about the roof"}}' FROM contact c, kind k WHERE c.first_name ^@ 'Leo' AND k.name = 'donation' RETURNING id, contact_id)
        INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id) SELECT {org}, 'bank', id, contact_id, id FROM i""",
    "names": "UPDATE contact SET first_name = first_name || 'x', city = 'Ronda' WHERE first_name ^@ 'Eva'",
    "addresses": "UPDATE contact SET email = 'z' || email WHERE first_name ^@ 'Eva'",
    "stages": "UPDATE contact SET stage = 'member' WHERE first_name ^@ 'Eva'",
    "phones": "UPDATE contact SET phone = '7' || 10000000 + id WHERE first_name ^@ 'Leo'",
    "tags": "INSERT INTO contact_tag (org_id, contact_id, tag) SELECT {org}, id, 'socia' FROM contact WHERE first_name ^@ 'Eva'",
    "tags taken away": "DELETE FROM contact_tag",
    "groups": "INSERT INTO contact_group (org_id, contact_id, name) SELECT {org}, id, 'junta' FROM contact WHERE first_name ^@ 'Eva'",
    "fields": """INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) SELECT {org}, c.id, f.id, 5 FROM contact c, field f
        WHERE c.first_name ^@ 'Eva' AND f.name = 'renta' """,
    "other fields": "UPDATE contact_attr SET value_number = 6",
    "fields taken away": "DELETE FROM contact_attr",
    "consent": "INSERT INTO consent (org_id, contact_id, topic_id, action) SELECT {org}, c.id, t.id, 'grant' FROM contact c, topic t WHERE c.first_name ^@ 'Eva' AND t.name = 'news'",
    "memberships": """INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT {org}, c.id, s.id, '2026-01-01' FROM contact c, segment s
        WHERE c.first_name ^@ 'Eva' AND s.name = 'council'""",
    "relations": """INSERT INTO relation (org_id, contact_id, kind_id, other_id) SELECT {org}, a.id, k.id, b.id
        FROM contact a JOIN contact b ON b.id = a.id + 1, relation_kind k WHERE a.first_name ^@ 'Leo' AND b.first_name ^@ 'Leo' AND a.id % 2 = 0 AND k.name = 'employee of'""",
    "relations taken away": "DELETE FROM relation",
    "amounts": "UPDATE interaction SET amount = 600 WHERE amount IS NOT NULL",
    "interactions taken away": "DELETE FROM interaction",
    "second phones": "INSERT INTO contact_phone (org_id, contact_id, phone, added_at) SELECT {org}, id, '8' || 10000000 + id, '2027-01-01' FROM contact WHERE first_name ^@ 'Leo'",
    "phones taken away": "DELETE FROM contact_phone",
    "names taken away": "DELETE FROM identity WHERE contact_id IN (SELECT id FROM contact WHERE first_name ^@ 'Ana')",
    "deaths": "UPDATE contact SET deceased = true WHERE first_name ^@ 'Ana'",
    "contacts taken away": "DELETE FROM contact",
}

# One person at a time, in all the ways that leave a plan behind.
ONE = [
    "INSERT INTO contact (org_id, first_name, email, phone, stage) VALUES ({org}, 'Sol', 'sol{i}@{org}.example', '60000{i}', 'lead')",
    "INSERT INTO identity (org_id, sort, value, contact_id) SELECT {org}, 'email', 'sun{i}@{org}.example', max(id) FROM contact",
    "INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, data) SELECT {org}, max(c.id), k.id, '2026-01-01', '{{\"note\": \"hello\"}}' FROM contact c, kind k WHERE k.name = 'donation' GROUP BY k.id",
    "INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id) SELECT {org}, 'x', id, contact_id, id FROM interaction ORDER BY id DESC LIMIT 1",
    "INSERT INTO contact_tag (org_id, contact_id, tag) SELECT {org}, max(id), 'x' FROM contact",
    "INSERT INTO contact_group (org_id, contact_id, name) SELECT {org}, max(id), 'x' FROM contact",
    "INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) SELECT {org}, max(c.id), f.id, 1 FROM contact c, field f WHERE f.name = 'renta' GROUP BY f.id",
    "INSERT INTO contact_phone (org_id, contact_id, phone) SELECT {org}, max(id), '70000{i}' FROM contact",
    "INSERT INTO consent (org_id, contact_id, topic_id, action) SELECT {org}, max(c.id), t.id, 'grant' FROM contact c, topic t WHERE t.name = 'news' GROUP BY t.id",
    "INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT {org}, max(c.id), s.id, '2026-01-01' FROM contact c, segment s WHERE s.name = 'council' GROUP BY s.id",
    "INSERT INTO relation (org_id, contact_id, kind_id, other_id) SELECT {org}, max(c.id), k.id, min(c.id) FROM contact c, relation_kind k WHERE k.name = 'employee of' GROUP BY k.id HAVING max(c.id) > min(c.id)",
    "UPDATE contact SET first_name = 'Luz', email = 'luz{i}@{org}.example', phone = '80000{i}', stage = 'member' WHERE id = (SELECT max(id) FROM contact)",
    "UPDATE contact_attr SET value_number = 2 WHERE contact_id = (SELECT max(id) FROM contact)",
    "UPDATE interaction SET amount = 1 WHERE contact_id = (SELECT max(id) FROM contact)",
]
GOES = ["relation", "contact_tag", "contact_group", "contact_attr", "contact_phone", "identity", "interaction"]


def organisation(state, name):
    """A database of its own and a session in it, as lazo_app; what is written one by one before."""
    cluster = started()
    cluster.create(name)
    code, said = migrate("postgres", name)
    assert code == 0, said
    connection = cluster.connect("postgres", name)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SET search_path = lazo")
    cursor.execute("INSERT INTO organisation (slug, name) VALUES ('x', 'x') RETURNING id")
    org = cursor.fetchone()[0]
    cursor.execute("SELECT set_config('lazo.org', %s, false)", (str(org),))
    cursor.execute("LOAD 'auto_explain'; SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off;"
                   "SET auto_explain.log_format = json; SET auto_explain.log_level = notice; SET ROLE lazo_app; SET statement_timeout = '5min'")
    cursor.execute("INSERT INTO kind (org_id, name) VALUES (%s, 'donation'); INSERT INTO topic (org_id, name) VALUES (%s, 'news');"
                   "INSERT INTO field (org_id, name, type) VALUES (%s, 'renta', 'number');"
                   "INSERT INTO segment (org_id, name, kind, updated_at) VALUES (%s, 'council', 'fixed', '2026-01-01')", (org, org, org, org))

    def a_few(first):
        for i in range(first, first + 8):
            for statement in ONE:
                cursor.execute(statement.format(org=org, i=i))
            if i % 2:
                for table in GOES:
                    cursor.execute(f"DELETE FROM {table} WHERE contact_id = (SELECT max(id) FROM contact)")
            if i % 4 == 1:
                cursor.execute("DELETE FROM contact WHERE id = (SELECT max(id) FROM contact)")

    if state != "empty":
        a_few(10)
    if state == "analysed":
        cursor.execute("RESET ROLE; ANALYZE; SET ROLE lazo_app")
        a_few(20)
    return connection, cursor, org


@pytest.fixture(params=["empty", "few", "analysed"], scope="module")
def session(request):
    connection, cursor, org = organisation(request.param, "bulk_" + request.param)
    yield connection, cursor, org
    connection.close()


class Plans:
    """Takes the notices of a connection; psycopg2 would keep the last fifty."""

    def __init__(self):
        self.all = []

    def append(self, notice):
        match = re.search(r"plan:\s*(\{.*\})", notice, re.S)
        if match:
            told = json.loads(match.group(1))
            self.all.append((told["Query Text"].strip(), told["Plan"]))


def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def faults(plan, index_of):
    """What in a plan is done for each row anew that does not end with that row."""
    for node in nodes(plan):
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            yield "reads the whole of " + node["Relation Name"]
        if node["Node Type"].startswith(("Index", "Bitmap Index")) and index_of.get(node["Index Name"]) in LARGE:
            condition = re.sub(r"\(?org_id = \(NULLIF\(current_setting\('lazo.org'::text, true\), ''::text\)\)::bigint\)?|\(?org_id = [a-z$0-9_.]+\)?|AND", "",
                               node.get("Index Cond", ""))
            if not re.search(r"[a-z]", condition):
                yield f"reads all of an organisation by {node['Index Name']}"
        if node["Node Type"] == "Nested Loop":
            inner = [n for n in nodes(node["Plans"][1])]
            if any(n["Node Type"] in ("Named Tuplestore Scan", "CTE Scan") for n in inner):
                yield "goes through the rows of the statement for each of them"


def test_no_trigger_reads_more_for_more_rows(session):
    connection, cursor, org = session
    cursor.execute("SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'lazo'")
    index_of = dict(cursor.fetchall())
    found, judged = set(), 0
    for name, template in LOAD.items():
        statement = template.format(org=org, n=12)
        connection.notices = Plans()
        cursor.execute("RESET ROLE; SET auto_explain.log_min_duration = 0; SET ROLE lazo_app")
        cursor.execute(statement)
        assert cursor.rowcount > 0, name
        cursor.execute("RESET ROLE; SET auto_explain.log_min_duration = -1; SET ROLE lazo_app")
        for text, plan in connection.notices.all:
            # The statement itself is its writer's; how foreign keys are looked up is PostgreSQL's: see the load below.
            if text != statement.strip() and "FROM ONLY " not in text:
                judged += 1
                found |= {f"{name}: {' '.join(text.split())[:150]}... {fault}" for fault in faults(plan, index_of)}
    assert judged > 1000
    assert not found, "\n".join(sorted(found))


def test_a_load_ends():
    """15,000 of each in a session that knows small tables: quadratic it would take minutes. The limit of a statement stands for "for ever"."""
    connection, cursor, org = organisation("analysed", "bulk_load")
    for statement in LOAD.values():
        cursor.execute(statement.format(org=org, n=12))
    cursor.execute("SET statement_timeout = '60s'")
    for name in ["contacts and their names", "contacts with e-mail", "contacts with phone", "interactions", "interactions with keys", "tags", "names",
                 "interactions taken away"]:
        cursor.execute(LOAD[name].format(org=org, n=15000))
        assert cursor.rowcount >= 15000, name
    cursor.execute("SELECT count(*) FROM contact_word WHERE word = 'ronda' AND source = 0")
    assert cursor.fetchone()[0] == 15000
    connection.close()
