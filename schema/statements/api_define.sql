-- Statements of daemon/http/api_define*.c: what an organisation defines. See daemon/http/api.h for their columns.
-- A list is asked for one row more than is shown. A change answers its HTTP status and its body.

-- name: api_segment_list
-- $1 after this name, $2 limit
SELECT s.name AS cursor, json_build_object('name', s.name, 'title', s.title, 'kind', s.kind, 'rule', s.rule, 'stale', s.stale,
           'count', (SELECT count(*) FROM membership m WHERE m.segment_id = s.id), 'updated_at', s.updated_at)::text AS item
  FROM segment s WHERE s.name > coalesce($1::text, '') ORDER BY s.name LIMIT $2::int

-- name: api_segment_show
SELECT json_build_object('name', s.name, 'title', s.title, 'kind', s.kind, 'rule', s.rule, 'stale', s.stale,
           'count', (SELECT count(*) FROM membership m WHERE m.segment_id = s.id), 'updated_at', s.updated_at)::text AS body, etag('segment', s.name) AS etag
  FROM segment s WHERE s.name = $1::text

-- name: api_segment_create
-- $1 name, $2 title, $3 kind, $4 rule, $5 now
INSERT INTO segment (org_id, name, title, kind, rule, stale, updated_at)
VALUES (current_org(), $1::text, coalesce($2::text, ''), $3::text, $4::text, $3::text = 'dynamic', $5::timestamptz)
RETURNING 201 AS status, json_build_object('name', name, 'title', title, 'kind', kind, 'rule', rule, 'stale', stale,
    'count', 0, 'updated_at', updated_at, 'changed', true)::text AS body

-- name: api_segment_put
-- $1 name, $2 title (null: leave it), $3 kind (null: leave it and the rule; fixed where it is new), $4 rule, $5 now. A new rule makes the segment stale: it is
-- evaluated in full.
WITH put AS (
    INSERT INTO segment AS s (org_id, name, title, kind, rule, stale, updated_at)
    VALUES (current_org(), $1::text, coalesce($2::text, ''), coalesce($3::text, 'fixed'), $4::text, $3::text IS NOT DISTINCT FROM 'dynamic', $5::timestamptz)
    ON CONFLICT (org_id, name) DO UPDATE
       SET title = coalesce($2::text, s.title), kind = coalesce($3::text, s.kind), rule = CASE WHEN $3::text IS NULL THEN s.rule ELSE excluded.rule END,
           updated_at = excluded.updated_at, stale = CASE WHEN $3::text IS NULL THEN s.stale ELSE excluded.kind = 'dynamic' AND (s.stale OR excluded.rule IS DISTINCT FROM s.rule) END
     WHERE s.title <> coalesce($2::text, s.title) OR $3::text IS NOT NULL AND (s.kind, s.rule) IS DISTINCT FROM (excluded.kind, excluded.rule)
    RETURNING xmax = 0 AS created, kind, rule),
     now_is AS (SELECT kind, rule FROM put UNION ALL SELECT kind, rule FROM segment WHERE name = $1::text AND NOT EXISTS (SELECT FROM put))
SELECT CASE WHEN EXISTS (SELECT FROM put WHERE created) THEN 201 ELSE 200 END AS status,
       json_build_object('name', $1::text, 'kind', n.kind, 'rule', n.rule, 'changed', EXISTS (SELECT FROM put))::text AS body
  FROM now_is n

-- name: api_segment_delete
DELETE FROM segment WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_segment_members
-- $1 segment, $2 after this contact, $3 limit. No row: no such segment; a row of nulls: no members. Contacts are taken one by one (LIMIT 1), or the planner,
-- who does not know how short a page is, walks them all.
SELECT m.contact_id::text AS cursor, m.item
  FROM segment s LEFT JOIN LATERAL (
       SELECT b.contact_id, json_build_object('id', c.id, 'email', c.email, 'first_name', c.first_name, 'last_name', c.last_name,
                  'company_name', c.company_name, 'entered_at', b.entered_at,
                  'exception', (SELECT json_build_object('mode', e.mode, 'reason', e.reason, 'by', e.made_by, 'at', e.made_at) FROM segment_exception e
                                 WHERE e.contact_id = b.contact_id AND e.segment_id = b.segment_id))::text AS item
         FROM membership b CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = b.contact_id LIMIT 1) c
        WHERE b.org_id = s.org_id AND b.segment_id = s.id AND b.contact_id > $2::bigint
        ORDER BY b.contact_id LIMIT $3::int) m ON true
 WHERE s.name = $1::text ORDER BY m.contact_id

