-- 0022 - who changed what: users and the use of their tokens, revisions of definitions and writes on a condition, the audit, tasks.
--
-- A table of definitions has the trigger audited('WHAT', 'NAME COLUMN', '{columns that are no definition}'): each change of a row, whoever makes it, leaves a row
-- in `audit` and raises the definition's revision, in the same transaction. lazod says who acts in lazo.actor ('token:ID') and when in lazo.at; and a condition
-- on what it writes (If-Match, If-None-Match) in lazo.guard, which the trigger guarded() holds to.
SET LOCAL search_path = lazo;

-- People who administer. A token may be somebody's: it then may at most what they may, and goes with them.
CREATE TABLE app_user (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[^[:cntrl:]]{1,200}$'),
    email text NOT NULL CHECK (length(email) <= 254),
    role text NOT NULL CHECK (role IN ('owner', 'editor', 'recorder', 'reader')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, email)
);
ALTER TABLE token ADD COLUMN user_id bigint REFERENCES app_user ON DELETE CASCADE, ADD COLUMN last_used_at timestamptz;
CREATE INDEX token_user ON token (user_id);
CREATE INDEX token_list ON token (org_id, id);

-- How often a definition was changed, and last when and by whom. A definition that was never changed since this table is there has no row: it is at 1.
CREATE TABLE revision (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    what text NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (org_id, what, name)
);

-- Append-only. `detail`: of a change {"column": [was, became]}, of a deletion what was there; long texts are cut, secrets left out.
CREATE TABLE audit (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    by text NOT NULL,                 -- the token's name, 'lazod', or 'psql' with the session's user
    token_id bigint,
    user_name text,                   -- whose token it was
    action text NOT NULL CHECK (length(action) <= 40),
    what text NOT NULL,
    name text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (org_id, id)
);
CREATE INDEX audit_what ON audit (org_id, what, name, id);

-- What somebody is to do about a contact.
CREATE TABLE task (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 5000),
    due_on date,
    user_id bigint REFERENCES app_user ON DELETE SET NULL,
    made_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    done_at timestamptz,
    done_by text,
    PRIMARY KEY (contact_id, id)
);
CREATE INDEX task_list ON task (org_id, id);
CREATE INDEX task_open ON task (org_id, id) WHERE done_at IS NULL;
CREATE INDEX task_user ON task (user_id) WHERE user_id IS NOT NULL;

