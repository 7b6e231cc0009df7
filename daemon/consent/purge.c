/* purge.c - see purge.h. */
#include "daemon/consent/purge.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

static void purge_on_result(void *arg, const struct pgres *res)
{
    (void)arg;
    if (!pgres_ok(res) && !pgres_lost(res))
        log_error("forms", "cannot be purged", "why=%s", log_value(pgres_message(res)));
}

void consent_purge(struct pgpool *pool)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(pool, 0, Q_FORM_PURGE, &args, purge_on_result, NULL);
}
