-- What an administrator keeps: tokens, users, the audit, tags, tasks. See daemon/http/api_admin.c.

-- name: api_token_list
-- $1 after this id, $2 limit, $3 of this user, or null
SELECT t.id::text AS cursor, json_build_object('id', t.id, 'name', t.name, 'role', t.role, 'user', t.user_id, 'created_at', t.created_at,
           'last_used_at', t.last_used_at)::text AS item
  FROM token t WHERE t.id > $1::bigint AND ($3::bigint IS NULL OR t.user_id = $3::bigint) ORDER BY t.id LIMIT $2::int

-- name: api_token_create
-- $1 name, $2 role, $3 user or null, $4 hash, $5 now. A user's token may at most what the user may.
WITH whose AS (SELECT id, role FROM app_user WHERE id = $3::bigint),
     wrong AS (SELECT CASE WHEN $3::bigint IS NOT NULL AND NOT EXISTS (SELECT FROM whose) THEN 'there is no such user'
                           WHEN array_position('{reader,recorder,editor,owner}', $2::text) > (SELECT array_position('{reader,recorder,editor,owner}', role) FROM whose)
                           THEN 'the user is ' || (SELECT role FROM whose) || ': a token of theirs cannot be more' END AS why),
     made AS (INSERT INTO token (org_id, name, role, user_id, hash, created_at)
              SELECT current_org(), $1::text, $2::text, $3::bigint, $4::bytea, $5::timestamptz FROM wrong WHERE why IS NULL RETURNING *)
SELECT CASE WHEN wrong.why IS NULL THEN 201 ELSE 422 END AS status,
       coalesce(wrong.why, (SELECT json_build_object('id', id, 'name', name, 'role', role, 'user', user_id, 'created_at', created_at)::text FROM made)) AS body
  FROM wrong

-- name: api_token_delete
-- Somebody must be left who may do everything. The owners' tokens are locked: of two who withdraw each other's one is refused.
WITH owners AS MATERIALIZED (SELECT t.id FROM token t WHERE t.role = 'owner' AND (t.user_id IS NULL OR t.user_id IN (SELECT u.id FROM app_user u WHERE u.role = 'owner'))
                              ORDER BY t.id FOR UPDATE OF t),
     gone AS (DELETE FROM token t WHERE t.id = $1::bigint AND (SELECT count(*) FROM owners o WHERE o.id <> $1::bigint) > 0 RETURNING t.id)
SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 204 ELSE 409 END AS status, 'it is the last token of an owner: make another one first' AS body
  FROM token WHERE id = $1::bigint

-- name: api_user_list
-- $1 after this id, $2 limit
SELECT u.id::text AS cursor, json_build_object('id', u.id, 'name', u.name, 'email', u.email, 'role', u.role, 'created_at', u.created_at, 'updated_at', u.updated_at,
           'tokens', (SELECT count(*) FROM token t WHERE t.user_id = u.id))::text AS item
  FROM app_user u WHERE u.id > $1::bigint ORDER BY u.id LIMIT $2::int

-- name: api_user_show
SELECT json_build_object('id', u.id, 'name', u.name, 'email', u.email, 'role', u.role, 'created_at', u.created_at, 'updated_at', u.updated_at,
           'tokens', (SELECT count(*) FROM token t WHERE t.user_id = u.id))::text AS body, etag('user', u.id::text) AS etag
  FROM app_user u WHERE u.id = $1::bigint

-- name: api_user_create
-- $1 name, $2 email, $3 role, $4 now
INSERT INTO app_user (org_id, name, email, role, created_at, updated_at) VALUES (current_org(), $1::text, $2::text, $3::text, $4::timestamptz, $4::timestamptz)
RETURNING 201 AS status, json_build_object('id', id, 'name', name, 'email', email, 'role', role, 'created_at', created_at, 'updated_at', updated_at,
    'tokens', 0)::text AS body

