/* evaluate.c - see evaluate.h. One lane per organisation; one pass, a transaction, at a time in
 * each, or two over a backlog, each of its half of the contacts:
 *
 *     idle ──wake──► changes (log and due contacts) ──► … until there are no more
 *                        │
 *                        ├──► model, one after the other, where models are stale
 *                        └──► blocks, where segments are stale: the new rule's first members
 *
 * The queue is emptied first, so that what is computed in full is computed once. A pass that fails
 * is made again after a pause: its change rows are still there.
 *
 * A model of a million contacts is scored for many seconds, and statistics may be gathered for as
 * long: changes go on beside both, blocks wait. Who is touched while a model is being scored is
 * scored again when it has ended (pass_take.c). */
#include "daemon/evaluate/evaluate.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/evaluate/first.h"
#include "daemon/evaluate/pass.h"
#include "daemon/evaluate/scoring.h"

#include <inttypes.h>
#include <string.h>

#define CHANGES_MAX 1000
/* The same over a backlog: what a pass costs whatever it takes, and finding contacts that lie close
 * together, is shared by more; it still ends well within a second. */
#define BACKLOG_MAX 4000
/* Over a backlog a second pass goes beside the first once nothing came for so long: while facts
 * come in, the processors are the recorder's. */
#define FLOW_US   (100 * INT64_C(1000))
#define RETRY_S   1.0
#define RACED_S   0.05
#define RACES_MAX 10
/* Where many interactions come, one pass for those of some milliseconds costs less than one for
 * each handful: the more a pass found, the later the next one begins. */
#define GAP_EACH_US 200
#define GAP_MAX_US  20000
/* So many contacts touched make the planner's statistics stale; where so many come all the time,
 * the database's own upkeep does the rest. */
#define GATHER_AFTER 5000
/* So many members that a full evaluation wrote: of tables that were emptied before (a large segment
 * was deleted) the planner believes that they are empty still, and reads all of their pages. */
#define GATHER_MOVED 500
#define GATHER_US    (60 * CLOCK_SECOND_US)

struct evaluate_lane {
    struct evaluate *evaluate;
    struct evaluate_lane *next;
    int64_t org_id;
    bool busy, wanted;
    int passes;       /* under way */
    int races;        /* passes in a row that others crossed */
    bool backlog;     /* the passes before found as much as they take */
    bool empty;       /* the passes have left nothing behind */
    bool gathering;   /* statistics are being gathered */
    int64_t scoring;  /* the model that is being scored, 0: none */
    bool waits;       /* until another organisation's model is scored */
    int64_t woken_us; /* monotonic: when it was last said that something came */
    ev_timer retry;
    int64_t gap_until_us; /* monotonic: what comes waits so long */
    uint64_t generation;  /* of the organisation that `rules` were compiled for */
    struct ruleset *rules;
    struct first *first; /* segments that are stale */
    int64_t run_moved;   /* entered and left in runs of `first`, since statistics were gathered */
    size_t touched;      /* contacts, since statistics were gathered */
    int64_t gathered_us; /* monotonic; 0: never */
    int64_t asked_kind;  /* the newest kind for which the names were read anew */
};

#define EVALUATE_COUNTS(X)                                                                         \
    X(passes, "evaluate_passes", "Passes over the change log, and blocks of full evaluations.")    \
    X(contacts, "evaluate_contacts", "Contacts that they looked at.")                              \
    X(answers, "evaluate_answers", "Rules asked, each for a contact.")                             \
    X(moves, "evaluate_moves", "Contacts that entered or left a segment.")                         \
    X(failures, "evaluate_failures", "Passes and blocks that failed and were made again.")         \
    X(scorings, "rfm_scorings", "RFM models scored over all contacts.")                            \
    X(scored, "rfm_scored", "Contacts that were scored by those.")                                 \
    X(relabelled, "rfm_relabelled", "Labels that changed and are in a timeline.")

struct evaluate {
    struct ev_loop *loop;
    struct pgpool *pool;
    struct orgs *orgs;
    struct evaluate_lane *lanes;
    bool scoring; /* a model: one at a time, whosever it is, for it holds a connection and a
                     processor for long, and in one zone all are due at the same midnight */
    void (*evaluated)(void *arg, int64_t org_id);
    void *arg;
#define X(name, metric, help) uint64_t name;
    EVALUATE_COUNTS(X)
#undef X
};

static void lane_run(struct evaluate_lane *lane);

/* --- rules --- */

static struct ruleset *compile(struct evaluate_lane *lane, const struct org *org)
{
    struct diag d;
    struct ruleset *rules;
    void *scratch = talloc_new(NULL);

