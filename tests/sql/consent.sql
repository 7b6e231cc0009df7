-- The ledger of consent is only added to; the subscription is its last word per topic.
BEGIN;
\ir application.psql
SELECT id AS topic FROM topic \gset
INSERT INTO topic (org_id, name) VALUES (:org, 'events') RETURNING id AS other \gset
INSERT INTO contact (org_id, id) VALUES (:org, 900), (:org, 901);

CREATE FUNCTION pg_temp.stands() RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', s.contact_id, t.name, s.subscribed, s.since AT TIME ZONE 'UTC'), ', ' ORDER BY s.contact_id, t.name)
     FROM lazo.subscription s JOIN lazo.topic t ON t.id = s.topic_id WHERE s.contact_id >= 900 $$;
CREATE FUNCTION pg_temp.say(contact bigint, topic int, action text, at timestamptz) RETURNS void LANGUAGE sql AS
$$ INSERT INTO lazo.consent (org_id, contact_id, topic_id, action, at) VALUES (lazo.current_org(), contact, topic, action, at) $$;

SELECT is(pg_temp.stands(), NULL, 'nobody said anything');
SELECT pg_temp.say(900, :topic, 'grant', '2026-03-01 10:00Z') \g /dev/null
SELECT is(pg_temp.stands(), '900 news t 2026-03-01 10:00:00', 'a grant subscribes');
SELECT pg_temp.say(900, :topic, 'withdraw', '2026-03-02 10:00Z') \g /dev/null
SELECT is(pg_temp.stands(), '900 news f 2026-03-02 10:00:00', 'a withdrawal ends it');
SELECT pg_temp.say(900, :topic, 'grant', '2026-03-01 20:00Z') \g /dev/null
SELECT is(pg_temp.stands(), '900 news f 2026-03-02 10:00:00', 'an older grant does not undo it');
SELECT pg_temp.say(900, :topic, 'grant', '2026-03-02 10:00Z') \g /dev/null
SELECT is(pg_temp.stands(), '900 news t 2026-03-02 10:00:00', 'of the same instant the later entry holds');
INSERT INTO consent (org_id, contact_id, topic_id, action, at)
VALUES (:org, 901, :topic, 'withdraw', '2026-03-05Z'), (:org, 901, :topic, 'grant', '2026-03-04Z'), (:org, 901, :other, 'grant', '2026-03-04Z'),
       (:org, 900, :other, 'grant', '2026-03-04Z'), (:org, 900, :other, 'withdraw', '2026-03-04Z');
SELECT is(pg_temp.stands(), '900 events f 2026-03-04 00:00:00, 900 news t 2026-03-02 10:00:00, 901 events t 2026-03-04 00:00:00, 901 news f 2026-03-05 00:00:00',
    'many at once: each topic its last word');
SELECT is((SELECT count(*) FROM consent WHERE contact_id >= 900), 9::bigint, 'every entry stays');

SELECT throws_ok('UPDATE consent SET action = ''grant''', '42501', 'permission denied for table consent', 'no entry is changed');
SELECT throws_ok('DELETE FROM consent', '42501', 'permission denied for table consent', 'no entry is deleted');
SELECT throws_ok('TRUNCATE consent', '42501', 'permission denied for table consent', 'the ledger is not emptied');
SELECT throws_ok(format('INSERT INTO consent (org_id, contact_id, topic_id, action) VALUES (%s, 900, %s, ''maybe'')', :org, :topic), '23514', NULL, 'an unknown action');
SELECT throws_ok(format('DELETE FROM topic WHERE id = %s', :topic), '23503', NULL, 'a topic that consent speaks of stays');
SELECT lives_ok('DELETE FROM contact WHERE id = 900', 'who is forgotten takes his entries along');
SELECT is((SELECT count(*) FROM consent WHERE contact_id = 900), 0::bigint, 'and nothing of them is left');

SELECT * FROM finish();
ROLLBACK;
