/* changes_edge.c - when a condition over the first or the last interaction changes though nothing
 * happens: the value stays until another interaction is the first or last one, and what matters is
 * the first change after which the condition comes out otherwise. See changes.c and sqlgen.h.
 *
 * Exact, but where interactions lie in the future and a window slides over the first one, or goes
 * over the period before; then it may be too early, never too late. */
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

    g->row_node = e->value;
    g->row_value = value;
    sql = gen_printf(g, "((%s) IS TRUE)", e->test(g, e->node));
    g->row_node = NULL;
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

/* --- any window that steps -----------------------------------------------------------------------
 */

/* today, this: at the end nothing is in it. What happens then, or before, is the last one at once,
 * and the first one where nothing was in it before. */
static void record_this(const struct edge *e, bool first)
{
    struct rule_gen *g = e->g;
    const char *start, *end, *next, *after, *now, *ahead = "i.occurred_at > w.now";

    window_period(g, e->value->window, &start, &end, &next, &after);
    gen_change(g, gen_printf(g, "CASE WHEN %s THEN %s END", differs(e, e->none), next));
    if (!first) {
        gen_change(g, otherwise_at(e, ahead));
        return;
    }
    now = gen_column(g, e->from,
                     gen_printf(g, "count(*) FILTER (WHERE %s)",
                                and_where(e, gen_printf(g, "i.occurred_at <= w.now AND %s",
                                                        in_span(e, start, end)))));
    gen_change(g, gen_printf(g, "CASE WHEN %s = 0 AND %s THEN %s ELSE %s END", now,
                             differs(e, holds_for(e, value_of(e, ahead, true))),
                             instant_of(e, "min", ahead),
                             instant_of(e, "min", gen_printf(g, "i.occurred_at >= %s", next))));
}

/* yesterday, previous: what it will be is known already, but for what is still to happen. */
static void record_previous(const struct edge *e, bool first)
{
    struct rule_gen *g = e->g;
    const char *start, *end, *next, *after;

    window_period(g, e->value->window, &start, &end, &next, &after);
    gen_change(g,
               gen_printf(g, "CASE WHEN %s THEN %s WHEN %s THEN %s WHEN %s >= %s THEN %s END",
                          differs(e, holds_for(e, value_of(e, in_span(e, end, next), first))), next,
                          differs(e, holds_for(e, value_of(e, in_span(e, next, after), first))),
                          after, gen_column(g, e->from, "max(i.occurred_at)"), after, after));
}

/* --- the last one --------------------------------------------------------------------------------
 */

/* in last, after ... ago: it is the last one until it leaves, and then there is none. */
static void record_last_sliding(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const char *newest = instant_of(e, "max", "i.occurred_at <= w.now");

    window_reach_changes(
        g, e->value->window,
        gen_flip(g, gen_printf(g, "CASE WHEN %s THEN %s END", differs(e, e->none), newest)),
        window_passed(g, e->value->window, e->from, e->where));
    gen_change(g, otherwise_at(e, "i.occurred_at > w.now"));
}

static void record_last(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *ahead = "i.occurred_at > w.now";

    if (w == NULL) {
        gen_change(g, otherwise_at(e, ahead));
    } else if (w->type == RULE_WINDOW_BEFORE_AGO) {
        ahead = gen_printf(g, "i.occurred_at > %s", window_bound(g, w));
        window_reach_changes(g, w, gen_flip(g, otherwise_at(e, ahead)),
                             window_passed(g, w, e->from, e->where));
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

/* in last, after ... ago: one after the other leaves; what counts is the one before the first for
 * which the condition comes out otherwise, or the newest where that is so for none. */
static void record_first_sliding(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *in = and_where(
        e, gen_printf(g, "i.occurred_at > %s AND i.occurred_at <= w.now", window_bound(g, w)));
    const char *times = gen_column(
        g, e->from,
        gen_printf(g, "array_agg(i.occurred_at ORDER BY " ORDER ") FILTER (WHERE %s)", in));
    const char *tests =
        gen_column(g, e->from,
                   gen_printf(g, "array_agg(%s ORDER BY " ORDER ") FILTER (WHERE %s)",
                              holds_for(e, e->row), in));
    /* Of several at one instant, which leave together, one is ever the first. */
    const char *turn =
        gen_printf(g,
                   "(SELECT min(d.t) FROM (SELECT DISTINCT ON (a.t) a.t, a.b FROM unnest(%s, %s)"
                   " WITH ORDINALITY AS a(t, b, n) ORDER BY a.t, a.n) d WHERE d.b <> %s)",
                   times, tests, e->truth);

    window_reach_changes(
        g, w,
        gen_flip(g,
                 gen_printf(g,
                            "(SELECT max(u.t) FROM unnest(%s) AS u(t),"
                            " (SELECT %s AS t OFFSET 0) x WHERE u.t < x.t OR x.t IS NULL AND %s)",
                            times, turn, differs(e, e->none))),
        window_passed(g, w, e->from, e->where));
    gen_change(g, instant_of(e, "min", "i.occurred_at > w.now"));
}

static void record_first(const struct edge *e)
{
    struct rule_gen *g = e->g;
    const struct rule_window *w = e->value->window;
    const char *span, *bound;

    if (w == NULL) {
        gen_change(g, first_at(e, "i.occurred_at <= w.now", "i.occurred_at > w.now"));
    } else if (w->type == RULE_WINDOW_BEFORE_AGO) {
        bound = window_bound(g, w);
        window_reach_changes(g, w,
                             gen_flip(g, first_at(e, gen_printf(g, "i.occurred_at <= %s", bound),
                                                  gen_printf(g, "i.occurred_at > %s", bound))),
                             window_passed(g, w, e->from, e->where));
    } else if (window_slides(w)) {
        record_first_sliding(e);
    } else {
        span = window_sql(g, w, "i.occurred_at", false);
        gen_change(g, first_at(e, gen_printf(g, "i.occurred_at <= w.now AND %s", span),
                               gen_printf(g, "i.occurred_at > w.now AND %s", span)));
    }
}

/* -------------------------------------------------------------------------------------------------
 */

bool changes_edge_followed(const struct rule_node *node)
{
    const struct rule_node *value = node->n_child == 0 ? NULL : node->child[0];

    if (value == NULL || value->type != RULE_NODE_AGGREGATE ||
        (value->op != RULE_FIRST && value->op != RULE_LAST))
        return false;
    for (size_t i = 1; i < node->n_child; i++)
        if (!rule_is_literal(node->child[i]))
            return false;
    return node->type == RULE_NODE_COMPARE || node->type == RULE_NODE_IN ||
           node->type == RULE_NODE_BETWEEN || node->type == RULE_NODE_TEXT_TEST ||
           node->type == RULE_NODE_KNOWN;
}

void changes_edge_record(struct rule_gen *g, const struct rule_node *node, const char *truth,
                         rule_test *test)
{
    const struct rule_node *value = node->child[0];
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
