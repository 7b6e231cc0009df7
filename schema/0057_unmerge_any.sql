-- 0057 - merges are taken apart in any order, and leave what would be if that one had never been made.
-- What a merge moved, filled and put aside hangs on the merges before it. So the later ones of the same contacts that hang on it are taken apart first, the last one
-- first, and made again behind it: each by its own number, with what was chosen.
SET LOCAL search_path = lazo;

DROP FUNCTION contact_merge(bigint, bigint, jsonb, text, timestamptz);

-- A no to a topic, written by a merge, or a yes by its undoing, which stands on what the person said.
CREATE OR REPLACE FUNCTION merge_says(of_contact bigint, topics int[], what text, how text, merge bigint, now timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, at, request)
    SELECT current_org(), of_contact, t.id, what, coalesce(g.purpose, ''), coalesce(g.wording, ''), coalesce(g.version, ''), coalesce(g.language, ''),
           'merge:' || merge, how, greatest(now, (SELECT s.since FROM subscription s WHERE s.contact_id = of_contact AND s.topic_id = t.id)),
           CASE WHEN g.id IS NOT NULL THEN jsonb_build_object('merge', merge, 'entry', g.id) ELSE jsonb_build_object('merge', merge) END
      FROM topic t LEFT JOIN LATERAL (SELECT c.* FROM consent c WHERE what = 'grant' AND c.contact_id = of_contact AND c.topic_id = t.id AND c.action = 'grant' AND c.method <> 'merge undone'
                                       ORDER BY c.at DESC, c.id DESC LIMIT 1) g ON true
     WHERE t.id = ANY (topics) ORDER BY t.id $$;

