/* anniversary.c - journeys whose start is the calendar: birthdays, and dates in custom fields.
 *
 * Asked each minute and after the clock was moved. Each journey is one statement of its own, which
 * finds those whose day it is where they live and who have not yet entered this year; so an outage
 * is caught up the same day, and never the day after. */
#include "daemon/decide/batch.h"
#include "daemon/decide/calendar.h"

#include "common/clock.h"
#include "common/mem.h"

struct anniversary_batch {
    struct batch_env env;
    struct batch_end end;
    int64_t now_us;
    size_t next; /* index of the journey */
    batch_fn *fn;
    void *arg;
};

static void anniversary_next(struct anniversary_batch *b);

static void anniversary_on_started(void *arg, const struct pgres *res)
{
    struct anniversary_batch *b = arg;

    if (pgres_ok(res)) {
        b->env.counts->starts += (uint64_t)pgres_affected(res);
        b->end.more = b->end.more || pgres_affected(res) > 0;
    } else {
        batch_failed(&b->env, "anniversaries", res);
        b->end.ok = false;
    }
    anniversary_next(b);
}

static void add_days(struct pgargs *args, const struct anniversary_batch *b)
{
    struct calendar_day days[CALENDAR_DAYS_MAX];
    size_t n = calendar_days(b->now_us, b->env.plan->catalogue.leap_birthday, days);
    struct pgarray months, in_month;

    pgarray_init(&months, args->ctx);
    pgarray_init(&in_month, args->ctx);
    for (size_t i = 0; i < n; i++) {
        pgarray_int(&months, days[i].month);
        pgarray_int(&in_month, days[i].day);
    }
    pgargs_array(args, &months);
    pgargs_array(args, &in_month);
}

static void anniversary_start(struct anniversary_batch *b, const struct plan_journey *j)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    const struct journey_start *start = &j->def->start;
    enum query query = Q_DECIDE_BIRTHDAYS;
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, j->id);
    pgargs_int(&args, j->version);
    pgargs_instant(&args, b->now_us);
    pgargs_int(&args, start->minute);
    add_days(&args, b);
    batch_zones(&args, &b->env);
    pgargs_text(&args, b->env.plan->catalogue.leap_birthday);
    if (start->kind == JOURNEY_START_ANNIVERSARY) {
        pgargs_int(&args, start->field_id);
        query = Q_DECIDE_ANNIVERSARIES;
    }
    pgpool_query(b->env.pool, b->env.org_id, query, &args, anniversary_on_started, b);
}

static bool by_calendar(const struct plan_journey *j)
{
    return j->current && plan_runs(j) &&
           (j->def->start.kind == JOURNEY_START_BIRTHDAY ||
            j->def->start.kind == JOURNEY_START_ANNIVERSARY);
}

static void anniversary_next(struct anniversary_batch *b)
{
    const struct plan *plan = b->env.plan;
    struct batch_end end;
    batch_fn *fn = b->fn;
    void *arg = b->arg;

    while (b->next < plan->n_journeys) {
        const struct plan_journey *j = &plan->journeys[b->next++];

        if (!by_calendar(j))
            continue;
        anniversary_start(b, j);
        return;
    }
    end = b->end;
    talloc_free(b);
    fn(arg, &end);
}

void anniversary_batch(const void *ctx, const struct batch_env *env, batch_fn *fn, void *arg)
{
    struct anniversary_batch *b = mem_new(ctx, struct anniversary_batch);

    b->env = *env;
    b->end.ok = true;
    b->now_us = clock_now_us();
    b->fn = fn;
    b->arg = arg;
    anniversary_next(b);
}
