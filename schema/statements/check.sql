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
-- The scores of a block of contacts from their facts, with the breaks of each model's last full scoring, compared with those that are stored; and when mere time
-- changes one of them next (a full scoring that is due before does it itself), compared with when they are looked at again.
-- $1 after this contact, $2 now, $3 how many contacts.
WITH block AS MATERIALIZED (
    SELECT id FROM contact WHERE id > $1::bigint ORDER BY id LIMIT $3::int
), model AS MATERIALIZED (
    SELECT a.* FROM rfm_models_at($2::timestamptz) a JOIN rfm_model m ON m.id = a.id WHERE NOT a.due AND NOT m.stale
), gifts AS (
    SELECT m.id AS model_id, b.id AS contact_id, (g.last_at AT TIME ZONE m.time_zone)::date AS last_on, g.frequency,
           coalesce(CASE m.monetary WHEN 'sum' THEN g.sum WHEN 'average' THEN round(g.avg) ELSE g.max END, 0)::bigint AS monetary,
           (g.first_at AT TIME ZONE m.time_zone)::date AS first_on, g.future_at
      FROM model m CROSS JOIN block b
     CROSS JOIN LATERAL (
           SELECT max(i.occurred_at) FILTER (WHERE i.occurred_at <= $2::timestamptz) AS last_at,
                  min(i.occurred_at) FILTER (WHERE i.occurred_at <= $2::timestamptz) AS first_at,
                  (count(*) FILTER (WHERE i.occurred_at <= $2::timestamptz))::int AS frequency, sum(i.amount) FILTER (WHERE i.occurred_at <= $2::timestamptz),
                  avg(i.amount) FILTER (WHERE i.occurred_at <= $2::timestamptz), max(i.amount) FILTER (WHERE i.occurred_at <= $2::timestamptz),
                  min(i.occurred_at) FILTER (WHERE i.occurred_at > $2::timestamptz) AS future_at
             FROM interaction i
            WHERE i.contact_id = b.id AND i.kind_id = ANY (m.kind_ids) AND i.occurred_at >= m.from_at) g
     WHERE g.frequency > 0 OR g.future_at IS NOT NULL
), classed AS MATERIALIZED (
    SELECT g.*, (m.classes - width_bucket(d.recency, m.r))::smallint AS r, (1 + width_bucket(g.frequency::float8, m.f))::smallint AS f,
           (1 + width_bucket(g.monetary::float8, m.m))::smallint AS m, m.labels,
           least(g.future_at, CASE WHEN m.r[width_bucket(d.recency, m.r) + 1] < 1000000
                                   THEN day_start(g.last_on + ceil(m.r[width_bucket(d.recency, m.r) + 1])::int, m.time_zone) END,
                 day_start(rfm_leaves_on(g.first_on, m.look_back), m.time_zone)) AS changes_at, m.due_at
      FROM gifts g JOIN model m ON m.id = g.model_id CROSS JOIN LATERAL (SELECT (m.today - g.last_on)::float8 AS recency) d
), truth AS (
    SELECT model_id, contact_id, last_on, frequency, monetary, r, f, m, rfm_label(labels, r, f, m) AS label FROM classed WHERE frequency > 0
), next AS (
    SELECT contact_id, min(changes_at) AS at FROM classed WHERE changes_at < coalesce(due_at, 'infinity') GROUP BY contact_id
), due AS (
    SELECT w.contact_id, min(w.at) AS at FROM wake w WHERE w.contact_id > $1::bigint AND w.contact_id <= (SELECT max(id) FROM block) AND w.part IN (0, 1)
     GROUP BY w.contact_id
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
), late AS (
    SELECT contact_id, d.at, n.at AS changes_at FROM next n FULL JOIN due d USING (contact_id)
     WHERE n.at < coalesce(d.at, 'infinity') AND contact_id NOT IN (SELECT contact_id FROM waiting)
)
SELECT (SELECT max(id) FROM block) AS last, (SELECT count(*) FROM block) AS seen,
       (SELECT coalesce(json_agg(l.item ORDER BY l.name, l.contact_id), '[]') FROM (
           SELECT m.name, d.contact_id, json_build_object('model', m.name, 'contact', d.contact_id, 'stored', d.stored, 'true', d.truth) AS item
             FROM differing d JOIN rfm_model m ON m.id = d.model_id
            UNION ALL
           SELECT NULL, contact_id, json_build_object('next', 'scores', 'contact', contact_id, 'stored', at, 'true', changes_at) FROM late) l)::text AS differences;

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
-- machines' clocks may differ by, or that begin or end in the future, by more than a day, which a clock may have been wrong by. $1 after this contact,
-- $2 how many contacts, $3 now.
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
    SELECT s.*, lead(s.since) OVER w AS next,
           max(least(greatest(s.until, s.since), $3::timestamptz)) FILTER (WHERE s.since <= $3::timestamptz)
               OVER (w ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS after
      FROM spans s WINDOW w AS (PARTITION BY s.sort, s.contact_id, s.of ORDER BY s.since, s.until)
), differing AS (
    SELECT sort, contact_id, of, json_build_object('since', since, 'until', CASE WHEN isfinite(until) THEN until END) AS stored,
           -- Null for what the mending makes of it: now, which is another instant at the second look.
           CASE WHEN NOT isfinite(until) THEN json_build_object('since', CASE WHEN coalesce(after, since) < $3::timestamptz THEN coalesce(after, since) END)
                WHEN since <= $3::timestamptz THEN json_build_object('until', CASE WHEN least(next, greatest(since, until)) < $3::timestamptz
                                                                                   THEN least(next, greatest(since, until)) END) END AS truth
      FROM ordered
     WHERE until < since - interval '1 minute' OR next < until - interval '1 minute' AND next <= $3::timestamptz
        OR since > $3::timestamptz + interval '1 day' OR isfinite(until) AND until > $3::timestamptz + interval '1 day'
)
SELECT (SELECT upto FROM block) AS last, (SELECT contacts FROM block) AS seen,
       coalesce((SELECT json_agg(json_build_object(CASE d.sort WHEN 's' THEN 'segment' ELSE 'model' END, coalesce(s.name, m.name), 'contact', d.contact_id,
                                                   'stored', d.stored, 'true', d.truth) ORDER BY d.contact_id, d.sort, d.of)
                   FROM differing d LEFT JOIN segment s ON d.sort = 's' AND s.id = d.of LEFT JOIN rfm_model m ON d.sort = 'm' AND m.id = d.of), '[]')::text
       AS differences;

