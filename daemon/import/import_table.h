/* import_table.h - numbers by 64-bit hashes, in 16 bytes each and what a hash table leaves free.
 * Pure.
 *
 * Two texts with the same hash count as one: where that may not be, the caller looks twice. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_TABLE_H
#define LAZO_DAEMON_IMPORT_IMPORT_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct import_table {
    const void *ctx; /* owner of the memory; set before the first use */
    uint64_t *keys;  /* 0: free */
    int64_t *values;
    size_t n, cap;
};

/* import_hash() - of texts, each with its end, up to a NULL; never 0. The same in every process. */
uint64_t import_hash(const char *first, ...) __attribute__((sentinel));
/* import_table_find() - the value of a hash; NULL where there is none. import_table_at() - the
 * same; one that is new is 0. Both are borrowed until the next import_table_at(). */
int64_t *import_table_find(const struct import_table *, uint64_t key);
int64_t *import_table_at(struct import_table *, uint64_t key);

#endif
