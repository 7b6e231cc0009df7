-- 0058 - an import that is undone while somebody merges: facts that moved to a contact whose turn was over go, too.
SET LOCAL search_path = lazo;

-- After the turns of all contacts: what is left with those to whom it moved meanwhile, `at_once` of them. What stays for a reason is looked at once more, and stays.
CREATE FUNCTION import_sweep(of_import bigint, sofar jsonb, at_once int, now timestamptz) RETURNS boolean LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    after_contact constant bigint := coalesce((sofar ->> 'sweep')::bigint, 0);
    contacts bigint[];
    facts record;
    consents bigint;
BEGIN
    SELECT array_agg(x.id) INTO contacts FROM (
        SELECT DISTINCT u.id FROM (
            (SELECT DISTINCT i.contact_id AS id FROM interaction i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT i.contact_id FROM identity i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT p.contact_id FROM contact_phone p WHERE p.org_id = org AND p.import_id = of_import AND p.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT c.contact_id FROM consent c
              WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id > after_contact
                AND EXISTS (SELECT FROM subscription s WHERE s.contact_id = c.contact_id AND s.topic_id = c.topic_id AND s.subscribed AND s.since = c.at)
              ORDER BY 1 LIMIT at_once)) u
         ORDER BY u.id LIMIT at_once) x;
    IF contacts IS NULL THEN
        UPDATE import i SET undone = sofar || '{"swept": true}' WHERE i.id = of_import;
        RETURN true;
    END IF;
    PERFORM FROM contact c WHERE c.id = ANY (contacts) ORDER BY c.id FOR UPDATE;
    SELECT * INTO facts FROM import_undo_interactions(of_import, contacts);
    DELETE FROM identity i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (contacts)
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = i.contact_id AND (c.import_id = of_import OR (i.sort = 'email' AND c.email = i.value)
                                                                            OR (i.sort = 'external_id' AND c.external_id = i.value)));
    DELETE FROM contact_phone p WHERE p.org_id = org AND p.import_id = of_import AND p.contact_id = ANY (contacts)
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = p.contact_id AND (c.import_id = of_import OR c.phone = p.phone));
    consents := import_undo_consents(of_import, ARRAY(
        SELECT DISTINCT c.contact_id FROM consent c JOIN subscription s ON s.contact_id = c.contact_id AND s.topic_id = c.topic_id AND s.subscribed AND s.since = c.at
         WHERE c.import_id = of_import AND c.contact_id = ANY (contacts)), now);
    UPDATE import i
       SET undone = sofar || jsonb_build_object('sweep', (SELECT max(c) FROM unnest(contacts) AS c),
               'interactions_removed', coalesce((sofar ->> 'interactions_removed')::bigint, 0) + facts.removed,
               'consents_withdrawn', coalesce((sofar ->> 'consents_withdrawn')::bigint, 0) + consents)
     WHERE i.id = of_import;
    RETURN true;
END $$;

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
    IF contacts IS NULL AND NOT sofar ? 'swept' THEN
        RETURN import_sweep(of_import, sofar, at_once, now);
    END IF;
    IF contacts IS NULL THEN
        merges := import_unmerge(of_import, at_once, now);
        IF merges > 0 THEN
            UPDATE import i SET undone = sofar || jsonb_build_object('merges_undone', coalesce((sofar ->> 'merges_undone')::bigint, 0) + merges) WHERE i.id = of_import;
            RETURN true;
        END IF;
        UPDATE import i SET state = 'undone', position = 0, ended_at = now, undone = sofar - ARRAY['after', 'swept', 'sweep'] WHERE i.id = of_import;
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
