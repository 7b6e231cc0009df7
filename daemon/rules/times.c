/* times.c - the compiler's part that knows time: windows, days, birthdays, and when their answers
 * change.
 *
 * Minutes, hours, days and weeks have a fixed length (a day is 24 hours); months and years are
 * counted on the calendar of the organisation's time zone: B(now) = ((now AT TIME ZONE zone) - D)
 * AT TIME ZONE zone. B advances as now does, but jumps where a month is shorter than another and
 * where the clocks change, back too: calendar_flip() of the schema knows when it crosses an
 * instant.
 *
 * SQL adds only hours to timestamptz here: days would follow the session's time zone. */
#include "daemon/rules/sqlgen.h"

#include "common/mem.h"

#include <string.h>

/* As far back as a clock goes, and more. */
#define BACK_HOURS "interval '27 hours'"
#define FAR_AHEAD  "timestamptz '9999-12-01T00:00:00Z'" /* a period more is a date still */

/* A bound that moves with now: now minus or plus a duration. */
struct bound {
    const char *at;   /* the bound now */
    const char *sql;  /* calendar: what that is computed by */
    const char *step; /* fixed length: it as an interval of hours; NULL: calendar */
    bool forward;
    const char *length; /* calendar: what leads from an interaction to its crossing */
};

static bool is_calendar(struct rule_duration d)
{
    return d.unit == RULE_UNIT_MONTH || d.unit == RULE_UNIT_YEAR;
}

/* As PostgreSQL writes an interval. */
static const char *duration_text(struct rule_gen *g, struct rule_duration d)
{
    long long n = (long long)d.n;

    if (is_calendar(d) || d.unit == RULE_UNIT_MINUTE)
        return gen_printf(g, "%lld %ss", n, rule_unit_word(d.unit));
    return gen_printf(g, "%lld hours",
                      d.unit == RULE_UNIT_HOUR  ? n
                      : d.unit == RULE_UNIT_DAY ? n * 24
                                                : n * 168);
}

static const char *fixed_interval(struct rule_gen *g, struct rule_duration d)
{
    return gen_param(g, "interval", duration_text(g, d));
}

static const char *calendar_interval(struct rule_gen *g, struct rule_duration d)
{
    return gen_param(g, "interval",
                     gen_printf(g, "%lld %ss", (long long)d.n, rule_unit_word(d.unit)));
}

/* B at another instant. */
static const char *calendar_at(struct rule_gen *g, struct rule_duration d, bool forward,
                               const char *at)
{
    const char *zone = gen_zone(g);

    return gen_printf(g, "(((%s) AT TIME ZONE %s %c %s) AT TIME ZONE %s)", at, zone,
                      forward ? '+' : '-', calendar_interval(g, d), zone);
}

static struct bound bound_make(struct rule_gen *g, struct rule_duration d, bool forward)
{
    struct bound b = {.forward = forward};

    if (!is_calendar(d)) {
        b.step = fixed_interval(g, d);
        b.at = gen_once(g, gen_printf(g, "%s %c %s", g->now, forward ? '+' : '-', b.step));
        return b;
    }
    b.sql = calendar_at(g, d, forward, g->now);
    b.at = gen_once(g, b.sql);
    b.length = gen_printf(g, "%s%s", forward ? "-" : "", calendar_interval(g, d));
    return b;
}

/* After what an instant must be for B and it ever to change: B jumps back by less than that. */
static const char *bound_recent(struct rule_gen *g, const struct bound *b)
{
    if (b->step != NULL)
        return b->at;
    return gen_once(g, gen_printf(g, "%s - " BACK_HOURS, b->sql));
}

/* When B reaches `v` or, where it has, is before it again; null: never. */
static const char *bound_flips(struct rule_gen *g, const struct bound *b, const char *v)
{
    if (b->step != NULL)
        return gen_printf(g, "CASE WHEN %s > %s THEN %s %c %s END", v, b->at, v,
                          b->forward ? '-' : '+', b->step);
    /* What stands in e is computed where it is needed alone. */
    if (strncmp(v, "e.", 2) != 0)
        g->dear = true;
    return gen_printf(g, "CASE WHEN %s > %s THEN calendar_flip(%s, %s, %s, %s, w.now) END", v,
                      bound_recent(g, b), v, b->at, b->length, gen_zone(g));
}

/* --- days --- */

/* A day may begin twice (clocks go back over midnight): the first time counts. AT TIME ZONE gives
 * the second. */
