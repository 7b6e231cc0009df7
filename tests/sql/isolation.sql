-- No row of another organisation by any table: read, written, moved, deleted. Two organisations with a row in every table.
BEGIN;
\ir organisations.psql
SELECT tap.fill('a') AS a, tap.fill('b') AS b \gset
SELECT no_plan();

-- What the tests know of each table, seen by the superuser: its rows of b, as they would be written again.
CREATE TABLE tap.bound AS
    SELECT c.relname::text AS name, CASE c.relname WHEN 'organisation' THEN 'id' ELSE 'org_id' END AS org, 0 AS rows_a, NULL::jsonb AS row_b,
           has_table_privilege('lazo_app', c.oid, 'INSERT') AS inserts, has_table_privilege('lazo_app', c.oid, 'UPDATE') AS updates,
           has_table_privilege('lazo_app', c.oid, 'DELETE') AS deletes,
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS written
      FROM pg_class c WHERE c.relnamespace = 'lazo'::regnamespace AND c.relkind IN ('r', 'p')
       AND (c.relname = 'organisation' OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped));
CREATE FUNCTION tap.look(a bigint, b bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
    FOR t IN SELECT * FROM tap.bound LOOP
        EXECUTE format('UPDATE tap.bound SET rows_a = (SELECT count(*) FROM lazo.%1$I WHERE %2$I = $1),
                               row_b = (SELECT to_jsonb(x) FROM lazo.%1$I x WHERE %2$I = $2 LIMIT 1) WHERE name = %1$L', t.name, t.org) USING a, b;
    END LOOP;
END $$;
SELECT tap.look(:a, :b) \g /dev/null
GRANT USAGE ON SCHEMA tap TO lazo_app, lazo_owner;
GRANT SELECT ON tap.bound TO lazo_app, lazo_owner;

-- How many rows a statement reads or writes, or the code of its error.
CREATE FUNCTION tap.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n::text;
EXCEPTION WHEN insufficient_privilege THEN RETURN CASE WHEN sqlerrm LIKE '%row-level security%' THEN 'row-level security' ELSE 'no right' END;
    WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm;
END $$;

SELECT ok(rows_a > 0 AND row_b IS NOT NULL, name || ' has rows of both organisations (organisations.psql)') FROM tap.bound ORDER BY name;

-- The application, and the owner too.
SET search_path = lazo, public;
SELECT set_config('lazo.org', :'a', true) \g /dev/null
SET LOCAL ROLE lazo_app;
SELECT is(tap.outcome(format('SELECT 1 FROM %I', name)), rows_a::text, 'lazo_app sees its rows of ' || name) FROM tap.bound ORDER BY name;
SELECT is(tap.outcome(format('SELECT 1 FROM %I WHERE %I <> %s', name, org, :a)), '0', 'lazo_app sees no row of another in ' || name)
  FROM tap.bound ORDER BY name;
-- Written again to the letter: the policy speaks before any key does.
SELECT is(tap.outcome(format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_record(NULL::%1$I, %3$L)', name, written, row_b)),
          CASE WHEN inserts THEN 'row-level security' ELSE 'no right' END, 'lazo_app inserts no row for another into ' || name)
  FROM tap.bound ORDER BY name;
SELECT is(tap.outcome(format('UPDATE %1$I SET %2$I = %2$I WHERE %2$I <> %3$s', name, org, :a)),
          CASE WHEN NOT updates THEN 'no right' WHEN name = 'organisation' THEN '428C9 column "id" can only be updated to DEFAULT' ELSE '0' END,
          'lazo_app updates no row of another in ' || name) FROM tap.bound ORDER BY name;
SELECT is(tap.outcome(format('UPDATE %I SET org_id = %s', name, :b)), CASE WHEN updates THEN 'row-level security' ELSE 'no right' END,
          'lazo_app gives no row of ' || name || ' to another') FROM tap.bound WHERE name <> 'organisation' ORDER BY name;
SELECT is(tap.outcome(format('DELETE FROM %I WHERE %I <> %s', name, org, :a)), CASE WHEN deletes THEN '0' ELSE 'no right' END,
          'lazo_app deletes no row of another in ' || name) FROM tap.bound ORDER BY name;
SELECT is(tap.outcome(format('TRUNCATE %I', name)), 'no right', 'lazo_app does not empty ' || name) FROM tap.bound ORDER BY name;
SELECT is(tap.outcome('UPDATE template_version SET current = false WHERE org_id <> ' || :a), '0', 'lazo_app retires no text of another');
SELECT is(tap.outcome('UPDATE organisation SET name = ''x'' WHERE id <> ' || :a), '0', 'lazo_app renames no other organisation');

RESET ROLE;
SET LOCAL ROLE lazo_owner;
SELECT is(tap.outcome(format('SELECT 1 FROM %I WHERE %I <> %s', name, org, :a)), '0', 'lazo_owner sees no row of another in ' || name)
  FROM tap.bound ORDER BY name;
SELECT is(tap.outcome(format('DELETE FROM %I WHERE %I <> %s', name, org, :a)), '0', 'lazo_owner deletes no row of another in ' || name)
  FROM tap.bound ORDER BY name;

-- Without an organisation there is nothing at all.
RESET ROLE;
SELECT set_config('lazo.org', '', true) \g /dev/null
SET LOCAL ROLE lazo_app;
SELECT is(tap.outcome(format('SELECT 1 FROM %I', name)), '0', 'without an organisation ' || name || ' is empty') FROM tap.bound ORDER BY name;
SELECT is((SELECT count(*) FROM token_find(sha256('b'), NULL)), 1::bigint, 'a token says whose it is');
SELECT is((SELECT count(*) FROM token_find(sha256('c'), NULL)), 0::bigint, 'an unknown token is nobody''s');
SELECT is((SELECT array_agg(id ORDER BY id) FROM organisation_list() WHERE slug IN ('a', 'b')), ARRAY[:a, :b]::bigint[], 'the directory lists all');

-- b is as it was.
RESET ROLE;
SELECT is(tap.outcome(format('SELECT 1 FROM lazo.%I WHERE %I = %s AND to_jsonb(%I.*) = %L', name, org, :b, name, row_b)), '1', name || ' of the other is untouched')
  FROM tap.bound ORDER BY name;

SELECT * FROM finish();
ROLLBACK;
