/* import_names.h - who the names of a file's rows belong to, where rows may say that two contacts
 * are one person: an external id of one beside an e-mail address of another. Pure.
 *
 * The rows pass by in their order, as the recorder will see them, and a name becomes whose it would
 * be. What rows say of contacts that were there before is to be merged in the database; contacts
 * that the file itself makes are made as one: each of their rows is told by what name, or number,
 * the person is found. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_NAMES_H
#define LAZO_DAEMON_IMPORT_IMPORT_NAMES_H

#include "daemon/record/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct import_names;

struct import_names *import_names_new(const void *ctx);
/* import_names_known() - whether it is known whose the name is, or that it is nobody's.
 * import_names_owner() - it is this contact's, in the database; contact_id 0: nobody's. */
bool import_names_known(const struct import_names *, const char *sort, const char *value);
void import_names_owner(struct import_names *, const char *sort, const char *value,
                        int64_t contact_id, bool has_external_id);
/* import_names_row() - a row of this contact. Contacts of the database that it says are one person
 * go to `merge`: `gone_id` is to be merged into `keep_id`. Gives how many other contacts became
 * one. */
size_t import_names_row(struct import_names *, const struct record_contact *,
                        void (*merge)(void *arg, int64_t keep_id, int64_t gone_id), void *arg);
/* import_names_apply() - after all rows: by what the row's person is found, where rows joined it.
 * Borrows. */
void import_names_apply(const struct import_names *, struct record_contact *);

#endif
