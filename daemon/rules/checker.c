/* checker.c - types a tree and resolves its names; see rule_check() in rule.h.
 *
 * It goes through the whole tree and says everything that is wrong. Without a catalogue only what
 * needs no organisation is checked. */
#include "daemon/rules/checker.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void check_condition(struct checker *k, struct rule_node *node);

/* --- aggregates --- */

/* Whether one number, or one day, is surely above another. */
static bool is_above(const char *a, const char *b, bool days)
{
    if (days)
        return strlen(a) == strlen(b) && !rule_date_has_time(a) && strcmp(a, b) > 0;
    return strtod(a, NULL) > strtod(b, NULL);
}

/* Ends the wrong way round are no mistake of grammar, but hardly meant. */
static void warn_ends(struct checker *k, int line, int column)
{
    if (k->warnings != NULL)
        diag_at(k->warnings, line, column,
                "the lower end is above the upper one: this holds for nobody");
}

static void check_window(struct checker *k, const struct rule_window *w, bool of_interactions)
{
    if (w->type == RULE_WINDOW_BETWEEN && is_above(w->from, w->to, true))
        warn_ends(k, w->line, w->column);
    if (w->type == RULE_WINDOW_IN_NEXT && of_interactions)
        diag_at(k->d, w->line, w->column,
                "an interaction counts only once it has happened; \"in next\" is for dates and "
                "birthdays");
}

/* The type of fn over a field of type `of`. */
static enum rule_type aggregate_type(struct checker *k, const struct rule_node *node,
                                     enum rule_type of)
{
    switch ((enum rule_aggregate)node->op) {
    case RULE_ANY:
        return RULE_TYPE_BOOLEAN;
    case RULE_COUNT:
        return RULE_TYPE_INTEGER;
    case RULE_FIRST:
    case RULE_LAST:
        return node->n_path == 0 ? RULE_TYPE_INSTANT : of;
    case RULE_SUM:
    case RULE_AVG:
    case RULE_MIN:
    case RULE_MAX:
        break;
    }
    if (of == RULE_TYPE_ANY)
        return RULE_TYPE_DECIMAL;
    if (of == RULE_TYPE_MONEY)
        return node->op == RULE_AVG ? RULE_TYPE_MEAN : RULE_TYPE_MONEY;
    if (of != RULE_TYPE_UNKNOWN)
        complain(k, node, "%s needs a number, such as an amount, and %s is %s",
                 rule_aggregate_word((enum rule_aggregate)node->op), node->path[0],
                 rule_type_name(of));
    return RULE_TYPE_UNKNOWN;
}

static void check_aggregate(struct checker *k, struct rule_node *node)
{
    enum rule_type of = RULE_TYPE_UNKNOWN;

    if (k->interaction) {
        complain(k, node, "within where only the interaction's own fields may stand");
        return;
    }
    if (++k->rule->n_aggregates == RULE_AGGREGATES_MAX + 1)
        complain(k, node, "a rule has at most %d aggregates", RULE_AGGREGATES_MAX);
    rule_checker_kind(k, node);
    k->interaction = true;
    if (node->n_path > 0) {
        rule_checker_interaction_field(k, node);
        of = node->value_type;
    }
    if (node->where != NULL)
        check_condition(k, node->where);
    k->interaction = false;
    if (node->window != NULL)
        check_window(k, node->window, true);
    node->value_type = aggregate_type(k, node, of);
}

/* --- values against values --- */

/* What a literal is by itself. */
static enum rule_type literal_type(const struct rule_node *node)
{
    if (node->type == RULE_NODE_STRING)
        return RULE_TYPE_TEXT;
    if (node->type == RULE_NODE_NUMBER)
        return RULE_TYPE_DECIMAL;
    return node->type == RULE_NODE_DATE ? RULE_TYPE_INSTANT : RULE_TYPE_BOOLEAN;
}

static void check_value(struct checker *k, struct rule_node *node)
{
    if (node->type == RULE_NODE_FIELD)
        rule_checker_field(k, node);
    else if (node->type == RULE_NODE_AGGREGATE)
        check_aggregate(k, node);
    else
        node->value_type = literal_type(node);
    if (rule_is_literal(node) && ++k->rule->n_literals == RULE_LITERALS_MAX + 1)
        complain(k, node, "a rule has at most %d literals", RULE_LITERALS_MAX);
}

/* How a value is named in a message. */
static const char *value_shown(struct checker *k, const struct rule_node *node)
{
    if (node->type == RULE_NODE_AGGREGATE)
        return mem_printf(k->rule, "%s(%.60s%s)",
                          rule_aggregate_word((enum rule_aggregate)node->op), node->text,
                          node->n_path > 0 || node->where || node->window ? " ..." : "");
    if (node->type == RULE_NODE_FIELD)
        return mem_printf(k->rule, "%.60s%s%.60s%s%.60s", node->path[0],
                          node->n_path > 1 ? "." : "", node->n_path > 1 ? node->path[1] : "",
                          node->n_path > 2 ? "." : "", node->n_path > 2 ? node->path[2] : "");
    return "a literal";
}

