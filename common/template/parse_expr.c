/* parse_expr.c - expressions, filters and conditions. */
#include "common/template/parser.h"

#include "common/mem.h"
#include "common/template/template.h"

static struct name slice(const struct parser *p, struct token t)
{
    return (struct name){p->t->source + t.at, t.end - t.at};
}

/* literal_word() - nil, true, empty ... ; false where it is a variable's name. */
static bool literal_word(struct name name, struct value *ret_value)
{
    static const struct {
        const char *word;
        struct value value;
    } WORDS[] = {{"nil", {.kind = VALUE_NIL}},
                 {"null", {.kind = VALUE_NIL}},
                 {"true", {.kind = VALUE_BOOL, .truth = true}},
                 {"false", {.kind = VALUE_BOOL, .truth = false}},
                 {"empty", {.kind = VALUE_EMPTY}},
                 {"blank", {.kind = VALUE_BLANK}}};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (name_is(name, WORDS[i].word)) {
            *ret_value = WORDS[i].value;
            return true;
        }
    }
    return false;
}

static struct expr *new_expr(struct parser *p, enum expr_kind kind)
{
    struct expr *e = mem_new(p->t, struct expr);
    e->kind = kind;
    e->at = p->token.at;
    e->end = p->token.end;
    return e;
}

static struct path_step *add_step(struct parser *p, struct expr *e, size_t *cap)
{
    mem_grow(p->t, &e->steps, cap, e->n + 1);
    e->steps[e->n] = (struct path_step){0};
    return &e->steps[e->n++];
}

static void parse_index(struct parser *p, struct path_step *step)
{
    liquid_advance(p);
    step->index = parse_expr(p);
    liquid_need(p, TOKEN_CLOSE_SQUARE, "“]”");
}

/* parse_steps() - .name and [index], as many as there are. */
static void parse_steps(struct parser *p, struct expr *e, size_t *cap)
{
    for (;;) {
        size_t end = p->token.end;
        if (p->token.kind == TOKEN_OPEN_SQUARE) {
            struct path_step *step = add_step(p, e, cap);
            size_t i = (size_t)(step - e->steps);
            struct path_step index = {0};
            parse_index(p, &index);
            e->steps[i] = index;
            end = p->token.at;
        } else if (p->token.kind == TOKEN_DOT) {
            liquid_advance(p);
            bool word = p->token.kind == TOKEN_OPERATOR && p->t->source[p->token.at] == 'c';
            if (p->token.kind != TOKEN_NAME && !word) {
                liquid_unexpected(p, "a name after “.”");
                return;
            }
            add_step(p, e, cap)->name = slice(p, p->token);
            end = p->token.end;
            liquid_advance(p);
        } else {
            return;
        }
        e->end = end;
    }
}

static struct expr *parse_path(struct parser *p)
{
    struct expr *e = new_expr(p, EXPR_PATH);
    size_t cap = 0;
    if (p->token.kind == TOKEN_OPEN_SQUARE) {
        struct path_step index = {0};
        parse_index(p, &index);
        *add_step(p, e, &cap) = index;
        e->end = p->token.at;
    } else {
        struct name name = slice(p, p->token);
        struct value value;
        liquid_advance(p);
        bool alone = p->token.kind != TOKEN_DOT && p->token.kind != TOKEN_OPEN_SQUARE;
        if (alone && literal_word(name, &value)) {
            e->kind = EXPR_LITERAL;
            e->literal = value;
            return e;
        }
        add_step(p, e, &cap)->name = name;
    }
    parse_steps(p, e, &cap);
    mem_grow(p->t, &p->paths.items, &p->paths.cap, p->paths.n + 1);
    p->paths.items[p->paths.n++] = e;
    return e;
}

static struct expr *parse_range(struct parser *p)
{
    struct expr *e = new_expr(p, EXPR_RANGE);
    liquid_advance(p);
    e->first = parse_expr(p);
    liquid_need(p, TOKEN_DOTS, "“..”");
    e->last = parse_expr(p);
    e->end = p->token.end;
    liquid_need(p, TOKEN_CLOSE_ROUND, "“)”");
    return e;
}

static struct expr *parse_number(struct parser *p)
{
    struct expr *e = new_expr(p, EXPR_LITERAL);
    struct name text = slice(p, p->token);
    struct decimal d = {0};
    if (!decimal_parse(text.s, text.n, &d))
        liquid_fail(p, p->token.at, "the number %.*s has too many digits", (int)text.n, text.s);
    e->literal = value_number(d);
    liquid_advance(p);
    return e;
}

struct expr *parse_expr(struct parser *p)
{
    struct expr *e = NULL;
    if (!liquid_deeper(p, p->token.at))
        return NULL;
    switch (p->token.kind) {
    case TOKEN_NAME:
    case TOKEN_OPEN_SQUARE:
        e = parse_path(p);
        break;
    case TOKEN_NUMBER:
        e = parse_number(p);
        break;
    case TOKEN_TEXT:
        e = new_expr(p, EXPR_LITERAL);
        e->literal = value_text(p->t->source + e->at + 1, e->end - e->at - 2);
        liquid_advance(p);
        break;
    case TOKEN_OPEN_ROUND:
        e = parse_range(p);
        break;
    case TOKEN_END:
    case TOKEN_OPERATOR:
    case TOKEN_EQUALS:
    case TOKEN_DOT:
    case TOKEN_DOTS:
    case TOKEN_COMMA:
    case TOKEN_COLON:
    case TOKEN_PIPE:
    case TOKEN_CLOSE_SQUARE:
    case TOKEN_CLOSE_ROUND:
    case TOKEN_BAD:
        liquid_unexpected(p, "a value");
        break;
    }
    p->depth--;
    return e;
}

