/* The inbox at work: a Maildir on one side, a ROUTER that plays lazod on the other. */
#include "common/bus.h"
#include "common/mem.h"
#include "workers/inbox/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE 2000 /* turns of at most 10 ms */

static const char bounce[] = "Return-Path: <>\nFrom: Mailer-Daemon@mx.example\nTo: "
                             "bounce+tok@lazo.example\nSubject: Mail delivery failed\n\n"
                             "The following address(es) could not be delivered:\n\n  "
                             "ana@example.org\n    550 No such user\n\n"
                             "  eva@example.org\n    552 mailbox full\n";
static const char chat[] = "From: ana@example.org\nTo: ong@lazo.example\nSubject: hola\n\nHola\n";

struct scene {
    struct ev_loop *loop;
    char folder[64];
    struct settings *settings;
    struct bus *router;
    struct service *service;
    json_t *items; /* all that was told */
    bool acks;
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
    json_t *session = json_object_get(body, "session"), *items = json_object_get(body, "items"),
           *answer = NULL, *item;
    size_t i;

    if (type == BUS_hello) {
        answer = json_pack("{s:O}", "session", session);
        assert_true(bus_send(s->router, peer, peer_len, BUS_welcome, answer));
    } else if (type == BUS_mail_in) {
        answer = json_pack("{s:O, s:[]}", "session", session, "ids");
        json_array_foreach(items, i, item)
        {
            json_array_append(s->items, item);
            json_array_append(json_object_get(answer, "ids"), json_object_get(item, "id"));
        }
        if (s->acks)
            assert_true(bus_send(s->router, peer, peer_len, BUS_ack, answer));
    }
    json_decref(answer);
}

static char *path(struct scene *s, const char *name)
{
    return mem_printf(s, "%s/%s", s->folder, name);
}

static void put(struct scene *s, const char *name, const char *text)
{
    FILE *f = fopen(path(s, name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static bool there(struct scene *s, const char *name)
{
    return access(path(s, name), F_OK) == 0;
}

static void make_folders(struct scene *s)
{
    static const char *const folders[] = {"md", "md/new", "md/cur", "md/tmp"};

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mkdir(path(s, folders[i]), 0700), 0);
}

static int set_up(void **state)
{
    struct scene *s = mem_new(NULL, struct scene);
    char *address;
    struct diag d;

    strcpy(s->folder, "/tmp/lazo-inbox-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    address = mem_printf(s, "ipc://%s/bus", s->folder);
    setenv("LAZO_BUS_ADDRESS", address, 1);
    setenv("LAZO_INBOX_MAILDIR", path(s, "md"), 1);
    setenv("LAZO_INBOX_POLL", "0 s", 1);
    diag_init(&d, s);
    s->settings = settings_load(s, NULL, &d);
    assert_non_null(s->settings);
    s->loop = ev_loop_new(EVFLAG_AUTO);
    s->items = json_array();
    s->acks = true;
    s->router = bus_bind(s, s->loop, address, on_router, s);
    assert_non_null(s->router);
    ev_timer_init(&s->tick, on_tick, 0.01, 0.01);
    ev_timer_start(s->loop, &s->tick);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    char *command = mem_printf(s, "rm -r %s", s->folder);

    talloc_free(s->service);
    talloc_free(s->router);
    json_decref(s->items);
    ev_timer_stop(s->loop, &s->tick);
    ev_loop_destroy(s->loop);
    assert_int_equal(system(command), 0);
    talloc_free(s);
    return 0;
}

static void start(struct scene *s)
{
    talloc_free(s->service);
    s->service = service_new(s, s->loop, s->settings, "inbox@test");
}

static void turn_until_there(struct scene *s, const char *name)
{
    for (int i = 0; i < PATIENCE && !there(s, name); i++)
        ev_run(s->loop, EVRUN_ONCE);
    assert_true(there(s, name));
}

static const char *told(struct scene *s, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(s->items, i), key));
}

static void test_told_and_put_away(void **state)
{
    struct scene *s = *state;

    make_folders(s);
    put(s, "md/new/1.a", bounce);
    put(s, "md/new/2.b", chat);
    start(s);
    turn_until_there(s, "md/cur/1.a:2,S");
    turn_until_there(s, "md/cur/2.b:2,");
    assert_int_equal(json_array_size(s->items), 2);
    assert_string_equal(told(s, 0, "id"), "1.a/0");
    assert_string_equal(told(s, 0, "recipient"), "ana@example.org");
    assert_string_equal(told(s, 0, "class"), "hard");
    assert_string_equal(told(s, 0, "token"), "tok");
    assert_string_equal(told(s, 1, "id"), "1.a/1");
    assert_string_equal(told(s, 1, "class"), "soft");
    assert_true(service_drained(s->service));
}

/* lazod has not said that it has them: they stay, and are told again under the same names. */
static void test_told_again(void **state)
{
    struct scene *s = *state;

    make_folders(s);
    put(s, "md/new/1.a", bounce);
    s->acks = false;
    start(s);
    for (int i = 0; i < PATIENCE && json_array_size(s->items) < 2; i++)
        ev_run(s->loop, EVRUN_ONCE);
    for (int i = 0; i < 30; i++)
        ev_run(s->loop, EVRUN_ONCE);
    assert_true(there(s, "md/new/1.a"));
    assert_int_equal(json_array_size(s->items), 2);
    assert_false(service_drained(s->service));
    s->acks = true;
    start(s);
    turn_until_there(s, "md/cur/1.a:2,S");
    assert_int_equal(json_array_size(s->items), 4);
    assert_string_equal(told(s, 2, "id"), told(s, 0, "id"));
}

static void test_folder_comes_later(void **state)
{
    struct scene *s = *state;

    start(s);
    for (int i = 0; i < 20; i++)
        ev_run(s->loop, EVRUN_ONCE);
    make_folders(s);
    put(s, "md/new/x", bounce);
    turn_until_there(s, "md/cur/x:2,S");
}

/* Hidden files, folders, links and files that may not be read are left alone. */
static void test_strange_files(void **state)
{
    struct scene *s = *state;

    make_folders(s);
    put(s, "md/new/.hidden", bounce);
    assert_int_equal(mkdir(path(s, "md/new/folder"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", path(s, "md/new/link")), 0);
    assert_int_equal(mkfifo(path(s, "md/new/pipe"), 0600), 0);
    put(s, "md/new/zz", bounce);
    start(s);
    turn_until_there(s, "md/cur/zz:2,S");
    assert_true(there(s, "md/new/.hidden") && there(s, "md/new/folder") &&
                there(s, "md/new/link") && there(s, "md/new/pipe"));
    assert_int_equal(json_array_size(s->items), 2);
}

int main(void)
{
#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {SCENE(test_told_and_put_away), SCENE(test_told_again),
                                       SCENE(test_folder_comes_later), SCENE(test_strange_files)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
