/* audit.c - see audit.h.
 *
 *     waiting ──at rest, or not──► open ──► segments ──► scores ──► breaks ──► history ──► report
 *        ▲                          │                                             │
 *        │◄──── rules are newer ────┘                                             │
 *        ├──── second look, where something differs ◄─────────────────────────────┤
 *        └──── after mending ◄──── mend ◄─────────────────────────────────────────┘
 *
 * Segments are looked at statement by statement, each block by block, scores and history block by
 * block. From open to history is one transaction that only reads: all of it sees the same facts. */
#include "daemon/evaluate/audit.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/evaluate/ruleset.h"

#include <string.h>

#define BLOCK_CONTACTS 5000
#define LISTED_MAX     1000
#define REST_TRIES     50
#define OPEN_TRIES     20
#define REST_S         0.1

/* What is being compared, in this order. */
enum audit_stage { AUDIT_segments, AUDIT_scores, AUDIT_breaks, AUDIT_history, AUDIT_done };

struct audit {
    struct audit_options o;
    audit_fn *done;
    void *arg;
    ev_timer pause;
    struct pgtx *tx;
    struct pgarray ids, texts; /* the rules as they are in memory */
    int64_t now_us, currency_unit;
    int tries;        /* looks at whether the instance rests */
    int opened;       /* transactions that found other rules than are in memory */
    bool newer;       /* this one did */
    int64_t left_out; /* contacts that were about to be evaluated */
    bool stale;       /* so were segments or models */
    bool again;       /* this is the second look */
    bool mending;     /* mended: this is what is left */
    int64_t mended;
    struct ruleset *rules;
    enum audit_stage stage;
    size_t part;
    int64_t after;
    int64_t contacts, found;
    size_t models;
    json_t *differences, *unreadable;
    json_t *suspects; /* what differed at the first look; the second believes these alone */
    json_t *crowded;  /* names of segments and models of which more differ than are listed */
    bool all_segments, all_scores; /* more would be looked at too late than are listed */
    int64_t first_found;           /* before mending */
    json_t *first;
};

static void audit_wait(struct audit *a);
static void audit_block(struct audit *a);

static int audit_destroy(struct audit *a)
{
    ev_timer_stop(a->o.loop, &a->pause);
    json_decref(a->differences);
    json_decref(a->suspects);
    json_decref(a->unreadable);
    json_decref(a->crowded);
    json_decref(a->first);
    return 0;
}

static void audit_failed(struct audit *a, const struct pgres *res)
{
    a->done(a->arg, NULL, res);
}

/* --- the end -------------------------------------------------------------------------------------
 */

static void audit_report(struct audit *a)
{
    char now[CLOCK_TEXT];
    json_t *report;

    report = mem_must(json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:O, s:b, s:I, s:O}", "now", clock_format(clock_now_us(), now),
        "contacts", (json_int_t)a->contacts, "segments",
        (json_int_t)(a->o.segments ? a->rules->n_segments : 0), "models", (json_int_t)a->models,
        "count", (json_int_t)(a->mending ? a->first_found : a->found), "differences",
        a->mending ? a->first : a->differences, "waiting", a->left_out > 0 || a->stale, "left_out",
        (json_int_t)a->left_out, "unreadable", a->unreadable));
    if (a->o.repair) {
        json_object_set_new(report, "mended", json_integer(a->mended));
        json_object_set_new(report, "left", json_integer(a->found));
    }
    a->done(a->arg, report, NULL);
    json_decref(report);
}

static void audit_on_mended(void *arg, const struct pgres *res)
{
    struct audit *a = arg;

    if (!pgres_ok(res)) {
        audit_failed(a, res);
        return;
    }
    a->mended += pgres_int(res, 0, "mended");
    a->mending = true;
    a->again = false;
    a->first = json_incref(a->differences);
    a->first_found = a->found;
    audit_wait(a);
}

/* The contacts of the differences that are listed; of what has none (the breaks of a model) its
 * name goes to `models`. */
