/* test_decide_db.c - step 3 on a real database: a private PostgreSQL in a temporary folder, the
 * schema, and struct decide on a loop.
 *
 * Facts and cues are written with plain SQL as the evaluator would leave them; what decide makes of
 * them is read back with plain SQL. The clock is ours. Skipped where PostgreSQL's programs are
 * missing. */
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

#define DEADLINE_US (20 * CLOCK_SECOND_US)

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

/* --- SQL
 * -------------------------------------------------------------------------------------------------
 */

static PGresult *query(const char *text)
{
    PGresult *res = PQexec(t.sql, text);
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", PQerrorMessage(t.sql), text);
    return res;
}

static void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void sql(const char *format, ...)
{
    va_list ap;
    char *text;

    va_start(ap, format);
    text = mem_must(talloc_vasprintf(NULL, format, ap));
    va_end(ap);
    PQclear(query(text));
    talloc_free(text);
}

static int64_t number(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int64_t number(const char *format, ...)
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

static void assert_text(const char *expected, const char *text)
{
    PGresult *res = query(text);

    if (PQntuples(res) != 1 || strcmp(PQgetvalue(res, 0, 0), expected) != 0)
        fail_msg("expected %s, not %s: %s", expected,
                 PQntuples(res) == 1 ? PQgetvalue(res, 0, 0) : "no row", text);
    PQclear(res);
}

/* --- decide and its loop
 * --------------------------------------------------------------------------------- */

static void on_jobs(void *arg)
{
    (void)arg;
    t.jobs_made++;
}

static void on_changed(void *arg, int64_t org_id)
{
    (void)arg;
    (void)org_id;
    t.changed++;
}

static void start_decide(void)
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
static void kill_decide(void)
{
    talloc_free(t.pool);
    t.pool = NULL;
    t.decide = NULL;
}

static void on_tick(EV_P_ ev_timer *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(EV_A_ EVBREAK_ALL);
}

/* Lets the loop run for that long. */
static void run_ms(int ms)
{
    ev_timer_stop(t.loop, &t.tick);
    ev_timer_init(&t.tick, on_tick, ms / 1000., 0.);
    ev_timer_start(t.loop, &t.tick);
    ev_run(t.loop, 0);
}

/* Wakes decide and lets the loop run until the statement says true. */
static void until(const char *condition)
{
    int64_t begin = clock_monotonic_us();
    char *text = mem_printf(t.ctx, "SELECT (%s)::int", condition);

    decide_wake(t.decide, t.org_id);
    while (number("%s", text) != 1) {
        if (clock_monotonic_us() - begin > DEADLINE_US)
            fail_msg("it never came true: %s", condition);
        run_ms(10);
    }
    talloc_free(text);
}

/* Until there is nothing to do now. */
static void settle(void)
{
    char now[CLOCK_TEXT];

    until("NOT EXISTS (SELECT FROM cue)");
    run_ms(100);
    until(mem_printf(
        t.ctx,
        "NOT EXISTS (SELECT FROM journey_position WHERE state = 'waiting' AND wake_at <= '%s')",
        clock_format(clock_now_us(), now)));
    run_ms(100);
}

static void set_clock(const char *instant)
{
    int64_t at;

    assert_true(clock_parse(instant, &at));
    clock_set_offset(at - clock_real_us());
}

/* --- what is in the database
 * ----------------------------------------------------------------------------- */

static int64_t contact(const char *name)
{
    return number("INSERT INTO contact (org_id, first_name, email) VALUES (%lld, '%s', "
                  "'%s@example.org') RETURNING id",
                  (long long)t.org_id, name, name);
}

/* A fact and its cue, `ago` before now; in minor units. */
static int64_t fact(int64_t contact_id, const char *kind, int amount, const char *ago,
                    const char *data)
{
    char now[CLOCK_TEXT];

    clock_format(clock_now_us(), now);
    sql("INSERT INTO kind (org_id, name) VALUES (%lld, '%s') ON CONFLICT DO NOTHING",
        (long long)t.org_id, kind);
    return number("WITH i AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, "
                  "amount, data) "
                  "SELECT org_id, %lld, id, timestamptz '%s' - interval '%s', %d, '%s' FROM kind "
                  "WHERE org_id = %lld AND name = '%s' RETURNING *), "
                  "c AS (INSERT INTO cue (org_id, contact_id, interaction_id, kind_id) SELECT "
                  "org_id, contact_id, id, kind_id FROM i) SELECT id FROM i",
                  (long long)contact_id, now, ago, amount, data, (long long)t.org_id, kind);
}

static void journey(const char *name, const char *definition)
{
    sql("INSERT INTO journey (org_id, name, enabled, definition, updated_at) VALUES (%lld, '%s', "
        "true, $x$%s$x$, now())",
        (long long)t.org_id, name, definition);
}

static void make_template(const char *name)
{
    sql("INSERT INTO template (org_id, name) VALUES (%lld, '%s')", (long long)t.org_id, name);
}

static int clean(void **state)
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

static int finish(void **state)
{
    (void)state;
    kill_decide();
    return 0;
}

/* --- journeys
 * -------------------------------------------------------------------------------------------- */

static void a_welcome_comes_once(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    make_template("welcome");
    journey("welcome", "{\"start\":{\"interaction\":\"signup\"},\"again\":\"once\",\"steps\":[{"
                       "\"send\":\"welcome\"},{\"tag\":\"new\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    fact(anna, "signup", 0, "0", "{}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 1);
    assert_text("1 mail journey:v1:once:0",
                "SELECT class || ' ' || sort || ' ' || replace(regexp_replace(key, ':[0-9]+:v', "
                "':v'), ':' || contact_id || ':', ':') FROM job");
    assert_int_equal(
        number("SELECT count(*) FROM job j JOIN template x ON x.id = j.template_id AND x.name = "
               "'welcome' AND j.topic_id IS NULL AND j.journey_id IS NOT NULL"),
        1);
    assert_text("finished 2", "SELECT state || ' ' || step FROM journey_position");
    assert_int_equal(number("SELECT count(*) FROM contact_tag WHERE tag = 'new'"), 1);
    assert_int_equal(number("SELECT count(*) FROM change WHERE sort = 'tag'"), 1);
    assert_int_equal(t.jobs_made, 1);
    assert_int_equal(t.changed, 1);
}

static void a_thank_you_branches_by_count(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben"), cleo = contact("cleo"),
            dan = contact("dan");

    (void)state;
    make_template("first");
    make_template("again");
    journey("thank-you",
            "{\"start\":{\"interaction\":\"donation\",\"where\":\"amount > 0\"},\"steps\":["
            "{\"if\":\"count(donation) = "
            "1\",\"then\":[{\"send\":\"first\"},{\"tag\":\"donor\"}],\"else\":[{\"send\":\"again\"}"
            "]}]}");
    fact(anna, "donation", 2500, "0", "{}");
    fact(ben, "donation", 2500, "1 hour", "{}");
    fact(ben, "donation", 1000, "0", "{}");
    fact(cleo, "donation", 0, "0", "{}");
    fact(dan, "donation", 2500, "49 hours", "{}");
    settle();
    assert_text("anna first,ben again,ben again",
                "SELECT string_agg(c.first_name || ' ' || x.name, ',' ORDER BY c.id) FROM job j "
                "JOIN contact c ON c.id = j.contact_id JOIN template x ON x.id = j.template_id");
    assert_int_equal(number("SELECT count(*) FROM journey_position"), 3);
    assert_int_equal(
        number("SELECT count(*) FROM journey_position p JOIN job j ON j.interaction_id = "
               "p.interaction_id AND j.key LIKE '%%:' || p.interaction_id || ':%%'"),
        3);
}

/* The plan is older than the kind; still the rule sees the fact. */
static void the_first_of_its_kind_counts(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    sql("DELETE FROM kind k WHERE name IN ('brand_new', 'noted') AND NOT EXISTS (SELECT FROM "
        "interaction i WHERE i.kind_id = k.id)");
    journey(
        "x",
        "{\"start\":{\"interaction\":\"brand_new\"},\"steps\":[{\"if\":\"count(brand_new) = "
        "1\",\"then\":[{\"record\":\"noted\"}]},"
        "{\"if\":\"any(noted)\",\"then\":[{\"tag\":\"seen\"}],\"else\":[{\"tag\":\"missed\"}]}]}");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    fact(anna, "brand_new", 0, "0", "{}");
    settle();
    assert_text("seen", "SELECT tag FROM contact_tag");
}

static void a_wait_ends_when_the_clock_has_moved(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    make_template("later");
    journey("later", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"wait\":\"10 "
                     "minutes\"},{\"send\":\"later\"},{\"wait\":\"1 day\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 0);
    assert_text("waiting 1", "SELECT state || ' ' || step FROM journey_position");
    set_clock("2027-03-08T10:09:00Z");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 0);
    set_clock("2027-03-08T10:11:00Z");
    until("(SELECT count(*) = 1 FROM job)");
    assert_text("waiting 3", "SELECT state || ' ' || step FROM journey_position");
    set_clock("2027-03-09T10:12:00Z");
    until("(SELECT state = 'finished' AND wake_at IS NULL AND ended_at IS NOT NULL FROM "
          "journey_position)");
}

static void who_should_leave_leaves(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben");

    (void)state;
    make_template("x");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"leave when\":\"tag "
                 "\\\"no-mail\\\"\",\"steps\":[{\"wait\":\"1 h\"},{\"send\":\"x\"},\"leave\"]}");
    fact(anna, "signup", 0, "0", "{}");
    fact(ben, "signup", 0, "0", "{}");
    settle();
    sql("INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (%lld, %lld, 'No-Mail')",
        (long long)t.org_id, (long long)anna);
    set_clock("2027-03-08T11:01:00Z");
    until("(SELECT count(*) = 2 FROM journey_position WHERE state = 'left')");
    assert_text("ben", "SELECT c.first_name FROM job j JOIN contact c ON c.id = j.contact_id");
}

