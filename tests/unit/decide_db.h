/* decide_db.h - what the tests of step 3 on a real database share: a private PostgreSQL in a
 * temporary folder, the schema, and struct decide on a loop.
 *
 * Facts and cues are written with plain SQL as the evaluator would leave them; what decide makes of
 * them is read back with plain SQL. The clock is ours. Skipped where PostgreSQL's programs are
 * missing. Included once by each test. */
#ifndef LAZO_TESTS_UNIT_DECIDE_DB_H
#define LAZO_TESTS_UNIT_DECIDE_DB_H

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/ctl/cluster.h"
#include "daemon/decide/decide.h"
#include "daemon/pg/migrations.h"

#include <ftw.h>
#include <glob.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_US (60 * CLOCK_SECOND_US)

static struct {
    void *ctx;
    char folder[64];
    struct family *family;
    PGconn *sql;
    struct ev_loop *loop;
    ev_timer tick;
    struct pgpool *pool;
    struct decide *decide;
    const char *conninfo;
    int64_t org_id;
    int jobs_made, changed;
} t;

/* --- SQL --------------------------------------------------------------------- */

static inline PGresult *query(const char *text)
{
    PGresult *res = PQexec(t.sql, text);
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", PQerrorMessage(t.sql), text);
    return res;
}

static inline void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void sql(const char *format, ...)
{
    va_list ap;
    char *text;

    va_start(ap, format);
    text = mem_must(talloc_vasprintf(NULL, format, ap));
    va_end(ap);
    PQclear(query(text));
    talloc_free(text);
}

