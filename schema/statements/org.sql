-- What lazod keeps in memory of organisations.

-- name: organisation_list
SELECT id, slug FROM organisation_list();

-- name: organisation_load
SELECT json_build_object(
           'slug', o.slug, 'name', o.name, 'time_zone', o.time_zone, 'language', o.language, 'currency', o.currency,
           'leap_birthday', o.leap_birthday, 'mail_from', o.mail_from, 'mail_from_name', o.mail_from_name,
           'mail_reply_to', o.mail_reply_to, 'postal_address', o.postal_address,
           'stages', o.stages,
           'kinds', (SELECT coalesce(json_agg(json_build_object('name', k.name, 'id', k.id) ORDER BY k.name), '[]') FROM kind k),
           'fields', (SELECT coalesce(json_agg(json_build_object('name', f.name, 'id', f.id, 'type', f.type) ORDER BY f.name), '[]')
                        FROM field f),
           'topics', (SELECT coalesce(json_agg(json_build_object('name', t.name, 'id', t.id) ORDER BY t.name), '[]') FROM topic t),
           'relations', (SELECT coalesce(json_agg(json_build_object('name', r.name, 'id', r.id, 'inverse', r.inverse_id, 'shares', r.shares_id) ORDER BY r.name), '[]')
                           FROM relation_kind r),
           'segments', (SELECT coalesce(json_agg(json_build_object('name', s.name, 'id', s.id, 'rule', s.rule) ORDER BY s.id), '[]')
                          FROM segment s),
           'models', (SELECT coalesce(json_agg(json_build_object('name', m.name, 'id', m.id) ORDER BY m.id), '[]')
                        FROM rfm_model m),
           'score_kinds', (SELECT coalesce(json_agg(k.id ORDER BY k.id), '[]') FROM kind k
                            WHERE EXISTS (SELECT FROM rfm_model m WHERE k.name = ANY (m.kinds))))::text AS body
  FROM organisation o
 WHERE o.id = $1::bigint;

-- name: kind_make
-- Makes the kinds that are new; who comes second reads them anew.
INSERT INTO kind (org_id, name)
SELECT $1::bigint, n FROM unnest($2::text[]) AS n ORDER BY n
ON CONFLICT (org_id, name) DO NOTHING;

-- name: lead_try
SELECT pg_try_advisory_lock(7239410815) AS got;

-- name: clock_read
SELECT simulated, offset_us FROM clock;
