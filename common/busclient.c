/* busclient.c - see busclient.h and, for the messages, bus.h.
 *
 *            hello                welcome
 *     (new) ───────► connecting ──────────► ready
 *                     ▲      │ dead_after     │ dead_after, again, release, renew
 *                     └──────┴────────────────┘ new socket, new session number
 *
 * Two tables hold what must not be forgotten: `held`, the leases of jobs given to the owner, and
 * `results`, what the owner gave back and lazod has not acknowledged. A result leaves its table by
 * an ack alone. Each start of a session marks all results unsent; what is unsent goes out in the
 * turn's prepare, together. A result whose ack stays out for resend_us is sent again in the same
 * session: results are idempotent by their lease. The inbox's mails are kept like results, under
 * their text ids.
 *
 * The fence: each message from lazod moves the instants until which leases are surely ours, on the
 * monotonic clock and, for a machine that slept, on the real one. A process that was stopped finds
 * them passed when it wakes; what then still lies in its socket is of a session that is over.
 *
 * The socket is replaced in prepare alone, never from its own callback. */
#include "common/busclient.h"

#include "common/bus.h"
#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#define uthash_fatal(what) bug("uthash: %s", what)
#include <uthash.h>

#define BATCH         200
#define SESSION_BITS  53 /* what every JSON reader keeps exactly */
#define PING_LEAST_US 10000

enum client_state { CLIENT_CONNECTING, CLIENT_READY };

struct held {
    int64_t lease;
    UT_hash_handle hh;
};

struct result {
    int64_t lease;
    json_t *body;
    int64_t sent_us; /* monotonic; 0: not in this session */
    UT_hash_handle hh;
};

struct mail {
    char *id;
    json_t *body;
    int64_t sent_us;
    UT_hash_handle hh;
};

struct busclient {
    struct ev_loop *loop;
    const struct busclient_ops *ops;
    void *arg;
    char *address, *worker, *sort;
    int window; /* jobs in hand at most */
    bool released;

    struct bus *bus; /* NULL where the address could not be used; tried again */
    enum client_state state;
    int64_t session;
    bool anew;   /* begin a session in the next prepare */
    bool lost;   /* begin a session with the next ping */
    bool unsent; /* a result or a mail may be unsent */
    int credit;  /* given back by results since hello, not yet said */
    int64_t began_us, heard_us;
    int64_t ping_us, dead_us, resend_us;
    int64_t lease_us;
    /* The fence; read by other threads. */
    _Atomic int64_t until_us, until_real_us;
    _Atomic uint64_t epoch;

    struct held *held;
    struct result *results;
    struct mail *mails;

    ev_prepare prepare;
    ev_timer ping;
};

/* --- what is kept ------------------------------------------------------------------------ */

static bool held_has(const struct busclient *c, int64_t lease)
{
    struct held *h;

    HASH_FIND(hh, c->held, &lease, sizeof(lease), h);
    return h != NULL;
}

static void held_add(struct busclient *c, int64_t lease)
{
    struct held *h = mem_new(c, struct held);

    h->lease = lease;
    HASH_ADD(hh, c->held, lease, sizeof(h->lease), h);
}

/* Gives false where it was not held: a journal's result from an earlier process. */
static bool held_drop(struct busclient *c, int64_t lease)
{
    struct held *h;

    HASH_FIND(hh, c->held, &lease, sizeof(lease), h);
    if (h == NULL)
        return false;
    HASH_DEL(c->held, h);
    talloc_free(h);
    return true;
}

static struct result *result_find(const struct busclient *c, int64_t lease)
{
    struct result *r;

    HASH_FIND(hh, c->results, &lease, sizeof(lease), r);
    return r;
}

static void result_drop(struct busclient *c, struct result *r)
{
    HASH_DEL(c->results, r);
    json_decref(r->body);
    talloc_free(r);
}

static void mail_drop(struct busclient *c, struct mail *m)
{
    HASH_DEL(c->mails, m);
    json_decref(m->body);
    talloc_free(m);
}

/* What was sent before `before_us` counts as unsent. */
static void unsend(struct busclient *c, int64_t before_us)
{
    for (struct result *r = c->results; r != NULL; r = r->hh.next) {
        if (r->sent_us == 0 || r->sent_us < before_us) {
            r->sent_us = 0;
            c->unsent = true;
        }
    }
    for (struct mail *m = c->mails; m != NULL; m = m->hh.next) {
        if (m->sent_us == 0 || m->sent_us < before_us) {
            m->sent_us = 0;
            c->unsent = true;
        }
    }
}

