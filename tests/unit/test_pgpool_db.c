/* test_pgpool_db.c - what becomes of queries under way when their session ends or their commit is
 * refused: nobody is told that it was done when it was not, and who may ask again is told so. And
 * who waits for whom. */
#include "daemon/pg/pgpool.h"
#include "tests/unit/decide_db.h"

#include <signal.h>

static struct pgpool *pool;

static int start_with(int exclusive)
{
    const struct pgpool_options options = {
        .conninfo = t.conninfo, .shared = 1, .exclusive = exclusive, .statement_timeout_ms = 20000};

    sql("DELETE FROM contact");
    pool = pgpool_new(t.ctx, t.loop, &options);
    while (!pgpool_up(pool))
        ev_run(t.loop, EVRUN_ONCE);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(1);
}

static int start_four(void **state)
{
    (void)state;
    return start_with(4);
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

/* Lets the loop run until the condition holds. */
#define turn_until(condition)                                                                      \
    do {                                                                                           \
        int64_t begin_ = clock_monotonic_us();                                                     \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_us() - begin_ > DEADLINE_US)                                       \
                fail_msg("it never came true: %s", #condition);                                    \
            run_ms(5);                                                                             \
        }                                                                                          \
    } while (0)

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
    /* The other one may be on its way; those of a pool that was freed may still be ending. */
    turn_until(number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lazod'") ==
               2);
    pid =
        number("SELECT pid FROM pg_stat_activity WHERE application_name = 'lazod' AND pid <> %lld",
               (long long)shared.n);
    assert_true(pid > 0);
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

/* A transaction that is open until it is told to end. */
struct open {
    struct pgtx *tx;
    int begun, ended;
    bool committed;
};

static void on_begun(void *arg, struct pgtx *tx)
{
    struct open *o = arg;

    o->tx = tx;
    o->begun++;
}

static void on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct open *o = arg;

    assert_null(error);
    o->ended++;
    o->committed = committed;
}

static void end(struct open *o)
{
    int64_t begin = clock_monotonic_us();

    assert_int_equal(o->begun, 1);
    pgtx_commit(o->tx);
    while (o->ended == 0) {
        assert_true(clock_monotonic_us() - begin < DEADLINE_US);
        run_ms(5);
    }
    assert_true(o->committed);
}

/* Reports are asked for, as many as there are connections; then somebody records something. */
static void who_reads_leaves_room(void **state)
{
    struct open readers[5] = {0}, writer = {0};
    struct asked quick;
    struct pgargs args;

    (void)state;
    for (int i = 0; i < 5; i++)
        pgtx_begin_reading(pool, t.org_id, on_begun, on_ended, &readers[i]);
    turn_until(readers[0].begun + readers[1].begun == 2);
    run_ms(50);
    assert_int_equal(readers[2].begun + readers[3].begun + readers[4].begun, 0);
    pgtx_begin(pool, t.org_id, on_begun, on_ended, &writer);
    once(&quick, &args, "1");
    wait_for(&quick);
    assert_true(quick.ok);
    turn_until(writer.begun == 1);
    /* Those readers; what begins a transaction, or a connection, may not all be answered yet. */
    turn_until(pgpool_waiting(pool) == 3);
    end(&writer);
    end(&readers[1]);
    turn_until(readers[2].begun == 1);
    run_ms(50);
    assert_int_equal(readers[3].begun + readers[4].begun, 0);
    end(&readers[0]);
    end(&readers[2]);
    turn_until(readers[3].begun == 1 && readers[4].begun == 1);
    end(&readers[3]);
    end(&readers[4]);
    turn_until(pgpool_waiting(pool) == 0);
}

static void what_is_unhurried_takes_its_time(void **state)
{
    struct open o = {0};
    struct asked shown;
    struct pgargs args;

    (void)state;
    pgtx_begin(pool, t.org_id, on_begun, on_ended, &o);
    turn_until(o.begun == 1);
    pgtx_unhurried(o.tx);
    shown = (struct asked){0};
    pgargs_init(&args, t.ctx);
    pgtx_query_sql(o.tx,
                   "SELECT setting::int AS n FROM pg_settings WHERE name = 'statement_timeout'",
                   &args, on_answer, &shown);
    wait_for(&shown);
    assert_int_equal(shown.n, 0);
    end(&o);
    ask(&shown, "SELECT setting::int AS n FROM pg_settings WHERE name = 'statement_timeout'");
    wait_for(&shown);
    assert_int_equal(shown.n, 20000);
}

int main(int argc, char **argv)
{
#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        POOL_TEST(what_a_dying_session_was_asked_is_lost),
        POOL_TEST(what_the_commit_refuses_has_failed),
        POOL_TEST(one_statement_is_a_transaction),
        POOL_TEST(one_statement_is_lost_with_its_session),
        POOL_TEST(what_is_unhurried_takes_its_time),
        cmocka_unit_test_setup_teardown(who_reads_leaves_room, start_four, stop),
    };

    return decide_tests_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
