/* check.h - lazod --check: is what lazod needs there? */
#ifndef LAZO_DAEMON_CHECK_H
#define LAZO_DAEMON_CHECK_H

#include "common/settings.h"

/* check_environment() - tries the database (with the schema of this version) and the relay's port;
 * says on standard output what is well and on standard error what is not. Blocks. Returns the exit
 * status. */
int check_environment(const struct settings *);

#endif
