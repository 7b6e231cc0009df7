-- Rates of other currencies; see schema/0017_currencies.sql.

-- name: api_rate_list
-- $1 currency or null, $2 $3 currency and day of the last one shown or null, $4 limit
SELECT r.currency || '.' || r.valid_on AS cursor, json_build_object('currency', r.currency, 'on', r.valid_on, 'rate', trim_scale(r.rate)::text)::text AS item
  FROM currency_rate r
 WHERE ($1::text IS NULL OR r.currency = $1::text) AND ($2::text IS NULL OR (r.currency, r.valid_on) > ($2::text, $3::date))
 ORDER BY r.currency, r.valid_on LIMIT $4::int;

-- name: api_rates_set
-- Parallel arrays $1 currency, $2 its digits, $3 day or null (today, of $4), $5 rate; $6 digits of the organisation's currency. The last one of a day counts.
WITH own AS (
    SELECT o.id, o.currency, ($4::timestamptz AT TIME ZONE o.time_zone)::date AS today FROM organisation o WHERE o.id = current_org()
), known AS (
    INSERT INTO currency (org_id, code, digits)
    SELECT own.id, u.code, u.digits
      FROM own, (SELECT DISTINCT code, digits FROM unnest($1::text[], $2::int[]) AS s(code, digits) UNION SELECT currency, $6::int FROM own) u
    ON CONFLICT (org_id, code) DO NOTHING
), written AS (
    INSERT INTO currency_rate AS r (org_id, currency, valid_on, rate)
    SELECT DISTINCT ON (u.code, coalesce(u.day, own.today)) own.id, u.code, coalesce(u.day, own.today), u.rate
      FROM own, unnest($1::text[], $3::date[], $5::numeric[]) WITH ORDINALITY AS u(code, day, rate, ord)
     ORDER BY u.code, coalesce(u.day, own.today), u.ord DESC
    ON CONFLICT (org_id, currency, valid_on) DO UPDATE SET rate = excluded.rate
    RETURNING r.currency, r.valid_on, r.rate
)
SELECT 200 AS status, json_build_object('set', (SELECT count(*) FROM written),
           'items', (SELECT json_agg(json_build_object('currency', w.currency, 'on', w.valid_on, 'rate', trim_scale(w.rate)::text) ORDER BY w.currency, w.valid_on)
                       FROM written w))::text AS body;

-- name: api_rate_delete
-- $1 currency, $2 day
DELETE FROM currency_rate WHERE currency = $1::text AND valid_on = $2::date RETURNING 204 AS status, NULL::text AS body;
