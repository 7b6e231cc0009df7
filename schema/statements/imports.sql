-- Imports: the file, its state, its progress; the work itself is the recorder's and import_undo()'s.

-- name: imports_waiting
SELECT org_id FROM import_waiting();

-- name: imports_purge
SELECT import_files_purge($1::timestamptz) AS purged;

-- name: import_create
-- $1 name, $2 bytes, $3 now, $4 who
INSERT INTO import (org_id, name, state, size, made_at, made_by)
VALUES (current_org(), $1::text, 'uploading', $2::bigint, $3::timestamptz, actor($4::text)) RETURNING id;

-- name: import_uploading
SELECT i.id, i.size FROM import i WHERE i.id = $1::bigint AND i.state = 'uploading';

-- name: import_sized
-- The body is over: what was received is the file.
UPDATE import SET size = received WHERE id = $1::bigint AND state = 'uploading';

-- name: import_piece_add
-- $1 import, $2 place of the first byte, $3 bytes. `received` is null where there is no such upload; it stays where it was where the piece does not begin there.
WITH found AS (
    SELECT i.id, i.received, i.size FROM import i WHERE i.id = $1::bigint AND i.state = 'uploading' FOR UPDATE
), added AS (
    INSERT INTO import_piece (org_id, import_id, at, n, bytes)
    SELECT current_org(), f.id, $2::bigint, length($3::bytea), $3::bytea FROM found f
     WHERE f.received = $2::bigint AND f.received + length($3::bytea) <= f.size
    RETURNING n
), counted AS (
    UPDATE import i SET received = i.received + a.n FROM added a WHERE i.id = $1::bigint RETURNING i.received
)
SELECT coalesce((SELECT received FROM counted), f.received) AS received, f.size, EXISTS (SELECT FROM added) AS added FROM found f;

-- name: import_pieces
-- $1 import, $2 the next byte, $3 at most so many
SELECT p.at, p.n, p.bytes FROM import_piece p WHERE p.import_id = $1::bigint AND p.at >= $2::bigint ORDER BY p.at LIMIT $3::int;

-- name: import_guessed
-- $1 import, $2 guess, $3 rows. What was uploaded is ready to be mapped.
UPDATE import SET state = 'ready', guess = $2::jsonb, rows = $3::bigint WHERE id = $1::bigint AND state = 'uploading' AND received = size;

-- name: import_failed
-- $1 import, $2 the state it is in, $3 why, $4 now
UPDATE import SET state = 'failed', why = $3::text, ended_at = $4::timestamptz WHERE id = $1::bigint AND state = $2::text;

-- name: import_show
SELECT import_doc(i)::text AS body FROM import i WHERE i.id = $1::bigint;

-- name: imports_list
-- $1 before this id, $2 limit: the newest first
SELECT i.id::text AS cursor, (import_doc(i) - 'guess')::text AS item FROM import i WHERE i.id < $1::bigint ORDER BY i.id DESC LIMIT $2::int;

-- name: import_settle
-- $1 import, $2 settings. Only while nothing of it was recorded, or all of it was undone.
WITH found AS (SELECT i.id, i.state FROM import i WHERE i.id = $1::bigint),
     written AS (UPDATE import i SET settings = $2::jsonb, checked = NULL, report = NULL, undone = NULL, state = 'ready' FROM found f
                  WHERE i.id = f.id AND i.state IN ('ready', 'undone') RETURNING i.*)
SELECT CASE WHEN EXISTS (SELECT FROM written) THEN 200 ELSE 409 END AS status,
       coalesce((SELECT import_doc(w)::text FROM written w), 'the import is ' || f.state || ': its mapping can no longer change') AS body
  FROM found f;

