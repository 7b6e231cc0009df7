-- 0067 - steps: what stands in a window as time passes, interactions that are still to happen among them, and the calendar's bound at each jump: so that the next
-- change of an answer is exact there too. For the statements that the rule compiler writes.
SET LOCAL search_path = lazo;

-- The bound is B(now) = now less `d` (months and years; negative: now plus them) on the calendar of `zone`. When it reaches `v`, which it has not: on the same day and
-- hour. Null where that month has no such day or the clocks change within two days of either, and where that was before `now`: there it may go over several at once,
-- and back.
CREATE FUNCTION calendar_reaches(v timestamptz, d interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
    from_local constant timestamp := v AT TIME ZONE zone;
    to_local constant timestamp := from_local + d;
    reached constant timestamptz := to_local AT TIME ZONE zone;
BEGIN
    IF reached > now AND extract(day FROM to_local) = extract(day FROM from_local)
       AND (v - interval '48 hours') AT TIME ZONE zone - from_local = interval '-48 hours'
       AND (v + interval '48 hours') AT TIME ZONE zone - from_local = interval '48 hours'
       AND (reached - interval '48 hours') AT TIME ZONE zone - to_local = interval '-48 hours'
       AND (reached + interval '48 hours') AT TIME ZONE zone - to_local = interval '48 hours' THEN
        RETURN reached;
    END IF;
    RETURN NULL;
END $$;

-- Whether the bound goes as now does for the next two days: then it does not come back to what it has passed.
CREATE FUNCTION calendar_steady(b timestamptz, d interval, zone text, now timestamptz) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (now + interval '48 hours') AT TIME ZONE zone - now AT TIME ZONE zone = interval '48 hours'
       AND (b + interval '72 hours') AT TIME ZONE zone - (b - interval '24 hours') AT TIME ZONE zone = interval '96 hours'
       AND ((now + interval '48 hours') AT TIME ZONE zone - d) AT TIME ZONE zone - b = interval '48 hours' $$;

-- The instant after `now` at which the bound reaches `v` or, where it has, is before it again; null: never. It is looked for piece by piece: within one B goes as
-- now does, and all jumps are at whole seconds.
CREATE FUNCTION calendar_search(v timestamptz, d interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    b timestamptz := (now AT TIME ZONE zone - d) AT TIME ZONE zone;
    passed constant boolean := v <= b;
    step int := 65536;
    s timestamptz := date_trunc('second', now);
    t timestamptz;
    bt timestamptz;
    span interval;
BEGIN
    IF NOT passed THEN -- all jumps together are less than five days
        s := GREATEST(s, date_trunc('second', now + make_interval(secs => extract(epoch FROM v - b)::float8) - interval '120 hours'));
    END IF;
    b := (s AT TIME ZONE zone - d) AT TIME ZONE zone;
    WHILE b <= v + interval '27 hours' LOOP
        span := make_interval(secs => step);
        t := s + span;
        bt := (t AT TIME ZONE zone - d) AT TIME ZONE zone;
        IF bt - b = span AND t AT TIME ZONE zone - s AT TIME ZONE zone = span
           AND (t AT TIME ZONE zone - d) - (s AT TIME ZONE zone - d) = span THEN
            IF NOT passed AND bt >= v THEN
                RETURN s + (v - b);
            END IF;
        ELSIF step > 1 THEN
            step := step / 2;
            CONTINUE;
        ELSE
            IF NOT passed AND v < b + span THEN
                RETURN s + (v - b);
            END IF;
            IF (v <= bt) <> passed THEN
                RETURN t;
            END IF;
            step := 65536;
        END IF;
        s := t;
        b := bt;
    END LOOP;
    RETURN NULL;
END $$;

-- The same, sooner; `b` is the bound now.
CREATE FUNCTION calendar_flip(v timestamptz, b timestamptz, d interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(CASE WHEN v > b THEN lazo.calendar_reaches(v, d, zone, now) END, lazo.calendar_search(v, d, zone, now)) $$;

-- The bound of a window of some length, fixed (hours; zone null) or on the calendar.
CREATE FUNCTION window_bound(length interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN zone IS NULL THEN now - length ELSE (now AT TIME ZONE zone - length) AT TIME ZONE zone END $$;

-- When the bound, which is `b` now, reaches `v` after it or, on the calendar, where it has, is before it again; null: never.
CREATE FUNCTION bound_flip(v timestamptz, b timestamptz, length interval, zone text, now timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN zone IS NULL THEN CASE WHEN v > b THEN v + length END
                WHEN v > b - interval '27 hours' /* no jump goes so far back */ THEN lazo.calendar_flip(v, b, length, zone, now) END $$;

-- Conditions that hang on the n-th newest interaction being in a window that slides, one for each of `ranks` and `lengths`, while some of the instants `t` (in no
-- order, null for none) are still to come: when each answer becomes another one. Lengths of months are counted on the calendar of `zone`.
CREATE FUNCTION rank_flips(t timestamptz[], ranks int[], lengths interval[], zone text, now timestamptz) RETURNS timestamptz[] LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    a constant timestamptz[] := ARRAY (SELECT u FROM unnest(t) u WHERE u IS NOT NULL ORDER BY u DESC);
    n_ahead constant int := (SELECT count(*) FROM unnest(a) u WHERE u > now);
    flips timestamptz[] := array_fill(NULL::timestamptz, ARRAY[cardinality(ranks)]);
    calendar text;
    ahead int;
    s timestamptz;
    v timestamptz;
    flip timestamptz;
    bound timestamptz;
    inside boolean;
    held boolean;
BEGIN
    FOR k IN 1 .. cardinality(ranks) LOOP
        calendar := CASE WHEN extract(year FROM lengths[k]) + extract(month FROM lengths[k]) > 0 THEN zone END;
        ahead := n_ahead;
        s := now;
        LOOP
            v := a[ahead + ranks[k]];
            bound := lazo.window_bound(lengths[k], calendar, s);
            inside := coalesce(v > bound, false);
            IF s = now THEN
                held := inside;
            ELSIF inside <> held THEN
                flips[k] := s;
                EXIT;
            END IF;
            flip := lazo.bound_flip(v, bound, lengths[k], calendar, s);
            IF ahead = 0 OR flip < a[ahead] THEN
                flips[k] := flip;
                EXIT;
            END IF;
            s := a[ahead];
            WHILE ahead > 0 AND a[ahead] <= s LOOP
                ahead := ahead - 1;
            END LOOP;
        END LOOP;
    END LOOP;
    RETURN flips;
END $$;

-- An aggregate of the numbers of some interactions, newest first.
CREATE FUNCTION aggregate_of(fn text, x numeric[], newest int, oldest int) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE fn WHEN 'count' THEN oldest - newest + 1 WHEN 'sum' THEN coalesce((SELECT sum(u) FROM unnest(x[newest:oldest]) u), 0)
        WHEN 'avg' THEN (SELECT avg(u) FROM unnest(x[newest:oldest]) u) WHEN 'min' THEN (SELECT min(u) FROM unnest(x[newest:oldest]) u)
        WHEN 'max' THEN (SELECT max(u) FROM unnest(x[newest:oldest]) u) WHEN 'first' THEN CASE WHEN newest <= oldest THEN x[oldest] END
        WHEN 'last' THEN CASE WHEN newest <= oldest THEN x[newest] END END $$;

-- When the comparison of an aggregate (answer_holds()) over a window that slides (`last`, `before`: see window_steps()) becomes another one than `holds`. `t` are
-- instants, newest first, and `x` their numbers (none for count); of `first` and `last` the number decides of the one.
CREATE FUNCTION sliding_flip(fn text, test text, bounds numeric[], t timestamptz[], x numeric[], sort text, length interval, zone text, now timestamptz, holds boolean)
    RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    within constant boolean := sort = 'last';
    n constant int := coalesce(cardinality(t), 0);
    bound timestamptz := lazo.window_bound(length, zone, now);
    totals numeric[]; -- of so many of the newest ones
    counts int[];
    ahead int := 0; -- how many are still to happen, and how many are after the bound
    n_after int;
    at timestamptz := now;
    next timestamptz;
    newest int;
    oldest int;
    y numeric;
BEGIN
    WHILE t[ahead + 1] > now LOOP
        ahead := ahead + 1;
    END LOOP;
    n_after := ahead;
    WHILE t[n_after + 1] > bound LOOP
        n_after := n_after + 1;
    END LOOP;
    IF fn IN ('sum', 'avg') THEN
        totals := ARRAY (SELECT sum(coalesce(u, 0)) OVER (ORDER BY k) FROM unnest(x) WITH ORDINALITY AS a (u, k) ORDER BY k);
        counts := ARRAY (SELECT count(u) OVER (ORDER BY k) FROM unnest(x) WITH ORDINALITY AS a (u, k) ORDER BY k);
    END IF;
    LOOP
        next := CASE WHEN n_after > 0 AND (n_after > ahead OR NOT within) THEN lazo.bound_flip(t[n_after], bound, length, zone, at) END;
        IF zone IS NOT NULL AND t[n_after + 1] > bound - interval '27 hours' AND NOT lazo.calendar_steady(bound, length, zone, at) THEN
            next := LEAST(next, lazo.calendar_search(t[n_after + 1], length, zone, at));
        END IF;
        IF within AND ahead > 0 THEN
            next := LEAST(next, t[ahead]);
        END IF;
        IF next IS NULL THEN
            RETURN NULL;
        END IF;
        at := next;
        bound := lazo.window_bound(length, zone, at);
        WHILE ahead > 0 AND t[ahead] <= at LOOP
            ahead := ahead - 1;
        END LOOP;
        WHILE n_after > 0 AND t[n_after] <= bound LOOP
            n_after := n_after - 1;
        END LOOP;
        WHILE t[n_after + 1] > bound LOOP
            n_after := n_after + 1;
        END LOOP;
        newest := 1 + CASE WHEN within THEN ahead ELSE n_after END;
        oldest := CASE WHEN within THEN n_after ELSE n END;
        IF fn = 'count' THEN
            y := oldest - newest + 1;
        ELSIF newest > oldest THEN
            y := CASE fn WHEN 'sum' THEN 0 END;
        ELSIF fn IN ('first', 'last') THEN
            y := x[CASE fn WHEN 'first' THEN oldest ELSE newest END];
        ELSIF fn IN ('sum', 'avg') THEN
            y := totals[oldest] - CASE WHEN newest = 1 THEN 0 ELSE totals[newest - 1] END;
            IF fn = 'avg' THEN
                y := y / nullif(counts[oldest] - CASE WHEN newest = 1 THEN 0 ELSE counts[newest - 1] END, 0);
            END IF;
        ELSE
            y := lazo.aggregate_of(fn, x, newest, oldest);
        END IF;
        IF lazo.answer_holds(test, bounds, y) <> holds THEN
            RETURN at;
        END IF;
    END LOOP;
END $$;

-- The same on the calendar, where `flip` is the one whose leaving or entering matters: mostly all is said by when the bound reaches it. The window is followed where
-- the bound jumps near that or, with `back`, may jump back now over one that it has passed; and where something is still to happen.
CREATE FUNCTION calendar_answer_flip(flip timestamptz, back boolean, fn text, test text, bounds numeric[], t timestamptz[], x numeric[], sort text, length interval,
                                     zone text, now timestamptz, holds boolean) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    reached timestamptz;
BEGIN
    IF (sort = 'before' OR t[1] <= now) AND (back IS NOT TRUE OR lazo.calendar_steady(lazo.window_bound(length, zone, now), length, zone, now)) THEN
        IF flip IS NULL THEN
            RETURN NULL;
        END IF;
        reached := lazo.calendar_reaches(flip, length, zone, now);
        IF reached IS NOT NULL THEN
            RETURN reached;
        END IF;
    END IF;
    RETURN lazo.sliding_flip(fn, test, bounds, t, x, sort, length, zone, now, holds);
END $$;

-- What stands in a window as time passes: of the instants `t`, newest first, those from t[newest] to t[oldest] (none: newest > oldest), from `at` until `until`
-- (infinity: for good); the first row is of `now`, and there are at most `most`. An interaction counts from its instant on. Sorts of windows:
--   all               from `low` on and before `high`
--   last, before      after, or up to, the bound that slides behind now by `length`, on the calendar of `zone` (null: hours)
--   this UNIT, previous UNIT     day, week, month, quarter or year on the calendar of `zone`, which has the `length`
CREATE FUNCTION window_steps(sort text, length interval, zone text, low timestamptz, high timestamptz, t timestamptz[], now timestamptz, most int)
    RETURNS TABLE (at timestamptz, until timestamptz, newest int, oldest int) LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    n constant int := coalesce(cardinality(t), 0);
    slides constant boolean := sort IN ('last', 'before');
    what constant text := split_part(sort, ' ', 1);
    unit constant text := split_part(sort, ' ', 2);
    ahead int := 0; -- how many are still to happen,
    n_low int := 0; -- from `low` on,
    n_high int := 0; -- from `high` on
    day timestamp;
    turn timestamptz; -- when the period ends
    bound timestamptz;
BEGIN
    at := now;
    WHILE t[ahead + 1] > now LOOP
        ahead := ahead + 1;
    END LOOP;
    LOOP
        IF slides THEN
            bound := lazo.window_bound(length, zone, at);
            WHILE n_low > 0 AND t[n_low] <= bound LOOP
                n_low := n_low - 1;
            END LOOP;
            WHILE t[n_low + 1] > bound LOOP
                n_low := n_low + 1;
            END LOOP;
            IF what = 'last' THEN
                until := LEAST(t[ahead], CASE WHEN n_low > ahead THEN lazo.bound_flip(t[n_low], bound, length, zone, at) END);
            ELSE
                n_high := n_low;
                until := CASE WHEN n_low > 0 THEN lazo.bound_flip(t[n_low], bound, length, zone, at) END;
            END IF;
            IF zone IS NOT NULL AND t[n_low + 1] > bound - interval '27 hours' AND NOT lazo.calendar_steady(bound, length, zone, at) THEN
                until := LEAST(until, lazo.calendar_search(t[n_low + 1], length, zone, at));
            END IF;
            newest := CASE what WHEN 'last' THEN ahead ELSE n_high END + 1;
            oldest := CASE what WHEN 'last' THEN n_low ELSE n END;
        ELSE
            IF what <> 'all' THEN
                day := date_trunc(unit, at AT TIME ZONE zone);
                turn := lazo.day_start((day + length)::date, zone);
                IF turn <= at THEN -- the clocks went back over midnight
                    turn := at + interval '1 minute';
                END IF;
                low := lazo.day_start((CASE what WHEN 'this' THEN day ELSE day - length END)::date, zone);
                high := lazo.day_start((CASE what WHEN 'this' THEN day + length ELSE day END)::date, zone);
            END IF;
            WHILE n_low > 0 AND t[n_low] < low LOOP
                n_low := n_low - 1;
            END LOOP;
            WHILE t[n_low + 1] >= low LOOP
                n_low := n_low + 1;
            END LOOP;
            WHILE n_high > 0 AND t[n_high] < high LOOP
                n_high := n_high - 1;
            END LOOP;
            WHILE t[n_high + 1] >= high LOOP
                n_high := n_high + 1;
            END LOOP;
            newest := GREATEST(ahead, n_high) + 1;
            oldest := GREATEST(n_low, newest - 1);
            IF what = 'all' THEN
                until := CASE WHEN LEAST(ahead, n_low) > n_high THEN t[LEAST(ahead, n_low)] END;
            ELSIF what = 'this' THEN
                until := LEAST(t[ahead], CASE WHEN newest <= oldest THEN turn END);
            ELSIF newest <= oldest OR t[n_high] < turn THEN
                until := turn;
            ELSE
                until := lazo.day_start((date_trunc(unit, t[n_high] AT TIME ZONE zone) + length)::date, zone);
            END IF;
        END IF;
        until := coalesce(until, 'infinity');
        RETURN NEXT;
        most := most - 1;
        EXIT WHEN until = 'infinity' OR most = 0;
        at := until;
        WHILE ahead > 0 AND t[ahead] <= at LOOP
            ahead := ahead - 1;
        END LOOP;
    END LOOP;
END $$;

-- The same as sliding_flip() of windows of whole periods.
CREATE FUNCTION period_flip(fn text, test text, bounds numeric[], t timestamptz[], x numeric[], sort text, length interval, zone text, now timestamptz, holds boolean)
    RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    s record;
BEGIN
    FOR s IN SELECT * FROM lazo.window_steps(sort, length, zone, NULL, NULL, t, now, NULL) LOOP
        IF s.at > now AND lazo.answer_holds(test, bounds, lazo.aggregate_of(fn, x, s.newest, s.oldest)) <> holds THEN
            RETURN s.at;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- What the first or the last of the interactions `t` (newest first) in a window, as an instant, is in another window: when that becomes otherwise than `holds`.
-- Both windows are as window_steps() has them. After `most` steps of the first one it is the last instant up to which nothing does.
CREATE FUNCTION edge_flip(fn text, t timestamptz[], sort text, length interval, zone text, low timestamptz, high timestamptz, of_sort text, of_length interval,
                          of_zone text, of_low timestamptz, of_high timestamptz, now timestamptz, most int, holds boolean)
    RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    s record;
    v record;
BEGIN
    FOR s IN SELECT * FROM lazo.window_steps(sort, length, zone, low, high, t, now, most) LOOP
        FOR v IN SELECT * FROM lazo.window_steps(of_sort, of_length, of_zone, of_low, of_high, CASE WHEN s.newest <= s.oldest
                THEN ARRAY[t[CASE fn WHEN 'first' THEN s.oldest ELSE s.newest END]] END, s.at, NULL) LOOP
            EXIT WHEN v.at >= s.until;
            IF v.at > now AND (v.newest <= v.oldest) <> holds THEN
                RETURN v.at;
            END IF;
        END LOOP;
    END LOOP;
    RETURN nullif(s.until, 'infinity');
END $$;

DROP FUNCTION calendar_crossing(timestamptz, timestamptz, interval, text, timestamptz);
DROP FUNCTION calendar_jump(interval, text, timestamptz);
