-- 0073 - lost_labels: who comes back from a merge without a tag or group that was taken from the kept contact meanwhile has that in the history, by which it is told
-- what was at an instant before.
SET LOCAL search_path = lazo;

-- The name as it was written stands where it was taken from the kept contact.
CREATE FUNCTION merge_labels_lost(gone_id bigint, keep_id bigint, of_merge bigint, said_by text, now timestamptz) RETURNS void LANGUAGE sql VOLATILE
    SET search_path = lazo AS $$
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT m.org_id, $1, x.field,
           coalesce((SELECT h.was FROM field_history h WHERE h.contact_id = $2 AND h.field = x.field AND h.became IS NULL AND fold(h.was #>> '{}') = x.key
                      ORDER BY h.id DESC LIMIT 1), to_jsonb(x.key)),
           NULL, $5, $4, 'merge:' || $3 || ':undone'
      FROM contact_merge m CROSS JOIN LATERAL (
           SELECT 'tag' AS field, k ->> 'tag_fold' AS key FROM jsonb_array_elements(m.moved #> '{contact_tag,moved}') k
           UNION ALL SELECT 'group', k ->> 'name_fold' FROM jsonb_array_elements(m.moved #> '{contact_group,moved}') k) x
     WHERE m.org_id = current_org() AND m.id = $3 AND NOT EXISTS (SELECT FROM contact_labels($1) l WHERE l.field = x.field AND l.key = x.key) $$;

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
    PERFORM merge_unfills(it.keep_id, of_merge);
    PERFORM merge_labels_lost(gone_id, keep_id, of_merge, said_by, now);
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
