/* record_parse.h - what the parts of the parser of contacts and interactions share; the outside is
 * record.h. Pure. Mistakes go to parse.d with JSON pointers; what is made lives as long as
 * parse.ctx. */
#ifndef LAZO_DAEMON_RECORD_RECORD_PARSE_H
#define LAZO_DAEMON_RECORD_RECORD_PARSE_H

#include "daemon/record/record.h"

struct parse {
    const void *ctx;
    const struct catalogue *catalogue;
    int64_t now_us;
    struct diag *d;
};

/* parse_pointer() - the JSON pointer to `key` of what `pointer` points to. */
const char *parse_pointer(const struct parse *, const char *pointer, const char *key);
/* parse_characters() - how many a text of UTF-8 has. parse_has_control() - whether one is among C0,
 * DEL, C1 or the separators of lines and paragraphs, which the database counts among them. */
size_t parse_characters(const char *);
bool parse_has_control(const char *);
/* parse_string() - 1 to `max` characters without control characters; NULL where it is not said, or
 * is wrong (then `d` says so). Blanks at its edges go. */
const char *parse_string(const struct parse *, const json_t *object, const char *key,
                         const char *pointer, size_t max);
/* parse_refuse_unknown() - a mistake for each key that is not among `keys` (ends with NULL). */
void parse_refuse_unknown(const struct parse *, json_t *object, const char *pointer,
                          const char *const *keys);
/* parse_email() - normalised; NULL where it is not said, or is wrong. */
const char *parse_email(const struct parse *, const json_t *object, const char *key,
                        const char *pointer);

/* --- record_parse_lists.c: NULL where the list is not said, or is none
 * ------------------------------------------- */

/* parse_names() - tags or groups. */
json_t *parse_names(const struct parse *, json_t *object, const char *pointer, const char *name);
json_t *parse_consents(const struct parse *, json_t *object, const char *pointer);
/* Arrays as record_contact has them. */
json_t *parse_emails(const struct parse *, json_t *object, const char *pointer);
json_t *parse_phones(const struct parse *, json_t *object, const char *pointer);

#endif
