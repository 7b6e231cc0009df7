-- 0006 - isolation: row-level security on every table of an organisation, the application's rights, the directory's functions.
SET LOCAL search_path = lazo;

DO $$
DECLARE t record;
BEGIN
    FOR t IN SELECT c.relname AS name, a.attname AS org
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'lazo'::regnamespace AND c.relkind = 'r'
                AND (a.attname = 'org_id' OR (c.relname = 'organisation' AND a.attname = 'id')) LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t.name);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (%I = nullif(current_setting(''lazo.org'', true), '''')::bigint)',
            t.name, t.org);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t.name);
    END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;
REVOKE INSERT, DELETE ON organisation FROM lazo_app;
REVOKE UPDATE, DELETE ON consent FROM lazo_app;
REVOKE UPDATE ON template_version FROM lazo_app;
GRANT UPDATE (current) ON template_version TO lazo_app;

-- The directory: what must be asked before an organisation is known, or over all of them.
GRANT SELECT ON organisation, token, change, cue, wake, job, segment, rfm_model, campaign, journey_position, clock TO lazo_directory;
GRANT INSERT ON organisation, token, kind TO lazo_directory;

CREATE FUNCTION token_find(token_hash bytea) RETURNS TABLE (org_id bigint, token_id bigint, role text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS
$$ SELECT t.org_id, t.id, t.role FROM token t WHERE t.hash = token_hash $$;

CREATE FUNCTION organisation_list() RETURNS TABLE (id bigint, slug text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS
$$ SELECT o.id, o.slug FROM organisation o ORDER BY o.id $$;

-- Which organisations have something to do at `at`, and what.
CREATE FUNCTION work_waiting(at timestamptz)
    RETURNS TABLE (org_id bigint, changes boolean, wakes boolean, stale boolean, cues boolean, positions boolean,
                   campaigns boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS $$
    SELECT w.* FROM (
        SELECT o.id,
               EXISTS (SELECT FROM change c WHERE c.org_id = o.id) AS changes,
               EXISTS (SELECT FROM wake k WHERE k.org_id = o.id AND k.at <= work_waiting.at) AS wakes,
               EXISTS (SELECT FROM segment s WHERE s.org_id = o.id AND s.stale AND s.kind = 'dynamic')
                   OR EXISTS (SELECT FROM rfm_model m WHERE m.org_id = o.id AND (m.stale OR m.scored_at IS NULL
                          OR m.scored_at <= work_waiting.at - interval '1 day')) AS stale,
               EXISTS (SELECT FROM cue u WHERE u.org_id = o.id) AS cues,
               EXISTS (SELECT FROM journey_position p WHERE p.org_id = o.id AND p.state = 'waiting'
                          AND p.wake_at <= work_waiting.at) AS positions,
               EXISTS (SELECT FROM campaign g WHERE g.org_id = o.id AND (g.state IN ('expanding', 'running')
                          OR (g.state = 'scheduled' AND g.start_at <= work_waiting.at))) AS campaigns
          FROM organisation o) w
     WHERE w.changes OR w.wakes OR w.stale OR w.cues OR w.positions OR w.campaigns
     ORDER BY w.id $$;

-- Which organisations have jobs to lease, by sort and class; and who holds leases that have run out on the machine's clock.
CREATE FUNCTION jobs_waiting(at timestamptz) RETURNS TABLE (org_id bigint, sort text, class smallint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS $$
    SELECT o.id, s.sort, k.class
      FROM organisation o, (VALUES ('mail'), ('hook')) AS s(sort), (VALUES (0::smallint), (1::smallint), (2::smallint)) AS k(class)
     WHERE EXISTS (SELECT FROM job j WHERE j.sort = s.sort AND j.class = k.class AND j.run_at <= at AND j.org_id = o.id)
     ORDER BY k.class, o.id $$;

CREATE FUNCTION leases_held(of_worker text) RETURNS TABLE (org_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS
$$ SELECT DISTINCT j.org_id FROM job j WHERE j.worker = of_worker AND j.lease IS NOT NULL $$;

CREATE FUNCTION lease_owners(leases bigint[]) RETURNS TABLE (org_id bigint, lease bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS
$$ SELECT j.org_id, j.lease FROM job j WHERE j.lease = ANY (leases) ORDER BY 1 $$;

CREATE FUNCTION leases_run_out(real_now timestamptz) RETURNS TABLE (org_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS
$$ SELECT DISTINCT j.org_id FROM job j WHERE j.lease IS NOT NULL AND j.leased_until <= real_now $$;

-- Making an organisation and its tokens is the administrator's work (lazoctl), not the application's.
CREATE FUNCTION organisation_create(slug text, name text, time_zone text, language text, currency text) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
    INSERT INTO organisation (slug, name, time_zone, language, currency)
    VALUES (slug, name, time_zone, language, currency) RETURNING id $$;
CREATE FUNCTION token_create(org_id bigint, name text, role text, hash bytea) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
    INSERT INTO token (org_id, name, role, hash) VALUES (org_id, name, role, hash) RETURNING id $$;

DO $$
DECLARE f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['token_find(bytea)', 'organisation_list()', 'work_waiting(timestamptz)',
                             'jobs_waiting(timestamptz)', 'leases_held(text)', 'lease_owners(bigint[])', 'leases_run_out(timestamptz)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lazo_directory', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lazo_app', f);
    END LOOP;
END $$;
DO $$
DECLARE f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['organisation_create(text, text, text, text, text)', 'token_create(bigint, text, text, bytea)']::regprocedure[] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO lazo_directory', f);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA lazo FROM lazo_directory;