-- name: check_mend_history
-- $1 contacts, $2 now: what begins in the future goes, or began now where it lasts; what lasts began after what is over; a span ends where the next one begins,
-- and now at the latest.
WITH ahead AS (
    DELETE FROM membership_past p WHERE p.contact_id = ANY ($1::bigint[]) AND p.entered_at > $2::timestamptz RETURNING p.id
), lasting AS MATERIALIZED (
    SELECT m.contact_id, m.segment_id AS of, m.entered_at AS was,
           coalesce((SELECT max(least(greatest(p.left_at, p.entered_at), $2::timestamptz)) FROM membership_past p
                      WHERE p.contact_id = m.contact_id AND p.segment_id = m.segment_id AND p.entered_at > m.entered_at AND p.entered_at <= $2::timestamptz),
                    least(m.entered_at, $2::timestamptz)) AS since
      FROM membership m WHERE m.contact_id = ANY ($1::bigint[])
), began AS (
    UPDATE membership m SET entered_at = l.since FROM lasting l WHERE m.contact_id = l.contact_id AND m.segment_id = l.of AND l.since <> l.was RETURNING m.contact_id
), spans AS (
    SELECT p.contact_id, p.id, p.segment_id AS of, p.entered_at AS since FROM membership_past p
     WHERE p.contact_id = ANY ($1::bigint[]) AND p.entered_at <= $2::timestamptz
    UNION ALL
    SELECT contact_id, NULL, of, since FROM lasting
), ordered AS (
    SELECT contact_id, id, since, lead(since) OVER (PARTITION BY contact_id, of ORDER BY since, id NULLS LAST) AS next FROM spans
), members AS (
    UPDATE membership_past p SET left_at = least(o.next, $2::timestamptz, greatest(o.since, p.left_at)) FROM ordered o
     WHERE p.contact_id = o.contact_id AND p.id = o.id AND p.left_at <> least(o.next, $2::timestamptz, greatest(o.since, p.left_at)) RETURNING p.id
), scored_ahead AS (
    DELETE FROM rfm_history h WHERE h.contact_id = ANY ($1::bigint[]) AND h.since > $2::timestamptz RETURNING h.id
), scores AS MATERIALIZED (
    SELECT s.contact_id, s.model_id AS of, s.since AS was,
           coalesce((SELECT max(least(greatest(h.until, h.since), $2::timestamptz)) FROM rfm_history h
                      WHERE h.contact_id = s.contact_id AND h.model_id = s.model_id AND h.since > s.since AND h.since <= $2::timestamptz),
                    least(s.since, $2::timestamptz)) AS since
      FROM rfm_score s WHERE s.contact_id = ANY ($1::bigint[]) AND s.since IS NOT NULL
), scores_began AS (
    UPDATE rfm_score s SET since = l.since FROM scores l WHERE s.contact_id = l.contact_id AND s.model_id = l.of AND l.since <> l.was RETURNING s.contact_id
), rated AS (
    SELECT contact_id, id, since, lead(since) OVER (PARTITION BY contact_id, of ORDER BY since, id NULLS LAST) AS next
      FROM (SELECT h.contact_id, h.id, h.model_id AS of, coalesce(h.since, '-infinity') AS since FROM rfm_history h
             WHERE h.contact_id = ANY ($1::bigint[]) AND coalesce(h.since, '-infinity') <= $2::timestamptz
             UNION ALL SELECT contact_id, NULL, of, since FROM scores) s
), labels AS (
    UPDATE rfm_history h SET until = least(o.next, $2::timestamptz, greatest(o.since, h.until)) FROM rated o
     WHERE h.contact_id = o.contact_id AND h.id = o.id AND h.until <> least(o.next, $2::timestamptz, greatest(o.since, h.until)) RETURNING h.id
)
SELECT (SELECT count(*) FROM ahead) + (SELECT count(*) FROM began) + (SELECT count(*) FROM members) + (SELECT count(*) FROM scored_ahead)
       + (SELECT count(*) FROM scores_began) + (SELECT count(*) FROM labels) AS mended;

-- name: check_mend
-- $1 organisation, $2 contacts that are evaluated anew, quietly; $3 names of segments and $4 of models that are evaluated in full, since more of them differ than
-- were listed; $5 and $6: all segments, all models.
WITH looked AS (
    INSERT INTO change (org_id, contact_id, sort, quiet)
    SELECT $1::bigint, c.id, 'segment', true FROM contact c WHERE c.id = ANY ($2::bigint[])
    RETURNING contact_id
), segments AS (
    UPDATE segment SET stale = true WHERE (name = ANY ($3::text[]) OR $5::boolean) AND kind = 'dynamic' RETURNING id
), models AS (
    UPDATE rfm_model SET stale = true WHERE name = ANY ($4::text[]) OR $6::boolean RETURNING id
)
SELECT (SELECT count(*) FROM looked) + (SELECT count(*) FROM segments) + (SELECT count(*) FROM models) AS mended;
