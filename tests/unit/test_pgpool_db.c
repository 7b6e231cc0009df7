/* test_pgpool_db.c - what becomes of queries under way when their session ends or their commit is
 * refused: nobody is told that it was done when it was not, and who may ask again is told so. */
#include "daemon/pg/pgpool.h"
#include "tests/unit/decide_db.h"

#include <signal.h>

static struct pgpool *pool;

static int start(void **state)
{
    const struct pgpool_options options = {
        .conninfo = t.conninfo, .shared = 1, .exclusive = 1, .statement_timeout_ms = 20000};

    (void)state;
    sql("DELETE FROM contact");
    pool = pgpool_new(t.ctx, t.loop, &options);
    while (!pgpool_up(pool))
        ev_run(t.loop, EVRUN_ONCE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    talloc_free(pool);
    return 0;
}

/* One question and its answer. */
struct asked {
    int answers;
    bool ok, lost;
    char state[6];
    int64_t n;
};

static void on_answer(void *arg, const struct pgres *res)
{
    struct asked *a = arg;

    a->answers++;
    a->ok = pgres_ok(res);
    a->lost = pgres_lost(res);
    snprintf(a->state, sizeof(a->state), "%s", pgres_sqlstate(res));
    a->n = pgres_rows(res) == 1 && pgres_has(res, "n") ? pgres_int(res, 0, "n") : -1;
}

static void ask(struct asked *a, const char *text)
{
    struct pgargs args;

    *a = (struct asked){0};
    pgargs_init(&args, t.ctx);
    pgpool_query_sql(pool, t.org_id, text, &args, on_answer, a);
}

static void wait_for(const struct asked *a)
{
    int64_t begin = clock_monotonic_us();

    while (a->answers == 0) {
        if (clock_monotonic_us() - begin > DEADLINE_US)
            fail_msg("no answer");
        run_ms(5);
    }
    assert_int_equal(a->answers, 1);
}

/* Asks by one statement in a transaction of its own; `made` contacts, which is to be a number. */
static void once(struct asked *a, struct pgargs *args, const char *made)
{
    *a = (struct asked){0};
    pgargs_init(args, t.ctx);
    pgargs_text(args, made);
    pgtx_once(pool, t.org_id, Q_RECORD_STATISTICS, args, on_answer, a);
}

/* The session is told to end while what is asked still waits to be read: its last word comes where
 * the first answer was expected, and what follows was never begun. */
static void what_a_dying_session_was_asked_is_lost(void **state)
{
    struct asked pid, dying[3];

    (void)state;
    ask(&pid, "SELECT pg_backend_pid() AS n");
    wait_for(&pid);
    assert_true(pid.ok);
    assert_int_equal(kill((pid_t)pid.n, SIGSTOP), 0);
    for (int i = 0; i < 3; i++)
        ask(&dying[i], "SELECT 1 AS n");
    run_ms(50);
    assert_int_equal(number("SELECT pg_terminate_backend(%lld)::int", (long long)pid.n), 1);
    assert_int_equal(kill((pid_t)pid.n, SIGCONT), 0);
    for (int i = 0; i < 3; i++) {
        wait_for(&dying[i]);
        assert_false(dying[i].ok);
        assert_true(dying[i].lost);
    }
    while (!pgpool_up(pool))
        ev_run(t.loop, EVRUN_ONCE);
    ask(&pid, "SELECT 7 AS n");
    wait_for(&pid);
    assert_int_equal(pid.n, 7);
}

/* A foreign key that is looked at when the transaction ends: the statement went well, its commit
 * did not. */
static void what_the_commit_refuses_has_failed(void **state)
{
    struct asked refused, before, after;

    (void)state;
    ask(&before, "SELECT 5 AS n");
    ask(&refused, "INSERT INTO identity (org_id, sort, value, contact_id) "
                  "SELECT id, 'email', 'nobody@example.org', 123456789 FROM organisation "
                  "RETURNING 1 AS n");
    ask(&after, "SELECT 6 AS n");
    wait_for(&after);
    wait_for(&refused);
    assert_int_equal(before.n, 5);
    assert_false(refused.ok);
    assert_string_equal(refused.state, "23503");
    assert_int_equal(after.n, 6);
}

/* Where there is one exclusive connection they follow each other, and one that fails leaves the
 * next alone. */
static void one_statement_is_a_transaction(void **state)
{
    struct asked first, wrong, last;
    struct pgargs args[3];

    (void)state;
    once(&first, &args[0], "1");
    once(&wrong, &args[1], "many");
    once(&last, &args[2], "1");
    assert_int_equal(first.answers + wrong.answers + last.answers, 0);
    wait_for(&first);
    wait_for(&wrong);
    wait_for(&last);
    assert_true(first.ok);
    assert_false(wrong.ok);
    assert_false(wrong.lost);
    assert_string_equal(wrong.state, "22P02");
    assert_true(last.ok);
}

/* Its session ends: the one that is under way is lost, and so is who waits behind it when the
 * database is away with it. */
static void one_statement_is_lost_with_its_session(void **state)
{
    struct asked shared, dying, waiting, later;
    struct pgargs args[3];
    int64_t pid;

    (void)state;
    ask(&shared, "SELECT pg_backend_pid() AS n");
    wait_for(&shared);
    pid =
        number("SELECT pid FROM pg_stat_activity WHERE application_name = 'lazod' AND pid <> %lld "
               "ORDER BY backend_start DESC LIMIT 1",
               (long long)shared.n);
    assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
    once(&dying, &args[0], "1");
    once(&waiting, &args[1], "1");
    run_ms(50);
    assert_int_equal(dying.answers + waiting.answers, 0);
    assert_int_equal(number("SELECT pg_terminate_backend(%lld)::int", (long long)pid), 1);
    assert_int_equal(kill((pid_t)pid, SIGCONT), 0);
    wait_for(&dying);
    wait_for(&waiting);
    assert_true(dying.lost);
    assert_true(waiting.lost);
    assert_false(pgpool_up(pool));
    once(&later, &args[2], "1");
    assert_int_equal(later.answers, 0);
    wait_for(&later);
    assert_true(later.lost);
}

int main(int argc, char **argv)
{
#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        POOL_TEST(what_a_dying_session_was_asked_is_lost),
        POOL_TEST(what_the_commit_refuses_has_failed),
        POOL_TEST(one_statement_is_a_transaction),
        POOL_TEST(one_statement_is_lost_with_its_session),
    };

    return decide_tests_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
