/* decide.c - see decide.h. Whose turn it is.
 *
 * Organisations that have something to do stand in a line; a few at a time have their turn, which
 * is one batch of each sort:
 *
 *     plan (still the same?)  ->  calendar  ->  cues  ->  positions  ->  campaigns
 *
 * Who has more to do goes to the end of the line, so that a large organisation never keeps a small
 * one waiting. A turn that fails is tried again after a while, longer each time. What a batch did
 * is known by its keys, so that nothing is lost or doubled whenever lazod dies. */
#include "daemon/decide/decide.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/decide/batch.h"

#include <inttypes.h>
#include <string.h>

#define TURNS_AT_ONCE 2
#define BACKOFF_MAX_S 60

struct decide_org {
    struct decide *decide;
    struct decide_org *next;      /* of all */
    struct decide_org *line_next; /* in the line */
    int64_t id;
    struct plan *plan;     /* NULL: not read yet */
    bool in_line, turning; /* turning: has its turn now */
    bool work, calendar;   /* what it was woken for */
    bool doing_work;       /* the turn is for more than the calendar */
    bool more;             /* the turn found more than one batch of something */
    size_t stage;          /* of the turn */
    unsigned failures;     /* in a row */
    ev_timer backoff;      /* runs while it waits after a failure */
};

struct decide {
    struct ev_loop *loop;
    struct pgpool *pool;
    struct orgs *orgs;
    struct decide_ops ops;
    void *arg;
    struct decide_org *all;
    struct decide_org *line, **line_last;
    unsigned turns;
    const char **zones;
    size_t n_zones; /* 0: not read yet */
    struct decide_counts counts;
};

static void line_move(struct decide *d);
static void turn_stage(struct decide_org *o);

/* --- the line ---------------------------------------------------------------- */

static void line_join(struct decide_org *o)
{
    struct decide *d = o->decide;

    if (o->in_line || o->turning || ev_is_active(&o->backoff))
        return;
    o->in_line = true;
    o->line_next = NULL;
    *d->line_last = o;
    d->line_last = &o->line_next;
}

static struct decide_org *line_leave(struct decide *d)
{
    struct decide_org *o = d->line;

    d->line = o->line_next;
    if (d->line == NULL)
        d->line_last = &d->line;
    o->in_line = false;
    return o;
}

static void org_on_backoff(EV_P_ ev_timer *w, int revents)
{
    struct decide_org *o = w->data;

    (void)revents;
    ev_timer_stop(EV_A_ w);
    line_join(o);
    line_move(o->decide);
}

static int org_destroy(struct decide_org *o)
{
    ev_timer_stop(o->decide->loop, &o->backoff);
    return 0;
}

static struct decide_org *decide_org(struct decide *d, int64_t id)
{
    struct decide_org *o = d->all;

    while (o != NULL && o->id != id)
        o = o->next;
    if (o != NULL)
        return o;
    o = mem_new(d, struct decide_org);
    o->decide = d;
    o->id = id;
    ev_init(&o->backoff, org_on_backoff);
    o->backoff.data = o;
    talloc_set_destructor(o, org_destroy);
    o->next = d->all;
    d->all = o;
    return o;
}

/* --- a turn ------------------------------------------------------------------ */

static void turn_back_off(struct decide_org *o)
{
    double seconds = o->failures < 6 ? (double)(1U << o->failures) : BACKOFF_MAX_S;

    o->failures++;
    ev_timer_set(&o->backoff, seconds, 0.);
    ev_timer_start(o->decide->loop, &o->backoff);
}

static void turn_end(struct decide_org *o, bool ok)
{
    struct decide *d = o->decide;

    o->turning = false;
    d->turns--;
    if (ok) {
        o->failures = 0;
        o->work = o->work || (o->doing_work && o->more);
    } else {
        o->work = true;
        turn_back_off(o);
    }
    if (o->work || o->calendar)
        line_join(o);
    line_move(d);
}

/* The batches of a turn in their order. */
static void (*const stages[])(const void *ctx, const struct batch_env *, batch_fn *, void *arg) = {
    anniversary_batch,
    cue_batch,
    advance_batch,
    campaign_batch,
};
#define STAGE_CALENDAR 0
#define STAGES         (sizeof(stages) / sizeof(stages[0]))

static void turn_on_batch(void *arg, const struct batch_end *end)
{
    struct decide_org *o = arg;
    struct decide *d = o->decide;

    if (end->kinds)
        orgs_forget(d->orgs, o->id);
    if (end->changes)
        d->ops.changed(d->arg, o->id);
    if (end->jobs)
        d->ops.jobs_made(d->arg);
    if (!end->ok) {
        o->calendar = o->calendar || o->stage == STAGE_CALENDAR;
        turn_end(o, false);
        return;
    }
    if (end->more) {
        o->more = o->more || o->doing_work;
        o->doing_work = true;
    }
    o->stage++;
    turn_stage(o);
}

