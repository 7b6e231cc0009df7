/* parse.c - the frame of the template parser: tokens, bodies, names, and what filters and tags
 * there are.
 *
 * A template is read once, piece by piece. Each tag's own syntax is in parse_tags.c and
 * parse_loops.c, expressions are in parse_expr.c. To add a tag or a filter see tags.def and
 * filters.def. */
#include "common/template/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "common/template/ascii.h"
#include "common/template/filters.h"
#include "common/template/template.h"
#include "common/utf8.h"

static const struct filter FILTERS[] = {
#define FILTER(name, least, most, option) {#name, least, most, option, filter_##name},
#include "common/template/filters.def"
#undef FILTER
};
#define FILTERS_N (sizeof FILTERS / sizeof *FILTERS)

static const struct {
    const char *name;
    struct node *(*parse)(struct parser *, size_t at); /* NULL: a word of a block */
} TAGS[] = {
#define TAG(name)  {#name, parse_##name},
#define WORD(name) {#name, NULL},
#include "common/template/tags.def"
#undef TAG
#undef WORD
};
#define TAGS_N (sizeof TAGS / sizeof *TAGS)

const char *template_filter_name(size_t i)
{
    return i < FILTERS_N ? FILTERS[i].name : NULL;
}

const char *template_tag_name(size_t i)
{
    return i < TAGS_N ? TAGS[i].name : NULL;
}

const struct filter *filter_lookup(struct name name)
{
    for (size_t i = 0; i < FILTERS_N; i++) {
        if (name_is(name, FILTERS[i].name))
            return &FILTERS[i];
    }
    return NULL;
}

void liquid_no_such(struct parser *p, size_t at, const char *what, struct name name,
                    const char *(*nth)(size_t))
{
    const char *known[128], *near;
    char *word = mem_strndup(p->t, name.s, name.n);
    size_t n = 0;
    while (n < sizeof known / sizeof *known && nth(n) != NULL)
        known[n] = nth(n), n++;
    near = suggest_nearest(word, known, n);
    if (near == NULL)
        liquid_fail(p, at, "unknown %s “%s”", what, word);
    else
        liquid_fail(p, at, "unknown %s “%s”; did you mean “%s”?", what, word, near);
}

/* --- tokens -------------------------------------------------------------------------------------
 */

