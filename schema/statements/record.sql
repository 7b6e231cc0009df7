-- Step 1, the recorder: one batch of items is one transaction. Every write leaves its change row in the same statement.
-- Arrays of one statement are parallel; texts compared with keys are normalised already. The parameter after `now` says whether the batch is imported history
-- (quiet). What changes fields is told who says it, and from which source, for the history; null for a contact that this batch made: that is no change.

-- name: record_lock
-- The contacts whose fields are about to be written, in the order of their ids: what the next statements read of them stays so. Who is missing is gone meanwhile.
SELECT count(*) AS locked FROM (SELECT c.id FROM contact c WHERE c.id = ANY ($1::bigint[]) ORDER BY c.id FOR NO KEY UPDATE) l;

-- name: record_find
-- What is known of the batch's keys, identities and ids. `ord` is the place in the array asked with, from 0. LATERAL with LIMIT looks each up by its index,
-- whatever the planner believes of the tables: a join would read all keys of the organisation.
SELECT 'key' AS sort, (u.ord - 1)::int AS ord, k.contact_id, k.interaction_id, k.content, false AS has_external_id
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u(source, key, ord)
 CROSS JOIN LATERAL (SELECT n.contact_id, n.interaction_id, n.content
                       FROM interaction_key n WHERE n.org_id = $1::bigint AND n.source = u.source AND n.key = u.key LIMIT 1) k
UNION ALL
SELECT 'identity', (u.ord - 1)::int, i.contact_id, 0, 0, c.external_id IS NOT NULL
  FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS u(sort, value, ord)
 CROSS JOIN LATERAL (SELECT n.contact_id FROM identity n WHERE n.org_id = $1::bigint AND n.sort = u.sort AND n.value = u.value LIMIT 1) i
 CROSS JOIN LATERAL (SELECT n.external_id FROM contact n WHERE n.id = i.contact_id LIMIT 1) c
UNION ALL
-- One that was merged is whom it was merged into: found apart, since coalesce() is not leakproof and would cost contact its index.
SELECT 'id', (u.ord - 1)::int, c.id, 0, 0, c.external_id IS NOT NULL
  FROM unnest($6::bigint[]) WITH ORDINALITY AS u(id, ord)
 CROSS JOIN LATERAL (SELECT coalesce((SELECT m.contact_id FROM contact_merge m WHERE m.org_id = $1::bigint AND m.merged_id = u.id AND m.undone_at IS NULL), u.id) AS id
                     OFFSET 0) w
 CROSS JOIN LATERAL (SELECT n.id, n.external_id FROM contact n WHERE n.id = w.id LIMIT 1) c
UNION ALL
-- Whether somebody was erased, by the index: EXISTS would read the rows of other organisations.
SELECT 'erased', 0, 0, 0, 0, false
 WHERE (SELECT e.at FROM erased e WHERE e.org_id = $1::bigint ORDER BY e.org_id, e.hash LIMIT 1) IS NOT NULL;

-- name: record_create
-- New contacts, one a slot, with an e-mail, an external id, or neither. Who loses the race for an identity gets no row: then the batch is rolled back and tried
-- again.
WITH slot AS (
    SELECT nextval('contact_id_seq') AS id, (u.ord - 1)::int AS ord, u.email, u.external_id
      FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u(email, external_id, ord)
), claimed AS (
    INSERT INTO identity (org_id, sort, value, contact_id)
    SELECT $1::bigint, w.sort, w.value, w.id
      FROM (SELECT 'email' AS sort, email AS value, id FROM slot WHERE email IS NOT NULL
            UNION ALL
            SELECT 'external_id', external_id, id FROM slot WHERE external_id IS NOT NULL) w
     ORDER BY w.sort, w.value
    ON CONFLICT DO NOTHING
    RETURNING contact_id
), made AS (
    INSERT INTO contact (org_id, id, email, external_id, created_at, updated_at)
    SELECT $1::bigint, s.id, s.email, s.external_id, $4::timestamptz, $4::timestamptz
      FROM slot s
     -- OR keeps the planner from a nested loop: it takes both sides for ten rows.
     WHERE num_nonnulls(s.email, s.external_id) = 0
        OR (s.id, num_nonnulls(s.email, s.external_id)::bigint) IN (SELECT contact_id, count(*) FROM claimed GROUP BY contact_id)
    RETURNING id
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, quiet) SELECT $1::bigint, id, 'field', $5::boolean FROM made
)
SELECT s.ord, s.id AS contact_id FROM slot s WHERE (s.id IN (SELECT id FROM made)) IS TRUE;

