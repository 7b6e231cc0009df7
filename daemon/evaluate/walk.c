/* walk.c - see walk.h.
 *
 *     instants ──► here, all rules and values ──► back, span by span ──► ahead, rule by rule */
#include "daemon/evaluate/walk.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/rules/instant.h"

#include <string.h>

#define STEPS_BACK  400
#define STEPS_AHEAD 400 /* of one rule */
#define FIRST_SPAN  CLOCK_DAY_US

struct walk {
    struct walk_question q;
    walk_fn *done;
    void *arg;
    struct pgtx *tx;
    const struct rule_sql *now, *past, *ahead;   /* all rules; ahead with segments in place */
    const struct rule_sql **past_of, **ahead_of; /* each alone; these with segments in place */
    const struct rule_sql *values;
    bool found;
    char *said;        /* the values */
    int64_t *instants; /* when something changed, ascending */
    size_t n_instants;
    /* back: the span goes from `from` to `to`, this excluded */
    int64_t from_us, to_us, at_us;
    bool *held, *begun, *later; /* at at_us; where this span begins, and where the later one does */
    int64_t *last_us;           /* the last change of each in this span; WALK_ALWAYS: none */
    bool started;
    int steps;
    size_t root; /* ahead: whose turn it is */
};

static void walk_back_ask(struct walk *w);
static void walk_ahead_next(struct walk *w);

/* --- asking --------------------------------------------------------------------------------------
 */

static void walk_ask(struct walk *w, const struct rule_sql *sql, int64_t at_us, pgres_fn *fn)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray contacts;
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgarray_init(&contacts, scratch);
    pgarray_int(&contacts, w->q.contact_id);
    pgargs_array(&args, &contacts);
    pgargs_instant(&args, at_us);
    pgargs_params(&args, sql->params, sql->n_params);
    pgtx_query_sql(w->tx, sql->text, &args, fn, w);
}

static bool has_tag(const struct pgres *res, const void *ctx, size_t tag)
{
    size_t n;
    int64_t *tags = pgres_ints(res, 0, "holds", ctx, &n);
    bool found = false;

    for (size_t i = 0; i < n; i++)
        found = found || tags[i] == (int64_t)tag;
    talloc_free(tags);
    return found;
}

/* The next instant after at_us at which an answer may be another one: what the statement says, or
 * something that has a history. From now on another statement is asked, which knows more. */
static int64_t walk_next(const struct walk *w, const struct pgres *res, int64_t at_us)
{
    bool ahead = at_us >= w->q.now_us;
    int64_t next = ahead ? WALK_NEVER : w->q.now_us;

    if (!pgres_null(res, 0, "changes_at") && pgres_instant(res, 0, "changes_at") < next)
        next = pgres_instant(res, 0, "changes_at");
    if (ahead && !pgres_null(res, 0, "scores_at") && pgres_instant(res, 0, "scores_at") < next)
        next = pgres_instant(res, 0, "scores_at");
    for (size_t i = 0; i < w->n_instants; i++)
        if (w->instants[i] > at_us) {
            next = w->instants[i] < next ? w->instants[i] : next;
            break;
        }
    return next > CLOCK_LAST_US ? WALK_NEVER : next;
}

/* --- ahead ---------------------------------------------------------------------------------------
 */

static void walk_on_ahead(void *arg, const struct pgres *res)
{
    struct walk *w = arg;
    struct walk_root *root = &w->q.roots[w->root];
    int64_t next;

    if (!pgres_ok(res))
        return;
    if (pgres_rows(res) == 0) {
        pgtx_commit(w->tx);
        return;
    }
    root->change_us = w->at_us;
    if (has_tag(res, w, w->root) != root->holds && w->at_us > w->q.at_us) {
        root->change_known = true;
    } else if ((next = walk_next(w, res, w->at_us)) == WALK_NEVER) {
        root->change_us = WALK_NEVER;
        root->change_known = true;
    } else if (++w->steps < STEPS_AHEAD) {
        w->at_us = next;
        walk_ask(w, next >= w->q.now_us ? w->ahead_of[w->root] : w->past_of[w->root], next,
                 walk_on_ahead);
        return;
    }
    w->root++;
    walk_ahead_next(w);
}

