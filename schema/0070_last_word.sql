-- 0070 - what a person said last holds, whatever is merged, taken apart, imported and undone around it.
SET LOCAL search_path = lazo;

-- --- words and what follows from them --------------------------------------------------------------------------------------------
-- Whether an entry of the ledger only follows from others: the no of a merge, the yes that its undoing gave back, what the undoing of an import says. Nobody said it.
CREATE FUNCTION consent_follows(c consent) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE c.method WHEN 'merge' THEN c.source ^@ 'merge:'
                         WHEN 'merge undone' THEN c.source ^@ 'merge:' AND c.action = 'grant' AND coalesce(c.request ? 'entry', false)
                         WHEN 'undo' THEN c.source ^@ 'undo of import ' ELSE false END $$;
-- Whether it is somebody's own word, which neither a merge nor an import that is undone takes away.
CREATE FUNCTION consent_own(c consent) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT c.import_id IS NULL AND NOT lazo.consent_follows(c) $$;

-- The last own word of a contact on a topic, of those that were written for it itself since the last merge into it: 'grant', 'withdraw', or null. To say the same again then adds
-- nothing, whatever is undone.
CREATE FUNCTION consent_said(of_contact bigint, of_topic int) RETURNS text LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT c.action FROM consent c
     WHERE c.contact_id = of_contact AND c.topic_id = of_topic AND c.chain IS NULL AND consent_own(c)
       AND c.at >= coalesce((SELECT max(m.at) FROM contact_merge m WHERE m.contact_id = of_contact AND m.undone_at IS NULL), '-infinity')
     ORDER BY c.at DESC, c.id DESC LIMIT 1 $$;

-- The entry that holds for each contact and topic: the last one. Left aside: the no of a merge that was undone, and of one that was made again, what it said before; the yes
-- of an import that was undone; what else only follows from other entries.
CREATE FUNCTION consent_words(contacts bigint[]) RETURNS SETOF consent LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT DISTINCT ON (c.contact_id, c.topic_id) c.*
      FROM consent c
     WHERE c.contact_id = ANY (contacts)
       AND CASE WHEN c.method = 'merge' AND consent_follows(c)
                THEN NOT EXISTS (SELECT FROM contact_merge m WHERE m.contact_id = c.contact_id AND c.source = 'merge:' || m.id
                                    AND (m.undone_at IS NOT NULL OR c.id <= (m.moved ->> 'said')::bigint))
                WHEN consent_follows(c) THEN false
                WHEN c.import_id IS NOT NULL
                THEN NOT EXISTS (SELECT FROM import i WHERE i.id = c.import_id AND i.undone IS NOT NULL)
                     AND NOT EXISTS (SELECT FROM consent u WHERE u.contact_id = c.contact_id AND u.topic_id = c.topic_id AND u.method = 'undo'
                                        AND u.source = 'undo of import ' || c.import_id AND u.id > c.id)
                ELSE true END
     ORDER BY c.contact_id, c.topic_id, c.at DESC, c.id DESC $$;

-- What their ledgers say holds. Of topics that no entry names nothing is changed.
CREATE OR REPLACE FUNCTION contact_hears(contacts bigint[]) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    DELETE FROM subscription s
     WHERE s.contact_id = ANY (contacts) AND EXISTS (SELECT FROM consent c WHERE c.contact_id = s.contact_id AND c.topic_id = s.topic_id)
       AND NOT EXISTS (SELECT FROM consent_words(ARRAY[s.contact_id]) w WHERE w.topic_id = s.topic_id);
    INSERT INTO subscription AS s (org_id, contact_id, topic_id, subscribed, since)
    SELECT w.org_id, w.contact_id, w.topic_id, w.action = 'grant', w.at FROM consent_words(contacts) w
    ON CONFLICT (contact_id, topic_id) DO UPDATE SET subscribed = excluded.subscribed, since = excluded.since
     WHERE (s.subscribed, s.since) IS DISTINCT FROM (excluded.subscribed, excluded.since);
END $$;

