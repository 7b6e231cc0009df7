/* import_file.h - an uploaded file on its way out of the database: pieces, text, records. The file
 * is read from its beginning, one piece in memory at a time. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_FILE_H
#define LAZO_DAEMON_IMPORT_IMPORT_FILE_H

#include "daemon/pg/pgpool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One record; all of it is talloc'ed under it. */
struct import_line {
    int64_t number; /* 0: the header; then from 1 */
    int64_t line;   /* in the file, from 1 */
    size_t bytes;   /* that it has in the file */
    const char **fields;
    size_t n;
    const char *error; /* NULL; or why it is no CSV: then the one field is the line as it stood */
};

struct import_file;

/* import_file_new() - child of ctx. The pool and the id are those of an import whose file is there.
 */
struct import_file *import_file_new(const void *ctx, struct pgpool *, int64_t org_id,
                                    int64_t import_id, const char *encoding, char delimiter);
/* import_file_read() - reads on until records are there or the file is over; calls back once, from
 * the loop: `ok` is false where the database is away. Until then the file
 * must live. */
typedef void import_file_fn(void *arg, bool ok);
void import_file_read(struct import_file *, import_file_fn *, void *arg);
/* import_file_take() - the next record of what was read, now a child of ctx; NULL where there is no
 * more of it. import_file_over() - whether nothing is behind that. */
bool import_file_over(const struct import_file *);
struct import_line *import_file_take(struct import_file *, const void *ctx);

/* import_bytes_read() - the raw bytes of an import's file, piece by piece: `piece` for each, then
 * `end` once. Child of ctx, which must live until then. */
void import_bytes_read(const void *ctx, struct pgpool *, int64_t org_id, int64_t import_id,
                       void (*piece)(void *arg, const char *bytes, size_t n),
                       void (*end)(void *arg, bool ok), void *arg);

#endif
