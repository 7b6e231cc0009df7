/* pgpool.c - see pgpool.h.
 *
 * Two sorts of connections. Shared ones take single queries of everybody, pipelined: SET LOCAL, the
 * statement, sync; so each is an implicit transaction of its own and an error of one leaves the
 * next alone. Exclusive ones belong to one transaction (struct pgtx) at a time; each of its
 * statements ends with a sync, so that its answer comes at once.
 *
 * A transaction's life:
 *     waiting ──connection free──► open ──commit/rollback──► ending ──► gone
 *                                    │                         ▲
 *                                    └──a query failed──► failed (the outstanding are answered)
 *
 * One that is a single statement (pgtx_once()) has no BEGIN and no COMMIT: it is sent as a shared
 * connection's query is, and over with its answer.
 *
 * Callbacks that have no connection to come from (the database is away) are kept in `late` and
 * called in the next turn of the loop. */
#include "daemon/pg/pgpool.h"

#include "common/log.h"
#include "common/mem.h"
#include "daemon/pg/pgconn.h"
#include "daemon/pg/pgres.h"

#include <inttypes.h>

enum pgtx_state { PGTX_waiting, PGTX_open, PGTX_failed, PGTX_ending };

struct pgtx {
    bool reading;
    struct pgpool *pool;
    struct pgtx *next; /* in the queue of the waiting */
    struct pgconn *conn;
    enum pgtx_state state;
    int64_t org_id;
    struct pgargs act; /* no values: by nobody */
    pgtx_fn *begun;
    pgtx_end_fn *ended;
    void *arg;
    pgres_fn *once; /* NULL: it has a beginning and an end */
    enum query query;
    const struct pgargs *args;
    size_t outstanding; /* statements sent and not answered */
    bool commit;
    bool closing;       /* COMMIT or ROLLBACK was sent: its answer ends it, whatever failed */
    struct pgres error; /* of the first query that failed; its result is ours */
};

/* A call to be made in the next turn: a query's answer, or a transaction's end. */
struct pglate {
    struct pglate *next;
    pgres_fn *fn;
    pgtx_end_fn *ended;
    void *arg;
};

struct pgpool {
    struct ev_loop *loop;
    struct pgconn **shared, **exclusive;
    struct pgtx **busy; /* which transaction has exclusive[i], or NULL */
    int n_shared, n_exclusive;
    bool up;
    void (*state)(void *arg, bool up);
    void *arg;
    struct pgtx *first, **last;
    size_t n_waiting;
    struct pglate *late, **late_last;
    ev_idle idle; /* runs while there is something late, or a transaction that can begin */
};

/* --- late calls --- */

static void pgpool_later(struct pgpool *p, pgres_fn *fn, pgtx_end_fn *ended, void *arg)
{
    struct pglate *late = mem_new(p, struct pglate);

    late->fn = fn;
    late->ended = ended;
    late->arg = arg;
    *p->late_last = late;
    p->late_last = &late->next;
    ev_idle_start(p->loop, &p->idle);
}

static void pgpool_call_late(struct pgpool *p)
{
    struct pglate *late = p->late, *next;
    struct pgres res = {0};

    /* Who asks again at once is answered in the next turn. */
    p->late = NULL;
    p->late_last = &p->late;
    for (; late != NULL; late = next) {
        next = late->next;
        if (late->fn != NULL)
            late->fn(late->arg, &res);
        else if (late->ended != NULL)
            late->ended(late->arg, false, &res);
        talloc_free(late);
    }
}

/* --- transactions --- */

static void pgpool_release(struct pgpool *p, struct pgconn *conn)
{
    for (int i = 0; i < p->n_exclusive; i++)
        if (p->exclusive[i] == conn)
            p->busy[i] = NULL;
    if (p->first != NULL)
        ev_idle_start(p->loop, &p->idle);
}

static void pgtx_end(struct pgtx *tx, bool committed)
{
    bool failed = tx->state == PGTX_failed;

    pgpool_release(tx->pool, tx->conn);
    tx->ended(tx->arg, committed, failed ? &tx->error : NULL);
    talloc_free(tx);
}

