-- 0053 - relations of imports: whoever is meant is looked up by an index, also where the plan was made while the tables were small.
SET LOCAL search_path = lazo;

ALTER FUNCTION import_relate(bigint[], int[], bigint[], text[], text[], timestamptz) SET enable_seqscan = off;

-- Companies and households of these names: one of them, and whether there are one or more. `ord` from 0.
CREATE FUNCTION import_companies(names text[]) RETURNS TABLE (ord int, contact_id bigint, n int) LANGUAGE plpgsql STABLE SET search_path = lazo SET enable_seqscan = off AS $$
DECLARE
    org constant bigint := current_org();
    folded text;
BEGIN
    FOR i IN 1 .. cardinality(names) LOOP
        folded := fold(names[i]);
        ord := i - 1;
        SELECT min(x.id), count(*)::int INTO contact_id, n
          FROM (SELECT c.id FROM contact c WHERE c.org_id = org AND c.company_name_fold = folded AND c.kind <> 'person' LIMIT 2) x;
        IF n > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
