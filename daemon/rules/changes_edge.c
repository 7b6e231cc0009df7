/* changes_edge.c - when a condition over the first or the last interaction changes though nothing
 * happens: the value stays until another interaction is the first or last one, and what matters is
 * the first change after which the condition comes out otherwise. See changes.c and sqlgen.h.
 *
 * Where interactions lie in the future, or the bound of a window jumps with the calendar, it is
 * followed step by step. Of several at one instant, of which one is the last, each may be looked at
 * where nothing leaves (otherwise_at()): to put them in order would cost more. */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

/* Which of several is the first. */
#define ORDER "i.occurred_at, i.id"

struct edge {
    struct rule_gen *g;
    const struct rule_node *node, *value;
    const char *truth;
    rule_test *test;
    const char *from, *where; /* where: may be NULL */
    const char *row;          /* the value of the interaction at hand */
    const char *none;         /* what the condition is where there is none */
};

static const char *and_where(const struct edge *e, const char *events)
{
    return e->where == NULL ? events : gen_printf(e->g, "%s AND %s", events, e->where);
}

static const char *holds_for(const struct edge *e, const char *value)
{
    struct rule_gen *g = e->g;
    const char *sql;

    g->row_node[0] = e->value;
    g->row_value[0] = value;
    sql = gen_printf(g, "((%s) IS TRUE)", e->test(g, e->node));
    g->row_node[0] = NULL;
    return sql;
}

/* `aggregate` over the instants of those events. */
static const char *instant_of(const struct edge *e, const char *aggregate, const char *events)
{
    return gen_column(
        e->g, e->from,
        gen_printf(e->g, "%s(i.occurred_at) FILTER (WHERE %s)", aggregate, and_where(e, events)));
}

/* The first of the events for which the condition comes out otherwise than it does. */
static const char *otherwise_at(const struct edge *e, const char *events)
{
    const char *holds = holds_for(e, e->row);

    return gen_printf(e->g, "CASE WHEN %s THEN %s ELSE %s END", e->truth,
                      instant_of(e, "min", gen_printf(e->g, "%s AND NOT %s", events, holds)),
                      instant_of(e, "min", gen_printf(e->g, "%s AND %s", events, holds)));
}

/* The value of the first or last of the events; missing where there is none. */
static const char *value_of(const struct edge *e, const char *events, bool first)
{
    struct rule_gen *g = e->g;

    if (e->value->n_path == 0)
        return instant_of(e, first ? "min" : "max", events);
    return gen_column(g, e->from,
                      gen_printf(g, "(array_agg(%s ORDER BY %s) FILTER (WHERE %s))[1]", e->row,
                                 first ? ORDER : "i.occurred_at DESC, i.id DESC",
                                 and_where(e, events)));
}

static const char *in_span(const struct edge *e, const char *start, const char *end)
{
    return gen_printf(e->g, "i.occurred_at >= %s AND i.occurred_at < %s", start, end);
}

static const char *differs(const struct edge *e, const char *answer)
{
    return gen_printf(e->g, "%s <> %s", answer, e->truth);
}

/* What is still to happen; null where nothing is. */
static const char *future_sql(const struct edge *e)
{
    return gen_filtered(e->g, e->from, "array_agg(i.occurred_at)",
                        and_where(e, "i.occurred_at > w.now"));
}

/* An array over the events, newest first. `events` may be NULL. */
static const char *array_sql(const struct edge *e, const char *value, const char *events)
{
    const char *filter = events == NULL ? e->where : and_where(e, events);

    return gen_column(e->g, e->from,
                      gen_printf(e->g, "array_agg(%s ORDER BY i.occurred_at DESC, i.id DESC)%s%s%s",
                                 value, filter == NULL ? "" : " FILTER (WHERE ",
                                 filter == NULL ? "" : filter, filter == NULL ? "" : ")"));
}

/* The answer for a value as a number: 0 is the one where there is none. */
static const char *number_sql(const struct edge *e, const char *value)
{
    return gen_printf(e->g, "(%s <> %s)::int::numeric", holds_for(e, value), e->none);
}

