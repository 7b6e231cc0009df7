/* conditions.c - the compiler's part that turns conditions into SQL. See sqlgen.h.
 *
 * A condition is never unknown (lazo-rules(7)). Where it stands under no `not`, SQL's own
 * three values already give that: unknown is not true, and WHERE, FILTER and CASE ask for true
 * alone; and a bare comparison can use its index. Under a `not` each leaf is made false where it is
 * unknown. */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A list of more texts than this is not worth an index. */
#define SEARCH_LIST_MAX 50

static const char *leaf(struct rule_gen *g, const char *sql)
{
    return gen_printf(g, g->negated > 0 ? "coalesce(%s, false)" : "(%s)", sql);
}

/* --- comparisons --- */

enum rule_comparison comparison_mirrored(enum rule_comparison op)
{
    switch (op) {
    case RULE_EQ:
    case RULE_NE:
        return op;
    case RULE_LT:
        return RULE_GT;
    case RULE_LE:
        return RULE_GE;
    case RULE_GT:
        return RULE_LT;
    case RULE_GE:
        return RULE_LE;
    }
    return op;
}

/* A number in units of its own (euros, not cents), to compare values of different types. */
static const char *as_numeric(struct rule_gen *g, const char *v, enum rule_type type)
{
    if (type == RULE_TYPE_ANY)
        return any_as_number(g, v);
    if (type == RULE_TYPE_MONEY || type == RULE_TYPE_MEAN)
        return gen_printf(g, "((%s)::numeric / %s)", v, money_unit(g));
    return gen_printf(g, "(%s)::numeric", v);
}

/* An instant against a literal: a day stands for all its hours. */
static const char *instant_compare(struct rule_gen *g, const char *v, enum rule_comparison op,
                                   const char *literal)
{
    const char *start, *end;

    date_span(g, literal, &start, &end);
    if (end == NULL)
        return gen_printf(g, "%s %s %s", v, rule_comparison_sql(op), start);
    switch (op) {
    case RULE_EQ:
        return gen_printf(g, "(%s >= %s AND %s < %s)", v, start, v, end);
    case RULE_NE:
        return gen_printf(g, "(%s < %s OR %s >= %s)", v, start, v, end);
    case RULE_LT:
        return gen_printf(g, "%s < %s", v, start);
    case RULE_LE:
        return gen_printf(g, "%s < %s", v, end);
    case RULE_GT:
        return gen_printf(g, "%s >= %s", v, end);
    case RULE_GE:
        return gen_printf(g, "%s >= %s", v, start);
    }
    return NULL;
}

static const char *folded_sql(struct rule_gen *g, const char *text)
{
    return gen_printf(g, "fold(%s)", gen_param(g, "text", text));
}

/* The plain column that an index serves, where `value` has one; *ret_literal is what it equals, to
 * be computed once. */
static bool exact_sql(struct rule_gen *g, const struct rule_node *value,
                      const struct rule_node *literal, const char **ret_column,
                      const char **ret_literal)
{
    const struct rule_field *exact;

    if (value->type != RULE_NODE_FIELD || value->n_path != 1 || value->field == NULL ||
        value->field != rule_contact_field(value->path[0]))
        return false;
    exact = rule_exact_field(value->field->name);
    if (exact == NULL)
        return false;
    *ret_column = exact->exact_column;
    *ret_literal = gen_fill(g, exact->exact_wrap, gen_param(g, "text", literal->text));
    return true;
}

/* `v`, already SQL, of the type of `value`, against one literal. */
static const char *literal_compare(struct rule_gen *g, const struct rule_node *value, const char *v,
                                   enum rule_comparison op, const struct rule_node *literal)
{
    const char *column, *exact;

    if (literal->value_type == RULE_TYPE_INSTANT)
        return instant_compare(g, v, op, literal->text);
    if (value->value_type == RULE_TYPE_ANY) {
        if (literal->value_type == RULE_TYPE_TEXT)
            v = any_as_text(g, v);
        else
            v = literal->value_type == RULE_TYPE_BOOLEAN ? any_as_boolean(g, v)
                                                         : any_as_number(g, v);
    } else if (op == RULE_EQ && exact_sql(g, value, literal, &column, &exact)) {
        return gen_printf(g, "%s = %s", column, gen_once(g, exact));
    }
    if (literal->value_type == RULE_TYPE_TEXT && op != RULE_EQ && op != RULE_NE)
        return gen_printf(g, "(%s) COLLATE \"C\" %s %s COLLATE \"C\"", v, rule_comparison_sql(op),
                          literal_sql(g, literal));
    return gen_printf(g, "%s %s %s", v, rule_comparison_sql(op), literal_sql(g, literal));
}