-- name: api_segment_member_add
-- $1 segment, $2 contact, $3 now. Membership, the fact and both changes in one statement.
WITH who AS MATERIALIZED (SELECT id FROM contact WHERE id = $2::bigint FOR KEY SHARE),
     seg AS MATERIALIZED (SELECT id, kind FROM segment WHERE name = $1::text FOR KEY SHARE),
     made AS (INSERT INTO membership (org_id, contact_id, segment_id, entered_at)
              SELECT current_org(), who.id, seg.id, $3::timestamptz FROM seg, who WHERE seg.kind = 'fixed'
              ON CONFLICT DO NOTHING RETURNING contact_id, segment_id),
     fact AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
              SELECT current_org(), made.contact_id, k.id, $3::timestamptz, $3::timestamptz, 'lazo',
                     jsonb_build_object('segment', $1::text, 'cause', 'by hand')
                FROM made, kind k WHERE k.name = 'segment_entered' RETURNING contact_id, kind_id, id),
     log AS (INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, what)
             SELECT current_org(), contact_id, 'interaction', kind_id, id, NULL FROM fact
             UNION ALL SELECT current_org(), contact_id, 'segment', NULL, NULL, ARRAY[segment_id::text] FROM made)
SELECT CASE WHEN seg.kind = 'dynamic' THEN 409 WHEN who.id IS NULL THEN 404 ELSE 200 END AS status,
       CASE WHEN seg.kind = 'dynamic' THEN 'the members of a dynamic segment follow from its rule'
            WHEN who.id IS NULL THEN 'there is no such contact'
            ELSE json_build_object('segment', $1::text, 'contact', who.id, 'changed', EXISTS (SELECT FROM made))::text END AS body,
       (SELECT audit_note(current_org(), 'created', 'member', $1::text || '/' || made.contact_id, '{}') FROM made) AS noted
  FROM seg LEFT JOIN who ON true

-- name: api_segment_member_remove
-- $1 segment, $2 contact, $3 now
WITH seg AS MATERIALIZED (SELECT id, kind FROM segment WHERE name = $1::text FOR KEY SHARE),
     gone AS (DELETE FROM membership m USING seg
               WHERE m.contact_id = $2::bigint AND m.segment_id = seg.id AND seg.kind = 'fixed'
              RETURNING m.contact_id, m.segment_id, m.entered_at),
     past AS (INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at)
              SELECT current_org(), contact_id, segment_id, entered_at, greatest(entered_at, $3::timestamptz) FROM gone),
     fact AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, recorded_at, source, data)
              SELECT current_org(), gone.contact_id, k.id, $3::timestamptz, $3::timestamptz, 'lazo',
                     jsonb_build_object('segment', $1::text, 'cause', 'by hand')
                FROM gone, kind k WHERE k.name = 'segment_left' RETURNING contact_id, kind_id, id),
     log AS (INSERT INTO change (org_id, contact_id, sort, kind_id, interaction_id, what)
             SELECT current_org(), contact_id, 'interaction', kind_id, id, NULL FROM fact
             UNION ALL SELECT current_org(), contact_id, 'segment', NULL, NULL, ARRAY[segment_id::text] FROM gone)
SELECT CASE WHEN seg.kind = 'dynamic' THEN 409 WHEN NOT EXISTS (SELECT FROM gone) THEN 404 ELSE 204 END AS status,
       CASE WHEN seg.kind = 'dynamic' THEN 'the members of a dynamic segment follow from its rule'
            ELSE 'this contact is no member' END AS body,
       (SELECT audit_note(current_org(), 'deleted', 'member', $1::text || '/' || gone.contact_id, '{}') FROM gone) AS noted
  FROM seg

-- name: api_rfm_list
-- $1 after this name, $2 limit
SELECT name AS cursor, json_build_object('name', name, 'kinds', kinds, 'look_back', look_back, 'scoring', scoring, 'classes', classes,
           'monetary', monetary, 'recompute', recompute, 'integer_bins', integer_bins, 'labels', labels, 'scored_at', scored_at,
           'due_at', due_at, 'stale', stale, 'updated_at', updated_at)::text AS item
  FROM rfm_model WHERE name > coalesce($1::text, '') ORDER BY name LIMIT $2::int

-- name: api_rfm_show
SELECT json_build_object('name', name, 'kinds', kinds, 'look_back', look_back, 'scoring', scoring, 'classes', classes,
           'monetary', monetary, 'recompute', recompute, 'integer_bins', integer_bins, 'labels', labels, 'scored_at', scored_at,
           'due_at', due_at, 'stale', stale, 'updated_at', updated_at)::text AS body, etag('model', name) AS etag
  FROM rfm_model WHERE name = $1::text

