-- 0001 - the ground: schema, helper functions, organisations, tokens, clock.
-- Rules of the schema: see schema/README.md.

CREATE SCHEMA lazo AUTHORIZATION lazo_owner;
GRANT USAGE ON SCHEMA lazo TO lazo_app;
GRANT USAGE, CREATE ON SCHEMA lazo TO lazo_directory;
SET LOCAL search_path = lazo;

-- The clock of the instance. lazod reads it at start; a simulated clock runs on from `offset_us` beside the machine's.
CREATE TABLE clock (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    simulated boolean NOT NULL DEFAULT false,
    offset_us bigint NOT NULL DEFAULT 0
);
INSERT INTO clock DEFAULT VALUES;
GRANT SELECT, UPDATE ON clock TO lazo_app;

-- The one place in SQL that asks the machine's clock; for rows that strangers insert without a time.
CREATE FUNCTION clock_now() RETURNS timestamptz LANGUAGE sql STABLE
    SET search_path = lazo AS
$$ SELECT statement_timestamp() + offset_us * interval '1 microsecond' FROM clock $$;

-- Text as it is compared and searched: lower case, no accents. The one place that says so.
CREATE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT lower(regexp_replace(normalize($1, NFD), '[\u0300-\u036f]', '', 'g') COLLATE "und-x-icu") COLLATE "C" $$;

-- The organisation whose rows this transaction may see: SET LOCAL lazo.org = '1'.
CREATE FUNCTION current_org() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('lazo.org', true), '')::bigint $$;

-- Whether the database knows a time zone of this name.
CREATE FUNCTION zone_known(name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    PERFORM timestamp '2000-01-01' AT TIME ZONE name;
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END $$;

CREATE TABLE organisation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    time_zone text NOT NULL DEFAULT 'Europe/Madrid' CHECK (zone_known(time_zone)),
    language text NOT NULL DEFAULT 'es',
    currency text NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    leap_birthday text NOT NULL DEFAULT '02-28' CHECK (leap_birthday IN ('02-28', '03-01')),
    mail_from text NOT NULL DEFAULT 'lazo@localhost',
    mail_from_name text NOT NULL DEFAULT '',
    mail_reply_to text,
    postal_address text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_now()
);

CREATE TABLE token (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,            -- SHA-256 of the token; the token itself is nowhere
    name text NOT NULL,
    role text NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'editor', 'recorder', 'reader')),
    created_at timestamptz NOT NULL DEFAULT clock_now()
);

CREATE TABLE kind (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[^[:cntrl:]]{1,80}$'),
    UNIQUE (org_id, name)
);

-- Kinds that the engine itself records exist in every organisation from the start.
CREATE FUNCTION organisation_kinds() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    PERFORM set_config('lazo.org', NEW.id::text, true);
    INSERT INTO kind (org_id, name)
    SELECT NEW.id, unnest(ARRAY['email_sent', 'email_opened', 'email_clicked', 'email_bounced', 'email_complained',
        'email_received', 'unsubscribed', 'subscribed', 'signup', 'segment_entered', 'segment_left', 'webhook_failed']);
    RETURN NEW;
END $$;
CREATE TRIGGER organisation_kinds AFTER INSERT ON organisation
    FOR EACH ROW EXECUTE FUNCTION organisation_kinds();
