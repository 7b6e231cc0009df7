/* first.h - full evaluation of segments that are stale: the first members of a new rule, and what a
 * changed one changes.
 *
 * A run takes the stale segments that refer to no other stale one, all of them together; those that
 * do refer to one have a run after it. It goes through all contacts in order of their ids, in
 * blocks; in each block each statement (ruleset_statement) is a transaction of its own, which
 * evaluates and writes within PostgreSQL (rule_compile_first()): nothing of a contact comes here.
 * Blocks are as long as one statement takes a fraction of a second, for a pass over the changes may
 * wait for one. How far a run has got is in `segment_run`: after a crash it goes on there.
 *
 * The law that keeps it true: of an organisation either a pass over the changes is under way, or
 * one statement of a block. A fact that a block did not see yet is then still in the change log
 * when the block is committed, and the pass that takes it asks all rules, the stale ones too. */
#ifndef LAZO_DAEMON_EVALUATE_FIRST_H
#define LAZO_DAEMON_EVALUATE_FIRST_H

#include "daemon/evaluate/ruleset.h"
#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"

#include <stdbool.h>
#include <stdint.h>

struct first;

struct first_result {
    bool failed; /* it is to be looked for anew after a pause */
    bool ended;  /* the run is over: its segments are fresh */
    bool logged; /* it left something in the change log */
    int64_t contacts, moved;
    uint64_t answers; /* of a rule for a contact */
};

/* Called once, from the loop. */
typedef void first_looked_fn(void *arg, bool ok);
typedef void first_fn(void *arg, const struct first_result *);

struct first *first_new(const void *ctx, struct pgpool *, struct orgs *, int64_t org_id);
/* first_look() - finds what is stale, when no run is under way, and begins a run or goes on with
 * one: then first_going(). Organisation and rules are read anew. */
void first_look(struct first *, first_looked_fn *, void *arg);
bool first_going(const struct first *);
/* first_step() - the next statement; `all` are the rules of the organisation, borrowed for the call
 * alone. The run is no longer going where it failed or ended. */
void first_step(struct first *, const struct ruleset *all, first_fn *, void *arg);

#endif
