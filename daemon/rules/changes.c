/* changes.c - the compiler's part that knows when the answer of a condition changes though nothing
 * happens: not when some interaction leaves a window, but when the one leaves (or enters) that
 * makes the comparison come out otherwise. See sqlgen.h.
 *
 * A count, sum, mean, least or greatest compared with numbers is followed from interaction to
 * interaction (flip_by_leaving(), flip_by_entering() of the schema); the first and the last one are
 * followed by changes_edge.c, two values that are compared with each other by changes_pair.c. Where
 * interactions lie in the future, or the bound of a window jumps with the calendar, the window is
 * followed step by step (rank_flips(), sliding_flip(), period_flip()): that is slower and rare.
 * What is found is exact.
 *
 * `and` that does not hold changes at the earliest when all that fails in it has changed once; `or`
 * that holds, when all that holds in it has: that may be too early, never too late. */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

#include <string.h>
#include <strings.h>

/* The largest count that is followed by its place among the newest. */
#define COUNT_MAX 1000000

/* --- and, or ------------------------------------------------------------------------------------
 */

static void add_bound(struct rule_gen *g, struct buf *b, const struct rule_answer *a, bool is_and)
{
    const char *next = a->height == 0 ? a->next : gen_next(g, a->height, a->next);

    buf_printf(b, "%sCASE WHEN %s THEN %s ELSE %s END", b->len == 0 ? "" : ", ", a->sql,
               is_and ? "'-infinity'" : next, is_and ? next : "'-infinity'");
}

void changes_joined(struct rule_gen *g, const struct rule_answer *answers, size_t n, bool is_and)
{
    const char *word = is_and ? " AND " : " OR ";
    struct buf all, still, moving, bounds;
    int height = 0;

    buf_init(&all, g->ctx, RULE_SQL_MAX);
    buf_init(&still, g->ctx, RULE_SQL_MAX);
    buf_init(&moving, g->ctx, RULE_SQL_MAX);
    buf_init(&bounds, g->ctx, RULE_SQL_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct rule_answer *a = &answers[i];

        buf_printf(&all, "%s%s", i == 0 ? "" : word, a->sql);
        if (a->next == NULL) {
            buf_printf(&still, "%s%s", still.len == 0 ? "" : word, a->sql);
            continue;
        }
        add_bound(g, &bounds, a, is_and);
        buf_printf(&moving, "%s%s", moving.len == 0 ? "" : ", ",
                   a->height == 0 ? a->next : gen_next(g, a->height, a->next));
        height = a->height > height ? a->height : height;
    }
    g->next = NULL;
    g->height = 0;
    if (moving.len == 0)
        return;
    if (still.len > 0)
        buf_printf(&bounds, ", CASE WHEN %s THEN timestamptz '%sinfinity' ELSE '%sinfinity' END",
                   still.data, is_and ? "-" : "", is_and ? "" : "-");
    g->next = gen_printf(g, "CASE WHEN (%s) = %s THEN LEAST(%s) ELSE GREATEST(%s) END", all.data,
                         is_and ? "true" : "false", moving.data, bounds.data);
    g->height = height + 1;
}

/* --- what is compared ---------------------------------------------------------------------------
 */

static const struct rule_node *compared_value(const struct rule_node *node)
{
    if (node->type == RULE_NODE_AGGREGATE)
        return node;
    for (size_t i = 0; i < node->n_child; i++)
        if (!rule_is_literal(node->child[i]))
            return node->child[i];
    return NULL;
}

static bool is_followed_aggregate(const struct rule_node *value)
{
    switch ((enum rule_aggregate)value->op) {
    case RULE_ANY:
    case RULE_COUNT:
    case RULE_SUM:
    case RULE_AVG:
    case RULE_MIN:
    case RULE_MAX:
        return true;
    case RULE_FIRST:
    case RULE_LAST:
        break;
    }
    return false;
}

/* Whether it asks if an aggregate is known, which hangs on there being something to aggregate. */
static bool is_presence(const struct rule_node *node)
{
    return node->type == RULE_NODE_KNOWN && node->child[0]->type == RULE_NODE_AGGREGATE;
}

