-- Who may do what: roles, row-level security on every table of an organisation, the functions that look over all of them.
BEGIN;
SELECT no_plan();

-- Every table that has rows of an organisation.
CREATE TEMPORARY VIEW bound AS
    SELECT c.oid, c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
      FROM pg_class c WHERE c.relnamespace = 'lazo'::regnamespace AND c.relkind IN ('r', 'p')
       AND (c.relname = 'organisation' OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped));

SELECT results_eq($$ SELECT relname::text COLLATE "default" FROM pg_class WHERE relnamespace = 'lazo'::regnamespace AND relkind NOT IN ('i', 'S')
                        AND oid NOT IN (SELECT oid FROM bound) $$, ARRAY['clock'], 'only the clock belongs to no organisation');
SELECT ok(enabled AND forced, name || ' has row-level security, and for its owner too') FROM bound ORDER BY name;
SELECT is(array_agg(format('%s %s %s', p.polname, p.polcmd, p.polpermissive) ORDER BY p.polname), ARRAY['own_rows * t'], b.name || ' has one policy, own_rows')
  FROM bound b LEFT JOIN pg_policy p ON p.polrelid = b.oid GROUP BY b.name ORDER BY b.name;
SELECT is(pg_get_expr(p.polqual, p.polrelid), format('(%s = (NULLIF(current_setting(''lazo.org''::text, true), ''''::text))::bigint)',
           CASE b.name WHEN 'organisation' THEN 'id' ELSE 'org_id' END), b.name || ' shows the rows of lazo.org')
  FROM bound b JOIN pg_policy p ON p.polrelid = b.oid ORDER BY b.name;
SELECT col_not_null('lazo', name::name, 'org_id'::name, name || ' says whose each row is') FROM bound WHERE name <> 'organisation' ORDER BY name;
SELECT table_owner_is('lazo', name::name, 'lazo_owner', name || ' is the owner''s') FROM bound ORDER BY name;

SELECT isnt_superuser(r::name, r || ' is no superuser') FROM unnest(ARRAY['lazo_app', 'lazo_owner', 'lazo_directory']) AS r;
SELECT ok(NOT rolbypassrls AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolreplication, rolname || ' has no way around') FROM pg_roles
 WHERE rolname IN ('lazo_app', 'lazo_owner') ORDER BY rolname;
SELECT ok(NOT rolcanlogin, 'nobody logs in as lazo_directory') FROM pg_roles WHERE rolname = 'lazo_directory';
SELECT is_empty($$ SELECT 1 FROM pg_auth_members WHERE member = 'lazo_app'::regrole $$, 'lazo_app can become nobody else');
SELECT is_empty($$ SELECT 1 FROM pg_shdepend WHERE refobjid = 'lazo_app'::regrole AND deptype = 'o' $$, 'lazo_app owns nothing');
SELECT schema_privs_are('lazo', 'lazo_app', ARRAY['USAGE']);
SELECT schema_privs_are('public', 'lazo_app', ARRAY['USAGE']);
SELECT is_empty($$ SELECT name FROM bound WHERE has_table_privilege('lazo_app', oid, 'TRUNCATE, TRIGGER, REFERENCES') $$, 'lazo_app may truncate nothing');
-- What lazo_app may not do to everything: these, and a new table has its line here or all four rights.
SELECT is(rights, CASE name WHEN 'consent' THEN 'SELECT INSERT' WHEN 'consent_head' THEN 'SELECT' WHEN 'consent_merged' THEN 'SELECT' WHEN 'organisation' THEN 'SELECT UPDATE'
                            WHEN 'template_version' THEN 'SELECT INSERT DELETE' WHEN 'erasure' THEN 'SELECT INSERT' WHEN 'audit' THEN 'SELECT INSERT' ELSE 'SELECT INSERT UPDATE DELETE' END, 'what lazo_app may do to ' || name)
  FROM (SELECT name, (SELECT string_agg(r, ' ' ORDER BY ord) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS u(r, ord)
                       WHERE has_table_privilege('lazo_app', oid, r)) AS rights FROM bound) b ORDER BY name;
SELECT table_privs_are('lazo', 'clock', 'lazo_app', ARRAY['SELECT', 'UPDATE']);

-- Functions that run as somebody else.
SELECT is_empty($$ SELECT proname FROM pg_proc WHERE pronamespace = 'lazo'::regnamespace AND prosecdef AND proname NOT IN
    ('jobs_waiting', 'lease_owners', 'leases_held', 'leases_run_out', 'organisation_create', 'organisation_list', 'token_create', 'token_find', 'work_waiting',
     'consent_chains', 'form_open', 'form_requests_purge', 'import_waiting', 'import_files_purge', 'gather_statistics', 'field_history_purge', 'consent_move') $$, 'no other function looks over all organisations');
-- Statistics belong to who owns the tables.
SELECT is(proowner::regrole::text, CASE proname WHEN 'gather_statistics' THEN 'lazo_owner' ELSE 'lazo_directory' END, proname || '() runs as it should') FROM pg_proc
 WHERE pronamespace = 'lazo'::regnamespace AND prosecdef ORDER BY proname;
SELECT ok(proconfig @> ARRAY['search_path=lazo'], proname || '() keeps to the schema') FROM pg_proc
 WHERE pronamespace = 'lazo'::regnamespace AND prosecdef ORDER BY proname;
SELECT is(has_function_privilege('lazo_app', oid, 'EXECUTE'), proname NOT IN ('organisation_create', 'token_create'), 'who may call ' || proname || '()')
  FROM pg_proc WHERE pronamespace = 'lazo'::regnamespace AND prosecdef ORDER BY proname;
SELECT is_empty($$ SELECT proname FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                    WHERE p.pronamespace = 'lazo'::regnamespace AND p.prosecdef AND a.grantee = 0 $$, 'none of them is everybody''s');

SELECT * FROM finish();
ROLLBACK;
