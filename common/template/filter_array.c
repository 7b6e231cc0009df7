/* filter_array.c - filters on arrays. What is no array is taken for one: nil for an empty one, a
 * range for its numbers, anything else for an array of that alone; arrays within arrays are opened
 * up. */
#include "common/template/filters.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/template/ascii.h"

struct items {
    struct value_list list;
    size_t cap;
};

static void add(struct render *r, struct items *items, struct value v)
{
    if (items->list.n == items->cap) {
        size_t cap = items->cap > 0 ? items->cap * 2 : 8;
        struct value *more = arena_alloc(&r->arena, cap * sizeof *more);
        if (items->list.n > 0)
            memcpy(more, items->list.items, items->list.n * sizeof *more);
        items->list.items = more;
        items->cap = cap;
    }
    items->list.items[items->list.n++] = v;
}

static void add_all(struct render *r, struct items *items, struct value v, int depth)
{
    if (!value_is_array(v) && v.kind != VALUE_RANGE) {
        add(r, items, v);
        return;
    }
    size_t n = value_count(v);
    if (depth > 100)
        render_fail(r, "arrays are nested too deeply");
    for (size_t i = 0; i < n && render_step(r, 1); i++)
        add_all(r, items, value_item(&r->arena, v, i), depth + 1);
}

static struct value_list items_of(struct render *r, struct value v)
{
    struct items items = {0};
    if (v.kind != VALUE_NIL && v.kind != VALUE_EMPTY && v.kind != VALUE_BLANK)
        add_all(r, &items, v, 0);
    return items.list;
}

static struct value list_value(struct render *r, struct value_list list)
{
    struct value_list *copy = arena_alloc(&r->arena, sizeof *copy);
    *copy = list;
    return value_list(copy);
}

/* property_of() - item[property] as Liquid has it: of an object its property, of a text the
 * property's name if it occurs. *ret_kind says how it went. */
enum property { PROPERTY_FOUND, PROPERTY_NONE, PROPERTY_WRONG };

static struct value property_of(struct render *r, struct value item, struct value property,
                                enum property *ret_kind)
{
    *ret_kind = PROPERTY_FOUND;
    if (value_is_object(item) && property.kind == VALUE_TEXT) {
        struct value v =
            value_json(&r->arena, json_object_getn(item.json, property.text.s, property.text.n));
        v.undefined = false;
        return v;
    }
    if (value_is_object(item))
        return value_nil();
    if (item.kind == VALUE_TEXT && property.kind == VALUE_TEXT) {
        bool found = property.text.n == 0 ||
                     memmem(item.text.s, item.text.n, property.text.s, property.text.n) != NULL;
        return found ? property : value_nil();
    }
    if (item.kind == VALUE_NUMBER && property.kind == VALUE_NUMBER)
        return value_int(0);
    *ret_kind = item.kind == VALUE_NIL || item.kind == VALUE_BOOL ? PROPERTY_NONE : PROPERTY_WRONG;
    return value_nil();
}

static void fail_property(struct render *r, struct value item, struct value property)
{
    struct name name = text_of(r, property);
    render_fail(r, "%s has no property “%.*s”", value_kind_name(item), (int)name.n, name.s);
}

/* matches() - whether the item has the property of args[0], equal to args[1] where that is given.
 * *ret_nil: the item is nil or a truth value, on which Liquid gives up the whole filter. */
static bool matches(struct render *r, struct value item, const struct args *args, bool *ret_nil)
{
    enum property kind;
    struct value v = property_of(r, item, args->v[0], &kind);
    *ret_nil = kind == PROPERTY_NONE;
    if (kind == PROPERTY_WRONG)
        fail_property(r, item, args->v[0]);
    if (kind != PROPERTY_FOUND)
        return false;
    if (args->n < 2 || args->v[1].kind == VALUE_NIL)
        return value_true(v);
    return value_equal(v, args->v[1]);
}

static struct value selected(struct render *r, struct value in, const struct args *args, bool keep)
{
    struct value_list all = items_of(r, in);
    struct items kept = {0};
    for (size_t i = 0; i < all.n && render_step(r, 1); i++) {
        bool nil;
        bool match = matches(r, all.items[i], args, &nil);
        if (nil)
            return value_nil();
        if (match == keep)
            add(r, &kept, all.items[i]);
    }
    return list_value(r, kept.list);
}

