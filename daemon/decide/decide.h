/* decide.h - step 3: what follows for a contact. Journeys, campaigns, birthdays, webhook events;
 * they leave jobs.
 *
 * Consumes cues, positions that are due, campaigns that are scheduled or running, and the calendar.
 * Every act has a key, so that a second advance finds its job already there. Runs in the leader
 * alone. */
#ifndef LAZO_DAEMON_DECIDE_DECIDE_H
#define LAZO_DAEMON_DECIDE_DECIDE_H

#include "common/buf.h"
#include "daemon/org/org.h"

#include <ev.h>
#include <stdint.h>

struct decide;

struct decide_ops {
    void (*jobs_made)(void *arg); /* after a commit that left jobs */
    void (*changed)(void *arg,
                    int64_t org_id); /* after a commit that left changes (a tag, an interaction) */
};
struct decide *decide_new(const void *ctx, struct ev_loop *, struct pgpool *, struct orgs *,
                          const struct decide_ops *, void *arg);
/* decide_wake() - cues, due positions or a campaign's start may be waiting in this organisation.
 * Cheap. */
void decide_wake(struct decide *, int64_t org_id);
/* decide_calendar() - asks the calendar of all organisations (birthdays): to be called at start,
 * each minute, and after the clock was moved. */
void decide_calendar(struct decide *);
void decide_metrics(const struct decide *, struct buf *);

#endif