/* --- sending ----------------------------------------------------------------------------- */

static json_t *message(const struct busclient *c)
{
    return mem_must(json_pack("{s:I}", "session", (json_int_t)c->session));
}

/* Takes the body. */
static bool send_take(struct busclient *c, enum bus_type type, json_t *body)
{
    bool sent = c->bus != NULL && bus_send(c->bus, NULL, 0, type, body);

    json_decref(body);
    return sent;
}

static void add_lease(json_t *array, int64_t lease)
{
    json_array_append_new(array, json_integer((json_int_t)lease));
}

static void send_hello(struct busclient *c)
{
    json_t *body = message(c), *leases = json_array();
    unsigned in_hand = HASH_COUNT(c->held);
    int credit = c->released || (int64_t)in_hand >= c->window ? 0 : c->window - (int)in_hand;

    for (const struct held *h = c->held; h != NULL; h = h->hh.next)
        add_lease(leases, h->lease);
    for (const struct result *r = c->results; r != NULL; r = r->hh.next)
        add_lease(leases, r->lease);
    json_object_set_new(body, "worker", json_string(c->worker));
    json_object_set_new(body, "sort", json_string(c->sort));
    json_object_set_new(body, "held", leases);
    json_object_set_new(body, "credit", json_integer(credit));
    c->credit = 0;
    send_take(c, BUS_hello, body);
}

static bool send_items(struct busclient *c, enum bus_type type, json_t *items)
{
    json_t *body = message(c);

    json_object_set_new(body, "items", items);
    return send_take(c, type, body);
}

/* Both send one batch and give false where nothing was left or nothing could be sent. */
static bool send_results(struct busclient *c, int64_t now_us)
{
    json_t *items = json_array();
    struct result *batch[BATCH];
    size_t n = 0;

    for (struct result *r = c->results; r != NULL && n < BATCH; r = r->hh.next) {
        if (r->sent_us == 0) {
            json_array_append(items, r->body);
            batch[n++] = r;
        }
    }
    if (n == 0) {
        json_decref(items);
        return false;
    }
    if (!send_items(c, BUS_result, items))
        return false;
    for (size_t i = 0; i < n; i++)
        batch[i]->sent_us = now_us;
    return true;
}

static bool send_mails(struct busclient *c, int64_t now_us)
{
    json_t *items = json_array();
    struct mail *batch[BATCH];
    size_t n = 0;

    for (struct mail *m = c->mails; m != NULL && n < BATCH; m = m->hh.next) {
        if (m->sent_us == 0) {
            json_array_append(items, m->body);
            batch[n++] = m;
        }
    }
    if (n == 0) {
        json_decref(items);
        return false;
    }
    if (!send_items(c, BUS_mail_in, items))
        return false;
    for (size_t i = 0; i < n; i++)
        batch[i]->sent_us = now_us;
    return true;
}

static void send_credit(struct busclient *c)
{
    json_t *body;

    if (c->credit == 0 || c->released)
        return;
    body = message(c);
    json_object_set_new(body, "n", json_integer(c->credit));
    if (send_take(c, BUS_credit, body))
        c->credit = 0;
}

/* --- receiving --------------------------------------------------------------------------- */

static void on_jobs(struct busclient *c, const json_t *body)
{
    const json_t *items = json_object_get(body, "items"), *job;
    size_t i;

    json_array_foreach(items, i, job)
    {
        const json_t *lease = json_object_get(job, "lease");

        if (!json_is_integer(lease) || held_has(c, json_integer_value(lease)) ||
            result_find(c, json_integer_value(lease)) != NULL)
            continue;
        held_add(c, json_integer_value(lease));
        c->ops->job(c->arg, job);
    }
}

static void on_acked_leases(struct busclient *c, const json_t *leases)
{
    size_t n = 0, i;
    const json_t *lease;
    MEM_SCOPED int64_t *acked = mem_array(NULL, int64_t, json_array_size(leases));

    json_array_foreach(leases, i, lease)
    {
        struct result *r = result_find(c, json_integer_value(lease));

        if (r == NULL)
            continue;
        acked[n++] = r->lease;
        result_drop(c, r);
    }
    if (n > 0 && c->ops->acked != NULL)
        c->ops->acked(c->arg, acked, n);
}

