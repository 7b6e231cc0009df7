-- 0062 - a model whose quantiles are never computed anew has breaks that never move, also where a due time was left behind in its row.
SET LOCAL search_path = lazo;

CREATE OR REPLACE FUNCTION rfm_shift(m rfm_model, zone text, at timestamptz) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN m.due_at <= rfm_shift.at AND m.recompute <> 'never'
                THEN date_trunc(m.recompute, rfm_shift.at AT TIME ZONE zone)::date - (m.scored_at AT TIME ZONE zone)::date ELSE 0 END $$;
