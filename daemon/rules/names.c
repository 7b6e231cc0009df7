/* names.c - which known name is close to a mistyped one; and what the literals of a rule are worth.
 * See tree.h. */
#include "common/mem.h"
#include "daemon/rules/tree.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_COMPARED 64

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int lower(char c)
{
    return tolower((unsigned char)c);
}

int rule_distance(const char *a, const char *b, int limit)
{
    int rows[3][NAME_MAX_COMPARED + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    int na = (int)strlen(a), nb = (int)strlen(b);

    if (na > NAME_MAX_COMPARED || nb > NAME_MAX_COMPARED)
        return strcmp(a, b) == 0 ? 0 : limit + 1;
    for (int j = 0; j <= nb; j++)
        above[j] = j;
    for (int i = 1; i <= na; i++) {
        int *spare = before;

        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            bool same = lower(a[i - 1]) == lower(b[j - 1]);

            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = spare;
    }
    return least(above[nb], limit + 1);
}

struct rule_close rule_close_start(const char *wanted)
{
    size_t n = strlen(wanted);

    /* A third of the letters may be wrong, but at most 3. */
    return (struct rule_close){.wanted = wanted,
                               .distance = (n < 3   ? 0
                                            : n < 6 ? 1
                                            : n < 9 ? 2
                                                    : 3) +
                                           1};
}

void rule_close_offer(struct rule_close *close, const char *name)
{
    int distance = rule_distance(close->wanted, name, close->distance);

    if (distance < close->distance) {
        close->distance = distance;
        close->best = name;
    }
}

const char *rule_close_hint(const void *ctx, const struct rule_close *close)
{
    return close->best == NULL ? "" : mem_printf(ctx, "; did you mean \"%s\"?", close->best);
}

bool rule_date_has_time(const char *text)
{
    return strchr(text, 'T') != NULL || strchr(text, 't') != NULL;
}

bool rule_number_scaled(const char *text, int digits, int64_t *ret, bool *ret_fraction)
{
    bool negative = *text == '-';
    int after_point = -1;
    int64_t value = 0;

    *ret_fraction = false;
    for (const char *s = text + (negative ? 1 : 0); *s != '\0'; s++) {
        if (*s == '.') {
            after_point = 0;
            continue;
        }
        if (after_point >=
            digits) { /* 2.50 in whole euros is no fraction of a cent; 2.505 is one */
            if (*s != '0') {
                *ret_fraction = true;
                return false;
            }
            continue;
        }
        if (after_point >= 0)
            after_point++;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *s - '0', &value))
            return false;
    }
    for (int i = after_point < 0 ? 0 : after_point; i < digits; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    /* Collected below zero, where there is one more. */
    if (!negative && __builtin_mul_overflow(value, -1, &value))
        return false;
    *ret = value;
    return true;
}
