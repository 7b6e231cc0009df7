/* http.c - libmicrohttpd on our loop. See http.h; the life of a request is in http_request.h.
 *
 * libmicrohttpd has an epoll descriptor of its own; we watch that one. Three watchers run it: the
 * descriptor, a timer for its own time-outs, and ev_prepare for what was resumed in this turn. The
 * prepare watcher has the highest priority, so that what a handler asks of the database is flushed
 * by the pool's own prepare watcher in the same turn.
 *
 * libmicrohttpd only knows a time-out for silence; a client that sends a byte now and then would
 * stay for ever. So each connection has an absolute deadline: once a second those that are over
 * limits.request_time are shut down (never closed: the descriptor is libmicrohttpd's). The clock of
 * a connection stands while we owe the answer. */
#include "daemon/http/http.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/http/http_request.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* What libmicrohttpd keeps of a connection, and clears once and a half for each request: of
 * 128 KiB that was an eighth of the work for a small one. It answers a head that does not fit by
 * itself, so that is three times what http_serve.c takes. With 64 to 96 KiB it was once seen to
 * crash; nobody has found out why, and tests/unit/test_http.c sends heads of about this size. */
#define CONNECTION_MEMORY ((size_t)3 * HTTP_HEAD_MAX)
#define BACKLOG           511
/* Turns of libmicrohttpd before the loop goes on with others. */
#define RUNS_MAX 4

void http_settle(struct http_request *r)
{
    struct http *h = r->http;

    if (r->ended || r->owed || r->mhd != NULL)
        return;
    DL_DELETE(h->requests, r);
    DL_APPEND(h->ended, r);
    r->ended = true;
}

void http_resume(struct http_request *r)
{
    if (r->inside || !r->suspended || r->mhd == NULL)
        return;
    r->suspended = false;
    r->http->dirty = true;
    if (r->stage == HTTP_STAGE_reading)
        r->connection->since_us = clock_monotonic_us();
    MHD_resume_connection(r->mhd);
}

