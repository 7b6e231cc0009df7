-- 0011 - amendments: an interaction that changes another one of the same contact.
SET LOCAL search_path = lazo;

-- The amended row counts as it is now: its `amount` is what is left, and its kind is `refunded` where nothing is. So the covering index stays enough for every sum and
-- count. What it was when it was recorded stays here; the amending row is history: it has its own kind and no amount.
CREATE TABLE amendment (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    contact_id bigint NOT NULL,
    id bigint NOT NULL,                  -- the amending interaction
    amends bigint NOT NULL,              -- the amended one
    sets boolean NOT NULL,               -- whether `amount` is the new one, or is added
    amount bigint NOT NULL,
    first_kind_id int NOT NULL REFERENCES kind,
    first_amount bigint,
    PRIMARY KEY (contact_id, id),
    FOREIGN KEY (contact_id, id) REFERENCES interaction ON DELETE CASCADE,
    CHECK (amends <> id),
    CHECK (CASE WHEN sets THEN amount >= 0 ELSE amount < 0 END)
);
CREATE INDEX amendment_of ON amendment (contact_id, amends, id);

ALTER TABLE amendment ENABLE ROW LEVEL SECURITY;
ALTER TABLE amendment FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON amendment USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
GRANT SELECT, INSERT, UPDATE, DELETE ON amendment TO lazo_app;

-- What is left of an amount after the amendments of one interaction, in their order: the last one that sets it, and what was taken after that.
CREATE FUNCTION amended_amount(of_contact bigint, of_interaction bigint, first_amount bigint) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = lazo AS $$
    WITH last AS (SELECT a.id, a.amount FROM amendment a WHERE a.contact_id = of_contact AND a.amends = of_interaction AND a.sets ORDER BY a.id DESC LIMIT 1)
    SELECT coalesce((SELECT amount FROM last), first_amount)
         + coalesce((SELECT sum(a.amount)::bigint FROM amendment a
                      WHERE a.contact_id = of_contact AND a.amends = of_interaction AND NOT a.sets AND a.id > coalesce((SELECT id FROM last), 0)), 0) $$;

