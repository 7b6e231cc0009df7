/* forecast.c - see forecast.h.
 *
 *     candidates, block by block: their answers now ──► instant by instant ──► days ──► report
 */
#include "daemon/evaluate/forecast.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/rules/instant.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_CONTACTS 1000
#define SCORE_WORD     "score:"

/* Somebody whose answer may change at an instant. A heap by instant, then contact. */
struct forecast_due {
    int64_t at_us, contact_id;
    bool holds;
};

struct forecast {
    struct forecast_question q;
    forecast_fn *done;
    void *arg;
    struct pgtx *tx;
    const struct rule *whole; /* with segments in place */
    const struct rule_sql *sql;
    bool left; /* part of the rule is taken as it is now */
    struct forecast_due *heap;
    size_t n_heap, cap_heap;
    struct forecast_due *asked; /* the contacts of the statement that is out, by id */
    size_t n_asked, cap_asked;
    int64_t at_us, after;
    bool more; /* candidates */
    int looks;
    struct forecast_due *moves; /* in order of time; `holds`: enters */
    size_t n_moves, cap_moves;
    json_t *report;
};

static void forecast_next(struct forecast *f);

/* --- the heap ------------------------------------------------------------------------------------
 */

static bool is_before(const struct forecast_due *a, const struct forecast_due *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->contact_id < b->contact_id;
}

static void heap_swap(struct forecast *f, size_t i, size_t j)
{
    struct forecast_due kept = f->heap[i];

    f->heap[i] = f->heap[j];
    f->heap[j] = kept;
}

static void heap_add(struct forecast *f, struct forecast_due due)
{
    size_t i = f->n_heap++;

    mem_grow(f, &f->heap, &f->cap_heap, f->n_heap);
    f->heap[i] = due;
    for (; i > 0 && is_before(&f->heap[i], &f->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_swap(f, i, (i - 1) / 2);
}

static struct forecast_due heap_take(struct forecast *f)
{
    struct forecast_due first = f->heap[0];
    size_t i = 0, least;

    f->heap[0] = f->heap[--f->n_heap];
    for (;; i = least) {
        least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < f->n_heap; child++)
            if (is_before(&f->heap[child], &f->heap[least]))
                least = child;
        if (least == i)
            return first;
        heap_swap(f, i, least);
    }
}

/* --- asking --------------------------------------------------------------------------------------
 */

static void asked_add(struct forecast *f, struct forecast_due due)
{
    mem_grow(f, &f->asked, &f->cap_asked, f->n_asked + 1);
    f->asked[f->n_asked++] = due;
}

static void forecast_ask(struct forecast *f, pgres_fn *fn)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray contacts;
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgarray_init(&contacts, scratch);
    for (size_t i = 0; i < f->n_asked; i++)
        pgarray_int(&contacts, f->asked[i].contact_id);
    pgargs_array(&args, &contacts);
    pgargs_instant(&args, f->at_us);
    pgargs_params(&args, f->sql->params, f->sql->n_params);
    pgtx_query_sql(f->tx, f->sql->text, &args, fn, f);
}

static int compare_due(const void *a, const void *b)
{
    int64_t x = ((const struct forecast_due *)a)->contact_id,
            y = ((const struct forecast_due *)b)->contact_id;

    return x < y ? -1 : x > y;
}

/* What was asked of the contact; NULL: it was not. */
static const struct forecast_due *asked_find(const struct forecast *f, int64_t contact_id)
{
    struct forecast_due key = {.contact_id = contact_id};

    return bsearch(&key, f->asked, f->n_asked, sizeof(key), compare_due);
}

static void take_row(struct forecast *f, const struct pgres *res, int row, bool first)
{
    struct forecast_due due = {.contact_id = pgres_int(res, row, "contact_id")};
    const struct forecast_due *was = asked_find(f, due.contact_id);
    size_t n;

    talloc_free(pgres_ints(res, row, "holds", f, &n));
    due.holds = n > 0;
    if (!first && was != NULL && due.holds != was->holds) {
        mem_grow(f, &f->moves, &f->cap_moves, f->n_moves + 1);
        f->moves[f->n_moves++] =
            (struct forecast_due){.at_us = f->at_us, .contact_id = due.contact_id, due.holds};
    }
    due.at_us =
        pgres_null(res, row, "changes_at") ? INT64_MAX : pgres_instant(res, row, "changes_at");
    if (!pgres_null(res, row, "scores_at") && pgres_instant(res, row, "scores_at") < due.at_us)
        due.at_us = pgres_instant(res, row, "scores_at");
    if (due.at_us <= f->q.until_us && due.at_us > f->at_us)
        heap_add(f, due);
}

static void forecast_on_answer(void *arg, const struct pgres *res)
{
    struct forecast *f = arg;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        take_row(f, res, row, f->more || f->after > 0);
    forecast_next(f);
}

/* --- candidates ----------------------------------------------------------------------------------
 */