/* The owner hears of each id once, however often it was sent and acknowledged. */
static void on_acked_ids(struct busclient *c, const json_t *ids)
{
    json_t *known = json_array(), *id;
    size_t i;

    json_array_foreach(ids, i, id)
    {
        const char *text = json_string_value(id);
        struct mail *m = NULL;

        if (text != NULL)
            HASH_FIND_STR(c->mails, text, m);
        if (m == NULL)
            continue;
        mail_drop(c, m);
        json_array_append(known, id);
    }
    if (json_array_size(known) > 0 && c->ops->acked_ids != NULL)
        c->ops->acked_ids(c->arg, known);
    json_decref(known);
}

static void on_ack(struct busclient *c, const json_t *body)
{
    const json_t *leases = json_object_get(body, "leases"), *ids = json_object_get(body, "ids");

    if (json_array_size(leases) > 0)
        on_acked_leases(c, leases);
    if (json_array_size(ids) > 0)
        on_acked_ids(c, ids);
}

/* --- the fence --------------------------------------------------------------------------- */

static bool fence_open(const struct busclient *c)
{
    return clock_monotonic_us() < atomic_load(&c->until_us) &&
           clock_real_us() < atomic_load(&c->until_real_us);
}

/* lazod was heard, and hears us: it renews our leases. */
static void fence_move(struct busclient *c)
{
    if (!fence_open(c))
        atomic_fetch_add(&c->epoch, 1);
    atomic_store(&c->until_us, clock_monotonic_us() + c->lease_us / 2);
    atomic_store(&c->until_real_us, clock_real_us() + c->lease_us / 2);
}

uint64_t busclient_epoch(const struct busclient *c)
{
    return atomic_load(&c->epoch);
}

bool busclient_may_act(const struct busclient *c, uint64_t epoch)
{
    return atomic_load(&c->epoch) == epoch && fence_open(c);
}

static void on_welcome(struct busclient *c, const json_t *body)
{
    json_int_t lease_us = json_integer_value(json_object_get(body, "lease"));

    c->state = CLIENT_READY;
    if (lease_us > 0)
        c->lease_us = lease_us;
}

/* Where sessions end as soon as they begin (another worker has our name), they begin once a ping
 * and no oftener. */
static void session_end(struct busclient *c)
{
    if (clock_monotonic_us() - c->began_us >= c->ping_us)
        c->anew = true;
    else
        c->lost = true;
}

static void on_message(void *arg, const void *peer, size_t peer_len, enum bus_type type,
                       json_t *body)
{
    struct busclient *c = arg;
    const json_t *session = json_object_get(body, "session");

    (void)peer, (void)peer_len;
    if (type == BUS_again) {
        /* While connecting it can only be a late answer; dead_after brings the next hello. */
        if (c->state == CLIENT_READY)
            session_end(c);
        return;
    }
    if (!json_is_integer(session) || json_integer_value(session) != c->session || c->anew)
        return;
    /* What waited here while we slept is of a session that lazod has ended. */
    if (clock_monotonic_us() - c->heard_us > c->dead_us) {
        c->anew = true;
        return;
    }
    c->heard_us = clock_monotonic_us();
    if (type == BUS_welcome)
        on_welcome(c, body);
    if (c->state == CLIENT_READY)
        fence_move(c);
    switch (type) {
    case BUS_welcome:
        break;
    case BUS_jobs:
        on_jobs(c, body);
        break;
    case BUS_template:
        if (c->ops->template != NULL)
            c->ops->template(c->arg, body);
        break;
    case BUS_ack:
        on_ack(c, body);
        break;
    case BUS_ping:
        send_take(c, BUS_pong, message(c));
        break;
    case BUS_pong:
    case BUS_again:
    case BUS_hello:
    case BUS_result:
    case BUS_credit:
    case BUS_mail_in:
    case BUS_TYPE_COUNT:
        break;
    }
}

/* --- a session's life -------------------------------------------------------------------- */

static void session_begin(struct busclient *c)
{
    struct bus *before = c->bus;

    randombytes_buf(&c->session, sizeof(c->session));
    c->session = (c->session & ((INT64_C(1) << SESSION_BITS) - 1)) | 1;
    c->state = CLIENT_CONNECTING;
    c->anew = c->lost = false;
    c->began_us = c->heard_us = clock_monotonic_us();
    unsend(c, INT64_MAX);
    c->bus = bus_connect(c, c->loop, c->address, on_message, c);
    talloc_free(before);
    send_hello(c);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
    struct busclient *c = w->data;
    int64_t now_us;

    (void)loop, (void)revents;
    if (c->anew)
        session_begin(c);
    if (c->state != CLIENT_READY)
        return;
    if (c->unsent) {
        now_us = clock_monotonic_us();
        while (send_results(c, now_us))
            ;
        while (send_mails(c, now_us))
            ;
        c->unsent = false; /* what a full queue refused is found again by resend_us */
    }
    send_credit(c);
}

