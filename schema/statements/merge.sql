-- Contacts that are one person: merged, taken apart, proposed.

-- name: merge_contacts
-- $1 who is kept, $2 who is merged into it, $3 {field: "keep" or "merge"}, $4 who says so, $5 now
SELECT CASE WHEN m.error IS NULL THEN 200 ELSE 422 END AS status,
       coalesce(m.error, json_build_object('id', m.merge, 'contact', $1::bigint, 'merged', $2::bigint, 'at', $5::timestamptz)::text) AS body
  FROM contact_merge($1::bigint, $2::bigint, $3::jsonb, actor($4::text), $5::timestamptz) m;

-- name: merge_undo
-- $1 the merge, $2 who says so, $3 now
SELECT CASE WHEN m.error IS NULL THEN 200 WHEN m.keep_id IS NULL THEN 404 ELSE 409 END AS status,
       coalesce(m.error, json_build_object('id', $1::bigint, 'contact', m.keep_id, 'merged', m.gone_id, 'undone_at', $3::timestamptz)::text) AS body
  FROM contact_unmerge($1::bigint, actor($2::text), $3::timestamptz) m;

-- name: merge_list
-- $1 contact or null, $2 before this id (null: from the newest), $3 limit
SELECT m.id::text AS cursor,
       json_build_object('id', m.id, 'contact', m.contact_id, 'merged', m.merged_id, 'by', m.by, 'at', m.at, 'undone_at', m.undone_at, 'undone_by', m.undone_by,
           'was', json_build_object('first_name', m.was -> 'first_name', 'last_name', m.was -> 'last_name', 'company_name', m.was -> 'company_name',
                                    'email', m.was -> 'email', 'external_id', m.was -> 'external_id'))::text AS item
  FROM contact_merge m
 WHERE m.org_id = current_org() AND ($1::bigint IS NULL OR m.contact_id = $1::bigint OR m.merged_id = $1::bigint) AND m.id < coalesce($2::bigint, 9223372036854775807)
 ORDER BY m.id DESC LIMIT $3::int;

-- name: merged_into
-- $1 a contact that is no more: whom it was merged into
SELECT m.contact_id FROM contact_merge m WHERE m.org_id = current_org() AND m.merged_id = $1::bigint AND m.undone_at IS NULL;

-- name: duplicates_list
-- Pairs that may be one person, the likeliest first: $1 of this contact alone or null, $2 after this cursor, $3 limit. Who shares a key, by its hash, is compared; a key that
-- more than 20 share says nothing. All contacts are read, once; of one contact, its keys alone are looked for.
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
    SELECT y.key FROM keyed y WHERE y.id = $1::bigint
), shared AS (
    SELECT array_agg(y.id) AS ids FROM keyed y WHERE $1::bigint IS NULL OR y.key IN (SELECT i.key FROM its i) GROUP BY y.key HAVING min(y.id) < max(y.id) AND count(*) <= 20
), pair AS MATERIALIZED (
    SELECT DISTINCT a.id AS one, b.id AS other FROM shared s, unnest(s.ids) AS a(id), unnest(s.ids) AS b(id)
     WHERE a.id < b.id AND ($1::bigint IS NULL OR a.id = $1::bigint OR b.id = $1::bigint)
), compared AS MATERIALIZED (
    SELECT p.one, p.other, n.same, n.near, n.near OR n.unknown AS alike,
           EXISTS (SELECT FROM contact_phone h JOIN contact_phone g ON g.phone = h.phone AND g.contact_id = p.other WHERE h.contact_id = p.one) AS phone,
           EXISTS (SELECT FROM identity h JOIN identity g ON g.contact_id = p.other AND g.sort = 'email' AND mail_canonical(g.value) = mail_canonical(h.value)
                    WHERE h.contact_id = p.one AND h.sort = 'email') AS mail,
           a.postal_code = b.postal_code AS postal, (a.birth_year, a.birth_month, a.birth_day) = (b.birth_year, b.birth_month, b.birth_day) AS birth,
           n.company AND coalesce(a.postal_code, a.city_fold) = coalesce(b.postal_code, b.city_fold) AS company
      FROM pair p JOIN contact a ON a.id = p.one JOIN contact b ON b.id = p.other
     CROSS JOIN LATERAL (
         SELECT (a.first_name_fold, a.last_name_fold) = (b.first_name_fold, b.last_name_fold) AS same, a.company_name_fold = b.company_name_fold AS company,
                one_letter(concat_ws(' ', a.first_name_fold, a.last_name_fold), concat_ws(' ', b.first_name_fold, b.last_name_fold)) AS near,
                coalesce(a.first_name_fold, a.last_name_fold) IS NULL OR coalesce(b.first_name_fold, b.last_name_fold) IS NULL AS unknown) n
     WHERE a.kind = b.kind
       AND NOT EXISTS (SELECT FROM contact_distinct d WHERE (d.contact_id, d.other_id) IN ((p.one, p.other), (p.other, p.one)))
), judged AS MATERIALIZED (
    SELECT c.one, c.other, array_remove(ARRAY[CASE WHEN c.same THEN 'same name' WHEN c.near THEN 'names one letter apart' WHEN c.company THEN 'same company name' END,
               CASE WHEN c.mail THEN 'e-mail addresses of one mailbox' END, CASE WHEN c.phone THEN 'same phone' END, CASE WHEN c.birth THEN 'same birth date' END,
               CASE WHEN c.postal THEN 'same postal code' END], NULL) AS reasons,
           CASE WHEN c.mail AND (c.same OR c.near) THEN 0.99 WHEN c.mail AND c.alike THEN 0.9 WHEN c.same AND (c.phone OR c.birth) THEN 0.95
                WHEN c.near AND c.phone THEN 0.85 WHEN c.near AND c.birth THEN 0.85 WHEN c.same AND c.postal THEN 0.8 WHEN c.company THEN 0.8 WHEN c.mail THEN 0.6
                WHEN c.near AND c.postal THEN 0.6 END AS score
      FROM compared c
)
SELECT j.cursor, json_build_object('score', j.score, 'reasons', to_json(j.reasons),
           'contacts', (SELECT json_agg(json_build_object('id', c.id, 'kind', c.kind, 'email', c.email, 'first_name', c.first_name, 'last_name', c.last_name,
                                   'company_name', c.company_name, 'phone', c.phone, 'city', c.city, 'postal_code', c.postal_code, 'created_at', c.created_at) ORDER BY c.id)
                          FROM contact c WHERE c.id IN (j.one, j.other)))::text AS item
  FROM (SELECT x.*, lpad((100 - round(100 * x.score))::text, 3, '0') || '.' || lpad(x.one::text, 19, '0') || '.' || lpad(x.other::text, 19, '0') AS cursor
          FROM judged x WHERE x.score IS NOT NULL) j
 WHERE j.cursor > coalesce($2::text, '') COLLATE "C" ORDER BY j.cursor COLLATE "C" LIMIT $3::int;

-- name: duplicates_dismiss
-- $1 $2 two contacts that are not the same, $3 who says so, $4 now. No row: one of them is not there.
WITH both_ AS (
    SELECT min(c.id) AS one, max(c.id) AS other FROM contact c WHERE c.id IN ($1::bigint, $2::bigint) HAVING count(*) = 2
), put AS (
    INSERT INTO contact_distinct (org_id, contact_id, other_id, by, at) SELECT current_org(), one, other, actor($3::text), $4::timestamptz FROM both_ ON CONFLICT DO NOTHING
)
SELECT 204 AS status, NULL::text AS body FROM both_;
