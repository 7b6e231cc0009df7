/* render_loops.c - for, tablerow, include and render. */
#include "common/template/render.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

/* Which items of `items` a loop goes through: `count` of them from `from`. */
struct span {
    struct value items;
    int64_t from, count;
};

/* whole_option() - limit, offset or cols of a loop; `otherwise` where it is not given. `lenient`:
 * as tablerow takes them, any text and nil for a number. */
static int64_t whole_option(struct render *r, const struct expr *e, bool lenient, int64_t otherwise)
{
    int64_t i = otherwise;
    if (e == NULL)
        return otherwise;
    struct value v = eval_wanted(r, e);
    r->at = e->at;
    if (v.kind == VALUE_NIL)
        return lenient ? 0 : otherwise;
    if (lenient && (v.kind == VALUE_NUMBER || v.kind == VALUE_TEXT)) {
        if (!decimal_whole(number_of(v), &i))
            render_fail(r, "the number is too large");
    } else {
        eval_whole(r, v, &i);
    }
    return i;
}

static struct span span_of(struct render *r, const struct loop_spec *loop, bool table)
{
    struct span s = {.items = eval_wanted(r, loop->items)};
    size_t n = value_count(s.items);
    if (value_is_object(s.items)) {
        render_step(r, n);
        s.items = value_pairs(&r->arena, s.items);
    }
    int64_t count = n > INT64_MAX ? INT64_MAX : (int64_t)n;
    s.from = whole_option(r, loop->offset, table, 0);
    int64_t limit = whole_option(r, loop->limit, table, count);
    if (loop->offset_continue)
        s.from = mark_get(r, &r->resumes, loop->name)->at;
    if (s.from < 0)
        s.from = 0;
    int64_t left = s.from < count ? count - s.from : 0;
    s.count = limit < 0 ? 0 : limit < left ? limit : left;
    return s;
}

/* new_loop() - in the arena, for a template may keep its `forloop` beyond the loop. */
static struct loop *new_loop(struct render *r, struct loop init)
{
    struct loop *loop = arena_alloc(&r->arena, sizeof *loop);
    *loop = init;
    return loop;
}

static void end_turn(struct render *r, bool *ret_break)
{
    *ret_break = r->interrupt == INTERRUPT_BREAK;
    r->interrupt = INTERRUPT_NONE;
}

void render_for(struct render *r, const struct node *n)
{
    struct span s = span_of(r, n->loop, false);
    if (r->failed)
        return;
    mark_get(r, &r->resumes, n->loop->name)->at = s.from + s.count;
    if (s.count == 0) {
        render_nodes(r, n->loop->otherwise);
        return;
    }
    struct loop *loop = new_loop(r, (struct loop){.name = n->loop->name.s,
                                                  .name_n = n->loop->name.n,
                                                  .length = s.count,
                                                  .parent = r->loop});
    struct binding item = {.name = n->loop->variable};
    struct binding forloop = {
        .name = {"forloop", 7}, .value = {.kind = VALUE_LOOP, .loop = loop}, .next = &item};
    struct scope scope = {.first = &forloop, .up = r->scope};
    r->scope = &scope;
    r->loop = loop;
    bool stop = false;
    for (; loop->index0 < s.count && !stop && render_step(r, 1); loop->index0++) {
        int64_t i = n->loop->reversed ? s.from + s.count - 1 - loop->index0 : s.from + loop->index0;
        item.value = value_item(&r->arena, s.items, (size_t)i);
        render_nodes(r, n->body);
        end_turn(r, &stop);
    }
    r->scope = scope.up;
    r->loop = loop->parent;
}

static void render_cells(struct render *r, const struct node *n, const struct span *s,
                         struct loop *loop, struct binding *item)
{
    bool stop = false;
    buf_str(r->out, "<tr class=\"row1\">\n");
    for (; loop->index0 < s->count && !stop && render_step(r, 1); loop->index0++) {
        int64_t col = loop->index0 % loop->cols + 1;
        item->value = value_item(&r->arena, s->items, (size_t)(s->from + loop->index0));
        buf_printf(r->out, "<td class=\"col%lld\">", (long long)col);
        render_nodes(r, n->body);
        buf_str(r->out, "</td>");
        end_turn(r, &stop);
        if (!stop && col == loop->cols && loop->index0 + 1 < s->count)
            buf_printf(r->out, "</tr>\n<tr class=\"row%lld\">",
                       (long long)(loop->index0 / loop->cols + 2));
    }
    buf_str(r->out, "</tr>\n");
}

void render_tablerow(struct render *r, const struct node *n)
{
    struct span s = span_of(r, n->loop, true);
    int64_t cols = whole_option(r, n->loop->cols, true, s.count);
    bool iterable = value_is_array(s.items) || s.items.kind == VALUE_RANGE;
    if (r->failed || (!iterable && s.count == 0))
        return;
    struct loop *loop =
        new_loop(r, (struct loop){.length = s.count, .cols = cols > 0 ? cols : INT64_MAX});
    struct binding item = {.name = n->loop->variable};
    struct binding table = {
        .name = {"tablerowloop", 12}, .value = {.kind = VALUE_LOOP, .loop = loop}, .next = &item};
    struct scope scope = {.first = &table, .up = r->scope};
    r->scope = &scope;
    render_cells(r, n, &s, loop, &item);
    r->scope = scope.up;
}

