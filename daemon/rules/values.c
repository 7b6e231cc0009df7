/* values.c - the compiler's part that turns fields, aggregates and literals into SQL. See sqlgen.h.
 */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

#include <string.h>
#include <strings.h>

const char *money_unit(struct rule_gen *g)
{
    int64_t unit = 1;

    for (int i = 0; i < g->cat->currency_digits; i++)
        unit *= 10;
    return gen_printf(g, "%lld", (long long)unit);
}

/* The interactions of the contact, or of all contacts, or of those in a range, with what `which`
 * says of them. */
static const char *events_from(struct rule_gen *g, const char *which)
{
    if (g->ranged != NULL)
        return gen_printf(g, "interaction i WHERE %s AND %s", g->ranged, which);
    return gen_printf(g,
                      g->whole ? "interaction i CROSS JOIN w WHERE %s"
                               : "interaction i WHERE i.contact_id = c.id AND %s",
                      which);
}

const char *kind_from(struct rule_gen *g, int64_t kind_id)
{
    return events_from(g, gen_printf(g, "i.kind_id = %s", gen_param_int(g, "int", kind_id)));
}

/* --- values of data --- */

/* The amount as it was recorded is called data.amount, unless the data has one of its own. */
static const char *data_sql(struct rule_gen *g, const char *name)
{
    const char *value = gen_printf(g, "i.data -> %s", gen_param(g, "text", name));

    if (strcmp(name, "amount") != 0)
        return gen_printf(g, "(%s)", value);
    return gen_printf(g,
                      "coalesce(%s, to_jsonb(recorded_units(i.amount_recorded, i.currency, %d)))",
                      value, g->cat->currency_digits);
}

const char *any_as_text(struct rule_gen *g, const char *jsonb)
{
    return gen_printf(g, "fold(%s #>> '{}')", jsonb);
}

const char *any_as_number(struct rule_gen *g, const char *jsonb)
{
    /* Bounded in length, so that no sum of them leaves what numeric can hold; a text that is no
     * number is a missing value. */
    return gen_printf(
        g,
        "CASE WHEN jsonb_typeof(%s) IN ('number', 'string') AND"
        " (%s #>> '{}') ~ '^[-+]?[0-9]{1,40}([.][0-9]{1,40})?$' THEN (%s #>> '{}')::numeric END",
        jsonb, jsonb, jsonb);
}

const char *any_as_boolean(struct rule_gen *g, const char *jsonb)
{
    return gen_printf(g, "CASE %s #>> '{}' WHEN 'true' THEN true WHEN 'false' THEN false END",
                      jsonb);
}

/* --- literals --- */

static const char *scaled(struct rule_gen *g, const char *text, int digits)
{
    bool fraction;
    int64_t n;

    if (!rule_number_scaled(text, digits, &n, &fraction))
        bug("the checker let \"%s\" pass", text);
    return gen_param_int(g, "bigint", n);
}

const char *literal_sql(struct rule_gen *g, const struct rule_node *node)
{
    switch (node->value_type) {
    case RULE_TYPE_TEXT:
        /* fold() is not cheap: once a statement, not once a row. */
        return gen_once(g, gen_printf(g, "fold(%s)", gen_param(g, "text", node->text)));
    case RULE_TYPE_INTEGER:
        return scaled(g, node->text, 0);
    case RULE_TYPE_MONEY:
        return scaled(g, node->text, g->cat->currency_digits);
    case RULE_TYPE_MEAN:
        return gen_printf(g, "(%s * %s)", gen_param(g, "numeric", node->text), money_unit(g));
    case RULE_TYPE_NUMBER:
        return gen_param(g, "float8", node->text);
    case RULE_TYPE_DECIMAL:
        return gen_param(g, "numeric", node->text);
    case RULE_TYPE_DATE:
        return gen_param(g, "date", node->text);
    case RULE_TYPE_BOOLEAN:
        return gen_param(g, "boolean", node->text);
    case RULE_TYPE_INSTANT:
    case RULE_TYPE_ANY:
    case RULE_TYPE_UNKNOWN:
        break;
    }
    bug("a literal of no type");
}

