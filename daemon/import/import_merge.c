/* import_merge.c - see import_merge.h. */
#include "daemon/import/import_merge.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_names.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_row.h"

#include <stdlib.h>

/* All of it is a child of the job. */
struct reading {
    struct import_job *job;
    struct import_file *file;
    struct import_keys *keys; /* a refund that belongs to no row is refused, and says nothing */
    int64_t joined;
    void *ctx; /* of the block */
    size_t n_lines, bytes;
    struct record_contact *contacts; /* of its rows */
    size_t n;
    const char **names; /* that were asked for: sort and value of each */
    size_t n_names, cap_names;
    struct pgarray keep, gone;
};

static void reading_go_on(struct reading *);

static void block_begin(struct reading *r)
{
    talloc_free(r->ctx);
    r->ctx = mem_must(talloc_new(r));
    r->contacts = mem_array(r->ctx, struct record_contact, IMPORT_BLOCK_ROWS);
    r->names = NULL;
    r->n_lines = r->bytes = r->n = r->n_names = r->cap_names = 0;
    pgarray_init(&r->keep, r->ctx);
    pgarray_init(&r->gone, r->ctx);
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
    if (import_keys_row(r->keys, line->fields, row.item, &row.why) &&
        import_item_parse(line, s, row.item, catalogue, &item, &d))
        r->contacts[r->n++] = item.contact;
}

/* --- names --------------------------------------------------------------------------------------
 */

static void name_ask(struct reading *r, const char *sort, const char *value)
{
    if (value == NULL || import_names_known(r->job->names, sort, value))
        return;
    mem_grow(r->ctx, &r->names, &r->cap_names, r->n_names + 2);
    r->names[r->n_names++] = sort;
    r->names[r->n_names++] = value;
}

static void rows_say(struct reading *r);

/* Whose they are; all others are nobody's. */
static void on_names(void *arg, const struct pgres *res)
{
    struct reading *r = arg;
    struct import_names *names = r->job->names;

    if (!pgres_ok(res)) {
        import_job_trouble(r->job, res, r->job->dry ? "checking" : "running");
        return;
    }
    for (int row = 0; row < pgres_rows(res); row++) {
        size_t at = 2 * (size_t)pgres_int(res, row, "ord");

        import_names_owner(names, r->names[at], r->names[at + 1], pgres_int(res, row, "contact_id"),
                           pgres_bool(res, row, "has_external_id"));
    }
    for (size_t i = 0; i < r->n_names; i += 2)
        import_names_owner(names, r->names[i], r->names[i + 1], 0, false);
    rows_say(r);
}

static void block_send(struct reading *r)
{
    struct import_job *j = r->job;
    struct pgarray sorts, values;
    struct pgargs args;

    for (size_t i = 0; i < r->n; i++) {
        const struct record_contact *c = &r->contacts[i];

        name_ask(r, "external_id", c->external_id);
        name_ask(r, "email", c->email);
        for (size_t k = 0; k < json_array_size(c->emails); k++)
            name_ask(r, "email",
                     json_string_value(json_object_get(json_array_get(c->emails, k), "email")));
    }
    pgarray_init(&sorts, r->ctx);
    pgarray_init(&values, r->ctx);
    for (size_t i = 0; i < r->n_names; i += 2) {
        pgarray_text(&sorts, r->names[i]);
        pgarray_text(&values, r->names[i + 1]);
    }
    pgargs_init(&args, r->ctx);
    pgargs_int(&args, j->id);
    /* What its own rows named is as if it was not there: so they say the same as before a kill. */
    pgargs_bool(&args, !j->dry && j->position > 0);
    pgargs_array(&args, &sorts);
    pgargs_array(&args, &values);
    /* The same of its merges; those that are made already are passed over. */
    pgargs_bool(&args, !j->dry);
    pgpool_query(j->env.pool, j->org_id, Q_IMPORT_NAMES, &args, on_names, r);
}

/* --- merges -------------------------------------------------------------------------------------
 */

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
    j->env.changed(j->env.arg, j->org_id);
    block_begin(r);
    reading_go_on(r);
}

static void merges_send(struct reading *r)
{
    struct import_job *j = r->job;
    json_t *report = import_counts_json(&j->counts);
    char *text = mem_must(json_dumps(report, JSON_COMPACT));
    struct pgargs args;

    pgargs_init(&args, r->ctx);
    pgargs_int(&args, j->id);
    pgargs_array(&args, &r->keep);
    pgargs_array(&args, &r->gone);
    pgargs_text(&args, text);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(j->env.pool, j->org_id, Q_IMPORT_MERGE, &args, on_merged, r);
    free(text);
    json_decref(report);
}

static void row_merges(void *arg, int64_t keep_id, int64_t gone_id)
{
    struct reading *r = arg;

    if (r->job->dry) {
        r->job->counts.merged += import_overlay_merge(r->job->overlay, keep_id, gone_id);
        return;
    }
    pgarray_int(&r->keep, keep_id);
    pgarray_int(&r->gone, gone_id);
}

static void rows_say(struct reading *r)
{
    for (size_t i = 0; i < r->n; i++)
        r->joined += (int64_t)import_names_row(r->job->names, &r->contacts[i], row_merges, r);
    if (r->keep.n > 0) {
        merges_send(r);
        return;
    }
    block_begin(r);
    reading_go_on(r);
}

/* --- the file -----------------------------------------------------------------------------------
 */

static void reading_end(struct reading *r)
{
    struct import_job *j = r->job;

    /* Behind a restart it was told already. */
    if (j->dry || j->position == 0)
        j->counts.joined = r->joined;
    if (!j->dry && j->position == 0)
        j->env.counts->joined += r->joined;
    talloc_free(r);
    import_job_go_on(j);
}

static void on_read(void *arg, bool ok)
{
    struct reading *r = arg;

    if (ok)
        reading_go_on(r);
    else
        import_job_done(r->job, false);
}

static bool block_full(const struct reading *r)
{
    return r->n_lines >= IMPORT_BLOCK_ROWS || r->bytes >= IMPORT_BLOCK_BYTES;
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
    while (!block_full(r) && (line = import_file_take(r->file, r->ctx)) != NULL) {
        row_take(r, line, &org->catalogue);
        r->n_lines++;
        r->bytes += line->bytes;
    }
    if (!block_full(r) && !import_file_over(r->file))
        import_file_read(r->file, on_read, r);
    else if (r->n_lines > 0)
        block_send(r);
    else
        reading_end(r);
}

static void reading_go_on(struct reading *r)
{
    orgs_get(r->job->env.orgs, r->job->org_id, on_org, r);
}

void import_merge(struct import_job *j)
{
    struct reading *r = mem_new(j, struct reading);

    r->job = j;
    j->names = import_names_new(j);
    r->keys = import_keys_new(r, &j->settings);
    r->file = import_file_new(r, j->env.pool, j->org_id, j->id, j->settings.encoding,
                              j->settings.delimiter);
    block_begin(r);
    reading_go_on(r);
}
