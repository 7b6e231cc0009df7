/* parse_loops.c - the syntax of for, tablerow, include and render. */
#include "common/template/parser.h"

#include <string.h>

#include "common/mem.h"

/* parse_head() - `variable in items`. */
static struct loop_spec *parse_head(struct parser *p)
{
    struct loop_spec *loop = mem_new(p->t, struct loop_spec);
    liquid_open(p, p->piece.from, p->piece.to);
    loop->variable = liquid_name(p, false);
    liquid_local(p, loop->variable);
    if (!p->failed && !liquid_take_word(p, "in"))
        liquid_unexpected(p, "“in”");
    loop->items = parse_expr(p);
    if (p->failed)
        return loop;
    loop->name.s =
        mem_printf(p->t, "%.*s-%.*s", (int)loop->variable.n, loop->variable.s,
                   (int)(loop->items->end - loop->items->at), p->t->source + loop->items->at);
    loop->name.n = strlen(loop->name.s);
    return loop;
}

/* parse_option() - `word: value` where that word is at hand. */
static bool parse_option(struct parser *p, const char *word, struct expr **ret_value)
{
    if (!liquid_take_word(p, word))
        return false;
    liquid_need(p, TOKEN_COLON, "“:”");
    *ret_value = parse_expr(p);
    return true;
}

static void parse_options(struct parser *p, struct loop_spec *loop, bool table)
{
    while (!p->failed && p->token.kind != TOKEN_END) {
        if (liquid_take(p, TOKEN_COMMA))
            continue;
        if (!table && liquid_take_word(p, "reversed")) {
            loop->reversed = true;
            continue;
        }
        if (!parse_option(p, "limit", &loop->limit) && !parse_option(p, "offset", &loop->offset) &&
            !(table && parse_option(p, "cols", &loop->cols)))
            liquid_unexpected(p, table ? "“cols”, “limit” or “offset”"
                                       : "“limit”, “offset” or “reversed”");
    }
    const struct expr *offset = loop->offset;
    if (!table && !p->failed && offset != NULL && offset->kind == EXPR_PATH && offset->n == 1 &&
        name_is(offset->steps[0].name, "continue")) {
        loop->offset_continue = true;
        loop->offset = NULL;
        liquid_local(p, offset->steps[0].name);
    }
}

struct node *parse_for(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_FOR, at);
    bool blank, else_blank = true;
    n->loop = parse_head(p);
    parse_options(p, n->loop, false);
    n->body = parse_body(p, &blank);
    if (liquid_word_is(p, "else"))
        n->loop->otherwise = parse_body(p, &else_blank);
    liquid_close(p, "for", "endfor", at);
    n->blank = blank && else_blank;
    if (n->blank) {
        n->body = node_drop_texts(n->body);
        n->loop->otherwise = node_drop_texts(n->loop->otherwise);
    }
    return n;
}

struct node *parse_tablerow(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_TABLEROW, at);
    bool blank;
    n->loop = parse_head(p);
    parse_options(p, n->loop, true);
    n->body = parse_body(p, &blank);
    liquid_close(p, "tablerow", "endtablerow", at);
    return n;
}

/* --- partials -----------------------------------------------------------------------------------
 */

static void parse_named_arguments(struct parser *p, struct partial_spec *spec)
{
    while (!p->failed && p->token.kind != TOKEN_END) {
        if (liquid_take(p, TOKEN_COMMA) && p->token.kind == TOKEN_END)
            return;
        struct argument a = {.name = liquid_name(p, false)};
        liquid_need(p, TOKEN_COLON, "“:” and a value");
        a.value = parse_expr(p);
        mem_grow(p->t, &spec->arguments, &spec->cap, spec->n + 1);
        spec->arguments[spec->n++] = a;
    }
}

static struct node *parse_partial(struct parser *p, size_t at, bool isolated)
{
    struct node *n = liquid_node(p, NODE_PARTIAL, at);
    struct partial_spec *spec = n->partial = mem_new(p->t, struct partial_spec);
    spec->isolated = isolated;
    liquid_open(p, p->piece.from, p->piece.to);
    if (isolated && !p->failed && p->token.kind != TOKEN_TEXT)
        liquid_unexpected(p, "the name of a partial in quotes");
    spec->file = parse_expr(p);
    spec->each = liquid_at_word(p, "for");
    if (liquid_take_word(p, "for") || liquid_take_word(p, "with"))
        spec->with = parse_expr(p);
    if (liquid_take_word(p, "as"))
        spec->alias = liquid_name(p, false);
    parse_named_arguments(p, spec);
    return n;
}

struct node *parse_include(struct parser *p, size_t at)
{
    return parse_partial(p, at, false);
}

struct node *parse_render(struct parser *p, size_t at)
{
    return parse_partial(p, at, true);
}