void parse_values(struct parser *p, struct expr_list *list, bool or_too)
{
    do {
        mem_grow(p->t, &list->items, &list->cap, list->n + 1);
        list->items[list->n++] = parse_expr(p);
    } while (liquid_take(p, TOKEN_COMMA) || (or_too && liquid_take_word(p, "or")));
}

/* --- filters ------------------------------------------------------------------------------------
 */

static void check_count(struct parser *p, const struct call *call)
{
    const struct filter *f = call->filter;
    if (call->n >= f->least && call->n <= f->most)
        return;
    if (f->most == 0)
        liquid_fail(p, call->at, "the filter “%s” takes no argument", f->name);
    else if (f->least == f->most)
        liquid_fail(p, call->at, "the filter “%s” takes %zu argument%s, not %zu", f->name, f->most,
                    f->most == 1 ? "" : "s", call->n);
    else
        liquid_fail(p, call->at, "the filter “%s” takes %zu to %zu arguments, not %zu", f->name,
                    f->least, f->most, call->n);
}

/* named_argument() - the name and colon of one, if that is what comes; the name is then passed. */
static bool named_argument(struct parser *p, struct call *call)
{
    if (p->token.kind != TOKEN_NAME ||
        lexer_next(p->t->source, p->token.end, p->piece.to).kind != TOKEN_COLON)
        return false;
    struct name name = slice(p, p->token);
    const char *option = call->filter->option;
    if (option == NULL || !name_is(name, option))
        liquid_fail(p, p->token.at, "the filter “%s” has no named argument “%.*s”",
                    call->filter->name, (int)name.n, name.s);
    liquid_advance(p);
    liquid_advance(p);
    return true;
}

static void parse_arguments(struct parser *p, struct call *call)
{
    do {
        /* Liquid forgives a comma or a colon with nothing behind it. */
        if (p->token.kind == TOKEN_END || p->token.kind == TOKEN_PIPE)
            return;
        if (named_argument(p, call)) {
            call->option = parse_expr(p);
            continue;
        }
        struct expr *e = parse_expr(p);
        if (call->n < FILTER_ARGS_MAX)
            call->args[call->n] = e;
        call->n++;
    } while (liquid_take(p, TOKEN_COMMA));
}

static void parse_call(struct parser *p, struct chain *chain)
{
    if (p->token.kind != TOKEN_NAME) {
        liquid_unexpected(p, "the name of a filter after “|”");
        return;
    }
    struct name name = slice(p, p->token);
    struct call call = {.filter = filter_lookup(name), .at = p->token.at};
    if (call.filter == NULL) {
        liquid_no_such(p, call.at, "filter", name, template_filter_name);
        return;
    }
    liquid_advance(p);
    if (liquid_take(p, TOKEN_COLON))
        parse_arguments(p, &call);
    check_count(p, &call);
    mem_grow(p->t, &chain->calls, &chain->cap, chain->n + 1);
    chain->calls[chain->n++] = call;
}

struct chain parse_chain(struct parser *p)
{
    struct chain chain = {0};
    if (p->token.kind == TOKEN_END)
        return chain;
    chain.head = parse_expr(p);
    while (liquid_take(p, TOKEN_PIPE))
        parse_call(p, &chain);
    if (!p->failed && p->token.kind != TOKEN_END)
        liquid_unexpected(p, "“|” or the end");
    return chain;
}

/* --- conditions ---------------------------------------------------------------------------------
 */

static enum comparison comparison_of(struct name op)
{
    static const struct {
        const char *sign;
        enum comparison comparison;
    } SIGNS[] = {{"==", CMP_EQ}, {"!=", CMP_NE}, {"<>", CMP_NE}, {"<=", CMP_LE},
                 {">=", CMP_GE}, {"<", CMP_LT},  {">", CMP_GT},  {"contains", CMP_CONTAINS}};
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++) {
        if (name_is(op, SIGNS[i].sign))
            return SIGNS[i].comparison;
    }
    bug("operator %.*s", (int)op.n, op.s);
}

static struct test *parse_comparison(struct parser *p)
{
    struct test *t = mem_new(p->t, struct test);
    t->kind = TEST_VALUE;
    t->at = p->token.at;
    t->a = parse_expr(p);
    if (p->token.kind == TOKEN_OPERATOR) {
        t->kind = TEST_COMPARE;
        t->comparison = comparison_of(slice(p, p->token));
        liquid_advance(p);
        t->b = parse_expr(p);
    } else if (p->token.kind == TOKEN_EQUALS) {
        liquid_fail(p, p->token.at, "“=” does not compare; did you mean “==”?");
    }
    return t;
}

/* parse_test() - `and` and `or` bind alike and to the right: a and (b or (c and d)). */
struct test *parse_test(struct parser *p)
{
    struct test *root = NULL, **slot = &root;
    for (;;) {
        struct test *left = parse_comparison(p);
        bool both = liquid_at_word(p, "and");
        if (!both && !liquid_at_word(p, "or")) {
            *slot = left;
            break;
        }
        struct test *join = mem_new(p->t, struct test);
        join->kind = both ? TEST_AND : TEST_OR;
        join->left = left;
        *slot = join;
        slot = &join->right;
        liquid_advance(p);
    }
    if (!p->failed && p->token.kind != TOKEN_END)
        liquid_unexpected(p, "a comparison (== != < > <= >= contains), “and”, “or” or the end");
    return root;
}