static void a_disabled_journey_holds_those_in_it(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    make_template("x");
    journey(
        "x",
        "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"wait\":\"1 h\"},{\"send\":\"x\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    sql("UPDATE journey SET enabled = false");
    set_clock("2027-03-08T12:00:00Z");
    until("(SELECT wake_at = 'infinity' FROM journey_position)");
    assert_int_equal(number("SELECT count(*) FROM job"), 0);
    fact(anna, "signup", 0, "0", "{}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM journey_position"), 1);
    sql("UPDATE journey SET enabled = true");
    until("(SELECT count(*) = 1 FROM job)");
}

/* Who began in a version finishes in it. */
static void an_edit_leaves_those_on_their_way_alone(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    make_template("old");
    make_template("new");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"wait\":\"1 "
                 "h\"},{\"send\":\"old\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    sql("INSERT INTO journey_version (org_id, journey_id, version, definition) SELECT org_id, id, "
        "version, definition FROM journey");
    sql("UPDATE journey SET version = 2, definition = "
        "'{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"send\":\"new\"}]}'");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    assert_text("new", "SELECT x.name FROM job j JOIN template x ON x.id = j.template_id");
    set_clock("2027-03-08T12:00:00Z");
    until("(SELECT count(*) = 1 FROM job j JOIN template x ON x.id = j.template_id WHERE x.name = "
          "'old')");
}

