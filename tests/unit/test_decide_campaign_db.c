/* test_decide_campaign_db.c - campaigns on a real database; kills, broken connections, neighbours.
 */
#include "tests/unit/decide_db.h"

/* --- campaigns --------------------------------------------------------------- */

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

/* --- around ------------------------------------------------------------------ */

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_campaign_survives_being_killed),
        TEST(a_campaign_by_rule_waits_for_its_hour_and_for_the_queue),
        TEST(a_campaign_whose_rule_broke_is_paused),
        TEST(broken_connections_lose_nothing),
        TEST(neighbours_are_left_alone),
        TEST(metrics_are_told),
    };

    return decide_tests_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
