/* tree.h - the tree of a rule, shared by parser, checker, printer and compiler. Nobody outside
 * daemon/rules/ reads it.
 *
 * The parser makes nodes with their place in the text; the checker fills the lower part of each.
 * After that nothing changes. */
#ifndef LAZO_DAEMON_RULES_TREE_H
#define LAZO_DAEMON_RULES_TREE_H

#include "daemon/rules/catalogue.h"
#include "daemon/rules/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULE_BYTES_MAX 20000
#define RULE_DEPTH_MAX 64
/* How many `and` and `or` may stand within one another then: each bracket may have both. */
#define RULE_HEIGHT_MAX (2 * RULE_DEPTH_MAX)
/* Together with RULE_ROOTS_MAX these keep a statement within PostgreSQL's limits: 65535 parameters,
 * 1664 columns. */
#define RULE_AGGREGATES_MAX 100
#define RULE_CONDITIONS_MAX 200
#define RULE_LITERALS_MAX   400
#define RULE_PATH_MAX       3
/* How deep `related as` may stand within another one's `where`. */
#define RULE_RELATED_MAX 3

/* Conditions first, then values. The second word is what rule_json() writes. */
#define RULE_NODES(X)                                                                              \
    X(AND, "and")                                                                                  \
    X(OR, "or")                                                                                    \
    X(NOT, "not")                                                                                  \
    X(COMPARE, "compare")                                                                          \
    X(IN, "in")                                                                                    \
    X(BETWEEN, "between")                                                                          \
    X(TEXT_TEST, "text")                                                                           \
    X(KNOWN, "known")                                                                              \
    X(DURING, "during")                                                                            \
    X(BIRTHDAY, "birthday")                                                                        \
    X(ANNIVERSARY, "anniversary")                                                                  \
    X(TAG, "tag")                                                                                  \
    X(SUBSCRIBED, "subscribed")                                                                    \
    X(SEGMENT, "segment")                                                                          \
    X(GROUP, "group")                                                                              \
    X(RELATED, "related")                                                                          \
    X(PERSON, "person")                                                                            \
    X(COMPANY, "company")                                                                          \
    X(HOUSEHOLD, "household")                                                                      \
    X(CONSTANT, "constant")                                                                        \
    X(FIELD, "field")                                                                              \
    X(STRING, "string")                                                                            \
    X(NUMBER, "number")                                                                            \
    X(DATE, "date")                                                                                \
    X(BOOLEAN, "boolean")                                                                          \
    X(AGGREGATE, "aggregate")

enum rule_node_type {
#define X(name, word) RULE_NODE_##name,
    RULE_NODES(X)
#undef X
};

enum rule_comparison {
#define RULE_COMPARISON(name, word, sql) RULE_##name,
#include "daemon/rules/operators.def"
};
enum rule_text_test {
#define RULE_TEXT_TEST(name, word) RULE_TEXT_##name,
#include "daemon/rules/operators.def"
};
enum rule_aggregate {
#define RULE_AGGREGATE(name, word) RULE_##name,
#include "daemon/rules/operators.def"
};
enum rule_unit {
#define RULE_UNIT(name, word, most) RULE_UNIT_##name,
#include "daemon/rules/operators.def"
};
enum rule_period {
#define RULE_PERIOD(name, word) RULE_PERIOD_##name,
#include "daemon/rules/operators.def"
};
enum rule_window_type {
#define RULE_WINDOW(name, words) RULE_WINDOW_##name,
#include "daemon/rules/operators.def"
};
enum rule_day {
#define RULE_DAY(name, words) RULE_DAY_##name,
#include "daemon/rules/operators.def"
};

/* What a value is. MEAN is money that may have a fraction of a minor unit; ANY is a value of an
 * interaction's `data`, which takes the type of what it is compared with. UNKNOWN: the checker has
 * already complained. */
enum rule_type {
    RULE_TYPE_UNKNOWN,
    RULE_TYPE_TEXT,
    RULE_TYPE_INTEGER,
    RULE_TYPE_MONEY,
    RULE_TYPE_MEAN,
    RULE_TYPE_NUMBER,
    RULE_TYPE_DECIMAL,
    RULE_TYPE_INSTANT,
    RULE_TYPE_DATE,
    RULE_TYPE_BOOLEAN,
    RULE_TYPE_ANY,
};

/* What is asked of a segment: whether the contact is a member; in a rule with segments in place
 * (instant.h) whether it is kept in, or out, by hand. */
enum rule_membership { RULE_MEMBER, RULE_KEPT_IN, RULE_KEPT_OUT };