-- name: api_rfm_put
-- $1 name, $2 kinds, $3 look_back, $4 scoring, $5 classes, $6 integer_bins, $7 labels, $8 $9 $10 fixed breaks (null with quantiles,
-- whose breaks are computed and stay until they are computed anew), $11 now, $12 monetary, $13 recompute. A schedule alone that
-- comes later than the one before scores all anew, too: whom time moves is only known up to when that was due (rfm_score_all).
WITH put AS (
    INSERT INTO rfm_model AS m (org_id, name, kinds, look_back, scoring, classes, integer_bins, labels,
                                recency_breaks, frequency_breaks, monetary_breaks, stale, updated_at, monetary, recompute)
    VALUES (current_org(), $1::text, $2::text[], $3::text, $4::text, $5::smallint, $6::boolean, $7::jsonb,
            $8::float8[], $9::float8[], $10::float8[], true, $11::timestamptz, $12::text, $13::text)
    ON CONFLICT (org_id, name) DO UPDATE
       SET kinds = excluded.kinds, look_back = excluded.look_back, scoring = excluded.scoring, classes = excluded.classes,
           integer_bins = excluded.integer_bins, labels = excluded.labels, monetary = excluded.monetary,
           recency_breaks = CASE WHEN rfm_differs(m, excluded) THEN excluded.recency_breaks ELSE m.recency_breaks END,
           frequency_breaks = CASE WHEN rfm_differs(m, excluded) THEN excluded.frequency_breaks ELSE m.frequency_breaks END,
           monetary_breaks = CASE WHEN rfm_differs(m, excluded) THEN excluded.monetary_breaks ELSE m.monetary_breaks END,
           recompute = excluded.recompute, updated_at = excluded.updated_at,
           stale = m.stale OR rfm_differs(m, excluded)
                   OR coalesce(rfm_due(excluded.scoring, excluded.recompute, m.scored_at, (SELECT o.time_zone FROM organisation o WHERE o.id = m.org_id)) > m.due_at, m.due_at IS NOT NULL),
           scored_at = CASE WHEN rfm_differs(m, excluded) THEN NULL ELSE m.scored_at END,
           due_at = CASE WHEN rfm_differs(m, excluded) OR m.scored_at IS NULL THEN NULL
                         ELSE rfm_due(excluded.scoring, excluded.recompute, m.scored_at, (SELECT o.time_zone FROM organisation o WHERE o.id = m.org_id)) END
     WHERE rfm_differs(m, excluded) OR m.recompute <> excluded.recompute
    RETURNING xmax = 0 AS created)
SELECT CASE WHEN EXISTS (SELECT FROM put WHERE created) THEN 201 ELSE 200 END AS status,
       json_build_object('name', $1::text, 'changed', EXISTS (SELECT FROM put))::text AS body

-- name: api_rfm_delete
DELETE FROM rfm_model WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_labels_unknown
-- $1 names, $2 of what each is (enum rule_label_sort: 0 a tag, 1 a group, 2 a campaign, 3 a label of the model $3, 4 a stage, where
-- the organisation says which there are): those that no contact, campaign or model has,
-- with the names that there are, of tags and groups folded, 1,000 at most, from one to the next by the index.
SELECT s.place, (CASE s.sort WHEN 2 THEN (
           SELECT coalesce(json_agg(l.name), '[]') FROM (SELECT g.name FROM campaign g ORDER BY g.id DESC LIMIT 1000) l
       ) WHEN 3 THEN (
           SELECT coalesce(json_agg(DISTINCT l ->> 'label'), '[]') FROM rfm_model m, jsonb_array_elements(m.labels) AS l WHERE m.id = s.model_id
       ) WHEN 4 THEN (
           SELECT json_agg(e ->> 'name') FROM organisation o, jsonb_array_elements(o.stages) AS e WHERE o.id = current_org()
       ) WHEN 1 THEN (
           WITH RECURSIVE next AS (
               (SELECT g.name_fold AS name FROM contact_group g WHERE g.org_id = current_org() ORDER BY g.org_id, g.name_fold LIMIT 1)
               UNION ALL
               SELECT (SELECT g.name_fold FROM contact_group g WHERE g.org_id = current_org() AND g.name_fold > n.name ORDER BY g.org_id, g.name_fold LIMIT 1)
                 FROM next n WHERE n.name IS NOT NULL)
           SELECT coalesce(json_agg(l.name), '[]') FROM (SELECT n.name FROM next n WHERE n.name IS NOT NULL LIMIT 1000) l
       ) ELSE (
           WITH RECURSIVE next AS (
               (SELECT g.tag_fold AS name FROM contact_tag g WHERE g.org_id = current_org() ORDER BY g.org_id, g.tag_fold LIMIT 1)
               UNION ALL
               SELECT (SELECT g.tag_fold FROM contact_tag g WHERE g.org_id = current_org() AND g.tag_fold > n.name ORDER BY g.org_id, g.tag_fold LIMIT 1)
                 FROM next n WHERE n.name IS NOT NULL)
           SELECT coalesce(json_agg(l.name), '[]') FROM (SELECT n.name FROM next n WHERE n.name IS NOT NULL LIMIT 1000) l
       ) END)::text AS names
  FROM unnest($1::text[], $2::int[], $3::int[]) WITH ORDINALITY AS s(name, sort, model_id, place)
 WHERE CASE s.sort
            WHEN 4 THEN (SELECT bool_and(fold(e ->> 'name') <> fold(s.name)) FROM organisation o, jsonb_array_elements(o.stages) AS e WHERE o.id = current_org()) IS TRUE
            WHEN 3 THEN NOT EXISTS (SELECT FROM rfm_model m, jsonb_array_elements(m.labels) AS l WHERE m.id = s.model_id AND fold(l ->> 'label') = fold(s.name))
            WHEN 2 THEN NOT EXISTS (SELECT FROM campaign g WHERE fold(g.name) = fold(s.name))
            WHEN 1 THEN NOT EXISTS (SELECT FROM contact_group g WHERE g.org_id = current_org() AND g.name_fold = fold(s.name))
            ELSE NOT EXISTS (SELECT FROM contact_tag g WHERE g.org_id = current_org() AND g.tag_fold = fold(s.name)) END
 ORDER BY s.place

