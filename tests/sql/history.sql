-- What a contact's fields were before: what a stranger's write leaves, and how it was at an instant.
BEGIN;
\ir application.psql
SELECT id AS field FROM field \gset
UPDATE clock SET simulated = true;
DELETE FROM field_history;

CREATE FUNCTION pg_temp.told() RETURNS text LANGUAGE sql AS
$$ WITH gone AS (DELETE FROM lazo.field_history RETURNING *)
   SELECT coalesce(string_agg(concat_ws(' ', contact_id, field, coalesce(was::text, '-'), coalesce(became::text, '-'), by), ', ' ORDER BY field, was, became), '') FROM gone $$;

-- Every column of a contact has a history, or is computed, or tells nothing of the person.
SELECT bag_eq($$ SELECT jsonb_object_keys(contact_fields(c)) FROM contact c WHERE c.first_name = 'Ana' $$,
    $$ SELECT DISTINCT CASE WHEN attname::text ^@ 'birth_' THEN 'birth_date' ELSE attname::text END FROM pg_attribute
        WHERE attrelid = 'contact'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND attname NOT IN ('org_id', 'id', 'created_at', 'updated_at', 'import_id') $$, 'every column of contact is in contact_fields()');

INSERT INTO contact (org_id, id, first_name, created_at) VALUES (:org, 900, 'Eva', '2026-01-01Z');
SELECT is(pg_temp.told(), '', 'what a contact is made with is no change');
UPDATE contact SET first_name = 'Eva', city = 'Cádiz', birth_month = 3, birth_day = 9 WHERE id = 900;
SELECT is(pg_temp.told(), '900 birth_date - "--03-09" psql, 900 city - "Cádiz" psql', 'only what differs is told');
SET LOCAL lazo.actor = 'crm';
UPDATE contact SET birth_year = 1980, city = NULL WHERE id = 900;
SELECT is(pg_temp.told(), '900 birth_date "--03-09" "1980-03-09" crm, 900 city "Cádiz" - crm', 'a program says for whom it speaks');
INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) VALUES (:org, 900, :field, 1);
SELECT is(pg_temp.told(), '900 attr.renta - 1 crm', 'a custom field filled');
UPDATE contact_attr SET value_number = 1 WHERE contact_id = 900;
SELECT is(pg_temp.told(), '', 'the same value again');
UPDATE contact_attr SET value_number = 2 WHERE contact_id = 900;
SELECT is(pg_temp.told(), '900 attr.renta 1 2 crm', 'a custom field changed');
DELETE FROM contact_attr WHERE contact_id = 900;
SELECT is(pg_temp.told(), '900 attr.renta 2 - crm', 'a custom field emptied');
INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (:org, 900, 'Socia'), (:org, 900, 'VIP');
SELECT is(pg_temp.told(), '900 tag - "Socia" crm, 900 tag - "VIP" crm', 'tags');
DELETE FROM contact_tag WHERE contact_id = 900;
INSERT INTO contact_group (org_id, contact_id, name) VALUES (:org, 900, 'Junta');
SELECT is(pg_temp.told(), '900 group - "Junta" crm, 900 tag "Socia" - crm, 900 tag "VIP" - crm', 'tags taken away, a group');
DELETE FROM contact WHERE id = 900;
SELECT is(pg_temp.told(), '', 'what goes with its contact leaves nothing');
SET LOCAL lazo.writer = 'lazod';
INSERT INTO contact (org_id, id, first_name, city, created_at) VALUES (:org, 900, 'Eva', 'Ronda', '2026-01-01Z');
UPDATE contact SET city = 'Lugo' WHERE id = 900;
SELECT is(pg_temp.told(), '', 'lazod tells its own');

-- How it was.
INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (:org, 900, 'Socia'), (:org, 900, 'vip');
INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) VALUES (:org, 900, :field, 7);
INSERT INTO field_history (org_id, contact_id, field, was, became, at) VALUES
    (:org, 900, 'city', '"Ronda"', '"Vigo"', '2026-02-01Z'), (:org, 900, 'city', '"Vigo"', '"Lugo"', '2026-03-01Z'),
    (:org, 900, 'attr.renta', NULL, '5', '2026-02-01Z'), (:org, 900, 'attr.renta', '5', '7', '2026-03-01Z'),
    (:org, 900, 'tag', NULL, '"VIP"', '2026-02-01Z'), (:org, 900, 'tag', '"VIP"', NULL, '2026-02-10Z'), (:org, 900, 'tag', NULL, '"vip"', '2026-03-01Z'),
    (:org, 900, 'group', '"Junta"', NULL, '2026-02-15Z');
CREATE FUNCTION pg_temp.was(instant timestamptz) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', w->>'city', w->'attr', w->'tags', w->'groups') FROM lazo.contact_as_of(900, instant) w $$;
SELECT is(pg_temp.was('2026-01-15Z'), 'Ronda {} ["Socia"] ["Junta"]', 'before all');
SELECT is(pg_temp.was('2026-02-01Z'), 'Vigo {"renta": 5} ["Socia", "VIP"] ["Junta"]', 'at the instant of a change it holds');
SELECT is(pg_temp.was('2026-02-20Z'), 'Vigo {"renta": 5} ["Socia"] []', 'between');
SELECT is(pg_temp.was('2026-03-01Z'), 'Lugo {"renta": 7} ["Socia", "vip"] []', 'as it is now');
SELECT is(contact_as_of(900, '2025-12-31Z'), NULL, 'before it was there');
SELECT is(contact_as_of(900, '2026-04-01Z') - ARRAY['attr', 'tags', 'groups', 'id', 'created_at'], (SELECT contact_fields(c) FROM contact c WHERE id = 900), 'all fields are told');

SELECT * FROM finish();
ROLLBACK;
