/* import_block.c - see import_block.h.
 *
 *     fill ─► record ─► step ─► the next one
 *      ▲         │
 *      └ smaller ┘  a value that the database does not take: the block is halved until the row at
 *                   fault stands alone, and is refused */
#include "daemon/import/import_block.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/import/import_changes.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_names.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_row.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- a block: rows become items -----------------------------------------------------------------
 */

void import_block_tell(struct import_job *j, const struct import_line *line, const char *heading,
                       const char *reason)
{
    struct block *b = &j->b;

    mem_grow(b->ctx, &b->refusals, &b->cap_refusals, b->n_refusals + 1);
    b->refusals[b->n_refusals++] =
        (struct refusal){.line = line, .heading = heading == NULL ? "" : heading, .reason = reason};
}

static void refuse(struct import_job *j, const struct import_line *line, const char *heading,
                   const char *reason)
{
    import_block_tell(j, line, heading, reason);
    j->b.counts.refused++;
}

static const char *column_of(const struct import_job *j, const struct import_line *line,
                             const char *pointer)
{
    return import_row_column(&j->settings, line->fields, line->n, pointer == NULL ? "" : pointer);
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

bool import_item_parse(const void *ctx, const struct import_settings *s, json_t *value,
                       const struct catalogue *catalogue, struct record_item *ret_item,
                       struct diag *d)
{
    int64_t now_us = clock_now_us();

    if (s->interactions)
        return record_item_parse(ctx, value, "", catalogue, now_us, ret_item, d);
    *ret_item = (struct record_item){.source = s->source, .occurred_at_us = now_us};
    return record_contact_parse(ctx, json_object_get(value, "contact"), "/contact", catalogue,
                                now_us, &ret_item->contact, d);
}

static void item_add(struct import_job *j, const struct import_line *line, json_t *value,
                     const struct catalogue *catalogue)
{
    struct block *b = &j->b;
    struct record_item *item = &b->items[b->n];
    struct diag d;

    diag_init(&d, b->ctx);
    if (!import_item_parse(b->ctx, &j->settings, value, catalogue, item, &d)) {
        refuse(j, line, column_of(j, line, d.items[0].pointer), d.items[0].message);
        return;
    }
    if (j->names != NULL)
        import_names_apply(j->names, &item->contact);
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

void import_block_begin(struct import_job *j)
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

/* import_block_step() - the last statements of the block's transaction. */
void import_block_step(struct import_job *j)
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
void import_block_close(struct import_job *j, bool committed)
{
    struct block *b = &j->b;

    if (!committed) {
        import_job_done(j, b->stepped && !b->committed);
        return;
    }
    j->position += (int64_t)b->n_lines;
    import_counts_add(&j->counts, &b->counts);
    if (!j->dry)
        import_counts_add(j->env.counts, &b->counts);
    if (strcmp(b->state, j->dry ? "checking" : "running") != 0) {
        import_job_done(j, true);
        return;
    }
    j->most = j->most * 2 > IMPORT_BLOCK_ROWS ? IMPORT_BLOCK_ROWS : j->most * 2;
    import_block_begin(j);
    import_job_go_on(j);
}

static void plain_on_begun(void *arg, struct pgtx *tx)
{
    struct import_job *j = arg;

    j->tx = tx;
    import_block_step(j);
}

static void plain_on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct import_job *j = arg;

    if (error != NULL)
        import_job_trouble(j, error, j->dry ? "checking" : "running");
    else
        import_block_close(j, committed);
}

/* A block of which nothing is recorded. */
void import_block_plain(struct import_job *j)
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
        bool repeated = j->dry ? batch->slots[i] == NULL || import_overlay_repeats(j->overlay, i)
                               : r->duplicate;

        if (r->error != NULL) {
            refuse(j, b->item_lines[i], column_of(j, b->item_lines[i], r->pointer),
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
    import_overlay_keep(j->overlay);
    pgtx_rollback(j->tx);
}

static void compare_send(struct import_job *j)
{
    struct pgargs args;

    import_changes_args(j->b.changes, &args);
    pgtx_query(j->tx, Q_IMPORT_COMPARE, &args, work_on_compared, j);
}

static void work_on_phones(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    import_changes_on_phones(j->b.changes, res);
    if (j->dry)
        compare_send(j);
}

static void work_compare(struct import_job *j, struct batch *batch)
{
    struct pgargs args;
    bool phones;

    j->b.changes = import_changes_new(batch, batch, j->b.items, j->b.item_numbers, j->overlay);
    phones = import_changes_phones(j->b.changes, &args);
    if (phones)
        pgtx_query(batch->tx, Q_IMPORT_PHONES, &args, work_on_phones, j);
    /* A run sends both before it writes. */
    if (!phones || !j->dry)
        compare_send(j);
}

static void targets_judge(struct import_job *j, const struct pgres *res)
{
    if (import_overlay_on_targets(j->overlay, j->batch, res))
        work_compare(j, j->batch);
    else
        pgtx_rollback(j->tx);
}

static void work_on_targets(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    targets_judge(j, res);
}

/* Of those that the rows speak of. */
static bool merges_of(struct import_job *j, struct batch *batch, struct pgargs *args)
{
    int64_t *ids = mem_array(batch, int64_t, batch->n_slots);

    for (size_t i = 0; i < batch->n_slots; i++)
        ids[i] = batch->all[i]->wanted ? batch->all[i]->contact_id : 0;
    return import_overlay_merges(j->overlay, batch, ids, batch->n_slots, j->id, args);
}

static void work_resolved(void *arg, struct batch *batch)
{
    struct import_job *j = arg;
    struct pgargs args;

    j->tx = batch->tx;
    j->batch = batch;
    if (j->dry && merges_of(j, batch, &args))
        pgtx_query(batch->tx, Q_IMPORT_WOULD_MERGE, &args, NULL, NULL);
    if (!j->dry) {
        work_compare(j, batch);
    } else if (import_overlay_targets(j->overlay, batch, &args)) {
        pgtx_query(batch->tx, Q_IMPORT_TARGETS, &args, work_on_targets, j);
    } else {
        targets_judge(j, NULL);
    }
}

static void work_written(void *arg, struct batch *batch)
{
    struct import_job *j = arg;

    results_count(j, batch);
    import_block_step(j);
}

/* --- the end of the recorder's part -------------------------------------------------------------
 */

/* The block as it is, anew, with at most half of its rows: the rest goes back. */
static void block_halve(struct import_job *j)
{
    j->most = j->b.n_lines / 2;
    /* Keys were given to all of its rows: the file is read again from its beginning. */
    import_block_begin(j);
    talloc_free(j->file);
    talloc_free(j->keys);
    j->file = NULL;
    import_job_go_on(j);
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
    import_block_plain(j);
}

static void work_on_done(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct import_job *j = arg;
    struct block *b = &j->b;

    if (ok && j->dry)
        import_block_plain(j);
    else if (ok && !b->committed)
        block_refused(j, results, n);
    else
        import_block_close(j, ok);
}

bool import_block_full(const struct import_job *j)
{
    return j->b.n_lines >= j->most || j->b.bytes >= IMPORT_BLOCK_BYTES;
}

/* The next rows, but for those that were recorded before. */
void import_block_fill(struct import_job *j, const struct catalogue *catalogue)
{
    struct block *b = &j->b;
    struct import_line *line;

    if (b->items == NULL) {
        b->items = mem_array(b->ctx, struct record_item, j->most);
        b->item_lines = mem_array(b->ctx, const struct import_line *, j->most);
        b->item_numbers = mem_array(b->ctx, int64_t, j->most);
    }
    while (!import_block_full(j) && (line = import_file_take(j->file, b->ctx)) != NULL) {
        if (line->number == 0)
            continue;
        if (line->number <= j->position) {
            row_replay(j, line, catalogue);
        } else {
            row_take(j, line, catalogue);
            b->n_lines++;
            b->bytes += line->bytes;
        }
    }
    b->n_before = b->n_refusals;
}

void import_block_send(struct import_job *j)
{
    struct block *b = &j->b;

    j->work = (struct record_work){.import_id = j->id,
                                   .dry = j->dry,
                                   .found = work_found,
                                   .resolved = work_resolved,
                                   .written = work_written};
    if (b->n > 0)
        record_block(j->env.record, j->org_id, b->items, b->n, &j->work, work_on_done, j);
    else
        import_block_plain(j);
}
