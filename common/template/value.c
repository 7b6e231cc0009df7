/* value.c - what the values are, how they show, compare and are taken apart. */
#include "common/template/value.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/template/ascii.h"
#include "common/utf8.h"

#define ARENA_BLOCK 16384
/* JSON deeper than this prints as if it ended there: jansson's own bound is 2048, each level of
 * which costs stack. */
#define PRINT_DEPTH 200

void *arena_alloc(struct arena *a, size_t n)
{
    n = n == 0 ? 16 : (n + 15) & ~(size_t)15;
    a->used += n;
    if (a->used > a->max)
        a->full = true;
    if (n > ARENA_BLOCK / 4)
        return mem_must(talloc_size(a->ctx, n));
    if (n > a->left) {
        a->at = mem_must(talloc_size(a->ctx, ARENA_BLOCK));
        a->left = ARENA_BLOCK;
    }
    void *p = a->at;
    a->at += n;
    a->left -= n;
    return p;
}

const char *arena_copy(struct arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

struct value value_nil(void)
{
    return (struct value){.kind = VALUE_NIL};
}

static struct value undefined(void)
{
    return (struct value){.kind = VALUE_NIL, .undefined = true};
}

struct value value_bool(bool truth)
{
    return (struct value){.kind = VALUE_BOOL, .truth = truth};
}

struct value value_int(int64_t i)
{
    return value_number(decimal_int(i));
}

struct value value_number(struct decimal d)
{
    return (struct value){.kind = VALUE_NUMBER, .number = d};
}

struct value value_text(const char *s, size_t n)
{
    return (struct value){.kind = VALUE_TEXT, .text = {s, n}};
}

struct value value_range(int64_t first, int64_t last)
{
    return (struct value){.kind = VALUE_RANGE, .range = {first, last}};
}

struct value value_list(const struct value_list *list)
{
    return (struct value){.kind = VALUE_LIST, .list = list};
}

struct value value_json(struct arena *a, json_t *json)
{
    if (json == NULL)
        return undefined();
    switch (json_typeof(json)) {
    case JSON_NULL:
        return value_nil();
    case JSON_TRUE:
    case JSON_FALSE:
        return value_bool(json_is_true(json));
    case JSON_INTEGER:
        return value_int(json_integer_value(json));
    case JSON_STRING:
        return value_text(json_string_value(json), json_string_length(json));
    case JSON_ARRAY:
    case JSON_OBJECT:
        return (struct value){.kind = VALUE_JSON, .json = json};
    case JSON_REAL:
        break;
    }
    struct decimal d;
    if (decimal_double(json_real_value(json), &d))
        return value_number(d);
    char s[40];
    int n = snprintf(s, sizeof s, "%.0e", json_real_value(json)); /* no fraction: no locale */
    return value_text(arena_copy(a, s, (size_t)n), (size_t)n);
}

bool value_true(struct value v)
{
    return v.kind != VALUE_NIL && !(v.kind == VALUE_BOOL && !v.truth);
}

bool value_is_array(struct value v)
{
    return v.kind == VALUE_LIST || (v.kind == VALUE_JSON && json_is_array(v.json));
}

bool value_is_object(struct value v)
{
    return v.kind == VALUE_JSON && json_is_object(v.json);
}

/* is_empty() - equals the word `empty`, or `blank` where that is wanted. */
static bool is_empty(struct value v, bool blank)
{
    switch (v.kind) {
    case VALUE_TEXT:
        for (size_t i = 0; i < v.text.n; i++) {
            if (!blank || !ascii_space(v.text.s[i]))
                return false;
        }
        return true;
    case VALUE_LIST:
    case VALUE_JSON:
        return value_count(v) == 0;
    case VALUE_NIL:
        return blank;
    case VALUE_BOOL:
        return blank && !v.truth;
    case VALUE_EMPTY:
    case VALUE_BLANK:
    case VALUE_NUMBER:
    case VALUE_RANGE:
    case VALUE_LOOP:
        return false;
    }
    bug("value of kind %d", (int)v.kind);
}

static bool arrays_equal(struct value a, struct value b)
{
    size_t n = value_count(a);
    if (n != value_count(b))
        return false;
    void *scratch MEM_SCOPED = mem_must(talloc_new(NULL));
    struct arena arena = {.ctx = scratch, .max = SIZE_MAX};
    for (size_t i = 0; i < n; i++) {
        if (!value_equal(value_item(&arena, a, i), value_item(&arena, b, i)))
            return false;
    }
    return true;
}

bool value_equal(struct value a, struct value b)
{
    bool a_word = a.kind == VALUE_EMPTY || a.kind == VALUE_BLANK;
    if (a_word && (b.kind == VALUE_EMPTY || b.kind == VALUE_BLANK))
        return false;
    if (a_word)
        return is_empty(b, a.kind == VALUE_BLANK);
    if (b.kind == VALUE_EMPTY || b.kind == VALUE_BLANK)
        return is_empty(a, b.kind == VALUE_BLANK);
    if (value_is_array(a) && value_is_array(b))
        return arrays_equal(a, b);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_NIL:
        return true;
    case VALUE_BOOL:
        return a.truth == b.truth;
    case VALUE_NUMBER:
        return decimal_compare(a.number, b.number) == 0;
    case VALUE_TEXT:
        return a.text.n == b.text.n && memcmp(a.text.s, b.text.s, a.text.n) == 0;
    case VALUE_JSON:
        return json_equal(a.json, b.json) != 0;
    case VALUE_RANGE:
        return a.range.first == b.range.first && a.range.last == b.range.last;
    case VALUE_LOOP:
        return a.loop == b.loop;
    case VALUE_LIST:
    case VALUE_EMPTY:
    case VALUE_BLANK:
        break;
    }
    return false;
}

