/* parse_tags.c - the syntax of each tag but the loops and the partials, which are in parse_loops.c.
 */
#include "common/template/parser.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

static void open_tag(struct parser *p)
{
    liquid_open(p, p->piece.from, p->piece.to);
}

struct node *parse_assign(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_ASSIGN, at);
    open_tag(p);
    n->text = liquid_name(p, true);
    n->blank = true;
    liquid_local(p, n->text);
    liquid_need(p, TOKEN_EQUALS, "“=”");
    if (!p->failed && p->token.kind == TOKEN_END)
        liquid_unexpected(p, "a value");
    n->chain = parse_chain(p);
    return n;
}

struct node *parse_echo(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_OUTPUT, at);
    open_tag(p);
    n->chain = parse_chain(p);
    return n;
}

struct node *parse_capture(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_CAPTURE, at);
    bool blank;
    open_tag(p);
    n->text = liquid_name(p, true);
    n->blank = true;
    liquid_local(p, n->text);
    liquid_end(p);
    n->body = parse_body(p, &blank);
    liquid_close(p, "capture", "endcapture", at);
    return n;
}

static struct node *parse_counter(struct parser *p, enum node_kind kind, size_t at)
{
    struct node *n = liquid_node(p, kind, at);
    open_tag(p);
    n->text = liquid_name(p, false);
    liquid_local(p, n->text);
    liquid_end(p);
    return n;
}

struct node *parse_increment(struct parser *p, size_t at)
{
    return parse_counter(p, NODE_INCREMENT, at);
}

struct node *parse_decrement(struct parser *p, size_t at)
{
    return parse_counter(p, NODE_DECREMENT, at);
}

static struct node *parse_interrupt(struct parser *p, enum node_kind kind, size_t at)
{
    open_tag(p);
    liquid_end(p);
    return liquid_node(p, kind, at);
}

struct node *parse_break(struct parser *p, size_t at)
{
    return parse_interrupt(p, NODE_BREAK, at);
}

struct node *parse_continue(struct parser *p, size_t at)
{
    return parse_interrupt(p, NODE_CONTINUE, at);
}

/* cycle_key() - what a cycle without a group goes by: its values, however they are written; with
 * variables among them its place and text. */
static struct name cycle_key(struct parser *p, const struct node *n, size_t from)
{
    struct buf key;
    bool fixed = true;
    buf_init(&key, p->t, 8 * p->t->n + 64);
    for (size_t i = 0; i < n->values.n; i++) {
        fixed = fixed && n->values.items[i]->kind == EXPR_LITERAL;
        if (fixed)
            value_inspect(&key, n->values.items[i]->literal);
        buf_char(&key, ',');
    }
    if (!fixed) {
        buf_reset(&key);
        buf_printf(&key, "@%zu %.*s", n->at, (int)(p->piece.to - from), p->t->source + from);
    }
    size_t length = key.len;
    return (struct name){buf_take(&key, p->t), length};
}

/* parse_cycle() - [group:] value, value ...  Without a group, cycles of the same fixed values
 * go on together; one with variables stands alone. */
struct node *parse_cycle(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_CYCLE, at);
    open_tag(p);
    size_t from = p->token.at;
    struct expr *first = parse_expr(p);
    if (liquid_take(p, TOKEN_COLON)) {
        n->subject = first;
        parse_values(p, &n->values, false);
    } else {
        mem_grow(p->t, &n->values.items, &n->values.cap, 1);
        n->values.items[n->values.n++] = first;
        if (liquid_take(p, TOKEN_COMMA))
            parse_values(p, &n->values, false);
    }
    liquid_end(p);
    if (!p->failed)
        n->text = cycle_key(p, n, from);
    return n;
}

struct node *parse_ifchanged(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_IFCHANGED, at);
    open_tag(p);
    liquid_end(p);
    n->body = parse_body(p, &n->blank);
    liquid_close(p, "ifchanged", "endifchanged", at);
    return n;
}

/* --- if and case --------------------------------------------------------------------------------
 */

static struct branch *add_branch(struct parser *p, struct branch ***slot)
{
    struct branch *b = mem_new(p->t, struct branch);
    **slot = b;
    *slot = &b->next;
    return b;
}

/* drop_blank() - a block all of whose branches show nothing keeps no white space either. */
static void drop_blank(struct node *n)
{
    for (struct branch *b = n->branches; n->blank && b != NULL; b = b->next)
        b->body = node_drop_texts(b->body);
}