bool changes_exact(const struct rule_node *node)
{
    const struct rule_node *value;

    if (node->type == RULE_NODE_AGGREGATE || changes_edge_followed(node) || is_presence(node))
        return true;
    if (changes_pair_followed(node))
        return false;
    if (node->type != RULE_NODE_COMPARE && node->type != RULE_NODE_IN &&
        node->type != RULE_NODE_BETWEEN)
        return false;
    value = compared_value(node);
    if (value == NULL)
        return false;
    for (size_t i = 0; i < node->n_child; i++)
        if (node->child[i] != value &&
            (!rule_is_literal(node->child[i]) || !rule_is_number(node->child[i]->value_type)))
            return false;
    return value->type == RULE_NODE_AGGREGATE ? is_followed_aggregate(value)
                                              : changes_days_followed(value);
}

enum rule_comparison changes_comparison(const struct rule_node *node)
{
    enum rule_comparison op = (enum rule_comparison)node->op;

    return rule_is_literal(node->child[0]) ? comparison_mirrored(op) : op;
}

/* As answer_holds() of the schema has it. */
static const char *test_word(const struct rule_node *node)
{
    if (node->type == RULE_NODE_AGGREGATE)
        return ">";
    if (node->type == RULE_NODE_IN)
        return node->negated ? "not in" : "in";
    return node->type == RULE_NODE_BETWEEN ? "between"
                                           : rule_comparison_sql(changes_comparison(node));
}

static const char *bounds_sql(struct rule_gen *g, const struct rule_node *node)
{
    struct buf b;

    if (node->type == RULE_NODE_AGGREGATE)
        return gen_once(g, "ARRAY[0::numeric]");
    buf_init(&b, g->ctx, RULE_SQL_MAX);
    for (size_t i = 0; i < node->n_child; i++)
        if (rule_is_literal(node->child[i]))
            buf_printf(&b, "%s%s::numeric", b.len == 0 ? "ARRAY[" : ", ",
                       literal_sql(g, node->child[i]));
    buf_char(&b, ']');
    return gen_once(g, b.data);
}

/* --- aggregates ---------------------------------------------------------------------------------
 */

/* A condition over an aggregate, being compiled. */
struct follow {
    struct rule_gen *g;
    const struct rule_node *node, *value;
    const char *truth;
    rule_test *test;
    const char *from, *where; /* where: may be NULL */
};

static bool is_count(const struct follow *f)
{
    return f->value->op == RULE_COUNT || f->value->op == RULE_ANY;
}

static const char *and_where(const struct follow *f, const char *events)
{
    return f->where == NULL ? events : gen_printf(f->g, "%s AND %s", events, f->where);
}

/* Whether the condition would hold for another value; false where that is missing. */
static const char *holds_for(const struct follow *f, const char *value)
{
    struct rule_gen *g = f->g;
    const char *sql;

    if (f->node->type == RULE_NODE_AGGREGATE)
        return gen_printf(g, "(%s > 0)", value);
    g->row_node[0] = f->value;
    g->row_value[0] = value;
    sql = gen_printf(g, "((%s) IS TRUE)", f->test(g, f->node));
    g->row_node[0] = NULL;
    return sql;
}

static const char *holds_for_none(const struct follow *f)
{
    return holds_for(f, is_count(f) || f->value->op == RULE_SUM ? "0" : "NULL::numeric");
}

static const char *holds_for_events(const struct follow *f, const char *events)
{
    struct rule_gen *g = f->g;
    const char *filter = and_where(f, events), *v;

    if (is_count(f))
        return holds_for(
            f, gen_column(g, f->from, gen_printf(g, "count(*) FILTER (WHERE %s)", filter)));
    v = gen_column(g, f->from,
                   gen_printf(g, "%s(%s) FILTER (WHERE %s)",
                              rule_aggregate_word((enum rule_aggregate)f->value->op),
                              aggregate_operand(g, f->value), filter));
    return holds_for(f, f->value->op == RULE_SUM ? gen_printf(g, "coalesce(%s, 0)", v) : v);
}

/* Whether fewer interactions can change the answer at all: what is only counted becomes less. */
static const char *may_leave(const struct follow *f)
{
    struct rule_gen *g = f->g;
    const char *word = test_word(f->node);
    bool above = word[0] == '>', below = word[0] == '<' && word[1] != '>';

    if (is_count(f) && (above || below))
        return above ? f->truth : gen_printf(g, "NOT %s", f->truth);
    if (f->value->op == RULE_MAX && above)
        return f->truth;
    if (f->value->op == RULE_SUM && (above || below) && f->value->field != NULL)
        return gen_printf(g, "(%s%s OR %s < 0)", above ? "" : "NOT ", f->truth,
                          gen_column(g, f->from, "min(i.amount)"));
    return "true";
}

