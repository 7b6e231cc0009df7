/* sqlgen.h - a statement under construction, shared by the files of the compiler (compiler.c,
 * conditions.c, conditions_changes.c, related.c, values.c, times.c, changes.c, changes_days.c,
 * changes_edge.c, changes_pair.c).
 *
 * A statement has this shape; each part is filled on demand and nothing is written twice:
 *
 *     WITH w AS MATERIALIZED (SELECT $2::timestamptz AS now, ... AS b1, ...)      what hangs on now
 * alone: computed once SELECT c.id, array of the rules that hold, LEAST(changes) FROM contact c
 * CROSS JOIN w LEFT JOIN LATERAL (SELECT count(*) FILTER (...) AS v1, ... FROM interaction i WHERE
 * i.contact_id = c.id AND i.kind_id = ...) k1 ON true        one a kind, and one a table beside
 * contact CROSS JOIN LATERAL (...) z                                                  the contact's
 * own day, where somebody asks
 *
 * In some and page, where changes are asked for, more follows, each a sub-select that is computed
 * once a contact:
 *
 *     q   whether each condition holds (t1, t2, ...): shared by all rules that say it
 *     f   when those change that hang on the n-th newest interaction, where some of them are still
 *         to happen (x1, ... arrays)
 *     e   the interaction by whose leaving or entering a condition changes, or when (x1, ...)
 *     n0  when each condition changes next; n1, n2, ... the same for what `and` and `or` make of
 *         them, where they stand within others. 'infinity': never.
 *
 * In e and n0 each is computed where some rule's next change may hang on it: an `and` that fails
 * does so whatever happens to what holds in it. Elsewhere it is null, and nobody looks.
 *
 * A statement over all contacts (`whole`) reads each kind once and groups it, in place of a lateral
 * for each contact:
 *
 *     LEFT JOIN (SELECT i.contact_id, count(*) AS v1, ... FROM interaction i CROSS JOIN w
 *                WHERE i.kind_id = ... GROUP BY i.contact_id) k1 ON k1.contact_id = c.id
 *
 * There a count is null for who has none.
 *
 * So does one over a range of contacts with changes (`ranged`), of the interactions of that range;
 * the order of the index, backwards, is that of the groups and, within them, newest first:
 *
 *     LEFT JOIN (SELECT i.contact_id, count(*) AS v1, array_agg(i.occurred_at) AS v2, ...
 *                FROM (SELECT * FROM interaction i WHERE i.contact_id > ... AND i.kind_id = ...
 *                      ORDER BY i.contact_id DESC, i.occurred_at DESC) i CROSS JOIN w
 *                GROUP BY i.contact_id ORDER BY i.contact_id DESC) k1 ON k1.contact_id = c.id
 *
 * There a count of none is made 0 where it is read.
 *
 * All pieces of SQL are strings of the scratch context `ctx`; text from users is a parameter and
 * never part of them. */
#ifndef LAZO_DAEMON_RULES_SQLGEN_H
#define LAZO_DAEMON_RULES_SQLGEN_H

#include "common/buf.h"
#include "daemon/rules/tree.h"

#define RULE_SQL_MAX (256 << 20)

struct rule_param {
    const char *type;
    const char *value;
};

/* What a sub-select computes; where somebody needs it: under `guards`, or, without any, always. */
struct rule_item {
    const char *sql;
    const char **guards;
    size_t n_guards, cap_guards;
    bool always;
};

struct rule_list {
    struct rule_item *items;
    size_t n, cap;
};

/* A condition of a rule: whether it holds, and the changes that were recorded on the way. */
struct rule_leaf {
    const struct rule_node *node;
    const char *truth;
    const char **changes;
    size_t n_changes;
    bool dear;
};

/* Conditions that hang on the n-th newest interaction of a kind, when some of these are still to
 * happen: rank_flips() of the schema. */
struct rule_ranks {
    const char *future, *instants; /* those, or null; all that matter, in no order */
    const char **asked;            /* n and length of each */
    size_t n, cap;
};