-- name: api_rfm_scores
-- $1 model, $2 after this contact, $3 limit, $4 digits of the currency's minor unit
SELECT x.contact_id::text AS cursor, x.item
  FROM rfm_model m LEFT JOIN LATERAL (
       SELECT s.contact_id, json_build_object('contact', s.contact_id, 'email', c.email, 'r', s.r, 'f', s.f, 'm', s.m, 'score', 100 * s.r + 10 * s.f + s.m,
                  'label', s.label, 'last_on', s.last_on, 'frequency', s.frequency,
                  'monetary', round(s.monetary / power(10::numeric, $4::int), $4::int)::text, 'scored_at', s.scored_at, 'since', s.since)::text AS item
         FROM rfm_score s CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = s.contact_id LIMIT 1) c
        WHERE s.model_id = m.id AND s.contact_id > $2::bigint ORDER BY s.contact_id LIMIT $3::int) x ON true
 WHERE m.name = $1::text ORDER BY x.contact_id

-- name: api_rfm_scores_then
-- $1 model, $2 after this contact, $3 limit, $4 digits, $5 the instant, $6 a contact alone or null. As they were then, from rfm_score and rfm_history; what was counted then is counted anew.
SELECT x.contact_id::text AS cursor, x.item
  FROM rfm_model m LEFT JOIN LATERAL (
       SELECT b.contact_id, json_build_object('contact', b.contact_id, 'email', c.email, 'r', b.r, 'f', b.f, 'm', b.m, 'score', 100 * b.r + 10 * b.f + b.m,
                  'label', b.label, 'last_on', coalesce(n.last_on, b.last_on), 'frequency', coalesce(n.frequency, b.frequency),
                  'monetary', round(coalesce(n.monetary, b.monetary) / power(10::numeric, $4::int), $4::int)::text, 'since', b.since, 'until', b.until)::text AS item
         FROM ((SELECT s.contact_id, s.r, s.f, s.m, s.label, s.last_on, s.frequency, s.monetary, s.since, NULL::timestamptz AS until FROM rfm_score s
                 WHERE s.model_id = m.id AND s.contact_id > greatest($2::bigint, contact_now($6::bigint) - 1)
                   AND s.contact_id <= coalesce(contact_now($6::bigint), 9223372036854775807) AND coalesce(s.since <= $5::timestamptz, true)
                 ORDER BY s.contact_id LIMIT $3::int)
               UNION ALL
               (SELECT h.contact_id, h.r, h.f, h.m, h.label, h.last_on, h.frequency, h.monetary, h.since, h.until FROM rfm_history h
                 WHERE h.org_id = m.org_id AND h.model_id = m.id AND h.contact_id > greatest($2::bigint, contact_now($6::bigint) - 1)
                   AND h.contact_id <= coalesce(contact_now($6::bigint), 9223372036854775807) AND coalesce(h.since <= $5::timestamptz, true) AND h.until > $5::timestamptz
                 ORDER BY h.contact_id LIMIT $3::int)
               ORDER BY 1 LIMIT $3::int) b
        CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = b.contact_id LIMIT 1) c
         LEFT JOIN LATERAL (SELECT * FROM rfm_counted(ARRAY[b.contact_id], $5::timestamptz) WHERE model_id = m.id) n ON true
        ORDER BY b.contact_id) x ON true
 WHERE m.name = $1::text ORDER BY x.contact_id

