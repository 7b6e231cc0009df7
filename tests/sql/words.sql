-- What a contact is found by follows its names.
BEGIN;
\ir application.psql
CREATE FUNCTION pg_temp.found() RETURNS text LANGUAGE sql AS $$ SELECT coalesce(string_agg(word, ' ' ORDER BY word), '') FROM lazo.contact_word WHERE contact_id = 900 $$;

INSERT INTO contact (org_id, id, first_name, last_name, email) VALUES (:org, 900, 'José Luis', 'Ñúñez', 'jose@casa.example');
SELECT is(pg_temp.found(), 'jose jose@casa.example luis nunez', 'a new contact');
UPDATE contact SET first_name = 'JOSÉ', city = 'Cádiz' WHERE id = 900;
SELECT is(pg_temp.found(), 'jose jose@casa.example nunez', 'a name that changed');
UPDATE contact SET phone = '600' WHERE id = 900;
SELECT is(pg_temp.found(), 'jose jose@casa.example nunez', 'nothing else counts');
UPDATE contact SET first_name = NULL, last_name = NULL, email = NULL, company_name = 'Núñez & Hijos, S.L.' WHERE id = 900;
SELECT is(pg_temp.found(), 'hijos l nunez s', 'a company');
SET LOCAL lazo.writer = 'lazod';
UPDATE contact SET company_name = NULL WHERE id = 900;
SELECT is(pg_temp.found(), '', 'no name, no words');
UPDATE contact SET first_name = 'Eva' WHERE id = 900;
SELECT is(pg_temp.found(), 'eva', 'lazod''s writes count alike');
DELETE FROM contact WHERE id = 900;
SELECT is(pg_temp.found(), '', 'a contact that is gone is not found');

SELECT * FROM finish();
ROLLBACK;
