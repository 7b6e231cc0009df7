-- Merging and taking apart: every table with rows of a contact is handled, and what was before is there again.
BEGIN;
\ir application.psql

-- A table that gets a contact_id must say what becomes of its rows in a merge and at an erasure; in a person's file: test_parts.py.
CREATE TEMPORARY VIEW parts AS
    SELECT c.relname::text AS name, c.oid, EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confdeltype = 'c'
                                             AND k.conkey @> ARRAY[a.attnum]) AS cascades
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'contact_id' AND NOT a.attisdropped
     WHERE c.relnamespace = 'lazo'::regnamespace AND c.relkind IN ('r', 'p');
SELECT bag_eq('SELECT name FROM parts', 'SELECT part FROM contact_parts()', 'contact_parts() says of each table with a contact_id what a merge does with it');
SELECT bag_eq($$ SELECT fate FROM contact_parts() WHERE fate NOT IN ('move', 'aside', 'own', 'forget', 'follow', 'stay') $$, ARRAY[]::text[], 'and in words that it knows');
SELECT is_empty($$ SELECT name FROM parts WHERE NOT cascades AND name NOT IN
    -- contact_erase() and the trigger contact_forgets() know these, contact_words_forget() the words; an erasure is told by the number that leads nowhere any more.
    ('interaction_key', 'membership', 'membership_past', 'wake', 'change', 'contact_word', 'delivery', 'erasure') $$, 'an erased or deleted contact takes its rows along');

SELECT min(id) AS ana FROM contact \gset
SELECT min(id) AS topic FROM topic \gset
SELECT id AS field FROM field \gset
SELECT id AS gift FROM kind WHERE name = 'donation' \gset
SET LOCAL lazo.writer = 'lazod';
INSERT INTO topic (org_id, name) VALUES (:org, 'events') RETURNING id AS events \gset
INSERT INTO topic (org_id, name) VALUES (:org, 'other') RETURNING id AS other \gset
INSERT INTO contact (org_id, id, first_name, city, email, phone, created_at) VALUES (:org, 900, 'Eva', NULL, 'eva@a.example', '600111222', '2026-01-02Z');
INSERT INTO contact (org_id, id, first_name, last_name, city, email, external_id, birth_year, birth_month, birth_day, created_at, phone)
VALUES (:org, 901, 'Eva María', 'Ruiz', 'Lugo', 'eva@b.example', 'X9', 1980, 3, 9, '2026-01-01Z', '600111222');
INSERT INTO identity (org_id, sort, value, contact_id) VALUES (:org, 'email', 'eva@a.example', 900), (:org, 'email', 'eva@b.example', 901), (:org, 'external_id', 'X9', 901);
INSERT INTO contact_phone (org_id, contact_id, phone) VALUES (:org, 901, '600333444');
INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (:org, 900, 'Both'), (:org, 901, 'both'), (:org, 901, 'hers');
INSERT INTO contact_attr (org_id, contact_id, field_id, value_number) VALUES (:org, 900, :field, 1), (:org, 901, :field, 2);
INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, amount) VALUES (:org, 700, 900, :gift, '2026-02-01Z', 100), (:org, 701, 901, :gift, '2026-02-02Z', 200),
    (:org, 702, 901, :gift, '2026-02-03Z', NULL);
INSERT INTO amendment (org_id, contact_id, id, amends, sets, amount, first_kind_id, first_amount) VALUES (:org, 901, 702, 701, false, -50, :gift, 250);
INSERT INTO interaction_key (org_id, source, key, contact_id, interaction_id) VALUES (:org, 'web', 'k1', 901, 701);
INSERT INTO consent (org_id, contact_id, topic_id, action, at, wording) VALUES
    (:org, 900, :topic, 'grant', '2026-02-01Z', 'Sí'), (:org, 901, :topic, 'withdraw', '2026-01-15Z', ''),
    (:org, 900, :events, 'withdraw', '2026-01-10Z', ''), (:org, 901, :events, 'grant', '2026-02-10Z', 'Sí'), (:org, 901, :other, 'grant', '2026-02-10Z', 'Sí');
