/* life.c - see life.h. */
#include "daemon/record/life.h"

#include "common/clock.h"
#include "common/suggest.h"

#include <string.h>
#include <strings.h>

void life_stage(const void *ctx, const char *pointer, const struct catalogue *c, json_t *fields,
                struct diag *d)
{
    const char *stage = json_string_value(json_object_get(fields, "stage")), *near;

    if (stage == NULL || c->n_stages == 0)
        return;
    for (size_t i = 0; i < c->n_stages; i++)
        if (strcasecmp(c->stages[i], stage) == 0) {
            json_object_set_new(fields, "stage", json_string(c->stages[i]));
            return;
        }
    near = suggest_nearest(stage, c->stages, c->n_stages);
    diag_field(d, diag_pointer(ctx, pointer, "stage"),
               "the organisation has no stage \"%s\"%s%s%s; GET /v1/stages lists them", stage,
               near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
               near != NULL ? "\"?" : "");
}

/* A day that has come somewhere on earth, as YYYY-MM-DD; NULL where none is said, or, said, where
 * it is none. */
static const char *death_date(const void *ctx, const json_t *object, const char *pointer,
                              int64_t now_us, struct diag *d)
{
    const json_t *value = json_object_get(object, "deceased_on");
    const char *s = json_string_value(value);
    int64_t at_us;

    if (value == NULL || json_is_null(value))
        return NULL;
    if (s != NULL && strlen(s) == 10 && strcmp(s, "1850-01-01") >= 0 && clock_parse(s, &at_us) &&
        at_us <= now_us + CLOCK_DAY_US / 2 + CLOCK_DAY_US / 12)
        return s;
    diag_field(d, diag_pointer(ctx, pointer, "deceased_on"),
               "a day of the past is expected, like 2026-03-01");
    return NULL;
}

void life_deceased(const void *ctx, json_t *object, const char *pointer, int64_t now_us,
                   json_t *fields, struct diag *d)
{
    json_t *deceased = json_object_get(object, "deceased");
    const char *on = death_date(ctx, object, pointer, now_us, d);
    bool died = on != NULL || json_is_true(deceased);

    if (deceased != NULL && !json_is_boolean(deceased) && !json_is_null(deceased)) {
        diag_field(d, diag_pointer(ctx, pointer, "deceased"), "true or false is expected");
        return;
    }
    if (on != NULL && deceased != NULL && !json_is_true(deceased)) {
        diag_field(d, diag_pointer(ctx, pointer, "deceased_on"),
                   "who is not deceased has no date of death");
        return;
    }
    if (deceased != NULL || on != NULL)
        json_object_set_new(fields, "deceased", json_boolean(died));
    if (on != NULL)
        json_object_set_new(fields, "deceased_on", json_string(on));
    else if (json_object_get(object, "deceased_on") != NULL || (deceased != NULL && !died))
        json_object_set_new(fields, "deceased_on", json_null());
}
