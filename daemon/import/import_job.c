/* import_job.c - see import_job.h.
 *
 *     read ─► block ─► (record) ─► step ─► read … ─► end
 *       ▲                 │
 *       └── smaller ◄─────┘  a value that the database does not take: the block is halved until
 *                            the row at fault stands alone, and is refused */
#include "daemon/import/import_job.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/import/import_changes.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_row.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS    1000
#define UNDO_CONTACTS 200
#define STATE_MAX     16

struct refusal {
    const struct import_line *line;
    const char *heading, *reason;
};

/* Everything of one block is a child of ctx. */
struct block {
    void *ctx;
    size_t n_lines;
    struct record_item *items;
    const struct import_line **item_lines; /* of each item */
    int64_t *item_numbers;
    size_t n;
    struct refusal *refusals;
    size_t n_refusals, cap_refusals;
    struct import_counts counts;
    struct import_changes *changes;
    size_t n_before; /* refusals that were known before the recorder looked */
    bool stepped, committed;
    char state[STATE_MAX]; /* of the import after it; "" where another lazod was quicker */
};

struct import_job {
    struct import_env env;
    int64_t org_id, id, position;
    const char *name;
    bool dry;
    struct import_settings settings;
    struct import_keys *keys;
    struct import_file *file;
    struct import_overlay *overlay;
    struct import_counts counts;
    struct record_work work;
    size_t most; /* rows of the next block */
    struct block b;
    struct pgtx *tx;
    struct batch *batch; /* of the recorder, while it has the block */
    void (*fn)(void *arg, bool ok);
    void *arg;
};

static void job_go_on(struct import_job *j);

static int job_free(struct import_job *j)
{
    import_counts_done(&j->counts);
    import_counts_done(&j->b.counts);
    return 0;
}

static void job_done(struct import_job *j, bool ok)
{
    void (*fn)(void *arg, bool ok) = j->fn;
    void *arg = j->arg;

    talloc_free(j);
    fn(arg, ok);
}

/* --- ends ---------------------------------------------------------------------------------------
 */

static void job_on_ended(void *arg, const struct pgres *res)
{
    job_done(arg, pgres_ok(res));
}

static void job_end(struct import_job *j)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    log_info("import", j->dry ? "checked" : "finished", "org=%" PRId64 " import=%" PRId64,
             j->org_id, j->id);
    pgargs_init(&args, scratch);
    pgargs_int(&args, j->id);
    pgargs_text(&args, j->dry ? "checking" : "running");
    pgargs_text(&args, j->dry ? "ready" : "finished");
    pgargs_instant(&args, clock_now_us());
    pgpool_query(j->env.pool, j->org_id, Q_IMPORT_END, &args, job_on_ended, j);
}

static void job_fail(struct import_job *j, const char *state, const char *why)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    log_warning("import", "failed", "org=%" PRId64 " import=%" PRId64 " why=%s", j->org_id, j->id,
                log_value(why));
    pgargs_init(&args, scratch);
    pgargs_int(&args, j->id);
    pgargs_text(&args, state);
    pgargs_text(&args, why);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(j->env.pool, j->org_id, Q_IMPORT_FAILED, &args, job_on_ended, j);
}

static bool is_passing(const struct pgres *error)
{
    const char *state = error == NULL ? "" : pgres_sqlstate(error);

    return error == NULL || pgres_lost(error) || strncmp(state, "40", 2) == 0 ||
           strncmp(state, "53", 2) == 0 || strncmp(state, "57", 2) == 0;
}

/* The database did not do it: what passes is tried again later, what does not ends the import. */
static void job_trouble(struct import_job *j, const struct pgres *error, const char *state)
{
    if (is_passing(error)) {
        job_done(j, false);
        return;
    }
    log_error("import", "refused by the database", "org=%" PRId64 " import=%" PRId64 " why=%s",
              j->org_id, j->id, log_value(pgres_message(error)));
    job_fail(j, state,
             mem_printf(j, "the database refused it (SQLSTATE %s)", pgres_sqlstate(error)));
}

/* --- a block: rows become items -----------------------------------------------------------------
 */

static void refuse(struct import_job *j, const struct import_line *line, const char *heading,
                   const char *reason)
{
    struct block *b = &j->b;

    mem_grow(b->ctx, &b->refusals, &b->cap_refusals, b->n_refusals + 1);
    b->refusals[b->n_refusals++] =
        (struct refusal){.line = line, .heading = heading == NULL ? "" : heading, .reason = reason};
    b->counts.refused++;
}

