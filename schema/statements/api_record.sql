-- Contacts and their interactions over HTTP. What is written by the recorder is in record.sql.

-- name: api_contact_show
-- The ETag is contact_etag()'s.
SELECT d.body, md5(d.body) AS etag FROM (SELECT contact_doc(c)::text AS body FROM contact c WHERE c.id = $1::bigint OFFSET 0) d

-- name: api_contact_written
-- The same of one that was just written, or of whom it was merged into since.
SELECT d.body, md5(d.body) AS etag
  FROM (SELECT contact_doc(c)::text AS body FROM contact c
         WHERE c.id = (SELECT coalesce((SELECT m.contact_id FROM contact_merge m WHERE m.org_id = current_org() AND m.merged_id = $1::bigint AND m.undone_at IS NULL),
                                       $1::bigint)) OFFSET 0) d

-- name: api_contact_claim
-- $1 contact, $2 now, $3 the condition, as lazo.guard. The row is locked and held to it here, and to nothing by what the transaction writes after. Who comes second sees
-- another contact, whatever is written.
WITH held AS MATERIALIZED (SELECT set_config('lazo.guard', $3::text, true))
UPDATE contact c SET updated_at = greatest($2::timestamptz, c.updated_at + interval '1 microsecond') FROM held WHERE c.id = $1::bigint
RETURNING c.id, set_config('lazo.guard', '', true)

-- name: api_contacts_list
-- $1 after this id, $2 limit
SELECT c.id::text AS cursor, contact_doc(c)::text AS item FROM contact c
 WHERE c.id > $1::bigint ORDER BY c.id LIMIT $2::int

-- name: api_contacts_of
-- $1 ids, at most a page of them
SELECT c.id::text AS cursor, contact_doc(c)::text AS item FROM contact c WHERE c.id = ANY ($1::bigint[]) ORDER BY c.id

-- name: api_contact_interactions
-- $1 contact, $2 kind or null, $3 $4 instant and id of the last one shown (null: from the newest), $5 limit, $6 digits of the currency's minor unit.
-- No row: no such contact; a row of nulls: no interactions.
SELECT x.cursor, x.item
  FROM contact c LEFT JOIN LATERAL (
       SELECT i.occurred_at, i.id, (extract(epoch FROM i.occurred_at) * 1000000)::bigint || '.' || i.id AS cursor,
              json_build_object('id', i.id, 'kind', k.name, 'occurred_at', i.occurred_at, 'recorded_at', i.recorded_at,
                  'amount', minor_text(i.amount, $6::int), 'currency', i.currency,
                  'source', i.source, 'campaign', i.campaign_id, 'data', coalesce(i.data, '{}'),
                  'recorded_amount', minor_text(i.amount_recorded, currency_digits(i.currency, $6::int)),
                  'amends', (SELECT a.amends FROM amendment a WHERE a.contact_id = i.contact_id AND a.id = i.id),
                  'recorded_kind', (SELECT f.name FROM amendment a JOIN kind f ON f.id = a.first_kind_id
                                     WHERE a.contact_id = i.contact_id AND a.amends = i.id LIMIT 1))::text AS item
         FROM interaction i JOIN kind k ON k.id = i.kind_id
        WHERE i.contact_id = c.id AND ($2::text IS NULL OR k.name = $2::text)
          AND ($3::timestamptz IS NULL OR (i.occurred_at, i.id) < ($3::timestamptz, $4::bigint))
        ORDER BY i.occurred_at DESC, i.id DESC LIMIT $5::int) x ON true
 WHERE c.id = $1::bigint ORDER BY x.occurred_at DESC, x.id DESC

-- name: api_contact_history
-- $1 contact, $2 field or null, $3 $4 instant and id of the last one shown (null: from the newest), $5 limit. No row: no such contact; a row of nulls: nothing
-- changed.
SELECT x.cursor, x.item
  FROM contact c LEFT JOIN LATERAL (
       SELECT h.at, h.id, (extract(epoch FROM h.at) * 1000000)::bigint || '.' || h.id AS cursor, field_history_doc(h)::text AS item
         FROM field_history h
        WHERE h.contact_id = c.id AND ($2::text IS NULL OR h.field = $2::text)
          AND ($3::timestamptz IS NULL OR (h.at, h.id) < ($3::timestamptz, $4::bigint))
        ORDER BY h.at DESC, h.id DESC LIMIT $5::int) x ON true
 WHERE c.id = $1::bigint ORDER BY x.at DESC, x.id DESC

