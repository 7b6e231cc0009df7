/* parser.c - tokens -> tree: the grammar of RULES.md by recursive descent, one function a rule of
 * the grammar.
 *
 * After a mistake the parser goes on behind the condition that has it, so that one call shows
 * several. It knows no organisation: whether a field or a segment exists is the checker's question.
 * Depth is counted, so the C stack is bounded. */
#include "common/mem.h"
#include "daemon/rules/lexer.h"
#include "daemon/rules/tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parser {
    struct rule *rule; /* owner of the nodes */
    struct diag *d;
    const struct rule_token *t; /* the next token */
    int depth;
};

static struct rule_node *parse_or(struct parser *p);
static struct rule_node *parse_value(struct parser *p);

/* --- tokens -------------------------------------------------------------------------------------
 */

static bool token_is_word(const struct rule_token *t, const char *word)
{
    return t->type == RULE_TOKEN_WORD && strcasecmp(t->text, word) == 0;
}

static bool token_is_sign(const struct rule_token *t, const char *sign)
{
    return t->type == RULE_TOKEN_SIGN && strcmp(t->text, sign) == 0;
}

static bool at_word(const struct parser *p, const char *word)
{
    return token_is_word(p->t, word);
}

static bool at_sign(const struct parser *p, const char *sign)
{
    return token_is_sign(p->t, sign);
}

/* The token after the next one; the END token is the last. */
static const struct rule_token *second(const struct parser *p)
{
    return p->t->type == RULE_TOKEN_END ? p->t : p->t + 1;
}

static void advance(struct parser *p)
{
    if (p->t->type != RULE_TOKEN_END)
        p->t++;
}

static bool skip_word(struct parser *p, const char *word)
{
    if (!at_word(p, word))
        return false;
    advance(p);
    return true;
}

static bool skip_sign(struct parser *p, const char *sign)
{
    if (!at_sign(p, sign))
        return false;
    advance(p);
    return true;
}

static const char *token_shown(const void *ctx, const struct rule_token *t)
{
    switch (t->type) {
    case RULE_TOKEN_END:
        return "the end of the rule";
    case RULE_TOKEN_STRING:
        return "a string";
    case RULE_TOKEN_NAME:
    case RULE_TOKEN_WORD:
    case RULE_TOKEN_NUMBER:
    case RULE_TOKEN_DATE:
    case RULE_TOKEN_SIGN:
        break;
    }
    return mem_printf(ctx, "\"%.60s\"", t->text);
}

static void *expected(struct parser *p, const char *what)
{
    diag_at(p->d, p->t->line, p->t->column, "expected %s, found %s", what,
            token_shown(p->rule, p->t));
    return NULL;
}

static bool expect_sign(struct parser *p, const char *sign)
{
    if (skip_sign(p, sign))
        return true;
    expected(p, mem_printf(p->rule, "\"%s\"", sign));
    return false;
}

/* --- nodes --------------------------------------------------------------------------------------
 */

static struct rule_node *node_new(struct parser *p, enum rule_node_type type,
                                  const struct rule_token *at)
{
    struct rule_node *node = mem_new(p->rule, struct rule_node);

    node->type = type;
    node->line = at->line;
    node->column = at->column;
    return node;
}

static void node_add(struct rule_node *node, struct rule_node *child)
{
    mem_grow(node, &node->child, &node->cap_child, node->n_child + 1);
    node->child[node->n_child++] = child;
}

/* A condition over `value`, which stands where the value does. */
static struct rule_node *node_over(struct parser *p, enum rule_node_type type,
                                   struct rule_node *value)
{
    struct rule_node *node = mem_new(p->rule, struct rule_node);

    node->type = type;
    node->line = value->line;
    node->column = value->column;
    node_add(node, value);
    return node;
}

/* --- literals, durations, windows ---------------------------------------------------------------
 */

static struct rule_node *parse_literal(struct parser *p, const char *what)
{
    struct rule_node *node;
    enum rule_node_type type;

