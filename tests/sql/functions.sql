-- The schema's own arithmetic: text as it is compared, words, RFM classes and labels, the clock.
BEGIN;
SET search_path = lazo, public;
SELECT no_plan();

SELECT is(fold(given), folded, format('fold(%s)', given))
  FROM (VALUES ('José', 'jose'), ('MÁLAGA', 'malaga'), ('Zoë', 'zoe'), ('Ñandú', 'nandu'), ('STRASSE', 'strasse'), ('Straße', 'straße'), ('ΑΘΉΝΑ', 'αθηνα'),
               ('ИВАН', 'иван'), ('Łucja', 'łucja'), ('', ''), ('  A b ', '  a b '), (E'e\u0301', 'e'), ('ÀÉÎÕÜ', 'aeiou'), ('100%_', '100%_'),
               ('Ǆ', 'ǆ'), ('İ', 'i')) AS v(given, folded);
SELECT is(fold(NULL), NULL, 'fold of nothing');
SELECT is(fold(fold(t)), fold(t), format('fold(%s) is folded', t)) FROM unnest(ARRAY['José', 'ΑΘΉΝΑ', 'ÀÉÎÕÜ', 'Straße']) AS t;

SELECT is(ARRAY(SELECT w FROM words(given) AS w ORDER BY w COLLATE "C"), expected, format('words(%s)', given))
  FROM (VALUES ('ana perez', ARRAY['ana', 'perez']), ('ana ana', ARRAY['ana']), ('o''brien', ARRAY['brien', 'o']), ('', ARRAY[]::text[]), (' - ', ARRAY[]::text[]),
               ('ana@casa.example', ARRAY['ana@casa.example']), ('ana+x@casa.example ana', ARRAY['ana', 'ana+x@casa.example']), ('s.l.', ARRAY['l', 's']),
               (repeat('a', 150), ARRAY[repeat('a', 100)])) AS v(given, expected);

-- Phones take one form.
SELECT is(phone_normal(said, country), form, format('phone_normal(%s, %s)', said, country))
  FROM (VALUES ('600 111 222', 'ES', '+34600111222'), ('+34 600-11.12.22', NULL, '+34600111222'), ('0034 600 111 222', NULL, '+34600111222'),
               ('600 111 222', NULL, '600111222'), ('06 12 34 56 78', 'FR', '+33612345678'), ('+44 (0)20 7946 0958', 'ES', '+442079460958'),
               ('020 7946 0958', 'GB', '+442079460958'), ('06 1234 5678', 'IT', '+390612345678'), ('8 (912) 123-45-67', 'RU', '+79121234567'),
               ('800 200 06 00', 'RU', '+78002000600'), ('1 (212) 555-0100', 'US', '+12125550100'), ('212 555 0100', 'US', '+12125550100'), ('06 1 234 5678', 'HU', '+3612345678'),
               ('112', 'ES', '112'), ('091', 'ES', '091'), ('600', NULL, '600'), ('ext. 12', 'ES', 'ext. 12'), ('600 111 222 ext 3', 'ES', '600 111 222 ext 3'),
               ('  12  ', 'ES', '12'), ('123456789012345', 'ES', '123456789012345'), ('600 111 222', 'QQ', '600111222'), ('', 'ES', ''), (NULL, 'ES', NULL)) AS v(said, country, form);
SELECT is(phone_normal(phone_normal(said, 'ES'), 'ES'), phone_normal(said, 'ES'), format('phone_normal(%s) has its form', said))
  FROM unnest(ARRAY['600 111 222', '+34 600 111 222', '112', 'casa', '00 44 20 7946 0958']) AS said;
SELECT is(calling_code('E'), NULL, 'a country has two letters');

-- Classes: how many ascending breaks x has reached, plus 1.
SELECT is(rfm_class(x, '{10,20,20,40}', false), above::smallint, format('rfm_class(%s), above its breaks', x))
  FROM (VALUES (0, 1), (10, 1), (10.5, 2), (20, 2), (21, 4), (40, 4), (41, 5), (-1, 1), ('Infinity'::float8, 5)) AS v(x, above);
SELECT is(rfm_class(x, '{10,20,20,40}', true), reached::smallint, format('rfm_class(%s), its breaks reached', x))
  FROM (VALUES (0, 1), (9.99, 1), (10, 2), (20, 4), (21, 4), (40, 5), (41, 5)) AS v(x, reached);
SELECT is(rfm_class(5, '{}', false), 1::smallint, 'no breaks, one class');

-- The next day on which mere time changes the class: the class of the day before is another.
SELECT is(rfm_next_recency(days, breaks, reached), next, format('rfm_next_recency(%s, %s, %s)', days, breaks, reached))
  FROM (VALUES (0, '{10,20.5,30}'::float8[], false, 11), (10, '{10,20.5,30}', false, 11), (11, '{10,20.5,30}', false, 21), (20, '{10,20.5,30}', false, 21),
               (21, '{10,20.5,30}', false, 31), (30, '{10,20.5,30}', false, 31), (31, '{10,20.5,30}', false, NULL),
               (0, '{10,20.5,30}', true, 10), (9, '{10,20.5,30}', true, 10), (10, '{10,20.5,30}', true, 21), (21, '{10,20.5,30}', true, 30), (30, '{10,20.5,30}', true, NULL),
               (5, '{}', true, NULL)) AS v(days, breaks, reached, next);
SELECT ok(bool_and(rfm_class(d, breaks, reached) = rfm_class(least(d, coalesce(n, 100) - 1), breaks, reached)
                   AND (n IS NULL OR rfm_class(n, breaks, reached) > rfm_class(d, breaks, reached))), 'between a day and its next change the class stands: ' || reached)
  FROM generate_series(0, 60) AS d, (VALUES (false), (true)) AS w(reached), (VALUES ('{10,20.5,20.5,30}'::float8[]), ('{0.2,0.9,7}')) AS b(breaks),
       LATERAL (SELECT rfm_next_recency(d, breaks, reached) AS n) AS x GROUP BY reached;

SELECT is(rfm_label('[{"label": "best", "r": [4, 5], "f": [4, 5], "m": [1, 5]}, {"label": "new", "r": [5, 5], "f": [1, 5], "m": [1, 5]},
                      {"label": "lost", "r": [1, 2], "f": [1, 5], "m": [1, 5]}]', r, f, m), label, format('rfm_label(%s%s%s)', r, f, m))
  FROM (VALUES (5, 5, 5, 'best'), (5, 4, 1, 'best'), (5, 3, 1, 'new'), (4, 3, 1, ''), (1, 1, 1, 'lost'), (2, 5, 5, 'lost'), (3, 3, 3, '')) AS v(r, f, m, label);
SELECT is(rfm_label('[]', 1, 1, 1), '', 'no boxes, no label');
SELECT is(rfm_plus('{1,2.5}', 1), '{2,3.5}'::float8[], 'breaks are moved');

-- The clock runs on beside the machine's.
SELECT is(clock_now(), statement_timestamp(), 'the machine''s clock');
UPDATE clock SET simulated = true, offset_us = -86400000000;
SELECT is(clock_now(), statement_timestamp() - interval '1 day', 'a simulated clock is beside it');
SELECT throws_ok('INSERT INTO clock (id) VALUES (false)', '23514', NULL, 'there is one clock');

SELECT set_config('lazo.org', '', true) \g /dev/null
SELECT is(current_org(), NULL, 'no organisation');
SELECT set_config('lazo.org', '12', true) \g /dev/null
SELECT is(current_org(), 12::bigint, 'an organisation');

SELECT * FROM finish();
ROLLBACK;