/* The first failure decides. */
static void pgtx_fail(struct pgtx *tx, const struct pgres *res)
{
    if (tx->state == PGTX_failed)
        return;
    tx->state = PGTX_failed;
    tx->error = pgres_copy_failure(tx, res);
}

static void pgtx_on_rolled_back(void *arg, const struct pgres *res)
{
    (void)res;
    pgtx_end(arg, false);
}

/* After each answer: a failed transaction is rolled back once everything outstanding was answered.
 */
static void pgtx_step(struct pgtx *tx)
{
    if (tx->state != PGTX_failed || tx->outstanding > 0 || tx->closing)
        return;
    if (!pgconn_ready(tx->conn)) {
        pgtx_end(tx, false);
        return;
    }
    pgconn_send_text(tx->conn, "ROLLBACK", NULL, pgtx_on_rolled_back, tx);
    pgconn_sync(tx->conn);
}

/* A statement of a transaction on its way: whose callback it is. */
struct pgtx_call {
    struct pgtx *tx;
    pgres_fn *fn;
    void *arg;
};

static void pgtx_on_answer(void *arg, const struct pgres *res)
{
    struct pgtx_call *call = arg;
    struct pgtx *tx = call->tx;

    tx->outstanding--;
    if (!pgres_ok(res))
        pgtx_fail(tx, res);
    if (call->fn != NULL)
        call->fn(call->arg, res);
    talloc_free(call);
    pgtx_step(tx);
}

static struct pgtx_call *pgtx_call_new(struct pgtx *tx, pgres_fn *fn, void *arg)
{
    struct pgtx_call *call = mem_new(tx, struct pgtx_call);

    if (tx->state != PGTX_open)
        bug("a statement is sent in a transaction that is over");
    call->tx = tx;
    call->fn = fn;
    call->arg = arg;
    tx->outstanding++;
    return call;
}

void pgtx_query(struct pgtx *tx, enum query query, const struct pgargs *args, pgres_fn *fn,
                void *arg)
{
    struct pgtx_call *call = pgtx_call_new(tx, fn, arg);

    pgconn_send_named(tx->conn, query, args, pgtx_on_answer, call);
    pgconn_sync(tx->conn);
}

void pgtx_query_sql(struct pgtx *tx, const char *sql, const struct pgargs *args, pgres_fn *fn,
                    void *arg)
{
    struct pgtx_call *call = pgtx_call_new(tx, fn, arg);

    pgconn_send_text(tx->conn, sql, args, pgtx_on_answer, call);
    pgconn_sync(tx->conn);
}

void pgtx_query_kept(struct pgtx *tx, const char *key, const char *sql, const struct pgargs *args,
                     pgres_fn *fn, void *arg)
{
    struct pgtx_call *call = pgtx_call_new(tx, fn, arg);

    pgconn_send_kept(tx->conn, key, sql, args, pgtx_on_answer, call);
    pgconn_sync(tx->conn);
}

/* COMMIT of a transaction in which something failed answers well and rolls back: state knows. */
void pgtx_unhurried(struct pgtx *tx)
{
    pgtx_query_sql(tx, "SET LOCAL statement_timeout = 0", NULL, NULL, NULL);
}

static void pgtx_on_ended(void *arg, const struct pgres *res)
{
    struct pgtx *tx = arg;

    if (!pgres_ok(res))
        pgtx_fail(tx, res);
    pgtx_end(tx, tx->commit && tx->state != PGTX_failed);
}

static void pgtx_close(struct pgtx *tx, bool commit)
{
    if (tx->state != PGTX_open)
        bug("a transaction that is over is ended again");
    tx->state = PGTX_ending;
    tx->closing = true;
    tx->commit = commit;
    pgconn_send_text(tx->conn, commit ? "COMMIT" : "ROLLBACK", NULL, pgtx_on_ended, tx);
    pgconn_sync(tx->conn);
}

void pgtx_commit(struct pgtx *tx)
{
    pgtx_close(tx, true);
}

