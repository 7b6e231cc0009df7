/* parser.h - what the parts of the template parser share: the state, expressions, blocks.
 *
 * After the first mistake `failed` is true and every token is TOKEN_END, so that each function may
 * go on without asking and the outermost one gives up. */
#ifndef LAZO_COMMON_TEMPLATE_PARSER_H
#define LAZO_COMMON_TEMPLATE_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/template/ast.h"
#include "common/template/lexer.h"

struct name_list {
    size_t n, cap;
    struct name *items;
};

struct path_list {
    size_t n, cap;
    struct expr **items;
};

struct parser {
    struct template *t; /* owner of all that is made */
    struct diag *d;
    struct scanner scan;
    struct piece piece; /* the tag or output at hand; after parse_body() the word that ended it */
    struct token token; /* the token at hand, within the piece */
    struct path_list paths;  /* all variables mentioned */
    struct name_list locals; /* variables that the template makes itself */
    size_t depth;
    bool failed;
};

void liquid_fail(struct parser *, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* liquid_no_such() - an error: there is no such `what`; names the nearest of those that `nth`
 * counts up. */
void liquid_no_such(struct parser *, size_t at, const char *what, struct name,
                    const char *(*nth)(size_t));
/* liquid_open() - begins with the tokens of [from, to). */
void liquid_open(struct parser *, size_t from, size_t to);
void liquid_advance(struct parser *);
/* liquid_take() - passes a token of that kind where it is at hand. */
bool liquid_take(struct parser *, enum token_kind);
/* liquid_need() - likewise, else an error that says `what` was expected. */
void liquid_need(struct parser *, enum token_kind, const char *what);
bool liquid_at_word(const struct parser *, const char *word);
bool liquid_take_word(struct parser *, const char *word);
/* liquid_unexpected() - an error: the token at hand instead of `what`. */
void liquid_unexpected(struct parser *, const char *what);
void liquid_end(struct parser *);
/* liquid_name() - a variable's name, which may be of digits alone where `lenient`. */
struct name liquid_name(struct parser *, bool lenient);
void liquid_local(struct parser *, struct name);
/* liquid_deeper() - one level of nesting more; false (and failed) beyond the limit. Undo with
 * depth--. */
bool liquid_deeper(struct parser *, size_t at);

struct expr *parse_expr(struct parser *);
struct chain parse_chain(struct parser *);
struct test *parse_test(struct parser *);
void parse_values(struct parser *, struct expr_list *, bool or_too);

/* parse_body() - the nodes up to a word that the caller's block must know (parser->piece) or the
 * end. */
struct node *parse_body(struct parser *, bool *ret_blank);
/* liquid_word_is() - whether that word ended the body. */
bool liquid_word_is(const struct parser *, const char *word);
/* liquid_close() - an error unless `word` ended the body of the block `tag` that began at `at`. */
void liquid_close(struct parser *, const char *tag, const char *word, size_t at);
struct node *liquid_node(struct parser *, enum node_kind, size_t at);
/* node_drop_texts() - the list without its texts: a block that shows nothing keeps no white space.
 */
struct node *node_drop_texts(struct node *);

#define TAG(name) struct node *parse_##name(struct parser *, size_t at);
#define WORD(name)
#include "common/template/tags.def"
#undef TAG
#undef WORD

#endif
