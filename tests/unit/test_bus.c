/* ZeroMQ on the loop: what arrives, what is refused, what cannot be sent. Strangers speak through a
 * socket of ZeroMQ's own. */
#include "common/bus.h"
#include "common/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

#define PATIENCE 5000 /* turns of at most 10 ms */

struct scene {
    struct ev_loop *loop;
    char folder[64], address[128];
    struct bus *router, *dealer;
    int at_router, at_dealer;
    char peer[256];
    size_t peer_len;
    enum bus_type type;
    json_t *body;
    int echo; /* messages sent back for each that comes */
    ev_timer tick;
};

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)w, (void)revents;
}

static void on_router(void *arg, const void *peer, size_t peer_len, enum bus_type type,
                      json_t *body)
{
    struct scene *s = arg;

    s->at_router++;
    memcpy(s->peer, peer, peer_len);
    s->peer_len = peer_len;
    s->type = type;
    json_decref(s->body);
    s->body = json_incref(body);
    for (int i = 0; i < s->echo; i++)
        assert_true(bus_send(s->router, peer, peer_len, BUS_pong, body));
}

static void on_dealer(void *arg, const void *peer, size_t peer_len, enum bus_type type,
                      json_t *body)
{
    struct scene *s = arg;

    (void)peer, (void)type, (void)body;
    assert_int_equal(peer_len, 0);
    s->at_dealer++;
}

static int set_up(void **state)
{
    struct scene *s = mem_new(NULL, struct scene);

    s->loop = ev_loop_new(EVFLAG_AUTO);
    strcpy(s->folder, "/tmp/lazo-bus-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->address, sizeof(s->address), "ipc://%s/bus", s->folder);
    s->router = bus_bind(s, s->loop, s->address, on_router, s);
    assert_non_null(s->router);
    ev_timer_init(&s->tick, on_tick, 0.01, 0.01);
    ev_timer_start(s->loop, &s->tick);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    talloc_free(s->dealer);
    talloc_free(s->router);
    json_decref(s->body);
    ev_timer_stop(s->loop, &s->tick);
    ev_loop_destroy(s->loop);
    rmdir(s->folder);
    talloc_free(s);
    return 0;
}

static void turn_until(struct scene *s, const int *counter, int wanted)
{
    for (int i = 0; i < PATIENCE && *counter < wanted; i++)
        ev_run(s->loop, EVRUN_ONCE);
    assert_int_equal(*counter, wanted);
}

static void test_names(void **state)
{
    enum bus_type type;

    (void)state;
    for (int i = 0; i < BUS_TYPE_COUNT; i++) {
        const char *name = bus_type_name((enum bus_type)i);

        assert_true(bus_type_parse(name, strlen(name), &type));
        assert_int_equal(type, i);
        assert_false(bus_type_parse(name, strlen(name) - 1, &type));
    }
    assert_false(bus_type_parse("hello ", 6, &type));
    assert_false(bus_type_parse("", 0, &type));
}

static void test_there_and_back(void **state)
{
    struct scene *s = *state;
    json_t *body = json_pack("{s:s, s:f}", "text", "\xc3\xa1 \xf0\x9f\x98\xba", "number", 0.1);

    s->dealer = bus_connect(s, s->loop, s->address, on_dealer, s);
    s->echo = 1;
    assert_true(bus_send(s->dealer, NULL, 0, BUS_credit, body));
    turn_until(s, &s->at_router, 1);
    assert_int_equal(s->type, BUS_credit);
    assert_true(json_equal(s->body, body));
    turn_until(s, &s->at_dealer, 1);
    json_decref(body);
}

/* More than one turn reads, in both directions at once: the descriptor's edges are not enough for
 * that. */
static void test_floods(void **state)
{
    struct scene *s = *state;
    json_t *body = json_pack("{s:i}", "n", 1);

    s->dealer = bus_connect(s, s->loop, s->address, on_dealer, s);
    s->echo = 2;
    for (int i = 0; i < 3000; i++)
        assert_true(bus_send(s->dealer, NULL, 0, BUS_ping, body));
    turn_until(s, &s->at_router, 3000);
    turn_until(s, &s->at_dealer, 6000);
    json_decref(body);
}

static void test_nobody_is_there(void **state)
{
    struct scene *s = *state;
    json_t *body = json_object();

    assert_false(bus_send(s->router, "nobody", 6, BUS_ping, body));
    json_decref(body);
}

static void test_peer_is_gone(void **state)
{
    struct scene *s = *state;
    json_t *body = json_object();
    int i = 0;

    s->dealer = bus_connect(s, s->loop, s->address, on_dealer, s);
    assert_true(bus_send(s->dealer, NULL, 0, BUS_ping, body));
    turn_until(s, &s->at_router, 1);
    talloc_free(s->dealer);
    s->dealer = NULL;
    while (bus_send(s->router, s->peer, s->peer_len, BUS_pong, body) && i++ < PATIENCE)
        ev_run(s->loop, EVRUN_ONCE);
    assert_true(i < PATIENCE);
    json_decref(body);
}

/* What a stranger may send; none of it reaches the callback, and what is right after it does. */
static void test_malformed(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *frames[4];
    } bad[] = {
        {{"ping"}},
        {{"ping", "{}", "{}"}},
        {{"ping", "{}", "{}", "x"}},
        {{"nonsense", "{}"}},
        {{"ping", ""}},
        {{"ping", "[]"}},
        {{"ping", "{\"a\":1,\"a\":2}"}},
        {{"ping", "null"}},
        {{"ping", "{\"a\":1e400}"}},
        {{"ping", "{\"a\":\"\xff\"}"}},
        {{"ping", "{} {}"}},
        {{"", ""}},
        {{"PING", "{}"}},
    };
    const int count = (int)(sizeof(bad) / sizeof(bad[0]));
    void *context = zmq_ctx_new(), *stranger = zmq_socket(context, ZMQ_DEALER);

    assert_int_equal(zmq_connect(stranger, s->address), 0);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 4 && bad[i].frames[k] != NULL; k++)
            zmq_send(stranger, bad[i].frames[k], strlen(bad[i].frames[k]),
                     k < 3 && bad[i].frames[k + 1] != NULL ? ZMQ_SNDMORE : 0);
    zmq_send(stranger, "ping", 4, ZMQ_SNDMORE);
    zmq_send(stranger, "{}", 2, 0);
    turn_until(s, &s->at_router, 1);
    assert_int_equal(bus_refused(s->router), count);
    zmq_close(stranger);
    zmq_ctx_term(context);
}

static void test_socket_is_ours_alone(void **state)
{
    struct scene *s = *state;
    struct stat st;

    assert_int_equal(stat(s->address + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

static void test_bind_again(void **state)
{
    struct scene *s = *state;

    talloc_free(s->router);
    s->router = bus_bind(s, s->loop, s->address, on_router, s);
    assert_non_null(s->router);
}

static void test_bad_addresses(void **state)
{
    struct scene *s = *state;

    assert_null(bus_bind(s, s->loop, "ipc:///nowhere/at/all", on_router, s));
    assert_int_not_equal(errno, 0);
    assert_null(bus_bind(s, s->loop, "nonsense", on_router, s));
    assert_int_equal(errno, EINVAL);
    assert_null(bus_connect(s, s->loop, "tcp://127.0.0.1", on_dealer, s));
}

int main(void)
{
#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), SCENE(test_there_and_back), SCENE(test_floods),
        SCENE(test_nobody_is_there),  SCENE(test_peer_is_gone),   SCENE(test_malformed),
        SCENE(test_bind_again),       SCENE(test_bad_addresses),  SCENE(test_socket_is_ours_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
