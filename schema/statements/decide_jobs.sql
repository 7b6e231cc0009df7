-- Jobs: the one door into the queue, for journeys, campaigns' tests, single messages and webhooks.

-- name: job_enqueue
-- Makes the jobs whose keys are new; a key that was ever used makes none. Gives what was made; who needs the job of a known key
-- looks into job_key. Ids that do not exist fail the statement; a null stays null.
--   $1 smallint[] class: 0 transactional, 1 journey, 2 campaign      $2 text[] sort: mail, hook
--   $3 timestamptz[] run_at: not before        $4 bigint[] contact_id (null: to_email says where)      $5 text[] key
--   $6 int[] template_id    $7 int[] webhook_id    $8 int[] topic_id (null: needs no consent)
--   $9 bigint[] campaign_id    $10 int[] journey_id    $11 bigint[] interaction_id
--   $12 text[] to_email     $13 text[] data: a JSON object (null: {})     $14 timestamptz[] first_at: when it was asked for
WITH given AS (
    SELECT DISTINCT ON (g.key) g.*
      FROM unnest($1::smallint[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::int[], $7::int[], $8::int[],
                  $9::bigint[], $10::int[], $11::bigint[], $12::text[], $13::text[], $14::timestamptz[]) WITH ORDINALITY
           AS g(class, sort, run_at, contact_id, key, template_id, webhook_id, topic_id, campaign_id, journey_id,
                interaction_id, to_email, data, first_at, ord)
     ORDER BY g.key, g.ord
), keyed AS (
    INSERT INTO job_key (org_id, key, job_id)
    SELECT current_org(), g.key, nextval('job_id_seq') FROM given g
    ON CONFLICT DO NOTHING
    RETURNING key, job_id
)
INSERT INTO job (id, org_id, class, sort, run_at, contact_id, key, template_id, webhook_id, topic_id, campaign_id, journey_id,
                 interaction_id, to_email, data, first_at)
OVERRIDING SYSTEM VALUE
SELECT k.job_id, current_org(), g.class, g.sort, g.run_at, g.contact_id, g.key, g.template_id, g.webhook_id, g.topic_id,
       g.campaign_id, g.journey_id, g.interaction_id, g.to_email, coalesce(g.data::jsonb, '{}'), g.first_at
  FROM keyed k JOIN given g ON g.key = k.key
 ORDER BY g.ord
RETURNING id, key;
