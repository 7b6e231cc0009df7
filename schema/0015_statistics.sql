-- 0015 - the planner's statistics on demand: after an import lazod must not wait for autovacuum's next round to be planned well.
SET LOCAL search_path = lazo;

CREATE FUNCTION gather_statistics() RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = lazo AS $$
BEGIN
    ANALYZE contact, identity, interaction, contact_tag, contact_group, contact_attr, subscription, membership, rfm_score, wake, contact_word;
END $$;
REVOKE ALL ON FUNCTION gather_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gather_statistics() TO lazo_app;
