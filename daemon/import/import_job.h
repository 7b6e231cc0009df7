/* import_job.h - one import under way: its dry run, its run, or its undoing, in blocks. For
 * imports.c.
 *
 * A block of the run is one transaction: its rows, what was refused of it, and the import's
 * position. So a lazod that is killed leaves whole blocks, and the next one goes on behind the last
 * of them; the rows before are read again, for the keys that are made of them, and recorded by
 * nobody. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_JOB_H
#define LAZO_DAEMON_IMPORT_IMPORT_JOB_H

#include "daemon/import/import_counts.h"
#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"
#include "daemon/record/record.h"

#include <stdbool.h>
#include <stdint.h>

struct import_env {
    struct pgpool *pool;
    struct orgs *orgs;
    struct record *record;
    struct import_counts *counts;               /* of the process, for its metrics */
    void (*changed)(void *arg, int64_t org_id); /* the change log has more */
    void *arg;
};

/* import_job_start() - takes the next step of an organisation's imports, the first row of
 * import_next, to its end, or until it is paused. Calls back once, from the loop; `ok` is false
 * where something is in the way that may pass. Child of ctx, which must live until then. */
void import_job_start(const void *ctx, const struct import_env *, int64_t org_id,
                      const struct pgres *next, void (*fn)(void *arg, bool ok), void *arg);

#endif
