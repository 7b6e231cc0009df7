/* dispatch.c - see dispatch.h and, for the messages, common/bus.h. Who is connected, in which
 * session; lease.c gives work, result.c takes results, letter.c says what a job is. To add a sort
 * of worker: its name in `sorts` of lease.c and a letter. */
#include "daemon/dispatch/dispatch.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/dispatch/hand.h"

#include <inttypes.h>
#include <string.h>

#define TICK_S         1.0
#define EXPIRE_TICKS   10
#define RENEW_MOST_US  (60 * CLOCK_SECOND_US)
#define NAME_MAX_CHARS 200

/* --- hands -------------------------------------------------------------------------------------
 */

struct hand *hand_find(struct dispatch *d, const void *peer, size_t n, int64_t session)
{
    for (struct hand *h = d->hands; h != NULL; h = h->next)
        if (h->session == session && h->peer_len == n && memcmp(h->peer, peer, n) == 0)
            return h;
    return NULL;
}

struct hand *hand_by_session(struct dispatch *d, int64_t session)
{
    for (struct hand *h = d->hands; h != NULL && session != 0; h = h->next)
        if (h->session == session)
            return h;
    return NULL;
}

bool hand_send(struct hand *hand, enum bus_type type, json_t *body_take)
{
    bool sent;

    json_object_set_new(body_take, "session", json_integer(hand->session));
    sent = bus_send(hand->dispatch->bus, hand->peer, hand->peer_len, type, body_take);
    json_decref(body_take);
    return sent;
}

static int hand_destroy(struct hand *hand)
{
    json_decref(hand->held);
    return 0;
}

void hand_drop(struct hand *hand, bool again)
{
    struct hand **at;

    if (again)
        hand_send(hand, BUS_again, json_object());
    for (at = &hand->dispatch->hands; *at != hand; at = &(*at)->next)
        ;
    *at = hand->next;
    log_info("worker", "gone", "worker=%s session=%" PRId64, log_value(hand->name), hand->session);
    talloc_free(hand);
}

/* --- hello
 * ---------------------------------------------------------------------------------------- */

/* An organisation whose leases of this worker are being released. */
struct joining {
    struct dispatch *dispatch;
    int64_t session;
};

static void hand_ready(struct hand *hand)
{
    struct dispatch *d = hand->dispatch;

    hand->state = HAND_ready;
    log_info("worker", "ready", "worker=%s sort=%s session=%" PRId64 " credit=%" PRId64,
             log_value(hand->name), hand->sort, hand->session, hand->credit);
    hand_send(hand, BUS_welcome,
              json_pack("{s:I}", "lease", (json_int_t)settings_int(d->settings, "bus.lease")));
    lease_renew(d);
    dispatch_wake(d);
}

static void hand_on_released(void *arg, const struct pgres *res)
{
    struct joining *j = arg;
    struct hand *hand = hand_by_session(j->dispatch, j->session);

    j->dispatch->released += (uint64_t)pgres_affected(res);
    if (hand != NULL && !pgres_ok(res))
        hand_drop(hand, true);
    else if (hand != NULL && --hand->joining_left == 0)
        hand_ready(hand);
    talloc_free(j);
}

static struct joining *joining_new(struct dispatch *d, int64_t session)
{
    struct joining *j = mem_new(d, struct joining);

    j->dispatch = d;
    j->session = session;
    return j;
}

static void hand_release(struct hand *hand, int64_t org_id)
{
    struct joining *j = joining_new(hand->dispatch, hand->session);
    struct pgarray held;
    struct pgargs args;
    json_t *lease;
    size_t i;

    pgarray_init(&held, j);
    json_array_foreach(hand->held, i, lease) pgarray_int(&held, json_integer_value(lease));
    pgargs_init(&args, j);
    pgargs_text(&args, hand->name);
    pgargs_array(&args, &held);
    pgargs_instant(&args, clock_now_us());
    hand->joining_left++;
    pgpool_query(hand->dispatch->pool, org_id, Q_LEASE_RELEASE, &args, hand_on_released, j);
}

static void hand_on_held(void *arg, const struct pgres *res)
{
    struct joining *j = arg;
    struct hand *hand = hand_by_session(j->dispatch, j->session);

    if (hand != NULL && !pgres_ok(res)) {
        hand_drop(hand, true);
    } else if (hand != NULL && pgres_rows(res) == 0) {
        hand_ready(hand);
    } else if (hand != NULL) {
        for (int row = 0; row < pgres_rows(res); row++)
            hand_release(hand, pgres_int(res, row, "org_id"));
    }
    talloc_free(j);
}

