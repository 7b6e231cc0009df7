/* api_condition.c - who acts and on what condition (RFC 9110, 13): If-Match and If-None-Match of a
 * write become lazo.guard, which the database holds to in the statement that writes; those of a GET
 * are compared with the ETag of the answer. See schema/README.md. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api.h"

#include <inttypes.h>
#include <string.h>

/* tags_read() - "*", or an array of the strong ETags in `header`, without their quotes; weak ones
 * too where `weak`. What is no ETag matches nothing. */
static json_t *tags_read(const char *header, bool weak)
{
    json_t *tags;
    const char *s = header + strspn(header, " \t");

    if (*s == '*' && s[1 + strspn(s + 1, " \t")] == '\0')
        return mem_must(json_string("*"));
    tags = mem_must(json_array());
    while (*s != '\0') {
        bool is_weak = strncmp(s, "W/", 2) == 0;
        size_t n;

        s += is_weak ? 2 : 0;
        if (*s != '"')
            break;
        n = strcspn(++s, "\"");
        if (s[n] == '\0')
            break;
        if (!is_weak || weak)
            json_array_append_new(tags, json_stringn(s, n));
        s += n + 1;
        s += strspn(s, " \t,");
    }
    return tags;
}

/* name_of() - how the audit calls what the path names. */
static const char *name_of(struct http_request *req, const char *what)
{
    const char *name = http_param(req, "name");

    if (strcmp(what, "organisation") == 0)
        return "";
    return name != NULL ? name : http_param(req, "id");
}

struct pgact api_act(struct http_request *req, const char *what)
{
    struct pgact act = {.actor =
                            mem_printf(http_ctx(req), "token:%" PRId64, http_caller(req)->token_id),
                        .at_us = clock_now_us()};
    const char *match, *none, *name = name_of(req, what);
    json_t *guard;

    http_condition(req, &match, &none);
    if ((match == NULL && none == NULL) || name == NULL)
        return act;
    guard = mem_must(json_pack("{s:s, s:s}", "what", what, "name", name));
    if (match != NULL)
        json_object_set_new(guard, "match", tags_read(match, false));
    if (none != NULL)
        json_object_set_new(guard, "none", tags_read(none, true));
    act.guard = api_json_text(http_ctx(req), guard);
    json_decref(guard);
    return act;
}

bool api_unchanged(struct http_request *req, const char *etag)
{
    const char *match, *none;
    json_t *tags, *tag;
    bool found;
    size_t i;

    http_set_header(req, "ETag", mem_printf(http_ctx(req), "\"%s\"", etag));
    http_condition(req, &match, &none);
    if (none == NULL || http_method(req) != HTTP_GET)
        return false;
    tags = tags_read(none, true);
    found = json_is_string(tags);
    json_array_foreach(tags, i, tag) found = found || strcmp(json_string_value(tag), etag) == 0;
    json_decref(tags);
    if (found)
        http_answer_empty(req, 304);
    return found;
}