    if (p->t->type == RULE_TOKEN_STRING)
        type = RULE_NODE_STRING;
    else if (p->t->type == RULE_TOKEN_NUMBER)
        type = RULE_NODE_NUMBER;
    else if (p->t->type == RULE_TOKEN_DATE)
        type = RULE_NODE_DATE;
    else if (at_word(p, "true") || at_word(p, "false"))
        type = RULE_NODE_BOOLEAN;
    else
        return expected(p, what);
    node = node_new(p, type, p->t);
    node->text = p->t->text;
    if (type == RULE_NODE_BOOLEAN)
        node->text = at_word(p, "true") ? "true" : "false";
    advance(p);
    return node;
}

static bool parse_duration(struct parser *p, struct rule_duration *ret)
{
    const struct rule_token *number = p->t;
    int64_t n;
    bool fraction;

    if (number->type != RULE_TOKEN_NUMBER || strchr(number->text, '.') != NULL ||
        number->text[0] == '-') {
        expected(p, "a duration such as 30 days");
        return false;
    }
    advance(p);
    if (p->t->type != RULE_TOKEN_WORD || !rule_unit_find(p->t->text, &ret->unit)) {
        expected(p, "minutes, hours, days, weeks, months or years");
        return false;
    }
    advance(p);
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
        expected(p, "a date such as 2026-03-01");
        return false;
    }
    *ret = p->t->text;
    advance(p);
    return true;
}

static bool at_window(const struct parser *p)
{
    static const char *const words[] = {"before", "after",     "since", "on",
                                        "today",  "yesterday", "this",  "previous"};

    if (at_word(p, "in"))
        return token_is_word(second(p), "last") || token_is_word(second(p), "next");
    if (at_word(p, "between"))
        return second(p)->type == RULE_TOKEN_DATE;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (at_word(p, words[i]))
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
        expected(p, before ? "a date, or a duration and \"ago\"" : "a duration and \"ago\"");
        return false;
    }
    w->type = before ? RULE_WINDOW_BEFORE_AGO : RULE_WINDOW_AFTER_AGO;
    if (!parse_duration(p, &w->duration))
        return false;
    if (skip_word(p, "ago"))
        return true;
    expected(p, "\"ago\"");
    return false;
}

static bool parse_between_dates(struct parser *p, struct rule_window *w)
{
    w->type = RULE_WINDOW_BETWEEN;
    if (!parse_date(p, &w->from))
        return false;
    if (!skip_word(p, "and")) {
        expected(p, "\"and\" and a second date");
        return false;
    }
    return parse_date(p, &w->to);
}

static bool parse_period(struct parser *p, struct rule_window *w, enum rule_window_type type)
{
    w->type = type;
    if (p->t->type != RULE_TOKEN_WORD || !rule_period_find(p->t->text, &w->period)) {
        expected(p, "week, month, quarter or year");
        return false;
    }
    advance(p);
    return true;
}

static bool parse_window_into(struct parser *p, struct rule_window *w)
{
    if (skip_word(p, "in")) {
        w->type = at_word(p, "last") ? RULE_WINDOW_IN_LAST : RULE_WINDOW_IN_NEXT;
        advance(p);
        return parse_duration(p, &w->duration);
    }
    if (skip_word(p, "before"))
        return parse_before_after(p, w, true);
    if (skip_word(p, "after"))
        return parse_before_after(p, w, false);
    if (skip_word(p, "between"))
        return parse_between_dates(p, w);
    if (skip_word(p, "this"))
        return parse_period(p, w, RULE_WINDOW_THIS);
    if (skip_word(p, "previous"))
        return parse_period(p, w, RULE_WINDOW_PREVIOUS);
    if (at_word(p, "today") || at_word(p, "yesterday")) {
        w->type = at_word(p, "today") ? RULE_WINDOW_TODAY : RULE_WINDOW_YESTERDAY;
        advance(p);
        return true;
    }
    w->type = at_word(p, "since") ? RULE_WINDOW_SINCE : RULE_WINDOW_ON;
    advance(p);
    return parse_date(p, &w->from);
}

static struct rule_window *parse_window(struct parser *p)
{
    struct rule_window *w = mem_new(p->rule, struct rule_window);

    w->line = p->t->line;
    w->column = p->t->column;
    return parse_window_into(p, w) ? w : NULL;
}

/* --- values -------------------------------------------------------------------------------------
 */

