/* first.c - see first.h.
 *
 *     look ──► list ──► compile ──► begin (a new run) ──┐
 *                          └───(one that was begun)─────┴──► going
 *
 *     step:  begin ──► block ──► statement ──► done_to ──► commit        one statement of a block
 *                        └─── no contacts are left ──► end               the run is over */
#include "daemon/evaluate/first.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>

/* How long a statement should take, and the contacts of a block. A hundred rules are a statement
 * whose planning alone takes some 50 ms: shorter blocks would be spent on that. */
#define TARGET_US  (250 * INT64_C(1000))
#define BLOCK_MIN  2000
#define BLOCK_FROM 2000
#define BLOCK_MAX  50000
/* A block is at most so many times as long as the one before. */
#define GROWTH_MAX 4

struct first {
    struct pgpool *pool;
    struct orgs *orgs;
    int64_t org_id;
    bool going;
    struct ruleset *rules; /* of what is stale; the groups of level 0 are the run's */
    int64_t *segments, *marks;
    size_t n_segments;
    size_t n_groups;    /* of the run: the first ones of the rules' */
    size_t group;       /* the next one */
    int64_t done_to;    /* the block follows this contact, */
    int64_t upto;       /* ends with this one, and is known already where group > 0 */
    int64_t contacts;   /* of the block */
    bool last;          /* no contacts follow it */
    int64_t size;       /* how many contacts the next block takes */
    int64_t slowest_us; /* statement of this block */
    /* What is under way. */
    bool resumed;
    first_looked_fn *looked;
    first_fn *stepped;
    void *arg;
    struct pgtx *tx;
    int64_t started_us;   /* monotonic */
    struct rule_sql *sql; /* the statement of the step */
    struct first_result result;
};

/* --- look ----------------------------------------------------------------------------------------
 */

static void looked(struct first *f, bool ok)
{
    f->looked(f->arg, ok);
}

static void add_ids(struct pgargs *args, const int64_t *ids, size_t n, const void *ctx)
{
    struct pgarray list;

    pgarray_init(&list, ctx);
    for (size_t i = 0; i < n; i++)
        pgarray_int(&list, ids[i]);
    pgargs_array(args, &list);
}

static void first_go(struct first *f)
{
    f->going = true;
    f->group = 0;
    f->size = BLOCK_FROM;
    log_info("evaluate", f->resumed ? "a full evaluation goes on" : "a full evaluation begins",
             "org=%" PRId64 " segments=%zu after=%" PRId64, f->org_id, f->n_segments, f->done_to);
    looked(f, true);
}

static void first_on_begun(void *arg, const struct pgres *res)
{
    struct first *f = arg;

    if (pgres_ok(res))
        first_go(f);
    else
        looked(f, false);
}

static void first_begin(struct first *f)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    f->done_to = 0;
    pgargs_init(&args, scratch);
    pgargs_int(&args, f->org_id);
    add_ids(&args, f->segments, f->n_segments, scratch);
    add_ids(&args, f->marks, f->n_segments, scratch);
    pgpool_query(f->pool, f->org_id, Q_FIRST_BEGIN, &args, first_on_begun, f);
}

/* What refers to another stale segment waits for the next run. A rule that no longer checks takes
 * part without a statement: it is not looked at again until it is saved. */
static void first_choose(struct first *f)
{
    size_t n = 0;

    f->n_groups = 0;
    for (size_t i = 0; i < f->rules->n_groups && f->rules->groups[i].level == 0; i++)
        f->n_groups++;
    for (size_t i = 0; i < f->n_segments; i++) {
        const struct ruleset_segment *s = ruleset_segment(f->rules, f->segments[i]);

        if (s != NULL && f->rules->groups[s->group].level > 0)
            continue;
        f->segments[n] = f->segments[i];
        f->marks[n++] = f->marks[i];
    }
    f->n_segments = n;
}

