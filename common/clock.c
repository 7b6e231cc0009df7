/* clock.c - see clock.h. */
#include "common/clock.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static _Atomic int64_t clock_offset_us;

static int64_t clock_read_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * CLOCK_SECOND_US + t.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return clock_read_us(CLOCK_REALTIME) + clock_offset_us;
}

int64_t clock_real_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

void clock_set_offset(int64_t offset_us)
{
    clock_offset_us = offset_us;
}

int clock_utc(int64_t at_us, struct tm *ret_tm)
{
    int64_t fraction = at_us % CLOCK_SECOND_US;
    time_t seconds;

    if (fraction < 0)
        fraction += CLOCK_SECOND_US;
    seconds = (time_t)((at_us - fraction) / CLOCK_SECOND_US);
    gmtime_r(&seconds, ret_tm);
    return (int)fraction;
}

const char *clock_format(int64_t at_us, char out[CLOCK_TEXT])
{
    struct tm tm;
    int fraction;

    at_us = at_us < CLOCK_FIRST_US ? CLOCK_FIRST_US : at_us > CLOCK_LAST_US ? CLOCK_LAST_US : at_us;
    fraction = clock_utc(at_us, &tm);
    snprintf(out, CLOCK_TEXT, "%04u-%02d-%02dT%02d:%02d:%02d.%06dZ",
             (unsigned)(tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, fraction);
    return out;
}

/* Reads exactly `digits` digits; moves *s past them. */
static bool read_digits(const char **s, int digits, int *ret)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)**s))
            return false;
        value = value * 10 + (*(*s)++ - '0');
    }
    *ret = value;
    return true;
}

static bool read_char(const char **s, const char *any_of)
{
    if (**s == '\0' || strchr(any_of, **s) == NULL)
        return false;
    (*s)++;
    return true;
}

static bool read_date(const char **s, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, last;

    if (!read_digits(s, 4, &year) || !read_char(s, "-") || !read_digits(s, 2, &month) ||
        !read_char(s, "-") || !read_digits(s, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12)
        return false;
    last = days[month - 1];
    if (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
        last = 29;
    if (day < 1 || day > last)
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

static bool read_time(const char **s, struct tm *tm, int64_t *ret_fraction_us)
{
    int64_t unit = CLOCK_SECOND_US / 10;

    *ret_fraction_us = 0;
    if (!read_digits(s, 2, &tm->tm_hour) || !read_char(s, ":") || !read_digits(s, 2, &tm->tm_min))
        return false;
    if (read_char(s, ":") && !read_digits(s, 2, &tm->tm_sec))
        return false;
    if (read_char(s, ".")) {
        if (!isdigit((unsigned char)**s))
            return false;
        for (; isdigit((unsigned char)**s); (*s)++, unit /= 10)
            *ret_fraction_us += unit * (**s - '0');
    }
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61;
}

/* "Z", "+01:00", "+0100" or PostgreSQL's "+00". */
static bool read_zone(const char **s, int *ret_minutes)
{
    int sign, hours, minutes = 0;

    *ret_minutes = 0;
    if (read_char(s, "Zz"))
        return true;
    if (**s != '+' && **s != '-')
        return false;
    sign = *(*s)++ == '-' ? -1 : 1;
    if (!read_digits(s, 2, &hours))
        return false;
    if (read_char(s, ":") || isdigit((unsigned char)**s)) {
        if (!read_digits(s, 2, &minutes))
            return false;
    }
    *ret_minutes = sign * (hours * 60 + minutes);
    return hours < 24 && minutes < 60;
}

bool clock_parse(const char *s, int64_t *ret_us)
{
    struct tm tm = {0};
    int64_t fraction = 0, at_us;
    int zone = 0;

    if (!read_date(&s, &tm))
        return false;
    if (*s != '\0') {
        if (!read_char(&s, "Tt ") || !read_time(&s, &tm, &fraction) || !read_zone(&s, &zone))
            return false;
    }
    if (*s != '\0')
        return false;
    at_us = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * CLOCK_SECOND_US + fraction;
    if (at_us < CLOCK_FIRST_US || at_us > CLOCK_LAST_US)
        return false;
    *ret_us = at_us;
    return true;
}

static int64_t duration_unit_us(const char *word, size_t n)
{
    static const struct {
        const char *words; /* space-separated */
        int64_t seconds;
    } units[] = {{" s sec second seconds ", 1},
                 {" m min minute minutes ", 60},
                 {" h hour hours ", 3600},
                 {" d day days ", 86400},
                 {" w week weeks ", 604800}};
    char spaced[16];

    if (n == 0 || n > sizeof(spaced) - 3)
        return 0;
    snprintf(spaced, sizeof(spaced), " %.*s ", (int)n, word);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcasestr(units[i].words, spaced) != NULL)
            return units[i].seconds * CLOCK_SECOND_US;
    return 0;
}

bool clock_parse_duration(const char *s, int64_t *ret_us)
{
    int64_t total = 0;
    bool any = false;

    for (;;) {
        int64_t n = 0, unit;
        size_t word;

        while (*s == ' ')
            s++;
        if (*s == '\0')
            break;
        if (!isdigit((unsigned char)*s))
            return false;
        for (; isdigit((unsigned char)*s); s++) {
            n = n * 10 + (*s - '0');
            if (n > INT64_C(100000000))
                return false;
        }
        while (*s == ' ')
            s++;
        for (word = 0; isalpha((unsigned char)s[word]); word++)
            ;
        unit = duration_unit_us(s, word);
        if (unit == 0 || n > INT64_MAX / 4 / unit)
            return false;
        total += n * unit;
        if (total > INT64_MAX / 4)
            return false;
        s += word;
        any = true;
    }
    *ret_us = total;
    return any;
}
