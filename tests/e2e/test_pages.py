"""Every listing that has a cursor, walked in pages of two while rows come and go: what was there all the time comes exactly once."""
import json

import pytest
import yaml
from lazo_test import ROOT, Instance

# What comes and goes has the numbers 0 to 29: even ones are there at first, odd ones come during the walk, those that 4 divides go during it.
# $C, $P: the contact of the number, and one that all rows of a listing belong to. {i}: the number, {n}: another order, {s}: two digits of it.
C = "(SELECT id FROM contact WHERE external_id = 'walk{i}')"
P = "(SELECT id FROM contact WHERE external_id = 'one')"
AT = "timestamptz '2023-01-01Z' + {n} * interval '1 minute'"
SEG = "(SELECT id FROM segment WHERE name = 'fixed')"
MODEL = "(SELECT id FROM rfm_model WHERE name = 'scores')"
NAMED = "DELETE FROM {table} WHERE name = 'w{s}'"


def named(table, columns="", values=""):
    return (f"INSERT INTO {table} (org_id, name{columns}) VALUES (1, 'w{{s}}'{values})", NAMED.replace("{table}", table))


LISTINGS = {
    "/v1/contacts": ("INSERT INTO contact (org_id, external_id, first_name, city) VALUES (1, 'c{i}', 'Zulema{s}', 'Zas')", "DELETE FROM contact WHERE external_id = 'c{i}'"),
    "/v1/contacts?q=zulema": "/v1/contacts",
    "/v1/contacts?rule=city%20%3D%20%22zas%22": "/v1/contacts",
    "/v1/contacts/merges": ("INSERT INTO contact_merge (org_id, contact_id, merged_id, at, was, moved) VALUES (1, $C, 900000 + {i}, '2023-01-01', '{{}}', '{{}}')",
                            "DELETE FROM contact_merge WHERE merged_id = 900000 + {i}"),
    "/v1/contacts/duplicates": ("INSERT INTO contact (org_id, first_name, last_name, postal_code, external_id) SELECT 1, 'Doble', 'De' || chr(97 + {i}), '{s}', 'd{i}.' || j FROM generate_series(1, 2) j",
                                "DELETE FROM contact WHERE external_id ^@ 'd{i}.'"),
    "/v1/contacts/{one}/interactions": ("INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, source) SELECT 1, $P, k.id, $AT, 'i{i}' FROM kind k WHERE k.name = 'signup'",
                                        "DELETE FROM interaction WHERE source = 'i{i}'"),
    "/v1/contacts/{one}/history": ("INSERT INTO field_history (org_id, contact_id, field, became, at) VALUES (1, $P, 'city', '{i}', $AT)",
                                   "DELETE FROM field_history WHERE contact_id = $P AND became = '{i}'"),
    "/v1/imports": ("INSERT INTO import (org_id, name, state, size, made_at) VALUES (1, 'w{i}', 'ready', 1, $AT)", "DELETE FROM import WHERE name = 'w{i}'"),
    "/v1/erasures": ("INSERT INTO erasure (org_id, contact_id, reason, interactions, at) VALUES (1, 700000 + {n}, 'w{i}', 1, $AT)", None),
    "/v1/contacts/{one}/segments": ("INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT 1, $P, s.id, $AT FROM segment s WHERE s.name = 'of{s}'",
                                    "DELETE FROM membership WHERE contact_id = $P AND segment_id = (SELECT id FROM segment WHERE name = 'of{s}')"),
    "/v1/contacts/{one}/relations": ("INSERT INTO relation (org_id, contact_id, kind_id, other_id) SELECT 1, $P, k.id, $C FROM relation_kind k WHERE k.name IN ('spouse', 'parent of')",
                                     "DELETE FROM relation WHERE contact_id = $P AND other_id = $C"),
    "/v1/relations": ("INSERT INTO relation_kind (org_id, name, shares_id) SELECT 1, 'w{s}', k.id FROM relation_kind k WHERE k.name = 'employee of'",
                      "DELETE FROM relation_kind WHERE name = 'w{s}'"),
    "/v1/groups": ("INSERT INTO contact_group (org_id, contact_id, name) VALUES (1, $C, 'W{s}')", "DELETE FROM contact_group WHERE name = 'W{s}'"),
    "/v1/groups/all/members": ("INSERT INTO contact_group (org_id, contact_id, name) VALUES (1, $C, 'all')", "DELETE FROM contact_group WHERE name = 'all' AND contact_id = $C"),
    "/v1/contacts/{one}/consents": ("INSERT INTO consent (org_id, contact_id, topic_id, action, wording) SELECT 1, $P, t.id, 'grant', 'w{i}' FROM topic t WHERE t.name = 'news'", None),
    "/v1/segments": named("segment", ", kind, updated_at", ", 'fixed', '2023-01-01'"),
    "/v1/segments/fixed/members": (f"INSERT INTO membership (org_id, contact_id, segment_id, entered_at) VALUES (1, $C, {SEG}, '2022-01-01')",
                                   f"DELETE FROM membership WHERE contact_id = $C AND segment_id = {SEG}"),
    "/v1/segments/fixed/members?as_of=2023-01-01T00:00:00Z": "/v1/segments/fixed/members",
    "/v1/segments/fixed/exceptions": (f"INSERT INTO segment_exception (org_id, contact_id, segment_id, mode) VALUES (1, $C, {SEG}, 'in')",
                                      f"DELETE FROM segment_exception WHERE contact_id = $C AND segment_id = {SEG}"),
    "/v1/rfm": named("rfm_model", ", kinds, updated_at", ", '{{donation}}', '2023-01-01'"),
    "/v1/rfm/scores/scores": (f"INSERT INTO rfm_score (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, scored_at) VALUES (1, $C, {MODEL}, '2022-01-01', 1, 1, 1, 1, 1, '2023-01-01')",
                              f"DELETE FROM rfm_score WHERE contact_id = $C AND model_id = {MODEL}"),
    "/v1/rfm/scores/scores?as_of=2023-02-01T00:00:00Z": (
        f"INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until) VALUES (1, $C, {MODEL}, '2022-01-01', 1, 1, 1, 1, 1, 'x', '2022-01-01', '2023-02-10')",
        f"DELETE FROM rfm_history WHERE contact_id = $C AND model_id = {MODEL}"),
    "/v1/contacts/{one}/rfm?model=scores": (
        f"INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until) VALUES (1, $P, {MODEL}, '2022-01-01', {{i}}, 1, 1, 1, 1, 'x', '2022-01-01', $AT)",
        "DELETE FROM rfm_history WHERE contact_id = $P AND frequency = {i}"),
    "/v1/templates": named("template"),
    "/v1/topics": named("topic"),
    "/v1/fields": named("field", ", type", ", 'text'"),
    "/v1/kinds": named("kind"),
    "/v1/rates": ("INSERT INTO currency_rate (org_id, currency, valid_on, rate) VALUES (1, CASE WHEN {n} % 3 = 0 THEN 'USD' ELSE 'CHF' END, date '2023-01-01' + {n}, 2)",
                  "DELETE FROM currency_rate WHERE valid_on = date '2023-01-01' + {n}"),
    "/v1/suppressions": ("INSERT INTO suppression (org_id, email, reason) VALUES (1, 'w{s}@x.example', 'manual')", "DELETE FROM suppression WHERE email = 'w{s}@x.example'"),
    "/v1/webhooks": named("webhook", ", url, secret, updated_at, enabled", ", 'https://x.example', '\\x000102030405060708090a0b0c0d0e0f1011121314151617', '2023-01-01', false"),
    "/v1/webhooks/hook/deliveries": ("INSERT INTO delivery (org_id, id, contact_id, sort, state, key, webhook_id, attempt, made_at, done_at) SELECT 1, 800000 + {n}, $C, 'hook', 'sent', 'h{i}', w.id, 1, $AT, $AT FROM webhook w WHERE w.name = 'hook'",
                                     "DELETE FROM delivery WHERE id = 800000 + {n}"),
    "/v1/forms": named("form", ", wording, language, double_opt_in, updated_at", ", 'x', 'es', false, '2023-01-01'"),
    "/v1/campaigns": ("INSERT INTO campaign (org_id, name, template_id, segment_id, topic_id, updated_at) SELECT 1, 'w{s}', t.id, s.id, p.id, '2023-01-01' FROM template t, segment s, topic p WHERE t.name = 'letter' AND s.name = 'fixed' AND p.name = 'news'",
                      "DELETE FROM campaign WHERE name = 'w{s}'"),
    "/v1/journeys": named("journey", ", definition, updated_at", ", '{{}}', '2023-01-01'"),
    "/v1/journeys/walk/runs": ("INSERT INTO journey_position (org_id, contact_id, journey_id, entry, version, state, entered_at, ended_at) SELECT 1, $C, j.id, '{i}', 1, 'finished', $AT, $AT FROM journey j WHERE j.name = 'walk'",
                               "DELETE FROM journey_position WHERE entry = '{i}'"),
    "/v1/deliveries": ("INSERT INTO delivery (org_id, id, contact_id, sort, state, key, attempt, made_at, done_at) VALUES (1, 500000 + {n}, $C, 'mail', 'sent', 'm{i}', 1, $AT, $AT)",
                       "DELETE FROM delivery WHERE id = 500000 + {n}"),
    "/v1/tokens": ("INSERT INTO token (org_id, hash, name) VALUES (1, sha256('w{i}'), 'w{i}')", "DELETE FROM token WHERE name = 'w{i}'"),
    "/v1/users": ("INSERT INTO app_user (org_id, name, email, role, created_at, updated_at) VALUES (1, 'W', 'w{i}@x.example', 'reader', '2023-01-01', '2023-01-01')",
                  "DELETE FROM app_user WHERE email = 'w{i}@x.example'"),
    "/v1/audit": ("INSERT INTO audit (org_id, at, by, action, what, name) VALUES (1, $AT, 'x', 'changed', 'topic', 'w{i}')", None),
    "/v1/audit?what=topic&name=same": ("INSERT INTO audit (org_id, at, by, action, what, name) VALUES (1, $AT, 'x', 'changed', 'topic', 'same')", None),
    "/v1/tags": ("INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (1, $C, 'W{s}')", "DELETE FROM contact_tag WHERE tag = 'W{s}'"),
    "/v1/tasks": ("INSERT INTO task (org_id, contact_id, title, due_on, created_at, updated_at) VALUES (1, $C, 'w{i}', date '2023-01-01' + {n}, '2023-01-01', '2023-01-01')",
                  "DELETE FROM task WHERE title = 'w{i}'"),
}
# The chains are looked at in pages; what is answered is a count.
COUNTED = {"/v1/consents/verify"}

