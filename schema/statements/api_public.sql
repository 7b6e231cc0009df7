-- What the public pages behind signed links need: no token, the organisation comes from the link.

-- name: public_unsubscribe_show
-- $1 contact, $2 topic. One row where the organisation exists; contact and topic may be gone.
SELECT o.name AS organisation, coalesce(c.language, o.language) AS language,
       coalesce(nullif(t.title, ''), t.name, '') AS topic, coalesce(s.subscribed, true) AS subscribed
  FROM organisation o
       LEFT JOIN contact c ON c.id = $1::bigint
       LEFT JOIN topic t ON t.id = $2::int
       LEFT JOIN subscription s ON s.contact_id = c.id AND s.topic_id = t.id

-- name: public_unsubscribe
-- $1 contact, $2 topic, $3 method, $4 ip, $5 user agent, $6 now. Writes nothing where the contact has left already, or is gone. One row as above.
WITH who AS (
    SELECT c.id AS contact_id, t.id AS topic_id, t.name AS topic FROM contact c, topic t
     WHERE c.id = $1::bigint AND t.id = $2::int
       AND NOT EXISTS (SELECT FROM subscription s WHERE s.contact_id = c.id AND s.topic_id = t.id AND NOT s.subscribed)
), withdrawn AS (
    INSERT INTO consent (org_id, contact_id, topic_id, action, source, method, ip, user_agent, at)
    SELECT current_org(), contact_id, topic_id, 'withdraw', 'unsubscribe link', $3::text, $4::text, $5::text, $6::timestamptz FROM who
    RETURNING contact_id
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT current_org(), who.contact_id, k.id, $6::timestamptz, $6::timestamptz, 'lazo', jsonb_build_object('topic', who.topic)
      FROM who, kind k WHERE k.name = 'unsubscribed'
    RETURNING contact_id, kind_id, id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id)
    SELECT current_org(), contact_id, 'consent', NULL::int, NULL::bigint FROM withdrawn
    UNION ALL SELECT current_org(), contact_id, 'interaction', kind_id, id FROM fact
)
SELECT o.name AS organisation, coalesce(c.language, o.language) AS language, coalesce(nullif(t.title, ''), t.name, '') AS topic,
       EXISTS (SELECT FROM withdrawn) AS changed
  FROM organisation o LEFT JOIN contact c ON c.id = $1::bigint LEFT JOIN topic t ON t.id = $2::int