struct value filter_where(struct render *r, struct value in, const struct args *args)
{
    return selected(r, in, args, true);
}

struct value filter_reject(struct render *r, struct value in, const struct args *args)
{
    return selected(r, in, args, false);
}

/* sought() - the place of the first match; false where there is none; nil ends the search as above.
 */
static bool sought(struct render *r, struct value_list all, const struct args *args, size_t *ret_i,
                   bool *ret_nil)
{
    *ret_nil = false;
    for (size_t i = 0; i < all.n && !*ret_nil && render_step(r, 1); i++) {
        if (matches(r, all.items[i], args, ret_nil)) {
            *ret_i = i;
            return true;
        }
    }
    return false;
}

struct value filter_find(struct render *r, struct value in, const struct args *args)
{
    struct value_list all = items_of(r, in);
    size_t i;
    bool nil;
    return sought(r, all, args, &i, &nil) ? all.items[i] : value_nil();
}

struct value filter_find_index(struct render *r, struct value in, const struct args *args)
{
    size_t i;
    bool nil;
    return sought(r, items_of(r, in), args, &i, &nil) ? value_int((int64_t)i) : value_nil();
}

struct value filter_has(struct render *r, struct value in, const struct args *args)
{
    size_t i;
    bool nil;
    bool found = sought(r, items_of(r, in), args, &i, &nil);
    return nil ? value_nil() : value_bool(found);
}

/* --- taking apart and putting together ----------------------------------------------------------
 */

static struct value end_of(struct render *r, struct value in, const char *which)
{
    struct value v = value_get(&r->arena, in, which, strlen(which));
    if (value_is_object(in) && json_object_get(in.json, which) != NULL)
        v = *which == 'f' ? value_item(&r->arena, in, 0) : value_nil();
    v.undefined = false;
    return v;
}

struct value filter_first(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return end_of(r, in, "first");
}

struct value filter_last(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return end_of(r, in, "last");
}

struct value filter_join(struct render *r, struct value in, const struct args *args)
{
    struct name glue = args->n > 0 ? text_of(r, args->v[0]) : (struct name){" ", 1};
    struct value_list all = items_of(r, in);
    struct buf text;
    text_begin(r, &text);
    for (size_t i = 0; i < all.n && !buf_full(&text); i++) {
        if (i > 0)
            buf_add(&text, glue.s, glue.n);
        value_print(&text, all.items[i]);
    }
    return text_end(r, &text);
}

struct value filter_reverse(struct render *r, struct value in, const struct args *args)
{
    struct value_list all = items_of(r, in);
    struct items reversed = {0};
    (void)args;
    for (size_t i = all.n; i-- > 0 && render_step(r, 1);)
        add(r, &reversed, all.items[i]);
    return list_value(r, reversed.list);
}

struct value filter_concat(struct render *r, struct value in, const struct args *args)
{
    struct items all = {0};
    struct value other = args->v[0];
    if (!value_is_array(other) && other.kind != VALUE_RANGE) {
        render_fail(r, "“concat” takes an array, not %s", value_kind_name(other));
        return value_nil();
    }
    if (in.kind != VALUE_NIL)
        add_all(r, &all, in, 0);
    size_t n = value_count(other);
    for (size_t i = 0; i < n && render_step(r, 1); i++)
        add(r, &all, value_item(&r->arena, other, i));
    return list_value(r, all.list);
}

struct value filter_map(struct render *r, struct value in, const struct args *args)
{
    struct value_list all = items_of(r, in);
    struct items mapped = {0};
    for (size_t i = 0; i < all.n && render_step(r, 1); i++) {
        enum property kind;
        struct value v = property_of(r, all.items[i], args->v[0], &kind);
        if (kind == PROPERTY_WRONG)
            fail_property(r, all.items[i], args->v[0]);
        add(r, &mapped, v);
    }
    return list_value(r, mapped.list);
}

/* keyed() - what the filter's property, or the item itself where none is given, comes to. */
static struct value keyed(struct render *r, struct value item, const struct args *args)
{
    enum property kind;
    if (args->n == 0 || args->v[0].kind == VALUE_NIL)
        return item;
    struct value v = property_of(r, item, args->v[0], &kind);
    if (kind == PROPERTY_WRONG)
        fail_property(r, item, args->v[0]);
    return v;
}

