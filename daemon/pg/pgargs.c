/* pgargs.c - see pgargs.h. */
#include "daemon/pg/pgargs.h"

#include "common/clock.h"
#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

/* A little less than what PostgreSQL takes in one message. */
#define PGARRAY_BYTES_MAX (900U << 20)

void pgargs_init(struct pgargs *a, const void *ctx)
{
    a->ctx = ctx;
    a->values = NULL;
    a->cap = 0;
    a->n = 0;
}

static void pgargs_add(struct pgargs *a, const char *value)
{
    mem_grow(a->ctx, &a->values, &a->cap, (size_t)a->n + 1);
    a->values[a->n++] = value;
}

void pgargs_params(struct pgargs *a, const char *const *params, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pgargs_add(a, params[i]);
}

void pgargs_text(struct pgargs *a, const char *s)
{
    pgargs_add(a, s == NULL ? NULL : mem_strdup(a->ctx, s));
}

void pgargs_int(struct pgargs *a, int64_t value)
{
    pgargs_add(a, mem_printf(a->ctx, "%" PRId64, value));
}

void pgargs_bool(struct pgargs *a, bool value)
{
    pgargs_add(a, value ? "t" : "f");
}

void pgargs_instant(struct pgargs *a, int64_t at_us)
{
    char text[CLOCK_TEXT];

    pgargs_add(a, mem_strdup(a->ctx, clock_format(at_us, text)));
}

void pgargs_bytea(struct pgargs *a, const void *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    char *out = mem_array(a->ctx, char, 2 * n + 3);

    out[0] = '\\';
    out[1] = 'x';
    for (size_t i = 0; i < n; i++) {
        out[2 + 2 * i] = hex[b[i] >> 4];
        out[3 + 2 * i] = hex[b[i] & 15];
    }
    pgargs_add(a, out);
}

void pgarray_init(struct pgarray *a, const void *ctx)
{
    buf_init(&a->text, ctx, PGARRAY_BYTES_MAX);
    buf_char(&a->text, '{');
    a->n = 0;
}

static void pgarray_next(struct pgarray *a)
{
    if (a->n++ > 0)
        buf_char(&a->text, ',');
}

void pgarray_text(struct pgarray *a, const char *s)
{
    pgarray_next(a);
    if (s == NULL) {
        buf_str(&a->text, "NULL");
        return;
    }
    buf_char(&a->text, '"');
    for (size_t plain; *s != '\0'; s += plain) {
        plain = strcspn(s, "\"\\");
        buf_add(&a->text, s, plain);
        if (s[plain] != '\0') {
            buf_char(&a->text, '\\');
            buf_char(&a->text, s[plain++]);
        }
    }
    buf_char(&a->text, '"');
}

void pgarray_int(struct pgarray *a, int64_t value)
{
    pgarray_next(a);
    buf_printf(&a->text, "%" PRId64, value);
}

void pgarray_bool(struct pgarray *a, bool value)
{
    pgarray_next(a);
    buf_char(&a->text, value ? 't' : 'f');
}

void pgarray_instant(struct pgarray *a, int64_t at_us)
{
    char text[CLOCK_TEXT];

    pgarray_next(a);
    buf_str(&a->text, clock_format(at_us, text));
}

void pgargs_array(struct pgargs *args, struct pgarray *a)
{
    buf_char(&a->text, '}');
    if (buf_full(&a->text))
        bug("an array parameter is larger than %u bytes", PGARRAY_BYTES_MAX);
    pgargs_add(args, buf_take(&a->text, args->ctx));
}
