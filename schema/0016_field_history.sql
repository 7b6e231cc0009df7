-- 0016 - what a contact's fields were before: each change with who said it and where it came from. See lazo-contacts(7).
SET LOCAL search_path = lazo;

-- `field` is a contact's field as the API names it, attr.NAME, tag or group; of a tag that was added `was` is null, of one that was taken away `became` is. What a
-- contact was made with is no change. `by`: the token's name, form:NAME, journey:NAME, import:ID, merge:ID, or psql with the session's user as source.
CREATE TABLE field_history (
    org_id bigint NOT NULL,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    field text NOT NULL,
    was jsonb,
    became jsonb,
    at timestamptz NOT NULL,
    by text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    PRIMARY KEY (contact_id, id)
);
CREATE INDEX field_history_at ON field_history (at);
ALTER TABLE field_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE field_history FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON field_history USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
GRANT SELECT, INSERT, UPDATE, DELETE ON field_history TO lazo_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

-- The columns of a contact that have a history, by the API's names. A column that is added to contact joins here.
CREATE FUNCTION contact_fields(c contact) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object('kind', c.kind, 'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name,
        'email', c.email, 'external_id', c.external_id, 'phone', c.phone, 'language', c.language, 'country', c.country, 'city', c.city,
        'postal_code', c.postal_code,
        'birth_date', CASE WHEN c.birth_month IS NOT NULL THEN coalesce(lpad(c.birth_year::text, 4, '0'), '-') || '-'
            || lpad(c.birth_month::text, 2, '0') || '-' || lpad(c.birth_day::text, 2, '0') END,
        'time_zone', c.time_zone, 'stage', c.stage) $$;

-- The fields in which two states of a contact differ.
CREATE FUNCTION contact_changes(before contact, after contact) RETURNS TABLE (field text, was jsonb, became jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT n.key, nullif(o.value, 'null'), nullif(n.value, 'null')
      FROM jsonb_each(lazo.contact_fields(after)) n JOIN jsonb_each(lazo.contact_fields(before)) o ON o.key = n.key
     WHERE o.value <> n.value $$;

CREATE FUNCTION attr_value(a contact_attr) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT coalesce(to_jsonb(a.value_text), to_jsonb(a.value_number), to_jsonb(a.value_date), to_jsonb(a.value_boolean)) $$;

-- Who says something: token:ID is told by the token's name.
CREATE FUNCTION actor(by text) RETURNS text LANGUAGE sql STABLE SET search_path = lazo AS
$$ SELECT CASE WHEN by ^@ 'token:' THEN coalesce((SELECT t.name FROM token t WHERE t.id = substr(by, 7)::bigint), by) ELSE by END $$;

-- Strangers' writes. lazod writes its rows itself, in the statement that changes the field. A program that speaks for somebody sets lazo.actor.
CREATE FUNCTION stranger() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('lazo.actor', true), ''), 'psql') $$;

CREATE FUNCTION history_of_contact() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT a.org_id, a.id, x.field, x.was, x.became, clock_now(), stranger(), session_user
      FROM added a JOIN removed r ON r.id = a.id CROSS JOIN LATERAL contact_changes(r, a) x;
    RETURN NULL;
END $$;
CREATE FUNCTION history_of_attr() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    -- What goes with its contact or its field leaves nothing.
    IF TG_OP = 'INSERT' THEN
        INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
        SELECT a.org_id, a.contact_id, 'attr.' || f.name, attr_value(a), clock_now(), stranger(), session_user
          FROM added a JOIN field f ON f.id = a.field_id JOIN contact c ON c.id = a.contact_id WHERE c.created_at < clock_now();
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
        SELECT a.org_id, a.contact_id, 'attr.' || f.name, attr_value(r), attr_value(a), clock_now(), stranger(), session_user
          FROM added a JOIN removed r ON r.contact_id = a.contact_id AND r.field_id = a.field_id JOIN field f ON f.id = a.field_id
         WHERE attr_value(r) <> attr_value(a);
    ELSE
        INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
        SELECT r.org_id, r.contact_id, 'attr.' || f.name, attr_value(r), clock_now(), stranger(), session_user
          FROM removed r JOIN field f ON f.id = r.field_id JOIN contact c ON c.id = r.contact_id;
    END IF;
    RETURN NULL;
END $$;
-- $1: tag or group.
CREATE FUNCTION history_of_label() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO field_history (org_id, contact_id, field, became, at, by, source)
        SELECT c.org_id, c.id, TG_ARGV[0], to_jsonb(a) -> TG_ARGV[1], clock_now(), stranger(), session_user
          FROM added a JOIN contact c ON c.id = a.contact_id WHERE c.created_at < clock_now();
    ELSE
        INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
        SELECT c.org_id, c.id, TG_ARGV[0], to_jsonb(r) -> TG_ARGV[1], clock_now(), stranger(), session_user
          FROM removed r JOIN contact c ON c.id = r.contact_id;
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    t record;
    e record;
    stranger constant text := 'WHEN (current_setting(''lazo.writer'', true) IS DISTINCT FROM ''lazod'')';
