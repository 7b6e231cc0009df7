-- 0060 - names that rules say. A name means what is called exactly so, else what differs from it in capitals alone; so a new thing may take the place of another one, and what goes may leave
-- its name to another. Who named it is evaluated anew, whoever changes it. A rule that named nothing for a while was left as it was meanwhile: it comes anew, too, once it names something.
SET LOCAL search_path = lazo;

-- `said` stands in the rule as it is, quoted or not; `word` is another word that the rule has. In a string a quote and a backslash have a backslash before them. Whoever makes an organisation
-- (lazo_directory) may look at segments, not change them; there are none then.
CREATE FUNCTION rules_naming_stale(org bigint, said text, word text) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    naming constant int[] := ARRAY(SELECT s.id FROM segment s WHERE s.org_id = org AND s.kind = 'dynamic' AND strpos(lower(s.rule), word) > 0
                                      AND strpos(lower(replace(s.rule, '\', '')), lower(replace(said, '\', ''))) > 0);
BEGIN
    IF cardinality(naming) > 0 THEN
        UPDATE segment SET stale = true WHERE id = ANY (naming);
    END IF;
END $$;

-- The arguments: the word before the name, and the quote around it where there always is one.
CREATE FUNCTION definition_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM rules_naming_stale(OLD.org_id, TG_ARGV[1] || OLD.name || TG_ARGV[1], TG_ARGV[0]);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM rules_naming_stale(NEW.org_id, TG_ARGV[1] || NEW.name || TG_ARGV[1], TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

-- The first model is also read without its name.
CREATE FUNCTION model_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    m constant rfm_model := coalesce(NEW, OLD);
BEGIN
    PERFORM rules_naming_stale(m.org_id, CASE WHEN EXISTS (SELECT FROM rfm_model o WHERE o.org_id = m.org_id AND o.id < m.id) THEN m.name ELSE '' END, 'rfm');
    IF TG_OP = 'UPDATE' THEN
        PERFORM rules_naming_stale(m.org_id, OLD.name, 'rfm');
    END IF;
    RETURN NULL;
END $$;

-- A kind that nobody named before is counted from its first interaction on; one that takes another's name, or gives it back, is another one.
CREATE FUNCTION kind_called() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    k constant kind := coalesce(NEW, OLD);
BEGIN
    IF EXISTS (SELECT FROM kind o WHERE o.org_id = k.org_id AND o.id <> k.id AND lower(o.name) = lower(k.name)) THEN
        PERFORM rules_naming_stale(k.org_id, k.name, '');
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE t record;
BEGIN
    FOR t IN SELECT * FROM (VALUES ('segment', 'segment', '"'), ('topic', 'subscribed', '"'), ('field', 'attr', '')) AS v(tab, word, quote) LOOP
        EXECUTE format('CREATE TRIGGER named AFTER INSERT OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION definition_named(%L, %L)', t.tab, t.word, t.quote);
        EXECUTE format('CREATE TRIGGER renamed AFTER UPDATE OF name ON %I FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION definition_named(%L, %L)', t.tab, t.word, t.quote);
    END LOOP;
END $$;
CREATE TRIGGER named AFTER INSERT OR DELETE ON relation_kind FOR EACH ROW EXECUTE FUNCTION definition_named('related', '"');
CREATE TRIGGER renamed AFTER UPDATE OF name ON relation_kind FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION definition_named('related', '"');
CREATE TRIGGER named AFTER INSERT OR DELETE ON rfm_model FOR EACH ROW EXECUTE FUNCTION model_named();
CREATE TRIGGER renamed AFTER UPDATE OF name ON rfm_model FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION model_named();
CREATE TRIGGER called AFTER INSERT OR DELETE ON kind FOR EACH ROW EXECUTE FUNCTION kind_called();
-- organisation_create() makes the first ones.
GRANT SELECT ON kind TO lazo_directory;