-- Merges a contact into another one, by the number `merge`; said at `at`. Gives why not. The lock of both, in the order of their ids, comes first; whoever records
-- meanwhile waits, and finds the kept one.
CREATE FUNCTION contact_merge_as(merge bigint, keep_id bigint, gone_id bigint, chosen jsonb, said_by text, at timestamptz, now timestamptz, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    keep contact;
    gone contact;
    becomes contact;
    moved jsonb := '{}';
    said int[];
    p text;
    source constant text := 'merge:' || merge;
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
    UPDATE change g SET contact_id = keep_id WHERE g.org_id = org AND g.contact_id = gone_id;

    -- One passage at a time through a journey: the kept contact's goes on. One mail of a campaign.
    UPDATE journey_position g SET state = 'left', wake_at = NULL, ended_at = now
     WHERE g.contact_id = gone_id AND g.state = 'waiting'
       AND EXISTS (SELECT FROM journey_position k WHERE k.contact_id = keep_id AND k.journey_id = g.journey_id AND k.state = 'waiting');
    PERFORM merge_campaigns(keep_id, gone_id, now);

    -- A no stays a no: where one of the two withdrew, the kept contact is not subscribed until it says yes again.
    said := ARRAY(SELECT k.topic_id FROM subscription k JOIN subscription g ON g.topic_id = k.topic_id AND g.contact_id = gone_id
                   WHERE k.contact_id = keep_id AND k.subscribed <> g.subscribed);
    moved := moved || jsonb_build_object('withdrawn', ARRAY(SELECT k.topic_id FROM subscription k WHERE k.contact_id = keep_id AND k.subscribed AND k.topic_id = ANY (said)),
        'chains', to_jsonb(consent_move(gone_id, keep_id, NULL)), 'subscription', part_move('subscription', gone_id, keep_id, NULL));
    PERFORM merge_says(keep_id, said, 'withdraw', 'merge', merge, now);

    moved := moved || jsonb_build_object('chosen', chosen,
        'attrs', (SELECT coalesce(jsonb_agg(to_jsonb(a)), '[]') FROM contact_attr a WHERE a.contact_id = gone_id));
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
    SELECT k.job_id, org, 2, 'mail', contact_merge_as.now, keep_id, k.key, m.template_id, m.topic_id, m.id, m.data, contact_merge_as.now
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
    VALUES (org, keep_id, merge, gone_id, said_by, contact_merge_as.at, to_jsonb(gone), moved);
    PERFORM contact_touched(keep_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;

-- Merges a contact into another one. Gives the merge's id, or why not.
CREATE FUNCTION contact_merge(keep_id bigint, gone_id bigint, chosen jsonb, said_by text, now timestamptz, OUT merge bigint, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    merge := nextval(pg_get_serial_sequence('lazo.contact_merge', 'id'));
    SELECT m.error INTO error FROM contact_merge_as(merge, keep_id, gone_id, chosen, said_by, now, now) m;
    IF error IS NULL THEN
        PERFORM audit_note(current_org(), 'merged', 'contact', keep_id::text, jsonb_build_object('merge', merge, 'contact', gone_id));
    ELSE
        merge := NULL;
    END IF;
END $$;

-- What was chosen in a merge: as it was kept with it; of earlier ones, what can be told from what it filled.
CREATE FUNCTION merge_chosen(m contact_merge) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = lazo AS $$
    SELECT coalesce(m.moved -> 'chosen', (
        SELECT jsonb_object_agg(f.name, CASE WHEN m.moved -> 'fields' ? f.name THEN 'merge' ELSE 'keep' END)
          FROM (SELECT k.key AS name, k.value AS kept, m.was -> k.key AS gone FROM jsonb_each(m.moved -> 'keep') k
                 WHERE k.key IN ('kind', 'first_name', 'last_name', 'company_name', 'email', 'external_id', 'phone', 'language', 'country', 'street', 'city',
                                 'postal_code', 'time_zone', 'stage')
                UNION ALL SELECT 'birth_date', m.moved #> '{keep,birth_month}', m.was -> 'birth_month'
                UNION ALL SELECT 'deceased', nullif(m.moved #> '{keep,deceased}', 'true'), nullif(m.was -> 'deceased', 'false')) f
         WHERE f.gone <> 'null' AND (f.kept <> 'null') = (m.moved -> 'fields' ? f.name)), '{}') $$;

-- The merges since `of_merge` that hang on it, the first one first: those into the contact that it kept, and those of that contact into others.
CREATE FUNCTION merges_upon(of_contact bigint, of_merge bigint) RETURNS bigint[] LANGUAGE plpgsql STABLE SET search_path = lazo AS $$
DECLARE
    touched bigint[];
    found bigint[] := '{}';
    m record;
BEGIN
    FOR m IN SELECT g.id, (g.moved #>> '{keep,id}')::bigint AS kept, g.merged_id FROM contact_merge g
              WHERE g.contact_id = of_contact AND g.id >= of_merge AND g.undone_at IS NULL ORDER BY g.id LOOP
        IF m.id = of_merge THEN
            touched := ARRAY[m.kept];
        ELSIF m.kept = ANY (touched) OR m.merged_id = ANY (touched) THEN
            touched := touched || m.kept;
            found := found || m.id;
        END IF;
    END LOOP;
    RETURN found;
END $$;

-- Takes a merge apart on which no other one hangs.
CREATE FUNCTION contact_unmerge_last(of_merge bigint, said_by text, now timestamptz, OUT keep_id bigint, OUT gone_id bigint, OUT error text)
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
    -- A custom field that was changed since stays with the kept contact; the other one has what it had.
    IF it.moved ? 'attrs' THEN
        it.moved := jsonb_set(it.moved, '{contact_attr,moved}', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('field_id', w.field_id)), '[]')
              FROM jsonb_populate_recordset(NULL::contact_attr, it.moved -> 'attrs') w JOIN contact_attr a ON a.contact_id = keep_id AND a.field_id = w.field_id
             WHERE attr_value(a) = attr_value(w) AND it.moved #> '{contact_attr,moved}' @> jsonb_build_array(jsonb_build_object('field_id', w.field_id))));
    END IF;
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
    PERFORM part_restore('contact_attr', coalesce(it.moved -> 'attrs', '[]'));
    UPDATE membership b SET entered_at = (k ->> 'entered_at')::timestamptz FROM jsonb_array_elements(it.moved #> '{membership,moved}') k
     WHERE b.contact_id = gone_id AND b.segment_id = (k ->> 'segment_id')::int AND k ? 'entered_at';
    PERFORM consent_move(keep_id, gone_id, ARRAY(SELECT t::bigint FROM jsonb_array_elements_text(it.moved -> 'chains') t));
    -- From here on its no holds no more.
    UPDATE contact_merge m SET undone_at = now, undone_by = said_by WHERE m.contact_id = keep_id AND m.id = of_merge;
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
    PERFORM contact_touched(keep_id);
    PERFORM contact_touched(gone_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;

-- Makes a merge again that was taken apart.
CREATE FUNCTION contact_merge_again(of_merge bigint, now timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    it contact_merge;
    said bigint;
BEGIN
    DELETE FROM contact_merge m WHERE m.org_id = current_org() AND m.id = of_merge RETURNING * INTO it;
    said := (SELECT max(c.id) FROM consent c WHERE c.contact_id = (it.moved #>> '{keep,id}')::bigint);
    PERFORM contact_merge_as(it.id, (it.moved #>> '{keep,id}')::bigint, it.merged_id, merge_chosen(it), it."by", it.at, now);
    UPDATE contact_merge m SET moved = m.moved || jsonb_build_object('said', said) WHERE m.org_id = current_org() AND m.id = of_merge;
END $$;

-- A contact's tags, groups and custom fields.
CREATE FUNCTION contact_labels(of_contact bigint) RETURNS TABLE (field text, key text, value jsonb) LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT 'tag', t.tag_fold, to_jsonb(t.tag) FROM contact_tag t WHERE t.contact_id = of_contact
    UNION ALL SELECT 'group', g.name_fold, to_jsonb(g.name) FROM contact_group g WHERE g.contact_id = of_contact
    UNION ALL SELECT 'attr.' || f.name, '', attr_value(a) FROM contact_attr a JOIN field f ON f.id = a.field_id WHERE a.contact_id = of_contact $$;

-- After merges were made again: what the contact did not have is not filled, and its history tells only in what it is another than before.
CREATE FUNCTION merges_remade(before contact, before_labels jsonb, of_merge bigint, others bigint[], told bigint, said_by text, now timestamptz) RETURNS void
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    after contact;
BEGIN
    UPDATE contact c
       SET first_name = CASE WHEN before.first_name IS NOT NULL THEN c.first_name END, last_name = CASE WHEN before.last_name IS NOT NULL THEN c.last_name END,
           company_name = CASE WHEN before.company_name IS NOT NULL THEN c.company_name END, language = CASE WHEN before.language IS NOT NULL THEN c.language END,
           country = CASE WHEN before.country IS NOT NULL THEN c.country END, street = CASE WHEN before.street IS NOT NULL THEN c.street END,
           city = CASE WHEN before.city IS NOT NULL THEN c.city END, postal_code = CASE WHEN before.postal_code IS NOT NULL THEN c.postal_code END,
           time_zone = CASE WHEN before.time_zone IS NOT NULL THEN c.time_zone END, stage = CASE WHEN before.stage IS NOT NULL THEN c.stage END,
           birth_year = CASE WHEN before.birth_month IS NOT NULL THEN c.birth_year END, birth_month = CASE WHEN before.birth_month IS NOT NULL THEN c.birth_month END,
           birth_day = CASE WHEN before.birth_month IS NOT NULL THEN c.birth_day END
     WHERE c.id = before.id;
    DELETE FROM contact_attr a USING field f
     WHERE a.contact_id = before.id AND f.id = a.field_id AND NOT before_labels @> jsonb_build_array(jsonb_build_object('field', 'attr.' || f.name));
    SELECT * INTO after FROM contact c WHERE c.id = before.id;
    DELETE FROM field_history h WHERE h.contact_id = before.id AND h.id > told AND h.at = now
       AND h.source IN (SELECT 'merge:' || o || s FROM unnest(others) o, unnest(ARRAY['', ':undone']) s);
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT current_org(), before.id, x.field, x.was, x.became, now, said_by, 'merge:' || of_merge || ':undone'
      FROM (SELECT * FROM contact_changes(before, after)
            UNION ALL
            SELECT field, w.value, b.value FROM jsonb_to_recordset(before_labels) AS w(field text, key text, value jsonb)
              FULL JOIN contact_labels(before.id) b USING (field, key) WHERE w.value IS DISTINCT FROM b.value) x;
END $$;

-- Takes a merge apart. What happened since stays with the kept contact; a no that was said since is both's. Gives the two contacts, or why not.
CREATE OR REPLACE FUNCTION contact_unmerge(of_merge bigint, said_by text, now timestamptz, OUT keep_id bigint, OUT gone_id bigint, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    before contact;
    before_labels jsonb;
    others bigint[];
    told bigint;
    it record;
    writer constant text := coalesce(current_setting('lazo.writer', true), '');
BEGIN
    SELECT m.contact_id INTO keep_id FROM contact_merge m WHERE m.org_id = current_org() AND m.id = of_merge;
    SELECT * INTO before FROM contact c WHERE c.id = keep_id FOR UPDATE;
    others := merges_upon(keep_id, of_merge);
    told := (SELECT max(h.id) FROM field_history h WHERE h.contact_id = keep_id);
    SELECT coalesce(jsonb_agg(to_jsonb(l)), '[]') INTO before_labels FROM contact_labels(keep_id) l;
    FOR n IN REVERSE cardinality(others) .. 1 LOOP
        PERFORM contact_unmerge_last(others[n], said_by, now);
    END LOOP;
    SELECT u.* INTO it FROM contact_unmerge_last(of_merge, said_by, now) u;
    gone_id := it.gone_id;
    error := it.error;
    IF error IS NOT NULL THEN
        RETURN;
    END IF;
    FOR n IN 1 .. cardinality(others) LOOP
        PERFORM contact_merge_again(others[n], now);
    END LOOP;
    IF others <> '{}' THEN
        PERFORM set_config('lazo.writer', 'lazod', true);
        PERFORM merges_remade(before, before_labels, of_merge, others, coalesce(told, 0), said_by, now);
        PERFORM set_config('lazo.writer', writer, true);
    END IF;
    PERFORM audit_note(current_org(), 'unmerged', 'contact', keep_id::text, jsonb_build_object('merge', of_merge, 'contact', gone_id));
END $$;

-- What their ledgers say last of each topic holds. Left aside: the no of a merge that was undone, and of one that was made again, what it said before;
-- the yes that such an undoing gave back, where the entry that it stands on went with somebody else since. Where the undoing of an import is last they say neither yes nor no.
CREATE OR REPLACE FUNCTION contact_hears(contacts bigint[]) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO subscription AS s (org_id, contact_id, topic_id, subscribed, since)
    SELECT l.org_id, l.contact_id, l.topic_id, l.action = 'grant', l.at
      FROM (SELECT DISTINCT ON (c.contact_id, c.topic_id) c.*
              FROM consent c
             WHERE c.contact_id = ANY (contacts)
               AND NOT (c.method = 'merge' AND EXISTS (SELECT FROM contact_merge m WHERE m.contact_id = c.contact_id AND c.source = 'merge:' || m.id
                                                    AND (m.undone_at IS NOT NULL OR c.id <= (m.moved ->> 'said')::bigint)))
               AND NOT (c.method = 'merge undone' AND c.request ? 'entry'
                        AND NOT EXISTS (SELECT FROM consent e WHERE e.contact_id = c.contact_id AND e.id::text = c.request ->> 'entry'))
             ORDER BY c.contact_id, c.topic_id, c.at DESC, c.id DESC) l
     WHERE NOT (l.method = 'undo' AND l.source ^@ 'undo of import ')
    ON CONFLICT (contact_id, topic_id) DO UPDATE SET subscribed = excluded.subscribed, since = excluded.since
     WHERE (s.subscribed, s.since) IS DISTINCT FROM (excluded.subscribed, excluded.since) $$;
