-- Checking and mending what is computed: lazoctl check. What the rules say is compared by the statement of rule_compile_truth().

-- name: check_waiting
-- What is yet to be evaluated at $1: changes, contacts that are due, and definitions that are evaluated in full.
SELECT (SELECT count(*) FROM (SELECT FROM change LIMIT 1000) c) AS changes,
       (SELECT count(*) FROM (SELECT FROM wake WHERE at <= $1::timestamptz LIMIT 1000) w) AS due,
       (SELECT count(*) FROM segment WHERE stale AND kind = 'dynamic')
       + (SELECT count(*) FROM rfm_model WHERE stale OR scored_at IS NULL OR due_at <= $1::timestamptz) AS stale;

-- name: check_open
-- The first statement of the check's transaction: what it sees is what all others see. $1 segments and $2 their rules as they are in memory: whether they are those
-- of the database.
SELECT coalesce(bool_and(s.rule IS NOT DISTINCT FROM u.rule), true) AND count(*) = (SELECT count(*) FROM segment WHERE kind = 'dynamic') AS same
  FROM unnest($1::int[], $2::text[]) AS u(id, rule) JOIN segment s ON s.id = u.id;

-- name: check_left_out
-- How many contacts and definitions are about to be evaluated at $1.
SELECT (SELECT count(*) FROM contacts_waiting($1::timestamptz)) AS contacts,
       (SELECT count(*) FROM segment WHERE stale AND kind = 'dynamic')
       + (SELECT count(*) FROM rfm_model WHERE stale OR scored_at IS NULL OR due_at <= $1::timestamptz) AS definitions;

-- name: check_scores
-- The scores of a block of contacts from their facts, with the breaks of each model's last full scoring, compared with those that are stored.
-- $1 after this contact, $2 now, $3 how many contacts.
WITH block AS MATERIALIZED (
    SELECT id FROM contact WHERE id > $1::bigint ORDER BY id LIMIT $3::int
), model AS MATERIALIZED (
    SELECT a.* FROM rfm_models_at($2::timestamptz) a JOIN rfm_model m ON m.id = a.id WHERE NOT a.due AND NOT m.stale
), gifts AS (
    SELECT m.id AS model_id, b.id AS contact_id, (g.last_at AT TIME ZONE m.time_zone)::date AS last_on, g.frequency,
           coalesce(CASE m.monetary WHEN 'sum' THEN g.sum WHEN 'average' THEN round(g.avg) ELSE g.max END, 0)::bigint AS monetary
      FROM model m CROSS JOIN block b
     CROSS JOIN LATERAL (
           SELECT max(i.occurred_at) AS last_at, count(*)::int AS frequency, sum(i.amount), avg(i.amount), max(i.amount)
             FROM interaction i
            WHERE i.contact_id = b.id AND i.kind_id = ANY (m.kind_ids) AND i.occurred_at >= m.from_at AND i.occurred_at <= $2::timestamptz) g
     WHERE g.frequency > 0
), classed AS (
    SELECT g.*, (m.classes - width_bucket((m.today - g.last_on)::float8, m.r))::smallint AS r,
           (1 + width_bucket(g.frequency::float8, m.f))::smallint AS f, (1 + width_bucket(g.monetary::float8, m.m))::smallint AS m, m.labels
      FROM gifts g JOIN model m ON m.id = g.model_id
), truth AS (
    SELECT model_id, contact_id, last_on, frequency, monetary, r, f, m, rfm_label(labels, r, f, m) AS label FROM classed
), stored AS (
    SELECT s.model_id, s.contact_id, s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label
      FROM rfm_score s JOIN model mo ON mo.id = s.model_id WHERE s.contact_id > $1::bigint AND s.contact_id <= (SELECT max(id) FROM block)
), waiting AS MATERIALIZED (
    SELECT contact_id FROM contacts_waiting($2::timestamptz)
), differing AS (
    SELECT model_id, contact_id,
           CASE WHEN s.contact_id IS NOT NULL THEN json_build_object('last_on', s.last_on, 'frequency', s.frequency, 'monetary', s.monetary,
               'r', s.r, 'f', s.f, 'm', s.m, 'label', s.label) END AS stored,
           CASE WHEN t.contact_id IS NOT NULL THEN json_build_object('last_on', t.last_on, 'frequency', t.frequency, 'monetary', t.monetary,
               'r', t.r, 'f', t.f, 'm', t.m, 'label', t.label) END AS truth
      FROM truth t FULL JOIN stored s USING (model_id, contact_id)
     WHERE (s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label) IS DISTINCT FROM (t.last_on, t.frequency, t.monetary, t.r, t.f, t.m, t.label)
       AND contact_id NOT IN (SELECT contact_id FROM waiting)
)
SELECT (SELECT max(id) FROM block) AS last, (SELECT count(*) FROM block) AS seen,
       coalesce((SELECT json_agg(json_build_object('model', m.name, 'contact', d.contact_id, 'stored', d.stored, 'true', d.truth)
                                 ORDER BY m.name, d.contact_id)
                   FROM differing d JOIN rfm_model m ON m.id = d.model_id), '[]')::text AS differences;

