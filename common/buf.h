/* buf.h - a growing byte buffer with a maximum given at birth.
 *
 * A buffer that would pass its maximum keeps what it has and remembers: buf_full() is then
 * true and stays so until buf_reset(); further appends do nothing. So a writer may append
 * freely and ask once at the end. The bytes are always followed by a NUL that does not count. */
#ifndef LAZO_COMMON_BUF_H
#define LAZO_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdarg.h>

struct buf {
    char *data; /* talloc child of the ctx given to buf_init(); never NULL after it */
    size_t len;
    size_t cap;
    size_t max;
    bool full;
};

/* buf_init() - an empty buffer whose memory is a child of `ctx`; holds at most `max` bytes. */
void buf_init(struct buf *, const void *ctx, size_t max);
/* buf_done() - frees the memory; the struct may be initialised again. */
void buf_done(struct buf *);
/* buf_reset() - empties it, keeps its memory, forgets that it was full. */
void buf_reset(struct buf *);

void buf_add(struct buf *, const void *bytes, size_t n);
void buf_str(struct buf *, const char *s);
void buf_char(struct buf *, char c);
void buf_printf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* buf_json() - the `n` bytes of UTF-8 as a JSON string with its quotes. Bytes below 0x20 are
 * escaped; bytes that are no UTF-8 become U+FFFD. */
void buf_json(struct buf *, const char *s, size_t n);
/* buf_html() - `s` with & < > " ' as entities. */
void buf_html(struct buf *, const char *s, size_t n);
bool buf_full(const struct buf *);
/* buf_take() - the NUL-ended bytes, now a child of `ctx`; the buffer is as after buf_done(). */
char *buf_take(struct buf *, const void *ctx);

#endif