-- name: api_contact_as_of
-- $1 contact, $2 instant. A body of null: it was not there yet.
SELECT contact_as_of(c.id, $2::timestamptz)::text AS body FROM contact c WHERE c.id = $1::bigint

-- name: field_history_purge
SELECT field_history_purge($1::timestamptz) AS purged

-- name: api_contact_segments
-- $1 contact, $2 after this name, $3 limit
SELECT x.name AS cursor, x.item
  FROM contact c LEFT JOIN LATERAL (
       SELECT s.name, json_build_object('name', s.name, 'title', s.title, 'kind', s.kind, 'entered_at', m.entered_at)::text AS item
         FROM membership m JOIN segment s ON s.id = m.segment_id
        WHERE m.contact_id = c.id AND s.name > coalesce($2::text, '') ORDER BY s.name LIMIT $3::int) x ON true
 WHERE c.id = $1::bigint ORDER BY x.name

-- name: api_contact_consents
-- $1 contact, $2 after this id, $3 limit
SELECT x.id::text AS cursor, x.item
  FROM contact c LEFT JOIN LATERAL (
       SELECT n.id, json_build_object('id', n.id, 'topic', t.name, 'action', n.action, 'purpose', n.purpose, 'wording', n.wording,
                  'version', n.version, 'language', n.language, 'source', n.source, 'method', n.method, 'ip', n.ip, 'user_agent', n.user_agent, 'at', n.at,
                  'n', n.n, 'request', n.request, 'hash', encode(n.hash, 'hex'))::text AS item
         FROM consent n JOIN topic t ON t.id = n.topic_id
        WHERE n.contact_id = c.id AND n.id > $2::bigint ORDER BY n.id LIMIT $3::int) x ON true
 WHERE c.id = $1::bigint ORDER BY x.id

-- name: api_contact_identify
-- $1 contact, $2 whether the e-mail is said, $3 e-mail or null, $4 whether the external id is said, $5 external id or null, $6 now. A new address becomes the
-- primary one and the earlier ones stay identities; null forgets them all. 409: it is somebody else's, or of somebody who was erased. $7 hashes of both, $8 who says it.
WITH who AS (SELECT c.id, c AS before FROM contact c WHERE c.id = $1::bigint FOR NO KEY UPDATE),
     said AS (SELECT v.sort, v.value FROM (VALUES ('email', $3::text), ('external_id', $5::text)) AS v(sort, value) WHERE v.value IS NOT NULL),
     taken AS (SELECT i.sort, i.value FROM identity i JOIN said USING (sort, value) WHERE i.contact_id <> $1::bigint
               UNION ALL
               SELECT 'erased', '' FROM erased e WHERE e.org_id = current_org() AND e.hash = ANY ($7::bytea[])),
     forgotten AS (DELETE FROM identity i USING who
                    WHERE i.contact_id = who.id AND NOT EXISTS (SELECT FROM taken)
                      AND ((i.sort = 'email' AND $2::boolean AND $3::text IS NULL)
                           OR (i.sort = 'external_id' AND $4::boolean AND i.value IS DISTINCT FROM $5::text))
                   RETURNING i.contact_id),
     claimed AS (INSERT INTO identity (org_id, sort, value, contact_id)
                 SELECT current_org(), s.sort, s.value, who.id FROM said s, who WHERE NOT EXISTS (SELECT FROM taken) ORDER BY s.sort
                 ON CONFLICT DO NOTHING RETURNING contact_id),
     written AS (UPDATE contact c
                    SET email = CASE WHEN $2::boolean THEN $3::text ELSE c.email END,
                        external_id = CASE WHEN $4::boolean THEN $5::text ELSE c.external_id END, updated_at = $6::timestamptz
                   FROM who WHERE c.id = who.id AND NOT EXISTS (SELECT FROM taken)
                    AND (($2::boolean AND c.email IS DISTINCT FROM $3::text) OR ($4::boolean AND c.external_id IS DISTINCT FROM $5::text))
                 RETURNING c.id, who.before, c AS after),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
              SELECT current_org(), x.id, v.field, v.was, v.became, $6::timestamptz, actor($8::text), 'api'
                FROM written x CROSS JOIN LATERAL contact_changes(x.before, x.after) v),
     logged AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), id, 'field', '{email,external_id}' FROM written)
