-- Statements of daemon/http/api_act*.c: campaigns, journeys, messages, deliveries. See daemon/http/api.h for their columns.
-- $1 of what names a campaign is its name or its id.

-- name: api_job_of_key
SELECT job_id FROM job_key WHERE key = $1::text

-- name: api_webhook_id
SELECT id, enabled FROM webhook WHERE name = $1::text

-- name: api_campaign_list
-- $1 before this id (0: from the newest), $2 limit; newest first
SELECT c.id::text AS cursor, json_build_object('id', c.id, 'name', c.name, 'state', c.state, 'template', t.name, 'segment', s.name,
           'rule', c.rule, 'topic', p.name, 'start_at', c.start_at, 'audience', c.audience, 'started_at', c.started_at,
           'finished_at', c.finished_at, 'updated_at', c.updated_at)::text AS item
  FROM campaign c JOIN template t ON t.id = c.template_id JOIN topic p ON p.id = c.topic_id LEFT JOIN segment s ON s.id = c.segment_id
 WHERE $1::bigint = 0 OR c.id < $1::bigint ORDER BY c.id DESC LIMIT $2::int

-- name: api_campaign_show
SELECT json_build_object('id', c.id, 'name', c.name, 'state', c.state, 'template', t.name, 'segment', s.name,
           'rule', c.rule, 'topic', p.name, 'start_at', c.start_at, 'data', c.data, 'audience', c.audience,
           'started_at', c.started_at, 'finished_at', c.finished_at, 'updated_at', c.updated_at,
           'queued', j.queued, 'sending', j.sending, 'sent', d.sent, 'failed', d.failed, 'uncertain', d.uncertain,
           'suppressed', d.suppressed, 'not_subscribed', d.not_subscribed, 'cancelled', d.cancelled)::text AS body, etag('campaign', c.name) AS etag
  FROM campaign c JOIN template t ON t.id = c.template_id JOIN topic p ON p.id = c.topic_id LEFT JOIN segment s ON s.id = c.segment_id,
       LATERAL (SELECT count(*) FILTER (WHERE lease IS NULL) AS queued, count(*) FILTER (WHERE lease IS NOT NULL) AS sending
                  FROM job WHERE campaign_id = c.id) j,
       LATERAL (SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'failed') AS failed,
                       count(*) FILTER (WHERE state = 'uncertain') AS uncertain,
                       count(*) FILTER (WHERE state = 'suppressed') AS suppressed,
                       count(*) FILTER (WHERE state = 'not_subscribed') AS not_subscribed,
                       count(*) FILTER (WHERE state = 'cancelled') AS cancelled
                  FROM delivery WHERE org_id = c.org_id AND campaign_id = c.id) d
 WHERE CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN c.id = $1::text::bigint ELSE c.name = $1::text END

-- name: api_campaign_report
-- Counts, what became of the mail (opened, clicked and the like, in contacts), and the deliveries in doubt.
SELECT json_build_object('id', c.id, 'name', c.name, 'state', c.state, 'audience', c.audience, 'started_at', c.started_at,
           'finished_at', c.finished_at,
           'queued', (SELECT count(*) FROM job WHERE campaign_id = c.id),
           'deliveries', (SELECT coalesce(json_object_agg(state, n), '{}') FROM (
                SELECT state, count(*) AS n FROM delivery WHERE org_id = c.org_id AND campaign_id = c.id GROUP BY state) d),
           'uncertain', (SELECT coalesce(json_agg(json_build_object('id', id, 'contact', contact_id, 'address', address, 'status', status,
                    'message_id', message_id, 'done_at', done_at) ORDER BY id), '[]')
                FROM (SELECT * FROM delivery WHERE org_id = c.org_id AND campaign_id = c.id AND state = 'uncertain'
                       ORDER BY id LIMIT 1000) u))::text AS body
  FROM campaign c
 WHERE CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN c.id = $1::text::bigint ELSE c.name = $1::text END

-- name: api_campaign_refs
-- What a campaign's definition names: $1 template, $2 segment or null, $3 topic. One row; ids are null where there is none.
SELECT t.id AS template_id, s.id AS segment_id, p.id AS topic_id, o.postal_address <> '' AS has_address, o.language,
       v.subject, v.html, v.text
  FROM organisation o LEFT JOIN template t ON t.name = $1::text LEFT JOIN segment s ON s.name = $2::text
       LEFT JOIN topic p ON p.name = $3::text
       LEFT JOIN template_version v ON v.template_id = t.id AND v.language = o.language AND v.current

-- name: api_campaign_parts
-- The same for a campaign that is there ($1).
SELECT c.id, c.state, c.template_id, o.postal_address <> '' AS has_address, o.language, v.subject, v.html, v.text
  FROM campaign c JOIN organisation o ON o.id = c.org_id
       LEFT JOIN template_version v ON v.template_id = c.template_id AND v.language = o.language AND v.current
 WHERE CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN c.id = $1::text::bigint ELSE c.name = $1::text END

