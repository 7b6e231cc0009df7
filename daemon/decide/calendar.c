/* calendar.c - see calendar.h. */
#include "daemon/decide/calendar.h"

#include "common/clock.h"

#include <string.h>
#include <time.h>

#define HOUR_US (3600 * CLOCK_SECOND_US)

bool calendar_is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static struct tm utc_day(int64_t at_us)
{
    struct tm tm;

    clock_utc(at_us, &tm);
    return tm;
}

static size_t day_add(struct calendar_day *days, size_t n, int month, int day)
{
    for (size_t i = 0; i < n; i++)
        if (days[i].month == month && days[i].day == day)
            return n;
    days[n] = (struct calendar_day){month, day};
    return n + 1;
}

size_t calendar_days(int64_t now_us, const char *leap_birthday,
                     struct calendar_day days[CALENDAR_DAYS_MAX])
{
    static const int offsets[] = {-12, 0, 14};
    bool early = strcmp(leap_birthday, "02-28") == 0;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct tm tm = utc_day(now_us + offsets[i] * HOUR_US);
        int month = tm.tm_mon + 1, day = tm.tm_mday;
        bool stands_in = early ? month == 2 && day == 28 : month == 3 && day == 1;

        n = day_add(days, n, month, day);
        if (stands_in && !calendar_is_leap(tm.tm_year + 1900))
            n = day_add(days, n, 2, 29);
    }
    return n;
}