static inline int64_t number(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int64_t number(const char *format, ...)
{
    va_list ap;
    char *text;
    PGresult *res;
    int64_t value;

    va_start(ap, format);
    text = mem_must(talloc_vasprintf(NULL, format, ap));
    va_end(ap);
    res = query(text);
    value = PQntuples(res) == 0 ? -1 : atoll(PQgetvalue(res, 0, 0));
    PQclear(res);
    talloc_free(text);
    return value;
}

static inline void assert_text(const char *expected, const char *text)
{
    PGresult *res = query(text);

    if (PQntuples(res) != 1 || strcmp(PQgetvalue(res, 0, 0), expected) != 0)
        fail_msg("expected %s, not %s: %s", expected,
                 PQntuples(res) == 1 ? PQgetvalue(res, 0, 0) : "no row", text);
    PQclear(res);
}

/* --- decide and its loop ----------------------------------------------------- */

static inline void on_jobs(void *arg)
{
    (void)arg;
    t.jobs_made++;
}

static inline void on_changed(void *arg, int64_t org_id)
{
    (void)arg;
    (void)org_id;
    t.changed++;
}

static inline void start_decide(void)
{
    const struct decide_ops ops = {.jobs_made = on_jobs, .changed = on_changed};
    const struct pgpool_options options = {
        .conninfo = t.conninfo, .shared = 2, .exclusive = 2, .statement_timeout_ms = 20000};

    t.pool = pgpool_new(t.ctx, t.loop, &options);
    t.decide = decide_new(t.pool, t.loop, t.pool, orgs_new(t.pool, t.pool), &ops, NULL);
    while (!pgpool_up(t.pool))
        ev_run(t.loop, EVRUN_ONCE);
}

/* As if lazod were killed: whatever is under way is lost. */
static inline void kill_decide(void)
{
    talloc_free(t.pool);
    t.pool = NULL;
    t.decide = NULL;
}

static inline void on_tick(EV_P_ ev_timer *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(EV_A_ EVBREAK_ALL);
}

/* Lets the loop run for that long. */
static inline void run_ms(int ms)
{
    ev_timer_stop(t.loop, &t.tick);
    ev_timer_init(&t.tick, on_tick, ms / 1000., 0.);
    ev_timer_start(t.loop, &t.tick);
    ev_run(t.loop, 0);
}

/* Wakes decide, now and each second as lazod does, and lets the loop run until the statement says
 * true: what somebody who was killed has locked is passed over until the server has noticed. */
static inline void until(const char *condition)
{
    int64_t begin = clock_monotonic_us(), woken = begin;
    char *text = mem_printf(t.ctx, "SELECT (%s)::int", condition);

    decide_wake(t.decide, t.org_id);
    while (number("%s", text) != 1) {
        if (clock_monotonic_us() - begin > DEADLINE_US)
            fail_msg("it never came true: %s", condition);
        if (clock_monotonic_us() - woken > CLOCK_SECOND_US) {
            decide_wake(t.decide, t.org_id);
            woken = clock_monotonic_us();
        }
        run_ms(10);
    }
    talloc_free(text);
}

/* Until nothing was asked of the database for a while: each step asks the next from its answer. */
static inline void run_idle(void)
{
    int64_t until_us = clock_monotonic_us() + DEADLINE_US;

    for (int quiet = 0; quiet < 3;) {
        run_ms(10);
        quiet = pgpool_waiting(t.pool) == 0 ? quiet + 1 : 0;
        if (clock_monotonic_us() > until_us)
            fail_msg("the database is asked for ever");
    }
}

/* Until there is nothing to do now. */
static inline void settle(void)
{
    char now[CLOCK_TEXT];

    until("NOT EXISTS (SELECT FROM cue)");
    run_idle();
    until(mem_printf(
        t.ctx,
        "NOT EXISTS (SELECT FROM journey_position WHERE state = 'waiting' AND wake_at <= '%s')",
        clock_format(clock_now_us(), now)));
    run_idle();
}

static inline void set_clock(const char *instant)
{
    int64_t at;

    assert_true(clock_parse(instant, &at));
    clock_set_offset(at - clock_real_us());
}

/* --- what is in the database ------------------------------------------------- */

static inline int64_t contact(const char *name)
{
    return number("INSERT INTO contact (org_id, first_name, email) VALUES (%lld, '%s', "
                  "'%s@example.org') RETURNING id",
                  (long long)t.org_id, name, name);
}

/* A fact and its cue, `ago` before now; in minor units. */
static inline int64_t fact(int64_t contact_id, const char *kind, int amount, const char *ago,
                           const char *data)
{
    char now[CLOCK_TEXT];

    clock_format(clock_now_us(), now);
    sql("INSERT INTO kind (org_id, name) VALUES (%lld, '%s') ON CONFLICT DO NOTHING",
        (long long)t.org_id, kind);
    return number(
        "WITH i AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, "
        "recorded_at, amount, data) "
        "SELECT org_id, %lld, id, timestamptz '%s' - interval '%s', '%s', %d, '%s' FROM kind "
        "WHERE org_id = %lld AND name = '%s' RETURNING *), "
        "c AS (INSERT INTO cue (org_id, contact_id, interaction_id, kind_id) SELECT "
        "org_id, contact_id, id, kind_id FROM i) SELECT id FROM i",
        (long long)contact_id, now, ago, now, amount, data, (long long)t.org_id, kind);
}

static inline void journey(const char *name, const char *definition)
{
    sql("INSERT INTO journey (org_id, name, enabled, definition, updated_at) VALUES (%lld, '%s', "
        "true, $x$%s$x$, now())",
        (long long)t.org_id, name, definition);
}

static inline void make_template(const char *name)
{
    sql("INSERT INTO template (org_id, name) VALUES (%lld, '%s')", (long long)t.org_id, name);
}

static inline int clean(void **state)
{
    (void)state;
    sql("DELETE FROM journey; DELETE FROM campaign; DELETE FROM webhook; DELETE FROM contact; "
        "DELETE FROM job; DELETE FROM job_key;"
        "DELETE FROM change; DELETE FROM template; DELETE FROM segment; DELETE FROM topic; DELETE "
        "FROM field;"
        "ALTER SEQUENCE contact_id_seq RESTART; ALTER SEQUENCE interaction_id_seq RESTART");
    set_clock("2027-03-08T10:00:00Z");
    t.jobs_made = t.changed = 0;
    start_decide();
    return 0;
}

static inline int finish(void **state)
{
    (void)state;
    kill_decide();
    return 0;
}

/* --- the database ------------------------------------------------------------ */

/* The roles, which stand last in the table, then the migrations as their owner. */
static inline void make_schema(void)
{
    for (const struct migration_file *f = migration_files; f->name != NULL; f++)
        if (strcmp(f->name, "roles.sql") == 0)
            PQclear(query(f->sql));
    sql("SET ROLE lazo_owner");
    for (const struct migration_file *f = migration_files; f->name != NULL; f++) {
        if (strcmp(f->name, "roles.sql") == 0)
            continue;
        sql("BEGIN");
        PQclear(query(f->sql));
        sql("COMMIT");
    }
    sql("RESET ROLE");
}

static inline bool start_database(void)
{
    struct home *home = home_open(t.ctx, t.folder);
    const char *owner;

    if (home == NULL)
        return false;
    t.family = family_new(t.ctx, home);
    if (!cluster_start(home, t.family))
        return false;
    owner = cluster_conninfo(home, "lazo", "postgres");
    t.conninfo = cluster_conninfo(home, "lazo", "lazo_app");
    t.sql = PQconnectdb(owner);
    if (PQstatus(t.sql) != CONNECTION_OK)
        return false;
    make_schema();
    sql("SET search_path = lazo; SET lazo.writer = 'lazod'; SET client_min_messages = error");
    t.org_id = number("SELECT organisation_create('demo', 'Demo', 'Europe/Madrid', 'es', 'EUR')");
    return true;
}

static inline int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void stop_database(void)
{
    PQfinish(t.sql);
    if (t.family != NULL)
        family_stop(t.family, NULL, 10);
    talloc_free(t.ctx);
    nftw(t.folder, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline bool has_postgres(void)
{
    glob_t found;
    bool has = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;

    globfree(&found);
    return has;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, clean, finish)

/* decide_tests_run() - main() of each: `filter` (may be NULL) names the tests to run. */
static inline int decide_tests_run(const struct CMUnitTest *tests, size_t n, const char *filter)
{
    int failed;

    if (!has_postgres()) {
        puts("skipped: PostgreSQL's programs are not installed");
        return 0;
    }
    if (filter != NULL)
        cmocka_set_test_filter(filter);
    t.ctx = talloc_new(NULL);
    t.loop = ev_loop_new(EVFLAG_AUTO);
    strcpy(t.folder, "/tmp/lazo-decide-XXXXXX");
    if (mkdtemp(t.folder) == NULL || !start_database()) {
        stop_database();
        return 1;
    }
    failed = _cmocka_run_group_tests("decide", tests, n, NULL, NULL);
    stop_database();
    ev_loop_destroy(t.loop);
    return failed;
}

#endif