    diag_init(&d, scratch);
    rules = ruleset_compile(lane, &org->catalogue, RULESET_some, NULL, 0, &d);
    for (size_t i = 0; i < d.n; i++)
        log_warning("evaluate", "a rule cannot be evaluated", "org=%" PRId64 " segment=%s why=%s",
                    lane->org_id, log_value(d.items[i].pointer), log_value(d.items[i].message));
    talloc_free(scratch);
    return rules;
}

static void lane_compile(struct evaluate_lane *lane, const struct org *org)
{
    if (lane->rules != NULL && lane->generation == org->generation)
        return;
    talloc_free(lane->rules);
    lane->rules = compile(lane, org);
    lane->generation = org->generation;
}

/* --- the end of a pass --- */

static void lane_retry_cb(EV_P_ ev_timer *w, int revents)
{
    struct evaluate_lane *lane = w->data;

    (void)loop;
    (void)revents;
    lane_run(lane);
}

static void lane_rest(struct evaluate_lane *lane, double rest_s)
{
    lane->wanted = true;
    if (ev_is_active(&lane->retry))
        return;
    ev_timer_set(&lane->retry, rest_s, 0.);
    ev_timer_start(lane->evaluate->loop, &lane->retry);
}

static void lane_pause(struct evaluate_lane *lane)
{
    lane->evaluate->failures++;
    lane_rest(lane, RETRY_S);
}

static void lane_gap(struct evaluate_lane *lane, size_t n_contacts)
{
    int64_t gap_us =
        n_contacts < GAP_MAX_US / GAP_EACH_US ? (int64_t)n_contacts * GAP_EACH_US : GAP_MAX_US;

    lane->gap_until_us = clock_monotonic_us() + gap_us;
}

static void pass_committed(const struct pass *p)
{
    struct evaluate_lane *lane = p->lane;
    struct evaluate *e = p->evaluate;

    e->passes++;
    e->contacts += p->n_contacts;
    lane->touched += p->n_contacts;
    e->moves += (uint64_t)p->moved;
    e->answers += p->answers;
    e->relabelled += (uint64_t)p->n_relabelled;
    lane->backlog = lane->backlog || p->more;
    if (p->more || p->logged)
        lane->wanted = true;
    else
        lane_gap(lane, p->n_contacts);
    if (p->n_facts > 0 || p->moved > 0)
        e->evaluated(e->arg, p->org_id);
}

/* A kind that the rules do not know: the names are read anew first. */
static void pass_asks(const struct pass *p)
{
    struct evaluate_lane *lane = p->lane;

    if (p->unknown_kind > lane->asked_kind)
        lane->asked_kind = p->unknown_kind;
    orgs_forget(p->evaluate->orgs, p->org_id);
    lane->wanted = true;
}

/* Who deletes or merges contacts at that moment makes no failure: the pass is made again soon. What
 * fails so again and again is one. */
static void lane_failed(struct evaluate_lane *lane, const struct pgres *error)
{
    if (error != NULL && pgres_raced(error) && ++lane->races <= RACES_MAX) {
        log_debug("evaluate", "pass is made again", "org=%" PRId64 " why=%s", lane->org_id,
                  log_value(pgres_message(error)));
        lane_rest(lane, RACED_S);
        return;
    }
    if (error != NULL && !pgres_lost(error))
        log_error("evaluate", "pass failed", "org=%" PRId64 " why=%s", lane->org_id,
                  log_value(pgres_message(error)));
    lane_pause(lane);
}

/* The lane goes on when the last of its passes has ended. */
static void pass_ended(void *arg, bool committed, const struct pgres *error)
{
    struct pass *p = arg;
    struct evaluate_lane *lane = p->lane;

    lane->empty = lane->empty && committed && !p->more && !p->logged;
    if (committed) {
        lane->races = 0;
        pass_committed(p);
    } else if (error == NULL && p->unknown_kind != 0) {
        pass_asks(p);
    } else {
        lane_failed(lane, error);
    }
    talloc_free(p);
    if (--lane->passes > 0)
        return;
    lane->busy = false;
    if (lane->wanted || first_going(lane->first))
        lane_run(lane);
}

static struct pass *pass_new(struct evaluate_lane *lane)
{
    struct pass *p = mem_new(lane->evaluate, struct pass);

    p->evaluate = lane->evaluate;
    p->lane = lane;
    p->org_id = lane->org_id;
    p->now_us = clock_now_us();
    p->scoring = lane->scoring;
    p->rules = lane->rules;
    p->asked_kind = lane->asked_kind;
    pass_prepare(p);
    return p;
}

/* --- a full evaluation --- */

/* Where nothing is stale the lane rests until it is woken. */
static void lane_on_looked(void *arg, bool ok)
{
    struct evaluate_lane *lane = arg;

    lane->busy = false;
    if (!ok)
        lane_pause(lane);
    else if (lane->wanted || first_going(lane->first))
        lane_run(lane);
}

/* The first members of the first rules fill tables that may have been looked at when they were
 * empty: every plan made since is for an empty one. */
