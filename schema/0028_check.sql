-- 0028 - whose segments and scores are about to be evaluated: lazoctl check leaves them out.
SET LOCAL search_path = lazo;

-- In the change log, or due at `now`; and who is related to one of them, since rules may speak of the related.
CREATE FUNCTION contacts_waiting(now timestamptz) RETURNS TABLE (contact_id bigint) LANGUAGE sql STABLE SET search_path = lazo ROWS 100 AS $$
    WITH RECURSIVE waiting(contact_id, hops) AS (
        SELECT w.contact_id, 0 FROM (SELECT c.contact_id FROM change c UNION SELECT k.contact_id FROM wake k WHERE k.at <= contacts_waiting.now) w
        UNION
        SELECT r.other_id, w.hops + 1 FROM waiting w JOIN relation r ON r.contact_id = w.contact_id WHERE w.hops < 4
    )
    SELECT DISTINCT w.contact_id FROM waiting w $$;
