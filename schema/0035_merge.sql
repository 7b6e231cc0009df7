-- 0035 - contacts that are one person: merged, and taken apart again; proposals dismissed. See lazo-contacts(7).
SET LOCAL search_path = lazo;

-- --- the ledger of consent ---------------------------------------------------------------------------------------------------
-- Entries of a merged contact are the kept one's from then on and stay a chain of their own: `chain` is the contact that they were written for. Null: its own.
ALTER TABLE consent ADD COLUMN chain bigint;
DROP INDEX consent_chain;
CREATE UNIQUE INDEX consent_chain ON consent (contact_id, n) WHERE chain IS NULL;
CREATE UNIQUE INDEX consent_chain_merged ON consent (contact_id, chain, n) WHERE chain IS NOT NULL;

-- The ends of the chains of merged contacts.
CREATE TABLE consent_merged (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    chain bigint NOT NULL,
    n bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (contact_id, chain)
);

CREATE OR REPLACE FUNCTION consent_text(c consent, topic text, previous bytea) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_array(encode(previous, 'hex'), c.org_id, coalesce(c.chain, c.contact_id), c.n, c.id, topic, c.action, c.purpose, c.wording, c.version,
               c.language, c.source, c.method, c.ip, c.user_agent, lazo.instant_us(c.at), c.request)::text $$;

-- --- merges --------------------------------------------------------------------------------------------------------------------
-- `contact_id` was kept, `merged_id` is a number that leads to it. `was` is the merged contact's row; `moved` tells what to take apart: rows by their keys (moved),
-- rows that the kept contact had already (left), fields that were filled (fields), withdrawals that were written (withdrawn).
CREATE TABLE contact_merge (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    merged_id bigint NOT NULL,
    by text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    was jsonb NOT NULL,
    moved jsonb NOT NULL,
    undone_at timestamptz,
    undone_by text,
    PRIMARY KEY (contact_id, id)
);
CREATE INDEX contact_merge_list ON contact_merge (org_id, id);
CREATE UNIQUE INDEX contact_merge_of ON contact_merge (org_id, merged_id) WHERE undone_at IS NULL;

