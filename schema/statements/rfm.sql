-- RFM: recency in whole days of the organisation's zone since the last interaction, how many, and their sum, average or largest. See lazo-rfm(7).
-- rfm_models_at() gives the models as they count now. The class of a whole number is 1 + width_bucket() among thresholds.

-- name: rfm_models
SELECT id, stale OR scored_at IS NULL AS quiet, stale OR scored_at IS NULL OR coalesce(due_at <= $1::timestamptz, false) AS stale,
       ARRAY (SELECT k.id FROM kind k WHERE k.name = ANY (m.kinds)) AS kind_ids
  FROM rfm_model m ORDER BY id;

-- name: rfm_mark_stale
UPDATE rfm_model SET stale = true WHERE id = ANY ($1::int[]) AND NOT stale;

-- name: rfm_score_all
-- Breaks and scores of all contacts of one model. $1 organisation, $2 model, $3 now, $4 minor units in one of the currency, $5 whether who changes class by this
-- starts nothing, and has it in no timeline (a new or edited model, imported history).
WITH model AS MATERIALIZED (
    SELECT a.*, m.scoring, m.integer_bins, m.recompute, m.recency_breaks, m.frequency_breaks, m.monetary_breaks,
           ARRAY (SELECT i::float8 / m.classes FROM generate_series(1, m.classes - 1) AS i) AS parts
      FROM rfm_models_at($3::timestamptz) a JOIN rfm_model m ON m.id = a.id WHERE a.id = $2::int
), gifts AS MATERIALIZED (
    SELECT i.contact_id, min(i.occurred_at) FILTER (WHERE i.occurred_at <= $3::timestamptz) AS first_at,
           max(i.occurred_at) FILTER (WHERE i.occurred_at <= $3::timestamptz) AS last_at,
           (count(*) FILTER (WHERE i.occurred_at <= $3::timestamptz))::int AS frequency,
           coalesce(CASE (SELECT monetary FROM model)
                    WHEN 'sum' THEN sum(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz)
                    WHEN 'average' THEN round(avg(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz))
                    ELSE max(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz) END, 0)::bigint AS monetary,
           min(i.occurred_at) FILTER (WHERE i.occurred_at > $3::timestamptz) AS future_at
      FROM interaction i
     WHERE i.kind_id = ANY ((SELECT kind_ids FROM model)::int[]) AND i.occurred_at >= (SELECT from_at FROM model)
     GROUP BY i.contact_id
), given AS MATERIALIZED (
    SELECT g.contact_id, g.frequency, g.monetary, g.future_at, (g.last_at AT TIME ZONE m.time_zone)::date AS last_on,
           (g.first_at AT TIME ZONE m.time_zone)::date AS first_on, m.today - (g.last_at AT TIME ZONE m.time_zone)::date AS recency
      FROM gifts g, model m WHERE g.frequency > 0
), quantiles AS (
    SELECT rfm_plus(percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY recency), (SELECT integer_bins::int FROM model)) AS r,
           rfm_plus(percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY frequency), (SELECT integer_bins::int FROM model)) AS f,
           rfm_plus(percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY monetary),
                    (SELECT integer_bins::int FROM model) * $4::float8) AS m
      FROM given WHERE (SELECT scoring FROM model) = 'quantile'
), breaks AS MATERIALIZED (
    SELECT b.*, rfm_thresholds(b.r, m.reached_r) AS tr, rfm_thresholds(b.f, m.reached_fm) AS tf, rfm_thresholds(b.m, m.reached_fm) AS tm
      FROM model m, quantiles q
     CROSS JOIN LATERAL (SELECT CASE WHEN m.scoring = 'fixed' THEN m.recency_breaks ELSE coalesce(q.r, '{}') END AS r,
                                CASE WHEN m.scoring = 'fixed' THEN m.frequency_breaks ELSE coalesce(q.f, '{}') END AS f,
                                CASE WHEN m.scoring = 'fixed' THEN m.monetary_breaks ELSE coalesce(q.m, '{}') END AS m) b
), classed AS (
    SELECT g.*, (m.classes - width_bucket(g.recency::float8, b.tr))::smallint AS r, (1 + width_bucket(g.frequency::float8, b.tf))::smallint AS f,
           (1 + width_bucket(g.monetary::float8, b.tm))::smallint AS m,
           g.last_on + CASE WHEN b.tr[width_bucket(g.recency::float8, b.tr) + 1] < 1000000
                                THEN ceil(b.tr[width_bucket(g.recency::float8, b.tr) + 1])::int END AS ages_on
      FROM given g, model m, breaks b
), labels AS MATERIALIZED (
    SELECT t.r, t.f, t.m, rfm_label(mo.labels, t.r, t.f, t.m) AS label
      FROM (SELECT DISTINCT r, f, m FROM classed) t, model mo
), scored AS MATERIALIZED (
    SELECT c.*, l.label FROM classed c JOIN labels l USING (r, f, m)
), differing AS MATERIALIZED (
    SELECT c.contact_id, c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, c.label, s.contact_id IS NOT NULL AS had, s.last_on AS was_last_on,
           s.frequency AS was_frequency, s.monetary AS was_monetary, s.r AS was_r, s.f AS was_f, s.m AS was_m, s.label AS was_label, s.since AS was_since,
           (s.r, s.f, s.m, s.label) IS DISTINCT FROM (c.r, c.f, c.m, c.label) AS moved
      FROM scored c LEFT JOIN rfm_score s ON s.contact_id = c.contact_id AND s.model_id = $2::int
     WHERE s.contact_id IS NULL OR (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM
           (c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, c.label)
), written AS (
    INSERT INTO rfm_score AS s (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at, since)
    SELECT $1::bigint, d.contact_id, $2::int, d.last_on, d.frequency, d.monetary, d.r, d.f, d.m, d.label, $3::timestamptz, $3::timestamptz
      FROM differing d ORDER BY d.contact_id
    ON CONFLICT (contact_id, model_id) DO UPDATE
       SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r, f = excluded.f,
           m = excluded.m, label = excluded.label, scored_at = excluded.scored_at,
           since = CASE WHEN (s.r, s.f, s.m, s.label) IS DISTINCT FROM (excluded.r, excluded.f, excluded.m, excluded.label)
                        THEN excluded.since ELSE s.since END
), gone AS (
    DELETE FROM rfm_score s WHERE s.model_id = $2::int AND s.contact_id NOT IN (SELECT contact_id FROM scored)
    RETURNING s.*
), past AS (
    INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until)
    SELECT $1::bigint, contact_id, $2::int, was_last_on, was_frequency, was_monetary, was_r, was_f, was_m, was_label, was_since, $3::timestamptz
      FROM differing WHERE had AND moved
    UNION ALL
    SELECT $1::bigint, contact_id, $2::int, last_on, frequency, monetary, r, f, m, label, since, $3::timestamptz FROM gone
), relabelled AS (
    SELECT contact_id, nullif(was_label, '') AS was, nullif(label, '') AS label FROM differing
     WHERE NOT $5::boolean AND coalesce(was_label, '') <> label
    UNION ALL
    SELECT contact_id, label, NULL FROM gone WHERE NOT $5::boolean AND label <> ''
), recorded AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, v.contact_id, k.id, $3::timestamptz, $3::timestamptz, 'lazo',
           jsonb_build_object('model', mo.name, 'from', v.was, 'to', v.label, 'cause', 'schedule')
      FROM relabelled v JOIN rfm_model mo ON mo.id = $2::int JOIN kind k ON k.name = 'label_changed'
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, w.contact_id, 'score', NULL::int, NULL::bigint, $5::boolean
      FROM (SELECT contact_id FROM differing UNION ALL SELECT contact_id FROM gone) w
    UNION ALL
    SELECT $1::bigint, r.contact_id, 'interaction', r.kind_id, r.id, false FROM recorded r
), changes AS (
    -- What comes before all is computed anew anyway.
    SELECT g.contact_id, least(g.future_at, day_start(c.ages_on, m.time_zone), day_start(rfm_leaves_on(c.first_on, m.look_back), m.time_zone)) AS at
      FROM model m CROSS JOIN gifts g LEFT JOIN classed c USING (contact_id)
), woken AS (
    -- Part 1: the scores.
    INSERT INTO wake AS w (org_id, contact_id, part, at)
    SELECT $1::bigint, x.contact_id, 1, x.at
      FROM changes x LEFT JOIN wake k ON k.contact_id = x.contact_id AND k.part = 1
     WHERE x.at IS NOT NULL AND (k.at IS NULL OR k.at > x.at)
       AND x.at < coalesce(rfm_due((SELECT scoring FROM model), (SELECT recompute FROM model), $3::timestamptz, (SELECT time_zone FROM model)), 'infinity')
     ORDER BY x.contact_id
    ON CONFLICT (contact_id, part) DO UPDATE SET at = least(w.at, excluded.at)
), kept AS (
    UPDATE rfm_model mm
       SET recency_breaks = b.r, frequency_breaks = b.f, monetary_breaks = b.m, scored_at = $3::timestamptz, stale = false,
           due_at = rfm_due(mm.scoring, mm.recompute, $3::timestamptz, (SELECT time_zone FROM model)),
           population = (SELECT count(*) FROM given),
           fingerprint = (SELECT coalesce(bit_xor(hashint8extended(contact_id, (last_on - date '2000-01-01') + frequency * 1000003::bigint
                                                                              + monetary * 998244353)), 0) FROM given)
      FROM breaks b WHERE mm.id = $2::int
)
SELECT (SELECT count(*) FROM scored) AS scored, (SELECT count(*) FROM relabelled) AS relabelled;

