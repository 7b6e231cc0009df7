-- Step 3: journeys and what starts them.

-- name: decide_zones
-- The time zones that this server knows; a contact's zone that is none of them counts as unknown.
SELECT name FROM pg_timezone_names WHERE name !~ '^(posix|right)/' ORDER BY name;

-- name: decide_signature
-- A text that changes whenever decide_definitions would answer something else.
SELECT concat_ws(';',
           (SELECT string_agg(concat_ws('.', j.id, j.version, j.enabled, extract(epoch FROM j.updated_at)), ',' ORDER BY j.id) FROM journey j),
           (SELECT string_agg(concat_ws('.', w.id, w.enabled, extract(epoch FROM w.updated_at)), ',' ORDER BY w.id) FROM webhook w),
           (SELECT concat_ws('.', count(*), max(t.id)) FROM template t)) AS signature;

-- name: decide_definitions
-- All journeys in their current version, earlier versions where somebody still stands, templates and webhooks.
WITH standing AS (
    SELECT DISTINCT p.journey_id, p.version FROM journey_position p WHERE p.state = 'waiting'
), versions AS (
    SELECT j.id, j.name, j.enabled, j.version, true AS current, j.definition FROM journey j
    UNION ALL
    SELECT j.id, j.name, j.enabled, v.version, false, v.definition
      FROM journey j JOIN journey_version v ON v.journey_id = j.id AND v.version <> j.version
      JOIN standing s ON s.journey_id = v.journey_id AND s.version = v.version
)
SELECT json_build_object(
           'journeys', (SELECT coalesce(json_agg(json_build_object('id', v.id, 'name', v.name, 'version', v.version, 'enabled', v.enabled,
                                'current', v.current, 'definition', v.definition) ORDER BY v.id, v.version), '[]') FROM versions v),
           'templates', (SELECT coalesce(json_agg(json_build_object('id', t.id, 'name', t.name) ORDER BY t.id), '[]') FROM template t),
           'webhooks', (SELECT coalesce(json_agg(json_build_object('id', w.id, 'name', w.name, 'enabled', w.enabled, 'events', w.events,
                                'rule', w.rule) ORDER BY w.id), '[]') FROM webhook w))::text AS body;

-- name: decide_release
-- Who was held in a journey that runs again goes on. $1 ids, $2 versions of the journeys that run, $3 now
UPDATE journey_position p SET wake_at = $3::timestamptz
  FROM unnest($1::int[], $2::int[]) AS r(journey_id, version)
 WHERE p.state = 'waiting' AND p.wake_at = 'infinity' AND p.journey_id = r.journey_id AND p.version = r.version;

-- name: decide_cues_take
-- $1 limit. A cue whose interaction is gone comes with nulls. `own`: Lazo recorded it. `echo`: a call failed that was itself about a failed call.
-- ANY of an array, for the planner: it takes the batch for small whatever the length of the queue.
WITH taken AS (
    DELETE FROM cue
     WHERE id = ANY (ARRAY(SELECT c.id FROM cue c ORDER BY c.id LIMIT $1::int FOR UPDATE SKIP LOCKED))
    RETURNING id, contact_id, interaction_id, kind_id
)
SELECT t.contact_id, t.interaction_id, k.name AS kind, i.occurred_at, i.recorded_at, i.data ->> 'segment' AS segment, i.data ->> 'webhook' AS webhook,
       i.data ->> 'model' AS model, i.data ->> 'from' AS label_from, i.data ->> 'to' AS label_to,
       (i.source IN ('journey', 'lazo')) IS TRUE AS own,
       k.name = 'webhook_failed' AND (
           SELECT about.kind_id = i.kind_id
             FROM (SELECT CASE WHEN i.data ->> 'delivery' ~ '^[0-9]{1,18}$' THEN (i.data ->> 'delivery')::bigint END AS id OFFSET 0) w -- apart: ->> is not leakproof
             JOIN delivery d ON d.id = w.id JOIN interaction about ON about.contact_id = d.contact_id AND about.id = d.interaction_id
            WHERE d.org_id = current_org()) IS TRUE AS echo
  FROM taken t
  LEFT JOIN interaction i ON i.contact_id = t.contact_id AND i.id = t.interaction_id
  LEFT JOIN kind k ON k.id = i.kind_id
 ORDER BY t.id;

