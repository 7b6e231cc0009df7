-- 0007 - RFM arithmetic, in one place for a single contact and for all.
SET LOCAL search_path = lazo;

-- Class 1..n of a value among ascending inner breaks: how many of them it has reached (`reached`: x >= b; else x > b), plus 1.
CREATE FUNCTION rfm_class(x double precision, breaks double precision[], reached boolean) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (1 + count(*) FILTER (WHERE CASE WHEN reached THEN x >= b ELSE x > b END))::smallint FROM unnest(breaks) AS b $$;

-- The recency in whole days, greater than `days`, at which the class changes next; null: never.
CREATE FUNCTION rfm_next_recency(days int, breaks double precision[], reached boolean) RETURNS int
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT min(CASE WHEN reached THEN ceil(b) ELSE floor(b) + 1 END)::int FROM unnest(breaks) AS b
    WHERE CASE WHEN reached THEN ceil(b) ELSE floor(b) + 1 END > days $$;

-- The first of the ordered boxes that holds.
CREATE FUNCTION rfm_label(labels jsonb, r int, f int, m int) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT box->>'label' FROM jsonb_array_elements(labels) WITH ORDINALITY AS l(box, ord)
                      WHERE r BETWEEN (box->'r'->>0)::int AND (box->'r'->>1)::int
                        AND f BETWEEN (box->'f'->>0)::int AND (box->'f'->>1)::int
                        AND m BETWEEN (box->'m'->>0)::int AND (box->'m'->>1)::int
                      ORDER BY ord LIMIT 1), '') $$;

-- The inner quantiles (type 7) of 1/n .. (n-1)/n, moved by `plus`.
CREATE FUNCTION rfm_plus(breaks double precision[], plus double precision) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT array_agg(b + plus ORDER BY ord) FROM unnest(breaks) WITH ORDINALITY AS u(b, ord) $$;
