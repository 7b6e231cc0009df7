/* lead.c - see lead.h. A pgpool of one connection would come back by itself after a loss, without
 * the lock; so each loss ends the leadership at once, and the lock is asked for anew. */
#include "daemon/lead.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/pg/pgconn.h"

#define LEAD_EVERY_S 1.0

struct lead {
    struct ev_loop *loop;
    struct pgconn *conn;
    ev_timer timer;
    enum lead_state state;
    bool asking;
    struct lead_owner owner;
};

static void lead_set(struct lead *l, enum lead_state state)
{
    static const char *const names[] = {"none", "here", "elsewhere"};

    if (l->state == state)
        return;
    log_info("lead", "changed", "was=%s is=%s", names[l->state], names[state]);
    l->state = state;
    l->owner.changed(l->owner.arg, state);
}

static void lead_on_lock(void *arg, const struct pgres *res)
{
    struct lead *l = arg;

    l->asking = false;
    if (pgres_ok(res))
        lead_set(l, pgres_bool(res, 0, "got") ? LEAD_here : LEAD_elsewhere);
}

static void lead_timer_cb(EV_P_ ev_timer *w, int revents)
{
    struct lead *l = w->data;

    (void)loop;
    (void)revents;
    if (!pgconn_ready(l->conn) || l->asking || l->state == LEAD_here)
        return;
    l->asking = true;
    pgconn_send_named(l->conn, Q_LEAD_TRY, NULL, lead_on_lock, l);
    pgconn_sync(l->conn);
}

static void lead_on_notified(void *arg, const char *payload)
{
    struct lead *l = arg;
    int64_t org_id;

    if (text_int(payload, &org_id) && org_id > 0)
        l->owner.defined(l->owner.arg, org_id);
}

/* From here on everything is heard; what was changed before is read anew. */
static void lead_on_listening(void *arg, const struct pgres *res)
{
    struct lead *l = arg;

    if (pgres_ok(res))
        l->owner.defined(l->owner.arg, 0);
}

static void lead_on_state(void *arg, struct pgconn *conn, bool ready)
{
    struct lead *l = arg;

    l->asking = false;
    if (!ready) {
        lead_set(l, LEAD_none);
        return;
    }
    pgconn_send_text(conn, "LISTEN lazo_defined", NULL, lead_on_listening, l);
    pgconn_sync(conn);
    ev_feed_event(l->loop, &l->timer, EV_TIMER);
}

static int lead_destroy(struct lead *l)
{
    ev_timer_stop(l->loop, &l->timer);
    return 0;
}

struct lead *lead_new(const void *ctx, struct ev_loop *loop, const char *conninfo,
                      const struct lead_owner *lead_owner)
{
    struct lead *l = mem_new(ctx, struct lead);
    struct pgconn_owner owner = {.state = lead_on_state, .notified = lead_on_notified, .arg = l};

    l->loop = loop;
    l->owner = *lead_owner;
    ev_timer_init(&l->timer, lead_timer_cb, LEAD_EVERY_S, LEAD_EVERY_S);
    l->timer.data = l;
    ev_timer_start(loop, &l->timer);
    talloc_set_destructor(l, lead_destroy);
    l->conn =
        pgconn_new(l, loop, conninfo,
                   "-c search_path=lazo -c client_min_messages=error -c TimeZone=UTC", &owner);
    return l;
}
