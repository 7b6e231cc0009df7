/* advance.c - positions that are due walk through their steps.
 *
 * One transaction. Those of one version of one journey walk together: since steps only go forward,
 * one sweep over the list from first to last does each step for all who stand at it, set-wise, and
 * waits for the database at branches alone. What acts do is in acts.c.
 *
 *     claimed ──"leave when" holds──────────► left
 *        │
 *        └──► sweep: step 0, 1, … n ──┬─────► waiting    parked at a wait
 *                                     ├─────► left       at a leave step
 *                                     └─────► finished   past the last one
 */
#include "daemon/decide/advance.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/decide/verdict.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS_MAX 500

static void group_next(struct advance *a);
static void group_sweep(struct advance *a);

/* --- one step ---------------------------------------------------------------- */

static bool stands_at(const struct walker *w, size_t step)
{
    return w->walking && w->step == step;
}

/* All who stand at the step go on to the next one. */
static void group_forward(struct advance *a, size_t from, size_t to)
{
    for (size_t i = a->first; i < a->end; i++) {
        if (!stands_at(&a->walkers[i], from))
            continue;
        a->walkers[i].step = to;
        a->env.counts->steps++;
    }
}

static void park(struct advance *a, size_t step)
{
    const struct journey_step *s = &a->journey->def->steps[step];

    for (size_t i = a->first; i < a->end; i++) {
        struct walker *w = &a->walkers[i];

        if (!stands_at(w, step))
            continue;
        w->step = step + 1;
        w->walking = false;
        w->wake_us = a->now_us + s->wait_us;
        w->minute = s->kind == JOURNEY_STEP_at ? s->minute : -1;
        a->env.counts->steps++;
    }
}

static void stop(struct advance *a, size_t step, enum journey_state state)
{
    for (size_t i = a->first; i < a->end; i++) {
        struct walker *w = &a->walkers[i];

        if (!stands_at(w, step))
            continue;
        w->walking = false;
        w->state = state;
    }
}

/* branch: on where it holds. until: to its end where it holds. */
static void branch_on_verdict(void *arg, const struct verdict *v)
{
    struct advance *a = arg;
    size_t at = a->sweeping;
    const struct journey_step *s = &a->journey->def->steps[at];
    bool on_to = s->kind == JOURNEY_STEP_until;

    if (v == NULL)
        return;
    for (size_t i = a->first; i < a->end; i++) {
        struct walker *w = &a->walkers[i];

        if (!stands_at(w, at))
            continue;
        w->step = verdict_holds(v, w->contact_id) == on_to ? s->to : at + 1;
        a->env.counts->steps++;
    }
    a->sweeping++;
    group_sweep(a);
}

/* The contacts who stand at the step, child of the batch. */
int64_t *advance_contacts(struct advance *a, size_t step, size_t *ret_n)
{
    int64_t *ids = mem_array(a, int64_t, a->end - a->first);
    size_t n = 0;

    for (size_t i = a->first; i < a->end; i++)
        if (stands_at(&a->walkers[i], step))
            ids[n++] = a->walkers[i].contact_id;
    *ret_n = n;
    return ids;
}

static void ask_rule(struct advance *a, const struct rule *rule, size_t step, verdict_fn *fn)
{
    size_t n;
    int64_t *ids = advance_contacts(a, step, &n);

    verdict_ask(a, a->tx, rule, &a->env.plan->catalogue, a->now_us, ids, n, fn, a);
}

/* Does one step for all who stand at it. False: the sweep goes on when the database has answered.
 */
static bool step_do(struct advance *a, size_t i)
{
    const struct journey_step *s = &a->journey->def->steps[i];

    switch (s->kind) {
    case JOURNEY_STEP_wait:
    case JOURNEY_STEP_at:
        park(a, i);
        return true;
    case JOURNEY_STEP_branch:
    case JOURNEY_STEP_until:
        ask_rule(a, s->rule, i, branch_on_verdict);
        return false;
    case JOURNEY_STEP_jump:
        group_forward(a, i, s->to);
        return true;
    case JOURNEY_STEP_leave:
        stop(a, i, JOURNEY_STATE_left);
        return true;
    case JOURNEY_STEP_send:
    case JOURNEY_STEP_webhook:
    case JOURNEY_STEP_tag:
    case JOURNEY_STEP_untag:
    case JOURNEY_STEP_set:
    case JOURNEY_STEP_add:
    case JOURNEY_STEP_remove:
    case JOURNEY_STEP_record:
        act_do(a, i);
        group_forward(a, i, i + 1);
        return true;
    case JOURNEY_STEP_COUNT:
        break;
    }
    bug("step of kind %d", (int)s->kind);
}