void pgtx_commit_soon(struct pgtx *tx)
{
    if (tx->state != PGTX_open)
        bug("a transaction that is over is ended again");
    pgconn_send_text(tx->conn, "SET LOCAL synchronous_commit = off", NULL, pgtx_on_answer,
                     pgtx_call_new(tx, NULL, NULL));
    pgtx_close(tx, true);
}

void pgtx_rollback(struct pgtx *tx)
{
    pgtx_close(tx, false);
}

static const char *pgpool_set_org(const void *ctx, int64_t org_id)
{
    if (org_id == 0)
        return "SET LOCAL lazo.org = ''";
    return mem_printf(ctx, "SET LOCAL lazo.org = '%" PRId64 "'", org_id);
}

#define PGPOOL_READ "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
#define PGPOOL_ACT                                                                                 \
    "SELECT set_config('lazo.actor', $1::text, true), set_config('lazo.at', $2::text, true), "     \
    "set_config('lazo.guard', $3::text, true)"

static struct pgargs pgpool_act(const void *ctx, const struct pgact *act)
{
    struct pgargs args;

    pgargs_init(&args, ctx);
    if (act != NULL) {
        pgargs_text(&args, act->actor);
        pgargs_instant(&args, act->at_us);
        pgargs_text(&args, act->guard != NULL ? act->guard : "");
    }
    return args;
}

static void pgtx_on_once(void *arg, const struct pgres *res)
{
    struct pgtx *tx = arg;

    pgpool_release(tx->pool, tx->conn);
    tx->once(tx->arg, res);
    talloc_free(tx);
}

static void pgtx_send_once(struct pgtx *tx)
{
    pgconn_send_text(tx->conn, pgpool_set_org(tx, tx->org_id), NULL, NULL, NULL);
    pgconn_send_named(tx->conn, tx->query, tx->args, pgtx_on_once, tx);
    pgconn_sync(tx->conn);
}

static void pgtx_open(struct pgtx *tx, int i)
{
    struct pgpool *p = tx->pool;

    p->busy[i] = tx;
    tx->conn = p->exclusive[i];
    tx->state = PGTX_open;
    if (tx->once != NULL) {
        pgtx_send_once(tx);
        return;
    }
    pgconn_send_text(tx->conn, tx->reading ? PGPOOL_READ : "BEGIN", NULL, pgtx_on_answer,
                     pgtx_call_new(tx, NULL, NULL));
    pgconn_send_text(tx->conn, pgpool_set_org(tx, tx->org_id), NULL, pgtx_on_answer,
                     pgtx_call_new(tx, NULL, NULL));
    if (tx->act.n > 0)
        pgconn_send_text(tx->conn, PGPOOL_ACT, &tx->act, pgtx_on_answer,
                         pgtx_call_new(tx, NULL, NULL));
    pgconn_sync(tx->conn);
    tx->begun(tx->arg, tx);
}

static int pgpool_free_exclusive(const struct pgpool *p)
{
    for (int i = 0; i < p->n_exclusive; i++)
        if (p->busy[i] == NULL && pgconn_ready(p->exclusive[i]))
            return i;
    return -1;
}

static bool pgpool_takes_readers(const struct pgpool *p)
{
    int n = 0;

    for (int i = 0; i < p->n_exclusive; i++)
        n += p->busy[i] != NULL && p->busy[i]->reading;
    return n == 0 || n < p->n_exclusive / 2;
}

/* The first of those that wait and may begin; NULL: none. */
static struct pgtx *pgpool_next_waiting(struct pgpool *p)
{
    bool readers = pgpool_takes_readers(p);
    struct pgtx **at = &p->first, *tx;

    while (*at != NULL && (*at)->reading && !readers)
        at = &(*at)->next;
    tx = *at;
    if (tx != NULL) {
        *at = tx->next;
        p->last = tx->next == NULL ? at : p->last;
        p->n_waiting--;
    }
    return tx;
}

static void pgpool_begin_waiting(struct pgpool *p)
{
    struct pgtx *tx;
    int i;

    while ((i = pgpool_free_exclusive(p)) >= 0 && (tx = pgpool_next_waiting(p)) != NULL)
        pgtx_open(tx, i);
}

