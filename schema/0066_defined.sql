-- 0066 - a model that scores otherwise is scored anew, whoever said so.
SET LOCAL search_path = lazo;

CREATE FUNCTION rfm_defined() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    NEW.stale := true;
    NEW.scored_at := NULL;
    NEW.due_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER defined BEFORE UPDATE ON rfm_model FOR EACH ROW WHEN (rfm_differs(OLD, NEW)) EXECUTE FUNCTION rfm_defined();