-- name: import_move
-- $1 import, $2 states that it may be in, $3 the next, $4 now, $5 whether it begins anew, as it does after an undoing that failed. A dry run that is
-- cancelled leaves what can be run. 409 where it is in none of them.
WITH found AS (SELECT i.*, $5::boolean OR ($3::text = 'running' AND i.undone IS NOT NULL) AS anew FROM import i WHERE i.id = $1::bigint FOR UPDATE),
     moved AS (UPDATE import i
                  SET state = CASE WHEN f.state = 'checking' THEN 'ready' ELSE $3::text END, why = '',
                      position = CASE WHEN f.anew THEN 0 ELSE i.position END,
                      checked = CASE WHEN $3::text = 'checking' THEN NULL ELSE i.checked END,
                      report = CASE WHEN $3::text = 'running' AND f.anew THEN NULL ELSE i.report END,
                      undone = CASE WHEN $3::text = 'undoing' AND i.state <> 'undoing' OR $3::text = 'running' THEN NULL ELSE i.undone END,
                      started_at = CASE WHEN $3::text = 'running' AND f.anew THEN $4::timestamptz ELSE i.started_at END,
                      ended_at = CASE WHEN f.state = 'checking' THEN i.ended_at WHEN $3::text = 'cancelled' THEN $4::timestamptz WHEN $3::text IN ('running', 'undoing') THEN NULL ELSE i.ended_at END
                 FROM found f
                WHERE i.id = f.id AND f.state = ANY ($2::text[]) AND (f.settings IS NOT NULL OR $3::text = 'cancelled')
                  AND ($3::text NOT IN ('checking', 'running') OR EXISTS (SELECT FROM import_piece p WHERE p.import_id = f.id))
               RETURNING i.*),
     forgotten AS (DELETE FROM import_refusal r USING moved m, found f
                    WHERE r.import_id = m.id AND f.id = m.id AND ((m.state = 'checking' AND r.dry) OR (m.state = 'running' AND f.anew AND NOT r.dry)))
SELECT CASE WHEN EXISTS (SELECT FROM moved) THEN 202 ELSE 409 END AS status,
       coalesce((SELECT import_doc(m)::text FROM moved m),
                CASE WHEN f.state <> ALL ($2::text[]) THEN 'the import is ' || f.state
                     WHEN f.settings IS NULL THEN 'the mapping was not confirmed: PUT /v1/imports/' || f.id || '/mapping'
                     ELSE 'the file is gone: upload it again' END) AS body
  FROM found f;

-- name: import_delete
-- An import of which something is recorded stays: it could not be undone any more.
WITH found AS (SELECT i.id, i.state, i.position, i.report FROM import i WHERE i.id = $1::bigint),
     gone AS (DELETE FROM import i USING found f WHERE i.id = f.id AND (i.state IN ('uploading', 'undone') OR (i.state IN ('ready', 'cancelled', 'failed') AND i.report IS NULL))
              RETURNING i.id)
SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 204 ELSE 409 END AS status, 'the import is ' || f.state || ', and something of it may be recorded: undo it first' AS body
  FROM found f;

-- name: import_refusals
-- $1 import, $2 of the dry run, $3 after this line, $4 limit
SELECT r.line, array_to_json(r.fields)::text AS fields, r.heading, r.reason
  FROM import_refusal r WHERE r.import_id = $1::bigint AND r.dry = $2::boolean AND r.line > $3::bigint ORDER BY r.line LIMIT $4::int;

-- name: import_head
-- What stands over the refused lines: the headings and whether only a dry run was made. No row: no such import.
SELECT i.name, coalesce(i.guess -> 'headings', '[]')::text AS headings, i.guess::text AS guess, i.report IS NULL AS dry FROM import i WHERE i.id = $1::bigint;

-- --- the work ---------------------------------------------------------------------------------------------------------------

-- name: import_next
-- The first import of the organisation that has something to do.
SELECT i.id, i.state, i.name, i.position, i.settings::text AS settings, i.guess::text AS guess, i.rows,
       CASE i.state WHEN 'checking' THEN NULL ELSE i.report END::text AS report
  FROM import i WHERE i.org_id = $1::bigint AND i.state IN ('checking', 'running', 'undoing') ORDER BY i.id LIMIT 1;

-- name: import_phones
-- Phones ($3) of contacts ($1; not positive: one that would be made) in the form that they are kept in, with the country that is said beside them ($2, or null). `ord` from 0.
SELECT (u.ord - 1)::int AS ord, phone_normal(u.phone, coalesce(u.country, c.country, o.country)) AS phone
  FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS u(id, country, phone, ord)
  JOIN organisation o ON o.id = current_org() LEFT JOIN LATERAL (SELECT n.country FROM contact n WHERE n.id = u.id LIMIT 1) c ON true;

