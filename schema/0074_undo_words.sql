-- 0074 - what an import said of consent is undone for a block of contacts at once: one by one, ten thousand took a minute.
SET LOCAL search_path = lazo;

-- What an import said of consent goes: each yes of it that nobody took back, or followed, in its chain of the ledger is withdrawn there. What else was said holds, and the
-- ledger ends with it.
CREATE OR REPLACE FUNCTION import_undo_consents(of_import bigint, contacts bigint[], now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := current_org();
    said constant text := 'undo of import ' || of_import;
    people bigint[];
    topics int[];
    started bigint;
BEGIN
    WITH live AS (
        SELECT DISTINCT ON (c.contact_id, c.topic_id) c.* FROM consent c
         WHERE c.org_id = org AND c.import_id = of_import AND c.contact_id = ANY (contacts) AND c.action = 'grant' AND NOT consent_follows(c)
           AND NOT EXISTS (SELECT FROM consent l WHERE l.contact_id = c.contact_id AND l.topic_id = c.topic_id AND l.chain IS NOT DISTINCT FROM c.chain AND l.n > c.n
                              AND (NOT consent_follows(l) OR (l.method = 'undo' AND l.source = said)))
         ORDER BY c.contact_id, c.topic_id, c.id
    ), taken AS (
        INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, source, method, at)
        SELECT org, l.contact_id, l.topic_id, 'withdraw', l.purpose, l.wording, said, 'undo', greatest(now, l.at) FROM live l ORDER BY l.contact_id, l.topic_id
        RETURNING contact_id, topic_id, id)
    SELECT array_agg(DISTINCT t.contact_id), array_agg(DISTINCT t.topic_id), min(t.id) INTO people, topics, started FROM taken t;
    IF people IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO consent (org_id, contact_id, topic_id, action, purpose, wording, version, language, source, method, at, request)
    SELECT org, w.contact_id, w.topic_id, 'grant', w.purpose, w.wording, w.version, w.language, said, 'undo', greatest(now, w.at),
           jsonb_build_object('import', of_import, 'entry', w.id)
      FROM consent_words(people) w
     WHERE w.topic_id = ANY (topics) AND w.action = 'grant'
       AND EXISTS (SELECT FROM consent u WHERE u.contact_id = w.contact_id AND u.id >= started AND u.topic_id = w.topic_id AND u.method = 'undo' AND u.source = said)
     ORDER BY w.contact_id, w.topic_id;
    PERFORM contact_hears(people);
    INSERT INTO change (org_id, contact_id, sort, quiet) SELECT org, p, 'consent', true FROM unnest(people) p;
    RETURN (SELECT count(*) FROM consent u WHERE u.contact_id = ANY (people) AND u.id >= started AND u.method = 'undo' AND u.source = said AND u.action = 'withdraw');
END $$;

-- What their ledgers say holds. Of topics that no entry names nothing is changed.
CREATE OR REPLACE FUNCTION contact_hears(contacts bigint[]) RETURNS void LANGUAGE plpgsql SET search_path = lazo AS $$
BEGIN
    WITH word AS MATERIALIZED (
        SELECT w.org_id, w.contact_id, w.topic_id, w.action, w.at FROM consent_words(contacts) w
    ), heard AS (
        INSERT INTO subscription AS s (org_id, contact_id, topic_id, subscribed, since)
        SELECT w.org_id, w.contact_id, w.topic_id, w.action = 'grant', w.at FROM word w
        ON CONFLICT (contact_id, topic_id) DO UPDATE SET subscribed = excluded.subscribed, since = excluded.since
         WHERE (s.subscribed, s.since) IS DISTINCT FROM (excluded.subscribed, excluded.since))
    DELETE FROM subscription s
     WHERE s.contact_id = ANY (contacts) AND (s.contact_id, s.topic_id) NOT IN (SELECT w.contact_id, w.topic_id FROM word w)
       AND EXISTS (SELECT FROM consent c WHERE c.contact_id = s.contact_id AND c.topic_id = s.topic_id);
END $$;
