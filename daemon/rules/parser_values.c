/* parser_values.c - the parser's literals, durations, windows and values; see parser.h. */
#include "common/mem.h"
#include "daemon/rules/parser.h"

#include <string.h>
#include <strings.h>

/* --- literals, durations, windows --- */

struct rule_node *rule_parser_literal(struct parser *p, const char *what)
{
    struct rule_node *node;
    enum rule_node_type type;

    if (p->t->type == RULE_TOKEN_STRING)
        type = RULE_NODE_STRING;
    else if (p->t->type == RULE_TOKEN_NUMBER)
        type = RULE_NODE_NUMBER;
    else if (p->t->type == RULE_TOKEN_DATE)
        type = RULE_NODE_DATE;
    else if (rule_parser_at(p, "true") || rule_parser_at(p, "false"))
        type = RULE_NODE_BOOLEAN;
    else
        return rule_parser_expected(p, what);
    node = rule_parser_node(p, type, p->t);
    node->text = p->t->text;
    if (type == RULE_NODE_BOOLEAN)
        node->text = rule_parser_at(p, "true") ? "true" : "false";
    rule_parser_advance(p);
    return node;
}

bool rule_parser_duration(struct parser *p, struct rule_duration *ret)
{
    const struct rule_token *number = p->t;
    int64_t n;
    bool fraction;

    if (number->type != RULE_TOKEN_NUMBER || strchr(number->text, '.') != NULL ||
        number->text[0] == '-') {
        rule_parser_expected(p, "a duration such as 30 days");
        return false;
    }
    rule_parser_advance(p);
    if (p->t->type != RULE_TOKEN_WORD || !rule_unit_find(p->t->text, &ret->unit)) {
        rule_parser_expected(p, "minutes, hours, days, weeks, months or years");
        return false;
    }
    rule_parser_advance(p);
    if (!rule_number_scaled(number->text, 0, &n, &fraction) || n > rule_unit_most(ret->unit) ||
        n == 0) {
        diag_at(p->d, number->line, number->column,
                "a duration is at least one %s and at most 200 years", rule_unit_word(ret->unit));
        return false;
    }
    ret->n = n;
    return true;
}

static bool parse_date(struct parser *p, const char **ret)
{
    if (p->t->type != RULE_TOKEN_DATE) {
        rule_parser_expected(p, "a date such as 2026-03-01");
        return false;
    }
    *ret = p->t->text;
    rule_parser_advance(p);
    return true;
}

bool rule_parser_at_window(const struct parser *p)
{
    static const char *const words[] = {"before", "after",     "since", "on",
                                        "today",  "yesterday", "this",  "previous"};

    if (rule_parser_at(p, "in"))
        return rule_parser_token_is(rule_parser_second(p), "last") ||
               rule_parser_token_is(rule_parser_second(p), "next");
    if (rule_parser_at(p, "between"))
        return rule_parser_second(p)->type == RULE_TOKEN_DATE;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (rule_parser_at(p, words[i]))
            return true;
    return false;
}

/* After "before" or "after": a duration and "ago", or (before only) a date. */
static bool parse_before_after(struct parser *p, struct rule_window *w, bool before)
{
    if (before && p->t->type == RULE_TOKEN_DATE) {
        w->type = RULE_WINDOW_BEFORE;
        return parse_date(p, &w->from);
    }
    if (p->t->type != RULE_TOKEN_NUMBER) {
        rule_parser_expected(p, before ? "a date, or a duration and \"ago\""
                                       : "a duration and \"ago\"");
        return false;
    }
    w->type = before ? RULE_WINDOW_BEFORE_AGO : RULE_WINDOW_AFTER_AGO;
    if (!rule_parser_duration(p, &w->duration))
        return false;
    if (rule_parser_skip(p, "ago"))
        return true;
    rule_parser_expected(p, "\"ago\"");
    return false;
}

static bool parse_between_dates(struct parser *p, struct rule_window *w)
{
    w->type = RULE_WINDOW_BETWEEN;
    if (!parse_date(p, &w->from))
        return false;
    if (!rule_parser_skip(p, "and")) {
        rule_parser_expected(p, "\"and\" and a second date");
        return false;
    }
    return parse_date(p, &w->to);
}

static bool parse_period(struct parser *p, struct rule_window *w, enum rule_window_type type)
{
    w->type = type;
    if (p->t->type != RULE_TOKEN_WORD || !rule_period_find(p->t->text, &w->period)) {
        rule_parser_expected(p, "week, month, quarter or year");
        return false;
    }
    rule_parser_advance(p);
    return true;
}

static bool parse_window_into(struct parser *p, struct rule_window *w)
{
    if (rule_parser_skip(p, "in")) {
        w->type = rule_parser_at(p, "last") ? RULE_WINDOW_IN_LAST : RULE_WINDOW_IN_NEXT;
        rule_parser_advance(p);
        return rule_parser_duration(p, &w->duration);
    }
    if (rule_parser_skip(p, "before"))
        return parse_before_after(p, w, true);
    if (rule_parser_skip(p, "after"))
        return parse_before_after(p, w, false);
    if (rule_parser_skip(p, "between"))
        return parse_between_dates(p, w);
    if (rule_parser_skip(p, "this"))
        return parse_period(p, w, RULE_WINDOW_THIS);
    if (rule_parser_skip(p, "previous"))
        return parse_period(p, w, RULE_WINDOW_PREVIOUS);
    if (rule_parser_at(p, "today") || rule_parser_at(p, "yesterday")) {
        w->type = rule_parser_at(p, "today") ? RULE_WINDOW_TODAY : RULE_WINDOW_YESTERDAY;
        rule_parser_advance(p);
        return true;
    }
    w->type = rule_parser_at(p, "since") ? RULE_WINDOW_SINCE : RULE_WINDOW_ON;
    rule_parser_advance(p);
    return parse_date(p, &w->from);
}

