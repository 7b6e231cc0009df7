-- 0004 - what is computed: segments and membership, RFM models and scores.
SET LOCAL search_path = lazo;

CREATE TABLE segment (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[^[:cntrl:]/]{1,100}$'),
    title text NOT NULL DEFAULT '',
    kind text NOT NULL CHECK (kind IN ('dynamic', 'fixed')),
    rule text,
    -- A dynamic segment is evaluated in full once after each change of its rule; until then it is stale.
    stale boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, name),
    CHECK ((kind = 'dynamic') = (rule IS NOT NULL))
);

CREATE TABLE membership (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    segment_id int NOT NULL REFERENCES segment ON DELETE CASCADE,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, segment_id)
);
CREATE INDEX membership_members ON membership (org_id, segment_id, contact_id);

CREATE TABLE rfm_model (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    kinds text[] NOT NULL CHECK (cardinality(kinds) BETWEEN 1 AND 20),
    look_back text CHECK (look_back ~ '^[0-9]{1,4} (day|week|month|year)s?$'),
    scoring text NOT NULL DEFAULT 'quantile' CHECK (scoring IN ('quantile', 'fixed')),
    classes smallint NOT NULL DEFAULT 5 CHECK (classes BETWEEN 3 AND 10),
    integer_bins boolean NOT NULL DEFAULT false,
    -- Ordered boxes {"label", "r": [lo, hi], "f": [lo, hi], "m": [lo, hi]}: the first that holds gives the label.
    labels jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(labels) = 'array'),
    -- classes - 1 ascending inner breaks each: recency in whole days, count, amount in minor units.
    recency_breaks double precision[],
    frequency_breaks double precision[],
    monetary_breaks double precision[],
    scored_at timestamptz,
    stale boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE rfm_score (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    model_id int NOT NULL REFERENCES rfm_model ON DELETE CASCADE,
    last_on date NOT NULL,            -- day of the last one, in the organisation's time zone
    frequency int NOT NULL,
    monetary bigint NOT NULL,
    r smallint NOT NULL,
    f smallint NOT NULL,
    m smallint NOT NULL,
    label text NOT NULL DEFAULT '',
    label_fold text NOT NULL GENERATED ALWAYS AS (fold(label)) STORED,
    scored_at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, model_id)
);
CREATE INDEX rfm_score_label ON rfm_score (org_id, model_id, label_fold, contact_id);