-- name: decide_start
-- Begins passages through journeys, each at step 0, due at once; for nobody who died.
--   $1 journey ids, $2 versions, $3 contacts, $4 interactions, $5 entries, $6 gaps (null: always again; 0: once; n: once per n days), $7 now,
--   $8 whether Lazo itself recorded the interaction, $9 how often that may begin one journey for one contact within an hour: what goes beyond is a loop.
WITH asked AS (
    SELECT s.*, s.own AND s.gap IS NULL
               AND row_number() OVER (PARTITION BY s.journey_id, s.contact_id, s.own ORDER BY s.ord)
                   + CASE WHEN s.own AND s.gap IS NULL
                          THEN (SELECT count(*) FROM journey_position p WHERE p.contact_id = s.contact_id AND p.journey_id = s.journey_id
                                   AND p.entered_at > $7::timestamptz - interval '1 hour') ELSE 0 END > $9::int AS loops
      FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::int[], $8::bool[]) WITH ORDINALITY
           AS s(journey_id, version, contact_id, interaction_id, entry, gap, own, ord)
), started AS (
    INSERT INTO journey_position (org_id, contact_id, journey_id, entry, version, step, state, wake_at, interaction_id, entered_at)
    SELECT DISTINCT ON (s.journey_id, s.contact_id, CASE WHEN s.gap IS NULL THEN s.entry ELSE '' END)
           current_org(), s.contact_id, s.journey_id, s.entry, s.version, 0, 'waiting', $7::timestamptz, s.interaction_id, $7::timestamptz
      FROM asked s
     WHERE NOT s.loops
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = s.contact_id AND c.deceased)
       AND (s.gap IS NULL
            OR NOT EXISTS (SELECT FROM journey_position p
                            WHERE p.contact_id = s.contact_id AND p.journey_id = s.journey_id
                              AND (s.gap = 0 OR p.entered_at > $7::timestamptz - s.gap * interval '24 hours')))
     ORDER BY s.journey_id, s.contact_id, CASE WHEN s.gap IS NULL THEN s.entry ELSE '' END, s.ord
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM started) AS started, count(*) AS loops, min(a.journey_id) AS journey_id, min(a.contact_id) AS contact_id
  FROM asked a WHERE a.loops;

-- name: decide_positions_take
-- SKIP LOCKED: a second daemon may run during a hand-over. $1 limit, $2 now, $3 ids, $4 versions of the journeys that run
SELECT p.contact_id, p.journey_id, p.entry, p.version, p.step, p.interaction_id,
       (SELECT c.deceased FROM contact c WHERE c.id = p.contact_id) AS deceased
  FROM journey_position p
 WHERE p.state = 'waiting' AND p.wake_at <= $2::timestamptz
   AND (p.journey_id, p.version) IN (SELECT r.journey_id, r.version FROM unnest($3::int[], $4::int[]) AS r(journey_id, version))
 ORDER BY p.wake_at
 LIMIT $1::int
   FOR UPDATE SKIP LOCKED;

-- name: decide_positions_hold
-- Who is due in a journey that does not run waits until it runs again (decide_release). $1 now, $2 ids, $3 versions of those that run
UPDATE journey_position p SET wake_at = 'infinity'
 WHERE p.state = 'waiting' AND p.wake_at <= $1::timestamptz
   AND NOT EXISTS (SELECT FROM unnest($2::int[], $3::int[]) AS r(journey_id, version)
                    WHERE r.journey_id = p.journey_id AND r.version = p.version);

-- name: decide_positions_write
-- Where they stand now. Who waits for a time of day ($8, minutes) wakes at its next coming in the contact's zone.
--   $1 contacts, $2 journeys, $3 entries, $4 old steps, $5 new steps, $6 states, $7 wake_at, $8 minutes, $9 now, $10 zones, $11 the organisation's zone
UPDATE journey_position p
   SET step = w.step, state = w.state,
       wake_at = CASE WHEN w.minute IS NULL THEN w.wake_at
                      ELSE (w.here::date + w.minute * interval '1 minute'
                            + CASE WHEN w.here::date + w.minute * interval '1 minute' > w.here THEN interval '0' ELSE interval '1 day' END)
                           AT TIME ZONE w.zone END,
       ended_at = CASE WHEN w.state = 'waiting' THEN NULL ELSE $9::timestamptz END
  FROM (SELECT u.*, coalesce(z.name, $11::text) AS zone, $9::timestamptz AT TIME ZONE coalesce(z.name, $11::text) AS here
          FROM unnest($1::bigint[], $2::int[], $3::text[], $4::int[], $5::int[], $6::text[], $7::timestamptz[], $8::int[])
               AS u(contact_id, journey_id, entry, old_step, step, state, wake_at, minute)
          LEFT JOIN contact c ON c.id = u.contact_id AND u.minute IS NOT NULL
          LEFT JOIN unnest($10::text[]) AS z(name) ON z.name = c.time_zone) w
 WHERE p.contact_id = w.contact_id AND p.journey_id = w.journey_id AND p.entry = w.entry
   AND p.state = 'waiting' AND p.step = w.old_step;

