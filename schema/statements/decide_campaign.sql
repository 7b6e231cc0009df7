-- Campaigns under way. Each statement that moves one names the state that it expects: a stale process loses.

-- name: decide_campaigns_due
-- $1 now, $2 how many jobs of one campaign may be queued. `ready`: the segment's members are known.
SELECT c.id, c.state, c.segment_id, c.rule, c.expanded_to,
       (c.segment_id IS NULL OR EXISTS (SELECT FROM segment s WHERE s.id = c.segment_id AND (s.kind = 'fixed' OR NOT s.stale))) AS ready,
       (SELECT count(*) FROM (SELECT FROM job j WHERE j.campaign_id = c.id LIMIT $2::int) q) AS queued
  FROM campaign c
 WHERE c.state IN ('expanding', 'running')
    OR (c.state = 'scheduled' AND coalesce(c.start_at, $1::timestamptz) <= $1::timestamptz)
 ORDER BY c.id;

-- name: decide_audience_segment
-- $1 campaign: the members of its segment at this moment, but for who died.
INSERT INTO campaign_audience (org_id, contact_id, campaign_id)
SELECT current_org(), m.contact_id, c.id
  FROM campaign c JOIN membership m ON m.segment_id = c.segment_id
 WHERE c.id = $1::bigint AND NOT EXISTS (SELECT FROM contact d WHERE d.id = m.contact_id AND d.deceased)
ON CONFLICT DO NOTHING;

-- name: decide_audience_add
-- $1 campaign, $2 contacts
INSERT INTO campaign_audience (org_id, contact_id, campaign_id)
SELECT current_org(), u.c, $1::bigint FROM unnest($2::bigint[]) AS u(c) WHERE NOT EXISTS (SELECT FROM contact d WHERE d.id = u.c AND d.deceased)
ON CONFLICT DO NOTHING;

-- name: decide_campaign_move
-- $1 campaign, $2 from, $3 to, $4 now. One row where it was in `from`. Leaving 'scheduled' for 'expanding' fixes the audience's size.
UPDATE campaign c
   SET state = $3::text, updated_at = $4::timestamptz,
       started_at = CASE WHEN $3::text = 'expanding' THEN coalesce(c.started_at, $4::timestamptz) ELSE c.started_at END,
       finished_at = CASE WHEN $3::text = 'finished' THEN $4::timestamptz ELSE c.finished_at END,
       audience = CASE WHEN $2::text = 'scheduled' AND $3::text = 'expanding'
                       THEN (SELECT count(*) FROM campaign_audience a WHERE a.campaign_id = c.id) ELSE c.audience END
 WHERE c.id = $1::bigint AND c.state = $2::text
RETURNING c.id;

-- name: decide_campaign_block
-- The next contacts of the audience become jobs, and the campaign remembers how far it came, in one statement.
--   $1 campaign, $2 expanded_to as it was read, $3 contacts at most, $4 now
WITH block AS (
    SELECT a.contact_id FROM campaign_audience a
     WHERE a.campaign_id = $1::bigint AND a.contact_id > $2::bigint
     ORDER BY a.contact_id LIMIT $3::int
), moved AS (
    UPDATE campaign c SET expanded_to = (SELECT max(contact_id) FROM block), updated_at = $4::timestamptz
     WHERE c.id = $1::bigint AND c.state = 'expanding' AND c.expanded_to = $2::bigint AND EXISTS (SELECT FROM block)
    RETURNING c.id, c.template_id, c.topic_id, c.data
), keyed AS (
    INSERT INTO job_key (org_id, key, job_id)
    SELECT current_org(), 'campaign:' || m.id || ':' || b.contact_id, nextval('job_id_seq') FROM moved m, block b
     WHERE NOT EXISTS (SELECT FROM contact d WHERE d.id = b.contact_id AND d.deceased)
    ON CONFLICT DO NOTHING
    RETURNING key, job_id
), made AS (
    INSERT INTO job (id, org_id, class, sort, run_at, contact_id, key, template_id, topic_id, campaign_id, data, first_at)
    OVERRIDING SYSTEM VALUE
    SELECT k.job_id, current_org(), 2, 'mail', $4::timestamptz, b.contact_id, k.key, m.template_id, m.topic_id, m.id, m.data, $4::timestamptz
      FROM moved m, block b JOIN keyed k ON k.key = 'campaign:' || $1::bigint || ':' || b.contact_id
     ORDER BY b.contact_id
    RETURNING id
)
SELECT (SELECT count(*) FROM block) AS block, (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM made) AS jobs;
