/* import_row.h - one record of a CSV file as the JSON that the API takes. Pure.
 *
 * Amounts may be written as "25,50 €", "1.234,56" or "1234.56"; days as 2006-12-31 or, the day
 * first, 31/12/2006, with or without a time. */
#ifndef LAZO_DAEMON_CTL_IMPORT_ROW_H
#define LAZO_DAEMON_CTL_IMPORT_ROW_H

#include "daemon/ctl/import_map.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct import_plan {
    struct import_map map;
    bool interactions;
    const char *kind;    /* of all; NULL: the column */
    const char *source;  /* where the row has none */
    const json_t *types; /* custom field name → "text", "number", "date", "boolean" */
};

/* import_row() - a contact, or an interaction with its contact inside (without a key of its own
 * making); a new reference. NULL and one sentence in *ret_why (child of ctx) where a value cannot
 * be read. */
json_t *import_row(const void *ctx, const struct import_plan *, const char *const *fields, size_t n,
                   const char **ret_why);
/* import_amount() - `text` as a plain decimal, child of ctx; NULL where it is none, or where nobody
 * can say whether "1,234" is a thousand. */
char *import_amount(const void *ctx, const char *text);
/* import_day() - `text` as YYYY-MM-DD, with what follows the day kept; child of ctx. NULL where it
 * is no day. Whether it exists the server knows. */
char *import_day(const void *ctx, const char *text);

#endif
