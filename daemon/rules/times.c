/* times.c - the compiler's part that knows time: windows, days, birthdays, and when their answers
 * change.
 *
 * Minutes, hours, days and weeks have a fixed length (a day is 24 hours); months and years are
 * counted on the calendar of the organisation's time zone: B(now) = ((now AT TIME ZONE zone) - D)
 * AT TIME ZONE zone. B advances as now does, but jumps where a month is shorter than another and
 * where the clocks change. Where no clock changes near an interaction or near its crossing of B,
 * the crossing is known (calendar_reaches() of the schema). Elsewhere we look again some days
 * before it, and near it at each jump as well. Looking too early costs one evaluation; too late
 * would be wrong.
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

static const char *fixed_interval(struct rule_gen *g, struct rule_duration d)
{
    if (d.unit == RULE_UNIT_MINUTE)
        return gen_param(g, "interval", gen_printf(g, "%lld minutes", (long long)d.n));
    return gen_param(g, "interval",
                     gen_printf(g, "%lld hours",
                                (long long)(d.unit == RULE_UNIT_HOUR  ? d.n
                                            : d.unit == RULE_UNIT_DAY ? d.n * 24
                                                                      : d.n * 168)));
}

static const char *calendar_interval(struct rule_gen *g, struct rule_duration d)
{
    return gen_param(g, "interval",
                     gen_printf(g, "%lld %ss", (long long)d.n, rule_unit_word(d.unit)));
}

static bool is_calendar(struct rule_duration d)
{
    return d.unit == RULE_UNIT_MONTH || d.unit == RULE_UNIT_YEAR;
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

/* When B reaches `v`, which is known to lie after B now. */
static const char *bound_crosses(struct rule_gen *g, const struct bound *b, const char *v)
{
    if (b->step != NULL)
        return gen_printf(g, "%s %c %s", v, b->forward ? '-' : '+', b->step);
    /* What stands in e is computed where it is needed alone. */
    if (strncmp(v, "e.", 2) != 0)
        g->dear = true;
    return gen_printf(g, "calendar_crossing(%s, %s, %s, %s, w.now)", v, b->at, b->length,
                      gen_zone(g));
}

/* When B reaches `v`; null where it has. */
static const char *bound_reaches(struct rule_gen *g, const struct bound *b, const char *v)
{
    return gen_printf(g, "CASE WHEN %s > %s THEN %s END", v, b->at, bound_crosses(g, b, v));
}

/* When B may jump back over `v`, which it has passed, where that was just now; null else. */
static const char *bound_returns(struct rule_gen *g, const struct bound *b, const char *v)
{
    return gen_printf(g, "CASE WHEN %s > %s THEN calendar_jump(%s, %s, w.now) END", v,
                      gen_once(g, gen_printf(g, "%s - " BACK_HOURS, b->sql)), b->length,
                      gen_zone(g));
}

