/* diag.c - see diag.h. */
#include "common/diag.h"

#include "common/mem.h"

#include <stdarg.h>

void diag_init(struct diag *d, const void *ctx)
{
    *d = (struct diag){.ctx = ctx};
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
    item->message = mem_must(talloc_vasprintf(d->ctx, format, ap));
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
