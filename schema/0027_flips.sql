-- 0027 - flips: which interaction's leaving or entering makes a comparison come out otherwise. For the statements that the rule compiler writes.
SET LOCAL search_path = lazo;

-- Whether a number passes a test; false where it is missing.
CREATE FUNCTION answer_holds(test text, bounds numeric[], x numeric) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(CASE test
        WHEN '>=' THEN x >= bounds[1] WHEN '>' THEN x > bounds[1] WHEN '<=' THEN x <= bounds[1] WHEN '<' THEN x < bounds[1]
        WHEN '=' THEN x = bounds[1] WHEN '<>' THEN x <> bounds[1] WHEN 'in' THEN x = ANY (bounds) WHEN 'not in' THEN x <> ALL (bounds)
        WHEN 'between' THEN x BETWEEN bounds[1] AND bounds[2] END, false) $$;

-- Interactions that stand in a window, newest first, with their numbers (none for count); the oldest leave first. The instant of the one with which the answer
-- becomes another one than `holds`; null: it stays to the end.
CREATE FUNCTION flip_by_leaving(fn text, test text, bounds numeric[], t timestamptz[], x numeric[], holds boolean) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    n constant int := coalesce(cardinality(t), 0);
    counted int := 0;
    total numeric := 0;
    least_x numeric;
    greatest_x numeric;
    flip timestamptz;
BEGIN
    IF n > 0 AND lazo.answer_holds(test, bounds, CASE WHEN fn IN ('count', 'sum') THEN 0 END) <> holds THEN
        flip := t[1];
    END IF;
    FOR i IN 1 .. n - 1 LOOP
        IF fn = 'count' THEN
            counted := i;
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

-- The same for interactions that enter, the oldest first: those after `bound` are still to come, the others count already.
CREATE FUNCTION flip_by_entering(fn text, test text, bounds numeric[], t timestamptz[], x numeric[], bound timestamptz, holds boolean) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    n constant int := coalesce(cardinality(t), 0);
    counted int := 0;
    total numeric := 0;
    least_x numeric;
    greatest_x numeric;
BEGIN
    FOR i IN REVERSE n .. 1 LOOP
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

-- When now less `d` (months and years, on the calendar of `zone`) reaches `v`: on the same day and hour, or, where that month is too short, when the month after
-- begins. Null where the clocks change within two days of either, and where that was before `now` (it went back over `v` when a shorter month ended): there it is looked
-- for step by step.
CREATE FUNCTION calendar_reaches(v timestamptz, d interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    from_local constant timestamp := v AT TIME ZONE zone;
    to_local timestamp := from_local + d;
    reached timestamptz;
BEGIN
    IF extract(day FROM to_local) < extract(day FROM from_local) THEN
        to_local := date_trunc('month', to_local) + interval '1 month';
    END IF;
    reached := to_local AT TIME ZONE zone;
    IF reached > now AND (v - interval '48 hours') AT TIME ZONE zone - from_local = interval '-48 hours'
       AND (v + interval '48 hours') AT TIME ZONE zone - from_local = interval '48 hours'
       AND (reached - interval '48 hours') AT TIME ZONE zone - to_local = interval '-48 hours'
       AND (reached + interval '48 hours') AT TIME ZONE zone - to_local = interval '48 hours' THEN
        RETURN reached;
    END IF;
    RETURN NULL;
END $$;
