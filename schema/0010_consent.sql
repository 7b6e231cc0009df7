-- 0010 - the ledger of consent as a chain of hashes for each contact; sign-up forms and what waits to be confirmed. See lazo-consent(7).
SET LOCAL search_path = lazo;

-- How much of an address on the network the ledger keeps: nothing, the network (IPv4 /24, IPv6 /48), or all of it.
ALTER TABLE organisation ADD COLUMN keep_ip text NOT NULL DEFAULT 'truncated' CHECK (keep_ip IN ('none', 'truncated', 'full'));

-- What is no address cannot be truncated and is not kept.
CREATE FUNCTION ip_kept(ip text, policy text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE a inet;
BEGIN
    IF ip IS NULL OR policy = 'none' THEN
        RETURN NULL;
    ELSIF policy = 'full' THEN
        RETURN ip;
    END IF;
    a := regexp_replace(ip, '^::ffff:(\d+\.\d+\.\d+\.\d+)$', '\1', 'i')::inet;
    RETURN host(network(set_masklen(a, CASE family(a) WHEN 4 THEN 24 ELSE 48 END)));
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- `n` counts a contact's entries from 1. `request` is what went before a grant that was confirmed: when and from where it was asked for, the Message-ID.
ALTER TABLE consent
    ADD COLUMN version text NOT NULL DEFAULT '' CHECK (length(version) <= 100),
    ADD COLUMN request jsonb CHECK (jsonb_typeof(request) = 'object'),
    ADD COLUMN n bigint,
    ADD COLUMN hash bytea;

-- The end of each chain: what is cut off there is missed. Only the trigger below writes it.
CREATE TABLE consent_head (
    org_id bigint NOT NULL,
    contact_id bigint PRIMARY KEY REFERENCES contact ON DELETE CASCADE,
    n bigint NOT NULL,
    hash bytea NOT NULL
);
ALTER TABLE consent_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE consent_head FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON consent_head USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
GRANT SELECT ON consent_head TO lazo_app;

CREATE FUNCTION instant_us(timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;

-- What stands before the first entry, so that a chain cannot be moved to another contact.
CREATE FUNCTION consent_origin(org_id bigint, contact_id bigint) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT sha256(convert_to('lazo consent ' || org_id || ' ' || contact_id, 'UTF8')) $$;

-- The canonical text of an entry, and its hash over the one before.
CREATE FUNCTION consent_text(c consent, topic text, previous bytea) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_array(encode(previous, 'hex'), c.org_id, c.contact_id, c.n, c.id, topic, c.action, c.purpose, c.wording, c.version, c.language,
               c.source, c.method, c.ip, c.user_agent, lazo.instant_us(c.at), c.request)::text $$;
CREATE FUNCTION consent_hash(c consent, topic text, previous bytea) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT sha256(convert_to(lazo.consent_text(c, topic, previous), 'UTF8')) $$;

-- Whoever inserts, the entry joins the chain. The head's row lets one through after the other. Where lazod writes, the address follows the policy here.
CREATE FUNCTION consent_chains() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = lazo AS $$
DECLARE
    head consent_head;
BEGIN
    IF current_setting('lazo.writer', true) = 'lazod' AND NEW.ip IS NOT NULL THEN
        NEW.ip := ip_kept(NEW.ip, (SELECT keep_ip FROM organisation WHERE id = NEW.org_id));
    END IF;
    INSERT INTO consent_head AS h (org_id, contact_id, n, hash)
    VALUES (NEW.org_id, NEW.contact_id, 0, consent_origin(NEW.org_id, NEW.contact_id))
    ON CONFLICT (contact_id) DO UPDATE SET n = h.n RETURNING * INTO head;
    NEW.n := head.n + 1;
    NEW.hash := consent_hash(NEW, (SELECT name FROM topic WHERE id = NEW.topic_id), head.hash);
    UPDATE consent_head SET n = NEW.n, hash = NEW.hash WHERE contact_id = NEW.contact_id;
    RETURN NEW;
END $$;

-- The entries that are there already, in the order in which they were written.
ALTER TABLE consent NO FORCE ROW LEVEL SECURITY;
ALTER TABLE consent_head NO FORCE ROW LEVEL SECURITY;
ALTER TABLE topic NO FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
    c consent;
    known bigint;
    last bytea;
    place bigint;
BEGIN
    FOR c IN SELECT * FROM consent ORDER BY contact_id, id LOOP
        IF known IS DISTINCT FROM c.contact_id THEN
            known := c.contact_id;
            place := 0;
            last := consent_origin(c.org_id, c.contact_id);
        END IF;
        place := place + 1;
        c.n := place;
        last := consent_hash(c, (SELECT name FROM topic WHERE id = c.topic_id), last);
        UPDATE consent SET n = place, hash = last WHERE contact_id = c.contact_id AND id = c.id;
    END LOOP;
    INSERT INTO consent_head (org_id, contact_id, n, hash)
    SELECT DISTINCT ON (contact_id) org_id, contact_id, n, hash FROM consent ORDER BY contact_id, n DESC;
END $$;
ALTER TABLE consent FORCE ROW LEVEL SECURITY;
ALTER TABLE consent_head FORCE ROW LEVEL SECURITY;
ALTER TABLE topic FORCE ROW LEVEL SECURITY;
ALTER TABLE consent ALTER COLUMN n SET NOT NULL, ALTER COLUMN hash SET NOT NULL;
CREATE UNIQUE INDEX consent_chain ON consent (contact_id, n);

CREATE TRIGGER consent_chains BEFORE INSERT ON consent FOR EACH ROW EXECUTE FUNCTION consent_chains();

-- --- forms ------------------------------------------------------------------------------------------------------------------

CREATE TABLE form (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    title text NOT NULL DEFAULT '',
    fields text[] NOT NULL DEFAULT '{}',        -- of the contact, beside its e-mail: "first_name", "attr.size"
    double_opt_in boolean NOT NULL DEFAULT true,
    template_id int REFERENCES template,
    redirect_to text[] NOT NULL DEFAULT '{}',   -- where a browser may be sent; the first one unless the form says which
    origins text[] NOT NULL DEFAULT '{}',
    purpose text NOT NULL DEFAULT '' CHECK (length(purpose) <= 500),
    wording text NOT NULL CHECK (length(wording) BETWEEN 1 AND 5000),
    version text NOT NULL DEFAULT '' CHECK (length(version) <= 100),
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
    tags text[] NOT NULL DEFAULT '{}',
    honeypot text NOT NULL DEFAULT 'website',   -- a field that people do not see; who fills it is none
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, name),
    CHECK (NOT double_opt_in OR template_id IS NOT NULL)
);
CREATE TABLE form_topic (
    org_id bigint NOT NULL,
    form_id int NOT NULL REFERENCES form ON DELETE CASCADE,
    topic_id int NOT NULL REFERENCES topic,
    PRIMARY KEY (form_id, topic_id)
);
CREATE INDEX form_topic_topic ON form_topic (topic_id);
CREATE INDEX form_template ON form (template_id);

-- A sign-up that waits for its confirmation. The token in the mail is known by its hash alone; `job_id` is that mail.
CREATE TABLE form_request (
    org_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    form_id int NOT NULL REFERENCES form ON DELETE CASCADE,
    hash bytea NOT NULL,
    email text NOT NULL CHECK (length(email) <= 254),
    contact jsonb NOT NULL,                     -- what was said, as POST /v1/contacts takes it
    topics text[] NOT NULL,
    purpose text NOT NULL,
    wording text NOT NULL,
    version text NOT NULL,
    language text NOT NULL,
    source text NOT NULL CHECK (length(source) <= 500),
    ip text,
    user_agent text CHECK (length(user_agent) <= 500),
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    contact_id bigint REFERENCES contact ON DELETE CASCADE,
    confirmed_at timestamptz,
    UNIQUE (org_id, hash)
);
CREATE INDEX form_request_email ON form_request (org_id, email, at);
CREATE INDEX form_request_expires ON form_request (org_id, expires_at);
CREATE INDEX form_request_form ON form_request (form_id);
CREATE INDEX form_request_contact ON form_request (contact_id) WHERE contact_id IS NOT NULL;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['form', 'form_topic', 'form_request'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

CREATE FUNCTION form_doc(f form) RETURNS jsonb LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT jsonb_build_object('name', f.name, 'title', f.title, 'fields', f.fields, 'double_opt_in', f.double_opt_in,
               'topics', (SELECT coalesce(jsonb_agg(t.name ORDER BY t.name), '[]') FROM form_topic l JOIN topic t ON t.id = l.topic_id WHERE l.form_id = f.id),
               'template', (SELECT name FROM template WHERE id = f.template_id),
               'redirect_to', CASE cardinality(f.redirect_to) WHEN 0 THEN 'null' WHEN 1 THEN to_jsonb(f.redirect_to[1]) ELSE to_jsonb(f.redirect_to) END,
               'origins', f.origins, 'purpose', f.purpose, 'wording', f.wording, 'version', f.version, 'language', f.language, 'tags', f.tags,
               'honeypot', f.honeypot, 'updated_at', f.updated_at) $$;

-- A form is asked for before an organisation is known: by the organisation's slug and its own name; without the slug it is the first organisation's.
CREATE FUNCTION form_open(of_slug text, of_name text) RETURNS TABLE (org_id bigint, id int, organisation text, body jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS $$
    SELECT f.org_id, f.id, o.name, form_doc(f) FROM organisation o JOIN form f ON f.org_id = o.id
     WHERE f.name = of_name AND CASE WHEN of_slug IS NULL THEN o.id = (SELECT min(m.id) FROM organisation m) ELSE o.slug = of_slug END $$;

-- What was not confirmed in time goes, with its mail where that still waits and with the address in the history of mail; what was, needs its request no more.
CREATE FUNCTION form_requests_purge(now timestamptz) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
    WITH gone AS (DELETE FROM form_request r WHERE r.expires_at <= form_requests_purge.now RETURNING r.*),
         unsent AS (DELETE FROM job j USING gone g WHERE j.id = g.job_id AND j.org_id = g.org_id AND g.confirmed_at IS NULL AND j.lease IS NULL),
         nameless AS (UPDATE delivery d SET address = NULL FROM gone g WHERE d.org_id = g.org_id AND d.id = g.job_id AND g.confirmed_at IS NULL)
    SELECT count(*) FROM gone $$;

GRANT SELECT ON form, form_topic, topic, template TO lazo_directory;
GRANT SELECT, INSERT, UPDATE ON consent_head TO lazo_directory;
GRANT SELECT, DELETE ON form_request, job TO lazo_directory;
GRANT SELECT, UPDATE ON delivery TO lazo_directory;
GRANT CREATE ON SCHEMA lazo TO lazo_directory;
DO $$
DECLARE f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['form_open(text, text)', 'form_requests_purge(timestamptz)', 'consent_chains()']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lazo_directory', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lazo_app', f);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA lazo FROM lazo_directory;
