-- The state of the instance and the organisation's own settings.

-- name: api_status
-- Tables that are small are counted, large ones estimated. $1 now
SELECT json_build_object(
    'queue', json_build_object(
        'mail', (SELECT json_build_object('transactional', count(*) FILTER (WHERE class = 0), 'journey', count(*) FILTER (WHERE class = 1),
                            'campaign', count(*) FILTER (WHERE class = 2)) FROM job WHERE sort = 'mail'),
        'hook', (SELECT json_build_object('transactional', count(*) FILTER (WHERE class = 0), 'journey', count(*) FILTER (WHERE class = 1),
                            'campaign', count(*) FILTER (WHERE class = 2)) FROM job WHERE sort = 'hook')),
    'in_doubt', (SELECT count(*) FROM delivery WHERE state = 'uncertain'),
    'segments', (SELECT count(*) FROM segment),
    'stale', (SELECT count(*) FROM segment WHERE stale AND kind = 'dynamic') + (SELECT count(*) FROM rfm_model WHERE stale),
    'changes', (SELECT count(*) FROM (SELECT FROM change LIMIT 100000) c),
    'cues', (SELECT count(*) FROM (SELECT FROM cue LIMIT 100000) c),
    'steps', (SELECT count(*) FROM (SELECT FROM journey_position WHERE state = 'waiting' AND wake_at <= $1::timestamptz LIMIT 100000) p),
    'contacts', CASE WHEN pg_relation_size('lazo.contact') > 67108864
        THEN (SELECT reltuples::bigint FROM pg_class WHERE oid = 'lazo.contact'::regclass) ELSE (SELECT count(*) FROM contact) END,
    'interactions', CASE WHEN pg_relation_size('lazo.interaction') > 67108864
        THEN (SELECT reltuples::bigint FROM pg_class WHERE oid = 'lazo.interaction'::regclass) ELSE (SELECT count(*) FROM interaction) END
    )::text AS body

-- name: api_organisation_show
SELECT json_build_object('id', id, 'slug', slug, 'name', name, 'time_zone', time_zone, 'language', language, 'currency', currency,
           'leap_birthday', leap_birthday, 'mail_from', mail_from, 'mail_from_name', mail_from_name, 'mail_reply_to', mail_reply_to,
           'postal_address', postal_address, 'keep_ip', keep_ip, 'country', country, 'created_at', created_at)::text AS body, etag('organisation', '') AS etag
  FROM organisation

-- name: api_organisation_patch
-- $1 name, $2 time zone, $3 language, $4 currency, $5 leap birthday, $6 mail_from, $7 mail_from_name, $8 whether mail_reply_to is said, $9 mail_reply_to,
-- $10 postal address, $11 keep_ip, $12 country; null: leave it. What is computed by zone and currency is computed anew: organisation_measured().
WITH wrong AS (SELECT CASE WHEN $2::text IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = $2::text)
                           THEN 'the database knows no time zone of this name'
                           WHEN $4::text <> currency AND EXISTS (SELECT FROM interaction WHERE amount IS NOT NULL)
                           THEN 'there are amounts in ' || currency || ' already'
                           WHEN $4::text <> currency AND EXISTS (SELECT FROM currency_rate)
                           THEN 'there are rates to ' || currency || ' already' END AS why FROM organisation),
     written AS (
         UPDATE organisation o
            SET name = coalesce($1::text, o.name), time_zone = coalesce($2::text, o.time_zone), language = coalesce($3::text, o.language),
                currency = coalesce($4::text, o.currency), leap_birthday = coalesce($5::text, o.leap_birthday),
                mail_from = coalesce($6::text, o.mail_from), mail_from_name = coalesce($7::text, o.mail_from_name),
                mail_reply_to = CASE WHEN $8::boolean THEN $9::text ELSE o.mail_reply_to END,
                postal_address = coalesce($10::text, o.postal_address), keep_ip = coalesce($11::text, o.keep_ip), country = coalesce($12::text, o.country)
           FROM wrong WHERE wrong.why IS NULL
         RETURNING o.*)
SELECT CASE WHEN wrong.why IS NULL THEN 200 ELSE 409 END AS status,
       coalesce(wrong.why, (SELECT json_build_object('id', id, 'slug', slug, 'name', name, 'time_zone', time_zone, 'language', language,
           'currency', currency, 'leap_birthday', leap_birthday, 'mail_from', mail_from, 'mail_from_name', mail_from_name,
           'mail_reply_to', mail_reply_to, 'postal_address', postal_address, 'keep_ip', keep_ip, 'country', country, 'created_at', created_at)::text FROM written)) AS body
  FROM wrong

-- name: api_clock_advance
-- $1 by how much, $2 or to which offset. Never backwards, and only where the clock is a simulated one.
UPDATE clock SET offset_us = coalesce(offset_us + $1::bigint, $2::bigint)
 WHERE simulated AND coalesce($1::bigint, $2::bigint - offset_us) >= 0
RETURNING offset_us
