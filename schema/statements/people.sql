-- What contacts have several of, and what joins them. See daemon/http/api.h for the columns.

-- name: api_contact_emails
SELECT json_build_object('items', contact_doc(c)->'emails', 'next', NULL)::text AS body FROM contact c WHERE c.id = $1::bigint;

-- name: api_contact_phones
SELECT json_build_object('items', contact_doc(c)->'phones', 'next', NULL)::text AS body FROM contact c WHERE c.id = $1::bigint;

-- name: api_group_list
-- $1 after this name, $2 limit. A group has the name that its oldest member was given it with.
SELECT g.name_fold AS cursor, json_build_object('name', g.name, 'count', g.n)::text AS item
  FROM (SELECT name_fold, (array_agg(name ORDER BY added_at, contact_id))[1] AS name, count(*) AS n
          FROM contact_group WHERE org_id = current_org() AND name_fold > coalesce(fold($1::text), '') GROUP BY name_fold) g
 ORDER BY g.name_fold LIMIT $2::int;

-- name: api_group_members
-- $1 group, $2 after this contact, $3 limit. No row: nobody is in it. Contacts are taken one by one, as for api_segment_members.
SELECT m.contact_id::text AS cursor, m.item
  FROM (SELECT FROM contact_group g WHERE g.org_id = current_org() AND g.name_fold = fold($1::text) LIMIT 1) there
  LEFT JOIN LATERAL (
       SELECT g.contact_id, json_build_object('id', c.id, 'email', c.email, 'first_name', c.first_name, 'last_name', c.last_name,
                  'company_name', c.company_name, 'added_at', g.added_at)::text AS item
         FROM contact_group g CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = g.contact_id LIMIT 1) c
        WHERE g.org_id = current_org() AND g.name_fold = fold($1::text) AND g.contact_id > $2::bigint
        ORDER BY g.contact_id LIMIT $3::int) m ON true
 ORDER BY m.contact_id;

-- name: api_group_remove
-- $1 contact, $2 group, $3 who says so, $4 now
WITH gone AS (DELETE FROM contact_group WHERE contact_id = $1::bigint AND name_fold = fold($2::text) RETURNING contact_id, name),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
              SELECT current_org(), contact_id, 'group', to_jsonb(name), $4::timestamptz, actor($3::text), 'api' FROM gone),
     logged AS (INSERT INTO change (org_id, contact_id, sort) SELECT current_org(), contact_id, 'group' FROM gone)
SELECT 204 AS status, NULL::text AS body FROM gone;
