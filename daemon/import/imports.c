/* imports.c - see imports.h. A step that fails is tried again at the next poll. */
#include "daemon/import/imports.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/import/import_job.h"

#include <inttypes.h>

struct imports_org {
    struct imports *imports;
    struct imports_org *next;
    int64_t id;
    bool busy;
    bool again; /* it was woken while it was busy */
};

struct imports {
    struct import_env env;
    struct import_counts counts;
    struct imports_org *orgs;
    bool polling;
};

static void org_ask(struct imports_org *o);

static struct imports_org *org_of(struct imports *im, int64_t id)
{
    struct imports_org *o = im->orgs;

    while (o != NULL && o->id != id)
        o = o->next;
    if (o != NULL)
        return o;
    o = mem_new(im, struct imports_org);
    o->imports = im;
    o->id = id;
    o->next = im->orgs;
    im->orgs = o;
    return o;
}

static void org_rest(struct imports_org *o)
{
    bool again = o->again;

    o->busy = o->again = false;
    if (again)
        org_ask(o);
}

static void org_on_step(void *arg, bool ok)
{
    struct imports_org *o = arg;

    o->busy = false;
    if (ok)
        org_ask(o);
    else
        o->again = false;
}

static void org_on_next(void *arg, const struct pgres *res)
{
    struct imports_org *o = arg;

    if (!pgres_ok(res) || pgres_rows(res) == 0) {
        org_rest(o);
        return;
    }
    import_job_start(o, &o->imports->env, o->id, res, org_on_step, o);
}

static void org_ask(struct imports_org *o)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    if (o->busy) {
        o->again = true;
        return;
    }
    o->busy = true;
    o->again = false;
    pgargs_init(&args, scratch);
    pgargs_int(&args, o->id);
    pgpool_query(o->imports->env.pool, o->id, Q_IMPORT_NEXT, &args, org_on_next, o);
}

static int imports_free(struct imports *im)
{
    import_counts_done(&im->counts);
    return 0;
}

struct imports *imports_new(const void *ctx, struct pgpool *pool, struct orgs *orgs,
                            struct record *record, void (*changed)(void *arg, int64_t org_id),
                            void *arg)
{
    struct imports *im = mem_new(ctx, struct imports);

    import_counts_init(&im->counts);
    im->env = (struct import_env){.pool = pool,
                                  .orgs = orgs,
                                  .record = record,
                                  .counts = &im->counts,
                                  .changed = changed,
                                  .arg = arg};
    talloc_set_destructor(im, imports_free);
    return im;
}

void imports_wake(struct imports *im, int64_t org_id)
{
    org_ask(org_of(im, org_id));
}

static void imports_on_waiting(void *arg, const struct pgres *res)
{
    struct imports *im = arg;

    im->polling = false;
    for (int row = 0; pgres_ok(res) && row < pgres_rows(res); row++) {
        struct imports_org *o = org_of(im, pgres_int(res, row, "org_id"));

        if (!o->busy)
            org_ask(o);
    }
}

void imports_poll(struct imports *im)
{
    if (im->polling)
        return;
    im->polling = true;
    pgpool_query(im->env.pool, 0, Q_IMPORTS_WAITING, NULL, imports_on_waiting, im);
}

static void purge_on_result(void *arg, const struct pgres *res)
{
    (void)arg;
    if (!pgres_ok(res) && !pgres_lost(res))
        log_error("import", "old files cannot be purged", "why=%s", log_value(pgres_message(res)));
}

void imports_purge(struct pgpool *pool, const struct settings *settings)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us() - settings_int(settings, "limits.import_keep"));
    pgpool_query(pool, 0, Q_IMPORTS_PURGE, &args, purge_on_result, NULL);
}

void imports_metrics(const struct imports *im, struct buf *b)
{
    size_t busy = 0;

    for (const struct imports_org *o = im->orgs; o != NULL; o = o->next)
        busy += o->busy;
#define X(name, help)                                                                              \
    buf_printf(b,                                                                                  \
               "# HELP lazo_import_" #name "_total " help "\n"                                     \
               "# TYPE lazo_import_" #name "_total counter\n"                                      \
               "lazo_import_" #name "_total %" PRId64 "\n",                                        \
               im->counts.name);
    IMPORT_COUNTS(X)
#undef X
    buf_printf(b,
               "# HELP lazo_import_running Imports under way.\n"
               "# TYPE lazo_import_running gauge\nlazo_import_running %zu\n",
               busy);
}
