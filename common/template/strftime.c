/* strftime.c - moment_format(): the patterns of strftime, as Ruby has them. */
#include "common/template/moment.h"

#include <string.h>

#include "common/buf.h"
#include "common/template/ascii.h"
#include "common/template/locale.h"

struct fields {
    int64_t year;
    int month, day, hour, minute, second; /* month: 1..12 */
    int weekday, yearday;                 /* from 0; Sunday is 0 */
    int iso_week;
    int64_t iso_year;
};

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* iso_weeks() - 52 or 53. */
static int iso_weeks(int64_t year, int first_weekday)
{
    return first_weekday == 4 || (first_weekday == 3 && is_leap(year)) ? 53 : 52;
}

static struct fields fields_of(int64_t wall_s)
{
    int64_t days = wall_s / 86400, rest = wall_s % 86400;
    if (rest < 0)
        rest += 86400, days--;
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    struct fields f = {.day = (int)(doy - (153 * mp + 2) / 5 + 1),
                       .month = (int)(mp < 10 ? mp + 3 : mp - 9),
                       .hour = (int)(rest / 3600),
                       .minute = (int)(rest / 60 % 60),
                       .second = (int)(rest % 60),
                       .weekday = (int)(((days + 4) % 7 + 7) % 7)};
    f.year = yoe + era * 400 + (f.month <= 2);
    static const int BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    f.yearday = BEFORE[f.month - 1] + f.day - 1 + (f.month > 2 && is_leap(f.year));
    int monday = (f.weekday + 6) % 7; /* Monday is 0 */
    int first = ((f.weekday - f.yearday) % 7 + 7) % 7;
    f.iso_year = f.year;
    f.iso_week = (f.yearday - monday + 10) / 7;
    if (f.iso_week < 1) {
        f.iso_year--;
        int before = ((first - (is_leap(f.year - 1) ? 366 : 365)) % 7 + 7) % 7;
        f.iso_week = iso_weeks(f.iso_year, before);
    } else if (f.iso_week > iso_weeks(f.year, first)) {
        f.iso_year++;
        f.iso_week = 1;
    }
    return f;
}

/* One conversion: its flags, its width (-1: its own), its letter. */
struct conversion {
    char pad; /* '0', ' ', '-' (none) or 0 (its own) */
    bool upper, swap;
    int width, colons;
    char letter;
};

struct format {
    struct buf *out;
    const struct moment *m;
    struct fields f;
    const char *locale, *zone;
};

static void put_number(struct format *to, const struct conversion *c, int64_t x, int width,
                       char pad)
{
    pad = c->pad != 0 ? c->pad : pad;
    width = c->width >= 0 ? c->width : width;
    if (pad == '-')
        buf_printf(to->out, "%lld", (long long)x);
    else if (pad == ' ')
        buf_printf(to->out, "%*lld", width, (long long)x);
    else
        buf_printf(to->out, "%0*lld", width, (long long)x);
}

static void put_text(struct format *to, const struct conversion *c, const char *s, size_t n)
{
    for (int fill = c->width - (int)n; fill > 0; fill--)
        buf_char(to->out, c->pad == '0' ? '0' : ' ');
    for (size_t i = 0; i < n; i++) {
        bool lower = s[i] >= 'a' && s[i] <= 'z', capital = s[i] >= 'A' && s[i] <= 'Z';
        bool change = (lower && (c->upper || (c->swap && c->letter != 'p'))) ||
                      (capital && c->swap && c->letter == 'p');
        buf_char(to->out, change ? (char)(s[i] ^ 0x20) : s[i]);
    }
}

static void put_word(struct format *to, const struct conversion *c, enum locale_word word,
                     int index)
{
    struct buf name;
    buf_init(&name, NULL, 256);
    if (!locale_word(&name, to->locale, word, index))
        locale_word(&name, "en", word, index);
    put_text(to, c, name.data, name.len);
    buf_done(&name);
}

static void put_zone(struct format *to, const struct conversion *c)
{
    int s = to->m->offset_s, minutes = (s < 0 ? -s : s) / 60;
    const char *colon = c->colons > 0 ? ":" : "";
    buf_printf(to->out, "%c%02d%s%02d", s < 0 ? '-' : '+', minutes / 60, colon, minutes % 60);
    if (c->colons > 1)
        buf_str(to->out, ":00");
}

static void put_zone_name(struct format *to)
{
    int64_t utc_ms = (to->m->wall_s - to->m->offset_s) * 1000;
    if (to->zone != NULL && locale_zone_name(to->out, to->zone, utc_ms))
        return;
    if (to->m->offset_s == 0)
        buf_str(to->out, "UTC");
}

static void put_fraction(struct format *to, const struct conversion *c)
{
    char digits[16];
    int n = c->width > 0 && c->width <= 9 ? c->width : c->letter == 'L' ? 3 : 9;
    int64_t nano = (int64_t)to->m->micro * 1000;
    for (int i = 8; i >= 0; i--, nano /= 10)
        digits[i] = (char)('0' + nano % 10);
    buf_add(to->out, digits, (size_t)n);
}

