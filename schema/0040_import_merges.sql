-- 0040 - imports whose rows say that two contacts are one person: merged before the rows, taken apart when the import is undone. See lazo-import(7).
SET LOCAL search_path = lazo;

CREATE INDEX contact_merge_import ON contact_merge (org_id, by, id) WHERE by ^@ 'import:' AND undone_at IS NULL;

-- Pairs of names, an external id and an e-mail beside each other, that belong to two contacts which were there before the import. `ord` from 0.
CREATE FUNCTION import_pairs(of_import bigint, externals text[], emails text[]) RETURNS TABLE (ord int, keep_id bigint, gone_id bigint)
    LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT (u.ord - 1)::int, x.contact_id, m.contact_id
      FROM unnest(externals, emails) WITH ORDINALITY AS u(external, email, ord)
     CROSS JOIN LATERAL (SELECT n.contact_id FROM identity n WHERE n.org_id = current_org() AND n.sort = 'external_id' AND n.value = u.external LIMIT 1) x
     CROSS JOIN LATERAL (SELECT n.contact_id FROM identity n WHERE n.org_id = current_org() AND n.sort = 'email' AND n.value = u.email LIMIT 1) m
     WHERE x.contact_id <> m.contact_id
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id IN (x.contact_id, m.contact_id) AND c.import_id = of_import)
     ORDER BY u.ord $$;

-- Merges such pairs one after the other, and counts them in the import's report, of which `report` is the rest. Who was merged by an earlier pair is found by its names.
-- Gives how many; null where the import is not running any more.
CREATE FUNCTION import_merge(of_import bigint, externals text[], emails text[], report jsonb, now timestamptz) RETURNS bigint
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    places int[];
    it record;
    done bigint := 0;
    why text;
BEGIN
    PERFORM FROM import i WHERE i.id = of_import AND i.state = 'running' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    places := ARRAY(SELECT p.ord + 1 FROM import_pairs(of_import, externals, emails) p);
    PERFORM FROM contact c
      WHERE c.id IN (SELECT unnest(ARRAY[p.keep_id, p.gone_id]) FROM import_pairs(of_import, externals, emails) p) ORDER BY c.id FOR UPDATE;
    FOR i IN 1 .. cardinality(places) LOOP
        FOR it IN SELECT p.keep_id, p.gone_id FROM import_pairs(of_import, ARRAY[externals[places[i]]], ARRAY[emails[places[i]]]) p LOOP
            SELECT m.error INTO why FROM contact_merge(it.keep_id, it.gone_id, '{}', 'import:' || of_import, now) m;
            IF why IS NOT NULL THEN
                RAISE EXCEPTION 'contacts are being merged: %', why USING ERRCODE = 'serialization_failure';
            END IF;
            done := done + 1;
        END LOOP;
    END LOOP;
    IF done > 0 THEN
        UPDATE import i
           SET report = import_merge.report || jsonb_build_object('merged', coalesce((i.report ->> 'merged')::bigint, 0) + done) WHERE i.id = of_import;
    END IF;
    RETURN done;
END $$;

