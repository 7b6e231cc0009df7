/* clock.h - the one module that asks what time it is.
 *
 * There are two clocks. clock_now_us() is the business clock: everything that happens to contacts
 * is dated by it. It is the machine's clock, or, in an instance started with --clock, that clock
 * moved by an offset, so that a test can pass years. It runs on by itself; moving it never moves
 * leases, time-outs or back-off, which use clock_real_us() and clock_monotonic_us().
 *
 * Instants are microseconds since 1970-01-01T00:00:00Z. */
#ifndef LAZO_COMMON_CLOCK_H
#define LAZO_COMMON_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND_US INT64_C(1000000)
#define CLOCK_DAY_US    (INT64_C(86400) * CLOCK_SECOND_US)
/* The instants that texts speak of: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z. */
#define CLOCK_FIRST_US INT64_C(-62135596800000000)
#define CLOCK_LAST_US  INT64_C(253402300799999999)

int64_t clock_now_us(void);
int64_t clock_real_us(void);
int64_t clock_monotonic_us(void);

/* clock_set_offset() - the business clock is the machine's plus `offset_us` from here on.
 * Thread-safe. */
void clock_set_offset(int64_t offset_us);

/* clock_utc() - the calendar's parts of an instant in UTC; returns the microseconds of its second.
 */
struct tm;
int clock_utc(int64_t at_us, struct tm *ret_tm);
/* clock_format() - RFC 3339 in UTC with microseconds, "2006-12-31T12:00:00.000000Z"; `out` holds
 * CLOCK_TEXT bytes. What lies outside the years 1 to 9999 is written as their edge. Returns out.
 * PostgreSQL reads it as a timestamptz. */
#define CLOCK_TEXT 40
const char *clock_format(int64_t at_us, char out[CLOCK_TEXT]);
/* clock_parse() - RFC 3339 with an offset ("2006-12-31T12:00:00Z", "+01:00", fractions to
 * microseconds), a bare date (midnight UTC), or PostgreSQL's ISO output ("2006-12-31
 * 12:00:00.5+00"). False where `s` is none of these, the day does not exist or, in UTC, the year is
 * not one of 1 to 9999. */
bool clock_parse(const char *s, int64_t *ret_us);
/* clock_parse_duration() - "3 days", "9 h", "10 minutes", "1 week", "90s" and sums of them ("1 day
 * 2 h") in microseconds. Months and years have no fixed length and are refused. */
bool clock_parse_duration(const char *s, int64_t *ret_us);

#endif