struct rule_window *rule_parser_window(struct parser *p)
{
    struct rule_window *w = mem_new(p->rule, struct rule_window);

    w->line = p->t->line;
    w->column = p->t->column;
    return parse_window_into(p, w) ? w : NULL;
}

/* --- values --- */

bool rule_parser_at_name(const struct parser *p)
{
    return p->t->type == RULE_TOKEN_WORD || p->t->type == RULE_TOKEN_NAME;
}

/* NAME {"." NAME} into node->path. */
bool rule_parser_path(struct parser *p, struct rule_node *node, const char *what)
{
    do {
        if (!rule_parser_at_name(p)) {
            rule_parser_expected(p, what);
            return false;
        }
        if (node->n_path == RULE_PATH_MAX) {
            diag_at(p->d, p->t->line, p->t->column, "a name has at most %d parts", RULE_PATH_MAX);
            return false;
        }
        node->path[node->n_path++] = p->t->text;
        rule_parser_advance(p);
    } while (rule_parser_skip_sign(p, "."));
    return true;
}

/* [where] [window] ")" */
static bool parse_events_rest(struct parser *p, struct rule_node *node)
{
    if (rule_parser_skip(p, "where")) {
        node->where = rule_parser_or(p);
        if (node->where == NULL)
            return false;
    }
    if (rule_parser_at_window(p)) {
        node->window = rule_parser_window(p);
        if (node->window == NULL)
            return false;
    }
    if (rule_parser_skip_sign(p, ")"))
        return true;
    rule_parser_expected(p, node->window != NULL ? "\")\""
                            : node->where != NULL
                                ? "\"and\", \"or\", a window such as in last 12 months, or \")\""
                                : "\"where\", a window such as in last 12 months, or \")\"");
    return false;
}

static struct rule_node *parse_aggregate(struct parser *p, enum rule_aggregate fn)
{
    struct rule_node *node = rule_parser_node(p, RULE_NODE_AGGREGATE, p->t);
    bool needs_field = fn == RULE_SUM || fn == RULE_AVG || fn == RULE_MIN || fn == RULE_MAX;
    bool takes_field = needs_field || fn == RULE_FIRST || fn == RULE_LAST;

    node->op = (int)fn;
    rule_parser_advance(p);
    if (!rule_parser_expect_sign(p, "("))
        return NULL;
    if (!rule_parser_at_name(p))
        return rule_parser_expected(p, "a kind of interaction");
    node->text = p->t->text;
    rule_parser_advance(p);
    if (needs_field && !rule_parser_at_sign(p, "."))
        return rule_parser_expected(p, "\".\" and a field of the interaction, such as .amount");
    if (rule_parser_at_sign(p, ".") && !takes_field)
        return rule_parser_expected(
            p, "\"where\", a window or \")\": this counts interactions, not a field");
    if (rule_parser_skip_sign(p, ".") &&
        !rule_parser_path(p, node, "a field of the interaction, such as amount"))
        return NULL;
    return parse_events_rest(p, node) ? node : NULL;
}

/* A word before "(" or a string that is none of the language's. */
static struct rule_node *unknown_function(struct parser *p)
{
    struct rule_close close = rule_close_start(p->rule, p->t->text);

    if (rule_parser_token_is_sign(rule_parser_second(p), "(")) {
        for (int i = RULE_ANY; i <= RULE_LAST; i++)
            rule_close_offer(&close, rule_aggregate_word((enum rule_aggregate)i));
        rule_close_offer(&close, "not");
    } else {
        rule_close_offer(&close, "tag");
        rule_close_offer(&close, "subscribed");
    }
    diag_at(p->d, p->t->line, p->t->column, "there is no function \"%.60s\"%s", p->t->text,
            rule_parser_function_hint(p, rule_close_hint(&close)));
    return NULL;
}

struct rule_node *rule_parser_value(struct parser *p)
{
    enum rule_aggregate fn;
    struct rule_node *node;

    if (p->t->type == RULE_TOKEN_WORD && rule_parser_token_is_sign(rule_parser_second(p), "(")) {
        if (rule_aggregate_find(p->t->text, &fn))
            return parse_aggregate(p, fn);
        return unknown_function(p);
    }
    if (p->t->type == RULE_TOKEN_WORD && rule_parser_second(p)->type == RULE_TOKEN_STRING &&
        rule_contact_field(p->t->text) == NULL && rule_interaction_field(p->t->text) == NULL)
        return unknown_function(p);
    if (rule_parser_at(p, "true") || rule_parser_at(p, "false") || !rule_parser_at_name(p) ||
        rule_parser_at(p, "and") || rule_parser_at(p, "or") || rule_parser_at(p, "not"))
        return rule_parser_literal(p, "a field, a literal, an aggregate or a condition");
    node = rule_parser_node(p, RULE_NODE_FIELD, p->t);
    return rule_parser_path(p, node, "a name after \".\"") ? node : NULL;
}
