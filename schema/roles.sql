-- roles.sql - the three roles of a Lazo database. Run by a superuser, with `lazoctl migrate --roles`; running it again changes nothing.
--
-- lazo_owner      owns schema and tables, applies migrations. Row-level security binds it too (FORCE).
-- lazo_app        what lazod logs in as. Owns nothing, cannot bypass row-level security, cannot set another role.
-- lazo_directory  nobody logs in as it. Owns the few functions that must look over all organisations
--                 (which organisation has this token, which have work waiting) and for that alone bypasses it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lazo_owner') THEN
        CREATE ROLE lazo_owner LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lazo_app') THEN
        CREATE ROLE lazo_app LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lazo_directory') THEN
        CREATE ROLE lazo_directory NOLOGIN NOSUPERUSER BYPASSRLS;
    END IF;
END $$;
ALTER ROLE lazo_owner NOSUPERUSER NOBYPASSRLS;
ALTER ROLE lazo_app NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
-- The owner hands functions over to lazo_directory, so it must be its member.
GRANT lazo_directory TO lazo_owner;
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO lazo_app, lazo_owner', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO lazo_owner', current_database());
END $$;
-- lazod pipelines SET LOCAL with each statement, as one implicit transaction. The server warns of that each time, needlessly.
ALTER ROLE lazo_app SET log_min_messages = error;
