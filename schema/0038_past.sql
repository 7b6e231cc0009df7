-- 0038 - the past of a contact that another one is merged into is its own: lazo-contacts(7).
SET LOCAL search_path = lazo;

-- As 0035, and:
--   aside   what was found of the merged contact alone: kept with the merge, and back when it is undone. The kept contact's is looked at anew.
CREATE OR REPLACE FUNCTION contact_parts() RETURNS TABLE (part text, fate text) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    VALUES ('identity', 'move'), ('contact_phone', 'move'), ('contact_tag', 'move'), ('contact_group', 'move'), ('contact_attr', 'move'), ('interaction', 'move'),
           ('interaction_key', 'move'), ('amendment', 'follow'), ('consent', 'own'), ('consent_head', 'own'), ('consent_merged', 'own'),
           ('subscription', 'own'), ('membership', 'own'), ('membership_past', 'aside'), ('segment_exception', 'move'), ('rfm_score', 'aside'),
           ('rfm_history', 'aside'), ('wake', 'forget'), ('contact_word', 'forget'), ('change', 'own'), ('cue', 'move'), ('campaign_audience', 'move'), ('job', 'move'),
           ('delivery', 'move'), ('journey_position', 'move'), ('form_request', 'move'), ('field_history', 'own'), ('relation', 'move'), ('task', 'move'),
           ('contact_merge', 'move'), ('contact_distinct', 'move'), ('erasure', 'stay') $$;

-- Puts all rows that a contact has in a table aside, as part_move() tells of them.
CREATE FUNCTION part_aside(part text, from_id bigint) RETURNS jsonb LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    aside jsonb;
BEGIN
    EXECUTE format('WITH gone AS (DELETE FROM %I t WHERE t.contact_id = $1 RETURNING to_jsonb(t) AS row) SELECT coalesce(jsonb_agg(row), ''[]'') FROM gone', part)
       INTO aside USING from_id;
    RETURN jsonb_build_object('moved', '[]'::jsonb, 'left', aside);
END $$;

-- A membership that somebody gave goes along, unless the kept contact has it already; it begins after the kept contact left that segment last, and its key tells when
-- it began. One that a rule gave is put aside.
CREATE FUNCTION membership_move(from_id bigint, to_id bigint) RETURNS jsonb LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    aside jsonb;
    moved jsonb;
BEGIN
    WITH gone AS (
        DELETE FROM membership b USING segment s
         WHERE b.contact_id = from_id AND s.id = b.segment_id
           AND (s.kind = 'dynamic' OR EXISTS (SELECT FROM membership o WHERE o.contact_id = to_id AND o.segment_id = b.segment_id))
        RETURNING to_jsonb(b) AS row)
    SELECT coalesce(jsonb_agg(row), '[]') INTO aside FROM gone;
    WITH put AS (
        UPDATE membership b
           SET contact_id = to_id,
               entered_at = greatest(b.entered_at, (SELECT max(p.left_at) FROM membership_past p WHERE p.contact_id = to_id AND p.segment_id = b.segment_id))
          FROM membership was
         WHERE b.contact_id = from_id AND was.contact_id = from_id AND was.segment_id = b.segment_id
        RETURNING jsonb_build_object('segment_id', b.segment_id, 'entered_at', was.entered_at) AS key)
    SELECT coalesce(jsonb_agg(key), '[]') INTO moved FROM put;
    RETURN jsonb_build_object('moved', moved, 'left', aside);
END $$;

-- Puts rows back that were put aside; those that belong to what was deleted meanwhile - a segment, a field, another contact - are gone with it.
CREATE OR REPLACE FUNCTION part_restore(part text, aside jsonb) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    whole constant text := (
        SELECT string_agg(format(' AND (r.%1$I IS NULL OR EXISTS (SELECT FROM %2$s o WHERE o.%3$I = r.%1$I))', a.attname, k.confrelid::regclass, b.attname), '')
          FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
          JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
         WHERE k.conrelid = part::regclass AND k.contype = 'f' AND cardinality(k.conkey) = 1);
BEGIN
    IF aside <> '[]' THEN
        EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$I, $1) r WHERE true%3$s ON CONFLICT DO NOTHING',
            part, array_to_string(part_columns(part), ', '), coalesce(whole, '')) USING aside;
    END IF;
END $$;

-- As 0035, but for what is put aside.
CREATE OR REPLACE FUNCTION contact_merge(keep_id bigint, gone_id bigint, chosen jsonb, said_by text, now timestamptz, OUT merge bigint, OUT error text)
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
    moved := moved || jsonb_build_object('membership', membership_move(gone_id, keep_id));
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'move' ORDER BY c.part LOOP
        moved := moved || jsonb_build_object(p, part_move(p, gone_id, keep_id, NULL));
    END LOOP;
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'aside' ORDER BY c.part LOOP
        moved := moved || jsonb_build_object(p, part_aside(p, gone_id));
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

CREATE OR REPLACE FUNCTION contact_unmerge(of_merge bigint, said_by text, now timestamptz, OUT keep_id bigint, OUT gone_id bigint, OUT error text)
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
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate IN ('move', 'aside') OR c.part IN ('subscription', 'membership') ORDER BY c.part LOOP
        CONTINUE WHEN NOT it.moved ? p;
        PERFORM part_move(p, keep_id, gone_id, it.moved #> ARRAY[p, 'moved']);
        PERFORM part_restore(p, it.moved #> ARRAY[p, 'left']);
    END LOOP;
    UPDATE membership b SET entered_at = (k ->> 'entered_at')::timestamptz FROM jsonb_array_elements(it.moved #> '{membership,moved}') k
     WHERE b.contact_id = gone_id AND b.segment_id = (k ->> 'segment_id')::int AND k ? 'entered_at';
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
