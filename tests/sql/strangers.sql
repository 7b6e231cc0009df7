-- Contacts that strangers write are found by their names, each of which is one contact's only.
BEGIN;
\ir application.psql

CREATE FUNCTION pg_temp.names(contact bigint) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(sort || ' ' || value, ', ' ORDER BY sort, value), '') FROM lazo.identity WHERE contact_id = contact $$;

INSERT INTO contact (org_id, id, email, external_id) VALUES (:org, 900, ' Eva@Casa.EXAMPLE', ' 7 '), (:org, 901, '', NULL);
SELECT is(pg_temp.names(900), 'email eva@casa.example, external_id 7', 'what a contact is inserted with is its name');
SELECT is((SELECT email || ' ' || external_id FROM contact WHERE id = 900), 'eva@casa.example 7', 'in its normal form');
SELECT is(pg_temp.names(901), '', 'nothing is no name');
SELECT ok((SELECT email IS NULL FROM contact WHERE id = 901), 'nor an address');
UPDATE contact SET email = 'leo@casa.example' WHERE id = 901;
SELECT is(pg_temp.names(901), 'email leo@casa.example', 'an address that is said later');
UPDATE contact SET email = 'leo@otra.example' WHERE id = 901;
SELECT is(pg_temp.names(901), 'email leo@casa.example, email leo@otra.example', 'another address joins the first');
UPDATE contact SET email = 'LEO@casa.example', city = 'Ronda' WHERE id = 901;
SELECT is(pg_temp.names(901), 'email leo@casa.example, email leo@otra.example', 'back to the first');
INSERT INTO identity (org_id, sort, value, contact_id) VALUES (:org, 'email', 'eva@casa.example', 900);
SELECT is(pg_temp.names(900), 'email eva@casa.example, external_id 7', 'who says it beside says nothing new');

SELECT throws_ok('INSERT INTO contact (org_id, email) SELECT current_org(), ''EVA@casa.example''', '23505', 'the email is that of contact 900', 'an address is one contact''s');
SELECT throws_ok('INSERT INTO contact (org_id, external_id) SELECT current_org(), ''7''', '23505', 'the external id is that of contact 900', 'so is an external id');
SELECT throws_ok('INSERT INTO contact (org_id, email) SELECT current_org(), ''two@casa.example'' FROM generate_series(1, 2)', '23505', NULL, 'two at once');
SELECT throws_ok('UPDATE contact SET email = ''eva@casa.example'' WHERE id = 901', '23505', 'the email is that of contact 900', 'nor can it be taken');
SELECT throws_ok('INSERT INTO identity (org_id, sort, value, contact_id) SELECT current_org(), ''email'', ''eva@casa.example'', 901', '23505', NULL, 'not even by hand');

SET LOCAL lazo.writer = 'lazod';
INSERT INTO contact (org_id, id, email) VALUES (:org, 902, 'sol@casa.example');
SELECT is(pg_temp.names(902), '', 'lazod writes the names itself');

SELECT * FROM finish();
ROLLBACK;