/* Two values that are no literals. */
static const char *value_compare(struct rule_gen *g, const struct rule_node *left,
                                 enum rule_comparison op, const struct rule_node *right)
{
    const char *a = value_sql(g, left), *b = value_sql(g, right);
    enum rule_type ta = left->value_type, tb = right->value_type;

    if (rule_is_number(ta) || rule_is_number(tb)) {
        if (ta != tb) {
            a = as_numeric(g, a, ta);
            b = as_numeric(g, b, tb);
        }
    } else if (ta == RULE_TYPE_BOOLEAN || tb == RULE_TYPE_BOOLEAN) {
        a = ta == RULE_TYPE_ANY ? any_as_boolean(g, a) : a;
        b = tb == RULE_TYPE_ANY ? any_as_boolean(g, b) : b;
    } else if (ta == RULE_TYPE_TEXT || ta == RULE_TYPE_ANY) {
        a = ta == RULE_TYPE_ANY ? any_as_text(g, a) : a;
        b = tb == RULE_TYPE_ANY ? any_as_text(g, b) : b;
        return gen_printf(g, "(%s) COLLATE \"C\" %s (%s) COLLATE \"C\"", a, rule_comparison_sql(op),
                          b);
    }
    return gen_printf(g, "%s %s %s", a, rule_comparison_sql(op), b);
}

/* Whether 0 surely fails the comparison with the literal: so small a one that it is read as 0 may
 * be above it, or below. */
static bool zero_fails(enum rule_comparison op, const struct rule_node *literal)
{
    double n = rule_is_number(literal->value_type) ? strtod(literal->text, NULL) : 0;

    switch (op) {
    case RULE_EQ:
        return n != 0;
    case RULE_GT:
        return n >= 0 && !signbit(n);
    case RULE_GE:
        return n > 0;
    case RULE_LT:
    case RULE_LE:
        return n < 0;
    case RULE_NE:
        return false;
    }
    return false;
}

/* A value that is compared with a literal. In a statement over all contacts a comparison that 0
 * fails may as well be unknown for who has no interactions: the planner then begins with those who
 * have some. */
static const char *compared_sql(struct rule_gen *g, const struct rule_node *value,
                                enum rule_comparison op, const struct rule_node *literal)
{
    const char *v;

    g->zero_fails = g->whole && rule_is_number(literal->value_type) && zero_fails(op, literal);
    v = value_sql(g, value);
    g->zero_fails = false;
    return v;
}

static const char *compare_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *left = node->child[0], *right = node->child[1];
    enum rule_comparison op = (enum rule_comparison)node->op;

    if (rule_is_literal(left) && rule_is_literal(right)) {
        const char *start, *end;

        if (left->value_type != RULE_TYPE_INSTANT)
            return gen_printf(g, "%s %s %s", literal_sql(g, left), rule_comparison_sql(op),
                              literal_sql(g, right));
        date_span(g, left->text, &start, &end);
        return instant_compare(g, start, op, right->text);
    }
    if (rule_is_literal(right))
        return literal_compare(g, left, compared_sql(g, left, op, right), op, right);
    if (rule_is_literal(left)) {
        op = comparison_mirrored(op);
        return literal_compare(g, right, compared_sql(g, right, op, left), op, left);
    }
    return value_compare(g, left, op, right);
}

/* A value that may also be a literal, for `in` and `between`. */
static const char *tested_sql(struct rule_gen *g, const struct rule_node *value)
{
    const char *start, *end;

    if (!rule_is_literal(value))
        return value_sql(g, value);
    if (value->value_type != RULE_TYPE_INSTANT)
        return literal_sql(g, value);
    date_span(g, value->text, &start, &end);
    return start;
}

/* Texts against a list: one array, made once a statement, which an index can look through. NULL
 * where the list is of another sort. */
static const char *in_texts_sql(struct rule_gen *g, const struct rule_node *node, const char *v)
{
    const struct rule_node *value = node->child[0];
    bool apart = g->search && node->n_child <= SEARCH_LIST_MAX;
    const char *column, *one;
    struct buf b;

    if (value->value_type != RULE_TYPE_TEXT || rule_is_literal(value))
        return NULL;
    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (size_t i = 1; i < node->n_child; i++) {
        if (exact_sql(g, value, node->child[i], &column, &one))
            v = column;
        else
            one = folded_sql(g, node->child[i]->text);
        /* The planner takes the index of a search only where it sees how many there are. */
        buf_printf(&b, "%s%s", i == 1 ? "ARRAY[" : ", ", apart ? gen_once(g, one) : one);
    }
    buf_char(&b, ']');
    return gen_printf(g, "%s = ANY (%s)", v, apart ? b.data : gen_once(g, b.data));
}

