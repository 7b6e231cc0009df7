/* export.h - what leaves Lazo as text: rows of CSV or NDJSON of documents, and vCards. Pure.
 *
 * CSV (RFC 4180): a header, lines that end in CRLF, texts as csv_add_text() writes them. NDJSON:
 * one document a line, nothing changed in it. */
#ifndef LAZO_DAEMON_EXPORT_EXPORT_H
#define LAZO_DAEMON_EXPORT_EXPORT_H

#include "common/buf.h"
#include "common/diag.h"
#include "daemon/rules/catalogue.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum export_what { EXPORT_CONTACTS, EXPORT_INTERACTIONS };
enum export_format { EXPORT_CSV, EXPORT_NDJSON };

struct export_columns {
    size_t n;
    const char **names; /* "email", "attr.size", "data.sku" */
};

/* export_columns_read() - "email,attr.size"; NULL or empty text: all of them, with each custom
 * field of the catalogue. False, and a line in `d` for each, where a name is none. Child of ctx. */
bool export_columns_read(const void *ctx, const char *text, enum export_what,
                         const struct catalogue *, struct export_columns *ret, struct diag *d);
/* export_header() - the first line of CSV; nothing for NDJSON. export_row() - one document; with
 * `all`, NDJSON takes it as it is. */
void export_header(struct buf *, enum export_format, const struct export_columns *);
void export_row(struct buf *, enum export_format, const struct export_columns *, bool all,
                const json_t *document);

/* export_vcard() - a contact's document as vCard 4.0 (RFC 6350). */
void export_vcard(struct buf *, const json_t *contact);

#endif