/* --- partials -----------------------------------------------------------------------------------
 */

#define PARTIAL_NAME_MAX 200

/* The parts of the state that a partial has for itself. */
struct frame {
    const struct template *t;
    struct name partial;
    struct scope *scope, *root;
    const struct loop *loop;
    struct mark *counters, *cycles, *resumes;
    bool isolated;
    size_t at;
};

static struct frame frame_save(const struct render *r)
{
    return (struct frame){r->t,        r->partial, r->scope,   r->root,     r->loop,
                          r->counters, r->cycles,  r->resumes, r->isolated, r->at};
}

static void frame_restore(struct render *r, const struct frame *f, bool isolated)
{
    r->t = f->t;
    r->partial = f->partial;
    r->scope = f->scope;
    r->root = f->root;
    r->loop = f->loop;
    r->isolated = f->isolated;
    r->at = f->at;
    if (!isolated)
        return;
    r->counters = f->counters;
    r->cycles = f->cycles;
    r->resumes = f->resumes;
    r->interrupt = INTERRUPT_NONE;
}

static const struct template *find_partial(struct render *r, const struct node *n,
                                           struct name *ret_name)
{
    struct value file = eval_wanted(r, n->partial->file);
    r->at = n->partial->file->at;
    if (file.kind != VALUE_TEXT) {
        render_fail(r, "the name of a partial is a text, not %s", value_kind_name(file));
        return NULL;
    }
    if (file.text.n > PARTIAL_NAME_MAX) {
        render_fail(r, "the name of a partial has at most %d bytes", PARTIAL_NAME_MAX);
        return NULL;
    }
    if (r->isolated && !n->partial->isolated) {
        render_fail(r, "“include” cannot be used in a partial shown by “render”");
        return NULL;
    }
    const char *name = arena_copy(&r->arena, file.text.s, file.text.n);
    const struct template *t = r->env->partial == NULL ? NULL : r->env->partial(r->env->arg, name);
    *ret_name = (struct name){name, file.text.n};
    if (t == NULL)
        render_fail(r, "there is no partial “%s”", name);
    return t;
}

/* own_name() - under which a partial finds its `with` or `for` value. */
static struct name own_name(const struct partial_spec *spec, struct name file)
{
    if (spec->alias.n > 0)
        return spec->alias;
    const char *slash = memrchr(file.s, '/', file.n);
    if (slash == NULL)
        return file;
    size_t skip = (size_t)(slash - file.s) + 1;
    return (struct name){file.s + skip, file.n - skip};
}

/* show() - the partial once, with `item` (NULL: none) under its name and `loop` as forloop (NULL:
 * none). */
static void show(struct render *r, const struct node *n, const struct template *t, struct name file,
                 const struct value *item, const struct loop *loop)
{
    const struct partial_spec *spec = n->partial;
    struct scope scope = {.up = spec->isolated ? NULL : r->scope};
    if (item != NULL)
        scope_set(r, &scope, own_name(spec, file), *item);
    for (size_t i = 0; i < spec->n; i++)
        scope_set(r, &scope, spec->arguments[i].name, eval_wanted(r, spec->arguments[i].value));
    if (loop != NULL)
        scope_set(r, &scope, (struct name){"forloop", 7},
                  (struct value){.kind = VALUE_LOOP, .loop = loop});
    struct frame f = frame_save(r);
    r->t = t;
    r->partial = file;
    r->scope = &scope;
    if (spec->isolated) {
        r->root = &scope;
        r->loop = NULL;
        r->isolated = true;
        r->counters = r->cycles = r->resumes = NULL;
    }
    render_nodes(r, t->root);
    frame_restore(r, &f, spec->isolated);
}

void render_partial(struct render *r, const struct node *n)
{
    const struct partial_spec *spec = n->partial;
    struct name file = {"", 0};
    const struct template *t = find_partial(r, n, &file);
    if (t == NULL || r->failed)
        return;
    struct value with = spec->with == NULL ? value_nil() : eval_wanted(r, spec->with);
    bool sequence = value_is_array(with) || (with.kind == VALUE_RANGE && spec->isolated);
    if (!sequence || (spec->isolated && !spec->each)) {
        show(r, n, t, file, spec->with == NULL ? NULL : &with, NULL);
        return;
    }
    size_t count = value_count(with);
    struct loop *loop =
        new_loop(r, (struct loop){.name = file.s, .name_n = file.n, .length = (int64_t)count});
    for (size_t i = 0; i < count && r->interrupt == INTERRUPT_NONE && render_step(r, 1); i++) {
        struct value item = value_item(&r->arena, with, i);
        loop->index0 = (int64_t)i;
        show(r, n, t, file, &item, spec->isolated ? loop : NULL);
    }
}