const char *day_start_sql(struct rule_gen *g, const char *date, const char *zone)
{
    const char *start = gen_printf(g, "((%s)::timestamp AT TIME ZONE %s)", date, zone);

    return gen_printf(g,
                      "CASE WHEN ((%s - interval '1 hour') AT TIME ZONE %s)::date >= %s"
                      " THEN %s - interval '1 hour' ELSE %s END",
                      start, zone, date, start, start);
}

void date_span(struct rule_gen *g, const char *literal, const char **ret_start,
               const char **ret_end)
{
    const char *day;

    if (rule_date_has_time(literal)) {
        *ret_start = gen_param(g, "timestamptz", literal);
        *ret_end = NULL;
        return;
    }
    day = gen_param(g, "date", literal);
    *ret_start = gen_once(g, day_start_sql(g, day, gen_zone(g)));
    *ret_end = gen_once(g, day_start_sql(g, gen_printf(g, "(%s + 1)", day), gen_zone(g)));
}

const char *org_today(struct rule_gen *g)
{
    return gen_once(g, gen_printf(g, "(%s AT TIME ZONE %s)::date", g->now, gen_zone(g)));
}

const char *org_tomorrow_start(struct rule_gen *g)
{
    const char *tomorrow = gen_printf(g, "((%s AT TIME ZONE %s)::date + 1)", g->now, gen_zone(g));

    return gen_once(g, day_start_sql(g, tomorrow, gen_zone(g)));
}

/* --- windows --- */

/* A span of whole days that steps with the calendar: today, this month. */
struct period {
    const char *start, *end;
    const char *next;  /* when it becomes another one */
    const char *after; /* when that one does */
};

static bool period_past(const struct rule_window *w)
{
    return w->type == RULE_WINDOW_YESTERDAY || w->type == RULE_WINDOW_PREVIOUS;
}

/* The field of date_trunc(). */
static const char *period_unit(const struct rule_window *w)
{
    bool days = w->type == RULE_WINDOW_TODAY || w->type == RULE_WINDOW_YESTERDAY;

    return days ? "day" : rule_period_word(w->period);
}

/* As an interval, which knows no quarters. */
static const char *period_length(struct rule_gen *g, const struct rule_window *w)
{
    const char *unit = period_unit(w);

    return strcmp(unit, "quarter") == 0 ? "3 months" : gen_printf(g, "1 %s", unit);
}

static struct period period_make(struct rule_gen *g, const struct rule_window *w)
{
    bool past = period_past(w);
    const char *length = period_length(g, w), *zone = gen_zone(g);
    const char *first =
        gen_printf(g, "date_trunc('%s', %s AT TIME ZONE %s)", period_unit(w), g->now, zone);
    const char *at[4];

    for (int i = 0; i < 4; i++) {
        const char *date =
            i == 0   ? gen_printf(g, "(%s - interval '%s')::date", first, length)
            : i == 1 ? gen_printf(g, "%s::date", first)
                     : gen_printf(g, "(%s + %d * interval '%s')::date", first, i - 1, length);

        if ((past && (i < 3 || g->with_changes)) || (i > 0 && i < 3))
            at[i] = gen_once(g, day_start_sql(g, date, zone));
    }
    return (struct period){past ? at[0] : at[1], past ? at[1] : at[2], at[2],
                           past && g->with_changes ? at[3] : NULL};
}

/* From what instant on, and up to which (excluded; NULL: this instant included, alone) a window
 * over fixed dates goes. */
static const char *fixed_window_sql(struct rule_gen *g, const struct rule_window *w, const char *v)
{
    const char *start, *end, *start_to, *end_to;

    date_span(g, w->from, &start, &end);
    if (w->type == RULE_WINDOW_SINCE)
        return gen_printf(g, "%s >= %s", v, start);
    if (w->type == RULE_WINDOW_BEFORE)
        return gen_printf(g, "%s < %s", v, start);
    if (w->type == RULE_WINDOW_ON) {
        if (end == NULL)
            return gen_printf(g, "%s = %s", v, start);
        return gen_printf(g, "(%s >= %s AND %s < %s)", v, start, v, end);
    }
    date_span(g, w->to, &start_to, &end_to);
    if (end_to == NULL)
        return gen_printf(g, "(%s >= %s AND %s <= %s)", v, start, v, start_to);
    return gen_printf(g, "(%s >= %s AND %s < %s)", v, start, v, end_to);
}

