-- Checking and mending what is computed: lazoctl check. What the rules say is compared by the statement of rule_compile_truth().

-- name: check_waiting
-- What is yet to be evaluated at $1: changes, contacts that are due, and definitions that are evaluated in full.
SELECT (SELECT count(*) FROM (SELECT FROM change LIMIT 1000) c) AS changes,
       (SELECT count(*) FROM (SELECT FROM wake WHERE at <= $1::timestamptz LIMIT 1000) w) AS due,
       (SELECT count(*) FROM segment WHERE stale AND kind = 'dynamic')
       + (SELECT count(*) FROM rfm_model WHERE stale OR scored_at IS NULL OR due_at <= $1::timestamptz) AS stale;

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
