-- 0033 - other instants: what rules read of contacts as it was, and as time alone will make it. A statement of the rule compiler is asked about another instant by
-- putting these in place of its tables (daemon/rules/instant.c).
SET LOCAL search_path = lazo;

-- --- as it was -----------------------------------------------------------------------------------------------------------------

-- Before the contact was made: as it was made.
CREATE FUNCTION contacts_as_of(ids bigint[], at timestamptz) RETURNS SETOF contact LANGUAGE sql STABLE SET search_path = lazo ROWS 1 AS $$
    SELECT p.*
      FROM contact c
     CROSS JOIN LATERAL (SELECT contact_as_of(c.id, greatest(contacts_as_of.at, c.created_at)) AS doc OFFSET 0) d
     CROSS JOIN LATERAL jsonb_populate_record(c, (d.doc - '{attr,tags,groups,birth_date}'::text[]) || jsonb_build_object(
           'first_name_fold', fold(d.doc ->> 'first_name'), 'last_name_fold', fold(d.doc ->> 'last_name'),
           'company_name_fold', fold(d.doc ->> 'company_name'), 'city_fold', fold(d.doc ->> 'city'), 'stage_fold', fold(d.doc ->> 'stage'),
           'email_domain', nullif(split_part(d.doc ->> 'email', '@', 2), ''),
           'birth_year', nullif(substring(d.doc ->> 'birth_date' FROM '^(\d{4})-'), ''), 'birth_month', substring(d.doc ->> 'birth_date' FROM '-(\d\d)-\d\d$'),
           'birth_day', substring(d.doc ->> 'birth_date' FROM '-(\d\d)$'))) p
     WHERE c.id = ANY (ids) $$;

