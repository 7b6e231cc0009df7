/* conditions_changes.c - the compiler's part that asks of each condition of a rule when it changes,
 * too. See sqlgen.h; changes.c knows when that is.
 *
 * Whether the conditions hold comes first: it says whose next change the rule hangs on. */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

/* Among more conditions, and in more bytes, it is not worth saying where a next change is needed.
 */
#define GUARDED_MAX 16
#define GUARD_MAX   400

/* The changes that were recorded, as one instant; null: never. */
static const char *earliest_sql(struct rule_gen *g)
{
    struct buf b;

    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (size_t i = 0; i < g->n_changes; i++)
        buf_printf(&b, "%s%s", i == 0 ? "LEAST(" : ", ", g->changes[i]);
    buf_char(&b, ')');
    return g->n_changes == 1 ? g->changes[0] : b.data;
}

/* A condition, computed once for all rules that say it. */
static struct rule_leaf leaf_of(struct rule_gen *g, const struct rule_node *node)
{
    /* Time makes no field of a contact known. */
    bool fixed = node->type == RULE_NODE_KNOWN && node->child[0]->type == RULE_NODE_FIELD;
    struct rule_leaf leaf = {.node = node};
    const char *truth;

    for (size_t i = 0; i < g->n_leaves; i++)
        if (g->leaves[i].node == node)
            return g->leaves[i];
    g->n_changes = 0;
    g->dear = false;
    g->with_changes = !fixed && !changes_exact(node);
    truth = changes_truth(g, node);
    if (truth == NULL)
        truth = gen_printf(g, "(%s) IS TRUE", condition_plain_sql(g, node));
    leaf.truth = gen_truth(g, truth);
    g->with_changes = true;
    leaf.dear = g->dear;
    leaf.changes = mem_array(g->ctx, const char *, g->n_changes);
    for (; leaf.n_changes < g->n_changes; leaf.n_changes++)
        leaf.changes[leaf.n_changes] = g->changes[leaf.n_changes];
    mem_grow(g->ctx, &g->leaves, &g->cap_leaves, g->n_leaves + 1);
    g->leaves[g->n_leaves++] = leaf;
    return leaf;
}

static bool asks_aggregate(const struct rule_node *node)
{
    for (size_t i = 0; i < node->n_child; i++)
        if (node->child[i]->type == RULE_NODE_AGGREGATE)
            return true;
    return false;
}

/* It, and when it changes. */
static const char *leaf_with_changes(struct rule_gen *g, const struct rule_node *node)
{
    struct rule_leaf leaf = leaf_of(g, node);
    const char *guard = g->guard;

    g->n_changes = 0;
    g->dear = leaf.dear;
    for (size_t i = 0; i < leaf.n_changes; i++)
        gen_change(g, leaf.changes[i]);
    if (changes_exact(node))
        changes_record(g, node, leaf.truth, condition_test(node));
    else if (changes_pair_followed(node))
        changes_pair_record(g, node, leaf.truth, condition_test(node));
    else if (asks_aggregate(node))
        bug("nobody follows a %s of an aggregate", rule_node_word(node->type));
    g->next = g->n_changes == 0 ? NULL : earliest_sql(g);
    g->guard = g->dear ? guard : NULL;
    if (g->next != NULL && g->joints > 0)
        g->next = gen_next(g, 0, gen_printf(g, "coalesce(%s, 'infinity'::timestamptz)", g->next));
    g->guard = guard;
    g->height = 0;
    return leaf.truth;
}

/* Whether it holds, of what is still to be asked when it changes. */
static const char *truth_sql(struct rule_gen *g, const struct rule_node *node)
{
    bool is_and = node->type == RULE_NODE_AND;
    struct buf b;

    if (node->type == RULE_NODE_NOT)
        return gen_printf(g, "(NOT %s)", truth_sql(g, node->child[0]));
    if (node->type == RULE_NODE_CONSTANT)
        return condition_plain_sql(g, node);
    if (!is_and && node->type != RULE_NODE_OR)
        return leaf_of(g, node).truth;
    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (size_t i = 0; i < node->n_child; i++)
        buf_printf(&b, "%s%s",
                   i == 0   ? "("
                   : is_and ? " AND "
                            : " OR ",
                   truth_sql(g, node->child[i]));
    buf_char(&b, ')');
    return buf_take(&b, g->ctx);
}

/* Whether the next change of answers[at] is needed: of an `and` that holds all are, of one that
 * fails those that fail; of `or` the other way round. */
static const char *guard_of(struct rule_gen *g, const struct rule_answer *answers, size_t n,
                            size_t at, bool is_and)
{
    struct buf b;

    if (n == 1 || n > GUARDED_MAX)
        return g->guard;
    buf_init(&b, g->ctx, RULE_SQL_MAX);
    buf_printf(&b, "(%s%s OR %s(", is_and ? "NOT " : "", answers[at].sql, is_and ? "" : "NOT ");
    for (size_t i = 0, n_others = 0; i < n; i++)
        if (i != at)
            buf_printf(&b, "%s%s",
                       n_others++ == 0 ? ""
                       : is_and        ? " AND "
                                       : " OR ",
                       answers[i].sql);
    buf_str(&b, "))");
    if (g->guard != NULL)
        buf_printf(&b, " AND %s", g->guard);
    return b.len > GUARD_MAX ? g->guard : buf_take(&b, g->ctx);
}

static const char *joined_with_changes(struct rule_gen *g, const struct rule_node *node)
{
    bool is_and = node->type == RULE_NODE_AND;
    struct rule_answer *answers = mem_array(g->ctx, struct rule_answer, node->n_child);
    const char *outside = g->guard;

    for (size_t i = 0; i < node->n_child; i++)
        answers[i].sql = truth_sql(g, node->child[i]);
    g->joints++;
    for (size_t i = 0; i < node->n_child; i++) {
        g->guard = guard_of(g, answers, node->n_child, i, is_and);
        condition_sql(g, node->child[i]);
        g->guard = outside;
        answers[i].next = g->next;
        answers[i].height = g->height;
    }
    g->joints--;
    changes_joined(g, answers, node->n_child, is_and);
    return truth_sql(g, node);
}

const char *condition_sql(struct rule_gen *g, const struct rule_node *node)
{
    if (!g->with_changes)
        return condition_plain_sql(g, node);
    if (node->type == RULE_NODE_AND || node->type == RULE_NODE_OR)
        return joined_with_changes(g, node);
    if (node->type == RULE_NODE_NOT)
        return gen_printf(g, "(NOT %s)", condition_sql(g, node->child[0]));
    if (node->type != RULE_NODE_CONSTANT)
        return leaf_with_changes(g, node);
    g->next = NULL;
    g->height = 0;
    return condition_plain_sql(g, node);
}