struct rule_lateral {
    const char *from; /* "interaction i WHERE ...": what makes it one */
    bool ordered;     /* its rows are read newest first */
    bool grouped;     /* over all contacts at once */
    const char **columns;
    size_t n, cap;
    const char **bare; /* the columns without the filter that all of them have, */
    size_t cap_bare;
    const char *filter; /* this one; NULL: they differ, or have none */
};

struct rule_gen {
    const void *ctx;
    const struct catalogue *cat;
    const char *now; /* the parameter that is now */
    size_t first_param;
    bool search;        /* conditions stand in WHERE and should find an index */
    bool whole;         /* and of all contacts: interactions are grouped, not looked up */
    const char *ranged; /* which contacts `i.contact_id` is in; NULL: no statement over a range */
    bool zero_fails;    /* the condition at hand is false of 0, so that it may be unknown of it */
    bool with_changes;
    const char *guard; /* whether the next change of the node at hand is needed; NULL: always */
    int joints;        /* inside how many `and` and `or` */
    bool dear;         /* the changes of the condition at hand are worth a guard */
    int negated;       /* inside how many `not` */
    bool uses_day;     /* z is needed */
    const struct rule_node *row_node[2]; /* values that are read from a row at hand, */
    const char *row_value[2];            /* as these */
    struct rule_param *params;
    size_t n_params, cap_params;
    const char **once; /* columns b1, b2, ... of w */
    size_t n_once, cap_once;
    struct rule_lateral *laterals;
    size_t n_laterals, cap_laterals;
    const char **years; /* sub-selects a1, a2, ... for anniversaries */
    size_t n_years, cap_years;
    const char **changes; /* of the condition at hand */
    size_t n_changes, cap_changes;
    const char *next; /* when the answer of what was last generated changes; NULL: never */
    int height;       /* of the sub-select that next stands in */
    struct rule_list truths, flips, nexts[RULE_HEIGHT_MAX + 1];
    struct rule_leaf *leaves;
    size_t n_leaves, cap_leaves;
    struct rule_ranks *ranks; /* columns x1, x2, ... of f */
    size_t n_ranks, cap_ranks;
};