const char *window_sql(struct rule_gen *g, const struct rule_window *w, const char *v,
                       bool happened)
{
    const char *past = happened ? gen_printf(g, "%s <= w.now AND ", v) : "";
    struct bound b;
    struct period p;

    switch (w->type) {
    case RULE_WINDOW_IN_LAST:
        b = bound_make(g, w->duration, false);
        return gen_printf(g, "(%s <= w.now AND %s > %s)", v, v, b.at);
    case RULE_WINDOW_IN_NEXT:
        b = bound_make(g, w->duration, true);
        return gen_printf(g, "(%s > w.now AND %s <= %s)", v, v, b.at);
    case RULE_WINDOW_BEFORE_AGO:
        b = bound_make(g, w->duration, false);
        return gen_printf(g, "%s <= %s", v, b.at);
    case RULE_WINDOW_AFTER_AGO:
        b = bound_make(g, w->duration, false);
        return gen_printf(g, "(%s%s > %s)", past, v, b.at);
    case RULE_WINDOW_SINCE:
    case RULE_WINDOW_BEFORE:
    case RULE_WINDOW_ON:
    case RULE_WINDOW_BETWEEN:
        return gen_printf(g, "(%s%s)", past, fixed_window_sql(g, w, v));
    case RULE_WINDOW_TODAY:
    case RULE_WINDOW_YESTERDAY:
    case RULE_WINDOW_THIS:
    case RULE_WINDOW_PREVIOUS:
        p = period_make(g, w);
        return gen_printf(g, "(%s%s >= %s AND %s < %s)", past, v, p.start, v, p.end);
    }
    bug("a window of no type");
}

bool window_slides(const struct rule_window *w)
{
    return w->type == RULE_WINDOW_IN_LAST || w->type == RULE_WINDOW_IN_NEXT ||
           w->type == RULE_WINDOW_BEFORE_AGO || w->type == RULE_WINDOW_AFTER_AGO;
}

bool window_steps(const struct rule_window *w)
{
    return w->type == RULE_WINDOW_TODAY || w->type == RULE_WINDOW_YESTERDAY ||
           w->type == RULE_WINDOW_THIS || w->type == RULE_WINDOW_PREVIOUS;
}

/* When a stepping window, whose span now is `p`, takes or loses one value: at its end where it
 * holds the value, at the start of the period of the value (or of the one after that, for
 * yesterday and previous) where that is still to come. Never before the end of the present one:
 * where a day begins twice, the local date goes back. */
static const char *period_value_flips(struct rule_gen *g, const struct rule_window *w,
                                      const struct period *p, const char *v)
{
    const char *zone = gen_zone(g);
    const char *first = gen_printf(g, "date_trunc('%s', LEAST(%s, " FAR_AHEAD ") AT TIME ZONE %s)",
                                   period_unit(w), v, zone);
    const char *date = period_past(w)
                           ? gen_printf(g, "(%s + interval '%s')::date", first, period_length(g, w))
                           : gen_printf(g, "%s::date", first);

    return gen_printf(g,
                      "CASE WHEN %s < %s THEN NULL WHEN %s < %s THEN %s"
                      " WHEN %s >= %s THEN GREATEST(%s, %s) END",
                      v, p->start, v, p->end, p->next, v, p->end, p->next,
                      day_start_sql(g, date, zone));
}

const char *window_value_flips(struct rule_gen *g, const struct rule_window *w, const char *v)
{
    struct bound b;

    if (window_steps(w)) {
        struct period p = period_make(g, w);

        return period_value_flips(g, w, &p, v);
    }
    if (!window_slides(w))
        return NULL;
    b = bound_make(g, w->duration, w->type == RULE_WINDOW_IN_NEXT);
    if (w->type != RULE_WINDOW_IN_LAST && w->type != RULE_WINDOW_IN_NEXT)
        return bound_flips(g, &b, v);
    return gen_printf(g, "LEAST(%s, CASE WHEN %s > w.now THEN %s END)", bound_flips(g, &b, v), v,
                      v);
}

void window_span(struct rule_gen *g, const struct rule_window *w, const char **ret_start,
                 const char **ret_end)
{
    const char *start, *end, *to, *to_end;

    date_span(g, w->from, &start, &end);
    if (w->type == RULE_WINDOW_BEFORE) {
        *ret_end = start;
        return;
    }
    *ret_start = start;
    if (w->type == RULE_WINDOW_SINCE)
        return;
    to = start;
    to_end = end;
    if (w->type == RULE_WINDOW_BETWEEN)
        date_span(g, w->to, &to, &to_end);
    *ret_end = to_end != NULL ? to_end : gen_printf(g, "(%s + interval '1 microsecond')", to);
}

const char *window_bound(struct rule_gen *g, const struct rule_window *w)
{
    return bound_make(g, w->duration, false).at;
}

