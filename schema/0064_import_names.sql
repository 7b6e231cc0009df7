-- 0064 - whose a name was before the merges of an import: what a file's rows say of each other is found out again when its run goes on.
SET LOCAL search_path = lazo;

-- Whom a name of a contact belonged to before the merges that an import made into that contact, from the last one back.
CREATE FUNCTION import_owner(of_import bigint, of_contact bigint, of_sort text, of_value text) RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = lazo AS $$
DECLARE
    owner bigint := of_contact;
    m record;
BEGIN
    FOR m IN SELECT g.merged_id, (g.moved #>> '{keep,id}')::bigint AS kept, g.moved #> '{identity,moved}' @> jsonb_build_array(jsonb_build_object('sort', of_sort, 'value', of_value)) AS brought
               FROM contact_merge g WHERE g.contact_id = of_contact AND g.undone_at IS NULL AND g.by = 'import:' || of_import ORDER BY g.id DESC LOOP
        IF m.kept = owner AND m.brought THEN
            owner := m.merged_id;
        END IF;
    END LOOP;
    RETURN owner;
END $$;