static void add_differing(const struct audit *a, struct pgarray *contacts, struct pgarray *models)
{
    const json_t *item;
    size_t i;

    json_array_foreach(a->differences, i, item)
    {
        json_int_t contact = json_integer_value(json_object_get(item, "contact"));

        if (contact != 0)
            pgarray_int(contacts, contact);
        else
            pgarray_text(models, json_string_value(json_object_get(item, "model")));
    }
}

/* Those of which a span differs. */
static void add_past(const struct audit *a, struct pgarray *contacts)
{
    const json_t *item;
    size_t i;

    json_array_foreach(a->differences, i,
                       item) if (json_object_get(json_object_get(item, "stored"), "since") != NULL)
        pgarray_int(contacts, json_integer_value(json_object_get(item, "contact")));
}

/* One statement after the other: whoever fails, one answer alone is given. */
static void audit_mend_history(void *arg, const struct pgres *res)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct audit *a = arg;
    struct pgarray contacts;
    struct pgargs args;

    if (!pgres_ok(res)) {
        audit_failed(a, res);
        return;
    }
    a->mended += pgres_int(res, 0, "mended");
    pgarray_init(&contacts, scratch);
    add_past(a, &contacts);
    pgargs_init(&args, scratch);
    pgargs_array(&args, &contacts);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(a->o.pool, a->o.org_id, Q_CHECK_MEND_HISTORY, &args, audit_on_mended, a);
}

/* Contacts that are listed are evaluated anew; what has more differences than that, in full. */
static void audit_mend(struct audit *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray contacts, segments, models;
    struct pgargs args;
    const char *name;
    json_t *item;

    pgarray_init(&contacts, scratch);
    pgarray_init(&segments, scratch);
    pgarray_init(&models, scratch);
    add_differing(a, &contacts, &models);
    json_object_foreach(a->crowded, name, item)
        pgarray_text(strcmp(json_string_value(item), "segment") == 0 ? &segments : &models, name);
    pgargs_init(&args, scratch);
    pgargs_int(&args, a->o.org_id);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &segments);
    pgargs_array(&args, &models);
    pgargs_bool(&args, a->all_segments);
    pgargs_bool(&args, a->all_scores);
    pgpool_query(a->o.pool, a->o.org_id, Q_CHECK_MEND, &args, audit_mend_history, a);
}

static void audit_ended(struct audit *a)
{
    if (a->found > 0 && !a->again) {
        a->again = true;
        json_decref(a->suspects);
        a->suspects = a->found > LISTED_MAX ? NULL : json_incref(a->differences);
        audit_wait(a);
    } else if (a->found > 0 && a->o.repair && !a->mending) {
        audit_mend(a);
    } else {
        audit_report(a);
    }
}

/* --- blocks --------------------------------------------------------------------------------------
 */

static bool is_among(const json_t *list, const json_t *item)
{
    const json_t *other;
    size_t i;

    json_array_foreach(list, i, other)
    {
        if (json_equal(other, item))
            return true;
    }
    return false;
}

/* What is not listed is mended in full. */
static void audit_crowd(struct audit *a, const json_t *item)
{
    const char *sort = json_object_get(item, "segment") != NULL ? "segment" : "model";
    const char *next = json_string_value(json_object_get(item, "next"));

    if (next == NULL)
        json_object_set_new(a->crowded, json_string_value(json_object_get(item, sort)),
                            json_string(sort));
    else if (strcmp(next, "scores") == 0)
        a->all_scores = true;
    else
        a->all_segments = true;
}

/* At the second look only what differed at the first, and as it did then: what an evaluation has
 * changed meanwhile was true. */
static void audit_take(struct audit *a, const char *differences)
{
    json_t *list = json_loads(differences, 0, NULL), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (a->again && a->suspects != NULL && !is_among(a->suspects, item))
            continue;
        a->found++;
        if (json_array_size(a->differences) < LISTED_MAX)
            json_array_append(a->differences, item);
        else
            audit_crowd(a, item);
    }
    json_decref(list);
}

