-- 0009 - dates in custom fields are found by their day, as anniversaries ask each minute.
SET LOCAL search_path = lazo;

CREATE INDEX contact_attr_date ON contact_attr (org_id, field_id, value_date, contact_id) WHERE value_date IS NOT NULL;
