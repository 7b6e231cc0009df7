/* journey.c - reads a definition: how the journey starts, how often, when it is left. Its steps are
 * journey_steps.c's. See journey.h.
 *
 * All mistakes of a definition are found in one go. What is not known is refused, never passed
 * over. */
#include "daemon/decide/journey_parser.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define JOURNEY_AT_MINUTE (9 * 60) /* of birthdays and anniversaries, where nothing is said */
#define COUNT(array)      (sizeof(array) / sizeof((array)[0]))

const char *journey_step_name(enum journey_step_kind kind)
{
    static const char *const names[] = {
#define X(name, key) #name,
        JOURNEY_STEPS(X)
#undef X
    };

    return names[kind];
}

const char *journey_state_name(enum journey_state state)
{
    static const char *const names[] = {
#define X(name) #name,
        JOURNEY_STATES(X)
#undef X
    };

    return names[state];
}

/* --- start ------------------------------------------------------------------- */

static void start_interaction(struct journey_parser *p, const char *at, json_t *value)
{
    p->def->start.kind = JOURNEY_START_INTERACTION;
    p->def->start.name = journey_parser_text(p, at, value, 80, "the name of a kind of interaction");
}

static void start_segment(struct journey_parser *p, const char *at, json_t *value)
{
    const char *const keys[] = {"enter", "leave"};
    struct journey_start *start = &p->def->start;
    const char *key;
    json_t *name;

    start->kind = JOURNEY_START_SEGMENT_ENTER;
    if (!json_is_object(value) || json_object_size(value) != 1) {
        diag_field(p->d, at, "expected {\"enter\": NAME} or {\"leave\": NAME} of a segment");
        return;
    }
    json_object_foreach(value, key, name)
    {
        char *pointer = journey_parser_pointer(p, at, key);

        if (strcmp(key, "leave") == 0)
            start->kind = JOURNEY_START_SEGMENT_LEAVE;
        else if (strcmp(key, "enter") != 0) {
            journey_parser_unknown(p, pointer, key, keys, COUNT(keys),
                                   "way to start with a segment");
            return;
        }
        start->name = journey_parser_text(p, pointer, name, 100, "the name of a segment");
        if (start->name != NULL)
            journey_parser_segment(p, pointer, start->name);
    }
}

/* The model must be there; a label is compared as it stands. */
static void start_rfm_model(struct journey_parser *p, const char *at, json_t *value)
{
    const struct catalogue *c = p->catalogue;
    const char *name = journey_parser_text(p, at, value, 63, "the name of an RFM model");
    const char **names = mem_array(p->def, const char *, c->n_models);

    p->def->start.name = name;
    for (size_t i = 0; name != NULL && i < c->n_models; i++) {
        if (strcmp(c->models[i].name, name) == 0)
            return;
        names[i] = c->models[i].name;
    }
    if (name != NULL)
        journey_parser_unknown(p, at, name, names, c->n_models, "RFM model");
}

static void start_rfm(struct journey_parser *p, const char *at, json_t *value)
{
    const char *const keys[] = {"model", "from", "to"};
    struct journey_start *start = &p->def->start;
    const char *key;
    json_t *member;

    start->kind = JOURNEY_START_LABEL;
    if (json_object_get(value, "model") == NULL) {
        diag_field(p->d, at, "expected {\"model\": NAME}, and \"from\" and \"to\" with labels");
        return;
    }
    json_object_foreach(value, key, member)
    {
        char *pointer = journey_parser_pointer(p, at, key);

        if (strcmp(key, "model") == 0)
            start_rfm_model(p, pointer, member);
        else if (strcmp(key, "from") == 0)
            start->from = journey_parser_text(p, pointer, member, 100, "a label");
        else if (strcmp(key, "to") == 0)
            start->to = journey_parser_text(p, pointer, member, 100, "a label");
        else
            journey_parser_unknown(p, pointer, key, keys, COUNT(keys), "key of a start by a label");
    }
}

static void start_birthday(struct journey_parser *p, const char *at, json_t *value)
{
    p->def->start.kind = JOURNEY_START_BIRTHDAY;
    if (!json_is_true(value))
        diag_field(p->d, at, "expected true");
}

static void start_anniversary(struct journey_parser *p, const char *at, json_t *value)
{
    const struct catalogue_field *field = NULL;
    const char *name = journey_parser_text(p, at, value, 80, "the name of a custom field");

    p->def->start.kind = JOURNEY_START_ANNIVERSARY;
    if (name != NULL)
        field = journey_parser_field(p, at, name);
    if (field == NULL)
        return;
    if (field->type != FIELD_DATE)
        diag_field(p->d, at, "the field \"%s\" is no date", field->name);
    p->def->start.name = mem_strdup(p->def, field->name);
    p->def->start.field_id = field->id;
}

