-- Interactions that amend others; see schema/README.md.

-- name: record_amend
-- Parallel arrays, one element an amendment, taken in their order. `ord` from 0.
SELECT (u.ord - 1)::int AS ord, a.id, a.repeated, a.error, a.pointer
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bool[], $8::bigint[], $9::text[], $10::text[],
              $11::text[], $12::jsonb[], $13::bigint[]) WITH ORDINALITY
       AS u(contact_id, target, target_source, target_key, kind, at, sets, amount, currency, source, key, data, content, ord),
       LATERAL interaction_amend(u.contact_id, u.target, u.target_source, u.target_key, u.kind, u.at, u.sets, u.amount, u.currency, u.source, u.key,
                                 u.data, $14::boolean, u.content, $15::timestamptz, $16::int) AS a
 ORDER BY u.ord;

-- name: api_interaction_delete
SELECT CASE WHEN interaction_remove($1::bigint, $2::bigint) THEN 204 ELSE 404 END AS status, 'the contact has no such interaction' AS body;

-- name: api_interaction_edit
-- $1 contact, $2 interaction, $3 what was said: an object of "amount", "kind", "occurred_at", "data" as JSON, the amount in minor units, $4 digits of the currency.
WITH made AS (
    INSERT INTO kind (org_id, name) SELECT current_org(), $3::jsonb->>'kind' WHERE $3::jsonb ? 'kind'
    ON CONFLICT (org_id, name) DO NOTHING RETURNING id
), found AS (
    SELECT i.contact_id, i.id, i.kind_id, coalesce((SELECT id FROM made), (SELECT k.id FROM kind k WHERE k.name = $3::jsonb->>'kind'), i.kind_id) AS new_kind_id,
           ($3::jsonb ?| ARRAY['amount', 'kind'])
               AND (EXISTS (SELECT FROM amendment a WHERE a.contact_id = i.contact_id AND a.amends = i.id)
                    OR EXISTS (SELECT FROM amendment a WHERE a.contact_id = i.contact_id AND a.id = i.id)) AS amended
      FROM interaction i WHERE i.contact_id = $1::bigint AND i.id = $2::bigint
), written AS (
    UPDATE interaction i
       SET kind_id = f.new_kind_id,
           amount = CASE WHEN $3::jsonb ? 'amount' THEN ($3::jsonb->>'amount')::bigint ELSE i.amount END,
           amount_recorded = CASE WHEN $3::jsonb ? 'amount' THEN ($3::jsonb->>'amount')::bigint ELSE i.amount_recorded END,
           currency = CASE WHEN $3::jsonb ? 'amount' AND $3::jsonb->>'amount' IS NULL THEN NULL
                           WHEN $3::jsonb ? 'amount' THEN (SELECT o.currency FROM organisation o WHERE o.id = current_org()) ELSE i.currency END,
           occurred_at = coalesce(($3::jsonb->>'occurred_at')::timestamptz, i.occurred_at),
           data = CASE WHEN $3::jsonb ? 'data' THEN nullif($3::jsonb->'data', 'null') ELSE i.data END
      FROM found f WHERE i.contact_id = f.contact_id AND i.id = f.id AND NOT f.amended
    RETURNING i.contact_id, i.id, i.amount, i.occurred_at, f.kind_id, f.new_kind_id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id)
    SELECT DISTINCT current_org(), w.contact_id, 'interaction', k FROM written w, unnest(ARRAY[w.kind_id, w.new_kind_id]) AS k
)
SELECT CASE WHEN NOT EXISTS (SELECT FROM found) THEN 404 WHEN EXISTS (SELECT FROM written) THEN 200 ELSE 409 END AS status,
       CASE WHEN NOT EXISTS (SELECT FROM found) THEN 'the contact has no such interaction'
            ELSE coalesce((SELECT json_build_object('id', w.id, 'contact', w.contact_id, 'occurred_at', w.occurred_at,
                                      'amount', round(w.amount / power(10::numeric, $4::int), $4::int)::text)::text FROM written w),
                          'it was amended, or amends another one: its amount and kind change by amendments') END AS body;