/* --- one group --------------------------------------------------------------- */

static bool anybody_at(const struct advance *a, size_t step)
{
    for (size_t i = a->first; i < a->end; i++)
        if (stands_at(&a->walkers[i], step))
            return true;
    return false;
}

static void group_sweep(struct advance *a)
{
    size_t n = a->journey->def->n_steps;

    for (; a->sweeping < n; a->sweeping++)
        if (anybody_at(a, a->sweeping) && !step_do(a, a->sweeping))
            return;
    stop(a, n, JOURNEY_STATE_finished);
    a->first = a->end;
    group_next(a);
}

static void group_on_leave(void *arg, const struct verdict *v)
{
    struct advance *a = arg;

    if (v == NULL)
        return;
    for (size_t i = a->first; i < a->end; i++) {
        struct walker *w = &a->walkers[i];

        if (!verdict_holds(v, w->contact_id))
            continue;
        w->walking = false;
        w->state = JOURNEY_STATE_left;
    }
    group_sweep(a);
}

static void group_ask_leave(struct advance *a)
{
    int64_t *ids = mem_array(a, int64_t, a->end - a->first);

    for (size_t i = a->first; i < a->end; i++)
        ids[i - a->first] = a->walkers[i].contact_id;
    verdict_ask(a, a->tx, a->journey->def->leave_when, &a->env.plan->catalogue, a->now_us, ids,
                a->end - a->first, group_on_leave, a);
}

/* --- writing ----------------------------------------------------------------- */

struct position_columns {
    struct pgarray contacts, journeys, entries, old_steps, steps, states, wakes, minutes;
};

static void position_add(struct position_columns *c, const struct walker *w)
{
    bool waits = w->state == JOURNEY_STATE_waiting;

    pgarray_int(&c->contacts, w->contact_id);
    pgarray_int(&c->journeys, w->journey_id);
    pgarray_text(&c->entries, w->entry);
    pgarray_int(&c->old_steps, (int64_t)w->old_step);
    pgarray_int(&c->steps, (int64_t)w->step);
    pgarray_text(&c->states, journey_state_name(w->state));
    if (waits && w->minute < 0)
        pgarray_instant(&c->wakes, w->wake_us);
    else
        pgarray_text(&c->wakes, NULL);
    if (waits && w->minute >= 0)
        pgarray_int(&c->minutes, w->minute);
    else
        pgarray_text(&c->minutes, NULL);
}

/* The zones matter only to who waits for a time of day. */
static void add_zones(struct pgargs *args, const struct advance *a)
{
    struct pgarray none;

    for (size_t i = 0; i < a->n_walkers; i++) {
        if (a->walkers[i].minute >= 0) {
            batch_zones(args, &a->env);
            return;
        }
    }
    pgarray_init(&none, args->ctx);
    pgargs_array(args, &none);
    pgargs_text(args, "UTC");
}

static void positions_write(struct advance *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct position_columns c;
    struct pgarray *columns[] = {&c.contacts, &c.journeys, &c.entries, &c.old_steps,
                                 &c.steps,    &c.states,   &c.wakes,   &c.minutes};
    size_t n = sizeof(columns) / sizeof(columns[0]);
    struct pgargs args;

    for (size_t i = 0; i < n; i++)
        pgarray_init(columns[i], scratch);
    for (size_t i = 0; i < a->n_walkers; i++)
        position_add(&c, &a->walkers[i]);
    pgargs_init(&args, scratch);
    for (size_t i = 0; i < n; i++)
        pgargs_array(&args, columns[i]);
    pgargs_instant(&args, a->now_us);
    add_zones(&args, a);
    pgtx_query(a->tx, Q_DECIDE_POSITIONS_WRITE, &args, NULL, NULL);
    pgtx_commit(a->tx);
}

