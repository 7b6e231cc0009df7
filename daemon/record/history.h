/* history.h - what fields of contacts were before is kept as long as the settings say. */
#ifndef LAZO_DAEMON_RECORD_HISTORY_H
#define LAZO_DAEMON_RECORD_HISTORY_H

#include "common/settings.h"
#include "daemon/pg/pgpool.h"

/* history_purge() - of all organisations, what is older than limits.field_history; a part at a
 * time, so to be called now and then. */
void history_purge(struct pgpool *, const struct settings *);

#endif
