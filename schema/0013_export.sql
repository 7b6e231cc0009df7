-- 0013 - interactions as JSON, in one place for what is exported.
SET LOCAL search_path = lazo;

CREATE FUNCTION interaction_doc(i interaction, email text, external_id text, digits int) RETURNS json
    LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT json_build_object('id', i.id, 'contact', i.contact_id, 'email', email, 'external_id', external_id,
        'kind', (SELECT k.name FROM kind k WHERE k.id = i.kind_id), 'occurred_at', i.occurred_at, 'recorded_at', i.recorded_at,
        'amount', round(i.amount / power(10::numeric, digits), digits)::text,
        'recorded_amount', round(i.amount_recorded / power(10::numeric, digits), digits)::text, 'currency', i.currency, 'source', i.source,
        'amends', (SELECT a.amends FROM amendment a WHERE a.contact_id = i.contact_id AND a.id = i.id),
        'data', coalesce(i.data, '{}')) $$;
