/* pgconn.c - see pgconn.h. Output is flushed once a turn of the loop, in prepare. */
#include "daemon/pg/pgconn.h"

#include "common/log.h"
#include "common/mem.h"
#include "daemon/pg/pgres.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 10.0
#define BACKOFF_FIRST_S   0.1
#define BACKOFF_MAX_S     5.0
#define REPLAN_FIRST_S    1.0
#define REPLAN_MAX_S      60.0

#define PGCONN_STATES(X) X(down) X(connecting) X(preparing) X(ready)
enum pgconn_state {
#define X(name) PGCONN_##name,
    PGCONN_STATES(X)
#undef X
};

/* What is expected back: a command's result, or a sync (fn NULL and sync true). What stands before
 * a sync is a segment. Its results are kept until the sync came: only then was it committed. */
struct pgop {
    struct pgop *next;
    pgres_fn *fn;
    void *arg;
    bool sync;
    PGresult *result; /* NULL: not yet answered */
};

/* A statement that was prepared on the way. Its name is never used again, so that one that could
 * not be taken away is in nobody's way. */
struct pgkept {
    char *key;
    unsigned serial;    /* its name is k<serial> */
    uint64_t last_sent; /* 0: the place is free */
};

struct pgconn {
    struct ev_loop *loop;
    const char *conninfo, *options;
    struct pgconn_owner owner;
    PGconn *pg;
    enum pgconn_state state;
    ev_io readable, writable;
    ev_timer timer;  /* connect time-out, or back-off */
    ev_timer replan; /* when plans are made anew; its repeat doubles */
    ev_prepare flush;
    double backoff_s;
    bool dirty; /* something to flush */
    bool lost;  /* found inside a send or a result: dealt with in prepare */
    char *why;  /* it is lost; NULL: it could not be sent to */
    struct pgop *first, **last;
    struct pgop *expected; /* the first that has no result; NULL: all have */
    PGresult *refused;     /* why the commit of the first segment failed */
    size_t outstanding;
    struct pgkept kept[PGCONN_KEPT_MAX];
    unsigned kept_serial;
    uint64_t kept_sent;
};

static void pgconn_connect(struct pgconn *c);

static int pgop_destroy(struct pgop *op)
{
    PQclear(op->result);
    return 0;
}

static void pgconn_push(struct pgconn *c, pgres_fn *fn, void *arg, bool sync)
{
    struct pgop *op = mem_new(c, struct pgop);

    talloc_set_destructor(op, pgop_destroy);
    op->fn = fn;
    op->arg = arg;
    op->sync = sync;
    *c->last = op;
    c->last = &op->next;
    if (c->expected == NULL)
        c->expected = op;
    c->outstanding++;
    c->dirty = true;
}

static struct pgop *pgconn_pop(struct pgconn *c)
{
    struct pgop *op = c->first;

    c->first = op->next;
    if (c->first == NULL)
        c->last = &c->first;
    c->outstanding--;
    return op;
}

static void pgconn_stop(struct pgconn *c)
{
    ev_io_stop(c->loop, &c->readable);
    ev_io_stop(c->loop, &c->writable);
    ev_timer_stop(c->loop, &c->timer);
    ev_timer_stop(c->loop, &c->replan);
    PQfinish(c->pg);
    c->pg = NULL;
    PQclear(c->refused);
    c->refused = NULL;
    for (int i = 0; i < PGCONN_KEPT_MAX; i++)
        c->kept[i].last_sent = 0;
}

/* Answers everything outstanding as lost, tells the owner, and comes back after a while. */
static void pgconn_lose(struct pgconn *c, const char *why)
{
    bool was_ready = c->state == PGCONN_ready;
    struct pgres res = {0};

    log_warning("pgconn", "connection lost", "why=%s outstanding=%zu", log_value(why),
                c->outstanding);
    pgconn_stop(c);
    c->state = PGCONN_down;
    c->lost = false;
    c->expected = NULL;
    TALLOC_FREE(c->why);
    while (c->first != NULL) {
        struct pgop *op = pgconn_pop(c);

        if (op->fn != NULL)
            op->fn(op->arg, &res);
        talloc_free(op);
    }
    if (was_ready)
        c->owner.state(c->owner.arg, c, false);
    ev_timer_set(&c->timer, c->backoff_s, 0.);
    ev_timer_start(c->loop, &c->timer);
    c->backoff_s = c->backoff_s * 2 > BACKOFF_MAX_S ? BACKOFF_MAX_S : c->backoff_s * 2;
}

