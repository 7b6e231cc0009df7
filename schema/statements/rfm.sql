-- RFM: recency in whole days of the organisation's zone since the last interaction, how many, their sum. See lazo-rfm(7).
-- `reached` says how breaks are compared: with integer_bins a class begins at quantile + 1 unit, else above the quantile; fixed breaks are reached by
-- count and amount and passed by recency.

-- name: rfm_models
SELECT id, stale OR scored_at IS NULL AS quiet, stale OR scored_at IS NULL OR scored_at <= $1::timestamptz - interval '1 day' AS stale,
       ARRAY (SELECT k.id FROM kind k WHERE k.name = ANY (m.kinds)) AS kind_ids
  FROM rfm_model m ORDER BY id;

-- name: rfm_mark_stale
UPDATE rfm_model SET stale = true WHERE id = ANY ($1::int[]) AND NOT stale;

-- name: rfm_score_all
-- Breaks and scores of all contacts of one model. $1 organisation, $2 model, $3 now, $4 minor units in one of the currency, $5 whether who changes class by this
-- starts nothing (a new or edited model, imported history).
WITH model AS (
    SELECT m.*, o.time_zone, o.currency, ($3::timestamptz AT TIME ZONE o.time_zone)::date AS today,
           CASE WHEN m.look_back IS NULL THEN '-infinity'::timestamptz
                ELSE (($3::timestamptz AT TIME ZONE o.time_zone) - m.look_back::interval) AT TIME ZONE o.time_zone END AS since,
           m.scoring = 'quantile' AND m.integer_bins AS reached_r, m.scoring = 'fixed' OR m.integer_bins AS reached_fm,
           ARRAY (SELECT i::float8 / m.classes FROM generate_series(1, m.classes - 1) AS i) AS parts
      FROM rfm_model m, organisation o WHERE m.id = $2::int AND o.id = $1::bigint
), gifts AS (
    SELECT i.contact_id, max((i.occurred_at AT TIME ZONE m.time_zone)::date) AS last_on, count(*)::int AS frequency,
           coalesce(sum(i.amount), 0)::bigint AS monetary, min(i.occurred_at) AS first_at
      FROM interaction i, model m
     WHERE i.kind_id IN (SELECT k.id FROM kind k, model mm WHERE k.name = ANY (mm.kinds))
       AND i.occurred_at <= $3::timestamptz AND i.occurred_at > m.since
     GROUP BY i.contact_id
), quantiles AS (
    SELECT rfm_plus(percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY (SELECT today FROM model) - last_on),
                    (SELECT integer_bins::int FROM model)) AS r,
           rfm_plus(percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY frequency),
                    (SELECT integer_bins::int FROM model)) AS f,
           rfm_plus(percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY monetary),
                    (SELECT integer_bins::int FROM model) * $4::float8) AS m
      FROM gifts
), breaks AS (
    SELECT CASE WHEN m.scoring = 'fixed' THEN m.recency_breaks ELSE coalesce(q.r, '{}') END AS r,
           CASE WHEN m.scoring = 'fixed' THEN m.frequency_breaks ELSE coalesce(q.f, '{}') END AS f,
           CASE WHEN m.scoring = 'fixed' THEN m.monetary_breaks ELSE coalesce(q.m, '{}') END AS m
      FROM model m, quantiles q
), scored AS (
    SELECT g.contact_id, g.last_on, g.frequency, g.monetary,
           (m.classes + 1 - rfm_class(m.today - g.last_on, b.r, m.reached_r))::smallint AS r,
           rfm_class(g.frequency, b.f, m.reached_fm) AS f, rfm_class(g.monetary, b.m, m.reached_fm) AS m,
           least((g.last_on + rfm_next_recency(m.today - g.last_on, b.r, m.reached_r))::timestamp AT TIME ZONE m.time_zone,
                 ((g.first_at AT TIME ZONE m.time_zone) + m.look_back::interval) AT TIME ZONE m.time_zone) AS changes_at
      FROM gifts g, model m, breaks b
), labels AS (
    SELECT t.r, t.f, t.m, rfm_label(mo.labels, t.r, t.f, t.m) AS label
      FROM (SELECT DISTINCT r, f, m FROM scored) t, model mo
), written AS (
    INSERT INTO rfm_score AS s (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at)
    SELECT $1::bigint, c.contact_id, $2::int, c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, l.label, $3::timestamptz
      FROM scored c JOIN labels l USING (r, f, m)
     ORDER BY c.contact_id
    ON CONFLICT (contact_id, model_id) DO UPDATE
       SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r, f = excluded.f,
           m = excluded.m, label = excluded.label, scored_at = excluded.scored_at
     WHERE (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM
           (excluded.last_on, excluded.frequency, excluded.monetary, excluded.r, excluded.f, excluded.m, excluded.label)
    RETURNING s.contact_id
), gone AS (
    DELETE FROM rfm_score s WHERE s.model_id = $2::int AND NOT EXISTS (SELECT FROM scored c WHERE c.contact_id = s.contact_id)
    RETURNING s.contact_id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, quiet)
    SELECT $1::bigint, w.contact_id, 'score', $5::boolean FROM (SELECT contact_id FROM written UNION ALL SELECT contact_id FROM gone) w
), woken AS (
    -- Part 1: the scores.
    INSERT INTO wake AS w (org_id, contact_id, part, at)
    SELECT $1::bigint, contact_id, 1, changes_at FROM scored WHERE changes_at IS NOT NULL ORDER BY contact_id
    ON CONFLICT (contact_id, part) DO UPDATE SET at = least(w.at, excluded.at)
), kept AS (
    UPDATE rfm_model mm
       SET recency_breaks = b.r, frequency_breaks = b.f, monetary_breaks = b.m, scored_at = $3::timestamptz, stale = false
      FROM breaks b WHERE mm.id = $2::int
)
SELECT count(*) AS scored FROM scored;

