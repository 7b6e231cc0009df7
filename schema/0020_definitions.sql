-- 0020 - every lazod hears of a change to what it keeps in memory (kinds, fields, topics, rules of segments, models, the organisation, tokens), whoever makes
-- it: by NOTIFY with the organisation's id. Such changes are rare; NOTIFY of facts would serialise commits.
SET LOCAL search_path = lazo;

-- The argument is the column that has the organisation's id.
CREATE FUNCTION definition_told() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    PERFORM pg_notify('lazo_defined', to_jsonb(CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END) ->> TG_ARGV[0]);
    RETURN NULL;
END $$;

CREATE TRIGGER definition_told AFTER UPDATE ON organisation FOR EACH ROW EXECUTE FUNCTION definition_told('id');
CREATE TRIGGER definition_told AFTER INSERT OR UPDATE OR DELETE ON kind FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
CREATE TRIGGER definition_told AFTER INSERT OR UPDATE OR DELETE ON field FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
CREATE TRIGGER definition_told AFTER INSERT OR UPDATE OR DELETE ON topic FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
-- Their other columns say how far the evaluation is.
CREATE TRIGGER definition_told AFTER INSERT OR DELETE OR UPDATE OF name, kind, rule ON segment FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
CREATE TRIGGER definition_told AFTER INSERT OR DELETE OR UPDATE OF name ON rfm_model FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
CREATE TRIGGER definition_told AFTER DELETE OR UPDATE OF hash, role ON token FOR EACH ROW EXECUTE FUNCTION definition_told('org_id');
