/* parser.c - tokens -> tree: the grammar of lazo-rules(7) by recursive descent, one function a rule
 * of the grammar.
 *
 * After a mistake the parser goes on behind the condition that has it, so that one call shows
 * several. It knows no organisation: whether a field or a segment exists is the checker's question.
 * Depth is counted, so the C stack is bounded. */
#include "daemon/rules/parser.h"

#include "common/mem.h"

#include <string.h>
#include <strings.h>

/* --- conditions --- */

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
    struct rule_node *node = rule_parser_over(p, RULE_NODE_IN, value);

    node->negated = negated;
    rule_parser_advance(p);
    if (!rule_parser_at_sign(p, "("))
        return rule_parser_expected(p, negated ? "\"(\" and a list"
                                               : "\"(\" and a list, \"last\" or \"next\"");
    rule_parser_advance(p);
    do {
        struct rule_node *literal =
            rule_parser_literal(p, "a string, a number, a date, true or false");

        if (literal == NULL)
            return NULL;
        rule_parser_add(node, literal);
    } while (rule_parser_skip_sign(p, ","));
    if (rule_parser_skip_sign(p, ")"))
        return node;
    return rule_parser_expected(p, "\",\" or \")\"");
}

static struct rule_node *parse_between(struct parser *p, struct rule_node *value)
{
    struct rule_node *node = rule_parser_over(p, RULE_NODE_BETWEEN, value);

    rule_parser_advance(p);
    for (int i = 0; i < 2; i++) {
        struct rule_node *literal;

        if (i == 1 && !rule_parser_skip(p, "and"))
            return rule_parser_expected(p, "\"and\" and the upper end");
        literal = rule_parser_literal(p, "a string, a number or a date");
        if (literal == NULL)
            return NULL;
        rule_parser_add(node, literal);
    }
    return node;
}

static struct rule_node *parse_text_test(struct parser *p, struct rule_node *value,
                                         enum rule_text_test op)
{
    struct rule_node *node = rule_parser_over(p, RULE_NODE_TEXT_TEST, value);

    node->op = (int)op;
    if (p->t->type != RULE_TOKEN_STRING)
        return rule_parser_expected(p, "a string");
    rule_parser_add(node, rule_parser_literal(p, "a string"));
    return node;
}

static struct rule_node *parse_is(struct parser *p, struct rule_node *value)
{
    struct rule_node *node = rule_parser_over(p, RULE_NODE_KNOWN, value);

    rule_parser_advance(p);
    node->negated = rule_parser_at(p, "unknown");
    if (rule_parser_skip(p, "known") || rule_parser_skip(p, "unknown"))
        return node;
    return rule_parser_expected(p, "\"known\" or \"unknown\"");
}

static struct rule_node *parse_compare(struct parser *p, struct rule_node *value)
{
    struct rule_node *node = rule_parser_over(p, RULE_NODE_COMPARE, value), *right;

    comparison_find(p->t->text, &node->op);
    rule_parser_advance(p);
    right = rule_parser_value(p);
    if (right == NULL)
        return NULL;
    rule_parser_add(node, right);
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
            (two && !rule_parser_token_is(rule_parser_second(p), words + n + 1)))
            continue;
        rule_parser_advance(p);
        if (two)
            rule_parser_advance(p);
        *ret = (enum rule_text_test)i;
        return true;
    }
    return false;
}

/* Words that are a condition by themselves. */
static const char *const alone[] = {"person", "company", "household"};

/* A word alone, where a condition was to be: whether it can be no field at all, which is the better
 * thing to say then. */
static bool is_no_field(const struct rule_node *value)
{
    return value->type == RULE_NODE_FIELD && value->n_path == 1 &&
           rule_contact_field(value->path[0]) == NULL &&
           rule_interaction_field(value->path[0]) == NULL;
}

static bool condition_ends(const struct parser *p)
{
    return p->t->type == RULE_TOKEN_END || rule_parser_at(p, "and") || rule_parser_at(p, "or") ||
           rule_parser_at_sign(p, ")");
}

static bool is_stray(const struct parser *p, const struct rule_node *value)
{
    return is_no_field(value) && condition_ends(p);
}

static bool is_boolean(const struct rule_node *value)
{
    const struct rule_field *field = value->type == RULE_NODE_FIELD && value->n_path == 1
                                         ? rule_contact_field(value->path[0])
                                         : NULL;

    return field != NULL && field->type == RULE_TYPE_BOOLEAN;
}

/* Whether the word was to be another one, which begins a condition; then that is told. */
static bool is_mistyped(struct parser *p, const struct rule_node *value)
{
    const char *hint = is_no_field(value) ? rule_parser_keyword_hint(p, value->path[0]) : "";

    if (*hint != '\0')
        diag_at(p->d, value->line, value->column, "there is no field \"%.80s\"%s", value->path[0],
                hint);
    return *hint != '\0';
}