static void walk_ahead_next(struct walk *w)
{
    if (w->root == w->q.n_roots) {
        pgtx_commit(w->tx);
        return;
    }
    w->steps = 0;
    w->at_us = w->q.at_us;
    walk_ask(w, w->at_us >= w->q.now_us ? w->ahead_of[w->root] : w->past_of[w->root], w->at_us,
             walk_on_ahead);
}

/* --- back ----------------------------------------------------------------------------------------
 */

static bool walk_settled(const struct walk *w)
{
    for (size_t i = 0; i < w->q.n_roots; i++)
        if (!w->q.roots[i].since_known)
            return false;
    return true;
}

/* Before this nothing is known of the contact. */
static int64_t walk_floor(const struct walk *w)
{
    return w->n_instants == 0 || w->instants[0] > w->q.at_us ? w->q.at_us
                                                             : w->instants[0] - CLOCK_SECOND_US;
}

static void walk_span_ended(struct walk *w)
{
    int64_t length = w->to_us - w->from_us;

    for (size_t i = 0; i < w->q.n_roots; i++) {
        struct walk_root *root = &w->q.roots[i];

        if (root->since_known)
            continue;
        root->since_us = w->held[i] != w->later[i] ? w->to_us : w->last_us[i];
        root->since_known = root->since_us != WALK_ALWAYS || w->from_us <= walk_floor(w);
    }
    if (walk_settled(w) || w->from_us <= walk_floor(w)) {
        walk_ahead_next(w);
        return;
    }
    memcpy(w->later, w->begun, w->q.n_roots * sizeof(bool));
    w->to_us = w->from_us;
    w->from_us -= 2 * length;
    if (w->from_us < walk_floor(w))
        w->from_us = walk_floor(w);
    walk_back_ask(w);
}

static void walk_take_back(struct walk *w, const struct pgres *res)
{
    for (size_t i = 0; i < w->q.n_roots; i++) {
        bool holds = has_tag(res, w, i);

        if (!w->started)
            w->begun[i] = holds;
        else if (holds != w->held[i])
            w->last_us[i] = w->at_us;
        w->held[i] = holds;
    }
    w->started = true;
}

static void walk_on_back(void *arg, const struct pgres *res)
{
    struct walk *w = arg;
    int64_t next;

    if (!pgres_ok(res))
        return;
    if (pgres_rows(res) == 0) {
        pgtx_commit(w->tx);
        return;
    }
    walk_take_back(w, res);
    next = walk_next(w, res, w->at_us);
    if (next >= w->to_us) {
        walk_span_ended(w);
    } else if (++w->steps >= STEPS_BACK) {
        walk_ahead_next(w);
    } else {
        w->at_us = next;
        walk_ask(w, next < w->q.now_us ? w->past : w->ahead, next, walk_on_back);
    }
}

/* The beginning of a span. */
static void walk_back_ask(struct walk *w)
{
    for (size_t i = 0; i < w->q.n_roots; i++)
        w->last_us[i] = WALK_ALWAYS;
    w->started = false;
    w->at_us = w->from_us;
    walk_ask(w, w->at_us < w->q.now_us ? w->past : w->ahead, w->at_us, walk_on_back);
}

/* --- here ----------------------------------------------------------------------------------------
 */

static void walk_on_here(void *arg, const struct pgres *res)
{
    struct walk *w = arg;

    if (!pgres_ok(res))
        return;
    w->found = pgres_rows(res) > 0;
    if (!w->found) {
        pgtx_commit(w->tx);
        return;
    }
    for (size_t i = 0; i < w->q.n_roots; i++)
        w->q.roots[i].holds = has_tag(res, w, i);
}

static void walk_on_values(void *arg, const struct pgres *res)
{
    struct walk *w = arg;

    if (!pgres_ok(res) || !w->found)
        return;
    w->said = pgres_rows(res) == 0 ? NULL : mem_strdup(w, pgres_text(res, 0, "found"));
    w->to_us = w->q.at_us;
    w->from_us = w->q.at_us - FIRST_SPAN < walk_floor(w) ? walk_floor(w) : w->q.at_us - FIRST_SPAN;
    for (size_t i = 0; i < w->q.n_roots; i++)
        w->later[i] = w->q.roots[i].holds;
    walk_back_ask(w);
}