CREATE FUNCTION task_doc(t task) RETURNS json LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('id', t.id, 'contact', t.contact_id, 'title', t.title, 'note', t.note, 'due_on', t.due_on, 'user', t.user_id, 'made_by', t.made_by,
        'created_at', t.created_at, 'updated_at', t.updated_at, 'done', t.done_at IS NOT NULL, 'done_at', t.done_at, 'done_by', t.done_by) $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['app_user', 'revision', 'audit', 'task'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON audit FROM lazo_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

-- The address of somebody who gets no mail is not kept beside who suppressed it: this stands for it.
CREATE FUNCTION audit_address(email text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT 'sha256:' || left(encode(sha256(convert_to(email, 'UTF8')), 'hex'), 24) $$;

-- When lazod says that it is; for strangers the clock.
CREATE FUNCTION acting_at() RETURNS timestamptz LANGUAGE sql STABLE SET search_path = lazo AS
$$ SELECT coalesce(nullif(current_setting('lazo.at', true), '')::timestamptz, clock_now()) $$;

CREATE FUNCTION acting_token() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT substring(current_setting('lazo.actor', true) FROM '^token:([0-9]+)$')::bigint $$;

CREATE FUNCTION acting_name(org bigint) RETURNS text LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT coalesce((SELECT t.name FROM token t WHERE t.id = acting_token() AND t.org_id = org), nullif(current_setting('lazo.actor', true), ''),
                    CASE WHEN current_setting('lazo.writer', true) = 'lazod' THEN 'lazod' ELSE 'psql ' || session_user END) $$;

CREATE FUNCTION audit_note(org bigint, act text, what text, name text, detail jsonb) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO audit (org_id, at, by, token_id, user_name, action, what, name, detail)
    SELECT org, acting_at(), acting_name(org), acting_token(),
           (SELECT u.name FROM token t JOIN app_user u ON u.id = t.user_id WHERE t.id = acting_token() AND t.org_id = org), act, what, name, detail
      -- What goes with its organisation leaves nothing.
     WHERE EXISTS (SELECT FROM organisation o WHERE o.id = org) $$;

CREATE FUNCTION revision_raise(org bigint, of text, called text, first boolean) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    INSERT INTO revision AS r (org_id, what, name, version, changed_at, changed_by)
    SELECT org, of, called, CASE WHEN first THEN 1 ELSE 2 END, acting_at(), acting_name(org) WHERE EXISTS (SELECT FROM organisation o WHERE o.id = org)
    ON CONFLICT (org_id, what, name) DO UPDATE SET version = r.version + 1, changed_at = excluded.changed_at, changed_by = excluded.changed_by $$;

CREATE FUNCTION etag(of text, called text) RETURNS text LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT of || '-' || coalesce((SELECT r.version FROM revision r WHERE r.org_id = current_org() AND r.what = of AND r.name = called), 1) $$;

-- Long texts are cut: the audit tells what was changed, it is no archive.
CREATE FUNCTION audit_value(v jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(v::text) > 2000 THEN to_jsonb(left(v::text, 2000) || '…') ELSE v END $$;

-- $1 what it is, $2 the column of its name ('' : it has none), $3 columns that are no part of the definition.
CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    hidden constant text[] := TG_ARGV[2]::text[] || '{id,org_id,hash,secret,created_at,updated_at}';
    was constant jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden END;
    became constant jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden END;
    whole constant jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    org constant bigint := CASE TG_ARGV[0] WHEN 'organisation' THEN whole ->> 'id' ELSE whole ->> 'org_id' END;
    named constant text := coalesce(whole ->> TG_ARGV[1], '');
    detail jsonb := '{}';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(n.key, jsonb_build_array(audit_value(was -> n.key), audit_value(n.value))) INTO detail
          FROM jsonb_each(became) n WHERE n.value IS DISTINCT FROM was -> n.key;
        IF detail IS NULL THEN
            RETURN NULL;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT coalesce(jsonb_object_agg(o.key, audit_value(o.value)), '{}') INTO detail FROM jsonb_each(was) o WHERE o.value <> 'null';
    END IF;
    PERFORM revision_raise(org, TG_ARGV[0], named, TG_OP = 'INSERT');
    PERFORM audit_note(org, CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'deleted' ELSE 'changed' END, TG_ARGV[0], named, detail);
    RETURN NULL;
END $$;

-- Holds a write to lazo.guard: {"what", "name", "match"?, "none"?}, each "*" or an array of ETags. $1, $2 as those of audited(). A campaign is also called by its
-- id. Fires before the write, when the row is locked: what it reads is what is there.
CREATE FUNCTION guarded() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    guard constant jsonb := current_setting('lazo.guard')::jsonb;
    whole constant jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    named constant text := coalesce(whole ->> TG_ARGV[1], '');
    present boolean := TG_OP <> 'INSERT';
    tag text;
    last record;
BEGIN
    IF guard ->> 'what' <> TG_ARGV[0] OR (guard ->> 'name' <> named AND NOT (TG_ARGV[0] IN ('campaign', 'contact') AND guard ->> 'name' = whole ->> 'id')) THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    IF NOT present THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE org_id = current_org() AND %I::text = $1)', TG_TABLE_NAME, TG_ARGV[1]) INTO present USING named;
    END IF;
    IF TG_ARGV[0] = 'contact' THEN
        SELECT contact_etag(c) INTO tag FROM contact c WHERE c.id = (whole ->> 'id')::bigint;
    ELSE
        tag := etag(TG_ARGV[0], named);
    END IF;
    IF guard ? 'match' AND NOT (present AND (guard -> 'match' = '"*"' OR guard -> 'match' ? tag)) THEN
        IF NOT present THEN
            RAISE EXCEPTION 'there is no such %', TG_ARGV[0] USING ERRCODE = 'LZ412';
        END IF;
        SELECT r.changed_at, r.changed_by INTO last FROM revision r WHERE r.org_id = current_org() AND r.what = TG_ARGV[0] AND r.name = named;
        RAISE EXCEPTION '%', 'somebody changed it meanwhile' || CASE WHEN FOUND
            THEN format(': %s, at %s', last.changed_by, to_char(last.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ELSE '' END
            || format('; it is now "%s"', tag) USING ERRCODE = 'LZ412';
    END IF;
    IF guard ? 'none' AND present AND (guard -> 'none' = '"*"' OR guard -> 'none' ? tag) THEN
        RAISE EXCEPTION 'there is such a % already', TG_ARGV[0] USING ERRCODE = 'LZ412';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;

-- A contact has no counter: what is known of it lies in many rows. Its ETag is that of its document.
CREATE FUNCTION contact_etag(c contact) RETURNS text LANGUAGE sql STABLE SET search_path = lazo AS $$ SELECT md5(contact_doc(c)::text) $$;

-- What hangs on a definition, and acts of people upon contacts.
CREATE FUNCTION audited_part() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    whole constant jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    org constant bigint := whole ->> 'org_id';
    act constant text := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'deleted' ELSE 'changed' END;
    owner text;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'template_version' THEN
        SELECT t.name INTO owner FROM template t WHERE t.id = (whole ->> 'template_id')::int;
        PERFORM revision_raise(org, 'template', owner, false);
        PERFORM audit_note(org, 'changed', 'template', owner, jsonb_build_object('language', whole ->> 'language', 'version', whole -> 'id'));
    WHEN 'form_topic' THEN
        -- Its topics go with a form that is deleted.
        SELECT f.name INTO owner FROM form f WHERE f.id = (whole ->> 'form_id')::int;
        IF owner IS NOT NULL THEN
            PERFORM revision_raise(org, 'form', owner, false);
        END IF;
    WHEN 'segment_exception' THEN
        -- It goes with its segment and with its contact.
        SELECT s.name INTO owner FROM segment s, contact c WHERE s.id = (whole ->> 'segment_id')::int AND c.id = (whole ->> 'contact_id')::bigint;
        IF owner IS NOT NULL THEN
            PERFORM audit_note(org, act, 'exception', owner || '/' || (whole ->> 'contact_id'), jsonb_build_object('mode', whole -> 'mode'));
        END IF;
    WHEN 'task' THEN
        -- What it says may be personal: it is not told.
        PERFORM revision_raise(org, 'task', whole ->> 'id', TG_OP = 'INSERT');
        PERFORM audit_note(org, act, 'task', whole ->> 'id', jsonb_build_object('contact', whole -> 'contact_id'));
    WHEN 'suppression' THEN
        PERFORM audit_note(org, act, 'suppression', audit_address(whole ->> 'email'), jsonb_build_object('reason', whole -> 'reason'));
    WHEN 'currency_rate' THEN
        PERFORM audit_note(org, act, 'rate', (whole ->> 'currency') || '/' || (whole ->> 'valid_on'), jsonb_build_object('rate', whole -> 'rate'));
    WHEN 'contact' THEN
        PERFORM audit_note(org, act, 'contact', whole ->> 'id', '{}');
    END CASE;
    RETURN NULL;
END $$;

DO $$
DECLARE
    t record;
    acted constant text := 'WHEN (current_setting(''lazo.actor'', true) <> '''')';
    held constant text := 'WHEN (current_setting(''lazo.guard'', true) <> '''')';
BEGIN
    FOR t IN SELECT * FROM (VALUES
        ('organisation', 'organisation', '', '{}'), ('segment', 'segment', 'name', '{stale}'),
        ('rfm_model', 'model', 'name', '{stale,scored_at,recency_breaks,frequency_breaks,monetary_breaks}'),
        ('template', 'template', 'name', '{}'), ('campaign', 'campaign', 'name', '{expanded_to,audience,started_at,finished_at}'),
        ('journey', 'journey', 'name', '{version}'), ('webhook', 'webhook', 'name', '{failing_since}'), ('form', 'form', 'name', '{}'),
        ('topic', 'topic', 'name', '{}'), ('field', 'field', 'name', '{}'), ('app_user', 'user', 'id', '{}'), ('token', 'token', 'id', '{last_used_at}')) AS v(tab, what, named, hidden) LOOP
        EXECUTE format('CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audited(%L, %L, %L)',
            t.tab, t.what, t.named, t.hidden);
        EXECUTE format('CREATE TRIGGER guarded BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW %s EXECUTE FUNCTION guarded(%L, %L)',
            t.tab, held, t.what, t.named);
    END LOOP;
    FOR t IN SELECT * FROM (VALUES ('contact'), ('task')) AS v(tab) LOOP
        EXECUTE format('CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON %1$I FOR EACH ROW %2$s EXECUTE FUNCTION guarded(%1$L, ''id'')', t.tab, held);
    END LOOP;
    FOR t IN SELECT * FROM (VALUES ('template_version', 'INSERT', ''), ('form_topic', 'INSERT OR DELETE', ''), ('segment_exception', 'INSERT OR UPDATE OR DELETE', acted),
                                   ('suppression', 'INSERT OR DELETE', acted), ('task', 'INSERT OR UPDATE OR DELETE', ''),
                                   ('currency_rate', 'INSERT OR UPDATE OR DELETE', ''),
                                   ('contact', 'DELETE', acted)) AS v(tab, events, wanted) LOOP
        EXECUTE format('CREATE TRIGGER audited AFTER %s ON %I FOR EACH ROW %s EXECUTE FUNCTION audited_part()', t.events, t.tab, t.wanted);
    END LOOP;
END $$;

-- Who asks: the least of what the token and its user may; and that the token was used, told to the minute.
GRANT SELECT ON app_user TO lazo_directory;
GRANT SELECT, INSERT, UPDATE ON revision TO lazo_directory;
GRANT INSERT ON audit TO lazo_directory;
GRANT UPDATE (last_used_at) ON token TO lazo_directory;
GRANT CREATE ON SCHEMA lazo TO lazo_directory;
DROP FUNCTION token_find(bytea);
CREATE FUNCTION token_find(token_hash bytea, now timestamptz) RETURNS TABLE (org_id bigint, token_id bigint, role text)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
    UPDATE token t SET last_used_at = token_find.now
     WHERE t.hash = token_hash AND (t.last_used_at IS NULL OR t.last_used_at < token_find.now - interval '1 minute');
    SELECT t.org_id, t.id, CASE WHEN array_position('{reader,recorder,editor,owner}', u.role) < array_position('{reader,recorder,editor,owner}', t.role)
                                THEN u.role ELSE t.role END
      FROM token t LEFT JOIN app_user u ON u.id = t.user_id WHERE t.hash = token_hash $$;
ALTER FUNCTION token_find(bytea, timestamptz) OWNER TO lazo_directory;
REVOKE ALL ON FUNCTION token_find(bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION token_find(bytea, timestamptz) TO lazo_app;
REVOKE CREATE ON SCHEMA lazo FROM lazo_directory;
CREATE TRIGGER definition_told AFTER UPDATE OF role ON app_user FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