static void lane_run_ended(struct evaluate_lane *lane)
{
    if (lane->run_moved < GATHER_MOVED)
        return;
    lane->touched = GATHER_AFTER;
    lane->gathered_us = 0;
    lane->run_moved = 0;
}

/* After the end of a run it is looked for another one. */
static void lane_on_step(void *arg, const struct first_result *r)
{
    struct evaluate_lane *lane = arg;
    struct evaluate *e = lane->evaluate;

    lane->busy = false;
    if (r->failed) {
        lane_pause(lane);
        return;
    }
    e->passes++;
    e->contacts += (uint64_t)r->contacts;
    lane->touched += (size_t)r->contacts;
    lane->run_moved += r->moved;
    if (r->ended)
        lane_run_ended(lane);
    e->answers += r->answers;
    e->moves += (uint64_t)r->moved;
    lane->wanted = lane->wanted || r->logged || r->ended;
    if (r->moved > 0 || r->ended)
        e->evaluated(e->arg, lane->org_id);
    lane_run(lane);
}

static void lane_step(void *arg, const struct org *org)
{
    struct evaluate_lane *lane = arg;

    if (org == NULL) {
        lane->busy = false;
        return;
    }
    lane_compile(lane, org);
    first_step(lane->first, lane->rules, lane_on_step, lane);
}

/* --- a model --- */

static void lane_stale(struct evaluate_lane *lane);

/* Who matters by the new scores, and who was touched meanwhile, is in the change log. */
static void lane_on_scored(void *arg, const struct scoring_result *r, const struct pgres *error)
{
    struct evaluate_lane *lane = arg;
    struct evaluate *e = lane->evaluate;

    e->scoring = false;
    lane->scoring = 0;
    lane->wanted = true;
    if (r != NULL) {
        e->scorings++;
        e->scored += (uint64_t)r->scored;
        e->relabelled += (uint64_t)r->relabelled;
    } else if (error != NULL) {
        lane_failed(lane, error);
    }
    lane_run(lane);
    for (struct evaluate_lane *other = e->lanes; other != NULL; other = other->next) {
        if (other->waits && !other->busy)
            lane_stale(other);
    }
}

struct model_start {
    struct evaluate_lane *lane;
    int64_t model_id;
    bool quiet;
};

static void model_on_org(void *arg, const struct org *org)
{
    struct model_start *start = arg;
    struct evaluate_lane *lane = start->lane;

    lane->busy = false;
    if (org != NULL && lane->evaluate->scoring) {
        lane->waits = true;
        lane_run(lane);
    } else if (org != NULL) {
        struct scoring_job job = {.org_id = lane->org_id,
                                  .model_id = start->model_id,
                                  .currency_digits = org->catalogue.currency_digits,
                                  .quiet = start->quiet};

        lane_compile(lane, org);
        job.is_read = ruleset_reads_model(lane->rules, job.model_id);
        lane->scoring = job.model_id;
        lane->evaluate->scoring = true;
        scoring_start(lane, lane->evaluate->pool, &job, lane_on_scored, lane);
        lane_run(lane);
    }
    talloc_free(start);
}

static void models_on_list(void *arg, const struct pgres *res)
{
    struct evaluate_lane *lane = arg;
    struct evaluate *e = lane->evaluate;

    for (int i = 0; i < pgres_rows(res); i++) {
        if (pgres_bool(res, i, "stale")) {
            struct model_start *start = mem_new(lane, struct model_start);

            start->lane = lane;
            start->model_id = pgres_int(res, i, "id");
            start->quiet = pgres_bool(res, i, "quiet");
            orgs_get(e->orgs, lane->org_id, model_on_org, start);
            return;
        }
    }
    first_look(lane->first, lane_on_looked, lane);
}

static void lane_models(struct evaluate_lane *lane)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    lane->busy = true;
    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(lane->evaluate->pool, lane->org_id, Q_RFM_MODELS, &args, models_on_list, lane);
}

static void lane_on_gathered(void *arg, const struct pgres *res)
{
    struct evaluate_lane *lane = arg;

    if (!pgres_ok(res) && !pgres_lost(res))
        log_warning("evaluate", "no statistics", "why=%s", log_value(pgres_message(res)));
    lane->gathering = false;
    if (!lane->busy)
        lane_stale(lane);
}

/* The queue is empty: what is stale comes next; after an import with fresh statistics. */
static void lane_stale(struct evaluate_lane *lane)
{
    if (lane->gathering || lane->scoring != 0)
        return;
    lane->waits = false;
    if (lane->touched < GATHER_AFTER ||
        (lane->gathered_us != 0 && clock_monotonic_us() - lane->gathered_us < GATHER_US)) {
        lane_models(lane);
        return;
    }
    lane->touched = 0;
    lane->gathered_us = clock_monotonic_us();
    lane->gathering = true;
    pgtx_once(lane->evaluate->pool, 0, Q_STATISTICS_GATHER, NULL, lane_on_gathered, lane);
}

