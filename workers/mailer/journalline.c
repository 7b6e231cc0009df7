/* journalline.c - one line of the journal: to bytes and back. Pure.
 *
 *     8 hex digits of the CRC-32 of what follows the blank, then
 *     offered LEASE JOB
 *     answered LEASE JOB STATE HARD CODE STATUS...
 *     acked LEASE
 *
 * CODE is - where there is none; STATUS runs to the end. */
#include "workers/mailer/journal.h"

#include "common/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t crc32(const char *s, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)s[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
    }
    return ~crc;
}

size_t journal_format(char out[JOURNAL_LINE_MAX], const struct journal_line *line)
{
    char body[JOURNAL_LINE_MAX - 10];
    const struct verdict *v = &line->verdict;
    switch (line->kind) {
    case JOURNAL_OFFERED:
        snprintf(body, sizeof body, "offered %" PRId64 " %" PRId64, line->lease, line->job);
        break;
    case JOURNAL_ANSWERED:
        snprintf(body, sizeof body, "answered %" PRId64 " %" PRId64 " %s %d %s %s", line->lease,
                 line->job, verdict_state_name(v->state), v->hard,
                 v->code[0] != '\0' ? v->code : "-", v->status);
        break;
    case JOURNAL_ACKED:
        snprintf(body, sizeof body, "acked %" PRId64, line->lease);
        break;
    }
    return (size_t)snprintf(out, JOURNAL_LINE_MAX, "%08" PRIx32 " %s\n", crc32(body, strlen(body)),
                            body);
}

/* Takes the next word of `*s` (ended by a blank or the end) into `out`; false where there is none
 * or it is too long. */
static bool word(const char **s, char *out, size_t size)
{
    size_t n = strcspn(*s, " ");
    if (n == 0 || n >= size)
        return false;
    memcpy(out, *s, n);
    out[n] = '\0';
    *s += n;
    *s += **s == ' ';
    return true;
}

static bool number(const char **s, int64_t *ret_n)
{
    char digits[24];
    char *end = NULL;
    if (!word(s, digits, sizeof digits))
        return false;
    *ret_n = strtoll(digits, &end, 10);
    return *end == '\0';
}

static bool parse_answer(const char *s, struct journal_line *line)
{
    char state[16];
    int64_t hard = 0;
    struct verdict *v = &line->verdict;
    if (!number(&s, &line->job) || !word(&s, state, sizeof state) ||
        !verdict_state_parse(state, &v->state) || !number(&s, &hard) ||
        !word(&s, v->code, sizeof v->code) || strlen(s) > VERDICT_STATUS)
        return false;
    v->hard = hard != 0;
    if (strcmp(v->code, "-") == 0)
        v->code[0] = '\0';
    snprintf(v->status, sizeof v->status, "%s", s);
    return true;
}

bool journal_parse(const char *s, size_t n, struct journal_line *ret_line)
{
    char text[JOURNAL_LINE_MAX];
    char kind[16];
    if (n < 10 || n >= sizeof text || memchr(s, '\0', n) != NULL || !utf8_valid(s, n))
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    char sum[12];
    snprintf(sum, sizeof sum, "%08" PRIx32 " ", crc32(text + 9, n - 9));
    if (memcmp(text, sum, 9) != 0)
        return false;
    struct journal_line line = {0};
    const char *p = text + 9;
    if (!word(&p, kind, sizeof kind) || !number(&p, &line.lease))
        return false;
    if (strcmp(kind, "offered") == 0) {
        line.kind = JOURNAL_OFFERED;
        if (!number(&p, &line.job) || *p != '\0')
            return false;
    } else if (strcmp(kind, "answered") == 0) {
        line.kind = JOURNAL_ANSWERED;
        if (!parse_answer(p, &line))
            return false;
    } else if (strcmp(kind, "acked") == 0 && *p == '\0') {
        line.kind = JOURNAL_ACKED;
    } else {
        return false;
    }
    *ret_line = line;
    return true;
}
