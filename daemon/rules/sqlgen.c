/* sqlgen.c - see sqlgen.h: collects parameters, columns and sub-selects, each once. */
#include "daemon/rules/sqlgen.h"

#include "common/mem.h"

#include <stdarg.h>
#include <string.h>

/* A sub-select gives at most this many columns; what comes after opens another one over the same
 * rows. */
#define LATERAL_COLUMNS_MAX 500
/* What is needed in more cases than this is computed always. */
#define GUARDS_MAX 6

const char *gen_printf(struct rule_gen *g, const char *format, ...)
{
    va_list ap;
    char *s;

    va_start(ap, format);
    s = mem_must(talloc_vasprintf(g->ctx, format, ap));
    va_end(ap);
    return s;
}

const char *gen_fill(struct rule_gen *g, const char *pattern, const char *with)
{
    struct buf b;

    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (const char *s = pattern; *s != '\0'; s++) {
        if (s[0] == '%' && s[1] == 's') {
            buf_str(&b, with);
            s++;
        } else {
            buf_char(&b, *s);
        }
    }
    return buf_take(&b, g->ctx);
}

const char *gen_param(struct rule_gen *g, const char *type, const char *value)
{
    size_t i;

    for (i = 0; i < g->n_params; i++)
        if (strcmp(g->params[i].type, type) == 0 && strcmp(g->params[i].value, value) == 0)
            break;
    if (i == g->n_params) {
        mem_grow(g->ctx, &g->params, &g->cap_params, i + 1);
        g->params[i] = (struct rule_param){type, value};
        g->n_params++;
    }
    return gen_printf(g, "$%zu::%s", g->first_param + i, type);
}

const char *gen_param_int(struct rule_gen *g, const char *type, int64_t value)
{
    return gen_param(g, type, gen_printf(g, "%lld", (long long)value));
}

/* The place of `expr` in a list of strings, where it is put unless it stands there. */
static size_t list_place(struct rule_gen *g, const char ***list, size_t *n, size_t *cap,
                         const char *expr)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp((*list)[i], expr) == 0)
            return i;
    mem_grow(g->ctx, list, cap, *n + 1);
    (*list)[*n] = expr;
    return (*n)++;
}

const char *gen_once(struct rule_gen *g, const char *expr)
{
    return gen_printf(g, "w.b%zu", list_place(g, &g->once, &g->n_once, &g->cap_once, expr) + 1);
}

static bool lateral_has(const struct rule_lateral *l, const char *expr)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->columns[i], expr) == 0)
            return true;
    return false;
}

/* Of all columns of a sub-select: whether they have one filter, and what they are without it. */
static void lateral_filter(struct rule_gen *g, struct rule_lateral *l, size_t place,
                           const char *bare, const char *filter)
{
    mem_grow(g->ctx, &l->bare, &l->cap_bare, place + 1);
    l->bare[place] = bare;
    if (place == 0)
        l->filter = filter;
    else if (l->filter != NULL && (filter == NULL || strcmp(l->filter, filter) != 0))
        l->filter = NULL;
}

/* `bare` is `expr` without `filter`. */
static const char *column_of(struct rule_gen *g, const char *from, const char *expr, bool ordered,
                             const char *bare, const char *filter)
{
    struct rule_lateral *l;
    size_t i, place, before;

    for (i = 0; i < g->n_laterals; i++)
        if (strcmp(g->laterals[i].from, from) == 0 &&
            (g->laterals[i].n < LATERAL_COLUMNS_MAX || lateral_has(&g->laterals[i], expr)))
            break;
    if (i == g->n_laterals) {
        mem_grow(g->ctx, &g->laterals, &g->cap_laterals, i + 1);
        g->laterals[i] = (struct rule_lateral){.from = from};
        g->laterals[i].grouped =
            (g->whole || g->ranged != NULL) && strncmp(from, "interaction i ", 14) == 0;
        g->n_laterals++;
    }
    l = &g->laterals[i];
    l->ordered = l->ordered || ordered;
    before = l->n;
    place = list_place(g, &l->columns, &l->n, &l->cap, expr);
    if (place == before)
        lateral_filter(g, l, place, bare, filter);
    if (l->grouped && !g->whole && strncmp(expr, "count(", 6) == 0)
        return gen_printf(g, "coalesce(k%zu.v%zu, 0)", i + 1, place + 1);
    return gen_printf(g, "k%zu.v%zu", i + 1, place + 1);
}

