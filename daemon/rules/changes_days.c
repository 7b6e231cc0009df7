/* changes_days.c - when a condition over a number of days or years changes: age and rfm.recency
 * grow by one at a time, and the answer changes where they come to be a number for which it is
 * another one than for the number before. See changes.c and sqlgen.h. */
#include "daemon/rules/sqlgen.h"

/* What is larger than this nobody comes to be. */
#define NUMBER_MAX 1000000

bool changes_days_followed(const struct rule_node *value)
{
    return value->type == RULE_NODE_FIELD && value->field != NULL &&
           (value->field->need == RULE_NEED_DAY || value->field->need == RULE_NEED_TODAY);
}

static bool number_of(const struct rule_node *literal, int64_t *ret)
{
    bool fraction;

    return rule_is_literal(literal) && rule_number_scaled(literal->text, 0, ret, &fraction) &&
           *ret >= -NUMBER_MAX && *ret <= NUMBER_MAX;
}

static bool compares(enum rule_comparison op, int64_t n, int64_t literal)
{
    switch (op) {
    case RULE_EQ:
        return n == literal;
    case RULE_NE:
        return n != literal;
    case RULE_LT:
        return n < literal;
    case RULE_LE:
        return n <= literal;
    case RULE_GT:
        return n > literal;
    case RULE_GE:
        return n >= literal;
    }
    return false;
}

/* Whether the condition holds for a number, as far as that can be said of the literals that it can
 * come to be. */
static bool holds_for(const struct rule_node *node, const struct rule_node *value, int64_t n)
{
    bool in = false, between = true;
    int64_t literal;

    for (size_t i = 0, at = 0; i < node->n_child; i++) {
        if (node->child[i] == value)
            continue;
        if (!number_of(node->child[i], &literal))
            literal = node->child[i]->text[0] == '-' ? INT64_MIN : INT64_MAX;
        if (node->type == RULE_NODE_COMPARE)
            return compares(changes_comparison(node), n, literal);
        in = in || n == literal;
        between = between && (at++ == 0 ? n >= literal : n <= literal);
    }
    return node->type == RULE_NODE_BETWEEN ? between : in != node->negated;
}

/* The day on which the value comes to be `n`, where that is still ahead. */
static void add_day(struct rule_gen *g, struct buf *b, const struct rule_node *value, int64_t n)
{
    bool of_score = value->field->need == RULE_NEED_TODAY;
    const char *day;

    if (of_score)
        day = gen_printf(g, "(%s + %s)", score_day_sql(g, value), gen_param_int(g, "int", n));
    else
        day = birthday_in_sql(g, gen_printf(g, "(c.birth_year + %s)", gen_param_int(g, "int", n)));
    buf_printf(b, "%sCASE WHEN %s > %s THEN %s END", b->len == 0 ? "" : ", ", day,
               of_score ? org_today(g) : "z.today", day);
}

void changes_days_record(struct rule_gen *g, const struct rule_node *node,
                         const struct rule_node *value)
{
    bool of_score = value->field->need == RULE_NEED_TODAY;
    struct buf days;
    int64_t n;

    buf_init(&days, g->ctx, RULE_SQL_MAX);
    for (size_t i = 0; i < node->n_child; i++)
        for (int64_t plus = 0; plus < 2; plus++)
            if (node->child[i] != value && number_of(node->child[i], &n) &&
                (of_score || (n >= -1 && n <= 300)) &&
                holds_for(node, value, n + plus) != holds_for(node, value, n + plus - 1))
                add_day(g, &days, value, n + plus);
    if (days.len > 0)
        gen_change(g, day_start_sql(g, gen_flip(g, gen_printf(g, "LEAST(%s)", days.data)),
                                    of_score ? gen_zone(g) : "z.zone"));
}