static void forecast_on_candidates(void *arg, const struct pgres *res)
{
    struct forecast *f = arg;

    if (!pgres_ok(res))
        return;
    f->n_asked = 0;
    for (int row = 0; row < pgres_rows(res); row++)
        asked_add(f, (struct forecast_due){.contact_id = pgres_int(res, row, "contact_id")});
    f->more = f->n_asked == BLOCK_CONTACTS;
    if (f->n_asked == 0) {
        f->after = 0;
        forecast_next(f);
        return;
    }
    f->after = f->asked[f->n_asked - 1].contact_id;
    f->at_us = f->q.now_us;
    forecast_ask(f, forecast_on_answer);
}

static void ask_candidates(struct forecast *f)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, f->after);
    pgargs_instant(&args, f->q.until_us);
    pgargs_int(&args, BLOCK_CONTACTS);
    pgargs_int(&args, f->q.segment_id);
    pgtx_query(f->tx, Q_FORECAST_CANDIDATES, &args, forecast_on_candidates, f);
}

/* --- the end -------------------------------------------------------------------------------------
 */

static void forecast_report(struct forecast *f, json_t *days)
{
    char text[CLOCK_TEXT];
    bool complete = f->n_heap == 0;
    size_t entering = 0;
    json_t *items = mem_must(json_array());

    for (size_t i = 0; i < f->n_moves; i++) {
        entering += f->moves[i].holds;
        if (i < (size_t)f->q.limit)
            json_array_append_new(items, json_pack("{s:I, s:s, s:s}", "contact",
                                                   (json_int_t)f->moves[i].contact_id, "at",
                                                   clock_format(f->moves[i].at_us, text), "move",
                                                   f->moves[i].holds ? "enter" : "leave"));
    }
    f->report = mem_must(json_pack(
        "{s:s, s:o, s:b, s:b, s:I, s:I, s:o, s:o}", "from", clock_format(f->q.now_us, text),
        "until", json_string(clock_format(complete ? f->q.until_us : f->heap[0].at_us, text)),
        "complete", complete, "exact", !f->left, "entering", (json_int_t)entering, "leaving",
        (json_int_t)(f->n_moves - entering), "days", days, "items", items));
}

static void forecast_on_days(void *arg, const struct pgres *res)
{
    struct forecast *f = arg;

    if (!pgres_ok(res))
        return;
    f->left = f->left || pgres_bool(res, 0, "inexact");
    forecast_report(f, mem_must(json_loads(pgres_text(res, 0, "days"), 0, NULL)));
    pgtx_commit(f->tx);
}

/* The models whose scores the rule reads. */
static void add_models(const struct forecast *f, const void *ctx, struct pgarray *models)
{
    size_t n;
    const char *const *words = rule_reads(ctx, f->whole, &n);
    int64_t id;

    pgarray_init(models, ctx);
    for (size_t i = 0; i < n; i++)
        if (strncmp(words[i], SCORE_WORD, strlen(SCORE_WORD)) == 0 &&
            text_int(words[i] + strlen(SCORE_WORD), &id))
            pgarray_int(models, id);
}

static void ask_days(struct forecast *f)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray instants, enters, models;
    struct pgargs args;

    add_models(f, scratch, &models);
    pgarray_init(&instants, scratch);
    pgarray_init(&enters, scratch);
    for (size_t i = 0; i < f->n_moves; i++) {
        pgarray_instant(&instants, f->moves[i].at_us);
        pgarray_int(&enters, f->moves[i].holds);
    }
    pgargs_init(&args, scratch);
    pgargs_array(&args, &instants);
    pgargs_array(&args, &enters);
    pgargs_array(&args, &models);
    pgtx_query(f->tx, Q_FORECAST_DAYS, &args, forecast_on_days, f);
}

/* All who are due at the next instant, at once. */
static void forecast_next(struct forecast *f)
{
    if (f->more) {
        ask_candidates(f);
        return;
    }
    f->after = 0;
    if (f->n_heap == 0 || ++f->looks > FORECAST_LOOKS_MAX) {
        ask_days(f);
        return;
    }
    f->at_us = f->heap[0].at_us;
    f->n_asked = 0;
    while (f->n_heap > 0 && f->heap[0].at_us == f->at_us)
        asked_add(f, heap_take(f)); /* in order of their ids */
    forecast_ask(f, forecast_on_answer);
}

static void forecast_begun(void *arg, struct pgtx *tx)
{
    struct forecast *f = arg;

    f->tx = tx;
    f->more = true;
    ask_candidates(f);
}

static void forecast_ended(void *arg, bool committed, const struct pgres *error)
{
    struct forecast *f = arg;

    f->done(f->arg, committed ? f->report : NULL, committed ? NULL : error);
    json_decref(f->report);
}

void forecast_run(const void *ctx, const struct forecast_question *q, forecast_fn *done, void *arg)
{
    struct forecast *f = mem_new(ctx, struct forecast);
    struct rule_root root = {.tag = 1};

    f->q = *q;
    f->done = done;
    f->arg = arg;
    root.rule = f->whole = rule_inline(f, q->rule, q->catalogue, &f->left);
    f->sql = rule_instant_ahead(f, rule_compile_some(f, &root, 1, q->catalogue), false);
    pgtx_begin_reading(q->pool, q->org_id, forecast_begun, forecast_ended, f);
}