/* --- sqlgen.c --- */
const char *gen_printf(struct rule_gen *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* gen_fill() - declared SQL (fields.def) with `with` put in for each of its %s. */
const char *gen_fill(struct rule_gen *, const char *pattern, const char *with);
/* gen_param() - "$n::type" for a value, the same for the same. */
const char *gen_param(struct rule_gen *, const char *type, const char *value);
const char *gen_param_int(struct rule_gen *, const char *type, int64_t value);
/* gen_once() - "w.bN", a column of w; `expr` hangs on parameters alone. */
const char *gen_once(struct rule_gen *, const char *expr);
/* gen_column() - "kN.vM", a column of the lateral sub-select over `from`. */
const char *gen_column(struct rule_gen *, const char *from, const char *expr);
/* gen_filtered() - the same for "aggregate FILTER (WHERE filter)". */
const char *gen_filtered(struct rule_gen *, const char *from, const char *aggregate,
                         const char *filter);
/* gen_ordered() - the same as gen_column(), over rows that come newest first. */
const char *gen_ordered(struct rule_gen *, const char *from, const char *expr);
/* gen_truth() - "q.tN", whether a condition holds. gen_flip() - "e.xN". gen_next() - "nH.xN". */
const char *gen_truth(struct rule_gen *, const char *condition);
const char *gen_flip(struct rule_gen *, const char *expr);
const char *gen_next(struct rule_gen *, int height, const char *expr);
/* gen_rank() - "f.xN[M]", when the bound of a window of `length` (as PostgreSQL writes an interval)
 * passes the n-th newest, or no longer. */
const char *gen_rank(struct rule_gen *, const char *future, const char *instants, int64_t n,
                     const char *length);
/* gen_year() - "aN", a sub-select over the contact's day z. */
const char *gen_year(struct rule_gen *, const char *sql);
/* gen_change() - an instant after now at which the answer may change, or null. */
void gen_change(struct rule_gen *, const char *expr);
/* gen_zone() - the organisation's time zone. */
const char *gen_zone(struct rule_gen *);

/* --- values.c --- */
/* value_sql() - a field or an aggregate; its type is node->value_type. Text is folded, ANY is
 * jsonb. */
const char *value_sql(struct rule_gen *, const struct rule_node *);
/* value_row() - where a value is one column of one row beside the contact: that column; the row's
 * table (alias t) and what finds it in *ret_table and *ret_match. NULL elsewhere. */
const char *value_row(struct rule_gen *, const struct rule_node *, const char **ret_table,
                      const char **ret_match);
/* literal_sql() - a literal of the type that the checker gave it. Not for INSTANT, where a day is a
 * span. */
const char *literal_sql(struct rule_gen *, const struct rule_node *);
/* A jsonb value as what it is compared with. */
const char *any_as_text(struct rule_gen *, const char *jsonb);
const char *any_as_number(struct rule_gen *, const char *jsonb);
const char *any_as_boolean(struct rule_gen *, const char *jsonb);
/* money_unit() - 10 to the number of decimals of the organisation's currency. */
const char *money_unit(struct rule_gen *);
/* kind_from() - the sub-select's rows: a kind's interactions. */
const char *kind_from(struct rule_gen *, int64_t kind_id);

/* --- times.c --- */
/* day_start_sql() - the first instant of a local day. */
const char *day_start_sql(struct rule_gen *, const char *date, const char *zone);
/* date_span() - where the instant or the day that a literal names begins and (a day) ends; *ret_end
 * NULL for an instant. */
void date_span(struct rule_gen *, const char *literal, const char **ret_start,
               const char **ret_end);
/* window_sql() - whether the instant `v` lies in the window. `happened`: v is an interaction's,
 * which counts from v on. */
const char *window_sql(struct rule_gen *, const struct rule_window *, const char *v, bool happened);
/* window_value_flips() - when the answer of window_sql() for one value changes; NULL: never. */
const char *window_value_flips(struct rule_gen *, const struct rule_window *, const char *v);
/* org_today() - the organisation's day; org_tomorrow_start() - when it ends. */
const char *org_today(struct rule_gen *);
const char *org_tomorrow_start(struct rule_gen *);
/* day_lateral() - the sub-select z: zone, today, the birthday in this year and the next, age. */
const char *day_lateral(struct rule_gen *);
/* yearly_sql() - `birthday` and `anniversary`: over the columns this_year (null: none that counts)
 * and next of the sub-select `days`, which are dates. */
const char *yearly_sql(struct rule_gen *, const struct rule_node *, const char *days);
/* yearly_lateral() - the sub-select for the anniversaries of a date. */
const char *yearly_lateral(struct rule_gen *, const char *date);
/* birthday_search_sql() - what every contact with a birthday today or tomorrow, in whatever zone,
 * has: for the index. */
const char *birthday_search_sql(struct rule_gen *);

/* Of a sliding window: window_bound() - its bound: how it compares now. window_flips() - when the
 * bound reaches `v` or, where it has, is before it again. window_length() - what is between it
 * and now, as PostgreSQL writes an interval, and window_on_calendar() - whether that is of months
 * or years. */
const char *window_bound(struct rule_gen *, const struct rule_window *);
const char *window_flips(struct rule_gen *, const struct rule_window *, const char *v);
const char *window_length(struct rule_gen *, const struct rule_window *);
bool window_on_calendar(const struct rule_window *);
/* window_since() - of a window that moves: nothing that was before this will move with it.
 * window_motion() - it as the functions of the schema take it: sort, length, zone. window_spec() -
 * any window (NULL: none) as window_steps() takes it: low and high as well. */
const char *window_since(struct rule_gen *, const struct rule_window *);
const char *window_motion(struct rule_gen *, const struct rule_window *);
const char *window_spec(struct rule_gen *, const struct rule_window *);
/* window_span() - of a window over fixed days: the first instant in it and the first after it;
 * untouched where it has none. */
void window_span(struct rule_gen *, const struct rule_window *, const char **ret_start,
                 const char **ret_end);
/* window_period() - of a window of whole days: where it begins and ends, when it becomes another
 * one, and when that one does. */
void window_period(struct rule_gen *, const struct rule_window *, const char **ret_start,
                   const char **ret_end, const char **ret_next, const char **ret_after);
bool window_slides(const struct rule_window *);
bool window_steps(const struct rule_window *);
/* birthday_in_sql() - the birthday in a year. */
const char *birthday_in_sql(struct rule_gen *, const char *year);

/* --- changes.c --- */
/* changes_exact() - whether the changes of a condition are found by what it compares with.
 * changes_truth() - the condition itself, where what it compares with says it more simply than the
 * value would; NULL elsewhere. changes_record() - records them; `truth` says whether it holds.
 * `test` makes its SQL anew (for another value: row_node and row_value). */
typedef const char *rule_test(struct rule_gen *, const struct rule_node *);
bool changes_exact(const struct rule_node *);
const char *changes_truth(struct rule_gen *, const struct rule_node *);
void changes_record(struct rule_gen *, const struct rule_node *, const char *truth, rule_test *);
/* changes_comparison() - that of a condition, with the value on its left. */
enum rule_comparison changes_comparison(const struct rule_node *);
/* changes_days.c: the same of age and rfm.recency, compared with numbers. */
bool changes_days_followed(const struct rule_node *value);
void changes_days_record(struct rule_gen *, const struct rule_node *,
                         const struct rule_node *value);
/* changes_edge.c: the same of conditions over the first or last interaction. */
bool changes_edge_followed(const struct rule_node *);
void changes_edge_record(struct rule_gen *, const struct rule_node *, const char *truth,
                         rule_test *test);
/* changes_pair.c: the same of an aggregate that is compared with another value, or stands in a
 * window. What a field in it does by itself is recorded with its value. */
bool changes_pair_followed(const struct rule_node *);
void changes_pair_record(struct rule_gen *, const struct rule_node *, const char *truth,
                         rule_test *test);
/* changes_joined() - when what `and` or `or` joins changes. Sets next and height. */
struct rule_answer {
    const char *sql;
    const char *next; /* NULL: never */
    int height;
};
void changes_joined(struct rule_gen *, const struct rule_answer *, size_t n, bool is_and);

/* --- values.c, for changes.c --- */
const char *score_day_sql(struct rule_gen *, const struct rule_node *);
const char *aggregate_where(struct rule_gen *, const struct rule_node *);
const char *aggregate_events(struct rule_gen *, const struct rule_node *, const char *where);
const char *aggregate_operand(struct rule_gen *, const struct rule_node *);

/* --- compiler.c --- */
/* gen_within() - a generator for a contact within a sub-select of g's statement: parameters and `w`
 * are shared with it, all else is its own. gen_within_done() - gives back what is shared.
 * gen_joins() - the joins of all that was generated, to stand behind "contact c". */
struct rule_gen *gen_within(struct rule_gen *g);
void gen_within_done(struct rule_gen *g, const struct rule_gen *inner);
const char *gen_joins(struct rule_gen *);

/* --- related.c --- */
/* related_sql() - whether a related contact is there, for whom the rule holds. */
const char *related_sql(struct rule_gen *, const struct rule_node *);
/* related_value_sql() - the ids of the first of them, as jsonb. */
const char *related_value_sql(struct rule_gen *, const struct rule_node *);

/* --- conditions.c --- */
enum rule_comparison comparison_mirrored(enum rule_comparison);
/* condition_plain_sql() - without changes. condition_test() - what makes the SQL of a test of a
 * value. */
const char *condition_plain_sql(struct rule_gen *, const struct rule_node *);
rule_test *condition_test(const struct rule_node *);

/* --- conditions_changes.c --- */
/* condition_sql() - with changes where they are asked for: sets next and height. */
const char *condition_sql(struct rule_gen *, const struct rule_node *);

#endif
