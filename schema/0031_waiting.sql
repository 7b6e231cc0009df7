-- 0031 - who waits to be evaluated, as far away as rules reach (RULE_HOPS_MAX of daemon/rules/rule.h).
SET LOCAL search_path = lazo;

-- In the change log, or due at `now`; and who is related to one of them: three deep, each over two relations at most, as rules speak of them.
CREATE OR REPLACE FUNCTION contacts_waiting(now timestamptz) RETURNS TABLE (contact_id bigint) LANGUAGE sql STABLE SET search_path = lazo ROWS 100 AS $$
    WITH RECURSIVE waiting(contact_id, hops) AS (
        SELECT w.contact_id, 0 FROM (SELECT c.contact_id FROM change c UNION SELECT k.contact_id FROM wake k WHERE k.at <= contacts_waiting.now) w
        UNION
        SELECT r.other_id, w.hops + 1 FROM waiting w JOIN relation r ON r.contact_id = w.contact_id WHERE w.hops < 6
    )
    SELECT DISTINCT w.contact_id FROM waiting w $$;
