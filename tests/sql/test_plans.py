"""Every statement keeps its index under row-level security: planned as lazo_app, generically, with two large organisations in the tables.

Compiled rules have the same test in tests/rules/test_plans.py."""
import json
import re

import psycopg2
import pytest
from conftest import migrate, started
from statements import statements

CONTACTS = 20000

# What grows with contacts and with time. In these nothing may be read from end to end.
LARGE = {"contact", "interaction", "identity", "interaction_key", "contact_tag", "contact_group", "contact_attr", "contact_word", "membership", "rfm_score", "rfm_history",
         "subscription", "consent", "suppression", "change", "wake", "cue", "job", "job_key", "delivery", "campaign_audience", "journey_position",
         "amendment", "erased", "erasure", "audit", "task", "field_history", "contact_phone", "relation", "duplicate"}

# Who reads a large table whole, and why that is right.
WHOLE = {
    "rfm_score_all": {"interaction", "rfm_score", "wake"},  # all gifts and scores of all contacts, once a day
    "api_status": {"contact", "interaction", "job", "delivery"},  # counts, where the table is small
    "api_organisation_patch": {"interaction"},  # EXISTS: ends at the first amount
    "api_template_delete": {"job"},     # an editor's rare act, over the queue alone
    "api_users": {"consent", "relation"},  # EXISTS, where a topic or a relation is to be deleted; the foreign key looks likewise
    "forecast_candidates": {"change", "wake", "rfm_score"},  # whoever may move, in pages
    "check_breaks": {"interaction"},    # all gifts of all contacts, when asked for
    "consent_verify": {"consent"},      # an audit, in large pages
    "lease_expired": {"job"},           # the leased ones, by a partial index
}

# Who walks an organisation's rows in order and leaves some out.
FILTERED = {
    "api_delivery_list": {"delivery"},        # a page, newest first, of one state
    "api_webhook_deliveries": {"delivery"},   # a page, newest first, of one webhook
    "api_group_list": {"contact_group"},      # pages in the order of texts, whose > is not leakproof
    "api_tag_list": {"contact_tag"}, "api_labels_unknown": {"contact_tag", "contact_group"},
    "api_suppression_list": {"suppression"},
    "duplicates_list": {"contact_phone"},     # everybody is compared, on demand
    "forecast_candidates": {"change"},        # whoever may move, in pages
    "change_take": {"change"},                # the first of the queue, of everybody or of half the contacts
}

# The searches: which index each large table is found by, and on which columns.
EXPECTED = {
    "api_contact_show": {"contact_pkey": "id"},
    "api_contacts_list": {"contact_page|contact_pkey": "id"},
    "api_contacts_of": {"contact_p": "id"},
    "search_words": {"contact_word_find": "word < .*"},
    "search_typed": {"contact_word_find": "word < .*"},
    "search_page": {"contact_word_find": "word < .*", "contact_word_pkey": "contact_id"},
    "search_span": {"contact_p": "id"},
    "api_contact_interactions": {"interaction_": "contact_id"},
    "api_contact_history": {"field_history_pkey": "contact_id"},
    "api_contact_segments": {"membership_pkey": "contact_id"},
    "api_contact_consents": {"consent_pkey": "contact_id"},
    "api_contact_relations": {"relation_pkey": "contact_id"},
    "api_group_list": {"contact_group_find": "org_id"},
    "api_group_members": {"contact_group_find": "name_fold"},
    "api_relation_list": {"relation_of_kind": "kind_id"},
    "api_segment_members": {"membership_members": "segment_id"},
    "api_rfm_scores": {"rfm_score_": "contact_id|model_id"},
    "api_rfm_scores_then": {"rfm_score_": "contact_id|model_id", "rfm_history_": "contact_id|model_id"},
    "api_contact_rfm": {"rfm_score_pkey": "contact_id", "rfm_history_pkey": "contact_id"},
    "api_delivery_list": {"delivery_": "org_id"},
    "api_delivery_show": {"delivery_pkey": "id"},
    "api_message_show": {"job_pkey": "id", "delivery_pkey": "id"},
    "api_job_of_key": {"job_key_pkey": "key"},
    "api_journey_runs": {"journey_position_runs": "journey_id"},
    "api_campaign_show": {"delivery_campaign": "campaign_id", "job_campaign": "campaign_id"},
    "api_campaign_report": {"delivery_campaign": "campaign_id"},
    "record_find": {"identity_pkey": "value"},
    "change_take": {"change_pkey": "org_id"},
    "wake_take": {"wake_due": "at"},
    "membership_write": {"membership_pkey": "contact_id"},
    "job_lease": {"job_next": "class", "job_pkey": "id", "suppression_pkey": "email"},
    "api_contact_file": {"suppression_pkey": "email"},
    "result_write": {"job_lease_key": "lease"},
    "lease_release": {"job_leased": "worker"},
    "rfm_score_some": {"interaction_by_kind": "contact_id"},
    "decide_cues_take": {"cue_next": "org_id"},
    "decide_positions_take": {"journey_position_due": "wake_at"},
    "decide_birthdays": {"contact_birthday": "birth_month"},
    "decide_anniversaries": {"contact_attr_": "field_id"},
    "decide_audience_segment": {"membership_members": "segment_id"},
    "api_audit_list": {"audit_pkey": "id"},
    "api_audit_some": {"audit_pkey": "id"},
    "api_audit_of": {"audit_what": "name"},
    "api_tag_list": {"contact_tag_find": "tag_fold"},
    "api_tag_rename": {"contact_tag_find": "tag_fold"},
    "api_tag_delete": {"contact_tag_find": "tag_fold"},
    "api_task_list": {"task_list": "id"},
    "api_task_show": {"task_list": "id"},
    "duplicates_kept": {"duplicate_page": "place > .*"},
    "decide_campaign_block": {"campaign_audience_": "campaign_id"},
}

