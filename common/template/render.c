/* render.c - walks a compiled template and writes what it shows.
 *
 * One struct render lives for one call, on the caller's stack; all that it makes is in an arena
 * that goes with it. It reads the template and the data, never writes them. Loops and partials are
 * in render_loops.c. */
#include "common/template/render.h"

#include <stdarg.h>
#include <string.h>

#include "common/buf.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/template/ascii.h"

struct template_limits template_limits_default(void)
{
    return (struct template_limits){
        .max_output = 1 << 20,
        .max_steps = 1000000,
        .max_depth = 100,
        .max_source = 256 << 10,
        .max_memory = 16 << 20,
    };
}

void template_missing_init(struct template_missing *m, const void *ctx)
{
    *m = (struct template_missing){.ctx = ctx};
}

void render_fail(struct render *r, const char *format, ...)
{
    if (r->failed)
        return;
    int line, column;
    va_list args;
    va_start(args, format);
    char *message = mem_must(talloc_vasprintf(r->scratch, format, args));
    va_end(args);
    template_place(r->t->source, r->at, &line, &column);
    if (r->partial.n > 0)
        diag_at(r->d, line, column, "in the partial “%.*s”: %s", (int)r->partial.n, r->partial.s,
                message);
    else
        diag_at(r->d, line, column, "%s", message);
    r->failed = true;
}

bool render_step(struct render *r, size_t n)
{
    if (r->failed)
        return false;
    if (n > r->limits.max_steps - r->steps) {
        render_fail(r, "the template takes too many steps (limit %zu)", r->limits.max_steps);
        return false;
    }
    r->steps += n;
    if (r->arena.full)
        render_fail(r, "too much memory is used (limit %zu bytes)", r->limits.max_memory);
    if (buf_full(r->out))
        render_fail(r, "the output is too long (limit %zu bytes)", r->limits.max_output);
    return !r->failed;
}

bool render_deeper(struct render *r)
{
    if (r->depth < r->limits.max_depth) {
        r->depth++;
        return true;
    }
    render_fail(r, "too many levels of blocks and partials (limit %zu)", r->limits.max_depth);
    return false;
}

void scope_set(struct render *r, struct scope *scope, struct name name, struct value v)
{
    struct binding **slot = &scope->first;
    size_t passed = 0;
    for (; *slot != NULL; slot = &(*slot)->next, passed++) {
        if (passed % 16 == 15)
            render_step(r, 1);
        if (name_same((*slot)->name, name)) {
            (*slot)->value = v;
            return;
        }
    }
    struct binding *b = arena_alloc(&r->arena, sizeof *b);
    *b = (struct binding){.name = name, .value = v};
    *slot = b;
}

struct mark *mark_get(struct render *r, struct mark **list, struct name name)
{
    size_t passed = 0;
    for (; *list != NULL; list = &(*list)->next, passed++) {
        if (passed % 16 == 15)
            render_step(r, 1);
        if (name_same((*list)->name, name))
            return *list;
    }
    struct mark *m = arena_alloc(&r->arena, sizeof *m);
    *m = (struct mark){.name = name};
    return *list = m;
}

void html_escape(struct buf *out, const char *s, size_t n, bool once)
{
    for (size_t i = 0; i < n; i++) {
        const char *entity = NULL;
        switch (s[i]) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '"':
            entity = "&quot;";
            break;
        case '\'':
            entity = "&#39;";
            break;
        }
        if (once && s[i] == '&') {
            size_t k = i + 1;
            bool digits = k < n && s[k] == '#';
            size_t from = k += digits;
            while (k < n && (digits ? ascii_digit(s[k]) : ascii_letter(s[k])))
                k++;
            if (k > from && k < n && s[k] == ';')
                entity = NULL;
        }
        if (entity == NULL)
            buf_char(out, s[i]);
        else
            buf_str(out, entity);
    }
}

void render_value(struct render *r, struct value v)
{
    if (!r->env->escape_html || v.kind == VALUE_NUMBER || v.kind == VALUE_BOOL || v.html) {
        value_print(r->out, v);
        return;
    }
    struct buf text;
    if (v.kind == VALUE_TEXT) {
        html_escape(r->out, v.text.s, v.text.n, false);
        return;
    }
    text_begin(r, &text);
    value_print(&text, v);
    v = text_end(r, &text);
    html_escape(r->out, v.text.s, v.text.n, false);
}

/* --- the tags -----------------------------------------------------------------------------------
 */

static void render_if(struct render *r, const struct node *n)
{
    for (const struct branch *b = n->branches; b != NULL && !r->failed; b = b->next) {
        if (b->test == NULL || eval_test(r, b->test) != b->negate) {
            if (!r->failed)
                render_nodes(r, b->body);
            return;
        }
    }
}

/* render_case() - every value that matches shows its branch, and `else` shows where nothing before
 * it matched. */
static void render_case(struct render *r, const struct node *n)
{
    struct value subject = eval(r, n->subject);
    bool matched = false;
    for (const struct branch *b = n->branches; b != NULL && !r->failed; b = b->next) {
        if (b->values.n == 0 && !matched)
            render_nodes(r, b->body);
        for (size_t i = 0; i < b->values.n && !r->failed; i++) {
            if (eval_equal(r, subject, eval(r, b->values.items[i]))) {
                matched = true;
                render_nodes(r, b->body);
            }
        }
    }
}