const char *gen_column(struct rule_gen *g, const char *from, const char *expr)
{
    return column_of(g, from, expr, false, expr, NULL);
}

const char *gen_filtered(struct rule_gen *g, const char *from, const char *aggregate,
                         const char *filter)
{
    return column_of(g, from, gen_printf(g, "%s FILTER (WHERE %s)", aggregate, filter), false,
                     aggregate, filter);
}

const char *gen_ordered(struct rule_gen *g, const char *from, const char *expr)
{
    return column_of(g, from, expr, true, expr, NULL);
}

/* One more place where it is needed: under the guard, or (NULL) always. */
static void item_needed(struct rule_gen *g, struct rule_item *item, const char *guard)
{
    size_t before = item->n_guards;

    if (guard == NULL || before == GUARDS_MAX)
        item->always = true;
    if (!item->always)
        list_place(g, &item->guards, &item->n_guards, &item->cap_guards, guard);
}

static const char *in_list(struct rule_gen *g, struct rule_list *list, const char *prefix,
                           const char *expr, const char *guard)
{
    size_t i;

    for (i = 0; i < list->n; i++)
        if (strcmp(list->items[i].sql, expr) == 0)
            break;
    if (i == list->n) {
        mem_grow(g->ctx, &list->items, &list->cap, i + 1);
        list->items[i] = (struct rule_item){.sql = expr};
        list->n++;
    }
    item_needed(g, &list->items[i], guard);
    return gen_printf(g, "%s%zu", prefix, i + 1);
}

const char *gen_truth(struct rule_gen *g, const char *condition)
{
    return in_list(g, &g->truths, "q.t", condition, NULL);
}

const char *gen_flip(struct rule_gen *g, const char *expr)
{
    return in_list(g, &g->flips, "e.x", expr, g->guard);
}

const char *gen_next(struct rule_gen *g, int height, const char *expr)
{
    if (height > RULE_HEIGHT_MAX)
        bug("a rule of more than %d levels", RULE_HEIGHT_MAX);
    return in_list(g, &g->nexts[height], gen_printf(g, "n%d.x", height), expr,
                   height == 0 ? g->guard : NULL);
}

const char *gen_rank(struct rule_gen *g, const char *future, const char *instants, int64_t n,
                     const char *length)
{
    struct rule_ranks *r;
    size_t i;

    for (i = 0; i < g->n_ranks; i++)
        if (strcmp(g->ranks[i].instants, instants) == 0)
            break;
    if (i == g->n_ranks) {
        mem_grow(g->ctx, &g->ranks, &g->cap_ranks, i + 1);
        g->ranks[i] = (struct rule_ranks){.future = future, .instants = instants};
        g->n_ranks++;
    }
    r = &g->ranks[i];
    return gen_printf(
        g, "f.x%zu[%zu]", i + 1,
        list_place(g, &r->asked, &r->n, &r->cap, gen_printf(g, "%lld %s", (long long)n, length)) +
            1);
}

void gen_change(struct rule_gen *g, const char *expr)
{
    if (g->with_changes)
        list_place(g, &g->changes, &g->n_changes, &g->cap_changes, expr);
}

const char *gen_year(struct rule_gen *g, const char *sql)
{
    return gen_printf(g, "a%zu", list_place(g, &g->years, &g->n_years, &g->cap_years, sql) + 1);
}

const char *gen_zone(struct rule_gen *g)
{
    return gen_param(g, "text", g->cat->time_zone);
}