-- name: rfm_score_some
-- The scores of given contacts with the breaks of the last full scoring, and when mere time changes them next. $2 contacts, $3 now.
WITH model AS (
    SELECT m.*, o.time_zone, ($3::timestamptz AT TIME ZONE o.time_zone)::date AS today,
           CASE WHEN m.look_back IS NULL THEN '-infinity'::timestamptz
                ELSE (($3::timestamptz AT TIME ZONE o.time_zone) - m.look_back::interval) AT TIME ZONE o.time_zone END AS since,
           m.scoring = 'quantile' AND m.integer_bins AS reached_r, m.scoring = 'fixed' OR m.integer_bins AS reached_fm,
           ARRAY (SELECT k.id FROM kind k WHERE k.name = ANY (m.kinds)) AS kind_ids
      FROM rfm_model m, organisation o WHERE o.id = $1::bigint AND m.recency_breaks IS NOT NULL
), gifts AS (
    SELECT mo.id AS model_id, c.id AS contact_id, g.*
      FROM model mo CROSS JOIN unnest($2::bigint[]) AS c(id)
     CROSS JOIN LATERAL (
           SELECT max((i.occurred_at AT TIME ZONE mo.time_zone)::date) FILTER (WHERE i.occurred_at <= $3::timestamptz) AS last_on,
                  (count(*) FILTER (WHERE i.occurred_at <= $3::timestamptz))::int AS frequency,
                  coalesce(sum(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz), 0)::bigint AS monetary,
                  min(i.occurred_at) FILTER (WHERE i.occurred_at <= $3::timestamptz) AS first_at,
                  min(i.occurred_at) FILTER (WHERE i.occurred_at > $3::timestamptz) AS future_at
             FROM interaction i
            WHERE i.contact_id = c.id AND i.kind_id = ANY (mo.kind_ids) AND i.occurred_at > mo.since) g
), scored AS (
    SELECT g.model_id, g.contact_id, g.last_on, g.frequency, g.monetary,
           (m.classes + 1 - rfm_class(m.today - g.last_on, m.recency_breaks, m.reached_r))::smallint AS r,
           rfm_class(g.frequency, m.frequency_breaks, m.reached_fm) AS f, rfm_class(g.monetary, m.monetary_breaks, m.reached_fm) AS m
      FROM gifts g JOIN model m ON m.id = g.model_id WHERE g.frequency > 0
), written AS (
    INSERT INTO rfm_score AS s (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at)
    SELECT $1::bigint, c.contact_id, c.model_id, c.last_on, c.frequency, c.monetary, c.r, c.f, c.m,
           rfm_label(m.labels, c.r, c.f, c.m), $3::timestamptz
      FROM scored c JOIN model m ON m.id = c.model_id
     ORDER BY c.contact_id
    ON CONFLICT (contact_id, model_id) DO UPDATE
       SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r, f = excluded.f,
           m = excluded.m, label = excluded.label, scored_at = excluded.scored_at
     WHERE (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM
           (excluded.last_on, excluded.frequency, excluded.monetary, excluded.r, excluded.f, excluded.m, excluded.label)
), gone AS (
    DELETE FROM rfm_score s USING gifts g
     WHERE s.contact_id = g.contact_id AND s.model_id = g.model_id AND g.frequency = 0
)
SELECT g.contact_id,
       min(least(g.future_at,
                 (g.last_on + rfm_next_recency(m.today - g.last_on, m.recency_breaks, m.reached_r))::timestamp AT TIME ZONE m.time_zone,
                 ((g.first_at AT TIME ZONE m.time_zone) + m.look_back::interval) AT TIME ZONE m.time_zone)) AS changes_at
  FROM gifts g JOIN model m ON m.id = g.model_id
 GROUP BY g.contact_id;
