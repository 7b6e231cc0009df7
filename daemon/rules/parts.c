/* parts.c - see parts.h. */
#include "daemon/rules/parts.h"

#include "common/mem.h"
#include "daemon/rules/tree.h"

struct collection {
    const void *ctx;
    const struct rule *whole;
    const struct rule **found;
    size_t n, cap;
};

static void collect(struct collection *c, struct rule_node *node)
{
    struct rule *part;

    if (node->type == RULE_NODE_AND || node->type == RULE_NODE_OR || node->type == RULE_NODE_NOT) {
        for (size_t i = 0; i < node->n_child; i++)
            collect(c, node->child[i]);
        return;
    }
    part = mem_new(c->ctx, struct rule);
    *part = *c->whole;
    part->root = node;
    mem_grow(c->ctx, &c->found, &c->cap, c->n + 1);
    c->found[c->n++] = part;
}

const struct rule *const *rule_parts(const void *ctx, const struct rule *rule, size_t *ret_n)
{
    struct collection c = {.ctx = ctx, .whole = rule};

    collect(&c, rule->root);
    *ret_n = c.n;
    return c.found;
}
