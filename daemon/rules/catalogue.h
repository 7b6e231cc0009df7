/* catalogue.h - what names mean in one organisation: kinds, fields, topics, segments, models; and
 * its zone and currency.
 *
 * Plain data, made by whoever has the database (daemon/org/), read by the rule checker and
 * compiler. Pure. */
#ifndef LAZO_DAEMON_RULES_CATALOGUE_H
#define LAZO_DAEMON_RULES_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_DATE, FIELD_BOOLEAN };

struct catalogue_name {
    const char *name;
    int64_t id;
};

struct catalogue_field {
    const char *name;
    int64_t id;
    enum field_type type;
};

struct catalogue_segment {
    const char *name;
    int64_t id;
    const char *rule; /* NULL: fixed */
};

/* One direction of a relation between contacts; or one that is read from another: who has that with
 * the same contact. */
struct catalogue_relation {
    const char *name;
    int64_t id;
    int64_t inverse_id; /* 0 where it is read from another one */
    int64_t shares_id;  /* which; else 0 */
};

struct catalogue {
    int64_t org_id;
    const char *time_zone; /* IANA */
    const char *currency;  /* ISO 4217 */
    int currency_digits;   /* of its minor unit: 2 for EUR */
    const char *language;
    const char *leap_birthday; /* "02-28" or "03-01" */
    struct catalogue_name *kinds;
    size_t n_kinds;
    struct catalogue_field *fields;
    size_t n_fields;
    struct catalogue_name *topics;
    size_t n_topics;
    struct catalogue_segment *segments;
    size_t n_segments;
    struct catalogue_relation *relations;
    size_t n_relations;
    struct catalogue_name *models; /* the first one is what `rfm.` without a model means */
    size_t n_models;
    bool no_first_model;  /* it is about to go: `rfm.` must name its model */
    int64_t *score_kinds; /* ids of the kinds that some model scores */
    size_t n_score_kinds;
    const char **stages; /* the organisation's, in their order; none: a stage is any text */
    size_t n_stages;
};

#endif