# One organisation of 20,000 contacts, 60,000 gifts and what follows them. Written as lazod, so that the log has just what is put there.
FILL = """
INSERT INTO kind (org_id, name) SELECT ORG, 'kind ' || i FROM generate_series(1, 20) i;
INSERT INTO contact (org_id, first_name, last_name, email, country, city, birth_year, birth_month, birth_day, external_id, created_at)
SELECT ORG, 'Ana' || i % 100, 'Perez' || i % 1000, 'ana' || i || '@{slug}.example', 'ES', 'Ciudad ' || i % 5000, 1950 + i % 50, 1 + i % 12, 1 + i % 28, 'X' || i, '2020-01-01'
  FROM generate_series(1, {contacts}) i;
INSERT INTO identity (org_id, sort, value, contact_id) SELECT ORG, 'email', email, id FROM contact WHERE org_id = ORG AND email IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO identity (org_id, sort, value, contact_id) SELECT ORG, 'external_id', external_id, id FROM contact WHERE org_id = ORG AND external_id IS NOT NULL;
INSERT INTO contact_tag (org_id, contact_id, tag) SELECT ORG, id, 'tag ' || id % 500 FROM contact WHERE org_id = ORG;
INSERT INTO contact_group (org_id, contact_id, name) SELECT ORG, id, 'group ' || id % 500 FROM contact WHERE org_id = ORG;
INSERT INTO contact_phone (org_id, contact_id, phone) SELECT ORG, id, '+34' || 600000000 + id FROM contact WHERE org_id = ORG ON CONFLICT DO NOTHING;
INSERT INTO relation (org_id, contact_id, kind_id, other_id) SELECT ORG, c.id, k.id, c.id + 1 FROM contact c, relation_kind k
 WHERE c.org_id = ORG AND k.org_id = ORG AND k.name IN ('spouse', 'employee of') AND c.id % 2 = 0 AND c.id < (SELECT max(id) FROM contact) ON CONFLICT DO NOTHING;
INSERT INTO field (org_id, name, type) VALUES (ORG, 'born', 'date');
INSERT INTO contact_attr (org_id, contact_id, field_id, value_date) SELECT ORG, c.id, f.id, date '1950-01-01' + (c.id % 9000)::int
  FROM contact c, field f WHERE c.org_id = ORG AND f.org_id = ORG AND f.name = 'born';
INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount, source)
SELECT ORG, c.id, (SELECT id FROM kind WHERE org_id = ORG AND name = 'donation'), timestamptz '2026-01-01Z' - (j * 7 || ' days')::interval, 1000 * j, 'web'
  FROM contact c, generate_series(1, 3) j WHERE c.org_id = ORG;
INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id) SELECT ORG, 'bank', id::text, contact_id, id FROM interaction WHERE org_id = ORG;
INSERT INTO amendment (org_id, contact_id, id, amends, sets, amount, first_kind_id, first_amount)
SELECT ORG, contact_id, max(id), min(id), false, -1, min(kind_id), 1000 FROM interaction WHERE org_id = ORG GROUP BY contact_id HAVING count(*) > 2 ON CONFLICT DO NOTHING;
INSERT INTO field_history (org_id, contact_id, field, was, became, at) SELECT ORG, c.id, 'city', to_jsonb(c.city), '"x"', '2026-01-01' FROM contact c, generate_series(1, 3) WHERE c.org_id = ORG;
INSERT INTO erased (org_id, hash, at) SELECT ORG, sha256(id::text::bytea), '2026-01-01' FROM contact WHERE org_id = ORG;
INSERT INTO erasure (org_id, contact_id, reason, interactions, at) SELECT ORG, id, '', 3, '2026-01-01' FROM contact WHERE org_id = ORG;
INSERT INTO consent (org_id, contact_id, topic_id, action) SELECT ORG, c.id, t.id, 'grant' FROM contact c, topic t WHERE c.org_id = ORG AND t.org_id = ORG;
INSERT INTO suppression (org_id, email, reason) SELECT ORG, 'gone' || i || '@{slug}.example', 'bounce' FROM generate_series(1, 5000) i;
INSERT INTO change (org_id, contact_id, sort) SELECT ORG, id, 'field' FROM contact WHERE org_id = ORG;
INSERT INTO wake (org_id, contact_id, at) SELECT ORG, id, timestamptz '2026-01-01Z' + id * interval '1 minute' FROM contact WHERE org_id = ORG ON CONFLICT DO NOTHING;
INSERT INTO cue (org_id, contact_id, interaction_id, kind_id) SELECT ORG, contact_id, id, kind_id FROM interaction WHERE org_id = ORG AND id % 3 = 0;
INSERT INTO segment (org_id, name, kind, rule, updated_at) SELECT ORG, 'segment ' || i, 'dynamic', 'person', '2026-01-01' FROM generate_series(1, 20) i;
INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT ORG, c.id, s.id, '2026-01-01' FROM contact c, segment s
 WHERE c.org_id = ORG AND s.org_id = ORG AND (c.id + s.id) % 7 = 0 ON CONFLICT DO NOTHING;
INSERT INTO rfm_score (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at)
SELECT ORG, c.id, m.id, '2025-01-01', 1, 1, 1 + c.id % 5, 1, 1, 'L' || c.id % 10, '2026-01-01' FROM contact c, rfm_model m WHERE c.org_id = ORG AND m.org_id = ORG ON CONFLICT DO NOTHING;
INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, until)
SELECT ORG, c.id, m.id, '2024-01-01', 1, 1, 1, 1, 1, 'L', timestamptz '2025-01-01Z' + j * interval '1 day' FROM contact c, rfm_model m, generate_series(1, 3) j WHERE c.org_id = ORG AND m.org_id = ORG;
INSERT INTO campaign (org_id, name, template_id, segment_id, topic_id, updated_at, state)
SELECT ORG, 'campaign ' || i, t.id, s.id, p.id, '2026-01-01', 'finished' FROM generate_series(1, 20) i, template t, segment s, topic p
 WHERE t.org_id = ORG AND s.org_id = ORG AND s.name = 'donors' AND p.org_id = ORG;
INSERT INTO campaign_audience (org_id, contact_id, campaign_id) SELECT ORG, c.id, g.id FROM contact c, campaign g WHERE c.org_id = ORG AND g.org_id = ORG AND (c.id + g.id) % 7 = 0
    ON CONFLICT DO NOTHING;
INSERT INTO journey (org_id, name, definition, updated_at) SELECT ORG, 'journey-' || i, '{{}}', '2026-01-01' FROM generate_series(1, 10) i;
INSERT INTO journey_position (org_id, contact_id, journey_id, entry, version, state, wake_at, entered_at)
SELECT ORG, c.id, j.id, '2', 1, CASE WHEN c.id % 5 = 0 THEN 'waiting' ELSE 'finished' END, CASE WHEN c.id % 5 = 0 THEN timestamptz '2026-01-01Z' + c.id * interval '1 minute' END, '2026-01-01'
  FROM contact c, journey j WHERE c.org_id = ORG AND j.org_id = ORG AND (c.id + j.id) % 3 = 0;
INSERT INTO webhook (org_id, name, url, secret, updated_at) SELECT ORG, 'hook-' || i, 'https://x.example', '\\x000102030405060708090a0b0c0d0e0f1011121314151617', '2026-01-01' FROM generate_series(1, 5) i;
INSERT INTO job (org_id, class, sort, run_at, contact_id, key, template_id, campaign_id, first_at)
SELECT ORG, 2, 'mail', timestamptz '2026-01-01Z' + a.contact_id * interval '1 second', a.contact_id, a.campaign_id || ':' || a.contact_id, g.template_id, g.id, '2026-01-01'
  FROM campaign_audience a JOIN campaign g ON g.id = a.campaign_id WHERE a.org_id = ORG AND a.contact_id % 3 = 0;
UPDATE job SET lease = nextval('job_lease'), worker = 'w' || id % 4, leased_until = '2026-02-01', run_at = 'infinity' WHERE org_id = ORG AND id % 50 = 0;
INSERT INTO job_key (org_id, key, job_id) SELECT ORG, key, id FROM job WHERE org_id = ORG ON CONFLICT DO NOTHING;
INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, campaign_id, attempt, made_at, done_at)
SELECT ORG, 1000000 + i.id, contact_id, 'mail', CASE WHEN i.id % 1000 = 0 THEN 'uncertain' ELSE 'sent' END, 'k', NULL, (SELECT min(id) FROM campaign WHERE org_id = ORG) + i.id % 20, 1, '2026-01-01', '2026-01-01'
  FROM interaction i WHERE org_id = ORG;
INSERT INTO delivery (org_id, id, contact_id, sort, state, key, webhook_id, attempt, made_at, done_at)
SELECT ORG, 3000000 + i.id, contact_id, 'hook', 'sent', 'k', (SELECT min(id) FROM webhook WHERE org_id = ORG) + i.id % 5, 1, '2026-01-01', '2026-01-01' FROM interaction i WHERE org_id = ORG;
INSERT INTO duplicate (org_id, one_id, other_id, place) SELECT ORG, id, id + 1, duplicate_place(0.9, id, id + 1) FROM contact WHERE org_id = ORG ON CONFLICT DO NOTHING;
INSERT INTO audit (org_id, at, by, action, what, name) SELECT ORG, '2026-01-01', 'x', 'changed', 'topic', 't' || id % 50 FROM contact WHERE org_id = ORG;
INSERT INTO task (org_id, contact_id, title, created_at, updated_at, done_at) SELECT ORG, id, 'Call', '2026-01-01', '2026-01-01', CASE WHEN id % 10 > 0 THEN timestamptz '2026-01-01' END
  FROM contact WHERE org_id = ORG;
"""


