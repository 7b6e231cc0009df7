/* parser.h - the parser's insides, shared by its four files: parser_cursor.c (tokens and nodes),
 * parser_values.c (literals, windows, values), parser.c (conditions), parser_hints.c. Nobody else
 * includes it; the parser's face is rule_parse() in rule.h. */
#ifndef LAZO_DAEMON_RULES_PARSER_H
#define LAZO_DAEMON_RULES_PARSER_H

#include "daemon/rules/lexer.h"
#include "daemon/rules/tree.h"

struct parser {
    struct rule *rule; /* owner of the nodes */
    struct diag *d;
    const struct rule_token *first, *t; /* the first and the next token */
    int depth;
};

/* Questions about the next token, the one after it (the END token is the last), and going on.
 * Keywords in any case. */
bool rule_parser_token_is(const struct rule_token *, const char *word);
bool rule_parser_token_is_sign(const struct rule_token *, const char *sign);
bool rule_parser_at(const struct parser *, const char *word);
bool rule_parser_at_sign(const struct parser *, const char *sign);
const struct rule_token *rule_parser_second(const struct parser *);
void rule_parser_advance(struct parser *);
/* Both go past the word or sign where it stands next, and say whether it did. */
bool rule_parser_skip(struct parser *, const char *word);
bool rule_parser_skip_sign(struct parser *, const char *sign);
/* rule_parser_expected() - notes the mistake at the next token; NULL, for the caller to return. */
void *rule_parser_expected(struct parser *, const char *what);
bool rule_parser_expect_sign(struct parser *, const char *sign);

/* rule_parser_hint() - "", or "; did you mean ..." of what stands where `what` was expected.
 * rule_parser_keyword_hint() - of a word that is no field and begins a condition.
 * rule_parser_function_hint() - of the next token, which is no function; `close` otherwise. */
const char *rule_parser_hint(const struct parser *, const char *what);
const char *rule_parser_keyword_hint(const struct parser *, const char *word);
const char *rule_parser_function_hint(const struct parser *, const char *close);

struct rule_node *rule_parser_node(struct parser *, enum rule_node_type,
                                   const struct rule_token *at);
void rule_parser_add(struct rule_node *, struct rule_node *child);
/* rule_parser_over() - a condition over `value`, which stands where the value does. */
struct rule_node *rule_parser_over(struct parser *, enum rule_node_type, struct rule_node *value);

/* Each reads one piece of the grammar; NULL or false where it is none, the mistake noted. `what`
 * says what was expected. */
struct rule_node *rule_parser_literal(struct parser *, const char *what);
bool rule_parser_duration(struct parser *, struct rule_duration *ret);
bool rule_parser_at_window(const struct parser *);
struct rule_window *rule_parser_window(struct parser *);
bool rule_parser_at_name(const struct parser *);
bool rule_parser_path(struct parser *, struct rule_node *, const char *what);
struct rule_node *rule_parser_value(struct parser *);
struct rule_node *rule_parser_or(struct parser *);

#endif