const char *window_flips(struct rule_gen *g, const struct rule_window *w, const char *v)
{
    struct bound b = bound_make(g, w->duration, false);

    return bound_flips(g, &b, v);
}

bool window_on_calendar(const struct rule_window *w)
{
    return is_calendar(w->duration);
}

const char *window_length(struct rule_gen *g, const struct rule_window *w)
{
    return duration_text(g, w->duration);
}

const char *window_since(struct rule_gen *g, const struct rule_window *w)
{
    struct bound b;

    if (window_steps(w))
        return period_make(g, w).start;
    b = bound_make(g, w->duration, false);
    return bound_recent(g, &b);
}

const char *window_motion(struct rule_gen *g, const struct rule_window *w)
{
    if (window_steps(w))
        return gen_printf(g, "'%s %s', interval '%s', %s", period_past(w) ? "previous" : "this",
                          period_unit(w), period_length(g, w), gen_zone(g));
    return gen_printf(g, "'%s', %s, %s", w->type == RULE_WINDOW_BEFORE_AGO ? "before" : "last",
                      gen_param(g, "interval", duration_text(g, w->duration)),
                      is_calendar(w->duration) ? gen_zone(g) : "NULL");
}

const char *window_spec(struct rule_gen *g, const struct rule_window *w)
{
    const char *low = "'-infinity'::timestamptz", *high = "'infinity'::timestamptz";

    if (w != NULL && (window_steps(w) || window_slides(w)))
        return gen_printf(g, "%s, NULL::timestamptz, NULL::timestamptz", window_motion(g, w));
    if (w != NULL)
        window_span(g, w, &low, &high);
    return gen_printf(g, "'all', NULL::interval, NULL, %s, %s", low, high);
}

void window_period(struct rule_gen *g, const struct rule_window *w, const char **ret_start,
                   const char **ret_end, const char **ret_next, const char **ret_after)
{
    struct period p = period_make(g, w);

    *ret_start = p.start;
    *ret_end = p.end;
    *ret_next = p.next;
    *ret_after = p.after;
}

/* --- birthdays --- */

/* The day of (month, day) in a year. */
static const char *date_in_year(struct rule_gen *g, const char *year, const char *month,
                                const char *day)
{
    const char *date =
        gen_printf(g, "make_date(%s, (%s)::int, 1) + ((%s)::int - 1)", year, month, day);

    if (strcmp(g->cat->leap_birthday, "03-01") == 0)
        return gen_printf(g, "(%s)", date);
    /* In a year of 365 days 29 February would come out as 1 March. */
    return gen_printf(
        g,
        "(%s - CASE WHEN %s = 2 AND %s = 29 AND make_date(%s, 3, 1) - make_date(%s, 2, 1)"
        " = 28 THEN 1 ELSE 0 END)",
        date, month, day, year, year);
}

/* The same in the year of `today` plus `plus`. */
static const char *yearly_date(struct rule_gen *g, const char *today, int plus, const char *month,
                               const char *day)
{
    return date_in_year(g, gen_printf(g, "(extract(year FROM %s)::int + %d)", today, plus), month,
                        day);
}

const char *birthday_in_sql(struct rule_gen *g, const char *year)
{
    g->uses_day = true;
    return date_in_year(g, year, "c.birth_month", "c.birth_day");
}

const char *day_lateral(struct rule_gen *g)
{
    const char *zone = gen_printf(g, "coalesce(c.time_zone, %s)", gen_zone(g));
    const char *month = "c.birth_month", *day = "c.birth_day";

    /* OFFSET 0 keeps each level computed once a contact. */
    return gen_printf(
        g,
        "(SELECT y.*, CASE WHEN y.this_year > y.today THEN y.this_year ELSE y.next_year END AS "
        "next,"
        " CASE WHEN c.birth_year IS NOT NULL THEN extract(year FROM y.today)::int"
        " - c.birth_year - CASE WHEN y.today < y.this_year THEN 1 ELSE 0 END END AS age"
        " FROM (SELECT d.*, %s AS this_year, %s AS next_year"
        " FROM (SELECT %s AS zone, (w.now AT TIME ZONE %s)::date AS today OFFSET 0) d"
        " OFFSET 0) y OFFSET 0) z",
        yearly_date(g, "d.today", 0, month, day), yearly_date(g, "d.today", 1, month, day), zone,
        zone);
}

