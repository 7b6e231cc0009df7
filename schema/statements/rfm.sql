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
-- starts nothing, and has it in no timeline (a new or edited model, imported history), $6 whether a rule reads the model's scores: who has others is then told to
-- the change log. The interactions are read once, in the order of their index; nothing is written of who is as before. `kept`: 0 where the model is not the one any more that
-- was read, or is gone: what was written is to be rolled back.
WITH model AS MATERIALIZED (
    SELECT a.*, m.xmin AS version, m.scoring, m.integer_bins, m.recompute, m.recency_breaks, m.frequency_breaks, m.monetary_breaks,
           ARRAY (SELECT i::float8 / m.classes FROM generate_series(1, m.classes - 1) AS i) AS parts,
           due.at AS next_at, coalesce(due.day, 'infinity') AS next_on,
           -- Who first gave after this day does not leave the look-back before that; null: nobody ever does.
           CASE WHEN a.look_back IS NOT NULL THEN coalesce((due.day - a.look_back)::date, 'infinity') END AS leaving_to
      FROM rfm_models_at($3::timestamptz) a JOIN rfm_model m ON m.id = a.id
     CROSS JOIN LATERAL (SELECT d.at, (d.at AT TIME ZONE a.time_zone)::date AS day
                           FROM (SELECT rfm_due(m.scoring, m.recompute, $3::timestamptz, a.time_zone) AS at) d) due
     WHERE a.id = $2::int
), facts AS MATERIALIZED (
    SELECT g.contact_id, coalesce(g.figures[1]::int, g.frequency) AS frequency, coalesce(g.figures[2], g.monetary) AS monetary, g.times[2] AS future_at,
           (d.last_at AT TIME ZONE (SELECT time_zone FROM model))::date AS last_on,
           CASE WHEN (SELECT leaving_to FROM model) IS NOT NULL AND d.last_at IS NOT NULL
                THEN (g.first_at AT TIME ZONE (SELECT time_zone FROM model))::date END AS first_on
      FROM (SELECT i.contact_id, min(i.occurred_at) AS first_at, max(i.occurred_at) AS last_at, count(*)::int AS frequency,
                   coalesce(CASE (SELECT monetary FROM model) WHEN 'sum' THEN sum(i.amount) WHEN 'average' THEN round(sum(i.amount) / nullif(count(i.amount), 0))
                            ELSE max(i.amount) END, 0)::bigint AS monetary,
                   -- Few have one that is still to come. They are asked about again.
                   CASE WHEN max(i.occurred_at) > $3::timestamptz THEN (
                       SELECT ARRAY [max(l.occurred_at) FILTER (WHERE l.occurred_at <= $3::timestamptz), min(l.occurred_at) FILTER (WHERE l.occurred_at > $3::timestamptz)]
                         FROM interaction l
                        WHERE l.contact_id = i.contact_id AND l.kind_id = ANY ((SELECT kind_ids FROM model)::int[]) AND l.occurred_at >= (SELECT from_at FROM model)
                   ) END AS times,
                   CASE WHEN max(i.occurred_at) > $3::timestamptz THEN (
                       SELECT ARRAY [count(*), coalesce(CASE (SELECT monetary FROM model) WHEN 'sum' THEN sum(l.amount) WHEN 'average' THEN round(avg(l.amount))
                                                        ELSE max(l.amount) END, 0)::bigint]
                         FROM interaction l
                        WHERE l.contact_id = i.contact_id AND l.kind_id = ANY ((SELECT kind_ids FROM model)::int[]) AND l.occurred_at >= (SELECT from_at FROM model)
                          AND l.occurred_at <= $3::timestamptz
                   ) END AS figures
              FROM interaction i
             -- The first and the last kind are conditions of the index; `= ANY` is none where the index's order is wanted. The row comparison is there for the
             -- planner: from >= and <= of one column it concludes that hardly any row is left, and sorts.
             WHERE i.kind_id >= (SELECT kind_ids[1] FROM model) AND (i.kind_id, i.occurred_at) <= ((SELECT kind_ids[cardinality(kind_ids)] FROM model), 'infinity')
               AND ((SELECT cardinality(kind_ids) = 1 FROM model) OR i.kind_id = ANY ((SELECT kind_ids FROM model)::int[]))
               AND i.occurred_at >= (SELECT from_at FROM model)
             GROUP BY i.contact_id) g
     CROSS JOIN LATERAL (SELECT CASE WHEN g.times IS NULL THEN g.last_at ELSE g.times[1] END AS last_at) d
), measured AS MATERIALIZED (
    SELECT count(*) AS population,
           coalesce(bit_xor(hashint8extended(contact_id, (last_on - date '2000-01-01') + frequency * 1000003::bigint + monetary * 998244353)), 0) AS fingerprint,
           percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY (SELECT today FROM model) - last_on)
               FILTER (WHERE (SELECT scoring FROM model) = 'quantile') AS r,
           percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY frequency) FILTER (WHERE (SELECT scoring FROM model) = 'quantile') AS f,
           percentile_cont((SELECT parts FROM model)) WITHIN GROUP (ORDER BY monetary) FILTER (WHERE (SELECT scoring FROM model) = 'quantile') AS m
      FROM facts WHERE frequency > 0
), breaks AS MATERIALIZED (
    SELECT b.*, t.r AS tr, t.f AS tf, t.m AS tm,
           -- The recency, in days, at which each class ends.
           ARRAY (SELECT CASE WHEN u.days < 1000000 THEN ceil(u.days)::int END FROM unnest(t.r) WITH ORDINALITY AS u(days, n) ORDER BY u.n) AS ends
      FROM model m, measured x
     CROSS JOIN LATERAL (SELECT rfm_plus(x.r, m.integer_bins::int) AS r, rfm_plus(x.f, m.integer_bins::int) AS f,
                                rfm_plus(x.m, m.integer_bins::int * $4::float8) AS m OFFSET 0) q
     CROSS JOIN LATERAL (SELECT CASE WHEN m.scoring = 'fixed' THEN m.recency_breaks ELSE coalesce(q.r, '{}') END AS r,
                                CASE WHEN m.scoring = 'fixed' THEN m.frequency_breaks ELSE coalesce(q.f, '{}') END AS f,
                                CASE WHEN m.scoring = 'fixed' THEN m.monetary_breaks ELSE coalesce(q.m, '{}') END AS m OFFSET 0) b
     CROSS JOIN LATERAL (SELECT rfm_thresholds(b.r, m.reached_r) AS r, rfm_thresholds(b.f, m.reached_fm) AS f, rfm_thresholds(b.m, m.reached_fm) AS m OFFSET 0) t
), triples AS MATERIALIZED (
    SELECT n, rfm_label(labels, classes - n / (classes * classes), 1 + n / classes % classes, 1 + n % classes) AS label
      FROM (SELECT labels, classes::int AS classes FROM model OFFSET 0) m CROSS JOIN LATERAL generate_series(0, classes * classes * classes - 1) AS n
), names AS MATERIALIZED (
    SELECT ARRAY (SELECT DISTINCT label FROM triples) AS names
), tables AS MATERIALIZED (
    -- Where each triple's label stands in names; when the next days begin, as far as the scores are not computed anew anyway.
    SELECT ARRAY (SELECT array_position(names, label)::smallint FROM triples ORDER BY n) AS labels,
           ARRAY (SELECT day_start(today + i, time_zone) FROM generate_series(1, CASE WHEN isfinite(next_on) THEN least(next_on - today - 1, 2000) ELSE 2000 END) i) AS days
      FROM model, names
), classed AS (
    SELECT k.contact_id, k.last_on, k.frequency, k.monetary, k.future_at, ((SELECT classes FROM model) - k.r)::smallint AS r, (1 + k.f)::smallint AS f,
           (1 + k.m)::smallint AS m,
           (SELECT names FROM names)[(SELECT labels FROM tables)[1 + (k.r * (SELECT classes::int FROM model) + k.f) * (SELECT classes::int FROM model) + k.m]] AS label,
           least(k.last_on + (SELECT ends FROM breaks)[k.r + 1],
                 CASE WHEN k.first_on <= (SELECT leaving_to FROM model) THEN rfm_leaves_on(k.first_on, (SELECT look_back FROM model)) END) AS changes_on
      FROM (SELECT g.*, width_bucket(((SELECT today FROM model) - g.last_on)::float8, (SELECT tr FROM breaks)) AS r,
                   width_bucket(g.frequency::float8, (SELECT tf FROM breaks)) AS f, width_bucket(g.monetary::float8, (SELECT tm FROM breaks)) AS m
              FROM facts g OFFSET 0) k
    OFFSET 0
), found AS MATERIALIZED (
    -- Who has another score than is stored, who has none any more, and who is due before all is computed anew.
    SELECT * FROM (
        SELECT coalesce(c.contact_id, s.contact_id) AS contact_id, c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, c.label,
               s.last_on AS was_last_on, s.frequency AS was_frequency, s.monetary AS was_monetary, s.r AS was_r, s.f AS was_f, s.m AS was_m, s.label AS was_label,
               s.since AS was_since, s.contact_id IS NOT NULL AS had,
               c.frequency > 0 AND (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM
                                   (c.last_on, c.frequency, c.monetary, c.r, c.f, c.m, c.label) AS differs,
               s.contact_id IS NOT NULL AND coalesce(c.frequency, 0) = 0 AS gone,
               least(c.future_at, CASE WHEN c.changes_on < (SELECT next_on FROM model) THEN
                   coalesce((SELECT days FROM tables)[c.changes_on - (SELECT today FROM model)], day_start(c.changes_on, (SELECT time_zone FROM model))) END) AS changes_at
          FROM classed c FULL JOIN (SELECT * FROM rfm_score WHERE model_id = $2::int) s ON s.contact_id = c.contact_id
        OFFSET 0) d
     WHERE differs OR gone OR changes_at < coalesce((SELECT next_at FROM model), 'infinity')
), known AS MATERIALIZED (
    SELECT * FROM found WHERE had
), scored AS (
    -- Nobody else makes scores of contacts that have none: no conflict is looked for.
    INSERT INTO rfm_score (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at, since)
    SELECT $1::bigint, contact_id, $2::int, last_on, frequency, monetary, r, f, m, label, $3::timestamptz, $3::timestamptz
      FROM found WHERE differs AND NOT had ORDER BY contact_id
), scored_anew AS (
    INSERT INTO rfm_score AS s (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at, since)
    SELECT $1::bigint, contact_id, $2::int, last_on, frequency, monetary, r, f, m, label, $3::timestamptz, $3::timestamptz
      FROM known WHERE differs ORDER BY contact_id
    ON CONFLICT (contact_id, model_id) DO UPDATE
       SET last_on = excluded.last_on, frequency = excluded.frequency, monetary = excluded.monetary, r = excluded.r, f = excluded.f,
           m = excluded.m, label = excluded.label, scored_at = excluded.scored_at,
           since = CASE WHEN (s.r, s.f, s.m, s.label) IS DISTINCT FROM (excluded.r, excluded.f, excluded.m, excluded.label)
                        THEN excluded.since ELSE s.since END
), removed AS (
    DELETE FROM rfm_score s WHERE s.model_id = $2::int AND s.contact_id IN (SELECT contact_id FROM known WHERE gone)
), past AS (
    INSERT INTO rfm_history (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, since, until)
    SELECT $1::bigint, contact_id, $2::int, was_last_on, was_frequency, was_monetary, was_r, was_f, was_m, was_label, was_since, $3::timestamptz
      FROM known WHERE gone OR differs AND (was_r, was_f, was_m, was_label) IS DISTINCT FROM (r, f, m, label)
), relabelled AS (
    SELECT contact_id, nullif(was_label, '') AS was, CASE WHEN NOT gone THEN nullif(label, '') END AS label FROM found
     WHERE NOT $5::boolean AND (differs AND coalesce(was_label, '') <> label OR gone AND was_label <> '')
), recorded AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, v.contact_id, k.id, $3::timestamptz, $3::timestamptz, 'lazo',
           jsonb_build_object('model', mo.name, 'from', v.was, 'to', v.label, 'cause', 'schedule')
      FROM relabelled v JOIN rfm_model mo ON mo.id = $2::int JOIN kind k ON k.name = 'label_changed'
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, contact_id, 'score', NULL::int, NULL::bigint, $5::boolean FROM found WHERE $6::boolean AND (differs OR gone)
    UNION ALL
    SELECT $1::bigint, r.contact_id, 'interaction', r.kind_id, r.id, false FROM recorded r
), woken AS (
    -- Part 1: the scores.
    INSERT INTO wake AS w (org_id, contact_id, part, at)
    SELECT $1::bigint, d.contact_id, 1, d.changes_at
      FROM found d LEFT JOIN wake k ON k.contact_id = d.contact_id AND k.part = 1
     WHERE d.changes_at < coalesce((SELECT next_at FROM model), 'infinity') AND (k.at IS NULL OR k.at > d.changes_at)
     ORDER BY d.contact_id
    ON CONFLICT (contact_id, part) DO UPDATE SET at = least(w.at, excluded.at)
), kept AS (
    UPDATE rfm_model mm
       SET recency_breaks = b.r, frequency_breaks = b.f, monetary_breaks = b.m, scored_at = $3::timestamptz, stale = false,
           due_at = (SELECT next_at FROM model), population = x.population, fingerprint = x.fingerprint
      FROM breaks b, measured x WHERE mm.id = $2::int AND mm.xmin = (SELECT version FROM model)
    RETURNING mm.id
)
SELECT (SELECT population FROM measured) AS scored, (SELECT count(*) FROM relabelled) AS relabelled, (SELECT count(*) FROM kept) AS kept;

-- name: rfm_score_some
-- The scores of given contacts with the breaks of the last full scoring, and when mere time changes them next. $1 organisation, $2 contacts, $3 now, $4 those of
-- them whose label changes quietly: imported history alone is new. A model that is about to be scored in full is left to that, and so is $5, which is being
-- scored (0: none).
WITH model AS MATERIALIZED (
    SELECT * FROM rfm_models_at($3::timestamptz) WHERE NOT due AND id <> $5::int
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
