-- Step 2, the evaluator.

-- name: work_waiting
SELECT org_id, changes OR wakes OR stale AS evaluate, cues OR positions OR campaigns AS decide FROM work_waiting($1::timestamptz);

-- name: change_take
-- SKIP LOCKED: a second daemon may run during a hand-over. The rows are found again by the span of their ids and a hashed sub-select: planned while the queue is
-- short, ANY of an array compares each row of the queue with each of the batch.
-- $3: of whose changes: of all (-1), or of a half of the contacts (0 or 1), which looks no further than both halves would take: one contact may have them all.
-- The contacts are locked before all else that is theirs, as who deletes one does; what belongs to a contact that is being deleted stays for later.
-- $4: a model is being scored. Who is to be scored again after that (change_score_again) stays as well.
WITH next AS MATERIALIZED (
    SELECT id, contact_id FROM change
     WHERE org_id = $1::bigint AND ($3::int < 0 OR (hashint8(contact_id) & 1) = $3::int)
       AND (NOT $4::boolean OR sort <> 'score' OR what IS DISTINCT FROM '{again}')
       AND id <= CASE WHEN $3::int < 0 THEN 9223372036854775807
                      ELSE (SELECT max(w.id) FROM (SELECT g.id FROM change g WHERE g.org_id = $1::bigint ORDER BY g.id LIMIT 2 * $2::int) w) END
     ORDER BY id LIMIT $2::int FOR UPDATE SKIP LOCKED
), locked AS MATERIALIZED (
    SELECT k.id FROM (SELECT DISTINCT contact_id FROM next ORDER BY contact_id) n
     CROSS JOIN LATERAL (SELECT c.id FROM contact c WHERE c.id = n.contact_id FOR KEY SHARE SKIP LOCKED) k
)
DELETE FROM change
 WHERE org_id = $1::bigint AND id >= (SELECT min(n.id) FROM next n) AND id <= (SELECT max(n.id) FROM next n)
   AND (id IN (SELECT n.id FROM next n
                WHERE n.contact_id IN (SELECT id FROM locked) OR (SELECT c.id FROM contact c WHERE c.id = n.contact_id) IS NULL)) IS TRUE
RETURNING contact_id, sort, kind_id, interaction_id, quiet, array_to_string(what, ',') AS what;

-- name: change_score_again
-- Contacts $2 that are to be scored again once the model that is being scored is done with; those of $3 quietly. Imported interactions of the kinds $4 are new; $5
-- is one of the contacts that have some.
INSERT INTO change (org_id, contact_id, sort, what, kind_id, quiet)
SELECT $1::bigint, u.id, 'score', ARRAY ['again'], NULL::int, (u.id IN (SELECT unnest($3::bigint[]))) IS TRUE FROM unnest($2::bigint[]) AS u(id)
UNION ALL
SELECT $1::bigint, $5::bigint, 'score', ARRAY ['again'], k.id, true FROM unnest($4::int[]) AS k(id);

-- name: wake_take
-- $4 as $3 of change_take, $5 as $4 there. The contacts are locked first, as there; what is due for a contact that is no longer there goes, too.
WITH due AS MATERIALIZED (
    SELECT contact_id, part FROM wake
     WHERE org_id = $1::bigint AND at <= $2::timestamptz AND ($4::int < 0 OR (hashint8(contact_id) & 1) = $4::int) AND (NOT $5::boolean OR part <> 1)
     ORDER BY at LIMIT $3::int
), locked AS MATERIALIZED (
    SELECT k.id FROM (SELECT DISTINCT contact_id FROM due ORDER BY contact_id) n
     CROSS JOIN LATERAL (SELECT c.id FROM contact c WHERE c.id = n.contact_id FOR KEY SHARE SKIP LOCKED) k
)
DELETE FROM wake
 WHERE contact_id = ANY (ARRAY(SELECT d.contact_id FROM due d
                                WHERE d.contact_id IN (SELECT id FROM locked) OR (SELECT c.id FROM contact c WHERE c.id = d.contact_id) IS NULL))
   AND at <= $2::timestamptz AND (NOT $5::boolean OR part <> 1)
RETURNING contact_id, part;

