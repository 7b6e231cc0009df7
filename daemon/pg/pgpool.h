/* pgpool.h - asynchronous PostgreSQL on the loop: pipelined connections, prepared named statements,
 * transactions.
 *
 * Every query calls back exactly once, from the loop, never from inside the call that asked. A
 * result is borrowed until its callback returns. The session is set so that lazo.writer is 'lazod'
 * and search_path is lazo. Reconnects by itself, with back-off; queries that were on a lost
 * connection get a result that failed (pgres_ok() false, pgres_lost() true): whether they took
 * effect is unknown, and the caller must ask again or be harmless when repeated.
 *
 * Row-level security: each query or transaction belongs to one organisation (`org_id`; 0: none, for
 * statements that ask the directory's functions alone) and runs with SET LOCAL lazo.org. */
#ifndef LAZO_DAEMON_PG_PGPOOL_H
#define LAZO_DAEMON_PG_PGPOOL_H

#include "daemon/pg/pgargs.h"
#include "daemon/pg/statements.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct pgpool;
struct pgtx;
struct pgres;

typedef void pgres_fn(void *arg, const struct pgres *res);

/* --- results --------------------------------------------------------------------------------- */

bool pgres_ok(const struct pgres *);
bool pgres_lost(const struct pgres *); /* the connection went away: retry later */
/* pgres_raced() - somebody else wrote the same at that moment, or took away what it refers to:
 * tried again at once it finds what is there now. */
bool pgres_raced(const struct pgres *);
const char *pgres_sqlstate(const struct pgres *); /* "" where it is ok */
const char *
pgres_message(const struct pgres *); /* the server's primary message; for the log, not for users */
const char *
pgres_constraint(const struct pgres *); /* name of the constraint that was violated, or "" */
int pgres_rows(const struct pgres *);
int64_t pgres_affected(const struct pgres *);
/* Columns by name; a name that is not there is a bug. The text is borrowed. A null gives NULL, 0,
 * false. */
const char *pgres_text(const struct pgres *, int row, const char *column);
int64_t pgres_int(const struct pgres *, int row, const char *column);
bool pgres_bool(const struct pgres *, int row, const char *column);
bool pgres_null(const struct pgres *, int row, const char *column);
bool pgres_has(const struct pgres *, const char *column);
/* Microseconds, UTC; null gives INT64_MIN; what lies before the year 1 is its beginning, what lies
 * after 9999 is INT64_MAX, as infinity is. */
int64_t pgres_instant(const struct pgres *, int row, const char *column);
/* pgres_ints() - an int or bigint array as int64_t's, child of ctx; *ret_n is their number. */
int64_t *pgres_ints(const struct pgres *, int row, const char *column, const void *ctx,
                    size_t *ret_n);

/* --- the pool -----------------------------------------------------------------------------------
 */

struct pgpool_options {
    const char *conninfo;              /* libpq's; copied */
    int shared;                        /* connections for single queries, pipelined */
    int exclusive;                     /* connections for transactions of several steps */
    int64_t statement_timeout_ms;      /* 0: none */
    void (*state)(void *arg, bool up); /* called when the database comes and goes; may be NULL */
    void *arg;
};
/* pgpool_new() - starts connecting at once; child of `ctx`. Freeing it drops all callbacks. */
struct pgpool *pgpool_new(const void *ctx, struct ev_loop *, const struct pgpool_options *);
bool pgpool_up(const struct pgpool *);
/* pgpool_waiting() - queries and transactions that were asked and not yet answered. */
size_t pgpool_waiting(const struct pgpool *);

/* pgpool_query() - one named statement in a transaction of its own, pipelined with others. */
void pgpool_query(struct pgpool *, int64_t org_id, enum query, const struct pgargs *, pgres_fn *,
                  void *arg);
/* pgpool_query_sql() - the same for SQL that the rule compiler wrote. Not prepared. */
void pgpool_query_sql(struct pgpool *, int64_t org_id, const char *sql, const struct pgargs *,
                      pgres_fn *, void *arg);

/* On whose behalf something is written, and on what condition: lazo.actor, lazo.at and lazo.guard
 * of the transaction, as schema/README.md has them. Borrowed until the call returns. */
struct pgact {
    const char *actor; /* "token:5" */
    int64_t at_us;
    const char *guard; /* JSON; NULL: no condition */
};
/* pgpool_query_as(), pgtx_begin_as() - the same as without _as, by somebody. */
void pgpool_query_as(struct pgpool *, int64_t org_id, const struct pgact *, enum query,
                     const struct pgargs *, pgres_fn *, void *arg);

/* --- transactions --------------------------------------------------------------------------------
 */

typedef void pgtx_fn(void *arg, struct pgtx *tx);
typedef void
pgtx_end_fn(void *arg, bool committed,
            const struct pgres *error); /* error: NULL where committed or rolled back by us */

/* pgtx_begin() - waits for a free exclusive connection, then calls `begun` with the transaction
 * open. `ended` is called once, after pgtx_commit() or pgtx_rollback(), or when a query failed:
 * then the transaction is over, queries still outstanding in it have been answered as failed, and
 * the `tx` is gone. `ended` follows the callbacks of all its queries. */
void pgtx_begin(struct pgpool *, int64_t org_id, pgtx_fn *begun, pgtx_end_fn *ended, void *arg);
void pgtx_begin_as(struct pgpool *, int64_t org_id, const struct pgact *, pgtx_fn *begun,
                   pgtx_end_fn *ended, void *arg);
/* pgtx_begin_reading() - one that only reads, and all of whose queries see what its first one saw
 * (REPEATABLE READ, READ ONLY). Such ones may take long: they have no more than half of the
 * exclusive connections, and then wait for each other while others pass them. */
void pgtx_begin_reading(struct pgpool *, int64_t org_id, pgtx_fn *begun, pgtx_end_fn *ended,
                        void *arg);
/* pgtx_once() - a transaction of one named statement, that is answered when it is committed. As
 * pgpool_query(), but on an exclusive connection, so that nobody's query waits behind it however
 * long it takes; and one round trip, where pgtx_begin() to pgtx_commit() are three. `args` must
 * live until the answer. */
void pgtx_once(struct pgpool *, int64_t org_id, enum query, const struct pgargs *args, pgres_fn *fn,
               void *arg);
/* Queries of a transaction: several may be sent without waiting for the first. `fn` may be NULL. */
void pgtx_query(struct pgtx *, enum query, const struct pgargs *, pgres_fn *, void *arg);
void pgtx_query_sql(struct pgtx *, const char *sql, const struct pgargs *, pgres_fn *, void *arg);
/* pgtx_query_kept() - SQL of the rule compiler that is sent again and again: prepared once a
 * connection, under `key`, which is always the same SQL. */
void pgtx_query_kept(struct pgtx *, const char *key, const char *sql, const struct pgargs *,
                     pgres_fn *, void *arg);
/* pgtx_unhurried() - statements of this transaction may take longer than statement_timeout_ms. */
void pgtx_unhurried(struct pgtx *);
/* pgtx_commit(), pgtx_rollback() - the last call on `tx`, unless it already failed (then they are
 * not to be called: test with pgres_ok() in the query's callback and return). */
void pgtx_commit(struct pgtx *);
/* pgtx_commit_soon() - the same without waiting for the disk (synchronous_commit = off). Should the
 * server crash within the next second, it may not have happened, and then nothing that was
 * committed after it has either: for what is made again from what is stored, and is not told to
 * anybody outside before another transaction was committed that waits. */
void pgtx_commit_soon(struct pgtx *);
void pgtx_rollback(struct pgtx *);

#endif
