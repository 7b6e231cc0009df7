/* journey.h - a journey's definition: JSON -> checked, flat program. Pure: no loop, no database, no
 * clock.
 *
 *     {"start": {"interaction": "donation", "where": "amount > 0"},
 *      "again": "always", "fresh": "2 days", "leave when": "tag \"no-mail\"",
 *      "steps": [{"wait": "10 minutes"},
 *                {"if": "count(donation) = 1",
 *                 "then": [{"send": "first"}], "else": [{"send": "thanks"}]}]}
 *
 * becomes a list of steps in which only `branch` and `jump` say where to go on; both go forward,
 * never back, so that one sweep over the list advances everybody. The language is described in
 * lazo-journeys(7). To add a step: a line in JOURNEY_STEPS, a parser in journey_steps.c, a function
 * in advance.c. */
#ifndef LAZO_DAEMON_DECIDE_JOURNEY_H
#define LAZO_DAEMON_DECIDE_JOURNEY_H

#include "common/diag.h"
#include "daemon/rules/catalogue.h"
#include "daemon/rules/rule.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kinds of steps: name; its key in a definition ("" where only the compiler makes it). */
#define JOURNEY_STEPS(X)                                                                           \
    X(send, "send")          /* a mail made of the template `name` */                              \
    X(webhook, "webhook")    /* a call of the webhook `name` */                                    \
    X(tag, "tag")            /* the contact gets the tag `name` */                                 \
    X(untag, "untag")        /* the contact loses the tag `name` */                                \
    X(set, "set")            /* the field `name` becomes `value` */                                \
    X(add, "add to")         /* into the fixed segment `name` */                                   \
    X(remove, "remove from") /* out of the fixed segment `name` */                                 \
    X(record, "record")      /* an interaction of the kind `name` */                               \
    X(wait, "wait")          /* for `wait_us` */                                                   \
    X(at, "at")              /* until the next `minute` of the day, where the contact lives */     \
    X(until,                                                                                       \
      "until")      /* to `to` where `rule` holds, to the next step where not; one such a look */  \
    X(branch, "if") /* to the next step where `rule` holds, to `to` where not */                   \
    X(jump, "")     /* to `to` */                                                                  \
    X(leave, "leave") /* ends the journey here */

enum journey_step_kind {
#define X(name, key) JOURNEY_STEP_##name,
    JOURNEY_STEPS(X)
#undef X
        JOURNEY_STEP_COUNT
};
const char *journey_step_name(enum journey_step_kind);

/* Where a contact may stand; the names are those of journey_position.state. */
#define JOURNEY_STATES(X)                                                                          \
    X(waiting)  /* at `step`, until `wake_at` */                                                   \
    X(finished) /* went through all of it */                                                       \
    X(left)     /* by "leave when" or a leave step */

enum journey_state {
#define X(name) JOURNEY_STATE_##name,
    JOURNEY_STATES(X)
#undef X
        JOURNEY_STATE_COUNT
};
const char *journey_state_name(enum journey_state);

#define JOURNEY_STEPS_MAX 1000 /* of the flat list */
#define JOURNEY_FRESH_US  (INT64_C(2) * 86400 * 1000000)

struct journey_step {
    enum journey_step_kind kind;
    const char *name;    /* see JOURNEY_STEPS; NULL where the kind has none */
    const char *pointer; /* where it stands in the definition (JSON pointer) */
    int64_t
        topic_id; /* send: consent to this topic is asked; 0: a service mail, which needs none */
    int64_t segment_id; /* add, remove */
    int64_t
        field_id; /* set: of a custom field; 0: `name` is a column of contact (JOURNEY_COLUMNS) */
    enum field_type field_type;
    const char *value; /* set: in text form, NULL to clear it. record: the data, a JSON object as
                          text, or NULL */
    int64_t wait_us;   /* wait */
    int minute;        /* at: 0..1439 */
    struct rule *rule; /* branch */
    size_t to;         /* branch, jump: index of a later step, or n_steps */
};

enum journey_start_kind {
    JOURNEY_START_INTERACTION,   /* of the kind `name` */
    JOURNEY_START_SEGMENT_ENTER, /* of the segment `name` */
    JOURNEY_START_SEGMENT_LEAVE,
    JOURNEY_START_LABEL, /* of the RFM model `name`, from the label `from` to the label `to` */
    JOURNEY_START_BIRTHDAY,
    JOURNEY_START_ANNIVERSARY, /* of the date in the custom field `name` */
};

struct journey_start {
    enum journey_start_kind kind;
    const char *name;
    const char *from, *to; /* label: NULL where any will do */
    struct rule *where;    /* over the interaction; NULL: all of them */
    int64_t field_id;
    int minute; /* birthday, anniversary: minute of the day in the contact's zone */
};

enum journey_again { JOURNEY_AGAIN_ALWAYS, JOURNEY_AGAIN_ONCE, JOURNEY_AGAIN_PER_DAYS };

struct journey_def {
    struct journey_start start;
    enum journey_again again;
    int again_days;          /* for JOURNEY_AGAIN_PER_DAYS */
    int64_t fresh_us;        /* an interaction older than this when it is recorded starts nothing */
    struct rule *leave_when; /* or NULL */
    struct journey_step *steps;
    size_t n_steps;
};

/* The columns of contact that `set` may change, and the most characters they hold. */
#define JOURNEY_COLUMNS(X)                                                                         \
    X(first_name, 200)                                                                             \
    X(last_name, 200)                                                                              \
    X(company_name, 200)                                                                           \
    X(phone, 50)                                                                                   \
    X(language, 35) X(country, 2) X(city, 200) X(postal_code, 20) X(time_zone, 64) X(stage, 80)

/* journey_parse() - the program of `definition`, child of `ctx`; NULL and mistakes in `d` with JSON
 * pointers (and line and column within a rule) where it is none. The names of templates and
 * webhooks are not looked up: journey_uses() gives them. */
struct journey_def *journey_parse(const void *ctx, const json_t *definition,
                                  const struct catalogue *, struct diag *d);

/* journey_uses() - the names that its steps of this kind (send, webhook) use, each once, with the
 * pointer of the first. */
struct journey_use {
    const char *name, *pointer;
};
struct journey_use *journey_uses(const void *ctx, const struct journey_def *,
                                 enum journey_step_kind, size_t *ret_n);

#endif
