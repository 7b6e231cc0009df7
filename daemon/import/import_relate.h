/* import_relate.h - the last reading of a file whose rows say relations: "employee of" beside the
 * name of a company. It comes behind all rows, so that whoever is meant may stand further down in
 * the file. The other one is found by an external id, an e-mail address, or by name where it is a
 * company or household; where nobody is found it may be made.
 *
 * Rows that were refused relate nobody. A relation that cannot be made leaves its row recorded, and
 * among those that were refused, with the reason. Again after a restart, a reading finds what was
 * made. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_RELATE_H
#define LAZO_DAEMON_IMPORT_IMPORT_RELATE_H

#include "daemon/import/import_block.h"

/* import_relate() - begins; import_relate_next() - the next rows. At the file's end the job is
 * ended. */
void import_relate(struct import_job *);
void import_relate_next(struct import_job *);

#endif
