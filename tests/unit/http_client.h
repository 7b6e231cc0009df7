/* http_client.h - a client of raw bytes for the tests of the HTTP server, which turns in the same
 * loop. */
#ifndef LAZO_TESTS_UNIT_HTTP_CLIENT_H
#define LAZO_TESTS_UNIT_HTTP_CLIENT_H

#include "common/mem.h"
#include "daemon/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CLIENT_HEARD_MAX ((size_t)1 << 20)
#define CLIENT_TURN_S    0.01
/* Turns in which a server says nothing before it is taken to have said all. */
#define CLIENT_QUIET_TURNS 10

/* client_server() - a server with these routes; child of ctx. Settings come from the environment.
 */
static struct http *client_server(const void *ctx, struct ev_loop *loop,
                                  struct http_options options)
{
    struct http *http;
    struct diag d;

    setenv("LAZO_HTTP_LISTEN", "127.0.0.1:0", 1);
    diag_init(&d, ctx);
    options.settings = settings_load(ctx, NULL, &d);
    assert_non_null(options.settings);
    http = http_new(ctx, loop, &options, &d);
    assert_non_null(http);
    return http;
}

static int client_dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* client_say() - sends all, as far as the server takes it. */
static void client_say(struct ev_loop *loop, int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            bytes += sent;
            n -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return;
        }
        ev_run(loop, EVRUN_NOWAIT);
    }
}

static void client_on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)w;
    (void)events;
}

/* client_hear() - what the server says until it closes, says nothing more, or has said nothing for
 * `patience_s`; *ret_closed says which. Child of ctx. */
static char *client_hear(const void *ctx, struct ev_loop *loop, int fd, double patience_s,
                         bool *ret_closed)
{
    char *heard = mem_array(ctx, char, CLIENT_HEARD_MAX + 1);
    double end = ev_time() + patience_s;
    ev_timer tick;
    size_t n = 0;
    int quiet = 0;

    ev_timer_init(&tick, client_on_tick, CLIENT_TURN_S, CLIENT_TURN_S);
    ev_timer_start(loop, &tick);
    *ret_closed = false;
    while (ev_time() < end && (n == 0 || quiet < CLIENT_QUIET_TURNS)) {
        ssize_t got;

        ev_run(loop, EVRUN_ONCE);
        got = recv(fd, heard + n, CLIENT_HEARD_MAX - n, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            *ret_closed = true;
            break;
        }
        quiet = got > 0 ? 0 : quiet + 1;
        n += got > 0 ? (size_t)got : 0;
    }
    ev_timer_stop(loop, &tick);
    return heard;
}

#endif
