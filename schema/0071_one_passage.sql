-- 0071 - two who are one go through a journey once that is made once.
SET LOCAL search_path = lazo;

-- One passage at a time through a journey: the kept contact's goes on. Where it may be made only once, or not again within so many days, the one who waits leaves it if the
-- other has been through, or went in and out.
CREATE FUNCTION merge_passages(keep_id bigint, gone_id bigint, now timestamptz) RETURNS void LANGUAGE sql VOLATILE SET search_path = lazo AS $$
    UPDATE journey_position p SET state = 'left', wake_at = NULL, ended_at = now
      FROM journey j
     WHERE j.id = p.journey_id AND p.contact_id IN (keep_id, gone_id) AND p.state = 'waiting'
       AND EXISTS (SELECT FROM journey_position o
                    WHERE o.contact_id = CASE p.contact_id WHEN keep_id THEN gone_id ELSE keep_id END AND o.journey_id = p.journey_id
                      AND CASE WHEN o.state = 'waiting' THEN p.contact_id = gone_id
                               WHEN o.entry = p.entry OR j.definition ->> 'again' = 'once' THEN true
                               ELSE abs(extract(epoch FROM p.entered_at - o.entered_at)) < substring(j.definition ->> 'again' FROM '^once per ([0-9]+) days?$')::int * 86400.0 END) $$;

-- As 0070.
CREATE OR REPLACE FUNCTION contact_merge_as(merge bigint, keep_id bigint, gone_id bigint, chosen jsonb, said_by text, at timestamptz, now timestamptz, OUT error text)
    LANGUAGE plpgsql SET search_path = lazo AS $$
DECLARE
    org constant bigint := nullif(current_setting('lazo.org', true), '')::bigint;
    keep contact;
    gone contact;
    becomes contact;
    moved jsonb := '{}';
    said int[];
    p text;
    source constant text := 'merge:' || merge;
    writer constant text := coalesce(current_setting('lazo.writer', true), '');
