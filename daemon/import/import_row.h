/* import_row.h - one record of a CSV file as the JSON that the API takes. Pure. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_ROW_H
#define LAZO_DAEMON_IMPORT_IMPORT_ROW_H

#include "daemon/import/import_settings.h"
#include "daemon/rules/catalogue.h"

#include <jansson.h>
#include <stddef.h>

enum import_verdict {
    IMPORT_ROW_item,
    IMPORT_ROW_refused, /* a value cannot be read */
    IMPORT_ROW_nobody   /* it has no contact, and such rows are passed over */
};

struct import_row {
    json_t *item; /* of IMPORT_ROW_item: {"contact": {...}, "kind", ...}; owned by the caller */
    const char *column; /* of IMPORT_ROW_refused: the heading at fault, or NULL; and a sentence */
    const char *why;
};

/* import_row_read() - a contact inside an interaction, or alone; without a key of its own making.
 * The texts are children of ctx, or of the settings. */
enum import_verdict import_row_read(const void *ctx, const struct import_settings *,
                                    const struct catalogue *, const char *const *fields, size_t n,
                                    struct import_row *ret_row);
/* import_row_relations() - those that a row says, which has as many fields as the header; how many.
 * Children of ctx, or of the settings. */
struct import_relation {
    const char *kind, *other, *heading;
};
size_t import_row_relations(const void *ctx, const struct import_settings *,
                            const char *const *fields, struct import_relation **ret_relations);
/* import_row_column() - the heading that a mistake at this JSON pointer of the row's item comes
 * from; NULL where it comes from none. */
const char *import_row_column(const struct import_settings *, const char *const *fields, size_t n,
                              const char *pointer);

#endif