/* What comes next, where this stage or statement is through. */
static void audit_advance(struct audit *a)
{
    a->after = 0;
    if (a->stage == AUDIT_segments && ++a->part < a->rules->n_groups)
        return;
    a->stage++;
    if (!a->o.scores && (a->stage == AUDIT_scores || a->stage == AUDIT_breaks))
        a->stage = AUDIT_history;
}

static void audit_on_block(void *arg, const struct pgres *res)
{
    struct audit *a = arg;
    bool blocks = a->stage != AUDIT_breaks;
    int64_t seen = 0;

    if (!pgres_ok(res))
        return;
    audit_take(a, pgres_text(res, 0, "differences"));
    if (blocks) {
        seen = pgres_int(res, 0, "seen");
        a->after = pgres_int(res, 0, "last");
    }
    if (a->stage == AUDIT_history)
        a->contacts += seen;
    if (seen < BLOCK_CONTACTS)
        audit_advance(a);
    audit_block(a);
}

static void audit_ask_segments(struct audit *a, const void *scratch)
{
    const struct ruleset_statement *s = &a->rules->groups[a->part].statement;
    const struct rule_sql *sql = rule_compile_truth(scratch, s->sql, s->segments, s->n_segments,
                                                    a->rules->groups[a->part].part);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, a->after);
    pgargs_instant(&args, a->now_us);
    pgargs_int(&args, BLOCK_CONTACTS);
    pgargs_params(&args, sql->params, sql->n_params);
    pgtx_query_sql(a->tx, sql->text, &args, audit_on_block, a);
}

static void audit_block(struct audit *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    switch (a->stage) {
    case AUDIT_segments:
        audit_ask_segments(a, scratch);
        return;
    case AUDIT_scores:
        pgargs_int(&args, a->after);
        pgargs_instant(&args, a->now_us);
        pgargs_int(&args, BLOCK_CONTACTS);
        pgtx_query(a->tx, Q_CHECK_SCORES, &args, audit_on_block, a);
        return;
    case AUDIT_breaks:
        pgargs_int(&args, a->currency_unit);
        pgtx_query(a->tx, Q_CHECK_BREAKS, &args, audit_on_block, a);
        return;
    case AUDIT_history:
        pgargs_int(&args, a->after);
        pgargs_int(&args, BLOCK_CONTACTS);
        pgargs_instant(&args, a->now_us);
        pgtx_query(a->tx, Q_CHECK_HISTORY, &args, audit_on_block, a);
        return;
    case AUDIT_done:
        pgtx_commit(a->tx);
        return;
    }
    bug("no such stage");
}

/* --- the transaction -----------------------------------------------------------------------------
 */

static void audit_on_left_out(void *arg, const struct pgres *res)
{
    struct audit *a = arg;

    if (!pgres_ok(res))
        return;
    a->left_out = pgres_int(res, 0, "contacts");
    a->stale = pgres_int(res, 0, "definitions") > 0;
    audit_block(a);
}

/* The instant is taken now that the transaction has seen its facts: what was evaluated in them was
 * evaluated before it, and who is due between is in them as one who is due. */
static void audit_on_open(void *arg, const struct pgres *res)
{
    struct audit *a = arg;
    struct pgargs args;

    if (!pgres_ok(res))
        return;
    a->newer = !pgres_bool(res, 0, "same") && ++a->opened < OPEN_TRIES;
    if (a->newer) {
        pgtx_rollback(a->tx);
        return;
    }
    a->now_us = clock_now_us();
    pgargs_init(&args, a);
    pgargs_instant(&args, a->now_us);
    pgtx_query(a->tx, Q_CHECK_LEFT_OUT, &args, audit_on_left_out, a);
}

static void audit_begun(void *arg, struct pgtx *tx)
{
    struct audit *a = arg;
    struct pgargs args;

    a->tx = tx;
    pgargs_init(&args, a);
    pgargs_array(&args, &a->ids);
    pgargs_array(&args, &a->texts);
    pgtx_query(tx, Q_CHECK_OPEN, &args, audit_on_open, a);
}