static void again_has_its_rest(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    make_template("x");
    journey("x", "{\"start\":{\"interaction\":\"call\"},\"again\":\"once per 7 "
                 "days\",\"steps\":[{\"send\":\"x\"}]}");
    fact(anna, "call", 0, "1 minute", "{}");
    fact(anna, "call", 0, "0", "{}");
    settle();
    set_clock("2027-03-14T10:00:00Z");
    fact(anna, "call", 0, "0", "{}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 1);
    set_clock("2027-03-15T10:00:01Z");
    fact(anna, "call", 0, "0", "{}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 2);
}

static void acts_change_what_they_say(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    sql("INSERT INTO field (org_id, name, type) VALUES (%lld, 'points', 'number'), (%lld, 'vip', "
        "'boolean'), (%lld, 'seen', 'date')",
        (long long)t.org_id, (long long)t.org_id, (long long)t.org_id);
    sql("INSERT INTO segment (org_id, name, kind, stale, updated_at) VALUES (%lld, 'in', 'fixed', "
        "false, now()), (%lld, 'out', 'fixed', false, now())",
        (long long)t.org_id, (long long)t.org_id);
    sql("INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT org_id, %lld, "
        "id, now() FROM segment WHERE name = 'out'",
        (long long)anna);
    sql("INSERT INTO contact_tag (org_id, contact_id, tag) VALUES (%lld, %lld, 'Old')",
        (long long)t.org_id, (long long)anna);
    sql("INSERT INTO contact_attr (org_id, contact_id, field_id, value_boolean) SELECT org_id, "
        "%lld, id, true FROM field WHERE name = 'vip'",
        (long long)anna);
    sql("DELETE FROM change");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"untag\":\"old\"},{\"set\":{"
                 "\"stage\":\"socio\",\"points\":2.5,\"vip\":null,\"seen\":\"2027-03-08\"}},"
                 "{\"add to\":\"in\"},{\"remove "
                 "from\":\"out\"},{\"record\":{\"kind\":\"greeted\",\"data\":{\"how\":\"well\"}}},"
                 "{\"if\":\"stage = \\\"socio\\\" and attr.points > 2 and not tag "
                 "\\\"old\\\"\",\"then\":[{\"tag\":\"seen\"}]}]}");
    fact(anna, "signup", 0, "0", "{}");
    sql("DELETE FROM change");
    settle();
    assert_text("finished", "SELECT state FROM journey_position");
    assert_text("socio", "SELECT stage FROM contact");
    assert_text(
        "points 2.5,seen 2027-03-08",
        "SELECT string_agg(f.name || ' ' || coalesce(a.value_number::text, a.value_date::text), "
        "',' ORDER BY f.name) FROM contact_attr a JOIN field f ON f.id = a.field_id");
    assert_text("in", "SELECT s.name FROM membership m JOIN segment s ON s.id = m.segment_id");
    assert_text("greeted,segment_entered,segment_left",
                "SELECT string_agg(k.name, ',' ORDER BY k.name) FROM interaction i JOIN kind k ON "
                "k.id = i.kind_id WHERE k.name <> 'signup'");
    assert_text("well x", "SELECT (i.data ->> 'how') || ' ' || (i.data ->> 'journey') FROM "
                          "interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'greeted'");
    assert_text("seen", "SELECT tag FROM contact_tag");
    assert_text("field 4,interaction 3,segment 2,tag 2",
                "SELECT string_agg(sort || ' ' || n, ',' ORDER BY sort) FROM (SELECT sort, "
                "count(*) AS n FROM change GROUP BY sort) x");
}

static void a_time_of_day_is_the_contacts_own(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben"), cleo = contact("cleo");

    (void)state;
    sql("UPDATE contact SET time_zone = 'Asia/Kathmandu' WHERE id = %lld", (long long)anna);
    sql("UPDATE contact SET time_zone = 'Not/AZone' WHERE id = %lld", (long long)ben);
    sql("UPDATE contact SET time_zone = 'America/New_York' WHERE id = %lld", (long long)cleo);
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"at\":\"09:00\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    fact(ben, "signup", 0, "0", "{}");
    fact(cleo, "signup", 0, "0", "{}");
    settle();
    /* It is 10:00 UTC on 8 March 2027: 15:45, 11:00 and 05:00 of that day. */
    assert_text("anna 2027-03-09 03:15,ben 2027-03-09 08:00,cleo 2027-03-08 14:00",
                "SELECT string_agg(c.first_name || ' ' || to_char(p.wake_at AT TIME ZONE 'UTC', "
                "'YYYY-MM-DD HH24:MI'), ',' ORDER BY c.id) FROM journey_position p JOIN contact c "
                "ON c.id = p.contact_id");
}

static void until_ends_when_its_rule_holds(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben");

    (void)state;
    make_template("x");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"until\":\"any(donation)\","
                 "\"up to\":\"2 days\"},{\"send\":\"x\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    fact(ben, "signup", 0, "0", "{}");
    settle();
    fact(anna, "donation", 100, "0", "{}");
    set_clock("2027-03-08T11:01:00Z");
    until("(SELECT count(*) = 1 FROM job)");
    assert_text("anna", "SELECT c.first_name FROM job j JOIN contact c ON c.id = j.contact_id");
    for (int i = 0; i < 48; i++) {
        char now[CLOCK_TEXT];

        clock_set_offset(clock_now_us() - clock_real_us() + 61 * 60 * CLOCK_SECOND_US);
        until(mem_printf(
            t.ctx,
            "NOT EXISTS (SELECT FROM journey_position WHERE state = 'waiting' AND wake_at <= '%s')",
            clock_format(clock_now_us(), now)));
    }
    assert_int_equal(number("SELECT count(*) FROM job"), 2);
}

static void webhooks_hear_their_events(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben");

    (void)state;
    sql("INSERT INTO webhook (org_id, name, url, secret, events, rule, updated_at) VALUES "
        "(%lld, 'all', 'https://x', decode(repeat('00', 24), 'hex'), '{donation,webhook_failed}', "
        "NULL, now()),"
        "(%lld, 'some', 'https://x', decode(repeat('00', 24), 'hex'), '{donation}', 'first_name = "
        "\"anna\"', now()),"
        "(%lld, 'none', 'https://x', decode(repeat('00', 24), 'hex'), '{}', NULL, now())",
        (long long)t.org_id, (long long)t.org_id, (long long)t.org_id);
    journey("x", "{\"start\":{\"interaction\":\"donation\"},\"steps\":[{\"webhook\":\"none\"}]}");
    fact(anna, "donation", 100, "0", "{}");
    fact(ben, "donation", 100, "0", "{}");
    fact(ben, "webhook_failed", 0, "0", "{\"webhook\":\"all\"}");
    fact(ben, "webhook_failed", 0, "0", "{\"webhook\":\"some\"}");
    settle();
    assert_text("all anna donation,all ben donation,all ben webhook_failed,none anna journey,none "
                "ben journey,some anna donation",
                "SELECT string_agg(x, ',' ORDER BY x) FROM (SELECT w.name || ' ' || c.first_name "
                "|| ' ' || (j.data ->> 'type') AS x FROM job j JOIN webhook w ON w.id = "
                "j.webhook_id JOIN contact c ON c.id = j.contact_id WHERE j.sort = 'hook') y");
    assert_int_equal(number("SELECT count(*) FROM job WHERE data = "
                            "'{\"type\":\"journey\",\"journey\":\"x\",\"step\":0}'"),
                     2);
}

/* Two webhooks that tell of each other's failures and both fail: it ends. */
static void failures_of_webhooks_do_not_echo(void **state)
{
    int64_t anna = contact("anna"), first;

    (void)state;
    sql("INSERT INTO webhook (org_id, name, url, secret, events, updated_at) SELECT %lld, n, "
        "'https://x', decode(repeat('00', 24), 'hex'), '{webhook_failed}', now() FROM "
        "unnest('{a,b}'::text[]) n",
        (long long)t.org_id);
    first = fact(anna, "webhook_failed", 0, "0", "{\"webhook\":\"a\"}");
    settle();
    assert_text("b", "SELECT w.name FROM job j JOIN webhook w ON w.id = j.webhook_id");
    sql("INSERT INTO delivery (org_id, id, contact_id, sort, state, key, interaction_id, attempt, "
        "made_at, done_at) VALUES (%lld, 77, %lld, 'hook', 'failed', 'k', %lld, 3, now(), now())",
        (long long)t.org_id, (long long)anna, (long long)first);
    fact(anna, "webhook_failed", 0, "0", "{\"webhook\":\"b\",\"delivery\":77}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 1);
    sql("DELETE FROM delivery");
}

static void segments_start_journeys(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    sql("INSERT INTO segment (org_id, name, kind, stale, updated_at) VALUES (%lld, 'lapsed', "
        "'fixed', false, now()), (%lld, 'other', 'fixed', false, now())",
        (long long)t.org_id, (long long)t.org_id);
    journey("in", "{\"start\":{\"segment\":{\"enter\":\"lapsed\"}},\"steps\":[{\"tag\":\"in\"}]}");
    journey("out",
            "{\"start\":{\"segment\":{\"leave\":\"lapsed\"}},\"steps\":[{\"tag\":\"out\"}]}");
    fact(anna, "segment_entered", 0, "0", "{\"segment\":\"other\"}");
    fact(anna, "segment_left", 0, "0", "{\"segment\":\"other\"}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM journey_position"), 0);
    fact(anna, "segment_entered", 0, "0", "{\"segment\":\"lapsed\"}");
    settle();
    assert_text("in", "SELECT tag FROM contact_tag");
    fact(anna, "segment_left", 0, "0", "{\"segment\":\"lapsed\"}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM contact_tag"), 2);
}

