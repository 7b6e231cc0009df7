/* currency.c - see currency.h. */
#include "daemon/org/currency.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unicode/ucurr.h>
#include <unicode/ustring.h>

#define AMOUNT_MAX      INT64_C(1000000000000000)
#define REAL_AMOUNT_MAX 1e12

bool currency_is_code(const char *s)
{
    return strlen(s) == 3 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}

int currency_digits(const char *code)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar name[4] = {0};
    int32_t digits;

    if (strlen(code) != 3)
        return 2;
    u_charsToUChars(code, name, 3);
    digits = ucurr_getDefaultFractionDigits(name, &status);
    return U_FAILURE(status) ? 2 : digits;
}

bool amount_parse(const char *s, int digits, int64_t *ret_minor)
{
    bool negative = *s == '-';
    int64_t minor = 0;
    int after = -1; /* digits seen after the point; -1: no point yet */

    if (negative)
        s++;
    if (!isdigit((unsigned char)*s))
        return false;
    for (; *s != '\0'; s++) {
        if (*s == '.' && after < 0) {
            after = 0;
            if (!isdigit((unsigned char)s[1]))
                return false;
            continue;
        }
        if (!isdigit((unsigned char)*s))
            return false;
        if (after >= digits) {
            if (*s != '0')
                return false;
            continue;
        }
        minor = minor * 10 + (*s - '0');
        after += after >= 0;
        if (minor > AMOUNT_MAX)
            return false;
    }
    for (int i = after < 0 ? 0 : after; i < digits; i++)
        minor *= 10;
    if (minor > AMOUNT_MAX)
        return false;
    *ret_minor = negative ? -minor : minor;
    return true;
}

bool amount_text(const json_t *value, char out[AMOUNT_TEXT])
{
    if (json_is_string(value))
        return strlen(json_string_value(value)) == json_string_length(value) &&
               (size_t)snprintf(out, AMOUNT_TEXT, "%s", json_string_value(value)) < AMOUNT_TEXT;
    if (json_is_integer(value))
        return (size_t)snprintf(out, AMOUNT_TEXT, "%lld", (long long)json_integer_value(value)) <
               AMOUNT_TEXT;
    if (!json_is_real(value) || fabs(json_real_value(value)) >= REAL_AMOUNT_MAX)
        return false;
    return (size_t)snprintf(out, AMOUNT_TEXT, "%.15g", json_real_value(value)) < AMOUNT_TEXT;
}

const char *amount_format(int64_t minor, int digits, char out[AMOUNT_TEXT])
{
    uint64_t absolute = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    uint64_t unit = 1;

    for (int i = 0; i < digits; i++)
        unit *= 10;
    if (digits == 0)
        snprintf(out, AMOUNT_TEXT, "%s%" PRIu64, minor < 0 ? "-" : "", absolute);
    else
        snprintf(out, AMOUNT_TEXT, "%s%" PRIu64 ".%0*" PRIu64, minor < 0 ? "-" : "",
                 absolute / unit, digits, absolute % unit);
    return out;
}
