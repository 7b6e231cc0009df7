-- 0056 - what an interaction costs that is written: its kind is not looked up for each row, and who listens to what is found in one place.
SET LOCAL search_path = lazo;

-- Interactions take their kind from the table of kinds in the statement that writes them; a look at it for each row was a tenth of writing them. A kind that has
-- interactions cannot go: who deletes one waits for all who are writing, and looks.
ALTER TABLE interaction DROP CONSTRAINT interaction_kind_id_fkey;
CREATE FUNCTION kind_is_free() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    LOCK TABLE interaction IN SHARE MODE;
    IF EXISTS (SELECT FROM interaction i WHERE i.kind_id = OLD.id) THEN
        RAISE EXCEPTION 'there are interactions of the kind %', OLD.name USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER kind_is_free AFTER DELETE ON kind FOR EACH ROW EXECUTE FUNCTION kind_is_free();

-- Strangers are told what the foreign key would tell them. Each kind is looked up by its key.
CREATE FUNCTION interaction_refers() RETURNS trigger LANGUAGE plpgsql SET search_path = lazo SET enable_seqscan = off AS $$
DECLARE
    wrong int;
BEGIN
    SELECT t.kind_id INTO wrong FROM (SELECT DISTINCT kind_id FROM touched) t
     WHERE (SELECT k.id FROM kind k WHERE k.id = t.kind_id) IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no kind %', wrong USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refers_insert AFTER INSERT ON interaction REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION interaction_refers();
CREATE TRIGGER refers_update AFTER UPDATE ON interaction REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
    WHEN (current_setting('lazo.writer', true) IS DISTINCT FROM 'lazod') EXECUTE FUNCTION interaction_refers();

-- The kinds of interaction that a journey or a webhook listens to. Its body is bound here, so that a plan takes it in.
CREATE FUNCTION kinds_heard() RETURNS SETOF int LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT k.id
      FROM kind k
     WHERE EXISTS (SELECT FROM webhook w WHERE w.enabled AND k.name = ANY (w.events))
        OR EXISTS (SELECT FROM journey j WHERE j.enabled
                      AND (j.definition #>> '{start,interaction}' = k.name
                           OR (j.definition #> '{start,segment}' IS NOT NULL AND k.name IN ('segment_entered', 'segment_left'))
                           OR (j.definition #> '{start,rfm}' IS NOT NULL AND k.name = 'label_changed')));
END;