static bool at_name(const struct parser *p)
{
    return p->t->type == RULE_TOKEN_WORD || p->t->type == RULE_TOKEN_NAME;
}

/* NAME {"." NAME} into node->path. */
static bool parse_path(struct parser *p, struct rule_node *node, const char *what)
{
    do {
        if (!at_name(p)) {
            expected(p, what);
            return false;
        }
        if (node->n_path == RULE_PATH_MAX) {
            diag_at(p->d, p->t->line, p->t->column, "a name has at most %d parts", RULE_PATH_MAX);
            return false;
        }
        node->path[node->n_path++] = p->t->text;
        advance(p);
    } while (skip_sign(p, "."));
    return true;
}

/* [where] [window] ")" */
static bool parse_events_rest(struct parser *p, struct rule_node *node)
{
    if (skip_word(p, "where")) {
        node->where = parse_or(p);
        if (node->where == NULL)
            return false;
    }
    if (at_window(p)) {
        node->window = parse_window(p);
        if (node->window == NULL)
            return false;
    }
    if (skip_sign(p, ")"))
        return true;
    expected(p, node->window != NULL ? "\")\""
                : node->where != NULL
                    ? "\"and\", \"or\", a window such as in last 12 months, or \")\""
                    : "\"where\", a window such as in last 12 months, or \")\"");
    return false;
}

static struct rule_node *parse_aggregate(struct parser *p, enum rule_aggregate fn)
{
    struct rule_node *node = node_new(p, RULE_NODE_AGGREGATE, p->t);
    bool needs_field = fn == RULE_SUM || fn == RULE_AVG || fn == RULE_MIN || fn == RULE_MAX;
    bool takes_field = needs_field || fn == RULE_FIRST || fn == RULE_LAST;

    node->op = (int)fn;
    advance(p);
    if (!expect_sign(p, "("))
        return NULL;
    if (!at_name(p))
        return expected(p, "a kind of interaction");
    node->text = p->t->text;
    advance(p);
    if (needs_field && !at_sign(p, "."))
        return expected(p, "\".\" and a field of the interaction, such as .amount");
    if (at_sign(p, ".") && !takes_field)
        return expected(p, "\"where\", a window or \")\": this counts interactions, not a field");
    if (skip_sign(p, ".") && !parse_path(p, node, "a field of the interaction, such as amount"))
        return NULL;
    return parse_events_rest(p, node) ? node : NULL;
}

/* A word before "(" or a string that is none of the language's. */
static struct rule_node *unknown_function(struct parser *p)
{
    struct rule_close close = rule_close_start(p->t->text);

    if (token_is_sign(second(p), "(")) {
        for (int i = RULE_ANY; i <= RULE_LAST; i++)
            rule_close_offer(&close, rule_aggregate_word((enum rule_aggregate)i));
        rule_close_offer(&close, "not");
    } else {
        rule_close_offer(&close, "tag");
        rule_close_offer(&close, "subscribed");
    }
    diag_at(p->d, p->t->line, p->t->column, "there is no function \"%.60s\"%s", p->t->text,
            rule_close_hint(p->rule, &close));
    return NULL;
}

static struct rule_node *parse_value(struct parser *p)
{
    enum rule_aggregate fn;
    struct rule_node *node;

    if (p->t->type == RULE_TOKEN_WORD && token_is_sign(second(p), "(")) {
        if (rule_aggregate_find(p->t->text, &fn))
            return parse_aggregate(p, fn);
        return unknown_function(p);
    }
    if (p->t->type == RULE_TOKEN_WORD && second(p)->type == RULE_TOKEN_STRING)
        return unknown_function(p);
    if (at_word(p, "true") || at_word(p, "false") || !at_name(p) || at_word(p, "and") ||
        at_word(p, "or") || at_word(p, "not"))
        return parse_literal(p, "a field, a literal, an aggregate or a condition");
    node = node_new(p, RULE_NODE_FIELD, p->t);
    return parse_path(p, node, "a name after \".\"") ? node : NULL;
}

/* --- conditions ---------------------------------------------------------------------------------
 */

