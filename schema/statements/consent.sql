-- The ledger of consent: its chains verified, the evidence for one person. See lazo-consent(7).

-- name: consent_verify
-- $1 after this contact, $2 limit of contacts. One row: how many contacts and entries were looked at, the first thing that is wrong, from where to go on.
WITH page AS (
    SELECT c.id, c.org_id FROM contact c WHERE c.id > $1::bigint ORDER BY c.id LIMIT $2::int
), entry AS (
    SELECT e.contact_id, coalesce(e.chain, e.contact_id) AS chain, e.id, e.n, e.hash, row_number() OVER w AS place,
           consent_hash(e, t.name, coalesce(lag(e.hash) OVER w, consent_origin(p.org_id, coalesce(e.chain, p.id)))) AS wanted
      FROM page p JOIN consent e ON e.contact_id = p.id JOIN topic t ON t.id = e.topic_id
    WINDOW w AS (PARTITION BY e.contact_id, e.chain ORDER BY e.n, e.id)
), last AS (
    SELECT DISTINCT ON (e.contact_id, e.chain) e.contact_id, e.chain, e.place, e.hash FROM entry e ORDER BY e.contact_id, e.chain, e.place DESC
), head AS (
    SELECT h.contact_id, h.contact_id AS chain, h.n, h.hash FROM page p JOIN consent_head h ON h.contact_id = p.id
    UNION ALL SELECT m.contact_id, m.chain, m.n, m.hash FROM page p JOIN consent_merged m ON m.contact_id = p.id
), fault AS (
    SELECT e.contact_id, e.place, e.id AS entry, e.n,
           CASE WHEN e.n > e.place THEN 'an entry before it is missing'
                WHEN e.n < e.place THEN 'its number is another entry''s'
                ELSE 'it is not what was written, or not where it was written' END AS why
      FROM entry e WHERE e.n <> e.place OR e.hash <> e.wanted
    UNION ALL
    SELECT coalesce(l.contact_id, h.contact_id), coalesce(l.place, 0) + 1, NULL, coalesce(l.place, 0) + 1,
           CASE WHEN h.n IS NULL THEN 'the head of the chain is missing'
                WHEN h.n > coalesce(l.place, 0) THEN 'the last entries are missing: there were ' || h.n
                ELSE 'the head of the chain is that of another chain' END
      FROM last l FULL JOIN head h ON h.contact_id = l.contact_id AND h.chain = l.chain
     WHERE (h.n, h.hash) IS DISTINCT FROM (l.place, l.hash)
)
SELECT json_build_object(
           'contacts', (SELECT count(*) FROM page), 'entries', (SELECT count(*) FROM entry),
           'broken', (SELECT json_build_object('contact', f.contact_id, 'entry', f.entry, 'n', f.n, 'why', f.why)
                        FROM fault f ORDER BY f.contact_id, f.place, f.entry NULLS LAST LIMIT 1),
           'next', (SELECT max(id)::text FROM page HAVING count(*) = $2::int))::text AS body

-- name: consent_evidence
-- $1 contact, $2 now. All that shows to what a person said yes and no, and the hashes to check it by.
SELECT json_build_object(
           'made_at', $2::timestamptz,
           'organisation', (SELECT json_build_object('id', o.id, 'slug', o.slug, 'name', o.name, 'keep_ip', o.keep_ip) FROM organisation o),
           'contact', json_build_object('id', c.id, 'email', c.email, 'external_id', c.external_id, 'first_name', c.first_name, 'last_name', c.last_name,
               'company_name', c.company_name,
               'identities', (SELECT coalesce(json_agg(json_build_object('sort', i.sort, 'value', i.value) ORDER BY i.sort, i.value), '[]')
                                FROM identity i WHERE i.contact_id = c.id)),
           'subscriptions', (SELECT coalesce(json_agg(json_build_object('topic', t.name, 'title', t.title, 'subscribed', s.subscribed, 'since', s.since)
                                                      ORDER BY t.name), '[]')
                               FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.contact_id = c.id),
           'origin', encode(consent_origin(c.org_id, c.id), 'hex'),
           'entries', (SELECT coalesce(json_agg(json_build_object('n', e.n, 'id', e.id, 'topic', t.name, 'action', e.action, 'purpose', e.purpose,
                                  'wording', e.wording, 'version', e.version, 'language', e.language, 'source', e.source, 'method', e.method,
                                  'ip', e.ip, 'user_agent', e.user_agent, 'at', to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'at_us', instant_us(e.at),
                                  'request', e.request, 'hash', encode(e.hash, 'hex')) ORDER BY e.n), '[]')
                         FROM consent e JOIN topic t ON t.id = e.topic_id WHERE e.contact_id = c.id AND e.chain IS NULL),
           -- Of contacts that were merged into this one: each a chain of its own.
           'merged', (SELECT coalesce(json_agg(json_build_object('contact', m.chain, 'origin', encode(consent_origin(c.org_id, m.chain), 'hex'),
                          'entries', (SELECT coalesce(json_agg(json_build_object('n', e.n, 'id', e.id, 'topic', t.name, 'action', e.action, 'purpose', e.purpose,
                                  'wording', e.wording, 'version', e.version, 'language', e.language, 'source', e.source, 'method', e.method,
                                  'ip', e.ip, 'user_agent', e.user_agent, 'at', to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'at_us', instant_us(e.at),
                                  'request', e.request, 'hash', encode(e.hash, 'hex')) ORDER BY e.n), '[]')
                         FROM consent e JOIN topic t ON t.id = e.topic_id WHERE e.contact_id = c.id AND e.chain = m.chain),
                          'head', json_build_object('n', m.n, 'hash', encode(m.hash, 'hex'))) ORDER BY m.chain), '[]')
                        FROM consent_merged m WHERE m.contact_id = c.id),
           'head', (SELECT json_build_object('n', h.n, 'hash', encode(h.hash, 'hex')) FROM consent_head h WHERE h.contact_id = c.id)
       )::text AS body
  FROM contact c WHERE c.id = $1::bigint
