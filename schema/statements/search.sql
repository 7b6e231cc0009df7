-- Contacts by words: daemon/http/api_search.c goes through one word's contacts and asks of each whether it has the other words, too.

-- name: search_words
-- $1 what was typed, $2 the e-mail address that it is, or null. Its words, and how many contacts have each, counted up to a thousand. Digits alone are one number. Ends of
-- ranges are made apart: || is not leakproof and would cost the index.
WITH w AS MATERIALIZED (
         SELECT x.word, x.word || U&'\+10FFFF' AS until
           FROM (SELECT $2::text AS word WHERE $2::text IS NOT NULL
                 UNION ALL
                 SELECT regexp_replace($1::text, '[^0-9]', '', 'g') WHERE $2::text IS NULL AND $1::text ~ '^[+]?[0-9 ()./-]{7,}$'
                 UNION ALL
                 SELECT words(fold($1::text)) WHERE $2::text IS NULL AND $1::text !~ '^[+]?[0-9 ()./-]{7,}$') x
          WHERE x.word <> '')
SELECT w.word, (SELECT count(*) FROM (SELECT FROM contact_word c WHERE c.word >= w.word COLLATE "C" AND c.word < w.until COLLATE "C" LIMIT 1000) n) AS n
  FROM w ORDER BY n, length(w.word) DESC, w.word LIMIT 10

-- name: search_typed
-- $1 words, $2 their number in the list. What was meant by each, if it was mistyped: words that exist, else what words begin with; the frequent ones first. Each
-- word itself is among them where it exists.
WITH asked AS MATERIALIZED (SELECT u.word, u.ord FROM unnest($1::text[]) WITH ORDINALITY AS u(word, ord)),
     tried AS MATERIALIZED (
         SELECT a.ord, t.word, t.word || U&'\+10FFFF' AS until FROM asked a, LATERAL (SELECT a.word UNION ALL SELECT typing_errors(a.word) WHERE length(a.word) BETWEEN 4 AND 20) t(word)),
     known AS MATERIALIZED (
         SELECT t.ord, t.word, (SELECT count(*) FROM (SELECT FROM contact_word c WHERE c.word = t.word COLLATE "C" LIMIT 100) n) AS whole,
                EXISTS (SELECT FROM contact_word c WHERE c.word >= t.word COLLATE "C" AND c.word < t.until COLLATE "C") AS begun
           FROM tried t)
SELECT x.ord, x.word FROM (
    SELECT k.ord, k.word, row_number() OVER (PARTITION BY k.ord ORDER BY k.word = a.word DESC, k.whole DESC, length(k.word) DESC, k.word) AS place
      FROM known k JOIN asked a ON a.ord = k.ord
     WHERE k.begun AND (k.word = a.word OR k.whole > 0 OR NOT EXISTS (SELECT FROM known o WHERE o.ord = k.ord AND o.whole > 0))) x
 WHERE x.place <= 12 ORDER BY x.ord, x.place

-- name: search_page
-- $1 the prefix that drives, $2 its end, $3 $4 word and contact of the last one seen, $5 how many to look at, $6 how many to give, $7 prefixes whose contacts were
-- given before, $8 prefixes of the other words, $9 which word each is of, $10 how many other words there are. In the order of words, then contacts; each contact
-- at the first of its words. `found` asks in the order of `seen`, and no more than it gives. Rows: those found; then the last one seen, with how many were.
WITH seen AS MATERIALIZED (
         SELECT DISTINCT w.word, w.contact_id FROM contact_word w
          WHERE w.word >= $1::text COLLATE "C" AND w.word < $2::text COLLATE "C" AND w.word >= $3::text COLLATE "C" AND (w.word, w.contact_id) > ($3::text COLLATE "C", $4::bigint)
          ORDER BY w.word, w.contact_id LIMIT $5::int),
     found AS MATERIALIZED (
         SELECT s.word, s.contact_id FROM seen s
          WHERE NOT EXISTS (SELECT FROM contact_word w WHERE w.contact_id = s.contact_id AND w.word >= $1::text COLLATE "C" AND w.word < s.word)
            AND (cardinality($7::text[]) = 0 OR NOT EXISTS (SELECT FROM contact_word w, unnest($7::text[]) AS p(prefix) WHERE w.contact_id = s.contact_id AND w.word ^@ p.prefix))
            AND NOT EXISTS (SELECT FROM generate_series(1, $10::int) AS k
                             WHERE NOT EXISTS (SELECT FROM contact_word w, unnest($8::text[], $9::int[]) AS p(prefix, k)
                                                WHERE w.contact_id = s.contact_id AND p.k = k.k AND w.word ^@ p.prefix))
          LIMIT $6::int)
SELECT f.word, f.contact_id, true AS found, 0 AS seen FROM found f
UNION ALL
SELECT l.word, l.contact_id, false, (SELECT count(*)::int FROM seen) FROM (SELECT s.word, s.contact_id FROM seen s ORDER BY s.word DESC, s.contact_id DESC LIMIT 1) l
 ORDER BY 3 DESC, 1, 2

-- name: search_span
-- $1 after this id. The first and last contact behind it.
SELECT (SELECT c.id FROM contact c WHERE c.id > $1::bigint ORDER BY c.id LIMIT 1) AS first, (SELECT c.id FROM contact c ORDER BY c.id DESC LIMIT 1) AS last