/* A definition that became unreadable (its segment is gone) harms nobody else. */
static void a_broken_journey_is_passed_over(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    make_template("x");
    journey("broken", "{\"start\":{\"interaction\":\"signup\"},\"leave when\":\"in segment "
                      "\\\"gone\\\"\",\"steps\":[{\"send\":\"x\"}]}");
    journey("nowhere", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"send\":\"gone\"},{"
                       "\"webhook\":\"gone\"}]}");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"send\":\"x\"}]}");
    fact(anna, "signup", 0, "0", "{}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 1);
    assert_int_equal(number("SELECT count(*) FROM journey_position WHERE state = 'finished'"), 2);
}

static void many_start_at_once(void **state)
{
    (void)state;
    make_template("x");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"if\":\"first_name = "
                 "\\\"p7\\\"\",\"then\":[{\"tag\":\"seven\"}]},{\"send\":\"x\"}]}");
    sql("INSERT INTO contact (org_id, first_name) SELECT %lld, 'p' || n %% 10 FROM "
        "generate_series(1, 2100) n",
        (long long)t.org_id);
    sql("WITH i AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) SELECT "
        "c.org_id, c.id, k.id, '2027-03-08 09:59Z' FROM contact c, kind k WHERE k.name = 'signup' "
        "AND k.org_id = c.org_id RETURNING *) "
        "INSERT INTO cue (org_id, contact_id, interaction_id, kind_id) SELECT org_id, contact_id, "
        "id, kind_id FROM i");
    until("(SELECT count(*) = 2100 FROM journey_position WHERE state = 'finished')");
    assert_int_equal(number("SELECT count(*) FROM job"), 2100);
    assert_int_equal(number("SELECT count(*) FROM contact_tag"), 210);
}