-- name: rfm_score_some
-- The scores of given contacts with the breaks of the last full scoring, and when mere time changes them next. $1 organisation, $2 contacts, $3 now, $4 those of
-- them whose label changes quietly: imported history alone is new. A model that is about to be scored in full is left to that.
WITH model AS MATERIALIZED (
    SELECT * FROM rfm_models_at($3::timestamptz) WHERE NOT due
), gifts AS MATERIALIZED (
    SELECT m.id AS model_id, c.id AS contact_id, (g.last_at AT TIME ZONE m.time_zone)::date AS last_on,
           (g.first_at AT TIME ZONE m.time_zone)::date AS first_on, m.today - (g.last_at AT TIME ZONE m.time_zone)::date AS recency, g.frequency,
           coalesce(CASE m.monetary WHEN 'sum' THEN g.sum WHEN 'average' THEN round(g.avg) ELSE g.max END, 0)::bigint AS monetary, g.future_at
      FROM model m CROSS JOIN unnest($2::bigint[]) AS c(id)
     CROSS JOIN LATERAL (
           SELECT max(i.occurred_at) FILTER (WHERE i.occurred_at <= $3::timestamptz) AS last_at,
                  min(i.occurred_at) FILTER (WHERE i.occurred_at <= $3::timestamptz) AS first_at,
                  (count(*) FILTER (WHERE i.occurred_at <= $3::timestamptz))::int AS frequency,
                  sum(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz), avg(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz),
                  max(i.amount) FILTER (WHERE i.occurred_at <= $3::timestamptz),
                  min(i.occurred_at) FILTER (WHERE i.occurred_at > $3::timestamptz) AS future_at
             FROM interaction i
            WHERE i.contact_id = c.id AND i.kind_id = ANY (m.kind_ids) AND i.occurred_at >= m.from_at) g
), classed AS MATERIALIZED (
    SELECT g.*, (m.classes - width_bucket(g.recency::float8, m.r))::smallint AS r, (1 + width_bucket(g.frequency::float8, m.f))::smallint AS f,
           (1 + width_bucket(g.monetary::float8, m.m))::smallint AS m,
           g.last_on + CASE WHEN m.r[width_bucket(g.recency::float8, m.r) + 1] < 1000000
                                THEN ceil(m.r[width_bucket(g.recency::float8, m.r) + 1])::int END AS ages_on
      FROM gifts g JOIN model m ON m.id = g.model_id WHERE g.frequency > 0
), scored AS (
    SELECT c.*, rfm_label(m.labels, c.r, c.f, c.m) AS label FROM classed c JOIN model m ON m.id = c.model_id
), differing AS MATERIALIZED (
    SELECT c.contact_id, c.model_id, c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, c.label, s.contact_id IS NOT NULL AS had,
           s.last_on AS was_last_on, s.frequency AS was_frequency, s.monetary AS was_monetary, s.r AS was_r, s.f AS was_f, s.m AS was_m,
           s.label AS was_label, s.since AS was_since, (s.r, s.f, s.m, s.label) IS DISTINCT FROM (c.r, c.f, c.m, c.label) AS moved
      FROM scored c LEFT JOIN LATERAL (SELECT * FROM rfm_score x WHERE x.contact_id = c.contact_id AND x.model_id = c.model_id OFFSET 0) s ON true
     WHERE s.contact_id IS NULL OR (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM
           (c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, c.label)
), written AS (
    INSERT INTO rfm_score AS s (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at, since)
    SELECT $1::bigint, d.contact_id, d.model_id, d.last_on, d.frequency, d.monetary, d.r, d.f, d.m, d.label, $3::timestamptz, $3::timestamptz
      FROM differing d ORDER BY d.contact_id
    ON CONFLICT (contact_id, model_id) DO UPDATE
       SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r, f = excluded.f,
           m = excluded.m, label = excluded.label, scored_at = excluded.scored_at,
           since = CASE WHEN (s.r, s.f, s.m, s.label) IS DISTINCT FROM (excluded.r, excluded.f, excluded.m, excluded.label)
                        THEN excluded.since ELSE s.since END
), gone AS (
    DELETE FROM rfm_score s USING gifts g
     WHERE s.contact_id = g.contact_id AND s.model_id = g.model_id AND g.frequency = 0
    RETURNING s.*
), past AS (
    INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until)
    SELECT $1::bigint, contact_id, model_id, was_last_on, was_frequency, was_monetary, was_r, was_f, was_m, was_label, was_since, $3::timestamptz
      FROM differing WHERE had AND moved
    UNION ALL
    SELECT $1::bigint, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, $3::timestamptz FROM gone
), relabelled AS (
    SELECT v.contact_id, v.model_id, v.was, v.label
      FROM (SELECT contact_id, model_id, nullif(was_label, '') AS was, nullif(label, '') AS label FROM differing WHERE coalesce(was_label, '') <> label
            UNION ALL
            SELECT contact_id, model_id, label, NULL FROM gone WHERE label <> '') v
     WHERE v.contact_id <> ALL ($4::bigint[])
), recorded AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, v.contact_id, k.id, $3::timestamptz, $3::timestamptz, 'lazo', jsonb_build_object('model', mo.name, 'from', v.was, 'to', v.label)
      FROM relabelled v JOIN rfm_model mo ON mo.id = v.model_id JOIN kind k ON k.name = 'label_changed'
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, r.contact_id, 'interaction', r.kind_id, r.id, false FROM recorded r
)
SELECT g.contact_id,
       min(x.at) FILTER (WHERE x.at < coalesce(m.due_at, 'infinity')) AS changes_at,
       count(*) FILTER (WHERE (g.contact_id, g.model_id) IN (SELECT v.contact_id, v.model_id FROM relabelled v)) AS relabelled
  FROM gifts g JOIN model m ON m.id = g.model_id LEFT JOIN classed c ON c.contact_id = g.contact_id AND c.model_id = g.model_id
 CROSS JOIN LATERAL (SELECT least(g.future_at, day_start(c.ages_on, m.time_zone), day_start(rfm_leaves_on(c.first_on, m.look_back), m.time_zone)) AS at) x
 GROUP BY g.contact_id;