/* 1.000 may be meant as a thousand. */
static bool has_thousand(const char *text)
{
    const char *point = strchr(text, '.');

    return point != NULL && point - text <= 3 && *text != '0' && strlen(point + 1) == 3;
}

static const char *thousand_hint(const char *text)
{
    return has_thousand(text) ? "; a thousand is written 1000, without a point" : "";
}

static bool check_whole(struct checker *k, const struct rule_node *literal, int digits)
{
    int64_t n;
    bool fraction;

    if (rule_number_scaled(literal->text, digits, &n, &fraction)) {
        if (k->warnings != NULL && digits < 3 && has_thousand(literal->text))
            diag_at(k->warnings, literal->line, literal->column,
                    "the point of %.20s stands before decimals; a thousand is written 1000",
                    literal->text);
        return true;
    }
    if (!fraction)
        complain(k, literal, "this number is too large");
    else if (digits == 0)
        complain(k, literal, "expected a whole number%s", thousand_hint(literal->text));
    else
        complain(k, literal, "an amount has at most %d decimals here%s", digits,
                 thousand_hint(literal->text));
    return false;
}

static const char *wanted_literal(enum rule_type type)
{
    switch (type) {
    case RULE_TYPE_TEXT:
        return "a string in double quotes";
    case RULE_TYPE_INTEGER:
    case RULE_TYPE_MONEY:
    case RULE_TYPE_MEAN:
    case RULE_TYPE_NUMBER:
    case RULE_TYPE_DECIMAL:
        return "a number";
    case RULE_TYPE_INSTANT:
        return "a date such as 2026-03-01 or 2026-03-01T10:00:00Z";
    case RULE_TYPE_DATE:
        return "a date such as 2026-03-01";
    case RULE_TYPE_BOOLEAN:
        return "true or false";
    case RULE_TYPE_UNKNOWN:
    case RULE_TYPE_ANY:
        break;
    }
    return "a string, a number, true or false";
}

static bool literal_fits(const struct rule_node *literal, enum rule_type type)
{
    if (type == RULE_TYPE_ANY)
        return literal->type != RULE_NODE_DATE;
    if (type == RULE_TYPE_TEXT)
        return literal->type == RULE_NODE_STRING;
    if (type == RULE_TYPE_INSTANT)
        return literal->type == RULE_NODE_DATE;
    if (type == RULE_TYPE_DATE)
        return literal->type == RULE_NODE_DATE && !rule_date_has_time(literal->text);
    if (type == RULE_TYPE_BOOLEAN)
        return literal->type == RULE_NODE_BOOLEAN;
    return literal->type == RULE_NODE_NUMBER;
}

/* A text that no value of the field can be: hardly meant, though no mistake of grammar. */
static void warn_text(struct checker *k, const struct rule_node *value,
                      const struct rule_node *literal)
{
    const char *name = value->field == NULL ? "" : value->field->name, *text = literal->text;

    if (k->warnings == NULL)
        return;
    if (value->field != NULL && *text == '\0')
        diag_at(k->warnings, literal->line, literal->column,
                "no value is an empty text: who has none is found with \"is unknown\"");
    else if (strcmp(name, "country") == 0 && strlen(text) != 2)
        diag_at(k->warnings, literal->line, literal->column,
                "a country is a code of two letters, such as \"ES\"");
    else if (strcmp(name, "currency") == 0 && strlen(text) != 3)
        diag_at(k->warnings, literal->line, literal->column,
                "a currency is a code of three letters, such as \"EUR\"");
    else if (strcmp(name, "language") == 0 && strlen(text) > 3 && strchr(text, '-') == NULL)
        diag_at(k->warnings, literal->line, literal->column,
                "a language is a tag such as \"es\" or \"pt-BR\"");
}

/* Gives `literal` the type of the value it stands beside. */
static void check_literal(struct checker *k, const struct rule_node *value,
                          struct rule_node *literal)
{
    enum rule_type type = value->value_type;

    literal->value_type = type;
    if (type == RULE_TYPE_UNKNOWN)
        return;
    if (!literal_fits(literal, type)) {
        complain(k, literal, "%s is %s: expected %s", value_shown(k, value), rule_type_name(type),
                 wanted_literal(type));
        literal->value_type = RULE_TYPE_UNKNOWN;
    } else if (type == RULE_TYPE_INTEGER) {
        check_whole(k, literal, 0);
    } else if (type == RULE_TYPE_MONEY) {
        check_whole(k, literal, k->cat == NULL ? 4 : k->cat->currency_digits);
    } else if (type == RULE_TYPE_ANY) {
        literal->value_type = literal_type(literal);
    } else if (type == RULE_TYPE_TEXT) {
        warn_text(k, value, literal);
    }
}

