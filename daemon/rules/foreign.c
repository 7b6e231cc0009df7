/* foreign.c - what people write who have learnt it elsewhere: quotes as Word sets them, signs of
 * programming languages, dates as they are written at home. None of it is a rule; it is recognised
 * so that the mistake says what to write in its place. To add one: a line of `signs`. */
#include "common/mem.h"
#include "common/utf8.h"
#include "daemon/rules/lexer.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static const struct {
    const char *sign, *message;
} signs[] = {
    {"==", "\"==\" is written \"=\""},
    {"&&", "\"&&\" is written \"and\""},
    {"||", "\"||\" is written \"or\""},
    {"=>", "\"=>\" is written \">=\""},
    {"=<", "\"=<\" is written \"<=\""},
    {"≥", "\"≥\" is written \">=\""},
    {"≤", "\"≤\" is written \"<=\""},
    {"≠", "\"≠\" is written \"!=\""},
    {"!=", NULL}, /* is one */
    {"!", "\"!\" is written \"not\""},
    {"[", "a list stands in round brackets"},
    {"]", "a list stands in round brackets"},
    {"+", "a rule does not calculate: there is no \"+\""},
    {"*", "a rule does not calculate: there is no \"*\""},
    {"/", "a rule does not calculate: there is no \"/\""},
    {"- ", "a rule does not calculate: there is no \"-\""},
    {"€", "an amount is a number alone, without its currency"},
    {"£", "an amount is a number alone, without its currency"},
    {"¥", "an amount is a number alone, without its currency"},
    {"$", "an amount is a number alone, without its currency"},
};

#define N_SIGNS (sizeof(signs) / sizeof(signs[0]))

static const char *const quotes[] = {"“", "”", "„", "‟", "«", "»", "‹", "›", "‘", "’", "‚", "‛"};

static bool starts(const char *s, size_t left, const char *with)
{
    size_t n = strlen(with);

    return n <= left && memcmp(s, with, n) == 0;
}

/* The place of the sign at `s`; N_SIGNS where there is none. */
static size_t sign_at(const char *s, size_t left)
{
    size_t i = 0;

    while (i < N_SIGNS && !starts(s, left, signs[i].sign))
        i++;
    return i;
}

size_t rule_blank(const char *s, size_t left)
{
    static const char *const blanks[] = {"\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x87", "\xe2\x80\x8b",
                                         "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
        if (starts(s, left, blanks[i]))
            return strlen(blanks[i]);
    return 0;
}

static size_t quote_at(const char *s, size_t left)
{
    for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
        if (starts(s, left, quotes[i]))
            return strlen(quotes[i]);
    return 0;
}

size_t rule_word(const char *s, size_t left)
{
    size_t n = 0;

    if (left == 0 || isdigit((unsigned char)*s) || quote_at(s, left) > 0)
        return 0;
    while (n < left) {
        bool ascii = (unsigned char)s[n] < 0x80;

        if (ascii && !isalnum((unsigned char)s[n]) && s[n] != '_')
            break;
        if (!ascii && (rule_blank(s + n, left - n) > 0 || sign_at(s + n, left - n) < N_SIGNS ||
                       (quote_at(s + n, left - n) > 0 && !starts(s + n, left - n, "’"))))
            break;
        n += ascii ? 1 : utf8_length(s + n, left - n);
    }
    return n;
}

/* A text in such quotes, up to the next of them or a straight one; only the quote where there is
 * none on its line. */
static size_t foreign_text(const void *ctx, const char *s, size_t left, const char **ret)
{
    size_t open = quote_at(s, left);

    *ret = "a text stands in straight double quotes";
    if (open == 0)
        return 0;
    for (size_t i = open; i < left && s[i] != '\n'; i += utf8_length(s + i, left - i)) {
        size_t close = s[i] == '"' ? 1 : quote_at(s + i, left - i);

        if (close == 0)
            continue;
        *ret = mem_printf(ctx, "a text stands in straight double quotes: \"%.*s\"",
                          (int)utf8_fit(s + open, i - open > 60 ? 60 : i - open), s + open);
        return i + close;
    }
    return open;
}

static size_t digits_at(const char *s, size_t left)
{
    size_t n = 0;

    while (n < left && isdigit((unsigned char)s[n]))
        n++;
    return n;
}

/* 31/12/2025, 31-12-2025, 31.12.25, 2025/12/31. Which is the day and which the month is known only
 * where one of them is more than 12. */
static size_t foreign_date(const void *ctx, const char *s, size_t left, const char **ret)
{
    int part[3] = {0};
    size_t digits[3], at = 0;

    for (int i = 0; i < 3; i++) {
        if (i > 0 &&
            (at >= left || strchr("/.-", s[at]) == NULL || (i == 2 && s[at] != s[digits[0]])))
            return 0;
        at += i > 0;
        digits[i] = digits_at(s + at, left - at);
        if (digits[i] == 0 || digits[i] > 4 || digits[i] == 3)
            return 0;
        for (size_t end = at + digits[i]; at < end; at++)
            part[i] = part[i] * 10 + (s[at] - '0');
    }
    if (digits[1] > 2 || (digits[0] == 4 && (digits[2] == 4 || s[4] == '-')))
        return 0;
    *ret = "a date is written as year, month and day, such as 2026-03-01";
    if (digits[0] == 4 && part[1] <= 12 && part[2] <= 31)
        *ret = mem_printf(ctx, "this date is written %04d-%02d-%02d", part[0], part[1], part[2]);
    else if (digits[2] == 4 && part[1] <= 12 && part[0] > 12 && part[0] <= 31)
        *ret = mem_printf(ctx, "this date is written %04d-%02d-%02d", part[2], part[1], part[0]);
    else if (digits[2] == 4 && part[0] <= 12 && part[1] > 12 && part[1] <= 31)
        *ret = mem_printf(ctx, "this date is written %04d-%02d-%02d", part[2], part[0], part[1]);
    return at;
}

size_t rule_foreign(const void *ctx, const char *s, size_t left, const char **ret)
{
    size_t i = sign_at(s, left);

    if (i < N_SIGNS) {
        *ret = signs[i].message;
        return *ret == NULL ? 0 : strlen(signs[i].sign);
    }
    if (isdigit((unsigned char)*s))
        return foreign_date(ctx, s, left, ret);
    return foreign_text(ctx, s, left, ret);
}