/* --- the calendar
 * ---------------------------------------------------------------------------------------- */

static void born(const char *name, int month, int day, const char *zone)
{
    int64_t id = contact(name);

    sql("UPDATE contact SET birth_month = %d, birth_day = %d, time_zone = nullif('%s', '') WHERE "
        "id = %lld",
        month, day, zone, (long long)id);
}

static const char greeted[] = "SELECT coalesce(string_agg(c.first_name, ',' ORDER BY "
                              "c.first_name), '') FROM job j JOIN contact c ON c.id = j.contact_id";

/* Asks the calendar as main does each minute, and waits until it was asked. */
static void calendar_at(const char *instant)
{
    set_clock(instant);
    decide_calendar(t.decide);
    run_ms(200);
    settle();
}

static void birthdays_are_greeted_where_people_live(void **state)
{
    (void)state;
    make_template("birthday");
    journey("birthday", "{\"start\":{\"birthday\":true},\"steps\":[{\"send\":\"birthday\"}]}");
    born("apia", 3, 9, "Pacific/Apia");
    born("kathmandu", 3, 9, "Asia/Kathmandu");
    born("madrid", 3, 9, "");
    born("nowhere", 3, 9, "Mars/Olympus");
    born("honolulu", 3, 9, "Pacific/Honolulu");
    born("tomorrow", 3, 10, "");
    born("yesterday", 3, 8, "");
    /* 9:00 of 9 March: in Apia 8 March 20:00 UTC, in Kathmandu 03:15, in Madrid 08:00, in Honolulu
     * 19:00. */
    calendar_at("2027-03-08T19:59:00Z");
    assert_text("yesterday", greeted); /* it is 20:59 there, and still the day */
    calendar_at("2027-03-08T20:00:30Z");
    assert_text("apia,yesterday", greeted);
    calendar_at("2027-03-09T03:14:00Z");
    assert_text("apia,yesterday", greeted);
    calendar_at("2027-03-09T03:15:30Z");
    assert_text("apia,kathmandu,yesterday", greeted);
    /* lazod was away until the evening: caught up the same day. */
    calendar_at("2027-03-09T18:00:00Z");
    assert_text("apia,kathmandu,madrid,nowhere,yesterday", greeted);
    /* And away in Honolulu all day long: never the day after. */
    calendar_at("2027-03-10T10:01:00Z");
    assert_text("apia,kathmandu,madrid,nowhere,tomorrow,yesterday", greeted);
    /* Once a year. */
    calendar_at("2028-03-09T12:00:00Z");
    assert_int_equal(number("SELECT count(*) FROM job j JOIN contact c ON c.id = j.contact_id "
                            "WHERE c.first_name = 'madrid'"),
                     2);
    calendar_at("2028-03-09T13:00:00Z");
    assert_int_equal(number("SELECT count(*) FROM job j JOIN contact c ON c.id = j.contact_id "
                            "WHERE c.first_name = 'madrid'"),
                     2);
}