-- name: api_contact_rfm
-- $1 contact, $2 before this place (0: from the newest), $3 limit, $4 digits, $5 a model (null: all), $6 an instant (null: all of history).
-- The scores that last come first, then those that are over. What was counted at the instant is counted anew.
SELECT x.place::text AS cursor, CASE WHEN x.place IS NOT NULL THEN json_build_object('model', x.name, 'r', x.r, 'f', x.f, 'm', x.m, 'score', 100 * x.r + 10 * x.f + x.m, 'label', x.label,
           'last_on', coalesce(n.last_on, x.last_on), 'frequency', coalesce(n.frequency, x.frequency),
           'monetary', round(coalesce(n.monetary, x.monetary) / power(10::numeric, $4::int), $4::int)::text, 'since', x.since, 'until', x.until)::text END AS item
  FROM contact c LEFT JOIN LATERAL (
       SELECT p.*, o.name
         FROM (SELECT 9000000000000000000 - s.model_id AS place, s.model_id, s.r, s.f, s.m, s.label, s.last_on, s.frequency, s.monetary, s.since,
                      NULL::timestamptz AS until FROM rfm_score s WHERE s.contact_id = $1::bigint
               UNION ALL
               SELECT h.id, h.model_id, h.r, h.f, h.m, h.label, h.last_on, h.frequency, h.monetary, h.since, h.until
                 FROM rfm_history h WHERE h.contact_id = $1::bigint) p
         JOIN rfm_model o ON o.id = p.model_id
        WHERE ($2::bigint = 0 OR p.place < $2::bigint) AND ($5::text IS NULL OR o.name = $5::text)
          AND ($6::timestamptz IS NULL OR (coalesce(p.since <= $6::timestamptz, true) AND coalesce(p.until > $6::timestamptz, true)))
        ORDER BY p.place DESC LIMIT $3::int) x ON true
  LEFT JOIN rfm_counted(CASE WHEN $6::timestamptz IS NOT NULL THEN ARRAY[$1::bigint] END, $6::timestamptz) n ON n.model_id = x.model_id
 WHERE c.id = $1::bigint ORDER BY x.place DESC

-- name: api_rfm_recompute
-- $1 model. Who changes class by it starts nothing.
UPDATE rfm_model SET stale = true WHERE name = $1::text
RETURNING 202 AS status, json_build_object('name', name, 'stale', true)::text AS body

-- name: api_rfm_summary
WITH model AS (SELECT * FROM rfm_model WHERE name = $1::text),
     scored AS (SELECT s.r, s.f, s.m, s.label FROM rfm_score s JOIN model ON s.model_id = model.id),
     cells AS (SELECT r, f, count(*) AS n FROM scored GROUP BY r, f),
     named AS (SELECT label, count(*) AS n FROM scored GROUP BY label),
     wanted AS (SELECT l.value ->> 'label' AS label, min(l.ordinality) AS place
                  FROM model, jsonb_array_elements(model.labels) WITH ORDINALITY AS l GROUP BY 1)
SELECT json_build_object('name', model.name, 'scored_at', model.scored_at, 'stale', model.stale, 'classes', model.classes, 'boxes', model.labels,
           'contacts', (SELECT count(*) FROM scored),
           'population', json_build_object('kinds', model.kinds, 'look_back', model.look_back, 'monetary', model.monetary, 'at', model.scored_at,
                             'contacts', model.population),
           'due_at', model.due_at,
           'grid', (SELECT json_agg(json_build_object('r', r, 'f', f, 'contacts', coalesce(cells.n, 0)) ORDER BY r, f)
                      FROM generate_series(1, model.classes) AS r CROSS JOIN generate_series(1, model.classes) AS f
                           LEFT JOIN cells USING (r, f)),
           'labels', (SELECT coalesce(json_agg(json_build_object('label', label, 'contacts', coalesce(named.n, 0))
                                                ORDER BY wanted.place NULLS LAST, label), '[]')
                        FROM wanted FULL JOIN named USING (label)))::text AS body
  FROM model

-- name: api_rfm_breaks
-- $1 model, $2 digits of the currency's minor unit
SELECT json_build_object('name', name, 'scoring', scoring, 'scored_at', scored_at, 'recency', recency_breaks, 'frequency', frequency_breaks,
           'monetary', (SELECT coalesce(json_agg(round(x, greatest($2::int, scale(x)))::text ORDER BY n), '[]')
                          FROM (SELECT trim_scale(b::numeric / power(10::numeric, $2::int)) AS x, n
                                  FROM unnest(monetary_breaks) WITH ORDINALITY AS u (b, n)) breaks))::text AS body
  FROM rfm_model WHERE name = $1::text

-- name: api_template_list
-- $1 after this name, $2 limit
SELECT t.name AS cursor, json_build_object('name', t.name, 'languages',
           (SELECT coalesce(json_object_agg(v.language, json_build_object('version', v.id, 'subject', v.subject, 'created_at', v.created_at)
                   ORDER BY v.language), '{}')
              FROM template_version v WHERE v.template_id = t.id AND v.current))::text AS item
  FROM template t WHERE t.name > coalesce($1::text, '') ORDER BY t.name LIMIT $2::int

