-- 0025 - RFM that lives: how money counts, when breaks are computed anew, what scores were, labels that change.
SET LOCAL search_path = lazo;

ALTER TABLE rfm_model
    ADD COLUMN monetary text NOT NULL DEFAULT 'sum' CHECK (monetary IN ('sum', 'average', 'largest')),
    ADD COLUMN recompute text NOT NULL DEFAULT 'day' CHECK (recompute IN ('day', 'week', 'month', 'never')),
    -- When breaks and scores are next computed in full; null: not by schedule. scored_at is null until a new or edited model was scored.
    ADD COLUMN due_at timestamptz,
    -- Who was scored then, and a sum of their facts that tells whether they are still the same: lazoctl check.
    ADD COLUMN population bigint,
    ADD COLUMN fingerprint bigint;

-- None of these is the definition's.
DROP TRIGGER audited ON rfm_model;
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON rfm_model FOR EACH ROW
    EXECUTE FUNCTION audited('model', 'name', '{stale,scored_at,recency_breaks,frequency_breaks,monetary_breaks,due_at,population,fingerprint}');

-- Since when the classes and the label are these; null: since before history was kept.
ALTER TABLE rfm_score ADD COLUMN since timestamptz;

-- A score that is over. One that lasts stands in rfm_score alone.
CREATE TABLE rfm_history (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    model_id int NOT NULL REFERENCES rfm_model ON DELETE CASCADE,
    last_on date NOT NULL,
    frequency int NOT NULL,
    monetary bigint NOT NULL,
    r smallint NOT NULL,
    f smallint NOT NULL,
    m smallint NOT NULL,
    label text NOT NULL,
    since timestamptz,
    until timestamptz NOT NULL,
    PRIMARY KEY (contact_id, id)
);
CREATE INDEX rfm_history_model ON rfm_history (org_id, model_id, contact_id);
ALTER TABLE rfm_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE rfm_history FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON rfm_history USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
GRANT SELECT, INSERT, UPDATE, DELETE ON rfm_history TO lazo_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

