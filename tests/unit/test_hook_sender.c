/* The sender against an HTTP server on loopback, both on one loop. What the server answers stands
 * in the request's path: /200, /500, /503-then-200. */
#include "common/mem.h"
#include "workers/hook/sender.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_S 90.
#define SECRET     "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

struct scene {
    struct ev_loop *loop;
    struct sender *sender;
    ev_io listening;
    int port;
    int requests;
    char last[65536]; /* the last request, headers and body */
    json_t *results;  /* by lease */
};

struct connection {
    struct scene *scene;
    ev_io io;
    size_t n;
    char bytes[65536];
};

/* --- the server ---------------------------------------------------------------------------- */

static void answer(struct connection *c)
{
    struct scene *s = c->scene;
    int status = 0, then = 0, n;
    const char *extra = "", *body = "fine";
    char head[512];
    static char big[300000];

    s->requests++;
    memcpy(s->last, c->bytes, c->n + 1);
    if (sscanf(c->bytes, "POST /%d-then-%d", &status, &then) == 2 && s->requests > 1)
        status = then;
    if (strstr(c->bytes, "/silent") != NULL)
        return;
    if (strstr(c->bytes, "/302") != NULL)
        extra = "location: /200\r\n";
    if (strstr(c->bytes, "/big") != NULL) {
        memset(big, 'x', sizeof(big) - 1);
        body = big;
        status = 200;
    }
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 %d X\r\n%sconnection: close\r\ncontent-length: %zu\r\n\r\n", status,
                 extra, strlen(body));
    assert_int_equal(write(c->io.fd, head, (size_t)n), n);
    if (write(c->io.fd, body, strlen(body)) < 0)
        print_message("cut\n");
}

static void on_bytes(struct ev_loop *loop, ev_io *w, int revents)
{
    struct connection *c = w->data;
    ssize_t got = read(w->fd, c->bytes + c->n, sizeof(c->bytes) - 1 - c->n);
    const char *end, *length;

    (void)revents;
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        c->n += (size_t)got;
        c->bytes[c->n] = '\0';
        end = strstr(c->bytes, "\r\n\r\n");
        length = strcasestr(c->bytes, "content-length:");
        if (end == NULL || length == NULL ||
            c->n < (size_t)(end + 4 - c->bytes) + strtoul(length + 15, NULL, 10))
            return;
        answer(c);
        if (strstr(c->bytes, "/silent") != NULL) {
            c->n = 0;
            return;
        }
    }
    ev_io_stop(loop, w);
    close(w->fd);
    talloc_free(c);
}

static void on_connection(struct ev_loop *loop, ev_io *w, int revents)
{
    struct connection *c = mem_new(w->data, struct connection);

    (void)revents;
    c->scene = w->data;
    ev_io_init(&c->io, on_bytes, accept4(w->fd, NULL, NULL, SOCK_CLOEXEC), EV_READ);
    c->io.data = c;
    ev_io_start(loop, &c->io);
}

static void server_start(struct scene *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    ev_io_init(&s->listening, on_connection, fd, EV_READ);
    s->listening.data = s;
    ev_io_start(s->loop, &s->listening);
}

/* --- the scene ------------------------------------------------------------------------------- */

static void on_result(void *arg, int64_t lease, json_t *result)
{
    struct scene *s = arg;
    char key[32];

    snprintf(key, sizeof(key), "%lld", (long long)lease);
    assert_null(json_object_get(s->results, key)); /* once only */
    json_object_set(s->results, key, result);
}

static void sender_start(struct scene *s, const char *allow_private, const char *timeout)
{
    struct diag d;
    struct settings *settings;

    setenv("LAZO_HOOK_ALLOW_PRIVATE", allow_private, 1);
    setenv("LAZO_HOOK_TIMEOUT", timeout, 1);
    setenv("LAZO_HOOK_RETRIES", "1", 1);
    setenv("LAZO_HOOK_RETRY_FIRST", "0 s", 0);
    diag_init(&d, s);
    settings = settings_load(s, NULL, &d);
    assert_non_null(settings);
    s->sender = sender_new(s, s->loop, settings, on_result, s);
}

