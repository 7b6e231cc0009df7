/* table.h - what lazoctl shows: tables (libsmartcols), and JSON documents as such tables. */
#ifndef LAZO_DAEMON_CTL_TABLE_H
#define LAZO_DAEMON_CTL_TABLE_H

#include <jansson.h>

struct table;

/* table_new() - `headings` ends with NULL; the cells under a heading that begins with '>' stand at
 * the right. Child of ctx. */
struct table *table_new(const void *ctx, const char *const *headings);
/* table_row() - one cell for each heading; copied. NULL is an empty cell. */
void table_row(struct table *, const char *const *cells);
/* table_print() - on stdout. */
void table_print(struct table *);

/* table_value() - a JSON value as a cell's text; child of ctx. */
const char *table_value(const void *ctx, const json_t *value);
/* table_items() - an array of objects as a table: column i shows the member keys[i] under
 * headings[i]. */
void table_items(const json_t *items, const char *const *headings, const char *const *keys);
/* table_object() - an object as two columns; members of inner objects as "outer.inner". Arrays of
 * objects are left out. */
void table_object(const json_t *object);
/* table_json() - a document indented, as it came. */
void table_json(const json_t *document);

#endif
