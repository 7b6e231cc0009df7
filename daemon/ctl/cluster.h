/* cluster.h - the private PostgreSQL of `lazoctl up`: a cluster under DIR/pg, reached through a
 * socket that only its owner can open. */
#ifndef LAZO_DAEMON_CTL_CLUSTER_H
#define LAZO_DAEMON_CTL_CLUSTER_H

#include "daemon/ctl/family.h"
#include "daemon/ctl/home.h"

#include <stdbool.h>

/* cluster_start() - makes the cluster where there is none, ends a server that an earlier start left
 * behind, starts it as a child "postgres" of the family, waits until it answers, makes the database
 * lazo. False, said on stderr, on failure or when we are asked to end meanwhile. */
bool cluster_start(const struct home *, struct family *);
/* cluster_conninfo() - how `user` reaches the database lazo; child of the home. The superuser's
 * name is "postgres". */
const char *cluster_conninfo(const struct home *, const char *database, const char *user);

#endif
