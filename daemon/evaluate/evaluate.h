/* evaluate.h - step 2: keeps segments and scores true.
 *
 * Consumes the change log and the contacts whose time has come (`wake`), in passes, one transaction
 * each: scores, then the rules that the changes speak to, a statement for each group of them
 * (ruleset.h), level by level with the differences to `membership`. Entering and leaving become
 * interactions. Interactions that are not imported history become cues for step 3. Stale segments
 * are evaluated in full, in blocks; stale models are scored in one statement, beside the passes.
 * Runs in the leader alone. */
#ifndef LAZO_DAEMON_EVALUATE_EVALUATE_H
#define LAZO_DAEMON_EVALUATE_EVALUATE_H

#include "common/buf.h"
#include "daemon/org/org.h"

#include <ev.h>
#include <stdint.h>

struct evaluate;

/* evaluate_new() - child of ctx. `evaluated(arg, org_id)` is called after each commit that left
 * cues or changed membership. */
struct evaluate *evaluate_new(const void *ctx, struct ev_loop *, struct pgpool *, struct orgs *,
                              void (*evaluated)(void *arg, int64_t org_id), void *arg);
/* evaluate_wake() - this organisation has changes, due contacts, or something stale. Cheap; may be
 * called often. */
void evaluate_wake(struct evaluate *, int64_t org_id);
void evaluate_metrics(const struct evaluate *, struct buf *);

#endif