/* Whether its handler takes the body piece by piece, and the end did not come. */
static bool is_taken(const struct http_request *r)
{
    return r->taker.piece != NULL && r->stage == HTTP_STAGE_reading && r->owed;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode code)
{
    struct http *h = arg;
    struct http_request *r = *request;

    (void)mhd;
    (void)code;
    if (r == NULL)
        return;
    h->in_flight--;
    r->mhd = NULL;
    r->connection->request = NULL;
    r->connection->since_us = clock_monotonic_us();
    r->connection = NULL;
    if (is_taken(r))
        r->taker.ended(r->taker.arg, false);
    http_settle(r);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    struct http_connection *c;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        c = mem_new(h, struct http_connection);
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->since_us = clock_monotonic_us();
        DL_APPEND(h->connections, c);
        *socket_context = c;
    } else {
        c = *socket_context;
        DL_DELETE(h->connections, c);
        talloc_free(c);
        *socket_context = NULL;
    }
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static void run(struct http *h)
{
    for (int i = 0; i < RUNS_MAX; i++) {
        h->dirty = false;
        MHD_run(h->daemon);
        if (!h->dirty)
            return;
    }
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    (void)events;
    run(w->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    run(w->data);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
    struct http *h = w->data;
    struct http_request *r, *next;
    MHD_UNSIGNED_LONG_LONG wait_ms;

    (void)events;
    DL_FOREACH_SAFE(h->ended, r, next)
    {
        DL_DELETE(h->ended, r);
        h->bodies -= r->counted;
        talloc_free(r);
    }
    if (h->dirty)
        run(h);
    ev_timer_stop(loop, &h->timer);
    if (MHD_get_timeout(h->daemon, &wait_ms) != MHD_YES)
        return;
    ev_timer_set(&h->timer, (double)wait_ms / 1000., 0.);
    ev_timer_start(loop, &h->timer);
}

/* How long the client may take for what is under way. */
static int64_t patience_us(const struct http *h, const struct http_connection *c)
{
    bool stream = c->request != NULL && is_taken(c->request);

    return settings_int(h->options.settings, stream ? "limits.stall" : "limits.request_time");
}

/* The client has closed its side, and there is nothing of it left to answer. libmicrohttpd does not
 * see that where the end came together with bytes, and would keep the connection for its whole
 * patience. A body that is taken piece by piece may wait within libmicrohttpd. */
static bool client_left(const struct http_connection *c)
{
    const struct http_request *r = c->request;
    char byte;

    if (r != NULL && (r->suspended || r->streams || r->stage > HTTP_STAGE_reading))
        return false;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Whether this sweep ends the connection. Who seems to have left is looked at twice, so that what
 * was just read is answered. */
static bool is_over(const struct http *h, struct http_connection *c, int64_t now_us)
{
    bool left_before = c->left;

    if (c->since_us == 0)
        return false;
    c->left = client_left(c);
    return (c->left && left_before) || now_us - c->since_us > patience_us(h, c);
}

static void on_sweep(struct ev_loop *loop, ev_timer *w, int events)
{
    struct http *h = w->data;
    int64_t now_us = clock_monotonic_us();
    struct http_connection *c;

    (void)loop;
    (void)events;
    DL_FOREACH(h->connections, c)
    {
        if (!is_over(h, c, now_us))
            continue;
        shutdown(c->fd, SHUT_RDWR);
        if (c->request != NULL)
            h->cut++;
        c->since_us = 0;
    }
}

static void watch(struct http *h)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (info == NULL)
        bug("libmicrohttpd has no epoll descriptor");
    ev_io_init(&h->io, on_io, info->epoll_fd, EV_READ);
    ev_timer_init(&h->timer, on_timer, 0., 0.);
    ev_timer_init(&h->sweep, on_sweep, 1., 1.);
    ev_prepare_init(&h->prepare, on_prepare);
    ev_set_priority(&h->prepare, EV_MAXPRI);
    h->io.data = h->timer.data = h->sweep.data = h->prepare.data = h;
    ev_io_start(h->loop, &h->io);
    ev_timer_start(h->loop, &h->sweep);
    ev_prepare_start(h->loop, &h->prepare);
}

/* --- listening -----------------------------------------------------------------------------------
 */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* resolve() - "127.0.0.1:7400", "[::1]:7400", ":7400" (all addresses). NULL and a line in `d` where
 * it is none of these. */
static struct addrinfo *resolve(const char *listen_at, struct diag *d)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *colon = strrchr(listen_at, ':');
    char *host;
    size_t n;

    if (colon == NULL || colon[1] == '\0') {
        diag_at(d, 0, 0, "http.listen: \"%s\" is no ADDRESS:PORT", listen_at);
        return NULL;
    }
    host = mem_strndup(ctx, listen_at, (size_t)(colon - listen_at));
    n = strlen(host);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        host++;
    }
    if (strcmp(host, "localhost") == 0)
        host = mem_strdup(ctx, "127.0.0.1");
    if (getaddrinfo(host[0] == '\0' ? NULL : host, colon + 1, &hints, &found) != 0) {
        diag_at(d, 0, 0, "http.listen: \"%s\" is no ADDRESS:PORT", listen_at);
        return NULL;
    }
    return found;
}

static int listen_on(const char *listen_at, int *ret_port, struct diag *d)
{
    __attribute__((cleanup(close_fd))) int fd = -1;
    struct addrinfo *at = resolve(listen_at, d);
    struct sockaddr_storage bound;
    socklen_t bound_n = sizeof bound;
    char port[NI_MAXSERV];
    int yes = 1, given;

    if (at == NULL)
        return -1;
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_n) < 0 ||
        getnameinfo((struct sockaddr *)&bound, bound_n, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV) != 0) {
        diag_at(d, 0, 0, "http.listen: cannot listen on %s: %s", listen_at, strerror(errno));
        freeaddrinfo(at);
        return -1;
    }
    freeaddrinfo(at);
    *ret_port = (int)strtol(port, NULL, 10);
    given = fd;
    fd = -1;
    return given;
}

/* libmicrohttpd would decode percent escapes in place; http_uri.c does that, by segment. */
static size_t leave_escapes(void *arg, struct MHD_Connection *mhd, char *s)
{
    (void)arg;
    (void)mhd;
    return strlen(s);
}