static int set_up(void **state)
{
    struct scene *s = mem_new(NULL, struct scene);

    curl_global_init(CURL_GLOBAL_ALL);
    unsetenv("LAZO_HOOK_RETRY_FIRST");
    s->loop = ev_loop_new(EVFLAG_AUTO);
    s->results = json_object();
    server_start(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    talloc_free(s->sender);
    ev_io_stop(s->loop, &s->listening);
    close(s->listening.fd);
    ev_loop_destroy(s->loop);
    json_decref(s->results);
    talloc_free(s);
    return 0;
}

static void call(struct scene *s, int lease, const char *host, const char *path)
{
    MEM_SCOPED char *url = mem_printf(NULL, "http://%s:%d%s", host, s->port, path);
    json_t *job =
        json_pack("{s:i, s:i, s:s, s:s, s:s, s:[s]}", "lease", lease, "id", lease, "url", url,
                  "webhook_id", "msg_1", "body", "{\"a\":\"\xc3\xa1\"}", "secrets", SECRET);

    sender_call(s->sender, job);
    json_decref(job);
}

static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)revents;
    *(bool *)w->data = true;
}

static void run_until_idle(struct scene *s)
{
    bool over = false;
    ev_timer patience;

    ev_timer_init(&patience, on_patience, PATIENCE_S, 0.);
    patience.data = &over;
    ev_timer_start(s->loop, &patience);
    while (sender_busy(s->sender) > 0 && !over)
        ev_run(s->loop, EVRUN_ONCE);
    ev_timer_stop(s->loop, &patience);
    assert_false(over);
}

static const char *result(struct scene *s, const char *lease, const char *key)
{
    return json_string_value(json_object_get(json_object_get(s->results, lease), key));
}

/* --- the tests ----------------------------------------------------------------------------------
 */

static void test_sent(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    call(s, 1, "127.0.0.1", "/200");
    assert_int_equal(sender_busy(s->sender), 1);
    run_until_idle(s);
    assert_string_equal(result(s, "1", "state"), "sent");
    assert_string_equal(result(s, "1", "code"), "200");
    assert_string_equal(result(s, "1", "status"), "HTTP 200: fine");
    assert_non_null(strstr(s->last, "\r\nwebhook-id: msg_1\r\n"));
    assert_non_null(strstr(s->last, "\r\nwebhook-signature: v1,"));
    assert_non_null(strstr(s->last, "\r\nwebhook-timestamp: 1"));
    assert_non_null(strstr(s->last, "\r\ncontent-type: application/json\r\n"));
    assert_non_null(strstr(s->last, "\r\nuser-agent: Lazo/"));
    assert_null(strcasestr(s->last, "\r\nexpect:"));
    assert_non_null(strstr(s->last, "\r\n\r\n{\"a\":\"\xc3\xa1\"}"));
}

static void test_again_then_sent(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    call(s, 1, "127.0.0.1", "/503-then-204");
    run_until_idle(s);
    assert_string_equal(result(s, "1", "state"), "sent");
    assert_int_equal(s->requests, 2);
}

static void test_failed(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    call(s, 1, "127.0.0.1", "/500");
    call(s, 2, "127.0.0.1", "/302");
    call(s, 3, "127.0.0.1", "/404");
    run_until_idle(s);
    assert_int_equal(s->requests, 6); /* one retry each; nobody followed the redirect */
    assert_string_equal(result(s, "1", "state"), "retry");
    assert_string_equal(result(s, "2", "code"), "302");
    assert_string_equal(result(s, "3", "code"), "404");
    assert_null(json_object_get(json_object_get(s->results, "3"), "gone"));
}

static void test_gone(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    call(s, 1, "127.0.0.1", "/410");
    run_until_idle(s);
    assert_int_equal(s->requests, 1);
    assert_string_equal(result(s, "1", "state"), "failed");
    assert_true(json_is_true(json_object_get(json_object_get(s->results, "1"), "gone")));
}

static void test_big_answer_is_cut(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    call(s, 1, "127.0.0.1", "/big");
    run_until_idle(s);
    assert_string_equal(result(s, "1", "state"), "sent");
}

