-- Other instants: what explains rules (daemon/evaluate/walk.c).

-- name: walk_instants
-- $1 contact, $2 up to when.
SELECT at FROM contact_instants($1::bigint, $2::timestamptz);

-- name: exceptions_of
-- $1 contact: the segments that it is kept in or out of by hand, and of one of them ($2, its name) the exception itself, where it was made by $3.
SELECT array_agg(e.segment_id) AS segments, min(e.mode) FILTER (WHERE s.name = $2::text) AS mode,
       min(json_build_object('mode', e.mode, 'reason', e.reason, 'by', e.made_by, 'at', e.made_at)::text) FILTER (WHERE s.name = $2::text) AS body
  FROM segment_exception e JOIN segment s ON s.id = e.segment_id WHERE e.contact_id = $1::bigint AND e.made_at <= $3::timestamptz;
