-- 0021 - evaluation by parts: a change says what it changed, and a contact is due for parts of the rules.
SET LOCAL search_path = lazo;

-- What of its sort changed: columns of the contact or attr:ID (field), topics (consent), segments (segment), models (score). Null: all of the sort; with the sorts
-- `field` and `segment` the contact as a whole.
ALTER TABLE change ADD COLUMN what text[];

-- Part 0: all rules and scores; 1: the scores; others: the rules over the same kinds (daemon/evaluate/ruleset.h).
ALTER TABLE wake ADD COLUMN part int NOT NULL DEFAULT 0;
ALTER TABLE wake DROP CONSTRAINT wake_pkey;
ALTER TABLE wake ADD PRIMARY KEY (contact_id, part);

-- Strangers' writes say it too.
CREATE FUNCTION change_of_columns() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what)
    SELECT n.org_id, n.id, 'field', d.names
      FROM touched n JOIN was o ON o.id = n.id
     CROSS JOIN LATERAL (SELECT array_agg(e.key) AS names FROM jsonb_each(to_jsonb(n)) AS e(key, value)
                          WHERE e.value IS DISTINCT FROM to_jsonb(o) -> e.key) d
     WHERE d.names IS NOT NULL;
    RETURN NULL;
END $$;
-- An interaction that became another one: the kinds it had and has.
CREATE FUNCTION change_of_changed_interaction() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, kind_id, quiet)
    SELECT org_id, contact_id, 'interaction', kind_id, true FROM touched
    UNION
    SELECT org_id, contact_id, 'interaction', kind_id, true FROM was;
    RETURN NULL;
END $$;
CREATE FUNCTION change_of_attr() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what) SELECT org_id, contact_id, 'field', array_agg('attr:' || field_id) FROM touched GROUP BY org_id, contact_id;
    RETURN NULL;
END $$;
CREATE FUNCTION change_of_changed_attr() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what)
    SELECT org_id, contact_id, 'field', array_agg('attr:' || field_id)
      FROM (SELECT org_id, contact_id, field_id FROM touched UNION SELECT org_id, contact_id, field_id FROM was) a GROUP BY org_id, contact_id;
    RETURN NULL;
END $$;
CREATE FUNCTION change_of_subscription() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what) SELECT org_id, contact_id, 'consent', array_agg(topic_id::text) FROM touched GROUP BY org_id, contact_id;
    RETURN NULL;
END $$;
CREATE FUNCTION change_of_segment() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what) SELECT org_id, contact_id, 'segment', array_agg(segment_id::text) FROM touched GROUP BY org_id, contact_id;
    RETURN NULL;
END $$;
-- Who is put into a fixed segment or taken out of it. Membership of dynamic ones follows from their rules.
CREATE FUNCTION change_of_member() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    INSERT INTO change (org_id, contact_id, sort, what)
    SELECT t.org_id, t.contact_id, 'segment', array_agg(t.segment_id::text)
      FROM touched t JOIN segment s ON s.id = t.segment_id WHERE s.kind = 'fixed' GROUP BY t.org_id, t.contact_id;
    RETURN NULL;
END $$;

DO $$
DECLARE
    t record;
    stranger constant text := 'WHEN (current_setting(''lazo.writer'', true) IS DISTINCT FROM ''lazod'')';
    pair constant text := 'REFERENCING OLD TABLE AS was NEW TABLE AS touched';
    old_only constant text := 'REFERENCING OLD TABLE AS touched';
    new_only constant text := 'REFERENCING NEW TABLE AS touched';
BEGIN
    FOR t IN SELECT * FROM (VALUES
        ('contact', 'update', pair, 'change_of_columns'),
        ('interaction', 'update', pair, 'change_of_changed_interaction'),
        ('contact_attr', 'insert', new_only, 'change_of_attr'),
        ('contact_attr', 'update', pair, 'change_of_changed_attr'),
        ('contact_attr', 'delete', old_only, 'change_of_attr'),
        ('subscription', 'insert', new_only, 'change_of_subscription'),
        ('subscription', 'update', new_only, 'change_of_subscription'),
        ('subscription', 'delete', old_only, 'change_of_subscription'),
        ('segment_exception', 'insert', new_only, 'change_of_segment'),
        ('segment_exception', 'update', new_only, 'change_of_segment'),
        ('segment_exception', 'delete', old_only, 'change_of_segment'),
        ('membership', 'insert', new_only, 'change_of_member'),
        ('membership', 'delete', old_only, 'change_of_member')) AS v(name, event, tables, fn) LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS change_%s ON %I', t.event, t.name);
        EXECUTE format('CREATE TRIGGER change_%s AFTER %s ON %I %s FOR EACH STATEMENT %s EXECUTE FUNCTION %I()',
                       t.event, upper(t.event), t.name, t.tables, stranger, t.fn);
    END LOOP;
END $$;