-- name: api_campaign_create
-- $1 name, $2 template, $3 segment, $4 rule, $5 topic, $6 start_at, $7 data, $8 now. With a time it is scheduled, else a draft.
INSERT INTO campaign (org_id, name, template_id, segment_id, rule, topic_id, start_at, data, state, updated_at)
VALUES (current_org(), $1::text, $2::int, $3::int, $4::text, $5::int, $6::timestamptz, $7::jsonb,
        CASE WHEN $6::timestamptz IS NULL THEN 'draft' ELSE 'scheduled' END, $8::timestamptz)
RETURNING 201 AS status, json_build_object('id', id, 'name', name, 'state', state, 'changed', true)::text AS body

-- name: api_campaign_put
-- The same, or a change of one that has not begun. The same definition changes nothing, whatever the state.
WITH was AS (
    SELECT id, state, (template_id, segment_id, rule, topic_id, start_at, data)
               IS NOT DISTINCT FROM ($2::int, $3::int, $4::text, $5::int, coalesce($6::timestamptz, start_at), $7::jsonb) AS same
      FROM campaign WHERE name = $1::text FOR UPDATE),
     put AS (
    INSERT INTO campaign AS c (org_id, name, template_id, segment_id, rule, topic_id, start_at, data, state, updated_at)
    SELECT current_org(), $1::text, $2::int, $3::int, $4::text, $5::int, $6::timestamptz, $7::jsonb,
           CASE WHEN $6::timestamptz IS NULL THEN 'draft' ELSE 'scheduled' END, $8::timestamptz
     WHERE NOT EXISTS (SELECT FROM was WHERE same OR state NOT IN ('draft', 'scheduled'))
    ON CONFLICT (org_id, name) DO UPDATE
       SET template_id = excluded.template_id, segment_id = excluded.segment_id, rule = excluded.rule, topic_id = excluded.topic_id,
           start_at = excluded.start_at, data = excluded.data, state = excluded.state, updated_at = excluded.updated_at
     WHERE c.state IN ('draft', 'scheduled')
    RETURNING c.id, c.state, xmax = 0 AS created)
SELECT CASE WHEN NOT was.same AND put.id IS NULL THEN 409 WHEN put.created THEN 201 ELSE 200 END AS status,
       CASE WHEN NOT was.same AND put.id IS NULL THEN format('the campaign is %s; only one that has not begun can be changed', was.state)
            ELSE json_build_object('id', coalesce(put.id, was.id), 'name', $1::text, 'state', coalesce(put.state, was.state),
                     'changed', put.id IS NOT NULL)::text END AS body
  FROM was FULL JOIN put ON true

-- name: api_campaign_delete
WITH gone AS (
    DELETE FROM campaign WHERE state IN ('draft', 'scheduled')
       AND CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN id = $1::text::bigint ELSE name = $1::text END RETURNING id)
SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 204 ELSE 409 END AS status,
       format('the campaign is %s; only one that has not begun can be deleted', c.state) AS body
  FROM campaign c
 WHERE CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN c.id = $1::text::bigint ELSE c.name = $1::text END

-- name: api_campaign_move
-- $1 campaign id, $2 states that it may be in, $3 the next state (null: where it stood when it was paused), $4 now, $5 whether it starts now.
-- One row where it was in one of them. Who was paused before his time is scheduled again; who had begun goes on making his audience into jobs.
UPDATE campaign
   SET state = coalesce($3::text, CASE WHEN started_at IS NULL THEN 'scheduled' ELSE 'expanding' END),
       start_at = CASE WHEN $5::boolean THEN $4::timestamptz ELSE start_at END,
       finished_at = CASE WHEN $3::text = 'cancelled' THEN $4::timestamptz ELSE finished_at END, updated_at = $4::timestamptz
 WHERE id = $1::bigint AND state = ANY ($2::text[])
RETURNING 200 AS status, json_build_object('id', id, 'name', name, 'state', state, 'changed', true)::text AS body

-- name: api_campaign_hold
-- The queued jobs of campaign $1 wait; leased ones are finished.
UPDATE job SET run_at = 'infinity' WHERE campaign_id = $1::bigint AND lease IS NULL

-- name: api_campaign_release
-- $1 campaign, $2 now
UPDATE job SET run_at = $2::timestamptz WHERE campaign_id = $1::bigint AND lease IS NULL AND run_at = 'infinity'

-- name: api_campaign_drop
-- The queued jobs of campaign $1 are cancelled, which their deliveries say. $2 now
WITH gone AS (
    DELETE FROM job WHERE campaign_id = $1::bigint AND lease IS NULL RETURNING *)
INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, campaign_id, topic_id, data, attempt, made_at, done_at)
SELECT org_id, id, contact_id, sort, 'cancelled', key, template_id, campaign_id, topic_id, data, attempt, first_at, $2::timestamptz FROM gone

-- name: api_journey_list
-- $1 after this name, $2 limit
SELECT j.name AS cursor, json_build_object('name', j.name, 'version', j.version, 'enabled', j.enabled,
           'waiting', (SELECT count(*) FROM journey_position p WHERE p.org_id = j.org_id AND p.journey_id = j.id AND p.state = 'waiting'),
           'updated_at', j.updated_at)::text AS item
  FROM journey j WHERE j.name > coalesce($1::text, '') ORDER BY j.name LIMIT $2::int

-- name: api_journey_show
SELECT json_build_object('name', j.name, 'version', j.version, 'enabled', j.enabled, 'definition', j.definition,
           'waiting', p.waiting, 'finished', p.finished, 'left', p.gone, 'updated_at', j.updated_at)::text AS body, etag('journey', j.name) AS etag
  FROM journey j,
       LATERAL (SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'finished') AS finished,
                       count(*) FILTER (WHERE state = 'left') AS gone
                  FROM journey_position WHERE org_id = j.org_id AND journey_id = j.id) p
 WHERE j.name = $1::text

-- name: api_journey_refs
-- Which of $1 templates and $2 webhooks do not exist, by their place in the lists (from 1).
SELECT 'template' AS what, u.place FROM unnest($1::text[]) WITH ORDINALITY AS u (name, place)
 WHERE NOT EXISTS (SELECT FROM template t WHERE t.name = u.name)
UNION ALL
SELECT 'webhook', u.place FROM unnest($2::text[]) WITH ORDINALITY AS u (name, place)
 WHERE NOT EXISTS (SELECT FROM webhook w WHERE w.name = u.name)
 ORDER BY 1, 2

-- name: api_journey_put
-- $1 name, $2 definition, $3 now. The version before it is kept: somebody may stand in it.
WITH was AS (SELECT id, version, definition FROM journey WHERE name = $1::text FOR UPDATE),
     kept AS (INSERT INTO journey_version (org_id, journey_id, version, definition)
              SELECT current_org(), id, version, definition FROM was WHERE definition <> $2::jsonb ON CONFLICT DO NOTHING),
     put AS (
    INSERT INTO journey AS j (org_id, name, definition, updated_at) VALUES (current_org(), $1::text, $2::jsonb, $3::timestamptz)
    ON CONFLICT (org_id, name) DO UPDATE
       SET definition = excluded.definition, version = j.version + 1, updated_at = excluded.updated_at
     WHERE j.definition <> excluded.definition
    RETURNING version, xmax = 0 AS created)
SELECT CASE WHEN put.created THEN 201 ELSE 200 END AS status,
       json_build_object('name', $1::text, 'version', coalesce(put.version, was.version), 'changed', put.version IS NOT NULL)::text AS body
  FROM was FULL JOIN put ON true

-- name: api_journey_enable
-- $1 name, $2 enabled, $3 now
WITH moved AS (
    UPDATE journey SET enabled = $2::boolean, updated_at = $3::timestamptz WHERE name = $1::text AND enabled <> $2::boolean RETURNING id)
SELECT 200 AS status, json_build_object('name', name, 'enabled', $2::boolean, 'changed', EXISTS (SELECT FROM moved))::text AS body
  FROM journey WHERE name = $1::text

-- name: api_journey_delete
DELETE FROM journey WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_journey_runs
-- $1 journey, $2 cursor (null: from the newest), $3 limit, $4 state or null; newest first
SELECT x.cursor, x.item
  FROM journey j LEFT JOIN LATERAL (
       SELECT p.entered_at, p.contact_id, p.entry,
              (extract(epoch FROM p.entered_at) * 1000000)::bigint || ':' || p.contact_id || ':' || p.entry AS cursor,
              json_build_object('contact', p.contact_id, 'entry', p.entry, 'version', p.version, 'step', p.step, 'state', p.state,
                  'wake_at', CASE WHEN p.wake_at < 'infinity' THEN p.wake_at END, 'interaction', p.interaction_id,
                  'entered_at', p.entered_at, 'ended_at', p.ended_at)::text AS item
         FROM journey_position p
        WHERE p.org_id = j.org_id AND p.journey_id = j.id AND ($4::text IS NULL OR p.state = $4::text)
          AND ($2::text IS NULL OR (p.entered_at, p.contact_id, p.entry)
                 < (timestamptz 'epoch' + split_part($2::text, ':', 1)::bigint * interval '1 microsecond', split_part($2::text, ':', 2)::bigint,
                    substr($2::text, length(split_part($2::text, ':', 1)) + length(split_part($2::text, ':', 2)) + 3)))
        ORDER BY p.entered_at DESC, p.contact_id DESC, p.entry DESC LIMIT $3::int) x ON true
 WHERE j.name = $1::text ORDER BY x.entered_at DESC, x.contact_id DESC, x.entry DESC