static void the_29th_of_february_has_its_day(void **state)
{
    (void)state;
    make_template("birthday");
    journey("birthday", "{\"start\":{\"birthday\":true},\"steps\":[{\"send\":\"birthday\"}]}");
    born("leap", 2, 29, "");
    calendar_at("2027-02-27T12:00:00Z");
    assert_text("", greeted);
    calendar_at("2027-02-28T12:00:00Z");
    assert_text("leap", greeted);
    calendar_at("2027-03-01T12:00:00Z");
    assert_text("leap", greeted);
    calendar_at("2028-02-28T12:00:00Z");
    assert_text("leap", greeted);
    calendar_at("2028-02-29T12:00:00Z");
    assert_text("leap,leap", greeted);
    calendar_at("2028-03-01T12:00:00Z");
    assert_text("leap,leap", greeted);
}

static void anniversaries_of_fields_come_from_the_year_after(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben");

    (void)state;
    make_template("x");
    sql("INSERT INTO field (org_id, name, type) VALUES (%lld, 'joined', 'date')",
        (long long)t.org_id);
    sql("INSERT INTO contact_attr (org_id, contact_id, field_id, value_date) SELECT org_id, %lld, "
        "id, '2020-03-08' FROM field",
        (long long)anna);
    sql("INSERT INTO contact_attr (org_id, contact_id, field_id, value_date) SELECT org_id, %lld, "
        "id, '2027-03-08' FROM field",
        (long long)ben);
    journey(
        "x",
        "{\"start\":{\"anniversary\":\"joined\",\"at\":\"08:00\"},\"steps\":[{\"send\":\"x\"}]}");
    calendar_at("2027-03-08T06:59:00Z");
    assert_text("", greeted);
    calendar_at("2027-03-08T07:00:30Z");
    assert_text("anna", greeted);
    calendar_at("2028-03-08T08:00:00Z");
    assert_text("anna,anna,ben", greeted);
}

