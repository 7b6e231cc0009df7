-- Both sides of a relation are kept by the database, whoever writes; and each leaves its change row.
BEGIN;
\ir application.psql
SELECT id AS parent FROM relation_kind WHERE org_id = :org AND name = 'parent of' \gset
SELECT id AS spouse FROM relation_kind WHERE org_id = :org AND name = 'spouse' \gset
SELECT id AS same FROM relation_kind WHERE org_id = :org AND name = 'same household' \gset
INSERT INTO contact (org_id, id, first_name) SELECT :org, n, 'P' || n FROM generate_series(900, 904) AS n;

CREATE FUNCTION pg_temp.sides() RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(format('%s %s %s %s', r.contact_id, k.name, r.other_id, coalesce(r.since::text, '-')), ', ' ORDER BY r.contact_id, k.name, r.other_id), '')
     FROM lazo.relation r JOIN lazo.relation_kind k ON k.id = r.kind_id WHERE r.contact_id >= 900 $$;
CREATE FUNCTION pg_temp.left_behind() RETURNS text LANGUAGE sql AS
$$ WITH gone AS (DELETE FROM lazo.change RETURNING *) SELECT coalesce(string_agg(DISTINCT contact_id || ' ' || sort, ', '), '') FROM gone $$;
SELECT pg_temp.left_behind() \g /dev/null

INSERT INTO relation (org_id, contact_id, kind_id, other_id, since) VALUES (:org, 900, :parent, 901, '2001-01-01'), (:org, 900, :parent, 902, NULL);
SELECT is(pg_temp.sides(), '900 parent of 901 2001-01-01, 900 parent of 902 -, 901 child of 900 2001-01-01, 902 child of 900 -', 'the other side is there');
SELECT is(pg_temp.left_behind(), '900 relation, 901 relation, 902 relation', 'both sides are looked at');
UPDATE relation SET since = '1999-09-09' WHERE contact_id = 901;
SELECT is(pg_temp.sides(), '900 parent of 901 1999-09-09, 900 parent of 902 -, 901 child of 900 1999-09-09, 902 child of 900 -', 'the other side follows');
SELECT is(pg_temp.left_behind(), '900 relation, 901 relation', 'as does the log');
UPDATE relation SET since = '1999-09-09' WHERE contact_id = 901;
UPDATE relation SET contact_id = 903 WHERE contact_id = 900;
SELECT is(pg_temp.sides(), '901 child of 903 1999-09-09, 902 child of 903 -, 903 parent of 901 1999-09-09, 903 parent of 902 -', 'a merge moves both');
UPDATE relation SET other_id = 904 WHERE contact_id = 903 AND other_id = 902;
SELECT is(pg_temp.sides(), '901 child of 903 1999-09-09, 903 parent of 901 1999-09-09, 903 parent of 904 -, 904 child of 903 -', 'at either side');
INSERT INTO relation (org_id, contact_id, kind_id, other_id) VALUES (:org, 901, :spouse, 904), (:org, 904, :spouse, 901);
SELECT is((SELECT count(*) FROM relation WHERE kind_id = :spouse AND contact_id >= 900), 2::bigint, 'one that is its own inverse, said from both sides');
DELETE FROM relation WHERE kind_id = :spouse AND contact_id = 904;
SELECT is((SELECT count(*) FROM relation WHERE kind_id = :spouse AND contact_id >= 900), 0::bigint, 'and taken back from one');
SELECT pg_temp.left_behind() \g /dev/null
DELETE FROM contact WHERE id = 904;
SELECT is(pg_temp.sides(), '901 child of 903 1999-09-09, 903 parent of 901 1999-09-09', 'who goes takes both sides along');
SELECT is(pg_temp.left_behind(), '903 relation', 'who stays is looked at');

SELECT throws_ok(format('INSERT INTO relation (org_id, contact_id, kind_id, other_id) VALUES (%s, 901, %s, 902)', :org, :same), '23514', NULL, 'one that is read is not written');
SELECT throws_ok(format('INSERT INTO relation (org_id, contact_id, kind_id, other_id) VALUES (%s, 901, %s, 901)', :org, :spouse), '23514', NULL, 'nobody is related to themselves');
SELECT throws_ok(format('INSERT INTO relation (org_id, contact_id, kind_id, other_id) VALUES (%s, 901, %s, 999)', :org, :spouse), '23503', NULL, 'nor to nobody');
SELECT throws_ok(format('DELETE FROM relation_kind WHERE id = %s', :parent), '23503', NULL, 'what contacts have stays');

SELECT * FROM finish();
ROLLBACK;