-- Two who look alike and are not the same: a row at either.
CREATE TABLE contact_distinct (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    other_id bigint NOT NULL,
    by text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, other_id)
);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['consent_merged', 'contact_merge', 'contact_distinct'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;
REVOKE INSERT, UPDATE, DELETE ON consent_merged FROM lazo_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

-- An amendment goes where its interaction goes.
ALTER TABLE amendment DROP CONSTRAINT amendment_contact_id_id_fkey;
ALTER TABLE amendment ADD CONSTRAINT amendment_contact_id_id_fkey FOREIGN KEY (contact_id, id) REFERENCES interaction ON UPDATE CASCADE ON DELETE CASCADE;

-- What becomes of each table's rows in a merge. A table that has a contact_id stands here: tests/sql/merge.sql.
--   move    they become the kept contact's; where it has one of the same key already, that one stays and the other is put aside
--   own     contact_merge() knows
--   forget  computed: they go with the merged contact and are computed anew
--   follow  another table's foreign key takes them along
--   stay    a number that is told of who is no more
CREATE FUNCTION contact_parts() RETURNS TABLE (part text, fate text) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    VALUES ('identity', 'move'), ('contact_phone', 'move'), ('contact_tag', 'move'), ('contact_group', 'move'), ('contact_attr', 'move'), ('interaction', 'move'),
           ('interaction_key', 'move'), ('amendment', 'follow'), ('consent', 'own'), ('consent_head', 'own'), ('consent_merged', 'own'),
           ('subscription', 'own'), ('membership', 'move'), ('membership_past', 'move'), ('segment_exception', 'move'), ('rfm_score', 'move'),
           ('rfm_history', 'move'), ('wake', 'forget'), ('contact_word', 'forget'), ('change', 'own'), ('cue', 'move'), ('campaign_audience', 'move'), ('job', 'move'),
           ('delivery', 'move'), ('journey_position', 'move'), ('form_request', 'move'), ('field_history', 'own'), ('relation', 'move'), ('task', 'move'),
           ('contact_merge', 'move'), ('contact_distinct', 'move'), ('erasure', 'stay') $$;

-- The columns of a table that can be written, and those of its key without the contact.
CREATE FUNCTION part_columns(part text) RETURNS text[] LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_attribute a
     WHERE a.attrelid = part::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' $$;
CREATE FUNCTION part_key(part text) RETURNS text[] LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = part::regclass AND i.indisprimary AND a.attname <> 'contact_id' $$;

-- Moves a table's rows from one contact to another. `of` limits it to these keys. What the other has already is put aside. Gives {"moved": [keys], "left": [rows]}.
CREATE FUNCTION part_move(part text, from_id bigint, to_id bigint, of jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    key constant text[] := part_key(part);
    keyed constant boolean := EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                                       WHERE i.indrelid = part::regclass AND i.indisprimary AND a.attname = 'contact_id');
    same constant text := (SELECT string_agg(format('o.%1$s = t.%1$s', k), ' AND ') FROM unnest(key) k);
    wanted constant text := CASE WHEN of IS NULL THEN '' ELSE format(' AND (%s) IN (SELECT %s FROM jsonb_populate_recordset(NULL::%I, $3) k)',
        (SELECT string_agg('t.' || k, ', ') FROM unnest(key) k), (SELECT string_agg('k.' || k, ', ') FROM unnest(key) k), part) END;
    itself constant text := CASE WHEN key @> '{other_id}' THEN ' OR t.other_id = $2' ELSE '' END;
    aside jsonb := '[]';
    moved jsonb;
BEGIN
    IF keyed THEN
        EXECUTE format('WITH gone AS (DELETE FROM %1$I t WHERE t.contact_id = $1 AND (EXISTS (SELECT FROM %1$I o WHERE o.contact_id = $2 AND %2$s)%4$s)%3$s RETURNING to_jsonb(t) AS row)
                        SELECT coalesce(jsonb_agg(row), ''[]'') FROM gone', part, same, wanted, itself) INTO aside USING from_id, to_id, of;
    END IF;
    EXECUTE format('WITH put AS (UPDATE %1$I t SET contact_id = $2 WHERE t.contact_id = $1%2$s RETURNING jsonb_build_object(%3$s) AS key)
                    SELECT coalesce(jsonb_agg(key), ''[]'') FROM put', part, wanted, (SELECT string_agg(format('%L, t.%s', btrim(k, '"'), k), ', ') FROM unnest(key) k))
       INTO moved USING from_id, to_id, of;
    RETURN jsonb_build_object('moved', moved, 'left', aside);
END $$;

-- Puts rows back that were put aside.
CREATE FUNCTION part_restore(part text, aside jsonb) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF aside <> '[]' THEN
        EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$I, $1) ON CONFLICT DO NOTHING', part,
            array_to_string(part_columns(part), ', ')) USING aside;
    END IF;
END $$;

-- The chains of one contact become another's, or go back: those of `chains`, null for all. Nobody else may touch the ledger.
CREATE FUNCTION consent_move(from_id bigint, to_id bigint, chains bigint[]) RETURNS bigint[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    moved bigint[];
BEGIN
    IF (SELECT count(*) FROM contact c WHERE c.id IN (from_id, to_id) AND c.org_id = org) <> 2 THEN
        RAISE EXCEPTION 'no such contacts' USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO consent_merged (org_id, contact_id, chain, n, hash)
    SELECT h.org_id, h.contact_id, h.contact_id, h.n, h.hash FROM consent_head h WHERE h.contact_id = from_id AND chains IS NULL;
    DELETE FROM consent_head h WHERE h.contact_id = from_id AND chains IS NULL;
    WITH put AS (UPDATE consent_merged m SET contact_id = to_id WHERE m.contact_id = from_id AND (chains IS NULL OR m.chain = ANY (chains)) RETURNING m.chain)
    SELECT coalesce(array_agg(chain ORDER BY chain), '{}') INTO moved FROM put;
    UPDATE consent c SET contact_id = to_id, chain = nullif(coalesce(c.chain, from_id), to_id)
     WHERE c.contact_id = from_id AND coalesce(c.chain, from_id) = ANY (moved);
    -- A chain that is back with the contact that it was written for is its own again.
    INSERT INTO consent_head (org_id, contact_id, n, hash)
    SELECT m.org_id, to_id, m.n, m.hash FROM consent_merged m WHERE m.contact_id = to_id AND m.chain = to_id;
    DELETE FROM consent_merged m WHERE m.contact_id = to_id AND m.chain = to_id;
    RETURN moved;
END $$;
GRANT SELECT ON contact, consent TO lazo_directory;
GRANT UPDATE (contact_id, chain) ON consent TO lazo_directory;
GRANT DELETE ON consent_head TO lazo_directory;
GRANT SELECT, INSERT, UPDATE, DELETE ON consent_merged TO lazo_directory;
GRANT CREATE ON SCHEMA lazo TO lazo_directory;
ALTER FUNCTION consent_move(bigint, bigint, bigint[]) OWNER TO lazo_directory;
REVOKE ALL ON FUNCTION consent_move(bigint, bigint, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent_move(bigint, bigint, bigint[]) TO lazo_app;
REVOKE CREATE ON SCHEMA lazo FROM lazo_directory;

-- A no to a topic, written by a merge or by its undoing.
CREATE FUNCTION merge_says(of_contact bigint, topics int[], what text, how text, merge bigint, now timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, at, request)
    SELECT current_org(), of_contact, t.id, what, coalesce(g.purpose, ''), coalesce(g.wording, ''), coalesce(g.version, ''), coalesce(g.language, ''),
           'merge:' || merge, how, greatest(now, (SELECT s.since FROM subscription s WHERE s.contact_id = of_contact AND s.topic_id = t.id)),
           CASE WHEN g.id IS NOT NULL THEN jsonb_build_object('merge', merge, 'entry', g.id) ELSE jsonb_build_object('merge', merge) END
      FROM topic t LEFT JOIN LATERAL (SELECT c.* FROM consent c WHERE what = 'grant' AND c.contact_id = of_contact AND c.topic_id = t.id AND c.action = 'grant'
                                       ORDER BY c.at DESC, c.id DESC LIMIT 1) g ON true
     WHERE t.id = ANY (topics) ORDER BY t.id $$;

-- Columns of a contact that a merge fills, in the kept one's row. `chosen`: {field: "keep" or "merge"} where somebody chose.
CREATE FUNCTION merge_fields(keep contact, merged contact, chosen jsonb) RETURNS contact LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result contact := keep;
    k jsonb := to_jsonb(keep);
    m constant jsonb := to_jsonb(merged);
    field text;
BEGIN
    FOREACH field IN ARRAY ARRAY['kind', 'first_name', 'last_name', 'company_name', 'email', 'external_id', 'phone', 'language', 'country', 'street', 'city',
                                 'postal_code', 'time_zone', 'stage'] LOOP
        IF m -> field <> 'null' AND (chosen ->> field = 'merge' OR (k -> field = 'null' AND chosen ->> field IS DISTINCT FROM 'keep')) THEN
            k := k || jsonb_build_object(field, m -> field);
        END IF;
    END LOOP;
    IF merged.birth_month IS NOT NULL
       AND (chosen ->> 'birth_date' = 'merge' OR (keep.birth_month IS NULL AND chosen ->> 'birth_date' IS DISTINCT FROM 'keep')) THEN
        k := k || jsonb_build_object('birth_year', merged.birth_year, 'birth_month', merged.birth_month, 'birth_day', merged.birth_day);
    END IF;
    -- Who died in one of the two records died.
    IF merged.deceased AND NOT keep.deceased AND chosen ->> 'deceased' IS DISTINCT FROM 'keep' THEN
        k := k || jsonb_build_object('deceased', true, 'deceased_on', merged.deceased_on);
    END IF;
    k := k || jsonb_build_object('created_at', least(keep.created_at, merged.created_at));
    RETURN jsonb_populate_record(keep, k);
END $$;

-- The same backwards: what the merge changed is as it was in `was`, where it still is as the merge left it. `fields`: {field: [was, became]}.
CREATE FUNCTION unmerge_fields(c contact, was jsonb, fields jsonb) RETURNS contact LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT jsonb_populate_record(c, coalesce(jsonb_object_agg(k.name, was -> k.name), '{}') || jsonb_build_object('created_at', was -> 'created_at'))
      FROM jsonb_each(fields) f
     CROSS JOIN LATERAL unnest(CASE f.key WHEN 'birth_date' THEN ARRAY['birth_year', 'birth_month', 'birth_day'] ELSE ARRAY[f.key] END) AS k(name)
     WHERE contact_fields(c) -> f.key = f.value -> 1 $$;

-- A contact with those of its names that it has: e-mail, external id and phone must be among its own; else the first of them.
CREATE FUNCTION contact_renamed(c contact) RETURNS contact LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT jsonb_populate_record(c, jsonb_build_object(
        'email', (SELECT i.value FROM identity i WHERE i.contact_id = c.id AND i.sort = 'email' ORDER BY i.value = c.email DESC NULLS LAST, i.value LIMIT 1),
        'external_id', (SELECT i.value FROM identity i WHERE i.contact_id = c.id AND i.sort = 'external_id' ORDER BY i.value = c.external_id DESC NULLS LAST, i.value LIMIT 1),
        'phone', (SELECT p.phone FROM contact_phone p WHERE p.contact_id = c.id ORDER BY p.phone = c.phone DESC NULLS LAST, p.added_at, p.phone LIMIT 1))) $$;

-- What their ledgers say last of each topic holds.
CREATE FUNCTION contact_hears(contacts bigint[]) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO subscription AS s (org_id, contact_id, topic_id, subscribed, since)
    SELECT DISTINCT ON (c.contact_id, c.topic_id) c.org_id, c.contact_id, c.topic_id, c.action = 'grant', c.at
      FROM consent c WHERE c.contact_id = ANY (contacts) ORDER BY c.contact_id, c.topic_id, c.at DESC, c.id DESC
    ON CONFLICT (contact_id, topic_id) DO UPDATE SET subscribed = excluded.subscribed, since = excluded.since
     WHERE (s.subscribed, s.since) IS DISTINCT FROM (excluded.subscribed, excluded.since) $$;

-- Writes the columns of merge_fields() and those alone.
CREATE FUNCTION contact_take(c contact, now timestamptz) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    UPDATE contact t
       SET kind = c.kind, first_name = c.first_name, last_name = c.last_name, company_name = c.company_name, email = c.email, external_id = c.external_id,
           phone = c.phone, language = c.language, country = c.country, street = c.street, city = c.city, postal_code = c.postal_code, time_zone = c.time_zone,
           stage = c.stage, birth_year = c.birth_year, birth_month = c.birth_month, birth_day = c.birth_day, deceased = c.deceased, deceased_on = c.deceased_on,
           created_at = c.created_at, updated_at = now
     WHERE t.id = c.id $$;

-- Everything of a contact is to be looked at anew; it starts nothing.
CREATE FUNCTION contact_touched(of_contact bigint) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO change (org_id, contact_id, sort, quiet)
    SELECT current_org(), of_contact, s, true FROM unnest(ARRAY['field', 'tag', 'group', 'consent', 'relation', 'segment', 'score']) AS s;
    INSERT INTO change (org_id, contact_id, sort, kind_id, quiet)
    SELECT DISTINCT current_org(), of_contact, 'interaction', i.kind_id, true FROM interaction i WHERE i.contact_id = of_contact $$;

-- Rows that were gained or lost, in the history of fields: tags, groups, custom fields.
CREATE FUNCTION merge_tells(of_contact bigint, moved jsonb, gained boolean, said_by text, said_source text, now timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT current_org(), of_contact, x.field, CASE WHEN NOT gained THEN x.value END, CASE WHEN gained THEN x.value END, now, said_by, said_source
      FROM (SELECT 'tag' AS field, to_jsonb(t.tag) AS value FROM contact_tag t
             WHERE t.contact_id = of_contact AND t.tag_fold IN (SELECT k ->> 'tag_fold' FROM jsonb_array_elements(moved #> '{contact_tag,moved}') k)
            UNION ALL
            SELECT 'group', to_jsonb(g.name) FROM contact_group g
             WHERE g.contact_id = of_contact AND g.name_fold IN (SELECT k ->> 'name_fold' FROM jsonb_array_elements(moved #> '{contact_group,moved}') k)
            UNION ALL
            SELECT 'attr.' || f.name, attr_value(a) FROM contact_attr a JOIN field f ON f.id = a.field_id
             WHERE a.contact_id = of_contact AND a.field_id IN (SELECT (k ->> 'field_id')::int FROM jsonb_array_elements(moved #> '{contact_attr,moved}') k)) x $$;

-- Merges a contact into another one. Gives the merge's id, or why not. The lock of both, in the order of their ids, comes first; whoever records meanwhile waits,
-- and finds the kept one.
CREATE FUNCTION contact_merge(keep_id bigint, gone_id bigint, chosen jsonb, said_by text, now timestamptz, OUT merge bigint, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    keep contact;
    gone contact;
    becomes contact;
    moved jsonb := '{}';
    said int[];
    p text;
    source text;
    writer constant text := coalesce(current_setting('lazo.writer', true), '');
BEGIN
    PERFORM FROM contact c WHERE c.id IN (keep_id, gone_id) ORDER BY c.id FOR UPDATE;
    SELECT * INTO keep FROM contact c WHERE c.id = keep_id;
    SELECT * INTO gone FROM contact c WHERE c.id = gone_id;
    IF keep.id IS NULL OR gone.id IS NULL OR keep_id = gone_id THEN
        error := CASE WHEN keep_id = gone_id THEN 'a contact is not merged with itself'
                      ELSE format('there is no contact %s', CASE WHEN keep.id IS NULL THEN keep_id ELSE gone_id END) END;
        RETURN;
    END IF;
    -- What is told of it is told here, whoever asks.
    PERFORM set_config('lazo.writer', 'lazod', true);
    merge := nextval(pg_get_serial_sequence('lazo.contact_merge', 'id'));
    source := 'merge:' || merge;
    UPDATE change g SET contact_id = keep_id WHERE g.org_id = org AND g.contact_id = gone_id;

    -- One passage at a time through a journey: the kept contact's goes on. One mail of a campaign.
    UPDATE journey_position g SET state = 'left', wake_at = NULL, ended_at = now
     WHERE g.contact_id = gone_id AND g.state = 'waiting'
       AND EXISTS (SELECT FROM journey_position k WHERE k.contact_id = keep_id AND k.journey_id = g.journey_id AND k.state = 'waiting');
    WITH doubled AS (
        DELETE FROM job j
         WHERE j.contact_id = gone_id AND j.campaign_id IS NOT NULL AND j.lease IS NULL
           AND (EXISTS (SELECT FROM job k WHERE k.contact_id = keep_id AND k.campaign_id = j.campaign_id)
                OR EXISTS (SELECT FROM delivery d WHERE d.contact_id = keep_id AND d.campaign_id = j.campaign_id)) RETURNING j.*)
    INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, campaign_id, topic_id, data, attempt, status, made_at, done_at)
    SELECT d.org_id, d.id, d.contact_id, d.sort, 'cancelled', d.key, d.template_id, d.campaign_id, d.topic_id, d.data, d.attempt, 'merged', d.first_at, now
      FROM doubled d;

    -- A no stays a no: where one of the two withdrew, the kept contact is not subscribed until it says yes again.
    said := ARRAY(SELECT k.topic_id FROM subscription k JOIN subscription g ON g.topic_id = k.topic_id AND g.contact_id = gone_id
                   WHERE k.contact_id = keep_id AND k.subscribed <> g.subscribed);
    moved := moved || jsonb_build_object('withdrawn', ARRAY(SELECT k.topic_id FROM subscription k WHERE k.contact_id = keep_id AND k.subscribed AND k.topic_id = ANY (said)),
        'chains', to_jsonb(consent_move(gone_id, keep_id, NULL)), 'subscription', part_move('subscription', gone_id, keep_id, NULL));
    PERFORM merge_says(keep_id, said, 'withdraw', 'merge', merge, now);

    WITH told AS (UPDATE field_history h SET contact_id = keep_id, field = 'merged.' || h.field WHERE h.contact_id = gone_id RETURNING h.id)
    SELECT moved || jsonb_build_object('history', coalesce(jsonb_agg(id), '[]')) INTO moved FROM told;
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'move' ORDER BY c.part LOOP
        moved := moved || jsonb_build_object(p, part_move(p, gone_id, keep_id, NULL));
    END LOOP;
    PERFORM merge_tells(keep_id, moved, true, said_by, source, now);
    INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
    SELECT org, keep_id, 'merged.attr.' || f.name, attr_value(a), now, said_by, source
      FROM jsonb_populate_recordset(NULL::contact_attr, moved #> '{contact_attr,left}') a JOIN field f ON f.id = a.field_id;
    DELETE FROM contact c WHERE c.id = gone_id;

    -- A campaign that is being made into jobs has passed the kept contact, and not the merged one.
    WITH missed AS (
        SELECT c.id, c.template_id, c.topic_id, c.data, 'campaign:' || c.id || ':' || keep_id AS key
          FROM campaign c JOIN campaign_audience a ON a.contact_id = keep_id AND a.campaign_id = c.id
         WHERE c.state IN ('expanding', 'paused') AND gone_id > c.expanded_to AND keep_id <= c.expanded_to
    ), keyed AS (
        INSERT INTO job_key (org_id, key, job_id) SELECT org, m.key, nextval('job_id_seq') FROM missed m ON CONFLICT DO NOTHING RETURNING key, job_id
    )
    INSERT INTO job (id, org_id, class, sort, run_at, contact_id, key, template_id, topic_id, campaign_id, data, first_at) OVERRIDING SYSTEM VALUE
    SELECT k.job_id, org, 2, 'mail', contact_merge.now, keep_id, k.key, m.template_id, m.topic_id, m.id, m.data, contact_merge.now
      FROM keyed k JOIN missed m ON m.key = k.key;

    becomes := merge_fields(keep, gone, chosen);
    PERFORM contact_take(becomes, now);
    SELECT c.* INTO becomes FROM contact c WHERE c.id = keep_id;
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT org, keep_id, x.field, x.was, x.became, now, said_by, source FROM contact_changes(keep, becomes) x
    UNION ALL
    -- What the merged contact was, and the kept one is not.
    SELECT org, keep_id, 'merged.' || x.field, x.was, NULL, now, said_by, source FROM contact_changes(gone, becomes) x WHERE x.was IS NOT NULL;
    moved := moved || jsonb_build_object('keep', to_jsonb(keep),
        'fields', (SELECT coalesce(jsonb_object_agg(x.field, jsonb_build_array(x.was, x.became)), '{}') FROM contact_changes(keep, becomes) x));
    INSERT INTO contact_merge (org_id, contact_id, id, merged_id, by, at, was, moved) OVERRIDING SYSTEM VALUE
    VALUES (org, keep_id, merge, gone_id, said_by, now, to_jsonb(gone), moved);
    PERFORM audit_note(org, 'merged', 'contact', keep_id::text, jsonb_build_object('merge', merge, 'contact', gone_id));
    PERFORM contact_touched(keep_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;

-- Takes a merge apart. What happened since stays with the kept contact; a no that was said since is both's. Gives the two contacts, or why not.
CREATE FUNCTION contact_unmerge(of_merge bigint, said_by text, now timestamptz, OUT keep_id bigint, OUT gone_id bigint, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    it contact_merge;
    keep contact;
    becomes contact;
    gone contact;
    source constant text := 'merge:' || of_merge || ':undone';
    later_no int[];
    restored int[];
    p text;
    writer constant text := coalesce(current_setting('lazo.writer', true), '');
BEGIN
    SELECT m.contact_id INTO keep_id FROM contact_merge m WHERE m.org_id = org AND m.id = of_merge;
    SELECT * INTO keep FROM contact c WHERE c.id = keep_id FOR UPDATE;
    SELECT * INTO it FROM contact_merge m WHERE m.org_id = org AND m.id = of_merge FOR UPDATE;
    IF it.id IS NULL OR keep.id IS NULL OR it.contact_id <> keep.id THEN
        error := CASE WHEN it.id IS NULL THEN format('there is no merge %s', of_merge) ELSE 'the contact is being merged; ask again' END;
        RETURN;
    ELSIF it.undone_at IS NOT NULL THEN
        error := 'this merge was undone already';
        RETURN;
    END IF;
    PERFORM set_config('lazo.writer', 'lazod', true);
    gone_id := it.merged_id;
    gone := jsonb_populate_record(NULL::contact, it.was);
    later_no := ARRAY(SELECT s.topic_id FROM subscription s
                    WHERE s.contact_id = keep_id AND NOT s.subscribed AND s.since >= it.at
                      AND NOT EXISTS (SELECT FROM consent c WHERE c.contact_id = keep_id AND c.chain IS NULL AND c.topic_id = s.topic_id AND c.at = s.since
                                         AND c.method = 'merge' AND c.source = 'merge:' || of_merge));
    restored := ARRAY(SELECT t::int FROM jsonb_array_elements_text(it.moved -> 'withdrawn') t
                       WHERE t::int <> ALL (later_no) AND EXISTS (SELECT FROM subscription s WHERE s.contact_id = keep_id AND s.topic_id = t::int AND NOT s.subscribed));

    -- Its phone comes with its phones, its addresses with identity.
    PERFORM part_restore('contact', jsonb_build_array(it.was || '{"phone": null}'));
    PERFORM merge_tells(keep_id, it.moved, false, said_by, source, now);
    -- What amended one of its interactions since goes with it.
    it.moved := jsonb_set(it.moved, '{interaction,moved}', (it.moved #> '{interaction,moved}') || (
        SELECT coalesce(jsonb_agg(jsonb_build_object('id', a.id)), '[]') FROM amendment a
         WHERE a.contact_id = keep_id AND a.amends IN (SELECT (k ->> 'id')::bigint FROM jsonb_array_elements(it.moved #> '{interaction,moved}') k)));
    it.moved := jsonb_set(it.moved, '{interaction_key,moved}', (it.moved #> '{interaction_key,moved}') || (
        SELECT coalesce(jsonb_agg(jsonb_build_object('org_id', k.org_id, 'source', k.source, 'key', k.key)), '[]') FROM interaction_key k
         WHERE k.contact_id = keep_id AND k.interaction_id IN (SELECT (x ->> 'id')::bigint FROM jsonb_array_elements(it.moved #> '{interaction,moved}') x)));
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'move' OR c.part = 'subscription' ORDER BY c.part LOOP
        CONTINUE WHEN NOT it.moved ? p;
        PERFORM part_move(p, keep_id, gone_id, it.moved #> ARRAY[p, 'moved']);
        PERFORM part_restore(p, it.moved #> ARRAY[p, 'left']);
    END LOOP;
    PERFORM consent_move(keep_id, gone_id, ARRAY(SELECT t::bigint FROM jsonb_array_elements_text(it.moved -> 'chains') t));
    PERFORM contact_take(contact_renamed(gone), gone.updated_at);
    PERFORM contact_hears(ARRAY[keep_id, gone_id]);
    UPDATE field_history h SET contact_id = gone_id, field = substr(h.field, 8)
     WHERE h.contact_id = keep_id AND h.id IN (SELECT x::bigint FROM jsonb_array_elements_text(it.moved -> 'history') x);

    -- Fields that the merge filled, where nobody changed them since. Names that went leave the others.
    becomes := contact_renamed(unmerge_fields(keep, it.moved -> 'keep', it.moved -> 'fields'));
    PERFORM contact_take(becomes, now);
    SELECT * INTO becomes FROM contact c WHERE c.id = keep_id;
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT org, keep_id, x.field, x.was, x.became, now, said_by, source FROM contact_changes(keep, becomes) x;

    PERFORM merge_says(keep_id, restored, 'grant', 'merge undone', of_merge, now);
    PERFORM merge_says(gone_id, ARRAY(SELECT s.topic_id FROM subscription s WHERE s.contact_id = gone_id AND s.subscribed AND s.topic_id = ANY (later_no)), 'withdraw',
                       'merge undone', of_merge, now);
    UPDATE contact_merge m SET undone_at = now, undone_by = said_by WHERE m.contact_id = keep_id AND m.id = of_merge;
    PERFORM audit_note(org, 'unmerged', 'contact', keep_id::text, jsonb_build_object('merge', of_merge, 'contact', gone_id));
    PERFORM contact_touched(keep_id);
    PERFORM contact_touched(gone_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;

-- --- who may be the same --------------------------------------------------------------------------------------------------------
-- The mailbox that an address leads to, as far as can be told: what comes after + is a label, and Gmail does not look at dots.
CREATE FUNCTION mail_canonical(address text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN m.domain IN ('gmail.com', 'googlemail.com') THEN replace(m.box, '.', '') || '@gmail.com' ELSE m.box || '@' || m.domain END
      FROM (SELECT split_part(lower(split_part(address, '@', 1)), '+', 1) AS box, lower(split_part(address, '@', 2)) AS domain) m $$;

-- Whether two texts are the same but for one letter: another one, one more, one less, or two that changed places. Of short texts that says nothing.
CREATE FUNCTION one_letter(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    n constant int := length(a);
    m constant int := length(b);
    i int := 1;
BEGIN
    IF a = b OR abs(n - m) > 1 OR least(n, m) < 6 THEN
        RETURN false;
    END IF;
    WHILE i <= least(n, m) AND substr(a, i, 1) = substr(b, i, 1) LOOP
        i := i + 1;
    END LOOP;
    IF n = m THEN
        RETURN substr(a, i + 1) = substr(b, i + 1)
            OR (substr(a, i, 1) = substr(b, i + 1, 1) AND substr(a, i + 1, 1) = substr(b, i, 1) AND substr(a, i + 2) = substr(b, i + 2));
    END IF;
    RETURN CASE WHEN n > m THEN substr(a, i + 1) = substr(b, i) ELSE substr(a, i) = substr(b, i + 1) END;
END $$;