-- name: api_user_patch
-- $1 user, $2 name, $3 email, $4 role (null: leave it), $5 now. Somebody must be left who may do everything.
WITH owners AS MATERIALIZED (SELECT t.id, t.user_id FROM token t
                              WHERE t.role = 'owner' AND (t.user_id IS NULL OR t.user_id IN (SELECT u.id FROM app_user u WHERE u.role = 'owner'))
                              ORDER BY t.id FOR UPDATE OF t),
     written AS (UPDATE app_user u SET name = coalesce($2::text, u.name), email = coalesce($3::text, u.email), role = coalesce($4::text, u.role),
                        updated_at = $5::timestamptz
                  WHERE u.id = $1::bigint AND (coalesce($4::text, u.role) = 'owner' OR u.role <> 'owner'
                                               OR EXISTS (SELECT FROM owners o WHERE o.user_id IS DISTINCT FROM $1::bigint)) RETURNING u.*)
SELECT CASE WHEN EXISTS (SELECT FROM written) THEN 200 ELSE 409 END AS status,
       coalesce((SELECT json_build_object('id', w.id, 'name', w.name, 'email', w.email, 'role', w.role, 'created_at', w.created_at, 'updated_at', w.updated_at,
                     'tokens', (SELECT count(*) FROM token t WHERE t.user_id = w.id))::text FROM written w),
                'only this user has tokens of an owner: make another one first') AS body
  FROM app_user WHERE id = $1::bigint

-- name: api_user_delete
-- Their tokens go with them.
WITH owners AS MATERIALIZED (SELECT t.id, t.user_id FROM token t
                              WHERE t.role = 'owner' AND (t.user_id IS NULL OR t.user_id IN (SELECT u.id FROM app_user u WHERE u.role = 'owner'))
                              ORDER BY t.id FOR UPDATE OF t),
     gone AS (DELETE FROM app_user u WHERE u.id = $1::bigint AND EXISTS (SELECT FROM owners o WHERE o.user_id IS DISTINCT FROM $1::bigint) RETURNING u.id)
SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 204 ELSE 409 END AS status, 'only this user has tokens of an owner: make another one first' AS body
  FROM app_user WHERE id = $1::bigint

-- name: api_audit_list
-- $1 before this id, $2 limit. Newest first.
SELECT a.id::text AS cursor, json_build_object('id', a.id, 'at', a.at, 'by', a.by, 'token', a.token_id, 'user', a.user_name, 'action', a.action, 'what', a.what,
           'name', a.name, 'detail', a.detail)::text AS item
  FROM audit a WHERE a.id < $1::bigint ORDER BY a.org_id DESC, a.id DESC LIMIT $2::int

-- name: api_audit_some
-- $1 before this id, $2 limit, $3 what, $4 name, $5 token, $6 action, $7 from, $8 before; null: any. Newest first.
SELECT a.id::text AS cursor, json_build_object('id', a.id, 'at', a.at, 'by', a.by, 'token', a.token_id, 'user', a.user_name, 'action', a.action, 'what', a.what,
           'name', a.name, 'detail', a.detail)::text AS item
  FROM audit a
 WHERE a.id < $1::bigint AND ($3::text IS NULL OR a.what = $3::text) AND ($4::text IS NULL OR a.name = $4::text)
   AND ($5::bigint IS NULL OR a.token_id = $5::bigint) AND ($6::text IS NULL OR a.action = $6::text)
   AND ($7::timestamptz IS NULL OR a.at >= $7::timestamptz) AND ($8::timestamptz IS NULL OR a.at < $8::timestamptz)
 ORDER BY a.org_id DESC, a.id DESC LIMIT $2::int

-- name: api_audit_of
-- The same of one thing: what and name are given, an address too.
SELECT a.id::text AS cursor, json_build_object('id', a.id, 'at', a.at, 'by', a.by, 'token', a.token_id, 'user', a.user_name, 'action', a.action, 'what', a.what,
           'name', a.name, 'detail', a.detail)::text AS item
  FROM audit a
 WHERE a.what = $3::text AND a.name IN ($4::text, audit_address($4::text)) AND a.id < $1::bigint
   AND ($5::bigint IS NULL OR a.token_id = $5::bigint) AND ($6::text IS NULL OR a.action = $6::text)
   AND ($7::timestamptz IS NULL OR a.at >= $7::timestamptz) AND ($8::timestamptz IS NULL OR a.at < $8::timestamptz)
 ORDER BY a.id DESC LIMIT $2::int