static void first_on_org(void *arg, const struct org *org)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct first *f = arg;
    struct diag d;

    if (org == NULL) {
        looked(f, false);
        return;
    }
    diag_init(&d, scratch);
    talloc_free(f->rules);
    f->rules = ruleset_compile(f, &org->catalogue, RULESET_range, f->segments, f->n_segments, &d);
    first_choose(f);
    if (f->resumed)
        first_go(f);
    else
        first_begin(f);
}

/* A run that was begun goes on with those of its segments that were not said to be stale again. */
static void first_on_stale(void *arg, const struct pgres *res)
{
    struct first *f = arg;
    int n = pgres_rows(res);

    f->n_segments = 0;
    f->resumed = false;
    if (!pgres_ok(res) || n == 0) {
        looked(f, pgres_ok(res));
        return;
    }
    talloc_free(f->segments);
    talloc_free(f->marks);
    f->segments = mem_array(f, int64_t, n);
    f->marks = mem_array(f, int64_t, n);
    for (int row = 0; row < n; row++)
        f->resumed = f->resumed || !pgres_null(res, row, "done_to");
    for (int row = 0; row < n; row++) {
        if (f->resumed && pgres_null(res, row, "done_to"))
            continue;
        f->done_to = pgres_int(res, row, "done_to");
        f->segments[f->n_segments] = pgres_int(res, row, "id");
        f->marks[f->n_segments++] = pgres_int(res, row, "marked");
    }
    /* Their rules may be newer than what is in memory. */
    orgs_forget(f->orgs, f->org_id);
    orgs_get(f->orgs, f->org_id, first_on_org, f);
}

void first_look(struct first *f, first_looked_fn *fn, void *arg)
{
    f->looked = fn;
    f->arg = arg;
    f->going = false;
    pgpool_query(f->pool, f->org_id, Q_FIRST_STALE, NULL, first_on_stale, f);
}

bool first_going(const struct first *f)
{
    return f->going;
}

/* --- step ----------------------------------------------------------------------------------------
 */

static void stepped(struct first *f)
{
    talloc_free(f->sql);
    f->sql = NULL;
    f->stepped(f->arg, &f->result);
}

static void first_on_ended(void *arg, const struct pgres *res)
{
    struct first *f = arg;

    f->going = false;
    f->result.ended = pgres_ok(res);
    f->result.failed = !f->result.ended;
    if (f->result.ended)
        log_info("evaluate", "a full evaluation has ended", "org=%" PRId64 " segments=%zu",
                 f->org_id, f->n_segments);
    stepped(f);
}

static void first_end(struct first *f)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, f->org_id);
    add_ids(&args, f->segments, f->n_segments, scratch);
    add_ids(&args, f->marks, f->n_segments, scratch);
    pgpool_query(f->pool, f->org_id, Q_FIRST_END, &args, first_on_ended, f);
}

/* The block is through: the next one is as long as its slowest statement lets it be. */
static void block_done(struct first *f)
{
    int64_t most = f->size * GROWTH_MAX;

    if (f->slowest_us > 0)
        f->size = f->size * TARGET_US / f->slowest_us;
    f->size = f->size > most ? most : f->size;
    f->size = f->size < BLOCK_MIN ? BLOCK_MIN : f->size > BLOCK_MAX ? BLOCK_MAX : f->size;
    f->done_to = f->upto;
    f->group = 0;
}

static void step_ended(void *arg, bool committed, const struct pgres *error)
{
    struct first *f = arg;
    int64_t took_us = clock_monotonic_us() - f->started_us;

    if (!committed) {
        if (error != NULL && pgres_raced(error))
            log_debug("evaluate", "block is made again", "org=%" PRId64 " why=%s", f->org_id,
                      log_value(pgres_message(error)));
        else if (error != NULL && !pgres_lost(error))
            log_error("evaluate", "block failed", "org=%" PRId64 " why=%s", f->org_id,
                      log_value(pgres_message(error)));
        f->going = false;
        f->result.failed = true;
        stepped(f);
        return;
    }
    f->slowest_us = took_us > f->slowest_us ? took_us : f->slowest_us;
    if (f->contacts > 0 && ++f->group < f->n_groups) {
        stepped(f);
        return;
    }
    block_done(f);
    if (f->last)
        first_end(f);
    else
        stepped(f);
}