static const struct {
    const char *key;
    void (*parse)(struct journey_parser *, const char *at, json_t *value);
} starts[] = {
    {"interaction", start_interaction}, {"segment", start_segment},         {"rfm", start_rfm},
    {"birthday", start_birthday},       {"anniversary", start_anniversary},
};

static bool starts_by_calendar(const struct journey_def *def)
{
    return def->start.kind == JOURNEY_START_BIRTHDAY ||
           def->start.kind == JOURNEY_START_ANNIVERSARY;
}

/* The key that says how it starts; false where there is not exactly one. */
static bool parse_start_kind(struct journey_parser *p, json_t *value)
{
    size_t found = 0;

    for (size_t i = 0; i < COUNT(starts); i++) {
        json_t *member = json_object_get(value, starts[i].key);

        if (member != NULL && found++ == 0)
            starts[i].parse(p, journey_parser_pointer(p, "/start", starts[i].key), member);
    }
    if (found != 1)
        diag_field(
            p->d, "/start",
            "expected one of \"interaction\", \"segment\", \"birthday\" and \"anniversary\"");
    return found == 1;
}

static void parse_start_option(struct journey_parser *p, const char *key, json_t *value)
{
    const char *const keys[] = {"interaction", "segment", "birthday", "anniversary", "where", "at"};
    struct journey_start *start = &p->def->start;
    char *at = journey_parser_pointer(p, "/start", key);

    for (size_t i = 0; i < COUNT(starts); i++)
        if (strcmp(key, starts[i].key) == 0)
            return;
    if (strcmp(key, "where") == 0) {
        start->where = journey_parser_rule(p, at, value, true);
        if (start->kind != JOURNEY_START_INTERACTION)
            diag_field(p->d, at, "\"where\" goes with \"interaction\" only");
    } else if (strcmp(key, "at") == 0) {
        journey_parser_minute(p, at, value, &start->minute);
        if (!starts_by_calendar(p->def))
            diag_field(p->d, at, "\"at\" goes with \"birthday\" and \"anniversary\" only");
    } else {
        journey_parser_unknown(p, at, key, keys, COUNT(keys), "key of a start");
    }
}

static void parse_start(struct journey_parser *p, json_t *value)
{
    const char *key;
    json_t *member;

    p->def->start.minute = JOURNEY_AT_MINUTE;
    if (!json_is_object(value)) {
        diag_field(p->d, "/start", "expected an object such as {\"interaction\": \"donation\"}");
        return;
    }
    if (!parse_start_kind(p, value))
        return;
    json_object_foreach(value, key, member) parse_start_option(p, key, member);
}

/* --- the other keys ---------------------------------------------------------- */

/* "once per N days": N. */
static bool again_days(const char *s, int *ret_days)
{
    static const char before[] = "once per ";
    char *end;
    long n;

    if (strncmp(s, before, sizeof(before) - 1) != 0)
        return false;
    s += sizeof(before) - 1;
    if (*s < '1' || *s > '9')
        return false;
    n = strtol(s, &end, 10);
    if (n > 3660 || (strcmp(end, " days") != 0 && strcmp(end, " day") != 0))
        return false;
    *ret_days = (int)n;
    return true;
}

static void parse_again(struct journey_parser *p, json_t *value)
{
    struct journey_def *def = p->def;
    const char *s = json_is_string(value) ? json_string_value(value) : "";

    if (strcmp(s, "always") == 0)
        def->again = JOURNEY_AGAIN_ALWAYS;
    else if (strcmp(s, "once") == 0)
        def->again = JOURNEY_AGAIN_ONCE;
    else if (again_days(s, &def->again_days))
        def->again = JOURNEY_AGAIN_PER_DAYS;
    else
        diag_field(p->d, "/again", "expected \"always\", \"once\" or \"once per N days\"");
    if (def->again == JOURNEY_AGAIN_PER_DAYS && starts_by_calendar(def))
        diag_field(p->d, "/again", "a birthday or anniversary comes once a year by itself");
}

static void parse_fresh(struct journey_parser *p, json_t *value)
{
    journey_parser_duration(p, "/fresh", value, &p->def->fresh_us);
    if (starts_by_calendar(p->def))
        diag_field(p->d, "/fresh", "\"fresh\" is for what an interaction or a segment starts");
}

static void parse_leave_when(struct journey_parser *p, json_t *value)
{
    p->def->leave_when = journey_parser_rule(p, "/leave when", value, false);
}