/* --- fields --- */

static const char *attribute_column(const struct rule_node *node)
{
    if (node->value_type == RULE_TYPE_NUMBER)
        return "t.value_number";
    if (node->value_type == RULE_TYPE_DATE)
        return "t.value_date";
    return node->value_type == RULE_TYPE_BOOLEAN ? "t.value_boolean" : "t.value_fold";
}

static const char *attribute_sql(struct rule_gen *g, const struct rule_node *node)
{
    return gen_column(g, "contact_attr t WHERE t.contact_id = c.id",
                      gen_printf(g, "%s(%s) FILTER (WHERE t.field_id = %s)",
                                 node->value_type == RULE_TYPE_BOOLEAN ? "bool_or" : "max",
                                 attribute_column(node), gen_param_int(g, "int", node->id)));
}

static const char *score_column(struct rule_gen *g, const struct rule_node *node)
{
    const char *from = gen_printf(g, "rfm_score s WHERE s.contact_id = c.id AND s.model_id = %s",
                                  gen_param_int(g, "int", node->id));

    return gen_column(g, from, gen_fill(g, node->field->sql, "s"));
}

const char *score_day_sql(struct rule_gen *g, const struct rule_node *node)
{
    return score_column(g, node);
}

static const char *score_sql(struct rule_gen *g, const struct rule_node *node)
{
    const char *v = score_column(g, node);

    if (node->field->need != RULE_NEED_TODAY)
        return v;
    gen_change(g, gen_printf(g, "CASE WHEN %s IS NOT NULL THEN %s END", v, org_tomorrow_start(g)));
    return gen_printf(g, "(%s - %s)", org_today(g), v);
}

static const char *known_since_sql(struct rule_gen *g, const struct rule_node *node)
{
    const char *from = events_from(g, "true"), *next;

    /* One that is still to happen is the earlier one only of who will be created after it. */
    if (g->with_changes) {
        next = gen_column(g, from, "min(i.occurred_at) FILTER (WHERE i.occurred_at > w.now)");
        gen_change(g, gen_printf(g, "CASE WHEN c.created_at > %s THEN %s END", next, next));
    }
    return gen_fill(g, node->field->sql,
                    gen_filtered(g, from, "min(i.occurred_at)", "i.occurred_at <= w.now"));
}

static const char *age_sql(struct rule_gen *g, const struct rule_node *node)
{
    g->uses_day = true;
    gen_change(g,
               day_start_sql(g, "(CASE WHEN c.birth_year IS NOT NULL THEN z.next END)", "z.zone"));
    return node->field->sql;
}

/* Of an interaction: a part of its day is one of the organisation's zone. */
static const char *interaction_sql(struct rule_gen *g, const struct rule_field *field)
{
    return strstr(field->sql, "%s") == NULL ? field->sql : gen_fill(g, field->sql, gen_zone(g));
}

static const char *field_sql(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_field *field = node->field;

    if (field == NULL)
        return node->value_type == RULE_TYPE_ANY ? data_sql(g, node->path[1])
                                                 : attribute_sql(g, node);
    if (strcasecmp(node->path[0], "rfm") == 0)
        return score_sql(g, node);
    switch (field->need) {
    case RULE_NEED_DAY:
        return age_sql(g, node);
    case RULE_NEED_FIRST:
        return known_since_sql(g, node);
    case RULE_NEED_TODAY:
    case RULE_NEED_NOTHING:
        break;
    }
    return interaction_sql(g, field);
}

/* --- aggregates --- */

/* Its `where` over `i`, or NULL. */
const char *aggregate_where(struct rule_gen *g, const struct rule_node *node)
{
    const char *where;
    int outside = g->negated;
    bool with_changes = g->with_changes;

    if (node->where == NULL)
        return NULL;
    g->negated = 0;
    g->with_changes = false;
    where = condition_sql(g, node->where);
    g->with_changes = with_changes;
    g->negated = outside;
    return where;
}

