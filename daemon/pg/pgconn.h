/* pgconn.h - one pipelined connection on the loop: connects, prepares the named statements, sends,
 * reads, tells when it is lost.
 *
 *     down ──connect──► connecting ──► preparing ──► ready ──┐
 *       ▲                    │             │                 │ error
 *       └──── back-off ◄─────┴─────────────┴─────────────────┘
 *
 * What was sent is answered in its order, once the sync that follows it was: then it is committed,
 * or has failed, be it in its commit. When the connection is lost everything outstanding is
 * answered with a lost result. */
#ifndef LAZO_DAEMON_PG_PGCONN_H
#define LAZO_DAEMON_PG_PGCONN_H

#include "daemon/pg/pgpool.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

struct pgconn;

struct pgconn_owner {
    /* The connection became ready, or was lost (after everything outstanding was answered). */
    void (*state)(void *arg, struct pgconn *, bool ready);
    /* A notification came, to what the session listens to; NULL where it listens to nothing. */
    void (*notified)(void *arg, const char *payload);
    void *arg;
};

struct pgconn *pgconn_new(const void *ctx, struct ev_loop *, const char *conninfo,
                          const char *options, const struct pgconn_owner *);
bool pgconn_ready(const struct pgconn *);
size_t pgconn_outstanding(const struct pgconn *);

/* Each sends one command; `fn` (may be NULL) gets its result. Only while ready. pgconn_sync() ends
 * an implicit transaction and starts the reading: an error makes the server skip all up to it. */
void pgconn_send_text(struct pgconn *, const char *sql, const struct pgargs *, pgres_fn *fn,
                      void *arg);
void pgconn_send_named(struct pgconn *, enum query, const struct pgargs *, pgres_fn *fn, void *arg);
/* pgconn_send_kept() - SQL that is prepared when it is first sent and stays so, under `key` (as
 * long as it is among the last PGCONN_KEPT_MAX that were sent). The same key is always the same
 * SQL. */
#define PGCONN_KEPT_MAX 200
void pgconn_send_kept(struct pgconn *, const char *key, const char *sql, const struct pgargs *,
                      pgres_fn *fn, void *arg);
void pgconn_sync(struct pgconn *);

#endif
