/* import_keys.h - the key of each row, and which earlier row a refund belongs to. Pure.
 *
 * A row without a key of its own gets one from its identifying columns and from how many such rows
 * the file had before it: two gifts of one person, day and amount are two, and each is known again
 * when the file comes a second time. All rows must pass by in their order, those too that were
 * recorded before a restart. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_KEYS_H
#define LAZO_DAEMON_IMPORT_IMPORT_KEYS_H

#include "daemon/import/import_settings.h"

#include <jansson.h>

struct import_keys;

/* import_keys_new() - child of ctx; the settings are borrowed. */
struct import_keys *import_keys_new(const void *ctx, const struct import_settings *);
/* import_keys_row() - gives the interaction its key, or finds what it amends. False, and a sentence
 * in *ret_why, where it is a refund that belongs to no earlier row and may be nothing else. */
bool import_keys_row(struct import_keys *, const char *const *fields, json_t *item,
                     const char **ret_why);

#endif
