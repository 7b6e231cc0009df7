-- What goes out: contacts and interactions in pages of their ids, and one person's complete file. The documents are JSON.

-- The last parameter of these four: a page ends with the row that passes so many bytes.

-- name: export_contacts
-- $1 after this id, $2 limit, $3 bytes
SELECT contact_id, 0::bigint AS id, item
  FROM (SELECT contact_id, item, sum(length(item)) OVER (ORDER BY contact_id) - length(item) AS before
          FROM (SELECT c.id AS contact_id, contact_doc(c)::text AS item FROM contact c WHERE c.id > $1::bigint ORDER BY c.id LIMIT $2::int) d) p
 WHERE before < $3::bigint ORDER BY contact_id;

-- name: export_contacts_of
-- $1 after this id, $2 ids of contacts, $3 bytes
SELECT contact_id, 0::bigint AS id, item
  FROM (SELECT contact_id, item, sum(length(item)) OVER (ORDER BY contact_id) - length(item) AS before
          FROM (SELECT c.id AS contact_id, contact_doc(c)::text AS item FROM contact c WHERE c.id = ANY ($2::bigint[]) AND c.id > $1::bigint) d) p
 WHERE before < $3::bigint ORDER BY contact_id;

-- name: export_interactions
-- $1 $2 contact and id of the last one given, $3 limit, $4 digits of the currency, $5 bytes
SELECT contact_id, id, item
  FROM (SELECT contact_id, id, item, sum(length(item)) OVER (ORDER BY contact_id, id) - length(item) AS before
          FROM (SELECT c.id AS contact_id, i.id, i.item
                  FROM contact c CROSS JOIN LATERAL (
                       SELECT n.id, interaction_doc(n, c.email, c.external_id, $4::int)::text AS item FROM interaction n
                        WHERE n.contact_id = c.id AND (c.id > $1::bigint OR n.id > $2::bigint) ORDER BY n.id LIMIT $3::int) i
                 WHERE c.id >= $1::bigint ORDER BY c.id, i.id LIMIT $3::int) d) p
 WHERE before < $5::bigint ORDER BY contact_id, id;

-- name: export_interactions_of
-- $1 $2 contact and id of the last one given, $3 limit, $4 digits of the currency, $5 ids of contacts, $6 bytes
SELECT contact_id, id, item
  FROM (SELECT contact_id, id, item, sum(length(item)) OVER (ORDER BY contact_id, id) - length(item) AS before
          FROM (SELECT c.id AS contact_id, i.id, i.item
                  FROM contact c CROSS JOIN LATERAL (
                       SELECT n.id, interaction_doc(n, c.email, c.external_id, $4::int)::text AS item FROM interaction n
                        WHERE n.contact_id = c.id AND (c.id > $1::bigint OR n.id > $2::bigint) ORDER BY n.id LIMIT $3::int) i
                 WHERE c.id = ANY ($5::bigint[]) AND c.id >= $1::bigint ORDER BY c.id, i.id LIMIT $3::int) d) p
 WHERE before < $6::bigint ORDER BY contact_id, id;