INSERT INTO field_history (org_id, contact_id, field, was, became, at) VALUES (:org, 901, 'city', '"Vigo"', '"Lugo"', '2026-02-05Z'), (:org, 900, 'first_name', '"E"', '"Eva"', '2026-02-05Z');
INSERT INTO relation_kind (org_id, id, name, inverse_id) VALUES (:org, 9901, 'friend', 9901);
INSERT INTO relation (org_id, contact_id, kind_id, other_id) VALUES (:org, 901, 9901, :ana), (:org, 900, 9901, 901);
UPDATE delivery SET contact_id = 901; UPDATE task SET contact_id = 901; UPDATE job SET contact_id = 901; UPDATE rfm_history SET contact_id = 901;
UPDATE journey_position SET contact_id = 901;
INSERT INTO journey_position (org_id, contact_id, journey_id, entry, version, state, wake_at, entered_at) SELECT :org, 900, journey_id, 'k', 1, 'waiting', '2026-03-01Z', '2026-03-01Z' FROM journey_position;

-- All that there is of the two, as text; not the ledger, where the merge says something itself.
CREATE FUNCTION pg_temp.all_of_them() RETURNS text LANGUAGE plpgsql AS $$
DECLARE p text; said text := ''; one text;
BEGIN
    FOR p IN SELECT part FROM lazo.contact_parts() WHERE part NOT IN ('consent', 'consent_head', 'consent_merged', 'change', 'field_history', 'contact_merge', 'subscription', 'journey_position', 'contact_word')
             UNION SELECT 'contact' ORDER BY 1 LOOP
        EXECUTE format('SELECT string_agg((to_jsonb(t) - ''updated_at'' - ''added_at'')::text, E''\n'' ORDER BY (to_jsonb(t) - ''updated_at'')::text) FROM lazo.%I t WHERE %s IN (900, 901)', p,
            CASE p WHEN 'contact' THEN 'id' ELSE 'contact_id' END) INTO one;
        said := said || p || ': ' || coalesce(one, '') || E'\n';
    END LOOP;
    RETURN said;
END $$;
CREATE FUNCTION pg_temp.chains() RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', contact_id, coalesce(chain, contact_id), n), ', ' ORDER BY contact_id, chain NULLS FIRST, n) FROM lazo.consent WHERE contact_id IN (900, 901) $$;
CREATE FUNCTION pg_temp.stands() RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', s.contact_id, t.name, s.subscribed), ', ' ORDER BY s.contact_id, t.name) FROM lazo.subscription s JOIN lazo.topic t ON t.id = s.topic_id WHERE s.contact_id IN (900, 901) $$;

SELECT pg_temp.all_of_them() AS before \gset
SELECT pg_temp.stands() AS stood \gset
SELECT is(error, 'a contact is not merged with itself') FROM contact_merge(900, 900, '{}', 'me', '2026-03-05Z');
SELECT is(error, 'there is no contact 999') FROM contact_merge(900, 999, '{}', 'me', '2026-03-05Z');
SELECT merge FROM contact_merge(900, 901, '{"first_name": "merge"}', 'me', '2026-03-05Z') \gset
SELECT is((SELECT concat_ws(' ', first_name, last_name, city, email, external_id, phone, birth_year, created_at AT TIME ZONE 'UTC') FROM contact WHERE id = 900),
          'Eva María Ruiz Lugo eva@a.example X9 600111222 1980 2026-01-01 00:00:00', 'gaps are filled, what was chosen is taken, the rest is kept');
