-- 0036 - who is erased goes from the files of imports that wrote to them, too.
SET LOCAL search_path = lazo;

-- A file is text of many people: it goes whole, with the rows that were refused and the samples. What the import did can still be undone. One that is under way goes on,
-- and its file goes with limits.import_keep.
CREATE FUNCTION import_forgets() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    touched bigint[];
BEGIN
    SELECT array_agg(i.id) INTO touched FROM import i
     WHERE i.org_id = NEW.org_id AND i.state NOT IN ('uploading', 'checking', 'running')
       AND i.id IN (SELECT c.import_id FROM contact c WHERE c.id = NEW.contact_id
                    UNION SELECT n.import_id FROM identity n WHERE n.contact_id = NEW.contact_id
                    UNION SELECT f.import_id FROM interaction f WHERE f.contact_id = NEW.contact_id
                    UNION SELECT s.import_id FROM consent s WHERE s.contact_id = NEW.contact_id
                    UNION SELECT substr(h.by, 8)::bigint FROM field_history h WHERE h.contact_id = NEW.contact_id AND h.by ~ '^import:[0-9]+$');
    DELETE FROM import_piece p WHERE p.import_id = ANY (touched);
    DELETE FROM import_refusal r WHERE r.import_id = ANY (touched);
    UPDATE import i SET guess = i.guess - 'sample', checked = i.checked - 'sample', report = i.report - 'sample' WHERE i.id = ANY (touched);
    RETURN NULL;
END $$;
CREATE TRIGGER import_forgets AFTER INSERT ON erasure FOR EACH ROW EXECUTE FUNCTION import_forgets();
