/* journey_parser.h - what journey.c and journey_steps.c share while they read a definition. Private
 * to daemon/decide. Pure. */
#ifndef LAZO_DAEMON_DECIDE_JOURNEY_PARSER_H
#define LAZO_DAEMON_DECIDE_JOURNEY_PARSER_H

#include "daemon/decide/journey.h"

struct journey_parser {
    struct journey_def *def; /* owner of all that is made */
    const struct catalogue *catalogue;
    struct diag *d;
    size_t cap; /* of def->steps */
    int depth;  /* of nested if */
};

/* journey_parser_pointer() - JSON pointer of the member `key` under `at`. */
char *journey_parser_pointer(const struct journey_parser *, const char *at, const char *key);
/* journey_parser_text() - the text of `value` if it is one of 1 to `max` characters without control
 * characters; else NULL and a mistake that names `what`. */
const char *journey_parser_text(struct journey_parser *, const char *at, json_t *value, size_t max,
                                const char *what);
/* journey_parser_slug() - the same for a name of a template or webhook. */
const char *journey_parser_slug(struct journey_parser *, const char *at, json_t *value,
                                const char *what);
/* journey_parser_duration() - microseconds, more than 0 and at most ten years. */
bool journey_parser_duration(struct journey_parser *, const char *at, json_t *value,
                             int64_t *ret_us);
/* journey_parser_minute() - minute of the day of "HH:MM". */
bool journey_parser_minute(struct journey_parser *, const char *at, json_t *value, int *ret_minute);
/* journey_parser_rule() - a rule, parsed and checked; `where`: over an interaction's own fields. */
struct rule *journey_parser_rule(struct journey_parser *, const char *at, json_t *value,
                                 bool where);
/* journey_parser_field() - the custom field "attr.NAME" or "NAME". */
const struct catalogue_field *journey_parser_field(struct journey_parser *, const char *at,
                                                   const char *name);
/* journey_parser_segment() - the segment of that name. */
const struct catalogue_segment *journey_parser_segment(struct journey_parser *, const char *at,
                                                       const char *name);
/* journey_parser_unknown() - the mistake of a word that is none of `words`, with the nearest of
 * them. */
void journey_parser_unknown(struct journey_parser *, const char *at, const char *word,
                            const char *const *words, size_t n, const char *what);

/* journey_steps_parse() - appends the steps of the list `value` to the program. */
void journey_steps_parse(struct journey_parser *, const char *at, json_t *value);

#endif