-- name: check_breaks
-- The breaks of all models with quantiles, from the facts, as they were found at their last full scoring; for a model whose facts of then are no longer the same (its
-- fingerprint tells: a gift was recorded late, refunded, merged, erased) nothing can be said, and nothing is. $1 minor units in one of the currency.
WITH model AS MATERIALIZED (
    SELECT m.*, a.today, a.time_zone AS zone, a.kind_ids, a.from_at
      FROM rfm_model m CROSS JOIN LATERAL (SELECT * FROM rfm_models_at(m.scored_at) x WHERE x.id = m.id) a
     WHERE m.scoring = 'quantile' AND m.scored_at IS NOT NULL AND NOT m.stale AND m.fingerprint IS NOT NULL
), found AS (
    SELECT m.id, f.*
      FROM model m CROSS JOIN LATERAL (
           SELECT count(*) AS population, coalesce(bit_xor(hashint8extended(g.contact_id, (g.last_on - date '2000-01-01') + g.frequency * 1000003::bigint
                                                                                          + g.monetary * 998244353)), 0) AS fingerprint,
                  percentile_cont(p.parts) WITHIN GROUP (ORDER BY m.today - g.last_on) AS r, percentile_cont(p.parts) WITHIN GROUP (ORDER BY g.frequency) AS f,
                  percentile_cont(p.parts) WITHIN GROUP (ORDER BY g.monetary) AS m
             FROM (SELECT ARRAY (SELECT i::float8 / m.classes FROM generate_series(1, m.classes - 1) AS i) AS parts) p CROSS JOIN LATERAL (
                  SELECT i.contact_id, (max(i.occurred_at) AT TIME ZONE m.zone)::date AS last_on, count(*)::int AS frequency,
                         coalesce(CASE m.monetary WHEN 'sum' THEN sum(i.amount) WHEN 'average' THEN round(avg(i.amount)) ELSE max(i.amount) END, 0)::bigint
                         AS monetary
                    FROM interaction i
                   WHERE i.kind_id = ANY (m.kind_ids) AND i.occurred_at >= m.from_at AND i.occurred_at <= m.scored_at
                   GROUP BY i.contact_id) g
            GROUP BY p.parts) f
), differing AS (
    SELECT m.name, json_build_object('recency', m.recency_breaks, 'frequency', m.frequency_breaks, 'monetary', m.monetary_breaks) AS stored,
           json_build_object('recency', b.r, 'frequency', b.f, 'monetary', b.m) AS truth
      FROM model m JOIN found x ON x.id = m.id
     CROSS JOIN LATERAL (SELECT rfm_plus(x.r, m.integer_bins::int) AS r, rfm_plus(x.f, m.integer_bins::int) AS f,
                                rfm_plus(x.m, m.integer_bins::int * $1::float8) AS m) b
     WHERE x.fingerprint = m.fingerprint AND x.population = m.population
       AND (m.recency_breaks, m.frequency_breaks, m.monetary_breaks) IS DISTINCT FROM (b.r, b.f, b.m)
)
SELECT coalesce((SELECT json_agg(json_build_object('model', name, 'contact', NULL, 'stored', stored, 'true', truth) ORDER BY name) FROM differing), '[]')::text
       AS differences;

