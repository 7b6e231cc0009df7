-- 0017 - amounts in other currencies: rates, and the amount in the organisation's currency fixed when it is recorded.
SET LOCAL search_path = lazo;

-- The currencies that amounts come in, the organisation's own among them. `digits` of the minor unit: what the programs say of ISO 4217.
CREATE TABLE currency (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    code text NOT NULL CHECK (code ~ '^[A-Z]{3}$'),
    digits smallint NOT NULL DEFAULT 2 CHECK (digits BETWEEN 0 AND 4),
    PRIMARY KEY (org_id, code)
);
-- What one unit of a currency is worth in the organisation's, from a day on (in its time zone) until the next row.
CREATE TABLE currency_rate (
    org_id bigint NOT NULL,
    currency text NOT NULL,
    valid_on date NOT NULL,
    rate numeric(24, 12) NOT NULL CHECK (rate > 0),
    PRIMARY KEY (org_id, currency, valid_on),
    FOREIGN KEY (org_id, currency) REFERENCES currency ON DELETE CASCADE
);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['currency', 'currency_rate'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;

-- Digits of the minor unit of what was recorded; `base_digits` are those of the organisation's own currency, and of one that nobody knows.
CREATE FUNCTION currency_digits(said text, base_digits int) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE SET search_path = lazo AS
$$ SELECT coalesce((SELECT c.digits FROM currency c WHERE c.org_id = current_org() AND c.code = said), base_digits)::int $$;

-- Minor units as decimal text: 2550, 2 gives 25.50.
CREATE FUNCTION minor_text(minor bigint, digits int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT round(minor / power(10::numeric, digits), digits)::text $$;

-- What was recorded, in units of its currency.
CREATE FUNCTION recorded_units(minor bigint, said text, base_digits int) RETURNS numeric LANGUAGE sql STABLE PARALLEL SAFE SET search_path = lazo AS
$$ SELECT minor / power(10::numeric, currency_digits(said, base_digits)) $$;

-- Minor units of one currency in those of the organisation's, at the rate of the day of `at`, rounded half away from zero. Null: no rate is known on or before that
-- day, or the sum is beyond what is taken for an amount (10^15).
CREATE FUNCTION amount_in_base(said text, minor bigint, at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE SET search_path = lazo AS $$
    SELECT CASE WHEN abs(x.amount) <= 1000000000000000 THEN x.amount::bigint END
      FROM organisation o
      JOIN currency base ON base.org_id = o.id AND base.code = o.currency
      JOIN currency c ON c.org_id = o.id AND c.code = said
      CROSS JOIN LATERAL (SELECT r.rate FROM currency_rate r
                           WHERE r.org_id = o.id AND r.currency = said AND r.valid_on <= (at AT TIME ZONE o.time_zone)::date
                           ORDER BY r.valid_on DESC LIMIT 1) r
      CROSS JOIN LATERAL (SELECT round(minor * r.rate * power(10::numeric, base.digits - c.digits)) AS amount) x
     WHERE o.id = current_org() $$;

-- A stranger's row says what was given; what it counts is computed as it comes in. Amendments come through interaction_amend() and count nothing.
CREATE FUNCTION interaction_in_base() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF NEW.currency IS NULL OR NEW.currency = (SELECT o.currency FROM organisation o WHERE o.id = NEW.org_id) THEN
        NEW.amount := NEW.amount_recorded;
    ELSE
        NEW.amount := amount_in_base(NEW.currency, NEW.amount_recorded, NEW.occurred_at);
        IF NEW.amount IS NULL THEN
            RAISE EXCEPTION 'there is no rate for % on % or before', NEW.currency, NEW.occurred_at USING ERRCODE = 'check_violation', CONSTRAINT = 'currency_rate';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER interaction_in_base BEFORE INSERT ON interaction FOR EACH ROW
    WHEN (NEW.amount IS NULL AND NEW.amount_recorded IS NOT NULL
          AND current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod' AND current_setting('lazo.amending', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION interaction_in_base();

-- Less than the smallest unit may come off an amount in a coarser currency.
ALTER TABLE amendment DROP CONSTRAINT amendment_check1;
ALTER TABLE amendment ADD CONSTRAINT amendment_sign CHECK (CASE WHEN sets THEN amount >= 0 ELSE amount <= 0 END);

-- What is left of an interaction in the currency that it was given in. Amendments in that currency are counted exactly; where one came in another, what is left is in
-- proportion to what counts.
CREATE FUNCTION given_left(i interaction) RETURNS bigint LANGUAGE sql STABLE SET search_path = lazo AS $$
    WITH mine AS (
        SELECT a.id, a.sets, a.first_amount, x.amount_recorded AS given, x.currency IS NOT DISTINCT FROM i.currency AS same
          FROM amendment a JOIN interaction x ON x.contact_id = a.contact_id AND x.id = a.id
         WHERE a.contact_id = i.contact_id AND a.amends = i.id
    ), last AS (SELECT id, given FROM mine WHERE sets ORDER BY id DESC LIMIT 1)
    SELECT CASE WHEN NOT EXISTS (SELECT FROM mine) THEN i.amount_recorded
                WHEN (SELECT bool_and(same) FROM mine) THEN coalesce((SELECT given FROM last), i.amount_recorded)
                     + coalesce((SELECT sum(given)::bigint FROM mine WHERE NOT sets AND id > coalesce((SELECT id FROM last), 0)), 0)
                ELSE (SELECT round(i.amount_recorded::numeric * i.amount / nullif(min(first_amount), 0))::bigint FROM mine) END $$;

-- What counts after the amendments of one interaction, in their order: the last one that sets it, and what was taken after that. Where all of them are in the other
-- currency that the interaction was given in: the same part of what it counted first as is left of what was given.
CREATE OR REPLACE FUNCTION amended_amount(of_contact bigint, of_interaction bigint, first_amount bigint) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = lazo AS $$
    WITH last AS (SELECT a.id, a.amount FROM amendment a WHERE a.contact_id = of_contact AND a.amends = of_interaction AND a.sets ORDER BY a.id DESC LIMIT 1)
    SELECT coalesce(
        (SELECT round(amended_amount.first_amount::numeric * given_left(i) / i.amount_recorded)::bigint FROM interaction i
          WHERE i.contact_id = of_contact AND i.id = of_interaction AND i.amount_recorded <> 0
            AND i.currency <> (SELECT o.currency FROM organisation o WHERE o.id = current_org())
            AND NOT EXISTS (SELECT FROM amendment a JOIN interaction x ON x.contact_id = a.contact_id AND x.id = a.id
                             WHERE a.contact_id = of_contact AND a.amends = of_interaction AND x.currency IS DISTINCT FROM i.currency)),
        coalesce((SELECT amount FROM last), amended_amount.first_amount)
         + coalesce((SELECT sum(a.amount)::bigint FROM amendment a
                      WHERE a.contact_id = of_contact AND a.amends = of_interaction AND NOT a.sets AND a.id > coalesce((SELECT id FROM last), 0)), 0)) $$;

DROP FUNCTION interaction_amend(bigint, bigint, text, text, text, timestamptz, boolean, bigint, text, text, text, jsonb, boolean, bigint, timestamptz, int);

-- By how much an amendment changes what counts, in the organisation's currency. In the currency of the gift it is the same part of the gift, so that a full refund
-- leaves nothing, whatever the rates did since; in another one it is taken at the rate of its own day.
CREATE FUNCTION amendment_in_base(was interaction, first_amount bigint, sets boolean, by bigint, said_currency text, at timestamptz, digits int,
                                  OUT amount bigint, OUT error text, OUT pointer text)
    LANGUAGE plpgsql STABLE SET search_path = lazo AS $$
DECLARE
    base constant text := (SELECT o.currency FROM organisation o WHERE o.id = current_org());
    given_in constant text := coalesce(was.currency, base);
    given bigint;
BEGIN
    pointer := '/amount';
    IF said_currency = given_in AND given_in <> base AND was.amount_recorded <> 0 THEN
        given := given_left(was);
        IF NOT sets AND given + by < 0 THEN
            error := format('more than is left: %s %s', minor_text(given, currency_digits(given_in, digits)), given_in);
            RETURN;
        END IF;
        amount := round(first_amount::numeric * CASE WHEN sets THEN by ELSE given + by END / was.amount_recorded)
                - CASE WHEN sets THEN 0 ELSE was.amount END;
        RETURN;
    END IF;
    amount := CASE WHEN said_currency = base THEN by ELSE amount_in_base(said_currency, by, at) END;
    IF amount IS NULL THEN
        error := format('there is no rate for %s on this day or before', said_currency);
        pointer := '/currency';
    ELSIF NOT sets AND was.amount + amount < 0 THEN
        error := format('more than is left: %s', minor_text(was.amount, digits));
    END IF;
END $$;

-- Which interaction an amendment means, locked; or why there is none such.
CREATE FUNCTION amendment_target(of_contact bigint, target bigint, target_source text, target_key text, sets boolean, OUT was interaction, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    found_contact bigint := of_contact;
    other bigint;
BEGIN
    IF target_key IS NOT NULL THEN
        SELECT k.interaction_id, k.contact_id INTO target, found_contact FROM interaction_key k
         WHERE k.org_id = current_org() AND k.source = target_source AND k.key = target_key;
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
    ELSIF was.amount IS NULL AND NOT sets THEN
        error := 'this interaction has no amount to take from';
    END IF;
END $$;

-- Records one amendment. `by` is in minor units of said_currency, `digits` are those of the organisation's. Gives the new interaction's id; or the one that its key
-- recorded before; or why it is refused, with the JSON pointer of the field at fault.
CREATE FUNCTION interaction_amend(of_contact bigint, target bigint, target_source text, target_key text, of_kind text, at timestamptz, sets boolean,
                                  by bigint, said_currency text, said_source text, said_key text, said_data jsonb, quiet boolean, said_content bigint,
                                  now timestamptz, digits int,
                                  OUT id bigint, OUT repeated boolean, OUT error text, OUT pointer text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    meant record;
    was interaction;
    first amendment%ROWTYPE;
    counts bigint;
BEGIN
    repeated := false;
    pointer := '/amends';
    SELECT k.interaction_id INTO id FROM interaction_key k WHERE k.org_id = org AND k.source = said_source AND k.key = said_key;
    IF FOUND THEN
        repeated := true;
        RETURN;
    END IF;
    SELECT * INTO meant FROM amendment_target(of_contact, target, target_source, target_key, sets);
    was := meant.was;
    error := meant.error;
    IF error IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT * INTO first FROM amendment a WHERE a.contact_id = of_contact AND a.amends = was.id ORDER BY a.id LIMIT 1;
    IF NOT FOUND THEN
        first.first_kind_id := was.kind_id;
        first.first_amount := was.amount;
    END IF;
    SELECT b.amount, b.error, b.pointer INTO counts, error, pointer
      FROM amendment_in_base(was, first.first_amount, sets, by, said_currency, at, digits) AS b;
    IF error IS NOT NULL THEN
        RETURN;
    END IF;

    id := nextval('interaction_id_seq');
    PERFORM set_config('lazo.amending', 'on', true);
    INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, amount_recorded, currency, source, data)
    SELECT org, interaction_amend.id, of_contact, k.id, at, now, by, said_currency, said_source, said_data FROM kind k WHERE k.name = of_kind;
    PERFORM set_config('lazo.amending', '', true);
    IF said_key IS NOT NULL THEN
        INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id, content)
        VALUES (org, said_source, said_key, of_contact, id, said_content);
    END IF;
    INSERT INTO amendment (org_id, contact_id, id, amends, sets, amount, first_kind_id, first_amount)
    VALUES (org, of_contact, id, was.id, sets, counts, first.first_kind_id, first.first_amount);
    INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, quiet)
    SELECT org, of_contact, 'interaction', k.id, interaction_amend.id, interaction_amend.quiet FROM kind k WHERE k.name = of_kind;
    PERFORM interaction_refold(of_contact, was.id, first.first_kind_id, first.first_amount, quiet);
END $$;

-- What was recorded, in its own currency.
CREATE OR REPLACE FUNCTION interaction_doc(i interaction, email text, external_id text, digits int) RETURNS json
    LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('id', i.id, 'contact', i.contact_id, 'email', email, 'external_id', external_id,
        'kind', (SELECT k.name FROM kind k WHERE k.id = i.kind_id), 'occurred_at', i.occurred_at, 'recorded_at', i.recorded_at,
        'amount', minor_text(i.amount, digits),
        'recorded_amount', minor_text(i.amount_recorded, currency_digits(i.currency, digits)), 'currency', i.currency, 'source', i.source,
        'amends', (SELECT a.amends FROM amendment a WHERE a.contact_id = i.contact_id AND a.id = i.id),
        'data', coalesce(i.data, '{}')) $$;
