/* literals.c - what the literals of a rule are worth; see tree.h. */
#include "daemon/rules/tree.h"

#include <string.h>

bool rule_date_has_time(const char *text)
{
    return strchr(text, 'T') != NULL || strchr(text, 't') != NULL;
}

bool rule_number_scaled(const char *text, int digits, int64_t *ret, bool *ret_fraction)
{
    bool negative = *text == '-';
    int after_point = -1;
    int64_t value = 0;

    *ret_fraction = false;
    for (const char *s = text + (negative ? 1 : 0); *s != '\0'; s++) {
        if (*s == '.') {
            after_point = 0;
            continue;
        }
        if (after_point >=
            digits) { /* 2.50 in whole euros is no fraction of a cent; 2.505 is one */
            if (*s != '0') {
                *ret_fraction = true;
                return false;
            }
            continue;
        }
        if (after_point >= 0)
            after_point++;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *s - '0', &value))
            return false;
    }
    for (int i = after_point < 0 ? 0 : after_point; i < digits; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    /* Collected below zero, where there is one more. */
    if (!negative && __builtin_mul_overflow(value, -1, &value))
        return false;
    *ret = value;
    return true;
}

bool rule_is_literal(const struct rule_node *node)
{
    return node->type == RULE_NODE_STRING || node->type == RULE_NODE_NUMBER ||
           node->type == RULE_NODE_DATE || node->type == RULE_NODE_BOOLEAN;
}

bool rule_is_number(enum rule_type type)
{
    switch (type) {
    case RULE_TYPE_INTEGER:
    case RULE_TYPE_MONEY:
    case RULE_TYPE_MEAN:
    case RULE_TYPE_NUMBER:
    case RULE_TYPE_DECIMAL:
        return true;
    case RULE_TYPE_UNKNOWN:
    case RULE_TYPE_TEXT:
    case RULE_TYPE_INSTANT:
    case RULE_TYPE_DATE:
    case RULE_TYPE_BOOLEAN:
    case RULE_TYPE_ANY:
        return false;
    }
    return false;
}
