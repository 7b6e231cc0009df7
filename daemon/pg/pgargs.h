/* pgargs.h - the parameters of a statement, all in text form; and arrays of them.
 *
 * Statements name the types ($1::bigint[]). Strings are copied. */
#ifndef LAZO_DAEMON_PG_PGARGS_H
#define LAZO_DAEMON_PG_PGARGS_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pgargs {
    const void *ctx;
    const char **values; /* NULL items: SQL's null */
    int n;
    size_t cap;
};

/* pgargs_init() - no parameters; copies become children of `ctx`, which must live until the query
 * was handed over. */
void pgargs_init(struct pgargs *, const void *ctx);
/* Each adds the next parameter. `s` may be NULL: null. The text holds no NUL by its type; it must
 * be UTF-8. */
void pgargs_text(struct pgargs *, const char *s);
void pgargs_int(struct pgargs *, int64_t);
void pgargs_bool(struct pgargs *, bool);
void pgargs_instant(struct pgargs *, int64_t at_us); /* timestamptz */
void pgargs_bytea(struct pgargs *, const void *bytes, size_t n);

/* pgargs_params() - the parameters that a compiled rule brings; borrowed. */
void pgargs_params(struct pgargs *, const char *const *params, size_t n);

/* An array parameter: begin, add items, give it to pgargs_array(). NULL items are SQL's null. */
struct pgarray {
    struct buf text;
    size_t n;
};
void pgarray_init(struct pgarray *, const void *ctx);
void pgarray_text(struct pgarray *, const char *s);
void pgarray_int(struct pgarray *, int64_t);
void pgarray_bool(struct pgarray *, bool);
void pgarray_instant(struct pgarray *, int64_t at_us);
void pgargs_array(struct pgargs *, struct pgarray *);

#endif
