-- Sign-up forms: their definitions, the requests of strangers, and what a confirmation records.

-- name: api_form_list
-- $1 after this name, $2 limit
SELECT name AS cursor, form_doc(f)::text AS item FROM form f WHERE name > coalesce($1::text, '') ORDER BY name LIMIT $2::int

-- name: api_form_show
-- The address under which it is reached goes by the organisation's slug.
SELECT (form_doc(f) || jsonb_build_object('path', '/f/' || o.slug || '.' || f.name))::text AS body, etag('form', f.name) AS etag
  FROM form f, organisation o WHERE f.name = $1::text

-- name: api_form_put
-- $1 name, $2 title, $3 fields, $4 double_opt_in, $5 template, $6 redirect_to, $7 origins, $8 purpose, $9 wording, $10 version, $11 language (null: the
-- organisation's), $12 tags, $13 honeypot, $14 topics (they exist), $15 now
WITH wrong AS (
    SELECT CASE WHEN $5::text IS NOT NULL AND NOT EXISTS (SELECT FROM template WHERE name = $5::text) THEN 'there is no template "' || $5::text || '"' END AS why
), put AS (
    INSERT INTO form AS f (org_id, name, title, fields, double_opt_in, template_id, redirect_to, origins, purpose, wording, version, language, tags,
                           honeypot, updated_at)
    SELECT current_org(), $1::text, $2::text, $3::text[], $4::boolean, (SELECT id FROM template WHERE name = $5::text), $6::text[], $7::text[], $8::text,
           $9::text, $10::text, coalesce($11::text, o.language), $12::text[], $13::text, $15::timestamptz
      FROM wrong, organisation o WHERE wrong.why IS NULL
    ON CONFLICT (org_id, name) DO UPDATE
       SET title = excluded.title, fields = excluded.fields, double_opt_in = excluded.double_opt_in, template_id = excluded.template_id,
           redirect_to = excluded.redirect_to, origins = excluded.origins, purpose = excluded.purpose, wording = excluded.wording,
           version = excluded.version, language = excluded.language, tags = excluded.tags, honeypot = excluded.honeypot,
           updated_at = CASE WHEN (f.title, f.fields, f.double_opt_in, f.template_id, f.redirect_to, f.origins, f.purpose, f.wording, f.version, f.language,
                                   f.tags, f.honeypot) IS DISTINCT FROM
                                  (excluded.title, excluded.fields, excluded.double_opt_in, excluded.template_id, excluded.redirect_to, excluded.origins,
                                   excluded.purpose, excluded.wording, excluded.version, excluded.language, excluded.tags, excluded.honeypot)
                             THEN excluded.updated_at ELSE f.updated_at END
    RETURNING f.id, xmax = 0 AS created, updated_at = $15::timestamptz AS changed
), dropped AS (
    DELETE FROM form_topic l USING put, topic t WHERE l.form_id = put.id AND t.id = l.topic_id AND t.name <> ALL ($14::text[]) RETURNING 1
), joined AS (
    INSERT INTO form_topic (org_id, form_id, topic_id)
    SELECT current_org(), put.id, t.id FROM put, topic t WHERE t.name = ANY ($14::text[]) ON CONFLICT DO NOTHING RETURNING 1
)
SELECT CASE WHEN wrong.why IS NOT NULL THEN 422 WHEN EXISTS (SELECT FROM put WHERE created) THEN 201 ELSE 200 END AS status,
       coalesce(wrong.why, json_build_object('name', $1::text, 'changed', EXISTS (SELECT FROM put WHERE changed) OR EXISTS (SELECT FROM dropped)
                                                 OR EXISTS (SELECT FROM joined))::text) AS body
  FROM wrong

-- name: api_form_delete
DELETE FROM form WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: form_open
-- $1 slug of the organisation or null, $2 name. Before the organisation is known.
SELECT org_id, id, organisation, body::text AS body FROM form_open($1::text, $2::text)

-- name: form_purge
SELECT form_requests_purge($1::timestamptz) AS purged

-- name: form_request
-- Keeps a request and makes its mail, unless the address was asked lately (within $17) or too often (already $18 times a day): then there is nothing to
-- do, and nobody can tell. $1 form, $2 hash of the token, $3 e-mail, $4 contact, $5 topics, $6 purpose, $7 wording, $8 version, $9 language, $10 source,
-- $11 ip, $12 user agent, $13 now, $14 expires, $15 nonce of the token, $16 key of the job: the same for all requests of an address to a form that come at
-- about the same time, so that one of them wins. Nothing that the stranger wrote goes into the mail.
WITH wanted AS (
    SELECT f.id, f.template_id, f.name, f.title, o.keep_ip,
           $16::text || ':' || (SELECT count(*) FROM form_request r WHERE r.email = $3::text AND r.confirmed_at IS NOT NULL) AS key
      FROM form f, organisation o
     WHERE f.id = $1::int AND f.template_id IS NOT NULL
), frequent AS (
    SELECT FROM (SELECT count(*) AS n, max(r.at) AS last FROM form_request r
                  WHERE r.email = $3::text AND r.at > $13::timestamptz - interval '1 day' AND r.confirmed_at IS NULL) x
     WHERE x.last > $13::timestamptz - $17::interval OR x.n >= $18::int
), keyed AS (
    INSERT INTO job_key (org_id, key, job_id)
    SELECT current_org(), w.key, nextval('job_id_seq') FROM wanted w WHERE NOT EXISTS (SELECT FROM frequent)
    ON CONFLICT DO NOTHING RETURNING job_id, key
), mail AS (
    INSERT INTO job (id, org_id, class, sort, run_at, key, template_id, to_email, data, first_at)
    OVERRIDING SYSTEM VALUE
    SELECT k.job_id, current_org(), 0, 'mail', $13::timestamptz, k.key, w.template_id, $3::text,
           jsonb_build_object('form_request', $15::text, 'form_language', $9::text,
                              'form', jsonb_build_object('name', w.name, 'title', w.title, 'wording', $7::text)), $13::timestamptz
      FROM keyed k, wanted w RETURNING id
)
INSERT INTO form_request (org_id, form_id, hash, email, contact, topics, purpose, wording, version, language, source, ip, user_agent, at, expires_at, job_id)
SELECT current_org(), w.id, $2::bytea, $3::text, $4::jsonb, $5::text[], $6::text, $7::text, $8::text, $9::text, $10::text, ip_kept($11::text, w.keep_ip),
       $12::text, $13::timestamptz, $14::timestamptz, m.id
  FROM wanted w, mail m
RETURNING id

-- name: form_request_show
-- $1 hash of the token, $2 now
SELECT r.id, r.contact::text AS contact, r.language, r.confirmed_at IS NOT NULL AS confirmed, f.name AS form, coalesce(nullif(f.title, ''), f.name) AS title,
       o.name AS organisation, r.wording, f.redirect_to[1] AS redirect_to
  FROM form_request r JOIN form f ON f.id = r.form_id, organisation o
 WHERE r.hash = $1::bytea AND r.expires_at > $2::timestamptz

-- name: form_confirm
-- $1 request, $2 contact, $3 method, $4 ip, $5 user agent, $6 now. The second time it does nothing.
WITH request AS (
    UPDATE form_request r SET confirmed_at = $6::timestamptz, contact_id = $2::bigint
     WHERE r.id = $1::bigint AND r.confirmed_at IS NULL RETURNING r.*
), granted AS (
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, ip, user_agent, at, request)
    SELECT current_org(), $2::bigint, t.id, 'grant', r.purpose, r.wording, r.version, r.language, r.source, $3::text, $4::text, $5::text, $6::timestamptz,
           jsonb_strip_nulls(jsonb_build_object('at', to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'ip', r.ip, 'user_agent', r.user_agent,
               'message_id', coalesce((SELECT d.message_id FROM delivery d WHERE d.org_id = current_org() AND d.id = r.job_id),
                                      message_id(current_org(), r.job_id, r.at, o.mail_from))))
      FROM request r JOIN topic t ON t.name = ANY (r.topics), organisation o
     ORDER BY t.id
    RETURNING topic_id
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), $2::bigint, k.id, $6::timestamptz, $6::timestamptz, 'lazo', jsonb_build_object('topic', t.name, 'form', f.name)
      FROM request r JOIN form f ON f.id = r.form_id, granted g JOIN topic t ON t.id = g.topic_id, kind k WHERE k.name = 'subscribed'
     ORDER BY t.name
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
    SELECT current_org(), $2::bigint, 'consent', NULL::int, NULL::bigint FROM request
    UNION ALL SELECT current_org(), contact_id, 'interaction', kind_id, id FROM fact
)
SELECT id FROM request

