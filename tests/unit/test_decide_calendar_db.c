/* test_decide_calendar_db.c - birthdays and anniversaries on a real database. */
#include "tests/unit/decide_db.h"

/* --- the calendar ------------------------------------------------------------ */

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
    run_idle();
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
    assert_text("apia,kathmandu,madrid,yesterday", greeted);
    /* And away in Honolulu all day long: never the day after. */
    calendar_at("2027-03-10T10:01:00Z");
    assert_text("apia,kathmandu,madrid,tomorrow,yesterday", greeted);
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

/* Those of all years are found, and 29 February among them; the index knows them. */
static void anniversaries_are_found_by_their_dates(void **state)
{
    (void)state;
    make_template("x");
    sql("INSERT INTO field (org_id, name, type) VALUES (%lld, 'founded', 'date')",
        (long long)t.org_id);
    sql("INSERT INTO contact_attr (org_id, contact_id, field_id, value_date) "
        "SELECT f.org_id, v.id, f.id, v.at FROM field f, (VALUES (%lld, '1850-02-28'::date), "
        "(%lld, '2004-02-29'), (%lld, '1900-03-01')) AS v(id, at) WHERE f.name = 'founded'",
        (long long)contact("old"), (long long)contact("leap"), (long long)contact("march"));
    journey("x", "{\"start\":{\"anniversary\":\"founded\"},\"steps\":[{\"send\":\"x\"}]}");
    calendar_at("2027-02-28T12:00:00Z");
    assert_text("leap,old", greeted);
    calendar_at("2027-03-01T12:00:00Z");
    assert_text("leap,march,old", greeted);
    calendar_at("2028-02-29T12:00:00Z");
    assert_text("leap,leap,march,old", greeted);
    assert_int_equal(
        number("SELECT count(*) FROM pg_indexes WHERE indexname = 'contact_attr_date'"), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(birthdays_are_greeted_where_people_live),
        TEST(the_29th_of_february_has_its_day),
        TEST(anniversaries_of_fields_come_from_the_year_after),
        TEST(anniversaries_are_found_by_their_dates),
    };

    return decide_tests_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
