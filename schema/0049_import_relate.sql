-- 0049 - relations of imports to companies that are made: 0044 could not write into an element of an array.
SET LOCAL search_path = lazo;

-- Relations of an import, parallel arrays: `own` has the relation of the kind to `other`; where that is 0, to a company or household that is made with this name, once.
-- Gives how many were not there before, and how many contacts were made.
CREATE OR REPLACE FUNCTION import_relate(own bigint[], kinds int[], other bigint[], names text[], sorts text[], now timestamptz, OUT related bigint, OUT made bigint)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    found_id bigint;
    folded text;
BEGIN
    PERFORM FROM contact c WHERE c.id = ANY (own || other) ORDER BY c.id FOR KEY SHARE;
    made := 0;
    FOR i IN 1 .. cardinality(own) LOOP
        CONTINUE WHEN other[i] <> 0;
        folded := fold(names[i]);
        SELECT c.id INTO found_id FROM contact c WHERE c.org_id = org AND c.company_name_fold = folded AND c.kind <> 'person' ORDER BY c.id LIMIT 1;
        IF found_id IS NULL THEN
            found_id := nextval(pg_get_serial_sequence('lazo.contact', 'id'));
            INSERT INTO contact (org_id, id, kind, company_name, created_at, updated_at) VALUES (org, found_id, sorts[i], names[i], now, now);
            INSERT INTO change (org_id, contact_id, sort, quiet) VALUES (org, found_id, 'field', true);
            made := made + 1;
        END IF;
        other[i] := found_id;
    END LOOP;
    WITH added AS (
        INSERT INTO relation (org_id, contact_id, kind_id, other_id, added_at)
        SELECT DISTINCT org, u.one, u.kind, u.two, now
          FROM unnest(own, kinds, other) AS u(one, kind, two) JOIN contact a ON a.id = u.one JOIN contact b ON b.id = u.two
         WHERE u.one <> u.two
         ORDER BY 2, 3, 4
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT count(*) INTO related FROM added;
END $$;