static bool comparable(enum rule_type a, enum rule_type b)
{
    if (a == RULE_TYPE_UNKNOWN || b == RULE_TYPE_UNKNOWN || a == b)
        return true;
    if (a == RULE_TYPE_ANY || b == RULE_TYPE_ANY) {
        enum rule_type other = a == RULE_TYPE_ANY ? b : a;

        return other == RULE_TYPE_TEXT || other == RULE_TYPE_BOOLEAN || rule_is_number(other);
    }
    return rule_is_number(a) && rule_is_number(b);
}

static void check_pair(struct checker *k, struct rule_node *left, struct rule_node *right)
{
    if (rule_is_literal(right))
        check_literal(k, left, right);
    else if (rule_is_literal(left))
        check_literal(k, right, left);
    else if (!comparable(left->value_type, right->value_type))
        complain(k, right, "%s is %s and %s is %s: they cannot be compared", value_shown(k, left),
                 rule_type_name(left->value_type), value_shown(k, right),
                 rule_type_name(right->value_type));
}

static void check_compare(struct checker *k, struct rule_node *node)
{
    struct rule_node *left = node->child[0], *right = node->child[1];
    bool truth = left->value_type == RULE_TYPE_BOOLEAN || right->type == RULE_NODE_BOOLEAN ||
                 left->type == RULE_NODE_BOOLEAN;

    if (right->type == RULE_NODE_AGGREGATE && right->op == RULE_ANY) {
        complain(k, right, "any(...) is a condition by itself and is not compared");
        return;
    }
    check_pair(k, left, right);
    if (truth && node->op != RULE_EQ && node->op != RULE_NE)
        complain(k, node, "true and false are compared with = or !=");
}

static void check_text_test(struct checker *k, struct rule_node *node)
{
    struct rule_node *value = node->child[0];

    if (value->value_type != RULE_TYPE_TEXT && value->value_type != RULE_TYPE_ANY &&
        value->value_type != RULE_TYPE_UNKNOWN)
        complain(k, value, "%s is %s: %s is for text", value_shown(k, value),
                 rule_type_name(value->value_type),
                 rule_text_test_word((enum rule_text_test)node->op));
    if (node->child[1]->text[0] == '\0')
        complain(k, node->child[1], "expected a string that is not empty");
    else if (node->op == RULE_TEXT_MATCHES && rule_pattern_fault(node->child[1]->text) != NULL)
        complain(k, node->child[1], "%s", rule_pattern_fault(node->child[1]->text));
}

static void check_during(struct checker *k, struct rule_node *node)
{
    struct rule_node *value = node->child[0];
    bool instant = value->value_type == RULE_TYPE_INSTANT || value->value_type == RULE_TYPE_DATE;

    if (value->value_type != RULE_TYPE_UNKNOWN && (!instant || rule_is_literal(value)))
        complain(k, value, "%s is %s: a window is for instants and dates", value_shown(k, value),
                 rule_is_literal(value) ? "fixed" : rule_type_name(value->value_type));
    if (value->type == RULE_NODE_AGGREGATE && node->window->type == RULE_WINDOW_IN_NEXT &&
        value->n_path == 0 && k->warnings != NULL)
        diag_at(k->warnings, node->window->line, node->window->column,
                "an interaction counts only once it has happened: this holds for nobody");
    check_window(k, node->window, false);
}

/* --- conditions --- */

static void check_between(struct checker *k, const struct rule_node *node)
{
    const struct rule_node *low = node->child[1], *high = node->child[2];
    bool days = low->type == RULE_NODE_DATE;

    if (node->child[0]->value_type == RULE_TYPE_BOOLEAN)
        complain(k, node, "true and false are compared with = or !=");
    else if (low->type == high->type && (days || low->type == RULE_NODE_NUMBER) &&
             is_above(low->text, high->text, days))
        warn_ends(k, low->line, low->column);
}

/* Conditions over one or more values: the first is tested against the others. */
static void check_values(struct checker *k, struct rule_node *node)
{
    for (size_t i = 0; i < node->n_child; i++) {
        k->compared = i > 0;
        check_value(k, node->child[i]);
    }
    k->compared = false;
    if (node->type == RULE_NODE_COMPARE) {
        check_compare(k, node);
        return;
    }
    if (node->type == RULE_NODE_TEXT_TEST) {
        check_text_test(k, node);
        return;
    }
    if (node->type == RULE_NODE_DURING) {
        check_during(k, node);
        return;
    }
    for (size_t i = 1; i < node->n_child; i++)
        check_pair(k, node->child[0], node->child[i]);
    if (node->type == RULE_NODE_BETWEEN)
        check_between(k, node);
}

