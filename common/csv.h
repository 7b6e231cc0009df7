/* csv.h - CSV (RFC 4180) read in pieces: bytes in, records out. Pure.
 *
 * Beyond the RFC it takes any one-byte delimiter, lines that end in LF or a lone CR, a UTF-8 byte
 * order mark, passes over blank lines, and takes a quote within a
 * field that does not begin with one as it stands. A quoted field may hold line ends.
 *
 * A line that is no CSV spoils itself alone: it is handed over with its error, and reading goes on
 * with the line after it, even where it was a quote never closed that seemed to swallow what
 * follows. */
#ifndef LAZO_COMMON_CSV_H
#define LAZO_COMMON_CSV_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_RECORD_MAX 65536 /* bytes of one record as it stands in the file */

struct csv_record {
    int64_t line;              /* from 1: where it begins */
    const char *const *fields; /* without quotes; each ended by a NUL, none holds one */
    size_t n;                  /* 0 where it is no CSV */
    const char *raw;           /* as it stands in the file, without its line end */
    size_t raw_n;
    const char *error; /* NULL; or one sentence why it is no CSV, with `column` */
    int column;        /* from 1, in characters, on `line` */
};

/* The record and all in it are borrowed until the call returns. */
typedef void csv_record_fn(void *arg, const struct csv_record *);

struct csv;

/* csv_new() - child of ctx. */
struct csv *csv_new(const void *ctx, char delimiter, csv_record_fn *, void *arg);
/* csv_feed() - the next `n` bytes, cut anywhere; calls back for each record that is complete.
 * csv_end() - there are no more: what is left is a record. */
void csv_feed(struct csv *, const char *bytes, size_t n);
void csv_end(struct csv *);

/* csv_guess_delimiter() - which of , ; tab | stands most often outside quotes in the first line of
 * these bytes; a comma where none does. */
char csv_guess_delimiter(const char *bytes, size_t n);
/* csv_add_field() - one field as it is written: in quotes where it must be. */
void csv_add_field(struct buf *, const char *field, size_t n, char delimiter);
/* csv_add_text() - the same for text that a spreadsheet may open: what it would take for a formula
 * gets a mark, a ' before it. That begins with = + - @, with one of these in full width, with TAB,
 * CR or LF, and is no plain number. Text that begins with marks and then so gets one more, so that
 * csv_unmarked() gives back what was written, whatever it was. */
void csv_add_text(struct buf *, const char *text, size_t n, char delimiter);
/* csv_unmarked() - where in `text` begins what csv_add_text() had been given. */
char *csv_unmarked(char *text);

#endif