-- name: api_template_show
SELECT json_build_object('name', t.name, 'versions',
           (SELECT coalesce(json_agg(json_build_object('version', v.id, 'language', v.language, 'subject', v.subject, 'html', v.html,
                   'text', v.text, 'created_at', v.created_at) ORDER BY v.language), '[]')
              FROM template_version v WHERE v.template_id = t.id AND v.current))::text AS body, etag('template', t.name) AS etag
  FROM template t WHERE t.name = $1::text

-- name: api_template_put
-- $1 name, $2 language, $3 subject, $4 html, $5 text, $6 now. The same text makes no new version.
WITH same AS (SELECT v.id FROM template t JOIN template_version v ON v.template_id = t.id
               WHERE t.name = $1::text AND v.language = $2::text AND v.current
                 AND (v.subject, v.html, v.text) = ($3::text, $4::text, $5::text)),
     owner AS (INSERT INTO template (org_id, name) VALUES (current_org(), $1::text)
               ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name RETURNING id, xmax = 0 AS created),
     retired AS (UPDATE template_version v SET current = false FROM owner
                  WHERE v.template_id = owner.id AND v.language = $2::text AND v.current AND NOT EXISTS (SELECT FROM same)
                 RETURNING v.id),
     made AS (INSERT INTO template_version (org_id, template_id, language, subject, html, text, created_at)
              SELECT current_org(), owner.id, $2::text, $3::text, $4::text, $5::text, $6::timestamptz
                FROM owner, (SELECT count(*) FROM retired) AS first WHERE NOT EXISTS (SELECT FROM same) RETURNING id)
SELECT CASE WHEN owner.created THEN 201 ELSE 200 END AS status,
       json_build_object('name', $1::text, 'language', $2::text, 'version', coalesce((SELECT id FROM made), (SELECT id FROM same)),
           'changed', EXISTS (SELECT FROM made))::text AS body
  FROM owner

-- name: api_template_delete
-- Not while mail of it is on its way: the jobs would go with it.
WITH used AS (SELECT count(*) AS n FROM job j JOIN template t ON t.id = j.template_id WHERE t.name = $1::text),
     gone AS (DELETE FROM template WHERE name = $1::text AND (SELECT n FROM used) = 0 RETURNING id)
SELECT CASE WHEN used.n > 0 THEN 409 ELSE 204 END AS status, used.n || ' mails of this template are still to be sent' AS body
  FROM used WHERE used.n > 0 OR EXISTS (SELECT FROM gone)

-- name: api_topic_list
-- $1 after this name, $2 limit
SELECT name AS cursor, json_build_object('name', name, 'title', title,
           'subscribed', (SELECT count(*) FROM subscription s WHERE s.topic_id = t.id AND s.subscribed))::text AS item
  FROM topic t WHERE name > coalesce($1::text, '') ORDER BY name LIMIT $2::int

-- name: api_topic_show
SELECT json_build_object('name', name, 'title', title,
           'subscribed', (SELECT count(*) FROM subscription s WHERE s.topic_id = t.id AND s.subscribed))::text AS body, etag('topic', name) AS etag
  FROM topic t WHERE name = $1::text

-- name: api_topic_put
-- $1 name, $2 title (null: leave it)
WITH put AS (
    INSERT INTO topic AS t (org_id, name, title) VALUES (current_org(), $1::text, coalesce($2::text, ''))
    ON CONFLICT (org_id, name) DO UPDATE SET title = $2::text WHERE t.title <> $2::text
    RETURNING xmax = 0 AS created)
SELECT CASE WHEN EXISTS (SELECT FROM put WHERE created) THEN 201 ELSE 200 END AS status,
       json_build_object('name', $1::text, 'changed', EXISTS (SELECT FROM put))::text AS body

-- name: api_topic_delete
DELETE FROM topic WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_stages_show
SELECT json_build_object('items', stages, 'next', NULL)::text AS body FROM organisation

-- name: api_stages_put
-- $1 the stages in their order, as JSON
WITH put AS (UPDATE organisation SET stages = $1::jsonb WHERE stages <> $1::jsonb RETURNING 1)
SELECT 200 AS status, json_build_object('items', $1::jsonb, 'next', NULL, 'changed', EXISTS (SELECT FROM put))::text AS body

-- name: api_field_list
-- $1 after this name, $2 limit
SELECT name AS cursor, json_build_object('name', name, 'type', type, 'title', title)::text AS item
  FROM field WHERE name > coalesce($1::text, '') ORDER BY name LIMIT $2::int

-- name: api_field_show
SELECT json_build_object('name', name, 'type', type, 'title', title)::text AS body, etag('field', name) AS etag FROM field WHERE name = $1::text

-- name: api_field_put
-- $1 name, $2 type, $3 title (null: leave it). A type never changes: the values that are there have the old one.
WITH put AS (
    INSERT INTO field AS f (org_id, name, type, title) VALUES (current_org(), $1::text, $2::text, coalesce($3::text, ''))
    ON CONFLICT (org_id, name) DO UPDATE SET title = $3::text WHERE f.title <> $3::text AND f.type = excluded.type
    RETURNING xmax = 0 AS created),
     other AS (SELECT type FROM field WHERE name = $1::text AND type <> $2::text)
