/* history.c - see history.h. */
#include "daemon/record/history.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

static void purge_on_result(void *arg, const struct pgres *res)
{
    (void)arg;
    if (!pgres_ok(res) && !pgres_lost(res))
        log_error("record", "the history of fields cannot be purged", "why=%s",
                  log_value(pgres_message(res)));
}

void history_purge(struct pgpool *pool, const struct settings *settings)
{
    int64_t keep_us = settings_int(settings, "limits.field_history");
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    if (keep_us == 0)
        return;
    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us() - keep_us);
    pgpool_query(pool, 0, Q_FIELD_HISTORY_PURGE, &args, purge_on_result, NULL);
}
