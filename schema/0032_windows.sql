-- 0032 - flips over windows: the functions of 0022 and after look at a piece of all interactions of a kind, so that rules over several windows share the arrays.
SET LOCAL search_path = lazo;

DROP FUNCTION flip_by_leaving(text, text, numeric[], timestamptz[], numeric[], boolean);
DROP FUNCTION flip_by_entering(text, text, numeric[], timestamptz[], numeric[], timestamptz, boolean);

-- Interactions newest first, with their numbers (none for count): after the first `ahead` come the `inside` that stand in a window; the oldest leave first. The
-- instant of the one with which the answer becomes another one than `holds`; null: it stays to the end.
CREATE FUNCTION flip_by_leaving(fn text, test text, bounds numeric[], t timestamptz[], x numeric[], ahead int, inside int, holds boolean) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    counted int := 0;
    total numeric := 0;
    least_x numeric;
    greatest_x numeric;
    flip timestamptz;
BEGIN
    IF fn = 'count' AND test IN ('>', '>=') THEN
        -- The oldest of the newest ones that are needed.
        counted := CASE test WHEN '>' THEN floor(bounds[1]) + 1 ELSE ceil(bounds[1]) END;
        RETURN CASE WHEN counted > 0 AND counted <= inside THEN t[ahead + counted] END;
    END IF;
    IF lazo.answer_holds(test, bounds, CASE WHEN fn IN ('count', 'sum') THEN 0 END) <> holds THEN
        flip := t[ahead + 1];
    END IF;
    FOR i IN ahead + 1 .. ahead + inside - 1 LOOP
        IF fn = 'count' THEN
            counted := counted + 1;
        ELSIF x[i] IS NOT NULL THEN
            counted := counted + 1;
            total := total + x[i];
            least_x := least(least_x, x[i]);
            greatest_x := greatest(greatest_x, x[i]);
        END IF;
        IF t[i + 1] < t[i] AND lazo.answer_holds(test, bounds, CASE fn WHEN 'count' THEN counted WHEN 'sum' THEN total WHEN 'min' THEN least_x
                WHEN 'max' THEN greatest_x ELSE total / nullif(counted, 0) END) <> holds THEN
            flip := t[i + 1];
        END IF;
    END LOOP;
    RETURN flip;
END $$;

-- The same for interactions that enter, the oldest first, of those from `first` on and before `last`: those after `bound` are still to come, the others count already.
CREATE FUNCTION flip_by_entering(fn text, test text, bounds numeric[], t timestamptz[], x numeric[], bound timestamptz, first timestamptz, last timestamptz,
                                 holds boolean) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    counted int := 0;
    total numeric := 0;
    least_x numeric;
    greatest_x numeric;
BEGIN
    FOR i IN REVERSE coalesce(cardinality(t), 0) .. 1 LOOP
        CONTINUE WHEN t[i] < first;
        EXIT WHEN t[i] >= last;
        IF fn = 'count' THEN
            counted := counted + 1;
        ELSIF x[i] IS NOT NULL THEN
            counted := counted + 1;
            total := total + x[i];
            least_x := least(least_x, x[i]);
            greatest_x := greatest(greatest_x, x[i]);
        END IF;
        IF t[i] > bound AND (i = 1 OR t[i - 1] > t[i])
           AND lazo.answer_holds(test, bounds, CASE fn WHEN 'count' THEN counted WHEN 'sum' THEN total WHEN 'min' THEN least_x
                WHEN 'max' THEN greatest_x ELSE total / nullif(counted, 0) END) <> holds THEN
            RETURN t[i];
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