/* What its people agreed to, as whoever imports attests. */
static json_t *consent_of(const struct import_job *j, const struct import_line *line)
{
    const struct import_settings *s = &j->settings;
    const char *source =
        mem_printf(j->b.ctx, "import %" PRId64 ", %.200s, line %" PRId64 "%s%s", j->id, j->name,
                   line->line, s->attested_by != NULL ? ", attested by " : "",
                   s->attested_by != NULL ? s->attested_by : "");

    return json_keep(j->b.ctx,
                     mem_must(json_pack("[{s:s, s:s, s:s, s:s, s:s, s:b}]", "topic", s->topic,
                                        "action", "grant", "wording", s->attestation, "source",
                                        source, "method", "import", "first", true)));
}

static bool item_parse(struct import_job *j, json_t *value, const struct catalogue *catalogue,
                       struct record_item *item, struct diag *d)
{
    int64_t now_us = clock_now_us();

    if (j->settings.interactions)
        return record_item_parse(j->b.ctx, value, "", catalogue, now_us, item, d);
    *item = (struct record_item){.source = j->settings.source, .occurred_at_us = now_us};
    return record_contact_parse(j->b.ctx, json_object_get(value, "contact"), "/contact", catalogue,
                                now_us, &item->contact, d);
}

static void item_add(struct import_job *j, const struct import_line *line, json_t *value,
                     const struct catalogue *catalogue)
{
    struct block *b = &j->b;
    struct record_item *item = &b->items[b->n];
    struct diag d;

    diag_init(&d, b->ctx);
    if (!item_parse(j, value, catalogue, item, &d)) {
        refuse(j, line, import_row_column(&j->settings, d.items[0].pointer), d.items[0].message);
        return;
    }
    item->quiet = !j->settings.live;
    item->by = mem_printf(b->ctx, "import:%" PRId64, j->id);
    if (j->settings.topic != NULL)
        item->contact.consents = consent_of(j, line);
    b->item_lines[b->n] = line;
    b->item_numbers[b->n] = line->line;
    b->n++;
}

/* A row that was recorded before a restart passes by for its key alone. */
static void row_replay(struct import_job *j, struct import_line *line,
                       const struct catalogue *catalogue)
{
    struct import_row row;

    if (line->error == NULL && import_row_read(line, &j->settings, catalogue, line->fields, line->n,
                                               &row) == IMPORT_ROW_item)
        import_keys_row(j->keys, line->fields, json_keep(line, row.item), &row.why);
    talloc_free(line);
}

static void row_take(struct import_job *j, const struct import_line *line,
                     const struct catalogue *catalogue)
{
    struct import_row row;
    enum import_verdict verdict;

    if (line->error != NULL) {
        refuse(j, line, NULL, line->error);
        return;
    }
    verdict = import_row_read(j->b.ctx, &j->settings, catalogue, line->fields, line->n, &row);
    if (verdict == IMPORT_ROW_item) {
        json_keep(j->b.ctx, row.item);
        if (!import_keys_row(j->keys, line->fields, row.item, &row.why))
            verdict = IMPORT_ROW_refused;
    }
    switch (verdict) {
    case IMPORT_ROW_item:
        item_add(j, line, row.item, catalogue);
        break;
    case IMPORT_ROW_refused:
        refuse(j, line, row.column, row.why);
        break;
    case IMPORT_ROW_nobody:
        j->b.counts.without_contact++;
        break;
    }
}

static void block_begin(struct import_job *j)
{
    struct block *b = &j->b;

    talloc_free(b->ctx);
    import_counts_done(&b->counts);
    *b = (struct block){.ctx = mem_must(talloc_new(j))};
    import_counts_init(&b->counts);
}

/* --- a block's end: what was refused, how far it is ---------------------------------------------
 */