static bool is_everybody(const char *word)
{
    static const char *const words[] = {"all", "everybody", "everyone", "anyone", "anybody"};
    size_t i = 0;

    while (i < sizeof(words) / sizeof(words[0]) && strcasecmp(word, words[i]) != 0)
        i++;
    return i < sizeof(words) / sizeof(words[0]);
}

static void *stray(struct parser *p, const struct rule_node *value)
{
    struct rule_close close = rule_close_start(p->rule, value->path[0]);

    for (size_t i = 0; rule_contact_field_name(i) != NULL; i++)
        rule_close_offer(&close, rule_contact_field_name(i));
    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
        rule_close_offer(&close, alone[i]);
    diag_at(p->d, value->line, value->column, "there is no field or condition \"%.80s\"%s",
            value->path[0],
            is_everybody(value->path[0]) ? "; did you mean \"true\"?" : rule_close_hint(&close));
    return NULL;
}

/* What follows a value and makes it a condition. */
static struct rule_node *parse_test(struct parser *p, struct rule_node *value)
{
    enum rule_text_test test;
    int op;

    if (p->t->type == RULE_TOKEN_SIGN && comparison_find(p->t->text, &op))
        return parse_compare(p, value);
    if (rule_parser_at_window(p) && !rule_parser_at(p, "between")) {
        struct rule_node *node = rule_parser_over(p, RULE_NODE_DURING, value);

        node->window = rule_parser_window(p);
        return node->window == NULL ? NULL : node;
    }
    if (rule_parser_at(p, "not") && rule_parser_token_is(rule_parser_second(p), "in")) {
        rule_parser_advance(p);
        return parse_in_list(p, value, true);
    }
    if (rule_parser_at(p, "in"))
        return parse_in_list(p, value, false);
    if (rule_parser_at(p, "between"))
        return parse_between(p, value);
    if (rule_parser_at(p, "is"))
        return parse_is(p, value);
    if (skip_text_test(p, &test))
        return parse_text_test(p, value, test);
    if (is_stray(p, value))
        return stray(p, value);
    if (condition_ends(p) && is_boolean(value)) {
        diag_at(p->d, value->line, value->column, "%s is true or false: write %s = true",
                value->path[0], value->path[0]);
        return NULL;
    }
    if (is_mistyped(p, value))
        return NULL;
    return rule_parser_expected(
        p, "a comparison (= != < <= > >=), in, between, contains, starts with, ends with, "
           "matches, is known, is unknown or a window such as in last 30 days");
}

static struct rule_node *parse_day(struct parser *p, struct rule_node *node)
{
    if (rule_parser_at(p, "today") || rule_parser_at(p, "tomorrow")) {
        node->op = rule_parser_at(p, "today") ? RULE_DAY_TODAY : RULE_DAY_TOMORROW;
        rule_parser_advance(p);
        return node;
    }
    if (!rule_parser_at(p, "in") || !rule_parser_token_is(rule_parser_second(p), "next"))
        return rule_parser_expected(p, "\"today\", \"tomorrow\" or \"in next\" and a duration");
    node->op = RULE_DAY_IN_NEXT;
    rule_parser_advance(p);
    rule_parser_advance(p);
    return rule_parser_duration(p, &node->duration) ? node : NULL;
}

static struct rule_node *parse_anniversary(struct parser *p)
{
    struct rule_node *node = rule_parser_node(p, RULE_NODE_ANNIVERSARY, p->t), *field;

    rule_parser_advance(p);
    if (!rule_parser_skip(p, "of"))
        return rule_parser_expected(p, "\"of\" and a field");
    if (!rule_parser_at_name(p))
        return rule_parser_expected(p, "a field");
    field = rule_parser_node(p, RULE_NODE_FIELD, p->t);
    if (!rule_parser_path(p, field, "a name after \".\""))
        return NULL;
    rule_parser_add(node, field);
    return parse_day(p, node);
}

/* A word and a string: tag "socio", in segment "fieles". The words are `words` tokens long. */
static struct rule_node *parse_named(struct parser *p, enum rule_node_type type, int words)
{
    struct rule_node *node = rule_parser_node(p, type, p->t);

    for (int i = 0; i < words; i++)
        rule_parser_advance(p);
    if (p->t->type != RULE_TOKEN_STRING)
        return rule_parser_expected(p, "a string");
    node->text = p->t->text;
    rule_parser_advance(p);
    return node;
}

static struct rule_node *parse_related(struct parser *p)
{
    struct rule_node *node = parse_named(p, RULE_NODE_RELATED, 2);

    if (node == NULL || !rule_parser_skip(p, "where"))
        return node;
    if (!rule_parser_expect_sign(p, "("))
        return NULL;
    node->where = rule_parser_or(p);
    return node->where != NULL && rule_parser_expect_sign(p, ")") ? node : NULL;
}

