/* journey_steps.c - the steps of a definition, made flat. See journey.h.
 *
 * A step is an object with the key of its kind and, for some kinds, further keys. `if` becomes
 *
 *     branch (to the else part)   then part   jump (to the end)   else part   end
 *
 * and `until` becomes looks at its rule with waits between them. A new kind: a line in `syntaxes`,
 * a parser that calls step_new(). */
#include "daemon/decide/journey_parser.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/zone.h"

#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IF_DEPTH     16 /* of `if` in `if` */
/* How often an `until` looks: this many times in its span, but not more often than each minute. */
#define UNTIL_LOOKS       48
#define UNTIL_LOOK_MIN_US (60 * CLOCK_SECOND_US)

/* The new step; the array may have moved, and moves with the next one. */
static struct journey_step *step_new(struct journey_parser *p, enum journey_step_kind kind,
                                     const char *at)
{
    struct journey_def *def = p->def;

    if (def->n_steps == JOURNEY_STEPS_MAX) {
        diag_field(p->d, at, "a journey has at most %d steps", JOURNEY_STEPS_MAX);
        def->n_steps--; /* refused anyway; the last one is written over */
    }
    mem_grow(def, &def->steps, &p->cap, def->n_steps + 1);
    def->steps[def->n_steps] = (struct journey_step){.kind = kind, .pointer = mem_strdup(def, at)};
    return &def->steps[def->n_steps++];
}

static const char *const engine_kinds[] = {"email_sent",    "email_opened",     "email_clicked",
                                           "email_bounced", "email_complained", "email_received",
                                           "unsubscribed",  "subscribed",       "segment_entered",
                                           "segment_left",  "label_changed",    "webhook_failed"};

/* --- acts -------------------------------------------------------------------- */

static int64_t topic_id(struct journey_parser *p, const char *at, json_t *value)
{
    const struct catalogue *c = p->catalogue;
    const char *name = journey_parser_slug(p, at, value, "the name of a topic");
    const char **names = mem_array(p->def, const char *, c->n_topics);

    if (name == NULL)
        return 0;
    for (size_t i = 0; i < c->n_topics; i++) {
        if (strcmp(c->topics[i].name, name) == 0)
            return c->topics[i].id;
        names[i] = c->topics[i].name;
    }
    journey_parser_unknown(p, at, name, names, c->n_topics, "topic");
    return 0;
}

static void parse_send(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "send");
    json_t *topic = json_object_get(step, "topic");
    struct journey_step *new = step_new(p, JOURNEY_STEP_send, pointer);

    new->name =
        journey_parser_slug(p, pointer, json_object_get(step, "send"), "the name of a template");
    if (topic != NULL)
        new->topic_id = topic_id(p, journey_parser_pointer(p, at, "topic"), topic);
}

static void parse_webhook(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "webhook");
    struct journey_step *new = step_new(p, JOURNEY_STEP_webhook, pointer);

    new->name =
        journey_parser_slug(p, pointer, json_object_get(step, "webhook"), "the name of a webhook");
}

static void parse_tag(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "tag");
    struct journey_step *new = step_new(p, JOURNEY_STEP_tag, pointer);

    new->name = journey_parser_text(p, pointer, json_object_get(step, "tag"), 100, "a tag");
}

static void parse_untag(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "untag");
    struct journey_step *new = step_new(p, JOURNEY_STEP_untag, pointer);

    new->name = journey_parser_text(p, pointer, json_object_get(step, "untag"), 100, "a tag");
}

/* A segment whose members are kept by hand. */
static void parse_membership(struct journey_parser *p, const char *at, json_t *step,
                             enum journey_step_kind kind, const char *key)
{
    char *pointer = journey_parser_pointer(p, at, key);
    struct journey_step *new = step_new(p, kind, pointer);
    const struct catalogue_segment *segment = NULL;
    const char *name =
        journey_parser_text(p, pointer, json_object_get(step, key), 100, "the name of a segment");

