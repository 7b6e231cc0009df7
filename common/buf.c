/* buf.c - see buf.h. */
#include "common/buf.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BUF_FIRST 256

void buf_init(struct buf *b, const void *ctx, size_t max)
{
    b->cap = BUF_FIRST;
    b->data = mem_must(talloc_size(ctx, b->cap));
    b->max = max;
    buf_reset(b);
}

void buf_done(struct buf *b)
{
    talloc_free(b->data);
    memset(b, 0, sizeof(*b));
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->full = false;
    b->data[0] = '\0';
}

/* Makes room for n more bytes and a NUL; false where the maximum forbids it. */
static bool buf_room(struct buf *b, size_t n)
{
    size_t cap = b->cap;

    if (b->full || n > b->max - b->len) {
        b->full = true;
        return false;
    }
    while (cap < b->len + n + 1)
        cap *= 2;
    if (cap != b->cap) {
        b->data = mem_must(talloc_realloc_size(NULL, b->data, cap));
        b->cap = cap;
    }
    return true;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !buf_room(b, n))
        return;
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, format);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0)
        bug("vsnprintf refuses its format");
    if (buf_room(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

static void buf_json_control(struct buf *b, unsigned char c)
{
    switch (c) {
    case '\n':
        buf_str(b, "\\n");
        break;
    case '\r':
        buf_str(b, "\\r");
        break;
    case '\t':
        buf_str(b, "\\t");
        break;
    default:
        buf_printf(b, "\\u%04x", c);
    }
}

void buf_json(struct buf *b, const char *s, size_t n)
{
    size_t i = 0;

    buf_char(b, '"');
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        size_t len = utf8_length(s + i, n - i);

        if (len == 0) {
            buf_str(b, "\xef\xbf\xbd");
            i++;
        } else if (c == '"' || c == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)c);
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            buf_json_control(b, c);
            i++;
        } else {
            buf_add(b, s + i, len);
            i += len;
        }
    }
    buf_char(b, '"');
}

static const char *buf_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void buf_html(struct buf *b, const char *s, size_t n)
{
    size_t start = 0;

    for (size_t i = 0; i < n; i++) {
        const char *entity = buf_entity(s[i]);

        if (entity == NULL)
            continue;
        buf_add(b, s + start, i - start);
        buf_str(b, entity);
        start = i + 1;
    }
    buf_add(b, s + start, n - start);
}

bool buf_full(const struct buf *b)
{
    return b->full;
}

char *buf_take(struct buf *b, const void *ctx)
{
    char *data = talloc_steal(ctx, b->data);

    memset(b, 0, sizeof(*b));
    return data;
}