enum rule_need { RULE_NEED_NOTHING, RULE_NEED_DAY, RULE_NEED_FIRST, RULE_NEED_TODAY };

struct rule_field {
    const char *name;
    enum rule_type type;
    const char *sql;
    enum rule_need need;
    const char *exact_column; /* or NULL */
    const char *exact_wrap;
};

struct rule_duration {
    int64_t n;
    enum rule_unit unit;
};

struct rule_window {
    enum rule_window_type type;
    int line, column;
    struct rule_duration duration; /* in last, in next, before/after … ago */
    enum rule_period period;       /* this, previous */
    const char *from, *to;         /* since, before, on: from; between: both; as written */
};

struct rule_node {
    enum rule_node_type type;
    int line, column;
    struct rule_node **child; /* and, or, not; the values of a condition, the tested one first */
    size_t n_child, cap_child;
    int op; /* enum rule_comparison, rule_text_test, rule_aggregate, rule_day or rule_membership, by
               type */
    bool negated;     /* not in; is unknown; constant false */
    const char *text; /* a literal as written (strings unquoted), a name, an aggregate's kind */
    const char *path[RULE_PATH_MAX]; /* a field's name at its dots; an aggregate's field */
    int n_path;
    struct rule_node *where;
    struct rule_window *window;
    struct rule_duration duration; /* birthday in next … */

    enum rule_type value_type;      /* of a value; of a literal: that of its partner */
    const struct rule_field *field; /* a built-in field; NULL: attr. or data. */
    int64_t id;                     /* kind, attribute, topic, segment, model, relation */
    int64_t back_id;                /* of a relation: its inverse */
    bool shared; /* the relation is to whom the other one, of `id`, leads as well */
};

struct rule {
    struct rule_node *root;
    bool where_only; /* over an interaction's own fields */
    bool checked;
    size_t n_aggregates, n_conditions, n_literals;
    const char **segments;
    size_t n_segments, cap_segments;
    const char **kinds;
    size_t n_kinds, cap_kinds;
};

/* vocabulary.c */
const char *rule_node_word(enum rule_node_type);
const char *rule_comparison_word(enum rule_comparison);
const char *rule_comparison_sql(enum rule_comparison);
const char *rule_text_test_word(enum rule_text_test);
const char *rule_aggregate_word(enum rule_aggregate);
const char *rule_unit_word(enum rule_unit);
int64_t rule_unit_most(enum rule_unit);
const char *rule_period_word(enum rule_period);
const char *rule_window_word(enum rule_window_type);
const char *rule_day_word(enum rule_day);
bool rule_aggregate_find(const char *word, enum rule_aggregate *ret);
/* rule_unit_find() - with or without s. */
bool rule_unit_find(const char *word, enum rule_unit *ret);
bool rule_period_find(const char *word, enum rule_period *ret);
/* A type as a person reads it, with its article: "a text", "an amount of money". */
const char *rule_type_name(enum rule_type);
/* Built-in fields by name, without regard to case; NULL where there is none. */
const struct rule_field *rule_contact_field(const char *name);
/* What serves `=` and `in` on a contact field from an index (exact_column, exact_wrap), or NULL. */
const struct rule_field *rule_exact_field(const char *name);
const struct rule_field *rule_interaction_field(const char *name);
const struct rule_field *rule_rfm_field(const char *name);
/* The nth name of each list, NULL at its end. */
const char *rule_contact_field_name(size_t n);
const char *rule_interaction_field_name(size_t n);
const char *rule_rfm_field_name(size_t n);

/* names.c: names offered one by one, of which the nearest is meant. */
struct rule_close {
    const void *ctx;
    const char *wanted;
    const char **names;
    size_t n, cap;
};
struct rule_close rule_close_start(const void *ctx, const char *wanted);
void rule_close_offer(struct rule_close *, const char *name);
/* "" or "; did you mean NAME"; child of the ctx. */
const char *rule_close_hint(const struct rule_close *);

/* pattern.c */
/* rule_pattern_fault() - what is wrong with an expression for `matches`; NULL where it may be
 * given to the database. */
const char *rule_pattern_fault(const char *pattern);

/* literals.c */
bool rule_is_literal(const struct rule_node *);
/* rule_is_number() - whether values of the type are numbers, money among them. */
bool rule_is_number(enum rule_type);
/* rule_date_has_time() - whether a date literal names an instant rather than a day. */
bool rule_date_has_time(const char *text);
/* rule_number_scaled() - the literal times 10^digits as a whole number. False with *ret_fraction
 * where digits are left over, without where it does not fit in 64 bits. */
bool rule_number_scaled(const char *text, int digits, int64_t *ret, bool *ret_fraction);

#endif