static void walk_here(struct walk *w)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    walk_ask(w,
             w->q.at_us < w->q.now_us    ? w->past
             : w->q.at_us == w->q.now_us ? w->now
                                         : w->ahead,
             w->q.at_us, walk_on_here);
    pgargs_init(&args, scratch);
    pgargs_int(&args, w->q.contact_id);
    pgargs_instant(&args, w->q.at_us);
    pgargs_params(&args, w->values->params, w->values->n_params);
    pgtx_query_sql(w->tx, w->values->text, &args, walk_on_values, w);
}

static void walk_on_instants(void *arg, const struct pgres *res)
{
    struct walk *w = arg;

    if (!pgres_ok(res))
        return;
    w->instants = mem_array(w, int64_t, pgres_rows(res));
    for (int row = 0; row < pgres_rows(res); row++)
        if (!pgres_null(res, row, "at"))
            w->instants[w->n_instants++] = pgres_instant(res, row, "at");
    walk_here(w);
}

/* --- the statements ------------------------------------------------------------------------------
 */

static void walk_compile(struct walk *w)
{
    const struct catalogue *c = w->q.catalogue;
    size_t n = w->q.n_roots;
    struct rule_root *roots = mem_array(w, struct rule_root, n),
                     *wholes = mem_array(w, struct rule_root, n);

    w->past_of = mem_array(w, const struct rule_sql *, n);
    w->ahead_of = mem_array(w, const struct rule_sql *, n);
    for (size_t i = 0; i < n; i++) {
        struct walk_root *r = &w->q.roots[i];

        roots[i] = (struct rule_root){.rule = r->rule, .tag = (int64_t)i};
        wholes[i] =
            (struct rule_root){.rule = rule_inline(w, r->rule, c, &r->left), .tag = roots[i].tag};
        w->past_of[i] = rule_instant_past(w, rule_compile_some(w, &roots[i], 1, c), false);
        w->ahead_of[i] = rule_instant_ahead(w, rule_compile_some(w, &wholes[i], 1, c), false);
    }
    w->now = rule_compile_some(w, roots, n, c);
    w->past = rule_instant_past(w, w->now, false);
    w->ahead = rule_instant_ahead(w, rule_compile_some(w, wholes, n, c), false);
    w->values = w->q.values;
    if (w->q.at_us < w->q.now_us)
        w->values = rule_instant_past(w, w->values, true);
    else if (w->q.at_us > w->q.now_us)
        w->values = rule_instant_ahead(w, w->values, true);
}

/* --- the transaction -----------------------------------------------------------------------------
 */

static void walk_begun(void *arg, struct pgtx *tx)
{
    struct walk *w = arg;
    struct pgargs args;

    w->tx = tx;
    pgargs_init(&args, w);
    pgargs_int(&args, w->q.contact_id);
    pgargs_instant(&args, w->q.at_us > w->q.now_us ? w->q.at_us : w->q.now_us);
    pgtx_query(tx, Q_WALK_INSTANTS, &args, walk_on_instants, w);
}

static void walk_ended(void *arg, bool committed, const struct pgres *error)
{
    struct walk *w = arg;

    w->done(w->arg, committed && w->found, w->said, committed ? NULL : error);
}

void walk_run(const void *ctx, const struct walk_question *q, walk_fn *done, void *arg)
{
    struct walk *w = mem_new(ctx, struct walk);

    w->q = *q;
    w->done = done;
    w->arg = arg;
    w->held = mem_array(w, bool, q->n_roots);
    w->begun = mem_array(w, bool, q->n_roots);
    w->later = mem_array(w, bool, q->n_roots);
    w->last_us = mem_array(w, int64_t, q->n_roots);
    for (size_t i = 0; i < q->n_roots; i++) {
        q->roots[i].since_us = WALK_ALWAYS;
        q->roots[i].since_known = q->roots[i].change_known = false;
        q->roots[i].change_us = q->at_us;
    }
    walk_compile(w);
    pgtx_begin_reading(q->pool, q->org_id, walk_begun, walk_ended, w);
}
