/* moment.c - the calendar's arithmetic (proleptic Gregorian), and the reading of dates. */
#include "common/template/moment.h"

#include <string.h>

#include "common/template/ascii.h"
#include "common/template/locale.h"

static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_days(int64_t year, int month)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return DAYS[month - 1] + (month == 2 && leap);
}

/* What has been read so far; -1: not yet. */
struct reading {
    const char *s;
    size_t n;
    int year, month, day, hour, minute, second, micro;
    int offset_s;
    bool has_zone, pm, am;
};

static bool digit(const struct reading *r, size_t i)
{
    return i < r->n && ascii_digit(r->s[i]);
}

static bool letter(const struct reading *r, size_t i)
{
    return i < r->n && ascii_letter(r->s[i]);
}

static void skip(struct reading *r, size_t n)
{
    r->s += n;
    r->n -= n;
}

/* number() - the next digits, at most `most` of them; *ret_n: how many there were. */
static int number(struct reading *r, size_t most, size_t *ret_n)
{
    int x = 0;
    size_t i = 0;
    for (; i < most && digit(r, i); i++)
        x = x * 10 + (r->s[i] - '0');
    skip(r, i);
    *ret_n = i;
    return x;
}

static bool read_zone(struct reading *r)
{
    bool west = *r->s == '-';
    size_t n;
    skip(r, 1);
    int hours = number(r, 2, &n), minutes = 0;
    if (n != 2 || r->has_zone)
        return false;
    if (r->n > 0 && *r->s == ':')
        skip(r, 1);
    if (digit(r, 0)) {
        minutes = number(r, 2, &n);
        if (n != 2)
            return false;
    }
    r->has_zone = true;
    r->offset_s = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
    return hours <= 18 && minutes < 60;
}

/* read_time() - after the hour: ":30", ":30:15.25". */
static bool read_time(struct reading *r, int hour)
{
    size_t n;
    if (r->hour >= 0)
        return false;
    r->hour = hour;
    r->second = r->micro = 0;
    skip(r, 1);
    r->minute = number(r, 2, &n);
    if (n != 2)
        return false;
    if (r->n > 1 && *r->s == ':' && digit(r, 1)) {
        skip(r, 1);
        r->second = number(r, 2, &n);
    }
    if (r->n > 1 && (*r->s == '.' || *r->s == ',') && digit(r, 1)) {
        skip(r, 1);
        for (int unit = 100000; digit(r, 0); unit /= 10) {
            r->micro += (*r->s - '0') * unit;
            skip(r, 1);
        }
    }
    return true;
}

/* read_numeric() - a year-month-day, a time, a day or a year. */
static bool read_numeric(struct reading *r)
{
    size_t n, m;
    int first = number(r, 9, &n);
    bool dash = r->n > 1 && (*r->s == '-' || *r->s == '/') && digit(r, 1);
    if (n == 4 && dash && r->year < 0) {
        char sign = *r->s;
        r->year = first;
        skip(r, 1);
        r->month = number(r, 2, &n);
        if (r->n < 2 || *r->s != sign || !digit(r, 1))
            return false;
        skip(r, 1);
        r->day = number(r, 2, &m);
        if (r->n > 1 && (*r->s | 0x20) == 't' && digit(r, 1))
            skip(r, 1);
        return true;
    }
    if (n <= 2 && r->n > 1 && *r->s == ':')
        return read_time(r, first);
    if (n == 8 && r->year < 0) {
        r->year = first / 10000;
        r->month = first / 100 % 100;
        r->day = first % 100;
        return true;
    }
    if (n <= 2 && r->day < 0) {
        r->day = first;
        return true;
    }
    if (n != 4 || r->year >= 0)
        return false;
    r->year = first;
    return true;
}

static bool begins(const char *word, size_t n, const char *name)
{
    return n >= 3 && n <= strlen(name) && ascii_compare(word, name, n) == 0;
}

