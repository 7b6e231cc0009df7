-- What the public pages behind signed links need: no token, the organisation comes from the link.

-- name: public_unsubscribe_show
-- $1 contact, $2 topic. One row where the organisation exists; contact and topic may be gone.
SELECT o.name AS organisation, coalesce(c.language, o.language) AS language,
       coalesce(nullif(t.title, ''), t.name, '') AS topic, coalesce(s.subscribed, true) AS subscribed
  FROM organisation o
       LEFT JOIN contact c ON c.id = contact_now($1::bigint)
       LEFT JOIN topic t ON t.id = $2::int
       LEFT JOIN subscription s ON s.contact_id = c.id AND s.topic_id = t.id

-- name: public_unsubscribe
-- $1 contact, $2 topic, $3 method, $4 ip, $5 user agent, $6 now. Who was merged since is whom they were merged into. Who has the address by now to which such a mail
-- went leaves, too: they were one once, and it is they who read it. Writes nothing for whom has said so already, or is gone. One row as above.
WITH met AS (
    SELECT contact_now($1::bigint) AS id
), people AS (
    SELECT m.id FROM met m
    UNION
    SELECT n.contact_id FROM met m JOIN delivery d ON d.contact_id = m.id JOIN identity n ON n.org_id = d.org_id AND n.sort = 'email' AND n.value = d.address
     WHERE d.topic_id = $2::int AND d.sort = 'mail'
), who AS (
    SELECT c.id AS contact_id, t.id AS topic_id, t.name AS topic, coalesce(s.subscribed, true) AS changes, greatest($6::timestamptz, s.since) AS at
      FROM people p JOIN contact c ON c.id = p.id JOIN topic t ON t.id = $2::int LEFT JOIN subscription s ON s.contact_id = c.id AND s.topic_id = t.id
     WHERE coalesce(s.subscribed, true) OR consent_said(c.id, t.id) IS DISTINCT FROM 'withdraw'
), withdrawn AS (
    INSERT INTO consent (org_id, contact_id, topic_id, action, source, method, ip, user_agent, at)
    SELECT current_org(), contact_id, topic_id, 'withdraw', 'unsubscribe link', $3::text, $4::text, $5::text, at FROM who ORDER BY contact_id
    RETURNING contact_id
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), who.contact_id, k.id, $6::timestamptz, $6::timestamptz, 'lazo', jsonb_build_object('topic', who.topic)
      FROM who, kind k WHERE k.name = 'unsubscribed' AND who.changes
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
    SELECT current_org(), contact_id, 'consent', NULL::int, NULL::bigint FROM withdrawn
    UNION ALL SELECT current_org(), contact_id, 'interaction', kind_id, id FROM fact
)
SELECT o.name AS organisation, coalesce(c.language, o.language) AS language, coalesce(nullif(t.title, ''), t.name, '') AS topic,
       EXISTS (SELECT FROM withdrawn) AS changed
  FROM organisation o LEFT JOIN contact c ON c.id = contact_now($1::bigint) LEFT JOIN topic t ON t.id = $2::int
