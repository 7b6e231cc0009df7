/* The HTTP server with toy routes, spoken to through raw sockets. */
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

#define BODY_MAX   1000
#define PATIENCE_S 60.

struct fixture {
    struct ev_loop *loop;
    struct http *http;
    struct http_request *held; /* what /hold keeps until somebody lets go */
    ev_timer later;
    int bodies;
};

/* --- toy routes --- */

static void on_hello(void *arg, struct http_request *req)
{
    (void)arg;
    http_answer_text(req, 200, "text/plain", "hello", 5);
}

static void on_echo(void *arg, struct http_request *req)
{
    struct fixture *f = arg;
    size_t n;
    const char *body = http_body(req, &n);

    f->bodies++;
    http_answer_text(req, 200, "text/plain", body, n);
}

static void on_json(void *arg, struct http_request *req)
{
    json_t *value = http_json(req);

    (void)arg;
    if (value != NULL)
        http_answer_value(req, 200, json_incref(value));
}

static void on_form(void *arg, struct http_request *req)
{
    const char *a = http_form(req, "a");

    (void)arg;
    http_answer_text(req, a != NULL ? 200 : 422, "text/plain", a != NULL ? a : "",
                     a != NULL ? strlen(a) : 0);
}

static void on_name(void *arg, struct http_request *req)
{
    const char *name = http_param(req, "name");
    int limit;

    (void)arg;
    if (http_limit(req, &limit)) {
        http_set_header(req, "X-Limit", mem_printf(http_ctx(req), "%d", limit));
        http_answer_text(req, 200, "text/plain", name, strlen(name));
    }
}

static void on_hold(void *arg, struct http_request *req)
{
    struct fixture *f = arg;

    f->held = req;
}

static void on_later(struct ev_loop *loop, ev_timer *w, int events)
{
    struct fixture *f = w->data;

    (void)loop;
    (void)events;
    if (f->held != NULL)
        http_answer_json(f->held, 200, "{\"later\":true}", 14);
    f->held = NULL;
}

static void on_delayed(void *arg, struct http_request *req)
{
    struct fixture *f = arg;

    f->held = req;
    ev_timer_set(&f->later, 0.02, 0.);
    ev_timer_start(f->loop, &f->later);
}

static const struct http_route routes[] = {{HTTP_GET, "/hello", NULL, on_hello, NULL},
                                           {HTTP_POST, "/echo", "recorder", on_echo, NULL},
                                           {HTTP_POST, "/json", "reader", on_json, NULL},
                                           {HTTP_POST, "/form", NULL, on_form, NULL},
                                           {HTTP_GET, "/name/{name}", NULL, on_name, NULL},
                                           {HTTP_GET, "/hold", NULL, on_hold, NULL},
                                           {HTTP_POST, "/keep", "reader", on_hold, NULL},
                                           {HTTP_POST, "/delayed", "reader", on_delayed, NULL},
                                           {HTTP_DELETE, "/owner", "owner", on_hello, NULL},
                                           {HTTP_GET, NULL, NULL, NULL, NULL}};

/* Tokens: "slow" is looked up over a turn of the loop; other ones are roles. */
static void on_slow_token(struct ev_loop *loop, ev_timer *w, int events)
{
    struct http_caller caller = {.org_id = 1, .token_id = 1, .role = "recorder"};
    struct http_request *req = w->data;

    (void)loop;
    (void)events;
    http_authorised(req, &caller);
}

static void authorise(void *arg, struct http_request *req, const char *token)
{
    struct fixture *f = arg;
    struct http_caller caller = {.org_id = 1, .token_id = 1};
    static ev_timer slow;

    if (strcmp(token, "slow") == 0) {
        ev_timer_init(&slow, on_slow_token, 0.02, 0.);
        slow.data = req;
        ev_timer_start(f->loop, &slow);
    } else if (strcmp(token, "reader") == 0 || strcmp(token, "recorder") == 0 ||
               strcmp(token, "owner") == 0) {
        strcpy(caller.role, token);
        http_authorised(req, &caller);
    } else {
        http_problem(req, 401, NULL, "This token is not known.");
    }
}

