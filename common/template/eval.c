/* eval.c - what expressions, filter chains and conditions come to. */
#include "common/template/render.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

/* variable() - the nearest scope first, then the counters of increment and decrement, then the
 * data, which a partial shown by `render` sees too. */
static struct value variable(struct render *r, struct name name)
{
    size_t passed = 0;
    for (const struct scope *s = r->scope; s != NULL; s = s->up) {
        for (const struct binding *b = s->first; b != NULL; b = b->next) {
            if (++passed % 16 == 0 && !render_step(r, 1))
                return value_nil();
            if (name_same(b->name, name))
                return b->value;
        }
    }
    for (const struct mark *m = r->counters; m != NULL; m = m->next) {
        if (name_same(m->name, name))
            return value_int(m->at);
    }
    return value_json(&r->arena, json_object_getn(r->env->data, name.s, name.n));
}

static struct value eval_path(struct render *r, const struct expr *e)
{
    const struct path_step *step = &e->steps[0];
    struct name name = step->name;
    if (step->index != NULL)
        name = text_of(r, eval(r, step->index));
    struct value v = variable(r, name);
    for (size_t i = 1; i < e->n; i++) {
        step = &e->steps[i];
        if (v.kind == VALUE_TEXT && !render_step(r, v.text.n / 64))
            return value_nil();
        if (step->index != NULL)
            v = value_index(&r->arena, v, eval(r, step->index));
        else
            v = value_get(&r->arena, v, step->name.s, step->name.n);
    }
    return v;
}

static int64_t range_end(struct render *r, const struct expr *e)
{
    int64_t i = 0;
    struct value v = eval_wanted(r, e);
    if (!decimal_whole(number_of(v), &i)) {
        r->at = e->at;
        render_fail(r, "a range ends at a number of at most 18 digits");
    }
    return i;
}

static struct value eval_range(struct render *r, const struct expr *e)
{
    int64_t first = range_end(r, e->first), last = range_end(r, e->last);
    return value_range(first, last);
}

struct value eval(struct render *r, const struct expr *e)
{
    if (!render_step(r, 1))
        return value_nil();
    switch (e->kind) {
    case EXPR_LITERAL:
        return e->literal;
    case EXPR_PATH:
        return eval_path(r, e);
    case EXPR_RANGE:
        return eval_range(r, e);
    }
    bug("expression of kind %d", (int)e->kind);
}

/* note_missing() - keeps the names sorted, each once. */
static void note_missing(struct template_missing *m, const char *path)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(m->names[middle], path);
        if (order == 0)
            return;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    mem_grow(m->ctx, &m->names, &m->cap, m->n + 1);
    memmove(m->names + low + 1, m->names + low, (m->n - low) * sizeof *m->names);
    m->names[low] = mem_strdup(m->ctx, path);
    m->n++;
}

struct value eval_wanted(struct render *r, const struct expr *e)
{
    struct value v = eval(r, e);
    if (!v.undefined || e->kind != EXPR_PATH || (r->missing == NULL && !r->env->strict))
        return v;
    char *path = template_path(r->scratch, e);
    if (path == NULL)
        return v;
    if (r->missing != NULL)
        note_missing(r->missing, path);
    if (r->env->strict) {
        r->at = e->at;
        render_fail(r, "the variable “%s” is not defined", path);
    }
    talloc_free(path);
    return v;
}

struct value eval_chain(struct render *r, const struct chain *chain)
{
    if (chain->head == NULL)
        return value_nil();
    bool has_default = chain->n > 0 && strcmp(chain->calls[0].filter->name, "default") == 0;
    struct value v = has_default ? eval(r, chain->head) : eval_wanted(r, chain->head);
    for (size_t i = 0; i < chain->n && !r->failed; i++) {
        const struct call *call = &chain->calls[i];
        struct args args = {.n = call->n};
        for (size_t k = 0; k < call->n; k++)
            args.v[k] = eval_wanted(r, call->args[k]);
        if (call->option != NULL)
            args.option = eval_wanted(r, call->option);
        r->at = call->at;
        size_t work = v.kind == VALUE_TEXT ? v.text.n / 64 : 0;
        if (render_step(r, 1 + work))
            v = call->filter->run(r, v, &args);
        v.undefined = false;
    }
    return r->failed ? value_nil() : v;
}

/* --- conditions ---------------------------------------------------------------------------------
 */

bool eval_equal(struct render *r, struct value a, struct value b)
{
    if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT && a.text.n == b.text.n)
        render_step(r, a.text.n / 256);
    return value_equal(a, b);
}

static bool text_contains(struct render *r, struct name hay, struct name needle)
{
    render_step(r, hay.n / 64);
    return needle.n == 0 || memmem(hay.s, hay.n, needle.s, needle.n) != NULL;
}

