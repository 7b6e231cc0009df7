/* parser_hints.c - what somebody may have meant who wrote something else than was expected; see
 * parser.h. Each looks at the tokens about the mistake. To add one: a function, and its line in
 * rule_parser_hint(). */
#include "common/mem.h"
#include "daemon/rules/parser.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The token before the next one; that one itself where it is the first. */
static const struct rule_token *before(const struct parser *p)
{
    return p->t > p->first ? p->t - 1 : p->t;
}

/* Of the words that were expected the one that a mistyped one is near, and is not; those of one or
 * two letters only join the others. */
static const char *of_expected(const struct parser *p, const char *what)
{
    struct rule_close close = rule_close_start(p->rule, p->t->text);

    if (p->t->type != RULE_TOKEN_WORD)
        return "";
    while (*what != '\0') {
        size_t n = 0;

        while (isalpha((unsigned char)what[n]))
            n++;
        if (n > 2 && (strlen(p->t->text) != n || strncasecmp(p->t->text, what, n) != 0))
            rule_close_offer(&close, mem_strndup(p->rule, what, n));
        what += n > 0 ? n : 1;
    }
    return rule_close_hint(&close);
}

/* 50,5 and 1.000,50 */
static const char *comma(const struct parser *p)
{
    const struct rule_token *left = before(p), *right = rule_parser_second(p);

    if (!rule_parser_at_sign(p, ",") || left->type != RULE_TOKEN_NUMBER ||
        right->type != RULE_TOKEN_NUMBER || left->line != right->line ||
        left->column + (int)strlen(left->text) != p->t->column || right->column != p->t->column + 1)
        return "";
    if (strchr(left->text, '.') != NULL || strlen(right->text) == 3)
        return "; numbers are written as 1250.50, with a point before the decimals alone";
    return mem_printf(p->rule, "; a number has a point before its decimals: %.30s.%.10s",
                      left->text, right->text);
}

/* "in 2025", "in the last", "last year", "last 3 months", "previus year" … where a window may be.
 */
static const char *window(const struct parser *p, const char *what)
{
    static const char *const words[] = {"before",    "after", "since",    "today",
                                        "yesterday", "this",  "previous", "between"};
    struct rule_close close = rule_close_start(p->rule, p->t->text);
    const struct rule_token *next = rule_parser_second(p);
    enum rule_period period;

    if (p->t->type != RULE_TOKEN_WORD || strstr(what, "window") == NULL)
        return "";
    if (rule_parser_at(p, "last"))
        return next->type == RULE_TOKEN_WORD && rule_period_find(next->text, &period)
                   ? mem_printf(p->rule, "; did you mean \"previous %s\"?",
                                rule_period_word(period))
                   : "; did you mean \"in last\"?";
    if (rule_parser_at(p, "next"))
        return "; did you mean \"in next\"?";
    if (rule_parser_at(p, "in") && next->type == RULE_TOKEN_NUMBER && strlen(next->text) == 4)
        return mem_printf(p->rule, "; a year is written between %s-01-01 and %s-12-31", next->text,
                          next->text);
    if (rule_parser_at(p, "in") && next->type == RULE_TOKEN_WORD) {
        if (rule_parser_token_is(next, "the"))
            return "; did you mean \"in last\"?";
        close = rule_close_start(p->rule, next->text);
        rule_close_offer(&close, "last");
        rule_close_offer(&close, "next");
        rule_close_offer(&close, "previous");
        return rule_close_hint(&close);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!rule_parser_at(p, words[i]))
            rule_close_offer(&close, words[i]);
    return rule_close_hint(&close);
}

/* "in last year", "after 2026-01-01", where a duration was to be; "> 365 days", "between 2 and 1
 * months ago", where none is. */
static const char *duration(const struct parser *p, const char *what)
{
    enum rule_period period;
    enum rule_unit unit;

    if (p->t->type == RULE_TOKEN_DATE && strcmp(what, "a duration and \"ago\"") == 0)
        return mem_printf(p->rule, "; from a day on is written since %.30s", p->t->text);
    if (p->t->type == RULE_TOKEN_WORD && rule_unit_find(p->t->text, &unit) && p->t - p->first > 1 &&
        before(p)->type == RULE_TOKEN_NUMBER && (before(p) - 1)->type == RULE_TOKEN_SIGN)
        return mem_printf(p->rule,
                          "; how long ago is written in last %.20s %s, or before %.20s %s ago",
                          before(p)->text, p->t->text, before(p)->text, p->t->text);
    if (p->t->type != RULE_TOKEN_WORD || !rule_parser_token_is(before(p), "last") ||
        !rule_period_find(p->t->text, &period))
        return "";
    return mem_printf(p->rule, "; did you mean \"in last 1 %s\" or \"previous %s\"?",
                      rule_period_word(period), rule_period_word(period));
}