-- A no to a topic, written by a merge, or a yes by its undoing, which stands on what the person said.
CREATE OR REPLACE FUNCTION merge_says(of_contact bigint, topics int[], what text, how text, merge bigint, now timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, at, request)
    SELECT current_org(), of_contact, t.id, what, coalesce(g.purpose, ''), coalesce(g.wording, ''), coalesce(g.version, ''), coalesce(g.language, ''),
           'merge:' || merge, how, greatest(now, (SELECT s.since FROM subscription s WHERE s.contact_id = of_contact AND s.topic_id = t.id)),
           CASE WHEN g.id IS NOT NULL THEN jsonb_build_object('merge', merge, 'entry', g.id) ELSE jsonb_build_object('merge', merge) END
      FROM topic t LEFT JOIN consent_words(ARRAY[of_contact]) g ON what = 'grant' AND g.topic_id = t.id AND g.action = 'grant'
     WHERE t.id = ANY (topics) ORDER BY t.id $$;

-- What an import said of consent goes: each yes of it that nobody took back, or followed, in its chain of the ledger is withdrawn there. What else was said holds, and the
-- ledger ends with it.
CREATE OR REPLACE FUNCTION import_undo_consents(of_import bigint, contacts bigint[], now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    said constant text := 'undo of import ' || of_import;
    it record;
    done bigint := 0;
BEGIN
    FOR it IN SELECT c.* FROM consent c
               WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id = ANY (contacts) AND c.action = 'grant' AND NOT consent_follows(c)
                 AND NOT EXISTS (SELECT FROM consent l WHERE l.contact_id = c.contact_id AND l.topic_id = c.topic_id AND l.chain IS NOT DISTINCT FROM c.chain AND l.n > c.n
                                    AND (NOT consent_follows(l) OR (l.method = 'undo' AND l.source = said)))
               ORDER BY c.contact_id, c.n LOOP
        INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, source, method, at)
        VALUES (org, it.contact_id, it.topic_id, 'withdraw', it.purpose, it.wording, said, 'undo', greatest(now, it.at));
        INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, at, request)
        SELECT org, it.contact_id, it.topic_id, 'grant', w.purpose, w.wording, w.version, w.language, said, 'undo', greatest(now, it.at),
               jsonb_build_object('import', of_import, 'entry', w.id)
          FROM consent_words(ARRAY[it.contact_id]) w WHERE w.topic_id = it.topic_id AND w.action = 'grant';
        PERFORM contact_hears(ARRAY[it.contact_id]);
        INSERT INTO change (org_id, contact_id, sort, quiet) VALUES (org, it.contact_id, 'consent', true);
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