bool value_compare(struct value a, struct value b, int *ret_order)
{
    if (a.kind == VALUE_NUMBER && b.kind == VALUE_NUMBER) {
        *ret_order = decimal_compare(a.number, b.number);
        return true;
    }
    if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) {
        size_t n = a.text.n < b.text.n ? a.text.n : b.text.n;
        int order = n > 0 ? memcmp(a.text.s, b.text.s, n) : 0;
        *ret_order = order != 0 ? order : (a.text.n > b.text.n) - (a.text.n < b.text.n);
        return true;
    }
    return false;
}

const char *value_kind_name(struct value v)
{
    switch (v.kind) {
    case VALUE_NIL:
        return "nil";
    case VALUE_BOOL:
        return "a truth value";
    case VALUE_NUMBER:
        return "a number";
    case VALUE_TEXT:
        return "a text";
    case VALUE_JSON:
        return json_is_array(v.json) ? "an array" : "an object";
    case VALUE_LIST:
        return "an array";
    case VALUE_RANGE:
        return "a range";
    case VALUE_EMPTY:
        return "“empty”";
    case VALUE_BLANK:
        return "“blank”";
    case VALUE_LOOP:
        return "a loop";
    }
    bug("value of kind %d", (int)v.kind);
}

/* --- as text ------------------------------------------------------------------------------------
 */

static void print(struct buf *out, struct value v, bool inspect, int depth);

/* print_json() - an array or object of the data; scalars within it need no arena but where a double
 * is out of bounds. */
static void print_json(struct buf *out, json_t *json, bool inspect, int depth)
{
    char block[64];
    struct arena arena = {.at = block, .left = sizeof block, .max = SIZE_MAX};
    if (depth > PRINT_DEPTH || buf_full(out))
        return;
    if (json_is_array(json)) {
        if (inspect)
            buf_char(out, '[');
        for (size_t i = 0; i < json_array_size(json); i++) {
            arena.at = block, arena.left = sizeof block;
            if (inspect && i > 0)
                buf_str(out, ", ");
            print(out, value_json(&arena, json_array_get(json, i)), inspect, depth + 1);
        }
        if (inspect)
            buf_char(out, ']');
        return;
    }
    const char *key;
    json_t *item;
    bool first = true;
    buf_char(out, '{');
    json_object_foreach(json, key, item)
    {
        arena.at = block, arena.left = sizeof block;
        if (!first)
            buf_str(out, ", ");
        first = false;
        value_inspect(out, value_text(key, strlen(key)));
        buf_str(out, "=>");
        print(out, value_json(&arena, item), true, depth + 1);
    }
    buf_char(out, '}');
}

