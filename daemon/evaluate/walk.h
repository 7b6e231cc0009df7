/* walk.h - since when a contact has been what rules say, and until when if nothing happens.
 *
 * One transaction that only reads. Backwards it looks at spans that double, each walked from its
 * beginning from one instant at which an answer may change to the next: those that the statement
 * names, and those at which something changed that has a history. Forwards each rule alone, from
 * change to change, until its answer is another one; what lies ahead of now is asked, and told of
 * an instant to come, with segments put in place and scores as time will make them. */
#ifndef LAZO_DAEMON_EVALUATE_WALK_H
#define LAZO_DAEMON_EVALUATE_WALK_H

#include "daemon/pg/pgpool.h"
#include "daemon/rules/rule.h"

#include <stdbool.h>
#include <stdint.h>

#define WALK_ALWAYS INT64_MIN
#define WALK_NEVER  INT64_MAX

struct walk_root {
    const struct rule *rule; /* checked; given */
    bool holds;
    int64_t since_us;  /* the last instant up to which it was otherwise; WALK_ALWAYS */
    bool since_known;  /* it was found within the steps that a walk may take */
    int64_t change_us; /* the next instant from which it is otherwise; WALK_NEVER */
    bool change_known; /* else: not before change_us */
    bool left;         /* ahead, something that it reads is taken as it is now: rule_inline() */
};

/* walk_fn() - called once, from the loop. `found`: false where there is no such contact or a
 * statement failed (then `failed` says it). `values` is the answer of rule_compile_values(). */
typedef void walk_fn(void *arg, bool found, const char *values, const struct pgres *failed);

struct walk_question {
    struct pgpool *pool;
    int64_t org_id, contact_id;
    const struct catalogue *catalogue; /* copied by who asks where it may go away */
    int64_t at_us, now_us;             /* at_us may be in the past, or ahead */
    struct walk_root *roots;           /* at most RULE_ROOTS_MAX; filled */
    size_t n_roots;
    const struct rule_sql *values; /* as it is compiled, about what is */
};

/* walk_run() - what it needs is a child of ctx; roots and rules must outlive it. The statements are
 * compiled within the call: the catalogue is borrowed for it alone. */
void walk_run(const void *ctx, const struct walk_question *, walk_fn *, void *arg);

#endif
