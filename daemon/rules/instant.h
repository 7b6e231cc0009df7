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
/* rule_instant_ahead() - the same two statements with scores as they will be at $2, which is not
 * before now, if nobody gives; that of rule_compile_some() with the column scores_at, when they
 * change next (null: never). Membership is as it is: see rule_inline(). */
struct rule_sql *rule_instant_ahead(const void *ctx, const struct rule_sql *, bool one);
/* rule_inline() - the checked rule with the rules of dynamic segments, and who is kept in them or
 * out of them by hand, in place of `in segment`, so that it answers for instants to come too. What
 * does not follow time then sets *ret_left: a segment that cannot be put in place (the rule would
 * be too large), and segments and scores of related contacts. Child of ctx; borrows from `rule`. It
 * has no text. */
const struct rule *rule_inline(const void *ctx, const struct rule *, const struct catalogue *,
                               bool *ret_left);
/* rule_no_history() - why what the rule reads is not known of the past; NULL where it is. */
const char *rule_no_history(const struct rule *);

#endif