/* --- campaigns
 * ------------------------------------------------------------------------------------------- */

static int64_t campaign(int members, const char *rule)
{
    make_template("news");
    sql("INSERT INTO topic (org_id, name) VALUES (%lld, 'news')", (long long)t.org_id);
    sql("INSERT INTO segment (org_id, name, kind, rule, stale, updated_at) VALUES (%lld, "
        "'everybody', 'dynamic', 'true', true, now())",
        (long long)t.org_id);
    sql("INSERT INTO contact (org_id, first_name, city) SELECT %lld, 'm' || n, CASE WHEN n %% 2 = "
        "0 THEN 'Málaga' END FROM generate_series(1, %d) n",
        (long long)t.org_id, members);
    return number("INSERT INTO campaign (org_id, name, template_id, segment_id, rule, topic_id, "
                  "start_at, state, data, updated_at) "
                  "SELECT t.org_id, 'boletin', t.id, CASE WHEN %s IS NULL THEN s.id END, %s, p.id, "
                  "'2027-03-08 10:00Z', 'scheduled', '{\"n\":1}', now() FROM template t, segment "
                  "s, topic p RETURNING id",
                  rule, rule);
}

static void members_are_known(void)
{
    sql("INSERT INTO membership (org_id, contact_id, segment_id, entered_at) SELECT c.org_id, "
        "c.id, s.id, now() FROM contact c, segment s");
    sql("UPDATE segment SET stale = false");
}

static void a_campaign_survives_being_killed(void **state)
{
    (void)state;
    campaign(3300, "NULL");
    settle();
    assert_text("scheduled", "SELECT state FROM campaign"); /* the segment is not evaluated yet */
    members_are_known();
    for (int block = 1; block <= 3; block++) {
        until(mem_printf(t.ctx, "(SELECT count(*) >= %d FROM job)", block * 1000));
        kill_decide();
        start_decide();
    }
    until("(SELECT state = 'running' FROM campaign)");
    assert_int_equal(number("SELECT count(DISTINCT contact_id) FROM job WHERE class = 2 AND sort = "
                            "'mail' AND topic_id IS NOT NULL AND data = '{\"n\":1}'"),
                     3300);
    assert_int_equal(number("SELECT count(*) FROM job"), 3300);
    assert_int_equal(number("SELECT count(*) FROM job_key"), 3300);
    assert_int_equal(number("SELECT audience FROM campaign"), 3300);
    sql("DELETE FROM job WHERE id %% 2 = 0");
    settle();
    assert_text("running", "SELECT state FROM campaign");
    sql("DELETE FROM job");
    until("(SELECT state = 'finished' AND finished_at IS NOT NULL FROM campaign)");
    assert_int_equal(number("SELECT count(*) FROM job"), 0);
}

static void a_campaign_by_rule_waits_for_its_hour_and_for_the_queue(void **state)
{
    (void)state;
    campaign(14000, "'city = \"malaga\"'");
    set_clock("2027-03-08T09:59:00Z");
    settle();
    assert_text("scheduled", "SELECT state FROM campaign");
    set_clock("2027-03-08T10:00:01Z");
    until("(SELECT count(*) >= 5000 FROM job)");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 5000);
    assert_text("expanding", "SELECT state FROM campaign");
    sql("UPDATE campaign SET state = 'paused'");
    sql("DELETE FROM job");
    settle();
    assert_int_equal(number("SELECT count(*) FROM job"), 0);
    sql("UPDATE campaign SET state = 'expanding'");
    until("(SELECT state = 'running' FROM campaign)");
    assert_int_equal(number("SELECT count(*) FROM job"), 2000);
    assert_int_equal(number("SELECT count(*) FROM job_key"), 7000);
}

static void a_campaign_whose_rule_broke_is_paused(void **state)
{
    (void)state;
    campaign(3, "'in segment \"gone\"'");
    until("(SELECT state = 'paused' FROM campaign)");
    assert_int_equal(number("SELECT count(*) FROM campaign_audience"), 0);
}

/* --- around
 * ---------------------------------------------------------------------------------------------- */

