-- 0072 - an import that is undone gives nobody what a merge had lent them that was undone before; who goes with another one is forgotten as they are.
SET LOCAL search_path = lazo;

-- What a merge filled, and somebody changed since, stays as it was changed. Its history says that it was before what it was without the merge, so that whoever takes that change
-- back comes to that.
CREATE FUNCTION merge_unfills(of_contact bigint, of_merge bigint) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    UPDATE field_history h SET was = x.was
      FROM contact_merge m CROSS JOIN LATERAL (
           SELECT f.key AS field, nullif(f.value -> 0, 'null') AS was, f.value -> 1 AS lent FROM jsonb_each(m.moved -> 'fields') f
           UNION ALL
           SELECT 'attr.' || f.name, NULL, attr_value(a)
             FROM jsonb_populate_recordset(NULL::contact_attr, m.moved -> 'attrs') a JOIN field f ON f.id = a.field_id
            WHERE m.moved #> '{contact_attr,moved}' @> jsonb_build_array(jsonb_build_object('field_id', a.field_id))) x
     WHERE m.contact_id = of_contact AND m.id = of_merge AND h.contact_id = of_contact AND h.field = x.field AND h.was = x.lent AND h.at >= m.at
       AND NOT h.source ^@ 'merge:' $$;

-- As 0070.
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

-- As 0070; of those who were merged into whom is erased, too.
CREATE OR REPLACE FUNCTION merges_forget(gone bigint) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    known jsonb;
    others bigint[];
    went constant bigint[] := ARRAY(SELECT gone UNION SELECT g.merged_id FROM contact_merge g WHERE g.contact_id = gone AND g.undone_at IS NULL);
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
                   WHERE g.org_id = org AND g.merged_id = ANY (went)) x
     WHERE jsonb_typeof(x.value) = 'string';
    DELETE FROM field_history h
     WHERE h.contact_id = ANY (others) AND h.source ^@ 'merge:'
       AND (h.source IN (SELECT 'merge:' || g.id || s FROM contact_merge g, unnest(ARRAY['', ':undone']) s WHERE g.org_id = org AND g.merged_id = ANY (went))
            OR (known @> coalesce(h.was, h.became) AND known @> coalesce(h.became, h.was)))
       AND NOT EXISTS (SELECT FROM contact_labels(h.contact_id) l WHERE l.value IN (h.was, h.became))
       AND NOT EXISTS (SELECT FROM contact c CROSS JOIN LATERAL jsonb_each(contact_fields(c)) f WHERE c.id = h.contact_id AND f.value IN (h.was, h.became));
    UPDATE contact_merge g SET was = '{}' WHERE g.org_id = org AND g.merged_id = ANY (went);
END $$;
