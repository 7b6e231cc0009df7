-- 0012 - exceptions to dynamic segments, made by hand, and who belonged to a segment in the past.
SET LOCAL search_path = lazo;

-- Always in or never in, whatever the rule says.
CREATE TABLE segment_exception (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    segment_id int NOT NULL REFERENCES segment ON DELETE CASCADE,
    mode text NOT NULL CHECK (mode IN ('in', 'out')),
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    made_by text NOT NULL DEFAULT '',   -- name of the token
    made_at timestamptz NOT NULL DEFAULT clock_now(),
    PRIMARY KEY (contact_id, segment_id)
);
CREATE INDEX segment_exception_list ON segment_exception (org_id, segment_id, contact_id);

-- A membership that is over. One that lasts stands in `membership` alone, since when included; so the first members of a new rule cost nothing here.
CREATE TABLE membership_past (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    segment_id int NOT NULL REFERENCES segment ON DELETE CASCADE,
    entered_at timestamptz NOT NULL,
    left_at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, id)
);
CREATE INDEX membership_past_segment ON membership_past (org_id, segment_id, contact_id) INCLUDE (entered_at, left_at);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['segment_exception', 'membership_past'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', name);
    END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

CREATE TRIGGER change_insert AFTER INSERT ON segment_exception REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION change_of_row('segment');
CREATE TRIGGER change_update AFTER UPDATE ON segment_exception REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION change_of_row('segment');
CREATE TRIGGER change_delete AFTER DELETE ON segment_exception REFERENCING OLD TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION change_of_row('segment');
