-- 0048 - membership and wakes without foreign keys: a look at the contact and at the segment for each row cost four fifths of writing it.
SET LOCAL search_path = lazo;

-- Their rows go with the contact and with the segment by triggers. Who writes a membership locks its contact and its segment first (FOR KEY SHARE), so that neither
-- goes meanwhile. A wake that stays behind all the same is taken away when it is due.
ALTER TABLE wake DROP CONSTRAINT wake_contact_id_fkey;
ALTER TABLE membership DROP CONSTRAINT membership_contact_id_fkey, DROP CONSTRAINT membership_segment_id_fkey;

CREATE OR REPLACE FUNCTION contact_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM interaction_key k WHERE k.contact_id = OLD.id AND k.contact_id BETWEEN OLD.id AND OLD.id;
    DELETE FROM membership m WHERE m.contact_id = OLD.id AND m.contact_id BETWEEN OLD.id AND OLD.id;
    DELETE FROM wake w WHERE w.contact_id = OLD.id AND w.contact_id BETWEEN OLD.id AND OLD.id;
    RETURN NULL;
END $$;
CREATE FUNCTION segment_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM membership m WHERE m.org_id = OLD.org_id AND m.segment_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER segment_forgets AFTER DELETE ON segment FOR EACH ROW EXECUTE FUNCTION segment_forgets();

-- Strangers are told what a foreign key would tell them.
CREATE FUNCTION membership_refers() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    wrong record;
BEGIN
    PERFORM FROM contact c WHERE c.id IN (SELECT contact_id FROM touched) ORDER BY c.id FOR KEY SHARE;
    PERFORM FROM segment s WHERE s.id IN (SELECT segment_id FROM touched) ORDER BY s.id FOR KEY SHARE;
    SELECT t.contact_id, t.segment_id, c.id IS NULL AS nobody INTO wrong
      FROM touched t LEFT JOIN contact c ON c.id = t.contact_id LEFT JOIN segment s ON s.id = t.segment_id
     WHERE c.id IS NULL OR s.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%', CASE WHEN wrong.nobody THEN format('there is no contact %s', wrong.contact_id) ELSE format('there is no segment %s', wrong.segment_id) END
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refers_insert AFTER INSERT ON membership REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION membership_refers();
CREATE TRIGGER refers_update AFTER UPDATE ON membership REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION membership_refers();

-- As 0041; of a membership the foreign keys no longer say that its segment must be there.
CREATE OR REPLACE FUNCTION part_restore(part text, aside jsonb) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    whole constant text := (
        SELECT string_agg(format(' AND (r.%1$I IS NULL OR EXISTS (SELECT FROM %2$s o WHERE o.%3$I = r.%1$I))', a.attname, k.confrelid::regclass, b.attname), '')
          FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
          JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
         WHERE k.conrelid = part::regclass AND k.contype = 'f' AND cardinality(k.conkey) = 1);
    other constant text := CASE WHEN 'other_id' = ANY (part_columns(part)) THEN ' AND EXISTS (SELECT FROM contact o WHERE o.id = r.other_id)'
                                WHEN part = 'membership' THEN ' AND EXISTS (SELECT FROM segment o WHERE o.id = r.segment_id FOR KEY SHARE)'
                                                              ' AND EXISTS (SELECT FROM contact o WHERE o.id = r.contact_id)' ELSE '' END;
BEGIN
    IF aside <> '[]' THEN
        EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$I, $1) r WHERE true%3$s%4$s ON CONFLICT DO NOTHING',
            part, array_to_string(part_columns(part), ', '), coalesce(whole, ''), other) USING aside;
    END IF;
END $$;
