/* render.h - what the parts of the renderer and the filters share: the state of one rendering.
 *
 * After the first error `failed` is true; whatever then runs goes on with nil and is overheard. */
#ifndef LAZO_COMMON_TEMPLATE_RENDER_H
#define LAZO_COMMON_TEMPLATE_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/template/ast.h"
#include "common/template/template.h"

struct binding {
    struct name name;
    struct value value;
    struct binding *next;
};

struct scope {
    struct binding *first;
    struct scope *up;
};

/* What is remembered under a name: counters, where cycles and loops go on. */
struct mark {
    struct name name;
    int64_t at;
    struct mark *next;
};

enum interrupt { INTERRUPT_NONE, INTERRUPT_BREAK, INTERRUPT_CONTINUE };

struct render {
    const struct template_env *env;
    struct template_limits limits;
    const struct template *t; /* the one at work: places refer to it */
    struct name partial;      /* its name; n = 0: the outermost */
    struct buf *out;
    struct diag *d;
    struct template_missing *missing;
    void *scratch; /* owner of the arena */
    struct arena arena;
    struct scope *scope;     /* the innermost */
    struct scope *root;      /* where `assign` writes */
    const struct loop *loop; /* the innermost */
    struct mark *counters, *cycles, *resumes;
    struct name unchanged; /* what `ifchanged` showed last */
    size_t steps, depth;
    size_t at; /* place of what runs now */
    enum interrupt interrupt;
    bool isolated; /* within {% render %} */
    bool failed;
};

/* render_fail() - an error at render->at, unless there is one already. */
void render_fail(struct render *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* render_step() - `n` steps more; false (and failed) where they are used up, or the memory or the
 * output is. */
bool render_step(struct render *, size_t n);
bool render_deeper(struct render *);
void render_nodes(struct render *, const struct node *);
void render_for(struct render *, const struct node *);
void render_tablerow(struct render *, const struct node *);
void render_partial(struct render *, const struct node *);
/* render_value() - writes it, as HTML where the environment says so. */
void render_value(struct render *, struct value);

void scope_set(struct render *, struct scope *, struct name, struct value);
struct mark *mark_get(struct render *, struct mark **list, struct name);

/* Values of expressions. eval_wanted() notes what is undefined as missing; eval() does not mind. */
struct value eval(struct render *, const struct expr *);
struct value eval_wanted(struct render *, const struct expr *);
struct value eval_chain(struct render *, const struct chain *);
bool eval_test(struct render *, const struct test *);
bool eval_equal(struct render *, struct value, struct value);
/* eval_whole() - a whole number; false (and failed) where it is none. */
bool eval_whole(struct render *, struct value, int64_t *ret_i);

/* --- for the filters --- */

struct args {
    size_t n;
    struct value v[FILTER_ARGS_MAX];
    struct value option; /* the named argument; nil where it is not given */
};

/* text_begin() and text_end() - a text in the making; it fails the rendering where it grows beyond
 * the memory. */
void text_begin(struct render *, struct buf *);
struct value text_end(struct render *, struct buf *);
/* text_of() - the value as the text filters see it, valid until the rendering ends: arrays as [1,
 * "a"]. */
struct name text_of(struct render *, struct value);
/* number_of() - the value as Liquid takes it for a number. */
struct decimal number_of(struct value);
/* html_escape() - the five signs; `once` leaves entities that are there as they are. */
void html_escape(struct buf *, const char *s, size_t n, bool once);

#endif
