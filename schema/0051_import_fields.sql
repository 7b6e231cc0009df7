-- 0051 - undoing an import leaves a field that somebody set again since, also where they set what the import had said.
SET LOCAL search_path = lazo;

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
        SELECT h.contact_id, h.field, l.label, (array_agg(h.was ORDER BY h.id) FILTER (WHERE h.id > coalesce(o.id, 0)))[1] AS was,
               (array_agg(h.became ORDER BY h.id DESC))[1] AS became, max(h.id) AS id, max(o.id) AS others_id
          FROM field_history h CROSS JOIN LATERAL (SELECT CASE WHEN h.field IN ('tag', 'group') THEN fold(coalesce(h.became, h.was) #>> '{}') END AS label) l
         -- What others said last of it; an earlier undoing is another, too.
         CROSS JOIN LATERAL (SELECT max(e.id) AS id FROM field_history e
                              WHERE e.contact_id = h.contact_id AND e.field = h.field AND e.by <> said
                                AND (l.label IS NULL OR fold(coalesce(e.became, e.was) #>> '{}') = l.label)) o
         WHERE h.org_id = org AND h.by = said AND h.by ^@ 'import:' AND h.contact_id = ANY (contacts) AND NOT import_told(h)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LOOP
        hit := 0;
        IF it.others_id > it.id THEN
            NULL; -- somebody did, be it to the same again
        ELSIF it.field IN ('tag', 'group') THEN
            IF it.field = 'tag' THEN
                DELETE FROM contact_tag t WHERE t.contact_id = it.contact_id AND t.tag_fold = it.label;
            ELSE
                DELETE FROM contact_group g WHERE g.contact_id = it.contact_id AND g.name_fold = it.label;
            END IF;
            GET DIAGNOSTICS hit = ROW_COUNT;
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