SELECT CASE WHEN EXISTS (SELECT FROM taken) THEN 409 ELSE 200 END AS status,
       (SELECT CASE sort WHEN 'erased' THEN 'this person was erased; only a sign-up of their own brings them back' ELSE 'the ' || replace(sort, '_', ' ') || ' "' || value || '" belongs to another contact' END FROM taken LIMIT 1) AS body
  FROM who

-- name: api_contact_email_remove
-- $1 contact, $2 address, $3 now, $4 who says it. Where the primary one goes, the first of those that stay is it. No row: the contact does not have it.
WITH who AS (SELECT c.id, c AS before FROM contact c WHERE c.id = $1::bigint FOR NO KEY UPDATE),
     gone AS (DELETE FROM identity i USING who WHERE i.org_id = current_org() AND i.sort = 'email' AND i.value = $2::text AND i.contact_id = who.id
              RETURNING who.id, who.before),
     written AS (UPDATE contact c
                    SET email = CASE WHEN c.email = $2::text THEN (SELECT min(i.value) FROM identity i WHERE i.contact_id = c.id AND i.sort = 'email' AND i.value <> $2::text)
                                     ELSE c.email END, updated_at = $3::timestamptz
                   FROM gone WHERE c.id = gone.id RETURNING c.id, gone.before, c AS after),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
              SELECT current_org(), x.id, v.field, v.was, v.became, $3::timestamptz, actor($4::text), 'api'
                FROM written x CROSS JOIN LATERAL contact_changes(x.before, x.after) v),
     logged AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), id, 'field', '{email}' FROM written)
SELECT 204 AS status, NULL::text AS body FROM gone

-- name: api_contact_phone_remove
-- $1 contact, $2 phone in whatever form, $3 now, $4 who says it. Where the primary one goes, the one that was added first is it.
WITH who AS (SELECT c.id, c AS before, ARRAY[$2::text, phone_normal($2::text, coalesce(c.country, o.country))] AS phones
               FROM contact c CROSS JOIN organisation o WHERE c.id = $1::bigint FOR NO KEY UPDATE OF c),
     gone AS (DELETE FROM contact_phone p USING who WHERE p.contact_id = who.id AND p.phone = ANY (who.phones) RETURNING p.contact_id),
     written AS (UPDATE contact c
                    SET phone = CASE WHEN c.phone = ANY (who.phones) THEN (SELECT p.phone FROM contact_phone p WHERE p.contact_id = c.id AND p.phone <> ALL (who.phones)
                                                                            ORDER BY p.added_at, p.phone LIMIT 1)
                                     ELSE c.phone END, updated_at = $3::timestamptz
                   FROM who WHERE c.id = who.id AND c.id IN (SELECT contact_id FROM gone) RETURNING c.id, who.before, c AS after),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
              SELECT current_org(), x.id, v.field, v.was, v.became, $3::timestamptz, actor($4::text), 'api'
                FROM written x CROSS JOIN LATERAL contact_changes(x.before, x.after) v),
     logged AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), id, 'field', '{phone}' FROM written)
SELECT 204 AS status, NULL::text AS body FROM written

-- name: api_contact_delete
-- What was delivered stays counted, without the address and what it said.
WITH gone AS (DELETE FROM contact WHERE id = $1::bigint RETURNING id),
     nameless AS (UPDATE delivery d SET address = NULL, data = '{}', status = '' FROM gone WHERE d.contact_id = gone.id)
SELECT 204 AS status, NULL::text AS body FROM gone

-- name: api_contact_untag
-- $1 contact, $2 tag, $3 who says so, $4 now. 404 by no row where the contact does not have it.
WITH gone AS (DELETE FROM contact_tag WHERE contact_id = $1::bigint AND tag_fold = fold($2::text) RETURNING contact_id, tag),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
              SELECT current_org(), contact_id, 'tag', to_jsonb(tag), $4::timestamptz, actor($3::text), 'api' FROM gone),
     logged AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), contact_id, 'tag', ARRAY[label_word(fold(tag))] FROM gone)
SELECT 204 AS status, NULL::text AS body FROM gone
