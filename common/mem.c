/* mem.c - see mem.h. */
#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void mem_bug(const char *file, int line, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "<0>bug at=%s:%d what=\"", file, line);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputs("\"\n", stderr);
    abort();
}

void *mem_must(void *p)
{
    if (p == NULL) {
        fputs("<0>out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_zero(void *p, size_t size)
{
    return memset(mem_must(p), 0, size);
}

void *mem_grow_to(const void *ctx, void *array, size_t item, size_t *cap, size_t n)
{
    size_t want = *cap == 0 ? 8 : *cap;

    if (array != NULL && n <= *cap)
        return array;
    while (want < n)
        want *= 2;
    *cap = want;
    return mem_must(talloc_realloc_size(ctx, array, want * item));
}

char *mem_strdup(const void *ctx, const char *s)
{
    return mem_must(talloc_strdup(ctx, s));
}

char *mem_strndup(const void *ctx, const char *s, size_t n)
{
    return mem_must(talloc_strndup(ctx, s, n));
}

char *mem_printf(const void *ctx, const char *format, ...)
{
    va_list ap;
    char *s;

    va_start(ap, format);
    s = talloc_vasprintf(ctx, format, ap);
    va_end(ap);
    return mem_must(s);
}

void mem_free_scoped(void *pp)
{
    talloc_free(*(void **)pp);
}