/* NULL where the database is away: `ended` hears of it. */
static struct pgtx *pgtx_wait(struct pgpool *p, int64_t org_id, const struct pgact *act,
                              pgtx_fn *begun, pgtx_end_fn *ended, void *arg)
{
    struct pgtx *tx;

    if (!p->up) {
        pgpool_later(p, NULL, ended, arg);
        return NULL;
    }
    tx = mem_new(p, struct pgtx);
    tx->pool = p;
    tx->org_id = org_id;
    tx->act = pgpool_act(tx, act);
    tx->begun = begun;
    tx->ended = ended;
    tx->arg = arg;
    *p->last = tx;
    p->last = &tx->next;
    p->n_waiting++;
    ev_idle_start(p->loop, &p->idle);
    return tx;
}

void pgtx_begin(struct pgpool *p, int64_t org_id, pgtx_fn *begun, pgtx_end_fn *ended, void *arg)
{
    pgtx_begin_as(p, org_id, NULL, begun, ended, arg);
}

void pgtx_begin_as(struct pgpool *p, int64_t org_id, const struct pgact *act, pgtx_fn *begun,
                   pgtx_end_fn *ended, void *arg)
{
    pgtx_wait(p, org_id, act, begun, ended, arg);
}

void pgtx_begin_reading(struct pgpool *p, int64_t org_id, pgtx_fn *begun, pgtx_end_fn *ended,
                        void *arg)
{
    struct pgtx *tx = pgtx_wait(p, org_id, NULL, begun, ended, arg);

    if (tx != NULL)
        tx->reading = true;
}

/* Nobody is called from here, so that it may begin at once where a connection is free. */
void pgtx_once(struct pgpool *p, int64_t org_id, enum query query, const struct pgargs *args,
               pgres_fn *fn, void *arg)
{
    struct pgtx *tx;

    if (!p->up) {
        pgpool_later(p, fn, NULL, arg);
        return;
    }
    tx = pgtx_wait(p, org_id, NULL, NULL, NULL, arg);
    tx->once = fn;
    tx->query = query;
    tx->args = args;
    if (p->first == tx)
        pgpool_begin_waiting(p);
}

/* The database went away: who waits for a connection is told. */
static void pgpool_refuse_waiting(struct pgpool *p)
{
    while (p->first != NULL) {
        struct pgtx *tx = p->first;

        p->first = tx->next;
        p->n_waiting--;
        pgpool_later(p, tx->once, tx->ended, tx->arg);
        talloc_free(tx);
    }
    p->last = &p->first;
}

/* --- single queries --- */

static struct pgconn *pgpool_least_busy(const struct pgpool *p)
{
    struct pgconn *best = NULL;

    for (int i = 0; i < p->n_shared; i++) {
        struct pgconn *c = p->shared[i];

        if (pgconn_ready(c) && (best == NULL || pgconn_outstanding(c) < pgconn_outstanding(best)))
            best = c;
    }
    return best;
}

static struct pgconn *pgpool_start_query(struct pgpool *p, int64_t org_id, const struct pgact *act,
                                         pgres_fn *fn, void *arg)
{
    struct pgconn *c = pgpool_least_busy(p);
    MEM_SCOPED void *scratch = talloc_new(NULL);

    if (c == NULL) {
        pgpool_later(p, fn, NULL, arg);
        return NULL;
    }
    pgconn_send_text(c, pgpool_set_org(scratch, org_id), NULL, NULL, NULL);
    if (act != NULL) {
        struct pgargs args = pgpool_act(scratch, act);

        pgconn_send_text(c, PGPOOL_ACT, &args, NULL, NULL);
    }
    return c;
}

void pgpool_query(struct pgpool *p, int64_t org_id, enum query query, const struct pgargs *args,
                  pgres_fn *fn, void *arg)
{
    pgpool_query_as(p, org_id, NULL, query, args, fn, arg);
}

