/* labels.c - the tags, groups, campaigns, stages and labels of scores that a rule names. The
 * checker does not know which there are: who asks the database tells. */
#include "common/mem.h"
#include "daemon/rules/rule.h"
#include "daemon/rules/tree.h"

#include <strings.h>

struct labels {
    const void *ctx;
    struct rule_label *items;
    size_t n, cap;
};

static void label_add(struct labels *l, const struct rule_node *node, enum rule_label_sort sort,
                      int64_t model_id)
{
    mem_grow(l->ctx, &l->items, &l->cap, l->n + 1);
    l->items[l->n++] = (struct rule_label){.name = node->text,
                                           .sort = sort,
                                           .model_id = model_id,
                                           .line = node->line,
                                           .column = node->column};
}

/* What a value is compared with, where that is the name of something. */
static void collect_compared(struct labels *l, const struct rule_node *node)
{
    const struct rule_node *value = node->child[0];
    const char *field = value->n_path > 0 ? value->path[value->n_path - 1] : "";
    bool campaign = value->n_path == 1 && strcasecmp(field, "campaign") == 0;
    bool score = value->type == RULE_NODE_FIELD && value->n_path > 1 &&
                 strcasecmp(value->path[0], "rfm") == 0 && strcasecmp(field, "label") == 0;

    bool stage =
        value->type == RULE_NODE_FIELD && value->n_path == 1 && strcasecmp(field, "stage") == 0;

    if (!campaign && !score && !stage)
        return;
    for (size_t i = 1; i < node->n_child; i++)
        if (node->child[i]->type == RULE_NODE_STRING)
            label_add(l, node->child[i],
                      campaign ? RULE_LABEL_campaign
                      : score  ? RULE_LABEL_score
                               : RULE_LABEL_stage,
                      score ? value->id : 0);
}

static void collect(struct labels *l, const struct rule_node *node)
{
    if (node->type == RULE_NODE_TAG)
        label_add(l, node, RULE_LABEL_tag, 0);
    else if (node->type == RULE_NODE_GROUP)
        label_add(l, node, RULE_LABEL_group, 0);
    else if (node->type == RULE_NODE_COMPARE || node->type == RULE_NODE_IN)
        collect_compared(l, node);
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