static struct MHD_Daemon *start(struct http *h, int fd)
{
    const struct settings *s = h->options.settings;
    unsigned connections = (unsigned)settings_int(s, "limits.connections");
    unsigned of_one = (unsigned)settings_int(s, "limits.address_connections");
    unsigned timeout_s = (unsigned)(settings_int(s, "limits.request_time") / CLOCK_SECOND_US) + 1;

    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, http_serve, h,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, http_arrived, h,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, (void *)NULL, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, of_one,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        timeout_s, MHD_OPTION_END);
}

static int http_destroy(struct http *h)
{
    struct http_request *r;

    ev_io_stop(h->loop, &h->io);
    ev_timer_stop(h->loop, &h->timer);
    ev_timer_stop(h->loop, &h->sweep);
    ev_prepare_stop(h->loop, &h->prepare);
    DL_FOREACH(h->requests, r)
    http_resume(r);
    MHD_stop_daemon(h->daemon);
    return 0;
}

struct http *http_new(const void *ctx, struct ev_loop *loop, const struct http_options *options,
                      struct diag *d)
{
    struct http *h = mem_new(ctx, struct http);
    int fd;

    h->loop = loop;
    h->options = *options;
    fd = listen_on(settings_text(options->settings, "http.listen"), &h->port, d);
    if (fd < 0) {
        talloc_free(h);
        return NULL;
    }
    h->daemon = start(h, fd);
    if (h->daemon == NULL) {
        diag_at(d, 0, 0, "http.listen: the HTTP server does not start: %s", strerror(errno));
        close(fd);
        talloc_free(h);
        return NULL;
    }
    watch(h);
    talloc_set_destructor(h, http_destroy);
    return h;
}

int http_port(const struct http *h)
{
    return h->port;
}

size_t http_in_flight(const struct http *h)
{
    return h->in_flight;
}

void http_stop(struct http *h)
{
    struct http_connection *c;
    int fd;

    if (h->stopping)
        return;
    h->stopping = true;
    fd = MHD_quiesce_daemon(h->daemon);
    if (fd >= 0)
        close(fd);
    DL_FOREACH(h->connections, c)
    if (c->request == NULL || is_taken(c->request))
        shutdown(c->fd, SHUT_RDWR);
}

void http_metrics(const struct http *h, struct buf *out)
{
    buf_str(out, "# HELP lazo_http_requests_total Answers by class of their status.\n"
                 "# TYPE lazo_http_requests_total counter\n");
    for (int i = 1; i < 6; i++)
        buf_printf(out, "lazo_http_requests_total{status=\"%dxx\"} %llu\n", i,
                   (unsigned long long)h->answers[i]);
    buf_printf(
        out,
        "# HELP lazo_http_in_flight Requests that are not answered yet.\n"
        "# TYPE lazo_http_in_flight gauge\nlazo_http_in_flight %zu\n"
        "# HELP lazo_http_refused_total Requests whose framing was refused.\n"
        "# TYPE lazo_http_refused_total counter\nlazo_http_refused_total %llu\n"
        "# HELP lazo_http_cut_total Requests that took longer than they may.\n"
        "# TYPE lazo_http_cut_total counter\nlazo_http_cut_total %llu\n"
        "# HELP lazo_http_bodies_bytes Bodies that are in memory.\n"
        "# TYPE lazo_http_bodies_bytes gauge\nlazo_http_bodies_bytes %zu\n"
        "# HELP lazo_http_crowded_total Requests that were told 503 since limits.bodies was "
        "reached.\n"
        "# TYPE lazo_http_crowded_total counter\nlazo_http_crowded_total %llu\n"
        "# HELP lazo_http_streamed_bytes_total Bytes of bodies that were read as they came.\n"
        "# TYPE lazo_http_streamed_bytes_total counter\nlazo_http_streamed_bytes_total %llu\n",
        h->in_flight, (unsigned long long)h->refused, (unsigned long long)h->cut, h->bodies,
        (unsigned long long)h->crowded, (unsigned long long)h->taken);
}