-- --- a merge that is taken apart -------------------------------------------------------------------------------------------------
-- What a merge moved, and more rows of a part by their keys.
CREATE FUNCTION merge_moved(moved jsonb, part text, more jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN more IS NULL THEN moved
                ELSE moved || jsonb_build_object(part, coalesce(moved -> part, '{"left": []}')
                                                       || jsonb_build_object('moved', coalesce(moved #> ARRAY[part, 'moved'], '[]') || more)) END $$;

-- Takes a merge apart on which no other one hangs. `handed`: a no and a death that were told since are both's.
DROP FUNCTION contact_unmerge_last(bigint, text, timestamptz);
CREATE FUNCTION contact_unmerge_last(of_merge bigint, said_by text, handed boolean, now timestamptz, OUT keep_id bigint, OUT gone_id bigint, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    it contact_merge;
    keep contact;
    becomes contact;
    gone contact;
    source constant text := 'merge:' || of_merge || ':undone';
    later_no int[] := '{}';
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
    IF handed THEN
        later_no := ARRAY(SELECT w.topic_id
                            FROM (SELECT DISTINCT ON (c.topic_id) c.* FROM consent c
                                   WHERE c.contact_id = keep_id AND c.chain IS NULL AND c.at >= it.at AND consent_own(c) ORDER BY c.topic_id, c.at DESC, c.id DESC) w
                           WHERE w.action = 'withdraw');
        IF keep.deceased AND NOT (it.moved #>> '{keep,deceased}')::boolean AND NOT gone.deceased THEN
            gone.deceased := true;
            gone.deceased_on := keep.deceased_on;
        END IF;
    END IF;

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
    -- So do passages and jobs about them that began since.
    it.moved := merge_moved(it.moved, 'journey_position', (
        SELECT jsonb_agg(jsonb_build_object('journey_id', j.journey_id, 'entry', j.entry)) FROM journey_position j
         WHERE j.contact_id = keep_id AND j.interaction_id IN (SELECT (k ->> 'id')::bigint FROM jsonb_array_elements(it.moved #> '{interaction,moved}') k)));
    it.moved := merge_moved(it.moved, 'job', (
        SELECT jsonb_agg(jsonb_build_object('id', j.id)) FROM job j
         WHERE j.contact_id = keep_id AND j.interaction_id IN (SELECT (k ->> 'id')::bigint FROM jsonb_array_elements(it.moved #> '{interaction,moved}') k)));
    it.moved := merge_moved(it.moved, 'cue', (
        SELECT jsonb_agg(jsonb_build_object('id', q.id)) FROM cue q
         WHERE q.contact_id = keep_id AND q.interaction_id IN (SELECT (k ->> 'id')::bigint FROM jsonb_array_elements(it.moved #> '{interaction,moved}') k)));
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
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT org, gone_id, x.field, x.was, x.became, now, said_by, source
      FROM contact_changes(jsonb_populate_record(gone, jsonb_build_object('deceased', it.was -> 'deceased', 'deceased_on', it.was -> 'deceased_on')), gone) x;
    PERFORM contact_hears(ARRAY[keep_id, gone_id]);
    UPDATE field_history h SET contact_id = gone_id, field = substr(h.field, 8)
     WHERE h.contact_id = keep_id AND h.id IN (SELECT x::bigint FROM jsonb_array_elements_text(it.moved -> 'history') x);

    -- Fields that the merge filled, where nobody changed them since. Names that went leave the others.
    becomes := contact_renamed(unmerge_fields(keep, it.moved -> 'keep', it.moved -> 'fields'));
    PERFORM contact_take(becomes, now);
    SELECT * INTO becomes FROM contact c WHERE c.id = keep_id;
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT org, keep_id, x.field, x.was, x.became, now, said_by, source FROM contact_changes(keep, becomes) x;

    -- A yes that the merge took and that somebody still stands for; a no since.
    restored := ARRAY(SELECT s.topic_id FROM subscription s
                       WHERE s.contact_id = keep_id AND s.subscribed AND s.topic_id IN (SELECT t::int FROM jsonb_array_elements_text(it.moved -> 'withdrawn') t));
    PERFORM merge_says(keep_id, restored, 'grant', 'merge undone', of_merge, now);
    PERFORM merge_says(gone_id, ARRAY(SELECT t FROM unnest(later_no) t WHERE consent_said(gone_id, t) IS DISTINCT FROM 'withdraw'), 'withdraw', 'merge undone', of_merge, now);
    PERFORM contact_touched(keep_id);
    PERFORM contact_touched(gone_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;

-- Merges a contact into another one, by the number `merge`; said at `at`, which is before now where it is made again.
CREATE OR REPLACE FUNCTION contact_merge_as(merge bigint, keep_id bigint, gone_id bigint, chosen jsonb, said_by text, at timestamptz, now timestamptz, OUT error text)
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

    -- A no stays a no: where one of the two withdrew, the kept contact is not subscribed until it says yes again; it may have since this merge was first made.
    said := ARRAY(SELECT k.topic_id FROM subscription k JOIN subscription g ON g.topic_id = k.topic_id AND g.contact_id = gone_id
                   WHERE k.contact_id = keep_id AND k.subscribed <> g.subscribed
                     AND NOT (contact_merge_as.at < contact_merge_as.now
                              AND EXISTS (SELECT FROM consent c WHERE c.contact_id = keep_id AND c.chain IS NULL AND c.topic_id = k.topic_id AND c.at >= contact_merge_as.at AND consent_own(c))));
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

-- Makes a merge again that was taken apart. Who died since it was first made was alive then.
CREATE OR REPLACE FUNCTION contact_merge_again(of_merge bigint, now timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    it contact_merge;
    said bigint;
BEGIN
    DELETE FROM contact_merge m WHERE m.org_id = current_org() AND m.id = of_merge RETURNING * INTO it;
    said := (SELECT max(c.id) FROM consent c WHERE c.contact_id = (it.moved #>> '{keep,id}')::bigint);
    PERFORM contact_merge_as(it.id, (it.moved #>> '{keep,id}')::bigint, it.merged_id, merge_chosen(it), it."by", it.at, now);
    UPDATE contact_merge m
       SET moved = jsonb_set(m.moved || jsonb_build_object('said', said), '{keep,deceased}', to_jsonb((m.moved #>> '{keep,deceased}')::boolean AND (it.moved #>> '{keep,deceased}')::boolean))
     WHERE m.org_id = current_org() AND m.id = of_merge;
END $$;

-- Takes a merge apart. What happened since stays with the kept contact; a no that was said since, and a death, are both's. Gives the two contacts, or why not. What it
-- moved is then told no more.
CREATE OR REPLACE FUNCTION contact_unmerge(of_merge bigint, said_by text, now timestamptz, OUT keep_id bigint, OUT gone_id bigint, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    before contact;
    before_labels jsonb;
    others bigint[];
    way boolean[] := '{}';
    kept bigint;
    step record;
    told bigint;
    it record;
    writer constant text := coalesce(current_setting('lazo.writer', true), '');
BEGIN
    SELECT m.contact_id INTO keep_id FROM contact_merge m WHERE m.org_id = current_org() AND m.id = of_merge;
    SELECT * INTO before FROM contact c WHERE c.id = keep_id FOR UPDATE;
    others := merges_upon(keep_id, of_merge);
    told := (SELECT max(h.id) FROM field_history h WHERE h.contact_id = keep_id);
    SELECT coalesce(jsonb_agg(to_jsonb(l)), '[]') INTO before_labels FROM contact_labels(keep_id) l;
    -- A no that was said of whom the kept one was merged into since was said of both, too.
    kept := (SELECT (g.moved #>> '{keep,id}')::bigint FROM contact_merge g WHERE g.contact_id = keep_id AND g.id = of_merge);
    FOR n IN 1 .. cardinality(others) LOOP
        SELECT (g.moved #>> '{keep,id}')::bigint AS kept, g.merged_id INTO step FROM contact_merge g WHERE g.contact_id = keep_id AND g.id = others[n];
        way := way || (step.merged_id = kept);
        kept := CASE WHEN step.merged_id = kept THEN step.kept ELSE kept END;
    END LOOP;
    FOR n IN REVERSE cardinality(others) .. 1 LOOP
        PERFORM contact_unmerge_last(others[n], said_by, way[n], now);
    END LOOP;
    SELECT u.* INTO it FROM contact_unmerge_last(of_merge, said_by, true, now) u;
    gone_id := it.gone_id;
    error := it.error;
    IF error IS NOT NULL THEN
        RETURN;
    END IF;
    FOR n IN 1 .. cardinality(others) LOOP
        PERFORM contact_merge_again(others[n], now);
    END LOOP;
    PERFORM set_config('lazo.writer', 'lazod', true);
    IF others <> '{}' THEN
        PERFORM merges_remade(before, before_labels, of_merge, others, coalesce(told, 0), said_by, now);
    END IF;
    PERFORM contact_after_imports(gone_id, now);
    UPDATE contact_merge g SET moved = '{}' WHERE g.org_id = current_org() AND g.id = of_merge;
    PERFORM set_config('lazo.writer', writer, true);
    PERFORM audit_note(current_org(), 'unmerged', 'contact', keep_id::text, jsonb_build_object('merge', of_merge, 'contact', gone_id));
END $$;

ALTER TABLE contact_merge NO FORCE ROW LEVEL SECURITY;
UPDATE contact_merge SET moved = '{}' WHERE undone_at IS NOT NULL;
ALTER TABLE contact_merge FORCE ROW LEVEL SECURITY;

-- --- who is erased ---------------------------------------------------------------------------------------------------------------
-- Those that were ever one with a contact, and itself, by the merges that are told of.
CREATE INDEX contact_merge_once ON contact_merge (org_id, merged_id);
CREATE FUNCTION merges_met(of_contact bigint) RETURNS SETOF bigint LANGUAGE sql STABLE SET search_path = lazo AS $$
    WITH RECURSIVE met(id) AS (
        SELECT of_contact
        UNION
        SELECT CASE WHEN g.merged_id = met.id THEN g.contact_id ELSE g.merged_id END
          FROM met JOIN contact_merge g ON g.org_id = current_org() AND (g.merged_id = met.id OR g.contact_id = met.id))
    SELECT id FROM met $$;

-- A contact that goes is told of no more where it once was merged: in the merge, and in what merges told of it in the history of the others, be it over several of them. What
-- one of these has by itself stays told.
CREATE FUNCTION merges_forget(gone bigint) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    known jsonb;
    others bigint[];
BEGIN
    others := nullif(ARRAY(SELECT m FROM merges_met(gone) m WHERE m <> gone), '{}');
    IF others IS NULL THEN
        RETURN;
    END IF;
    SELECT jsonb_agg(DISTINCT x.value) INTO known FROM (
        SELECT f.value FROM contact c CROSS JOIN LATERAL jsonb_each(contact_fields(c)) f WHERE c.id = gone
        UNION ALL SELECT l.value FROM contact_labels(gone) l
        UNION ALL SELECT v FROM field_history h CROSS JOIN LATERAL unnest(ARRAY[h.was, h.became]) v WHERE h.contact_id = gone
        UNION ALL SELECT f.value FROM contact_merge g CROSS JOIN LATERAL jsonb_each(contact_fields(jsonb_populate_record(NULL::contact, g.was))) f
                   WHERE g.org_id = org AND g.merged_id = gone) x
     WHERE jsonb_typeof(x.value) = 'string';
    DELETE FROM field_history h
     WHERE h.contact_id = ANY (others) AND h.source ^@ 'merge:'
       AND (h.source IN (SELECT 'merge:' || g.id || s FROM contact_merge g, unnest(ARRAY['', ':undone']) s WHERE g.org_id = org AND g.merged_id = gone)
            OR (known @> coalesce(h.was, h.became) AND known @> coalesce(h.became, h.was)))
       AND NOT EXISTS (SELECT FROM contact_labels(h.contact_id) l WHERE l.value IN (h.was, h.became))
       AND NOT EXISTS (SELECT FROM contact c CROSS JOIN LATERAL jsonb_each(contact_fields(c)) f WHERE c.id = h.contact_id AND f.value IN (h.was, h.became));
    UPDATE contact_merge g SET was = '{}' WHERE g.org_id = org AND g.merged_id = gone;
END $$;

CREATE OR REPLACE FUNCTION contact_erase(gone bigint, hashes bytea[], why text, by_token bigint, now timestamptz) RETURNS bigint
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    zone constant text := (SELECT o.time_zone FROM organisation o WHERE o.id = org);
    emails text[];
    n int;
    made bigint;
BEGIN
    PERFORM FROM contact c WHERE c.id = gone FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF (SELECT count(*) FROM identity i WHERE i.contact_id = gone) <> cardinality(hashes) THEN
        RETURN 0;
    END IF;
    emails := ARRAY(SELECT i.value FROM identity i WHERE i.contact_id = gone AND i.sort = 'email');
    SELECT count(*) INTO n FROM interaction i WHERE i.contact_id = gone;

    INSERT INTO erased_total AS t (org_id, kind_id, day, count, amount)
    SELECT org, i.kind_id, (i.occurred_at AT TIME ZONE zone)::date, count(*), coalesce(sum(i.amount), 0)
      FROM interaction i WHERE i.contact_id = gone GROUP BY 2, 3 ORDER BY 2, 3
    ON CONFLICT ON CONSTRAINT erased_total_pkey DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    INSERT INTO erased (org_id, hash, at) SELECT org, h, now FROM unnest(hashes) AS h ON CONFLICT ON CONSTRAINT erased_pkey DO NOTHING;
    INSERT INTO erasure (org_id, contact_id, reason, token, interactions, at)
    VALUES (org, gone, why, coalesce((SELECT t.name FROM token t WHERE t.id = by_token), ''), n, now) RETURNING id INTO made;

    -- What does not go with the contact's row by itself.
    DELETE FROM interaction_key k WHERE k.contact_id = gone;
    DELETE FROM form_request r WHERE r.email = ANY (emails);
    DELETE FROM suppression s WHERE s.email = ANY (emails);
    DELETE FROM change g WHERE g.org_id = org AND g.contact_id = gone;
    DELETE FROM job j WHERE j.org_id = org AND j.to_email = ANY (emails);
    UPDATE delivery d SET contact_id = NULL, address = NULL, data = '{}', status = '', interaction_id = NULL
     WHERE d.contact_id = gone OR (d.org_id = org AND d.address = ANY (emails));
    PERFORM merges_forget(gone);
    DELETE FROM contact c WHERE c.id = gone;
    RETURN made;
END $$;

-- Whether a file names one of these, whatever the case, in UTF-8, Latin-1 or UTF-16. A piece is read with the beginning of the next one.
CREATE FUNCTION import_names_any(of_import bigint, names text[]) RETURNS boolean LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT EXISTS (
        SELECT FROM (SELECT lower(encode(p.bytes || coalesce(substr(lead(p.bytes) OVER (ORDER BY p.at), 1, 1000), ''), 'escape')) AS text
                       FROM import_piece p WHERE p.import_id = of_import) t, unnest(names) n
         WHERE strpos(t.text, n) > 0 OR strpos(t.text, regexp_replace(n, '(?<=.)(?=.)', '\000', 'g')) > 0)
        OR EXISTS (SELECT FROM import i, unnest(names) n WHERE i.id = of_import AND strpos(lower(concat(i.guess, i.checked, i.report)), n) > 0)
        OR EXISTS (SELECT FROM import_refusal r, unnest(names) n WHERE r.import_id = of_import AND strpos(lower(r.fields::text), n) > 0) $$;

-- A file is text of many people: it goes whole, with the rows that were refused and the samples, where it was written from to whom is erased, or to whom they were one with
-- once, or where it names them. What the import did can still be undone. One that is under way goes on, and its file goes with limits.import_keep.
CREATE OR REPLACE FUNCTION import_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    people constant bigint[] := ARRAY(SELECT merges_met(NEW.contact_id));
    names constant text[] := ARRAY(SELECT n.value FROM identity n WHERE n.contact_id = NEW.contact_id AND n.sort = 'email');
    touched bigint[];
BEGIN
    SELECT array_agg(i.id) INTO touched FROM import i
     WHERE i.org_id = NEW.org_id AND i.state NOT IN ('uploading', 'checking', 'running')
       AND (i.id IN (SELECT c.import_id FROM contact c WHERE c.id = ANY (people)
                     UNION SELECT n.import_id FROM identity n WHERE n.contact_id = ANY (people)
                     UNION SELECT p.import_id FROM contact_phone p WHERE p.contact_id = ANY (people)
                     UNION SELECT r.import_id FROM relation r WHERE r.contact_id = ANY (people)
                     UNION SELECT f.import_id FROM interaction f WHERE f.contact_id = ANY (people)
                     UNION SELECT s.import_id FROM consent s WHERE s.contact_id = ANY (people)
                     UNION SELECT substr(h.by, 8)::bigint FROM field_history h WHERE h.contact_id = ANY (people) AND h.by ~ '^import:[0-9]+$')
            OR import_names_any(i.id, names));
    DELETE FROM import_piece p WHERE p.import_id = ANY (touched);
    DELETE FROM import_refusal r WHERE r.import_id = ANY (touched);
    UPDATE import i SET guess = i.guess - 'sample', checked = i.checked - 'sample', report = i.report - 'sample' WHERE i.id = ANY (touched);
    RETURN NULL;
END $$;