-- name: decide_tag
-- $1 tag, $2 contacts, $3 now, $4 who says so
WITH made AS (
    INSERT INTO contact_tag (org_id, contact_id, tag, added_at)
    SELECT current_org(), c, $1::text, $3::timestamptz FROM (SELECT DISTINCT unnest($2::bigint[]) AS c ORDER BY 1) u
    ON CONFLICT DO NOTHING
    RETURNING contact_id
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
    SELECT current_org(), contact_id, 'tag', to_jsonb($1::text), $3::timestamptz, $4::text, 'lazo' FROM made
)
INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'tag', ARRAY[label_word(fold($1::text))] FROM made;

-- name: decide_untag
-- $1 tag, $2 contacts, $3 now, $4 who says so
WITH gone AS (
    DELETE FROM contact_tag WHERE contact_id = ANY ($2::bigint[]) AND tag_fold = fold($1::text) RETURNING contact_id, tag
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
    SELECT current_org(), contact_id, 'tag', to_jsonb(tag), $3::timestamptz, $4::text, 'lazo' FROM gone
)
INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'tag', ARRAY[label_word(fold($1::text))] FROM gone;

-- name: decide_set_column
-- $1 column, $2 value, $3 contacts, which are locked, $4 now, $5 who says so. Who has the value already is left alone.
WITH changed AS (
    UPDATE contact c
       SET first_name = CASE $1::text WHEN 'first_name' THEN $2::text ELSE c.first_name END,
           last_name = CASE $1::text WHEN 'last_name' THEN $2::text ELSE c.last_name END,
           company_name = CASE $1::text WHEN 'company_name' THEN $2::text ELSE c.company_name END,
           phone = CASE $1::text WHEN 'phone' THEN $2::text ELSE c.phone END,
           language = CASE $1::text WHEN 'language' THEN $2::text ELSE c.language END,
           country = CASE $1::text WHEN 'country' THEN $2::text ELSE c.country END,
           city = CASE $1::text WHEN 'city' THEN $2::text ELSE c.city END,
           postal_code = CASE $1::text WHEN 'postal_code' THEN $2::text ELSE c.postal_code END,
           time_zone = CASE $1::text WHEN 'time_zone' THEN $2::text ELSE c.time_zone END,
           stage = CASE $1::text WHEN 'stage' THEN $2::text ELSE c.stage END,
           updated_at = $4::timestamptz
      FROM contact w
     WHERE c.id = ANY ($3::bigint[]) AND w.id = c.id
       AND $2::text IS DISTINCT FROM CASE $1::text
               WHEN 'first_name' THEN c.first_name WHEN 'last_name' THEN c.last_name WHEN 'company_name' THEN c.company_name
               WHEN 'phone' THEN c.phone WHEN 'language' THEN c.language WHEN 'country' THEN c.country WHEN 'city' THEN c.city
               WHEN 'postal_code' THEN c.postal_code WHEN 'time_zone' THEN c.time_zone WHEN 'stage' THEN c.stage END
    RETURNING c.id, w AS before, c AS after
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT current_org(), x.id, v.field, v.was, v.became, $4::timestamptz, $5::text, 'lazo'
      FROM changed x CROSS JOIN LATERAL contact_changes(x.before, x.after) v
), moved AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), x.id, k.id, $4::timestamptz, $4::timestamptz, 'lazo', jsonb_build_object('from', (x.before).stage, 'to', (x.after).stage)
      FROM changed x, kind k WHERE (x.before).stage_fold IS DISTINCT FROM (x.after).stage_fold AND k.name = 'stage_changed'
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, what)
SELECT current_org(), id, 'field', NULL::int, NULL::bigint, ARRAY[$1::text] FROM changed
UNION ALL SELECT current_org(), contact_id, 'interaction', kind_id, id, NULL::text[] FROM moved;

