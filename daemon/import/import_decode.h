/* import_decode.h - the bytes of a file as UTF-8, whatever they were; by ICU. Pure.
 *
 * What is said of a file is never trusted: bytes that are not of the encoding become U+FFFD, and a
 * NUL too, so that text that comes out can be stored. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_DECODE_H
#define LAZO_DAEMON_IMPORT_IMPORT_DECODE_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define IMPORT_ENCODINGS "utf-8, utf-16le, utf-16be, windows-1252, iso-8859-1"
bool import_encoding_known(const char *name);

/* --- which encoding is it: the bytes are shown in pieces ----------------------------------------
 */

struct import_sniff {
    size_t n; /* bytes seen */
    unsigned char head[4];
    size_t zeros[2];       /* NULs at even and odd places, of the first 4 KiB */
    unsigned char rest[4]; /* the beginning of a character that the last piece cut */
    size_t n_rest;
    bool broken; /* it is no UTF-8 */
};
void import_sniff_add(struct import_sniff *, const char *bytes, size_t n);
/* import_sniff_end() - the encoding that the bytes most likely have: by their mark; by NULs where
 * letters of UTF-16 have them; UTF-8 where all of it is that; else windows-1252. */
const char *import_sniff_end(const struct import_sniff *);

/* --- decoding -----------------------------------------------------------------------------------
 */

struct import_decode;
/* import_decode_new() - child of ctx. The encoding is a known one. */
struct import_decode *import_decode_new(const void *ctx, const char *encoding);
/* import_decode_add() - appends the next bytes as UTF-8, without a byte order mark; `last`: nothing
 * comes after them. */
void import_decode_add(struct import_decode *, const char *bytes, size_t n, bool last,
                       struct buf *out);

#endif