-- name: wake_set
-- When parts of the rules are due for contacts; null: never. Nobody looks whether a contact is still there: its wake goes when it is due.
WITH said AS MATERIALIZED (
    SELECT u.contact_id, u.part, u.at FROM unnest($2::bigint[], $3::int[], $4::timestamptz[]) AS u(contact_id, part, at)
), gone AS (
    DELETE FROM wake w USING said s WHERE w.contact_id = s.contact_id AND w.part = s.part AND s.at IS NULL
)
INSERT INTO wake AS w (org_id, contact_id, part, at)
SELECT $1::bigint, s.contact_id, s.part, s.at FROM said s
 WHERE s.at IS NOT NULL
 ORDER BY s.contact_id, s.part
ON CONFLICT (contact_id, part) DO UPDATE SET at = excluded.at WHERE w.at <> excluded.at;

-- name: wake_lower
-- The same where only some of the rules were asked: an earlier instant that is there stays.
INSERT INTO wake AS w (org_id, contact_id, part, at)
SELECT $1::bigint, u.contact_id, u.part, u.at FROM unnest($2::bigint[], $3::int[], $4::timestamptz[]) AS u(contact_id, part, at)
 ORDER BY u.contact_id, u.part
ON CONFLICT (contact_id, part) DO UPDATE SET at = excluded.at WHERE w.at > excluded.at;

-- name: relation_step
-- Who stands in a relation to contacts: $1 contacts, $2 the relation that each has to them. `ord` is the place in the arrays, from 0.
SELECT (u.ord - 1)::int AS ord, r.other_id
  FROM unnest($1::bigint[], $2::int[]) WITH ORDINALITY AS u(contact_id, kind_id, ord)
  JOIN relation r ON r.contact_id = u.contact_id AND r.kind_id = u.kind_id;

-- name: membership_stored
-- Where the contacts are members, and their exceptions made by hand.
SELECT m.contact_id, 'stored' AS what, array_agg(m.segment_id) AS segments FROM membership m WHERE m.contact_id = ANY ($1::bigint[]) GROUP BY m.contact_id
UNION ALL
SELECT e.contact_id, e.mode, array_agg(e.segment_id) FROM segment_exception e WHERE e.contact_id = ANY ($1::bigint[]) GROUP BY e.contact_id, e.mode;

-- name: membership_write
-- Who enters and leaves: $2/$3 the pairs (contact, segment), $4 whether they enter, $5 the cause, $6 now, $7 the contacts
-- of which only imported history is new: what they enter starts nothing. It is not recorded while the segment is stale. Who leaves is kept in membership_past. Contacts and
-- segments are locked first, in this order: they stay as long as the rows that name them are not committed. What was recorded goes into the change log where a rule
-- or a model reads its kind ($8); where none does it has nobody to tell but journeys and webhooks, and is their cue at once. $9: the interaction that is the cause, or 0.
WITH said AS MATERIALIZED (
    SELECT u.contact_id, u.segment_id, u.entered, u.cause, u.by_id, s.name, s.stale
      FROM unnest($2::bigint[], $3::int[], $4::boolean[], $5::text[], $9::bigint[]) AS u(contact_id, segment_id, entered, cause, by_id)
      JOIN contact c ON c.id = u.contact_id JOIN segment s ON s.id = u.segment_id
     ORDER BY u.contact_id, u.segment_id FOR KEY SHARE OF c, s
), gone AS (
    DELETE FROM membership m USING said u
     WHERE NOT u.entered AND m.contact_id = u.contact_id AND m.segment_id = u.segment_id
    RETURNING m.contact_id, m.segment_id, m.entered_at
), past AS (
    INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at)
    SELECT $1::bigint, contact_id, segment_id, entered_at, greatest(entered_at, $6::timestamptz) FROM gone
), come AS (
    INSERT INTO membership (org_id, contact_id, segment_id, entered_at)
    SELECT $1::bigint, u.contact_id, u.segment_id, $6::timestamptz FROM said u WHERE u.entered ORDER BY u.contact_id, u.segment_id
    ON CONFLICT (contact_id, segment_id) DO NOTHING
    RETURNING contact_id, segment_id
), recorded AS (
    -- Sub-selects that are hashed: a join of the moves with anything would be planned for ten of them.
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, u.contact_id, CASE WHEN u.entered THEN (SELECT k.id FROM kind k WHERE k.name = 'segment_entered') ELSE (SELECT k.id FROM kind k WHERE k.name = 'segment_left') END,
           $6::timestamptz, $6::timestamptz, 'lazo', CASE WHEN u.by_id > 0 THEN jsonb_build_object('segment', u.name, 'cause', u.cause, 'interaction', u.by_id)
                ELSE jsonb_build_object('segment', u.name, 'cause', u.cause) END
      FROM said u
     WHERE NOT u.stale AND CASE WHEN u.entered THEN (u.contact_id, u.segment_id) IN (SELECT contact_id, segment_id FROM come)
                                ELSE (u.contact_id, u.segment_id) IN (SELECT contact_id, segment_id FROM gone) END
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, r.contact_id, 'interaction', r.kind_id, r.id, (r.contact_id IN (SELECT unnest($7::bigint[]))) IS TRUE
      FROM recorded r WHERE r.kind_id = ANY ($8::int[])
    RETURNING id
), heard AS MATERIALIZED (
    SELECT h.id FROM kinds_heard() AS h(id)
), cued AS (
    INSERT INTO cue (org_id, contact_id, interaction_id, kind_id)
    SELECT $1::bigint, r.contact_id, r.id, r.kind_id
      FROM recorded r
     WHERE r.kind_id <> ALL ($8::int[]) AND (r.kind_id IN (SELECT h.id FROM heard h)) IS TRUE
       AND (r.contact_id IN (SELECT unnest($7::bigint[]))) IS NOT TRUE
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM come) AS moved, (SELECT count(*) FROM logged) AS logged;

