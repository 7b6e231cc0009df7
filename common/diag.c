/* diag.c - see diag.h. */
#include "common/diag.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <stdarg.h>
#include <string.h>

#define KEY_MAX 200

void diag_init(struct diag *d, const void *ctx)
{
    *d = (struct diag){.ctx = ctx};
}

/* What a message quotes is cut by bytes ("%.80s"): half a character at such a cut goes. */
static char *diag_message(const void *ctx, const char *format, va_list ap)
{
    char *text = mem_must(talloc_vasprintf(ctx, format, ap)), *out = text;
    size_t n = strlen(text), length;

    for (size_t i = 0; i<n; i += length> 0 ? length : 1) {
        length = utf8_length(text + i, n - i);
        out = (char *)memmove(out, text + i, length) + length;
    }
    *out = '\0';
    return text;
}

static void diag_add(struct diag *d, int line, int column, const char *pointer, const char *format,
                     va_list ap)
{
    struct diag_item *item;

    if (d->n == DIAG_MAX)
        return;
    mem_grow(d->ctx, &d->items, &d->cap, d->n + 1);
    item = &d->items[d->n++];
    item->line = line;
    item->column = column;
    item->pointer = pointer == NULL ? NULL : mem_strdup(d->ctx, pointer);
    item->message = diag_message(d->ctx, format, ap);
}

void diag_at(struct diag *d, int line, int column, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    diag_add(d, line, column, NULL, format, ap);
    va_end(ap);
}

void diag_field(struct diag *d, const char *pointer, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    diag_add(d, 0, 0, pointer, format, ap);
    va_end(ap);
}

bool diag_any(const struct diag *d)
{
    return d->n > 0;
}

char *diag_pointer(const void *ctx, const char *pointer, const char *key)
{
    size_t n = strlen(pointer), most = strnlen(key, KEY_MAX);
    char *text = mem_array(ctx, char, n + 2 * most + 2);
    char *out = mempcpy(text, pointer, n);

    /* A character is not cut in two. */
    while (most < strlen(key) && most > 0 && ((unsigned char)key[most] & 0xc0) == 0x80)
        most--;
    *out++ = '/';
    for (size_t i = 0; i < most; i++) {
        if (key[i] == '~' || key[i] == '/')
            *out++ = '~';
        *out++ = (char)(key[i] == '~' ? '0' : key[i] == '/' ? '1' : key[i]);
    }
    *out = '\0';
    return text;
}