static void turn_stage(struct decide_org *o)
{
    struct decide *d = o->decide;
    struct batch_env env = {.pool = d->pool,
                            .org_id = o->id,
                            .plan = o->plan,
                            .zones = d->zones,
                            .n_zones = d->n_zones,
                            .counts = &d->counts};

    if (o->stage == STAGE_CALENDAR && !o->calendar)
        o->stage++;
    if (o->stage == STAGE_CALENDAR)
        o->calendar = false;
    if (o->stage == STAGES || (o->stage > STAGE_CALENDAR && !o->doing_work))
        turn_end(o, true);
    else
        stages[o->stage](o, &env, turn_on_batch, o);
}

static void turn_on_plan(void *arg, struct plan *plan)
{
    struct decide_org *o = arg;

    if (plan == NULL) {
        turn_end(o, false);
        return;
    }
    if (plan != o->plan) {
        talloc_free(o->plan);
        o->plan = plan;
    }
    turn_stage(o);
}

static void turn_start(struct decide_org *o)
{
    struct decide *d = o->decide;

    o->turning = true;
    o->doing_work = o->work;
    o->work = o->more = false;
    o->stage = 0;
    plan_get(o, d->pool, d->orgs, o->id, o->plan, clock_now_us(), turn_on_plan, o);
}

/* --- time zones -------------------------------------------------------------- */

static void decide_on_zones(void *arg, const struct pgres *res)
{
    struct decide *d = arg;

    d->turns--;
    if (pgres_ok(res) && pgres_rows(res) > 0) {
        d->n_zones = (size_t)pgres_rows(res);
        d->zones = mem_array(d, const char *, d->n_zones);
        for (size_t i = 0; i < d->n_zones; i++)
            d->zones[i] = mem_strdup(d, pgres_text(res, (int)i, "name"));
        line_move(d);
        return;
    }
    if (pgres_ok(res) || !pgres_lost(res))
        log_error("decide", "time zones cannot be read", "why=%s", log_value(pgres_message(res)));
    /* The first in the line waits a while; with it, all. */
    if (d->line != NULL)
        turn_back_off(line_leave(d));
}

/* Turns begin when the zones are known. */
static void ask_zones(struct decide *d)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    if (d->turns > 0)
        return;
    d->turns++;
    pgargs_init(&args, scratch);
    pgpool_query(d->pool, 0, Q_DECIDE_ZONES, &args, decide_on_zones, d);
}

static void line_move(struct decide *d)
{
    if (d->line != NULL && d->n_zones == 0) {
        ask_zones(d);
        return;
    }
    while (d->line != NULL && d->turns < TURNS_AT_ONCE) {
        struct decide_org *o = line_leave(d);

        d->turns++;
        turn_start(o);
    }
}

/* --- the service ------------------------------------------------------------- */

struct decide *decide_new(const void *ctx, struct ev_loop *loop, struct pgpool *pool,
                          struct orgs *orgs, const struct decide_ops *ops, void *arg)
{
    struct decide *d = mem_new(ctx, struct decide);

    d->loop = loop;
    d->pool = pool;
    d->orgs = orgs;
    d->ops = *ops;
    d->arg = arg;
    d->line_last = &d->line;
    return d;
}

void decide_wake(struct decide *d, int64_t org_id)
{
    struct decide_org *o = decide_org(d, org_id);

    o->work = true;
    line_join(o);
    line_move(d);
}

static void calendar_on_organisations(void *arg, const struct pgres *res)
{
    struct decide *d = arg;

    for (int i = 0; i < pgres_rows(res); i++) {
        struct decide_org *o = decide_org(d, pgres_int(res, i, "id"));

        o->calendar = true;
        line_join(o);
    }
    line_move(d);
}

void decide_calendar(struct decide *d)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgpool_query(d->pool, 0, Q_ORGANISATION_LIST, &args, calendar_on_organisations, d);
}

void decide_metrics(const struct decide *d, struct buf *b)
{
    size_t waiting = 0;

    for (const struct decide_org *o = d->line; o != NULL; o = o->line_next)
        waiting++;
#define X(name, help)                                                                              \
    buf_printf(b,                                                                                  \
               "# HELP lazo_decide_" #name "_total " help "\n"                                     \
               "# TYPE lazo_decide_" #name "_total counter\n"                                      \
               "lazo_decide_" #name "_total %" PRIu64 "\n",                                        \
               d->counts.name);
    DECIDE_COUNTS(X)
#undef X
    buf_printf(b,
               "# HELP lazo_decide_organisations_waiting Organisations whose turn has not come.\n"
               "# TYPE lazo_decide_organisations_waiting gauge\n"
               "lazo_decide_organisations_waiting %zu\n",
               waiting);
}
