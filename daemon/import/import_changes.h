/* import_changes.h - what a block of rows changes, found out before it is written: the same way for
 * a dry run, which knows besides what earlier blocks would have written (import_overlay.h). */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_CHANGES_H
#define LAZO_DAEMON_IMPORT_IMPORT_CHANGES_H

#include "daemon/import/import_counts.h"
#include "daemon/record/batch.h"

struct import_overlay;
struct import_changes;

/* import_changes_new() - of a batch whose slots are known; child of ctx. `items` are the batch's
 * own; a consent that an earlier item of the block gives is dropped from a later one of the same
 * contact. `lines` are where the items stand in the file. `overlay` is NULL where this is no dry
 * run. */
struct import_changes *import_changes_new(const void *ctx, struct batch *,
                                          struct record_item *items, const int64_t *lines,
                                          struct import_overlay *overlay);
/* import_changes_phones() - the parameters of import_phones; false where no row says a phone.
 * import_changes_on_phones() - its answer, before that of import_compare: phones in the form that
 * the database gives them. A dry run, which alone knows what earlier blocks said of the country,
 * awaits it before it compares. */
bool import_changes_phones(struct import_changes *, struct pgargs *);
void import_changes_on_phones(struct import_changes *, const struct pgres *);
/* import_changes_args() - the parameters of import_compare. import_changes_on_compared() - its
 * answer. */
void import_changes_args(struct import_changes *, struct pgargs *);
void import_changes_on_compared(struct import_changes *, const struct pgres *);
/* import_changes_count() - contacts, their fields and consents, and a sample, into `counts`. */
void import_changes_count(struct import_changes *, struct import_counts *counts);

#endif
