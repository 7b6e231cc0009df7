/* pgres.h - the inside of a result, for pgpool alone; everybody else reads results through
 * pgpool.h. */
#ifndef LAZO_DAEMON_PG_PGRES_H
#define LAZO_DAEMON_PG_PGRES_H

#include <libpq-fe.h>
#include <stdbool.h>

struct pgres {
    PGresult *result; /* NULL where the connection was lost before an answer, and in a copy of a
                         failure */
    bool aborted;     /* not executed: an earlier statement failed, whose result this is */
    const char *sqlstate, *message, *constraint; /* of a copy of a failure; else NULL */
};

/* pgres_copy_failure() - what a failed result says, without the result; its texts are children of
 * ctx. */
struct pgres pgres_copy_failure(const void *ctx, const struct pgres *);

#endif
