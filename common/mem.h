/* mem.h - allocation under talloc that never fails.
 *
 * Every object is the child of what outlives it. Out of memory aborts: the truth is in
 * PostgreSQL, and systemd starts us again (DESIGN.md, principle 1). */
#ifndef LAZO_COMMON_MEM_H
#define LAZO_COMMON_MEM_H

#include <stddef.h>
#include <talloc.h>

/* bug() - says what is impossible and where, and aborts. For our own mistakes alone. */
#define bug(...) mem_bug(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void mem_bug(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* mem_must() - returns `p`, aborts where it is NULL. */
void *mem_must(void *p);

/* mem_new() - a zeroed object of `type`, child of `ctx`. */
#define mem_new(ctx, type) ((type *)mem_must(talloc_zero(ctx, type)))

/* mem_new_pooled() - the same, with `bytes` (of `n` objects at most) laid out beside it, from which
 * the first of its descendants are taken: one allocation in place of many. They are given back
 * together, when the last is freed. */
#ifdef __SANITIZE_ADDRESS__ /* each on its own, so that one used after it was freed is found */
#define mem_new_pooled(ctx, type, n, bytes) mem_new(ctx, type)
#else
#define mem_new_pooled(ctx, type, n, bytes)                                                        \
    ((type *)mem_zero(talloc_pooled_object(ctx, type, n, bytes), sizeof(type)))
#endif
/* mem_zero() - returns `p`, whose `size` bytes are zeroed; aborts where it is NULL. */
void *mem_zero(void *p, size_t size);

/* mem_array() - `n` zeroed objects of `type`, child of `ctx`; n may be 0. */
#define mem_array(ctx, type, n) ((type *)mem_must(talloc_zero_array(ctx, type, (unsigned)(n))))

/* mem_grow() - makes the array `*pp` (talloc, may be NULL) hold at least `n` objects, by doubling.
 * `*cap` is its capacity in objects. New objects are not zeroed. */
#define mem_grow(ctx, pp, cap, n) (*(pp) = mem_grow_to((ctx), *(pp), sizeof(**(pp)), (cap), (n)))
void *mem_grow_to(const void *ctx, void *array, size_t item, size_t *cap, size_t n);

/* Copies of strings, children of `ctx`. mem_strndup() ends at a NUL or after `n` bytes. */
char *mem_strdup(const void *ctx, const char *s);
char *mem_strndup(const void *ctx, const char *s, size_t n);
char *mem_printf(const void *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* MEM_SCOPED - the talloc context declared with it is freed when its scope ends. */
#define MEM_SCOPED __attribute__((cleanup(mem_free_scoped)))
void mem_free_scoped(void *pp);

#endif
