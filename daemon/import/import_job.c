/* import_job.c - see import_job.h. A job's beginning, its reading, its end; and an undoing, which
 * is the database's work. What it does with the rows is import_block.c. */
#include "daemon/import/import_job.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/import/import_block.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_merge.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_relate.h"

#include <inttypes.h>
#include <string.h>

#define UNDO_CONTACTS 200

static int job_free(struct import_job *j)
{
    import_counts_done(&j->counts);
    import_counts_done(&j->b.counts);
    return 0;
}

void import_job_done(struct import_job *j, bool ok)
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
    import_job_done(arg, pgres_ok(res));
}

void import_job_end(struct import_job *j)
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
void import_job_trouble(struct import_job *j, const struct pgres *error, const char *state)
{
    if (is_passing(error)) {
        import_job_done(j, false);
        return;
    }
    log_error("import", "refused by the database", "org=%" PRId64 " import=%" PRId64 " why=%s",
              j->org_id, j->id, log_value(pgres_message(error)));
    job_fail(j, state,
             mem_printf(j, "the database refused it (SQLSTATE %s)", pgres_sqlstate(error)));
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void job_on_read(void *arg, bool ok)
{
    if (ok)
        import_job_go_on(arg);
    else
        import_job_done(arg, false);
}

static void block_on_org(void *arg, const struct org *org)
{
    struct import_job *j = arg;
    struct block *b = &j->b;

    if (org == NULL) {
        import_job_done(j, false);
        return;
    }
    import_block_fill(j, &org->catalogue);
    if (!import_block_full(j) && !import_file_over(j->file))
        import_file_read(j->file, job_on_read, j);
    else if (b->n_lines > 0)
        import_block_send(j);
    else if (j->settings.relations)
        import_relate(j);
    else
        import_job_end(j);
}

void import_job_go_on(struct import_job *j)
{
    if (j->relate != NULL) {
        import_relate_next(j);
        return;
    }
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
        import_job_trouble(j, res, "undoing");
        return;
    }
    j->env.changed(j->env.arg, j->org_id);
    if (pgres_bool(res, 0, "more"))
        undo_next(j);
    else
        import_job_done(j, true);
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
    j->most = IMPORT_BLOCK_ROWS;
    import_block_begin(j);
    if (!job_settings(j, next))
        job_fail(j, state, "the mapping is not one that this version takes");
    else if (j->settings.merge_two)
        import_merge(j);
    else
        import_job_go_on(j);
}
