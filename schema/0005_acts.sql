-- 0005 - what Lazo does: templates, campaigns, journeys, webhooks; the job queue and its history.
SET LOCAL search_path = lazo;

CREATE TABLE template (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    UNIQUE (org_id, name)
);
-- A version of a template in one language. Never changed: a mail names the version that it was made of.
CREATE TABLE template_version (
    org_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    template_id int NOT NULL REFERENCES template ON DELETE CASCADE,
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
    subject text NOT NULL,
    html text NOT NULL,
    text text NOT NULL,
    current boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX template_version_current ON template_version (template_id, language) WHERE current;

CREATE TABLE campaign (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[^[:cntrl:]/]{1,100}$'),
    template_id int NOT NULL REFERENCES template,
    segment_id int REFERENCES segment,
    rule text,
    topic_id int NOT NULL REFERENCES topic,
    start_at timestamptz,      -- null: when somebody starts it
    data jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'draft'
        CHECK (state IN ('draft', 'scheduled', 'expanding', 'running', 'paused', 'finished', 'cancelled')),
    -- How far the audience has been made into jobs: contacts up to this id.
    expanded_to bigint NOT NULL DEFAULT 0,
    audience int,
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, name),
    CHECK ((segment_id IS NULL) <> (rule IS NULL))
);
-- The members at the campaign's start.
CREATE TABLE campaign_audience (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    campaign_id bigint NOT NULL REFERENCES campaign ON DELETE CASCADE,
    PRIMARY KEY (contact_id, campaign_id)
);
CREATE INDEX campaign_audience_next ON campaign_audience (org_id, campaign_id, contact_id);

CREATE TABLE journey (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    version int NOT NULL DEFAULT 1,
    enabled boolean NOT NULL DEFAULT false,
    definition jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, name)
);
-- Earlier versions stay as long as somebody stands in them.
CREATE TABLE journey_version (
    org_id bigint NOT NULL,
    journey_id int NOT NULL REFERENCES journey ON DELETE CASCADE,
    version int NOT NULL,
    definition jsonb NOT NULL,
    PRIMARY KEY (journey_id, version)
);
-- Where a contact stands. `entry` tells one passage from the next (an interaction's id, a year, an instant): it makes starting twice harmless.
CREATE TABLE journey_position (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    journey_id int NOT NULL REFERENCES journey ON DELETE CASCADE,
    entry text NOT NULL,
    version int NOT NULL,
    step int NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN ('waiting', 'finished', 'left')),
    wake_at timestamptz,
    interaction_id bigint,
    entered_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (contact_id, journey_id, entry),
    CHECK ((state = 'waiting') = (wake_at IS NOT NULL))
);
CREATE INDEX journey_position_due ON journey_position (org_id, wake_at) WHERE state = 'waiting';
CREATE INDEX journey_position_runs ON journey_position (org_id, journey_id, entered_at);

-- What step 2 leaves for step 3: interactions that a journey or a webhook may begin with. A queue like the change log.
CREATE TABLE cue (
    org_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    interaction_id bigint NOT NULL,
    kind_id int NOT NULL
);
CREATE INDEX cue_next ON cue (org_id, id);

CREATE TABLE webhook (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    url text NOT NULL CHECK (length(url) <= 2000),
    secret bytea NOT NULL CHECK (length(secret) BETWEEN 24 AND 64),
    events text[] NOT NULL DEFAULT '{}',   -- kinds that call it by themselves; journeys call it by name
    rule text,
    enabled boolean NOT NULL DEFAULT true,
    failing_since timestamptz,
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, name)
);

-- The queue. A lease moves run_at to infinity and says who has it, until when on the machine's own clock
-- (a simulated clock must not end leases); completion deletes the row and writes history in the same statement.
CREATE TABLE job (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class smallint NOT NULL CHECK (class BETWEEN 0 AND 2),  -- 0 transactional, 1 journey, 2 campaign
    sort text NOT NULL CHECK (sort IN ('mail', 'hook')),
    run_at timestamptz NOT NULL,
    contact_id bigint REFERENCES contact ON DELETE CASCADE,
    key text NOT NULL,
    template_id int REFERENCES template ON DELETE CASCADE,
    webhook_id int REFERENCES webhook ON DELETE CASCADE,
    topic_id int REFERENCES topic ON DELETE CASCADE,
    campaign_id bigint REFERENCES campaign ON DELETE CASCADE,
    journey_id int REFERENCES journey ON DELETE CASCADE,
    interaction_id bigint,
    to_email text,                       -- a transactional mail to an address that is no contact's
    data jsonb NOT NULL DEFAULT '{}',
    attempt int NOT NULL DEFAULT 0,
    first_at timestamptz NOT NULL,
    template_version_id bigint,          -- chosen at the first lease, kept over retries; so is the address
    address text,
    lease bigint,                        -- what a result must name
    worker text,
    leased_until timestamptz,
    CHECK ((lease IS NULL) = (worker IS NULL) AND (lease IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX job_next ON job (sort, class, run_at, id);
CREATE INDEX job_leased ON job (worker) WHERE lease IS NOT NULL;
CREATE UNIQUE INDEX job_lease_key ON job (lease) WHERE lease IS NOT NULL;
CREATE INDEX job_campaign ON job (campaign_id) WHERE campaign_id IS NOT NULL;
ALTER TABLE job SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE SEQUENCE job_lease;

-- Every act has a key; here it stays when the job is gone, so that the act is never made twice.
CREATE TABLE job_key (
    org_id bigint NOT NULL,
    key text NOT NULL CHECK (length(key) <= 300),
    job_id bigint NOT NULL,
    PRIMARY KEY (org_id, key)
);

-- What became of each job.
CREATE TABLE delivery (
    org_id bigint NOT NULL,
    id bigint NOT NULL,                  -- the job's id
    contact_id bigint,
    sort text NOT NULL CHECK (sort IN ('mail', 'hook')),
    state text NOT NULL CHECK (state IN ('sent', 'failed', 'uncertain', 'suppressed', 'not_subscribed', 'cancelled')),
    key text NOT NULL,
    template_id int,
    template_version_id bigint,
    webhook_id int,
    campaign_id bigint,
    journey_id int,
    interaction_id bigint,
    topic_id int,
    message_id text,
    address text,
    data jsonb NOT NULL DEFAULT '{}',    -- what the job brought, to send it again
    attempt int NOT NULL,
    status text NOT NULL DEFAULT '',     -- the relay's or endpoint's answer
    made_at timestamptz NOT NULL,
    done_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX delivery_contact ON delivery (contact_id, done_at);
CREATE INDEX delivery_campaign ON delivery (org_id, campaign_id, state) WHERE campaign_id IS NOT NULL;
CREATE INDEX delivery_state ON delivery (org_id, state, done_at);

-- A mail's Message-ID: the same on every retry, since the job and when it was first asked for say it all.
CREATE FUNCTION message_id(org_id bigint, job_id bigint, first_at timestamptz, mail_from text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT '<' || to_hex(org_id) || '.' || to_hex(job_id) || '.' || to_hex((extract(epoch FROM first_at) * 1000000)::bigint) || '@'
       || coalesce(nullif(split_part(mail_from, '@', 2), ''), 'localhost') || '>' $$;