static void audit_closed(void *arg, bool committed, const struct pgres *error)
{
    struct audit *a = arg;

    if (a->newer && error == NULL) {
        orgs_forget(a->o.orgs, a->o.org_id);
        audit_wait(a);
    } else if (committed) {
        audit_ended(a);
    } else {
        audit_failed(a, error);
    }
}

static void audit_reset(struct audit *a)
{
    json_array_clear(a->unreadable);
    json_decref(a->differences);
    a->differences = mem_must(json_array());
    json_object_clear(a->crowded);
    a->all_segments = a->all_scores = false;
    a->part = 0;
    a->after = a->contacts = a->found = 0;
    a->newer = false;
}

static void audit_on_org(void *arg, const struct org *org)
{
    static const int64_t none[] = {0};
    struct audit *a = arg;
    const struct catalogue *c;
    struct diag d;

    if (org == NULL) {
        audit_failed(a, NULL);
        return;
    }
    audit_reset(a);
    c = &org->catalogue;
    talloc_free(a->rules);
    diag_init(&d, a);
    a->rules = ruleset_compile(a, c, RULESET_page, a->o.segments ? NULL : none, 0, &d);
    for (size_t i = 0; i < d.n; i++)
        json_array_append_new(a->unreadable, json_string(d.items[i].pointer));
    pgarray_init(&a->ids, a);
    pgarray_init(&a->texts, a);
    for (size_t i = 0; i < c->n_segments; i++) {
        if (c->segments[i].rule == NULL)
            continue;
        pgarray_int(&a->ids, c->segments[i].id);
        pgarray_text(&a->texts, c->segments[i].rule);
    }
    a->currency_unit = 1;
    for (int i = 0; i < c->currency_digits; i++)
        a->currency_unit *= 10;
    a->models = a->o.scores ? c->n_models : 0;
    a->stage = AUDIT_segments;
    if (a->rules->n_groups == 0)
        audit_advance(a);
    pgtx_begin_reading(a->o.pool, a->o.org_id, audit_begun, audit_closed, a);
}

/* --- rest ----------------------------------------------------------------------------------------
 */

static void audit_on_waiting(void *arg, const struct pgres *res)
{
    struct audit *a = arg;

    if (!pgres_ok(res)) {
        audit_failed(a, res);
        return;
    }
    if (pgres_int(res, 0, "changes") + pgres_int(res, 0, "due") + pgres_int(res, 0, "stale") > 0 &&
        ++a->tries < REST_TRIES) {
        a->o.wake(a->o.arg, a->o.org_id);
        ev_timer_set(&a->pause, REST_S, 0.);
        ev_timer_start(a->o.loop, &a->pause);
        return;
    }
    if (a->again)
        orgs_forget(a->o.orgs, a->o.org_id);
    orgs_get(a->o.orgs, a->o.org_id, audit_on_org, a);
}

static void audit_ask_waiting(struct audit *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(a->o.pool, a->o.org_id, Q_CHECK_WAITING, &args, audit_on_waiting, a);
}

static void audit_pause_cb(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)revents;
    audit_ask_waiting(w->data);
}

static void audit_wait(struct audit *a)
{
    a->tries = 0;
    ev_timer_set(&a->pause, REST_S, 0.);
    ev_timer_start(a->o.loop, &a->pause);
}

void audit_run(const void *ctx, const struct audit_options *o, audit_fn *done, void *arg)
{
    struct audit *a = mem_new(ctx, struct audit);

    a->o = *o;
    a->done = done;
    a->arg = arg;
    a->differences = mem_must(json_array());
    a->unreadable = mem_must(json_array());
    a->crowded = mem_must(json_object());
    ev_init(&a->pause, audit_pause_cb);
    a->pause.data = a;
    talloc_set_destructor(a, audit_destroy);
    audit_ask_waiting(a);
}
