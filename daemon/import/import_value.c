/* import_value.c - see import_value.h. */
#include "daemon/import/import_value.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/template/decimal.h"
#include "common/template/moment.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uloc.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#define DIGITS         "0123456789"
#define TEXT_MAX       100
#define NAME_MAX_BYTES 400

/* --- amounts ------------------------------------------------------------------------------------
 */

/* Without the currency's sign and blanks, be they plain or no-break ones; NULL where letters
 * remain. */
static char *amount_bare(const void *ctx, const char *text)
{
    static const char *const signs[] = {
        "€", "$", "£", "EUR", "USD", "GBP", "\xC2\xA0", "\xE2\x80\xAF", " ", "'"};
    char *bare = mem_strdup(ctx, text);

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t n = strlen(signs[i]);
        char *at;

        while ((at = strstr(bare, signs[i])) != NULL)
            memmove(at, at + n, strlen(at + n) + 1);
    }
    return strspn(bare, DIGITS ".,-+") == strlen(bare) ? bare : NULL;
}

/* Takes every `mark` out; false where they do not stand before groups of three. */
static bool groups_drop(char *s, char mark)
{
    char *at = strchr(s, mark), *to;

    if (at != NULL && at == s)
        return false;
    for (to = at; at != NULL && *at == mark;) {
        if (strspn(at + 1, DIGITS) != 3)
            return false;
        memmove(to, at + 1, 3);
        to += 3;
        at += 4;
    }
    if (to != NULL)
        memmove(to, at, strlen(at) + 1);
    return to == NULL || strchr(s, mark) == NULL;
}

/* As it was declared: nothing but the declared marks may stand there. */
static bool marks_declared(char *bare, const struct import_format *f)
{
    char *mark;

    if (f->thousands != 0 && f->thousands != ' ' && f->thousands != '\'' &&
        !groups_drop(bare, f->thousands))
        return false;
    mark = strchr(bare, f->decimal);
    if (f->decimal != '.' && strchr(bare, '.') != NULL)
        return false;
    if (mark != NULL)
        *mark = '.';
    return true;
}

/* As the value itself shows. */
static bool marks_found(char *bare)
{
    char *comma = strrchr(bare, ','), *point = strrchr(bare, '.');

    if (comma != NULL && point != NULL) {
        if (!groups_drop(bare, comma > point ? '.' : ','))
            return false;
        comma = strchr(bare, ',');
    } else if (comma != NULL && strlen(comma + 1) == 3) {
        return false; /* a thousand, or three decimals? */
    }
    if (comma != NULL)
        *comma = '.';
    return true;
}

char *import_amount(const void *ctx, const char *text, const struct import_format *f)
{
    char *bare = amount_bare(ctx, text);
    const char *digits;

    if (bare == NULL || !(f->decimal != 0 ? marks_declared(bare, f) : marks_found(bare)))
        return NULL;
    digits = bare + (*bare == '-' || *bare == '+');
    digits += strspn(digits, DIGITS);
    if (*digits == '.')
        digits += 1 + strspn(digits + 1, DIGITS);
    if (*digits != '\0' || strpbrk(bare, DIGITS) == NULL)
        return NULL;
    return *bare == '+' ? bare + 1 : bare;
}

char *import_product(const void *ctx, const char *a, const char *b, int digits)
{
    struct decimal x, y, product;
    struct buf text;

    if (!decimal_parse(a, strlen(a), &x) || !decimal_parse(b, strlen(b), &y) ||
        !decimal_multiply(x, y, &product))
        return NULL;
    buf_init(&text, ctx, TEXT_MAX);
    decimal_print(&text, decimal_round(product, digits));
    return buf_take(&text, ctx);
}

/* --- days ---------------------------------------------------------------------------------------
 */