/* More of them: counts grow. */
static const char *may_enter(const struct follow *f)
{
    const char *word = test_word(f->node);
    bool above = word[0] == '>', below = word[0] == '<' && word[1] != '>';

    if (is_count(f) && (above || below))
        return above ? gen_printf(f->g, "NOT %s", f->truth) : f->truth;
    return "true";
}

/* The instants of all interactions that `where` holds for, newest first: the same for all windows.
 */
static const char *instants_sql(const struct follow *f)
{
    const char *filter = f->where == NULL ? "" : gen_printf(f->g, " FILTER (WHERE %s)", f->where);

    return gen_ordered(f->g, f->from, gen_printf(f->g, "array_agg(i.occurred_at)%s", filter));
}

/* They, and their numbers. */
static const char *arrays_sql(const struct follow *f)
{
    struct rule_gen *g = f->g;
    const char *filter = f->where == NULL ? "" : gen_printf(g, " FILTER (WHERE %s)", f->where);

    if (is_count(f))
        return gen_printf(g, "%s, NULL::numeric[]", instants_sql(f));
    return gen_printf(g, "%s, %s", instants_sql(f),
                      gen_ordered(g, f->from,
                                  gen_printf(g, "array_agg((%s)::numeric)%s",
                                             aggregate_operand(g, f->value), filter)));
}

static const char *count_sql(const struct follow *f, const char *events)
{
    return gen_column(f->g, f->from,
                      gen_printf(f->g, "count(*) FILTER (WHERE %s)", and_where(f, events)));
}

static const char *case_sql(struct rule_gen *g, const char *when, const char *then)
{
    return strcmp(when, "true") == 0 ? then : gen_printf(g, "CASE WHEN %s THEN %s END", when, then);
}

/* What all functions that follow an aggregate take first. */
static const char *args_sql(const struct follow *f)
{
    const char *fn = is_count(f) ? "count" : rule_aggregate_word((enum rule_aggregate)f->value->op);

    return gen_printf(f->g, "'%s', '%s', %s, %s", fn, test_word(f->node), bounds_sql(f->g, f->node),
                      arrays_sql(f));
}

/* flip_by_entering(), of what is after the bound. */
static const char *entering_sql(const struct follow *f, const char *bound, const char *start,
                                const char *end)
{
    return gen_printf(f->g, "flip_by_entering(%s, %s, %s, %s, %s)", args_sql(f), bound, start, end,
                      f->truth);
}

/* What is still to happen, in no order; null where nothing is. */
static const char *future_sql(const struct follow *f)
{
    return gen_filtered(f->g, f->from, "array_agg(i.occurred_at)",
                        and_where(f, "i.occurred_at > w.now"));
}

/* One of the functions that follow a window that moves, begun as `function`. */
static const char *followed_sql(const struct follow *f, const char *function)
{
    return gen_printf(f->g, "%s%s, %s, w.now, %s)", function, args_sql(f),
                      window_motion(f->g, f->value->window), f->truth);
}

/* Of a count that is compared by less or more with a whole number: how many there must be for the
 * answer that more of them give. */
static bool count_needed(const struct follow *f, int64_t *ret)
{
    const char *word = test_word(f->node);
    const struct rule_node *literal;
    bool fraction;

    if (f->node->type != RULE_NODE_COMPARE || f->value->op != RULE_COUNT ||
        (word[0] != '<' && word[0] != '>') || word[1] == '>')
        return false;
    literal = f->node->child[rule_is_literal(f->node->child[0]) ? 0 : 1];
    if (!rule_number_scaled(literal->text, 0, ret, &fraction) || *ret < 0 || *ret > COUNT_MAX)
        return false;
    *ret += strcmp(word, ">") == 0 || strcmp(word, "<=") == 0;
    return *ret > 0;
}

/* Whether the condition hangs on one interaction of its window, the n-th newest: it holds (or, for
 * less, fails) while that is in it. */
static bool is_ranked(const struct follow *f, int64_t *ret_n)
{
    const struct rule_window *w = f->value->window;

    *ret_n = 1;
    return w != NULL && (w->type == RULE_WINDOW_IN_LAST || w->type == RULE_WINDOW_AFTER_AGO) &&
           (f->node->type == RULE_NODE_AGGREGATE || count_needed(f, ret_n));
}

