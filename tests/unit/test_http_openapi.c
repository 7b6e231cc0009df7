/* openapi.yaml and the tables of routes say the same: every route stands in it, and nothing else
 * does; each with what its head comment asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "common/yamlj.h"
#include "daemon/http/app.h"
#include "daemon/http/openapi.h"

#include <string.h>

static const struct http_route *const tables[] = {
    api_record_routes, api_people_routes, api_service_routes, api_public_routes,
    api_define_routes, api_act_routes,    api_consent_routes, api_form_routes,
    api_admin_routes,  api_import_routes};
static const char *const methods[] = {"get", "post", "put", "patch", "delete", "options"};

static json_t *paths(void *ctx)
{
    struct diag d;
    json_t *document;

    diag_init(&d, ctx);
    document = yamlj_parse(openapi_yaml, strlen(openapi_yaml), &d);
    if (document == NULL)
        fail_msg("openapi.yaml:%d: %s", d.items[0].line, d.items[0].message);
    return document;
}

static void every_route_is_described(void **state)
{
    void *ctx = talloc_new(NULL);
    json_t *document = paths(ctx), *all = json_object_get(document, "paths");

    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct http_route *r = tables[t]; r->path != NULL; r++)
            if (json_object_get(json_object_get(all, r->path), methods[r->method]) == NULL)
                fail_msg("%s %s is not in openapi.yaml", methods[r->method], r->path);
    json_decref(document);
    talloc_free(ctx);
}

static bool is_route(const char *method, const char *path)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct http_route *r = tables[t]; r->path != NULL; r++)
            if (strcmp(r->path, path) == 0 && strcmp(methods[r->method], method) == 0)
                return true;
    return false;
}

static void nothing_else_is_described(void **state)
{
    void *ctx = talloc_new(NULL);
    json_t *document = paths(ctx), *item, *operation;
    const char *path, *method;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item) json_object_foreach(
        item, method, operation) if (strcmp(method, "parameters") != 0 && !is_route(method, path))
        fail_msg("openapi.yaml has %s %s, which is no route", method, path);
    json_decref(document);
    talloc_free(ctx);
}

/* An answer whose fields are told: a named schema, or one with properties of its own. */
static bool tells(const json_t *schema)
{
    static const char *const ways[] = {"$ref", "properties", "allOf", "oneOf"};

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (json_object_get(schema, ways[i]) != NULL)
            return true;
    return false;
}

static void judge_answers(const char *method, const char *path, const json_t *responses,
                          const json_t *known)
{
    const char *status;
    json_t *said;
    bool any = false;

    json_object_foreach((json_t *)responses, status, said)
    {
        json_t *media = json_object_get(json_object_get(said, "content"), "application/json");
        const char *ref = json_string_value(json_object_get(said, "$ref"));

        any = any || status[0] == '2';
        if (ref != NULL && json_object_get(known, strrchr(ref, '/') + 1) == NULL)
            fail_msg("openapi.yaml: %s %s: there is no %s", method, path, ref);
        if (status[0] == '2' && media != NULL && !tells(json_object_get(media, "schema")))
            fail_msg("openapi.yaml: %s %s: the fields of the answer %s are not told", method, path,
                     status);
    }
    if (!any)
        fail_msg("openapi.yaml: %s %s tells no good answer", method, path);
}

static void judge_body(const char *method, const char *path, const json_t *body)
{
    json_t *content = json_object_get(body, "content"), *media;
    const char *kind;
    bool any = body == NULL;

    json_object_foreach(content, kind, media) any =
        any || json_object_get(media, "example") != NULL;
    if (!any)
        fail_msg("openapi.yaml: %s %s has no example of its body", method, path);
}

/* What tests/e2e/test_openapi.py needs to send and judge each of them. */
static void every_operation_is_whole(void **state)
{
    void *ctx = talloc_new(NULL);
    json_t *document = paths(ctx), *item, *operation;
    const json_t *known = json_object_get(json_object_get(document, "components"), "responses");
    const char *path, *method;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            if (strcmp(method, "parameters") == 0)
                continue;
            if (json_string_value(json_object_get(operation, "summary")) == NULL)
                fail_msg("openapi.yaml: %s %s has no summary", method, path);
            judge_answers(method, path, json_object_get(operation, "responses"), known);
            judge_body(method, path, json_object_get(operation, "requestBody"));
        }
    }
    json_decref(document);
    talloc_free(ctx);
}

/* A parameter, wherever it is told. */
static const json_t *parameter(const json_t *document, const json_t *said)
{
    const char *ref = json_string_value(json_object_get(said, "$ref"));

    if (ref == NULL)
        return said;
    return json_object_get(json_object_get(json_object_get(document, "components"), "parameters"),
                           strrchr(ref, '/') + 1);
}

/* The parameters of the query in a list of them. */
static void list_query(const json_t *document, const json_t *parameters, char **names)
{
    json_t *said;
    size_t i;

    json_array_foreach((json_t *)parameters, i, said)
    {
        const json_t *p = parameter(document, said);

        if (strcmp(json_string_value(json_object_get(p, "in")), "query") == 0)
            *names = talloc_asprintf_append(*names, "%s%s", **names == '\0' ? "" : " ",
                                            json_string_value(json_object_get(p, "name")));
    }
}

/* What stands in no query is refused, so the tables must know all that is described; in its order.
 */
static void every_query_is_described(void **state)
{
    void *ctx = talloc_new(NULL);
    json_t *document = paths(ctx), *all = json_object_get(document, "paths");

    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct http_route *r = tables[t]; r->path != NULL; r++) {
            const json_t *item = json_object_get(all, r->path);
            char *names = mem_strdup(ctx, "");

            list_query(document, json_object_get(item, "parameters"), &names);
            list_query(document,
                       json_object_get(json_object_get(item, methods[r->method]), "parameters"),
                       &names);
            if (r->role != NULL && strcmp(names, r->query != NULL ? r->query : "") != 0)
                fail_msg("%s %s: the table has “%s”, openapi.yaml “%s”", methods[r->method],
                         r->path, r->query != NULL ? r->query : "", names);
        }
    json_decref(document);
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(nothing_else_is_described),
        cmocka_unit_test(every_operation_is_whole),
        cmocka_unit_test(every_query_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