static struct node *parse_condition(struct parser *p, size_t at, bool negate, const char *tag,
                                    const char *close)
{
    struct node *n = liquid_node(p, NODE_IF, at);
    struct branch **slot = &n->branches;
    bool blank;
    n->blank = true;
    do {
        bool otherwise = liquid_word_is(p, "else");
        struct branch *b = add_branch(p, &slot);
        open_tag(p);
        if (!otherwise) {
            b->test = parse_test(p);
            b->negate = negate && b == n->branches;
        }
        b->body = parse_body(p, &blank);
        n->blank = n->blank && blank;
    } while (liquid_word_is(p, "else") || liquid_word_is(p, "elsif"));
    liquid_close(p, tag, close, at);
    drop_blank(n);
    return n;
}

struct node *parse_if(struct parser *p, size_t at)
{
    return parse_condition(p, at, false, "if", "endif");
}

struct node *parse_unless(struct parser *p, size_t at)
{
    return parse_condition(p, at, true, "unless", "endunless");
}

static void parse_when(struct parser *p, struct branch *b)
{
    open_tag(p);
    parse_values(p, &b->values, true);
    /* Liquid takes the values before an `and` and overlooks the rest. */
    if (!liquid_at_word(p, "and"))
        liquid_end(p);
}

struct node *parse_case(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_CASE, at);
    struct branch **slot = &n->branches;
    bool blank;
    open_tag(p);
    n->subject = parse_expr(p);
    liquid_end(p);
    parse_body(p, &blank); /* what stands before the first `when` is never shown */
    n->blank = true;
    while (liquid_word_is(p, "when") || liquid_word_is(p, "else")) {
        struct branch *b = add_branch(p, &slot);
        if (liquid_word_is(p, "when"))
            parse_when(p, b);
        b->body = parse_body(p, &blank);
        n->blank = n->blank && blank;
    }
    liquid_close(p, "case", "endcase", at);
    drop_blank(n);
    return n;
}

/* --- text that is not parsed --------------------------------------------------------------------
 */

struct node *parse_raw(struct parser *p, size_t at)
{
    struct node *n = liquid_node(p, NODE_TEXT, at);
    size_t from = 0, to = 0;
    open_tag(p);
    liquid_end(p);
    if (p->scan.lines)
        liquid_fail(p, at, "“raw” cannot stand within “liquid”");
    else if (!scanner_verbatim(&p->scan, "endraw", &from, &to))
        liquid_fail(p, at, "“raw” is not closed: “endraw” expected");
    n->text = (struct name){p->t->source + from, to - from};
    n->blank = n->text.n == 0;
    return n;
}

/* skip_block() - passes all up to `close`, minding blocks of the same name within. */
static void skip_block(struct parser *p, const char *open, const char *close, size_t at)
{
    for (size_t level = 1; !p->failed && level > 0;) {
        size_t from, to;
        scanner_skip_text(&p->scan);
        p->piece = scanner_next(&p->scan);
        if (p->piece.kind == PIECE_END || p->piece.error != NULL)
            liquid_fail(p, at, "“%s” is not closed: “%s” expected", open, close);
        else if (liquid_word_is(p, open))
            level++;
        else if (liquid_word_is(p, close))
            level--;
        else if (liquid_word_is(p, "raw") && !p->scan.lines)
            scanner_verbatim(&p->scan, "endraw", &from, &to);
    }
}

struct node *parse_comment(struct parser *p, size_t at)
{
    skip_block(p, "comment", "endcomment", at);
    return NULL;
}

struct node *parse_doc(struct parser *p, size_t at)
{
    size_t from, to;
    open_tag(p);
    liquid_end(p);
    if (p->scan.lines)
        skip_block(p, "doc", "enddoc", at);
    else if (!p->failed && !scanner_verbatim(&p->scan, "enddoc", &from, &to))
        liquid_fail(p, at, "“doc” is not closed: “enddoc” expected");
    return NULL;
}

/* parse_liquid() - its lines are tags; the nodes join those around it. */
struct node *parse_liquid(struct parser *p, size_t at)
{
    struct scanner outer = p->scan;
    bool blank;
    (void)at;
    p->scan = (struct scanner){
        .source = outer.source, .at = p->piece.from, .end = p->piece.to, .lines = true};
    struct node *list = parse_body(p, &blank);
    if (!p->failed && p->piece.kind != PIECE_END)
        liquid_fail(p, p->piece.name, "“%.*s” has nothing open before it within this “liquid”",
                    (int)p->piece.name_n, p->t->source + p->piece.name);
    p->scan = outer;
    p->piece.kind = PIECE_TAG;
    p->piece.name_n = 0;
    return list;
}