    if (name != NULL)
        segment = journey_parser_segment(p, pointer, name);
    if (segment == NULL)
        return;
    if (segment->rule != NULL)
        diag_field(p->d, pointer,
                   "the segment \"%s\" follows its rule; only a fixed one can be changed", name);
    new->name = name;
    new->segment_id = segment->id;
}

static void parse_add(struct journey_parser *p, const char *at, json_t *step)
{
    parse_membership(p, at, step, JOURNEY_STEP_add, "add to");
}

static void parse_remove(struct journey_parser *p, const char *at, json_t *step)
{
    parse_membership(p, at, step, JOURNEY_STEP_remove, "remove from");
}

static void record_kind(struct journey_parser *p, const char *at, json_t *value,
                        struct journey_step *step)
{
    step->name = journey_parser_text(p, at, value, 80, "the name of a kind of interaction");
    for (size_t k = 0; step->name != NULL && k < COUNT(engine_kinds); k++)
        if (strcmp(step->name, engine_kinds[k]) == 0)
            diag_field(p->d, at, "only Lazo itself records \"%s\"", step->name);
}

/* "record": KIND or {"kind": KIND, "data": {...}}. */
static void parse_record(struct journey_parser *p, const char *at, json_t *step)
{
    const char *const keys[] = {"kind", "data"};
    char *pointer = journey_parser_pointer(p, at, "record");
    struct journey_step *new = step_new(p, JOURNEY_STEP_record, pointer);
    json_t *value = json_object_get(step, "record"), *data = json_object_get(value, "data"),
           *member;
    const char *key;

    if (!json_is_object(value)) {
        record_kind(p, pointer, value, new);
        return;
    }
    json_object_foreach(value, key,
                        member) if (strcmp(key, "kind") != 0 && strcmp(key, "data") != 0)
        journey_parser_unknown(p, journey_parser_pointer(p, pointer, key), key, keys, COUNT(keys),
                               "key of a record");
    record_kind(p, journey_parser_pointer(p, pointer, "kind"), json_object_get(value, "kind"), new);
    if (data == NULL)
        return;
    if (json_is_object(data)) {
        char *text = mem_must(json_dumps(data, JSON_COMPACT));

        new->value = mem_strdup(p->def, text);
        free(text);
    } else {
        diag_field(p->d, journey_parser_pointer(p, pointer, "data"), "expected an object");
    }
}

/* --- set --------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t max;
} columns[] = {
#define X(name, max) {#name, max},
    JOURNEY_COLUMNS(X)
#undef X
};

static void set_column(struct journey_parser *p, const char *at, size_t column, json_t *value)
{
    struct journey_step *step = step_new(p, JOURNEY_STEP_set, at);

    step->name = columns[column].name;
    if (json_is_null(value))
        return;
    step->value = journey_parser_text(p, at, value, columns[column].max, "the field's new value");
    if (step->value != NULL && strcmp(step->name, "country") == 0 &&
        (step->value[0] < 'A' || step->value[0] > 'Z' || step->value[1] < 'A' ||
         step->value[1] > 'Z'))
        diag_field(p->d, at, "expected a country's two letters, such as \"ES\"");
    if (step->value != NULL && strcmp(step->name, "time_zone") == 0 && !zone_known(step->value))
        diag_field(p->d, at, "\"%s\" is no time zone such as \"Europe/Madrid\"", step->value);
}

/* The text form of a custom field's value; NULL and a mistake where it does not fit the field's
 * type. */
static const char *attr_value(struct journey_parser *p, const char *at,
                              const struct catalogue_field *field, json_t *value)
{
    int64_t instant;

    switch (field->type) {
    case FIELD_TEXT:
        return journey_parser_text(p, at, value, 2000, "the field's new value");
    case FIELD_NUMBER:
        if (json_is_number(value) && isfinite(json_number_value(value)))
            return mem_printf(p->def, "%.17g", json_number_value(value));
        diag_field(p->d, at, "expected a number for the field \"%s\"", field->name);
        return NULL;
    case FIELD_DATE:
        if (json_is_string(value) && json_string_length(value) == 10 &&
            clock_parse(json_string_value(value), &instant))
            return mem_strdup(p->def, json_string_value(value));
        diag_field(p->d, at, "expected a date such as \"2026-03-01\" for the field \"%s\"",
                   field->name);
        return NULL;
    case FIELD_BOOLEAN:
        if (json_is_boolean(value))
            return json_is_true(value) ? "true" : "false";
        diag_field(p->d, at, "expected true or false for the field \"%s\"", field->name);
        return NULL;
    }
    bug("field type %d", (int)field->type);
}

