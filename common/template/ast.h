/* ast.h - a compiled template: what the parser makes and the renderer walks.
 *
 * All of it is the child of the struct template and never changes after the parser. Places are byte
 * offsets into its text. */
#ifndef LAZO_COMMON_TEMPLATE_AST_H
#define LAZO_COMMON_TEMPLATE_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/template/value.h"

struct args;
struct diag;
struct render;

struct name {
    const char *s;
    size_t n;
};

static inline bool name_same(struct name a, struct name b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

static inline bool name_is(struct name a, const char *word)
{
    return name_same(a, (struct name){word, strlen(word)});
}

enum expr_kind { EXPR_LITERAL, EXPR_PATH, EXPR_RANGE };

struct path_step {
    struct name name;   /* .name */
    struct expr *index; /* [index], or NULL */
};

struct expr {
    enum expr_kind kind;
    size_t at, end; /* its text */
    struct value literal;
    size_t n; /* of a path: steps; the first is the variable */
    struct path_step *steps;
    struct expr *first, *last; /* of a range */
};

/* What filters.def says of a filter. */
struct filter {
    const char *name;
    size_t least, most;
    const char *option;
    struct value (*run)(struct render *, struct value in, const struct args *);
};

#define FILTER_ARGS_MAX 2
struct call {
    const struct filter *filter;
    size_t at;
    size_t n;
    struct expr *args[FILTER_ARGS_MAX];
    struct expr *option; /* the named argument, or NULL */
};

/* An expression and the filters behind it. */
struct chain {
    struct expr *head; /* NULL: nothing to show */
    size_t n, cap;
    struct call *calls;
};

enum test_kind { TEST_VALUE, TEST_COMPARE, TEST_AND, TEST_OR };
enum comparison { CMP_EQ, CMP_NE, CMP_LT, CMP_GT, CMP_LE, CMP_GE, CMP_CONTAINS };

struct test {
    enum test_kind kind;
    enum comparison comparison;
    size_t at;
    struct expr *a, *b;
    struct test *left, *right; /* of and, or */
};

enum node_kind {
    NODE_TEXT,
    NODE_OUTPUT,
    NODE_ASSIGN,
    NODE_CAPTURE,
    NODE_IF,
    NODE_CASE,
    NODE_FOR,
    NODE_TABLEROW,
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_INCREMENT,
    NODE_DECREMENT,
    NODE_CYCLE,
    NODE_IFCHANGED,
    NODE_PARTIAL,
};

struct expr_list {
    size_t n, cap;
    struct expr **items;
};

struct branch {
    struct test *test;       /* of if; NULL: else */
    bool negate;             /* unless */
    struct expr_list values; /* of case; none: else */
    struct node *body;
    struct branch *next;
};

struct argument {
    struct name name;
    struct expr *value;
};

struct loop_spec {
    struct name variable;
    struct name name; /* "item-order.items" */
    struct expr *items;
    struct expr *limit, *offset, *cols; /* NULL: not given */
    bool reversed, offset_continue;
    struct node *otherwise;
};

struct partial_spec {
    bool isolated; /* render, not include */
    struct expr *file;
    struct expr *with; /* NULL: none */
    bool each;         /* `for`, not `with` */
    struct name alias; /* n = 0: the partial's own name */
    size_t n, cap;
    struct argument *arguments;
};

struct node {
    enum node_kind kind;
    bool blank; /* shows nothing whatever the data */
    size_t at;
    struct node *next;
    struct name
        text; /* NODE_TEXT; the name of assign, capture, increment, decrement, the cycle's key */
    struct chain chain;      /* NODE_OUTPUT, NODE_ASSIGN */
    struct node *body;       /* NODE_CAPTURE, NODE_FOR, NODE_TABLEROW, NODE_IFCHANGED */
    struct branch *branches; /* NODE_IF, NODE_CASE */
    struct expr *subject;    /* NODE_CASE; the group of NODE_CYCLE or NULL */
    struct expr_list values; /* NODE_CYCLE */
    struct loop_spec *loop;
    struct partial_spec *partial;
};

struct template
{
    const char *source;
    size_t n;
    struct node *root;
    const char **names; /* sorted */
    size_t names_n, names_cap;
};

/* template_place() - 1-based line and column (in characters) of the byte offset `at`. */
void template_place(const char *source, size_t at, int *ret_line, int *ret_column);
/* template_path() - the fixed beginning of a path, "contact.first_name", child of `ctx`; NULL where
 * it has none. */
char *template_path(const void *ctx, const struct expr *);

/* filter_lookup() - NULL where there is none of that name. */
const struct filter *filter_lookup(struct name);

#endif