-- name: api_tag_list
-- $1 after this tag, folded, $2 limit. From tag to tag by the index, however many contacts have one.
WITH RECURSIVE next AS (
    (SELECT g.tag_fold FROM contact_tag g WHERE g.org_id = current_org() AND g.tag_fold > coalesce($1::text, '') ORDER BY g.org_id, g.tag_fold LIMIT 1)
    UNION ALL
    SELECT (SELECT g.tag_fold FROM contact_tag g WHERE g.org_id = current_org() AND g.tag_fold > n.tag_fold ORDER BY g.org_id, g.tag_fold LIMIT 1)
      FROM next n WHERE n.tag_fold IS NOT NULL
), page AS MATERIALIZED (SELECT n.tag_fold FROM next n WHERE n.tag_fold IS NOT NULL LIMIT $2::int)
SELECT p.tag_fold AS cursor,
       json_build_object('tag', (SELECT g.tag FROM contact_tag g WHERE g.org_id = current_org() AND g.tag_fold = p.tag_fold LIMIT 1),
           'contacts', (SELECT count(*) FROM contact_tag g WHERE g.org_id = current_org() AND g.tag_fold = p.tag_fold))::text AS item
  FROM page p ORDER BY p.tag_fold

-- name: api_tag_rename
-- $1 tag, $2 its new name, which may be another one's: then they become one. No row: nobody has it.
WITH had AS MATERIALIZED (SELECT t.contact_id FROM contact_tag t WHERE t.org_id = current_org() AND t.tag_fold = fold($1::text)),
     spelled AS (UPDATE contact_tag t SET tag = $2::text FROM had h
                  WHERE t.contact_id = h.contact_id AND t.tag_fold = fold($1::text) AND fold($1::text) = fold($2::text) RETURNING t.contact_id),
     gone AS (DELETE FROM contact_tag t USING had h
               WHERE t.contact_id = h.contact_id AND t.tag_fold = fold($1::text) AND fold($1::text) <> fold($2::text)
              RETURNING t.contact_id, t.tag, t.added_at),
     made AS (INSERT INTO contact_tag (org_id, contact_id, tag, added_at) SELECT current_org(), g.contact_id, $2::text, g.added_at FROM gone g
              ON CONFLICT DO NOTHING RETURNING contact_id),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, became, at, by, source)
              SELECT current_org(), x.contact_id, 'tag', x.was, x.became, acting_at(), acting_name(current_org()), 'api'
                FROM (SELECT g.contact_id, to_jsonb(g.tag) AS was, NULL::jsonb AS became FROM gone g
                      UNION ALL SELECT m.contact_id, NULL, to_jsonb($2::text) FROM made m) x),
     logged AS (INSERT INTO change (org_id, contact_id, sort, what)
                SELECT current_org(), g.contact_id, 'tag', ARRAY[label_word(fold($1::text)), label_word(fold($2::text))] FROM gone g),
     counted AS MATERIALIZED (SELECT count(*) AS n FROM had)
SELECT 200 AS status, json_build_object('tag', $2::text, 'contacts', c.n)::text AS body,
       audit_note(current_org(), 'renamed', 'tag', $1::text, jsonb_build_object('tag', jsonb_build_array($1::text, $2::text), 'contacts', c.n)) AS noted
  FROM counted c WHERE c.n > 0

-- name: api_tag_delete
WITH gone AS (DELETE FROM contact_tag t WHERE t.org_id = current_org() AND t.tag_fold = fold($1::text) RETURNING t.contact_id, t.tag),
     told AS (INSERT INTO field_history (org_id, contact_id, field, was, at, by, source)
              SELECT current_org(), g.contact_id, 'tag', to_jsonb(g.tag), acting_at(), acting_name(current_org()), 'api' FROM gone g),
     logged AS (INSERT INTO change (org_id, contact_id, sort, what) SELECT current_org(), g.contact_id, 'tag', ARRAY[label_word(fold($1::text))] FROM gone g),
     counted AS MATERIALIZED (SELECT count(*) AS n FROM gone)
