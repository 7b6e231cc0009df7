-- The change log: what a stranger's write leaves there, and that lazod's own leaves it to lazod.
BEGIN;
\ir application.psql
SELECT id AS ana FROM contact WHERE first_name = 'Ana' \gset
SELECT id AS gift FROM kind WHERE name = 'donation' \gset
SELECT id AS field FROM field \gset
SELECT id AS topic FROM topic \gset

-- What the statement before left: sort, contact, kind, interaction, quiet; and the log is emptied.
CREATE FUNCTION pg_temp.left_behind() RETURNS text LANGUAGE sql AS
$$ WITH gone AS (DELETE FROM lazo.change RETURNING *)
   SELECT coalesce(string_agg(concat_ws(' ', sort, contact_id, coalesce(kind_id::text, '-'), coalesce(interaction_id::text, '-'), quiet), ', ' ORDER BY id), '') FROM gone $$;

CREATE FUNCTION pg_temp.row_of(sort text, contact bigint) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', sort, contact, '-', '-', false) $$;

SELECT isnt(pg_temp.left_behind(), '', 'the organisation''s own rows left something');

INSERT INTO contact (org_id, id, first_name) VALUES (:org, 900, 'Eva'), (:org, 901, 'Leo');
SELECT is(pg_temp.left_behind(), pg_temp.row_of('field', 900) || ', ' || pg_temp.row_of('field', 901), 'contacts inserted');
UPDATE contact SET first_name = 'Eva María' WHERE id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('field', 900), 'a contact changed');
UPDATE contact SET first_name = 'x' WHERE id = 999;
SELECT is(pg_temp.left_behind(), '', 'no contact changed');
DELETE FROM contact WHERE id = 901;
SELECT is(pg_temp.left_behind(), '', 'a contact that is gone is not looked at');

INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at) VALUES (:org, 700, 900, :gift, '2026-03-01Z'), (:org, 701, :ana, :gift, '2026-03-02Z');
SELECT is(pg_temp.left_behind(), format('interaction 900 %1$s 700 f, interaction %2$s %1$s 701 f', :gift, :ana), 'interactions inserted may start a journey');
UPDATE interaction SET amount = 5 WHERE id = 700;
SELECT is(pg_temp.left_behind(), format('interaction 900 %s - t', :gift), 'an interaction corrected starts nothing');
DELETE FROM interaction WHERE id = 700;
SELECT is(pg_temp.left_behind(), format('interaction 900 %s - t', :gift), 'an interaction deleted starts nothing');

INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (:org, 900, 'Socia'), (:org, 900, 'VIP');
SELECT is((SELECT string_agg(w, ' ' ORDER BY w) FROM lazo.change, unnest(what) AS w), 'socia vip', 'which tags');
SELECT is(pg_temp.left_behind(), pg_temp.row_of('tag', 900), 'tags inserted: one row says them all');
INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (:org, 900, 'SOCIA') ON CONFLICT DO NOTHING;
SELECT is(pg_temp.left_behind(), '', 'a tag that is there already');
UPDATE contact_tag SET tag = 'vip' WHERE contact_id = 900 AND tag_fold = 'vip';
SELECT is(pg_temp.left_behind(), pg_temp.row_of('tag', 900), 'a tag changed');
DELETE FROM contact_tag WHERE contact_id = 900 AND tag_fold = 'vip';
SELECT is(pg_temp.left_behind(), pg_temp.row_of('tag', 900), 'a tag deleted');

INSERT INTO contact_group (org_id, contact_id, name) VALUES (:org, 900, 'Junta');
UPDATE contact_group SET name = 'Junta, Málaga' WHERE contact_id = 900;
SELECT is((SELECT string_agg(w, ' ' ORDER BY w) FROM lazo.change, unnest(what) AS w), 'junta junta junta; malaga', 'which groups: before and after');
SELECT isnt(pg_temp.left_behind(), '', 'a group inserted and renamed');
UPDATE contact_group SET name = 'Junta' WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('group', 900), 'a group inserted');
UPDATE contact_group SET name = 'JUNTA' WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('group', 900), 'a group changed');
DELETE FROM contact_group WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('group', 900), 'a group deleted');

INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) VALUES (:org, 900, :field, 1);
SELECT is(pg_temp.left_behind(), pg_temp.row_of('field', 900), 'a custom field inserted');
UPDATE contact_attr SET value_number = 2 WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('field', 900), 'a custom field changed');
DELETE FROM contact_attr WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('field', 900), 'a custom field deleted');

INSERT INTO consent (org_id, contact_id, topic_id, action, at) VALUES (:org, 900, :topic, 'grant', '2026-03-01Z');
SELECT is(pg_temp.left_behind(), pg_temp.row_of('consent', 900), 'consent granted');
INSERT INTO consent (org_id, contact_id, topic_id, action, at) VALUES (:org, 900, :topic, 'withdraw', '2026-03-02Z');
SELECT is(pg_temp.left_behind(), pg_temp.row_of('consent', 900), 'consent withdrawn');
INSERT INTO consent (org_id, contact_id, topic_id, action, at) VALUES (:org, 900, :topic, 'grant', '2026-02-01Z');
SELECT is(pg_temp.left_behind(), '', 'an older entry that comes late changes nothing');
UPDATE subscription SET subscribed = true WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('consent', 900), 'a subscription changed');
DELETE FROM subscription WHERE contact_id = 900;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('consent', 900), 'a subscription deleted');

-- lazod says who it is and writes its change rows itself.
SET LOCAL lazo.writer = 'lazod';
INSERT INTO contact (org_id, id, first_name) VALUES (:org, 902, 'Sol');
UPDATE contact SET first_name = 'Sole' WHERE id = 902;
INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at) VALUES (:org, 702, 902, :gift, '2026-03-01Z');
UPDATE interaction SET amount = 5 WHERE id = 702;
INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (:org, 902, 'Socia');
UPDATE contact_tag SET tag = 'socia' WHERE contact_id = 902;
INSERT INTO contact_group (org_id, contact_id, name) VALUES (:org, 902, 'Junta');
UPDATE contact_group SET name = 'JUNTA' WHERE contact_id = 902;
INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) VALUES (:org, 902, :field, 1);
UPDATE contact_attr SET value_number = 2 WHERE contact_id = 902;
INSERT INTO consent (org_id, contact_id, topic_id, action) VALUES (:org, 902, :topic, 'grant');
UPDATE subscription SET subscribed = false WHERE contact_id = 902;
DELETE FROM subscription WHERE contact_id = 902;
DELETE FROM contact_attr WHERE contact_id = 902;
DELETE FROM contact_group WHERE contact_id = 902;
DELETE FROM contact_tag WHERE contact_id = 902;
DELETE FROM interaction WHERE contact_id = 902;
DELETE FROM contact WHERE id = 902;
SELECT is(pg_temp.left_behind(), '', 'lazod''s writes leave what lazod says');

-- Whoever else says a name of his own is a stranger still.
SET LOCAL lazo.writer = 'crm';
UPDATE contact SET first_name = 'Ana María' WHERE id = :ana;
SELECT is(pg_temp.left_behind(), pg_temp.row_of('field', :ana), 'another name is a stranger''s');

SELECT * FROM finish();
ROLLBACK;
