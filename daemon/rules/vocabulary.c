/* vocabulary.c - the lists of operators.def and fields.def as tables: see tree.h. */
#include "daemon/rules/tree.h"

#include <string.h>
#include <strings.h>

const char *rule_node_word(enum rule_node_type type)
{
    static const char *const words[] = {
#define X(name, word) word,
        RULE_NODES(X)
#undef X
    };
    return words[type];
}

static const char *const comparison_words[] = {
#define RULE_COMPARISON(name, word, sql) word,
#include "daemon/rules/operators.def"
};
static const char *const comparison_sqls[] = {
#define RULE_COMPARISON(name, word, sql) sql,
#include "daemon/rules/operators.def"
};
static const char *const text_test_words[] = {
#define RULE_TEXT_TEST(name, word) word,
#include "daemon/rules/operators.def"
};
static const char *const aggregate_words[] = {
#define RULE_AGGREGATE(name, word) word,
#include "daemon/rules/operators.def"
};
static const char *const unit_words[] = {
#define RULE_UNIT(name, word, most) word,
#include "daemon/rules/operators.def"
};
static const int64_t unit_mosts[] = {
#define RULE_UNIT(name, word, most) most,
#include "daemon/rules/operators.def"
};
static const char *const period_words[] = {
#define RULE_PERIOD(name, word) word,
#include "daemon/rules/operators.def"
};
static const char *const window_words[] = {
#define RULE_WINDOW(name, words) words,
#include "daemon/rules/operators.def"
};
static const char *const day_words[] = {
#define RULE_DAY(name, words) words,
#include "daemon/rules/operators.def"
};

const char *rule_comparison_word(enum rule_comparison op)
{
    return comparison_words[op];
}

const char *rule_comparison_sql(enum rule_comparison op)
{
    return comparison_sqls[op];
}

const char *rule_text_test_word(enum rule_text_test op)
{
    return text_test_words[op];
}

const char *rule_aggregate_word(enum rule_aggregate op)
{
    return aggregate_words[op];
}

const char *rule_unit_word(enum rule_unit unit)
{
    return unit_words[unit];
}

int64_t rule_unit_most(enum rule_unit unit)
{
    return unit_mosts[unit];
}

const char *rule_period_word(enum rule_period period)
{
    return period_words[period];
}

const char *rule_window_word(enum rule_window_type type)
{
    return window_words[type];
}

const char *rule_day_word(enum rule_day day)
{
    return day_words[day];
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool rule_aggregate_find(const char *word, enum rule_aggregate *ret)
{
    for (size_t i = 0; i < COUNT(aggregate_words); i++)
        if (strcasecmp(word, aggregate_words[i]) == 0) {
            *ret = (enum rule_aggregate)i;
            return true;
        }
    return false;
}

bool rule_unit_find(const char *word, enum rule_unit *ret)
{
    for (size_t i = 0; i < COUNT(unit_words); i++) {
        size_t n = strlen(unit_words[i]);

        if (strncasecmp(word, unit_words[i], n) == 0 &&
            (word[n] == '\0' || strcasecmp(word + n, "s") == 0)) {
            *ret = (enum rule_unit)i;
            return true;
        }
    }
    return false;
}

bool rule_period_find(const char *word, enum rule_period *ret)
{
    for (size_t i = 0; i < COUNT(period_words); i++)
        if (strcasecmp(word, period_words[i]) == 0) {
            *ret = (enum rule_period)i;
            return true;
        }
    return false;
}

const char *rule_type_name(enum rule_type type)
{
    switch (type) {
    case RULE_TYPE_UNKNOWN:
        return "a value";
    case RULE_TYPE_TEXT:
        return "a text";
    case RULE_TYPE_INTEGER:
        return "a whole number";
    case RULE_TYPE_MONEY:
    case RULE_TYPE_MEAN:
        return "an amount of money";
    case RULE_TYPE_NUMBER:
    case RULE_TYPE_DECIMAL:
        return "a number";
    case RULE_TYPE_INSTANT:
        return "an instant";
    case RULE_TYPE_DATE:
        return "a date";
    case RULE_TYPE_BOOLEAN:
        return "true or false";
    case RULE_TYPE_ANY:
        return "a value of data";
    }
    return "a value";
}

static const struct rule_field contact_fields[] = {
#define RULE_FIELD(name, type, sql, need)                                                          \
    {#name, RULE_TYPE_##type, sql, RULE_NEED_##need, NULL, NULL},
#include "daemon/rules/fields.def"
};
/* The same with what serves `=` from an index. */
static const struct rule_field exact_fields[] = {
#define RULE_EXACT(name, column, wrap)                                                             \
    {#name, RULE_TYPE_TEXT, NULL, RULE_NEED_NOTHING, column, wrap},
#include "daemon/rules/fields.def"
};
static const struct rule_field interaction_fields[] = {
#define RULE_INTERACTION_FIELD(name, type, sql)                                                    \
    {#name, RULE_TYPE_##type, sql, RULE_NEED_NOTHING, NULL, NULL},
#include "daemon/rules/fields.def"
};
static const struct rule_field rfm_fields[] = {
#define RULE_RFM_FIELD(name, type, sql, need)                                                      \
    {#name, RULE_TYPE_##type, sql, RULE_NEED_##need, NULL, NULL},
#include "daemon/rules/fields.def"
};

static const struct rule_field *find(const struct rule_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

const struct rule_field *rule_contact_field(const char *name)
{
    return find(contact_fields, COUNT(contact_fields), name);
}

const struct rule_field *rule_exact_field(const char *name)
{
    return find(exact_fields, COUNT(exact_fields), name);
}

const struct rule_field *rule_interaction_field(const char *name)
{
    return find(interaction_fields, COUNT(interaction_fields), name);
}

const struct rule_field *rule_rfm_field(const char *name)
{
    return find(rfm_fields, COUNT(rfm_fields), name);
}

const char *rule_contact_field_name(size_t n)
{
    return n < COUNT(contact_fields) ? contact_fields[n].name : NULL;
}

const char *rule_interaction_field_name(size_t n)
{
    return n < COUNT(interaction_fields) ? interaction_fields[n].name : NULL;
}

const char *rule_rfm_field_name(size_t n)
{
    return n < COUNT(rfm_fields) ? rfm_fields[n].name : NULL;
}
