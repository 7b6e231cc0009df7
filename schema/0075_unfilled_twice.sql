-- 0075 - what the undoing of an import gave back to a field while a merge filled it is told no more when that merge is undone.
SET LOCAL search_path = lazo;

-- What a merge filled, and somebody changed since, stays as it was changed. Its history says that it was before what it was without the merge, so that whoever takes that change
-- back comes to that; so does what the undoing of an import gave back meanwhile.
CREATE OR REPLACE FUNCTION merge_unfills(of_contact bigint, of_merge bigint) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    UPDATE field_history h
       SET was = CASE WHEN h.was = x.lent THEN x.was ELSE h.was END,
           became = CASE WHEN h.became = x.lent AND h.by ^@ 'undo of import:' THEN x.was ELSE h.became END
      FROM contact_merge m CROSS JOIN LATERAL (
           SELECT f.key AS field, nullif(f.value -> 0, 'null') AS was, f.value -> 1 AS lent FROM jsonb_each(m.moved -> 'fields') f
           UNION ALL
           SELECT 'attr.' || f.name, NULL, attr_value(a)
             FROM jsonb_populate_recordset(NULL::contact_attr, m.moved -> 'attrs') a JOIN field f ON f.id = a.field_id
            WHERE m.moved #> '{contact_attr,moved}' @> jsonb_build_array(jsonb_build_object('field_id', a.field_id))) x
     WHERE m.contact_id = of_contact AND m.id = of_merge AND h.contact_id = of_contact AND h.field = x.field AND h.at >= m.at
       AND (h.was = x.lent OR (h.became = x.lent AND h.by ^@ 'undo of import:')) AND NOT h.source ^@ 'merge:' $$;
