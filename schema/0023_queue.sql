-- 0023 - one index fewer for each row of the change log: its key begins with the organisation, as the evaluator reads it.
SET LOCAL search_path = lazo;

ALTER TABLE change DROP CONSTRAINT change_pkey;
DROP INDEX change_next;
ALTER TABLE change ADD PRIMARY KEY (org_id, id);
