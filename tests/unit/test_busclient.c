/* A worker's client against a ROUTER that plays lazod, both on one loop. Scenarios say what lazod
 * does; the client must lose nothing. */
#include "common/bus.h"
#include "common/busclient.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_S 60.

/* What plays lazod. */
struct server {
    struct bus *bus;
    char peer[256];
    size_t peer_len;
    int64_t session;
    bool mute;   /* answers nothing at all */
    bool no_ack; /* takes results and forgets them */
    int hellos, results, result_messages, pings, mails;
    int64_t credit;
    json_t *held;       /* of the last hello */
    json_t *last_items; /* of the last result message */
};

struct scene {
    void *ctx;
    struct ev_loop *loop;
    char folder[64];
    char address[128];
    struct settings *settings;
    struct server server;
    struct busclient *client;
    json_t *jobs; /* given to the owner */
    int templates, acked, acked_ids;
    bool answer; /* the owner answers each job at once */
};

/* --- the server -------------------------------------------------------------------------- */

static void server_send(struct scene *s, enum bus_type type, json_t *body)
{
    assert_true(bus_send(s->server.bus, s->server.peer, s->server.peer_len, type, body));
    json_decref(body);
}

/* A client that connected anew meanwhile is another peer, and gets no answer to what it sent as the
 * old one: it says hello again. */
static void server_answer(struct scene *s, enum bus_type type, json_t *body)
{
    (void)bus_send(s->server.bus, s->server.peer, s->server.peer_len, type, body);
    json_decref(body);
}

static void server_ack(struct scene *s, const json_t *body, const char *from, const char *to)
{
    json_t *list = json_array(), *item;
    size_t i;

    json_array_foreach(json_object_get(body, "items"), i, item)
        json_array_append(list, json_object_get(item, from));
    server_answer(s, BUS_ack,
                  json_pack("{s:I, s:o}", "session", (json_int_t)s->server.session, to, list));
}

static void server_on(void *arg, const void *peer, size_t peer_len, enum bus_type type,
                      json_t *body)
{
    struct scene *s = arg;
    struct server *v = &s->server;
    json_int_t session = json_integer_value(json_object_get(body, "session"));

    if (v->mute)
        return;
    memcpy(v->peer, peer, peer_len);
    v->peer_len = peer_len;
    if (type == BUS_hello) {
        v->hellos++;
        v->session = session;
        v->credit = json_integer_value(json_object_get(body, "credit"));
        json_decref(v->held);
        v->held = json_incref(json_object_get(body, "held"));
        server_answer(s, BUS_welcome, json_pack("{s:I}", "session", session));
        return;
    }
    if (session != v->session) {
        server_answer(s, BUS_again, json_object());
        return;
    }
    if (type == BUS_ping) {
        v->pings++;
        server_answer(s, BUS_pong, json_pack("{s:I}", "session", session));
    } else if (type == BUS_credit) {
        v->credit += json_integer_value(json_object_get(body, "n"));
    } else if (type == BUS_result) {
        v->result_messages++;
        v->results += (int)json_array_size(json_object_get(body, "items"));
        json_decref(v->last_items);
        v->last_items = json_incref(json_object_get(body, "items"));
        if (!v->no_ack)
            server_ack(s, body, "lease", "leases");
    } else if (type == BUS_mail_in) {
        v->mails += (int)json_array_size(json_object_get(body, "items"));
        if (!v->no_ack)
            server_ack(s, body, "id", "ids");
    }
}

static void server_start(struct scene *s)
{
    s->server.session = -1;
    s->server.bus = bus_bind(s->ctx, s->loop, s->address, server_on, s);
    assert_non_null(s->server.bus);
}

static void server_stop(struct scene *s)
{
    talloc_free(s->server.bus);
    s->server.bus = NULL;
}

static void server_job(struct scene *s, int64_t lease)
{
    server_send(s, BUS_jobs,
                json_pack("{s:I, s:[{s:I, s:s}]}", "session", (json_int_t)s->server.session,
                          "items", "lease", (json_int_t)lease, "sort", "hook"));
}