SELECT CASE WHEN EXISTS (SELECT FROM other) THEN 409 WHEN EXISTS (SELECT FROM put WHERE created) THEN 201 ELSE 200 END AS status,
       coalesce((SELECT format('this field is there with the type "%s", and a type does not change', type) FROM other),
                json_build_object('name', $1::text, 'type', $2::text, 'changed', EXISTS (SELECT FROM put))::text) AS body

-- name: api_field_delete
DELETE FROM field WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_kind_list
-- $1 after this name, $2 limit
SELECT name AS cursor, json_build_object('name', name)::text AS item
  FROM kind WHERE name > coalesce($1::text, '') ORDER BY name LIMIT $2::int

-- name: api_suppression_list
-- $1 after this address, $2 limit
SELECT email AS cursor, json_build_object('email', email, 'reason', reason, 'detail', detail, 'at', at)::text AS item
  FROM suppression WHERE email > coalesce($1::text, '') ORDER BY email LIMIT $2::int

-- name: api_suppression_add
-- $1 address, normalised, $2 reason, $3 detail, $4 now. What is suppressed stays as it is.
WITH put AS (
    INSERT INTO suppression (org_id, email, reason, detail, at)
    VALUES (current_org(), $1::text, $2::text, $3::text, $4::timestamptz)
    ON CONFLICT (org_id, email) DO NOTHING RETURNING email)
SELECT CASE WHEN EXISTS (SELECT FROM put) THEN 201 ELSE 200 END AS status,
       json_build_object('email', $1::text, 'changed', EXISTS (SELECT FROM put))::text AS body

-- name: api_suppression_delete
DELETE FROM suppression WHERE email = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_webhook_list
-- $1 after this name, $2 limit
SELECT name AS cursor, json_build_object('name', name, 'url', url, 'events', events, 'rule', rule, 'enabled', enabled,
           'failing_since', failing_since, 'updated_at', updated_at)::text AS item
  FROM webhook WHERE name > coalesce($1::text, '') ORDER BY name LIMIT $2::int

-- name: api_webhook_show
SELECT json_build_object('name', name, 'url', url, 'events', events, 'rule', rule, 'enabled', enabled,
           'failing_since', failing_since, 'updated_at', updated_at)::text AS body, etag('webhook', name) AS etag
  FROM webhook WHERE name = $1::text

-- name: api_webhook_put
-- $1 name, $2 url, $3 events, $4 rule, $5 enabled, $6 secret for a new one, $7 now. The secret is shown here alone, and once.
WITH put AS (
    INSERT INTO webhook AS w (org_id, name, url, events, rule, enabled, secret, updated_at)
    VALUES (current_org(), $1::text, $2::text, $3::text[], $4::text, $5::boolean, $6::bytea, $7::timestamptz)
    ON CONFLICT (org_id, name) DO UPDATE
       SET url = excluded.url, events = excluded.events, rule = excluded.rule, enabled = excluded.enabled,
           failing_since = NULL, updated_at = excluded.updated_at
     WHERE (w.url, w.events, w.rule, w.enabled) IS DISTINCT FROM (excluded.url, excluded.events, excluded.rule, excluded.enabled)
    RETURNING xmax = 0 AS created)
SELECT CASE WHEN EXISTS (SELECT FROM put WHERE created) THEN 201 ELSE 200 END AS status,
       (jsonb_build_object('name', $1::text, 'changed', EXISTS (SELECT FROM put))
        || CASE WHEN EXISTS (SELECT FROM put WHERE created) THEN jsonb_build_object('secret', 'whsec_' || encode($6::bytea, 'base64'))
                ELSE '{}' END)::text AS body

-- name: api_webhook_delete
DELETE FROM webhook WHERE name = $1::text RETURNING 204 AS status, NULL AS body

-- name: api_webhook_deliveries
-- $1 webhook, $2 before this id (0: from the newest), $3 limit; newest first
SELECT x.id::text AS cursor, x.item
  FROM webhook w LEFT JOIN LATERAL (
       SELECT d.id, json_build_object('id', d.id, 'contact', d.contact_id, 'state', d.state, 'status', d.status, 'attempt', d.attempt,
                  'made_at', d.made_at, 'done_at', d.done_at)::text AS item
         FROM delivery d WHERE d.webhook_id = w.id AND d.sort = 'hook' AND ($2::bigint = 0 OR d.id < $2::bigint)
        ORDER BY d.id DESC LIMIT $3::int) x ON true
 WHERE w.name = $1::text ORDER BY x.id DESC

