-- Step 4, the dispatcher. A lease is a number; who names it in a result is believed, who names another changes nothing.

-- name: jobs_waiting
SELECT org_id, sort, class FROM jobs_waiting($1::timestamptz) WHERE sort = $2::text LIMIT 1;

-- name: leases_held
SELECT org_id FROM leases_held($1::text);

-- name: lease_owners
SELECT org_id, lease FROM lease_owners($1::bigint[]);

-- name: leases_run_out
SELECT org_id FROM leases_run_out($1::timestamptz);

-- name: lease_release
-- What this worker had and does not hold any more goes back to the queue: it never began with it.
UPDATE job SET lease = NULL, worker = NULL, leased_until = NULL, run_at = $3::timestamptz, attempt = attempt - 1
 WHERE worker = $1::text AND lease IS NOT NULL AND lease <> ALL ($2::bigint[]);

-- name: lease_give_back
-- Leases that never reached their worker.
UPDATE job SET lease = NULL, worker = NULL, leased_until = NULL, run_at = $2::timestamptz, attempt = attempt - 1
 WHERE lease = ANY ($1::bigint[]);

-- name: lease_renew
UPDATE job SET leased_until = $2::timestamptz WHERE worker = $1::text AND lease IS NOT NULL;

-- name: job_lease
-- Leases up to $4 jobs of one sort and class to a worker. Consent, suppression and whether the person lives are asked here, at the last moment: what they forbid is
-- not leased but ends as a delivery that says why. $1 organisation, $2 sort, $3 class, $5 now, $6 worker, $7 leased until (the machine's clock),
-- $8 digits of the currency.
WITH picked AS (
    SELECT j.* FROM job j
     WHERE j.org_id = $1::bigint AND j.sort = $2::text AND j.class = $3::smallint AND j.run_at <= $5::timestamptz
     ORDER BY j.run_at, j.id LIMIT $4::int
       FOR UPDATE SKIP LOCKED
), addressed AS MATERIALIZED (
    -- Apart: coalesce() is not leakproof, and would cost suppression its index.
    -- An address that a retry keeps is one of the contact still: it may have gone back to somebody else.
    SELECT p.*, CASE WHEN p.contact_id IS NULL THEN coalesce(p.address, p.to_email)
                     ELSE coalesce((SELECT n.value FROM identity n WHERE n.org_id = p.org_id AND n.sort = 'email' AND n.value = p.address AND n.contact_id = p.contact_id),
                                   p.to_email, c.email) END AS email, c.deceased, coalesce(c.language, p.data->>'form_language') AS language
      FROM picked p LEFT JOIN contact c ON c.id = p.contact_id
), faced AS MATERIALIZED (
    SELECT p.id, p.key, p.sort, p.contact_id, p.template_id, p.webhook_id, p.topic_id, p.campaign_id, p.journey_id, p.interaction_id, p.data,
           p.attempt, p.first_at,
           p.email,
           coalesce(p.template_version_id,
                    (SELECT v.id FROM template_version v
                      WHERE v.template_id = p.template_id AND v.current
                      ORDER BY v.language = p.language DESC NULLS LAST,
                               v.language = split_part(p.language, '-', 1) DESC NULLS LAST,
                               v.language = o.language DESC, v.id LIMIT 1)) AS version_id,
           CASE WHEN g.state = 'paused' THEN 'hold'
                WHEN g.state = 'cancelled' THEN 'cancelled'
                WHEN p.sort = 'hook' THEN CASE WHEN w.enabled THEN 'lease' ELSE 'cancelled' END
                WHEN p.deceased OR (p.contact_id IS NULL AND EXISTS (
                         SELECT FROM identity n JOIN contact d ON d.id = n.contact_id
                          WHERE n.org_id = p.org_id AND n.sort = 'email' AND n.value = p.to_email AND d.deceased)) THEN 'deceased'
                WHEN p.email IS NULL THEN 'no_address'
                -- No EXISTS: that of many jobs the planner answers from all suppressions of the organisation.
                WHEN (SELECT true FROM suppression s WHERE s.org_id = p.org_id AND s.email = p.email LIMIT 1) THEN 'suppressed'
                WHEN p.interaction_id IS NOT NULL AND NOT EXISTS (SELECT FROM interaction i JOIN kind k ON k.id = i.kind_id
                              WHERE i.contact_id = p.contact_id AND i.id = p.interaction_id AND k.name <> 'refunded') THEN 'refunded'
                WHEN p.topic_id IS NOT NULL AND NOT EXISTS (SELECT FROM subscription b WHERE b.contact_id = p.contact_id
                              AND b.topic_id = p.topic_id AND b.subscribed) THEN 'not_subscribed'
                ELSE 'lease' END AS verdict
      FROM addressed p
      JOIN organisation o ON o.id = p.org_id
      LEFT JOIN webhook w ON w.id = p.webhook_id
      LEFT JOIN campaign g ON g.id = p.campaign_id
), judged AS (
    SELECT f.*, CASE WHEN f.verdict = 'lease' AND f.sort = 'mail' AND f.version_id IS NULL THEN 'no_template' ELSE f.verdict END AS outcome
      FROM faced f
), held AS (
    -- Until the campaign is resumed; what came back from a worker or a relay after the pause finds its place here.
    UPDATE job j SET run_at = 'infinity' FROM judged d WHERE j.id = d.id AND d.outcome = 'hold'
), refused AS (
    DELETE FROM job j USING judged d WHERE j.id = d.id AND d.outcome NOT IN ('lease', 'hold')
), noted AS (
    INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, webhook_id, campaign_id, journey_id, interaction_id, topic_id,
                          data, address, attempt, status, made_at, done_at)
    SELECT $1::bigint, d.id, d.contact_id, d.sort,
           CASE WHEN d.outcome IN ('no_address', 'no_template') THEN 'failed' WHEN d.outcome IN ('refunded', 'deceased') THEN 'cancelled' ELSE d.outcome END, d.key, d.template_id, d.webhook_id,
           d.campaign_id, d.journey_id, d.interaction_id, d.topic_id, d.data, d.email, d.attempt,
           CASE d.outcome WHEN 'no_address' THEN 'the contact has no e-mail address'
                          WHEN 'no_template' THEN 'the template has no text in any language'
                          WHEN 'deceased' THEN 'deceased'
                          WHEN 'refunded' THEN 'what it is about was refunded or removed' ELSE '' END, d.first_at, $5::timestamptz
      FROM judged d WHERE d.outcome NOT IN ('lease', 'hold')
), leased AS (
    UPDATE job j
       SET lease = nextval('job_lease'), worker = $6::text, leased_until = $7::timestamptz, run_at = 'infinity',
           attempt = j.attempt + 1, template_version_id = d.version_id, address = d.email
      FROM judged d WHERE j.id = d.id AND d.outcome = 'lease'
    RETURNING j.*
)
SELECT l.id, l.lease, l.attempt, l.class, message_id(l.org_id, l.id, l.first_at, o.mail_from) AS message_id, l.contact_id, l.topic_id, l.template_version_id, l.address, l.first_at,
       coalesce(c.language, l.data->>'form_language', o.language) AS language, coalesce(c.time_zone, o.time_zone) AS time_zone, coalesce(i.currency, o.currency) AS currency,
       trim(coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, '')) AS person, c.company_name, g.name AS campaign, j.name AS journey,
       t.name AS topic, w.url, encode(w.secret, 'base64') AS secret, l.data::text AS data,
       CASE WHEN c.id IS NOT NULL THEN json_strip_nulls(json_build_object(
           'id', c.id, 'kind', c.kind, 'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name, 'email', c.email,
           'phone', c.phone, 'language', c.language, 'country', c.country, 'street', c.street, 'city', c.city, 'postal_code', c.postal_code, 'stage', c.stage,
           'external_id', c.external_id, 'time_zone', c.time_zone,
           'attr', (SELECT json_object_agg(f.name, coalesce(to_jsonb(a.value_text), to_jsonb(a.value_number), to_jsonb(a.value_date),
                                                          to_jsonb(a.value_boolean)))
                      FROM contact_attr a JOIN field f ON f.id = a.field_id WHERE a.contact_id = c.id)))::text END AS contact,
       CASE WHEN i.id IS NOT NULL THEN json_strip_nulls(json_build_object(
           'id', i.id, 'kind', k.name, 'occurred_at', to_char(i.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'amount', CASE WHEN i.currency <> o.currency THEN minor_text(given_left(i), currency_digits(i.currency, $8::int)) ELSE minor_text(i.amount, $8::int) END,
           'currency', i.currency, 'base_amount', minor_text(i.amount, $8::int), 'source', nullif(i.source, ''),
           'data', i.data))::text END AS interaction
  FROM leased l
  JOIN organisation o ON o.id = l.org_id
  LEFT JOIN contact c ON c.id = l.contact_id
  LEFT JOIN interaction i ON i.contact_id = l.contact_id AND i.id = l.interaction_id
  LEFT JOIN kind k ON k.id = i.kind_id
  LEFT JOIN campaign g ON g.id = l.campaign_id
  LEFT JOIN journey j ON j.id = l.journey_id
  LEFT JOIN topic t ON t.id = l.topic_id
  LEFT JOIN webhook w ON w.id = l.webhook_id
 ORDER BY l.id;

-- name: template_texts
SELECT v.id, v.language, v.subject, v.html, v.text FROM template_version v WHERE v.id = ANY ($1::bigint[]);

-- name: result_write
-- Results of leases, parallel arrays $2 lease, $3 state, $4 status, $5 code, $6 hard, $7 gone; $8 now; $9 and $10 the first wait after a temporary refusal of a
-- mail and when to give up, in seconds, $11 and $12 the same for a call. What ends leaves the queue and becomes a delivery in this statement; it is an interaction, too. What is in doubt is tried again where it is
-- transactional or a call, and otherwise ends as uncertain.
WITH given AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::bool[])
        AS u(lease, state, status, code, hard, gone)
), held AS (
    SELECT j.id, j.contact_id, j.sort, j.class, j.key, j.template_id, j.template_version_id, j.webhook_id, j.campaign_id, j.journey_id,
           j.interaction_id, j.topic_id, j.data, j.address, j.attempt, j.first_at, g.lease, g.status, g.code, g.hard, g.gone,
           CASE WHEN g.state = 'retry' AND j.first_at + CASE j.sort WHEN 'hook' THEN $12::float8 ELSE $10::float8 END * interval '1 second' > $8::timestamptz THEN 'again'
                WHEN g.state = 'retry' THEN 'failed'
                WHEN g.state = 'uncertain' AND (j.class = 0 OR j.sort = 'hook') THEN 'again'
                ELSE g.state END AS verdict
      FROM job j JOIN given g ON g.lease = j.lease
       FOR UPDATE OF j
), again AS (
    UPDATE job j
       SET lease = NULL, worker = NULL, leased_until = NULL,
           run_at = $8::timestamptz + CASE h.sort WHEN 'hook' THEN least($11::float8 * 4 ^ least(h.attempt - 1, 10), 86400)
                                                     ELSE least($9::float8 * 2 ^ least(h.attempt - 1, 10), 14400) END * interval '1 second'
      FROM held h WHERE j.id = h.id AND h.verdict = 'again'
), done AS (
    DELETE FROM job j USING held h WHERE j.id = h.id AND h.verdict <> 'again'
), noted AS (
    INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, template_version_id, webhook_id, campaign_id, journey_id,
                          interaction_id, topic_id, message_id, data, address, attempt, status, made_at, done_at)
    SELECT $1::bigint, h.id, h.contact_id, h.sort, h.verdict, h.key, h.template_id, h.template_version_id, h.webhook_id, h.campaign_id, h.journey_id,
           h.interaction_id, h.topic_id, CASE WHEN h.sort = 'mail' THEN message_id($1::bigint, h.id, h.first_at, o.mail_from) END, h.data, h.address,
           h.attempt, h.status, h.first_at, $8::timestamptz
      FROM held h JOIN organisation o ON o.id = $1::bigint WHERE h.verdict <> 'again'
), bounced AS (
    INSERT INTO suppression (org_id, email, reason, detail, at)
    SELECT DISTINCT ON (h.address) $1::bigint, h.address, 'bounce', left(h.code || ' ' || h.status, 500), $8::timestamptz
      FROM held h WHERE h.verdict = 'failed' AND h.hard AND h.sort = 'mail' AND h.address IS NOT NULL
    ON CONFLICT DO NOTHING
), disabled AS (
    UPDATE webhook w SET enabled = false, updated_at = $8::timestamptz
      FROM held h WHERE w.id = h.webhook_id AND h.gone AND w.enabled
), facts AS (
    SELECT h.contact_id, h.campaign_id, h.id AS job_id, h.template_id, h.webhook_id, h.journey_id, h.code,
           CASE WHEN h.sort = 'hook' THEN 'webhook_failed' WHEN h.verdict = 'sent' THEN 'email_sent' ELSE 'email_bounced' END AS kind
      FROM held h
     WHERE h.contact_id IS NOT NULL
       AND ((h.sort = 'mail' AND (h.verdict = 'sent' OR (h.verdict = 'failed' AND h.hard))) OR (h.sort = 'hook' AND h.verdict = 'failed'))
), recorded AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, campaign_id, data)
    SELECT $1::bigint, f.contact_id, k.id, $8::timestamptz, $8::timestamptz, 'lazo', f.campaign_id,
           jsonb_strip_nulls(jsonb_build_object('delivery', f.job_id, 'template', t.name, 'campaign', g.name, 'journey', j.name, 'webhook', w.name,
                                                'code', nullif(f.code, '')))
      FROM facts f JOIN kind k ON k.name = f.kind
      LEFT JOIN template t ON t.id = f.template_id LEFT JOIN campaign g ON g.id = f.campaign_id
      LEFT JOIN journey j ON j.id = f.journey_id LEFT JOIN webhook w ON w.id = f.webhook_id
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
    SELECT $1::bigint, contact_id, 'interaction', kind_id, id FROM recorded
)
SELECT count(*) FILTER (WHERE verdict = 'sent') AS sent, count(*) FILTER (WHERE verdict = 'failed') AS failed,
       count(*) FILTER (WHERE verdict = 'uncertain') AS uncertain, count(*) FILTER (WHERE verdict = 'again') AS again FROM held;