static bool comparison_find(const char *sign, int *ret)
{
    for (int i = RULE_EQ; i <= RULE_GE; i++)
        if (strcmp(rule_comparison_word((enum rule_comparison)i), sign) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static struct rule_node *parse_in_list(struct parser *p, struct rule_node *value, bool negated)
{
    struct rule_node *node = node_over(p, RULE_NODE_IN, value);

    node->negated = negated;
    advance(p);
    if (!at_sign(p, "("))
        return expected(p, negated ? "\"(\" and a list" : "\"(\" and a list, \"last\" or \"next\"");
    advance(p);
    do {
        struct rule_node *literal = parse_literal(p, "a string, a number, a date, true or false");

        if (literal == NULL)
            return NULL;
        node_add(node, literal);
    } while (skip_sign(p, ","));
    if (skip_sign(p, ")"))
        return node;
    return expected(p, "\",\" or \")\"");
}

static struct rule_node *parse_between(struct parser *p, struct rule_node *value)
{
    struct rule_node *node = node_over(p, RULE_NODE_BETWEEN, value);

    advance(p);
    for (int i = 0; i < 2; i++) {
        struct rule_node *literal;

        if (i == 1 && !skip_word(p, "and"))
            return expected(p, "\"and\" and the upper end");
        literal = parse_literal(p, "a string, a number or a date");
        if (literal == NULL)
            return NULL;
        node_add(node, literal);
    }
    return node;
}

static struct rule_node *parse_text_test(struct parser *p, struct rule_node *value,
                                         enum rule_text_test op)
{
    struct rule_node *node = node_over(p, RULE_NODE_TEXT_TEST, value);

    node->op = (int)op;
    if (p->t->type != RULE_TOKEN_STRING)
        return expected(p, "a string");
    node_add(node, parse_literal(p, "a string"));
    return node;
}

static struct rule_node *parse_is(struct parser *p, struct rule_node *value)
{
    struct rule_node *node = node_over(p, RULE_NODE_KNOWN, value);

    advance(p);
    node->negated = at_word(p, "unknown");
    if (skip_word(p, "known") || skip_word(p, "unknown"))
        return node;
    return expected(p, "\"known\" or \"unknown\"");
}

static struct rule_node *parse_compare(struct parser *p, struct rule_node *value)
{
    struct rule_node *node = node_over(p, RULE_NODE_COMPARE, value), *right;

    comparison_find(p->t->text, &node->op);
    advance(p);
    right = parse_value(p);
    if (right == NULL)
        return NULL;
    node_add(node, right);
    return node;
}

/* "contains", "starts with", "ends with", "matches"; skipped. */
static bool skip_text_test(struct parser *p, enum rule_text_test *ret)
{
    for (int i = RULE_TEXT_CONTAINS; i <= RULE_TEXT_MATCHES; i++) {
        const char *words = rule_text_test_word((enum rule_text_test)i);
        size_t n = strcspn(words, " ");
        bool two = words[n] != '\0';

        if (p->t->type != RULE_TOKEN_WORD || strlen(p->t->text) != n ||
            strncasecmp(p->t->text, words, n) != 0 ||
            (two && !token_is_word(second(p), words + n + 1)))
            continue;
        advance(p);
        if (two)
            advance(p);
        *ret = (enum rule_text_test)i;
        return true;
    }
    return false;
}

/* What follows a value and makes it a condition. */
static struct rule_node *parse_test(struct parser *p, struct rule_node *value)
{
    enum rule_text_test test;
    int op;

    if (p->t->type == RULE_TOKEN_SIGN && comparison_find(p->t->text, &op))
        return parse_compare(p, value);
    if (at_window(p) && !at_word(p, "between")) {
        struct rule_node *node = node_over(p, RULE_NODE_DURING, value);

        node->window = parse_window(p);
        return node->window == NULL ? NULL : node;
    }
    if (at_word(p, "not") && token_is_word(second(p), "in")) {
        advance(p);
        return parse_in_list(p, value, true);
    }
    if (at_word(p, "in"))
        return parse_in_list(p, value, false);
    if (at_word(p, "between"))
        return parse_between(p, value);
    if (at_word(p, "is"))
        return parse_is(p, value);
    if (skip_text_test(p, &test))
        return parse_text_test(p, value, test);
    return expected(p,
                    "a comparison (= != < <= > >=), in, between, contains, starts with, ends with, "
                    "matches, is known, is unknown or a window such as in last 30 days");
}

static struct rule_node *parse_day(struct parser *p, struct rule_node *node)
{
    if (at_word(p, "today") || at_word(p, "tomorrow")) {
        node->op = at_word(p, "today") ? RULE_DAY_TODAY : RULE_DAY_TOMORROW;
        advance(p);
        return node;
    }
    if (!at_word(p, "in") || !token_is_word(second(p), "next"))
        return expected(p, "\"today\", \"tomorrow\" or \"in next\" and a duration");
    node->op = RULE_DAY_IN_NEXT;
    advance(p);
    advance(p);
    return parse_duration(p, &node->duration) ? node : NULL;
}

static struct rule_node *parse_anniversary(struct parser *p)
{
    struct rule_node *node = node_new(p, RULE_NODE_ANNIVERSARY, p->t), *field;

    advance(p);
    if (!skip_word(p, "of"))
        return expected(p, "\"of\" and a field");
    if (!at_name(p))
        return expected(p, "a field");
    field = node_new(p, RULE_NODE_FIELD, p->t);
    if (!parse_path(p, field, "a name after \".\""))
        return NULL;
    node_add(node, field);
    return parse_day(p, node);
}

/* A word and a string: tag "socio", in segment "fieles". The words are `words` tokens long. */
static struct rule_node *parse_named(struct parser *p, enum rule_node_type type, int words)
{
    struct rule_node *node = node_new(p, type, p->t);

    for (int i = 0; i < words; i++)
        advance(p);
    if (p->t->type != RULE_TOKEN_STRING)
        return expected(p, "a string");
    node->text = p->t->text;
    advance(p);
    return node;
}

static struct rule_node *parse_related(struct parser *p)
{
    struct rule_node *node = parse_named(p, RULE_NODE_RELATED, 2);

    if (node == NULL || !skip_word(p, "where"))
        return node;
    if (!expect_sign(p, "("))
        return NULL;
    node->where = parse_or(p);
    return node->where != NULL && expect_sign(p, ")") ? node : NULL;
}

/* "in segment", "in group", "in" and something else. */
static struct rule_node *parse_in(struct parser *p)
{
    if (token_is_word(second(p), "segment"))
        return parse_named(p, RULE_NODE_SEGMENT, 2);
    if (token_is_word(second(p), "group"))
        return parse_named(p, RULE_NODE_GROUP, 2);
    advance(p);
    return expected(p, "\"segment\" or \"group\"");
}

static struct rule_node *parse_word_alone(struct parser *p, enum rule_node_type type, bool negated)
{
    struct rule_node *node = node_new(p, type, p->t);

    node->negated = negated;
    advance(p);
    return node;
}

/* Whether the word at hand stands alone: no test or dot follows that would make it a value. */
static bool stands_alone(const struct parser *p)
{
    const struct rule_token *t = second(p);

    if (t->type == RULE_TOKEN_SIGN)
        return strcmp(t->text, ")") == 0;
    return t->type == RULE_TOKEN_END || token_is_word(t, "and") || token_is_word(t, "or") ||
           at_window(&(struct parser){.t = t});
}

static struct rule_node *parse_condition(struct parser *p)
{
    struct rule_node *value;

    if (p->t->type == RULE_TOKEN_WORD) {
        if (at_word(p, "birthday"))
            return parse_day(p, parse_word_alone(p, RULE_NODE_BIRTHDAY, false));
        if (at_word(p, "anniversary"))
            return parse_anniversary(p);
        if (at_word(p, "tag"))
            return parse_named(p, RULE_NODE_TAG, 1);
        if (at_word(p, "subscribed"))
            return parse_named(p, RULE_NODE_SUBSCRIBED, 1);
        if (at_word(p, "in"))
            return parse_in(p);
        if (at_word(p, "related") && token_is_word(second(p), "as"))
            return parse_related(p);
        if (at_word(p, "person"))
            return parse_word_alone(p, RULE_NODE_PERSON, false);
        if (at_word(p, "company"))
            return parse_word_alone(p, RULE_NODE_COMPANY, false);
        if ((at_word(p, "true") || at_word(p, "false")) && stands_alone(p))
            return parse_word_alone(p, RULE_NODE_CONSTANT, at_word(p, "false"));
    }
    value = parse_value(p);
    if (value == NULL)
        return NULL;
    if (value->type == RULE_NODE_AGGREGATE && value->op == RULE_ANY)
        return value;
    return parse_test(p, value);
}

/* --- and, or, not -------------------------------------------------------------------------------
 */

/* Goes to what may follow a condition: "and", "or", the ")" that closes us, the end. */
static void recover(struct parser *p)
{
    int open = 0;

    for (; p->t->type != RULE_TOKEN_END; advance(p)) {
        if (at_sign(p, "("))
            open++;
        else if (at_sign(p, ")") && open-- == 0)
            return;
        else if (open == 0 && (at_word(p, "and") || at_word(p, "or")))
            return;
    }
}

static bool enter(struct parser *p)
{
    if (++p->depth <= RULE_DEPTH_MAX)
        return true;
    diag_at(p->d, p->t->line, p->t->column, "a rule is nested at most %d deep", RULE_DEPTH_MAX);
    return false;
}

static struct rule_node *parse_not(struct parser *p)
{
    struct rule_node *node = NULL;

    if (!enter(p)) {
        while (p->t->type != RULE_TOKEN_END)
            advance(p);
    } else if (at_word(p, "not")) {
        struct rule_node *inner;

        node = node_new(p, RULE_NODE_NOT, p->t);
        advance(p);
        inner = parse_not(p);
        if (inner != NULL)
            node_add(node, inner);
        else
            node = NULL;
    } else if (skip_sign(p, "(")) {
        node = parse_or(p);
        if (!skip_sign(p, ")") && node != NULL)
            node = expected(p, "\"and\", \"or\" or \")\"");
    } else {
        const struct rule_token *start = p->t;

        node = parse_condition(p);
        if (node == NULL) {
            /* A condition cut short by its own "and" (between … and) must not be read twice. */
            if (p->t == start)
                advance(p);
            recover(p);
        }
    }
    p->depth--;
    return node;
}

/* One level: operands joined by `word`. One operand alone stands for itself. */
static struct rule_node *parse_joined(struct parser *p, enum rule_node_type type, const char *word,
                                      struct rule_node *(*operand)(struct parser *))
{
    struct rule_node *node = node_new(p, type, p->t);
    bool good = true;

    do {
        struct rule_node *one = operand(p);

        if (one == NULL)
            good = false;
        else
            node_add(node, one);
    } while (skip_word(p, word));
    if (!good)
        return NULL;
    return node->n_child == 1 ? node->child[0] : node;
}

static struct rule_node *parse_and(struct parser *p)
{
    return parse_joined(p, RULE_NODE_AND, "and", parse_not);
}

static struct rule_node *parse_or(struct parser *p)
{
    return parse_joined(p, RULE_NODE_OR, "or", parse_and);
}

static struct rule *parse(const void *ctx, const char *text, size_t n, struct diag *d,
                          bool where_only)
{
    struct rule *rule = mem_new(ctx, struct rule);
    struct parser p = {.rule = rule, .d = d};
    size_t mistakes = d->n, n_tokens;
    struct rule_token *tokens = rule_lex(rule, text, n, d, &n_tokens);

    rule->where_only = where_only;
    if (tokens != NULL) {
        p.t = tokens;
        rule->root = parse_or(&p);
        if (rule->root != NULL && p.t->type != RULE_TOKEN_END)
            expected(&p, "\"and\", \"or\" or the end of the rule");
    }
    if (tokens == NULL || d->n > mistakes || rule->root == NULL) {
        talloc_free(rule);
        return NULL;
    }
    return rule;
}

struct rule *rule_parse(const void *ctx, const char *text, size_t n, struct diag *d)
{
    return parse(ctx, text, n, d, false);
}

struct rule *rule_parse_where(const void *ctx, const char *text, size_t n, struct diag *d)
{
    return parse(ctx, text, n, d, true);
}
