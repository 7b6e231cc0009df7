-- 0050 - definitions that are changed by whomever: what was computed by them before is computed anew. What is said twice is marked twice (0043): a full evaluation
-- that is under way does not count.
SET LOCAL search_path = lazo;

CREATE OR REPLACE FUNCTION campaign_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    UPDATE segment SET stale = true WHERE org_id = OLD.org_id AND kind = 'dynamic' AND rule ~* 'campaign';
    RETURN NULL;
END $$;

-- Days, birthdays and amounts are read by zone and currency.
CREATE FUNCTION organisation_measured() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    UPDATE segment SET stale = true WHERE org_id = NEW.id AND kind = 'dynamic';
    UPDATE rfm_model SET stale = true WHERE org_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER measured AFTER UPDATE ON organisation FOR EACH ROW
    WHEN ((OLD.time_zone, OLD.currency, OLD.leap_birthday) IS DISTINCT FROM (NEW.time_zone, NEW.currency, NEW.leap_birthday))
    EXECUTE FUNCTION organisation_measured();

-- Rules say kinds by name.
CREATE FUNCTION kind_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    UPDATE segment SET stale = true WHERE org_id = NEW.org_id AND kind = 'dynamic';
    RETURN NULL;
END $$;
CREATE TRIGGER named AFTER UPDATE OF name ON kind FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION kind_named();

CREATE FUNCTION segment_ruled() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    NEW.stale := true;
    NEW.marked := OLD.marked + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER ruled BEFORE UPDATE ON segment FOR EACH ROW WHEN (NEW.kind = 'dynamic' AND NEW.rule IS DISTINCT FROM OLD.rule) EXECUTE FUNCTION segment_ruled();