static void pgconn_watch(struct pgconn *c, bool read, bool write)
{
    ev_io_stop(c->loop, &c->readable);
    ev_io_stop(c->loop, &c->writable);
    ev_io_set(&c->readable, PQsocket(c->pg), EV_READ);
    ev_io_set(&c->writable, PQsocket(c->pg), EV_WRITE);
    if (read)
        ev_io_start(c->loop, &c->readable);
    if (write)
        ev_io_start(c->loop, &c->writable);
}

static void pgconn_on_prepared(void *arg, const struct pgres *res)
{
    struct pgconn *c = arg;

    if (!pgres_ok(res) && !pgres_lost(res) && !res->aborted)
        log_error("pgconn", "a statement does not fit the schema", "why=%s",
                  log_value(pgres_message(res)));
    if (!pgres_ok(res))
        c->lost = true;
}

static void pgconn_prepare_statements(struct pgconn *c)
{
    if (PQsetnonblocking(c->pg, 1) != 0 || PQenterPipelineMode(c->pg) != 1) {
        pgconn_lose(c, PQerrorMessage(c->pg));
        return;
    }
    c->state = PGCONN_preparing;
    for (int i = 0; i < Q_COUNT; i++) {
        if (!statements[i].prepared)
            continue;
        if (PQsendPrepare(c->pg, statements[i].name, statements[i].sql, 0, NULL) != 1) {
            pgconn_lose(c, PQerrorMessage(c->pg));
            return;
        }
        pgconn_push(c, pgconn_on_prepared, c, false);
    }
    pgconn_sync(c);
    pgconn_watch(c, true, true);
}

static void pgconn_poll_connect(struct pgconn *c)
{
    PostgresPollingStatusType status = PQconnectPoll(c->pg);

    if (status == PGRES_POLLING_FAILED)
        pgconn_lose(c, PQerrorMessage(c->pg));
    else if (status == PGRES_POLLING_OK)
        pgconn_prepare_statements(c);
    else
        pgconn_watch(c, status == PGRES_POLLING_READING, status == PGRES_POLLING_WRITING);
}

static void pgconn_connect(struct pgconn *c)
{
    const char *keys[] = {"dbname", "options", "client_encoding", "application_name", NULL};
    const char *values[] = {c->conninfo, c->options, "UTF8", "lazod", NULL};

    c->pg = PQconnectStartParams(keys, values, 1);
    mem_must(c->pg);
    c->state = PGCONN_connecting;
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        pgconn_lose(c, PQerrorMessage(c->pg));
        return;
    }
    ev_timer_set(&c->timer, CONNECT_TIMEOUT_S, 0.);
    ev_timer_start(c->loop, &c->timer);
    /* libpq: begin as if the last poll had said "writing". */
    pgconn_watch(c, false, true);
}

/* A session that the server ends says so where an answer was expected, whose ever that was: all
 * that is outstanding is lost. */
static bool is_last_word(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* The first segment was answered, its sync too: each callback gets its result; where the commit was
 * refused, why it was. What was not executed says what failed before it. */
static void pgconn_answer_segment(struct pgconn *c)
{
    MEM_SCOPED void *answered = talloc_new(NULL);
    PGresult *refused = c->refused, *failed = NULL;
    bool sync = false;

    c->refused = NULL;
    while (!sync) {
        struct pgop *op = talloc_steal(answered, pgconn_pop(c));
        bool aborted = PQresultStatus(op->result) == PGRES_PIPELINE_ABORTED;
        struct pgres res = {.result = op->result, .aborted = aborted};

        sync = op->sync;
        if (failed == NULL && PQresultStatus(op->result) == PGRES_FATAL_ERROR)
            failed = op->result;
        if (refused != NULL)
            res.result = refused;
        else if (aborted && failed != NULL)
            res.result = failed;
        if (op->fn != NULL)
            op->fn(op->arg, &res);
    }
    PQclear(refused);
}

static void pgconn_on_result(struct pgconn *c, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    struct pgop *op = c->expected;

    if (is_last_word(result)) {
        c->lost = true;
        c->why = mem_strdup(c, PQresultErrorMessage(result));
        PQclear(result);
        return;
    }
    /* An error in place of the sync, which is still to come: what is looked at at the end. */
    if (op->sync && status == PGRES_FATAL_ERROR) {
        PQclear(c->refused);
        c->refused = result;
        return;
    }
    if (op->sync != (status == PGRES_PIPELINE_SYNC))
        bug("the pipeline is out of step: %s", PQresStatus(status));
    op->result = result;
    c->expected = op->next;
    if (!op->sync)
        return;
    pgconn_answer_segment(c);
    if (c->state == PGCONN_preparing && c->first == NULL && !c->lost) {
        c->state = PGCONN_ready;
        c->backoff_s = BACKOFF_FIRST_S;
        ev_timer_stop(c->loop, &c->timer);
        ev_timer_set(&c->replan, REPLAN_FIRST_S, REPLAN_FIRST_S);
        ev_timer_start(c->loop, &c->replan);
        c->owner.state(c->owner.arg, c, true);
    }
}

static void pgconn_read(struct pgconn *c)
{
    int nulls = 0;

    if (PQconsumeInput(c->pg) != 1) {
        pgconn_lose(c, PQerrorMessage(c->pg));
        return;
    }
    /* A callback may find the connection lost; nothing is read after that. */
    while (c->expected != NULL && nulls < 2 && !c->lost && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);

        if (result == NULL) {
            nulls++;
            continue;
        }
        nulls = 0;
        if (PQstatus(c->pg) == CONNECTION_BAD) {
            PQclear(result);
            break;
        }
        pgconn_on_result(c, result);
    }
    if (PQstatus(c->pg) == CONNECTION_BAD)
        pgconn_lose(c, PQerrorMessage(c->pg));
}