static void on_ping(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct busclient *c = w->data;
    int64_t now_us = clock_monotonic_us();

    (void)loop, (void)revents;
    if (c->bus == NULL || c->lost || now_us - c->heard_us > c->dead_us) {
        c->anew = true;
        return;
    }
    if (c->state != CLIENT_READY)
        return;
    send_take(c, BUS_ping, message(c));
    unsend(c, now_us - c->resend_us);
}

static int client_close(struct busclient *c)
{
    ev_prepare_stop(c->loop, &c->prepare);
    ev_timer_stop(c->loop, &c->ping);
    for (struct result *r = c->results; r != NULL; r = r->hh.next)
        json_decref(r->body);
    for (struct mail *m = c->mails; m != NULL; m = m->hh.next)
        json_decref(m->body);
    HASH_CLEAR(hh, c->held);
    HASH_CLEAR(hh, c->results);
    HASH_CLEAR(hh, c->mails);
    return 0;
}

struct busclient *busclient_new(const void *ctx, struct ev_loop *loop,
                                const struct settings *settings, const char *worker,
                                const char *sort, int credit, const struct busclient_ops *ops,
                                void *arg)
{
    struct busclient *c = mem_new(ctx, struct busclient);

    if (sodium_init() < 0)
        bug("libsodium");
    c->loop = loop;
    c->ops = ops;
    c->arg = arg;
    c->address = mem_strdup(c, settings_text(settings, "bus.address"));
    c->worker = mem_strdup(c, worker);
    c->sort = mem_strdup(c, sort);
    c->window = credit;
    c->dead_us = settings_int(settings, "bus.dead_after");
    c->resend_us = 2 * c->dead_us;
    c->lease_us = settings_int(settings, "bus.lease");
    c->anew =
        true; /* hello waits for the first turn, so that a journal's results are named in it */
    c->ping_us = settings_int(settings, "bus.ping");
    if (c->ping_us < PING_LEAST_US)
        c->ping_us = PING_LEAST_US;
    ev_prepare_init(&c->prepare, on_prepare);
    ev_timer_init(&c->ping, on_ping, (double)c->ping_us / 1e6, (double)c->ping_us / 1e6);
    c->prepare.data = c->ping.data = c;
    ev_prepare_start(loop, &c->prepare);
    ev_timer_start(loop, &c->ping);
    talloc_set_destructor(c, client_close);
    return c;
}

/* --- public ------------------------------------------------------------------------------ */

/* The loop may be asleep when a thread's result is handed over by a watcher of this very turn; it
 * is not: a watcher ran. */
void busclient_result(struct busclient *c, int64_t lease, json_t *body)
{
    struct result *r = result_find(c, lease);

    if (held_drop(c, lease))
        c->credit++;
    if (r == NULL) {
        r = mem_new(c, struct result);
        r->lease = lease;
        HASH_ADD(hh, c->results, lease, sizeof(r->lease), r);
    } else {
        json_decref(r->body);
    }
    r->body = json_incref(body);
    r->sent_us = 0;
    c->unsent = true;
}

void busclient_mail_in(struct busclient *c, json_t *item)
{
    const char *id = json_string_value(json_object_get(item, "id"));
    struct mail *m = NULL;

    if (id == NULL)
        bug("a mail without id");
    HASH_FIND_STR(c->mails, id, m);
    if (m == NULL) {
        m = mem_new(c, struct mail);
        m->id = mem_strdup(m, id);
        HASH_ADD_KEYPTR(hh, c->mails, m->id, strlen(m->id), m);
    } else {
        json_decref(m->body);
    }
    m->body = json_incref(item);
    m->sent_us = 0;
    c->unsent = true;
}

void busclient_release(struct busclient *c)
{
    if (!c->released)
        c->anew = true;
    c->released = true;
}

void busclient_renew(struct busclient *c)
{
    session_end(c);
}

size_t busclient_held(const struct busclient *c)
{
    return HASH_COUNT(c->held);
}

size_t busclient_unacked(const struct busclient *c)
{
    return HASH_COUNT(c->results) + HASH_COUNT(c->mails);
}
