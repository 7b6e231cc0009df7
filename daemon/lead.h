/* lead.h - one lazod at a time leads: an advisory lock of PostgreSQL, held by a connection that
 * does nothing else but listen: every lazod is told what another one, or a stranger, defined. */
#ifndef LAZO_DAEMON_LEAD_H
#define LAZO_DAEMON_LEAD_H

#include <ev.h>
#include <stdint.h>

struct lead;

enum lead_state {
    LEAD_none,      /* nobody is known to lead: the database is away, or nothing was asked yet */
    LEAD_here,      /* this daemon has the lock */
    LEAD_elsewhere, /* another one has it */
};

struct lead_owner {
    void (*changed)(void *arg, enum lead_state);
    /* Definitions or tokens of an organisation were changed, by whomever; 0: of any, since nothing
     * was heard for a while. */
    void (*defined)(void *arg, int64_t org_id);
    void *arg;
};

/* lead_new() - tries for the lock each second and tells each new state. The loss of the connection
 * that held it is LEAD_none: another daemon may have it from then on. Child of ctx; freeing it
 * gives the lock up. */
struct lead *lead_new(const void *ctx, struct ev_loop *, const char *conninfo,
                      const struct lead_owner *);

#endif
