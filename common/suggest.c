/* suggest.c - see suggest.h. Damerau-Levenshtein distance with three rows. */
#include "common/suggest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][WORD_MAX];

    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);

            row[j] = min2(min2(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == y)
                row[j] = min2(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

const char *suggest_nearest(const char *word, const char *const *words, size_t n)
{
    size_t len = strlen(word), best;
    const char *found = NULL;

    if (len == 0 || len >= WORD_MAX)
        return NULL;
    best = len / 3 > 1 ? len / 3 + 1 : 2;
    for (size_t i = 0; i < n; i++) {
        size_t d;

        if (words[i] == NULL || strlen(words[i]) >= WORD_MAX)
            continue;
        d = distance(word, len, words[i], strlen(words[i]));
        if (d < best) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