-- The same for a dry run, whose transaction is taken back: contacts `gone` into those beside them.
CREATE FUNCTION import_would_merge(of_import bigint, keep bigint[], gone bigint[], now timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    PERFORM FROM contact c WHERE c.id = ANY (keep || gone) ORDER BY c.id FOR UPDATE;
    FOR i IN 1 .. cardinality(keep) LOOP
        PERFORM contact_merge(keep[i], gone[i], '{}', 'import:' || of_import, now);
    END LOOP;
END $$;

-- The next merges of an import, `at_once` of them, the newest first: those that nobody took apart. Gives how many there were.
CREATE FUNCTION import_unmerge(of_import bigint, at_once int, now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    merge bigint;
    why text;
    done bigint := 0;
BEGIN
    FOR merge IN SELECT m.id FROM contact_merge m
                  WHERE m.org_id = current_org() AND m.by = 'import:' || of_import AND m.by ^@ 'import:' AND m.undone_at IS NULL
                  ORDER BY m.id DESC LIMIT at_once LOOP
        SELECT u.error INTO why FROM contact_unmerge(merge, 'undo of import:' || of_import, now) u;
        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'merge % stays: %', merge, why USING ERRCODE = 'serialization_failure';
        END IF;
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

-- What a merge by the import told of is not what its rows said: it goes with the merge.
CREATE FUNCTION import_told(h field_history) RETURNS boolean LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT h.source ^@ 'merge:' AND EXISTS (SELECT FROM contact_merge m WHERE m.contact_id = h.contact_id AND m.by = h.by AND h.source = 'merge:' || m.id) $$;

-- Fields, tags and groups that an import changed and that nobody changed since are as they were. What it did to a contact that it made is not looked at.
CREATE OR REPLACE FUNCTION import_undo_fields(of_import bigint, contacts bigint[], now timestamptz, OUT put_back bigint, OUT kept bigint)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    said constant text := 'import:' || of_import;
    it record;
    before contact;
    hit int;
BEGIN
    put_back := 0;
    kept := 0;
    FOR it IN
        SELECT h.contact_id, h.field, CASE WHEN h.field IN ('tag', 'group') THEN fold(coalesce(h.became, h.was) #>> '{}') END AS label,
               (array_agg(h.was ORDER BY h.id))[1] AS was, (array_agg(h.became ORDER BY h.id DESC))[1] AS became, max(h.id) AS id
          FROM field_history h
         WHERE h.org_id = org AND h.by = said AND h.by ^@ 'import:' AND h.contact_id = ANY (contacts) AND NOT import_told(h)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LOOP
        hit := 0;
        IF it.field IN ('tag', 'group') THEN
            IF NOT EXISTS (SELECT FROM field_history h WHERE h.contact_id = it.contact_id AND h.field = it.field AND h.id > it.id
                              AND fold(coalesce(h.became, h.was) #>> '{}') = it.label) THEN
                IF it.field = 'tag' THEN
                    DELETE FROM contact_tag t WHERE t.contact_id = it.contact_id AND t.tag_fold = it.label;
                ELSE
                    DELETE FROM contact_group g WHERE g.contact_id = it.contact_id AND g.name_fold = it.label;
                END IF;
                GET DIAGNOSTICS hit = ROW_COUNT;
            END IF;
        ELSIF it.field ^@ 'attr.' THEN
            IF it.was IS NULL THEN
                DELETE FROM contact_attr a USING field f
                 WHERE a.contact_id = it.contact_id AND f.id = a.field_id AND f.name = substr(it.field, 6) AND attr_value(a) = it.became;
            ELSE
                UPDATE contact_attr a
                   SET value_text = CASE f.type WHEN 'text' THEN it.was #>> '{}' END,
                       value_number = CASE f.type WHEN 'number' THEN (it.was #>> '{}')::float8 END,
                       value_date = CASE f.type WHEN 'date' THEN (it.was #>> '{}')::date END,
                       value_boolean = CASE f.type WHEN 'boolean' THEN (it.was #>> '{}')::boolean END
                  FROM field f
                 WHERE a.contact_id = it.contact_id AND f.id = a.field_id AND f.name = substr(it.field, 6) AND attr_value(a) = it.became;
            END IF;
            GET DIAGNOSTICS hit = ROW_COUNT;
        ELSE
            SELECT * INTO before FROM contact c WHERE c.id = it.contact_id;
            IF nullif(contact_fields(before) -> it.field, 'null') IS NOT DISTINCT FROM it.became THEN
                IF it.field = 'phone' AND it.was IS NULL THEN
                    -- It hands over to one that was added since.
                    DELETE FROM contact_phone p WHERE p.contact_id = it.contact_id AND p.import_id = of_import;
                ELSIF it.field = 'birth_date' THEN
                    UPDATE contact c
                       SET birth_year = CASE WHEN it.was #>> '{}' NOT LIKE '-%' THEN left(it.was #>> '{}', 4)::smallint END,
                           birth_month = left(right(it.was #>> '{}', 5), 2)::smallint, birth_day = right(it.was #>> '{}', 2)::smallint, updated_at = now
                     WHERE c.id = it.contact_id;
                ELSE
                    EXECUTE format('UPDATE contact c SET %1$I = (jsonb_populate_record(NULL::contact, $1)).%1$I, updated_at = $2 WHERE c.id = $3', it.field)
                      USING jsonb_build_object(it.field, it.was), now, it.contact_id;
                END IF;
                hit := 1;
            END IF;
        END IF;
        IF hit > 0 THEN
            put_back := put_back + 1;
            INSERT INTO field_history (org_id, contact_id, field, was, became, at, by) VALUES (org, it.contact_id, it.field, it.became, it.was, now, 'undo of ' || said);
            INSERT INTO change (org_id, contact_id, sort, quiet)
            VALUES (org, it.contact_id, CASE WHEN it.field IN ('tag', 'group') THEN it.field ELSE 'field' END, true);
        ELSIF NOT EXISTS (SELECT FROM field_history h WHERE h.contact_id = it.contact_id AND h.by = 'undo of ' || said AND h.id > it.id AND h.field = it.field) THEN
            kept := kept + 1;
        END IF;
    END LOOP;
END $$;

-- Each chain of the ledger counts its entries by itself.
CREATE OR REPLACE FUNCTION import_undo_consents(of_import bigint, contacts bigint[], now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    it record;
    done bigint := 0;
BEGIN
    FOR it IN SELECT c.* FROM consent c
               WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id = ANY (contacts)
                 AND NOT EXISTS (SELECT FROM consent l WHERE l.contact_id = c.contact_id AND l.topic_id = c.topic_id AND l.chain IS NOT DISTINCT FROM c.chain AND l.n > c.n)
               ORDER BY c.contact_id, c.n LOOP
        INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, source, method, at)
        VALUES (org, it.contact_id, it.topic_id, 'withdraw', it.purpose, it.wording, 'undo of import ' || of_import, 'undo', greatest(now, it.at));
        DELETE FROM subscription s WHERE s.contact_id = it.contact_id AND s.topic_id = it.topic_id;
        INSERT INTO change (org_id, contact_id, sort, quiet) VALUES (org, it.contact_id, 'consent', true);
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

-- The next contacts that an import touched, `at_once` of them; after all of them the merges, which came before its rows. What was done is added to import.undone.
-- True: there are more. Doing it again does nothing.
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
BEGIN
    SELECT coalesce(i.undone, '{}') INTO sofar FROM import i WHERE i.id = of_import AND i.state = 'undoing' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
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

-- What their ledgers say last of each topic holds. Left aside: the no of a merge that was undone; the yes that such an undoing gave back, where the entry that it stands on
-- went with somebody else since. Where the undoing of an import is last they say neither yes nor no.
CREATE OR REPLACE FUNCTION contact_hears(contacts bigint[]) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO subscription AS s (org_id, contact_id, topic_id, subscribed, since)
    SELECT l.org_id, l.contact_id, l.topic_id, l.action = 'grant', l.at
      FROM (SELECT DISTINCT ON (c.contact_id, c.topic_id) c.*
              FROM consent c
             WHERE c.contact_id = ANY (contacts)
               AND NOT (c.method = 'merge' AND EXISTS (SELECT FROM contact_merge m WHERE m.contact_id = c.contact_id AND c.source = 'merge:' || m.id AND m.undone_at IS NOT NULL))
               AND NOT (c.method = 'merge undone' AND c.request ? 'entry'
                        AND NOT EXISTS (SELECT FROM consent e WHERE e.contact_id = c.contact_id AND e.id::text = c.request ->> 'entry'))
             ORDER BY c.contact_id, c.topic_id, c.at DESC, c.id DESC) l
     WHERE NOT (l.method = 'undo' AND l.source ^@ 'undo of import ')
    ON CONFLICT (contact_id, topic_id) DO UPDATE SET subscribed = excluded.subscribed, since = excluded.since
     WHERE (s.subscribed, s.since) IS DISTINCT FROM (excluded.subscribed, excluded.since) $$;
