-- 0045 - rules read campaigns by name: where one is called otherwise, or is gone, the segments that ask for campaigns are evaluated anew.
SET LOCAL search_path = lazo;

CREATE FUNCTION campaign_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    UPDATE segment SET stale = true WHERE org_id = OLD.org_id AND kind = 'dynamic' AND rule ~* 'campaign' AND NOT stale;
    RETURN NULL;
END $$;
CREATE TRIGGER named AFTER UPDATE OF name ON campaign FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION campaign_named();
CREATE TRIGGER gone AFTER DELETE ON campaign FOR EACH ROW EXECUTE FUNCTION campaign_named();
