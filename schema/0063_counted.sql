-- 0063 - what a model counted of a contact at an instant that is past: rfm_history has a row for each class and label that it had, not for each gift.
SET LOCAL search_path = lazo;

-- Of those who had something that counts: by the interactions as they are known today, and the model as it is.
CREATE FUNCTION rfm_counted(ids bigint[], at timestamptz) RETURNS TABLE (contact_id bigint, model_id int, last_on date, frequency int, monetary bigint)
    LANGUAGE sql STABLE SET search_path = lazo ROWS 100 AS $$
    SELECT c.id, m.id, (g.last_at AT TIME ZONE m.time_zone)::date, g.frequency,
           coalesce(CASE m.monetary WHEN 'sum' THEN g.sum WHEN 'average' THEN round(g.avg) ELSE g.max END, 0)::bigint
      FROM rfm_models_at(rfm_counted.at) m CROSS JOIN unnest(ids) AS c(id)
     CROSS JOIN LATERAL (
           SELECT max(i.occurred_at) AS last_at, count(*)::int AS frequency, sum(i.amount), avg(i.amount), max(i.amount)
             FROM interaction i
            WHERE i.contact_id = c.id AND i.kind_id = ANY (m.kind_ids) AND i.occurred_at >= m.from_at AND i.occurred_at <= rfm_counted.at) g
     WHERE g.frequency > 0 $$;

-- Who had a score and nothing of which that is known any more: as it was at the end.
CREATE OR REPLACE FUNCTION scores_as_of(ids bigint[], at timestamptz) RETURNS SETOF rfm_score LANGUAGE sql STABLE SET search_path = lazo ROWS 2 AS $$
    WITH had AS (
        SELECT s.contact_id, s.model_id, to_jsonb(s) AS doc FROM rfm_score s WHERE s.contact_id = ANY (ids) AND coalesce(s.since <= scores_as_of.at, true)
        UNION ALL
        SELECT h.contact_id, h.model_id, to_jsonb(h) || jsonb_build_object('label_fold', fold(h.label)) FROM rfm_history h
         WHERE h.contact_id = ANY (ids) AND coalesce(h.since <= scores_as_of.at, true) AND h.until > scores_as_of.at
    )
    SELECT q.*
      FROM had LEFT JOIN rfm_counted(ids, scores_as_of.at) n ON n.contact_id = had.contact_id AND n.model_id = had.model_id
     CROSS JOIN LATERAL jsonb_populate_record(NULL::rfm_score, had.doc || CASE WHEN n.frequency > 0
           THEN jsonb_build_object('last_on', n.last_on, 'frequency', n.frequency, 'monetary', n.monetary) ELSE '{}' END) q $$;