const char *yearly_lateral(struct rule_gen *g, const char *date)
{
    const char *month = "d.month", *day = "d.day";

    /* The next one is after the day itself, too. */
    return gen_printf(
        g,
        "(SELECT CASE WHEN y.this_year > y.since THEN y.this_year END AS this_year,"
        " CASE WHEN y.same_year > y.after THEN y.same_year ELSE y.next_year END AS next"
        " FROM (SELECT d.since, d.after, %s AS this_year, %s AS same_year, %s AS next_year"
        " FROM (SELECT s.since, GREATEST(s.since, z.today) AS after,"
        " extract(month FROM s.since) AS month, extract(day FROM s.since) AS day"
        " FROM (SELECT %s AS since OFFSET 0) s OFFSET 0) d OFFSET 0) y OFFSET 0)",
        yearly_date(g, "z.today", 0, month, day), yearly_date(g, "d.after", 0, month, day),
        yearly_date(g, "d.after", 1, month, day), date);
}

const char *birthday_search_sql(struct rule_gen *g)
{
    const char *days = gen_printf(g,
                                  "generate_series((%s AT TIME ZONE 'UTC')::date - 3,"
                                  " (%s AT TIME ZONE 'UTC')::date + 4, interval '1 day') AS s(day)",
                                  g->now, g->now);

    /* Three days more on each side than any zone needs, and always the 29th: 29 February may be
     * kept on the days beside it. */
    return gen_printf(
        g, "c.birth_month = ANY (%s) AND c.birth_day = ANY (%s)",
        gen_once(g,
                 gen_printf(
                     g, "(SELECT array_agg(DISTINCT extract(month FROM s.day)::smallint) FROM %s)",
                     days)),
        gen_once(
            g,
            gen_printf(
                g, "(SELECT array_agg(extract(day FROM s.day)::smallint) || 29::smallint FROM %s)",
                days)));
}

/* The first day from which `next` lies within the duration. Where the day of the month is missing
 * there, the month after begins. */
static const char *days_before(struct rule_gen *g, const char *next, struct rule_duration d)
{
    const char *day = gen_printf(g, "(%s - %s)::date", next, calendar_interval(g, d));

    if (!is_calendar(d))
        return day;
    return gen_printf(g,
                      "CASE WHEN extract(day FROM %s) < extract(day FROM %s)"
                      " THEN (date_trunc('month', %s) + interval '1 month')::date ELSE %s END",
                      day, next, gen_printf(g, "(%s)::timestamp", day), day);
}

/* Whether some such day is within the duration at any time: but for one that a leap year moves. */
static bool spans_year(struct rule_duration d)
{
    switch (d.unit) {
    case RULE_UNIT_YEAR:
        return d.n >= 1;
    case RULE_UNIT_MONTH:
        return d.n >= 12;
    case RULE_UNIT_WEEK:
        return d.n >= 53;
    case RULE_UNIT_DAY:
        return d.n >= 366;
    case RULE_UNIT_MINUTE:
    case RULE_UNIT_HOUR:
        break;
    }
    return false;
}

/* The day on which the answer changes. */
static const char *yearly_change_day(struct rule_gen *g, const struct rule_node *node,
                                     const char *days, const char *holds)
{
    const char *next = gen_printf(g, "%s.next", days), *over = next;

    if (node->op == RULE_DAY_TODAY)
        return gen_printf(g, "CASE WHEN %s THEN z.today + 1 ELSE %s END", holds, next);
    if (node->op == RULE_DAY_TOMORROW)
        return gen_printf(g, "CASE WHEN %s IS NOT NULL THEN GREATEST(%s - 1, z.today + 1) END",
                          next, next);
    if (spans_year(node->duration))
        over = gen_printf(g,
                          "CASE WHEN extract(month FROM %s) * 100 + extract(day FROM %s)"
                          " IN (228, 229, 301) THEN %s END",
                          next, next, next);
    return gen_printf(g,
                      "CASE WHEN %s THEN %s WHEN %s IS NOT NULL THEN GREATEST(%s, z.today + 1) END",
                      holds, over, next, days_before(g, next, node->duration));
}

const char *yearly_sql(struct rule_gen *g, const struct rule_node *node, const char *days)
{
    const char *holds;

    g->uses_day = true;
    if (node->op == RULE_DAY_TODAY)
        holds = gen_printf(g, "%s.this_year = z.today", days);
    else if (node->op == RULE_DAY_TOMORROW)
        holds = gen_printf(g, "%s.next = z.today + 1", days);
    else
        holds = gen_printf(g, "%s.next <= (z.today + %s)::date", days,
                           calendar_interval(g, node->duration));
    gen_change(g, day_start_sql(g, gen_printf(g, "(%s)", yearly_change_day(g, node, days, holds)),
                                "z.zone"));
    return gen_printf(g, "(%s)", holds);
}