-- name: first_stale
-- Segments that are to be evaluated in full; done_to: where that was begun, up to which contact it is done.
SELECT s.id, s.marked, r.done_to
  FROM segment s
  LEFT JOIN (SELECT u.id, u.marked, n.done_to FROM segment_run n CROSS JOIN LATERAL unnest(n.segments, n.marks) AS u(id, marked)) r
    ON r.id = s.id AND r.marked = s.marked
 WHERE s.stale AND s.kind = 'dynamic' ORDER BY s.id;

-- name: first_begin
-- The full evaluation of the segments $2 begins; $3 their marks.
INSERT INTO segment_run (org_id, segments, marks) VALUES ($1::bigint, $2::int[], $3::bigint[])
ON CONFLICT (org_id) DO UPDATE SET segments = excluded.segments, marks = excluded.marks, done_to = 0;

-- name: first_block
-- Where the block of $2 contacts that follows the contact $1 ends. The statement that comes next is planned for this block: how much a block reads is what
-- its plan hangs on.
SELECT b.upto, b.contacts, set_config('plan_cache_mode', 'force_custom_plan', true) AS planned
  FROM (SELECT max(p.id) AS upto, count(*) AS contacts FROM (SELECT id FROM contact WHERE id > $1::bigint ORDER BY id LIMIT $2::int) p) b;

-- name: first_done
UPDATE segment_run SET done_to = $2::bigint WHERE org_id = $1::bigint;

-- name: first_end
-- All contacts are done. Segments are fresh unless they were said to be stale again meanwhile.
WITH ended AS (
    DELETE FROM segment_run WHERE org_id = $1::bigint
)
UPDATE segment s SET stale = false
  FROM unnest($2::int[], $3::bigint[]) AS u(id, marked)
 WHERE s.id = u.id AND s.marked = u.marked;

-- name: cue_make
-- Interactions that a journey or a webhook listens to. Their kinds are found once, not for each row.
WITH heard AS MATERIALIZED (
    SELECT h.id FROM kinds_heard() AS h(id)
)
INSERT INTO cue (org_id, contact_id, interaction_id, kind_id)
SELECT $1::bigint, u.contact_id, u.interaction_id, u.kind_id
  FROM unnest($2::bigint[], $3::bigint[], $4::int[]) AS u(contact_id, interaction_id, kind_id)
 WHERE u.kind_id IN (SELECT h.id FROM heard h)
   AND EXISTS (SELECT FROM contact c WHERE c.id = u.contact_id);

-- name: statistics_gather
SELECT gather_statistics();