static void set_attr(struct journey_parser *p, const char *at, const char *key, json_t *value)
{
    const struct catalogue_field *field = journey_parser_field(p, at, key);
    struct journey_step *step = step_new(p, JOURNEY_STEP_set, at);

    if (field == NULL)
        return;
    step->name = mem_strdup(p->def, field->name);
    step->field_id = field->id;
    step->field_type = field->type;
    if (!json_is_null(value))
        step->value = attr_value(p, at, field, value);
}

static void parse_set(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "set");
    json_t *value = json_object_get(step, "set"), *member;
    const char *key;

    if (json_object_size(value) == 0) {
        diag_field(p->d, pointer, "expected an object such as {\"stage\": \"member\"}");
        return;
    }
    json_object_foreach(value, key, member)
    {
        char *to = journey_parser_pointer(p, pointer, key);
        size_t i = 0;

        while (i < COUNT(columns) && strcmp(columns[i].name, key) != 0)
            i++;
        if (i < COUNT(columns))
            set_column(p, to, i, member);
        else
            set_attr(p, to, key, member);
    }
}

/* --- time -------------------------------------------------------------------- */

static void parse_wait(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "wait");
    int64_t us = 0;

    if (journey_parser_duration(p, pointer, json_object_get(step, "wait"), &us))
        step_new(p, JOURNEY_STEP_wait, pointer)->wait_us = us;
}

static void parse_at(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "at");
    int minute = 0;

    if (journey_parser_minute(p, pointer, json_object_get(step, "at"), &minute))
        step_new(p, JOURNEY_STEP_at, pointer)->minute = minute;
}

static void parse_until(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "until");
    struct rule *rule = journey_parser_rule(p, pointer, json_object_get(step, "until"), false);
    size_t first = p->def->n_steps;
    int64_t left, look;

    if (!journey_parser_duration(p, journey_parser_pointer(p, at, "up to"),
                                 json_object_get(step, "up to"), &left))
        return;
    look = left / UNTIL_LOOKS > UNTIL_LOOK_MIN_US ? left / UNTIL_LOOKS : UNTIL_LOOK_MIN_US;
    while (left > 0) {
        int64_t us = left < look ? left : look;
        struct journey_step *new = step_new(p, JOURNEY_STEP_until, pointer);

        new->rule = rule;
        step_new(p, JOURNEY_STEP_wait, pointer)->wait_us = us;
        left -= us;
    }
    for (size_t i = first; i < p->def->n_steps; i++)
        p->def->steps[i].to = p->def->n_steps;
}

/* --- branches ---------------------------------------------------------------- */

static void parse_if(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "if");
    json_t *then_steps = json_object_get(step, "then"), *else_steps = json_object_get(step, "else");
    size_t branch, jump;
    struct rule *rule = journey_parser_rule(p, pointer, json_object_get(step, "if"), false);

    step_new(p, JOURNEY_STEP_branch, pointer)->rule = rule;
    branch = p->def->n_steps - 1;
    if (p->depth == IF_DEPTH) {
        diag_field(p->d, pointer, "more than %d \"if\" within each other", IF_DEPTH);
        return;
    }
    if (then_steps == NULL && else_steps == NULL)
        diag_field(p->d, pointer, "expected \"then\" or \"else\" beside it");
    p->depth++;
    if (then_steps != NULL)
        journey_steps_parse(p, journey_parser_pointer(p, at, "then"), then_steps);
    if (else_steps != NULL) {
        step_new(p, JOURNEY_STEP_jump, pointer);
        jump = p->def->n_steps - 1;
        p->def->steps[branch].to = p->def->n_steps;
        journey_steps_parse(p, journey_parser_pointer(p, at, "else"), else_steps);
        p->def->steps[jump].to = p->def->n_steps;
    } else {
        p->def->steps[branch].to = p->def->n_steps;
    }
    p->depth--;
}