/* Its instant, whether it is in the window or before it; null where there are fewer. The same for
 * all windows. */
static const char *ranked_sql(const struct follow *f, int64_t n)
{
    if (n == 1)
        return gen_filtered(f->g, f->from, "max(i.occurred_at)",
                            and_where(f, "i.occurred_at <= w.now"));
    return gen_printf(f->g, "(%s)[%s + %lld]", instants_sql(f),
                      count_sql(f, "i.occurred_at > w.now"), (long long)n);
}

static void record_ranked(const struct follow *f, int64_t n)
{
    struct rule_gen *g = f->g;
    const struct rule_window *w = f->value->window;
    const char *future = future_sql(f), *v = ranked_sql(f, n), *flips;
    const char *instants = n == 1 ? gen_printf(g, "%s || %s", future, v) : instants_sql(f);
    const char *length = window_length(g, w);

    if (window_on_calendar(w))
        flips = gen_printf(g, "ELSE %s", window_flips(g, w, v));
    else /* it is in the window */
        flips = gen_printf(g, "WHEN %s%s THEN %s + %s", test_word(f->node)[0] == '<' ? "NOT " : "",
                           f->truth, v, gen_param(g, "interval", length));
    gen_change(g, gen_printf(g, "CASE WHEN %s IS NOT NULL THEN %s %s END", future,
                             gen_rank(g, future, instants, n, length), flips));
}

/* When the bound passes what `flip` found. On the calendar it may jump back over the newest one
 * that it has passed. Where something is to happen yet (`future`, or NULL) the window is followed.
 */
static void record_passing(const struct follow *f, const char *flip, const char *passed,
                           const char *future)
{
    struct rule_gen *g = f->g;
    const struct rule_window *w = f->value->window;
    const char *length = gen_param(g, "interval", window_length(g, w)), *back, *special;

    if (window_on_calendar(w)) {
        back = gen_printf(g, "%s > %s", passed, window_since(g, w));
        special = future == NULL ? back : gen_printf(g, "(%s OR %s IS NOT NULL)", back, future);
        gen_change(g, gen_printf(g,
                                 "coalesce(CASE WHEN %s IS NOT TRUE THEN"
                                 " calendar_reaches(%s, %s, %s, w.now) END,"
                                 " CASE WHEN %s IS NOT NULL OR %s THEN %s END)",
                                 special, flip, length, gen_zone(g), flip, special,
                                 followed_sql(f, gen_printf(g, "calendar_answer_flip(%s, %s, ",
                                                            flip, back))));
        return;
    }
    flip = window_flips(g, w, flip);
    if (future != NULL)
        flip = gen_printf(g, "CASE WHEN %s IS NOT NULL THEN %s ELSE %s END", future,
                          followed_sql(f, "sliding_flip("), flip);
    gen_change(g, flip);
}

/* in last, after ... ago: what is in the window leaves, the oldest first. */
static void record_leaving(const struct follow *f)
{
    struct rule_gen *g = f->g;
    const char *in = count_sql(f, aggregate_events(g, f->value, NULL)), *flip;

    flip = gen_printf(g, "CASE WHEN %s > 0 AND %s THEN flip_by_leaving(%s, 0, %s::int, %s) END", in,
                      may_leave(f), args_sql(f), in, f->truth);
    record_passing(f, gen_flip(g, flip), gen_printf(g, "(%s)[%s + 1]", instants_sql(f), in),
                   future_sql(f));
}

/* before ... ago: what is ahead of the bound enters. */
static void record_entering(const struct follow *f)
{
    struct rule_gen *g = f->g;
    const struct rule_window *w = f->value->window;
    const char *bound = window_bound(g, w);
    const char *flip =
        entering_sql(f, bound, "'-infinity'::timestamptz", "'infinity'::timestamptz");

    record_passing(f, gen_flip(g, case_sql(g, may_enter(f), flip)),
                   gen_filtered(g, f->from, "max(i.occurred_at)",
                                and_where(f, gen_printf(g, "i.occurred_at <= %s", bound))),
                   NULL);
}

