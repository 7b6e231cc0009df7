/* purge.h - sign-ups that nobody confirmed in time go, and nobody mails them again. */
#ifndef LAZO_DAEMON_CONSENT_PURGE_H
#define LAZO_DAEMON_CONSENT_PURGE_H

#include "daemon/pg/pgpool.h"

/* consent_purge() - of all organisations; to be called now and then. */
void consent_purge(struct pgpool *);

#endif
