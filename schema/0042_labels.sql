-- 0042 - a change of tags or groups says which: rules that speak of others are not asked.
SET LOCAL search_path = lazo;

-- A folded name as a word of change.what, whose words stand between commas and are never empty (daemon/rules/reads.c).
CREATE FUNCTION label_word(folded text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT CASE WHEN folded = '' THEN ';' ELSE replace(folded, ',', ';') END $$;

-- Strangers' writes.
CREATE FUNCTION change_of_label() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF TG_TABLE_NAME = 'contact_tag' THEN
        INSERT INTO change (org_id, contact_id, sort, what) SELECT org_id, contact_id, 'tag', array_agg(label_word(tag_fold)) FROM touched GROUP BY org_id, contact_id;
    ELSE
        INSERT INTO change (org_id, contact_id, sort, what) SELECT org_id, contact_id, 'group', array_agg(label_word(name_fold)) FROM touched GROUP BY org_id, contact_id;
    END IF;
    RETURN NULL;
END $$;
-- What it was called before counts too.
CREATE FUNCTION change_of_changed_label() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    IF TG_TABLE_NAME = 'contact_tag' THEN
        INSERT INTO change (org_id, contact_id, sort, what)
        SELECT org_id, contact_id, 'tag', array_agg(label_word(tag_fold))
          FROM (SELECT org_id, contact_id, tag_fold FROM touched UNION SELECT org_id, contact_id, tag_fold FROM was) t GROUP BY org_id, contact_id;
    ELSE
        INSERT INTO change (org_id, contact_id, sort, what)
        SELECT org_id, contact_id, 'group', array_agg(label_word(name_fold))
          FROM (SELECT org_id, contact_id, name_fold FROM touched UNION SELECT org_id, contact_id, name_fold FROM was) g GROUP BY org_id, contact_id;
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    t record;
    stranger constant text := 'WHEN (current_setting(''lazo.writer'', true) IS DISTINCT FROM ''lazod'')';
BEGIN
    FOR t IN SELECT * FROM (VALUES ('contact_tag'), ('contact_group')) AS n(name)
             CROSS JOIN (VALUES ('insert', 'NEW TABLE AS touched', 'change_of_label'), ('delete', 'OLD TABLE AS touched', 'change_of_label'),
                                ('update', 'OLD TABLE AS was NEW TABLE AS touched', 'change_of_changed_label')) AS v(event, tables, fn) LOOP
        EXECUTE format('DROP TRIGGER change_%s ON %I', t.event, t.name);
        EXECUTE format('CREATE TRIGGER change_%s AFTER %s ON %I REFERENCING %s FOR EACH STATEMENT %s EXECUTE FUNCTION %I()',
                       t.event, upper(t.event), t.name, t.tables, stranger, t.fn);
    END LOOP;
END $$;
