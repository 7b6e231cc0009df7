-- Membership and wakes have no foreign keys, nor has an interaction one to its kind: what keeps them from naming what is not there.
BEGIN;
\ir application.psql

SELECT min(id) AS ana FROM contact \gset
SELECT id AS donors FROM segment WHERE name = 'donors' \gset
SET LOCAL lazo.writer = 'stranger';
SELECT throws_ok(format('INSERT INTO membership (org_id, contact_id, segment_id, entered_at) VALUES (%s, 987654321, %s, now())', :org, :donors),
    '23503', 'there is no contact 987654321', 'nobody is no member');
SELECT throws_ok(format('INSERT INTO membership (org_id, contact_id, segment_id, entered_at) VALUES (%s, %s, 987654321, now())', :org, :ana),
    '23503', 'there is no segment 987654321', 'nor is somebody of no segment');
SELECT throws_ok('UPDATE membership SET segment_id = 987654321', '23503', 'there is no segment 987654321', 'not by an update either');
SELECT throws_ok(format('INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at) VALUES (%s, 987654321, %s, now(), now())', :org, :donors),
    '23503', 'there is no contact 987654321', 'nor was nobody one');
SELECT throws_ok('UPDATE membership_past SET segment_id = 987654321', '23503', 'there is no segment 987654321', 'nor somebody of no segment');
SELECT throws_ok(format('INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) VALUES (%s, %s, 987654321, now())', :org, :ana),
    '23503', 'there is no kind 987654321', 'nothing is of no kind');
SELECT throws_ok('UPDATE interaction SET kind_id = 987654321', '23503', 'there is no kind 987654321', 'nor becomes so');
INSERT INTO kind (org_id, name) VALUES (:org, 'used'), (:org, 'unused');
INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) SELECT :org, :ana, id, now() FROM kind WHERE name = 'used';
SELECT throws_ok($$ DELETE FROM kind WHERE name IN ('used', 'unused') $$, '23503', 'there are interactions of the kind used', 'a kind that is used stays');
SELECT lives_ok($$ DELETE FROM kind WHERE name = 'unused' $$, 'one that nobody used may go');
SET LOCAL lazo.writer = 'lazod';

INSERT INTO contact (org_id, first_name) VALUES (:org, 'Eva') RETURNING id AS eva \gset
INSERT INTO segment (org_id, name, kind, rule, updated_at) VALUES (:org, 'others', 'dynamic', 'true', now()) RETURNING id AS others \gset
INSERT INTO membership (org_id, contact_id, segment_id, entered_at) VALUES (:org, :eva, :donors, now()), (:org, :eva, :others, now()), (:org, :ana, :others, now());
INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, left_at) VALUES (:org, :eva, :donors, now(), now()), (:org, :ana, :others, now(), now());
INSERT INTO wake (org_id, contact_id, part, at) VALUES (:org, :eva, 5, now());
DELETE FROM contact WHERE id = :eva;
SELECT bag_eq('SELECT contact_id, segment_id FROM membership', format('VALUES (%s::bigint, %s), (%s, %s)', :ana, :donors, :ana, :others), 'members go with their contact');
SELECT is_empty(format('SELECT FROM wake WHERE contact_id = %s', :eva), 'and so do wakes');
SELECT is_empty(format('SELECT FROM membership_past WHERE contact_id = %s', :eva), 'and what they were');
SELECT isnt_empty(format('SELECT FROM membership_past WHERE segment_id = %s', :others), 'others were, too');
DELETE FROM segment WHERE id = :others;
SELECT is_empty(format('SELECT FROM membership_past WHERE segment_id = %s', :others), 'that goes with its segment');
SELECT bag_eq('SELECT contact_id, segment_id FROM membership', format('VALUES (%s::bigint, %s)', :ana, :donors), 'members go with their segment');
RESET ROLE;
SELECT is(count(*), (SELECT count(DISTINCT org_id) FROM segment), 'nobody else''s go') FROM membership;

-- What is put back when a merge is undone.
SELECT set_config('lazo.org', :'org', true);
SELECT part_restore('membership', jsonb_build_array(jsonb_build_object('org_id', :org, 'contact_id', :ana, 'segment_id', 987654321, 'entered_at', now()),
                                                    jsonb_build_object('org_id', :org, 'contact_id', 987654321, 'segment_id', :donors, 'entered_at', now())));
SELECT is_empty('SELECT FROM membership WHERE 987654321 IN (contact_id, segment_id)', 'what was deleted meanwhile has no members');
SELECT part_restore('membership_past', jsonb_build_array(
    jsonb_build_object('org_id', :org, 'contact_id', :ana, 'id', 987654, 'segment_id', 987654321, 'entered_at', now(), 'left_at', now()),
    jsonb_build_object('org_id', :org, 'contact_id', 987654321, 'id', 987655, 'segment_id', :donors, 'entered_at', now(), 'left_at', now())));
SELECT is_empty('SELECT FROM membership_past WHERE 987654321 IN (contact_id, segment_id)', 'nor had it any');

-- A segment that is said to be stale again meanwhile.
SELECT set_config('lazo.org', :'org', true);
UPDATE segment SET stale = false WHERE id = :donors;
SELECT is(marked, 0::bigint, 'fresh is no mark') FROM segment WHERE id = :donors;
UPDATE segment SET stale = true WHERE id = :donors;
UPDATE segment SET stale = true WHERE id = :donors;
UPDATE segment SET title = 'D' WHERE id = :donors;
SELECT is(marked, 2::bigint, 'each time is counted') FROM segment WHERE id = :donors;

SELECT * FROM finish();
ROLLBACK;