static void pgconn_notify(struct pgconn *c)
{
    PGnotify *note;

    while (c->pg != NULL && c->owner.notified != NULL && (note = PQnotifies(c->pg)) != NULL) {
        c->owner.notified(c->owner.arg, note->extra);
        PQfreemem(note);
    }
}

static void pgconn_flush(struct pgconn *c)
{
    int left = PQflush(c->pg);

    c->dirty = false;
    if (left < 0)
        pgconn_lose(c, PQerrorMessage(c->pg));
    else if (left > 0)
        ev_io_start(c->loop, &c->writable);
    else
        ev_io_stop(c->loop, &c->writable);
}

static void pgconn_io_cb(EV_P_ ev_io *w, int revents)
{
    struct pgconn *c = w->data;

    (void)loop;
    if (c->state == PGCONN_connecting) {
        pgconn_poll_connect(c);
        return;
    }
    /* Input is taken while writing too: a server that cannot send stops reading. */
    pgconn_read(c);
    pgconn_notify(c);
    if (c->pg != NULL && (revents & EV_WRITE))
        pgconn_flush(c);
}

static void pgconn_prepare_cb(EV_P_ ev_prepare *w, int revents)
{
    struct pgconn *c = w->data;

    (void)loop;
    (void)revents;
    if (c->lost && c->pg != NULL)
        pgconn_lose(c, c->why != NULL ? c->why : "statements could not be prepared or sent");
    else if (c->dirty && c->pg != NULL && c->state != PGCONN_connecting)
        pgconn_flush(c);
}

static void pgconn_timer_cb(EV_P_ ev_timer *w, int revents)
{
    struct pgconn *c = w->data;

    (void)loop;
    (void)revents;
    if (c->state == PGCONN_down)
        pgconn_connect(c);
    else
        pgconn_lose(c, "no connection in time");
}

/* A plan is kept as it was made, and tables grow: one that was made for an empty table would stay
 * until the statistics are next gathered. */
static void pgconn_replan_cb(EV_P_ ev_timer *w, int revents)
{
    struct pgconn *c = w->data;

    (void)loop;
    (void)revents;
    pgconn_send_text(c, "DISCARD PLANS", NULL, NULL, NULL);
    pgconn_sync(c);
    w->repeat = w->repeat * 2 > REPLAN_MAX_S ? REPLAN_MAX_S : w->repeat * 2;
}

static int pgconn_destroy(struct pgconn *c)
{
    pgconn_stop(c);
    ev_prepare_stop(c->loop, &c->flush);
    return 0;
}

