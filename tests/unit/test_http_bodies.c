/* test_http_bodies.c - what memory holds. The bodies of all requests together: what is under way is
 * kept, what would be too much with it is told to come again. A head that just does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "tests/unit/http_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60.
#define HEAD       " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n"

struct fixture {
    struct ev_loop *loop;
    struct http *http;
    struct http_request *held;
    int echoed;
};

static void on_echo(void *arg, struct http_request *req)
{
    struct fixture *f = arg;
    size_t n;
    const char *body = http_body(req, &n);

    f->echoed++;
    http_answer_text(req, 200, "text/plain", body, n);
}

static void on_keep(void *arg, struct http_request *req)
{
    struct fixture *f = arg;

    f->held = req;
}

static void authorise(void *arg, struct http_request *req, const char *token)
{
    struct http_caller caller = {.org_id = 1, .token_id = 1, .role = "owner"};

    (void)arg;
    (void)token;
    http_authorised(req, &caller);
}

static const struct http_route routes[] = {{HTTP_POST, "/echo", "recorder", on_echo, NULL},
                                           {HTTP_GET, "/echo", "reader", on_echo, NULL},
                                           {HTTP_POST, "/keep", "recorder", on_keep, NULL},
                                           {HTTP_GET, NULL, NULL, NULL, NULL}};

static int setup(void **state)
{
    struct fixture *f = mem_new(NULL, struct fixture);

    f->loop = ev_loop_new(0);
    f->http = client_server(
        f, f->loop, (struct http_options){.routes = routes, .authorise = authorise, .arg = f});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct ev_loop *loop = f->loop;

    talloc_free(f);
    ev_loop_destroy(loop);
    return 0;
}

/* A body of `n` bytes, in one piece of a known length or chunked. */
static char *post(struct fixture *f, const char *path, int n, bool chunked)
{
    char *x = mem_array(f, char, (size_t)n + 1);

    memset(x, 'x', (size_t)n);
    if (chunked)
        return mem_printf(f,
                          "POST %s" HEAD "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
                          path, (unsigned)n, x);
    return mem_printf(f, "POST %s" HEAD "Content-Length: %d\r\n\r\n%s", path, n, x);
}

static void expect(struct fixture *f, const char *request, int status)
{
    int fd = client_dial(http_port(f->http));
    bool closed;
    char *heard;

    client_say(f->loop, fd, request, strlen(request));
    heard = client_hear(f, f->loop, fd, PATIENCE_S, &closed);
    close(fd);
    if (strncmp(heard, mem_printf(f, "HTTP/1.1 %d ", status), 13) != 0)
        fail_msg("expected %d, heard: %s", status, heard);
    if (status == 503) {
        assert_non_null(strstr(heard, "Retry-After: "));
        assert_true(closed);
    }
}

static void bodies_together_have_a_limit(void **state)
{
    struct fixture *f = *state;
    const char *keep = post(f, "/keep", 600, false);
    int fd = client_dial(http_port(f->http));
    bool closed;

    client_say(f->loop, fd, keep, strlen(keep));
    while (f->held == NULL)
        ev_run(f->loop, EVRUN_ONCE);
    expect(f, post(f, "/echo", 600, false), 503);
    expect(f, post(f, "/echo", 600, true), 503);
    assert_int_equal(f->echoed, 0);
    expect(f, post(f, "/echo", 400, false), 200);
    expect(f, post(f, "/echo", 400, true), 200);
    expect(f, "GET /echo" HEAD "\r\n", 200);
    http_answer_json(f->held, 200, "{}", 2);
    assert_memory_equal(client_hear(f, f->loop, fd, PATIENCE_S, &closed), "HTTP/1.1 200 ", 13);
    close(fd);
    expect(f, post(f, "/echo", 600, false), 200);
    expect(f, post(f, "/echo", 600, true), 200);
}

/* Who goes away takes the body along, once its request was answered. */
static void bodies_of_those_who_left_do_not_count(void **state)
{
    struct fixture *f = *state;
    const char *keep = post(f, "/keep", 600, false);
    const char *half = "POST /echo" HEAD "Content-Length: 700\r\n\r\nxxxxxxxxxx";

    for (int i = 0; i < 5; i++) {
        int fd = client_dial(http_port(f->http));

        f->held = NULL;
        client_say(f->loop, fd, keep, strlen(keep));
        while (f->held == NULL)
            ev_run(f->loop, EVRUN_ONCE);
        close(fd);
        http_answer_json(f->held, 200, "{}", 2);
        fd = client_dial(http_port(f->http));
        client_say(f->loop, fd, half, strlen(half));
        close(fd);
        expect(f, post(f, "/echo", 980, false), 200);
    }
}

/* Where its memory of a connection ends, libmicrohttpd may have none left to say so in: it may hang
 * up. It goes on with others. */
static void heads_that_just_do_not_fit(void **state)
{
    struct fixture *f = *state;
    char *x = mem_array(f, char, 50001);
    bool closed;

    memset(x, 'x', 50000);
    for (size_t n = 50000; n > 48000; n -= 7) {
        const char *heads[] = {mem_printf(f, "GET /echo" HEAD "X: %.*s\r\n\r\n", (int)n, x),
                               mem_printf(f, "GET /%.*s" HEAD "\r\n", (int)n, x)};

        for (int i = 0; i < 2; i++) {
            int fd = client_dial(http_port(f->http));

            client_say(f->loop, fd, heads[i], strlen(heads[i]));
            talloc_free(client_hear(f, f->loop, fd, PATIENCE_S, &closed));
            close(fd);
        }
    }
    expect(f, "GET /echo" HEAD "\r\n", 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_together_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_of_those_who_left_do_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_that_just_do_not_fit, setup, teardown),
    };

    setenv("LAZO_LIMITS_BODY", "1000", 1);
    setenv("LAZO_LIMITS_BODIES", "1000", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