static bool contains(struct render *r, struct value a, struct value b)
{
    int64_t i;
    if (b.kind == VALUE_NIL)
        return false;
    if (a.kind == VALUE_TEXT)
        return text_contains(r, text_of(r, a), text_of(r, b));
    if (a.kind == VALUE_RANGE)
        return b.kind == VALUE_NUMBER && decimal_whole(b.number, &i) && i >= a.range.first &&
               i <= a.range.last;
    if (value_is_object(a)) {
        struct name key = text_of(r, b);
        return b.kind == VALUE_TEXT && json_object_getn(a.json, key.s, key.n) != NULL;
    }
    if (!value_is_array(a))
        return false;
    size_t n = value_count(a);
    for (size_t k = 0; k < n && render_step(r, 1); k++) {
        if (value_equal(value_item(&r->arena, a, k), b))
            return true;
    }
    return false;
}

static bool ordered(struct render *r, const struct test *t, struct value a, struct value b)
{
    int order = 0;
    if (!value_compare(a, b, &order)) {
        bool mixed = (a.kind == VALUE_TEXT && b.kind == VALUE_NUMBER) ||
                     (a.kind == VALUE_NUMBER && b.kind == VALUE_TEXT);
        r->at = t->at;
        if (mixed)
            render_fail(r, "%s cannot be compared with %s", value_kind_name(a), value_kind_name(b));
        return false;
    }
    switch (t->comparison) {
    case CMP_LT:
        return order < 0;
    case CMP_GT:
        return order > 0;
    case CMP_LE:
        return order <= 0;
    case CMP_GE:
        return order >= 0;
    case CMP_EQ:
    case CMP_NE:
    case CMP_CONTAINS:
        break;
    }
    bug("comparison %d has no order", (int)t->comparison);
}

static bool compare(struct render *r, const struct test *t)
{
    struct value a = eval(r, t->a), b = eval(r, t->b);
    if (r->failed)
        return false;
    switch (t->comparison) {
    case CMP_EQ:
        return eval_equal(r, a, b);
    case CMP_NE:
        return !eval_equal(r, a, b);
    case CMP_CONTAINS:
        return contains(r, a, b);
    case CMP_LT:
    case CMP_GT:
    case CMP_LE:
    case CMP_GE:
        return ordered(r, t, a, b);
    }
    bug("comparison %d", (int)t->comparison);
}

bool eval_test(struct render *r, const struct test *t)
{
    for (; !r->failed; t = t->right) {
        if (t->kind == TEST_VALUE)
            return value_true(eval(r, t->a));
        if (t->kind == TEST_COMPARE)
            return compare(r, t);
        bool left = eval_test(r, t->left); /* never an `and` or `or` itself */
        if (left != (t->kind == TEST_AND))
            return left;
    }
    return false;
}

bool eval_whole(struct render *r, struct value v, int64_t *ret_i)
{
    struct decimal d = {0};
    bool number = v.kind == VALUE_NUMBER;
    if (number)
        d = v.number;
    else if (v.kind == VALUE_TEXT)
        number = decimal_parse(v.text.s, v.text.n, &d);
    if (number && d.scale == 0 && decimal_whole(d, ret_i))
        return true;
    render_fail(r, "a whole number expected, not %s", value_kind_name(v));
    return false;
}

/* --- for the filters ----------------------------------------------------------------------------
 */

void text_begin(struct render *r, struct buf *text)
{
    size_t left = r->arena.used < r->limits.max_memory ? r->limits.max_memory - r->arena.used : 1;
    buf_init(text, r->scratch, left);
}

struct value text_end(struct render *r, struct buf *text)
{
    if (buf_full(text))
        render_fail(r, "too much memory is used (limit %zu bytes)", r->limits.max_memory);
    size_t n = r->failed ? 0 : text->len;
    struct value v = value_text(arena_copy(&r->arena, text->data, n), n);
    buf_done(text);
    render_step(r, n / 64);
    return v;
}

struct name text_of(struct render *r, struct value v)
{
    if (v.kind == VALUE_TEXT)
        return (struct name){v.text.s, v.text.n};
    if (v.kind == VALUE_NIL)
        return (struct name){"", 0};
    struct buf text;
    text_begin(r, &text);
    value_inspect(&text, v);
    v = text_end(r, &text);
    return (struct name){v.text.s, v.text.n};
}

struct decimal number_of(struct value v)
{
    if (v.kind == VALUE_NUMBER)
        return v.number;
    if (v.kind == VALUE_TEXT)
        return decimal_lenient(v.text.s, v.text.n);
    return decimal_int(0);
}