-- name: import_compare
-- What would change: of existing contacts ($1) and, beside each, the fields that are said ($2), custom fields ($3), tags, groups and further phones ($4, [{"tag": ...},
-- {"group": ...}, {"phone": ...}]), topics ($5). `ord` from 0.
SELECT (u.ord - 1)::int AS ord, e.key AS field,
       CASE WHEN e.key IN ('birth_year', 'birth_month', 'birth_day') THEN contact_fields(c) ->> 'birth_date' ELSE w.was ->> e.key END AS was
  FROM unnest($1::bigint[], $2::jsonb[]) WITH ORDINALITY AS u(id, doc, ord)
  JOIN contact c ON c.id = u.id CROSS JOIN LATERAL (SELECT to_jsonb(c) AS was OFFSET 0) w CROSS JOIN LATERAL jsonb_each(u.doc) AS e(key, value)
 WHERE (w.was -> e.key) IS DISTINCT FROM
       CASE WHEN e.key = 'phone' AND e.value <> 'null'
            THEN to_jsonb(nullif(phone_normal(e.value #>> '{}', coalesce(u.doc ->> 'country', c.country, (SELECT o.country FROM organisation o WHERE o.id = current_org()))), ''))
            ELSE e.value END
UNION ALL
-- Whose name, if it is said, is no company's.
SELECT (u.ord - 1)::int, 'is:person', NULL
  FROM unnest($1::bigint[], $2::jsonb[]) WITH ORDINALITY AS u(id, doc, ord) JOIN contact c ON c.id = u.id WHERE u.doc ? 'company_name' AND c.kind = 'person'
UNION ALL
SELECT (u.ord - 1)::int, 'attr.' || e.key, attr_value(a) #>> '{}'
  FROM unnest($1::bigint[], $3::jsonb[]) WITH ORDINALITY AS u(id, doc, ord) CROSS JOIN LATERAL jsonb_each(u.doc) AS e(key, value)
  JOIN field f ON f.name = e.key LEFT JOIN contact_attr a ON a.contact_id = u.id AND a.field_id = f.id
 WHERE coalesce(attr_value(a), 'null') IS DISTINCT FROM e.value
UNION ALL
SELECT (u.ord - 1)::int, e.key || ':' || fold(e.value), NULL
  FROM unnest($1::bigint[], $4::jsonb[]) WITH ORDINALITY AS u(id, doc, ord) CROSS JOIN LATERAL jsonb_array_elements(u.doc) AS l(label)
 CROSS JOIN LATERAL jsonb_each_text(l.label) AS e(key, value)
 WHERE CASE e.key WHEN 'tag' THEN NOT EXISTS (SELECT FROM contact_tag t WHERE t.contact_id = u.id AND t.tag_fold = fold(e.value))
                  WHEN 'group' THEN NOT EXISTS (SELECT FROM contact_group g WHERE g.contact_id = u.id AND g.name_fold = fold(e.value)) END
UNION ALL
SELECT (u.ord - 1)::int, 'phone:' || f.phone, NULL
  FROM unnest($1::bigint[], $2::jsonb[], $4::jsonb[]) WITH ORDINALITY AS u(id, said, doc, ord) CROSS JOIN LATERAL jsonb_array_elements(u.doc) AS l(label)
  JOIN contact c ON c.id = u.id JOIN organisation o ON o.id = current_org()
 CROSS JOIN LATERAL phone_normal(l.label ->> 'phone', coalesce(u.said ->> 'country', c.country, o.country)) AS f(phone)
 WHERE l.label ? 'phone' AND NOT EXISTS (SELECT FROM contact_phone p WHERE p.contact_id = u.id AND p.phone = f.phone)
UNION ALL
SELECT (u.ord - 1)::int, 'consent:' || u.topic, NULL
  FROM unnest($1::bigint[], $5::text[]) WITH ORDINALITY AS u(id, topic, ord) JOIN topic t ON t.name = u.topic
 WHERE NOT EXISTS (SELECT FROM subscription s WHERE s.contact_id = u.id AND s.topic_id = t.id);

-- name: import_targets
-- What is to be amended, by source ($1) and key ($2): whose it is, how much is left, whether it is an amendment itself. `ord` from 0.
SELECT (u.ord - 1)::int AS ord, k.contact_id, i.amount, EXISTS (SELECT FROM amendment a WHERE a.contact_id = i.contact_id AND a.id = i.id) AS amends
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS u(source, key, ord)
  JOIN interaction_key k ON k.org_id = current_org() AND k.source = u.source AND k.key = u.key
  JOIN interaction i ON i.contact_id = k.contact_id AND i.id = k.interaction_id;

-- name: import_refuse
-- $1 import, $2 dry, and beside each other: $3 lines, $4 fields as a JSON array, $5 headings, $6 reasons
INSERT INTO import_refusal (org_id, import_id, dry, line, fields, heading, reason)
SELECT current_org(), $1::bigint, $2::boolean, u.line, ARRAY(SELECT jsonb_array_elements_text(u.fields)), u.heading, u.reason
  FROM unnest($3::bigint[], $4::jsonb[], $5::text[], $6::text[]) AS u(line, fields, heading, reason)
ON CONFLICT DO NOTHING;

-- name: import_step
-- $1 import, $2 dry, $3 position before, $4 position after, $5 report. No row: another lazod was quicker, and nothing of this block may stay.
UPDATE import i
   SET position = CASE WHEN $2::boolean THEN i.position ELSE $4::bigint END,
       report = CASE WHEN $2::boolean THEN i.report ELSE $5::jsonb END, checked = CASE WHEN $2::boolean THEN $5::jsonb ELSE i.checked END
 WHERE i.id = $1::bigint AND ($2::boolean OR i.position = $3::bigint) AND i.state IN ('checking', 'running', 'paused', 'cancelled', 'ready')
RETURNING i.state;

-- name: import_end
-- $1 import, $2 the state it is in, $3 the next one, $4 now
UPDATE import SET state = $3::text, ended_at = CASE WHEN $3::text = 'ready' THEN ended_at ELSE $4::timestamptz END
 WHERE id = $1::bigint AND state = $2::text;

-- name: import_names
-- Whose the names are of which $3 are the sorts and $4 the values, and whether they have an external id; $2: what $1 import named is left aside; $5: as it was before the
-- merges that it made. `ord` from 0.
SELECT (u.ord - 1)::int AS ord, i.owner AS contact_id,
       EXISTS (SELECT FROM identity e WHERE e.contact_id = i.contact_id AND e.sort = 'external_id' AND NOT ($2::boolean AND e.import_id IS NOT DISTINCT FROM $1::bigint)
                  AND (NOT $5::boolean OR import_owner($1::bigint, e.contact_id, e.sort, e.value) = i.owner)) AS has_external_id
  FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS u(sort, value, ord)
 CROSS JOIN LATERAL (SELECT n.contact_id, n.import_id, CASE WHEN $5::boolean THEN import_owner($1::bigint, n.contact_id, n.sort, n.value) ELSE n.contact_id END AS owner
                       FROM identity n WHERE n.org_id = current_org() AND n.sort = u.sort AND n.value = u.value LIMIT 1) i
 WHERE NOT ($2::boolean AND i.import_id IS NOT DISTINCT FROM $1::bigint);

-- name: import_merge
-- Merges for $1 import: contacts $3 into those beside them, $2; $4 the report so far, $5 now. `merged` is null where the import is not running any more.
SELECT import_merge($1::bigint, $2::bigint[], $3::bigint[], $4::jsonb, $5::timestamptz) AS merged;

-- name: import_would_merge
-- Of $1 import: contacts $3 into those beside them, $2, at $4, in a transaction that is taken back.
SELECT import_would_merge($1::bigint, $2::bigint[], $3::bigint[], $4::timestamptz) AS merged;

-- name: import_companies
-- Companies and households of these names: one of them, and whether there are one or more. `ord` from 0.
SELECT c.ord, c.contact_id, c.n FROM import_companies($1::text[]) c;

-- name: import_refused
-- Which of the lines ($3) of $1 import were refused, $2 in its dry run. `ord` from 0.
SELECT (u.ord - 1)::int AS ord FROM unnest($3::bigint[]) WITH ORDINALITY AS u(line, ord)
 WHERE EXISTS (SELECT FROM import_refusal r WHERE r.import_id = $1::bigint AND r.dry = $2::boolean AND r.line = u.line);

-- name: import_related
-- Which relations there are: of contacts $1, kinds $2, to $3. `ord` from 0.
SELECT (u.ord - 1)::int AS ord FROM unnest($1::bigint[], $2::int[], $3::bigint[]) WITH ORDINALITY AS u(own, kind, other, ord)
 WHERE EXISTS (SELECT FROM relation r WHERE r.contact_id = u.own AND r.kind_id = u.kind AND r.other_id = u.other);

-- name: import_relate
-- Relations of contacts $1, kinds $2, to $3, or where that is 0 to who is by the name $4, or is made as $5; $6 now.
SELECT related, made FROM import_relate($1::bigint[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz);

-- name: import_undo
-- $1 import, $2 contacts at once, $3 now
SELECT import_undo($1::bigint, $2::int, $3::timestamptz) AS more;
