/* instant.h - asking a rule about another instant than now. Pure.
 *
 * What a rule reads of interactions is known for each instant by itself. The rest (fields, tags,
 * memberships, scores …) is in tables that say what is now: the statement is given others of the
 * same names in their place, as they were (schema/0033_instants.sql), or as time alone will make
 * them. */
#ifndef LAZO_DAEMON_RULES_INSTANT_H
#define LAZO_DAEMON_RULES_INSTANT_H

#include "daemon/rules/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* rule_instant_past() - the statement of rule_compile_some() (`one` false) or rule_compile_values()
 * (`one` true) with the contacts of $1 as they were at $2. Borrows the parameters. */
struct rule_sql *rule_instant_past(const void *ctx, const struct rule_sql *, bool one);
/* rule_instant_ahead() - the statement of rule_compile_some() with scores as they will be at $2,
 * which is not before now, if nobody gives; and the column scores_at, when they change next (null:
 * never). Membership is as it is: see rule_inline(). */
struct rule_sql *rule_instant_ahead(const void *ctx, const struct rule_sql *);
/* rule_inline() - the checked rule with the rules of dynamic segments in place of `in segment`, so
 * that it answers for other instants too; but for the segments `keep`. What cannot be put in place
 * (the rule would be too large, or the segment is asked of a related contact) stays, and
 * *ret_left is set. Child of ctx; borrows from `rule`. */
const struct rule *rule_inline(const void *ctx, const struct rule *, const struct catalogue *,
                               const int64_t *keep, size_t n_keep, bool *ret_left);
/* rule_no_history() - why what the rule reads is not known of the past; NULL where it is. */
const char *rule_no_history(const struct rule *);

#endif