-- name: api_message_refs
-- $1 template, $2 contact or null: their ids, null where there is none.
SELECT (SELECT id FROM template WHERE name = $1::text) AS template_id, c.id AS contact_id, c.email IS NOT NULL AS has_email
  FROM (SELECT) AS one LEFT JOIN contact c ON c.id = contact_now($2::bigint)

-- name: api_message_show
-- A message is a job, then a delivery of the same id.
SELECT json_build_object('id', j.id, 'state', CASE WHEN j.lease IS NULL THEN 'queued' ELSE 'sending' END, 'contact', j.contact_id,
           'to', j.to_email, 'template', t.name, 'attempt', j.attempt,
           'run_at', CASE WHEN j.run_at < 'infinity' THEN j.run_at END, 'made_at', j.first_at)::text AS body
  FROM job j LEFT JOIN template t ON t.id = j.template_id WHERE j.id = $1::bigint AND j.sort = 'mail'
UNION ALL
SELECT json_build_object('id', d.id, 'state', d.state, 'contact', d.contact_id, 'to', d.address, 'template', t.name, 'attempt', d.attempt,
           'status', d.status, 'message_id', d.message_id, 'made_at', d.made_at, 'done_at', d.done_at)::text
  FROM delivery d LEFT JOIN template t ON t.id = d.template_id
 WHERE d.org_id = current_org() AND d.id = $1::bigint AND d.sort = 'mail'
 LIMIT 1

-- name: api_delivery_list
-- $1 state or null, $2 before this id (0: from the newest), $3 limit, $4 sort or null, $5 contact or null; newest first
SELECT d.id::text AS cursor, json_build_object('id', d.id, 'sort', d.sort, 'state', d.state, 'contact', d.contact_id, 'address', d.address,
           'template', t.name, 'webhook', w.name, 'campaign', d.campaign_id, 'journey', j.name, 'status', d.status, 'attempt', d.attempt,
           'message_id', d.message_id, 'made_at', d.made_at, 'done_at', d.done_at)::text AS item
  FROM (SELECT * FROM delivery
         WHERE org_id = current_org() AND ($1::text IS NULL OR state = $1::text) AND ($2::bigint = 0 OR id < $2::bigint)
           AND ($4::text IS NULL OR sort = $4::text) AND ($5::bigint IS NULL OR contact_id = contact_now($5::bigint))
         ORDER BY id DESC LIMIT $3::int) d
       LEFT JOIN template t ON t.id = d.template_id LEFT JOIN webhook w ON w.id = d.webhook_id LEFT JOIN journey j ON j.id = d.journey_id
 ORDER BY d.id DESC

-- name: api_delivery_show
SELECT json_build_object('id', d.id, 'sort', d.sort, 'state', d.state, 'contact', d.contact_id, 'address', d.address,
           'template', t.name, 'webhook', w.name, 'campaign', d.campaign_id, 'journey', j.name, 'status', d.status, 'attempt', d.attempt,
           'message_id', d.message_id, 'made_at', d.made_at, 'done_at', d.done_at)::text AS body
  FROM delivery d LEFT JOIN template t ON t.id = d.template_id LEFT JOIN webhook w ON w.id = d.webhook_id
       LEFT JOIN journey j ON j.id = d.journey_id
 WHERE d.org_id = current_org() AND d.id = $1::bigint

-- name: api_delivery_again
-- What delivery $1 would be made of once more: its key counts the times, and `pending` says that one is under way already.
WITH d AS (SELECT *, regexp_replace(key, ':again:[0-9]+$', '') AS base FROM delivery WHERE org_id = current_org() AND id = $1::bigint),
     again AS (SELECT k.job_id FROM job_key k
                WHERE k.org_id = current_org() AND k.key = ANY (ARRAY(SELECT d.base || ':again:' || n FROM d, generate_series(1, 100) AS n)))
SELECT d.sort, d.state, d.contact_id, d.template_id, d.webhook_id, d.topic_id, d.campaign_id, d.journey_id, d.interaction_id,
       CASE WHEN d.contact_id IS NULL THEN d.address END AS to_email,
       CASE WHEN d.campaign_id IS NOT NULL THEN 2 WHEN d.journey_id IS NOT NULL THEN 1 ELSE 0 END AS class,
       d.data::text AS data, d.base || ':again:' || (1 + (SELECT count(*) FROM again)) AS key,
       EXISTS (SELECT FROM again JOIN job j ON j.id = again.job_id) AS pending
  FROM d
