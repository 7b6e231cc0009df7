-- Directory of organisations.
-- name: organisation_list
SELECT id, slug FROM organisation_list();
