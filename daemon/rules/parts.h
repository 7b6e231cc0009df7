/* parts.h - the conditions that a rule is made of, for explaining it. Pure. */
#ifndef LAZO_DAEMON_RULES_PARTS_H
#define LAZO_DAEMON_RULES_PARTS_H

#include "daemon/rules/rule.h"

#include <stddef.h>

/* rule_parts() - what stands between the and, or and not of a checked rule, in the order of
 * the text; each is a checked rule of its own. An array of *ret_n (at least 1), child of ctx; they
 * borrow from `rule`, which must outlive them. */
const struct rule *const *rule_parts(const void *ctx, const struct rule *rule, size_t *ret_n);

#endif
