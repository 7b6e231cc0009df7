-- 0044 - imports: relations, further phones, merges by number. And a merge that is taken apart is so before the ledger is read.
SET LOCAL search_path = lazo;

-- Pairs are found by lazod now, which reads the whole file first.
DROP FUNCTION import_merge(bigint, text[], text[], jsonb, timestamptz);
DROP FUNCTION import_pairs(bigint, text[], text[]);

-- Merges contacts into those beside them, one after the other, and counts them in the import's report, of which `report` is the rest. Who was merged by an earlier pair, or
-- by somebody else, is whom they were merged into. Gives how many; null where the import is not running any more.
CREATE FUNCTION import_merge(of_import bigint, keep bigint[], gone bigint[], report jsonb, now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    keep_id bigint;
    gone_id bigint;
    done bigint := 0;
    why text;
BEGIN
    PERFORM FROM import i WHERE i.id = of_import AND i.state = 'running' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM FROM contact c WHERE c.id = ANY (keep || gone) ORDER BY c.id FOR UPDATE;
    FOR i IN 1 .. cardinality(keep) LOOP
        keep_id := contact_now(keep[i]);
        gone_id := contact_now(gone[i]);
        CONTINUE WHEN keep_id = gone_id;
        SELECT m.error INTO why FROM contact_merge(keep_id, gone_id, '{}', 'import:' || of_import, now) m;
        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'contacts are being merged: %', why USING ERRCODE = 'serialization_failure';
        END IF;
        done := done + 1;
    END LOOP;
    UPDATE import i
       SET report = import_merge.report || jsonb_build_object('merged', coalesce((i.report ->> 'merged')::bigint, 0) + done) WHERE i.id = of_import;
    RETURN done;
END $$;

-- Whom a number leads to.
CREATE FUNCTION contact_now(said bigint) RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = lazo AS $$
DECLARE
    into_id bigint;
BEGIN
    LOOP
        SELECT m.contact_id INTO into_id FROM contact_merge m WHERE m.org_id = current_org() AND m.merged_id = said AND m.undone_at IS NULL;
        EXIT WHEN into_id IS NULL;
        said := into_id;
    END LOOP;
    RETURN said;
END $$;

-- Takes a merge apart. What happened since stays with the kept contact; a no that was said since is both's. Gives the two contacts, or why not.
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
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'move' OR c.part = 'subscription' ORDER BY c.part LOOP
        CONTINUE WHEN NOT it.moved ? p;
        PERFORM part_move(p, keep_id, gone_id, it.moved #> ARRAY[p, 'moved']);
        PERFORM part_restore(p, it.moved #> ARRAY[p, 'left']);
    END LOOP;
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
    PERFORM audit_note(org, 'unmerged', 'contact', keep_id::text, jsonb_build_object('merge', of_merge, 'contact', gone_id));
    PERFORM contact_touched(keep_id);
    PERFORM contact_touched(gone_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;

-- --- relations ------------------------------------------------------------------------------------------------------------------
ALTER TABLE relation ADD COLUMN import_id bigint;
ALTER TABLE relation ALTER COLUMN import_id SET DEFAULT nullif(current_setting('lazo.import', true), '')::bigint;
CREATE INDEX relation_import ON relation (org_id, import_id, contact_id) WHERE import_id IS NOT NULL;

CREATE INDEX contact_company ON contact (org_id, company_name_fold, id) WHERE kind <> 'person';

-- Who says more of a relation makes it theirs: no undoing takes it away.
CREATE FUNCTION relation_adopted() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    NEW.import_id := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER relation_adopted BEFORE UPDATE ON relation FOR EACH ROW
    WHEN (OLD.import_id IS NOT NULL AND (OLD.since, OLD.until, OLD.note) IS DISTINCT FROM (NEW.since, NEW.until, NEW.note))
    EXECUTE FUNCTION relation_adopted();

-- Relations of an import, parallel arrays: `own` has the relation of the kind to `other`; where that is 0, to a company or household that is made with this name, once.
-- Gives how many were not there before, and how many contacts were made.
CREATE FUNCTION import_relate(own bigint[], kinds int[], other bigint[], names text[], sorts text[], now timestamptz, OUT related bigint, OUT made bigint)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
BEGIN
    PERFORM FROM contact c WHERE c.id = ANY (own || other) ORDER BY c.id FOR KEY SHARE;
    made := 0;
    FOR i IN 1 .. cardinality(own) LOOP
        CONTINUE WHEN other[i] <> 0;
        SELECT c.id INTO other[i] FROM contact c WHERE c.org_id = org AND c.company_name_fold = fold(names[i]) AND c.kind <> 'person' ORDER BY c.id LIMIT 1;
        CONTINUE WHEN other[i] IS NOT NULL;
        WITH added AS (
            INSERT INTO contact (org_id, kind, company_name, created_at, updated_at) VALUES (org, sorts[i], names[i], now, now) RETURNING id
        ), logged AS (
            INSERT INTO change (org_id, contact_id, sort, quiet) SELECT org, id, 'field', true FROM added
        )
        SELECT id INTO other[i] FROM added;
        made := made + 1;
    END LOOP;
    WITH added AS (
        INSERT INTO relation (org_id, contact_id, kind_id, other_id, added_at)
        SELECT DISTINCT org, u.own, u.kind, u.other, now
          FROM unnest(own, kinds, other) AS u(own, kind, other)
         WHERE u.own <> u.other AND u.own IN (SELECT c.id FROM contact c WHERE c.id = ANY (own)) AND u.other IN (SELECT c.id FROM contact c WHERE c.id = ANY (other))
         ORDER BY 2, 3, 4
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT count(*) INTO related FROM added;
END $$;

-- --- undoing ----------------------------------------------------------------------------------------------------------------------
-- Those of the contacts to which something happened that was not the import: whatever has their id, but what it brought and what is computed.
CREATE OR REPLACE FUNCTION import_outlived(of_import bigint, contacts bigint[]) RETURNS bigint[] LANGUAGE plpgsql STABLE SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    kept bigint[];
    found bigint[];
    t text;
BEGIN
    SELECT array_agg(DISTINCT x.contact_id) INTO kept FROM (
        SELECT i.contact_id FROM interaction i JOIN kind k ON k.id = i.kind_id
         WHERE i.contact_id = ANY (contacts) AND k.name NOT IN ('segment_entered', 'segment_left')
        UNION ALL
        SELECT i.contact_id FROM identity i WHERE i.contact_id = ANY (contacts) AND i.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT p.contact_id FROM contact_phone p WHERE p.contact_id = ANY (contacts) AND p.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT c.contact_id FROM consent c WHERE c.contact_id = ANY (contacts) AND c.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT r.contact_id FROM relation r WHERE r.contact_id = ANY (contacts) AND r.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT h.contact_id FROM field_history h WHERE h.contact_id = ANY (contacts) AND h.by <> 'import:' || of_import) x;
    FOR t IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'lazo'::regnamespace AND c.relkind = 'r' AND a.attname = 'contact_id' AND NOT a.attisdropped
                AND c.relname !~ '^(rfm_|membership)'
                AND c.relname NOT IN ('interaction', 'interaction_key', 'amendment', 'identity', 'consent', 'consent_head', 'subscription', 'field_history', 'contact_tag',
                                      'contact_group', 'contact_attr', 'contact_word', 'contact_phone', 'change', 'cue', 'wake', 'relation') LOOP
        EXECUTE format('SELECT array_agg(DISTINCT contact_id) FROM %I WHERE org_id = $1 AND contact_id = ANY ($2)', t) INTO found USING org, contacts;
        kept := kept || found;
    END LOOP;
    SELECT array_agg(DISTINCT m.contact_id) INTO found FROM membership m JOIN segment s ON s.id = m.segment_id
     WHERE m.contact_id = ANY (contacts) AND s.kind = 'fixed';
    RETURN coalesce(kept || found, '{}');
END $$;

-- The next contacts that an import touched, `at_once` of them; before them its relations, and after all of them its merges, which came before its rows. What was done
-- is added to import.undone. True: there are more. Doing it again does nothing.
CREATE OR REPLACE FUNCTION import_undo(of_import bigint, at_once int, now timestamptz) RETURNS boolean LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    sofar jsonb;
    after_contact bigint;
    contacts bigint[];
    made bigint[];
    others bigint[];
    kept bigint[];
    facts record;
    fields record;
    consents bigint;
    deleted bigint;
    merges bigint;
    related bigint;
BEGIN
    SELECT coalesce(i.undone, '{}') INTO sofar FROM import i WHERE i.id = of_import AND i.state = 'undoing' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Relations first: those that are left then are somebody else's. Both sides go, and one tells of both.
    SELECT array_agg(x.contact_id) INTO contacts FROM (SELECT DISTINCT r.contact_id FROM relation r WHERE r.org_id = org AND r.import_id = of_import ORDER BY 1 LIMIT at_once) x;
    IF contacts IS NOT NULL THEN
        WITH gone AS (DELETE FROM relation r WHERE r.org_id = org AND r.import_id = of_import AND r.contact_id = ANY (contacts) RETURNING r.contact_id, r.kind_id, r.other_id)
        SELECT count(DISTINCT (least(g.contact_id, g.other_id), greatest(g.contact_id, g.other_id), least(g.kind_id, k.inverse_id))) INTO related
          FROM gone g JOIN relation_kind k ON k.id = g.kind_id;
        UPDATE import i SET undone = sofar || jsonb_build_object('relations_removed', coalesce((sofar ->> 'relations_removed')::bigint, 0) + related) WHERE i.id = of_import;
        RETURN true;
    END IF;
    after_contact := coalesce((sofar ->> 'after')::bigint, 0);
    SELECT array_agg(x.id) INTO contacts FROM (
        SELECT DISTINCT u.id FROM (
            (SELECT c.id FROM contact c WHERE c.org_id = org AND c.import_id = of_import AND c.id > after_contact ORDER BY c.id LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT i.contact_id FROM identity i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT i.contact_id FROM interaction i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT c.contact_id FROM consent c WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT p.contact_id FROM contact_phone p WHERE p.org_id = org AND p.import_id = of_import AND p.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT h.contact_id FROM field_history h
              WHERE h.org_id = org AND h.by = 'import:' || of_import AND h.by ^@ 'import:' AND h.contact_id > after_contact ORDER BY 1 LIMIT at_once)) u
         ORDER BY u.id LIMIT at_once) x;
    IF contacts IS NULL THEN
        merges := import_unmerge(of_import, at_once, now);
        IF merges > 0 THEN
            UPDATE import i SET undone = sofar || jsonb_build_object('merges_undone', coalesce((sofar ->> 'merges_undone')::bigint, 0) + merges) WHERE i.id = of_import;
            RETURN true;
        END IF;
        UPDATE import i SET state = 'undone', position = 0, ended_at = now, undone = sofar - 'after' WHERE i.id = of_import;
        RETURN false;
    END IF;
    PERFORM FROM contact c WHERE c.id = ANY (contacts) ORDER BY c.id FOR UPDATE;
    SELECT coalesce(array_agg(c.id) FILTER (WHERE c.import_id = of_import), '{}'), coalesce(array_agg(c.id) FILTER (WHERE c.import_id IS DISTINCT FROM of_import), '{}')
      INTO made, others FROM contact c WHERE c.id = ANY (contacts);
    SELECT * INTO facts FROM import_undo_interactions(of_import, contacts);
    kept := import_outlived(of_import, made);
    WITH gone AS (DELETE FROM contact c WHERE c.id = ANY (made) AND c.id <> ALL (kept) RETURNING c.id)
    SELECT count(*) INTO deleted FROM gone;
    -- An address that goes is no longer the primary one; which one was is in the history.
    SELECT * INTO fields FROM import_undo_fields(of_import, others, now);
    DELETE FROM identity i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (others)
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = i.contact_id AND ((i.sort = 'email' AND c.email = i.value) OR (i.sort = 'external_id' AND c.external_id = i.value)));
    DELETE FROM contact_phone p WHERE p.org_id = org AND p.import_id = of_import AND p.contact_id = ANY (others)
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = p.contact_id AND c.phone = p.phone);
    consents := import_undo_consents(of_import, others || kept, now);
    UPDATE import i
       SET undone = sofar || jsonb_build_object(
               'after', (SELECT max(c) FROM unnest(contacts) AS c),
               'interactions_removed', coalesce((sofar ->> 'interactions_removed')::bigint, 0) + facts.removed,
               'interactions_kept', coalesce((sofar ->> 'interactions_kept')::bigint, 0) + facts.kept,
               'contacts_removed', coalesce((sofar ->> 'contacts_removed')::bigint, 0) + deleted,
               'contacts_kept', coalesce((sofar ->> 'contacts_kept')::bigint, 0) + cardinality(made) - deleted,
               'fields_put_back', coalesce((sofar ->> 'fields_put_back')::bigint, 0) + fields.put_back,
               'fields_kept', coalesce((sofar ->> 'fields_kept')::bigint, 0) + fields.kept,
               'consents_withdrawn', coalesce((sofar ->> 'consents_withdrawn')::bigint, 0) + consents,
               'kept', coalesce(sofar -> 'kept', '[]') || CASE WHEN jsonb_array_length(coalesce(sofar -> 'kept', '[]')) < 100
                   THEN coalesce((SELECT jsonb_agg(k ORDER BY k) FROM (SELECT DISTINCT k FROM unnest(kept) AS k WHERE k = ANY (made) ORDER BY k LIMIT 100) k), '[]') ELSE '[]' END)
     WHERE i.id = of_import;
    RETURN true;
END $$;

-- A file is text of many people: it goes whole, with the rows that were refused and the samples. What the import did can still be undone. One that is under way goes on,
-- and its file goes with limits.import_keep.
CREATE OR REPLACE FUNCTION import_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    touched bigint[];
BEGIN
    SELECT array_agg(i.id) INTO touched FROM import i
     WHERE i.org_id = NEW.org_id AND i.state NOT IN ('uploading', 'checking', 'running')
       AND i.id IN (SELECT c.import_id FROM contact c WHERE c.id = NEW.contact_id
                    UNION SELECT n.import_id FROM identity n WHERE n.contact_id = NEW.contact_id
                    UNION SELECT p.import_id FROM contact_phone p WHERE p.contact_id = NEW.contact_id
                    UNION SELECT r.import_id FROM relation r WHERE r.contact_id = NEW.contact_id
                    UNION SELECT f.import_id FROM interaction f WHERE f.contact_id = NEW.contact_id
                    UNION SELECT s.import_id FROM consent s WHERE s.contact_id = NEW.contact_id
                    UNION SELECT substr(h.by, 8)::bigint FROM field_history h WHERE h.contact_id = NEW.contact_id AND h.by ~ '^import:[0-9]+$');
    DELETE FROM import_piece p WHERE p.import_id = ANY (touched);
    DELETE FROM import_refusal r WHERE r.import_id = ANY (touched);
    UPDATE import i SET guess = i.guess - 'sample', checked = i.checked - 'sample', report = i.report - 'sample' WHERE i.id = ANY (touched);
    RETURN NULL;
END $$;