static void test_silence(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "1 s");
    call(s, 1, "127.0.0.1", "/silent");
    run_until_idle(s);
    assert_string_equal(result(s, "1", "state"), "retry");
    assert_string_equal(result(s, "1", "code"), "");
    assert_non_null(strstr(result(s, "1", "status"), "timed out"));
}

static void test_private_is_refused(void **state)
{
    static const char *const hosts[] = {
        "127.0.0.1", "localhost",          "127.1",   "2130706433", "0x7f.1",         "0177.0.0.1",
        "[::1]",     "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1",   "169.254.169.254"};
    struct scene *s = *state;

    sender_start(s, "no", "60 s");
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        call(s, (int)i, hosts[i], "/200");
    run_until_idle(s);
    assert_int_equal(s->requests, 0);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        MEM_SCOPED char *lease = mem_printf(NULL, "%zu", i);

        if (strstr(result(s, lease, "status"), "not public") == NULL)
            fail_msg("%s: %s", hosts[i], result(s, lease, "status"));
        assert_string_equal(result(s, lease, "state"), "failed");
    }
}

static void test_bad_job(void **state)
{
    struct scene *s = *state;
    json_t *job = json_pack("{s:i, s:s}", "lease", 9, "url", "ftp://x/");

    sender_start(s, "yes", "60 s");
    sender_call(s->sender, job);
    json_decref(job);
    assert_int_equal(sender_busy(s->sender), 0);
    assert_string_equal(result(s, "9", "state"), "failed");
}

/* What waits between two attempts is given back, what is under way is finished. */
static void test_release(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    call(s, 1, "127.0.0.1", "/500");
    sender_release(s->sender);
    run_until_idle(s);
    assert_int_equal(s->requests, 1);
    assert_string_equal(result(s, "1", "state"), "retry");
    call(s, 2, "127.0.0.1", "/200");
    run_until_idle(s);
    assert_string_equal(result(s, "2", "state"), "sent");
}

/* An endpoint that is down: only half of those in hand wait for their next attempt, so that calls
 * to others find room. */
static void test_waiting_is_bounded(void **state)
{
    struct scene *s = *state;
    int retries = 0;

    setenv("LAZO_HOOK_CONCURRENCY", "5", 1);
    setenv("LAZO_HOOK_RETRY_FIRST", "1 hour", 1);
    sender_start(s, "yes", "60 s");
    unsetenv("LAZO_HOOK_CONCURRENCY");
    for (int i = 0; i < 5; i++)
        call(s, i, "127.0.0.1", "/500");
    for (int i = 0; i < 1000 && json_object_size(s->results) < 2; i++)
        ev_run(s->loop, EVRUN_ONCE);
    assert_int_equal(sender_busy(s->sender), 3);
    for (int i = 0; i < 5; i++) {
        MEM_SCOPED char *lease = mem_printf(NULL, "%d", i);

        retries +=
            result(s, lease, "state") != NULL && strcmp(result(s, lease, "state"), "retry") == 0;
    }
    assert_int_equal(retries, 2);
    sender_release(s->sender);
    assert_int_equal(sender_busy(s->sender), 0);
}

static void test_freed_under_way(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    for (int i = 0; i < 20; i++)
        call(s, i, "127.0.0.1", "/silent");
    for (int i = 0; i < 10; i++)
        ev_run(s->loop, EVRUN_ONCE | (i > 3 ? EVRUN_NOWAIT : 0));
    assert_int_equal(json_object_size(s->results), 0);
}

static void test_many(void **state)
{
    struct scene *s = *state;

    sender_start(s, "yes", "60 s");
    for (int i = 0; i < 200; i++)
        call(s, i, "127.0.0.1", "/200");
    run_until_idle(s);
    assert_int_equal(json_object_size(s->results), 200);
    assert_int_equal(s->requests, 200);
}

int main(void)
{
#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCENE(test_sent),
        SCENE(test_again_then_sent),
        SCENE(test_failed),
        SCENE(test_gone),
        SCENE(test_big_answer_is_cut),
        SCENE(test_silence),
        SCENE(test_private_is_refused),
        SCENE(test_bad_job),
        SCENE(test_release),
        SCENE(test_waiting_is_bounded),
        SCENE(test_freed_under_way),
        SCENE(test_many),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