BEGIN
    EXECUTE 'CREATE TRIGGER history_update AFTER UPDATE ON contact REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT '
        || stranger || ' EXECUTE FUNCTION history_of_contact()';
    FOR t IN SELECT * FROM (VALUES ('contact_attr', 'history_of_attr()'), ('contact_tag', 'history_of_label(''tag'', ''tag'')'),
                                   ('contact_group', 'history_of_label(''group'', ''name'')')) AS v(name, does) LOOP
        FOR e IN SELECT * FROM (VALUES ('insert', 'NEW TABLE AS added'), ('delete', 'OLD TABLE AS removed')) AS v(event, tables) LOOP
            EXECUTE format('CREATE TRIGGER history_%s AFTER %1$s ON %I REFERENCING %s FOR EACH STATEMENT %s EXECUTE FUNCTION %s', e.event, t.name, e.tables,
                stranger, t.does);
        END LOOP;
    END LOOP;
    EXECUTE 'CREATE TRIGGER history_update AFTER UPDATE ON contact_attr REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT '
        || stranger || ' EXECUTE FUNCTION history_of_attr()';
END $$;

CREATE FUNCTION field_history_doc(h field_history) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT json_build_object('id', h.id, 'field', h.field, 'was', h.was, 'became', h.became, 'at', h.at, 'by', h.by, 'source', h.source) $$;

-- A contact's fields, tags and groups as they were at an instant: as they are now, with each that changed since then put back to what it was before the first
-- change after it. Null: there was no such contact then. What retention took away is told as it is in the oldest row that is left.
CREATE FUNCTION contact_as_of(of_contact bigint, instant timestamptz) RETURNS jsonb LANGUAGE sql STABLE SET search_path = lazo AS $$
    WITH since AS MATERIALIZED (
        SELECT DISTINCT ON (x.field, x.label) x.field, x.label, x.was, x.became
          FROM (SELECT h.at, h.id, h.field, h.was, h.became,
                       CASE WHEN h.field IN ('tag', 'group') THEN fold(coalesce(h.became, h.was) #>> '{}') END AS label
                  FROM field_history h WHERE h.contact_id = of_contact AND h.at > instant) x
         ORDER BY x.field, x.label, x.at, x.id)
    SELECT contact_fields(c)
           || (SELECT coalesce(jsonb_object_agg(s.field, coalesce(s.was, 'null')), '{}') FROM since s
                WHERE s.label IS NULL AND NOT s.field ^@ 'attr.')
           || jsonb_build_object('id', c.id, 'created_at', c.created_at,
                'attr', (SELECT coalesce(jsonb_object_agg(v.name, v.value ORDER BY v.name), '{}')
                           FROM (SELECT f.name, attr_value(a) AS value FROM contact_attr a JOIN field f ON f.id = a.field_id
                                  WHERE a.contact_id = c.id AND NOT EXISTS (SELECT FROM since s WHERE s.field = 'attr.' || f.name)
                                 UNION ALL
                                 SELECT substr(s.field, 6), s.was FROM since s WHERE s.field ^@ 'attr.' AND s.was IS NOT NULL) v),
                'tags', (SELECT coalesce(jsonb_agg(v.label ORDER BY fold(v.label)), '[]')
                           FROM (SELECT t.tag AS label FROM contact_tag t
                                  WHERE t.contact_id = c.id AND NOT EXISTS (SELECT FROM since s WHERE s.field = 'tag' AND s.label = t.tag_fold)
                                 UNION ALL
                                 SELECT s.was #>> '{}' FROM since s WHERE s.field = 'tag' AND s.was IS NOT NULL) v),
                'groups', (SELECT coalesce(jsonb_agg(v.label ORDER BY fold(v.label)), '[]')
                             FROM (SELECT g.name AS label FROM contact_group g
                                    WHERE g.contact_id = c.id AND NOT EXISTS (SELECT FROM since s WHERE s.field = 'group' AND s.label = g.name_fold)
                                   UNION ALL
                                   SELECT s.was #>> '{}' FROM since s WHERE s.field = 'group' AND s.was IS NOT NULL) v))
      FROM contact c WHERE c.id = of_contact AND c.created_at <= instant $$;

-- What is older goes. All organisations; $1: the instant before which nothing is kept.
CREATE FUNCTION field_history_purge(before timestamptz) RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
    WITH gone AS (
        DELETE FROM field_history h USING (SELECT o.contact_id, o.id FROM field_history o WHERE o.at < field_history_purge.before LIMIT 10000) x
         WHERE h.contact_id = x.contact_id AND h.id = x.id RETURNING 1)
    SELECT count(*) FROM gone $$;
GRANT SELECT, DELETE ON field_history TO lazo_directory;
GRANT CREATE ON SCHEMA lazo TO lazo_directory;
ALTER FUNCTION field_history_purge(timestamptz) OWNER TO lazo_directory;
REVOKE ALL ON FUNCTION field_history_purge(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION field_history_purge(timestamptz) TO lazo_app;
REVOKE CREATE ON SCHEMA lazo FROM lazo_directory;