-- name: record_attach
-- One more identity of a contact that exists; where it had none, the first e-mail or external id that is said becomes its primary one. All are claimed, or the batch is rolled back.
WITH said AS (
    SELECT u.sort, u.value, u.contact_id, u.by, u.source, u.ord
      FROM unnest($2::text[], $3::text[], $4::bigint[], $7::text[], $8::text[]) WITH ORDINALITY AS u(sort, value, contact_id, by, source, ord)
), claimed AS (
    INSERT INTO identity (org_id, sort, value, contact_id)
    SELECT $1::bigint, s.sort, s.value, s.contact_id FROM said s ORDER BY s.sort, s.value
    ON CONFLICT DO NOTHING
    RETURNING 1
), filled AS (
    UPDATE contact c
       SET email = coalesce(c.email, n.email), external_id = coalesce(c.external_id, n.external_id), updated_at = $5::timestamptz
      FROM (SELECT contact_id, (array_agg(value ORDER BY ord) FILTER (WHERE sort = 'email'))[1] AS email,
                   (array_agg(value ORDER BY ord) FILTER (WHERE sort = 'external_id'))[1] AS external_id, min(by) AS by, min(source) AS source
              FROM said GROUP BY contact_id) n
      JOIN contact w ON w.id = n.contact_id
     WHERE c.id = n.contact_id
    RETURNING c.id, n.by, n.source, w AS before, c AS after
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT $1::bigint, x.id, v.field, v.was, v.became, $5::timestamptz, actor(x.by), x.source
      FROM filled x CROSS JOIN LATERAL contact_changes(x.before, x.after) v WHERE x.by IS NOT NULL
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, quiet, what) SELECT $1::bigint, id, 'field', $6::boolean, '{email,external_id}' FROM filled
)
SELECT count(*) AS attached FROM claimed;

