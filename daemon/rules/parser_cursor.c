/* parser_cursor.c - the parser's tokens and nodes; see parser.h. */
#include "common/mem.h"
#include "daemon/rules/parser.h"

#include <string.h>
#include <strings.h>

/* --- tokens --- */

bool rule_parser_token_is(const struct rule_token *t, const char *word)
{
    return t->type == RULE_TOKEN_WORD && strcasecmp(t->text, word) == 0;
}

bool rule_parser_token_is_sign(const struct rule_token *t, const char *sign)
{
    return t->type == RULE_TOKEN_SIGN && strcmp(t->text, sign) == 0;
}

bool rule_parser_at(const struct parser *p, const char *word)
{
    return rule_parser_token_is(p->t, word);
}

bool rule_parser_at_sign(const struct parser *p, const char *sign)
{
    return rule_parser_token_is_sign(p->t, sign);
}

const struct rule_token *rule_parser_second(const struct parser *p)
{
    return p->t->type == RULE_TOKEN_END ? p->t : p->t + 1;
}

void rule_parser_advance(struct parser *p)
{
    if (p->t->type != RULE_TOKEN_END)
        p->t++;
}

bool rule_parser_skip(struct parser *p, const char *word)
{
    if (!rule_parser_at(p, word))
        return false;
    rule_parser_advance(p);
    return true;
}

bool rule_parser_skip_sign(struct parser *p, const char *sign)
{
    if (!rule_parser_at_sign(p, sign))
        return false;
    rule_parser_advance(p);
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

void *rule_parser_expected(struct parser *p, const char *what)
{
    diag_at(p->d, p->t->line, p->t->column, "expected %s, found %s%s", what,
            token_shown(p->rule, p->t), rule_parser_hint(p, what));
    return NULL;
}

bool rule_parser_expect_sign(struct parser *p, const char *sign)
{
    if (rule_parser_skip_sign(p, sign))
        return true;
    rule_parser_expected(p, mem_printf(p->rule, "\"%s\"", sign));
    return false;
}

/* --- nodes --- */

struct rule_node *rule_parser_node(struct parser *p, enum rule_node_type type,
                                   const struct rule_token *at)
{
    struct rule_node *node = mem_new(p->rule, struct rule_node);

    node->type = type;
    node->line = at->line;
    node->column = at->column;
    return node;
}

void rule_parser_add(struct rule_node *node, struct rule_node *child)
{
    mem_grow(node, &node->child, &node->cap_child, node->n_child + 1);
    node->child[node->n_child++] = child;
}

/* A condition over `value`, which stands where the value does. */
struct rule_node *rule_parser_over(struct parser *p, enum rule_node_type type,
                                   struct rule_node *value)
{
    struct rule_node *node = mem_new(p->rule, struct rule_node);

    node->type = type;
    node->line = value->line;
    node->column = value->column;
    rule_parser_add(node, value);
    return node;
}
