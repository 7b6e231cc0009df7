-- 0055 - whom memberships that strangers write refer to is looked up by key, one after another (see 0046), in the order of their ids.
SET LOCAL search_path = lazo;
CREATE OR REPLACE FUNCTION membership_refers() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
DECLARE
    said bigint;
BEGIN
    FOR said IN SELECT DISTINCT t.contact_id FROM touched t ORDER BY t.contact_id LOOP
        PERFORM FROM contact c WHERE c.id = said FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no contact %', said USING ERRCODE = 'foreign_key_violation';
        END IF;
    END LOOP;
    FOR said IN SELECT DISTINCT t.segment_id FROM touched t ORDER BY t.segment_id LOOP
        PERFORM FROM segment s WHERE s.id = said FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no segment %', said USING ERRCODE = 'foreign_key_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
