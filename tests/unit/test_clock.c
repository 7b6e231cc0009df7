/* test_clock.c - instants and durations as text, the business clock, and names of zones. */
#include "common/clock.h"
#include "common/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void instants_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"1970-01-01", 0},
                {"1970-01-01T00:00:00Z", 0},
                {"1970-01-01t00:00:00z", 0},
                {"1970-01-01 00:00:00+00", 0},
                {"1970-01-01T01:00Z", INT64_C(3600000000)},
                {"1970-01-01T01:00:00+01:00", 0},
                {"1970-01-01T01:00:00+0100", 0},
                {"1969-12-31T19:00:00-05:00", 0},
                {"1970-01-01T00:00:00.5Z", 500000},
                {"1970-01-01T00:00:00.1234567Z", 123456},
                {"1969-12-31T23:59:59.999999Z", -1},
                {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
                {"0001-01-01T00:00:00Z", CLOCK_FIRST_US},
                {"9999-12-31T23:59:59.999999Z", CLOCK_LAST_US}};
    static const char *const bad[] = {"",
                                      "1970",
                                      "1970-1-1",
                                      "1970-01-01T",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01T24:00:00Z",
                                      "1970-01-01T00:60:00Z",
                                      "1970-01-01T00:00:61Z",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00Zx",
                                      "1970-01-01T00:00:00+24:00",
                                      "1970-01-01T00:00:00+1",
                                      "1970-02-29",
                                      "1900-02-29",
                                      "1970-00-10",
                                      "1970-13-01",
                                      "1970-01-32",
                                      "0000-01-01",
                                      "0001-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:59-00:01",
                                      "10000-01-01",
                                      "infinity",
                                      "-infinity",
                                      "now",
                                      "0044-03-15 12:00:00+00 BC",
                                      " 1970-01-01"};
    int64_t us;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!clock_parse(good[i].text, &us) || us != good[i].us)
            fail_msg("%s", good[i].text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (clock_parse(bad[i], &us))
            fail_msg("%s is taken", bad[i]);
}

static void what_is_written_is_read(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    char text[CLOCK_TEXT];
    int64_t us;

    (void)state;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        int64_t at =
            (((int64_t)rand_r(&seed) << 31) ^ rand_r(&seed)) % (CLOCK_LAST_US - CLOCK_FIRST_US) +
            CLOCK_FIRST_US;

        if (at < CLOCK_FIRST_US)
            at = CLOCK_FIRST_US;
        if (!clock_parse(clock_format(at, text), &us) || us != at)
            fail_msg("%lld: %s", (long long)at, text);
    }
    assert_string_equal(clock_format(-1, text), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(clock_format(CLOCK_FIRST_US, text), "0001-01-01T00:00:00.000000Z");
    assert_string_equal(clock_format(INT64_MIN, text), "0001-01-01T00:00:00.000000Z");
    assert_string_equal(clock_format(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {{"3 days", 259200}, {"9 h", 32400},     {"10 minutes", 600},  {"1 week", 604800},
                {"90s", 90},        {"90S", 90},        {"1 day 2 h", 93600}, {" 5 min ", 300},
                {"0 s", 0},         {"1d2h3m4s", 93784}};
    static const char *const bad[] = {"",       "3",       "days",  "3 months",        "1 year",
                                      "-1 day", "1.5 h",   "3 d x", "100000001 weeks", "3 dayss",
                                      "1 ",     "1 day 2", "h 1",   "99999999999 s"};
    int64_t us;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!clock_parse_duration(good[i].text, &us) || us != good[i].seconds * CLOCK_SECOND_US)
            fail_msg("%s", good[i].text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (clock_parse_duration(bad[i], &us))
            fail_msg("%s is taken", bad[i]);
}

static void the_business_clock_moves_alone(void **state)
{
    int64_t real = clock_real_us(), monotonic = clock_monotonic_us();

    (void)state;
    clock_set_offset(-10 * CLOCK_DAY_US);
    assert_true(clock_now_us() < real - 9 * CLOCK_DAY_US);
    assert_true(clock_real_us() >= real);
    assert_true(clock_monotonic_us() >= monotonic);
    clock_set_offset(0);
    assert_true(clock_now_us() >= real);
}

static void zones(void **state)
{
    static const char *const good[] = {"Europe/Madrid", "America/Argentina/Buenos_Aires", "UTC",
                                       "Asia/Kolkata", "Atlantic/Canary"};
    static const char *const bad[] = {
        "",
        "Mars/Olympus",
        "Madrid",
        "Europe/",
        "\xff\xfe",
        "Europe/Madrid\n",
        "Europe/Madridddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!zone_known(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (zone_known(bad[i]))
            fail_msg("%s is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_read),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(durations),
        cmocka_unit_test(the_business_clock_moves_alone),
        cmocka_unit_test(zones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