/* --- the worker -------------------------------------------------------------------------- */

static void worker_answers(struct scene *s, int64_t lease)
{
    json_t *body = json_pack("{s:I, s:s}", "lease", (json_int_t)lease, "state", "sent");

    busclient_result(s->client, lease, body);
    json_decref(body);
}

static void on_job(void *arg, const json_t *job)
{
    struct scene *s = arg;

    json_array_append(s->jobs, json_object_get(job, "lease"));
    if (s->answer)
        worker_answers(s, json_integer_value(json_object_get(job, "lease")));
}

static void on_template(void *arg, const json_t *template)
{
    (void)template;
    ((struct scene *)arg)->templates++;
}

static void on_acked(void *arg, const int64_t *leases, size_t n)
{
    (void)leases;
    ((struct scene *)arg)->acked += (int)n;
}

static void on_acked_ids(void *arg, const json_t *ids)
{
    ((struct scene *)arg)->acked_ids += (int)json_array_size(ids);
}

static const struct busclient_ops ops = {on_job, on_template, on_acked, on_acked_ids};

/* --- the scene --------------------------------------------------------------------------- */

static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)revents;
    *(bool *)w->data = true;
}

static void run_until_(struct scene *s, bool (*holds)(struct scene *), const char *what)
{
    bool over = false;
    ev_timer patience;

    ev_timer_init(&patience, on_patience, PATIENCE_S, 0.);
    patience.data = &over;
    ev_now_update(s->loop);
    ev_timer_start(s->loop, &patience);
    while (!holds(s) && !over)
        ev_run(s->loop, EVRUN_ONCE);
    ev_timer_stop(s->loop, &patience);
    if (over)
        fail_msg("waited in vain for %s", what);
}
#define run_until(s, holds) run_until_(s, holds, #holds)

