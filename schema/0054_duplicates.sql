-- 0054 - pairs of contacts that may be one person are kept, where there are too many contacts to compare them while somebody waits. See lazo-contacts(7).
SET LOCAL search_path = lazo;

-- Without foreign keys: a pair one of which is gone is passed over, and goes when all are found anew. `place` is the cursor, which is their order.
CREATE TABLE duplicate (
    org_id bigint NOT NULL,
    one_id bigint NOT NULL,
    other_id bigint NOT NULL,
    place text COLLATE "C" NOT NULL,
    PRIMARY KEY (one_id, other_id)
);
CREATE INDEX duplicate_page ON duplicate (org_id, place);
CREATE TABLE duplicate_search (
    org_id bigint PRIMARY KEY REFERENCES organisation ON DELETE CASCADE,
    at timestamptz NOT NULL
);
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['duplicate', 'duplicate_search'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;

-- How likely two contacts are one person, and why; null: they are not. Names are whole, so that it becomes a part of the query that calls it.
CREATE FUNCTION duplicate_judge(a contact, b contact) RETURNS TABLE (score numeric, reasons text[]) LANGUAGE sql STABLE AS $$
    WITH compared AS MATERIALIZED (
        SELECT n.same, n.near, n.near OR n.unknown AS alike,
               EXISTS (SELECT FROM lazo.contact_phone h JOIN lazo.contact_phone g ON g.phone = h.phone AND g.contact_id = b.id WHERE h.contact_id = a.id) AS phone,
               EXISTS (SELECT FROM lazo.identity h JOIN lazo.identity g ON g.contact_id = b.id AND g.sort = 'email' AND lazo.mail_canonical(g.value) = lazo.mail_canonical(h.value)
                        WHERE h.contact_id = a.id AND h.sort = 'email') AS mail,
               a.postal_code = b.postal_code AS postal, (a.birth_year, a.birth_month, a.birth_day) = (b.birth_year, b.birth_month, b.birth_day) AS birth,
               n.company AND coalesce(a.postal_code, a.city_fold) = coalesce(b.postal_code, b.city_fold) AS company
          FROM (SELECT (a.first_name_fold, a.last_name_fold) = (b.first_name_fold, b.last_name_fold) AS same, a.company_name_fold = b.company_name_fold AS company,
                       lazo.one_letter(concat_ws(' ', a.first_name_fold, a.last_name_fold), concat_ws(' ', b.first_name_fold, b.last_name_fold)) AS near,
                       coalesce(a.first_name_fold, a.last_name_fold) IS NULL OR coalesce(b.first_name_fold, b.last_name_fold) IS NULL AS unknown OFFSET 0) n
         WHERE a.kind = b.kind AND NOT EXISTS (SELECT FROM lazo.contact_distinct d WHERE (d.contact_id, d.other_id) IN ((a.id, b.id), (b.id, a.id)))
    )
    SELECT CASE WHEN c.mail AND (c.same OR c.near) THEN 0.99 WHEN c.mail AND c.alike THEN 0.9 WHEN c.same AND (c.phone OR c.birth) THEN 0.95
                WHEN c.near AND c.phone THEN 0.85 WHEN c.near AND c.birth THEN 0.85 WHEN c.same AND c.postal THEN 0.8 WHEN c.company THEN 0.8 WHEN c.mail THEN 0.6
                WHEN c.near AND c.postal THEN 0.6 END,
           array_remove(ARRAY[CASE WHEN c.same THEN 'same name' WHEN c.near THEN 'names one letter apart' WHEN c.company THEN 'same company name' END,
               CASE WHEN c.mail THEN 'e-mail addresses of one mailbox' END, CASE WHEN c.phone THEN 'same phone' END, CASE WHEN c.birth THEN 'same birth date' END,
               CASE WHEN c.postal THEN 'same postal code' END], NULL)
      FROM compared c $$;

-- All pairs, or those of one contact. Who shares a key, by its hash, is compared; a key that more than 20 share says nothing.
CREATE FUNCTION duplicates_found(of_contact bigint) RETURNS TABLE (one bigint, other bigint, score numeric, reasons text[]) LANGUAGE sql STABLE
    SET search_path = lazo SET jit = off AS $$
    WITH keyed AS NOT MATERIALIZED (
    SELECT c.id, hashtextextended(k.key, 0) AS key
      FROM contact c
     CROSS JOIN LATERAL (VALUES
          ('1' || c.first_name_fold || E'\x1f' || c.last_name_fold || E'\x1f' || c.postal_code),
          ('2' || c.first_name_fold || E'\x1f' || c.birth_year || '-' || c.birth_month || '-' || c.birth_day),
          ('3' || c.last_name_fold || E'\x1f' || c.birth_year || '-' || c.birth_month || '-' || c.birth_day),
          ('4' || c.first_name_fold || E'\x1f' || c.postal_code || E'\x1f' || left(c.last_name_fold, 1)),
          ('5' || c.last_name_fold || E'\x1f' || c.postal_code || E'\x1f' || left(c.first_name_fold, 1)),
          ('6' || c.company_name_fold || E'\x1f' || coalesce(c.postal_code, c.city_fold))) AS k(key)
     WHERE k.key IS NOT NULL
    UNION ALL SELECT p.contact_id, hashtextextended('7' || p.phone, 0) FROM contact_phone p
    UNION ALL SELECT i.contact_id, hashtextextended('8' || mail_canonical(i.value), 0) FROM identity i WHERE i.sort = 'email'
), its AS MATERIALIZED (
    SELECT y.key FROM keyed y WHERE y.id = of_contact
), shared AS (
    SELECT array_agg(y.id) AS ids FROM keyed y WHERE of_contact IS NULL OR y.key IN (SELECT i.key FROM its i) GROUP BY y.key HAVING min(y.id) < max(y.id) AND count(*) <= 20
), pair AS MATERIALIZED (
    SELECT DISTINCT a.id AS one, b.id AS other FROM shared s, unnest(s.ids) AS a(id), unnest(s.ids) AS b(id)
     WHERE a.id < b.id AND (of_contact IS NULL OR a.id = of_contact OR b.id = of_contact)
)
    SELECT p.one, p.other, j.score, j.reasons
      FROM pair p JOIN contact a ON a.id = p.one JOIN contact b ON b.id = p.other CROSS JOIN LATERAL duplicate_judge(a, b) j
     WHERE j.score IS NOT NULL $$;

CREATE FUNCTION duplicate_place(score numeric, one bigint, other bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT lpad((100 - round(100 * score))::text, 3, '0') || '.' || lpad(one::text, 19, '0') || '.' || lpad(other::text, 19, '0') $$;
CREATE FUNCTION duplicate_doc(one bigint, other bigint, score numeric, reasons text[]) RETURNS json LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('score', score, 'reasons', to_json(reasons),
           'contacts', (SELECT json_agg(json_build_object('id', c.id, 'kind', c.kind, 'email', c.email, 'first_name', c.first_name, 'last_name', c.last_name,
                                   'company_name', c.company_name, 'phone', c.phone, 'city', c.city, 'postal_code', c.postal_code, 'created_at', c.created_at) ORDER BY c.id)
                          FROM contact c WHERE c.id IN (one, other))) $$;

-- False: somebody is at it. A minute for a million contacts, which one transaction after another need not wait for: it locks nothing else.
CREATE FUNCTION duplicates_gather(now timestamptz) RETURNS boolean LANGUAGE plpgsql SET search_path = lazo SET work_mem = '64MB' AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('duplicates', current_org())) THEN
        RETURN false;
    END IF;
    DELETE FROM duplicate d WHERE d.org_id = current_org();
    INSERT INTO duplicate (org_id, one_id, other_id, place)
    SELECT current_org(), f.one, f.other, duplicate_place(f.score, f.one, f.other) FROM duplicates_found(NULL) f;
    INSERT INTO duplicate_search (org_id, at) VALUES (current_org(), now) ON CONFLICT (org_id) DO UPDATE SET at = excluded.at;
    RETURN true;
END $$;