static void parse_leave(struct journey_parser *p, const char *at, json_t *step)
{
    char *pointer = journey_parser_pointer(p, at, "leave");

    if (!json_is_true(json_object_get(step, "leave")))
        diag_field(p->d, pointer, "expected true");
    step_new(p, JOURNEY_STEP_leave, pointer);
}

/* --- any step ---------------------------------------------------------------- */

static const struct syntax {
    const char *key;
    const char *also[2]; /* further keys of this kind */
    void (*parse)(struct journey_parser *, const char *at, json_t *step);
} syntaxes[] = {
    {"send", {"topic"}, parse_send},
    {"webhook", {NULL}, parse_webhook},
    {"tag", {NULL}, parse_tag},
    {"untag", {NULL}, parse_untag},
    {"set", {NULL}, parse_set},
    {"add to", {NULL}, parse_add},
    {"remove from", {NULL}, parse_remove},
    {"record", {NULL}, parse_record},
    {"wait", {NULL}, parse_wait},
    {"at", {NULL}, parse_at},
    {"until", {"up to"}, parse_until},
    {"if", {"then", "else"}, parse_if},
    {"leave", {NULL}, parse_leave},
};

static const struct syntax *syntax_of(const char *key)
{
    for (size_t i = 0; i < COUNT(syntaxes); i++)
        if (strcmp(key, syntaxes[i].key) == 0)
            return &syntaxes[i];
    return NULL;
}

static bool syntax_has(const struct syntax *s, const char *key)
{
    return strcmp(key, s->key) == 0 || (s->also[0] != NULL && strcmp(key, s->also[0]) == 0) ||
           (s->also[1] != NULL && strcmp(key, s->also[1]) == 0);
}

/* All keys of all steps, to suggest one. */
static void refuse_key(struct journey_parser *p, const char *at, const char *key)
{
    const char *words[COUNT(syntaxes) * 3];
    size_t n = 0;

    for (size_t i = 0; i < COUNT(syntaxes); i++) {
        words[n++] = syntaxes[i].key;
        words[n++] = syntaxes[i].also[0];
        words[n++] = syntaxes[i].also[1];
    }
    journey_parser_unknown(p, journey_parser_pointer(p, at, key), key, words, n, "step");
}

static void parse_step(struct journey_parser *p, const char *at, json_t *step)
{
    const struct syntax *syntax = NULL;
    size_t kinds = 0;
    const char *key;
    json_t *value;

    if (json_is_string(step) && strcmp(json_string_value(step), "leave") == 0) {
        step_new(p, JOURNEY_STEP_leave, at);
        return;
    }
    if (json_object_size(step) == 0) {
        diag_field(p->d, at, "expected a step such as {\"send\": \"welcome\"}");
        return;
    }
    json_object_foreach(step, key, value)
    {
        if (syntax_of(key) == NULL)
            continue;
        if (syntax != NULL)
            diag_field(p->d, at, "a step does one thing, not \"%s\" and \"%s\"", syntax->key, key);
        syntax = syntax_of(key);
        kinds++;
    }
    json_object_foreach(step, key, value)
    {
        if (syntax_of(key) == NULL && (syntax == NULL || !syntax_has(syntax, key)))
            refuse_key(p, at, key);
    }
    if (syntax != NULL && kinds == 1)
        syntax->parse(p, at, step);
}

void journey_steps_parse(struct journey_parser *p, const char *at, json_t *value)
{
    if (!json_is_array(value)) {
        diag_field(p->d, at, "expected a list of steps");
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        char *pointer = mem_printf(p->def, "%s/%zu", at, i);

        parse_step(p, pointer, json_array_get(value, i));
    }
}