CREATE FUNCTION attrs_as_of(ids bigint[], at timestamptz) RETURNS SETOF contact_attr LANGUAGE sql STABLE SET search_path = lazo ROWS 5 AS $$
    SELECT p.*
      FROM contact c
     CROSS JOIN LATERAL jsonb_each(contact_as_of(c.id, greatest(attrs_as_of.at, c.created_at)) -> 'attr') e JOIN field f ON f.org_id = c.org_id AND f.name = e.key
     CROSS JOIN LATERAL jsonb_populate_record(NULL::contact_attr, jsonb_build_object('org_id', c.org_id, 'contact_id', c.id, 'field_id', f.id,
           'value_' || f.type, e.value, 'value_fold', CASE WHEN f.type = 'text' THEN fold(e.value #>> '{}') END)) p
     WHERE c.id = ANY (ids) $$;

CREATE FUNCTION tags_as_of(ids bigint[], at timestamptz) RETURNS SETOF contact_tag LANGUAGE sql STABLE SET search_path = lazo ROWS 5 AS $$
    SELECT p.*
      FROM contact c CROSS JOIN LATERAL jsonb_array_elements_text(contact_as_of(c.id, greatest(tags_as_of.at, c.created_at)) -> 'tags') AS t(tag)
     CROSS JOIN LATERAL jsonb_populate_record(NULL::contact_tag, jsonb_build_object('org_id', c.org_id, 'contact_id', c.id, 'tag', t.tag,
           'tag_fold', fold(t.tag))) p
     WHERE c.id = ANY (ids) $$;

CREATE FUNCTION groups_as_of(ids bigint[], at timestamptz) RETURNS SETOF contact_group LANGUAGE sql STABLE SET search_path = lazo ROWS 5 AS $$
    SELECT p.*
      FROM contact c CROSS JOIN LATERAL jsonb_array_elements_text(contact_as_of(c.id, greatest(groups_as_of.at, c.created_at)) -> 'groups') AS g(name)
     CROSS JOIN LATERAL jsonb_populate_record(NULL::contact_group, jsonb_build_object('org_id', c.org_id, 'contact_id', c.id, 'name', g.name,
           'name_fold', fold(g.name))) p
     WHERE c.id = ANY (ids) $$;

-- From the ledger.
CREATE FUNCTION subscriptions_as_of(ids bigint[], at timestamptz) RETURNS SETOF subscription LANGUAGE sql STABLE SET search_path = lazo ROWS 5 AS $$
    SELECT p.*
      FROM (SELECT DISTINCT ON (n.contact_id, n.topic_id) n.* FROM consent n WHERE n.contact_id = ANY (ids) AND n.at <= subscriptions_as_of.at
             ORDER BY n.contact_id, n.topic_id, n.at DESC, n.id DESC) l
     CROSS JOIN LATERAL jsonb_populate_record(NULL::subscription, jsonb_build_object('org_id', l.org_id, 'contact_id', l.contact_id, 'topic_id', l.topic_id,
           'subscribed', l.action = 'grant', 'since', l.at)) p $$;

CREATE FUNCTION members_as_of(ids bigint[], at timestamptz) RETURNS SETOF membership LANGUAGE sql STABLE SET search_path = lazo ROWS 5 AS $$
    SELECT m.* FROM membership m WHERE m.contact_id = ANY (ids) AND m.entered_at <= members_as_of.at
    UNION ALL
    SELECT q.* FROM membership_past p
     CROSS JOIN LATERAL jsonb_populate_record(NULL::membership, jsonb_build_object('org_id', p.org_id, 'contact_id', p.contact_id,
           'segment_id', p.segment_id, 'entered_at', p.entered_at)) q
     WHERE p.contact_id = ANY (ids) AND p.entered_at <= members_as_of.at AND p.left_at > members_as_of.at $$;

CREATE FUNCTION scores_as_of(ids bigint[], at timestamptz) RETURNS SETOF rfm_score LANGUAGE sql STABLE SET search_path = lazo ROWS 2 AS $$
    SELECT s.* FROM rfm_score s WHERE s.contact_id = ANY (ids) AND coalesce(s.since <= scores_as_of.at, true)
    UNION ALL
    SELECT q.* FROM rfm_history h
     CROSS JOIN LATERAL jsonb_populate_record(NULL::rfm_score, to_jsonb(h) || jsonb_build_object('label_fold', fold(h.label))) q
     WHERE h.contact_id = ANY (ids) AND coalesce(h.since <= scores_as_of.at, true) AND h.until > scores_as_of.at $$;

-- The instants up to `until` at which something about a contact changed that has a history; and the first one of all, before which nothing is known.
CREATE FUNCTION contact_instants(of_contact bigint, until timestamptz) RETURNS TABLE (at timestamptz) LANGUAGE sql STABLE SET search_path = lazo AS $$
    SELECT DISTINCT x.at
      FROM (SELECT h.at FROM field_history h WHERE h.contact_id = of_contact
            UNION ALL SELECT n.at FROM consent n WHERE n.contact_id = of_contact
            UNION ALL SELECT m.entered_at FROM membership m WHERE m.contact_id = of_contact
            UNION ALL SELECT v.at FROM membership_past p CROSS JOIN LATERAL (VALUES (p.entered_at), (p.left_at)) v(at) WHERE p.contact_id = of_contact
            UNION ALL SELECT s.since FROM rfm_score s WHERE s.contact_id = of_contact
            UNION ALL SELECT v.at FROM rfm_history r CROSS JOIN LATERAL (VALUES (r.since), (r.until)) v(at) WHERE r.contact_id = of_contact
            UNION ALL SELECT c.created_at FROM contact c WHERE c.id = of_contact
            UNION ALL SELECT min(i.occurred_at) FROM interaction i WHERE i.contact_id = of_contact) x
     WHERE x.at <= contact_instants.until ORDER BY 1 $$;

-- --- as it will be -------------------------------------------------------------------------------------------------------------

-- By how many days a model's recency breaks will have moved: with quantiles that are computed anew at each boundary, and nobody giving, they age as everybody does.
CREATE FUNCTION rfm_shift(m rfm_model, zone text, at timestamptz) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN m.due_at <= rfm_shift.at
                THEN date_trunc(m.recompute, rfm_shift.at AT TIME ZONE zone)::date - (m.scored_at AT TIME ZONE zone)::date ELSE 0 END $$;

-- The scores of contacts at an instant that is not before now, and when time alone changes them next.
CREATE FUNCTION rfm_ahead(ids bigint[], at timestamptz)
    RETURNS TABLE (org_id bigint, contact_id bigint, model_id int, last_on date, frequency int, monetary bigint, r smallint, f smallint, m smallint, label text,
                   changes_at timestamptz)
    LANGUAGE sql STABLE SET search_path = lazo ROWS 100 AS $$
    WITH model AS MATERIALIZED (
        SELECT a.*, o.org_id, s.shift, o.recompute, o.scoring, array_agg(t + s.shift ORDER BY n) FILTER (WHERE t IS NOT NULL) AS tr,
               CASE WHEN o.scoring = 'quantile' THEN rfm_due(o.scoring, o.recompute, rfm_ahead.at, a.time_zone) END AS boundary
          FROM rfm_models_at(rfm_ahead.at) a JOIN rfm_model o ON o.id = a.id AND o.scored_at IS NOT NULL
         CROSS JOIN LATERAL (SELECT rfm_shift(o, a.time_zone, rfm_ahead.at) AS shift) s
          LEFT JOIN LATERAL unnest(a.r) WITH ORDINALITY AS u(t, n) ON true
         GROUP BY a.id, a.kind_ids, a.time_zone, a.today, a.look_back, a.from_at, a.monetary, a.classes, a.reached_r, a.reached_fm, a.labels, a.r, a.f, a.m, a.due,
                  a.due_at, o.org_id, s.shift, o.recompute, o.scoring
    ), gifts AS (
        SELECT m.id AS model_id, c.id AS contact_id, (g.last_at AT TIME ZONE m.time_zone)::date AS last_on,
               (g.first_at AT TIME ZONE m.time_zone)::date AS first_on, m.today - (g.last_at AT TIME ZONE m.time_zone)::date AS recency, g.frequency,
               coalesce(CASE m.monetary WHEN 'sum' THEN g.sum WHEN 'average' THEN round(g.avg) ELSE g.max END, 0)::bigint AS monetary, g.future_at
          FROM model m CROSS JOIN unnest(ids) AS c(id)
         CROSS JOIN LATERAL (
               SELECT max(i.occurred_at) FILTER (WHERE i.occurred_at <= rfm_ahead.at) AS last_at,
                      min(i.occurred_at) FILTER (WHERE i.occurred_at <= rfm_ahead.at) AS first_at,
                      (count(*) FILTER (WHERE i.occurred_at <= rfm_ahead.at))::int AS frequency, sum(i.amount) FILTER (WHERE i.occurred_at <= rfm_ahead.at),
                      avg(i.amount) FILTER (WHERE i.occurred_at <= rfm_ahead.at), max(i.amount) FILTER (WHERE i.occurred_at <= rfm_ahead.at),
                      min(i.occurred_at) FILTER (WHERE i.occurred_at > rfm_ahead.at) AS future_at
                 FROM interaction i
                WHERE i.contact_id = c.id AND i.kind_id = ANY (m.kind_ids) AND i.occurred_at >= m.from_at) g
    )
    SELECT m.org_id, g.contact_id, g.model_id, g.last_on, g.frequency, g.monetary, x.r, x.f, x.m, rfm_label(m.labels, x.r, x.f, x.m),
           least(g.future_at, day_start(rfm_leaves_on(g.first_on, m.look_back), m.time_zone),
                 CASE WHEN y.ages_at < coalesce(m.boundary, 'infinity') THEN y.ages_at END,
                 CASE WHEN m.recompute <> 'day' AND g.frequency > 0 THEN m.boundary END)
      FROM gifts g JOIN model m ON m.id = g.model_id
     CROSS JOIN LATERAL (SELECT width_bucket(g.recency::float8, coalesce(m.tr, '{}')) AS n) k
     CROSS JOIN LATERAL (SELECT (m.classes - k.n)::smallint AS r, (1 + width_bucket(g.frequency::float8, m.f))::smallint AS f,
                                (1 + width_bucket(g.monetary::float8, m.m))::smallint AS m) x
     CROSS JOIN LATERAL (SELECT day_start(g.last_on + CASE WHEN m.tr[k.n + 1] < 1000000 THEN ceil(m.tr[k.n + 1])::int END, m.time_zone) AS ages_at) y $$;

CREATE FUNCTION scores_ahead(ids bigint[], at timestamptz) RETURNS SETOF rfm_score LANGUAGE sql STABLE SET search_path = lazo ROWS 100 AS $$
    SELECT q.* FROM rfm_ahead(ids, scores_ahead.at) a
     CROSS JOIN LATERAL jsonb_populate_record(NULL::rfm_score, to_jsonb(a) || jsonb_build_object('label_fold', fold(a.label))) q
     WHERE a.frequency > 0 $$;