/* Words that stand for others here. */
static const char *other_word(const struct parser *p, const char *what)
{
    static const struct {
        const char *before, *word, *hint;
    } words[] = {
        {"related", "to", "; did you mean \"related as\"?"},
        {NULL, "until", "; did you mean \"before\"?"},
        {NULL, "from", "; did you mean \"since\" or \"between\"?"},
        {"is", "null", "; did you mean \"is unknown\"?"},
        {"is", "empty", "; did you mean \"is unknown\"?"},
        {"is", "missing", "; did you mean \"is unknown\"?"},
        {"is", "not", "; did you mean \"is known\"?"},
        {NULL, "starts", "; did you mean \"starts with\"?"},
        {NULL, "begins", "; did you mean \"starts with\"?"},
        {NULL, "ends", "; did you mean \"ends with\"?"},
        {NULL, "like", "; did you mean \"contains\"?"},
        {NULL, "eur", "; an amount is a number alone, without its currency"},
        {NULL, "euro", "; an amount is a number alone, without its currency"},
        {NULL, "euros", "; an amount is a number alone, without its currency"},
    };

    if (rule_parser_at(p, "where") && strcmp(what, "\")\"") == 0)
        return "; \"where\" stands before the window";
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (rule_parser_at(p, words[i].word) &&
            (words[i].before == NULL || rule_parser_token_is(before(p), words[i].before)))
            return words[i].hint;
    return "";
}

/* tag = "x", country is "ES", country not "ES", city = "x" or "y": where a comparison is, or is
 * not. */
static const char *comparison(const struct parser *p, const char *what)
{
    const struct rule_token *last = before(p);
    bool literal = p->t->type == RULE_TOKEN_STRING || p->t->type == RULE_TOKEN_NUMBER;

    if (strcmp(what, "a string") == 0 && p->t->type != RULE_TOKEN_STRING &&
        last->type == RULE_TOKEN_WORD && p->t->type != RULE_TOKEN_END)
        return mem_printf(p->rule, "; the name follows at once: %.30s \"...\"", last->text);
    if (literal && rule_parser_token_is(last, "is"))
        return "; did you mean \"=\"?";
    if (rule_parser_at(p, "not") && (rule_parser_second(p)->type == RULE_TOKEN_STRING ||
                                     rule_parser_second(p)->type == RULE_TOKEN_NUMBER))
        return "; did you mean \"!=\"?";
    if (last->type == RULE_TOKEN_STRING && last > p->first &&
        (rule_parser_token_is(last - 1, "or") || rule_parser_token_is(last - 1, "and")))
        return "; each side of and, or is a whole condition; one of several values is written "
               "in (\"...\", \"...\")";
    if (last->type == RULE_TOKEN_WORD && last > p->first && rule_parser_token_is(last - 1, "not"))
        return mem_printf(p->rule, "; who has no value is found with %.60s is unknown", last->text);
    return "";
}

const char *rule_parser_hint(const struct parser *p, const char *what)
{
    const char *hint = of_expected(p, what);

    if (*hint == '\0')
        hint = comma(p);
    if (*hint == '\0')
        hint = duration(p, what);
    if (*hint == '\0')
        hint = comparison(p, what);
    if (*hint == '\0')
        hint = other_word(p, what);
    return *hint == '\0' ? window(p, what) : hint;
}

const char *rule_parser_keyword_hint(const struct parser *p, const char *word)
{
    static const char *const words[] = {"not", "related", "anniversary", "birthday", "subscribed"};
    struct rule_close close = rule_close_start(p->rule, word);

    if (strcasecmp(word, "related") == 0)
        return "; did you mean \"related as\"?";
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        rule_close_offer(&close, words[i]);
    return rule_close_hint(&close);
}

const char *rule_parser_function_hint(const struct parser *p, const char *close)
{
    if (rule_parser_at(p, "segment"))
        return "; did you mean \"in segment\"?";
    if (rule_parser_at(p, "group"))
        return "; did you mean \"in group\"?";
    if (rule_parser_at(p, "consent") || rule_parser_at(p, "topic"))
        return "; did you mean \"subscribed\"?";
    for (int i = RULE_TEXT_CONTAINS; i <= RULE_TEXT_MATCHES; i++)
        if (rule_parser_at(p, rule_text_test_word((enum rule_text_test)i)))
            return mem_printf(p->rule, "; the text stands on its left: city %s \"...\"",
                              rule_text_test_word((enum rule_text_test)i));
    return close;
}