void template_place(const char *source, size_t at, int *ret_line, int *ret_column)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (source[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)source[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

void liquid_fail(struct parser *p, size_t at, const char *format, ...)
{
    if (p->failed)
        return;
    int line, column;
    char *message;
    va_list args;
    va_start(args, format);
    message = mem_must(talloc_vasprintf(NULL, format, args));
    va_end(args);
    template_place(p->t->source, at, &line, &column);
    diag_at(p->d, line, column, "%s", message);
    talloc_free(message);
    p->failed = true;
    p->token.kind = TOKEN_END;
}

void liquid_advance(struct parser *p)
{
    if (p->failed)
        return;
    p->token = lexer_next(p->t->source, p->token.end, p->piece.to);
    const char *s = p->t->source + p->token.at;
    size_t n = p->token.end - p->token.at;
    if (p->token.kind != TOKEN_BAD)
        return;
    if (*s == '\'' || *s == '"')
        liquid_fail(p, p->token.at, "the text that begins with %c is not closed", *s);
    else if (n == 3 && memcmp(s, "\xE2\x80", 2) == 0 && (unsigned char)s[2] >= 0x98 &&
             (unsigned char)s[2] <= 0x9F)
        liquid_fail(p, p->token.at, "“%.3s” is a typographic quote; write ' or \"", s);
    else
        liquid_fail(p, p->token.at, "unexpected character “%.*s”", (int)n, s);
}

void liquid_open(struct parser *p, size_t from, size_t to)
{
    p->piece.to = to;
    p->token = (struct token){.at = from, .end = from};
    liquid_advance(p);
}

bool liquid_take(struct parser *p, enum token_kind kind)
{
    if (p->failed || p->token.kind != kind)
        return false;
    liquid_advance(p);
    return true;
}

void liquid_unexpected(struct parser *p, const char *what)
{
    if (p->token.kind == TOKEN_END)
        liquid_fail(p, p->token.at, "%s expected", what);
    else
        liquid_fail(p, p->token.at, "“%.*s” is not expected here: %s expected",
                    (int)(p->token.end - p->token.at), p->t->source + p->token.at, what);
}

void liquid_need(struct parser *p, enum token_kind kind, const char *what)
{
    if (!p->failed && !liquid_take(p, kind))
        liquid_unexpected(p, what);
}

bool liquid_at_word(const struct parser *p, const char *word)
{
    return !p->failed && p->token.kind == TOKEN_NAME &&
           name_is((struct name){p->t->source + p->token.at, p->token.end - p->token.at}, word);
}

bool liquid_take_word(struct parser *p, const char *word)
{
    if (!liquid_at_word(p, word))
        return false;
    liquid_advance(p);
    return true;
}

void liquid_end(struct parser *p)
{
    if (!p->failed && p->token.kind != TOKEN_END)
        liquid_unexpected(p, "the end of the tag");
}

struct name liquid_name(struct parser *p, bool lenient)
{
    struct name name = {p->t->source + p->token.at, p->token.end - p->token.at};
    if (lenient && p->token.kind == TOKEN_TEXT)
        name = (struct name){name.s + 1, name.n - 2};
    else if (p->token.kind != TOKEN_NAME && !(lenient && p->token.kind == TOKEN_NUMBER)) {
        liquid_unexpected(p, "a name");
        return (struct name){"", 0};
    }
    liquid_advance(p);
    return name;
}

void liquid_local(struct parser *p, struct name name)
{
    mem_grow(p->t, &p->locals.items, &p->locals.cap, p->locals.n + 1);
    p->locals.items[p->locals.n++] = name;
}

bool liquid_deeper(struct parser *p, size_t at)
{
    if (p->depth++ < template_limits_default().max_depth)
        return true;
    p->depth--;
    liquid_fail(p, at, "too many levels of nesting (limit %zu)",
                template_limits_default().max_depth);
    return false;
}

/* --- bodies -------------------------------------------------------------------------------------
 */

struct node *liquid_node(struct parser *p, enum node_kind kind, size_t at)
{
    struct node *n = mem_new(p->t, struct node);
    n->kind = kind;
    n->at = at;
    return n;
}

struct node *node_drop_texts(struct node *list)
{
    struct node *kept = NULL, **slot = &kept;
    for (; list != NULL; list = list->next) {
        if (list->kind != NODE_TEXT) {
            *slot = list;
            slot = &list->next;
        }
    }
    *slot = NULL;
    return kept;
}

static struct node *text_node(struct parser *p)
{
    struct node *n = liquid_node(p, NODE_TEXT, p->piece.from);
    n->text = (struct name){p->t->source + p->piece.from, p->piece.to - p->piece.from};
    n->blank = true;
    for (size_t i = 0; i < n->text.n; i++)
        n->blank = n->blank && ascii_space(n->text.s[i]);
    return n;
}

/* inline_comment() - {% # ... %}: each of its lines begins with #. */
static void inline_comment(struct parser *p)
{
    const char *s = p->t->source;
    for (size_t i = p->piece.from; i < p->piece.to; i++) {
        if (s[i] != '\n')
            continue;
        size_t at = i + 1;
        while (at < p->piece.to && s[at] != '\n' && ascii_space(s[at]))
            at++;
        if (at < p->piece.to && s[at] != '#' && s[at] != '\n')
            liquid_fail(p, at, "each line of a {%% # comment %%} begins with “#”");
    }
}

/* parse_tag() - the nodes of the tag at hand; *ret_word is true where it is a word that ends a
 * body. */
static struct node *parse_tag(struct parser *p, bool *ret_word)
{
    struct name name = {p->t->source + p->piece.name, p->piece.name_n};
    *ret_word = false;
    if (name.n == 1 && *name.s == '#') {
        inline_comment(p);
        return NULL;
    }
    for (size_t i = 0; i < TAGS_N; i++) {
        if (!name_is(name, TAGS[i].name))
            continue;
        *ret_word = TAGS[i].parse == NULL;
        if (*ret_word)
            return NULL;
        struct node *n = NULL;
        if (liquid_deeper(p, p->piece.at)) {
            n = TAGS[i].parse(p, p->piece.at);
            p->depth--;
        }
        return n;
    }
    if (name.n == 0)
        liquid_fail(p, p->piece.name, "the name of a tag expected");
    else
        liquid_no_such(p, p->piece.name, "tag", name, template_tag_name);
    return NULL;
}

static struct node *parse_output(struct parser *p)
{
    struct node *n = liquid_node(p, NODE_OUTPUT, p->piece.at);
    liquid_open(p, p->piece.from, p->piece.to);
    n->chain = parse_chain(p);
    return n;
}

struct node *parse_body(struct parser *p, bool *ret_blank)
{
    struct node *list = NULL, **slot = &list;
    bool word = false;
    *ret_blank = true;
    while (!p->failed && !word) {
        p->piece = scanner_next(&p->scan);
        if (p->piece.kind == PIECE_END)
            break;
        if (p->piece.error != NULL) {
            liquid_fail(p, p->piece.at, "%s", p->piece.error);
            break;
        }
        if (p->piece.kind == PIECE_TEXT)
            *slot = text_node(p);
        else
            *slot = p->piece.kind == PIECE_OUTPUT ? parse_output(p) : parse_tag(p, &word);
        for (; *slot != NULL; slot = &(*slot)->next)
            *ret_blank = *ret_blank && (*slot)->blank;
    }
    return list;
}

bool liquid_word_is(const struct parser *p, const char *word)
{
    return !p->failed && p->piece.kind == PIECE_TAG &&
           name_is((struct name){p->t->source + p->piece.name, p->piece.name_n}, word);
}

void liquid_close(struct parser *p, const char *tag, const char *word, size_t at)
{
    if (p->failed || liquid_word_is(p, word))
        return;
    int line, column;
    template_place(p->t->source, at, &line, &column);
    if (p->piece.kind == PIECE_END)
        liquid_fail(p, at, "“%s” is not closed: “%s” expected", tag, word);
    else
        liquid_fail(p, p->piece.name,
                    "“%.*s” is not expected here: “%s” expected for the “%s” at %d:%d",
                    (int)p->piece.name_n, p->t->source + p->piece.name, word, tag, line, column);
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static bool is_local(const struct parser *p, struct name name)
{
    static const char *const LOOPS[] = {"forloop", "tablerowloop"};
    for (size_t i = 0; i < sizeof LOOPS / sizeof *LOOPS; i++) {
        if (name_is(name, LOOPS[i]))
            return true;
    }
    for (size_t i = 0; i < p->locals.n; i++) {
        if (name_same(p->locals.items[i], name))
            return true;
    }
    return false;
}

char *template_path(const void *ctx, const struct expr *e)
{
    struct buf path;
    buf_init(&path, ctx, 4096);
    for (size_t i = 0; i < e->n; i++) {
        struct name name = e->steps[i].name;
        const struct expr *index = e->steps[i].index;
        if (index != NULL && index->kind == EXPR_LITERAL && index->literal.kind == VALUE_TEXT)
            name = (struct name){index->literal.text.s, index->literal.text.n};
        else if (index != NULL)
            break;
        if (i > 0)
            buf_char(&path, '.');
        buf_add(&path, name.s, name.n);
    }
    if (path.len > 0)
        return buf_take(&path, ctx);
    buf_done(&path);
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect_names(struct parser *p)
{
    struct template *t = p->t;
    for (size_t i = 0; i < p->paths.n; i++) {
        const struct expr *e = p->paths.items[i];
        char *path = is_local(p, e->steps[0].name) ? NULL : template_path(t, e);
        if (path == NULL)
            continue;
        mem_grow(t, &t->names, &t->names_cap, t->names_n + 1);
        t->names[t->names_n++] = path;
    }
    if (t->names_n == 0)
        return;
    qsort(t->names, t->names_n, sizeof *t->names, by_name);
    size_t n = 1;
    for (size_t i = 1; i < t->names_n; i++) {
        if (strcmp(t->names[i], t->names[n - 1]) != 0)
            t->names[n++] = t->names[i];
    }
    t->names_n = n;
}

const char *const *template_names(const struct template *t, size_t *ret_n)
{
    *ret_n = t->names_n;
    return t->names;
}

static bool check_source(struct parser *p)
{
    struct template_limits limits = template_limits_default();
    if (p->t->n > limits.max_source) {
        liquid_fail(p, 0, "the template has %zu bytes; at most %zu are allowed", p->t->n,
                    limits.max_source);
        return false;
    }
    for (size_t at = 0; at < p->t->n;) {
        size_t n = utf8_length(p->t->source + at, p->t->n - at);
        if (n == 0 || p->t->source[at] == '\0') {
            liquid_fail(p, at, "the template is not plain UTF-8 here");
            return false;
        }
        at += n;
    }
    return true;
}

struct template *template_compile(const void *ctx, const char *text, size_t n, struct diag *d)
{
    struct template *t = mem_new(ctx, struct template);
    struct parser p = {.t = t, .d = d};
    char *source = mem_array(t, char, n + 1);
    if (n > 0)
        memcpy(source, text, n);
    t->source = source;
    t->n = n;
    p.scan = (struct scanner){.source = source, .end = n};
    if (check_source(&p)) {
        bool blank;
        t->root = parse_body(&p, &blank);
        if (!p.failed && p.piece.kind != PIECE_END)
            liquid_fail(&p, p.piece.name, "“%.*s” has nothing open before it", (int)p.piece.name_n,
                        source + p.piece.name);
    }
    if (!p.failed)
        collect_names(&p);
    talloc_free(p.paths.items);
    talloc_free(p.locals.items);
    if (!p.failed)
        return t;
    talloc_free(t);
    return NULL;
}