/* No window, or one over fixed days: only what is still to happen enters. */
static void record_fixed(const struct follow *f)
{
    struct rule_gen *g = f->g;
    const struct rule_window *w = f->value->window;
    const char *start = "'-infinity'::timestamptz", *end = "'infinity'::timestamptz";
    const char *may = gen_printf(g, "%s > w.now AND %s",
                                 gen_column(g, f->from, "max(i.occurred_at)"), may_enter(f));

    if (w != NULL)
        window_span(g, w, &start, &end);
    gen_change(g, gen_flip(g, case_sql(g, may, entering_sql(f, "w.now", start, end))));
}

/* Days and months of the calendar: all of a window changes at its end. What comes after `previous`
 * is known already. */
static void record_period(const struct follow *f)
{
    struct rule_gen *g = f->g;
    const struct rule_window *w = f->value->window;
    bool past = w->type == RULE_WINDOW_YESTERDAY || w->type == RULE_WINDOW_PREVIOUS;
    const char *start, *end, *next, *after, *newest, *flips;

    window_period(g, w, &start, &end, &next, &after);
    newest = gen_column(g, f->from, "max(i.occurred_at)");
    if (past)
        flips = gen_printf(
            g, "WHEN %s < %s THEN NULL WHEN %s <> %s THEN %s WHEN %s <> %s THEN %s", newest, start,
            holds_for_events(
                f, gen_printf(g, "i.occurred_at >= %s AND i.occurred_at < %s", end, next)),
            f->truth, next, holds_for_none(f), f->truth, after);
    else
        flips = gen_printf(g, "WHEN %s >= %s AND %s <> %s THEN %s", newest, start,
                           holds_for_none(f), f->truth, next);
    gen_change(g, gen_printf(g, "CASE WHEN %s IS NOT NULL THEN %s %s END", future_sql(f),
                             followed_sql(f, "period_flip("), flips));
}

static void record_aggregate(const struct follow *f)
{
    const struct rule_window *w = f->value->window;
    int64_t n;

    if (is_ranked(f, &n))
        record_ranked(f, n);
    else if (w != NULL && window_steps(w))
        record_period(f);
    else if (w != NULL && w->type == RULE_WINDOW_BEFORE_AGO)
        record_entering(f);
    else if (w != NULL && window_slides(w))
        record_leaving(f);
    else
        record_fixed(f);
}

/* avg, min, max: known as long as one of them has a number. A count or sum always is. */
static void record_presence(const struct follow *f)
{
    struct rule_gen *g = f->g;
    struct rule_node any = *f->value;
    struct follow of_any = *f;
    const char *there;

    if (f->value->op == RULE_COUNT || f->value->op == RULE_SUM)
        return;
    any.op = RULE_ANY;
    there = gen_printf(g, "(%s) IS NOT NULL", aggregate_operand(g, f->value));
    of_any.node = of_any.value = &any;
    of_any.where = f->where == NULL ? there : gen_printf(g, "%s AND %s", f->where, there);
    if (f->node->negated)
        of_any.truth = gen_printf(g, "(NOT %s)", f->truth);
    record_aggregate(&of_any);
}

/* --------------------------------------------------------------------------------------------------
 */

static struct follow follow_make(struct rule_gen *g, const struct rule_node *node)
{
    struct follow f = {.g = g, .node = node, .value = compared_value(node)};

    f.from = kind_from(g, f.value->id);
    f.where = aggregate_where(g, f.value);
    return f;
}

const char *changes_truth(struct rule_gen *g, const struct rule_node *node)
{
    const struct rule_node *value = changes_exact(node) ? compared_value(node) : NULL;
    struct follow f;
    int64_t n;

    if (value == NULL || value->type != RULE_NODE_AGGREGATE)
        return NULL;
    f = (struct follow){.g = g, .node = node, .value = value};
    if (!is_ranked(&f, &n))
        return NULL;
    f = follow_make(g, node);
    return gen_printf(g, "(%s > %s) IS %sTRUE", ranked_sql(&f, n), window_bound(g, value->window),
                      test_word(node)[0] == '<' ? "NOT " : "");
}

void changes_record(struct rule_gen *g, const struct rule_node *node, const char *truth,
                    rule_test *test)
{
    const struct rule_node *value = compared_value(node);
    struct follow f;

    if (value->type == RULE_NODE_FIELD) {
        changes_days_record(g, node, value);
        return;
    }
    if (changes_edge_followed(node)) {
        changes_edge_record(g, node, truth, test);
        return;
    }
    f = follow_make(g, node);
    f.truth = truth;
    f.test = test;
    if (is_presence(node))
        record_presence(&f);
    else
        record_aggregate(&f);
}
