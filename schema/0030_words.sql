-- 0030 - the words that a contact is found by: names, postal address, external id, every e-mail address and phone, notes and mail.
SET LOCAL search_path = lazo;

-- `source`: 0 the contact's own fields, -1 its e-mail addresses, -2 its phones, else the interaction whose text has the word. No foreign key: it would be
-- looked up with each word; they go with their contact by a trigger.
ALTER TABLE contact_word ADD COLUMN source bigint NOT NULL DEFAULT 0;
ALTER TABLE contact_word DROP CONSTRAINT contact_word_pkey, DROP CONSTRAINT contact_word_contact_id_fkey;
TRUNCATE contact_word;
ALTER TABLE contact_word ADD PRIMARY KEY (contact_id, word, source);

-- Words of a text, folded; a text with an @ is in words between blanks, so that an address stays whole.
CREATE FUNCTION contact_words(c contact) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE SET search_path = lazo AS $$
    SELECT ARRAY(SELECT words(concat_ws(' ', c.first_name_fold, c.last_name_fold, c.company_name_fold, c.city_fold, fold(c.street), fold(c.postal_code),
                                        replace(fold(c.external_id), '@', ' ')))) $$;
-- A phone is found by all its digits and by the last nine, which are the national number in most countries.
CREATE FUNCTION phone_words(phone text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT DISTINCT w FROM (SELECT regexp_replace(phone, '[^0-9]', '', 'g') AS digits) d, LATERAL (VALUES (digits), (right(digits, 9))) AS v(w) WHERE length(w) > 2 $$;
-- What an interaction says: the first words of its note, text and subject.
CREATE FUNCTION interaction_words(data jsonb) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = lazo AS $$
    SELECT words(replace(fold(left(concat_ws(' ', CASE WHEN jsonb_typeof(data -> 'subject') = 'string' THEN data ->> 'subject' END,
                                                  CASE WHEN jsonb_typeof(data -> 'note') = 'string' THEN data ->> 'note' END,
                                                  CASE WHEN jsonb_typeof(data -> 'text') = 'string' THEN data ->> 'text' END), 5000)), '@', ' ')) LIMIT 300 $$;

CREATE OR REPLACE FUNCTION contact_words_insert() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO contact_word (org_id, contact_id, word)
    SELECT a.org_id, a.id, w
      FROM added a, words(concat_ws(' ', a.first_name_fold, a.last_name_fold, a.company_name_fold, a.city_fold, fold(a.street), fold(a.postal_code),
                                    replace(fold(a.external_id), '@', ' '))) AS w
     WHERE num_nonnulls(a.first_name, a.last_name, a.company_name, a.city, a.street, a.postal_code, a.external_id) > 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION contact_words_update() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    WITH renamed AS MATERIALIZED (
        SELECT a.org_id, a.id, contact_words(a) AS words
          FROM added a JOIN removed r ON r.id = a.id
         WHERE (a.first_name, a.last_name, a.company_name, a.city, a.street, a.postal_code, a.external_id)
               IS DISTINCT FROM (r.first_name, r.last_name, r.company_name, r.city, r.street, r.postal_code, r.external_id)
    ), gone AS (
        DELETE FROM contact_word w USING renamed n WHERE w.contact_id = n.id AND w.source = 0 AND w.word <> ALL (n.words)
    )
    INSERT INTO contact_word (org_id, contact_id, word)
    SELECT n.org_id, n.id, unnest(n.words) FROM renamed n
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION contact_words_forget() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    DELETE FROM contact_word w USING gone g WHERE w.contact_id = g.id;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_words_forget AFTER DELETE ON contact REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION contact_words_forget();

-- Addresses and phones: what there was goes, what there is comes. One trigger an event, since transition tables allow no other.
CREATE FUNCTION address_words_come() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO contact_word (org_id, contact_id, word, source)
    SELECT a.org_id, a.contact_id, left(a.value, 100), -1 FROM came a WHERE a.sort = 'email' ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION address_words_go() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    DELETE FROM contact_word w USING gone g WHERE w.contact_id = g.contact_id AND w.word = left(g.value, 100) AND w.source = -1 AND g.sort = 'email';
    RETURN NULL;
END $$;
CREATE FUNCTION phone_words_come() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO contact_word (org_id, contact_id, word, source)
    SELECT a.org_id, a.contact_id, w, -2 FROM came a, phone_words(a.phone) AS w ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION phone_words_go() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    DELETE FROM contact_word w USING gone g
     WHERE w.contact_id = g.contact_id AND w.source = -2
       AND NOT EXISTS (SELECT FROM contact_phone p, phone_words(p.phone) AS kept WHERE p.contact_id = w.contact_id AND kept = w.word);
    RETURN NULL;
END $$;
-- The trigger of what goes comes first by its name.
CREATE TRIGGER words_come AFTER INSERT ON identity REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION address_words_come();
CREATE TRIGGER words_change_1 AFTER UPDATE ON identity REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION address_words_go();
CREATE TRIGGER words_change_2 AFTER UPDATE ON identity REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION address_words_come();
CREATE TRIGGER words_go AFTER DELETE ON identity REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION address_words_go();
CREATE TRIGGER words_come AFTER INSERT ON contact_phone REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION phone_words_come();
CREATE TRIGGER words_change_1 AFTER UPDATE ON contact_phone REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION phone_words_go();
CREATE TRIGGER words_change_2 AFTER UPDATE ON contact_phone REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION phone_words_come();
CREATE TRIGGER words_go AFTER DELETE ON contact_phone REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION phone_words_go();

-- Few interactions say something in words, and what a campaign says it says to all: so a trigger for each row, that fires for those alone.
CREATE FUNCTION interaction_words_follow() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM contact_word w WHERE w.contact_id = OLD.contact_id AND w.source = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO contact_word (org_id, contact_id, word, source)
        SELECT NEW.org_id, NEW.contact_id, w, NEW.id FROM interaction_words(NEW.data) AS w ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER words_come AFTER INSERT ON interaction FOR EACH ROW WHEN (NEW.campaign_id IS NULL AND NEW.data ?| '{note,text,subject}')
    EXECUTE FUNCTION interaction_words_follow();
CREATE TRIGGER words_change AFTER UPDATE OF data, contact_id ON interaction FOR EACH ROW
    WHEN (NEW.campaign_id IS NULL AND (OLD.data ?| '{note,text,subject}' OR NEW.data ?| '{note,text,subject}')) EXECUTE FUNCTION interaction_words_follow();
CREATE TRIGGER words_go AFTER DELETE ON interaction FOR EACH ROW WHEN (OLD.campaign_id IS NULL AND OLD.data ?| '{note,text,subject}')
    EXECUTE FUNCTION interaction_words_follow();

-- What somebody may have meant who typed `word`: all that one mistake (a letter too many, too few, wrong, or two exchanged) makes of it.
CREATE FUNCTION typing_errors(word text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT DISTINCT t COLLATE "C" FROM (
        SELECT left(word, i - 1) || substr(word, i + 1) AS t FROM generate_series(1, length(word)) i
        UNION ALL
        SELECT left(word, i - 1) || substr(word, i + 1, 1) || substr(word, i, 1) || substr(word, i + 2) FROM generate_series(1, length(word) - 1) i
        UNION ALL
        SELECT left(word, i - 1) || l || substr(word, i + 1) FROM generate_series(1, length(word)) i, regexp_split_to_table('abcdefghijklmnopqrstuvwxyz', '') l
        UNION ALL
        SELECT left(word, i) || l || substr(word, i + 1) FROM generate_series(0, length(word)) i, regexp_split_to_table('abcdefghijklmnopqrstuvwxyz', '') l) x
     WHERE t <> word $$;

-- What was there before.
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['contact', 'identity', 'contact_phone', 'interaction', 'contact_word'] LOOP
        EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', t);
    END LOOP;
    INSERT INTO contact_word (org_id, contact_id, word) SELECT c.org_id, c.id, unnest(contact_words(c)) FROM contact c;
    INSERT INTO contact_word (org_id, contact_id, word, source) SELECT org_id, contact_id, left(value, 100), -1 FROM identity WHERE sort = 'email' ON CONFLICT DO NOTHING;
    INSERT INTO contact_word (org_id, contact_id, word, source) SELECT p.org_id, p.contact_id, w, -2 FROM contact_phone p, phone_words(p.phone) AS w ON CONFLICT DO NOTHING;
    INSERT INTO contact_word (org_id, contact_id, word, source)
    SELECT i.org_id, i.contact_id, w, i.id FROM interaction i, interaction_words(i.data) AS w WHERE i.campaign_id IS NULL AND i.data ?| '{note,text,subject}'
    ON CONFLICT DO NOTHING;
    FOREACH t IN ARRAY ARRAY['contact', 'identity', 'contact_phone', 'interaction', 'contact_word'] LOOP
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    END LOOP;
END $$;
