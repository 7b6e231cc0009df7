-- 0065 - who asks for a merge of a person with a household, or with a company, says what the two are together.
SET LOCAL search_path = lazo;

-- A merge as somebody asks for it: an HTTP status, and what was done or why not. Numbers of contacts that were merged mean the kept ones.
CREATE FUNCTION contact_merge_asked(keep_said bigint, gone_said bigint, chosen jsonb, said_by text, now timestamptz, OUT status int, OUT body text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    keep_id constant bigint := contact_now(keep_said);
    gone_id constant bigint := contact_now(gone_said);
    keep_kind text;
    gone_kind text;
    done record;
BEGIN
    status := 422;
    PERFORM FROM contact c WHERE c.id IN (keep_id, gone_id) ORDER BY c.id FOR UPDATE;
    SELECT c.kind INTO keep_kind FROM contact c WHERE c.id = keep_id;
    SELECT c.kind INTO gone_kind FROM contact c WHERE c.id = gone_id;
    IF keep_id = gone_id AND keep_said <> gone_said THEN
        body := format('these are one already: contact %s', keep_id);
    ELSIF keep_kind <> gone_kind AND NOT chosen ? 'kind' THEN
        body := format('contact %s is a %s and contact %s a %s: "fields" must say whose "kind" is kept, if the two are one', keep_id, keep_kind, gone_id, gone_kind);
    ELSE
        SELECT * INTO done FROM contact_merge(keep_id, gone_id, chosen, said_by, now);
        status := CASE WHEN done.error IS NULL THEN 200 ELSE 422 END;
        body := coalesce(done.error, json_build_object('id', done.merge, 'contact', keep_id, 'merged', gone_id, 'at', now)::text);
    END IF;
END $$;
