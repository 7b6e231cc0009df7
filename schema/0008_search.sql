-- 0008 - how contacts are found by words, and how they are shown.
SET LOCAL search_path = lazo;

-- The words that a contact is found by: those of its names, folded, and its e-mail address whole. Searched by prefix, as a range in the collation "C",
-- so that the index is used under row-level security and with any plan.
CREATE TABLE contact_word (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    word text COLLATE "C" NOT NULL,
    PRIMARY KEY (contact_id, word)
);
CREATE INDEX contact_word_find ON contact_word (org_id, word, contact_id);
ALTER TABLE contact_word ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact_word FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON contact_word USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
GRANT SELECT, INSERT, UPDATE, DELETE ON contact_word TO lazo_app;

-- Folded text in words; a text with an @ is an address and stays whole.
CREATE FUNCTION words(folded text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT DISTINCT left(w, 100)
      FROM regexp_split_to_table(folded COLLATE "und-x-icu", CASE WHEN strpos(folded, '@') > 0 THEN '\s+' ELSE '[^[:alnum:]]+' END) AS w
     WHERE w <> '' $$;

CREATE FUNCTION contact_words_insert() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO contact_word (org_id, contact_id, word)
    SELECT a.org_id, a.id, w FROM added a, words(concat_ws(' ', a.first_name_fold, a.last_name_fold, a.company_name_fold)) AS w
     WHERE num_nonnulls(a.first_name, a.last_name, a.company_name) > 0
    UNION SELECT a.org_id, a.id, left(a.email, 100) FROM added a WHERE a.email IS NOT NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION contact_words_update() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    WITH renamed AS MATERIALIZED (
        SELECT a.org_id, a.id, ARRAY(SELECT words(concat_ws(' ', a.first_name_fold, a.last_name_fold, a.company_name_fold))
                                     UNION SELECT left(a.email, 100) WHERE a.email IS NOT NULL) AS words
          FROM added a JOIN removed r ON r.id = a.id
         WHERE (a.first_name, a.last_name, a.company_name, a.email)
               IS DISTINCT FROM (r.first_name, r.last_name, r.company_name, r.email)
    ), gone AS (
        DELETE FROM contact_word w USING renamed n WHERE w.contact_id = n.id AND w.word <> ALL (n.words)
    )
    INSERT INTO contact_word (org_id, contact_id, word)
    SELECT n.org_id, n.id, unnest(n.words) FROM renamed n
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_words_insert AFTER INSERT ON contact REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION contact_words_insert();
CREATE TRIGGER contact_words_update AFTER UPDATE ON contact REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION contact_words_update();

-- A contact as the API shows it.
CREATE FUNCTION contact_doc(c contact) RETURNS json LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('id', c.id, 'kind', c.kind, 'email', c.email, 'external_id', c.external_id,
        'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name, 'phone', c.phone,
        'language', c.language, 'country', c.country, 'city', c.city, 'postal_code', c.postal_code,
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