BEGIN
    PERFORM FROM contact c WHERE c.id IN (keep_id, gone_id) ORDER BY c.id FOR UPDATE;
    SELECT * INTO keep FROM contact c WHERE c.id = keep_id;
    SELECT * INTO gone FROM contact c WHERE c.id = gone_id;
    IF keep.id IS NULL OR gone.id IS NULL OR keep_id = gone_id THEN
        error := CASE WHEN keep_id = gone_id THEN 'a contact is not merged with itself'
                      ELSE format('there is no contact %s', CASE WHEN keep.id IS NULL THEN keep_id ELSE gone_id END) END;
        RETURN;
    END IF;
    -- What is told of it is told here, whoever asks.
    PERFORM set_config('lazo.writer', 'lazod', true);
    UPDATE change g SET contact_id = keep_id WHERE g.org_id = org AND g.contact_id = gone_id;

    PERFORM merge_passages(keep_id, gone_id, now);
    PERFORM merge_campaigns(keep_id, gone_id, now);

    -- A no stays a no: where one of the two withdrew, the kept contact is not subscribed until it says yes again; it may have since this merge was first made.
    said := ARRAY(SELECT k.topic_id FROM subscription k JOIN subscription g ON g.topic_id = k.topic_id AND g.contact_id = gone_id
                   WHERE k.contact_id = keep_id AND k.subscribed <> g.subscribed
                     AND NOT (contact_merge_as.at < contact_merge_as.now
                              AND EXISTS (SELECT FROM consent c WHERE c.contact_id = keep_id AND c.chain IS NULL AND c.topic_id = k.topic_id AND c.at >= contact_merge_as.at AND consent_own(c))));
    moved := moved || jsonb_build_object('withdrawn', ARRAY(SELECT k.topic_id FROM subscription k WHERE k.contact_id = keep_id AND k.subscribed AND k.topic_id = ANY (said)),
        'chains', to_jsonb(consent_move(gone_id, keep_id, NULL)), 'subscription', part_move('subscription', gone_id, keep_id, NULL));
    PERFORM merge_says(keep_id, said, 'withdraw', 'merge', merge, now);

    moved := moved || jsonb_build_object('chosen', chosen,
        'attrs', (SELECT coalesce(jsonb_agg(to_jsonb(a)), '[]') FROM contact_attr a WHERE a.contact_id = gone_id));
    WITH told AS (UPDATE field_history h SET contact_id = keep_id, field = 'merged.' || h.field WHERE h.contact_id = gone_id RETURNING h.id)
    SELECT moved || jsonb_build_object('history', coalesce(jsonb_agg(id), '[]')) INTO moved FROM told;
    moved := moved || jsonb_build_object('membership', membership_move(gone_id, keep_id));
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'move' ORDER BY c.part LOOP
        moved := moved || jsonb_build_object(p, part_move(p, gone_id, keep_id, NULL));
    END LOOP;
    FOR p IN SELECT c.part FROM contact_parts() c WHERE c.fate = 'aside' ORDER BY c.part LOOP
        moved := moved || jsonb_build_object(p, part_aside(p, gone_id));
    END LOOP;
    PERFORM merge_tells(keep_id, moved, true, said_by, source, now);
    INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
    SELECT org, keep_id, 'merged.attr.' || f.name, attr_value(a), now, said_by, source
      FROM jsonb_populate_recordset(NULL::contact_attr, moved #> '{contact_attr,left}') a JOIN field f ON f.id = a.field_id;
    DELETE FROM contact c WHERE c.id = gone_id;

    -- A campaign that is being made into jobs has passed the kept contact, and not the merged one.
    WITH missed AS (
        SELECT c.id, c.template_id, c.topic_id, c.data, 'campaign:' || c.id || ':' || keep_id AS key
          FROM campaign c JOIN campaign_audience a ON a.contact_id = keep_id AND a.campaign_id = c.id
         WHERE c.state IN ('expanding', 'paused') AND gone_id > c.expanded_to AND keep_id <= c.expanded_to
    ), keyed AS (
        INSERT INTO job_key (org_id, key, job_id) SELECT org, m.key, nextval('job_id_seq') FROM missed m ON CONFLICT DO NOTHING RETURNING key, job_id
    )
    INSERT INTO job (id, org_id, class, sort, run_at, contact_id, key, template_id, topic_id, campaign_id, data, first_at) OVERRIDING SYSTEM VALUE
    SELECT k.job_id, org, 2, 'mail', contact_merge_as.now, keep_id, k.key, m.template_id, m.topic_id, m.id, m.data, contact_merge_as.now
      FROM keyed k JOIN missed m ON m.key = k.key;

    becomes := merge_fields(keep, gone, chosen);
    PERFORM contact_take(becomes, now);
    SELECT c.* INTO becomes FROM contact c WHERE c.id = keep_id;
    INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
    SELECT org, keep_id, x.field, x.was, x.became, now, said_by, source FROM contact_changes(keep, becomes) x
    UNION ALL
    -- What the merged contact was, and the kept one is not.
    SELECT org, keep_id, 'merged.' || x.field, x.was, NULL, now, said_by, source FROM contact_changes(gone, becomes) x WHERE x.was IS NOT NULL;
    moved := moved || jsonb_build_object('keep', to_jsonb(keep),
        'fields', (SELECT coalesce(jsonb_object_agg(x.field, jsonb_build_array(x.was, x.became)), '{}') FROM contact_changes(keep, becomes) x));
    INSERT INTO contact_merge (org_id, contact_id, id, merged_id, by, at, was, moved) OVERRIDING SYSTEM VALUE
    VALUES (org, keep_id, merge, gone_id, said_by, contact_merge_as.at, to_jsonb(gone), moved);
    PERFORM contact_touched(keep_id);
    PERFORM set_config('lazo.writer', writer, true);
END $$;
