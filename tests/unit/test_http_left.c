/* test_http_left.c - a client that closes its side together with what it sends is answered, and its
 * connection ends soon after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "tests/unit/http_client.h"

#include <string.h>
#include <unistd.h>

/* limits.request_time is longer. */
#define PATIENCE_S 60.
#define HEAD       " HTTP/1.1\r\nHost: x\r\n"

struct fixture {
    struct ev_loop *loop;
    struct http *http;
    int answered;
};

static void on_echo(void *arg, struct http_request *req)
{
    struct fixture *f = arg;
    size_t n;
    const char *body = http_body(req, &n);

    f->answered++;
    http_answer_text(req, 200, "text/plain", body, n);
}

static const struct http_route routes[] = {{HTTP_POST, "/echo", NULL, on_echo, NULL},
                                           {HTTP_GET, "/echo", NULL, on_echo, NULL},
                                           {HTTP_GET, NULL, NULL, NULL, NULL}};

/* Sends all and closes its side, at once or a little later; what is heard until the server closes
 * its own. */
static char *ask(struct fixture *f, const char *request, bool together)
{
    int fd = client_dial(http_port(f->http));
    double end = ev_time() + PATIENCE_S;
    char *heard = mem_strdup(f, "");
    bool closed = false;

    if (together)
        assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    else
        client_say(f->loop, fd, request, strlen(request));
    shutdown(fd, SHUT_WR);
    while (!closed && ev_time() < end)
        heard = mem_printf(f, "%s%s", heard, client_hear(f, f->loop, fd, 1., &closed));
    close(fd);
    if (!closed)
        fail_msg("the connection stays: %s", request);
    return heard;
}

static void who_left(struct fixture *f)
{
    assert_memory_equal(ask(f, "GET /echo" HEAD "\r\n", true), "HTTP/1.1 200 ", 13);
    assert_non_null(
        strstr(ask(f, "POST /echo" HEAD "Content-Length: 5\r\n\r\nhello", true), "hello"));
    assert_int_equal(f->answered, 2);
    assert_non_null(
        strstr(ask(f, "GET /echo" HEAD "\r\nGET /none" HEAD "\r\n", true), "HTTP/1.1 404 "));
    ask(f, "GET /ec", true);
    ask(f, "POST /echo" HEAD "Content-Length: 50\r\n\r\nhello", true);
    ask(f, "", true);
    assert_int_equal(f->answered, 3);
}

static void who_left_is_let_go(void **state)
{
    struct fixture *f = mem_new(NULL, struct fixture);
    struct ev_loop *loop = ev_loop_new(0);

    (void)state;
    f->loop = loop;
    f->http = client_server(f, loop, (struct http_options){.routes = routes, .arg = f});
    who_left(f);
    ask(f, "GET /echo" HEAD "\r\n", false);
    talloc_free(f);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_left_is_let_go)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
