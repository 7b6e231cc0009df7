-- Step 2, the evaluator.

-- name: work_waiting
SELECT org_id, changes OR wakes OR stale AS evaluate, cues OR positions OR campaigns AS decide FROM work_waiting($1::timestamptz);

-- name: change_take
-- SKIP LOCKED: a second daemon may run during a hand-over. ANY of an array, for the planner: it takes the batch for small whatever the length of the queue.
-- The contacts are locked before all else that is theirs, as who deletes one does; what belongs to a contact that is being deleted stays for later.
WITH next AS MATERIALIZED (
    SELECT id, contact_id FROM change WHERE org_id = $1::bigint ORDER BY id LIMIT $2::int FOR UPDATE SKIP LOCKED
), locked AS MATERIALIZED (
    SELECT k.id FROM (SELECT DISTINCT contact_id FROM next ORDER BY contact_id) n
     CROSS JOIN LATERAL (SELECT c.id FROM contact c WHERE c.id = n.contact_id FOR KEY SHARE SKIP LOCKED) k
)
DELETE FROM change
 WHERE id = ANY (ARRAY(SELECT n.id FROM next n
                        WHERE n.contact_id IN (SELECT id FROM locked) OR (SELECT c.id FROM contact c WHERE c.id = n.contact_id) IS NULL))
RETURNING contact_id, sort, kind_id, interaction_id, quiet;

-- name: wake_take
-- The contacts are locked first, as for change_take.
DELETE FROM wake
 WHERE contact_id = ANY (ARRAY(
           SELECT k.id
             FROM (SELECT due.contact_id
                     FROM (SELECT contact_id FROM wake WHERE org_id = $1::bigint AND at <= $2::timestamptz ORDER BY at LIMIT $3::int) due
                    ORDER BY due.contact_id) n
            CROSS JOIN LATERAL (SELECT c.id FROM contact c WHERE c.id = n.contact_id FOR KEY SHARE SKIP LOCKED) k))
RETURNING contact_id;

-- name: wake_set
-- $4: whether an earlier instant that is there stays (true), or the new one holds alone.
INSERT INTO wake AS w (org_id, contact_id, at)
SELECT $1::bigint, u.contact_id, u.at FROM unnest($2::bigint[], $3::timestamptz[]) AS u(contact_id, at)
 WHERE EXISTS (SELECT FROM contact c WHERE c.id = u.contact_id)
 ORDER BY u.contact_id
ON CONFLICT (contact_id) DO UPDATE SET at = CASE WHEN $4::boolean THEN least(w.at, excluded.at) ELSE excluded.at END;

-- name: membership_write
-- $2 the contacts, $3 the segments that were evaluated for them, $4/$5 the pairs (contact, segment) that hold, $6 now, $7 whether entering and leaving are
-- recorded (not so for a new rule's first members, nor while its first evaluation goes on), $8 whether rules refer to segments, so that who moved must be
-- looked at again, $9 the contacts of which only imported history is new: what they enter starts nothing.
-- Exceptions made by hand go before the rule. Who leaves is kept in membership_past.
WITH exempt AS MATERIALIZED (
    SELECT contact_id, segment_id, mode FROM segment_exception WHERE contact_id = ANY ($2::bigint[]) AND segment_id = ANY ($3::int[])
), holds AS (
    SELECT contact_id, segment_id FROM unnest($4::bigint[], $5::int[]) AS u(contact_id, segment_id)
     WHERE (contact_id, segment_id) NOT IN (SELECT e.contact_id, e.segment_id FROM exempt e)
    UNION ALL
    SELECT contact_id, segment_id FROM exempt WHERE mode = 'in'
), gone AS (
    DELETE FROM membership m
     WHERE m.contact_id = ANY ($2::bigint[]) AND m.segment_id = ANY ($3::int[])
       AND (m.contact_id, m.segment_id) NOT IN (SELECT contact_id, segment_id FROM holds)
    RETURNING m.contact_id, m.segment_id, m.entered_at
), past AS (
    INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at)
    SELECT $1::bigint, contact_id, segment_id, entered_at, $6::timestamptz FROM gone
), come AS (
    INSERT INTO membership (org_id, contact_id, segment_id, entered_at)
    SELECT $1::bigint, h.contact_id, h.segment_id, $6::timestamptz FROM holds h ORDER BY h.contact_id, h.segment_id
    ON CONFLICT (contact_id, segment_id) DO NOTHING
    RETURNING contact_id, segment_id
), moved AS (
    SELECT contact_id, segment_id, 'segment_left' AS kind FROM gone
    UNION ALL
    SELECT contact_id, segment_id, 'segment_entered' FROM come
), recorded AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, v.contact_id, k.id, $6::timestamptz, $6::timestamptz, 'lazo', jsonb_build_object('segment', s.name)
           || CASE WHEN (v.contact_id, v.segment_id) IN (SELECT e.contact_id, e.segment_id FROM exempt e) THEN '{"cause": "by hand"}'::jsonb ELSE '{}' END
      FROM moved v JOIN segment s ON s.id = v.segment_id JOIN kind k ON k.name = v.kind
     WHERE $7::boolean AND NOT s.stale
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, r.contact_id, 'interaction', r.kind_id, r.id, r.contact_id = ANY ($9::bigint[]) FROM recorded r
    UNION ALL
    SELECT DISTINCT $1::bigint, v.contact_id, 'segment', NULL::int, NULL::bigint, true
      FROM moved v JOIN segment s ON s.id = v.segment_id
     WHERE $8::boolean AND (s.stale OR NOT $7::boolean)
)
SELECT count(*) FILTER (WHERE kind = 'segment_entered') AS entered, count(*) FILTER (WHERE kind = 'segment_left') AS "left" FROM moved;

-- name: segments_stale
SELECT id, updated_at FROM segment WHERE stale AND kind = 'dynamic' ORDER BY id;

-- name: segment_fresh
-- Only where the rule is still the one that was evaluated.
UPDATE segment s SET stale = false
  FROM unnest($1::int[], $2::timestamptz[]) AS u(id, updated_at)
 WHERE s.id = u.id AND s.updated_at = u.updated_at;

-- name: cue_make
-- Interactions that a journey or a webhook listens to.
INSERT INTO cue (org_id, contact_id, interaction_id, kind_id)
SELECT $1::bigint, u.contact_id, u.interaction_id, u.kind_id
  FROM unnest($2::bigint[], $3::bigint[], $4::int[]) AS u(contact_id, interaction_id, kind_id)
  JOIN kind k ON k.id = u.kind_id
 WHERE EXISTS (SELECT FROM contact c WHERE c.id = u.contact_id)
   AND (EXISTS (SELECT FROM webhook w WHERE w.enabled AND k.name = ANY (w.events))
        OR EXISTS (SELECT FROM journey j WHERE j.enabled
                      AND (j.definition #>> '{start,interaction}' = k.name
                           OR (j.definition #> '{start,segment}' IS NOT NULL AND k.name IN ('segment_entered', 'segment_left')))));

-- name: statistics_gather
SELECT gather_statistics();