/* One of the functions that follow a window that moves, over instants and their numbers. */
static const char *followed_sql(const struct edge *e, const char *function, const char *instants,
                                const char *numbers)
{
    struct rule_gen *g = e->g;

    return gen_printf(g, "%s('%s', '=', %s, %s, %s, %s, w.now, %s <> %s)", function,
                      rule_aggregate_word((enum rule_aggregate)e->value->op),
                      gen_once(g, "ARRAY[1::numeric]"), instants, numbers,
                      window_motion(g, e->value->window), e->truth, e->none);
}

static const char *followed_all(const struct edge *e, const char *function)
{
    return followed_sql(e, function, array_sql(e, "i.occurred_at", NULL),
                        array_sql(e, number_sql(e, e->row), NULL));
}

/* --- any window that steps -----------------------------------------------------------------------
 */

/* today, this: at the end nothing is in it. What happens then, or before, is the last one at once.
 */
static void record_this(const struct edge *e, bool first)
{
    struct rule_gen *g = e->g;
    const char *start, *end, *next, *after, *flips;

    window_period(g, e->value->window, &start, &end, &next, &after);
    flips = gen_printf(g, "CASE WHEN %s THEN %s END", differs(e, e->none), next);
    if (!first) {
        gen_change(g, flips);
        gen_change(g, otherwise_at(e, "i.occurred_at > w.now"));
        return;
    }
    gen_change(g, gen_printf(g, "CASE WHEN %s IS NOT NULL THEN %s ELSE %s END", future_sql(e),
                             followed_all(e, "period_flip"), flips));
}

/* yesterday, previous: what it will be is known already, but for what is still to happen. */
static void record_previous(const struct edge *e, bool first)
{
    struct rule_gen *g = e->g;
    const char *start, *end, *next, *after;

    window_period(g, e->value->window, &start, &end, &next, &after);
    gen_change(g,
               gen_printf(g, "CASE WHEN %s IS NOT NULL THEN %s WHEN %s THEN %s WHEN %s THEN %s END",
                          future_sql(e), followed_all(e, "period_flip"),
                          differs(e, holds_for(e, value_of(e, in_span(e, end, next), first))), next,
                          differs(e, e->none), after));
}

/* --- the last one --------------------------------------------------------------------------------
 */

/* in last, after ... ago: it is the last one until it leaves, and then there is none. */
static void record_last_sliding(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *past = "i.occurred_at <= w.now", *ahead = "i.occurred_at > w.now";
    const char *newest = instant_of(e, "max", past), *value = value_of(e, past, false), *differing;

    /* A bound that jumps back lets it in again. */
    differing = differs(e, e->none);
    if (window_on_calendar(w))
        differing = gen_printf(g, "CASE WHEN %s > %s THEN %s ELSE %s END", newest,
                               window_bound(g, w), differing, differs(e, holds_for(e, value)));
    gen_change(
        g, gen_printf(
               g, "CASE WHEN %s IS NOT NULL THEN %s WHEN %s THEN %s END", future_sql(e),
               followed_sql(e, "sliding_flip",
                            gen_printf(g, "%s || %s", array_sql(e, "i.occurred_at", ahead), newest),
                            gen_printf(g, "%s || %s", array_sql(e, number_sql(e, e->row), ahead),
                                       number_sql(e, value))),
               differing, window_flips(g, w, newest)));
}

static void record_last(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *ahead = "i.occurred_at > w.now";

    if (w == NULL) {
        gen_change(g, otherwise_at(e, ahead));
    } else if (w->type == RULE_WINDOW_BEFORE_AGO && window_on_calendar(w)) {
        gen_change(g, gen_flip(g, gen_printf(g, "CASE WHEN %s > %s THEN %s END",
                                             instant_of(e, "max", "true"), window_since(g, w),
                                             followed_all(e, "sliding_flip"))));
    } else if (w->type == RULE_WINDOW_BEFORE_AGO) {
        ahead = gen_printf(g, "i.occurred_at > %s", window_bound(g, w));
        gen_change(g, window_flips(g, w, gen_flip(g, otherwise_at(e, ahead))));
    } else if (window_slides(w)) {
        record_last_sliding(e);
    } else {
        gen_change(g, otherwise_at(e, gen_printf(g, "%s AND %s", ahead,
                                                 window_sql(g, w, "i.occurred_at", false))));
    }
}