static void print_list(struct buf *out, const struct value_list *list, bool inspect, int depth)
{
    if (depth > PRINT_DEPTH || buf_full(out))
        return;
    if (inspect)
        buf_char(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        if (inspect && i > 0)
            buf_str(out, ", ");
        print(out, list->items[i], inspect, depth + 1);
    }
    if (inspect)
        buf_char(out, ']');
}

static void print_quoted(struct buf *out, const char *s, size_t n)
{
    buf_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\')
            buf_char(out, '\\');
        if (s[i] == '\n')
            buf_str(out, "\\n");
        else
            buf_char(out, s[i]);
    }
    buf_char(out, '"');
}

static void print(struct buf *out, struct value v, bool inspect, int depth)
{
    switch (v.kind) {
    case VALUE_NIL:
        if (inspect)
            buf_str(out, "nil");
        return;
    case VALUE_BOOL:
        buf_str(out, v.truth ? "true" : "false");
        return;
    case VALUE_NUMBER:
        decimal_print(out, v.number);
        return;
    case VALUE_TEXT:
        if (inspect)
            print_quoted(out, v.text.s, v.text.n);
        else
            buf_add(out, v.text.s, v.text.n);
        return;
    case VALUE_JSON:
        print_json(out, v.json, inspect, depth);
        return;
    case VALUE_LIST:
        print_list(out, v.list, inspect, depth);
        return;
    case VALUE_RANGE:
        buf_printf(out, "%lld..%lld", (long long)v.range.first, (long long)v.range.last);
        return;
    case VALUE_EMPTY:
    case VALUE_BLANK:
        return;
    case VALUE_LOOP:
        buf_str(out, v.loop->cols > 0 ? "Liquid::TablerowloopDrop" : "Liquid::ForloopDrop");
        return;
    }
}

void value_print(struct buf *out, struct value v)
{
    print(out, v, false, 0);
}

void value_inspect(struct buf *out, struct value v)
{
    print(out, v, true, 0);
}

/* --- taken apart --------------------------------------------------------------------------------
 */

size_t value_count(struct value v)
{
    switch (v.kind) {
    case VALUE_LIST:
        return v.list->n;
    case VALUE_JSON:
        return json_is_array(v.json) ? json_array_size(v.json) : json_object_size(v.json);
    case VALUE_RANGE:
        return v.range.last < v.range.first
                   ? 0
                   : (size_t)((uint64_t)v.range.last - (uint64_t)v.range.first) + 1;
    case VALUE_TEXT:
        return v.text.n > 0;
    case VALUE_NIL:
    case VALUE_BOOL:
    case VALUE_NUMBER:
    case VALUE_EMPTY:
    case VALUE_BLANK:
    case VALUE_LOOP:
        return 0;
    }
    bug("value of kind %d", (int)v.kind);
}

static struct value pair(struct arena *a, const char *key, json_t *item)
{
    struct value_list *list = arena_alloc(a, sizeof *list);
    list->n = 2;
    list->items = arena_alloc(a, 2 * sizeof *list->items);
    list->items[0] = value_text(key, strlen(key));
    list->items[1] = value_json(a, item);
    return value_list(list);
}

struct value value_pairs(struct arena *a, struct value v)
{
    if (!value_is_object(v))
        return v;
    struct value_list *list = arena_alloc(a, sizeof *list);
    list->n = 0;
    list->items = arena_alloc(a, json_object_size(v.json) * sizeof *list->items);
    const char *key;
    json_t *item;
    json_object_foreach(v.json, key, item)
    {
        list->items[list->n++] = pair(a, key, item);
    }
    return value_list(list);
}

struct value value_item(struct arena *a, struct value v, size_t i)
{
    if (v.kind == VALUE_LIST)
        return i < v.list->n ? v.list->items[i] : undefined();
    if (v.kind == VALUE_RANGE)
        return value_int(v.range.first + (int64_t)i);
    if (v.kind == VALUE_TEXT)
        return v;
    if (v.kind != VALUE_JSON)
        return undefined();
    if (json_is_array(v.json))
        return value_json(a, json_array_get(v.json, i));
    const char *key;
    json_t *item;
    json_object_foreach(v.json, key, item)
    {
        if (i-- == 0)
            return pair(a, key, item);
    }
    return undefined();
}

