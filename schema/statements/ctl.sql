-- ctl.sql - what lazoctl asks the database directly: migrating, and what exists before there is a token.
-- Run as lazo_owner or, where a statement says so, as a superuser; never by lazod.

-- name: ctl_migration_lock
SELECT pg_advisory_lock(hashtext('lazo_migration'))

-- name: ctl_migration_table
CREATE TABLE IF NOT EXISTS public.lazo_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL
)

-- name: ctl_migration_list
SELECT name, checksum FROM public.lazo_migration ORDER BY name

-- name: ctl_migration_record
INSERT INTO public.lazo_migration (name, checksum, applied_at) VALUES ($1::text, $2::text, $3::timestamptz)

-- name: ctl_migration_rights
-- As a superuser, after roles.sql: the owner keeps the table of migrations in public.
GRANT USAGE, CREATE ON SCHEMA public TO lazo_owner

-- name: ctl_become_owner
SET ROLE lazo_owner

-- name: ctl_database_find
SELECT 1 AS found FROM pg_database WHERE datname = 'lazo'

-- name: ctl_database_create
CREATE DATABASE lazo

-- name: ctl_organisation_find
SELECT id FROM lazo.organisation_list() WHERE slug = $1::text

-- name: ctl_organisation_create
SELECT lazo.organisation_create($1::text, $2::text, $3::text, $4::text, $5::text) AS id

-- name: ctl_token_create
SELECT lazo.token_create($1::bigint, $2::text, $3::text, $4::bytea) AS id

-- name: ctl_clock_simulate
-- Only the first time: a clock that is simulated already goes on as it was.
UPDATE lazo.clock SET simulated = true, offset_us = $1::bigint WHERE NOT simulated
