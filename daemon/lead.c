/* lead.c - see lead.h. A pgpool of one connection would come back by itself after a loss, without
 * the lock; so each loss ends the leadership at once, and the lock is asked for anew. */
#include "daemon/lead.h"

#include "common/log.h"
#include "common/mem.h"
#include "daemon/pg/pgconn.h"

#define LEAD_EVERY_S 1.0

struct lead {
    struct ev_loop *loop;
    struct pgconn *conn;
    ev_timer timer;
    bool holds, asking;
    void (*changed)(void *arg, bool leads);
    void *arg;
};

static void lead_set(struct lead *l, bool holds)
{
    if (l->holds == holds)
        return;
    l->holds = holds;
    log_info("lead", holds ? "this daemon leads" : "this daemon does not lead any more", "%s", "");
    l->changed(l->arg, holds);
}

static void lead_on_lock(void *arg, const struct pgres *res)
{
    struct lead *l = arg;

    l->asking = false;
    if (pgres_ok(res))
        lead_set(l, pgres_bool(res, 0, "got"));
}

/* While it leads, asking keeps the connection's loss from going unnoticed; the lock itself is not
 * taken twice. */
static void lead_timer_cb(EV_P_ ev_timer *w, int revents)
{
    struct lead *l = w->data;

    (void)loop;
    (void)revents;
    if (!pgconn_ready(l->conn) || l->asking || l->holds)
        return;
    l->asking = true;
    pgconn_send_named(l->conn, Q_LEAD_TRY, NULL, lead_on_lock, l);
    pgconn_sync(l->conn);
}

static void lead_on_state(void *arg, struct pgconn *conn, bool ready)
{
    struct lead *l = arg;

    (void)conn;
    l->asking = false;
    if (!ready)
        lead_set(l, false);
    else
        ev_feed_event(l->loop, &l->timer, EV_TIMER);
}

static int lead_destroy(struct lead *l)
{
    ev_timer_stop(l->loop, &l->timer);
    return 0;
}

struct lead *lead_new(const void *ctx, struct ev_loop *loop, const char *conninfo,
                      void (*changed)(void *arg, bool leads), void *arg)
{
    struct lead *l = mem_new(ctx, struct lead);
    struct pgconn_owner owner = {.state = lead_on_state, .arg = l};

    l->loop = loop;
    l->changed = changed;
    l->arg = arg;
    ev_timer_init(&l->timer, lead_timer_cb, LEAD_EVERY_S, LEAD_EVERY_S);
    l->timer.data = l;
    ev_timer_start(loop, &l->timer);
    talloc_set_destructor(l, lead_destroy);
    l->conn =
        pgconn_new(l, loop, conninfo,
                   "-c search_path=lazo -c client_min_messages=error -c TimeZone=UTC", &owner);
    return l;
}

bool lead_holds(const struct lead *l)
{
    return l->holds;
}
