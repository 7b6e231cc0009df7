-- 0026 - the stages that an organisation's contacts go through; contacts who died. See lazo-contacts(7).
SET LOCAL search_path = lazo;

-- In their order: [{"name": "lead", "title": "Contacto"}, …]. Empty: a stage is any text.
ALTER TABLE organisation ADD COLUMN stages jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(stages) = 'array');

-- The engine records a change of stage. Organisations that are there already get the kind.
CREATE OR REPLACE FUNCTION organisation_kinds() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    PERFORM set_config('lazo.org', NEW.id::text, true);
    INSERT INTO kind (org_id, name)
    SELECT NEW.id, unnest(ARRAY['email_sent', 'email_opened', 'email_clicked', 'email_bounced', 'email_complained',
        'email_received', 'unsubscribed', 'subscribed', 'signup', 'segment_entered', 'segment_left', 'label_changed', 'webhook_failed', 'stage_changed']);
    RETURN NEW;
END $$;
ALTER TABLE kind NO FORCE ROW LEVEL SECURITY;
ALTER TABLE organisation NO FORCE ROW LEVEL SECURITY;
INSERT INTO kind (org_id, name) SELECT o.id, 'stage_changed' FROM organisation o ON CONFLICT DO NOTHING;
ALTER TABLE kind FORCE ROW LEVEL SECURITY;
ALTER TABLE organisation FORCE ROW LEVEL SECURITY;

ALTER TABLE contact
    ADD COLUMN deceased boolean NOT NULL DEFAULT false,
    ADD COLUMN deceased_on date,
    ADD CONSTRAINT contact_deceased_on CHECK (deceased_on IS NULL OR deceased) NOT VALID;

CREATE OR REPLACE FUNCTION contact_fields(c contact) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object('kind', c.kind, 'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name,
        'email', c.email, 'external_id', c.external_id, 'phone', c.phone, 'language', c.language, 'country', c.country, 'street', c.street, 'city', c.city,
        'postal_code', c.postal_code,
        'birth_date', CASE WHEN c.birth_month IS NOT NULL THEN coalesce(lpad(c.birth_year::text, 4, '0'), '-') || '-'
            || lpad(c.birth_month::text, 2, '0') || '-' || lpad(c.birth_day::text, 2, '0') END,
        'time_zone', c.time_zone, 'stage', c.stage, 'deceased', c.deceased, 'deceased_on', c.deceased_on) $$;

CREATE OR REPLACE FUNCTION contact_doc(c contact) RETURNS json LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('id', c.id, 'kind', c.kind, 'email', c.email, 'external_id', c.external_id,
        'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name, 'phone', c.phone,
        'emails', (SELECT coalesce(json_agg(json_build_object('email', i.value, 'label', i.label, 'primary', i.value = c.email)
                               ORDER BY i.value = c.email DESC, i.value), '[]')
                     FROM identity i WHERE i.contact_id = c.id AND i.sort = 'email'),
        'phones', (SELECT coalesce(json_agg(json_build_object('phone', p.phone, 'label', p.label, 'primary', p.phone = c.phone)
                               ORDER BY p.phone = c.phone DESC, p.added_at, p.phone), '[]')
                     FROM contact_phone p WHERE p.contact_id = c.id),
        'language', c.language, 'country', c.country, 'street', c.street, 'city', c.city, 'postal_code', c.postal_code,
        'birth_date', CASE WHEN c.birth_month IS NOT NULL THEN coalesce(lpad(c.birth_year::text, 4, '0'), '-') || '-'
            || lpad(c.birth_month::text, 2, '0') || '-' || lpad(c.birth_day::text, 2, '0') END,
        'time_zone', c.time_zone, 'stage', c.stage, 'deceased', c.deceased, 'deceased_on', c.deceased_on,
        'identities', (SELECT coalesce(json_agg(json_build_object('sort', i.sort, 'value', i.value) ORDER BY i.sort, i.value), '[]')
                         FROM identity i WHERE i.contact_id = c.id),
        'tags', (SELECT coalesce(json_agg(t.tag ORDER BY t.tag_fold), '[]') FROM contact_tag t WHERE t.contact_id = c.id),
        'groups', (SELECT coalesce(json_agg(g.name ORDER BY g.name_fold), '[]') FROM contact_group g WHERE g.contact_id = c.id),
        'attr', (SELECT coalesce(json_object_agg(f.name, coalesce(to_json(a.value_text), to_json(a.value_number),
                            to_json(a.value_date), to_json(a.value_boolean)) ORDER BY f.name), '{}')
                   FROM contact_attr a JOIN field f ON f.id = a.field_id WHERE a.contact_id = c.id),
        'subscriptions', (SELECT coalesce(json_agg(json_build_object('topic', t.name, 'subscribed', s.subscribed, 'since', s.since)
                                    ORDER BY t.name), '[]')
                            FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.contact_id = c.id),
        'created_at', c.created_at, 'updated_at', c.updated_at) $$;

-- A stage that a stranger changes is an interaction, as it is where lazod does.
CREATE FUNCTION stage_of_contact() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT a.org_id, a.id, k.id, clock_now(), clock_now(), 'lazo', jsonb_build_object('from', r.stage, 'to', a.stage)
      FROM added a JOIN removed r ON r.id = a.id JOIN kind k ON k.org_id = a.org_id AND k.name = 'stage_changed'
     WHERE a.stage_fold IS DISTINCT FROM r.stage_fold;
    RETURN NULL;
END $$;
CREATE TRIGGER stage_update AFTER UPDATE ON contact REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION stage_of_contact();

-- Whoever says that a contact died stops everything with it: what waits to be mailed ends as cancelled, and the journeys are left. What comes later is refused where
-- it would begin: when a job is leased, a journey started, a campaign's audience made.
CREATE INDEX job_contact ON job (contact_id) WHERE contact_id IS NOT NULL;
CREATE FUNCTION contact_stops() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    now constant timestamptz := CASE WHEN NEW.updated_at > OLD.updated_at THEN NEW.updated_at ELSE clock_now() END;
BEGIN
    WITH gone AS (
        DELETE FROM job j WHERE j.contact_id = NEW.id AND j.sort = 'mail' AND j.lease IS NULL RETURNING j.*)
    INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, template_version_id, campaign_id, journey_id, interaction_id, topic_id, data,
                          address, attempt, status, made_at, done_at)
    SELECT g.org_id, g.id, g.contact_id, g.sort, 'cancelled', g.key, g.template_id, g.template_version_id, g.campaign_id, g.journey_id, g.interaction_id,
           g.topic_id, g.data, g.address, g.attempt, 'deceased', g.first_at, now FROM gone g;
    UPDATE journey_position p SET state = 'left', wake_at = NULL, ended_at = now WHERE p.contact_id = NEW.id AND p.state = 'waiting';
    RETURN NULL;
END $$;
CREATE TRIGGER contact_stops AFTER UPDATE ON contact FOR EACH ROW WHEN (NEW.deceased AND NOT OLD.deceased) EXECUTE FUNCTION contact_stops();
