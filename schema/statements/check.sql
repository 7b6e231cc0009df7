-- Checking and mending what is computed: lazoctl check. What the rules say is compared by the statement of rule_compile_truth().

-- name: check_waiting
-- What is yet to be evaluated at $1: changes, contacts that are due, and definitions that are evaluated in full.
SELECT (SELECT count(*) FROM (SELECT FROM change LIMIT 1000) c) AS changes,
       (SELECT count(*) FROM (SELECT FROM wake WHERE at <= $1::timestamptz LIMIT 1000) w) AS due,
       (SELECT count(*) FROM segment WHERE stale AND kind = 'dynamic')
       + (SELECT count(*) FROM rfm_model WHERE stale OR scored_at IS NULL OR scored_at <= $1::timestamptz - interval '1 day') AS stale;

-- name: check_scores
-- The scores of a block of contacts from their facts, with the breaks of each model's last full scoring, compared with those that are stored.
-- $1 after this contact, $2 now, $3 how many contacts.
WITH block AS MATERIALIZED (
    SELECT id FROM contact WHERE id > $1::bigint ORDER BY id LIMIT $3::int
), model AS (
    SELECT m.*, o.time_zone, ($2::timestamptz AT TIME ZONE o.time_zone)::date AS today,
           CASE WHEN m.look_back IS NULL THEN '-infinity'::timestamptz
                ELSE (($2::timestamptz AT TIME ZONE o.time_zone) - m.look_back::interval) AT TIME ZONE o.time_zone END AS since,
           m.scoring = 'quantile' AND m.integer_bins AS reached_r, m.scoring = 'fixed' OR m.integer_bins AS reached_fm,
           ARRAY (SELECT k.id FROM kind k WHERE k.name = ANY (m.kinds)) AS kind_ids
      FROM rfm_model m, organisation o WHERE o.id = m.org_id AND m.recency_breaks IS NOT NULL AND NOT m.stale
), gifts AS (
    SELECT mo.id AS model_id, b.id AS contact_id, g.*
      FROM model mo CROSS JOIN block b
     CROSS JOIN LATERAL (
           SELECT max((i.occurred_at AT TIME ZONE mo.time_zone)::date) AS last_on, count(*)::int AS frequency,
                  coalesce(sum(i.amount), 0)::bigint AS monetary
             FROM interaction i
            WHERE i.contact_id = b.id AND i.kind_id = ANY (mo.kind_ids) AND i.occurred_at > mo.since AND i.occurred_at <= $2::timestamptz) g
     WHERE g.frequency > 0
), classed AS (
    SELECT g.*, (m.classes + 1 - rfm_class(m.today - g.last_on, m.recency_breaks, m.reached_r))::smallint AS r,
           rfm_class(g.frequency, m.frequency_breaks, m.reached_fm) AS f, rfm_class(g.monetary, m.monetary_breaks, m.reached_fm) AS m, m.labels
      FROM gifts g JOIN model m ON m.id = g.model_id
), truth AS (
    SELECT model_id, contact_id, last_on, frequency, monetary, r, f, m, rfm_label(labels, r, f, m) AS label FROM classed
), stored AS (
    SELECT s.model_id, s.contact_id, s.last_on, s.frequency, s.monetary, s.r, s.f, s.m, s.label
      FROM block b JOIN rfm_score s ON s.contact_id = b.id JOIN model mo ON mo.id = s.model_id
), waiting AS MATERIALIZED (
    SELECT contact_id FROM change UNION SELECT contact_id FROM wake WHERE at <= $2::timestamptz
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