SELECT is_empty('SELECT FROM contact WHERE id = 901', 'the other one is no more');
SELECT is((SELECT string_agg(tag, ' ' ORDER BY tag) FROM contact_tag WHERE contact_id = 900), 'Both hers', 'tags of both');
SELECT is((SELECT value_number FROM contact_attr WHERE contact_id = 900), 1::float8, 'the kept one''s custom field');
SELECT is((SELECT string_agg(concat_ws(' ', id, amount), ', ' ORDER BY id) FROM interaction WHERE contact_id = 900), '700 100, 701 200, 702', 'the history of both');
SELECT is((SELECT contact_id FROM amendment WHERE id = 702), 900::bigint, 'amendments follow');
SELECT isnt_empty('SELECT jsonb_array_elements(moved #> ''{rfm_history,left}'') FROM contact_merge WHERE contact_id = 900', 'scores that are over wait with the merge');
SELECT is_empty('SELECT FROM rfm_history WHERE contact_id = 900', 'the kept one''s past is its own');
SELECT is((SELECT contact_id FROM interaction_key WHERE key = 'k1'), 900::bigint, 'so do keys');
SELECT is((SELECT string_agg(concat_ws(' ', contact_id, other_id), ', ' ORDER BY contact_id) FROM relation WHERE kind_id = 9901), concat(:'ana', ' 900, 900 ', :'ana'), 'relations are another''s with the kept one');
SELECT is((SELECT string_agg(concat_ws(' ', entry, state), ', ' ORDER BY entry) FROM journey_position WHERE contact_id = 900), '1 left, k waiting', 'one passage goes on');
SELECT is(pg_temp.stands(), '900 events f, 900 news f, 900 other t', 'a no of either is a no');
SELECT is(pg_temp.chains(), '900 900 1, 900 900 2, 900 900 3, 900 900 4, 900 901 1, 900 901 2, 900 901 3', 'each chain stays a chain');
SELECT is((SELECT string_agg(field || ' ' || was::text, ', ' ORDER BY field) FROM field_history WHERE contact_id = 900 AND field ^@ 'merged.'),
          'merged.attr.renta 2, merged.city "Vigo", merged.email "eva@b.example"', 'what the other one was stands in the history');
SELECT is(contact_as_of(900, '2026-02-20Z') ->> 'city', NULL, 'and what the kept one was is not mixed up with it');
SELECT is(contact_as_of(900, '2026-02-20Z') -> 'tags', '["Both"]', 'nor its tags');

-- While they are one: a gift, a refund of a gift from before, a no, a new address.
INSERT INTO interaction (org_id, id, contact_id, kind_id, occurred_at, amount) VALUES (:org, 703, 900, :gift, '2026-03-06Z', 300);
SELECT is(error, NULL) FROM interaction_amend(900, 701, NULL, NULL, 'donation', '2026-03-06Z', false, -10, 'EUR', 'web', 'k2', NULL, true, 0, '2026-03-06Z', 2);
INSERT INTO consent (org_id, contact_id, topic_id, action, at) VALUES (:org, 900, :other, 'withdraw', '2026-03-07Z');
DELETE FROM change;
SELECT is(error, 'there is no merge 0') FROM contact_unmerge(0, 'me', '2026-03-08Z');
SELECT is(error, NULL, 'taken apart') FROM contact_unmerge(:merge, 'me', '2026-03-08Z');
SELECT is((SELECT string_agg(DISTINCT contact_id::text, ' ') FROM change WHERE quiet), '900 901', 'both are looked at anew');
SELECT is((SELECT string_agg(concat_ws(' ', contact_id, id), ', ' ORDER BY id) FROM interaction WHERE contact_id IN (900, 901) AND id < 1000000 AND id <> ALL (ARRAY(SELECT id FROM amendment WHERE amount = -10))),
          '900 700, 901 701, 901 702, 900 703', 'each has its history; what came since is the kept one''s');