/* "in segment", "in group", "in" and something else. */
static struct rule_node *parse_in(struct parser *p)
{
    if (rule_parser_token_is(rule_parser_second(p), "segment"))
        return parse_named(p, RULE_NODE_SEGMENT, 2);
    if (rule_parser_token_is(rule_parser_second(p), "group"))
        return parse_named(p, RULE_NODE_GROUP, 2);
    rule_parser_advance(p);
    return rule_parser_expected(p, "\"segment\" or \"group\"");
}

static struct rule_node *parse_word_alone(struct parser *p, enum rule_node_type type, bool negated)
{
    struct rule_node *node = rule_parser_node(p, type, p->t);

    node->negated = negated;
    rule_parser_advance(p);
    return node;
}

/* Whether the word at hand stands alone: no test or dot follows that would make it a value. */
static bool stands_alone(const struct parser *p)
{
    const struct rule_token *t = rule_parser_second(p);

    if (t->type == RULE_TOKEN_SIGN)
        return strcmp(t->text, ")") == 0;
    return t->type == RULE_TOKEN_END || rule_parser_token_is(t, "and") ||
           rule_parser_token_is(t, "or") || rule_parser_at_window(&(struct parser){.t = t});
}

static struct rule_node *parse_condition(struct parser *p)
{
    struct rule_node *value;

    if (p->t->type == RULE_TOKEN_WORD) {
        if (rule_parser_at(p, "birthday"))
            return parse_day(p, parse_word_alone(p, RULE_NODE_BIRTHDAY, false));
        if (rule_parser_at(p, "anniversary"))
            return parse_anniversary(p);
        if (rule_parser_at(p, "tag"))
            return parse_named(p, RULE_NODE_TAG, 1);
        if (rule_parser_at(p, "subscribed"))
            return parse_named(p, RULE_NODE_SUBSCRIBED, 1);
        if (rule_parser_at(p, "in"))
            return parse_in(p);
        if (rule_parser_at(p, "related") && rule_parser_token_is(rule_parser_second(p), "as"))
            return parse_related(p);
        if (rule_parser_at(p, "person"))
            return parse_word_alone(p, RULE_NODE_PERSON, false);
        if (rule_parser_at(p, "company"))
            return parse_word_alone(p, RULE_NODE_COMPANY, false);
        if (rule_parser_at(p, "household"))
            return parse_word_alone(p, RULE_NODE_HOUSEHOLD, false);
        if ((rule_parser_at(p, "true") || rule_parser_at(p, "false")) && stands_alone(p))
            return parse_word_alone(p, RULE_NODE_CONSTANT, rule_parser_at(p, "false"));
    }
    value = rule_parser_value(p);
    if (value == NULL)
        return NULL;
    if (value->type == RULE_NODE_AGGREGATE && value->op == RULE_ANY)
        return value;
    return parse_test(p, value);
}

/* --- and, or, not --- */

/* Goes to what may follow a condition: "and", "or", the ")" that closes us, the end. */
static void recover(struct parser *p)
{
    int open = 0;

    for (; p->t->type != RULE_TOKEN_END; rule_parser_advance(p)) {
        if (rule_parser_at_sign(p, "("))
            open++;
        else if (rule_parser_at_sign(p, ")") && open-- == 0)
            return;
        else if (open == 0 && (rule_parser_at(p, "and") || rule_parser_at(p, "or")))
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
            rule_parser_advance(p);
    } else if (rule_parser_at(p, "not")) {
        struct rule_node *inner;

        node = rule_parser_node(p, RULE_NODE_NOT, p->t);
        rule_parser_advance(p);
        inner = parse_not(p);
        if (inner != NULL)
            rule_parser_add(node, inner);
        else
            node = NULL;
    } else if (rule_parser_skip_sign(p, "(")) {
        node = rule_parser_or(p);
        if (!rule_parser_skip_sign(p, ")") && node != NULL)
            node = rule_parser_expected(p, "\"and\", \"or\" or \")\"");
    } else {
        const struct rule_token *start = p->t;

        node = parse_condition(p);
        if (node == NULL) {
            /* A condition cut short by its own "and" (between … and) must not be read twice. */
            if (p->t == start)
                rule_parser_advance(p);
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
    struct rule_node *node = rule_parser_node(p, type, p->t);
    bool good = true;

    do {
        struct rule_node *one = operand(p);

        if (one == NULL)
            good = false;
        else
            rule_parser_add(node, one);
    } while (rule_parser_skip(p, word));
    if (!good)
        return NULL;
    return node->n_child == 1 ? node->child[0] : node;
}

static struct rule_node *parse_and(struct parser *p)
{
    return parse_joined(p, RULE_NODE_AND, "and", parse_not);
}

struct rule_node *rule_parser_or(struct parser *p)
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
        p.first = p.t = tokens;
        rule->root = rule_parser_or(&p);
        if (rule->root != NULL && p.t->type != RULE_TOKEN_END)
            rule_parser_expected(&p, "\"and\", \"or\" or the end of the rule");
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