-- name: api_template_preview
-- $1 template, $2 language (null: the contact's, else the organisation's), $3 contact (null: none). What job_lease would make a mail of.
SELECT v.language, coalesce($2::text, c.language, o.language) AS locale, v.subject, v.html, v.text,
       coalesce(c.time_zone, o.time_zone) AS time_zone, o.currency, $3::bigint IS NOT NULL AND c.id IS NULL AS stranger,
       json_build_object('name', o.name, 'postal_address', o.postal_address, 'email', o.mail_from, 'currency', o.currency)::text AS organisation,
       CASE WHEN c.id IS NOT NULL THEN json_strip_nulls(json_build_object(
           'id', c.id, 'kind', c.kind, 'first_name', c.first_name, 'last_name', c.last_name, 'company_name', c.company_name, 'email', c.email,
           'phone', c.phone, 'language', c.language, 'country', c.country, 'street', c.street, 'city', c.city, 'postal_code', c.postal_code, 'stage', c.stage,
           'external_id', c.external_id, 'time_zone', c.time_zone,
           'attr', (SELECT json_object_agg(f.name, coalesce(to_jsonb(a.value_text), to_jsonb(a.value_number), to_jsonb(a.value_date),
                                                          to_jsonb(a.value_boolean)))
                      FROM contact_attr a JOIN field f ON f.id = a.field_id WHERE a.contact_id = c.id))) ELSE '{}' END::text AS contact
  FROM template t
  JOIN organisation o ON o.id = t.org_id
  LEFT JOIN contact c ON c.id = contact_now($3::bigint)
  JOIN LATERAL (
       SELECT v.* FROM template_version v, (SELECT coalesce($2::text, c.language, o.language) AS language) w
        WHERE v.template_id = t.id AND v.current
        ORDER BY v.language = w.language DESC, v.language = split_part(w.language, '-', 1) DESC, v.language = o.language DESC, v.id LIMIT 1) v ON true
 WHERE t.name = $1::text

-- name: api_users
-- Who may use a definition: $1 what it is, $2 its name. `text`: all that may name it, rules as text, journeys as JSON. Without: who refers to it by number;
-- where the sort is empty, `name` says who. The sort 'itself' gives its name as it is spelled, where it is found however it is written.
SELECT 'segment' AS sort, name, rule AS text FROM segment WHERE rule IS NOT NULL
UNION ALL SELECT 'webhook', name, rule FROM webhook WHERE rule IS NOT NULL
UNION ALL SELECT 'campaign', name, rule FROM campaign WHERE rule IS NOT NULL AND state NOT IN ('finished', 'cancelled')
UNION ALL SELECT 'journey', name, definition::text FROM journey
UNION ALL SELECT 'earlier version', j.name, v.definition::text
            FROM (SELECT DISTINCT p.journey_id, p.version FROM journey_position p WHERE p.state = 'waiting') w
            JOIN journey j ON j.id = w.journey_id AND j.version <> w.version
            JOIN journey_version v ON v.journey_id = w.journey_id AND v.version = w.version
UNION ALL SELECT 'campaign', c.name, NULL FROM campaign c
           WHERE CASE $1::text WHEN 'segment' THEN c.segment_id = (SELECT s.id FROM segment s WHERE s.name = $2::text)
                               WHEN 'template' THEN c.template_id = (SELECT t.id FROM template t WHERE t.name = $2::text)
                               WHEN 'topic' THEN c.topic_id = (SELECT t.id FROM topic t WHERE t.name = $2::text) END
UNION ALL SELECT 'form', f.name, NULL FROM form f
           WHERE CASE $1::text WHEN 'template' THEN f.template_id = (SELECT t.id FROM template t WHERE t.name = $2::text)
                               WHEN 'field' THEN 'attr.' || $2::text = ANY (f.fields)
                               WHEN 'topic' THEN EXISTS (SELECT FROM form_topic x JOIN topic t ON t.id = x.topic_id WHERE x.form_id = f.id AND t.name = $2::text) END
UNION ALL SELECT '', 'contacts who said yes or no to it', NULL FROM topic t
           WHERE $1::text = 'topic' AND t.name = $2::text AND EXISTS (SELECT FROM consent c WHERE c.topic_id = t.id)
UNION ALL SELECT u.sort, u.name, NULL
            FROM relation_kind k CROSS JOIN LATERAL (
                 SELECT 'itself' AS sort, k.name
                 UNION ALL SELECT 'relation', r.name FROM relation_kind r WHERE r.shares_id IN (k.id, k.inverse_id)
                 UNION ALL SELECT '', 'contacts who are so related' WHERE EXISTS (SELECT FROM relation r WHERE r.org_id = k.org_id AND r.kind_id IN (k.id, k.inverse_id))) u
           WHERE $1::text = 'relation' AND k.org_id = current_org() AND k.name_fold = fold($2::text)
 ORDER BY 1 DESC, 2

-- name: plan_by_values
-- Until the end of the transaction the planner sees the values of a statement's parameters, and plans it for them alone.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);
