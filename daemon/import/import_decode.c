/* import_decode.c - see import_decode.h. */
#include "daemon/import/import_decode.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <string.h>
#include <unicode/ucnv.h>

#define HEAD  4096
#define PIECE 4096

static const struct {
    const char *name, *icu;
} encodings[] = {{"utf-8", "UTF-8"},
                 {"utf-16le", "UTF-16LE"},
                 {"utf-16be", "UTF-16BE"},
                 {"windows-1252", "windows-1252"},
                 {"iso-8859-1", "ISO-8859-1"}};
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static const char *icu_name(const char *name)
{
    for (size_t i = 0; i < ENCODINGS; i++)
        if (strcmp(encodings[i].name, name) == 0)
            return encodings[i].icu;
    return NULL;
}

bool import_encoding_known(const char *name)
{
    return icu_name(name) != NULL;
}

/* --- sniffing -----------------------------------------------------------------------------------
 */

/* Whether the `n` bytes may be the beginning of a character whose end is not there. */
static bool is_cut(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 0;

    return n < whole;
}

static void sniff_utf8(struct import_sniff *s, const char *bytes, size_t n)
{
    while (n > 0 && !s->broken) {
        size_t len = utf8_length(bytes, n);

        if (len == 0 && is_cut(bytes, n)) {
            memcpy(s->rest, bytes, n);
            s->n_rest = n;
            return;
        }
        s->broken = len == 0;
        bytes += len;
        n -= len;
    }
}

void import_sniff_add(struct import_sniff *s, const char *bytes, size_t n)
{
    char joint[8];
    size_t from = 0;

    for (size_t i = 0; i < n && s->n + i < HEAD; i++) {
        if (s->n + i < sizeof(s->head))
            s->head[s->n + i] = (unsigned char)bytes[i];
        s->zeros[(s->n + i) % 2] += bytes[i] == '\0';
    }
    s->n += n;
    if (s->n_rest > 0) {
        size_t had = s->n_rest, len;

        from = n < 4 - had ? n : 4 - had;
        memcpy(joint, s->rest, had);
        memcpy(joint + had, bytes, from);
        s->n_rest = 0;
        len = utf8_length(joint, had + from);
        if (len == 0)
            sniff_utf8(s, joint, had + from);
        from = len > had ? len - had : n < from ? n : from;
        if (len == 0)
            return;
    }
    sniff_utf8(s, bytes + from, n - from);
}

const char *import_sniff_end(const struct import_sniff *s)
{
    size_t seen = s->n < HEAD ? s->n : HEAD;

    if (s->n >= 2 && s->head[0] == 0xFF && s->head[1] == 0xFE)
        return "utf-16le";
    if (s->n >= 2 && s->head[0] == 0xFE && s->head[1] == 0xFF)
        return "utf-16be";
    if (s->zeros[1] * 4 > seen && s->zeros[0] * 20 < seen)
        return "utf-16le";
    if (s->zeros[0] * 4 > seen && s->zeros[1] * 20 < seen)
        return "utf-16be";
    return s->broken || s->n_rest > 0 ? "windows-1252" : "utf-8";
}

/* --- decoding -----------------------------------------------------------------------------------
 */

struct import_decode {
    UConverter *from, *to;
    UChar pivot[PIECE];
    UChar *pivot_source, *pivot_target;
    bool begun;
};

static int decode_free(struct import_decode *d)
{
    ucnv_close(d->from);
    ucnv_close(d->to);
    return 0;
}

struct import_decode *import_decode_new(const void *ctx, const char *encoding)
{
    struct import_decode *d = mem_new(ctx, struct import_decode);
    UErrorCode error = U_ZERO_ERROR;

    d->from = ucnv_open(icu_name(encoding), &error);
    d->to = ucnv_open("UTF-8", &error);
    if (U_FAILURE(error))
        bug("ICU does not know %s", encoding);
    d->pivot_source = d->pivot_target = d->pivot;
    talloc_set_destructor(d, decode_free);
    return d;
}

/* What is stored holds no NUL, and the mark at the beginning is no text. */
static void text_add(struct import_decode *d, struct buf *out, const char *text, size_t n)
{
    if (!d->begun && n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        n -= 3;
    }
    d->begun = d->begun || n > 0;
    while (n > 0) {
        size_t plain = strnlen(text, n);

        buf_add(out, text, plain);
        if (plain < n)
            buf_str(out, "\xEF\xBF\xBD");
        text += plain < n ? plain + 1 : plain;
        n -= plain < n ? plain + 1 : plain;
    }
}

void import_decode_add(struct import_decode *d, const char *bytes, size_t n, bool last,
                       struct buf *out)
{
    const char *from = bytes, *end = bytes + n;
    UErrorCode error;

    do {
        char piece[PIECE], *to = piece;

        error = U_ZERO_ERROR;
        ucnv_convertEx(d->to, d->from, &to, piece + sizeof(piece), &from, end, d->pivot,
                       &d->pivot_source, &d->pivot_target, d->pivot + PIECE, false, last, &error);
        text_add(d, out, piece, (size_t)(to - piece));
    } while (error == U_BUFFER_OVERFLOW_ERROR);
    if (U_FAILURE(error))
        bug("decoding: %s", u_errorName(error));
}