static const char *in_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *value = node->child[0];
    const char *v = tested_sql(g, value), *texts = in_texts_sql(g, node, v);
    struct buf b;

    if (texts != NULL)
        return gen_printf(g, node->negated ? "(NOT %s)" : "%s", texts);
    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (size_t i = 1; i < node->n_child; i++) {
        buf_str(&b, i == 1 ? "(" : " OR ");
        buf_str(&b, literal_compare(g, value, v, RULE_EQ, node->child[i]));
    }
    buf_char(&b, ')');
    return gen_printf(g, node->negated ? "(NOT %s)" : "%s", b.data);
}

static const char *between_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *value = node->child[0];
    const char *v = tested_sql(g, value);

    return gen_printf(g, "(%s AND %s)", literal_compare(g, value, v, RULE_GE, node->child[1]),
                      literal_compare(g, value, v, RULE_LE, node->child[2]));
}

/* --- the other tests of a value --- */

static const char *text_test_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *value = node->child[0];
    const char *v = tested_sql(g, value), *needle;

    needle = gen_once(g, folded_sql(g, node->child[1]->text));
    if (value->value_type == RULE_TYPE_ANY)
        v = any_as_text(g, v);
    switch ((enum rule_text_test)node->op) {
    case RULE_TEXT_CONTAINS:
        return gen_printf(g, "strpos(%s, %s) > 0", v, needle);
    case RULE_TEXT_STARTS:
        return gen_printf(g, "%s ^@ %s", v, needle);
    case RULE_TEXT_ENDS:
        return gen_printf(g, "right(%s, length(%s)) = %s", v, needle, needle);
    case RULE_TEXT_MATCHES:
        return gen_printf(g, "%s ~ %s", v, needle);
    }
    bug("no test of a text: %d", node->op);
}

static const char *known_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *value = node->child[0];
    const char *v = tested_sql(g, value);

    if (value->value_type == RULE_TYPE_ANY)
        v = gen_printf(g, "(%s #>> '{}')", v);
    return gen_printf(g, "%s IS %s", v, node->negated ? "NULL" : "NOT NULL");
}

static const char *during_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *value = node->child[0];
    const char *v = value_sql(g, value), *flips;

    if (value->value_type == RULE_TYPE_DATE)
        v = gen_printf(g, "(%s)", day_start_sql(g, v, gen_zone(g)));
    flips = g->with_changes && value->type == RULE_NODE_FIELD
                ? window_value_flips(g, node->window, v)
                : NULL;
    if (flips != NULL)
        gen_change(g, flips);
    return window_sql(g, node->window, v, false);
}

static const char *anniversary_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *field = node->child[0];
    const char *date = value_sql(g, field), *days;

    if (field->value_type == RULE_TYPE_INSTANT)
        date = gen_printf(g, "(%s AT TIME ZONE z.zone)::date", date);
    days = gen_year(g, yearly_lateral(g, date));
    return yearly_sql(g, node, days);
}

/* --- rows beside the contact --- */

/* Whether a row of `table` (alias t) with `match` belongs to the contact. A search asks for it so
 * that the table's own index can lead; an evaluation reads the contact's rows once for all rules.
 */
static const char *row_sql(struct rule_gen *g, const char *table, const char *match)
{
    if (g->search)
        return gen_printf(g, "EXISTS (SELECT FROM %s t WHERE t.contact_id = c.id AND %s)", table,
                          match);
    return gen_printf(g, "coalesce(%s, false)",
                      gen_column(g, gen_printf(g, "%s t WHERE t.contact_id = c.id", table),
                                 gen_printf(g, "bool_or(%s)", match)));
}

static const char *named_sql(struct rule_gen *g, const struct rule_node *node, const char *table,
                             const char *column)
{
    const char *name = gen_once(g, folded_sql(g, node->text));

    return row_sql(g, table, gen_printf(g, "t.%s = %s", column, name));
}

/* In a search: a test of an attribute or a score against literals, as one over its row, so that the
 * index on the value can lead. NULL elsewhere. */
static const char *tested_row_sql(struct rule_gen *g, const struct rule_node *node,
                                  const char *(*test)(struct rule_gen *, const struct rule_node *))
{
    const char *table, *match;

    if (!g->search || rule_is_literal(node->child[0]))
        return NULL;
    for (size_t i = 1; i < node->n_child; i++)
        if (!rule_is_literal(node->child[i]))
            return NULL;
    g->row_value[0] = value_row(g, node->child[0], &table, &match);
    if (g->row_value[0] == NULL)
        return NULL;
    g->row_node[0] = node->child[0];
    match = gen_printf(g, "%s AND %s", match, test(g, node));
    g->row_node[0] = NULL;
    return row_sql(g, table, match);
}