@pytest.fixture(scope="module")
def app():
    from test_migrations import ROOT, Database
    database = Database("plans")
    assert migrate("postgres", "plans", "--roles")[0] == 0
    database.cursor.execute((ROOT / "tests/sql/organisations.psql").read_text())
    database.cursor.execute("SET search_path = lazo, public; SET lazo.writer = 'lazod'")
    for slug in ("a", "b"):
        org = database.rows("SELECT tap.fill(%s)", slug)[0][0]
        database.cursor.execute(re.sub(r"\bORG\b", str(org), FILL.format(slug=slug, contacts=CONTACTS)))
    database.cursor.execute("VACUUM ANALYZE")
    database.connection.close()
    connection = psycopg2.connect(started().conninfo("lazo_app", "plans"),
                                  options=f"-c search_path=lazo -c lazo.writer=lazod -c plan_cache_mode=force_generic_plan -c lazo.org={org}")
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


def nodes(plan):
    yield plan
    for one in plan.get("Plans", ()):
        yield from nodes(one)


def planned(app, name, text):
    """The nodes of its generic plan, for which the values of the parameters do not matter."""
    app.execute(f'PREPARE "{name}" AS ' + text)
    app.execute("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = %s", (name,))
    n = app.fetchone()[0]
    app.execute(f'EXPLAIN (FORMAT JSON) EXECUTE "{name}"' + (f"({', '.join(['NULL'] * n)})" if n else ""))
    plan = app.fetchone()[0]
    app.execute(f'DEALLOCATE "{name}"')
    return list(nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def short(plan):
    keys = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter")
    return "\n".join(" · ".join(str(node[k]) for k in keys if k in node) for node in plan)


@pytest.mark.parametrize("name", statements())
def test_nothing_large_is_read_whole(app, name):
    plan = planned(app, name, statements()[name])
    whole = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE}
    # An index walked from end to end is no better.
    whole |= {node["Relation Name"] for node in plan if node["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and node["Relation Name"] in LARGE}
    assert whole <= WHOLE.get(name, set()), short(plan)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_search_keeps_its_index(app, name):
    plan = planned(app, name, statements()[name])
    for index, column in EXPECTED[name].items():
        assert any(re.match(index, node.get("Index Name", "")) and re.search(rf"\b({column})\b", node.get("Index Cond", "")) for node in plan), \
            f"{index} ({column}):\n{short(plan)}"


def org_alone(node):
    """A scan that finds all rows of the organisation by an index, and filters them; or keeps them to look in, as EXISTS may for many rows."""
    found = " ".join(one.get("Index Cond", "") for one in ([node] if "Index Cond" in node else nodes(node)))
    return node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan") and ("Filter" in node or node.get("Parent Relationship") == "SubPlan") and set(re.findall(r"\((\w+) [^\w ]+ ", found)) == {"org_id"}


@pytest.mark.parametrize("name", statements())
def test_what_is_looked_up_is_not_filtered_out_of_an_organisation(app, name):
    """As where an operator or a function is not leakproof (coalesce, greatest): such a condition leaves an index the organisation alone."""
    plan = planned(app, name, statements()[name])
    filtered = {node["Relation Name"] for node in plan if org_alone(node) and node["Relation Name"] in LARGE}
    assert filtered <= FILTERED.get(name, set()), short(plan)