/* Which interactions count: a condition over `i`. */
const char *aggregate_events(struct rule_gen *g, const struct rule_node *node, const char *where)
{
    const char *when = node->window == NULL ? "i.occurred_at <= w.now"
                                            : window_sql(g, node->window, "i.occurred_at", true);

    return where == NULL ? when : gen_printf(g, "%s AND %s", when, where);
}

/* What is aggregated: the interaction's field as a number where arithmetic needs one. */
const char *aggregate_operand(struct rule_gen *g, const struct rule_node *node)
{
    const char *v;

    if (node->field != NULL)
        return interaction_sql(g, node->field);
    v = data_sql(g, node->path[1]);
    return node->op == RULE_FIRST || node->op == RULE_LAST ? v : any_as_number(g, v);
}

static const char *edge_sql(struct rule_gen *g, const struct rule_node *node, const char *from,
                            const char *events)
{
    bool first = node->op == RULE_FIRST;
    const char *order = first ? "i.occurred_at, i.id" : "i.occurred_at DESC, i.id DESC";

    if (node->n_path == 0)
        return gen_filtered(g, from, first ? "min(i.occurred_at)" : "max(i.occurred_at)", events);
    return gen_column(g, from,
                      gen_printf(g, "(array_agg(%s ORDER BY %s) FILTER (WHERE %s))[1]",
                                 aggregate_operand(g, node), order, events));
}

/* How many. Who has none is not among the groups: null, where that says as much. */
static const char *count_sql(struct rule_gen *g, const char *from, const char *events,
                             bool zero_fails)
{
    const char *count = gen_filtered(g, from, "count(*)", events);

    return g->whole && !zero_fails ? gen_printf(g, "coalesce(%s, 0)", count) : count;
}

static const char *aggregate_sql(struct rule_gen *g, const struct rule_node *node)
{
    bool zero_fails = g->zero_fails;
    const char *from = kind_from(g, node->id), *where = aggregate_where(g, node);
    const char *events = aggregate_events(g, node, where), *count, *v;
    enum rule_aggregate fn = (enum rule_aggregate)node->op;

    switch (fn) {
    case RULE_ANY:
    case RULE_COUNT:
        count = count_sql(g, from, events, fn == RULE_ANY || zero_fails);
        return fn == RULE_COUNT ? count : gen_printf(g, "%s > 0", count);
    case RULE_FIRST:
    case RULE_LAST:
        return edge_sql(g, node, from, events);
    case RULE_SUM:
    case RULE_AVG:
    case RULE_MIN:
    case RULE_MAX:
        break;
    }
    v = gen_filtered(g, from,
                     gen_printf(g, "%s(%s)", rule_aggregate_word(fn), aggregate_operand(g, node)),
                     events);
    return fn == RULE_SUM && !zero_fails ? gen_printf(g, "coalesce(%s, 0)", v) : v;
}

const char *value_row(struct rule_gen *g, const struct rule_node *node, const char **ret_table,
                      const char **ret_match)
{
    const char *id;

    if (node->type != RULE_NODE_FIELD || node->n_path < 2 || node->value_type == RULE_TYPE_ANY)
        return NULL;
    id = gen_param_int(g, "int", node->id);
    if (node->field == NULL) {
        *ret_table = "contact_attr";
        *ret_match = gen_printf(g, "t.field_id = %s", id);
        return attribute_column(node);
    }
    if (node->field->need != RULE_NEED_NOTHING)
        return NULL;
    *ret_table = "rfm_score";
    *ret_match = gen_printf(g, "t.model_id = %s", id);
    if (node->value_type != RULE_TYPE_TEXT)
        return gen_fill(g, node->field->sql, "t");
    /* The plain column has an index; without a label it is ''. */
    *ret_match = gen_printf(g, "t.model_id = %s AND t.label_fold <> ''", id);
    return "t.label_fold";
}

const char *value_sql(struct rule_gen *g, const struct rule_node *node)
{
    for (int i = 0; i < 2; i++)
        if (node == g->row_node[i])
            return g->row_value[i];
    return node->type == RULE_NODE_AGGREGATE ? aggregate_sql(g, node) : field_sql(g, node);
}
