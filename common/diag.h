/* diag.h - what is wrong with a text or a document that a person wrote, and where.
 *
 * Whoever checks user input collects its mistakes in a struct diag and returns false; whoever asked
 * shows them. Pure. */
#ifndef LAZO_COMMON_DIAG_H
#define LAZO_COMMON_DIAG_H

#include <stdbool.h>
#include <stddef.h>

struct diag_item {
    int line;            /* from 1; 0: no line */
    int column;          /* from 1, in characters; 0: no column */
    const char *pointer; /* JSON pointer (RFC 6901) to the field, or NULL */
    const char *message; /* one sentence, English, no full stop; may quote the input */
};

struct diag {
    const void *ctx; /* owner of the items */
    struct diag_item *items;
    size_t n, cap;
};

/* diag_init() - empty; its items become children of `ctx`. */
void diag_init(struct diag *, const void *ctx);
/* Both add one mistake; after DIAG_MAX of them the rest is dropped. A message may quote a part of
 * the input, cut anywhere: what is no whole character is left out. */
#define DIAG_MAX 50
void diag_at(struct diag *, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_field(struct diag *, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool diag_any(const struct diag *);

/* diag_pointer() - the JSON pointer to member `key` of what `pointer` points to (RFC 6901: ~ and /
 * are escaped; a key is cut after 200 bytes). Child of ctx. */
char *diag_pointer(const void *ctx, const char *pointer, const char *key);

#endif
