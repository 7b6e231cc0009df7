/* fuzz_uri.c - any bytes as the target of a request: what is accepted is UTF-8, has no control
 * characters in its path and no dots for segments, and is read the same where it is written
 * percent-encoded throughout. */
#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "daemon/http/http_uri.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void encode(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++)
        buf_printf(out, "%%%02X", (unsigned char)*s);
}

static const char *encode_all(const void *ctx, const struct http_uri *uri)
{
    struct buf out;

    buf_init(&out, ctx, (size_t)1 << 24);
    for (size_t i = 0; i < uri->n_segments; i++) {
        buf_char(&out, '/');
        encode(&out, uri->segments[i]);
    }
    for (size_t i = 0; i < uri->query.n; i++) {
        buf_char(&out, i == 0 ? '?' : '&');
        encode(&out, uri->query.items[i].name);
        buf_char(&out, '=');
        encode(&out, uri->query.items[i].value);
    }
    return out.data;
}

static void check_segment(const char *s)
{
    if (!utf8_valid(s, strlen(s)) || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        bug("a segment that must be refused");
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            bug("a segment holds the character %d", *s);
}

static void check_same(const struct http_uri *a, const struct http_uri *b)
{
    if (a->n_segments != b->n_segments || a->query.n != b->query.n)
        bug("encoded, it has other parts");
    for (size_t i = 0; i < a->n_segments; i++)
        if (strcmp(a->segments[i], b->segments[i]) != 0)
            bug("encoded, segment %d is another", (int)i);
    for (size_t i = 0; i < a->query.n; i++)
        if (strcmp(a->query.items[i].name, b->query.items[i].name) != 0 ||
            strcmp(a->query.items[i].value, b->query.items[i].value) != 0)
            bug("encoded, field %d is another", (int)i);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    struct http_uri uri, again;

    if (!http_uri_parse(ctx, mem_strndup(ctx, (const char *)bytes, n), &uri))
        return 0;
    for (size_t i = 0; i < uri.n_segments; i++)
        check_segment(uri.segments[i]);
    for (size_t i = 0; i < uri.query.n; i++)
        if (!utf8_valid(uri.query.items[i].name, strlen(uri.query.items[i].name)) ||
            !utf8_valid(uri.query.items[i].value, strlen(uri.query.items[i].value)))
            bug("a field of the query is not UTF-8");
    if (!http_uri_parse(ctx, encode_all(ctx, &uri), &again))
        bug("encoded, it is refused");
    check_same(&uri, &again);
    return 0;
}