static void refusals_args(struct import_job *j, struct pgargs *args)
{
    struct block *b = &j->b;
    struct pgarray lines, fields, headings, reasons;

    pgarray_init(&lines, b->ctx);
    pgarray_init(&fields, b->ctx);
    pgarray_init(&headings, b->ctx);
    pgarray_init(&reasons, b->ctx);
    for (size_t i = 0; i < b->n_refusals; i++) {
        const struct refusal *r = &b->refusals[i];
        json_t *list = mem_must(json_array());
        char *text;

        for (size_t k = 0; k < r->line->n; k++)
            json_array_append_new(list, json_string(r->line->fields[k]));
        text = mem_must(json_dumps(list, JSON_COMPACT));
        pgarray_int(&lines, r->line->line);
        pgarray_text(&fields, text);
        pgarray_text(&headings, r->heading);
        pgarray_text(&reasons, r->reason);
        free(text);
        json_decref(list);
    }
    pgargs_init(args, b->ctx);
    pgargs_int(args, j->id);
    pgargs_bool(args, j->dry);
    pgargs_array(args, &lines);
    pgargs_array(args, &fields);
    pgargs_array(args, &headings);
    pgargs_array(args, &reasons);
}

/* The import's new report: what there was and this block. */
static const char *report_text(struct import_job *j)
{
    struct import_counts sum;
    json_t *report;
    char *text;
    const char *kept;

    import_counts_init(&sum);
    import_counts_add(&sum, &j->counts);
    import_counts_add(&sum, &j->b.counts);
    report = import_counts_json(&sum);
    text = mem_must(json_dumps(report, JSON_COMPACT));
    kept = mem_strdup(j->b.ctx, text);
    free(text);
    json_decref(report);
    import_counts_done(&sum);
    return kept;
}

static void block_on_step(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    j->b.stepped = true;
    if (pgres_rows(res) == 0) {
        pgtx_rollback(j->tx);
        return;
    }
    snprintf(j->b.state, sizeof(j->b.state), "%s", pgres_text(res, 0, "state"));
    j->b.committed = true;
    pgtx_commit(j->tx);
}

/* block_step() - the last statements of the block's transaction. */
static void block_step(struct import_job *j)
{
    struct block *b = &j->b;
    struct pgargs args;

    b->counts.rows = (int64_t)b->n_lines;
    if (b->n_refusals > 0) {
        refusals_args(j, &args);
        pgtx_query(j->tx, Q_IMPORT_REFUSE, &args, NULL, NULL);
    }
    pgargs_init(&args, b->ctx);
    pgargs_int(&args, j->id);
    pgargs_bool(&args, j->dry);
    pgargs_int(&args, j->position);
    pgargs_int(&args, j->position + (int64_t)b->n_lines);
    pgargs_text(&args, report_text(j));
    pgtx_query(j->tx, Q_IMPORT_STEP, &args, block_on_step, j);
}

/* The block is on disk: on, unless somebody paused it meanwhile. */
static void block_close(struct import_job *j, bool committed)
{
    struct block *b = &j->b;

    if (!committed) {
        job_done(j, b->stepped && !b->committed);
        return;
    }
    j->position += (int64_t)b->n_lines;
    import_counts_add(&j->counts, &b->counts);
    if (!j->dry)
        import_counts_add(j->env.counts, &b->counts);
    if (strcmp(b->state, j->dry ? "checking" : "running") != 0) {
        job_done(j, true);
        return;
    }
    j->most = j->most * 2 > BLOCK_ROWS ? BLOCK_ROWS : j->most * 2;
    block_begin(j);
    job_go_on(j);
}

static void plain_on_begun(void *arg, struct pgtx *tx)
{
    struct import_job *j = arg;

    j->tx = tx;
    block_step(j);
}

static void plain_on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct import_job *j = arg;

    if (error != NULL)
        job_trouble(j, error, j->dry ? "checking" : "running");
    else
        block_close(j, committed);
}

/* A block of which nothing is recorded. */
static void block_plain(struct import_job *j)
{
    pgtx_begin(j->env.pool, j->org_id, plain_on_begun, plain_on_ended, j);
}

/* --- a block in the recorder --------------------------------------------------------------------
 */

/* A try begins: what an earlier one counted is forgotten. */
static void work_found(void *arg, struct batch *batch)
{
    struct import_job *j = arg;
    struct block *b = &j->b;
    int64_t nobody = b->counts.without_contact;

    import_counts_done(&b->counts);
    import_counts_init(&b->counts);
    b->n_refusals = b->n_before;
    b->counts.refused = (int64_t)b->n_before;
    b->counts.without_contact = nobody;
    if (j->dry)
        import_overlay_found(j->overlay, batch);
}