-- name: decide_set_attr
-- $1 custom field, $2 text, $3 number, $4 date, $5 boolean (one of them), $6 contacts, which are locked, $7 now, $8 who says so
WITH told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT current_org(), c.id, 'attr.' || f.name, attr_value(w),
           coalesce(to_jsonb($2::text), to_jsonb($3::float8), to_jsonb($4::date), to_jsonb($5::boolean)), $7::timestamptz, $8::text, 'lazo'
      FROM contact c JOIN field f ON f.id = $1::int LEFT JOIN contact_attr w ON w.contact_id = c.id AND w.field_id = f.id
     WHERE c.id = ANY ($6::bigint[])
       AND (w.value_text, w.value_number, w.value_date, w.value_boolean) IS DISTINCT FROM ($2::text, $3::float8, $4::date, $5::boolean)
), written AS (
    INSERT INTO contact_attr AS a (org_id, contact_id, field_id, value_text, value_number, value_date, value_boolean)
    SELECT current_org(), c, $1::int, $2::text, $3::float8, $4::date, $5::boolean
      FROM (SELECT DISTINCT unnest($6::bigint[]) AS c ORDER BY 1) u
    ON CONFLICT (contact_id, field_id) DO UPDATE
       SET value_text = excluded.value_text, value_number = excluded.value_number, value_date = excluded.value_date,
           value_boolean = excluded.value_boolean
    RETURNING contact_id
)
INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'field', ARRAY['attr:' || $1::int] FROM written;

-- name: decide_clear_attr
-- $1 custom field, $2 contacts, $3 now, $4 who says so
WITH gone AS (
    DELETE FROM contact_attr a WHERE a.contact_id = ANY ($2::bigint[]) AND a.field_id = $1::int RETURNING a.contact_id, attr_value(a) AS was
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
    SELECT current_org(), g.contact_id, 'attr.' || f.name, g.was, $3::timestamptz, $4::text, 'lazo' FROM gone g JOIN field f ON f.id = $1::int
)
INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'field', ARRAY['attr:' || $1::int] FROM gone;

-- name: decide_member_add
-- $1 segment id, $2 its name, $3 journey's name, $4 contacts, $5 now
WITH made AS (
    INSERT INTO membership (org_id, contact_id, segment_id, entered_at)
    SELECT current_org(), w.id, s.id, $5::timestamptz
      FROM (SELECT c.id FROM contact c WHERE c.id = ANY ($4::bigint[]) ORDER BY c.id FOR KEY SHARE) w CROSS JOIN (SELECT id FROM segment WHERE id = $1::int FOR KEY SHARE) s
     ORDER BY w.id
    ON CONFLICT DO NOTHING
    RETURNING contact_id
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), m.contact_id, k.id, $5::timestamptz, $5::timestamptz, 'lazo',
           jsonb_build_object('segment', $2::text, 'cause', 'journey ' || $3::text)
      FROM made m, kind k WHERE k.name = 'segment_entered'
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, what)
SELECT current_org(), contact_id, 'interaction', kind_id, id, NULL FROM fact
UNION ALL SELECT current_org(), contact_id, 'segment', NULL, NULL, ARRAY[$1::int::text] FROM made;

-- name: decide_member_remove
-- $1 segment id, $2 its name, $3 journey's name, $4 contacts, $5 now
WITH gone AS (
    DELETE FROM membership WHERE contact_id = ANY ($4::bigint[]) AND segment_id = (SELECT s.id FROM segment s WHERE s.id = $1::int FOR KEY SHARE) RETURNING contact_id, entered_at
), past AS (
    INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at)
    SELECT current_org(), contact_id, $1::int, entered_at, greatest(entered_at, $5::timestamptz) FROM gone
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), g.contact_id, k.id, $5::timestamptz, $5::timestamptz, 'lazo',
           jsonb_build_object('segment', $2::text, 'cause', 'journey ' || $3::text)
      FROM gone g, kind k WHERE k.name = 'segment_left'
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, what)
SELECT current_org(), contact_id, 'interaction', kind_id, id, NULL FROM fact
UNION ALL SELECT current_org(), contact_id, 'segment', NULL, NULL, ARRAY[$1::int::text] FROM gone;