SELECT is((SELECT string_agg(concat_ws(' ', contact_id, amends), ', ') FROM amendment WHERE amount = -10), '901 701', 'but what amends the other''s goes with it');
SELECT is((SELECT amount FROM interaction WHERE id = 701), 190::bigint, 'and holds');
SELECT is(pg_temp.stands(), '900 events f, 900 news t, 900 other f, 901 events t, 901 news f, 901 other f', 'a yes is restored; a no that came since is both''s');
SELECT is(pg_temp.chains(), '900 900 1, 900 900 2, 900 900 3, 900 900 4, 900 900 5, 900 900 6, 901 901 1, 901 901 2, 901 901 3, 901 901 4', 'the chains are their own again');
DELETE FROM interaction WHERE id = 703 OR id IN (SELECT id FROM amendment WHERE amount = -10);
UPDATE interaction SET amount = 200 WHERE id = 701;
DELETE FROM interaction_key WHERE key = 'k2';
SELECT is(pg_temp.all_of_them(), :'before', 'all else is as it was');
SELECT is(error, 'this merge was undone already') FROM contact_unmerge(:merge, 'me', '2026-03-08Z');
SELECT is((SELECT string_agg(concat_ws(' ', contact_id, field), ', ' ORDER BY id) FROM field_history WHERE at = '2026-02-05Z'), '901 city, 900 first_name', 'the history of each is its own');

-- One into the next, and apart in any order.
INSERT INTO contact (org_id, id, first_name) VALUES (:org, 902, 'Ev');
SELECT merge AS first FROM contact_merge(901, 902, '{}', 'me', '2026-03-09Z') \gset
SELECT merge AS second FROM contact_merge(900, 901, '{}', 'me', '2026-03-09Z') \gset
SELECT is(error, NULL) FROM contact_unmerge(:first, 'me', '2026-03-10Z');
SELECT is((SELECT first_name FROM contact WHERE id = 902), 'Ev', 'the first of two merges is undone');
SELECT is(error, NULL) FROM contact_unmerge(:second, 'me', '2026-03-10Z');
SELECT is((SELECT string_agg(concat_ws(' ', id, contact_id), ', ' ORDER BY id) FROM interaction WHERE id IN (700, 701, 702)), '700 900, 701 901, 702 901', 'and then the second');
SELECT is((SELECT count(*) FROM consent e JOIN topic t ON t.id = e.topic_id
            WHERE e.hash <> consent_hash(e, t.name, coalesce((SELECT p.hash FROM consent p WHERE p.contact_id = e.contact_id AND p.chain IS NOT DISTINCT FROM e.chain AND p.n = e.n - 1),
                                                             consent_origin(e.org_id, coalesce(e.chain, e.contact_id))))), 0::bigint, 'no chain is broken');

-- Of a campaign the kept contact gets one mail: who has been passed when it is made into jobs, and who has its mail.
UPDATE campaign SET state = 'finished';
INSERT INTO contact (org_id, id, first_name) SELECT :org, n, 'Campaign ' || n FROM generate_series(911, 920) n;
CREATE FUNCTION pg_temp.campaign(said text, to_id bigint) RETURNS bigint LANGUAGE sql AS
$$ INSERT INTO lazo.campaign (org_id, name, template_id, rule, topic_id, state, expanded_to, updated_at)
   SELECT t.org_id, said, t.id, 'true', (SELECT min(id) FROM lazo.topic), 'expanding', to_id, '2026-03-10Z' FROM lazo.template t LIMIT 1 RETURNING id $$;
CREATE FUNCTION pg_temp.queued(of_campaign bigint, of_contact bigint) RETURNS void LANGUAGE sql AS
$$ WITH k AS (INSERT INTO lazo.job_key (org_id, key, job_id) SELECT g.org_id, 'campaign:' || g.id || ':' || of_contact, nextval('lazo.job_id_seq')
                FROM lazo.campaign g WHERE g.id = of_campaign RETURNING *)
   INSERT INTO lazo.job (org_id, id, class, sort, run_at, contact_id, key, template_id, campaign_id, first_at) OVERRIDING SYSTEM VALUE
   SELECT k.org_id, k.job_id, 2, 'mail', '2026-03-10Z', of_contact, k.key, (SELECT id FROM lazo.template LIMIT 1), of_campaign, '2026-03-10Z' FROM k $$;
