/* import_merge.c - see import_merge.h. */
#include "daemon/import/import_merge.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_row.h"

#include <stdlib.h>

/* All of it is a child of the job. */
struct reading {
    struct import_job *job;
    struct import_file *file;
    struct import_keys *keys; /* a refund that belongs to no row is refused, and says nothing */
    void *ctx;                /* of the block */
    struct pgarray externals, emails;
    size_t n_lines, n_pairs;
};

static void reading_go_on(struct reading *);

static void block_begin(struct reading *r)
{
    talloc_free(r->ctx);
    r->ctx = mem_must(talloc_new(r));
    pgarray_init(&r->externals, r->ctx);
    pgarray_init(&r->emails, r->ctx);
    r->n_lines = r->n_pairs = 0;
}

/* A row that would be refused for what it says merges nobody. */
static void row_take(struct reading *r, struct import_line *line, const struct catalogue *catalogue)
{
    const struct import_settings *s = &r->job->settings;
    struct import_row row;
    struct record_item item;
    struct diag d;

    if (line->number == 0 || line->error != NULL ||
        import_row_read(line, s, catalogue, line->fields, line->n, &row) != IMPORT_ROW_item)
        return;
    json_keep(line, row.item);
    diag_init(&d, line);
    if (!import_keys_row(r->keys, line->fields, row.item, &row.why) ||
        !import_item_parse(line, s, row.item, catalogue, &item, &d) ||
        item.contact.external_id == NULL || item.contact.email == NULL)
        return;
    pgarray_text(&r->externals, item.contact.external_id);
    pgarray_text(&r->emails, item.contact.email);
    r->n_pairs++;
}

/* --- what the database says ---------------------------------------------------------------------
 */

static void on_pairs(void *arg, const struct pgres *res)
{
    struct reading *r = arg;

    if (!pgres_ok(res)) {
        import_job_trouble(r->job, res, "checking");
        return;
    }
    for (int row = 0; row < pgres_rows(res); row++)
        r->job->counts.merged += import_overlay_merge(
            r->job->overlay, pgres_int(res, row, "keep_id"), pgres_int(res, row, "gone_id"));
    block_begin(r);
    reading_go_on(r);
}

static void on_merged(void *arg, const struct pgres *res)
{
    struct reading *r = arg;
    struct import_job *j = r->job;
    int64_t merged;

    if (!pgres_ok(res)) {
        import_job_trouble(j, res, "running");
        return;
    }
    if (pgres_null(res, 0, "merged")) {
        import_job_done(j, true);
        return;
    }
    merged = pgres_int(res, 0, "merged");
    j->counts.merged += merged;
    j->env.counts->merged += merged;
    if (merged > 0)
        j->env.changed(j->env.arg, j->org_id);
    block_begin(r);
    reading_go_on(r);
}

static void block_send(struct reading *r)
{
    struct import_job *j = r->job;
    json_t *report = import_counts_json(&j->counts);
    char *text = mem_must(json_dumps(report, JSON_COMPACT));
    struct pgargs args;

    pgargs_init(&args, r->ctx);
    pgargs_int(&args, j->id);
    pgargs_array(&args, &r->externals);
    pgargs_array(&args, &r->emails);
    if (j->dry) {
        pgpool_query(j->env.pool, j->org_id, Q_IMPORT_PAIRS, &args, on_pairs, r);
    } else {
        pgargs_text(&args, text);
        pgargs_instant(&args, clock_now_us());
        pgpool_query(j->env.pool, j->org_id, Q_IMPORT_MERGE, &args, on_merged, r);
    }
    free(text);
    json_decref(report);
}

/* --- the file -----------------------------------------------------------------------------------
 */

static void on_read(void *arg, bool ok)
{
    struct reading *r = arg;

    if (ok)
        reading_go_on(r);
    else
        import_job_done(r->job, false);
}

static void on_org(void *arg, const struct org *org)
{
    struct reading *r = arg;
    struct import_job *j = r->job;
    struct import_line *line;

    if (org == NULL) {
        import_job_done(j, false);
        return;
    }
    while (r->n_lines < IMPORT_BLOCK_ROWS && (line = import_file_take(r->file, r->ctx)) != NULL) {
        row_take(r, line, &org->catalogue);
        talloc_free(line);
        r->n_lines++;
    }
    if (r->n_lines < IMPORT_BLOCK_ROWS && !import_file_over(r->file)) {
        import_file_read(r->file, on_read, r);
    } else if (r->n_pairs > 0) {
        block_send(r);
    } else if (r->n_lines > 0) {
        block_begin(r);
        reading_go_on(r);
    } else {
        talloc_free(r);
        import_job_go_on(j);
    }
}

static void reading_go_on(struct reading *r)
{
    orgs_get(r->job->env.orgs, r->job->org_id, on_org, r);
}

void import_merge(struct import_job *j)
{
    struct reading *r = mem_new(j, struct reading);

    r->job = j;
    r->keys = import_keys_new(r, &j->settings);
    r->file = import_file_new(r, j->env.pool, j->org_id, j->id, j->settings.encoding,
                              j->settings.delimiter);
    block_begin(r);
    reading_go_on(r);
}