SELECT 204 AS status, NULL::text AS body, audit_note(current_org(), 'deleted', 'tag', $1::text, jsonb_build_object('contacts', c.n)) AS noted
  FROM counted c WHERE c.n > 0

-- name: api_task_list
-- $1 after this id, $2 limit, $3 whether open (null: any), $4 user or null, $5 contact or null, $6 due until this day or null
SELECT t.id::text AS cursor, task_doc(t)::text AS item
  FROM task t
 WHERE t.org_id = current_org() AND t.id > $1::bigint AND ($3::boolean IS NULL OR (t.done_at IS NULL) = $3::boolean) AND ($4::bigint IS NULL OR t.user_id = $4::bigint)
   AND ($5::bigint IS NULL OR t.contact_id = contact_now($5::bigint)) AND ($6::date IS NULL OR t.due_on <= $6::date)
 ORDER BY t.org_id, t.id LIMIT $2::int

-- name: api_task_show
SELECT task_doc(t)::text AS body, etag('task', t.id::text) AS etag FROM task t WHERE t.org_id = current_org() AND t.id = $1::bigint

-- name: api_task_create
-- $1 contact, $2 title, $3 note, $4 due on, $5 user, $6 token, $7 now
WITH wrong AS (SELECT CASE WHEN NOT EXISTS (SELECT FROM contact WHERE id = contact_now($1::bigint)) THEN 'there is no such contact'
                           WHEN $5::bigint IS NOT NULL AND NOT EXISTS (SELECT FROM app_user WHERE id = $5::bigint) THEN 'there is no such user' END AS why),
     made AS (INSERT INTO task AS t (org_id, contact_id, title, note, due_on, user_id, made_by, created_at, updated_at)
              SELECT current_org(), contact_now($1::bigint), $2::text, coalesce($3::text, ''), $4::date, $5::bigint,
                     coalesce((SELECT k.name FROM token k WHERE k.id = $6::bigint), ''), $7::timestamptz, $7::timestamptz FROM wrong WHERE why IS NULL
              RETURNING task_doc(t)::text AS body)
SELECT CASE WHEN wrong.why IS NULL THEN 201 ELSE 422 END AS status, coalesce(wrong.why, (SELECT body FROM made)) AS body FROM wrong

-- name: api_task_patch
-- $1 task, $2 title, $3 note (null: leave it), $4 whether due_on is said, $5 due on, $6 whether user is said, $7 user, $8 done (null: leave it), $9 token, $10 now
WITH wrong AS (SELECT CASE WHEN $7::bigint IS NOT NULL AND NOT EXISTS (SELECT FROM app_user WHERE id = $7::bigint) THEN 'there is no such user' END AS why),
     written AS (UPDATE task t
                    SET title = coalesce($2::text, t.title), note = coalesce($3::text, t.note), due_on = CASE WHEN $4::boolean THEN $5::date ELSE t.due_on END,
                        user_id = CASE WHEN $6::boolean THEN $7::bigint ELSE t.user_id END,
                        done_at = CASE WHEN $8::boolean IS NULL THEN t.done_at WHEN $8::boolean THEN coalesce(t.done_at, $10::timestamptz) END,
                        done_by = CASE WHEN $8::boolean IS NULL OR ($8::boolean AND t.done_at IS NOT NULL) THEN t.done_by
                                       WHEN $8::boolean THEN (SELECT k.name FROM token k WHERE k.id = $9::bigint) END, updated_at = $10::timestamptz
                   FROM wrong WHERE t.org_id = current_org() AND t.id = $1::bigint AND wrong.why IS NULL RETURNING task_doc(t)::text AS body)
SELECT CASE WHEN wrong.why IS NULL THEN 200 ELSE 422 END AS status, coalesce(wrong.why, (SELECT body FROM written)) AS body
  FROM wrong WHERE wrong.why IS NOT NULL OR EXISTS (SELECT FROM written)

-- name: api_task_delete
DELETE FROM task WHERE org_id = current_org() AND id = $1::bigint RETURNING 204 AS status, NULL AS body
