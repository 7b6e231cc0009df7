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
     logged AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'group', ARRAY[label_word(fold(name))] FROM gone)
SELECT 204 AS status, NULL::text AS body FROM gone;

-- name: api_relation_list
-- $1 after this name, $2 limit. How many contacts have each; of those that are read from others the count is null.
SELECT k.name AS cursor, json_build_object('name', k.name, 'inverse', i.name, 'shares', s.name,
           'count', CASE WHEN s.id IS NULL THEN (SELECT count(DISTINCT r.contact_id) FROM relation r WHERE r.org_id = k.org_id AND r.kind_id = k.id) END)::text AS item
  FROM relation_kind k LEFT JOIN relation_kind i ON i.id = k.inverse_id LEFT JOIN relation_kind s ON s.id = k.shares_id
 WHERE k.name > coalesce($1::text, '') ORDER BY k.name LIMIT $2::int;

-- name: api_relation_put
-- $1 name, $2 inverse, or $3 the one that it is read from
SELECT status, body FROM relation_kind_put($1::text, $2::text, $3::text);

-- name: api_relation_delete
-- $1 name. The pair goes; 409 by the foreign keys while a contact has it or another is read from it.
WITH gone AS (DELETE FROM relation_kind k USING relation_kind named
               WHERE named.org_id = current_org() AND named.name_fold = fold($1::text) AND k.id IN (named.id, named.inverse_id) RETURNING k.id)
SELECT 204 AS status, NULL::text AS body FROM gone LIMIT 1;

-- name: api_contact_relations
-- $1 contact, $2 relation or null, $3 $4 kind and other of the last one shown (0: none), $5 limit. No row: no such contact; a row of nulls: none.
SELECT x.kind_id || '.' || x.other_id AS cursor, x.item
  FROM contact c LEFT JOIN LATERAL (
       SELECT r.kind_id, r.other_id, json_build_object('relation', k.name, 'contact', json_build_object('id', o.id, 'kind', o.kind, 'email', o.email,
                  'first_name', o.first_name, 'last_name', o.last_name, 'company_name', o.company_name),
                  'since', r.since, 'until', r.until, 'note', r.note, 'added_at', r.added_at)::text AS item
         FROM relation r JOIN relation_kind k ON k.id = r.kind_id CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = r.other_id LIMIT 1) o
        WHERE r.contact_id = c.id AND (r.kind_id > $3::int OR (r.kind_id = $3::int AND r.other_id > $4::bigint))
          AND ($2::text IS NULL OR k.name_fold = fold($2::text))
        ORDER BY r.kind_id, r.other_id LIMIT $5::int) x ON true
 WHERE c.id = $1::bigint ORDER BY x.kind_id, x.other_id;

-- name: api_contact_relate
-- $1 contact, $2 relation, $3 the other (who was merged: the kept one), $4 since, $5 until, $6 note, $7 now. The other side is written by the database (relation_mirrors_written).
-- Both contacts are locked in the order of their ids: the same relation may be said from both sides at once.
WITH said AS MATERIALIZED (SELECT contact_now($3::bigint) AS id),
     pair AS MATERIALIZED (SELECT id FROM contact WHERE id IN ($1::bigint, (SELECT s.id FROM said s)) ORDER BY id FOR NO KEY UPDATE),
     who AS (SELECT id FROM pair WHERE id = $1::bigint),
     other AS (SELECT id FROM pair WHERE id = (SELECT s.id FROM said s)),
     kind AS (SELECT k.id, k.name, k.shares_id, s.name AS shares FROM relation_kind k LEFT JOIN relation_kind s ON s.id = k.shares_id
               WHERE k.org_id = current_org() AND k.name_fold = fold($2::text)),
     written AS (INSERT INTO relation AS r (org_id, contact_id, kind_id, other_id, since, until, note, added_at)
                 SELECT current_org(), who.id, kind.id, other.id, $4::date, $5::date, coalesce($6::text, ''), $7::timestamptz
                   FROM who, other, kind WHERE kind.shares_id IS NULL AND who.id <> other.id
                 ON CONFLICT (contact_id, kind_id, other_id) DO UPDATE SET since = excluded.since, until = excluded.until, note = excluded.note
                  WHERE (r.since, r.until, r.note) IS DISTINCT FROM (excluded.since, excluded.until, excluded.note)
                 RETURNING xmax = 0 AS made)
SELECT CASE WHEN kind.id IS NULL OR kind.shares_id IS NOT NULL OR other.id IS NULL OR other.id = who.id THEN 422
            WHEN written.made THEN 201 ELSE 200 END AS status,
       CASE WHEN kind.id IS NULL THEN format('there is no relation "%s"', $2::text)
            WHEN kind.shares_id IS NOT NULL THEN format('"%s" is read from "%s"; write that', kind.name, kind.shares)
            WHEN other.id IS NULL THEN format('there is no contact %s to be related to', $3::bigint)
            WHEN other.id = who.id THEN 'nobody is related to themselves'
            ELSE json_build_object('relation', kind.name, 'contact', other.id, 'since', $4::date, 'until', $5::date, 'note', coalesce($6::text, ''),
                                   'changed', written.made IS NOT NULL)::text END AS body
  FROM who LEFT JOIN other ON true LEFT JOIN kind ON true LEFT JOIN written ON true;

-- name: api_contact_unrelate
-- $1 contact, $2 relation, $3 the other
WITH pair AS MATERIALIZED (SELECT id FROM contact WHERE id IN ($1::bigint, $3::bigint) ORDER BY id FOR NO KEY UPDATE),
     gone AS (DELETE FROM relation r USING relation_kind k
               WHERE (SELECT count(*) FROM pair) = 2 AND r.contact_id = $1::bigint AND r.kind_id = k.id AND k.org_id = current_org() AND k.name_fold = fold($2::text) AND r.other_id = $3::bigint
              RETURNING r.contact_id)
SELECT 204 AS status, NULL::text AS body FROM gone;
