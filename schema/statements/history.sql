-- Who belonged to a segment in the past: memberships that last (membership) and those that are over (membership_past).

-- name: history_days
-- $1 segment, $2 first and $3 last day in the organisation's zone (null: the last 30 days), $4 now. For each day: how many were in at its end (today: now), how
-- many entered and left. Days to come are left out.
WITH seg AS (
    SELECT s.id, o.time_zone AS zone, least(coalesce($3::date, '9999-01-01'), ($4::timestamptz AT TIME ZONE o.time_zone)::date) AS last
      FROM segment s JOIN organisation o ON o.id = s.org_id WHERE s.name = $1::text
), span AS (
    SELECT id, zone, last, coalesce($2::date, last - 29) AS first FROM seg
), moves AS (
    SELECT m.entered_at AS at, 1 AS step FROM membership m JOIN span ON m.segment_id = span.id
    UNION ALL SELECT p.entered_at, 1 FROM membership_past p JOIN span ON p.segment_id = span.id
    UNION ALL SELECT p.left_at, -1 FROM membership_past p JOIN span ON p.segment_id = span.id
), days AS (
    SELECT greatest((at AT TIME ZONE zone)::date, first - 1) AS day, count(*) FILTER (WHERE step = 1) AS entered, count(*) FILTER (WHERE step = -1) AS "left"
      FROM moves CROSS JOIN span GROUP BY 1
), counted AS (
    SELECT d.day, coalesce(x.entered, 0) AS entered, coalesce(x."left", 0) AS "left",
           sum(coalesce(x.entered, 0) - coalesce(x."left", 0)) OVER (ORDER BY d.day)::bigint AS count
      FROM span CROSS JOIN LATERAL (SELECT first - 1 + n AS day FROM generate_series(0, last - first + 1) AS n) d LEFT JOIN days x ON x.day = d.day
)
SELECT c.day::text AS cursor, CASE WHEN c.day IS NOT NULL THEN json_build_object('day', c.day, 'count', c.count, 'entered', c.entered, 'left', c."left")::text END AS item
  FROM span LEFT JOIN counted c ON c.day >= span.first
 ORDER BY c.day;

-- name: history_members
-- $1 segment, $2 after this contact, $3 limit, $4 the instant. As api_segment_members, of those who were in then.
SELECT m.contact_id::text AS cursor, m.item
  FROM segment s LEFT JOIN LATERAL (
       SELECT b.contact_id, json_build_object('id', c.id, 'email', c.email, 'first_name', c.first_name, 'last_name', c.last_name,
                  'company_name', c.company_name, 'entered_at', b.entered_at, 'left_at', b.left_at)::text AS item
         FROM (SELECT a.contact_id, a.entered_at, a.left_at
                 FROM (SELECT contact_id, entered_at, NULL::timestamptz AS left_at FROM membership
                        WHERE org_id = s.org_id AND segment_id = s.id AND contact_id > $2::bigint AND entered_at <= $4::timestamptz
                       UNION ALL
                       SELECT contact_id, entered_at, left_at FROM membership_past
                        WHERE org_id = s.org_id AND segment_id = s.id AND contact_id > $2::bigint AND entered_at <= $4::timestamptz AND left_at > $4::timestamptz) a
                ORDER BY a.contact_id LIMIT $3::int) b
        CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = b.contact_id LIMIT 1) c
        ORDER BY b.contact_id) m ON true
 WHERE s.name = $1::text ORDER BY m.contact_id;
