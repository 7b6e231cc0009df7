/* import_look.h - a look at a file that was uploaded: its encoding, its delimiter, its headings,
 * what they most likely mean. It is left in the import, which is then ready to be mapped. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_LOOK_H
#define LAZO_DAEMON_IMPORT_IMPORT_LOOK_H

#include "daemon/pg/pgpool.h"

#include <stdbool.h>
#include <stdint.h>

/* import_look() - reads the file twice; calls back once, from the loop, `ok` false where the
 * database is away. A file without a header fails, with a reason in the import. Child of ctx, which
 * must live until then. */
void import_look(const void *ctx, struct pgpool *, int64_t org_id, int64_t import_id,
                 const char *time_zone, void (*fn)(void *arg, bool ok), void *arg);

#endif
