/* calendar.h - which days of birth may be meant by "today", somewhere on earth. Pure.
 *
 * Local time lies between UTC-12 and UTC+14, so that at one instant at most three dates are
 * "today". The database looks up those days by index and then asks each contact's own zone. */
#ifndef LAZO_DAEMON_DECIDE_CALENDAR_H
#define LAZO_DAEMON_DECIDE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct calendar_day {
    int month, day; /* 1..12, 1..31 */
};

/* calendar_days() - the days of birth that may be celebrated at `now_us`, without repetition; gives
 * their number. 29 February is among them when it is 29 February somewhere, and in other years when
 * it is `leap_birthday` ("02-28" or "03-01") somewhere. */
#define CALENDAR_DAYS_MAX 4
size_t calendar_days(int64_t now_us, const char *leap_birthday,
                     struct calendar_day days[CALENDAR_DAYS_MAX]);

/* calendar_is_leap() - of the Gregorian calendar. */
bool calendar_is_leap(int year);

#endif
