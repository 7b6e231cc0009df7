/* import_guess.h - what a file seems to be: its rows are shown one by one. Pure. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_GUESS_H
#define LAZO_DAEMON_IMPORT_IMPORT_GUESS_H

#include "daemon/import/import_map.h"

#include <jansson.h>
#include <stdint.h>

struct import_guess;

/* import_guess_new() - child of ctx. import_guess_header() - the first record, of at most
 * IMPORT_COLUMNS_MAX columns. import_guess_row() - each other one; the fields are borrowed. */
struct import_guess *import_guess_new(const void *ctx);
void import_guess_header(struct import_guess *, const char *const *fields, size_t n);
void import_guess_row(struct import_guess *, const char *const *fields, size_t n);
/* import_guess_end() - {"headings", "rows", "sample", "unknown", "ambiguous", "settings"}, a new
 * reference. `settings` is a document as import_settings_read() takes it, without the columns that
 * are not known; what is ambiguous is named. NULL where there was no header. */
json_t *import_guess_end(const struct import_guess *, const char *encoding, char delimiter,
                         const char *time_zone);

#endif
