/* import_merge.h - the first reading of a file whose rows may say that two contacts are one person.
 * Contacts that were there before the import are merged before any row is recorded, so that all
 * rows find them as one, and an undoing that begins at the end comes to the merges last; again
 * after a restart, a reading finds them merged already. What the file itself makes is made as one
 * (import_names.h). */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_MERGE_H
#define LAZO_DAEMON_IMPORT_IMPORT_MERGE_H

#include "daemon/import/import_block.h"

/* import_merge() - merges by 'import:ID', a transaction for each thousand rows, counted in the
 * import's report; a dry run only remembers them in its overlay. Then the job goes on, or is done.
 */
void import_merge(struct import_job *);

#endif
