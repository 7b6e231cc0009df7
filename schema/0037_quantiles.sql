-- 0037 - breaks to six decimals: 0.7 of 90 comes out a little under 63, and the value itself would be above its own quantile.
SET LOCAL search_path = lazo;

-- The inner quantiles, moved by `plus`.
CREATE OR REPLACE FUNCTION rfm_plus(breaks double precision[], plus double precision) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT array_agg(round((b + plus)::numeric, 6)::float8 ORDER BY ord) FROM unnest(breaks) WITH ORDINALITY AS u(b, ord) $$;
