/* test_calendar.c - the days that may be today: whatever the zone, its own date is among them. */
#include "common/clock.h"
#include "daemon/decide/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int64_t instant(const char *s)
{
    int64_t us;

    if (!clock_parse(s, &us))
        fail_msg("%s is no instant", s);
    return us;
}

static bool has(const char *at, const char *leap, int month, int day)
{
    struct calendar_day days[CALENDAR_DAYS_MAX];
    size_t n = calendar_days(instant(at), leap, days);

    for (size_t i = 0; i < n; i++)
        if (days[i].month == month && days[i].day == day)
            return true;
    return false;
}

static size_t count(const char *at)
{
    struct calendar_day days[CALENDAR_DAYS_MAX];

    return calendar_days(instant(at), "02-28", days);
}

static void leap_years_follow_the_calendar(void **state)
{
    (void)state;
    assert_true(calendar_is_leap(2024));
    assert_true(calendar_is_leap(2000));
    assert_false(calendar_is_leap(1900));
    assert_false(calendar_is_leap(2100));
    assert_false(calendar_is_leap(2027));
}

static void at_most_three_dates_are_today(void **state)
{
    (void)state;
    assert_int_equal(count("2027-06-10T00:00:00Z"), 2);
    assert_int_equal(count("2027-06-10T11:59:59Z"), 3);
    assert_int_equal(count("2027-06-10T10:00:00Z"), 3);
    assert_int_equal(count("2027-06-10T09:59:59Z"), 2);
    assert_int_equal(count("2027-06-10T12:00:00Z"), 2);
    assert_true(has("2027-06-10T11:00:00Z", "02-28", 6, 9));
    assert_true(has("2027-06-10T11:00:00Z", "02-28", 6, 10));
    assert_true(has("2027-06-10T11:00:00Z", "02-28", 6, 11));
}

static void a_year_ends_on_different_days(void **state)
{
    (void)state;
    assert_true(has("2026-12-31T11:00:00Z", "02-28", 1, 1));
    assert_true(has("2026-12-31T11:00:00Z", "02-28", 12, 31));
    assert_true(has("2027-01-01T11:00:00Z", "02-28", 12, 31));
    assert_false(has("2027-01-02T12:00:00Z", "02-28", 12, 31));
}

static void the_leap_day_stands_in_only_when_there_is_none(void **state)
{
    (void)state;
    /* 2027 has none: 28 February or 1 March, as the organisation chose. */
    assert_true(has("2027-02-28T12:00:00Z", "02-28", 2, 29));
    assert_true(has("2027-03-01T12:00:00Z", "03-01", 2, 29));
    assert_false(has("2027-03-02T13:00:00Z", "03-01", 2, 29));
    assert_false(has("2027-02-26T09:00:00Z", "02-28", 2, 29));
    /* 2028 has one: only that day. */
    assert_false(has("2028-02-28T09:00:00Z", "02-28", 2, 29));
    assert_true(has("2028-02-29T12:00:00Z", "02-28", 2, 29));
    assert_true(has("2028-02-29T12:00:00Z", "03-01", 2, 29));
    assert_false(has("2028-03-01T12:00:00Z", "03-01", 2, 29));
    /* 2100 has none though it is divisible by four. */
    assert_true(has("2100-02-28T12:00:00Z", "02-28", 2, 29));
}

/* The C library's zones as judge, over years, in steps that hit every hour of the day. */
static void the_date_of_every_zone_is_among_them(void **state)
{
    static const char *const zones[] = {
        "Europe/Madrid",      "Atlantic/Canary", "Asia/Kathmandu",   "Pacific/Apia",
        "Pacific/Kiritimati", "Etc/GMT+12",      "America/St_Johns", "Australia/Lord_Howe",
        "Antarctica/Troll",   "Pacific/Chatham", "America/Havana",   "UTC"};
    /* From before Apia's skipped 30 December 2011, over all changes of clocks, to after a leap day.
     */
    int64_t from = instant("2011-12-20T00:00:00Z"), to = instant("2016-03-05T00:00:00Z");
    int64_t step = 7 * 3600 * CLOCK_SECOND_US + 13 * 60 * CLOCK_SECOND_US;

    (void)state;
    for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
        setenv("TZ", zones[z], 1);
        tzset();
        for (int64_t at = from; at < to; at += step) {
            struct calendar_day days[CALENDAR_DAYS_MAX];
            size_t n = calendar_days(at, "02-28", days), i = 0;
            time_t seconds = (time_t)(at / CLOCK_SECOND_US);
            struct tm here;

            localtime_r(&seconds, &here);
            while (i < n && (days[i].month != here.tm_mon + 1 || days[i].day != here.tm_mday))
                i++;
            if (i == n)
                fail_msg("%s: %d-%d at %lld", zones[z], here.tm_mon + 1, here.tm_mday,
                         (long long)seconds);
        }
    }
    unsetenv("TZ");
    tzset();
}

static void instants_before_1970_have_days_too(void **state)
{
    (void)state;
    assert_true(has("1969-12-31T23:59:59Z", "02-28", 12, 31));
    assert_true(has("1969-12-31T23:59:59Z", "02-28", 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leap_years_follow_the_calendar),
        cmocka_unit_test(at_most_three_dates_are_today),
        cmocka_unit_test(a_year_ends_on_different_days),
        cmocka_unit_test(the_leap_day_stands_in_only_when_there_is_none),
        cmocka_unit_test(the_date_of_every_zone_is_among_them),
        cmocka_unit_test(instants_before_1970_have_days_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
