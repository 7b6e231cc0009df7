-- Contacts that are one person: merged, taken apart, proposed.

-- name: merge_contacts
-- $1 who is kept, $2 who is merged into it, $3 {field: "keep" or "merge"}, $4 who says so, $5 now
SELECT m.status, m.body FROM contact_merge_asked($1::bigint, $2::bigint, $3::jsonb, actor($4::text), $5::timestamptz) m;

-- name: merge_undo
-- $1 the merge, $2 who says so, $3 now
SELECT CASE WHEN m.error IS NULL THEN 200 WHEN m.keep_id IS NULL THEN 404 ELSE 409 END AS status,
       coalesce(m.error, json_build_object('id', $1::bigint, 'contact', m.keep_id, 'merged', m.gone_id, 'undone_at', $3::timestamptz)::text) AS body
  FROM contact_unmerge($1::bigint, actor($2::text), $3::timestamptz) m;

-- name: merge_list
-- $1 contact or null, $2 before this id (null: from the newest), $3 limit
SELECT m.id::text AS cursor,
       json_build_object('id', m.id, 'contact', m.contact_id, 'merged', m.merged_id, 'by', m.by, 'at', m.at, 'undone_at', m.undone_at, 'undone_by', m.undone_by,
           'was', json_build_object('first_name', m.was -> 'first_name', 'last_name', m.was -> 'last_name', 'company_name', m.was -> 'company_name',
                                    'email', m.was -> 'email', 'external_id', m.was -> 'external_id'))::text AS item
  FROM contact_merge m
 WHERE m.org_id = current_org() AND ($1::bigint IS NULL OR m.contact_id = $1::bigint OR m.merged_id = $1::bigint) AND m.id < coalesce($2::bigint, 9223372036854775807)
 ORDER BY m.id DESC LIMIT $3::int;

-- name: merged_into
-- $1 $2 numbers of contacts, or null: to whom each leads. No row: nobody was merged.
SELECT n.one, n.other FROM (SELECT contact_now($1::bigint) AS one, contact_now($2::bigint) AS other) n
 WHERE n.one <> $1::bigint OR n.other <> $2::bigint;

-- name: duplicates_list
-- Pairs that may be one person, the likeliest first: $1 of this contact alone or null, $2 after this cursor, $3 limit. All contacts are read, once; of one contact, its
-- keys alone are looked for.
SELECT j.cursor, duplicate_doc(j.one, j.other, j.score, j.reasons)::text AS item
  FROM (SELECT x.*, duplicate_place(x.score, x.one, x.other) AS cursor FROM duplicates_found(contact_now($1::bigint)) x) j
 WHERE j.cursor > coalesce($2::text, '') COLLATE "C" ORDER BY j.cursor COLLATE "C" LIMIT $3::int;

-- name: duplicates_state
-- $1 now. One row: whether the organisation has so few contacts that they are compared when somebody asks; whether pairs were kept; whether they are to be found anew.
SELECT (SELECT count(*) FROM (SELECT FROM contact LIMIT 5001) c) <= 5000 AS small, s.at IS NOT NULL AS kept,
       s.at IS NULL OR s.at < $1::timestamptz - interval '1 hour' AS due
  FROM (SELECT 1) one LEFT JOIN duplicate_search s ON s.org_id = current_org();

-- name: duplicates_kept
-- The pairs that were found last, in the order of then, as they are now: $1 after this cursor (empty: from the first), $2 limit.
SELECT d.place AS cursor, duplicate_doc(d.one_id, d.other_id, j.score, j.reasons)::text AS item
  FROM duplicate d JOIN contact a ON a.id = d.one_id JOIN contact b ON b.id = d.other_id CROSS JOIN LATERAL duplicate_judge(a, b) j
 WHERE d.org_id = current_org() AND d.place > $1::text COLLATE "C" AND j.score IS NOT NULL
 ORDER BY d.org_id, d.place LIMIT $2::int;

-- name: duplicates_gather
-- $1 now. Finds all pairs and keeps them, unless somebody is at it.
SELECT duplicates_gather($1::timestamptz) AS done;

-- name: duplicates_dismiss
-- $1 $2 two contacts that are not the same, $3 who says so, $4 now. No row: one of them is not there.
WITH both_ AS (
    SELECT min(c.id) AS one, max(c.id) AS other FROM contact c WHERE c.id IN (contact_now($1::bigint), contact_now($2::bigint)) HAVING count(*) = 2
), put AS (
    INSERT INTO contact_distinct (org_id, contact_id, other_id, by, at) SELECT current_org(), one, other, actor($3::text), $4::timestamptz FROM both_ ON CONFLICT DO NOTHING
)
SELECT 204 AS status, NULL::text AS body FROM both_;