# What an item is known by: what else is in it may change during the walk.
KNOWN = ["id", "name", "tag", "email", "merged", "version"]


@pytest.fixture(scope="module")
def walked(sink):
    one = Instance(relay=sink.url, clock="2023-02-20T09:00:00Z").start()
    one.api("PUT", "/v1/topics/news", {"title": "Noticias"})
    one.template("letter")
    one.sql("INSERT INTO contact (org_id, external_id) SELECT 1, 'walk' || i FROM generate_series(0, 29) i UNION ALL SELECT 1, 'one'")
    one.sql("INSERT INTO segment (org_id, name, kind, updated_at) SELECT 1, v, 'fixed', '2022-01-01' FROM (SELECT 'fixed' AS v UNION ALL SELECT 'of' || lpad(i::text, 2, '0') FROM generate_series(0, 99) i) x")
    one.sql("INSERT INTO kind (org_id, name) VALUES (1, 'donation') ON CONFLICT DO NOTHING")
    one.sql("INSERT INTO rfm_model (org_id, name, kinds, updated_at, stale) VALUES (1, 'scores', '{donation}', '2022-01-01', false)")
    one.sql("INSERT INTO currency (org_id, code) VALUES (1, 'USD'), (1, 'CHF') ON CONFLICT DO NOTHING")
    one.sql("INSERT INTO webhook (org_id, name, url, secret, updated_at, enabled) VALUES (1, 'hook', 'https://x.example', '\\x000102030405060708090a0b0c0d0e0f1011121314151617', '2023-01-01', false)")
    one.sql("INSERT INTO journey (org_id, name, definition, updated_at) VALUES (1, 'walk', '{}', '2023-01-01')")
    one.settle()
    one.writer = one.connect(org=1).cursor()
    yield one
    one.stop()


