-- 0019 - a contact that strangers insert or rename is found by its names, as everybody is: its e-mail and external id go into identity, where each is one
-- contact's only. Who comes second with the name of another gets a unique violation and nothing is written.
SET LOCAL search_path = lazo;

CREATE FUNCTION contact_normalises() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    NEW.email := nullif(lower(btrim(NEW.email)), '');
    NEW.external_id := nullif(btrim(NEW.external_id), '');
    RETURN NEW;
END $$;

-- What a contact was called before stays its name too.
CREATE FUNCTION contact_named() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    taken record;
BEGIN
    INSERT INTO identity (org_id, sort, value, contact_id)
    SELECT t.org_id, n.sort, n.value, t.id
      FROM touched t CROSS JOIN LATERAL (VALUES ('email', t.email), ('external_id', t.external_id)) AS n(sort, value)
     WHERE n.value IS NOT NULL
     ORDER BY n.sort, n.value
    ON CONFLICT DO NOTHING;
    SELECT i.sort, i.contact_id INTO taken
      FROM touched t CROSS JOIN LATERAL (VALUES ('email', t.email), ('external_id', t.external_id)) AS n(sort, value)
      JOIN identity i ON i.org_id = t.org_id AND i.sort = n.sort AND i.value = n.value AND i.contact_id <> t.id LIMIT 1;
    IF FOUND THEN
        RAISE unique_violation USING MESSAGE = format('the %s is that of contact %s', replace(taken.sort, '_', ' '), taken.contact_id),
            CONSTRAINT = 'identity_pkey', TABLE = 'identity', SCHEMA = 'lazo';
    END IF;
    RETURN NULL;
END $$;

-- Who still writes the identity beside the contact says what holds already.
CREATE FUNCTION identity_holds() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF EXISTS (SELECT FROM identity i WHERE i.org_id = NEW.org_id AND i.sort = NEW.sort AND i.value = NEW.value AND i.contact_id = NEW.contact_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

-- Contacts that strangers have inserted before. Where two have one name the first keeps it; GET /v1/contacts finds both.
ALTER TABLE contact NO FORCE ROW LEVEL SECURITY;
ALTER TABLE identity NO FORCE ROW LEVEL SECURITY;
INSERT INTO identity (org_id, sort, value, contact_id)
SELECT c.org_id, n.sort, n.value, c.id
  FROM contact c CROSS JOIN LATERAL (VALUES ('email', c.email), ('external_id', c.external_id)) AS n(sort, value)
 WHERE n.value IS NOT NULL AND NOT EXISTS (SELECT FROM identity i WHERE i.org_id = c.org_id AND i.sort = n.sort AND i.value = n.value)
 ORDER BY c.id
ON CONFLICT DO NOTHING;
ALTER TABLE contact FORCE ROW LEVEL SECURITY;
ALTER TABLE identity FORCE ROW LEVEL SECURITY;

CREATE TRIGGER contact_normalises BEFORE INSERT OR UPDATE OF email, external_id ON contact FOR EACH ROW
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION contact_normalises();
CREATE TRIGGER contact_named_insert AFTER INSERT ON contact REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION contact_named();
CREATE TRIGGER contact_named_update AFTER UPDATE ON contact REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION contact_named();
CREATE TRIGGER identity_holds BEFORE INSERT ON identity FOR EACH ROW
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod' AND pg_trigger_depth() = 0) EXECUTE FUNCTION identity_holds();