static const char *test_sql(struct rule_gen *g, const struct rule_node *node,
                            const char *(*test)(struct rule_gen *, const struct rule_node *))
{
    const char *row = tested_row_sql(g, node, test);

    return row != NULL ? row : leaf(g, test(g, node));
}

static const char *birthday_sql(struct rule_gen *g, const struct rule_node *node)
{
    const char *sql = yearly_sql(g, node, "z");

    if (!g->search || node->op == RULE_DAY_IN_NEXT)
        return leaf(g, sql);
    return leaf(g, gen_printf(g, "(%s AND %s)", birthday_search_sql(g), sql));
}

static const char *joined_sql(struct rule_gen *g, const struct rule_node *node, const char *word)
{
    struct buf b;

    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (size_t i = 0; i < node->n_child; i++) {
        buf_str(&b, i == 0 ? "(" : word);
        buf_str(&b, condition_sql(g, node->child[i]));
    }
    buf_char(&b, ')');
    return buf_take(&b, g->ctx);
}

static const char *not_sql(struct rule_gen *g, const struct rule_node *node)
{
    const char *inner;

    g->negated++;
    inner = condition_sql(g, node->child[0]);
    g->negated--;
    return gen_printf(g, "(NOT %s)", inner);
}

static const char *segment_sql(struct rule_gen *g, const struct rule_node *node)
{
    const char *match = gen_printf(g, "t.segment_id = %s", gen_param_int(g, "int", node->id));

    if (node->op == RULE_MEMBER)
        return row_sql(g, "membership", match);
    return row_sql(
        g, "segment_exception",
        gen_printf(g, "%s AND t.mode = '%s'", match, node->op == RULE_KEPT_IN ? "in" : "out"));
}

const char *condition_plain_sql(struct rule_gen *g, const struct rule_node *node)
{
    switch (node->type) {
    case RULE_NODE_AND:
        return joined_sql(g, node, " AND ");
    case RULE_NODE_OR:
        return joined_sql(g, node, " OR ");
    case RULE_NODE_NOT:
        return not_sql(g, node);
    case RULE_NODE_COMPARE:
        return test_sql(g, node, compare_sql);
    case RULE_NODE_IN:
        return test_sql(g, node, in_sql);
    case RULE_NODE_BETWEEN:
        return test_sql(g, node, between_sql);
    case RULE_NODE_TEXT_TEST:
        return test_sql(g, node, text_test_sql);
    case RULE_NODE_KNOWN:
        return leaf(g, known_sql(g, node));
    case RULE_NODE_DURING:
        return leaf(g, during_sql(g, node));
    case RULE_NODE_BIRTHDAY:
        return birthday_sql(g, node);
    case RULE_NODE_ANNIVERSARY:
        return leaf(g, anniversary_sql(g, node));
    case RULE_NODE_TAG:
        return named_sql(g, node, "contact_tag", "tag_fold");
    case RULE_NODE_GROUP:
        return named_sql(g, node, "contact_group", "name_fold");
    case RULE_NODE_SUBSCRIBED:
        return row_sql(
            g, "subscription",
            gen_printf(g, "t.topic_id = %s AND t.subscribed", gen_param_int(g, "int", node->id)));
    case RULE_NODE_SEGMENT:
        return segment_sql(g, node);
    case RULE_NODE_PERSON:
        return "c.kind = 'person'";
    case RULE_NODE_COMPANY:
        return "c.kind = 'company'";
    case RULE_NODE_HOUSEHOLD:
        return "c.kind = 'household'";
    case RULE_NODE_CONSTANT:
        return node->negated ? "false" : "true";
    case RULE_NODE_AGGREGATE: /* any(...) */
        return leaf(g, value_sql(g, node));
    case RULE_NODE_RELATED:
        return related_sql(g, node);
    case RULE_NODE_FIELD:
    case RULE_NODE_STRING:
    case RULE_NODE_NUMBER:
    case RULE_NODE_DATE:
    case RULE_NODE_BOOLEAN:
        break;
    }
    bug("the checker let a %s pass", rule_node_word(node->type));
}

rule_test *condition_test(const struct rule_node *node)
{
    if (node->type == RULE_NODE_IN)
        return in_sql;
    if (node->type == RULE_NODE_TEXT_TEST)
        return text_test_sql;
    if (node->type == RULE_NODE_KNOWN)
        return known_sql;
    return node->type == RULE_NODE_BETWEEN ? between_sql : compare_sql;
}