-- Makes an interaction count as its amendments say, and leaves the change rows. $5: imported history.
CREATE FUNCTION interaction_refold(of_contact bigint, of_interaction bigint, first_kind_id int, first_amount bigint, quiet boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    was interaction%ROWTYPE;
    is_amended boolean := EXISTS (SELECT FROM amendment a WHERE a.contact_id = of_contact AND a.amends = of_interaction);
    left_of bigint := amended_amount(of_contact, of_interaction, first_amount);
    counts_as int := first_kind_id;
BEGIN
    SELECT * INTO was FROM interaction i WHERE i.contact_id = of_contact AND i.id = of_interaction FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF left_of < 0 AND left_of < first_amount THEN
        RAISE EXCEPTION 'what was refunded would be more than there is' USING ERRCODE = 'check_violation', CONSTRAINT = 'amended_amount';
    END IF;
    IF is_amended AND left_of = 0 THEN
        INSERT INTO kind (org_id, name) VALUES (was.org_id, 'refunded') ON CONFLICT (org_id, name) DO NOTHING;
        SELECT k.id INTO counts_as FROM kind k WHERE k.name = 'refunded';
    END IF;
    UPDATE interaction i SET amount = left_of, kind_id = counts_as WHERE i.contact_id = of_contact AND i.id = of_interaction;
    INSERT INTO change (org_id, contact_id, sort, kind_id, quiet)
    SELECT DISTINCT was.org_id, of_contact, 'interaction', k, interaction_refold.quiet FROM unnest(ARRAY[was.kind_id, counts_as]) AS k;
END $$;

-- Records one amendment. Gives the new interaction's id; or the one that its key recorded before; or why it is refused, with the JSON pointer of the field at fault.
CREATE FUNCTION interaction_amend(of_contact bigint, target bigint, target_source text, target_key text, of_kind text, at timestamptz, sets boolean,
                                  by bigint, said_currency text, said_source text, said_key text, said_data jsonb, quiet boolean, said_content bigint,
                                  now timestamptz, digits int,
                                  OUT id bigint, OUT repeated boolean, OUT error text, OUT pointer text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    found_contact bigint := of_contact;
    other bigint;
    was interaction%ROWTYPE;
    first amendment%ROWTYPE;
    left_of bigint;
BEGIN
    repeated := false;
    pointer := '/amends';
    SELECT k.interaction_id INTO id FROM interaction_key k WHERE k.org_id = org AND k.source = said_source AND k.key = said_key;
    IF FOUND THEN
        repeated := true;
        RETURN;
    END IF;
    IF target_key IS NOT NULL THEN
        SELECT k.interaction_id, k.contact_id INTO target, found_contact FROM interaction_key k
         WHERE k.org_id = org AND k.source = target_source AND k.key = target_key;
        IF NOT FOUND THEN
            error := 'no interaction has this key';
            RETURN;
        END IF;
    END IF;
    IF found_contact <> of_contact THEN
        error := 'this interaction is another contact''s';
        RETURN;
    END IF;
    SELECT * INTO was FROM interaction i WHERE i.contact_id = of_contact AND i.id = target FOR UPDATE;
    IF NOT FOUND THEN
        error := 'the contact has no such interaction';
        RETURN;
    END IF;
    SELECT a.amends INTO other FROM amendment a WHERE a.contact_id = of_contact AND a.id = target;
    IF FOUND THEN
        error := format('this interaction is an amendment itself; amend interaction %s', other);
        RETURN;
    END IF;
    IF was.amount IS NULL AND NOT sets THEN
        error := 'this interaction has no amount to take from';
        RETURN;
    END IF;
    left_of := CASE WHEN sets THEN by ELSE was.amount + by END;
    IF NOT sets AND left_of < 0 THEN
        error := format('more than is left: %s', round(was.amount / power(10::numeric, digits), digits));
        pointer := '/amount';
        RETURN;
    END IF;

    SELECT * INTO first FROM amendment a WHERE a.contact_id = of_contact AND a.amends = target ORDER BY a.id LIMIT 1;
    IF NOT FOUND THEN
        first.first_kind_id := was.kind_id;
        first.first_amount := was.amount;
    END IF;
    id := nextval(pg_get_serial_sequence('lazo.interaction', 'id'));
    INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, amount_recorded, currency, source, data)
    SELECT org, interaction_amend.id, of_contact, k.id, at, now, by, said_currency, said_source, said_data FROM kind k WHERE k.name = of_kind;
    IF said_key IS NOT NULL THEN
        INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id, content)
        VALUES (org, said_source, said_key, of_contact, id, said_content);
    END IF;
    INSERT INTO amendment (org_id, contact_id, id, amends, sets, amount, first_kind_id, first_amount)
    VALUES (org, of_contact, id, target, sets, by, first.first_kind_id, first.first_amount);
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT org, of_contact, 'interaction', k.id, interaction_amend.id, interaction_amend.quiet FROM kind k WHERE k.name = of_kind;
    PERFORM interaction_refold(of_contact, target, first.first_kind_id, first.first_amount, quiet);
END $$;

-- Takes an interaction away with what amended it; what it amended counts as it did without it. False: there is no such one.
CREATE FUNCTION interaction_remove(of_contact bigint, gone bigint) RETURNS boolean LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    was interaction%ROWTYPE;
    it amendment%ROWTYPE;
BEGIN
    SELECT * INTO was FROM interaction i WHERE i.contact_id = of_contact AND i.id = gone FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO it FROM amendment a WHERE a.contact_id = of_contact AND a.id = gone;
    WITH lost AS (
        DELETE FROM interaction i
         WHERE i.contact_id = of_contact
           AND (i.id = gone OR i.id = ANY (ARRAY(SELECT a.id FROM amendment a WHERE a.contact_id = of_contact AND a.amends = gone)))
        RETURNING i.org_id, i.kind_id)
    INSERT INTO change (org_id, contact_id, sort, kind_id)
    SELECT DISTINCT l.org_id, of_contact, 'interaction', l.kind_id FROM lost l;
    IF it.amends IS NOT NULL THEN
        PERFORM interaction_refold(of_contact, it.amends, it.first_kind_id, it.first_amount, false);
    END IF;
    RETURN true;
END $$;
