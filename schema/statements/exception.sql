-- Exceptions to dynamic segments, made by hand. They are applied where membership is written (membership_write).

-- name: exception_list
-- $1 segment, $2 after this contact, $3 limit. No row: no such segment; a row of nulls: no exceptions.
SELECT x.contact_id::text AS cursor, x.item
  FROM segment s LEFT JOIN LATERAL (
       SELECT e.contact_id, json_build_object('contact', e.contact_id, 'mode', e.mode, 'reason', e.reason, 'by', e.made_by, 'at', e.made_at)::text AS item
         FROM segment_exception e
        WHERE e.org_id = s.org_id AND e.segment_id = s.id AND e.contact_id > $2::bigint ORDER BY e.contact_id LIMIT $3::int) x ON true
 WHERE s.name = $1::text ORDER BY x.contact_id;

-- name: exception_put
-- $1 segment, $2 contact, $3 mode, $4 reason, $5 token, $6 now.
WITH seg AS (SELECT id, kind FROM segment WHERE name = $1::text),
     who AS (SELECT id FROM contact WHERE id = $2::bigint),
     put AS (INSERT INTO segment_exception AS e (org_id, contact_id, segment_id, mode, reason, made_by, made_at)
             SELECT current_org(), who.id, seg.id, $3::text, coalesce($4::text, ''), coalesce((SELECT t.name FROM token t WHERE t.id = $5::bigint), ''),
                    $6::timestamptz FROM seg, who WHERE seg.kind = 'dynamic'
             ON CONFLICT (contact_id, segment_id) DO UPDATE
                SET mode = excluded.mode, reason = excluded.reason, made_by = excluded.made_by, made_at = excluded.made_at
              WHERE (e.mode, e.reason) IS DISTINCT FROM (excluded.mode, excluded.reason)
             RETURNING contact_id, segment_id),
     log AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'segment', ARRAY[segment_id::text] FROM put)
SELECT CASE WHEN seg.kind = 'fixed' THEN 409 WHEN who.id IS NULL THEN 404 ELSE 200 END AS status,
       CASE WHEN seg.kind = 'fixed' THEN 'the members of a fixed segment are put in and taken out; it has no exceptions'
            WHEN who.id IS NULL THEN 'there is no such contact'
            ELSE json_build_object('segment', $1::text, 'contact', who.id, 'mode', $3::text, 'changed', EXISTS (SELECT FROM put))::text END AS body
  FROM seg LEFT JOIN who ON true;

-- name: exception_delete
-- $1 segment, $2 contact.
WITH seg AS (SELECT id FROM segment WHERE name = $1::text),
     gone AS (DELETE FROM segment_exception e USING seg WHERE e.contact_id = $2::bigint AND e.segment_id = seg.id RETURNING e.contact_id, e.segment_id),
     log AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'segment', ARRAY[segment_id::text] FROM gone)
SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 204 ELSE 404 END AS status, 'there is no exception for this contact' AS body FROM seg;