/* captured() - what the nodes show, as a text of its own; what was escaped is not escaped again. */
static struct value captured(struct render *r, const struct node *nodes)
{
    struct buf text, *outer = r->out;
    text_begin(r, &text);
    r->out = &text;
    render_nodes(r, nodes);
    r->out = outer;
    struct value v = text_end(r, &text);
    v.html = r->env->escape_html;
    return v;
}

static void render_ifchanged(struct render *r, const struct node *n)
{
    struct value v = captured(r, n->body);
    if (name_same((struct name){v.text.s, v.text.n}, r->unchanged))
        return;
    r->unchanged = (struct name){v.text.s, v.text.n};
    buf_add(r->out, v.text.s, v.text.n);
}

static void render_cycle(struct render *r, const struct node *n)
{
    struct name group = n->text;
    if (n->subject != NULL) {
        /* A group and a text of values must not meet: the group's key has a byte that no template
         * has. */
        struct name key = text_of(r, eval_wanted(r, n->subject));
        struct buf text;
        text_begin(r, &text);
        buf_char(&text, '\0');
        buf_add(&text, key.s, key.n);
        struct value v = text_end(r, &text);
        group = (struct name){v.text.s, v.text.n};
    }
    struct mark *m = mark_get(r, &r->cycles, group);
    int64_t count = (int64_t)n->values.n, at = m->at;
    m->at = at + 1 >= count ? 0 : at + 1;
    if (at < count)
        render_value(r, eval_wanted(r, n->values.items[at]));
}

static void render_counter(struct render *r, const struct node *n)
{
    struct mark *m = mark_get(r, &r->counters, n->text);
    int64_t shown = n->kind == NODE_INCREMENT ? m->at++ : --m->at;
    buf_printf(r->out, "%lld", (long long)shown);
}

static void render_node(struct render *r, const struct node *n)
{
    switch (n->kind) {
    case NODE_TEXT:
        buf_add(r->out, n->text.s, n->text.n);
        return;
    case NODE_OUTPUT:
        render_value(r, eval_chain(r, &n->chain));
        return;
    case NODE_ASSIGN:
        scope_set(r, r->root, n->text, eval_chain(r, &n->chain));
        return;
    case NODE_CAPTURE:
        scope_set(r, r->root, n->text, captured(r, n->body));
        return;
    case NODE_IF:
        render_if(r, n);
        return;
    case NODE_CASE:
        render_case(r, n);
        return;
    case NODE_FOR:
        render_for(r, n);
        return;
    case NODE_TABLEROW:
        render_tablerow(r, n);
        return;
    case NODE_BREAK:
        r->interrupt = INTERRUPT_BREAK;
        return;
    case NODE_CONTINUE:
        r->interrupt = INTERRUPT_CONTINUE;
        return;
    case NODE_INCREMENT:
    case NODE_DECREMENT:
        render_counter(r, n);
        return;
    case NODE_CYCLE:
        render_cycle(r, n);
        return;
    case NODE_IFCHANGED:
        render_ifchanged(r, n);
        return;
    case NODE_PARTIAL:
        render_partial(r, n);
        return;
    }
}

void render_nodes(struct render *r, const struct node *n)
{
    if (!render_deeper(r))
        return;
    for (; n != NULL && !r->failed && r->interrupt == INTERRUPT_NONE; n = n->next) {
        r->at = n->at;
        if (render_step(r, 1))
            render_node(r, n);
    }
    render_step(r, 0);
    r->depth--;
}

/* --- the call -----------------------------------------------------------------------------------
 */

static struct template_limits limits_of(const struct template_env *env)
{
    struct template_limits l = env->limits, d = template_limits_default();
    l.max_output = l.max_output > 0 ? l.max_output : d.max_output;
    l.max_steps = l.max_steps > 0 ? l.max_steps : d.max_steps;
    l.max_depth = l.max_depth > 0 ? l.max_depth : d.max_depth;
    l.max_source = l.max_source > 0 ? l.max_source : d.max_source;
    l.max_memory = l.max_memory > 0 ? l.max_memory : d.max_memory;
    return l;
}

bool template_render(const struct template *t, const struct template_env *env, struct buf *out,
                     struct template_missing *ret_missing, struct diag *d)
{
    void *scratch MEM_SCOPED = mem_must(talloc_new(NULL));
    struct scope root = {0};
    struct buf own;
    struct render r = {
        .env = env,
        .limits = limits_of(env),
        .t = t,
        .out = &own,
        .d = d,
        .missing = ret_missing,
        .scratch = scratch,
        .scope = &root,
        .root = &root,
        .unchanged = {"", 0},
    };
    r.arena = (struct arena){.ctx = scratch, .max = r.limits.max_memory};
    buf_init(&own, scratch, r.limits.max_output);
    if (t->n > r.limits.max_source)
        render_fail(&r, "the template has %zu bytes; at most %zu are allowed", t->n,
                    r.limits.max_source);
    render_nodes(&r, t->root);
    if (r.failed)
        return false;
    buf_add(out, own.data, own.len);
    if (!buf_full(out))
        return true;
    r.at = t->n;
    render_fail(&r, "the output is longer than what it is written to");
    return false;
}
