-- 0047 - crossings: when a bound that moves on the calendar reaches an instant, and when it jumps, as functions. As expressions of the statements that the rule
-- compiler writes they were planned, and begun, for each window, though hardly one was needed.
SET LOCAL search_path = lazo;

-- The bound is B(now) = now less `d` (months and years; negative: now plus them) on the calendar of `zone`. The first whole hour before a jump of it in the coming
-- eight days; within that hour the next quarter. Null: none comes.
CREATE FUNCTION calendar_jump(d interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    ahead constant timestamptz := now + interval '192 hours';
    b timestamptz := (now AT TIME ZONE zone - d) AT TIME ZONE zone;
    s timestamptz;
    next timestamptz;
BEGIN
    IF ahead AT TIME ZONE zone - now AT TIME ZONE zone = interval '192 hours'
       AND (b + interval '216 hours') AT TIME ZONE zone - (b - interval '24 hours') AT TIME ZONE zone = interval '240 hours'
       AND (ahead AT TIME ZONE zone - d) AT TIME ZONE zone - b = interval '192 hours' THEN
        RETURN NULL;
    END IF;
    s := date_bin('1 hour', now, timestamptz '2000-01-01T00:00:00Z');
    b := (s AT TIME ZONE zone - d) AT TIME ZONE zone;
    WHILE s <= ahead LOOP
        next := ((s + interval '1 hour') AT TIME ZONE zone - d) AT TIME ZONE zone;
        IF next - b <> interval '1 hour' THEN
            RETURN CASE WHEN s > now THEN s ELSE date_bin('15 minutes', now, timestamptz '2000-01-01T00:00:00Z') + interval '15 minutes' END;
        END IF;
        b := next;
        s := s + interval '1 hour';
    END LOOP;
    RETURN NULL;
END $$;

-- When the bound, which is `b` now, reaches the instant `v` after it: on the same day and hour, or, where that month is too short, when the month after begins. Where
-- the clocks change within two days of either, and where that was before `now` (it went back over `v` when a shorter month ended), that is not known: we look again
-- five days before it could be, and from there at each jump.
CREATE FUNCTION calendar_crossing(v timestamptz, b timestamptz, d interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
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
    reached := now + make_interval(secs => extract(epoch FROM v - b)::float8);
    IF v > b + interval '168 hours' THEN
        RETURN reached - interval '120 hours';
    END IF;
    RETURN LEAST(reached, lazo.calendar_jump(d, zone, now));
END $$;

DROP FUNCTION calendar_reaches(timestamptz, interval, text, timestamptz);