static bool read_word(struct reading *r)
{
    static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    const char *word = r->s;
    size_t n = 0;
    while (letter(r, n))
        n++;
    skip(r, n);
    for (int i = 0; i < 12; i++) {
        if (r->month < 0 && begins(word, n, MONTHS[i])) {
            r->month = i + 1;
            return true;
        }
    }
    for (int i = 0; i < 7; i++) {
        if (begins(word, n, DAYS[i]))
            return true;
    }
    if ((n == 1 && (*word | 0x20) == 'z') ||
        (n == 3 && (ascii_compare(word, "utc", 3) == 0 || ascii_compare(word, "gmt", 3) == 0))) {
        r->has_zone = true;
        return true;
    }
    r->pm = r->pm || (n == 2 && ascii_compare(word, "pm", 2) == 0);
    r->am = r->am || (n == 2 && ascii_compare(word, "am", 2) == 0);
    return n == 2 && (ascii_compare(word, "pm", 2) == 0 || ascii_compare(word, "am", 2) == 0 ||
                      ascii_compare(word, "st", 2) == 0 || ascii_compare(word, "nd", 2) == 0 ||
                      ascii_compare(word, "rd", 2) == 0 || ascii_compare(word, "th", 2) == 0);
}

static bool read_all(struct reading *r)
{
    while (r->n > 0) {
        bool ok = true;
        if (digit(r, 0))
            ok = read_numeric(r);
        else if (letter(r, 0))
            ok = read_word(r);
        else if ((*r->s == '+' || *r->s == '-') && r->hour >= 0 && digit(r, 1))
            ok = read_zone(r);
        else if (strchr(" ,.-\t", *r->s) != NULL)
            skip(r, 1);
        else
            ok = false;
        if (!ok)
            return false;
    }
    return true;
}

bool moment_read(const char *s, size_t n, struct moment *ret_m)
{
    struct reading r = {.s = s, .n = n, .year = -1, .month = -1, .day = -1, .hour = -1};
    if (n > 64 || memchr(s, '\0', n) != NULL || !read_all(&r))
        return false;
    if (r.year < 0 || r.month < 1 || r.month > 12 || r.day < 1 ||
        r.day > month_days(r.year, r.month))
        return false;
    bool has_time = r.hour >= 0;
    if (has_time && (r.hour > 24 || r.minute > 59 || r.second > 60))
        return false;
    if (r.pm && r.hour < 12)
        r.hour += 12;
    if (r.am && r.hour == 12)
        r.hour = 0;
    *ret_m = (struct moment){
        .wall_s = days_of(r.year, r.month, r.day) * 86400 +
                  (has_time ? r.hour * 3600 + r.minute * 60 + r.second : 0),
        .micro = has_time ? r.micro : 0,
        .offset_s = r.offset_s,
        .has_time = has_time,
        .has_zone = has_time && r.has_zone,
    };
    return true;
}

bool moment_place(struct moment *m, const char *zone)
{
    int offset = 0;
    if (zone == NULL) {
        m->offset_s = m->has_zone ? m->offset_s : 0;
        return true;
    }
    if (m->has_zone) {
        int64_t utc_s = m->wall_s - m->offset_s;
        if (!locale_offset(zone, utc_s * 1000, &offset))
            return false;
        m->wall_s = utc_s + offset;
    } else {
        /* The offset that holds at about that time tells the instant, whose own offset is the right
         * one. */
        if (!locale_offset(zone, m->wall_s * 1000, &offset) ||
            !locale_offset(zone, (m->wall_s - offset) * 1000, &offset))
            return false;
    }
    m->offset_s = offset;
    return true;
}

bool moment_at(int64_t us, const char *zone, struct moment *ret_m)
{
    int64_t micro = us % 1000000;
    micro += micro < 0 ? 1000000 : 0;
    struct moment m = {
        .wall_s = (us - micro) / 1000000, .micro = (int)micro, .has_time = true, .has_zone = true};
    if (!moment_place(&m, zone))
        return false;
    *ret_m = m;
    return true;
}