/* The same for what may not have been passed yet. */
static const char *bound_may_return(struct rule_gen *g, const struct bound *b, const char *v)
{
    return gen_printf(g, "CASE WHEN %s <= %s THEN %s END", v, b->at, bound_returns(g, b, v));
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

/* The edge ("min" or "max") of the interactions that are ahead of the bound, and the newest of
 * those it has passed. */
static void edge_changes(struct rule_gen *g, const struct bound *b, const char *from,
                         const char *edge, const char *ahead, const char *passed)
{
    const char *next =
        gen_column(g, from, gen_printf(g, "%s(i.occurred_at) FILTER (WHERE %s)", edge, ahead));

    gen_change(g, bound_reaches(g, b, next));
    if (b->step != NULL)
        return;
    if (ahead != passed)
        next = gen_column(g, from, gen_printf(g, "max(i.occurred_at) FILTER (WHERE %s)", passed));
    gen_change(g, bound_may_return(g, b, next));
}

/* When a stepping window, whose span now is `p`, takes or loses one value: at its end where it
 * holds the value, at the start of the period of the value (or of the one after that, for
 * yesterday and previous) where that is still to come. Never before the end of the present one:
 * where a day begins twice, the local date goes back. */
static void period_value_changes(struct rule_gen *g, const struct rule_window *w,
                                 const struct period *p, const char *v)
{
    const char *zone = gen_zone(g);
    const char *first = gen_printf(g, "date_trunc('%s', LEAST(%s, " FAR_AHEAD ") AT TIME ZONE %s)",
                                   period_unit(w), v, zone);
    const char *date = period_past(w)
                           ? gen_printf(g, "(%s + interval '%s')::date", first, period_length(g, w))
                           : gen_printf(g, "%s::date", first);

    gen_change(g, gen_printf(g,
                             "CASE WHEN %s < %s THEN NULL WHEN %s < %s THEN %s"
                             " WHEN %s >= %s THEN GREATEST(%s, %s) END",
                             v, p->start, v, p->end, p->next, v, p->end, p->next,
                             day_start_sql(g, date, zone)));
}

void window_value_changes(struct rule_gen *g, const struct rule_window *w, const char *v)
{
    if (!g->with_changes)
        return;
    if (window_steps(w)) {
        struct period p = period_make(g, w);

        period_value_changes(g, w, &p, v);
    } else if (window_slides(w)) {
        struct bound b = bound_make(g, w->duration, w->type == RULE_WINDOW_IN_NEXT);

        gen_change(g, bound_reaches(g, &b, v));
        if (b.step == NULL)
            gen_change(g, bound_may_return(g, &b, v));
        if (w->type == RULE_WINDOW_IN_LAST || w->type == RULE_WINDOW_IN_NEXT)
            gen_change(g, gen_printf(g, "CASE WHEN %s > w.now THEN %s END", v, v));
    }
}

void window_event_changes(struct rule_gen *g, const struct rule_window *w, const char *from)
{
    struct bound b;

    if (!g->with_changes)
        return;
    gen_change(g, gen_column(g, from, "min(i.occurred_at) FILTER (WHERE i.occurred_at > w.now)"));
    if (w == NULL)
        return;
    if (window_steps(w)) {
        struct period p = period_make(g, w);

        gen_change(g, gen_printf(g, "CASE WHEN %s >= %s THEN %s END",
                                 gen_column(g, from, "max(i.occurred_at)"), p.start, p.next));
    }
    if (!window_slides(w))
        return;
    b = bound_make(g, w->duration, false);
    edge_changes(g, &b, from, "min", gen_printf(g, "i.occurred_at > %s", b.at),
                 gen_printf(g, "i.occurred_at <= %s", b.at));
}

void window_any_changes(struct rule_gen *g, const struct rule_window *w, const char *from,
                        const char *where)
{
    const char *and_where = where == NULL ? "" : gen_printf(g, " AND %s", where);
    const char *filter;
    struct bound b;

    if (!g->with_changes)
        return;
    if (w == NULL || !window_slides(w) || w->type == RULE_WINDOW_BEFORE_AGO) {
        window_event_changes(g, w, from);
        return;
    }
    gen_change(g, gen_column(g, from, "min(i.occurred_at) FILTER (WHERE i.occurred_at > w.now)"));
    b = bound_make(g, w->duration, false);
    filter = gen_printf(g, "i.occurred_at <= w.now%s", and_where);
    edge_changes(g, &b, from, "max", filter, filter);
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

void window_reach_changes(struct rule_gen *g, const struct rule_window *w, const char *v,
                          const char *passed)
{
    struct bound b = bound_make(g, w->duration, false);

    gen_change(g, bound_reaches(g, &b, v));
    if (b.step == NULL)
        gen_change(g, bound_returns(g, &b, passed));
}

void window_rank_changes(struct rule_gen *g, const struct rule_window *w, const char *v,
                         const char *inside, const char *future)
{
    struct bound b = bound_make(g, w->duration, false);

    if (b.step == NULL)
        future = gen_printf(g, "LEAST(%s, %s)", future, bound_returns(g, &b, v));
    gen_change(g, gen_printf(g, "CASE WHEN %s THEN %s ELSE %s END", inside, bound_crosses(g, &b, v),
                             future));
}

const char *window_passed(struct rule_gen *g, const struct rule_window *w, const char *from,
                          const char *where)
{
    struct bound b = bound_make(g, w->duration, false);

    if (b.step != NULL)
        return NULL;
    return gen_filtered(g, from, "max(i.occurred_at)",
                        gen_printf(g, "i.occurred_at <= %s%s%s", b.at, where == NULL ? "" : " AND ",
                                   where == NULL ? "" : where));
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

    return gen_printf(
        g,
        "(SELECT y.since, y.this_year,"
        " CASE WHEN y.this_year > z.today THEN y.this_year ELSE y.next_year END AS next"
        " FROM (SELECT d.since, %s AS this_year, %s AS next_year"
        " FROM (SELECT s.since, extract(month FROM s.since) AS month, extract(day FROM s.since) AS "
        "day"
        " FROM (SELECT %s AS since OFFSET 0) s OFFSET 0) d OFFSET 0) y OFFSET 0)",
        yearly_date(g, "z.today", 0, month, day), yearly_date(g, "z.today", 1, month, day), date);
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

/* The day on which the answer changes. */
static const char *yearly_change_day(struct rule_gen *g, const struct rule_node *node,
                                     const char *days, const char *holds)
{
    const char *next = gen_printf(g, "%s.next", days);

    if (node->op == RULE_DAY_TODAY)
        return gen_printf(g, "CASE WHEN %s.this_year = z.today THEN z.today + 1 ELSE %s END", days,
                          next);
    if (node->op == RULE_DAY_TOMORROW)
        return gen_printf(g, "CASE WHEN %s IS NOT NULL THEN GREATEST(%s - 1, z.today + 1) END",
                          next, next);
    return gen_printf(g,
                      "CASE WHEN %s THEN %s WHEN %s IS NOT NULL THEN GREATEST(%s, z.today + 1) END",
                      holds, next, next, days_before(g, next, node->duration));
}

const char *yearly_sql(struct rule_gen *g, const struct rule_node *node, const char *days,
                       const char *since)
{
    const char *when = node->op == RULE_DAY_TODAY ? "z.today" : gen_printf(g, "%s.next", days);
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
    if (since == NULL)
        return gen_printf(g, "(%s)", holds);
    return gen_printf(g, "(%s AND %s > %s)", holds, when, since);
}
