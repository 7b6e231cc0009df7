/* curlloop.c - see curlloop.h.
 *
 * curl says which sockets it waits for and when it wants to be woken; watchers do just that and
 * then call curl_multi_socket_action(). It is never called from within curl's callbacks: a time-out
 * of 0 starts a timer of 0. */
#include "workers/hook/curlloop.h"

#include "common/mem.h"

struct curlloop {
    struct ev_loop *loop;
    CURLM *multi;
    ev_timer timer;
    curlloop_fn *done;
    void *arg;
};

struct watched {
    struct curlloop *owner;
    ev_io io;
};

static void take_finished(struct curlloop *c)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_multi_remove_handle(c->multi, easy); /* `message` is gone with it */
        c->done(c->arg, easy, code);
    }
}

static void act(struct curlloop *c, curl_socket_t fd, int events)
{
    int running;

    curl_multi_socket_action(c->multi, fd, events, &running);
    take_finished(c);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
    struct watched *watched = w->data;

    (void)loop;
    act(watched->owner, w->fd,
        ((revents & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((revents & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)revents;
    act(w->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct curlloop *c = arg;
    struct watched *watched = assigned;
    int events =
        ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) | ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0);

    (void)easy;
    if (watched != NULL)
        ev_io_stop(c->loop, &watched->io);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(c->multi, fd, NULL);
        talloc_free(watched);
        return 0;
    }
    if (watched == NULL) {
        watched = mem_new(c, struct watched);
        watched->owner = c;
        ev_init(&watched->io, on_io);
        watched->io.data = watched;
        curl_multi_assign(c->multi, fd, watched);
    }
    ev_io_set(&watched->io, fd, events);
    ev_io_start(c->loop, &watched->io);
    return 0;
}

static int on_wish(CURLM *multi, long ms, void *arg)
{
    struct curlloop *c = arg;

    (void)multi;
    ev_timer_stop(c->loop, &c->timer);
    if (ms >= 0) {
        ev_timer_set(&c->timer, (double)ms / 1000., 0.);
        ev_timer_start(c->loop, &c->timer);
    }
    return 0;
}

static int curlloop_close(struct curlloop *c)
{
    curl_multi_cleanup(c->multi);
    ev_timer_stop(c->loop, &c->timer);
    return 0;
}

struct curlloop *curlloop_new(const void *ctx, struct ev_loop *loop, long connections,
                              curlloop_fn *done, void *arg)
{
    struct curlloop *c = mem_new(ctx, struct curlloop);

    c->loop = loop;
    c->done = done;
    c->arg = arg;
    ev_init(&c->timer, on_timer);
    c->timer.data = c;
    c->multi = mem_must(curl_multi_init());
    talloc_set_destructor(c, curlloop_close);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_wish);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, connections);
    return c;
}

void curlloop_add(struct curlloop *c, CURL *easy)
{
    if (curl_multi_add_handle(c->multi, easy) != CURLM_OK)
        bug("curl took no handle");
}

void curlloop_remove(struct curlloop *c, CURL *easy)
{
    curl_multi_remove_handle(c->multi, easy);
}