struct value filter_compact(struct render *r, struct value in, const struct args *args)
{
    struct value_list all = items_of(r, in);
    struct items kept = {0};
    for (size_t i = 0; i < all.n && render_step(r, 1); i++) {
        if (keyed(r, all.items[i], args).kind != VALUE_NIL)
            add(r, &kept, all.items[i]);
    }
    return list_value(r, kept.list);
}

struct value filter_uniq(struct render *r, struct value in, const struct args *args)
{
    struct value_list all = items_of(r, in);
    struct items kept = {0}, keys = {0};
    for (size_t i = 0; i < all.n && render_step(r, 1 + keys.list.n / 4); i++) {
        struct value key = keyed(r, all.items[i], args);
        size_t k = 0;
        while (k < keys.list.n && !value_equal(keys.list.items[k], key))
            k++;
        if (k < keys.list.n)
            continue;
        add(r, &keys, key);
        add(r, &kept, all.items[i]);
    }
    return list_value(r, kept.list);
}

struct value filter_sum(struct render *r, struct value in, const struct args *args)
{
    struct value_list all = items_of(r, in);
    struct decimal sum = {0};
    for (size_t i = 0; i < all.n && render_step(r, 1); i++) {
        if (!decimal_add(sum, number_of(keyed(r, all.items[i], args)), &sum))
            render_fail(r, "the sum has too many digits");
    }
    return value_number(sum);
}

/* --- sorting: merge sort, so that equals keep their order and every step counts ------------------
 */

struct sorted {
    struct value key, item;
};

struct order {
    struct render *r;
    bool natural; /* as texts, without regard to case */
};

/* compare_natural() - ASCII letters alone are alike in both cases, as in Liquid. */
static int compare_natural(struct value a, struct value b)
{
    size_t n = a.text.n < b.text.n ? a.text.n : b.text.n;
    int order = ascii_compare(a.text.s, b.text.s, n);
    return order != 0 ? order : (a.text.n > b.text.n) - (a.text.n < b.text.n);
}

/* after() - whether `a` belongs behind `b`. Nil is the last. */
static bool after(const struct order *o, struct value a, struct value b)
{
    int order = 0;
    if (!render_step(o->r, 1))
        return false;
    if (a.kind == VALUE_NIL || b.kind == VALUE_NIL)
        return a.kind == VALUE_NIL && b.kind != VALUE_NIL;
    if (o->natural)
        return compare_natural(a, b) > 0;
    if (!value_compare(a, b, &order))
        render_fail(o->r, "%s cannot be sorted with %s", value_kind_name(a), value_kind_name(b));
    return order > 0;
}

static void merge_sort(const struct order *o, struct sorted *items, struct sorted *room, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half;
    merge_sort(o, items, room, half);
    merge_sort(o, items + half, room, n - half);
    for (size_t k = 0; k < n; k++) {
        bool right = i == half || (j < n && after(o, items[i].key, items[j].key));
        room[k] = right ? items[j++] : items[i++];
    }
    memcpy(items, room, n * sizeof *items);
}

static struct value sorted(struct render *r, struct value in, const struct args *args, bool natural)
{
    struct value_list all = items_of(r, in);
    struct order order = {r, natural};
    struct sorted *items = arena_alloc(&r->arena, all.n * sizeof *items);
    struct sorted *room = arena_alloc(&r->arena, all.n * sizeof *room);
    for (size_t i = 0; i < all.n; i++) {
        struct value key = keyed(r, all.items[i], args);
        if (natural && key.kind != VALUE_NIL) {
            struct name t = text_of(r, key);
            key = value_text(t.s, t.n);
        }
        items[i] = (struct sorted){key, all.items[i]};
    }
    if (!r->failed)
        merge_sort(&order, items, room, all.n);
    struct items result = {0};
    for (size_t i = 0; i < all.n; i++)
        add(r, &result, items[i].item);
    return list_value(r, result.list);
}

struct value filter_sort(struct render *r, struct value in, const struct args *args)
{
    return sorted(r, in, args, false);
}

struct value filter_sort_natural(struct render *r, struct value in, const struct args *args)
{
    return sorted(r, in, args, true);
}