/* --- the first one -------------------------------------------------------------------------------
 */

/* Where there is none yet: the first of `ahead`, where the condition comes out otherwise for it. */
static const char *first_at(const struct edge *e, const char *present, const char *ahead)
{
    struct rule_gen *g = e->g;
    const char *n =
        gen_column(g, e->from, gen_printf(g, "count(*) FILTER (WHERE %s)", and_where(e, present)));

    return gen_printf(g, "CASE WHEN %s = 0 AND %s THEN %s END", n,
                      differs(e, holds_for(e, value_of(e, ahead, true))),
                      instant_of(e, "min", ahead));
}

/* Where it is another one when the window has moved on: in last, after ... ago one after the other
 * leaves; before ... ago only the first that enters matters, unless the bound jumps back over it.
 */
static void record_first_moving(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *since = window_since(g, w);
    const char *when = gen_printf(g, "%s > %s", instant_of(e, "max", "true"), since);

    if (w->type == RULE_WINDOW_BEFORE_AGO)
        when = gen_printf(g, "%s AND %s IS NULL", when,
                          instant_of(e, "min", gen_printf(g, "i.occurred_at <= %s", since)));
    gen_change(g, gen_flip(g, gen_printf(g, "CASE WHEN %s THEN %s END", when,
                                         followed_all(e, "sliding_flip"))));
}

static void record_first(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *span, *bound;

    if (w == NULL) {
        gen_change(g, first_at(e, "i.occurred_at <= w.now", "i.occurred_at > w.now"));
    } else if (w->type == RULE_WINDOW_BEFORE_AGO && !window_on_calendar(w)) {
        bound = window_bound(g, w);
        gen_change(g,
                   window_flips(g, w,
                                gen_flip(g, first_at(e, gen_printf(g, "i.occurred_at <= %s", bound),
                                                     gen_printf(g, "i.occurred_at > %s", bound)))));
    } else if (window_slides(w)) {
        record_first_moving(e);
    } else {
        span = window_sql(g, w, "i.occurred_at", false);
        gen_change(g, first_at(e, gen_printf(g, "i.occurred_at <= w.now AND %s", span),
                               gen_printf(g, "i.occurred_at > w.now AND %s", span)));
    }
}

/* -------------------------------------------------------------------------------------------------
 */

/* The first or last one, where it is compared with literals alone; else NULL. */
static const struct rule_node *edge_value(const struct rule_node *node)
{
    const struct rule_node *value = NULL;

    for (size_t i = 0; i < node->n_child; i++) {
        if (rule_is_literal(node->child[i]))
            continue;
        if (value != NULL)
            return NULL;
        value = node->child[i];
    }
    if (value == NULL || value->type != RULE_NODE_AGGREGATE ||
        (value->op != RULE_FIRST && value->op != RULE_LAST))
        return NULL;
    return value;
}

bool changes_edge_followed(const struct rule_node *node)
{
    return edge_value(node) != NULL &&
           (node->type == RULE_NODE_COMPARE || node->type == RULE_NODE_IN ||
            node->type == RULE_NODE_BETWEEN || node->type == RULE_NODE_TEXT_TEST ||
            node->type == RULE_NODE_KNOWN);
}

void changes_edge_record(struct rule_gen *g, const struct rule_node *node, const char *truth,
                         rule_test *test)
{
    const struct rule_node *value = edge_value(node);
    const struct rule_window *w = value->window;
    struct edge e = {.g = g,
                     .node = node,
                     .value = value,
                     .truth = truth,
                     .test = test,
                     .from = kind_from(g, value->id),
                     .where = aggregate_where(g, value)};
    bool first = value->op == RULE_FIRST;

    e.row = value->n_path == 0 ? "i.occurred_at" : aggregate_operand(g, value);
    e.none = node->type == RULE_NODE_KNOWN && node->negated ? "true" : "false";
    if (w != NULL && (w->type == RULE_WINDOW_TODAY || w->type == RULE_WINDOW_THIS))
        record_this(&e, first);
    else if (w != NULL && window_steps(w))
        record_previous(&e, first);
    else if (first)
        record_first(&e);
    else
        record_last(&e);
}
