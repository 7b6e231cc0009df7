-- That a contact died stops what waits, whoever says it; and a stage that a stranger changes is an interaction.
BEGIN;
\ir application.psql
SELECT min(id) AS ana FROM contact \gset
SELECT id AS letter FROM template \gset
DELETE FROM job; DELETE FROM delivery;

INSERT INTO contact (org_id, id) VALUES (:org, 900);
INSERT INTO job (org_id, class, sort, run_at, contact_id, key, template_id, first_at) VALUES
    (:org, 0, 'mail', '2026-01-01Z', 900, 'now', :letter, '2026-01-01Z'), (:org, 2, 'mail', 'infinity', 900, 'held', :letter, '2026-01-01Z'),
    (:org, 0, 'mail', '2026-01-01Z', :ana, 'hers', :letter, '2026-01-01Z');
INSERT INTO job (org_id, class, sort, run_at, contact_id, key, webhook_id, first_at) SELECT :org, 0, 'hook', '2026-01-01Z', 900, 'call', id, '2026-01-01Z' FROM webhook;
INSERT INTO job (org_id, class, sort, run_at, contact_id, key, template_id, first_at, lease, worker, leased_until)
VALUES (:org, 0, 'mail', 'infinity', 900, 'leased', :letter, '2026-01-01Z', 77, 'w', '2026-02-01Z');
UPDATE journey_position SET contact_id = 900;
UPDATE contact SET city = 'Vigo' WHERE id = 900;
SELECT is((SELECT count(*) FROM job), 5::bigint, 'another field stops nothing');
UPDATE contact SET deceased = true, updated_at = '2126-01-02Z' WHERE id = 900;
SELECT is((SELECT string_agg(key, ' ' ORDER BY key) FROM job), 'call hers leased', 'what waits to be mailed to them goes; what a worker holds is its own');
SELECT is((SELECT string_agg(concat_ws(' ', key, state, status, done_at = '2126-01-02Z'), ', ' ORDER BY key) FROM delivery),
          'held cancelled deceased t, now cancelled deceased t', 'and is told');
SELECT is((SELECT concat_ws(' ', state, ended_at = '2126-01-02Z') FROM journey_position), 'left t', 'journeys are left');
SELECT throws_ok($$ UPDATE contact SET deceased_on = '2026-01-01' WHERE NOT deceased $$, '23514', NULL, 'who lives has no date of death');

SET LOCAL lazo.writer = '';
UPDATE contact SET stage = 'lead' WHERE id = 900;
UPDATE contact SET stage = 'Lead', city = 'Lugo' WHERE id = 900;
UPDATE contact SET stage = 'member' WHERE id = 900;
SELECT is((SELECT string_agg(i.data::text, ' ' ORDER BY i.id) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'stage_changed' AND i.contact_id = 900),
          '{"to": "lead", "from": null} {"to": "member", "from": "Lead"}', 'a stranger''s change of stage is an interaction');

SELECT * FROM finish();
ROLLBACK;
