-- Other instants: what explains rules (daemon/evaluate/walk.c) and tells who will enter and leave (daemon/evaluate/forecast.c).

-- name: walk_instants
-- $1 contact, $2 up to when.
SELECT at FROM contact_instants($1::bigint, $2::timestamptz);

-- name: exception_of
-- To whom a contact's number ($1) leads; and whether it is kept in a segment ($2, its name) or out of it by hand, where that was said by $3: nulls where it is not.
SELECT contact_now($1::bigint) AS contact_id, min(e.mode) AS mode, min(json_build_object('mode', e.mode, 'reason', e.reason, 'by', e.made_by, 'at', e.made_at)::text) AS body
  FROM segment_exception e JOIN segment s ON s.id = e.segment_id WHERE e.contact_id = contact_now($1::bigint) AND s.name = $2::text AND e.made_at <= $3::timestamptz;

-- name: forecast_candidates
-- Who may enter or leave a segment by time alone: $1 after this contact, $2 until when, $3 how many, $4 the segment, whose exceptions stay where they are. Who is due
-- for something, who is about to be evaluated, and who has a score that a schedule of weeks or months computes anew.
SELECT x.contact_id
  FROM (SELECT w.contact_id FROM wake w WHERE w.contact_id > $1::bigint AND w.at <= $2::timestamptz
        UNION SELECT c.contact_id FROM change c WHERE c.contact_id > $1::bigint
        UNION SELECT s.contact_id FROM rfm_score s JOIN rfm_model m ON m.id = s.model_id
               WHERE s.contact_id > $1::bigint AND m.recompute IN ('week', 'month') AND m.due_at <= $2::timestamptz) x
 WHERE NOT EXISTS (SELECT FROM segment_exception e WHERE e.contact_id = x.contact_id AND e.segment_id = $4::int)
 ORDER BY x.contact_id LIMIT $3::int;

-- name: forecast_days
-- $1 instants, $2 whether somebody enters (1) or leaves (0): by day of the organisation's zone. `inexact`: the breaks of one of the models $3 may be computed anew
-- of what is left when gifts leave its look-back.
SELECT coalesce((SELECT json_agg(json_build_object('day', d.day, 'entering', d.entering, 'leaving', d.leaving) ORDER BY d.day)
                   FROM (SELECT (u.at AT TIME ZONE o.time_zone)::date AS day, count(*) FILTER (WHERE u.enters = 1) AS entering,
                                count(*) FILTER (WHERE u.enters = 0) AS leaving
                           FROM unnest($1::timestamptz[], $2::int[]) AS u(at, enters), organisation o WHERE o.id = current_org() GROUP BY 1) d), '[]')::text AS days,
       EXISTS (SELECT FROM rfm_model m WHERE m.id = ANY ($3::int[]) AND m.scoring = 'quantile' AND m.recompute <> 'never' AND m.look_back IS NOT NULL) AS inexact;
