/* test_decide_db.c - journeys on a real database: how they start, what their steps do, who waits
 * and who leaves. */
#include "tests/unit/decide_db.h"

/* --- journeys ---------------------------------------------------------------- */

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

/* lazod was away for three days: what was fresh when it was recorded counts all the same. */
static void a_fact_is_as_fresh_as_when_it_was_recorded(void **state)
{
    (void)state;
    make_template("welcome");
    journey("welcome",
            "{\"start\":{\"interaction\":\"signup\"},\"steps\":[{\"send\":\"welcome\"}]}");
    fact(contact("anna"), "signup", 0, "1 hour", "{}");
    fact(contact("ben"), "signup", 0, "49 hours", "{}");
    set_clock("2027-03-11T10:00:00Z");
    settle();
    assert_text("anna", "SELECT string_agg(c.first_name, ',') FROM job j JOIN contact c ON c.id = "
                        "j.contact_id");
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
    assert_text("greeted,segment_entered,segment_left,stage_changed",
                "SELECT string_agg(k.name, ',' ORDER BY k.name) FROM interaction i JOIN kind k ON "
                "k.id = i.kind_id WHERE k.name <> 'signup'");
    assert_text("well x", "SELECT (i.data ->> 'how') || ' ' || (i.data ->> 'journey') FROM "
                          "interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'greeted'");
    assert_text("seen", "SELECT tag FROM contact_tag");
    assert_text("field 4,interaction 4,segment 2,tag 2",
                "SELECT string_agg(sort || ' ' || n, ',' ORDER BY sort) FROM (SELECT sort, "
                "count(*) AS n FROM change GROUP BY sort) x");
}

static void a_time_of_day_is_the_contacts_own(void **state)
{
    int64_t anna = contact("anna"), ben = contact("ben"), cleo = contact("cleo");

    (void)state;
    sql("UPDATE contact SET time_zone = 'Asia/Kathmandu' WHERE id = %lld", (long long)anna);
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

static void labels_start_journeys(void **state)
{
    int64_t anna = contact("anna");

    (void)state;
    sql("INSERT INTO rfm_model (org_id, name, kinds, updated_at) VALUES (%lld, 'giving', "
        "'{donation}', now())",
        (long long)t.org_id);
    journey("to", "{\"start\":{\"rfm\":{\"model\":\"giving\",\"to\":\"best\"}},\"steps\":[{\"tag\":"
                  "\"to\"}]}");
    journey("both", "{\"start\":{\"rfm\":{\"model\":\"giving\",\"from\":\"best\",\"to\":\"lost\"}},"
                    "\"steps\":[{\"tag\":\"both\"}]}");
    fact(anna, "label_changed", 0, "0", "{\"model\":\"other\",\"from\":null,\"to\":\"best\"}");
    fact(anna, "label_changed", 0, "0", "{\"model\":\"giving\",\"from\":null,\"to\":\"lost\"}");
    fact(anna, "label_changed", 0, "0", "{\"model\":\"giving\",\"from\":\"best\",\"to\":null}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM journey_position"), 0);
    fact(anna, "label_changed", 0, "0", "{\"model\":\"giving\",\"from\":null,\"to\":\"Best\"}");
    settle();
    assert_text("to", "SELECT tag FROM contact_tag");
    fact(anna, "label_changed", 0, "0", "{\"model\":\"giving\",\"from\":\"best\",\"to\":\"lost\"}");
    settle();
    assert_int_equal(number("SELECT count(*) FROM contact_tag"), 2);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_welcome_comes_once),
        TEST(a_fact_is_as_fresh_as_when_it_was_recorded),
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
        TEST(labels_start_journeys),
        TEST(a_broken_journey_is_passed_over),
        TEST(many_start_at_once),
    };

    return decide_tests_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