-- name: record_fields
-- Fields that were said; JSON null empties one. A row that would not change is left alone. Another stage is an interaction too. $8: fields that others than $6 said, {field: [by, source]}.
WITH said AS (
    SELECT u.id, u.doc, u.by, u.source, u.others, d.*
      FROM unnest($2::bigint[], $3::jsonb[], $6::text[], $7::text[], $8::jsonb[]) AS u(id, doc, by, source, others),
           jsonb_to_record(u.doc) AS d(kind text, first_name text, last_name text, company_name text, phone text, language text,
               country text, street text, city text, postal_code text, birth_year smallint, birth_month smallint, birth_day smallint,
               time_zone text, stage text, deceased boolean, deceased_on date)
), written AS (
    UPDATE contact c
       SET kind = CASE WHEN s.doc ? 'kind' THEN s.kind ELSE c.kind END,
           first_name = CASE WHEN s.doc ? 'first_name' THEN s.first_name ELSE c.first_name END,
           last_name = CASE WHEN s.doc ? 'last_name' THEN s.last_name ELSE c.last_name END,
           company_name = CASE WHEN s.doc ? 'company_name' THEN s.company_name ELSE c.company_name END,
           phone = CASE WHEN s.doc ? 'phone' THEN phone_normal(s.phone, coalesce(CASE WHEN s.doc ? 'country' THEN s.country ELSE c.country END, o.country))
                        ELSE c.phone END,
           language = CASE WHEN s.doc ? 'language' THEN s.language ELSE c.language END,
           country = CASE WHEN s.doc ? 'country' THEN s.country ELSE c.country END,
           street = CASE WHEN s.doc ? 'street' THEN s.street ELSE c.street END,
           city = CASE WHEN s.doc ? 'city' THEN s.city ELSE c.city END,
           postal_code = CASE WHEN s.doc ? 'postal_code' THEN s.postal_code ELSE c.postal_code END,
           birth_year = CASE WHEN s.doc ? 'birth_month' THEN s.birth_year ELSE c.birth_year END,
           birth_month = CASE WHEN s.doc ? 'birth_month' THEN s.birth_month ELSE c.birth_month END,
           birth_day = CASE WHEN s.doc ? 'birth_month' THEN s.birth_day ELSE c.birth_day END,
           time_zone = CASE WHEN s.doc ? 'time_zone' THEN s.time_zone ELSE c.time_zone END,
           stage = CASE WHEN s.doc ? 'stage' THEN s.stage ELSE c.stage END,
           deceased = CASE WHEN s.doc ? 'deceased' THEN s.deceased ELSE c.deceased END,
           deceased_on = CASE WHEN s.doc ? 'deceased_on' THEN s.deceased_on ELSE c.deceased_on END,
           updated_at = $4::timestamptz
      FROM said s JOIN contact w ON w.id = s.id CROSS JOIN organisation o
     WHERE c.id = s.id AND o.id = $1::bigint
       AND (   (s.doc ? 'kind' AND s.kind IS DISTINCT FROM c.kind)
            OR (s.doc ? 'first_name' AND s.first_name IS DISTINCT FROM c.first_name)
            OR (s.doc ? 'last_name' AND s.last_name IS DISTINCT FROM c.last_name)
            OR (s.doc ? 'company_name' AND s.company_name IS DISTINCT FROM c.company_name)
            OR (s.doc ? 'phone' AND phone_normal(s.phone, coalesce(CASE WHEN s.doc ? 'country' THEN s.country ELSE c.country END, o.country))
                    IS DISTINCT FROM c.phone)
            OR (s.doc ? 'language' AND s.language IS DISTINCT FROM c.language)
            OR (s.doc ? 'country' AND s.country IS DISTINCT FROM c.country)
            OR (s.doc ? 'street' AND s.street IS DISTINCT FROM c.street)
            OR (s.doc ? 'city' AND s.city IS DISTINCT FROM c.city)
            OR (s.doc ? 'postal_code' AND s.postal_code IS DISTINCT FROM c.postal_code)
            OR (s.doc ? 'birth_month' AND (s.birth_year, s.birth_month, s.birth_day)
                    IS DISTINCT FROM (c.birth_year, c.birth_month, c.birth_day))
            OR (s.doc ? 'time_zone' AND s.time_zone IS DISTINCT FROM c.time_zone)
            OR (s.doc ? 'stage' AND s.stage IS DISTINCT FROM c.stage)
            OR (s.doc ? 'deceased' AND s.deceased IS DISTINCT FROM c.deceased)
            OR (s.doc ? 'deceased_on' AND s.deceased_on IS DISTINCT FROM c.deceased_on))
    RETURNING c.id, s.by, s.source, s.others, w AS before, c AS after, ARRAY(SELECT jsonb_object_keys(s.doc)) AS what
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT $1::bigint, x.id, v.field, v.was, v.became, $4::timestamptz, actor(coalesce(x.others #>> ARRAY[k.name, '0'], x.by)),
           coalesce(x.others #>> ARRAY[k.name, '1'], x.source)
      FROM written x CROSS JOIN LATERAL contact_changes(x.before, x.after) v,
           LATERAL (SELECT CASE v.field WHEN 'birth_date' THEN 'birth_month' ELSE v.field END AS name) k
     WHERE x.by IS NOT NULL
), moved AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, x.id, k.id, $4::timestamptz, $4::timestamptz, 'lazo', jsonb_build_object('from', (x.before).stage, 'to', (x.after).stage)
      FROM written x, kind k
     WHERE x.by IS NOT NULL AND (x.before).stage_fold IS DISTINCT FROM (x.after).stage_fold AND k.name = 'stage_changed'
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet, what)
SELECT $1::bigint, id, 'field', NULL::int, NULL::bigint, $5::boolean, what FROM written
UNION ALL SELECT $1::bigint, contact_id, 'interaction', kind_id, id, $5::boolean, NULL::text[] FROM moved;

-- name: record_emails
-- What more is said of e-mail addresses that are the contacts' already: labels, and which is the primary one. The last one that is said wins.
WITH said AS (
    SELECT u.contact_id, u.doc->>'email' AS email, u.doc->>'label' AS label, coalesce(u.doc->'primary' = 'true', false) AS is_primary, u.by, u.source, u.ord
      FROM unnest($2::bigint[], $3::jsonb[], $6::text[], $7::text[]) WITH ORDINALITY AS u(contact_id, doc, by, source, ord)
), labelled AS (
    UPDATE identity i SET label = s.label
      FROM (SELECT DISTINCT ON (email) email, contact_id, label FROM said WHERE label IS NOT NULL ORDER BY email, ord DESC) s
     WHERE i.org_id = $1::bigint AND i.sort = 'email' AND i.value = s.email AND i.contact_id = s.contact_id AND i.label IS DISTINCT FROM s.label
    RETURNING i.contact_id
), chosen AS (
    SELECT DISTINCT ON (contact_id) contact_id, CASE WHEN is_primary THEN email END AS email, by, source
      FROM said WHERE is_primary OR contact_id IN (SELECT contact_id FROM labelled) ORDER BY contact_id, is_primary DESC, ord DESC
), written AS (
    UPDATE contact c SET email = coalesce(h.email, c.email), updated_at = $4::timestamptz
      FROM chosen h JOIN contact w ON w.id = h.contact_id
     WHERE c.id = h.contact_id AND (h.email <> c.email OR (h.email IS NOT NULL AND c.email IS NULL) OR c.id IN (SELECT contact_id FROM labelled))
    RETURNING c.id, h.by, h.source, w AS before, c AS after
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT $1::bigint, x.id, v.field, v.was, v.became, $4::timestamptz, actor(x.by), x.source
      FROM written x CROSS JOIN LATERAL contact_changes(x.before, x.after) v WHERE x.by IS NOT NULL
)
INSERT INTO change (org_id, contact_id, sort, quiet, what) SELECT $1::bigint, id, 'field', $5::boolean, '{email}' FROM written;

-- name: record_phones
-- Phones that the contacts have, too; the first of a contact that had none becomes its primary one.
WITH said AS (
    SELECT u.contact_id, phone_normal(u.doc->>'phone', coalesce(c.country, o.country)) AS phone, u.doc->>'label' AS label,
           coalesce(u.doc->'primary' = 'true', false) AS is_primary, u.by, u.source, u.ord, c.phone AS was
      FROM unnest($2::bigint[], $3::jsonb[], $6::text[], $7::text[]) WITH ORDINALITY AS u(contact_id, doc, by, source, ord)
      JOIN contact c ON c.id = u.contact_id
      JOIN organisation o ON o.id = $1::bigint
), added AS (
    INSERT INTO contact_phone AS p (org_id, contact_id, phone, label, added_at)
    SELECT DISTINCT ON (s.contact_id, s.phone) $1::bigint, s.contact_id, s.phone, s.label, $4::timestamptz
      FROM said s ORDER BY s.contact_id, s.phone, s.label IS NULL, s.ord DESC
    ON CONFLICT (contact_id, phone) DO UPDATE SET label = excluded.label
     WHERE excluded.label IS NOT NULL AND excluded.label IS DISTINCT FROM p.label
    RETURNING p.contact_id
), chosen AS (
    SELECT DISTINCT ON (contact_id) contact_id, CASE WHEN is_primary OR was IS NULL THEN phone ELSE was END AS phone, by, source
      FROM said ORDER BY contact_id, is_primary DESC, CASE WHEN is_primary THEN -ord ELSE ord END
), written AS (
    UPDATE contact c SET phone = h.phone, updated_at = $4::timestamptz
      FROM chosen h JOIN contact w ON w.id = h.contact_id
     WHERE c.id = h.contact_id AND (h.phone IS DISTINCT FROM c.phone OR c.id IN (SELECT contact_id FROM added))
    RETURNING c.id, h.by, h.source, w AS before, c AS after
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT $1::bigint, x.id, v.field, v.was, v.became, $4::timestamptz, actor(x.by), x.source
      FROM written x CROSS JOIN LATERAL contact_changes(x.before, x.after) v WHERE x.by IS NOT NULL
)
INSERT INTO change (org_id, contact_id, sort, quiet, what) SELECT $1::bigint, id, 'field', $5::boolean, '{phone}' FROM written;

-- name: record_attrs
-- Custom fields, an object a contact; JSON null empties one. $8: as record_fields has it, attr.NAME.
WITH said AS (
    SELECT u.contact_id, f.id AS field_id, e.value = 'null' AS emptied, 'attr.' || e.name AS name, u.by, u.source, u.others,
           CASE f.type WHEN 'text' THEN e.value #>> '{}' END AS value_text,
           CASE f.type WHEN 'number' THEN (e.value #>> '{}')::float8 END AS value_number,
           CASE f.type WHEN 'date' THEN (e.value #>> '{}')::date END AS value_date,
           CASE f.type WHEN 'boolean' THEN (e.value #>> '{}')::boolean END AS value_boolean
      FROM unnest($2::bigint[], $3::jsonb[], $6::text[], $7::text[], $8::jsonb[]) AS u(contact_id, doc, by, source, others),
           jsonb_each(u.doc) AS e(name, value)
      JOIN field f ON f.name = e.name
), told AS (
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT $1::bigint, s.contact_id, s.name, attr_value(w),
           coalesce(to_jsonb(s.value_text), to_jsonb(s.value_number), to_jsonb(s.value_date), to_jsonb(s.value_boolean)), $4::timestamptz,
           actor(coalesce(s.others #>> ARRAY[s.name, '0'], s.by)), coalesce(s.others #>> ARRAY[s.name, '1'], s.source)
      FROM said s LEFT JOIN contact_attr w ON w.contact_id = s.contact_id AND w.field_id = s.field_id
     WHERE s.by IS NOT NULL AND (w.value_text, w.value_number, w.value_date, w.value_boolean) IS DISTINCT FROM
           (s.value_text, s.value_number, s.value_date, s.value_boolean)
), emptied AS (
    DELETE FROM contact_attr a USING said s
     WHERE a.contact_id = s.contact_id AND a.field_id = s.field_id AND s.emptied
    RETURNING a.contact_id, a.field_id
), written AS (
    INSERT INTO contact_attr AS a (org_id, contact_id, field_id, value_text, value_number, value_date, value_boolean)
    SELECT $1::bigint, s.contact_id, s.field_id, s.value_text, s.value_number, s.value_date, s.value_boolean
      FROM said s
     WHERE NOT s.emptied
     ORDER BY s.contact_id, s.field_id
    ON CONFLICT (contact_id, field_id) DO UPDATE
       SET value_text = excluded.value_text, value_number = excluded.value_number, value_date = excluded.value_date,
           value_boolean = excluded.value_boolean
     WHERE (a.value_text, a.value_number, a.value_date, a.value_boolean) IS DISTINCT FROM
           (excluded.value_text, excluded.value_number, excluded.value_date, excluded.value_boolean)
    RETURNING a.contact_id, a.field_id
), changed AS (
    SELECT contact_id, array_agg('attr:' || field_id) AS what
      FROM (SELECT contact_id, field_id FROM emptied UNION ALL SELECT contact_id, field_id FROM written) a GROUP BY contact_id
), touched AS (
    UPDATE contact SET updated_at = $4::timestamptz WHERE id IN (SELECT contact_id FROM changed)
)
INSERT INTO change (org_id, contact_id, sort, quiet, what) SELECT $1::bigint, contact_id, 'field', $5::boolean, what FROM changed;

-- name: record_tags
WITH told AS (
    INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
    SELECT DISTINCT ON (u.contact_id, fold(u.tag)) $1::bigint, u.contact_id, 'tag', to_jsonb(u.tag), $4::timestamptz, actor(u.by), u.source
      FROM unnest($2::bigint[], $3::text[], $6::text[], $7::text[]) AS u(contact_id, tag, by, source)
     WHERE u.by IS NOT NULL AND NOT EXISTS (SELECT FROM contact_tag t WHERE t.contact_id = u.contact_id AND t.tag_fold = fold(u.tag))
     ORDER BY u.contact_id, fold(u.tag), u.tag
), written AS (
    INSERT INTO contact_tag (org_id, contact_id, tag, added_at)
    SELECT $1::bigint, u.contact_id, u.tag, $4::timestamptz
      FROM unnest($2::bigint[], $3::text[]) AS u(contact_id, tag) ORDER BY u.contact_id, u.tag
    ON CONFLICT DO NOTHING RETURNING contact_id, tag_fold
)
INSERT INTO change (org_id, contact_id, sort, quiet, what)
SELECT $1::bigint, contact_id, 'tag', $5::boolean, array_agg(label_word(tag_fold)) FROM written GROUP BY contact_id;

-- name: record_groups
WITH told AS (
    INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
    SELECT DISTINCT ON (u.contact_id, fold(u.name)) $1::bigint, u.contact_id, 'group', to_jsonb(u.name), $4::timestamptz, actor(u.by), u.source
      FROM unnest($2::bigint[], $3::text[], $6::text[], $7::text[]) AS u(contact_id, name, by, source)
     WHERE u.by IS NOT NULL AND NOT EXISTS (SELECT FROM contact_group t WHERE t.contact_id = u.contact_id AND t.name_fold = fold(u.name))
     ORDER BY u.contact_id, fold(u.name), u.name
), written AS (
    INSERT INTO contact_group (org_id, contact_id, name, added_at)
    SELECT $1::bigint, u.contact_id, u.name, $4::timestamptz
      FROM unnest($2::bigint[], $3::text[]) AS u(contact_id, name) ORDER BY u.contact_id, u.name
    ON CONFLICT DO NOTHING RETURNING contact_id, name_fold
)
INSERT INTO change (org_id, contact_id, sort, quiet, what)
SELECT $1::bigint, contact_id, 'group', $5::boolean, array_agg(label_word(name_fold)) FROM written GROUP BY contact_id;

-- name: record_consents
-- An entry that says what already holds (same topic, same action) is not written again; what holds is what the entry before it in this batch said, or else what
-- stands in the ledger. It is written where that was not said by the contact itself, but by a merge or an import that may be undone. One that is to be the "first" word is
-- not written where there was another. Each by which something changes is an interaction too, subscribed or unsubscribed. Nobody said anything in the future, and who
-- says a time of their own for nothing says it after all else.
WITH given AS (
    SELECT u.contact_id, u.doc, u.ord, t.id AS topic_id, t.name AS topic, u.doc->>'action' AS action, b.subscribed,
           coalesce(least((u.doc->>'at')::timestamptz, $4::timestamptz), greatest($4::timestamptz, b.since)) AS at
      FROM unnest($2::bigint[], $3::jsonb[]) WITH ORDINALITY AS u(contact_id, doc, ord)
      JOIN topic t ON t.name = u.doc->>'topic'
      LEFT JOIN subscription b ON b.contact_id = u.contact_id AND b.topic_id = t.id
), compared AS (
    SELECT g.*, coalesce(lag(g.action) OVER w, CASE WHEN g.subscribed THEN 'grant' WHEN NOT g.subscribed THEN 'withdraw' END) AS before,
           coalesce(lag(g.action) OVER w, consent_said(g.contact_id, g.topic_id)) AS own
      FROM given g WINDOW w AS (PARTITION BY g.contact_id, g.topic_id ORDER BY g.at, g.ord)
), said AS (
    SELECT *, action IS DISTINCT FROM before AS changes FROM compared
     WHERE (action IS DISTINCT FROM before OR action IS DISTINCT FROM own) AND NOT (doc ? 'first' AND before IS NOT NULL)
), written AS (
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, ip, user_agent, at)
    SELECT $1::bigint, s.contact_id, s.topic_id, s.action, coalesce(s.doc->>'purpose', ''), coalesce(s.doc->>'wording', ''),
           coalesce(s.doc->>'version', ''), coalesce(s.doc->>'language', ''), coalesce(s.doc->>'source', ''), coalesce(s.doc->>'method', ''),
           s.doc->>'ip', s.doc->>'user_agent', s.at
      FROM said s ORDER BY s.contact_id, s.ord
    RETURNING contact_id, topic_id
), fact AS (
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT $1::bigint, s.contact_id, k.id, s.at, $4::timestamptz, 'lazo', jsonb_build_object('topic', s.topic)
      FROM said s JOIN kind k ON k.name = CASE s.action WHEN 'grant' THEN 'subscribed' ELSE 'unsubscribed' END
     WHERE s.changes
    RETURNING contact_id, kind_id, id
)
INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet, what)
SELECT $1::bigint, contact_id, 'consent', NULL::int, NULL::bigint, $5::boolean, array_agg(topic_id::text) FROM written GROUP BY contact_id
UNION ALL
SELECT $1::bigint, contact_id, 'interaction', kind_id, id, $5::boolean, NULL FROM fact;

-- name: record_kinds
-- Kinds that nobody used before.
INSERT INTO kind (org_id, name)
SELECT $1::bigint, n FROM unnest($2::text[]) AS n
 WHERE NOT EXISTS (SELECT FROM kind k WHERE k.name = n)
 ORDER BY n
ON CONFLICT (org_id, name) DO NOTHING;

-- name: record_rates
-- Amounts in other currencies, parallel arrays of currency, minor units and instant; what each is in the organisation's.
-- Null: there is no rate.
SELECT (u.ord - 1)::int AS ord, amount_in_base(u.currency, u.minor, u.at) AS amount
  FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) WITH ORDINALITY AS u(currency, minor, at, ord);

-- name: record_interactions
-- Who loses a key (to another request, or to an earlier row of this batch) is a duplicate and gets no id. Ids are drawn before the join, whatever its order: of two of
-- one instant the later one said is the last.
WITH input AS (
    SELECT u.id, (u.ord - 1)::int AS ord, u.contact_id, k.id AS kind_id, u.occurred_at,
           u.amount, u.amount_recorded, u.currency, u.source, u.key, u.data, u.quiet, u.campaign_id, u.content
      FROM (SELECT nextval('interaction_id_seq') AS id, w.* FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[],
                  $10::jsonb[], $11::bool[], $12::bigint[], $13::bigint[]) WITH ORDINALITY
           AS w(contact_id, kind, occurred_at, amount, amount_recorded, currency, source, key, data, quiet, campaign_id, content, ord)) u
      JOIN kind k ON k.name = u.kind
), claimed AS (
    INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id, content)
    SELECT $1::bigint, i.source, i.key, i.contact_id, i.id, i.content FROM input i WHERE i.key IS NOT NULL
     ORDER BY i.source COLLATE "C", i.key COLLATE "C", i.ord
    ON CONFLICT DO NOTHING RETURNING interaction_id
), added AS (
    INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source,
                             campaign_id, data)
    SELECT $1::bigint, i.id, i.contact_id, i.kind_id, i.occurred_at, $14::timestamptz, i.amount, i.amount_recorded, i.currency, i.source,
           i.campaign_id, i.data
      FROM input i
     WHERE i.key IS NULL OR i.id IN (SELECT interaction_id FROM claimed)
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, i.contact_id, 'interaction', i.kind_id, i.id, i.quiet
      FROM input i WHERE i.key IS NULL OR i.id IN (SELECT interaction_id FROM claimed)
)
SELECT i.ord, i.id FROM input i WHERE i.key IS NULL OR i.id IN (SELECT interaction_id FROM claimed);

-- name: record_quick
-- Interactions that say nothing new of their contact, who is named by one e-mail or external id. One whose contact or kind is not known, or whose key is there,
-- is left: it gets no row.
WITH input AS (
    SELECT u.id, (u.ord - 1)::int AS ord, i.contact_id, k.id AS kind_id, u.occurred_at,
           u.amount, u.amount_recorded, u.currency, u.source, u.key, u.data, u.quiet, u.campaign_id, u.content
      FROM (SELECT nextval('interaction_id_seq') AS id, w.* FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[],
                  $11::jsonb[], $12::bool[], $13::bigint[], $14::bigint[]) WITH ORDINALITY
           AS w(sort, value, kind, occurred_at, amount, amount_recorded, currency, source, key, data, quiet, campaign_id, content, ord)) u
     CROSS JOIN LATERAL (SELECT n.contact_id FROM identity n WHERE n.org_id = $1::bigint AND n.sort = u.sort AND n.value = u.value LIMIT 1) i
      JOIN kind k ON k.name = u.kind
), claimed AS (
    INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id, content)
    SELECT $1::bigint, i.source, i.key, i.contact_id, i.id, i.content FROM input i WHERE i.key IS NOT NULL
     ORDER BY i.source COLLATE "C", i.key COLLATE "C", i.ord
    ON CONFLICT DO NOTHING RETURNING interaction_id
), fresh AS MATERIALIZED (
    SELECT i.* FROM input i WHERE i.key IS NULL OR i.id IN (SELECT interaction_id FROM claimed)
), added AS (
    INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source,
                             campaign_id, data)
    SELECT $1::bigint, f.id, f.contact_id, f.kind_id, f.occurred_at, $15::timestamptz, f.amount, f.amount_recorded, f.currency, f.source,
           f.campaign_id, f.data
      FROM fresh f
), logged AS (
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT $1::bigint, f.contact_id, 'interaction', f.kind_id, f.id, f.quiet
      FROM fresh f
)
SELECT f.ord, f.id, f.contact_id FROM fresh f;

-- name: record_statistics
-- $1: contacts that lazod made. Where they are a good part of those that the planner knows of, it looks anew.
SELECT gather_statistics() WHERE (SELECT c.reltuples FROM pg_class c WHERE c.oid = 'contact'::regclass) < 10 * $1::bigint;
