-- 0034 - who made and removed relations is told by the audit; those that every organisation begins with are nobody's act.
SET LOCAL search_path = lazo;

CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON relation_kind FOR EACH ROW WHEN (current_setting('lazo.actor', true) <> '')
    EXECUTE FUNCTION audited('relation', 'name', '{name_fold,inverse_id,shares_id}');