/* --- the change log --- */

static void changes_ended(void *arg, bool committed, const struct pgres *error)
{
    struct pass *p = arg;
    struct evaluate_lane *lane = p->lane;

    pass_ended(p, committed, error);
    if (lane->empty && !lane->busy)
        lane_stale(lane);
}

static void changes_begun(void *arg, struct pgtx *tx)
{
    struct pass *p = arg;

    p->tx = tx;
    pass_take(p);
}

/* Two passes may not evaluate one contact at once: the one that read earlier would write what is no
 * longer so. Where a rule asks for related contacts, a pass does not keep to its half; where
 * a model is being scored, that is the second. */
static bool lane_pairs(const struct evaluate_lane *lane)
{
    return lane->backlog && lane->rules->n_reaches == 0 && lane->scoring == 0 &&
           clock_monotonic_us() - lane->woken_us > FLOW_US;
}

static void changes_on_org(void *arg, const struct org *org)
{
    struct evaluate_lane *lane = arg;
    int n, most = lane->backlog ? BACKLOG_MAX : CHANGES_MAX;

    if (org == NULL) {
        lane->busy = false;
        return;
    }
    lane_compile(lane, org);
    n = lane_pairs(lane) ? 2 : 1;
    lane->passes = n;
    lane->backlog = false;
    lane->empty = true;
    for (int i = 0; i < n; i++) {
        struct pass *p = pass_new(lane);

        p->half = n == 1 ? PASS_EVERYBODY : i;
        p->most = most;
        pgtx_begin(lane->evaluate->pool, lane->org_id, changes_begun, changes_ended, p);
    }
}

/* --- lanes --- */

/* The next pass: changes before the next block, so that they never wait for a full evaluation. */
static void lane_run(struct evaluate_lane *lane)
{
    struct evaluate *e = lane->evaluate;
    int64_t gap_us;

    if (lane->busy || ev_is_active(&lane->retry))
        return;
    gap_us = lane->gap_until_us - clock_monotonic_us();
    if (lane->wanted && gap_us > 0 && !first_going(lane->first)) {
        ev_timer_set(&lane->retry, (double)gap_us / CLOCK_SECOND_US, 0.);
        ev_timer_start(e->loop, &lane->retry);
        return;
    }
    lane->busy = true;
    if (lane->wanted) {
        lane->wanted = false;
        orgs_get(e->orgs, lane->org_id, changes_on_org, lane);
    } else if (first_going(lane->first) && lane->scoring == 0) {
        orgs_get(e->orgs, lane->org_id, lane_step, lane);
    } else {
        lane->busy = false;
    }
}

static struct evaluate_lane *evaluate_lane(struct evaluate *e, int64_t org_id)
{
    struct evaluate_lane *lane;

    for (lane = e->lanes; lane != NULL; lane = lane->next)
        if (lane->org_id == org_id)
            return lane;
    lane = mem_new(e, struct evaluate_lane);
    lane->evaluate = e;
    lane->org_id = org_id;
    lane->first = first_new(lane, e->pool, e->orgs, org_id);
    ev_init(&lane->retry, lane_retry_cb);
    lane->retry.data = lane;
    lane->next = e->lanes;
    e->lanes = lane;
    return lane;
}

void evaluate_wake(struct evaluate *e, int64_t org_id)
{
    struct evaluate_lane *lane = evaluate_lane(e, org_id);

    lane->wanted = true;
    lane->woken_us = clock_monotonic_us();
    lane_run(lane);
}

static int evaluate_destroy(struct evaluate *e)
{
    for (struct evaluate_lane *lane = e->lanes; lane != NULL; lane = lane->next)
        ev_timer_stop(e->loop, &lane->retry);
    return 0;
}

struct evaluate *evaluate_new(const void *ctx, struct ev_loop *loop, struct pgpool *pool,
                              struct orgs *orgs, void (*evaluated)(void *arg, int64_t org_id),
                              void *arg)
{
    struct evaluate *e = mem_new(ctx, struct evaluate);

    e->loop = loop;
    e->pool = pool;
    e->orgs = orgs;
    e->evaluated = evaluated;
    e->arg = arg;
    talloc_set_destructor(e, evaluate_destroy);
    return e;
}

void evaluate_metrics(const struct evaluate *e, struct buf *out)
{
#define X(name, metric, help)                                                                      \
    buf_printf(out,                                                                                \
               "# HELP lazo_" metric "_total " help "\n"                                           \
               "# TYPE lazo_" metric "_total counter\n"                                            \
               "lazo_" metric "_total %" PRIu64 "\n",                                              \
               e->name);
    EVALUATE_COUNTS(X)
#undef X
}
