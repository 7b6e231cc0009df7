/* changes_pair.c - when a condition over two values that may both move changes though nothing
 * happens: an aggregate compared with another one or with a field, the first or last interaction in
 * a window. What stands in the window of each is followed step by step (window_steps() of the
 * schema), where anything in it will still move: so many steps ahead that this is exact but for who
 * does it very often, who may be asked in vain after them. See changes.c and sqlgen.h. */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

#define STEPS_MAX 24

static bool is_aggregate(const struct rule_node *node)
{
    return node->type == RULE_NODE_AGGREGATE;
}

static bool is_in_window(const struct rule_node *node)
{
    return node->type == RULE_NODE_DURING && is_aggregate(node->child[0]);
}

bool changes_pair_followed(const struct rule_node *node)
{
    if (is_in_window(node))
        return true;
    return node->type == RULE_NODE_COMPARE && !rule_is_literal(node->child[0]) &&
           !rule_is_literal(node->child[1]) &&
           (is_aggregate(node->child[0]) || is_aggregate(node->child[1]));
}

/* --- one of them ---------------------------------------------------------------------------------
 */

struct side {
    struct rule_gen *g;
    const struct rule_node *value;
    const char *alias;        /* of its steps */
    const char *from, *where; /* where: may be NULL */
};

static struct side side_make(struct rule_gen *g, const struct rule_node *value, const char *alias)
{
    return (struct side){.g = g,
                         .value = value,
                         .alias = alias,
                         .from = kind_from(g, value->id),
                         .where = aggregate_where(g, value)};
}

static const char *filtered(const struct side *s, const char *events)
{
    const char *and = events != NULL && s->where != NULL ? " AND " : "";

    if (events == NULL && s->where == NULL)
        return "";
    return gen_printf(s->g, " FILTER (WHERE %s%s%s)", events == NULL ? "" : events, and,
                      s->where == NULL ? "" : s->where);
}

static const char *instants_sql(const struct side *s)
{
    return gen_ordered(s->g, s->from,
                       gen_printf(s->g, "array_agg(i.occurred_at)%s", filtered(s, NULL)));
}

static const char *future_sql(const struct side *s)
{
    return gen_column(
        s->g, s->from,
        gen_printf(s->g, "array_agg(i.occurred_at)%s", filtered(s, "i.occurred_at > w.now")));
}

static bool window_moves(const struct rule_window *w)
{
    return w != NULL && (window_slides(w) || window_steps(w));
}

/* Whether what stands in its window will ever be something else. */
static const char *moves_sql(const struct side *s)
{
    struct rule_gen *g = s->g;
    const struct rule_window *w = s->value->window;

    if (!window_moves(w))
        return gen_printf(g, "%s IS NOT NULL", future_sql(s));
    return gen_printf(g, "%s > %s", gen_column(g, s->from, "max(i.occurred_at)"),
                      window_since(g, w));
}

static const char *steps_sql(const struct side *s)
{
    return gen_printf(s->g, "window_steps(%s, %s, w.now, %d) %s",
                      window_spec(s->g, s->value->window), instants_sql(s), STEPS_MAX, s->alias);
}

/* Its value at a step. */
static const char *step_value_sql(const struct side *s)
{
    struct rule_gen *g = s->g;
    const struct rule_node *v = s->value;
    const char *operand = v->n_path == 0 ? "i.occurred_at" : aggregate_operand(g, v), *a = s->alias;
    const char *values;

    if (v->op == RULE_COUNT)
        return gen_printf(g, "(%s.oldest - %s.newest + 1)::bigint", a, a);
    if (v->op == RULE_FIRST || v->op == RULE_LAST) {
        values = gen_column(g, s->from,
                            gen_printf(g, "array_agg(%s ORDER BY i.occurred_at DESC, i.id DESC)%s",
                                       operand, filtered(s, NULL)));
        return gen_printf(g, "(CASE WHEN %s.newest <= %s.oldest THEN (%s)[%s.%s] END)", a, a,
                          values, a, v->op == RULE_FIRST ? "oldest" : "newest");
    }
    values = gen_ordered(g, s->from, gen_printf(g, "array_agg(%s)%s", operand, filtered(s, NULL)));
    return gen_printf(g, "%s(SELECT %s(u) FROM unnest((%s)[%s.newest:%s.oldest]) u)%s",
                      v->op == RULE_SUM ? "coalesce(" : "",
                      rule_aggregate_word((enum rule_aggregate)v->op), values, a, a,
                      v->op == RULE_SUM ? ", 0)" : "");
}

/* --- two values ----------------------------------------------------------------------------------
 */

static void record_compared(struct rule_gen *g, const struct rule_node *node, const char *truth,
                            rule_test *test)
{
    const char *moves = NULL, *steps = NULL, *at = NULL, *known = NULL, *holds;

    for (int i = 0; i < 2; i++) {
        struct side s;

        if (!is_aggregate(node->child[i]))
            continue;
        s = side_make(g, node->child[i], i == 0 ? "a" : "b");
        g->row_node[i] = s.value;
        g->row_value[i] = step_value_sql(&s);
        moves = moves == NULL ? moves_sql(&s) : gen_printf(g, "%s OR %s", moves, moves_sql(&s));
        steps = steps == NULL ? steps_sql(&s)
                              : gen_printf(g, "%s JOIN %s ON a.at < b.until AND b.at < a.until",
                                           steps, steps_sql(&s));
        at = at == NULL ? gen_printf(g, "%s.at", s.alias) : "GREATEST(a.at, b.at)";
        known = gen_printf(g, "%s, max(%s.until)", known == NULL ? "" : known, s.alias);
    }
    holds = gen_printf(g, "((%s) IS TRUE)", test(g, node));
    g->row_node[0] = g->row_node[1] = NULL;
    gen_change(g, gen_flip(g, gen_printf(g,
                                         "CASE WHEN %s THEN (SELECT LEAST(min(%s) FILTER (WHERE"
                                         " %s > w.now AND %s <> %s)%s) FROM %s) END",
                                         moves, at, at, holds, truth, known, steps)));
}

/* --- the first or last one in a window -----------------------------------------------------------
 */

/* When another one is it, or it is in the window or no longer. Where nothing moves but now, that is
 * as of any instant. */
static void record_in_window(struct rule_gen *g, const struct rule_node *node, const char *truth)
{
    const struct rule_node *value = node->child[0];
    struct side s = side_make(g, value, "a");
    const char *v = value_sql(g, value), *flips, *moves = moves_sql(&s);

    /* It has happened: none lies in the next days. */
    if (node->window->type == RULE_WINDOW_IN_NEXT)
        return;
    if (value->op == RULE_FIRST && !window_moves(value->window))
        moves = gen_printf(g, "%s IS NULL AND %s", v, moves);
    flips = window_value_flips(g, node->window, v);
    gen_change(
        g, gen_printf(g, "CASE WHEN %s THEN edge_flip('%s', %s, %s, %s, w.now, %d, %s)%s%s END",
                      moves, rule_aggregate_word((enum rule_aggregate)value->op), instants_sql(&s),
                      window_spec(g, value->window), window_spec(g, node->window), STEPS_MAX, truth,
                      flips == NULL ? "" : " ELSE ", flips == NULL ? "" : flips));
}

void changes_pair_record(struct rule_gen *g, const struct rule_node *node, const char *truth,
                         rule_test *test)
{
    if (is_in_window(node))
        record_in_window(g, node, truth);
    else
        record_compared(g, node, truth, test);
}