CREATE FUNCTION pg_temp.mailed(of_campaign bigint, of_contact bigint) RETURNS void LANGUAGE sql AS
$$ INSERT INTO lazo.delivery (org_id, id, contact_id, sort, state, key, campaign_id, attempt, made_at, done_at)
   SELECT g.org_id, nextval('lazo.job_id_seq'), of_contact, 'mail', 'sent', 'campaign:' || g.id || ':' || of_contact, g.id, 1, '2026-03-10Z', '2026-03-10Z'
     FROM lazo.campaign g WHERE g.id = of_campaign $$;
CREATE FUNCTION pg_temp.mails(of_campaign bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(x, ', ' ORDER BY x) FROM (SELECT contact_id || ' waits' AS x FROM lazo.job WHERE campaign_id = of_campaign UNION ALL
   SELECT contact_id || ' ' || state FROM lazo.delivery WHERE campaign_id = of_campaign) m $$;
SELECT pg_temp.campaign('passed the kept', 911) AS c1, pg_temp.campaign('passed both', 914) AS c2, pg_temp.campaign('passed the merged', 915) AS c3,
       pg_temp.campaign('had by the merged', 918) AS c4, pg_temp.campaign('had by the kept', 920) AS c5 \gset
INSERT INTO campaign_audience (org_id, contact_id, campaign_id) VALUES (:org, 911, :c1), (:org, 912, :c1);
SELECT pg_temp.queued(:c2, 913); SELECT pg_temp.queued(:c2, 914);
SELECT pg_temp.queued(:c3, 915);
SELECT pg_temp.queued(:c4, 917); SELECT pg_temp.mailed(:c4, 918);
SELECT pg_temp.queued(:c5, 920); SELECT pg_temp.mailed(:c5, 919);
SELECT bag_eq('SELECT error FROM generate_series(911, 919, 2) k CROSS JOIN contact_merge(CASE k WHEN 915 THEN 916 ELSE k END, CASE k WHEN 915 THEN 915 ELSE k + 1 END, ''{}'', ''me'', ''2026-03-11Z'')',
              ARRAY[NULL, NULL, NULL, NULL, NULL]::text[], 'merged');
SELECT is(pg_temp.mails(:c1), '911 waits', 'a campaign that has passed the kept contact, and not the merged one, is not missed');
SELECT is(pg_temp.mails(:c2), '913 cancelled, 913 waits', 'of two mails that wait one goes');
SELECT isnt_empty(format('SELECT FROM job_key WHERE key = %L', 'campaign:' || :c3 || ':916'), 'one that has passed the merged contact passes the kept one by');
SELECT is(pg_temp.mails(:c3), '916 waits', 'which has the other one''s mail');
SELECT is(pg_temp.mails(:c4), '917 cancelled, 917 sent', 'who had it by the merged contact''s name gets it no more');
SELECT is(pg_temp.mails(:c5), '919 cancelled, 919 sent', 'nor who had it by its own');

-- Old history of fields goes, of all organisations, and none that is not so old.
INSERT INTO field_history (org_id, contact_id, field, was, at) VALUES (:org, 911, 'city', '"Vigo"', '2019-12-31T23:59:59Z'), (:org, 911, 'city', '"Lugo"', '2020-01-01Z');
SELECT is(field_history_purge('2020-01-01Z'), 1::bigint, 'what is older is purged');
SELECT is((SELECT string_agg(was #>> '{}', ' ' ORDER BY at) FROM field_history WHERE contact_id = 911 AND field = 'city'), 'Lugo', 'what is not stays');
SELECT is(field_history_purge('2020-01-01Z'), 0::bigint, 'once');

SELECT * FROM finish();
ROLLBACK;