static struct hand *hand_new(struct dispatch *d, const void *peer, size_t n, json_t *body)
{
    struct hand *hand = mem_new(d, struct hand);

    hand->dispatch = d;
    hand->peer_len = n;
    memcpy(hand->peer, peer, n);
    hand->name = mem_strdup(hand, json_string_value(json_object_get(body, "worker")));
    hand->sort = mem_strdup(hand, json_string_value(json_object_get(body, "sort")));
    hand->session = json_integer_value(json_object_get(body, "session"));
    hand->credit = json_integer_value(json_object_get(body, "credit"));
    hand->held = json_incref(json_object_get(body, "held"));
    hand->since_us = clock_now_us();
    hand->heard_at_us = clock_monotonic_us();
    talloc_set_destructor(hand, hand_destroy);
    hand->next = d->hands;
    d->hands = hand;
    return hand;
}

static bool is_hello(json_t *body)
{
    const char *name = json_string_value(json_object_get(body, "worker"));

    return name != NULL && name[0] != '\0' && strlen(name) <= NAME_MAX_CHARS &&
           json_is_string(json_object_get(body, "sort")) &&
           json_is_integer(json_object_get(body, "session")) &&
           json_integer_value(json_object_get(body, "session")) > 0 &&
           json_is_integer(json_object_get(body, "credit")) &&
           json_is_array(json_object_get(body, "held"));
}

/* A worker has one session: a new hello ends the old one. What it had and does not name any more
 * was on its way when something broke; it never began with it, and it drops it by its session's
 * number should it still come. */
static void on_hello(struct dispatch *d, const void *peer, size_t n, json_t *body)
{
    struct hand *hand, *next;
    struct pgargs args;
    struct joining *j;

    if (!is_hello(body) || n > HAND_PEER_MAX) {
        d->refused++;
        return;
    }
    for (hand = d->hands; hand != NULL; hand = next) {
        next = hand->next;
        if (strcmp(hand->name, json_string_value(json_object_get(body, "worker"))) == 0)
            hand_drop(hand, false);
    }
    hand = hand_new(d, peer, n, body);
    j = joining_new(d, hand->session);
    pgargs_init(&args, j);
    pgargs_text(&args, hand->name);
    pgpool_query(d->pool, 0, Q_LEASES_HELD, &args, hand_on_held, j);
}

/* --- messages
 * ------------------------------------------------------------------------------------- */

static void on_credit(struct hand *hand, json_t *body)
{
    json_int_t n = json_integer_value(json_object_get(body, "n"));

    if (n > 0)
        hand->credit += n;
    dispatch_wake(hand->dispatch);
}

static void on_session_message(struct hand *hand, enum bus_type type, json_t *body)
{
    hand->heard_at_us = clock_monotonic_us();
    switch (type) {
    case BUS_result:
        result_take(hand, json_object_get(body, "items"));
        break;
    case BUS_credit:
        on_credit(hand, body);
        break;
    case BUS_ping:
        hand_send(hand, BUS_pong, json_object());
        break;
    case BUS_mail_in:
        mail_in_take(hand, json_object_get(body, "items"));
        break;
    case BUS_pong:
        break;
    case BUS_hello:
    case BUS_welcome:
    case BUS_ack:
    case BUS_template:
    case BUS_jobs:
    case BUS_again:
    case BUS_TYPE_COUNT:
        hand->dispatch->refused++;
    }
}

static void on_message(void *arg, const void *peer, size_t n, enum bus_type type, json_t *body)
{
    struct dispatch *d = arg;
    struct hand *hand;
    json_t *again;

    if (type == BUS_hello) {
        on_hello(d, peer, n, body);
        return;
    }
    hand = hand_find(d, peer, n, json_integer_value(json_object_get(body, "session")));
    if (hand != NULL) {
        on_session_message(hand, type, body);
        return;
    }
    again = json_object();
    json_object_set(again, "session", json_object_get(body, "session"));
    bus_send(d->bus, peer, n, BUS_again, again);
    json_decref(again);
}

/* --- time
 * ------------------------------------------------------------------------------------------- */

static void drop_silent(struct dispatch *d)
{
    int64_t dead_us = clock_monotonic_us() - settings_int(d->settings, "bus.dead_after");
    struct hand *next;

    for (struct hand *hand = d->hands; hand != NULL; hand = next) {
        next = hand->next;
        if (hand->heard_at_us < dead_us)
            hand_drop(hand, false);
    }
}

