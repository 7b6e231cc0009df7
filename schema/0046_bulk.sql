-- 0046 - what strangers write in bulk costs as much for each row as one row does. A session keeps the plan of a trigger's statement from the first time that it ran,
-- with one row in tables that were small, perhaps. So there is nothing to choose: tables are read by their keys, by a sub-select for each row of a transition table
-- or by a trigger for each row, never joined with one; and old and new rows of a statement are hashed.
--
-- `contact_id = x AND contact_id BETWEEN x AND x` says the same twice: of a table without statistics the planner takes each equation for equally telling, that with
-- the contact and that with the organisation, and may read all of the organisation to find one contact.
SET LOCAL search_path = lazo;

-- New contacts' names: who took one already is looked for only where one was not taken.
CREATE OR REPLACE FUNCTION contact_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    kept bigint;
    taken record;
BEGIN
    INSERT INTO identity (org_id, sort, value, contact_id)
    SELECT t.org_id, n.sort, n.value, t.id
      FROM touched t CROSS JOIN LATERAL (VALUES ('email', t.email), ('external_id', t.external_id)) AS n(sort, value)
     WHERE n.value IS NOT NULL
     ORDER BY n.sort, n.value
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS kept = ROW_COUNT;
    IF kept < (SELECT count(t.email) + count(t.external_id) FROM touched t) THEN
        SELECT h.sort, h.holder INTO taken
          FROM (SELECT t.id, n.sort, (SELECT i.contact_id FROM identity i WHERE i.org_id = t.org_id AND i.sort = n.sort AND i.value = n.value) AS holder
                  FROM touched t CROSS JOIN LATERAL (VALUES ('email', t.email), ('external_id', t.external_id)) AS n(sort, value)
                 WHERE n.value IS NOT NULL) h
         WHERE h.holder <> h.id LIMIT 1;
        IF FOUND THEN
            PERFORM identity_is_taken(taken.sort, taken.holder);
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION identity_is_taken(sort text, holder bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE unique_violation USING MESSAGE = format('the %s is that of contact %s', replace(sort, '_', ' '), holder),
        CONSTRAINT = 'identity_pkey', TABLE = 'identity', SCHEMA = 'lazo';
END $$;
-- What a contact is called from now on. What it was called before stays its name, too.
CREATE FUNCTION contact_renamed() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
DECLARE
    n record;
    holder bigint;
BEGIN
    FOR n IN SELECT * FROM (VALUES ('email', NEW.email, OLD.email), ('external_id', NEW.external_id, OLD.external_id)) AS v(sort, value, was)
              WHERE v.value IS DISTINCT FROM v.was AND v.value IS NOT NULL LOOP
        INSERT INTO identity (org_id, sort, value, contact_id) VALUES (NEW.org_id, n.sort, n.value, NEW.id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT i.contact_id INTO holder FROM identity i WHERE i.org_id = NEW.org_id AND i.sort = n.sort AND i.value = n.value;
            IF holder <> NEW.id THEN
                PERFORM identity_is_taken(n.sort, holder);
            END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
DROP TRIGGER contact_named_update ON contact;
CREATE TRIGGER contact_named_update AFTER UPDATE ON contact FOR EACH ROW
    WHEN ((NEW.email IS DISTINCT FROM OLD.email OR NEW.external_id IS DISTINCT FROM OLD.external_id)
          AND current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod')
    EXECUTE FUNCTION contact_renamed();

-- The words of a contact whose names or postal address changed.
CREATE OR REPLACE FUNCTION contact_words_update() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
DECLARE
    words constant text[] := contact_words(NEW);
BEGIN
    DELETE FROM contact_word w WHERE w.contact_id = NEW.id AND w.contact_id BETWEEN NEW.id AND NEW.id AND w.source = 0 AND w.word <> ALL (words);
    INSERT INTO contact_word (org_id, contact_id, word) SELECT NEW.org_id, NEW.id, unnest(words) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
DROP TRIGGER contact_words_update ON contact;
CREATE TRIGGER contact_words_update AFTER UPDATE ON contact FOR EACH ROW
    WHEN ((NEW.first_name, NEW.last_name, NEW.company_name, NEW.city, NEW.street, NEW.postal_code, NEW.external_id)
          IS DISTINCT FROM (OLD.first_name, OLD.last_name, OLD.company_name, OLD.city, OLD.street, OLD.postal_code, OLD.external_id))
    EXECUTE FUNCTION contact_words_update();

-- Phones: those of new contacts come at once, and nothing runs where none comes or goes.
CREATE FUNCTION contact_phones_come() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF EXISTS (SELECT FROM added WHERE phone IS NOT NULL) THEN
        INSERT INTO contact_phone (org_id, contact_id, phone, added_at)
        SELECT a.org_id, a.id, a.phone, a.updated_at FROM added a WHERE a.phone IS NOT NULL ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER contact_phone_kept_insert ON contact;
CREATE TRIGGER contact_phone_kept_insert AFTER INSERT ON contact REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION contact_phones_come();
CREATE OR REPLACE FUNCTION contact_phone_is_kept() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    IF NEW.phone IS NOT NULL THEN
        INSERT INTO contact_phone (org_id, contact_id, phone, added_at) VALUES (NEW.org_id, NEW.id, NEW.phone, NEW.updated_at)
        ON CONFLICT (contact_id, phone) DO NOTHING;
    ELSIF EXISTS (SELECT FROM contact_phone p WHERE p.contact_id = NEW.id AND p.contact_id BETWEEN NEW.id AND NEW.id) THEN
        DELETE FROM contact_phone p WHERE p.contact_id = NEW.id AND p.contact_id BETWEEN NEW.id AND NEW.id;
    END IF;
    RETURN NULL;
END $$;
-- A primary phone that goes hands over to the one that was added first.
CREATE OR REPLACE FUNCTION contact_phone_goes() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    IF (SELECT c.phone FROM contact c WHERE c.id = OLD.contact_id) = OLD.phone THEN
        UPDATE contact c
           SET phone = (SELECT p.phone FROM contact_phone p WHERE p.contact_id = OLD.contact_id AND p.contact_id BETWEEN OLD.contact_id AND OLD.contact_id
                         ORDER BY p.added_at, p.phone LIMIT 1)
         WHERE c.id = OLD.contact_id;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER contact_phone_goes ON contact_phone;
CREATE TRIGGER contact_phone_goes AFTER DELETE ON contact_phone FOR EACH ROW EXECUTE FUNCTION contact_phone_goes();

-- The words of an address or phone that goes. Two phones may have one in common.
CREATE OR REPLACE FUNCTION address_words_go() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM contact_word w WHERE w.contact_id = OLD.contact_id AND w.word = left(OLD.value, 100) AND w.source = -1;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION phone_words_go() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
DECLARE
    kept constant text[] := ARRAY(SELECT phone_words(p.phone) FROM contact_phone p
                                   WHERE p.contact_id = OLD.contact_id AND p.contact_id BETWEEN OLD.contact_id AND OLD.contact_id);
    gone constant text[] := ARRAY(SELECT phone_words(OLD.phone));
BEGIN
    DELETE FROM contact_word w WHERE w.contact_id = OLD.contact_id AND w.word = ANY (gone) AND w.source = -2 AND w.word <> ALL (kept);
    RETURN NULL;
END $$;
DROP TRIGGER words_change_1 ON identity;
DROP TRIGGER words_go ON identity;
DROP TRIGGER words_change_1 ON contact_phone;
DROP TRIGGER words_go ON contact_phone;
CREATE TRIGGER words_change_1 AFTER UPDATE ON identity FOR EACH ROW
    WHEN (OLD.sort = 'email' AND (NEW.sort, NEW.value, NEW.contact_id) IS DISTINCT FROM (OLD.sort, OLD.value, OLD.contact_id)) EXECUTE FUNCTION address_words_go();
CREATE TRIGGER words_go AFTER DELETE ON identity FOR EACH ROW WHEN (OLD.sort = 'email') EXECUTE FUNCTION address_words_go();
CREATE TRIGGER words_change_1 AFTER UPDATE ON contact_phone FOR EACH ROW
    WHEN ((NEW.phone, NEW.contact_id) IS DISTINCT FROM (OLD.phone, OLD.contact_id)) EXECUTE FUNCTION phone_words_go();
CREATE TRIGGER words_go AFTER DELETE ON contact_phone FOR EACH ROW EXECUTE FUNCTION phone_words_go();

-- What goes with a contact.
CREATE OR REPLACE FUNCTION contact_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM interaction_key k WHERE k.contact_id = OLD.id AND k.contact_id BETWEEN OLD.id AND OLD.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION contact_words_forget() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM contact_word w WHERE w.contact_id = OLD.id AND w.contact_id BETWEEN OLD.id AND OLD.id;
    RETURN NULL;
END $$;
DROP TRIGGER contact_forgets ON contact;
DROP TRIGGER contact_words_forget ON contact;
CREATE TRIGGER contact_forgets AFTER DELETE ON contact FOR EACH ROW EXECUTE FUNCTION contact_forgets();
CREATE TRIGGER contact_words_forget AFTER DELETE ON contact FOR EACH ROW EXECUTE FUNCTION contact_words_forget();

-- Which columns changed, and what was in them: each row is made JSON once.
CREATE OR REPLACE FUNCTION change_of_columns() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    WITH pair AS MATERIALIZED (SELECT n.org_id, n.id, to_jsonb(n) AS now, to_jsonb(o) AS before FROM touched n JOIN was o ON o.id = n.id)
    INSERT INTO change (org_id, contact_id, sort, what)
    SELECT p.org_id, p.id, 'field', d.names
      FROM pair p
     CROSS JOIN LATERAL (SELECT array_agg(e.key) AS names FROM jsonb_each(p.now) AS e(key, value) WHERE e.value IS DISTINCT FROM p.before -> e.key) d
     WHERE d.names IS NOT NULL;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION history_of_contact() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    WITH pair AS MATERIALIZED (SELECT a.org_id, a.id, contact_fields(a) AS now, contact_fields(r) AS before FROM added a JOIN removed r ON r.id = a.id)
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT p.org_id, p.id, e.key, nullif(p.before -> e.key, 'null'), nullif(e.value, 'null'), clock_now(), stranger(), session_user
      FROM pair p CROSS JOIN LATERAL jsonb_each(p.now) AS e(key, value) WHERE e.value <> p.before -> e.key;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION stage_of_contact() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
    SELECT a.org_id, a.id, (SELECT k.id FROM kind k WHERE k.org_id = a.org_id AND k.name = 'stage_changed'), clock_now(), clock_now(), 'lazo',
           jsonb_build_object('from', r.stage, 'to', a.stage)
      FROM added a JOIN removed r ON r.id = a.id WHERE a.stage_fold IS DISTINCT FROM r.stage_fold;
    RETURN NULL;
END $$;

-- Custom fields, tags and groups. What goes with its contact or its field leaves nothing.
CREATE OR REPLACE FUNCTION history_of_attr() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
        SELECT a.org_id, a.contact_id, 'attr.' || (SELECT f.name FROM field f WHERE f.id = a.field_id), attr_value(a), clock_now(), stranger(), session_user
          FROM added a WHERE (SELECT c.created_at FROM contact c WHERE c.id = a.contact_id) < clock_now();
    ELSE
        INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
        SELECT x.org_id, x.contact_id, 'attr.' || x.name, x.was, clock_now(), stranger(), session_user
          FROM (SELECT r.org_id, (SELECT c.id FROM contact c WHERE c.id = r.contact_id) AS contact_id, (SELECT f.name FROM field f WHERE f.id = r.field_id) AS name,
                       attr_value(r) AS was FROM removed r) x
         WHERE x.contact_id IS NOT NULL AND x.name IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION history_of_changed_attr() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT NEW.org_id, NEW.contact_id, 'attr.' || f.name, attr_value(OLD), attr_value(NEW), clock_now(), stranger(), session_user
      FROM field f WHERE f.id = NEW.field_id AND attr_value(OLD) <> attr_value(NEW);
    RETURN NULL;
END $$;
DROP TRIGGER history_update ON contact_attr;
CREATE TRIGGER history_update AFTER UPDATE ON contact_attr FOR EACH ROW
    WHEN (NEW.contact_id = OLD.contact_id AND NEW.field_id = OLD.field_id AND current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod')
    EXECUTE FUNCTION history_of_changed_attr();
-- $1: tag or group.
CREATE OR REPLACE FUNCTION history_of_label() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
        SELECT a.org_id, a.contact_id, TG_ARGV[0], to_jsonb(a) -> TG_ARGV[1], clock_now(), stranger(), session_user
          FROM added a WHERE (SELECT c.created_at FROM contact c WHERE c.id = a.contact_id) < clock_now();
    ELSE
        INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
        SELECT r.org_id, r.contact_id, TG_ARGV[0], to_jsonb(r) -> TG_ARGV[1], clock_now(), stranger(), session_user
          FROM removed r WHERE (SELECT true FROM contact c WHERE c.id = r.contact_id);
    END IF;
    RETURN NULL;
END $$;

-- Who is put into a fixed segment or taken out of it. Membership of dynamic ones follows from their rules.
CREATE OR REPLACE FUNCTION change_of_member() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what)
    SELECT t.org_id, t.contact_id, 'segment', array_agg(t.segment_id::text)
      FROM touched t WHERE (SELECT s.kind FROM segment s WHERE s.id = t.segment_id) = 'fixed' GROUP BY t.org_id, t.contact_id;
    RETURN NULL;
END $$;

-- Relations: a contact that is gone is not looked at. The other side of one that goes goes, and of one that came to be another's, as in a merge, unless there is a
-- relation like it still.
CREATE OR REPLACE FUNCTION change_of_relation() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort)
    SELECT DISTINCT t.org_id, t.contact_id, 'relation' FROM touched t WHERE (SELECT true FROM contact c WHERE c.id = t.contact_id);
    RETURN NULL;
END $$;
DROP TRIGGER mirrors_delete ON relation;
DROP TRIGGER mirrors_moved ON relation;
DROP FUNCTION relation_mirrors_moved();
CREATE OR REPLACE FUNCTION relation_mirrors_gone() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NOT EXISTS (SELECT FROM relation r WHERE r.contact_id = OLD.contact_id AND r.kind_id = OLD.kind_id AND r.other_id = OLD.other_id) THEN
        DELETE FROM relation r WHERE r.contact_id = OLD.other_id AND r.kind_id = (SELECT k.inverse_id FROM relation_kind k WHERE k.id = OLD.kind_id)
           AND r.other_id = OLD.contact_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mirrors_moved AFTER UPDATE ON relation FOR EACH ROW
    WHEN ((NEW.contact_id, NEW.kind_id, NEW.other_id) IS DISTINCT FROM (OLD.contact_id, OLD.kind_id, OLD.other_id)) EXECUTE FUNCTION relation_mirrors_gone();
CREATE TRIGGER mirrors_delete AFTER DELETE ON relation FOR EACH ROW EXECUTE FUNCTION relation_mirrors_gone();

-- Whoever says that a contact died stops everything with it, as ever. Asked in this way its own positions are read, not all that wait (by their small index).
CREATE OR REPLACE FUNCTION contact_stops() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    now constant timestamptz := CASE WHEN NEW.updated_at > OLD.updated_at THEN NEW.updated_at ELSE clock_now() END;
BEGIN
    WITH gone AS (
        DELETE FROM job j WHERE j.contact_id = NEW.id AND j.contact_id BETWEEN NEW.id AND NEW.id AND j.sort = 'mail' AND j.lease IS NULL RETURNING j.*)
    INSERT INTO delivery (org_id, id, contact_id, sort, state, key, template_id, template_version_id, campaign_id, journey_id, interaction_id, topic_id, data,
                          address, attempt, status, made_at, done_at)
    SELECT g.org_id, g.id, g.contact_id, g.sort, 'cancelled', g.key, g.template_id, g.template_version_id, g.campaign_id, g.journey_id, g.interaction_id,
           g.topic_id, g.data, g.address, g.attempt, 'deceased', g.first_at, now FROM gone g;
    UPDATE journey_position p SET state = 'left', wake_at = NULL, ended_at = now
     WHERE p.contact_id = NEW.id AND p.contact_id BETWEEN NEW.id AND NEW.id AND coalesce(p.state = 'waiting', false);
    RETURN NULL;
END $$;

-- Triggers for each row look rows up by key, and nobody's plan reads a table for it.
DO $$
DECLARE f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['contact_named', 'contact_phone_takes_form', 'identity_holds', 'interaction_words_follow', 'contact_stops', 'consent_chains'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET enable_seqscan = off', f);
    END LOOP;
    -- Hashed. A function that is read for each row is a nested loop all the same, and its price no reason to compile.
    FOREACH f IN ARRAY ARRAY['change_of_columns', 'history_of_contact', 'stage_of_contact'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET enable_nestloop = off', f);
        EXECUTE format('ALTER FUNCTION %I() SET jit = off', f);
    END LOOP;
END $$;

-- Tables of which the planner knows nothing yet, or knew when they had a few rows, it plans badly whatever it is told; and nobody can tell it how to look up a foreign
-- key. Who loads many contacts into them has them looked at: the contacts before anything is written that refers to them, the rest after it.
CREATE OR REPLACE FUNCTION gather_statistics() RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
BEGIN
    ANALYZE (SKIP_LOCKED) contact, identity, interaction, contact_tag, contact_group, contact_attr, subscription, membership, rfm_score, wake, contact_word,
        contact_phone, relation;
END $$;
-- $1: the table whose statistics say whether it was done.
CREATE FUNCTION contact_statistics() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF (SELECT c.reltuples FROM pg_class c WHERE c.oid = TG_ARGV[0]::regclass) < 1000 AND has_function_privilege('gather_statistics()', 'EXECUTE')
       AND (SELECT count(*) FROM (SELECT FROM added LIMIT 1000) x) = 1000 THEN
        PERFORM gather_statistics();
    END IF;
    RETURN NULL;
END $$;
-- Triggers run in the order of their names.
CREATE TRIGGER a_statistics AFTER INSERT ON contact REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION contact_statistics('contact');
CREATE TRIGGER z_statistics AFTER INSERT ON contact REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION contact_statistics('contact_word');
