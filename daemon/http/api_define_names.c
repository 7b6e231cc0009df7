/* api_define_names.c - /v1/topics, /v1/fields, /v1/kinds, /v1/suppressions: lists of names and
 * little else. */
#include "common/address.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"

#include <string.h>
#include <strings.h>

void api_topics_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_TOPIC_LIST);
}

void api_topic_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_TOPIC_SHOW, "topic");
}

void api_topic_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"name", "title", NULL};
    const char *name = http_param(req, "name");
    struct api_body body;
    struct pgargs args;

    if (!api_body_read(&body, req, known))
        return;
    api_body_path_name(&body, name);
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, name);
    pgargs_text(&args, api_body_text(&body, "title", 500));
    if (api_body_ok(&body))
        api_change(app, req, Q_API_TOPIC_PUT, &args, "topic");
}

void api_topic_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_TOPIC_DELETE, "topic");
}

void api_fields_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_FIELD_LIST);
}

void api_field_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_FIELD_SHOW, "field");
}

/* field_name() - what a rule can write behind "attr.": a letter, then letters, digits and _. */
static void field_name(struct api_body *body, const char *name)
{
    if (!api_body_path_name(body, name))
        return;
    if (name[0] < 'a' || name[0] > 'z' || strchr(name, '-') != NULL)
        diag_field(&body->mistakes, "/name",
                   "the name of a field begins with a letter and has no hyphen");
}

void api_field_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"name", "type", "title", NULL};
    static const char *const types[] = {"text", "number", "date", "boolean"};
    struct api_body body;
    struct pgargs args;
    const char *type;
    bool fits = false;

    if (!api_body_read(&body, req, known))
        return;
    field_name(&body, http_param(req, "name"));
    type = api_body_need(&body, "type", 20);
    for (size_t i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        fits = fits || strcmp(type, types[i]) == 0;
    if (type != NULL && !fits)
        diag_field(&body.mistakes, "/type", "this must be text, number, date or boolean");
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "name"));
    pgargs_text(&args, type);
    pgargs_text(&args, api_body_text(&body, "title", 500));
    if (api_body_ok(&body))
        api_change(app, req, Q_API_FIELD_PUT, &args, "field");
}

void api_field_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_FIELD_DELETE, "field");
}

void api_kinds_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_KIND_LIST);
}

/* --- stages
 * ------------------------------------------------------------------------------------------------
 */

#define STAGES_MAX     100
#define STAGE_NAME_MAX 80

void api_stages_show(void *app, struct http_request *req)
{
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    api_show(app, req, Q_API_STAGES_SHOW, &args, "organisation");
}

static bool stage_known(const json_t *stages, const char *name)
{
    const json_t *stage;
    size_t i;

    json_array_foreach(stages, i, stage)
    {
        if (strcasecmp(json_string_value(json_object_get(stage, "name")), name) == 0)
            return true;
    }
    return false;
}

/* One of them, as it is kept: {"name", "title"}. */
static void stage_read(struct api_body *body, size_t i, const json_t *item, json_t *stages)
{
    const char *where = mem_printf(http_ctx(body->req), "/items/%zu", i);
    const json_t *name = json_object_get(item, "name"), *title = json_object_get(item, "title");
    const char *s = json_string_value(name);

    if (s == NULL || *s == '\0' || *s == ' ' || strlen(s) != json_string_length(name) ||
        strlen(s) > STAGE_NAME_MAX || strpbrk(s, "\n\t\r") != NULL) {
        diag_field(&body->mistakes, mem_printf(http_ctx(body->req), "%s/name", where),
                   "the name of a stage is expected, of 1 to %d bytes", STAGE_NAME_MAX);
        return;
    }
    if (title != NULL && !json_is_string(title) && !json_is_null(title))
        diag_field(&body->mistakes, mem_printf(http_ctx(body->req), "%s/title", where),
                   "a string is expected");
    if (stage_known(stages, s))
        diag_field(&body->mistakes, mem_printf(http_ctx(body->req), "%s/name", where),
                   "this stage is there twice");
    json_array_append_new(
        stages, mem_must(json_pack("{s:O, s:s}", "name", name, "title",
                                   json_is_string(title) ? json_string_value(title) : "")));
}

void api_stages_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"items", "next", NULL};
    json_t *stages, *items, *item;
    struct api_body body;
    struct pgargs args;
    size_t i;

    if (!api_body_read(&body, req, known))
        return;
    stages = json_keep(http_ctx(req), mem_must(json_array()));
    items = api_body_array(&body, "items");
    if (items == NULL || json_array_size(items) > STAGES_MAX)
        diag_field(&body.mistakes, "/items", "an array of at most %d stages is expected",
                   STAGES_MAX);
    else
        json_array_foreach(items, i, item) stage_read(&body, i, item, stages);
    if (!api_body_ok(&body))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, api_json_text(http_ctx(req), stages));
    api_change(app, req, Q_API_STAGES_PUT, &args, "organisation");
}

/* --- suppressions
 * ----------------------------------------------------------------------------------------- */

void api_suppressions_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_SUPPRESSION_LIST);
}

/* read_reason() - who says so: a person by hand, unless the list comes from elsewhere. */
static const char *read_reason(struct api_body *body)
{
    const char *reason = api_body_text(body, "reason", 20);

    if (reason == NULL)
        return "manual";
    if (strcmp(reason, "manual") != 0 && strcmp(reason, "bounce") != 0 &&
        strcmp(reason, "complaint") != 0)
        diag_field(&body->mistakes, "/reason", "this must be manual, bounce or complaint");
    return reason;
}

void api_suppression_add(void *app, struct http_request *req)
{
    static const char *const known[] = {"email", "reason", "detail", NULL};
    const char *given, *email = NULL, *why;
    struct api_body body;
    struct pgargs args;

    if (!api_body_read(&body, req, known))
        return;
    given = api_body_need(&body, "email", 320);
    if (given != NULL)
        email = address_normalise(http_ctx(req), given, &why);
    if (given != NULL && email == NULL)
        diag_field(&body.mistakes, "/email", "no valid e-mail address: %s", why);
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, email);
    pgargs_text(&args, read_reason(&body));
    pgargs_text(&args, api_body_text(&body, "detail", 500) == NULL
                           ? ""
                           : api_body_text(&body, "detail", 500));
    pgargs_instant(&args, clock_now_us());
    if (api_body_ok(&body))
        api_change(app, req, Q_API_SUPPRESSION_ADD, &args, "suppression");
}

void api_suppression_delete(void *app, struct http_request *req)
{
    const char *given = http_param(req, "email"), *why;
    const char *email = address_normalise(http_ctx(req), given, &why);
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, email == NULL ? given : email);
    api_change(app, req, Q_API_SUPPRESSION_DELETE, &args, "suppression");
}