-- name: decide_record
-- The kind exists: the plan has made it. $1 kind, $2 data or null, $3 journey's name, $4 contacts, one for each interaction, $5 now
WITH made AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), c, k.id, $5::timestamptz, $5::timestamptz, 'journey',
           jsonb_build_object('journey', $3::text) || coalesce($2::jsonb, '{}')
      FROM unnest($4::bigint[]) AS u(c), kind k WHERE k.name = $1::text
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
SELECT current_org(), contact_id, 'interaction', kind_id, id FROM made;

-- name: decide_birthdays
-- Starts a journey for those whose birthday it is where they live, from that minute of the day on. The entry is the year: once a year.
--   $1 journey, $2 version, $3 now, $4 minute of the day, $5 months and $6 days of birth that may be meant anywhere on earth,
--   $7 zones, $8 the organisation's zone, $9 when 29 February counts in other years
WITH born AS (
    SELECT c.id, c.birth_month, c.birth_day, $3::timestamptz AT TIME ZONE coalesce(z.name, $8::text) AS here
      FROM unnest($5::smallint[], $6::smallint[]) AS d(month, day)
      JOIN contact c ON c.birth_month = d.month AND c.birth_day = d.day AND NOT c.deceased
      LEFT JOIN unnest($7::text[]) AS z(name) ON z.name = c.time_zone
)
INSERT INTO journey_position (org_id, contact_id, journey_id, entry, version, step, state, wake_at, entered_at)
SELECT current_org(), b.id, $1::int, to_char(b.here, 'YYYY'), $2::int, 0, 'waiting', $3::timestamptz, $3::timestamptz
  FROM born b
 WHERE b.here::time >= time '00:00' + $4::int * interval '1 minute'
   AND CASE WHEN b.birth_month = 2 AND b.birth_day = 29 AND (date_trunc('year', b.here) + interval '59 days')::date = make_date(extract(year FROM b.here)::int, 3, 1)
            THEN to_char(b.here, 'MM-DD') = $9::text
            ELSE extract(month FROM b.here) = b.birth_month AND extract(day FROM b.here) = b.birth_day END
   AND NOT EXISTS (SELECT FROM journey_position p
                    WHERE p.contact_id = b.id AND p.journey_id = $1::int AND p.entry = to_char(b.here, 'YYYY'))
ON CONFLICT DO NOTHING;

-- name: decide_anniversaries
-- The same for a date in a custom field, from the year after it on, for 250 years. Each day that may be meant is asked for by its date, by index.
--   $1 journey, $2 version, $3 now, $4 minute of the day, $5 months, $6 days, $7 zones, $8 the organisation's zone, $9 for 29 February, $10 field
WITH days AS (
    SELECT make_date(y, d.month, d.day) AS date
      FROM unnest($5::smallint[], $6::smallint[]) AS d(month, day),
           generate_series(extract(year FROM $3::timestamptz AT TIME ZONE 'UTC')::int - 250, extract(year FROM $3::timestamptz AT TIME ZONE 'UTC')::int) AS y
     WHERE d.month <> 2 OR d.day <> 29 OR (y % 4 = 0 AND y % 100 <> 0) OR y % 400 = 0
), dated AS (
    SELECT a.contact_id, a.value_date, extract(month FROM a.value_date) AS month, extract(day FROM a.value_date) AS day,
           $3::timestamptz AT TIME ZONE coalesce(z.name, $8::text) AS here
      FROM contact_attr a
      JOIN contact c ON c.id = a.contact_id AND NOT c.deceased
      LEFT JOIN unnest($7::text[]) AS z(name) ON z.name = c.time_zone
     WHERE a.field_id = $10::int AND a.value_date = ANY (ARRAY(SELECT date FROM days))
)
INSERT INTO journey_position (org_id, contact_id, journey_id, entry, version, step, state, wake_at, entered_at)
SELECT current_org(), b.contact_id, $1::int, to_char(b.here, 'YYYY'), $2::int, 0, 'waiting', $3::timestamptz, $3::timestamptz
  FROM dated b
 WHERE b.here::time >= time '00:00' + $4::int * interval '1 minute'
   AND extract(year FROM b.here) > extract(year FROM b.value_date)
   AND CASE WHEN b.month = 2 AND b.day = 29 AND (date_trunc('year', b.here) + interval '59 days')::date = make_date(extract(year FROM b.here)::int, 3, 1)
            THEN to_char(b.here, 'MM-DD') = $9::text
            ELSE extract(month FROM b.here) = b.month AND extract(day FROM b.here) = b.day END
ON CONFLICT DO NOTHING;
