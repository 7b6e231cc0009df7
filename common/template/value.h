/* value.h - the values that a template works with.
 *
 * Values are passed by value; what they point to lives in the caller's JSON, in the compiled
 * template or in the arena of the rendering, and all of these outlive the rendering's last step.
 * JSON is only ever read, without touching its reference counts, so that threads may share it. */
#ifndef LAZO_COMMON_TEMPLATE_VALUE_H
#define LAZO_COMMON_TEMPLATE_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/template/decimal.h"

struct buf;
struct loop;
struct value_list;

enum value_kind {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_TEXT,
    VALUE_JSON, /* an array or an object of the data */
    VALUE_LIST, /* an array made while rendering */
    VALUE_RANGE,
    VALUE_EMPTY, /* the word `empty` */
    VALUE_BLANK, /* the word `blank` */
    VALUE_LOOP,  /* `forloop` or `tablerowloop` */
};

struct value {
    enum value_kind kind;
    bool html;      /* VALUE_TEXT: it is HTML already and is not escaped again */
    bool undefined; /* VALUE_NIL: nothing has that name */
    union {
        bool truth;
        struct decimal number;
        struct {
            const char *s;
            size_t n;
        } text;
        json_t *json;
        const struct value_list *list;
        struct {
            int64_t first, last;
        } range;
        const struct loop *loop;
    };
};

struct value_list {
    size_t n;
    struct value *items;
};

/* One `for` or `tablerow` while it runs. */
struct loop {
    const char *name; /* "item-order.items" */
    size_t name_n;
    int64_t length;
    int64_t index0;
    int64_t cols; /* 0: no table */
    const struct loop *parent;
};

/* arena - memory that is freed as a whole, with a maximum that is noticed rather than enforced:
 * beyond it `full` is true, and whoever steps through the template stops. */
struct arena {
    const void *ctx; /* owner of the blocks */
    char *at;
    size_t left;
    size_t used, max;
    bool full;
};
void *arena_alloc(struct arena *, size_t n);
const char *arena_copy(struct arena *, const char *s, size_t n);

struct value value_nil(void);
struct value value_bool(bool);
struct value value_int(int64_t);
struct value value_number(struct decimal);
struct value value_text(const char *s, size_t n);
struct value value_range(int64_t first, int64_t last);
struct value value_list(const struct value_list *);
/* value_json() - NULL gives nil; scalars become values of their own. */
struct value value_json(struct arena *, json_t *);

bool value_true(struct value); /* all but nil and false */
bool value_is_array(struct value);
bool value_is_object(struct value);
bool value_equal(struct value, struct value);
/* value_compare() - sets *ret_order to <0, 0, >0; false where the two cannot be ordered. */
bool value_compare(struct value, struct value, int *ret_order);
const char *value_kind_name(struct value); /* for messages: "a text", "a number" */

/* value_print() - appends what an output shows; value_inspect() - as within a printed object: texts
 * in quotes. */
void value_print(struct buf *, struct value);
void value_inspect(struct buf *, struct value);

/* How many items `for` would see, and the i-th of them. Objects give pairs [key, value]. */
size_t value_count(struct value);
struct value value_item(struct arena *, struct value, size_t i);
/* value_pairs() - an object as a list of pairs, so that each item is at hand; other values as they
 * are. */
struct value value_pairs(struct arena *, struct value);
/* value_get() - the property of that name, `size`, `first` and `last` included; undefined where
 * there is none. */
struct value value_get(struct arena *, struct value, const char *name, size_t n);
/* value_index() - value[key]. */
struct value value_index(struct arena *, struct value, struct value key);

#endif
