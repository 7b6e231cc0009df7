/* ruleset.h - the rules of an organisation's dynamic segments, compiled together. Pure. */
#ifndef LAZO_DAEMON_EVALUATE_RULESET_H
#define LAZO_DAEMON_EVALUATE_RULESET_H

#include "daemon/rules/rule.h"

#include <stddef.h>
#include <stdint.h>

/* One statement with at most RULE_ROOTS_MAX rules. */
struct ruleset_part {
    struct rule_sql *some, *page;
};

struct ruleset {
    int64_t *segments; /* ids of those that were compiled */
    size_t n_segments;
    struct ruleset_part *parts;
    size_t n_parts;
    bool refers;       /* some rule says `in segment` */
    int64_t last_kind; /* the highest id of a kind that the rules know of */
};

/* ruleset_compile() - of the dynamic segments of the catalogue, or, with `only` (n_only ids), of
 * those of them alone. A rule that no longer checks (a name it used was removed) is left out and
 * reported in `d` by its segment's name. Child of ctx. */
struct ruleset *ruleset_compile(const void *ctx, const struct catalogue *, const int64_t *only,
                                size_t n_only, struct diag *d);

#endif