static int setup(void **state)
{
    struct fixture *f = mem_new(NULL, struct fixture);

    f->loop = ev_loop_new(0);
    f->http = client_server(
        f, f->loop, (struct http_options){.routes = routes, .authorise = authorise, .arg = f});
    ev_timer_init(&f->later, on_later, 0., 0.);
    f->later.data = f;
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

/* --- a client --- */
static void say(struct fixture *f, int fd, const char *bytes, size_t n)
{
    client_say(f->loop, fd, bytes, n);
}

static char *exchange(struct fixture *f, const char *request, bool *ret_closed)
{
    int fd = client_dial(http_port(f->http));
    char *heard;
    bool closed;

    say(f, fd, request, strlen(request));
    heard = client_hear(f, f->loop, fd, PATIENCE_S, ret_closed != NULL ? ret_closed : &closed);
    close(fd);
    return heard;
}

#define assert_status(heard, status)                                                               \
    do {                                                                                           \
        const char *text_ = (heard);                                                               \
        if (strncmp(text_, "HTTP/1.1 " status " ", 13) != 0)                                       \
            fail_msg("expected " status ", heard: %s", text_);                                     \
    } while (0)
#define assert_says(heard, words)                                                                  \
    do {                                                                                           \
        const char *text_ = (heard);                                                               \
        if (strstr(text_, words) == NULL)                                                          \
            fail_msg("expected \"%s\", heard: %s", words, text_);                                  \
    } while (0)

#define HOST     "Host: x\r\n"
#define TOKEN(t) "Authorization: Bearer " t "\r\n"

/* --- tests --- */
static void get_and_head_agree(void **state)
{
    struct fixture *f = *state;
    bool closed;
    char *heard = exchange(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n", &closed);

    assert_status(heard, "200");
    assert_false(closed);
    assert_says(heard, "\r\n\r\nhello");
    assert_says(heard, "X-Content-Type-Options: nosniff\r\n");
    assert_says(heard, "Cache-Control: no-store\r\n");
    assert_says(heard, "Date: ");
    heard = exchange(f, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n", NULL);
    assert_status(heard, "200");
    assert_says(heard, "Content-Length: 5\r\n");
    assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    char *heard = exchange(
        *state,
        "GET /name/a HTTP/1.1\r\n" HOST "\r\n"
        "POST /delayed HTTP/1.1\r\n" HOST TOKEN("reader") "Content-Length: 0\r\n\r\n"
                                                          "GET /name/b HTTP/1.1\r\n" HOST "\r\n",
        NULL);
    char *a = strstr(heard, "\r\n\r\na"), *b = strstr(heard, "\r\n\r\nb");
    char *later = strstr(heard, "{\"later\":true}");

    assert_true(a != NULL && later != NULL && b != NULL && a < later && later < b);
}

static void unknown_paths_and_methods(void **state)
{
    struct fixture *f = *state;
    char *heard = exchange(f, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", NULL);

    assert_status(heard, "404");
    assert_says(heard, "Content-Type: application/problem+json\r\n");
    assert_says(heard, "\"status\":404");
    heard = exchange(f, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n", NULL);
    assert_status(heard, "405");
    assert_says(heard, "Allow: GET, HEAD\r\n");
    assert_status(exchange(f, "BREW /hello HTTP/1.1\r\n" HOST "\r\n", NULL), "405");
    assert_status(exchange(f, "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", NULL), "400");
    assert_status(exchange(f, "GET /name/../hello HTTP/1.1\r\n" HOST "\r\n", NULL), "400");
    assert_status(exchange(f, "GET /name/%ff HTTP/1.1\r\n" HOST "\r\n", NULL), "400");
    heard = exchange(f, "GET /name/a%2Fb?limit=7 HTTP/1.1\r\n" HOST "\r\n", NULL);
    assert_says(heard, "\r\n\r\na/b");
    assert_says(heard, "X-Limit: 7\r\n");
    assert_status(exchange(f, "GET /name/a?limit=0 HTTP/1.1\r\n" HOST "\r\n", NULL), "400");
    assert_status(exchange(f, "GET /name/a?limit=1e3 HTTP/1.1\r\n" HOST "\r\n", NULL), "400");
}

static void smuggling_shapes_are_refused(void **state)
{
    static const char *const shapes[] = {
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\nhello",
        "Transfer-Encoding: identity\r\n\r\nhello",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Content-Length : 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: 99999999999999999999999\r\n\r\nhello",
        "X-Odd: a\x01z\r\nContent-Length: 5\r\n\r\nhello",
        "X Odd: a\r\nContent-Length: 5\r\n\r\nhello",
        "Host: y\r\nContent-Length: 5\r\n\r\nhello",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char *request =
            mem_printf(f, "POST /echo HTTP/1.1\r\n" HOST TOKEN("recorder") "%s", shapes[i]);
        bool closed;
        char *heard = exchange(f, request, &closed);

        /* 413 is libmicrohttpd's own word for a length beyond 64 bits. */
        if (strncmp(heard, "HTTP/1.1 400 ", 13) != 0 && strncmp(heard, "HTTP/1.1 413 ", 13) != 0)
            fail_msg("shape %zu was answered: %s", i, heard);
        assert_true(closed);
        assert_int_equal(f->bodies, 0);
    }
    assert_status(exchange(f, "GET /hello HTTP/1.1\r\n\r\n", NULL), "400");
}

static void malformed_chunks_reach_nobody(void **state)
{
    static const char *const chunks[] = {
        "5xyz\r\nhello\r\n0\r\n\r\n",   "5\r\nhello\r\n\r\n",       "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloworld\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello",  "\r\nhello\r\n0\r\n\r\n",   "5\r\nhello0\r\n\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        bool closed;
        char *heard = exchange(f,
                               mem_printf(f,
                                          "POST /echo HTTP/1.1\r\n" HOST TOKEN(
                                              "recorder") "Transfer-Encoding: chunked\r\n\r\n%s",
                                          chunks[i]),
                               &closed);

        if (strncmp(heard, "HTTP/1.1 4", 10) != 0 || !closed)
            fail_msg("chunks %zu were answered: %s", i, heard);
    }
    assert_int_equal(f->bodies, 0);
    assert_status(
        exchange(f,
                 "POST /echo HTTP/1.1\r\n" HOST TOKEN(
                     "recorder") "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
                 NULL),
        "415");
}

static void bodies_have_a_limit(void **state)
{
    struct fixture *f = *state;
    char *x = mem_array(f, char, BODY_MAX + 2), *heard;
    bool closed;

    memset(x, 'x', BODY_MAX + 1);
    heard = exchange(f,
                     "POST /echo HTTP/1.1\r\n" HOST TOKEN(
                         "recorder") "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
                     &closed);
    assert_status(heard, "413");
    assert_true(closed);
    heard = exchange(
        f,
        mem_printf(f,
                   "POST /echo HTTP/1.1\r\n" HOST TOKEN(
                       "recorder") "Transfer-Encoding: chunked\r\n\r\n3e9\r\n%s\r\n0\r\n\r\n",
                   x),
        &closed);
    assert_status(heard, "413");
    assert_true(closed);
    assert_int_equal(f->bodies, 0);
    x[BODY_MAX] = '\0';
    heard = exchange(
        f,
        mem_printf(f,
                   "POST /echo HTTP/1.1\r\n" HOST TOKEN(
                       "recorder") "Transfer-Encoding: chunked\r\n\r\n1f4\r\n%.500s\r\n1F4;x=y\r\n"
                                   "%.500s\r\n0\r\nTrailer: a\r\n\r\n",
                   x, x),
        &closed);
    assert_status(heard, "200");
    assert_false(closed);
    assert_says(heard, x);
}

static void long_headers_are_refused(void **state)
{
    struct fixture *f = *state;
    char *x = mem_array(f, char, 200001), *heard;

    /* The first two are refused by libmicrohttpd, the others by us. */
    for (size_t n = 200000; n > 20000; n -= n > 50000 ? 75000 : 10000) {
        memset(x, 'x', n);
        x[n] = '\0';
        heard = exchange(f, mem_printf(f, "GET /hello HTTP/1.1\r\n" HOST "X: %s\r\n\r\n", x), NULL);
        assert_status(heard, "431");
        heard = exchange(f, mem_printf(f, "GET /name/%s HTTP/1.1\r\n" HOST "\r\n", x), NULL);
        assert_status(heard, "414");
    }
    assert_says(heard, "application/problem+json");
    heard = exchange(f, "GET /hello HTTP/1.1\r\n\r\n", NULL);
    assert_status(heard, "400");
    assert_says(heard, "needs a Host");
    assert_null(strstr(heard + 1, "HTTP/1.1 400"));
}

static void tokens_and_roles(void **state)
{
    struct fixture *f = *state;
    bool closed;
    char *heard =
        exchange(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", &closed);

    assert_status(heard, "401");
    assert_says(heard, "WWW-Authenticate: Bearer");
    assert_true(closed);
    assert_status(
        exchange(f, "POST /echo HTTP/1.1\r\n" HOST TOKEN("nobody") "Content-Length: 0\r\n\r\n",
                 &closed),
        "401");
    assert_false(closed);
    assert_status(
        exchange(f, "POST /echo HTTP/1.1\r\n" HOST TOKEN("reader") "Content-Length: 5\r\n\r\nhello",
                 NULL),
        "403");
    assert_int_equal(f->bodies, 0);
    assert_status(exchange(f, "DELETE /owner HTTP/1.1\r\n" HOST TOKEN("owner") "\r\n", NULL),
                  "200");
    heard = exchange(
        f, "POST /echo HTTP/1.1\r\n" HOST TOKEN("slow") "Content-Length: 5\r\n\r\nhello", NULL);
    assert_status(heard, "200");
    assert_says(heard, "\r\n\r\nhello");
    /* Basic: "recorder:" */
    heard = exchange(f,
                     "POST /echo HTTP/1.1\r\n" HOST "Authorization: basic cmVjb3JkZXI6\r\n"
                     "Content-Length: 2\r\n\r\nhi",
                     NULL);
    assert_status(heard, "200");
    assert_status(exchange(f,
                           "POST /echo HTTP/1.1\r\n" HOST "Authorization: Basic ???\r\n"
                           "Content-Length: 0\r\n\r\n",
                           NULL),
                  "401");
}

static char *post_json(struct fixture *f, const char *body)
{
    return exchange(
        f,
        mem_printf(f,
                   "POST /json HTTP/1.1\r\n" HOST TOKEN("reader") "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body),
        NULL);
}

static void json_is_strict(void **state)
{
    static const char *const bad[] = {
        "", "{", "{\"a\":1,\"a\":2}", "[1]x", "\"\\u0000\"", "\"\xff\"", "[1e400]", "{\"a\":NaN}"};
    struct fixture *f = *state;
    struct buf deep;

    assert_says(post_json(f, "{\"a\": [1, \"\xc3\xb1[[\"]}"), "{\"a\":[1,\"\xc3\xb1[[\"]}");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *heard = post_json(f, bad[i]);

        assert_status(heard, "400");
        assert_says(heard, "\"errors\":[{");
    }
    assert_says(post_json(f, "{\n \"a\": x}"), "\"line\":2");
    buf_init(&deep, f, 1000);
    for (int i = 0; i < 65; i++)
        buf_char(&deep, '[');
    assert_says(post_json(f, deep.data), "nested deeper");
}

static void forms_come_in_two_shapes(void **state)
{
    struct fixture *f = *state;
    char *heard = exchange(f,
                           "POST /form HTTP/1.1\r\n" HOST
                           "Content-Type: application/x-www-form-urlencoded\r\n"
                           "Content-Length: 5\r\n\r\na=%41",
                           NULL);

    assert_says(heard, "\r\n\r\nA");
    heard =
        exchange(f,
                 "POST /form HTTP/1.1\r\n" HOST "Content-Type: multipart/form-data; boundary=b\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n"
                 "42\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue 7890\r\n"
                 "--b--\r\n0\r\n\r\n",
                 NULL);
    assert_status(heard, "200");
    assert_says(heard, "\r\n\r\nvalue 7890");
}

static void slow_clients_are_cut(void **state)
{
    static const char *const starts[] = {
        "GET /hel", "POST /echo HTTP/1.1\r\n" HOST TOKEN("recorder") "Content-Length: 100\r\n\r\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        int fd = client_dial(http_port(f->http));
        double end = ev_time() + PATIENCE_S, next = 0;
        bool closed = false;
        char c;

        say(f, fd, starts[i], strlen(starts[i]));
        while (!closed && ev_time() < end) {
            ssize_t got;

            ev_run(f->loop, EVRUN_ONCE);
            if (ev_time() > next) {
                send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
                next = ev_time() + 0.2;
            }
            got = recv(fd, &c, 1, MSG_DONTWAIT);
            closed = got == 0 || (got < 0 && errno != EAGAIN);
        }
        close(fd);
        assert_true(closed);
    }
    assert_int_equal(f->bodies, 0);
}

/* hold() - asks for what is answered by whoever takes f->held. */
static void hold(struct fixture *f, int fd)
{
    static const char request[] = "GET /hold HTTP/1.1\r\n" HOST "\r\n";

    say(f, fd, request, strlen(request));
    while (f->held == NULL)
        ev_run(f->loop, EVRUN_ONCE);
}

static void clients_that_go_away(void **state)
{
    struct fixture *f = *state;
    int fd = client_dial(http_port(f->http));

    hold(f, fd);
    close(fd);
    for (int i = 0; i < 5; i++)
        ev_run(f->loop, EVRUN_NOWAIT);
    assert_int_equal(http_in_flight(f->http), 1);
    http_answer_empty(f->held, 204);
    while (http_in_flight(f->http) > 0)
        ev_run(f->loop, EVRUN_NOWAIT);
}

static void stopping_finishes_what_is_in_flight(void **state)
{
    struct fixture *f = *state;
    int idle = client_dial(http_port(f->http)), busy = client_dial(http_port(f->http));
    bool closed;
    char *heard, c;

    ev_run(f->loop, EVRUN_NOWAIT);
    hold(f, busy);
    http_stop(f->http);
    http_answer_text(f->held, 200, "text/plain", "at last", 7);
    heard = client_hear(f, f->loop, busy, PATIENCE_S, &closed);
    assert_says(heard, "\r\n\r\nat last");
    assert_says(heard, "Connection: close");
    assert_true(closed);
    assert_true(recv(idle, &c, 1, 0) <= 0);
    close(idle);
    close(busy);
}

/* What teardown frees is a request whose answer nobody gave. */
static void freeing_drops_requests(void **state)
{
    struct fixture *f = *state;
    int fd = client_dial(http_port(f->http));

    hold(f, fd);
    assert_int_equal(http_in_flight(f->http), 1);
    close(fd);
}

static void counts_are_kept(void **state)
{
    struct fixture *f = *state;
    struct buf out;

    exchange(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL);
    exchange(f, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", NULL);
    exchange(f, "GET /hello HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
             NULL);
    buf_init(&out, f, 10000);
    http_metrics(f->http, &out);
    assert_says(out.data, "\nlazo_http_requests_total{status=\"2xx\"} 1\n");
    assert_says(out.data, "\nlazo_http_requests_total{status=\"4xx\"} 2\n");
    assert_says(out.data, "\nlazo_http_refused_total 1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(get_and_head_agree),
                                       TEST(pipelined_requests_are_answered_in_order),
                                       TEST(unknown_paths_and_methods),
                                       TEST(smuggling_shapes_are_refused),
                                       TEST(malformed_chunks_reach_nobody),
                                       TEST(bodies_have_a_limit),
                                       TEST(long_headers_are_refused),
                                       TEST(tokens_and_roles),
                                       TEST(json_is_strict),
                                       TEST(forms_come_in_two_shapes),
                                       TEST(clients_that_go_away),
                                       TEST(stopping_finishes_what_is_in_flight),
                                       TEST(freeing_drops_requests),
                                       TEST(counts_are_kept)},
                            hasty[] = {TEST(slow_clients_are_cut)};
    int failed = setenv("LAZO_LIMITS_BODY", "1000", 1);

    failed += cmocka_run_group_tests(tests, NULL, NULL);
    setenv("LAZO_LIMITS_REQUEST_TIME", "1 s", 1);
    return failed + cmocka_run_group_tests(hasty, NULL, NULL);
}