static size_t rows_accepted(const struct batch *batch)
{
    size_t n = 0;

    for (size_t i = 0; i < batch->n; i++)
        n += batch->slots[i] != NULL && batch->results[i].error == NULL;
    return n;
}

/* What the recorder made of each row, or would make, into the block's counts. */
static void results_count(struct import_job *j, struct batch *batch)
{
    struct block *b = &j->b;

    import_changes_count(b->changes, &b->counts);
    b->counts.matched = (int64_t)rows_accepted(batch) - b->counts.created;
    for (size_t i = 0; i < b->n; i++) {
        const struct record_result *r = &batch->results[i];
        bool repeated =
            j->dry ? batch->slots[i] == NULL || import_overlay_repeats(j->overlay, batch, i)
                   : r->duplicate;

        if (r->error != NULL) {
            refuse(j, b->item_lines[i],
                   import_row_column(&j->settings, r->pointer == NULL ? "" : r->pointer),
                   mem_strdup(b->ctx, r->error));
        } else if (b->items[i].kind == NULL) {
            continue;
        } else if (repeated) {
            b->counts.duplicates++;
        } else {
            b->counts.recorded++;
            b->counts.amended += b->items[i].amends != NULL;
        }
    }
}

static void work_on_compared(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    import_changes_on_compared(j->b.changes, res);
    if (!j->dry)
        return;
    results_count(j, j->batch);
    pgtx_rollback(j->tx);
}

static void work_compare(struct import_job *j, struct batch *batch)
{
    struct pgargs args;

    j->b.changes = import_changes_new(batch, batch, j->b.items, j->b.item_numbers, j->overlay);
    import_changes_args(j->b.changes, &args);
    pgtx_query(batch->tx, Q_IMPORT_COMPARE, &args, work_on_compared, j);
}

static void work_on_targets(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    import_overlay_on_targets(j->overlay, j->batch, res);
    work_compare(j, j->batch);
}

static void work_resolved(void *arg, struct batch *batch)
{
    struct import_job *j = arg;
    struct pgargs args;

    j->tx = batch->tx;
    j->batch = batch;
    if (!j->dry) {
        work_compare(j, batch);
    } else if (import_overlay_targets(j->overlay, batch, &args)) {
        pgtx_query(batch->tx, Q_IMPORT_TARGETS, &args, work_on_targets, j);
    } else {
        import_overlay_on_targets(j->overlay, batch, NULL);
        work_compare(j, batch);
    }
}

static void work_written(void *arg, struct batch *batch)
{
    struct import_job *j = arg;

    results_count(j, batch);
    block_step(j);
}

/* --- the end of the recorder's part -------------------------------------------------------------
 */

/* The block as it is, anew, with at most half of its rows: the rest goes back. */
static void block_halve(struct import_job *j)
{
    j->most = j->b.n_lines / 2;
    /* Keys were given to all of its rows: the file is read again from its beginning. */
    block_begin(j);
    talloc_free(j->file);
    talloc_free(j->keys);
    j->file = NULL;
    job_go_on(j);
}

/* The database does not take a value of the block. */
static void block_refused(struct import_job *j, const struct record_result *results, size_t n)
{
    struct block *b = &j->b;

    if (b->n_lines > 1) {
        block_halve(j);
        return;
    }
    for (size_t i = 0; i < n; i++)
        refuse(j, b->item_lines[i], NULL, mem_strdup(b->ctx, results[i].error));
    block_plain(j);
}

