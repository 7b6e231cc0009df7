/* checker.h - the checker's insides, shared by checker.c (types and conditions) and
 * checker_names.c. Nobody else includes it; the checker's face is rule_check() in rule.h. */
#ifndef LAZO_DAEMON_RULES_CHECKER_H
#define LAZO_DAEMON_RULES_CHECKER_H

#include "daemon/rules/tree.h"

struct checker {
    struct rule *rule;
    const struct catalogue *cat; /* may be NULL */
    struct diag *d, *warnings;   /* warnings may be NULL */
    bool interaction;            /* within `where` */
    bool compared;               /* at what a value is compared with */
    int related;                 /* within how many `related as` */
};

#define complain(k, node, ...) diag_at((k)->d, (node)->line, (node)->column, __VA_ARGS__)

/* Each resolves the name in a node and notes where there is none: the id of a kind (0 with a
 * warning), topic, segment or relation; a field and its type. */
void rule_checker_kind(struct checker *, struct rule_node *);
void rule_checker_topic(struct checker *, struct rule_node *);
void rule_checker_segment(struct checker *, struct rule_node *);
void rule_checker_relation(struct checker *, struct rule_node *);
void rule_checker_field(struct checker *, struct rule_node *);
/* rule_checker_interaction_field() - of an interaction: within `where`, or after an aggregate's
 * kind. */
void rule_checker_interaction_field(struct checker *, struct rule_node *);

#endif
