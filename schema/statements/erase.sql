-- Erasure, and what keeps who was erased from coming back.

-- name: erase_identities
SELECT i.sort, i.value FROM contact c LEFT JOIN identity i ON i.contact_id = c.id WHERE c.id = $1::bigint;

-- name: erase_contact
-- $1 contact, $2 hashes of its identities, $3 reason, $4 token, $5 now
SELECT CASE WHEN e.id IS NULL THEN 404 WHEN e.id = 0 THEN 409 ELSE 200 END AS status,
       CASE WHEN e.id IS NULL THEN 'there is no such contact' WHEN e.id = 0 THEN 'the contact is being written; ask again'
            ELSE json_build_object('id', e.id, 'contact', $1::bigint, 'at', $5::timestamptz)::text END AS body
  FROM contact_erase($1::bigint, $2::bytea[], $3::text, $4::bigint, $5::timestamptz) AS e(id);

-- name: api_erasures_list
-- $1 after this id, $2 limit
SELECT e.id::text AS cursor, json_build_object('id', e.id, 'contact', e.contact_id, 'reason', e.reason, 'token', e.token, 'interactions', e.interactions,
           'at', e.at)::text AS item
  FROM erasure e WHERE e.id > $1::bigint ORDER BY e.id LIMIT $2::int;

-- name: api_erasures_totals
-- $1 digits of the currency. By kind and month.
SELECT json_build_object('items', coalesce(json_agg(json_build_object('kind', x.name, 'month', x.month, 'count', x.n,
           'amount', round(x.amount / power(10::numeric, $1::int), $1::int)::text) ORDER BY x.name, x.month), '[]'))::text AS body
  FROM (SELECT k.name, to_char(t.day, 'YYYY-MM') AS month, sum(t.count) AS n, sum(t.amount) AS amount
          FROM erased_total t JOIN kind k ON k.id = t.kind_id GROUP BY 1, 2) x;

-- name: record_erased
-- Which of the hashes are of somebody who was erased; `ord` from 0.
SELECT (u.ord - 1)::int AS ord FROM unnest($1::bytea[]) WITH ORDINALITY AS u(hash, ord)
 WHERE EXISTS (SELECT FROM erased e WHERE e.org_id = current_org() AND e.hash = u.hash);

-- name: record_returned
-- They came back by themselves.
DELETE FROM erased WHERE org_id = current_org() AND hash = ANY ($1::bytea[]);