def known(item):
    if isinstance(item.get("contacts"), list):
        return json.dumps([c["id"] for c in item["contacts"]])
    return json.dumps({k: v for k, v in item.items() if k in KNOWN or k in ("contact", "other", "kind", "relation", "segment", "currency", "on", "frequency", "entry", "entered_at", "at", "until")},
                      sort_keys=True)


def page(lazo, path, limit, after=None):
    r = lazo.request("GET", path, params={"limit": limit, **({"after": after} if after else {})})
    assert r.status_code == 200, r.text
    return r.json()["items"], r.json()["next"]


def test_every_listing_is_walked():
    paths = yaml.safe_load((ROOT / "daemon" / "http" / "openapi.yaml").read_text())["paths"]
    with_cursor = {path for path, operations in paths.items()
                   if any(p.get("$ref", "").endswith("/after") for p in operations.get("get", {}).get("parameters", []))}
    here = {path.split("?")[0].replace("{one}", "{id}").replace("/all/", "/{group}/").replace("/fixed/", "/{name}/").replace("/rfm/scores/", "/rfm/{name}/")
            .replace("/hook/", "/{name}/").replace("/walk/", "/{name}/") for path in LISTINGS}
    assert here == with_cursor - COUNTED


@pytest.mark.parametrize("path", LISTINGS)
def test_walk(walked, path):
    make, drop = LISTINGS[LISTINGS[path]] if isinstance(LISTINGS[path], str) else LISTINGS[path]
    one = walked.sql("SELECT id FROM contact WHERE external_id = 'one'")[0][0]
    where = path.replace("{one}", str(one))

    def write(template, i):
        n = i * 37 % 100
        text = template.replace("$C", C).replace("$P", P).replace("$AT", AT)
        walked.writer.execute(text.format(i=i, n=n, s=f"{n:02}"))
        assert walked.writer.rowcount > 0

    there = list(range(0, 30, 2))
    for i in there:
        write(make, i)
    before = {known(item) for item in page(walked, where, 1000)[0]}
    coming, going, found, after = list(range(1, 30, 2)), list(range(0, 30, 4)) if drop else [], [], None
    while True:
        items, after = page(walked, where, 2, after)
        assert len(items) <= 2
        found += [known(item) for item in items]
        if after is None:
            break
        if coming:
            there.append(coming.pop(0))
            write(make, there[-1])
        # From the end and from the beginning in turn.
        if going:
            there.remove(going[0 if len(going) % 2 else -1])
            write(drop, going.pop(0 if len(going) % 2 else -1))
    ahead = {known(item) for item in page(walked, where, 1000)[0]}
    assert len(before & ahead) >= 4 and ahead - before and (before - ahead or not drop), "what came and went"
    assert len(found) == len(set(found)), sorted(f for f in set(found) if found.count(f) > 1)
    assert before & ahead <= set(found), sorted(before & ahead - set(found))
    assert set(found) <= before | ahead
    for i in there if drop else []:
        write(drop, i)