/* The next group: those of one version of one journey. */
static void group_next(struct advance *a)
{
    const struct walker *w = &a->walkers[a->first];

    if (a->first == a->n_walkers) {
        positions_write(a);
        return;
    }
    for (a->end = a->first; a->end < a->n_walkers &&
                            a->walkers[a->end].journey_id == w->journey_id &&
                            a->walkers[a->end].version == w->version;)
        a->end++;
    a->sweeping = 0;
    a->journey = plan_journey(a->env.plan, w->journey_id, w->version);
    if (a->journey == NULL)
        bug("a position was taken in a journey that does not run");
    for (size_t i = a->first; i < a->end; i++)
        if (a->walkers[i].step >
            a->journey->def->n_steps) /* a definition that was changed in place */
            a->walkers[i].step = a->journey->def->n_steps;
    if (a->journey->def->leave_when != NULL)
        group_ask_leave(a);
    else
        group_sweep(a);
}

/* --- the batch --------------------------------------------------------------- */

static int walker_compare(const void *left, const void *right)
{
    const struct walker *a = left, *b = right;

    if (a->journey_id != b->journey_id)
        return a->journey_id < b->journey_id ? -1 : 1;
    if (a->version != b->version)
        return a->version < b->version ? -1 : 1;
    if (a->contact_id != b->contact_id)
        return a->contact_id < b->contact_id ? -1 : 1;
    return strcmp(a->entry, b->entry);
}

static void read_walkers(struct advance *a, const struct pgres *res)
{
    int rows = pgres_rows(res);

    a->walkers = mem_array(a, struct walker, rows);
    a->n_walkers = (size_t)rows;
    for (int i = 0; i < rows; i++) {
        struct walker *w = &a->walkers[i];

        w->contact_id = pgres_int(res, i, "contact_id");
        w->journey_id = pgres_int(res, i, "journey_id");
        w->entry = mem_strdup(a, pgres_text(res, i, "entry"));
        w->version = pgres_int(res, i, "version");
        w->interaction_id = pgres_int(res, i, "interaction_id");
        w->old_step = w->step = (size_t)pgres_int(res, i, "step");
        w->walking = !pgres_bool(res, i, "deceased");
        w->state = w->walking ? JOURNEY_STATE_waiting : JOURNEY_STATE_left;
        w->minute = -1;
    }
    qsort(a->walkers, a->n_walkers, sizeof(a->walkers[0]), walker_compare);
}

/* Nobody else is due, so whoever still is stands in a journey that does not run. */
static void hold_others(struct advance *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_instant(&args, a->now_us);
    plan_runnable(&args, a->env.plan);
    pgtx_query(a->tx, Q_DECIDE_POSITIONS_HOLD, &args, NULL, NULL);
}

static void advance_on_taken(void *arg, const struct pgres *res)
{
    struct advance *a = arg;

    if (!pgres_ok(res))
        return;
    read_walkers(a, res);
    a->ret.more = a->n_walkers == POSITIONS_MAX;
    if (!a->ret.more)
        hold_others(a);
    if (a->n_walkers == 0)
        pgtx_commit(a->tx);
    else
        group_next(a);
}

static void advance_on_begun(void *arg, struct pgtx *tx)
{
    struct advance *a = arg;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    a->tx = tx;
    pgargs_init(&args, scratch);
    pgargs_int(&args, POSITIONS_MAX);
    pgargs_instant(&args, a->now_us);
    plan_runnable(&args, a->env.plan);
    pgtx_query(tx, Q_DECIDE_POSITIONS_TAKE, &args, advance_on_taken, a);
}

static void advance_on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct advance *a = arg;
    struct batch_end ret = {0};
    batch_fn *fn = a->fn;
    void *fn_arg = a->arg;

    if (committed) {
        ret = a->ret;
        ret.ok = true;
    } else {
        batch_failed(&a->env, "positions", error);
    }
    talloc_free(a);
    fn(fn_arg, &ret);
}

void advance_batch(const void *ctx, const struct batch_env *env, batch_fn *fn, void *arg)
{
    struct advance *a = mem_new(ctx, struct advance);

    a->env = *env;
    a->now_us = clock_now_us();
    a->fn = fn;
    a->arg = arg;
    pgtx_begin(env->pool, env->org_id, advance_on_begun, advance_on_ended, a);
}