-- The first instant of a day. Where clocks go back over midnight the day begins twice; the first time counts.
CREATE FUNCTION day_start(day date, zone text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN ((day::timestamp AT TIME ZONE zone) - interval '1 hour') AT TIME ZONE zone >= day
               THEN (day::timestamp AT TIME ZONE zone) - interval '1 hour' ELSE day::timestamp AT TIME ZONE zone END $$;

-- The first day on which one who gave on `day` is further back than `look_back`. Months differ in length: 31 January leaves a month on 1 March.
CREATE FUNCTION rfm_leaves_on(day date, look_back interval) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (day + look_back)::date
          + CASE WHEN ((day + look_back)::date - look_back)::date >= day THEN 0
                 WHEN ((day + look_back)::date + 1 - look_back)::date >= day THEN 1
                 WHEN ((day + look_back)::date + 2 - look_back)::date >= day THEN 2 ELSE 3 END $$;

-- Breaks as whole numbers are compared with: the class of x is 1 + how many of these it has reached.
-- `reached`: a break belongs to the class above it; else it must be passed.
CREATE FUNCTION rfm_thresholds(breaks double precision[], reached boolean) RETURNS double precision[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN reached THEN breaks ELSE ARRAY(SELECT floor(b) + 1 FROM unnest(breaks) WITH ORDINALITY AS u(b, n) ORDER BY n) END $$;

-- The models as they count at `now`: gifts from `from_at` on; recency, count and amount against the thresholds of the last full scoring.
-- `due`: all of it is about to be computed anew.
CREATE FUNCTION rfm_models_at(now timestamptz)
    RETURNS TABLE (id int, kind_ids int[], time_zone text, today date, look_back interval, from_at timestamptz, monetary text, classes smallint,
                   reached_r boolean, reached_fm boolean, labels jsonb, r double precision[], f double precision[], m double precision[],
                   due boolean, due_at timestamptz)
    LANGUAGE sql STABLE SET search_path = lazo ROWS 5 AS $$
    SELECT m.id, ARRAY (SELECT k.id FROM kind k WHERE k.org_id = m.org_id AND k.name = ANY (m.kinds) ORDER BY k.id), o.time_zone, t.today,
           m.look_back::interval,
           CASE WHEN m.look_back IS NULL THEN '-infinity' ELSE day_start((t.today - m.look_back::interval)::date + 1, o.time_zone) END,
           m.monetary, m.classes, x.reached_r, x.reached_fm, m.labels, rfm_thresholds(m.recency_breaks, x.reached_r),
           rfm_thresholds(m.frequency_breaks, x.reached_fm), rfm_thresholds(m.monetary_breaks, x.reached_fm),
           m.scored_at IS NULL OR coalesce(m.due_at <= rfm_models_at.now, false), m.due_at
      FROM rfm_model m JOIN organisation o ON o.id = m.org_id
     CROSS JOIN LATERAL (SELECT (rfm_models_at.now AT TIME ZONE o.time_zone)::date AS today) t
     CROSS JOIN LATERAL (SELECT m.scoring = 'quantile' AND m.integer_bins AS reached_r,
                                m.scoring = 'fixed' OR m.integer_bins AS reached_fm) x $$;

-- When a model that was scored at `now` is due again. Fixed breaks are never computed: mere time moves each contact by itself.
CREATE FUNCTION rfm_due(scoring text, recompute text, now timestamptz, zone text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE CASE WHEN scoring = 'quantile' THEN recompute END
           WHEN 'day' THEN day_start((now AT TIME ZONE zone)::date + 1, zone)
           WHEN 'week' THEN day_start((date_trunc('week', now AT TIME ZONE zone) + interval '7 days')::date, zone)
           WHEN 'month' THEN day_start((date_trunc('month', now AT TIME ZONE zone) + interval '1 month')::date, zone) END $$;

-- Whether a model scores otherwise than it did.
CREATE FUNCTION rfm_differs(was rfm_model, becomes rfm_model) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (was.kinds, was.look_back, was.scoring, was.classes, was.integer_bins, was.labels, was.monetary)
               IS DISTINCT FROM (becomes.kinds, becomes.look_back, becomes.scoring, becomes.classes, becomes.integer_bins, becomes.labels, becomes.monetary)
        OR (becomes.scoring = 'fixed' AND (was.recency_breaks, was.frequency_breaks, was.monetary_breaks)
               IS DISTINCT FROM (becomes.recency_breaks, becomes.frequency_breaks, becomes.monetary_breaks)) $$;

CREATE OR REPLACE FUNCTION work_waiting(at timestamptz)
    RETURNS TABLE (org_id bigint, changes boolean, wakes boolean, stale boolean, cues boolean, positions boolean,
                   campaigns boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS $$
    SELECT w.* FROM (
        SELECT o.id,
               EXISTS (SELECT FROM change c WHERE c.org_id = o.id) AS changes,
               EXISTS (SELECT FROM wake k WHERE k.org_id = o.id AND k.at <= work_waiting.at) AS wakes,
               EXISTS (SELECT FROM segment s WHERE s.org_id = o.id AND s.stale AND s.kind = 'dynamic')
                   OR EXISTS (SELECT FROM rfm_model m WHERE m.org_id = o.id AND (m.stale OR m.scored_at IS NULL
                          OR m.due_at <= work_waiting.at)) AS stale,
               EXISTS (SELECT FROM cue u WHERE u.org_id = o.id) AS cues,
               EXISTS (SELECT FROM journey_position p WHERE p.org_id = o.id AND p.state = 'waiting'
                          AND p.wake_at <= work_waiting.at) AS positions,
               EXISTS (SELECT FROM campaign g WHERE g.org_id = o.id AND (g.state IN ('expanding', 'running')
                          OR (g.state = 'scheduled' AND g.start_at <= work_waiting.at))) AS campaigns
          FROM organisation o) w
     WHERE w.changes OR w.wakes OR w.stale OR w.cues OR w.positions OR w.campaigns
     ORDER BY w.id $$;

CREATE OR REPLACE FUNCTION organisation_kinds() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    PERFORM set_config('lazo.org', NEW.id::text, true);
    INSERT INTO kind (org_id, name)
    SELECT NEW.id, unnest(ARRAY['email_sent', 'email_opened', 'email_clicked', 'email_bounced', 'email_complained',
        'email_received', 'unsubscribed', 'subscribed', 'signup', 'segment_entered', 'segment_left', 'label_changed', 'webhook_failed']);
    RETURN NEW;
END $$;

-- What is there: the kind, and models that are due a day after they were scored last, whose population is unknown.
DO $$
DECLARE org bigint;
BEGIN
    FOR org IN SELECT id FROM organisation_list() LOOP
        PERFORM set_config('lazo.org', org::text, true);
        INSERT INTO kind (org_id, name) VALUES (org, 'label_changed') ON CONFLICT DO NOTHING;
        UPDATE rfm_model SET due_at = scored_at + interval '1 day' WHERE scoring = 'quantile';
        -- Who ages by fixed breaks is found by a full scoring, once.
        UPDATE rfm_model SET stale = true WHERE scoring = 'fixed';
    END LOOP;
    PERFORM set_config('lazo.org', '', true);
END $$;
