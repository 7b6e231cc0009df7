-- 0014 - erasure: who was erased cannot be brought back by an import, and what they gave stays in totals without them.
SET LOCAL search_path = lazo;

-- HMAC-SHA256 with the instance's secret over each e-mail address and external id: the database cannot tell whose they are.
CREATE TABLE erased (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    at timestamptz NOT NULL,
    PRIMARY KEY (org_id, hash)
);
-- What was erased, by whom and why. `contact_id` is a number that leads nowhere any more.
CREATE TABLE erasure (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact_id bigint NOT NULL,
    reason text NOT NULL CHECK (length(reason) <= 500),
    token text NOT NULL DEFAULT '',      -- the name of the token that asked for it
    interactions int NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX erasure_list ON erasure (org_id, id);
-- What all who were erased did, by kind and day of the organisation's zone.
CREATE TABLE erased_total (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    kind_id int NOT NULL REFERENCES kind,
    day date NOT NULL,
    count bigint NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (org_id, kind_id, day)
);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['erased', 'erasure', 'erased_total'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON erasure FROM lazo_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

-- Removes a person. `hashes` are those of all their identities. Gives the erasure's id; null: there is no such contact; 0: they have other identities by now.
CREATE FUNCTION contact_erase(gone bigint, hashes bytea[], why text, by_token bigint, now timestamptz) RETURNS bigint
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    zone constant text := (SELECT o.time_zone FROM organisation o WHERE o.id = org);
    emails text[];
    n int;
    made bigint;
BEGIN
    PERFORM FROM contact c WHERE c.id = gone FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF (SELECT count(*) FROM identity i WHERE i.contact_id = gone) <> cardinality(hashes) THEN
        RETURN 0;
    END IF;
    emails := ARRAY(SELECT i.value FROM identity i WHERE i.contact_id = gone AND i.sort = 'email');
    SELECT count(*) INTO n FROM interaction i WHERE i.contact_id = gone;

    INSERT INTO erased_total AS t (org_id, kind_id, day, count, amount)
    SELECT org, i.kind_id, (i.occurred_at AT TIME ZONE zone)::date, count(*), coalesce(sum(i.amount), 0)
      FROM interaction i WHERE i.contact_id = gone GROUP BY 2, 3 ORDER BY 2, 3
    ON CONFLICT ON CONSTRAINT erased_total_pkey DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    INSERT INTO erased (org_id, hash, at) SELECT org, h, now FROM unnest(hashes) AS h ON CONFLICT ON CONSTRAINT erased_pkey DO NOTHING;
    INSERT INTO erasure (org_id, contact_id, reason, token, interactions, at)
    VALUES (org, gone, why, coalesce((SELECT t.name FROM token t WHERE t.id = by_token), ''), n, now) RETURNING id INTO made;

    -- What does not go with the contact's row by itself.
    DELETE FROM interaction_key k WHERE k.contact_id = gone;
    DELETE FROM form_request r WHERE r.email = ANY (emails);
    DELETE FROM suppression s WHERE s.email = ANY (emails);
    DELETE FROM change g WHERE g.org_id = org AND g.contact_id = gone;
    DELETE FROM job j WHERE j.org_id = org AND j.to_email = ANY (emails);
    UPDATE delivery d SET contact_id = NULL, address = NULL, data = '{}', status = '', interaction_id = NULL
     WHERE d.contact_id = gone OR (d.org_id = org AND d.address = ANY (emails));
    DELETE FROM contact c WHERE c.id = gone;
    RETURN made;
END $$;
