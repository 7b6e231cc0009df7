/* labels.c - the tags and groups that a rule names. Everybody may make one by giving it to a
 * contact, so the checker does not know which there are: who asks the database tells. */
#include "common/mem.h"
#include "daemon/rules/rule.h"
#include "daemon/rules/tree.h"

struct labels {
    const void *ctx;
    struct rule_label *items;
    size_t n, cap;
};

static void collect(struct labels *l, const struct rule_node *node)
{
    if (node->type == RULE_NODE_TAG || node->type == RULE_NODE_GROUP) {
        mem_grow(l->ctx, &l->items, &l->cap, l->n + 1);
        l->items[l->n++] = (struct rule_label){.name = node->text,
                                               .group = node->type == RULE_NODE_GROUP,
                                               .line = node->line,
                                               .column = node->column};
    }
    if (node->where != NULL)
        collect(l, node->where);
    for (size_t i = 0; i < node->n_child; i++)
        collect(l, node->child[i]);
}

const struct rule_label *rule_labels(const void *ctx, const struct rule *rule, size_t *ret_n)
{
    struct labels l = {.ctx = ctx};

    collect(&l, rule->root);
    *ret_n = l.n;
    return l.items;
}