struct pgconn *pgconn_new(const void *ctx, struct ev_loop *loop, const char *conninfo,
                          const char *options, const struct pgconn_owner *owner)
{
    struct pgconn *c = mem_new(ctx, struct pgconn);

    c->loop = loop;
    c->conninfo = mem_strdup(c, conninfo);
    c->options = mem_strdup(c, options);
    c->owner = *owner;
    c->last = &c->first;
    c->backoff_s = BACKOFF_FIRST_S;
    ev_init(&c->readable, pgconn_io_cb);
    ev_init(&c->writable, pgconn_io_cb);
    ev_init(&c->timer, pgconn_timer_cb);
    ev_init(&c->replan, pgconn_replan_cb);
    ev_prepare_init(&c->flush, pgconn_prepare_cb);
    c->readable.data = c->writable.data = c->timer.data = c->replan.data = c->flush.data = c;
    /* Last of all prepare watchers: the others may still send. */
    ev_set_priority(&c->flush, EV_MINPRI);
    ev_prepare_start(loop, &c->flush);
    talloc_set_destructor(c, pgconn_destroy);
    ev_timer_set(&c->timer, 0., 0.);
    ev_timer_start(loop, &c->timer);
    return c;
}

bool pgconn_ready(const struct pgconn *c)
{
    return c->state == PGCONN_ready && !c->lost;
}

size_t pgconn_outstanding(const struct pgconn *c)
{
    return c->outstanding;
}

void pgconn_send_text(struct pgconn *c, const char *sql, const struct pgargs *args, pgres_fn *fn,
                      void *arg)
{
    int n = args == NULL ? 0 : args->n;

    if (PQsendQueryParams(c->pg, sql, n, NULL, n == 0 ? NULL : args->values, NULL, NULL, 0) != 1)
        c->lost = true;
    pgconn_push(c, fn, arg, false);
}

void pgconn_send_named(struct pgconn *c, enum query query, const struct pgargs *args, pgres_fn *fn,
                       void *arg)
{
    int n = args == NULL ? 0 : args->n;

    if (PQsendQueryPrepared(c->pg, statements[query].name, n, n == 0 ? NULL : args->values, NULL,
                            NULL, 0) != 1)
        c->lost = true;
    pgconn_push(c, fn, arg, false);
}

struct pgkept_call {
    struct pgconn *conn;
    unsigned serial;
};

/* One that could not be prepared is prepared again when it is next sent. */
static void kept_on_prepared(void *arg, const struct pgres *res)
{
    struct pgkept_call *call = arg;

    for (int i = 0; i < PGCONN_KEPT_MAX && !pgres_ok(res); i++)
        if (call->conn->kept[i].serial == call->serial)
            call->conn->kept[i].last_sent = 0;
    talloc_free(call);
}

static void kept_forget(struct pgconn *c, struct pgkept *k)
{
    char sql[32];

    snprintf(sql, sizeof(sql), "DEALLOCATE k%u", k->serial);
    pgconn_send_text(c, sql, NULL, NULL, NULL);
    k->last_sent = 0;
}

/* The statement's place: its own, else that of the one that was not sent for the longest time. */
static struct pgkept *kept_place(struct pgconn *c, const char *key)
{
    struct pgkept *oldest = &c->kept[0];

    for (int i = 0; i < PGCONN_KEPT_MAX; i++) {
        struct pgkept *k = &c->kept[i];

        if (k->last_sent != 0 && strcmp(k->key, key) == 0)
            return k;
        if (k->last_sent < oldest->last_sent)
            oldest = k;
    }
    if (oldest->last_sent != 0)
        kept_forget(c, oldest);
    return oldest;
}

static void kept_prepare(struct pgconn *c, struct pgkept *k, const char *key, const char *sql)
{
    struct pgkept_call *call = mem_new(c, struct pgkept_call);
    char name[16];

    talloc_free(k->key);
    k->key = mem_strdup(c, key);
    k->serial = call->serial = ++c->kept_serial;
    call->conn = c;
    snprintf(name, sizeof(name), "k%u", k->serial);
    if (PQsendPrepare(c->pg, name, sql, 0, NULL) != 1)
        c->lost = true;
    pgconn_push(c, kept_on_prepared, call, false);
}

void pgconn_send_kept(struct pgconn *c, const char *key, const char *sql, const struct pgargs *args,
                      pgres_fn *fn, void *arg)
{
    struct pgkept *k = kept_place(c, key);
    char name[16];

    if (k->last_sent == 0)
        kept_prepare(c, k, key, sql);
    k->last_sent = ++c->kept_sent;
    snprintf(name, sizeof(name), "k%u", k->serial);
    if (PQsendQueryPrepared(c->pg, name, args->n, args->n == 0 ? NULL : args->values, NULL, NULL,
                            0) != 1)
        c->lost = true;
    pgconn_push(c, fn, arg, false);
}

void pgconn_sync(struct pgconn *c)
{
    if (PQpipelineSync(c->pg) != 1)
        c->lost = true;
    pgconn_push(c, NULL, NULL, true);
}