-- name: lease_expired
-- Leases whose worker was silent for too long: what became of them is not known.
SELECT lease FROM job WHERE lease IS NOT NULL AND leased_until <= $1::timestamptz ORDER BY lease LIMIT 1000;

-- name: mail_in_write
-- A mail that came back for delivery $2: $3 its class, $4 status, $5 reason, $6 now. Hard bounces and complaints suppress the address, be it anybody's or nobody's; a
-- complaint and an unsubscribe withdraw every consent, also of whom has that address by now. $7 is the mail's own id: one that was written before, and whose
-- acknowledgement was lost, changes nothing.
WITH came AS (
    SELECT d.id, d.contact_id, d.address, d.campaign_id, nextval('interaction_id_seq') AS fact_id FROM delivery d WHERE d.org_id = $1::bigint AND d.id = $2::bigint
), claimed AS (
    INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id)
    SELECT $1::bigint, 'inbox', $7::text, contact_id, fact_id FROM came WHERE contact_id IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING interaction_id
), about AS (
    SELECT * FROM came WHERE fact_id IN (SELECT interaction_id FROM claimed)
), suppressed AS (
    INSERT INTO suppression (org_id, email, reason, detail, at)
    SELECT $1::bigint, a.address, CASE WHEN $3::text = 'hard' THEN 'bounce' ELSE 'complaint' END, left($4::text || ' ' || $5::text, 500), $6::timestamptz
      FROM came a WHERE $3::text IN ('hard', 'complaint') AND a.address IS NOT NULL AND (a.contact_id IS NULL OR a.fact_id IN (SELECT interaction_id FROM claimed))
    ON CONFLICT DO NOTHING
), people AS (
    SELECT a.contact_id FROM about a
    UNION
    SELECT n.contact_id FROM came a JOIN identity n ON n.org_id = $1::bigint AND n.sort = 'email' AND n.value = a.address
     WHERE a.contact_id IS NULL OR a.fact_id IN (SELECT interaction_id FROM claimed)
), withdrawn AS (
    INSERT INTO consent (org_id, contact_id, topic_id, action, source, method, at)
    SELECT $1::bigint, s.contact_id, s.topic_id, 'withdraw', 'mail', $3::text, greatest($6::timestamptz, s.since)
      FROM people p JOIN subscription s ON s.contact_id = p.contact_id
     WHERE $3::text IN ('complaint', 'unsubscribe') AND (s.subscribed OR consent_said(s.contact_id, s.topic_id) IS DISTINCT FROM 'withdraw')
     ORDER BY s.contact_id, s.topic_id
    RETURNING contact_id
), recorded AS (
    INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, source, campaign_id, data)
    SELECT $1::bigint, a.fact_id, a.contact_id, k.id, $6::timestamptz, $6::timestamptz, 'lazo', a.campaign_id,
           jsonb_strip_nulls(jsonb_build_object('delivery', a.id, 'class', $3::text, 'code', nullif($4::text, ''), 'reason', nullif($5::text, '')))
      FROM about a JOIN kind k ON k.name = CASE WHEN $3::text IN ('hard', 'soft', 'policy') THEN 'email_bounced'
                                               WHEN $3::text = 'complaint' THEN 'email_complained'
                                               WHEN $3::text = 'unsubscribe' THEN 'unsubscribed' ELSE 'email_received' END
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
SELECT $1::bigint, contact_id, 'interaction', kind_id, id FROM recorded
UNION ALL
SELECT DISTINCT $1::bigint, contact_id, 'consent', NULL::int, NULL::bigint FROM withdrawn;