static void check_anniversary(struct checker *k, struct rule_node *node)
{
    struct rule_node *field = node->child[0];

    check_value(k, field);
    if (field->value_type != RULE_TYPE_INSTANT && field->value_type != RULE_TYPE_DATE &&
        field->value_type != RULE_TYPE_UNKNOWN)
        complain(k, field, "%s is %s: an anniversary is that of a date or an instant",
                 value_shown(k, field), rule_type_name(field->value_type));
}

static void check_birthday(struct checker *k, const struct rule_node *node)
{
    if (node->op == RULE_DAY_IN_NEXT &&
        (node->duration.unit == RULE_UNIT_MINUTE || node->duration.unit == RULE_UNIT_HOUR))
        complain(k, node, "\"in next\" counts days here: expected days, weeks, months or years");
}

static void check_related(struct checker *k, struct rule_node *node)
{
    rule_checker_relation(k, node);
    if (++k->related == RULE_RELATED_MAX + 1)
        complain(k, node, "\"related as\" stands at most %d deep", RULE_RELATED_MAX);
    if (node->where != NULL)
        check_condition(k, node->where);
    k->related--;
}

/* Conditions of the contact, which no interaction has. */
static bool check_place(struct checker *k, const struct rule_node *node)
{
    if (!k->interaction)
        return true;
    complain(k, node, "within where only the interaction's own fields may stand");
    return false;
}

static void check_of_contact(struct checker *k, struct rule_node *node)
{
    if (!check_place(k, node))
        return;
    if (node->type == RULE_NODE_SUBSCRIBED)
        rule_checker_topic(k, node);
    else if (node->type == RULE_NODE_SEGMENT)
        rule_checker_segment(k, node);
    else if (node->type == RULE_NODE_RELATED)
        check_related(k, node);
    else if (node->type == RULE_NODE_BIRTHDAY || node->type == RULE_NODE_ANNIVERSARY)
        check_birthday(k, node);
    if (node->type == RULE_NODE_ANNIVERSARY)
        check_anniversary(k, node);
}

static void check_condition(struct checker *k, struct rule_node *node)
{
    if (node->type == RULE_NODE_AND || node->type == RULE_NODE_OR || node->type == RULE_NODE_NOT) {
        for (size_t i = 0; i < node->n_child; i++)
            check_condition(k, node->child[i]);
        return;
    }
    if (++k->rule->n_conditions == RULE_CONDITIONS_MAX + 1)
        complain(k, node, "a rule has at most %d conditions", RULE_CONDITIONS_MAX);
    switch (node->type) {
    case RULE_NODE_AND:
    case RULE_NODE_OR:
    case RULE_NODE_NOT:
        return;
    case RULE_NODE_COMPARE:
    case RULE_NODE_IN:
    case RULE_NODE_BETWEEN:
    case RULE_NODE_TEXT_TEST:
    case RULE_NODE_KNOWN:
    case RULE_NODE_DURING:
        check_values(k, node);
        return;
    case RULE_NODE_TAG:
    case RULE_NODE_GROUP:
    case RULE_NODE_SUBSCRIBED:
    case RULE_NODE_SEGMENT:
    case RULE_NODE_RELATED:
    case RULE_NODE_BIRTHDAY:
    case RULE_NODE_ANNIVERSARY:
    case RULE_NODE_PERSON:
    case RULE_NODE_COMPANY:
    case RULE_NODE_HOUSEHOLD:
        check_of_contact(k, node);
        return;
    case RULE_NODE_CONSTANT:
        return;
    case RULE_NODE_AGGREGATE:
    case RULE_NODE_FIELD:
    case RULE_NODE_STRING:
    case RULE_NODE_NUMBER:
    case RULE_NODE_DATE:
    case RULE_NODE_BOOLEAN:
        check_value(k, node);
        return;
    }
}

bool rule_check(struct rule *rule, const struct catalogue *cat, struct diag *d,
                struct diag *warnings)
{
    struct checker k = {.rule = rule, .cat = cat, .d = d, .warnings = warnings};
    size_t mistakes = d->n;

    k.interaction = rule->where_only;
    rule->n_aggregates = rule->n_conditions = rule->n_literals = 0;
    rule->n_segments = rule->n_kinds = 0;
    check_condition(&k, rule->root);
    rule->checked = d->n == mistakes && cat != NULL;
    return d->n == mistakes;
}

const char *const *rule_segments(const struct rule *rule, size_t *ret_n)
{
    *ret_n = rule->n_segments;
    return rule->segments;
}

const char *const *rule_kinds(const struct rule *rule, size_t *ret_n)
{
    *ret_n = rule->n_kinds;
    return rule->kinds;
}