bool import_days_parse(const char *pattern, struct import_format *ret_format)
{
    static const struct {
        const char *letters;
        enum import_days days;
        bool short_years;
    } orders[] = {{"yyyymmdd", IMPORT_DAYS_ymd, false}, {"ddmmyyyy", IMPORT_DAYS_dmy, false},
                  {"mmddyyyy", IMPORT_DAYS_mdy, false}, {"yymmdd", IMPORT_DAYS_ymd, true},
                  {"ddmmyy", IMPORT_DAYS_dmy, true},    {"mmddyy", IMPORT_DAYS_mdy, true}};
    char letters[12] = "";
    size_t n = 0;

    for (; *pattern != '\0'; pattern++) {
        if (strchr("/.- ", *pattern) != NULL)
            continue;
        if (n + 1 >= sizeof(letters))
            return false;
        letters[n++] = (char)(*pattern >= 'A' && *pattern <= 'Z' ? *pattern - 'A' + 'a' : *pattern);
        letters[n] = '\0';
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        if (strcmp(orders[i].letters, letters) == 0) {
            ret_format->days = orders[i].days;
            ret_format->short_years = orders[i].short_years;
            return true;
        }
    return false;
}

/* Three numbers with the same mark between them and how many digits each has; how many bytes they
 * take, or 0. */
static size_t parts_read(const char *text, int part[3], size_t width[3])
{
    const char *s = text;
    char mark = 0;

    for (int i = 0; i < 3; i++) {
        width[i] = strspn(s, DIGITS);
        if (width[i] == 0 || width[i] > 4)
            return 0;
        part[i] = (int)strtol(s, NULL, 10);
        s += width[i];
        if (i == 2)
            break;
        if (*s == '\0' || strchr("/-.", *s) == NULL || (i == 1 && *s != mark))
            return 0;
        mark = *s++;
    }
    return (size_t)(s - text);
}

static int year_of(int year, size_t digits, bool short_years)
{
    if (digits == 2 && short_years)
        return year < 30 ? 2000 + year : 1900 + year;
    return digits == 4 ? year : 0; /* which is never doubtful */
}

char *import_day(const void *ctx, const char *text, const struct import_format *f)
{
    enum import_days days = f->days;
    int part[3], year, month, day, at;
    size_t width[3], used = parts_read(text, part, width);

    if (used == 0)
        return NULL;
    if (days == IMPORT_DAYS_any)
        days = width[0] == 4 ? IMPORT_DAYS_ymd : IMPORT_DAYS_dmy;
    at = days == IMPORT_DAYS_ymd ? 0 : 2;
    if (width[2 - at] > 2 || width[1] > 2)
        return NULL;
    year = year_of(part[at], width[at], f->short_years);
    month = days == IMPORT_DAYS_mdy ? part[0] : part[1];
    day = days == IMPORT_DAYS_mdy ? part[1] : part[2 - at];
    if (year < 1000 || month < 1 || day < 1)
        return NULL;
    return mem_printf(ctx, "%04d-%02d-%02d%s", year, month, day, text + used);
}

/* A time on the wall of `zone` as an instant; NULL where it is none. */
static char *wall_instant(const void *ctx, const char *text, const char *zone)
{
    struct moment m;
    char out[CLOCK_TEXT];

    if (!moment_read(text, strlen(text), &m) || !m.has_time || !moment_place(&m, zone))
        return NULL;
    return mem_strdup(ctx, clock_format((m.wall_s - m.offset_s) * CLOCK_SECOND_US + m.micro, out));
}

char *import_instant(const void *ctx, const char *text, const struct import_format *f)
{
    char *day = import_day(ctx, text, f);
    const char *time, *offset, *seconds;

    if (day == NULL || strlen(day) <= 10)
        return day;
    if ((day[10] != ' ' && day[10] != 'T') || day[11] < '0' || day[11] > '9')
        return NULL;
    time = day + 11;
    offset = time + strspn(time, DIGITS ":.");
    seconds = offset - time == 5 || offset - time == 4 ? ":00" : "";
    if (*offset == '\0')
        return wall_instant(
            ctx, mem_printf(ctx, "%.10sT%s%s%s", day, time[1] == ':' ? "0" : "", time, seconds),
            f->time_zone);
    return mem_printf(ctx, "%.10sT%.*s%s%s", day, (int)(offset - time), time, seconds, offset);
}

/* --- countries ----------------------------------------------------------------------------------
 */

/* Small letters of `n` units, as UTF-8; "" where it is too long. */
static void name_fold(const UChar *name, char out[NAME_MAX_BYTES])
{
    UChar folded[TEXT_MAX];
    UErrorCode error = U_ZERO_ERROR;

    u_strFoldCase(folded, TEXT_MAX, name, -1, U_FOLD_CASE_DEFAULT, &error);
    u_strToUTF8(out, NAME_MAX_BYTES, NULL, folded, -1, &error);
    if (U_FAILURE(error) || error == U_STRING_NOT_TERMINATED_WARNING)
        out[0] = '\0';
}

/* Names of all countries in Spanish and English, in small letters, each with its code. */
static json_t *names_read(void)
{
    static const char *const locales[] = {"es", "en"};
    json_t *names = mem_must(json_object());

    for (const char *const *code = uloc_getISOCountries(); *code != NULL; code++)
        for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++) {
            char id[8], folded[NAME_MAX_BYTES];
            UChar name[TEXT_MAX];
            UErrorCode error = U_ZERO_ERROR;

            snprintf(id, sizeof(id), "und_%s", *code);
            uloc_getDisplayCountry(id, locales[i], name, TEXT_MAX, &error);
            if (error != U_ZERO_ERROR)
                continue;
            name_fold(name, folded);
            json_object_set_new(names, folded, json_string(*code));
        }
    return names;
}

char *import_country(const void *ctx, const char *text)
{
    static json_t *names;
    char folded[NAME_MAX_BYTES];
    UChar wanted[TEXT_MAX];
    UErrorCode error = U_ZERO_ERROR;
    const char *code;

    if (strlen(text) == 2)
        return mem_strdup(ctx, text);
    u_strFromUTF8(wanted, TEXT_MAX, NULL, text, -1, &error);
    if (error != U_ZERO_ERROR)
        return NULL;
    if (names == NULL)
        names = names_read();
    name_fold(wanted, folded);
    code = json_string_value(json_object_get(names, folded));
    return code == NULL ? NULL : mem_strdup(ctx, code);
}

/* --- labels -------------------------------------------------------------------------------------
 */

char *import_fold(const void *ctx, const char *text)
{
    int32_t cap = (int32_t)strlen(text) * 4 + 8, n = 0, kept = 0;
    UChar *plain = mem_array(NULL, UChar, cap), *wide = mem_array(plain, UChar, cap);
    char *folded = mem_array(ctx, char, cap * 3);
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&error);

    u_strFromUTF8(plain, cap, &n, text, -1, &error);
    n = unorm2_normalize(nfd, plain, n, wide, cap, &error);
    for (int32_t i = 0; U_SUCCESS(error) && i < n; i++)
        if (wide[i] < 0x300 || wide[i] > 0x36F)
            plain[kept++] = wide[i];
    n = u_strToLower(wide, cap, plain, kept, "", &error);
    u_strToUTF8(folded, cap * 3, NULL, wide, n, &error);
    talloc_free(plain);
    return U_SUCCESS(error) ? folded : mem_strdup(ctx, text);
}
