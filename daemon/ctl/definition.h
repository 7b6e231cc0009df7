/* definition.h - a folder of definitions read into what is put to the API, one struct definition
 * each, in the order of their dependencies.
 *
 *     organisation.yaml                      name, time_zone, language, mail_from, …
 *     topics.yaml  fields.yaml  rfm.yaml     NAME: {…}; a topic may be its title alone
 *     relations.yaml                         NAME: INVERSE, or NAME: {shares: OTHER}
 *     stages.yaml                            NAME: TITLE, in their order
 *     segments/NAME.rule                     the first line, a comment, is the title
 *     templates/NAME/LANG/subject.liquid, body.html.liquid, body.txt.liquid
 *     forms.yaml                             NAME: {topics, template, wording, …}
 *     webhooks.yaml                          NAME: {url, events, …}; ${VARIABLE} and
 * ${VARIABLE:-otherwise} in a url come from the environment journeys/NAME.yaml enabled: false keeps
 * a journey off campaigns/NAME.yaml
 */
#ifndef LAZO_DAEMON_CTL_DEFINITION_H
#define LAZO_DAEMON_CTL_DEFINITION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DEFINITION_SOURCES 3

enum definition_sort {
    DEFINITION_organisation,
    DEFINITION_topic,
    DEFINITION_field,
    DEFINITION_relation,
    DEFINITION_stages,
    DEFINITION_rfm,
    DEFINITION_segment,
    DEFINITION_template,
    DEFINITION_form,
    DEFINITION_webhook,
    DEFINITION_journey,
    DEFINITION_campaign
};

/* Where a part of a definition was written. */
struct definition_source {
    const char *file; /* as it is shown */
    const char *text;
    size_t n;
    const char
        *pointer; /* the part of the body that stands there: "/rule", "/html"; "" is all of it */
    const char
        *inside; /* YAML: pointer to the definition inside the file; NULL: the text is no YAML */
};

struct definition {
    enum definition_sort sort;
    const char *name; /* "thank-you/es" of a template */
    const char *path; /* of the API */
    json_t *body;     /* owned */
    bool off;         /* a journey with enabled: false */
    struct definition_source sources[DEFINITION_SOURCES];
    size_t n_sources;
};

struct definitions {
    struct definition **items;
    size_t n, cap;
    size_t mistakes; /* already said on stderr */
};

/* definitions_read() - all of `dir`, whose files are shown as under `shown`. Child of ctx. */
struct definitions *definitions_read(const void *ctx, const char *dir, const char *shown);
/* definition_noun() - "segment", "template", … */
const char *definition_noun(enum definition_sort);
/* definition_mistake() - says one mistake of an answer with its file, line and column: `pointer`
 * into the body, `line` and `column` inside that text (0: none). */
void definition_mistake(const struct definition *, FILE *, const char *pointer, int line,
                        int column, const char *message);

#endif