static int set_up(void **state)
{
    struct scene *s = mem_new(NULL, struct scene);
    struct diag d;

    s->ctx = s;
    s->loop = ev_loop_new(EVFLAG_AUTO);
    s->jobs = json_array();
    strcpy(s->folder, "/tmp/lazo-busclient-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->address, sizeof(s->address), "ipc://%s/bus", s->folder);
    setenv("LAZO_BUS_ADDRESS", s->address, 1);
    setenv("LAZO_BUS_PING", "0 s", 1); /* as often as the client allows */
    setenv("LAZO_BUS_DEAD_AFTER", "1 s", 1);
    diag_init(&d, s);
    s->settings = settings_load(s, NULL, &d);
    assert_non_null(s->settings);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    talloc_free(s->client);
    server_stop(s);
    json_decref(s->jobs);
    json_decref(s->server.held);
    json_decref(s->server.last_items);
    ev_loop_destroy(s->loop);
    rmdir(s->folder);
    talloc_free(s);
    return 0;
}

static void client_start(struct scene *s, int credit)
{
    s->client = busclient_new(s->ctx, s->loop, s->settings, "w@test", "hook", credit, &ops, s);
}

static bool is_welcome(struct scene *s)
{
    return s->server.pings >= 1;
}

static bool has_job(struct scene *s)
{
    return json_array_size(s->jobs) > 0;
}

static bool all_acked(struct scene *s)
{
    return busclient_unacked(s->client) == 0;
}

/* --- scenarios --------------------------------------------------------------------------- */

static void test_job_result_ack(void **state)
{
    struct scene *s = *state;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    assert_int_equal(s->server.credit, 5);
    assert_int_equal(json_array_size(s->server.held), 0);
    server_job(s, 11);
    run_until(s, has_job);
    assert_int_equal(busclient_held(s->client), 1);
    worker_answers(s, 11);
    assert_int_equal(busclient_held(s->client), 0);
    assert_int_equal(busclient_unacked(s->client), 1);
    run_until(s, all_acked);
    assert_int_equal(s->acked, 1);
    assert_int_equal(s->server.results, 1);
}

static bool credit_is_back(struct scene *s)
{
    return s->server.credit == 306;
}

static bool all_jobs(struct scene *s)
{
    return json_array_size(s->jobs) == 301;
}

/* 301 results of one turn go out in two messages, and their credit comes with them. */
static void test_results_go_in_batches(void **state)
{
    struct scene *s = *state;
    json_t *items = json_array();

    server_start(s);
    client_start(s, 5);
    s->answer = true;
    run_until(s, is_welcome);
    for (int i = 0; i < 301; i++)
        json_array_append_new(items, json_pack("{s:i}", "lease", i));
    server_send(s, BUS_jobs,
                json_pack("{s:I, s:o}", "session", (json_int_t)s->server.session, "items", items));
    run_until(s, all_jobs);
    run_until(s, all_acked);
    run_until(s, credit_is_back);
    assert_int_equal(s->server.results, 301);
    assert_int_equal(s->server.result_messages, 2);
    assert_int_equal(s->acked, 301);
}

static bool said_hello_twice(struct scene *s)
{
    return s->server.hellos >= 2 && s->server.pings >= 2;
}

/* lazod is away while the worker finishes; the new lazod hears of it, and of what is still in hand.
 */
static void test_daemon_restart(void **state)
{
    struct scene *s = *state;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    server_job(s, 1);
    server_job(s, 2);
    while (json_array_size(s->jobs) < 2)
        ev_run(s->loop, EVRUN_ONCE);
    server_stop(s);
    worker_answers(s, 1);
    for (int i = 0; i < 10; i++)
        ev_run(s->loop, EVRUN_ONCE);
    assert_int_equal(busclient_unacked(s->client), 1);
    s->server.hellos = 0;
    server_start(s);
    run_until(s, all_acked);
    assert_int_equal(s->server.results, 1);
    assert_int_equal(json_array_size(s->server.held), 2);
    assert_int_equal(s->server.credit, 4);
    assert_int_equal(busclient_held(s->client), 1);
    worker_answers(s, 2);
    run_until(s, all_acked);
    assert_int_equal(s->server.results, 2);
}

/* The old lazod took the result and died before it wrote it. */
static void test_lost_ack_after_restart(void **state)
{
    struct scene *s = *state;

    server_start(s);
    s->server.no_ack = true;
    client_start(s, 5);
    run_until(s, is_welcome);
    server_job(s, 7);
    run_until(s, has_job);
    worker_answers(s, 7);
    while (s->server.results == 0)
        ev_run(s->loop, EVRUN_ONCE);
    server_stop(s);
    s->server.no_ack = false;
    server_start(s);
    run_until(s, all_acked);
    assert_true(s->server.results >= 2);
    assert_int_equal(s->acked, 1);
}

/* lazod lives, but its ack never came. */
static void test_lost_ack_in_session(void **state)
{
    struct scene *s = *state;

    server_start(s);
    s->server.no_ack = true;
    client_start(s, 5);
    run_until(s, is_welcome);
    server_job(s, 7);
    run_until(s, has_job);
    worker_answers(s, 7);
    while (s->server.results == 0)
        ev_run(s->loop, EVRUN_ONCE);
    s->server.no_ack = false;
    run_until(s, all_acked);
    assert_int_equal(s->server.hellos, 1);
}

static void test_again_begins_a_session(void **state)
{
    struct scene *s = *state;
    int64_t first;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    first = s->server.session;
    server_send(s, BUS_again, json_object());
    run_until(s, said_hello_twice);
    assert_true(s->server.session != first);
}

/* The owner lost what belongs to the session; what it holds goes on. */
static void test_renewal_begins_a_session(void **state)
{
    struct scene *s = *state;
    int64_t first;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    first = s->server.session;
    server_job(s, 7);
    run_until(s, has_job);
    busclient_renew(s->client);
    run_until(s, said_hello_twice);
    assert_true(s->server.session != first);
    assert_int_equal(busclient_held(s->client), 1);
    assert_int_equal(json_array_size(s->server.held), 1);
    assert_int_equal(s->server.credit, 4);
}

static void test_silence_begins_a_session(void **state)
{
    struct scene *s = *state;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    s->server.mute = true;
    for (ev_tstamp until = ev_time() + 1.2; ev_time() < until;)
        ev_run(s->loop, EVRUN_ONCE);
    s->server.mute = false;
    run_until(s, said_hello_twice);
}

/* A lease given twice, jobs of another session, and what is no job are passed over. */
static void test_strange_jobs(void **state)
{
    struct scene *s = *state;
    json_int_t session;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    session = s->server.session;
    server_send(s, BUS_jobs,
                json_pack("{s:I, s:[{s:i}]}", "session", session + 1, "items", "lease", 90));
    server_send(s, BUS_jobs, json_pack("{s:[{s:i}]}", "items", "lease", 91));
    server_send(
        s, BUS_jobs,
        json_pack("{s:I, s:[{s:s}, i, n]}", "session", session, "items", "lease", "92", 93));
    server_send(s, BUS_jobs, json_pack("{s:I, s:i}", "session", session, "items", 3));
    server_job(s, 5);
    server_job(s, 5);
    server_send(s, BUS_template, json_pack("{s:I, s:i}", "session", session, "id", 1));
    while (s->templates == 0)
        ev_run(s->loop, EVRUN_ONCE);
    assert_int_equal(json_array_size(s->jobs), 1);
    assert_int_equal(busclient_held(s->client), 1);
    worker_answers(s, 5);
    server_job(s, 5); /* crosses the result */
    run_until(s, all_acked);
    assert_int_equal(json_array_size(s->jobs), 1);
}

/* What a journal knows is handed over before the first turn: hello names it, and it costs no
 * credit. */
static void test_journal_results(void **state)
{
    struct scene *s = *state;

    server_start(s);
    client_start(s, 5);
    worker_answers(s, 41);
    worker_answers(s, 42);
    run_until(s, all_acked);
    assert_int_equal(json_array_size(s->server.held), 2);
    assert_int_equal(s->server.credit, 5);
    assert_int_equal(s->acked, 2);
}

static void test_release(void **state)
{
    struct scene *s = *state;

    server_start(s);
    client_start(s, 5);
    run_until(s, is_welcome);
    server_job(s, 1);
    run_until(s, has_job);
    server_job(s, 2); /* on its way when the worker stops: never worked on */
    busclient_release(s->client);
    busclient_release(s->client);
    run_until(s, said_hello_twice);
    assert_int_equal(s->server.credit, 0);
    assert_int_equal(json_array_size(s->server.held), 1);
    worker_answers(s, 1);
    run_until(s, all_acked);
    assert_int_equal(s->server.credit, 0);
    assert_int_equal(json_array_size(s->jobs), 1);
}

static void test_mail_in(void **state)
{
    struct scene *s = *state;
    json_t *item = json_pack("{s:s, s:s}", "id", "m1", "class", "hard");

    client_start(s, 0);
    busclient_mail_in(s->client, item);
    busclient_mail_in(s->client, item);
    json_decref(item);
    assert_int_equal(busclient_unacked(s->client), 1);
    server_start(s);
    run_until(s, all_acked);
    assert_int_equal(s->server.mails, 1);
    assert_int_equal(s->acked_ids, 1);
}

int main(void)
{
#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCENARIO(test_job_result_ack),
        SCENARIO(test_results_go_in_batches),
        SCENARIO(test_daemon_restart),
        SCENARIO(test_lost_ack_after_restart),
        SCENARIO(test_lost_ack_in_session),
        SCENARIO(test_again_begins_a_session),
        SCENARIO(test_renewal_begins_a_session),
        SCENARIO(test_silence_begins_a_session),
        SCENARIO(test_strange_jobs),
        SCENARIO(test_journal_results),
        SCENARIO(test_release),
        SCENARIO(test_mail_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