static bool is(const char *name, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(name, word, n) == 0;
}

static struct value loop_get(const struct loop *loop, const char *name, size_t n)
{
    bool first = loop->index0 == 0, last = loop->index0 + 1 == loop->length;
    if (is(name, n, "name") && loop->cols == 0)
        return value_text(loop->name, loop->name_n);
    if (is(name, n, "parentloop") && loop->cols == 0)
        return loop->parent == NULL ? value_nil()
                                    : (struct value){.kind = VALUE_LOOP, .loop = loop->parent};
    if (is(name, n, "length"))
        return value_int(loop->length);
    if (is(name, n, "index"))
        return value_int(loop->index0 + 1);
    if (is(name, n, "index0"))
        return value_int(loop->index0);
    if (is(name, n, "rindex"))
        return value_int(loop->length - loop->index0);
    if (is(name, n, "rindex0"))
        return value_int(loop->length - loop->index0 - 1);
    if (is(name, n, "first"))
        return value_bool(first);
    if (is(name, n, "last"))
        return value_bool(last);
    if (loop->cols == 0)
        return undefined();
    int64_t col0 = loop->index0 % loop->cols;
    if (is(name, n, "col"))
        return value_int(col0 + 1);
    if (is(name, n, "col0"))
        return value_int(col0);
    if (is(name, n, "row"))
        return value_int(loop->index0 / loop->cols + 1);
    if (is(name, n, "col_first"))
        return value_bool(col0 == 0);
    if (is(name, n, "col_last"))
        return value_bool(col0 + 1 == loop->cols);
    return undefined();
}

static int64_t characters(const char *s, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

/* text_edge() - the first or the last character; nil of an empty text. */
static struct value text_edge(struct value v, bool last)
{
    size_t from = last ? v.text.n : 0, n;
    while (last && from > 0 && ((unsigned char)v.text.s[--from] & 0xC0) == 0x80)
        ;
    n = utf8_length(v.text.s + from, v.text.n - from);
    return n > 0 ? value_text(v.text.s + from, n) : value_nil();
}

struct value value_get(struct arena *a, struct value v, const char *name, size_t n)
{
    if (v.kind == VALUE_LOOP)
        return loop_get(v.loop, name, n);
    if (value_is_object(v)) {
        json_t *item = json_object_getn(v.json, name, n);
        if (item != NULL)
            return value_json(a, item);
    }
    if (is(name, n, "size")) {
        if (v.kind == VALUE_TEXT)
            return value_int(characters(v.text.s, v.text.n));
        if (v.kind == VALUE_NUMBER && !v.number.real)
            return value_int(8);
        if (v.kind == VALUE_LIST || v.kind == VALUE_JSON || v.kind == VALUE_RANGE)
            return value_int((int64_t)value_count(v));
    }
    if (v.kind == VALUE_TEXT && (is(name, n, "first") || is(name, n, "last")))
        return text_edge(v, *name == 'l');
    bool sequence = value_is_array(v) || v.kind == VALUE_RANGE;
    size_t count = sequence || value_is_object(v) ? value_count(v) : 0;
    if (is(name, n, "first") && (sequence || value_is_object(v)))
        return count > 0 ? value_item(a, v, 0) : value_nil();
    if (is(name, n, "last") && sequence)
        return count > 0 ? value_item(a, v, count - 1) : value_nil();
    return undefined();
}

struct value value_index(struct arena *a, struct value v, struct value key)
{
    if (key.kind == VALUE_TEXT && (value_is_object(v) || v.kind == VALUE_LOOP))
        return value_get(a, v, key.text.s, key.text.n);
    int64_t i;
    if (key.kind == VALUE_NUMBER && value_is_array(v) && decimal_whole(key.number, &i)) {
        int64_t n = (int64_t)value_count(v);
        if (i < 0)
            i += n;
        return i >= 0 && i < n ? value_item(a, v, (size_t)i) : undefined();
    }
    return undefined();
}