static void parse_steps(struct journey_parser *p, json_t *value)
{
    journey_steps_parse(p, "/steps", value);
}

/* In the order in which they are read: what comes later may ask what came before. */
static const struct {
    const char *key;
    bool required;
    void (*parse)(struct journey_parser *, json_t *value);
} keys_known[] = {
    {"start", true, parse_start},  {"again", false, parse_again},
    {"fresh", false, parse_fresh}, {"leave when", false, parse_leave_when},
    {"steps", true, parse_steps},
};

static void refuse_unknown_keys(struct journey_parser *p, const json_t *definition)
{
    const char *words[COUNT(keys_known)];
    const char *key;
    json_t *value;

    for (size_t i = 0; i < COUNT(keys_known); i++)
        words[i] = keys_known[i].key;
    json_object_foreach((json_t *)definition, key, value)
    {
        size_t i = 0;

        while (i < COUNT(keys_known) && strcmp(key, words[i]) != 0)
            i++;
        if (i == COUNT(keys_known))
            journey_parser_unknown(p, journey_parser_pointer(p, "", key), key, words, COUNT(words),
                                   "key of a journey");
    }
}

/* Whether the step makes, sooner or later, an interaction of that kind. */
static bool step_leads_to(const struct journey_step *step, const char *kind)
{
    switch (step->kind) {
    case JOURNEY_STEP_record:
        return step->name != NULL && strcmp(step->name, kind) == 0;
    case JOURNEY_STEP_send:
        return strcmp(kind, "email_sent") == 0;
    case JOURNEY_STEP_webhook:
        return strcmp(kind, "webhook_failed") == 0;
    case JOURNEY_STEP_tag:
    case JOURNEY_STEP_untag:
    case JOURNEY_STEP_set:
    case JOURNEY_STEP_add:
    case JOURNEY_STEP_remove:
    case JOURNEY_STEP_wait:
    case JOURNEY_STEP_at:
    case JOURNEY_STEP_until:
    case JOURNEY_STEP_branch:
    case JOURNEY_STEP_jump:
    case JOURNEY_STEP_leave:
    case JOURNEY_STEP_COUNT:
        return false;
    }
    return false;
}

/* A journey that makes what starts it would never end; with a `where` its author has thought of it.
 */
static void refuse_loop(struct journey_parser *p)
{
    const struct journey_def *def = p->def;

    if (def->start.kind != JOURNEY_START_INTERACTION || def->start.name == NULL ||
        def->start.where != NULL || def->again != JOURNEY_AGAIN_ALWAYS)
        return;
    for (size_t i = 0; i < def->n_steps; i++)
        if (step_leads_to(&def->steps[i], def->start.name))
            diag_field(p->d, def->steps[i].pointer,
                       "it would start itself for ever: \"%s\" starts this journey",
                       def->start.name);
}

struct journey_def *journey_parse(const void *ctx, const json_t *definition,
                                  const struct catalogue *catalogue, struct diag *d)
{
    struct journey_parser p = {
        .def = mem_new(ctx, struct journey_def), .catalogue = catalogue, .d = d};
    size_t before = d->n;

    p.def->fresh_us = JOURNEY_FRESH_US;
    if (!json_is_object(definition)) {
        diag_field(d, "", "expected an object with \"start\" and \"steps\"");
        talloc_free(p.def);
        return NULL;
    }
    refuse_unknown_keys(&p, definition);
    for (size_t i = 0; i < COUNT(keys_known); i++) {
        json_t *value = json_object_get(definition, keys_known[i].key);

        if (value != NULL)
            keys_known[i].parse(&p, value);
        else if (keys_known[i].required)
            diag_field(d, "", "\"%s\" is missing", keys_known[i].key);
    }
    refuse_loop(&p);
    if (d->n > before) {
        talloc_free(p.def);
        return NULL;
    }
    return p.def;
}

struct journey_use *journey_uses(const void *ctx, const struct journey_def *def,
                                 enum journey_step_kind kind, size_t *ret_n)
{
    struct journey_use *uses = mem_array(ctx, struct journey_use, def->n_steps);
    size_t n = 0;

    for (size_t i = 0; i < def->n_steps; i++) {
        const struct journey_step *step = &def->steps[i];
        size_t k = 0;

        if (step->kind != kind || step->name == NULL)
            continue;
        while (k < n && strcmp(uses[k].name, step->name) != 0)
            k++;
        if (k == n)
            uses[n++] = (struct journey_use){step->name, step->pointer};
    }
    *ret_n = n;
    return uses;
}
