-- 0043 - the full evaluation of segments, block by block: how far it has got.
SET LOCAL search_path = lazo;

-- Of an organisation, the segments whose full evaluation is under way, each with its `marked` of when that began; and up to which contact it is done. Whoever goes
-- on with it after a crash begins there.
CREATE TABLE segment_run (
    org_id bigint PRIMARY KEY REFERENCES organisation ON DELETE CASCADE,
    segments int[] NOT NULL,
    marks bigint[] NOT NULL,
    done_to bigint NOT NULL DEFAULT 0,
    CHECK (cardinality(segments) = cardinality(marks))
);
ALTER TABLE segment_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE segment_run FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON segment_run USING (org_id = nullif(current_setting('lazo.org', true), '')::bigint);
GRANT SELECT, INSERT, UPDATE, DELETE ON segment_run TO lazo_app;

-- How often the segment was said to be stale, by whomever. A full evaluation that began before the last time does not make it fresh.
ALTER TABLE segment ADD COLUMN marked bigint NOT NULL DEFAULT 0;
CREATE FUNCTION segment_marked() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    NEW.marked := OLD.marked + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER marked BEFORE UPDATE OF stale ON segment FOR EACH ROW WHEN (NEW.stale) EXECUTE FUNCTION segment_marked();
DROP TRIGGER audited ON segment;
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON segment FOR EACH ROW EXECUTE FUNCTION audited('segment', 'name', '{stale,marked}');
