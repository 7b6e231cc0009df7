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
WITH gone AS MATERIALIZED (SELECT interaction_remove($1::bigint, $2::bigint) AS done)
SELECT CASE WHEN done THEN 204 ELSE 404 END AS status, 'the contact has no such interaction' AS body,
       CASE WHEN done THEN audit_note(current_org(), 'deleted', 'interaction', ($2::bigint)::text, jsonb_build_object('contact', $1::bigint)) END AS noted
  FROM gone;

-- name: api_interaction_edit
-- $1 contact, $2 interaction, $3 what was said: an object of "amount", "currency", "kind", "occurred_at", "data" as JSON, the amount in units, $4 digits of the
-- organisation's currency. An amount without a currency is in that of the interaction.
WITH made AS (
    INSERT INTO kind (org_id, name) SELECT current_org(), $3::jsonb->>'kind' WHERE $3::jsonb ? 'kind'
    ON CONFLICT (org_id, name) DO NOTHING RETURNING id
), found AS (
    SELECT i.contact_id, i.id, i.kind_id, coalesce((SELECT id FROM made), (SELECT k.id FROM kind k WHERE k.name = $3::jsonb->>'kind'), i.kind_id) AS new_kind_id,
           ($3::jsonb ?| ARRAY['amount', 'kind'])
               AND (EXISTS (SELECT FROM amendment a WHERE a.contact_id = i.contact_id AND a.amends = i.id)
                    OR EXISTS (SELECT FROM amendment a WHERE a.contact_id = i.contact_id AND a.id = i.id)) AS amended,
           coalesce(($3::jsonb->>'occurred_at')::timestamptz, i.occurred_at) AS at,
           coalesce($3::jsonb->>'currency', i.currency, o.currency) AS said, coalesce($3::jsonb->>'currency', i.currency, o.currency) = o.currency AS own,
           ($3::jsonb->>'amount')::numeric AS units
      FROM interaction i, organisation o WHERE i.contact_id = $1::bigint AND i.id = $2::bigint AND o.id = current_org()
), counted AS (
    SELECT f.*, f.units * power(10::numeric, d.digits) AS minor,
           CASE WHEN f.own THEN (f.units * power(10::numeric, d.digits))::bigint
                ELSE amount_in_base(f.said, (f.units * power(10::numeric, d.digits))::bigint, f.at) END AS counts, d.digits
      FROM found f, LATERAL (SELECT CASE WHEN f.own THEN $4::int ELSE currency_digits(f.said, 2) END AS digits) d
), judged AS (
    SELECT c.*, CASE WHEN c.minor <> trunc(c.minor) THEN format('an amount in %s has at most %s digits after the point', c.said, c.digits)
                     WHEN c.units IS NOT NULL AND c.counts IS NULL THEN format('there is no rate for %s on this day or before', c.said) END AS wrong
      FROM counted c
), written AS (
    UPDATE interaction i
       SET kind_id = j.new_kind_id,
           amount = CASE WHEN $3::jsonb ? 'amount' THEN j.counts ELSE i.amount END,
           amount_recorded = CASE WHEN $3::jsonb ? 'amount' THEN j.minor::bigint ELSE i.amount_recorded END,
           currency = CASE WHEN $3::jsonb ? 'amount' AND j.units IS NULL THEN NULL WHEN $3::jsonb ? 'amount' THEN j.said ELSE i.currency END,
           occurred_at = j.at,
           data = CASE WHEN $3::jsonb ? 'data' THEN nullif($3::jsonb->'data', 'null') ELSE i.data END
      FROM judged j WHERE i.contact_id = j.contact_id AND i.id = j.id AND NOT j.amended AND j.wrong IS NULL
    RETURNING i.contact_id, i.id, i.amount, i.amount_recorded, i.currency, i.occurred_at, j.kind_id, j.new_kind_id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id)
    SELECT DISTINCT current_org(), w.contact_id, 'interaction', k FROM written w, unnest(ARRAY[w.kind_id, w.new_kind_id]) AS k
)
SELECT CASE WHEN NOT EXISTS (SELECT FROM found) THEN 404 WHEN EXISTS (SELECT FROM written) THEN 200
            WHEN (SELECT amended FROM found) THEN 409 ELSE 422 END AS status,
       CASE WHEN NOT EXISTS (SELECT FROM found) THEN 'the contact has no such interaction'
            WHEN (SELECT NOT amended FROM found) AND NOT EXISTS (SELECT FROM written) THEN (SELECT wrong FROM judged)
            ELSE coalesce((SELECT json_build_object('id', w.id, 'contact', w.contact_id, 'occurred_at', w.occurred_at, 'amount', minor_text(w.amount, $4::int),
                                      'recorded_amount', minor_text(w.amount_recorded, currency_digits(w.currency, $4::int)), 'currency', w.currency)::text FROM written w),
                          'it was amended, or amends another one: its amount and kind change by amendments') END AS body,
       (SELECT audit_note(current_org(), 'changed', 'interaction', w.id::text,
                   jsonb_build_object('contact', w.contact_id, 'fields', (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys($3::jsonb) AS k))) FROM written w) AS noted;
