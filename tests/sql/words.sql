-- What a contact is found by follows its names.
BEGIN;
\ir application.psql
CREATE FUNCTION pg_temp.found() RETURNS text LANGUAGE sql AS $$ SELECT coalesce(string_agg(word, ' ' ORDER BY word), '') FROM lazo.contact_word WHERE contact_id = 900 $$;

INSERT INTO contact (org_id, id, first_name, last_name, email) VALUES (:org, 900, 'José Luis', 'Ñúñez', 'jose@casa.example');
SELECT is(pg_temp.found(), 'jose jose@casa.example luis nunez', 'a new contact');
UPDATE contact SET first_name = 'JOSÉ', city = 'Cádiz', street = 'Calle Mayor 1', postal_code = '11001', external_id = 'A-7@X' WHERE id = 900;
SELECT is(pg_temp.found(), '1 11001 7 a cadiz calle jose jose@casa.example mayor nunez x', 'a name and an address that changed');
UPDATE contact SET language = 'es', stage = 'lead', city = NULL, street = NULL, postal_code = NULL, external_id = NULL WHERE id = 900;
SELECT is(pg_temp.found(), 'jose jose@casa.example nunez', 'nothing else counts');
UPDATE contact SET phone = '+34 600 111 222' WHERE id = 900;
SELECT is(pg_temp.found(), '34600111222 600111222 jose jose@casa.example nunez', 'a phone');
UPDATE contact SET phone = NULL WHERE id = 900;
UPDATE contact SET email = 'pepe@casa.example' WHERE id = 900;
SELECT is(pg_temp.found(), 'jose jose@casa.example nunez pepe@casa.example', 'an address that was before stays theirs');
DELETE FROM identity WHERE contact_id = 900;
SELECT is(pg_temp.found(), 'jose nunez', 'an address that is gone');
INSERT INTO interaction (org_id, contact_id, id, kind_id, occurred_at, data)
SELECT :org, 900, 77001, id, '2026-01-01', '{"text": "José tiene prisa", "page": "nada"}' FROM kind WHERE name = 'email_received';
SELECT is(pg_temp.found(), 'jose jose nunez prisa tiene', 'what an interaction says');
UPDATE interaction SET data = '{"subject": "Hola", "note": 5}' WHERE id = 77001;
SELECT is(pg_temp.found(), 'hola jose nunez', 'what it says now');
DELETE FROM interaction WHERE id = 77001;
SELECT is(pg_temp.found(), 'jose nunez', 'what it said goes with it');
INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, campaign_id, data)
SELECT :org, 900, id, '2026-01-01', 5, '{"subject": "Boletín"}' FROM kind WHERE name = 'email_sent';
SELECT is(pg_temp.found(), 'jose nunez', 'what a campaign says it says to all');
SELECT is((SELECT count(*) FROM typing_errors('ab')), (SELECT count(DISTINCT t) FROM (VALUES ('a'), ('b'), ('ba')) AS v(t)) + 2 * 25 + 3 * 26 - 2, 'one mistake');
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
