-- 0029 - imports: a file with what is said of it, what was refused, and which rows an import brought, so that it can be undone. See lazo-import(7).
SET LOCAL search_path = lazo;

-- `size` and `received` are bytes, `rows` and `position` records after the header. `position` moves in the transaction of the rows that it counts.
CREATE TABLE import (
    org_id bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) <= 200),
    state text NOT NULL CHECK (state IN ('uploading', 'ready', 'checking', 'running', 'paused', 'finished', 'cancelled', 'failed', 'undoing', 'undone')),
    size bigint NOT NULL CHECK (size >= 0),
    received bigint NOT NULL DEFAULT 0,
    rows bigint,
    position bigint NOT NULL DEFAULT 0,
    guess jsonb,
    settings jsonb,
    checked jsonb,           -- what the dry run found
    report jsonb,            -- what the run did
    undone jsonb,            -- what its undoing did
    why text NOT NULL DEFAULT '',
    made_by text NOT NULL DEFAULT '',
    made_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX import_list ON import (org_id, id);
CREATE INDEX import_busy ON import (org_id, id) WHERE state IN ('checking', 'running', 'undoing');

-- The file as it came, in pieces of at most 256 KiB, until import_files_purge() takes it.
CREATE TABLE import_piece (
    org_id bigint NOT NULL,
    import_id bigint NOT NULL REFERENCES import ON DELETE CASCADE,
    at bigint NOT NULL,      -- place of its first byte
    n int NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (import_id, at)
);
-- Rows that were refused: in the dry run, or in the run itself.
CREATE TABLE import_refusal (
    org_id bigint NOT NULL,
    import_id bigint NOT NULL REFERENCES import ON DELETE CASCADE,
    dry boolean NOT NULL,
    line bigint NOT NULL,
    fields text[] NOT NULL,  -- as they stood; of a line that is no CSV, the line
    heading text NOT NULL DEFAULT '',
    reason text NOT NULL,
    PRIMARY KEY (import_id, dry, line)
);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['import', 'import_piece', 'import_refusal'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (org_id = nullif(current_setting(''lazo.org'', true), '''')::bigint)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lazo_app', t);
    END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA lazo TO lazo_app;

-- Which import a row came with: whoever writes in a transaction with lazo.import set. What it changed in rows that were there is in field_history, by import:ID.
ALTER TABLE contact ADD COLUMN import_id bigint;
ALTER TABLE identity ADD COLUMN import_id bigint;
ALTER TABLE interaction ADD COLUMN import_id bigint;
ALTER TABLE consent ADD COLUMN import_id bigint;
ALTER TABLE contact_phone ADD COLUMN import_id bigint;
ALTER TABLE contact ALTER COLUMN import_id SET DEFAULT nullif(current_setting('lazo.import', true), '')::bigint;
ALTER TABLE identity ALTER COLUMN import_id SET DEFAULT nullif(current_setting('lazo.import', true), '')::bigint;
ALTER TABLE interaction ALTER COLUMN import_id SET DEFAULT nullif(current_setting('lazo.import', true), '')::bigint;
ALTER TABLE consent ALTER COLUMN import_id SET DEFAULT nullif(current_setting('lazo.import', true), '')::bigint;
ALTER TABLE contact_phone ALTER COLUMN import_id SET DEFAULT nullif(current_setting('lazo.import', true), '')::bigint;
CREATE INDEX contact_import ON contact (org_id, import_id, id) WHERE import_id IS NOT NULL;
CREATE INDEX identity_import ON identity (org_id, import_id, contact_id) WHERE import_id IS NOT NULL;
CREATE INDEX interaction_import ON interaction (org_id, import_id, contact_id, id) WHERE import_id IS NOT NULL;
CREATE INDEX consent_import ON consent (org_id, import_id, contact_id) WHERE import_id IS NOT NULL;
CREATE INDEX contact_phone_import ON contact_phone (org_id, import_id, contact_id) WHERE import_id IS NOT NULL;
CREATE INDEX field_history_import ON field_history (org_id, by, contact_id, id) WHERE by ^@ 'import:';

CREATE FUNCTION import_doc(i import) RETURNS jsonb LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT jsonb_build_object('id', i.id, 'name', i.name, 'state', i.state, 'size', i.size, 'received', i.received, 'rows', i.rows, 'position', i.position,
               'percent', CASE WHEN i.state = 'checking' THEN floor(100 * coalesce((i.checked ->> 'rows')::numeric, 0) / greatest(i.rows, 1))
                               WHEN i.rows IS NOT NULL THEN floor(100 * i.position::numeric / greatest(i.rows, 1)) END,
               'guess', i.guess, 'mapping', i.settings, 'check', i.checked, 'report', i.report, 'undone', i.undone - 'after', 'why', nullif(i.why, ''),
               'made_by', i.made_by, 'made_at', i.made_at, 'started_at', i.started_at, 'ended_at', i.ended_at) $$;

-- Who did what with a file: how far it is belongs to nobody.
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON import FOR EACH ROW
    EXECUTE FUNCTION audited('import', 'id', '{received,rows,position,guess,checked,report,undone,made_at,made_by,started_at,ended_at}');

CREATE FUNCTION import_waiting() RETURNS TABLE (org_id bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = lazo AS $$
    SELECT DISTINCT i.org_id FROM import i WHERE i.state IN ('checking', 'running', 'undoing') $$;

-- Files and refused lines of imports that ended long ago, and uploads that were left in the middle. All organisations.
CREATE FUNCTION import_files_purge(before timestamptz) RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
    WITH old AS (
        SELECT i.id FROM import i
         WHERE coalesce(i.ended_at, i.made_at) < import_files_purge.before AND i.state NOT IN ('checking', 'running', 'undoing')
    ), refused AS (
        DELETE FROM import_refusal r WHERE r.import_id IN (SELECT id FROM old)
    ), pieces AS (
        DELETE FROM import_piece p WHERE p.import_id IN (SELECT id FROM old) RETURNING p.import_id
    )
    SELECT count(DISTINCT import_id) FROM pieces $$;

-- --- undoing ----------------------------------------------------------------------------------------------------------------

-- Interactions of an import go, with their keys and the amendments that it made; what those amended counts again as it did. One that something else amended stays.
CREATE FUNCTION import_undo_interactions(of_import bigint, contacts bigint[], OUT removed bigint, OUT kept bigint) LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    gone bigint[];
    it record;
BEGIN
    removed := 0;
    FOR it IN SELECT a.contact_id, a.id FROM interaction i JOIN amendment a ON a.contact_id = i.contact_id AND a.id = i.id
               WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (contacts) ORDER BY a.contact_id, a.id DESC LOOP
        PERFORM interaction_remove(it.contact_id, it.id);
        DELETE FROM interaction_key k WHERE k.contact_id = it.contact_id AND k.interaction_id = it.id;
        removed := removed + 1;
    END LOOP;
    SELECT array_agg(i.id) INTO gone FROM interaction i
     WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (contacts)
       AND NOT EXISTS (SELECT FROM amendment a WHERE a.contact_id = i.contact_id AND a.amends = i.id);
    DELETE FROM interaction_key k WHERE k.contact_id = ANY (contacts) AND k.interaction_id = ANY (gone);
    WITH lost AS (
        DELETE FROM interaction i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (contacts) AND i.id = ANY (gone)
        RETURNING i.contact_id, i.kind_id
    ), logged AS (
        INSERT INTO change (org_id, contact_id, sort, kind_id, quiet) SELECT DISTINCT org, l.contact_id, 'interaction', l.kind_id, true FROM lost l
    )
    SELECT removed + count(*) INTO removed FROM lost;
    SELECT count(*) INTO kept FROM interaction i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (contacts);
END $$;

-- Fields, tags and groups that an import changed and that nobody changed since are as they were. What it did to a contact that it made is not looked at.
CREATE FUNCTION import_undo_fields(of_import bigint, contacts bigint[], now timestamptz, OUT put_back bigint, OUT kept bigint)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    said constant text := 'import:' || of_import;
    it record;
    before contact;
    hit int;
BEGIN
    put_back := 0;
    kept := 0;
    FOR it IN
        SELECT h.contact_id, h.field, CASE WHEN h.field IN ('tag', 'group') THEN fold(coalesce(h.became, h.was) #>> '{}') END AS label,
               (array_agg(h.was ORDER BY h.id))[1] AS was, (array_agg(h.became ORDER BY h.id DESC))[1] AS became, max(h.id) AS id
          FROM field_history h
         WHERE h.org_id = org AND h.by = said AND h.by ^@ 'import:' AND h.contact_id = ANY (contacts)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LOOP
        hit := 0;
        IF it.field IN ('tag', 'group') THEN
            IF NOT EXISTS (SELECT FROM field_history h WHERE h.contact_id = it.contact_id AND h.field = it.field AND h.id > it.id
                              AND fold(coalesce(h.became, h.was) #>> '{}') = it.label) THEN
                IF it.field = 'tag' THEN
                    DELETE FROM contact_tag t WHERE t.contact_id = it.contact_id AND t.tag_fold = it.label;
                ELSE
                    DELETE FROM contact_group g WHERE g.contact_id = it.contact_id AND g.name_fold = it.label;
                END IF;
                GET DIAGNOSTICS hit = ROW_COUNT;
            END IF;
        ELSIF it.field ^@ 'attr.' THEN
            IF it.was IS NULL THEN
                DELETE FROM contact_attr a USING field f
                 WHERE a.contact_id = it.contact_id AND f.id = a.field_id AND f.name = substr(it.field, 6) AND attr_value(a) = it.became;
            ELSE
                UPDATE contact_attr a
                   SET value_text = CASE f.type WHEN 'text' THEN it.was #>> '{}' END,
                       value_number = CASE f.type WHEN 'number' THEN (it.was #>> '{}')::float8 END,
                       value_date = CASE f.type WHEN 'date' THEN (it.was #>> '{}')::date END,
                       value_boolean = CASE f.type WHEN 'boolean' THEN (it.was #>> '{}')::boolean END
                  FROM field f
                 WHERE a.contact_id = it.contact_id AND f.id = a.field_id AND f.name = substr(it.field, 6) AND attr_value(a) = it.became;
            END IF;
            GET DIAGNOSTICS hit = ROW_COUNT;
        ELSE
            SELECT * INTO before FROM contact c WHERE c.id = it.contact_id;
            IF nullif(contact_fields(before) -> it.field, 'null') IS NOT DISTINCT FROM it.became THEN
                IF it.field = 'phone' AND it.was IS NULL THEN
                    -- It hands over to one that was added since.
                    DELETE FROM contact_phone p WHERE p.contact_id = it.contact_id AND p.import_id = of_import;
                ELSIF it.field = 'birth_date' THEN
                    UPDATE contact c
                       SET birth_year = CASE WHEN it.was #>> '{}' NOT LIKE '-%' THEN left(it.was #>> '{}', 4)::smallint END,
                           birth_month = left(right(it.was #>> '{}', 5), 2)::smallint, birth_day = right(it.was #>> '{}', 2)::smallint, updated_at = now
                     WHERE c.id = it.contact_id;
                ELSE
                    EXECUTE format('UPDATE contact c SET %1$I = (jsonb_populate_record(NULL::contact, $1)).%1$I, updated_at = $2 WHERE c.id = $3', it.field)
                      USING jsonb_build_object(it.field, it.was), now, it.contact_id;
                END IF;
                hit := 1;
            END IF;
        END IF;
        IF hit > 0 THEN
            put_back := put_back + 1;
            INSERT INTO field_history (org_id, contact_id, field, was, became, at, by) VALUES (org, it.contact_id, it.field, it.became, it.was, now, 'undo of ' || said);
            INSERT INTO change (org_id, contact_id, sort, quiet)
            VALUES (org, it.contact_id, CASE WHEN it.field IN ('tag', 'group') THEN it.field ELSE 'field' END, true);
        ELSIF NOT EXISTS (SELECT FROM field_history h WHERE h.contact_id = it.contact_id AND h.by = 'undo of ' || said AND h.id > it.id AND h.field = it.field) THEN
            kept := kept + 1;
        END IF;
    END LOOP;
END $$;

-- Consent that an import recorded, and that is still the last word, is withdrawn in the ledger; the person then has said neither yes nor no.
CREATE FUNCTION import_undo_consents(of_import bigint, contacts bigint[], now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    it record;
    done bigint := 0;
BEGIN
    FOR it IN SELECT c.* FROM consent c
               WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id = ANY (contacts)
                 AND NOT EXISTS (SELECT FROM consent l WHERE l.contact_id = c.contact_id AND l.topic_id = c.topic_id AND l.n > c.n)
               ORDER BY c.contact_id, c.n LOOP
        INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, source, method, at)
        VALUES (org, it.contact_id, it.topic_id, 'withdraw', it.purpose, it.wording, 'undo of import ' || of_import, 'undo', greatest(now, it.at));
        DELETE FROM subscription s WHERE s.contact_id = it.contact_id AND s.topic_id = it.topic_id;
        INSERT INTO change (org_id, contact_id, sort, quiet) VALUES (org, it.contact_id, 'consent', true);
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

-- Those of the contacts to which something happened that was not the import: whatever has their id, but what it brought and what is computed.
CREATE FUNCTION import_outlived(of_import bigint, contacts bigint[]) RETURNS bigint[] LANGUAGE plpgsql STABLE SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    kept bigint[];
    found bigint[];
    t text;
BEGIN
    SELECT array_agg(DISTINCT x.contact_id) INTO kept FROM (
        SELECT i.contact_id FROM interaction i JOIN kind k ON k.id = i.kind_id
         WHERE i.contact_id = ANY (contacts) AND k.name NOT IN ('segment_entered', 'segment_left')
        UNION ALL
        SELECT i.contact_id FROM identity i WHERE i.contact_id = ANY (contacts) AND i.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT p.contact_id FROM contact_phone p WHERE p.contact_id = ANY (contacts) AND p.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT c.contact_id FROM consent c WHERE c.contact_id = ANY (contacts) AND c.import_id IS DISTINCT FROM of_import
        UNION ALL
        SELECT h.contact_id FROM field_history h WHERE h.contact_id = ANY (contacts) AND h.by <> 'import:' || of_import) x;
    FOR t IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'lazo'::regnamespace AND c.relkind = 'r' AND a.attname = 'contact_id' AND NOT a.attisdropped
                AND c.relname !~ '^(rfm_|membership)'
                AND c.relname NOT IN ('interaction', 'interaction_key', 'amendment', 'identity', 'consent', 'consent_head', 'subscription', 'field_history', 'contact_tag',
                                      'contact_group', 'contact_attr', 'contact_word', 'contact_phone', 'change', 'cue', 'wake') LOOP
        EXECUTE format('SELECT array_agg(DISTINCT contact_id) FROM %I WHERE org_id = $1 AND contact_id = ANY ($2)', t) INTO found USING org, contacts;
        kept := kept || found;
    END LOOP;
    SELECT array_agg(DISTINCT m.contact_id) INTO found FROM membership m JOIN segment s ON s.id = m.segment_id
     WHERE m.contact_id = ANY (contacts) AND s.kind = 'fixed';
    RETURN coalesce(kept || found, '{}');
END $$;

-- The next contacts that an import touched, `at_once` of them; what was done is added to import.undone. True: there are more. Doing it again does nothing.
CREATE FUNCTION import_undo(of_import bigint, at_once int, now timestamptz) RETURNS boolean LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    sofar jsonb;
    after_contact bigint;
    contacts bigint[];
    made bigint[];
    others bigint[];
    kept bigint[];
    facts record;
    fields record;
    consents bigint;
    deleted bigint;
BEGIN
    SELECT coalesce(i.undone, '{}') INTO sofar FROM import i WHERE i.id = of_import AND i.state = 'undoing' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    after_contact := coalesce((sofar ->> 'after')::bigint, 0);
    SELECT array_agg(x.id) INTO contacts FROM (
        SELECT DISTINCT u.id FROM (
            (SELECT c.id FROM contact c WHERE c.org_id = org AND c.import_id = of_import AND c.id > after_contact ORDER BY c.id LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT i.contact_id FROM identity i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT i.contact_id FROM interaction i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT c.contact_id FROM consent c WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id > after_contact ORDER BY 1 LIMIT at_once)
            UNION ALL
            (SELECT DISTINCT h.contact_id FROM field_history h
              WHERE h.org_id = org AND h.by = 'import:' || of_import AND h.by ^@ 'import:' AND h.contact_id > after_contact ORDER BY 1 LIMIT at_once)) u
         ORDER BY u.id LIMIT at_once) x;
    IF contacts IS NULL THEN
        UPDATE import i SET state = 'undone', position = 0, ended_at = now, undone = sofar - 'after' WHERE i.id = of_import;
        RETURN false;
    END IF;
    PERFORM FROM contact c WHERE c.id = ANY (contacts) ORDER BY c.id FOR UPDATE;
    SELECT coalesce(array_agg(c.id) FILTER (WHERE c.import_id = of_import), '{}'), coalesce(array_agg(c.id) FILTER (WHERE c.import_id IS DISTINCT FROM of_import), '{}')
      INTO made, others FROM contact c WHERE c.id = ANY (contacts);
    SELECT * INTO facts FROM import_undo_interactions(of_import, contacts);
    kept := import_outlived(of_import, made);
    WITH gone AS (DELETE FROM contact c WHERE c.id = ANY (made) AND c.id <> ALL (kept) RETURNING c.id)
    SELECT count(*) INTO deleted FROM gone;
    -- An address that goes is no longer the primary one; which one was is in the history.
    SELECT * INTO fields FROM import_undo_fields(of_import, others, now);
    DELETE FROM identity i WHERE i.org_id = org AND i.import_id = of_import AND i.contact_id = ANY (others)
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = i.contact_id AND ((i.sort = 'email' AND c.email = i.value) OR (i.sort = 'external_id' AND c.external_id = i.value)));
    DELETE FROM contact_phone p WHERE p.org_id = org AND p.import_id = of_import AND p.contact_id = ANY (others)
       AND NOT EXISTS (SELECT FROM contact c WHERE c.id = p.contact_id AND c.phone = p.phone);
    consents := import_undo_consents(of_import, others || kept, now);
    UPDATE import i
       SET undone = sofar || jsonb_build_object(
               'after', (SELECT max(c) FROM unnest(contacts) AS c),
               'interactions_removed', coalesce((sofar ->> 'interactions_removed')::bigint, 0) + facts.removed,
               'interactions_kept', coalesce((sofar ->> 'interactions_kept')::bigint, 0) + facts.kept,
               'contacts_removed', coalesce((sofar ->> 'contacts_removed')::bigint, 0) + deleted,
               'contacts_kept', coalesce((sofar ->> 'contacts_kept')::bigint, 0) + cardinality(made) - deleted,
               'fields_put_back', coalesce((sofar ->> 'fields_put_back')::bigint, 0) + fields.put_back,
               'fields_kept', coalesce((sofar ->> 'fields_kept')::bigint, 0) + fields.kept,
               'consents_withdrawn', coalesce((sofar ->> 'consents_withdrawn')::bigint, 0) + consents,
               'kept', coalesce(sofar -> 'kept', '[]') || CASE WHEN jsonb_array_length(coalesce(sofar -> 'kept', '[]')) < 100
                   THEN coalesce((SELECT jsonb_agg(k ORDER BY k) FROM (SELECT DISTINCT k FROM unnest(kept) AS k WHERE k = ANY (made) ORDER BY k LIMIT 100) k), '[]') ELSE '[]' END)
     WHERE i.id = of_import;
    RETURN true;
END $$;

DO $$
DECLARE f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA lazo TO lazo_directory;
    GRANT SELECT ON import TO lazo_directory;
    GRANT SELECT, DELETE ON import_piece, import_refusal TO lazo_directory;
    FOREACH f IN ARRAY ARRAY['import_waiting()', 'import_files_purge(timestamptz)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lazo_directory', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lazo_app', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA lazo FROM lazo_directory;
END $$;