-- name: api_contact_file
-- $1 contact, $2 digits of the currency, $3 now. All that is kept of one person.
SELECT json_build_object('made_at', $3::timestamptz, 'contact', contact_doc(c),
    'interactions', (SELECT coalesce(json_agg(interaction_doc(i, c.email, c.external_id, $2::int) ORDER BY i.occurred_at, i.id), '[]')
                       FROM interaction i WHERE i.contact_id = c.id),
    'consents', (SELECT coalesce(json_agg(json_build_object('topic', t.name, 'action', n.action, 'purpose', n.purpose, 'wording', n.wording,
                     'language', n.language, 'source', n.source, 'method', n.method, 'ip', n.ip, 'user_agent', n.user_agent, 'at', n.at) ORDER BY n.id), '[]')
                   FROM consent n JOIN topic t ON t.id = n.topic_id WHERE n.contact_id = c.id),
    'relations', (SELECT coalesce(json_agg(json_build_object('relation', k.name, 'contact', r.other_id, 'since', r.since, 'until', r.until, 'note', r.note,
                      'added_at', r.added_at) ORDER BY k.name, r.other_id), '[]')
                    FROM relation r JOIN relation_kind k ON k.id = r.kind_id WHERE r.contact_id = c.id),
    'suppressions', (SELECT coalesce(json_agg(json_build_object('email', s.email, 'reason', s.reason, 'at', s.at) ORDER BY s.email), '[]')
                       FROM identity d CROSS JOIN LATERAL (SELECT * FROM suppression WHERE org_id = d.org_id AND email = d.value LIMIT 1) s
                      WHERE d.contact_id = c.id AND d.sort = 'email'),
    'segments', (SELECT coalesce(json_agg(json_build_object('name', s.name, 'entered_at', m.entered_at) ORDER BY s.name), '[]')
                   FROM membership m JOIN segment s ON s.id = m.segment_id WHERE m.contact_id = c.id),
    'scores', (SELECT coalesce(json_agg(json_build_object('model', r.name, 'r', s.r, 'f', s.f, 'm', s.m, 'label', s.label, 'last_on', s.last_on,
                   'frequency', s.frequency, 'monetary', round(s.monetary / power(10::numeric, $2::int), $2::int)::text) ORDER BY r.name), '[]')
                 FROM rfm_score s JOIN rfm_model r ON r.id = s.model_id WHERE s.contact_id = c.id),
    'deliveries', (SELECT coalesce(json_agg(json_build_object('id', d.id, 'sort', d.sort, 'state', d.state, 'address', d.address, 'status', d.status,
                       'template', t.name, 'made_at', d.made_at, 'done_at', d.done_at, 'data', d.data) ORDER BY d.done_at, d.id), '[]')
                     FROM delivery d LEFT JOIN template t ON t.id = d.template_id WHERE d.contact_id = c.id),
    'journeys', (SELECT coalesce(json_agg(json_build_object('journey', j.name, 'state', p.state, 'step', p.step, 'entered_at', p.entered_at,
                     'ended_at', p.ended_at) ORDER BY p.entered_at), '[]')
                   FROM journey_position p JOIN journey j ON j.id = p.journey_id WHERE p.contact_id = c.id),
    'past_segments', (SELECT coalesce(json_agg(json_build_object('name', s.name, 'entered_at', p.entered_at, 'left_at', p.left_at) ORDER BY p.left_at, p.id), '[]')
                        FROM membership_past p JOIN segment s ON s.id = p.segment_id WHERE p.contact_id = c.id),
    'segment_exceptions', (SELECT coalesce(json_agg(json_build_object('name', s.name, 'mode', x.mode, 'reason', x.reason, 'at', x.made_at) ORDER BY s.name), '[]')
                             FROM segment_exception x JOIN segment s ON s.id = x.segment_id WHERE x.contact_id = c.id),
    'past_scores', (SELECT coalesce(json_agg(json_build_object('model', r.name, 'r', h.r, 'f', h.f, 'm', h.m, 'label', h.label, 'since', h.since, 'until', h.until)
                               ORDER BY h.until, h.id), '[]')
                      FROM rfm_history h JOIN rfm_model r ON r.id = h.model_id WHERE h.contact_id = c.id),
    'waiting', (SELECT coalesce(json_agg(json_build_object('id', j.id, 'sort', j.sort, 'template', t.name, 'run_at', nullif(j.run_at, 'infinity'), 'data', j.data)
                           ORDER BY j.id), '[]')
                  FROM job j LEFT JOIN template t ON t.id = j.template_id WHERE j.contact_id = c.id),
    'sign_ups', (SELECT coalesce(json_agg(json_build_object('form', f.name, 'email', q.email, 'contact', q.contact, 'topics', q.topics, 'at', q.at,
                            'confirmed_at', q.confirmed_at) ORDER BY q.id), '[]')
                   FROM form_request q JOIN form f ON f.id = q.form_id WHERE q.contact_id = c.id),
    'merged', (SELECT coalesce(json_agg(json_build_object('contact', m.merged_id, 'at', m.at, 'undone_at', m.undone_at, 'was', CASE WHEN m.undone_at IS NULL THEN m.was END,
                                             'segments', (SELECT coalesce(json_agg(json_build_object('name', s.name, 'entered_at', p.entered_at, 'left_at', p.left_at)
                                                                           ORDER BY p.entered_at, s.name), '[]')
                                                            FROM jsonb_populate_recordset(NULL::membership_past, (m.moved #> '{membership,left}') || (m.moved #> '{membership_past,left}')) p
                                                            JOIN segment s ON s.id = p.segment_id WHERE m.undone_at IS NULL),
                                             'scores', (SELECT coalesce(json_agg(json_build_object('model', r.name, 'r', h.r, 'f', h.f, 'm', h.m, 'label', h.label, 'since', h.since,
                                                                                 'until', h.until) ORDER BY h.until, r.name), '[]')
                                                          FROM jsonb_populate_recordset(NULL::rfm_history, (m.moved #> '{rfm_score,left}') || (m.moved #> '{rfm_history,left}')) h
                                                          JOIN rfm_model r ON r.id = h.model_id WHERE m.undone_at IS NULL)) ORDER BY m.id), '[]')
                 FROM contact_merge m WHERE m.contact_id = c.id),
    -- What merges told that were undone is somebody else's.
    'field_history', (SELECT coalesce(json_agg(field_history_doc(h) ORDER BY h.at, h.id), '[]') FROM field_history h
                       WHERE h.contact_id = c.id
                         AND NOT (h.source ^@ 'merge:' AND EXISTS (SELECT FROM contact_merge m WHERE m.contact_id = c.id AND m.undone_at IS NOT NULL
                                                                      AND h.source IN ('merge:' || m.id, 'merge:' || m.id || ':undone')))),
    'tasks', (SELECT coalesce(json_agg(task_doc(k) ORDER BY k.id), '[]') FROM task k WHERE k.contact_id = c.id),
    'campaigns', (SELECT coalesce(json_agg(g.name ORDER BY g.name), '[]')
                    FROM campaign_audience a JOIN campaign g ON g.id = a.campaign_id WHERE a.contact_id = c.id))::text AS body
  FROM contact c WHERE c.id = $1::bigint;
