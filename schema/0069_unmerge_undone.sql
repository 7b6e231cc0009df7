-- 0069 - whom the undoing of a merge brings back has nothing of an import that was undone meanwhile.
SET LOCAL search_path = lazo;

-- A contact that comes back from a merge brings what it had then. What imports had said of it that were undone since goes, as it would have gone had it been there. `undone`
-- tells of an import that it is undone, or is being undone; whoever runs it again empties it.
CREATE FUNCTION contact_after_imports(of_contact bigint, now timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    gone_import bigint;
BEGIN
    FOR gone_import IN
        SELECT i.id FROM import i
         WHERE i.org_id = org AND i.undone IS NOT NULL
           AND i.id IN (SELECT c.import_id FROM consent c WHERE c.contact_id = of_contact
                        UNION ALL SELECT n.import_id FROM identity n WHERE n.org_id = org AND n.contact_id = of_contact
                        UNION ALL SELECT p.import_id FROM contact_phone p WHERE p.contact_id = of_contact
                        UNION ALL SELECT substr(h.by, 8)::bigint FROM field_history h WHERE h.contact_id = of_contact AND h.by ~ '^import:[0-9]+$')
         ORDER BY i.id LOOP
        PERFORM import_undo_fields(gone_import, ARRAY(SELECT c.id FROM contact c WHERE c.id = of_contact AND c.import_id IS DISTINCT FROM gone_import), now);
        DELETE FROM identity n WHERE n.org_id = org AND n.import_id = gone_import AND n.contact_id = of_contact
           AND NOT EXISTS (SELECT FROM contact c WHERE c.id = n.contact_id AND (c.import_id = gone_import OR (n.sort = 'email' AND c.email = n.value)
                                                                                OR (n.sort = 'external_id' AND c.external_id = n.value)));
        DELETE FROM contact_phone p WHERE p.org_id = org AND p.import_id = gone_import AND p.contact_id = of_contact
           AND NOT EXISTS (SELECT FROM contact c WHERE c.id = p.contact_id AND (c.import_id = gone_import OR c.phone = p.phone));
        PERFORM import_undo_consents(gone_import, ARRAY[of_contact], now);
    END LOOP;
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
    PERFORM set_config('lazo.writer', 'lazod', true);
    IF others <> '{}' THEN
        PERFORM merges_remade(before, before_labels, of_merge, others, coalesce(told, 0), said_by, now);
    END IF;
    PERFORM contact_after_imports(gone_id, now);
    PERFORM set_config('lazo.writer', writer, true);
    PERFORM audit_note(current_org(), 'unmerged', 'contact', keep_id::text, jsonb_build_object('merge', of_merge, 'contact', gone_id));
END $$;
