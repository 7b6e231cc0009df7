-- 0061 - undoing an import takes its tags and groups from whom somebody merged its contacts into, too.
SET LOCAL search_path = lazo;

-- 'tag' or 'group', of a contact or of one that was merged into it; else null.
CREATE FUNCTION label_sort(field text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = lazo AS $$
    SELECT CASE WHEN bare IN ('tag', 'group') THEN bare END FROM regexp_replace(field, '^(merged\.)+', '') AS bare $$;

-- Whether anybody but this import said something of a tag or group of a contact, or of one that was merged into it, behind history entry `after`. Merges carry over what
-- others said, and say nothing.
CREATE FUNCTION label_said(of_contact bigint, sort text, label text, import_says text, after bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT EXISTS (SELECT FROM field_history h
                    WHERE h.contact_id = of_contact AND h.id > after AND h.by <> import_says AND label_sort(h.field) = sort AND NOT h.source ^@ 'merge:'
                      AND fold(coalesce(h.became, h.was) #>> '{}') = label) $$;

-- A tag or group as contact_merge keeps it.
CREATE FUNCTION label_key(sort text, label text) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = lazo AS $$
    SELECT jsonb_build_array(jsonb_build_object(CASE sort WHEN 'tag' THEN 'tag_fold' ELSE 'name_fold' END, label)) $$;

-- Takes a tag or group from a contact, unless somebody merged one into it that had it as well. Gives whether it is gone by this.
CREATE FUNCTION label_take(of_contact bigint, sort text, label text, import_says text) RETURNS boolean LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF EXISTS (SELECT FROM contact_merge m WHERE m.contact_id = of_contact AND m.undone_at IS NULL AND m.by <> import_says
                  AND m.moved #> ARRAY['contact_' || sort, 'left'] @> label_key(sort, label)) THEN
        RETURN false;
    ELSIF sort = 'tag' THEN
        DELETE FROM contact_tag t WHERE t.contact_id = of_contact AND t.tag_fold = label;
    ELSE
        DELETE FROM contact_group g WHERE g.contact_id = of_contact AND g.name_fold = label;
    END IF;
    RETURN FOUND;
END $$;

-- The same for what an import gave to contacts that were merged into this one; `told` are the history entries that say so. The kept contact loses it where the merges
-- brought it there; else it goes from what waits for the merge to be undone. Gives the field of which that is to be told; null: nothing was there.
CREATE FUNCTION label_take_merged(of_contact bigint, sort text, label text, told bigint[], import_says text) RETURNS text LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    part constant text := 'contact_' || sort;
    key constant jsonb := label_key(sort, label);
    brought boolean := false;
    stripped boolean := false;
    entry bigint;
    m record;
BEGIN
    FOREACH entry IN ARRAY told LOOP
        FOR m IN SELECT g.id, coalesce(g.moved #> ARRAY[part, 'moved'] @> key, false) AS brought FROM contact_merge g
                  WHERE g.contact_id = of_contact AND g.undone_at IS NULL AND g.moved -> 'history' @> to_jsonb(entry) ORDER BY g.id LOOP
            EXIT WHEN NOT m.brought;
        END LOOP;
        brought := brought OR m.brought IS TRUE;
        IF m.brought IS FALSE THEN
            UPDATE contact_merge g
               SET moved = jsonb_set(g.moved, ARRAY[part, 'left'], (SELECT coalesce(jsonb_agg(x), '[]') FROM jsonb_array_elements(g.moved #> ARRAY[part, 'left']) x WHERE NOT x @> (key -> 0)))
             WHERE g.contact_id = of_contact AND g.id = m.id AND g.moved #> ARRAY[part, 'left'] @> key;
            stripped := stripped OR FOUND;
        END IF;
    END LOOP;
    IF brought AND label_take(of_contact, sort, label, import_says) THEN
        RETURN sort;
    END IF;
    RETURN CASE WHEN stripped THEN 'merged.' || sort END;
END $$;

-- Tags and groups of contacts that an import made and that somebody merged into these ones: what it made them with is in no history.
CREATE FUNCTION import_undo_labels(of_import bigint, contacts bigint[], now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    said constant text := 'import:' || of_import;
    taken bigint := 0;
    it record;
BEGIN
    FOR it IN
        SELECT m.contact_id, l.sort, l.label, l.name
          FROM contact_merge m CROSS JOIN LATERAL (
               SELECT 'tag' AS sort, t.tag_fold AS label, t.tag AS name FROM contact_tag t
                WHERE t.contact_id = m.contact_id AND m.moved #> '{contact_tag,moved}' @> jsonb_build_array(jsonb_build_object('tag_fold', t.tag_fold))
               UNION ALL
               SELECT 'group', g.name_fold, g.name FROM contact_group g
                WHERE g.contact_id = m.contact_id AND m.moved #> '{contact_group,moved}' @> jsonb_build_array(jsonb_build_object('name_fold', g.name_fold))) l
         WHERE m.contact_id = ANY (contacts) AND m.undone_at IS NULL AND m.by <> said AND (m.was ->> 'import_id')::bigint = of_import
           AND NOT label_said(m.contact_id, l.sort, l.label, said, 0)
         ORDER BY 1, 2, 3 LOOP
        IF label_take(it.contact_id, it.sort, it.label, said) THEN
            taken := taken + 1;
            INSERT INTO field_history (org_id, contact_id, field, was, at, by) VALUES (current_org(), it.contact_id, it.sort, to_jsonb(it.name), now, 'undo of ' || said);
            INSERT INTO change (org_id, contact_id, sort, quiet) VALUES (current_org(), it.contact_id, it.sort, true);
        END IF;
    END LOOP;
    RETURN taken;
END $$;

-- Fields, tags and groups that an import changed and that nobody changed since are as they were. What it did to a contact that it made is not looked at.
CREATE OR REPLACE FUNCTION import_undo_fields(of_import bigint, contacts bigint[], now timestamptz, OUT put_back bigint, OUT kept bigint)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    said constant text := 'import:' || of_import;
    it record;
    before contact;
    hit int;
    told text;
BEGIN
    put_back := 0;
    kept := 0;
    FOR it IN
        SELECT h.contact_id, h.field, l.label, (array_agg(h.was ORDER BY h.id) FILTER (WHERE h.id > coalesce(o.id, 0)))[1] AS was,
               (array_agg(h.became ORDER BY h.id DESC))[1] AS became, max(h.id) AS id, array_agg(h.id ORDER BY h.id) AS ids, max(o.id) AS others_id
          FROM field_history h CROSS JOIN LATERAL (SELECT CASE WHEN label_sort(h.field) IS NOT NULL THEN fold(coalesce(h.became, h.was) #>> '{}') END AS label) l
         -- What others said last of it; an earlier undoing is another, too.
         CROSS JOIN LATERAL (SELECT max(e.id) AS id FROM field_history e
                              WHERE e.contact_id = h.contact_id AND e.field = h.field AND e.by <> said
                                AND (l.label IS NULL OR fold(coalesce(e.became, e.was) #>> '{}') = l.label)) o
         WHERE h.org_id = org AND h.by = said AND h.by ^@ 'import:' AND h.contact_id = ANY (contacts) AND NOT import_told(h)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LOOP
        hit := 0;
        told := it.field;
        IF it.label IS NOT NULL AND it.field NOT IN ('tag', 'group') THEN
            IF NOT label_said(it.contact_id, label_sort(it.field), it.label, said, it.id) THEN
                told := label_take_merged(it.contact_id, label_sort(it.field), it.label, it.ids, said);
                hit := (told IS NOT NULL)::int;
            END IF;
        ELSIF it.others_id > it.id THEN
            NULL; -- somebody did, be it to the same again
        ELSIF it.label IS NOT NULL THEN
            hit := label_take(it.contact_id, it.field, it.label, said)::int;
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
            INSERT INTO field_history (org_id, contact_id, field, was, became, at, by) VALUES (org, it.contact_id, told, it.became, it.was, now, 'undo of ' || said);
            INSERT INTO change (org_id, contact_id, sort, quiet)
            VALUES (org, it.contact_id, coalesce(label_sort(it.field), 'field'), true);
        ELSIF NOT EXISTS (SELECT FROM field_history h WHERE h.contact_id = it.contact_id AND h.by = 'undo of ' || said AND h.id > it.id AND h.field IN (it.field, label_sort(it.field))) THEN
            kept := kept + 1;
        END IF;
    END LOOP;
    put_back := put_back + import_undo_labels(of_import, contacts, now);
END $$;
