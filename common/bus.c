/* bus.c - see bus.h: ZeroMQ sockets on libev.
 *
 * ZeroMQ's descriptor is edge-triggered and only a hint: it may be silent while messages wait. So
 * the loop asks ZMQ_EVENTS before it would sleep (prepare) and keeps itself awake with an idle
 * watcher where something waits; what waits is read after the poll (check), at most READ_BURST
 * messages a turn so that timers keep their time. A send may take the descriptor's edge from the
 * reading side: bus_send() asks again.
 *
 * ZeroMQ's heartbeats are never switched on: with libzmq 4.3.4 they abort the process
 * (LIBRARIES.md, finding 1). All sockets share one context, which ends with the last of them, so
 * that a socket may be replaced without waiting for what lingers. */
#include "common/bus.h"

#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#define READ_BURST     500
#define QUEUE_MESSAGES 20000 /* in ZeroMQ's queues, above any credit window */
#define LINGER_MS      500
#define RECONNECT_MS   50
#define RECONNECT_MAX  2000
#define PEER_MAX       255

struct bus {
    struct ev_loop *loop;
    void *socket;
    bool router;
    bus_fn *fn;
    void *arg;
    uint64_t refused;
    ev_io io;
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;
};

static void *context;
static unsigned context_users;

static const char *const names[] = {
#define X(name) #name,
    BUS_TYPES(X)
#undef X
};

const char *bus_type_name(enum bus_type type)
{
    return names[type];
}

bool bus_type_parse(const char *s, size_t n, enum bus_type *ret_type)
{
    for (size_t i = 0; i < BUS_TYPE_COUNT; i++) {
        if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0) {
            *ret_type = (enum bus_type)i;
            return true;
        }
    }
    return false;
}

/* --- receiving --------------------------------------------------------------------------- */

static bool waiting(const struct bus *b)
{
    int events = 0;
    size_t n = sizeof(events);

    return zmq_getsockopt(b->socket, ZMQ_EVENTS, &events, &n) == 0 && (events & ZMQ_POLLIN) != 0;
}

/* One message of any number of frames; frames beyond the third are dropped and counted. Gives -1
 * where no message waits. */
static int receive(struct bus *b, zmq_msg_t frames[3])
{
    int n = 0, more = 1;

    while (more) {
        zmq_msg_t extra, *into = n < 3 ? &frames[n] : &extra;

        zmq_msg_init(into);
        if (zmq_msg_recv(into, b->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(into);
            for (int i = 0; i < n && i < 3; i++)
                zmq_msg_close(&frames[i]);
            return -1;
        }
        more = zmq_msg_more(into);
        if (n++ >= 3)
            zmq_msg_close(&extra);
    }
    return n;
}

static void deliver(struct bus *b, zmq_msg_t *frames, int n)
{
    int first = b->router ? 1 : 0;
    enum bus_type type;
    json_t *body;

    if (n != first + 2 ||
        !bus_type_parse(zmq_msg_data(&frames[first]), zmq_msg_size(&frames[first]), &type)) {
        b->refused++;
        return;
    }
    body = json_loadb(zmq_msg_data(&frames[first + 1]), zmq_msg_size(&frames[first + 1]),
                      JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body))
        b->refused++;
    else if (b->router)
        b->fn(b->arg, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]), type, body);
    else
        b->fn(b->arg, "", 0, type, body);
    json_decref(body);
}

static void on_check(struct ev_loop *loop, ev_check *w, int revents)
{
    struct bus *b = w->data;

    (void)revents;
    ev_idle_stop(loop, &b->idle);
    for (int i = 0; i < READ_BURST && waiting(b); i++) {
        zmq_msg_t frames[3];
        int n = receive(b, frames);

        if (n < 0)
            break;
        deliver(b, frames, n);
        for (int k = 0; k < n && k < 3; k++)
            zmq_msg_close(&frames[k]);
    }
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
    struct bus *b = w->data;

    (void)revents;
    if (waiting(b))
        ev_idle_start(loop, &b->idle);
}

/* Both only end the loop's sleep. */
static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
    (void)loop, (void)w, (void)revents;
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
    (void)loop, (void)w, (void)revents;
}

/* --- a socket's life --------------------------------------------------------------------- */

static bool option(void *socket, int name, int value)
{
    return zmq_setsockopt(socket, name, &value, sizeof(value)) == 0;
}

