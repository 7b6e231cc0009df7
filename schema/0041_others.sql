-- 0041 - undoing a merge where the other side of a relation was deleted since.
SET LOCAL search_path = lazo;

-- Puts rows back that were put aside; those that belong to what was deleted meanwhile - a segment, a field, another contact - are gone with it. The other side of
-- a relation has no foreign key: its mirror has.
CREATE OR REPLACE FUNCTION part_restore(part text, aside jsonb) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    whole constant text := (
        SELECT string_agg(format(' AND (r.%1$I IS NULL OR EXISTS (SELECT FROM %2$s o WHERE o.%3$I = r.%1$I))', a.attname, k.confrelid::regclass, b.attname), '')
          FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
          JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
         WHERE k.conrelid = part::regclass AND k.contype = 'f' AND cardinality(k.conkey) = 1);
    other constant text := CASE WHEN 'other_id' = ANY (part_columns(part)) THEN ' AND EXISTS (SELECT FROM contact o WHERE o.id = r.other_id)' ELSE '' END;
BEGIN
    IF aside <> '[]' THEN
        EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$I, $1) r WHERE true%3$s%4$s ON CONFLICT DO NOTHING',
            part, array_to_string(part_columns(part), ', '), coalesce(whole, ''), other) USING aside;
    END IF;
END $$;