/* Leases are renewed often enough that a worker may count on them for half their length after it
 * heard us (bus.h). None runs out before those who live could come back and be heard: when we
 * begin, and when the database was away, in which time nothing could be renewed. */
static void leases_look(struct dispatch *d)
{
    int64_t now_us = clock_monotonic_us(), every_us = settings_int(d->settings, "bus.lease") / 8;

    every_us = every_us > RENEW_MOST_US ? RENEW_MOST_US : every_us;
    if (d->up_since_us == 0)
        d->up_since_us = now_us;
    if (d->up_since_us == now_us || now_us - d->renewed_us >= every_us) {
        d->renewed_us = now_us;
        lease_renew(d);
    }
    if (now_us - d->up_since_us > settings_int(d->settings, "bus.dead_after") &&
        d->ticks++ % EXPIRE_TICKS == 0)
        lease_expire(d);
}

static void tick_cb(EV_P_ ev_timer *w, int revents)
{
    struct dispatch *d = w->data;

    (void)loop;
    (void)revents;
    drop_silent(d);
    if (!pgpool_up(d->pool)) {
        d->up_since_us = 0;
        return;
    }
    leases_look(d);
    /* Jobs whose time has come, and those of strangers. */
    dispatch_wake(d);
}

static int dispatch_destroy(struct dispatch *d)
{
    ev_timer_stop(d->loop, &d->tick);
    return 0;
}

struct dispatch *dispatch_new(const void *ctx, struct ev_loop *loop,
                              const struct settings *settings, const char *public_url,
                              struct pgpool *pool, struct orgs *orgs,
                              void (*recorded)(void *arg, int64_t org_id), void *arg)
{
    struct dispatch *d = mem_new(ctx, struct dispatch);

    d->loop = loop;
    d->settings = settings;
    d->public_url = public_url;
    d->pool = pool;
    d->orgs = orgs;
    d->recorded = recorded;
    d->arg = arg;
    d->results = result_queue_new(d);
    d->bus = bus_bind(d, loop, settings_text(settings, "bus.address"), on_message, d);
    if (d->bus == NULL) {
        talloc_free(d);
        return NULL;
    }
    ev_timer_init(&d->tick, tick_cb, TICK_S, TICK_S);
    d->tick.data = d;
    ev_timer_start(loop, &d->tick);
    talloc_set_destructor(d, dispatch_destroy);
    return d;
}

void dispatch_wake(struct dispatch *d)
{
    d->wanted[0] = d->wanted[1] = true;
    lease_pump(d);
}

json_t *dispatch_workers(const struct dispatch *d)
{
    json_t *array = json_array();
    char since[CLOCK_TEXT];

    for (const struct hand *h = d->hands; h != NULL; h = h->next)
        json_array_append_new(array, json_pack("{s:s, s:s, s:I, s:I, s:s}", "worker", h->name,
                                               "sort", h->sort, "credit", (json_int_t)h->credit,
                                               "given", (json_int_t)h->sent, "since",
                                               clock_format(h->since_us, since)));
    return array;
}

void dispatch_metrics(const struct dispatch *d, struct buf *out)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } counters[] = {
        {"leased", "Jobs given to workers.", d->leased},
        {"sent", "Jobs done.", d->sent},
        {"failed", "Jobs that ended in failure.", d->failed},
        {"uncertain", "Jobs in doubt: nobody knows whether they were done.", d->uncertain},
        {"again", "Jobs that are to be tried again.", d->again},
        {"released", "Jobs that a worker gave back.", d->released},
        {"refused", "Greetings of workers and bounces of mail that are malformed or forged.",
         d->refused},
        {"malformed", "Messages that are none.", bus_refused(d->bus)}};
    size_t workers = 0;

    for (const struct hand *h = d->hands; h != NULL; h = h->next)
        workers++;
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        buf_printf(out,
                   "# HELP lazo_dispatch_%s_total %s\n"
                   "# TYPE lazo_dispatch_%s_total counter\nlazo_dispatch_%s_total %" PRIu64 "\n",
                   counters[i].name, counters[i].help, counters[i].name, counters[i].name,
                   counters[i].value);
    buf_printf(out,
               "# HELP lazo_workers Workers that are connected.\n"
               "# TYPE lazo_workers gauge\nlazo_workers %zu\n",
               workers);
}