static void work_on_done(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct import_job *j = arg;
    struct block *b = &j->b;

    if (ok && j->dry)
        block_plain(j);
    else if (ok && !b->committed)
        block_refused(j, results, n);
    else
        block_close(j, ok);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void job_on_read(void *arg, bool ok)
{
    if (ok)
        job_go_on(arg);
    else
        job_done(arg, false);
}

/* The next rows, but for those that were recorded before. */
static void block_fill(struct import_job *j, const struct catalogue *catalogue)
{
    struct block *b = &j->b;
    struct import_line *line;

    if (b->items == NULL) {
        b->items = mem_array(b->ctx, struct record_item, j->most);
        b->item_lines = mem_array(b->ctx, const struct import_line *, j->most);
        b->item_numbers = mem_array(b->ctx, int64_t, j->most);
    }
    while (b->n_lines < j->most && (line = import_file_take(j->file, b->ctx)) != NULL) {
        if (line->number == 0)
            continue;
        if (line->number <= j->position) {
            row_replay(j, line, catalogue);
        } else {
            row_take(j, line, catalogue);
            b->n_lines++;
        }
    }
    b->n_before = b->n_refusals;
}

static void block_on_org(void *arg, const struct org *org)
{
    struct import_job *j = arg;
    struct block *b = &j->b;

    if (org == NULL) {
        job_done(j, false);
        return;
    }
    block_fill(j, &org->catalogue);
    if (b->n_lines < j->most && !import_file_over(j->file))
        import_file_read(j->file, job_on_read, j);
    else if (b->n_lines == 0)
        job_end(j);
    else if (b->n > 0)
        record_block(j->env.record, j->org_id, b->items, b->n, &j->work, work_on_done, j);
    else
        block_plain(j);
}

static void job_go_on(struct import_job *j)
{
    if (j->file == NULL) {
        j->keys = import_keys_new(j, &j->settings);
        j->file = import_file_new(j, j->env.pool, j->org_id, j->id, j->settings.encoding,
                                  j->settings.delimiter);
    }
    orgs_get(j->env.orgs, j->org_id, block_on_org, j);
}

/* --- undoing ------------------------------------------------------------------------------------
 */

static void undo_next(struct import_job *j);

static void undo_on_done(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res)) {
        job_trouble(j, res, "undoing");
        return;
    }
    j->env.changed(j->env.arg, j->org_id);
    if (pgres_bool(res, 0, "more"))
        undo_next(j);
    else
        job_done(j, true);
}

static void undo_next(struct import_job *j)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, j->id);
    pgargs_int(&args, UNDO_CONTACTS);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(j->env.pool, j->org_id, Q_IMPORT_UNDO, &args, undo_on_done, j);
}

/* --- beginning ----------------------------------------------------------------------------------
 */

static json_t *json_of(const void *ctx, const struct pgres *res, const char *column)
{
    const char *text = pgres_text(res, 0, column);

    return text == NULL ? NULL : json_keep(ctx, mem_must(json_loads(text, 0, NULL)));
}

/* The settings as they were confirmed; false where this version does not take them any more. */
static bool job_settings(struct import_job *j, const struct pgres *next)
{
    const json_t *settings = json_of(j, next, "settings"), *guess = json_of(j, next, "guess"),
                 *headings = json_object_get(guess, "headings");
    const char **names = mem_array(j, const char *, json_array_size(headings));
    struct import_map map;
    struct diag d;
    json_t *heading;
    size_t i;

    json_array_foreach((json_t *)headings, i, heading) names[i] = json_string_value(heading);
    import_map_header(j, names, json_array_size(headings), &map);
    diag_init(&d, j);
    return import_settings_read(j, settings, &map, &j->settings, &d);
}

void import_job_start(const void *ctx, const struct import_env *env, int64_t org_id,
                      const struct pgres *next, void (*fn)(void *arg, bool ok), void *arg)
{
    struct import_job *j = mem_new(ctx, struct import_job);
    const char *state = pgres_text(next, 0, "state");

    j->env = *env;
    j->org_id = org_id;
    j->fn = fn;
    j->arg = arg;
    j->id = pgres_int(next, 0, "id");
    j->name = mem_strdup(j, pgres_text(next, 0, "name"));
    import_counts_init(&j->counts);
    import_counts_init(&j->b.counts);
    talloc_set_destructor(j, job_free);
    if (strcmp(state, "undoing") == 0) {
        undo_next(j);
        return;
    }
    j->dry = strcmp(state, "checking") == 0;
    j->position = j->dry ? 0 : pgres_int(next, 0, "position");
    import_counts_read(&j->counts, json_of(j, next, "report"));
    j->overlay = j->dry ? import_overlay_new(j) : NULL;
    j->most = BLOCK_ROWS;
    j->work = (struct record_work){.import_id = j->id,
                                   .dry = j->dry,
                                   .found = work_found,
                                   .resolved = work_resolved,
                                   .written = work_written};
    block_begin(j);
    if (!job_settings(j, next))
        job_fail(j, state, "the mapping is not one that this version takes");
    else
        job_go_on(j);
}
