/* journey_parser.c - the small readers of a definition: texts, names, durations, times of day,
 * rules. See journey_parser.h. */
#include "daemon/decide/journey_parser.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "common/utf8.h"

#include <ctype.h>
#include <string.h>

#define PARSER_WAIT_MAX_US (INT64_C(3660) * CLOCK_DAY_US)
#define PARSER_RULE_MAX    20000

char *journey_parser_pointer(const struct journey_parser *p, const char *at, const char *key)
{
    char *pointer = mem_printf(p->def, "%s/", at);

    for (const char *c = key; *c != '\0'; c++) {
        if (*c == '~')
            pointer = talloc_strdup_append_buffer(pointer, "~0");
        else if (*c == '/')
            pointer = talloc_strdup_append_buffer(pointer, "~1");
        else
            pointer = talloc_strndup_append_buffer(pointer, c, 1);
        mem_must(pointer);
    }
    return pointer;
}

void journey_parser_unknown(struct journey_parser *p, const char *at, const char *word,
                            const char *const *words, size_t n, const char *what)
{
    const char *near = suggest_nearest(word, words, n);

    if (near != NULL)
        diag_field(p->d, at, "\"%.80s\" is no %s; did you mean \"%s\"?", word, what, near);
    else
        diag_field(p->d, at, "\"%.80s\" is no %s", word, what);
}

/* The number of characters of `s`, or 0 where it is no text that fits one line. */
static size_t text_characters(const char *s, size_t n)
{
    size_t count = 0;

    while (n > 0) {
        size_t len = utf8_length(s, n);

        if (len == 0 || (unsigned char)*s < 0x20 || *s == 0x7f)
            return 0;
        s += len;
        n -= len;
        count++;
    }
    return count;
}

const char *journey_parser_text(struct journey_parser *p, const char *at, json_t *value, size_t max,
                                const char *what)
{
    size_t n;

    if (!json_is_string(value)) {
        diag_field(p->d, at, "expected a text: %s", what);
        return NULL;
    }
    n = text_characters(json_string_value(value), json_string_length(value));
    if (n == 0 || n > max) {
        diag_field(p->d, at, "expected 1 to %zu characters on one line: %s", max, what);
        return NULL;
    }
    return mem_strdup(p->def, json_string_value(value));
}

const char *journey_parser_slug(struct journey_parser *p, const char *at, json_t *value,
                                const char *what)
{
    const char *s = journey_parser_text(p, at, value, 63, what);

    if (s == NULL)
        return NULL;
    for (const char *c = s; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');

        if (!letter && (c == s || (*c != '-' && *c != '_'))) {
            diag_field(p->d, at,
                       "\"%s\" cannot be %s: only small letters, digits, - and _ after the first",
                       s, what);
            return NULL;
        }
    }
    return s;
}

bool journey_parser_duration(struct journey_parser *p, const char *at, json_t *value,
                             int64_t *ret_us)
{
    int64_t us;

    if (!json_is_string(value) || !clock_parse_duration(json_string_value(value), &us)) {
        diag_field(
            p->d, at,
            "expected a duration such as \"10 minutes\", \"9 h\", \"3 days\" or \"2 weeks\"");
        return false;
    }
    if (us <= 0 || us > PARSER_WAIT_MAX_US) {
        diag_field(p->d, at, "a duration is more than nothing and at most ten years");
        return false;
    }
    *ret_us = us;
    return true;
}

bool journey_parser_minute(struct journey_parser *p, const char *at, json_t *value, int *ret_minute)
{
    const char *s = json_is_string(value) ? json_string_value(value) : "";
    int minute;

    if (strlen(s) != 5 || !isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1]) ||
        s[2] != ':' || !isdigit((unsigned char)s[3]) || !isdigit((unsigned char)s[4]))
        minute = -1;
    else
        minute = ((s[0] - '0') * 10 + s[1] - '0') * 60 + (s[3] - '0') * 10 + s[4] - '0';
    if (minute < 0 || minute > 1439 || s[3] > '5') {
        diag_field(p->d, at, "expected a time of day such as \"09:00\"");
        return false;
    }
    *ret_minute = minute;
    return true;
}

/* Mistakes within a rule have their line and column there, and the pointer to where the rule
 * stands. */
static void take_rule_mistakes(struct journey_parser *p, const char *at, const struct diag *of_rule)
{
    for (size_t i = 0; i < of_rule->n; i++) {
        size_t before = p->d->n;

        diag_field(p->d, at, "%s", of_rule->items[i].message);
        if (p->d->n > before) {
            p->d->items[before].line = of_rule->items[i].line;
            p->d->items[before].column = of_rule->items[i].column;
        }
    }
}

struct rule *journey_parser_rule(struct journey_parser *p, const char *at, json_t *value,
                                 bool where)
{
    struct rule *rule;
    struct diag d;

    if (!json_is_string(value) || json_string_length(value) > PARSER_RULE_MAX) {
        diag_field(p->d, at, "expected a rule as text of at most %d bytes", PARSER_RULE_MAX);
        return NULL;
    }
    diag_init(&d, p->def);
    rule = (where ? rule_parse_where : rule_parse)(p->def, json_string_value(value),
                                                   json_string_length(value), &d);
    if (rule != NULL && !rule_check(rule, p->catalogue, &d, NULL))
        rule = NULL;
    if (rule == NULL && !diag_any(&d))
        diag_field(&d, at, "this is no rule");
    take_rule_mistakes(p, at, &d);
    return rule;
}

const struct catalogue_field *journey_parser_field(struct journey_parser *p, const char *at,
                                                   const char *name)
{
    const struct catalogue *c = p->catalogue;
    const char *bare = strncmp(name, "attr.", 5) == 0 ? name + 5 : name;
    const char **names = mem_array(p->def, const char *, c->n_fields);

    for (size_t i = 0; i < c->n_fields; i++) {
        if (strcmp(c->fields[i].name, bare) == 0)
            return &c->fields[i];
        names[i] = c->fields[i].name;
    }
    journey_parser_unknown(p, at, bare, names, c->n_fields, "custom field");
    return NULL;
}

const struct catalogue_segment *journey_parser_segment(struct journey_parser *p, const char *at,
                                                       const char *name)
{
    const struct catalogue *c = p->catalogue;
    const char **names = mem_array(p->def, const char *, c->n_segments);

    for (size_t i = 0; i < c->n_segments; i++) {
        if (strcmp(c->segments[i].name, name) == 0)
            return &c->segments[i];
        names[i] = c->segments[i].name;
    }
    journey_parser_unknown(p, at, name, names, c->n_segments, "segment");
    return NULL;
}