-- name: form_known
-- Whether an address is somebody's: $1
SELECT i.contact_id FROM identity i WHERE i.sort = 'email' AND i.value = $1::text;

-- name: form_grant
-- A form without double opt-in: $1 form, $2 contact, $3 source, $4 ip, $5 user agent, $6 now
WITH granted AS (
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, ip, user_agent, at)
    SELECT current_org(), $2::bigint, l.topic_id, 'grant', f.purpose, f.wording, f.version, f.language, $3::text, 'form', $4::text, $5::text, $6::timestamptz
      FROM form f JOIN form_topic l ON l.form_id = f.id WHERE f.id = $1::int ORDER BY l.topic_id
    RETURNING topic_id
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), $2::bigint, k.id, $6::timestamptz, $6::timestamptz, 'lazo', jsonb_build_object('topic', t.name, 'form', f.name)
      FROM form f, granted g JOIN topic t ON t.id = g.topic_id, kind k WHERE f.id = $1::int AND k.name = 'subscribed' ORDER BY t.name
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
    SELECT DISTINCT current_org(), $2::bigint, 'consent', NULL::int, NULL::bigint FROM granted
    UNION ALL SELECT current_org(), contact_id, 'interaction', kind_id, id FROM fact
)
SELECT count(*) AS granted FROM granted
