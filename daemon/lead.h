/* lead.h - one lazod at a time leads: an advisory lock of PostgreSQL, held by a connection that
 * does nothing else. */
#ifndef LAZO_DAEMON_LEAD_H
#define LAZO_DAEMON_LEAD_H

#include <ev.h>
#include <stdbool.h>

struct lead;

/* lead_new() - tries for the lock each second; `changed(arg, true)` when it was got, `changed(arg,
 * false)` when the connection that held it is lost: a standby may have it from then on. Child of
 * ctx; freeing it gives the lock up. */
struct lead *lead_new(const void *ctx, struct ev_loop *, const char *conninfo,
                      void (*changed)(void *arg, bool leads), void *arg);
bool lead_holds(const struct lead *);

#endif