static bool socket_set_up(void *socket, bool router)
{
    int64_t most = BUS_MESSAGE_MAX;

    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof(most)) == 0 &&
           option(socket, ZMQ_SNDHWM, QUEUE_MESSAGES) &&
           option(socket, ZMQ_RCVHWM, QUEUE_MESSAGES) && option(socket, ZMQ_LINGER, LINGER_MS) &&
           option(socket, ZMQ_IPV6, 1) && option(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           option(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX) &&
           option(socket, ZMQ_TCP_KEEPALIVE, 1) && option(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30) &&
           (!router || option(socket, ZMQ_ROUTER_MANDATORY, 1));
}

static void context_release(void)
{
    if (--context_users > 0)
        return;
    while (zmq_ctx_term(context) != 0 && errno == EINTR)
        ;
    context = NULL;
}

static int bus_close(struct bus *b)
{
    if (b->fn != NULL) {
        ev_io_stop(b->loop, &b->io);
        ev_prepare_stop(b->loop, &b->prepare);
        ev_check_stop(b->loop, &b->check);
        ev_idle_stop(b->loop, &b->idle);
    }
    if (b->socket != NULL)
        zmq_close(b->socket);
    context_release();
    return 0;
}

/* zmq_bind() makes an ipc socket's file at once, with the umask of now; a stale file is removed by
 * ZeroMQ. */
static bool attach(void *socket, bool router, const char *address)
{
    mode_t before;
    int rc;

    if (!router)
        return zmq_connect(socket, address) == 0;
    before = umask(077);
    rc = zmq_bind(socket, address);
    umask(before);
    return rc == 0;
}

static bool watch(struct bus *b)
{
    int fd;
    size_t n = sizeof(fd);

    if (zmq_getsockopt(b->socket, ZMQ_FD, &fd, &n) != 0)
        return false;
    ev_io_init(&b->io, on_io, fd, EV_READ);
    ev_prepare_init(&b->prepare, on_prepare);
    ev_check_init(&b->check, on_check);
    ev_idle_init(&b->idle, on_idle);
    b->prepare.data = b->check.data = b;
    /* After everybody else's prepare, since those may send. */
    ev_set_priority(&b->prepare, EV_MINPRI);
    ev_io_start(b->loop, &b->io);
    ev_prepare_start(b->loop, &b->prepare);
    ev_check_start(b->loop, &b->check);
    return true;
}

static struct bus *bus_open(const void *ctx, struct ev_loop *loop, const char *address, bool router,
                            bus_fn *fn, void *arg)
{
    struct bus *b = mem_new(ctx, struct bus);
    int reason;

    if (context == NULL)
        context = mem_must(zmq_ctx_new());
    context_users++;
    talloc_set_destructor(b, bus_close);
    b->loop = loop;
    b->router = router;
    b->arg = arg;
    b->socket = zmq_socket(context, router ? ZMQ_ROUTER : ZMQ_DEALER);
    if (b->socket != NULL && socket_set_up(b->socket, router) &&
        attach(b->socket, router, address) && watch(b)) {
        b->fn = fn;
        return b;
    }
    reason = zmq_errno();
    talloc_free(b);
    errno = reason;
    return NULL;
}

struct bus *bus_bind(const void *ctx, struct ev_loop *loop, const char *address, bus_fn *fn,
                     void *arg)
{
    return bus_open(ctx, loop, address, true, fn, arg);
}

struct bus *bus_connect(const void *ctx, struct ev_loop *loop, const char *address, bus_fn *fn,
                        void *arg)
{
    return bus_open(ctx, loop, address, false, fn, arg);
}

/* --- sending ----------------------------------------------------------------------------- */

static void text_free(void *data, void *hint)
{
    (void)hint;
    free(data);
}

bool bus_send(struct bus *b, const void *peer, size_t peer_len, enum bus_type type,
              const json_t *body)
{
    char *text = mem_must(json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15)));
    size_t n = strlen(text);
    const char *name = names[type];
    zmq_msg_t last;
    bool sent;

    if (n > BUS_MESSAGE_MAX)
        bug("a %s message of %zu bytes", name, n);
    if (b->router && (peer == NULL || peer_len == 0 || peer_len > PEER_MAX))
        bug("a %s message to nobody", name);
    /* Only the first frame of a message can be refused. */
    zmq_msg_init_data(&last, text, n, text_free, NULL);
    if (b->router)
        sent = zmq_send(b->socket, peer, peer_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
               zmq_send(b->socket, name, strlen(name), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
    else
        sent = zmq_send(b->socket, name, strlen(name), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
    if (!sent || zmq_msg_send(&last, b->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&last);
        sent = false;
    }
    if (waiting(b))
        ev_idle_start(b->loop, &b->idle);
    return sent;
}

uint64_t bus_refused(const struct bus *b)
{
    return b->refused;
}
