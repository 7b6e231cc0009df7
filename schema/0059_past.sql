-- 0059 - memberships that are over have no foreign keys, as those that last (0048): a look at contact and segment for each was three fifths of writing it.
SET LOCAL search_path = lazo;

ALTER TABLE membership_past DROP CONSTRAINT membership_past_contact_id_fkey, DROP CONSTRAINT membership_past_segment_id_fkey;

CREATE OR REPLACE FUNCTION contact_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM interaction_key k WHERE k.contact_id = OLD.id AND k.contact_id BETWEEN OLD.id AND OLD.id;
    DELETE FROM membership m WHERE m.contact_id = OLD.id AND m.contact_id BETWEEN OLD.id AND OLD.id;
    DELETE FROM membership_past p WHERE p.contact_id = OLD.id AND p.contact_id BETWEEN OLD.id AND OLD.id;
    DELETE FROM wake w WHERE w.contact_id = OLD.id AND w.contact_id BETWEEN OLD.id AND OLD.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION segment_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM membership m WHERE m.org_id = OLD.org_id AND m.segment_id = OLD.id;
    DELETE FROM membership_past p WHERE p.org_id = OLD.org_id AND p.segment_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER refers_insert AFTER INSERT ON membership_past REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION membership_refers();
CREATE TRIGGER refers_update AFTER UPDATE ON membership_past REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION membership_refers();

-- As 0048; of a membership that is over, too, no foreign key says that its segment must be there.
CREATE OR REPLACE FUNCTION part_restore(part text, aside jsonb) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    whole constant text := (
        SELECT string_agg(format(' AND (r.%1$I IS NULL OR EXISTS (SELECT FROM %2$s o WHERE o.%3$I = r.%1$I))', a.attname, k.confrelid::regclass, b.attname), '')
          FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
          JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
         WHERE k.conrelid = part::regclass AND k.contype = 'f' AND cardinality(k.conkey) = 1);
    other constant text := CASE WHEN 'other_id' = ANY (part_columns(part)) THEN ' AND EXISTS (SELECT FROM contact o WHERE o.id = r.other_id)'
                                WHEN part IN ('membership', 'membership_past') THEN ' AND EXISTS (SELECT FROM segment o WHERE o.id = r.segment_id FOR KEY SHARE)'
                                                                                    ' AND EXISTS (SELECT FROM contact o WHERE o.id = r.contact_id)' ELSE '' END;
BEGIN
    IF aside <> '[]' THEN
        EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$I, $1) r WHERE true%3$s%4$s ON CONFLICT DO NOTHING',
            part, array_to_string(part_columns(part), ', '), coalesce(whole, ''), other) USING aside;
    END IF;
END $$;