/* Connections that break in the middle of batches: nothing is lost, nothing made twice. */
static void broken_connections_lose_nothing(void **state)
{
    (void)state;
    campaign(3000, "NULL");
    members_are_known();
    make_template("x");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"record\":\"seen\"},{\"if\":"
                 "\"any(seen)\",\"then\":[{\"send\":\"x\"}]},{\"tag\":\"done\"}]}");
    sql("WITH i AS (INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at) SELECT "
        "c.org_id, c.id, k.id, '2027-03-08 09:59Z' FROM contact c, kind k WHERE k.name = 'signup' "
        "AND k.org_id = c.org_id RETURNING *) "
        "INSERT INTO cue (org_id, contact_id, interaction_id, kind_id) SELECT org_id, contact_id, "
        "id, kind_id FROM i");
    for (int i = 1; i <= 4; i++) {
        until(mem_printf(t.ctx, "(SELECT count(*) >= %d FROM job)", i * 700));
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lazo_app'");
    }
    until("(SELECT count(*) = 3000 FROM journey_position WHERE state = 'finished')");
    until("(SELECT state = 'running' FROM campaign)");
    assert_int_equal(number("SELECT count(*) FROM job WHERE class = 1"), 3000);
    assert_int_equal(number("SELECT count(*) FROM job WHERE class = 2"), 3000);
    assert_int_equal(number("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id "
                            "AND k.name = 'seen'"),
                     3000);
    assert_int_equal(number("SELECT count(*) FROM contact_tag"), 3000);
}

/* Organisations share nothing: the neighbour's journey sees no cue of ours, nor we his. */
static void neighbours_are_left_alone(void **state)
{
    int64_t other, anna = contact("anna");

    (void)state;
    other = number("SELECT organisation_create('vecino', 'Vecino', 'Europe/Madrid', 'es', 'EUR')");
    journey("x", "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"tag\":\"ours\"}]}");
    sql("INSERT INTO journey (org_id, name, enabled, definition, updated_at) VALUES (%lld, 'y', "
        "true, '{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"tag\":\"theirs\"}]}', now())",
        (long long)other);
    fact(anna, "signup", 0, "0", "{}");
    decide_wake(t.decide, other);
    settle();
    assert_text("ours", "SELECT tag FROM contact_tag");
    assert_int_equal(number("SELECT count(*) FROM journey_position"), 1);
    sql("DELETE FROM organisation WHERE id = %lld", (long long)other);
}

static void metrics_are_told(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, t.ctx, 100000);
    decide_metrics(t.decide, &b);
    assert_non_null(
        strstr(b.data, "# TYPE lazo_decide_cues_total counter\nlazo_decide_cues_total 0\n"));
    buf_done(&b);
}

/* --- the database
 * ---------------------------------------------------------------------------------------- */

/* The roles, which stand last in the table, then the migrations as their owner. */
static void make_schema(void)
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

static bool start_database(void)
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

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void stop_database(void)
{
    PQfinish(t.sql);
    if (t.family != NULL)
        family_stop(t.family, NULL, 10);
    talloc_free(t.ctx);
    nftw(t.folder, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool has_postgres(void)
{
    glob_t found;
    bool has = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;

    globfree(&found);
    return has;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, clean, finish)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_welcome_comes_once),
        TEST(a_thank_you_branches_by_count),
        TEST(the_first_of_its_kind_counts),
        TEST(a_wait_ends_when_the_clock_has_moved),
        TEST(who_should_leave_leaves),
        TEST(a_disabled_journey_holds_those_in_it),
        TEST(an_edit_leaves_those_on_their_way_alone),
        TEST(again_has_its_rest),
        TEST(acts_change_what_they_say),
        TEST(a_time_of_day_is_the_contacts_own),
        TEST(until_ends_when_its_rule_holds),
        TEST(webhooks_hear_their_events),
        TEST(failures_of_webhooks_do_not_echo),
        TEST(segments_start_journeys),
        TEST(a_broken_journey_is_passed_over),
        TEST(many_start_at_once),
        TEST(birthdays_are_greeted_where_people_live),
        TEST(the_29th_of_february_has_its_day),
        TEST(anniversaries_of_fields_come_from_the_year_after),
        TEST(a_campaign_survives_being_killed),
        TEST(a_campaign_by_rule_waits_for_its_hour_and_for_the_queue),
        TEST(a_campaign_whose_rule_broke_is_paused),
        TEST(broken_connections_lose_nothing),
        TEST(neighbours_are_left_alone),
        TEST(metrics_are_told),
    };
    int failed;

    if (!has_postgres()) {
        puts("skipped: PostgreSQL's programs are not installed");
        return 0;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    t.ctx = talloc_new(NULL);
    t.loop = ev_loop_new(EVFLAG_AUTO);
    strcpy(t.folder, "/tmp/lazo-decide-XXXXXX");
    if (mkdtemp(t.folder) == NULL || !start_database()) {
        stop_database();
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    stop_database();
    ev_loop_destroy(t.loop);
    return failed;
}