-- name: check_history
-- The past of a block of contacts: spans of one membership, or of one model's scores, that end before they begin or overlap by more than a minute, which two
-- machines' clocks may differ by. $1 after this contact, $2 how many contacts.
WITH block AS MATERIALIZED (
    SELECT max(b.id) AS upto, count(*) AS contacts FROM (SELECT id FROM contact WHERE id > $1::bigint ORDER BY id LIMIT $2::int) b
), spans AS (
    SELECT 's' AS sort, p.contact_id, p.segment_id AS of, p.entered_at AS since, p.left_at AS until FROM membership_past p WHERE p.contact_id > $1::bigint AND p.contact_id <= (SELECT upto FROM block)
    UNION ALL
    SELECT 's', m.contact_id, m.segment_id, m.entered_at, 'infinity' FROM membership m WHERE m.contact_id > $1::bigint AND m.contact_id <= (SELECT upto FROM block)
    UNION ALL
    SELECT 'm', h.contact_id, h.model_id, coalesce(h.since, '-infinity'), h.until FROM rfm_history h WHERE h.contact_id > $1::bigint AND h.contact_id <= (SELECT upto FROM block)
    UNION ALL
    SELECT 'm', s.contact_id, s.model_id, s.since, 'infinity' FROM rfm_score s WHERE s.contact_id > $1::bigint AND s.contact_id <= (SELECT upto FROM block) AND s.since IS NOT NULL
), ordered AS (
    SELECT s.*, lead(s.since) OVER (PARTITION BY s.sort, s.contact_id, s.of ORDER BY s.since, s.until) AS next FROM spans s
), differing AS (
    SELECT sort, contact_id, of, json_build_object('since', since, 'until', CASE WHEN isfinite(until) THEN until END) AS stored,
           json_build_object('until', least(next, greatest(since, until))) AS truth
      FROM ordered WHERE until < since - interval '1 minute' OR next < until - interval '1 minute'
)
SELECT (SELECT upto FROM block) AS last, (SELECT contacts FROM block) AS seen,
       coalesce((SELECT json_agg(json_build_object(CASE d.sort WHEN 's' THEN 'segment' ELSE 'model' END, coalesce(s.name, m.name), 'contact', d.contact_id,
                                                   'stored', d.stored, 'true', d.truth) ORDER BY d.contact_id, d.sort, d.of)
                   FROM differing d LEFT JOIN segment s ON d.sort = 's' AND s.id = d.of LEFT JOIN rfm_model m ON d.sort = 'm' AND m.id = d.of), '[]')::text
       AS differences;

-- name: check_mend_history
-- $1 contacts: a span ends where the next one begins.
WITH spans AS (
    SELECT p.contact_id, p.id, p.segment_id AS of, p.entered_at AS since FROM membership_past p WHERE p.contact_id = ANY ($1::bigint[])
    UNION ALL
    SELECT m.contact_id, NULL, m.segment_id, m.entered_at FROM membership m WHERE m.contact_id = ANY ($1::bigint[])
), ordered AS (
    SELECT contact_id, id, since, lead(since) OVER (PARTITION BY contact_id, of ORDER BY since, id NULLS LAST) AS next FROM spans
), members AS (
    UPDATE membership_past p SET left_at = least(o.next, greatest(o.since, p.left_at)) FROM ordered o
     WHERE p.contact_id = o.contact_id AND p.id = o.id AND p.left_at <> least(o.next, greatest(o.since, p.left_at)) RETURNING p.id
), scores AS (
    SELECT h.contact_id, h.id, h.model_id AS of, coalesce(h.since, '-infinity') AS since FROM rfm_history h WHERE h.contact_id = ANY ($1::bigint[])
    UNION ALL
    SELECT s.contact_id, NULL, s.model_id, s.since FROM rfm_score s WHERE s.contact_id = ANY ($1::bigint[]) AND s.since IS NOT NULL
), rated AS (
    SELECT contact_id, id, since, lead(since) OVER (PARTITION BY contact_id, of ORDER BY since, id NULLS LAST) AS next FROM scores
), labels AS (
    UPDATE rfm_history h SET until = least(o.next, greatest(o.since, h.until)) FROM rated o
     WHERE h.contact_id = o.contact_id AND h.id = o.id AND h.until <> least(o.next, greatest(o.since, h.until)) RETURNING h.id
)
SELECT (SELECT count(*) FROM members) + (SELECT count(*) FROM labels) AS mended;

-- name: check_mend
-- $1 organisation, $2 contacts that are evaluated anew, quietly; $3 names of segments and $4 of models that are evaluated in full, since more of them differ than
-- were listed.
WITH looked AS (
    INSERT INTO change (org_id, contact_id, sort, quiet)
    SELECT $1::bigint, c.id, 'segment', true FROM contact c WHERE c.id = ANY ($2::bigint[])
    RETURNING contact_id
), segments AS (
    UPDATE segment SET stale = true WHERE name = ANY ($3::text[]) AND kind = 'dynamic' RETURNING id
), models AS (
    UPDATE rfm_model SET stale = true WHERE name = ANY ($4::text[]) RETURNING id
)
SELECT (SELECT count(*) FROM looked) + (SELECT count(*) FROM segments) + (SELECT count(*) FROM models) AS mended;