void pgpool_query_as(struct pgpool *p, int64_t org_id, const struct pgact *act, enum query query,
                     const struct pgargs *args, pgres_fn *fn, void *arg)
{
    struct pgconn *c = pgpool_start_query(p, org_id, act, fn, arg);

    if (c == NULL)
        return;
    pgconn_send_named(c, query, args, fn, arg);
    pgconn_sync(c);
}

void pgpool_query_sql(struct pgpool *p, int64_t org_id, const char *sql, const struct pgargs *args,
                      pgres_fn *fn, void *arg)
{
    struct pgconn *c = pgpool_start_query(p, org_id, NULL, fn, arg);

    if (c == NULL)
        return;
    pgconn_send_text(c, sql, args, fn, arg);
    pgconn_sync(c);
}

/* --- the pool --- */

static bool pgpool_any_ready(struct pgconn *const *conns, int n)
{
    for (int i = 0; i < n; i++)
        if (pgconn_ready(conns[i]))
            return true;
    return false;
}

/* Up: at least one connection of each sort. */
static void pgpool_on_state(void *arg, struct pgconn *conn, bool ready)
{
    struct pgpool *p = arg;
    bool up =
        pgpool_any_ready(p->shared, p->n_shared) && pgpool_any_ready(p->exclusive, p->n_exclusive);

    (void)conn;
    if (ready)
        ev_idle_start(p->loop, &p->idle);
    if (up == p->up)
        return;
    p->up = up;
    log_info("pgpool", up ? "database is there" : "database is away", "%s", "");
    if (!up)
        pgpool_refuse_waiting(p);
    if (p->state != NULL)
        p->state(p->arg, up);
}

static void pgpool_idle_cb(EV_P_ ev_idle *w, int revents)
{
    struct pgpool *p = w->data;

    (void)loop;
    (void)revents;
    ev_idle_stop(p->loop, w);
    pgpool_call_late(p);
    pgpool_begin_waiting(p);
}

static int pgpool_destroy(struct pgpool *p)
{
    ev_idle_stop(p->loop, &p->idle);
    return 0;
}

/* enable_memoize: a rule's sub-selects differ with each contact. */
#define SESSION                                                                                    \
    "-c search_path=lazo -c lazo.writer=lazod -c client_min_messages=error -c TimeZone=UTC "       \
    "-c DateStyle=ISO -c plan_cache_mode=force_generic_plan -c jit=off -c enable_memoize=off "     \
    "-c idle_in_transaction_session_timeout=60000 -c statement_timeout=%" PRId64

static struct pgconn **pgpool_connections(struct pgpool *p, const struct pgpool_options *o, int n)
{
    struct pgconn **conns = mem_array(p, struct pgconn *, n);
    struct pgconn_owner owner = {.state = pgpool_on_state, .arg = p};
    char *options = mem_printf(p, SESSION, o->statement_timeout_ms);

    for (int i = 0; i < n; i++)
        conns[i] = pgconn_new(p, p->loop, o->conninfo, options, &owner);
    return conns;
}

struct pgpool *pgpool_new(const void *ctx, struct ev_loop *loop, const struct pgpool_options *o)
{
    struct pgpool *p = mem_new(ctx, struct pgpool);

    p->loop = loop;
    p->state = o->state;
    p->arg = o->arg;
    p->last = &p->first;
    p->late_last = &p->late;
    ev_idle_init(&p->idle, pgpool_idle_cb);
    p->idle.data = p;
    talloc_set_destructor(p, pgpool_destroy);
    p->shared = pgpool_connections(p, o, o->shared);
    p->n_shared = o->shared;
    p->exclusive = pgpool_connections(p, o, o->exclusive);
    p->busy = mem_array(p, struct pgtx *, o->exclusive);
    p->n_exclusive = o->exclusive;
    return p;
}

bool pgpool_up(const struct pgpool *p)
{
    return p->up;
}

size_t pgpool_waiting(const struct pgpool *p)
{
    size_t n = p->n_waiting;

    for (int i = 0; i < p->n_shared; i++)
        n += pgconn_outstanding(p->shared[i]);
    for (int i = 0; i < p->n_exclusive; i++)
        n += pgconn_outstanding(p->exclusive[i]);
    return n;
}
