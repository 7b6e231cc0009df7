-- 0018 - several e-mail addresses and phones for each contact, one of each the primary; a street; households.
SET LOCAL search_path = lazo;

-- Where numbers without a country belong. Null: they stay as their digits.
ALTER TABLE organisation ADD COLUMN country text CHECK (country ~ '^[A-Z]{2}$');

ALTER TABLE contact ADD COLUMN street text CHECK (length(street) <= 200);
ALTER TABLE contact DROP CONSTRAINT contact_kind_check;
ALTER TABLE contact ADD CONSTRAINT contact_kind_check CHECK (kind IN ('person', 'company', 'household'));

-- What an address is to its contact: "work", "home".
ALTER TABLE identity ADD COLUMN label text CHECK (length(label) BETWEEN 1 AND 50);

-- The calling code of a country (ISO 3166) and the digits dialled before a national number, with a comma between them; null: not known.
CREATE FUNCTION calling_code(country text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(
        ' AD376 AE971,0 AF93,0 AG1,1 AI1,1 AL355,0 AM374,0 AO244 AR54,0 AS1,1 AT43,0 AU61,0 AW297 AX358,0 AZ994,0 BA387,0 BB1,1 BD880,0 BE32,0 BF226 BG359,0'
        ' BH973 BI257 BJ229 BL590,0 BM1,1 BN673 BO591,0 BQ599 BR55,0 BS1,1 BT975 BW267 BY375,8 BZ501 CA1,1 CC61,0 CD243,0 CF236 CG242 CH41,0 CI225 CK682 CL56'
        ' CM237 CN86,0 CO57 CR506 CU53,0 CV238 CW599 CX61,0 CY357 CZ420 DE49,0 DJ253 DK45 DM1,1 DO1,1 DZ213,0 EC593,0 EE372 EG20,0 EH212,0 ER291,0 ES34'
        ' ET251,0 FI358,0 FJ679 FK500 FM691 FO298 FR33,0 GA241 GB44,0 GD1,1 GE995,0 GF594,0 GG44,0 GH233,0 GI350 GL299 GM220 GN224 GP590,0 GQ240 GR30 GT502'
        ' GU1,1 GW245 GY592 HK852 HN504 HR385,0 HT509 HU36,06 ID62,0 IE353,0 IL972,0 IM44,0 IN91,0 IQ964,0 IR98,0 IS354 IT39 JE44,0 JM1,1 JO962,0 JP81,0'
        ' KE254,0 KG996,0 KH855,0 KI686 KM269 KN1,1 KP850,0 KR82,0 KW965 KY1,1 KZ7,8 LA856,0 LB961,0 LC1,1 LI423 LK94,0 LR231,0 LS266 LT370,0 LU352 LV371'
        ' LY218,0 MA212,0 MC377 MD373,0 ME382,0 MF590,0 MG261,0 MH692 MK389,0 ML223 MM95,0 MN976,0 MO853 MP1,1 MQ596,0 MR222 MS1,1 MT356 MU230 MV960 MW265'
        ' MX52 MY60,0 MZ258 NA264,0 NC687 NE227 NF672 NG234,0 NI505 NL31,0 NO47 NP977,0 NR674 NU683 NZ64,0 OM968 PA507 PE51,0 PF689 PG675 PH63,0 PK92,0 PL48'
        ' PM508,0 PR1,1 PS970,0 PT351 PW680 PY595,0 QA974 RE262,0 RO40,0 RS381,0 RU7,8 RW250 SA966,0 SB677 SC248 SD249,0 SE46,0 SG65 SH290 SI386,0 SJ47'
        ' SK421,0 SL232,0 SM378 SN221 SO252,0 SR597 SS211,0 ST239 SV503 SX1,1 SY963,0 SZ268 TC1,1 TD235 TG228 TH66,0 TJ992 TK690 TL670 TM993,8 TN216 TO676'
        ' TR90,0 TT1,1 TV688 TW886,0 TZ255,0 UA380,0 UG256,0 US1,1 UY598,0 UZ998 VA39 VC1,1 VE58,0 VG1,1 VI1,1 VN84,0 VU678 WF681 WS685 XK383,0 YE967,0'
        ' YT262,0 ZA27,0 ZM260,0 ZW263,0 ' FROM ' ' || country || '([0-9,]+)') $$;

-- A phone number in one form: E.164 ("+34600111222") where it says its country or `country` is known; else its digits. What is no number (letters, fewer than
-- three digits) stays, its blanks put in order.
CREATE FUNCTION phone_normal(said text, country text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    plain constant text := btrim(regexp_replace(said, '\s+', ' ', 'g'));
    digits text := regexp_replace(replace(said, '(0)', ''), '[^0-9]', '', 'g');
    code text;
    trunk text;
BEGIN
    IF said IS NULL OR length(digits) < 3 OR plain !~ '^[+]?[-0-9 ()./·]+$' THEN
        RETURN plain;
    ELSIF plain ~ '^[+]' THEN
        RETURN '+' || digits;
    ELSIF digits ~ '^00[1-9]' AND length(digits) > 9 THEN
        RETURN '+' || substr(digits, 3);
    END IF;
    code := lazo.calling_code(country);
    digits := regexp_replace(said, '[^0-9]', '', 'g');
    -- Short numbers are dialled as they are.
    IF code IS NULL OR length(digits) < 6 THEN
        RETURN digits;
    END IF;
    trunk := split_part(code, ',', 2);
    code := split_part(code, ',', 1);
    -- 1 and 8 begin national numbers, too: only what is too long for one has them before it.
    IF trunk <> '' AND digits ^@ trunk AND (trunk ^@ '0' OR length(digits) = 11) THEN
        digits := substr(digits, length(trunk) + 1);
    END IF;
    RETURN CASE WHEN length(code || digits) <= 15 THEN '+' || code || digits ELSE digits END;
END $$;

-- All phones of a contact; the primary one is contact.phone, too. Several people may share a number.
CREATE TABLE contact_phone (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    phone text NOT NULL CHECK (length(phone) BETWEEN 1 AND 50),
    label text CHECK (length(label) BETWEEN 1 AND 50),
    added_at timestamptz NOT NULL DEFAULT clock_now(),
    PRIMARY KEY (contact_id, phone)
);
CREATE INDEX contact_phone_find ON contact_phone (org_id, phone, contact_id);

-- What was there before. Contacts keep their phone in the form that it has from now on.
ALTER TABLE contact NO FORCE ROW LEVEL SECURITY;
ALTER TABLE contact DISABLE TRIGGER USER;
UPDATE contact SET phone = phone_normal(phone, country) WHERE phone IS DISTINCT FROM phone_normal(phone, country);
UPDATE contact SET phone = NULL WHERE phone = '';
ALTER TABLE contact ENABLE TRIGGER USER;
INSERT INTO contact_phone (org_id, contact_id, phone, added_at) SELECT org_id, id, phone, created_at FROM contact WHERE phone IS NOT NULL;
ALTER TABLE contact FORCE ROW LEVEL SECURITY;

-- Whoever writes contact.phone: it takes the one form and is among the contact's phones. Null forgets them all.
CREATE FUNCTION contact_phone_takes_form() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    NEW.phone := nullif(phone_normal(NEW.phone, coalesce(NEW.country, (SELECT o.country FROM organisation o WHERE o.id = NEW.org_id))), '');
    RETURN NEW;
END $$;
CREATE FUNCTION contact_phone_is_kept() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF NEW.phone IS NULL THEN
        DELETE FROM contact_phone p WHERE p.contact_id = NEW.id;
    ELSE
        INSERT INTO contact_phone (org_id, contact_id, phone, added_at) VALUES (NEW.org_id, NEW.id, NEW.phone, NEW.updated_at)
        ON CONFLICT (contact_id, phone) DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_phone_form_insert BEFORE INSERT ON contact FOR EACH ROW WHEN (NEW.phone IS NOT NULL)
    EXECUTE FUNCTION contact_phone_takes_form();
CREATE TRIGGER contact_phone_form_update BEFORE UPDATE ON contact FOR EACH ROW WHEN (NEW.phone IS NOT NULL AND NEW.phone IS DISTINCT FROM OLD.phone)
    EXECUTE FUNCTION contact_phone_takes_form();
CREATE TRIGGER contact_phone_kept_insert AFTER INSERT ON contact FOR EACH ROW WHEN (NEW.phone IS NOT NULL)
    EXECUTE FUNCTION contact_phone_is_kept();
CREATE TRIGGER contact_phone_kept_update AFTER UPDATE ON contact FOR EACH ROW WHEN (NEW.phone IS DISTINCT FROM OLD.phone)
    EXECUTE FUNCTION contact_phone_is_kept();

-- A primary phone that goes hands over to the one that was added first.
CREATE FUNCTION contact_phone_goes() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    UPDATE contact c
       SET phone = (SELECT p.phone FROM contact_phone p WHERE p.contact_id = c.id ORDER BY p.added_at, p.phone LIMIT 1)
      FROM removed r WHERE c.id = r.contact_id AND c.phone = r.phone;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_phone_goes AFTER DELETE ON contact_phone REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION contact_phone_goes();

DO $$
DECLARE
    stranger constant text := 'WHEN (current_setting(''lazo.writer'', true) IS DISTINCT FROM ''lazod'')';
BEGIN
    ALTER TABLE contact_phone ENABLE ROW LEVEL SECURITY;
    ALTER TABLE contact_phone FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_rows ON contact_phone USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
    GRANT SELECT, INSERT, UPDATE, DELETE ON contact_phone TO lazo_app;
    EXECUTE 'CREATE TRIGGER change_insert AFTER INSERT ON contact_phone REFERENCING NEW TABLE AS touched FOR EACH STATEMENT ' || stranger
        || ' EXECUTE FUNCTION change_of_row(''field'')';
    EXECUTE 'CREATE TRIGGER change_update AFTER UPDATE ON contact_phone REFERENCING NEW TABLE AS touched FOR EACH STATEMENT ' || stranger
        || ' EXECUTE FUNCTION change_of_row(''field'')';
    EXECUTE 'CREATE TRIGGER change_delete AFTER DELETE ON contact_phone REFERENCING OLD TABLE AS touched FOR EACH STATEMENT ' || stranger
        || ' EXECUTE FUNCTION change_of_row(''field'')';
END $$;

-- The columns of a contact that have a history, by the API's names.
CREATE OR REPLACE FUNCTION contact_fields(c contact) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object('kind', c.kind, 'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name,
        'email', c.email, 'external_id', c.external_id, 'phone', c.phone, 'language', c.language, 'country', c.country, 'street', c.street, 'city', c.city,
        'postal_code', c.postal_code,
        'birth_date', CASE WHEN c.birth_month IS NOT NULL THEN coalesce(lpad(c.birth_year::text, 4, '0'), '-') || '-'
            || lpad(c.birth_month::text, 2, '0') || '-' || lpad(c.birth_day::text, 2, '0') END,
        'time_zone', c.time_zone, 'stage', c.stage) $$;

-- A contact as the API shows it.
CREATE OR REPLACE FUNCTION contact_doc(c contact) RETURNS json LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('id', c.id, 'kind', c.kind, 'email', c.email, 'external_id', c.external_id,
        'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name, 'phone', c.phone,
        'emails', (SELECT coalesce(json_agg(json_build_object('email', i.value, 'label', i.label, 'primary', i.value = c.email)
                               ORDER BY i.value = c.email DESC, i.value), '[]')
                     FROM identity i WHERE i.contact_id = c.id AND i.sort = 'email'),
        'phones', (SELECT coalesce(json_agg(json_build_object('phone', p.phone, 'label', p.label, 'primary', p.phone = c.phone)
                               ORDER BY p.phone = c.phone DESC, p.added_at, p.phone), '[]')
                     FROM contact_phone p WHERE p.contact_id = c.id),
        'language', c.language, 'country', c.country, 'street', c.street, 'city', c.city, 'postal_code', c.postal_code,
        'birth_date', CASE WHEN c.birth_month IS NOT NULL THEN coalesce(lpad(c.birth_year::text, 4, '0'), '-') || '-'
            || lpad(c.birth_month::text, 2, '0') || '-' || lpad(c.birth_day::text, 2, '0') END,
        'time_zone', c.time_zone, 'stage', c.stage,
        'identities', (SELECT coalesce(json_agg(json_build_object('sort', i.sort, 'value', i.value) ORDER BY i.sort, i.value), '[]')
                         FROM identity i WHERE i.contact_id = c.id),
        'tags', (SELECT coalesce(json_agg(t.tag ORDER BY t.tag_fold), '[]') FROM contact_tag t WHERE t.contact_id = c.id),
        'groups', (SELECT coalesce(json_agg(g.name ORDER BY g.name_fold), '[]') FROM contact_group g WHERE g.contact_id = c.id),
        'attr', (SELECT coalesce(json_object_agg(f.name, coalesce(to_json(a.value_text), to_json(a.value_number),
                            to_json(a.value_date), to_json(a.value_boolean)) ORDER BY f.name), '{}')
                   FROM contact_attr a JOIN field f ON f.id = a.field_id WHERE a.contact_id = c.id),
        'subscriptions', (SELECT coalesce(json_agg(json_build_object('topic', t.name, 'subscribed', s.subscribed, 'since', s.since)
                                    ORDER BY t.name), '[]')
                            FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.contact_id = c.id),
        'created_at', c.created_at, 'updated_at', c.updated_at) $$;