/* compound() - the conversions that stand for others. */
static const char *compound(char letter)
{
    switch (letter) {
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'r':
        return "%I:%M:%S %p";
    case 'R':
        return "%H:%M";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    case 'v':
        return "%e-%^b-%Y";
    case '+':
        return "%a %b %e %H:%M:%S %Z %Y";
    }
    return NULL;
}

/* convert_text() - names, zones and signs; false where the letter is another. */
static bool convert_text(struct format *to, const struct conversion *c)
{
    const struct fields *f = &to->f;
    switch (c->letter) {
    case 'a':
        put_word(to, c, WORD_DAY_SHORT, f->weekday);
        return true;
    case 'A':
        put_word(to, c, WORD_DAY, f->weekday);
        return true;
    case 'b':
    case 'h':
        put_word(to, c, WORD_MONTH_SHORT, f->month - 1);
        return true;
    case 'B':
        put_word(to, c, WORD_MONTH, f->month - 1);
        return true;
    case 'p':
        put_text(to, c, f->hour < 12 ? "AM" : "PM", 2);
        return true;
    case 'P':
        put_text(to, c, f->hour < 12 ? "am" : "pm", 2);
        return true;
    case 'z':
        put_zone(to, c);
        return true;
    case 'Z':
        put_zone_name(to);
        return true;
    case 'L':
    case 'N':
        put_fraction(to, c);
        return true;
    case 'n':
        buf_char(to->out, '\n');
        return true;
    case 't':
        buf_char(to->out, '\t');
        return true;
    case '%':
        buf_char(to->out, '%');
        return true;
    }
    return false;
}

/* convert_number() - false where the letter is another. */
static bool convert_number(struct format *to, const struct conversion *c)
{
    const struct fields *f = &to->f;
    int twelve = f->hour % 12 == 0 ? 12 : f->hour % 12;
    const struct {
        char letter;
        int64_t x;
        int width;
        char pad;
    } NUMBERS[] = {
        {'Y', f->year, 0, '0'},
        {'C', f->year / 100, 2, '0'},
        {'y', f->year % 100, 2, '0'},
        {'G', f->iso_year, 0, '0'},
        {'g', f->iso_year % 100, 2, '0'},
        {'V', f->iso_week, 2, '0'},
        {'m', f->month, 2, '0'},
        {'d', f->day, 2, '0'},
        {'e', f->day, 2, ' '},
        {'j', f->yearday + 1, 3, '0'},
        {'H', f->hour, 2, '0'},
        {'k', f->hour, 2, ' '},
        {'I', twelve, 2, '0'},
        {'l', twelve, 2, ' '},
        {'M', f->minute, 2, '0'},
        {'S', f->second, 2, '0'},
        {'u', f->weekday == 0 ? 7 : f->weekday, 1, '0'},
        {'w', f->weekday, 1, '0'},
        {'U', (f->yearday + 7 - f->weekday) / 7, 2, '0'},
        {'W', (f->yearday + 7 - (f->weekday + 6) % 7) / 7, 2, '0'},
        {'s', to->m->wall_s - to->m->offset_s, 0, '0'},
    };
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        if (NUMBERS[i].letter == c->letter) {
            put_number(to, c, NUMBERS[i].x, NUMBERS[i].width, NUMBERS[i].pad);
            return true;
        }
    }
    return false;
}

static void format_all(struct format *to, const char *pattern, size_t n);

/* convert() - the conversion behind the '%' at `s`; returns its length, 0 where it is none. */
static size_t convert(struct format *to, const char *s, size_t n)
{
    struct conversion c = {.width = -1};
    size_t i = 1;
    for (; i < n && strchr("-0^_#:", s[i]) != NULL && s[i] != '\0'; i++) {
        c.pad = s[i] == '_' ? ' ' : s[i] == '-' || s[i] == '0' ? s[i] : c.pad;
        c.upper = c.upper || s[i] == '^';
        c.swap = c.swap || s[i] == '#';
        c.colons += s[i] == ':';
    }
    for (; i < n && ascii_digit(s[i]); i++) {
        c.width = (c.width < 0 ? 0 : c.width) * 10 + (s[i] - '0');
        if (c.width > 100)
            return 0;
    }
    if (i == n)
        return 0;
    c.letter = s[i];
    const char *other = compound(c.letter);
    if (other != NULL)
        format_all(to, other, strlen(other));
    else if (!convert_text(to, &c) && !convert_number(to, &c))
        return 0;
    return i + 1;
}

static void format_all(struct format *to, const char *pattern, size_t n)
{
    for (size_t i = 0; i < n && !buf_full(to->out);) {
        size_t used = pattern[i] == '%' ? convert(to, pattern + i, n - i) : 0;
        if (used == 0)
            buf_char(to->out, pattern[i++]);
        i += used;
    }
}

void moment_format(struct buf *out, const struct moment *m, const char *pattern, size_t n,
                   const char *locale, const char *zone)
{
    struct format to = {out, m, fields_of(m->wall_s), locale, zone};
    format_all(&to, pattern, n);
}