static void step_on_written(void *arg, const struct pgres *res)
{
    struct first *f = arg;
    struct pgargs args;

    if (!pgres_ok(res))
        return;
    f->result.moved = pgres_int(res, 0, "moved");
    f->result.logged = pgres_int(res, 0, "logged") > 0;
    f->result.answers =
        (uint64_t)pgres_int(res, 0, "contacts") * f->rules->groups[f->group].statement.n_segments;
    if (f->group + 1 < f->n_groups) {
        pgtx_commit(f->tx);
        return;
    }
    f->result.contacts = f->contacts;
    pgargs_init(&args, f->sql);
    pgargs_int(&args, f->org_id);
    pgargs_int(&args, f->upto);
    pgtx_query(f->tx, Q_FIRST_DONE, &args, NULL, NULL);
    pgtx_commit(f->tx);
}

static void step_on_block(void *arg, const struct pgres *res)
{
    struct first *f = arg;
    struct pgargs args;

    if (!pgres_ok(res))
        return;
    if (f->group == 0) {
        f->contacts = pgres_int(res, 0, "contacts");
        f->upto = pgres_int(res, 0, "upto");
        f->last = f->contacts < f->size;
        f->slowest_us = 0;
    }
    if (f->contacts == 0) {
        pgtx_commit(f->tx);
        return;
    }
    pgargs_init(&args, f->sql);
    pgargs_int(&args, f->done_to);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, f->upto);
    pgargs_params(&args, f->sql->params, f->sql->n_params);
    pgtx_query_sql(f->tx, f->sql->text, &args, step_on_written, f);
}

static void step_begun(void *arg, struct pgtx *tx)
{
    struct first *f = arg;
    struct pgargs args;

    f->tx = tx;
    f->started_us = clock_monotonic_us();
    pgargs_init(&args, f->sql);
    pgargs_int(&args, f->done_to);
    pgargs_int(&args, f->size);
    pgtx_query(tx, Q_FIRST_BLOCK, &args, step_on_block, f);
}

/* Which segments of the statement others refer to. */
static void step_references(const void *ctx, struct rule_first *what, const struct ruleset *all)
{
    int64_t *referred = mem_array(ctx, int64_t, all->n_references),
            *by = mem_array(ctx, int64_t, all->n_references);

    for (size_t i = 0; i < all->n_references; i++) {
        bool ours = false;

        for (size_t s = 0; s < what->n_segments && !ours; s++)
            ours = what->segments[s] == all->references[i].to;
        if (!ours)
            continue;
        referred[what->n_referred] = all->references[i].to;
        by[what->n_referred++] = all->references[i].by;
    }
    what->referred = referred;
    what->by = by;
}

void first_step(struct first *f, const struct ruleset *all, first_fn *fn, void *arg)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    const struct ruleset_statement *s;
    struct rule_first what = {.org_id = f->org_id};

    f->stepped = fn;
    f->arg = arg;
    f->result = (struct first_result){0};
    if (f->n_groups == 0) {
        first_end(f);
        return;
    }
    s = &f->rules->groups[f->group].statement;
    what.part = f->rules->groups[f->group].part;
    what.segments = s->segments;
    what.n_segments = s->n_segments;
    step_references(scratch, &what, all);
    f->sql = rule_compile_first(f, s->sql, &what);
    pgtx_begin(f->pool, f->org_id, step_begun, step_ended, f);
}

struct first *first_new(const void *ctx, struct pgpool *pool, struct orgs *orgs, int64_t org_id)
{
    struct first *f = mem_new(ctx, struct first);

    f->pool = pool;
    f->orgs = orgs;
    f->org_id = org_id;
    return f;
}
