/* api_body.c - reading a request's body field by field; see api.h. */
#include "common/json.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"
#include "common/utf8.h"
#include "common/yamlj.h"
#include "daemon/http/api.h"

#include <stdlib.h>
#include <string.h>

json_t *api_document(struct http_request *req)
{
    const char *type = http_header(req, "Content-Type");
    struct diag mistakes;
    const char *body;
    json_t *value;
    size_t n;

    if (type == NULL || strstr(type, "yaml") == NULL)
        return http_json(req);
    diag_init(&mistakes, http_ctx(req));
    body = http_body(req, &n);
    value = yamlj_parse(body, n, &mistakes);
    if (value == NULL) {
        http_problem(req, 400, &mistakes, "the body is no YAML that can be read");
        return NULL;
    }
    return json_keep(http_ctx(req), value);
}

static bool is_known(const char *const *known, const char *name)
{
    for (; *known != NULL; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

static char *pointer_to(struct api_body *b, const char *name)
{
    return diag_pointer(http_ctx(b->req), "", name);
}

static void refuse_unknown(struct api_body *b, const char *const *known)
{
    const char *name, *near;
    json_t *value;
    size_t n = 0;

    while (known[n] != NULL)
        n++;
    json_object_foreach(b->object, name, value)
    {
        if (is_known(known, name))
            continue;
        near = suggest_nearest(name, known, n);
        if (near != NULL)
            diag_field(&b->mistakes, pointer_to(b, name),
                       "this field is not known; did you mean \"%s\"?", near);
        else
            diag_field(&b->mistakes, pointer_to(b, name), "this field is not known");
    }
}

bool api_body_read(struct api_body *b, struct http_request *req, const char *const *known)
{
    *b = (struct api_body){.req = req};
    diag_init(&b->mistakes, http_ctx(req));
    b->object = api_document(req);
    if (b->object == NULL)
        return false;
    if (!json_is_object(b->object)) {
        http_problem(req, 422, NULL, "the body must be an object");
        return false;
    }
    refuse_unknown(b, known);
    return true;
}

/* field() - NULL where it is absent or null. */
static json_t *field(const struct api_body *b, const char *name)
{
    json_t *value = json_object_get(b->object, name);

    return json_is_null(value) ? NULL : value;
}

const char *api_body_text(struct api_body *b, const char *name, size_t max)
{
    json_t *value = field(b, name);

    if (value == NULL)
        return NULL;
    if (!json_is_string(value)) {
        diag_field(&b->mistakes, pointer_to(b, name), "this must be a text");
        return NULL;
    }
    if (json_string_length(value) > max) {
        diag_field(&b->mistakes, pointer_to(b, name), "this is longer than %zu bytes", max);
        return NULL;
    }
    return json_string_value(value);
}

const char *api_body_need(struct api_body *b, const char *name, size_t max)
{
    size_t before = b->mistakes.n;
    const char *text = api_body_text(b, name, max);

    if (b->mistakes.n == before && (text == NULL || *text == '\0')) {
        diag_field(&b->mistakes, pointer_to(b, name), "this is missing");
        return NULL;
    }
    return text;
}

bool api_body_bool(struct api_body *b, const char *name, bool otherwise)
{
    json_t *value = field(b, name);

    if (value == NULL)
        return otherwise;
    if (!json_is_boolean(value))
        diag_field(&b->mistakes, pointer_to(b, name), "this must be true or false");
    return json_is_true(value);
}

int64_t api_body_int(struct api_body *b, const char *name, int64_t least, int64_t most,
                     int64_t otherwise)
{
    json_t *value = field(b, name);

    if (value == NULL)
        return otherwise;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most) {
        diag_field(&b->mistakes, pointer_to(b, name),
                   "this must be a whole number from %lld to %lld", (long long)least,
                   (long long)most);
        return otherwise;
    }
    return json_integer_value(value);
}

json_t *api_body_array(struct api_body *b, const char *name)
{
    json_t *value = field(b, name);

    if (value != NULL && !json_is_array(value)) {
        diag_field(&b->mistakes, pointer_to(b, name), "this must be a list");
        return NULL;
    }
    return value;
}

json_t *api_body_object(struct api_body *b, const char *name)
{
    json_t *value = field(b, name);

    if (value != NULL && !json_is_object(value)) {
        diag_field(&b->mistakes, pointer_to(b, name), "this must be an object");
        return NULL;
    }
    return value;
}

bool api_body_name(struct api_body *b, const char *pointer, const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char later[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = name == NULL ? 0 : strlen(name);

    if (n >= 1 && n <= 63 && strchr(first, name[0]) != NULL && strspn(name, later) == n)
        return true;
    diag_field(&b->mistakes, pointer,
               "a name is made of at most 63 of a-z, 0-9, _ and -, and begins with a letter or "
               "digit");
    return false;
}

bool api_body_path_name(struct api_body *b, const char *path_name)
{
    const char *name = api_body_text(b, "name", 400);

    if (name != NULL && strcmp(name, path_name) != 0) {
        diag_field(&b->mistakes, "/name", "this is not the name in the path");
        return false;
    }
    return api_body_name(b, "/name", path_name);
}

bool api_body_title(struct api_body *b, const char *pointer, const char *name)
{
    size_t n = name == NULL ? 0 : strlen(name);
    size_t characters = 0;
    bool fits = utf8_valid(name == NULL ? "" : name, n);

    if (n > 0 && (name[0] == ' ' || name[n - 1] == ' ')) {
        diag_field(&b->mistakes, pointer, "a name begins and ends without a blank");
        return false;
    }
    for (size_t i = 0; fits && i < n; characters++) {
        fits = (unsigned char)name[i] >= ' ' && name[i] != 0x7f && name[i] != '/';
        i += utf8_length(name + i, n - i);
    }
    if (fits && characters >= 1 && characters <= 100)
        return true;
    diag_field(&b->mistakes, pointer,
               "a name has 1 to 100 characters, no slash and no control characters among them");
    return false;
}

bool api_body_ok(struct api_body *b)
{
    if (!diag_any(&b->mistakes))
        return true;
    http_problem(b->req, 422, &b->mistakes, "some fields are wrong");
    return false;
}

static bool parse_id(const char *text, int64_t *ret_id)
{
    return text_int(text, ret_id) && *ret_id >= 0;
}

bool api_after(struct http_request *req, int64_t *ret_after)
{
    const char *text = http_query(req, "after");

    *ret_after = 0;
    if (text == NULL || parse_id(text, ret_after))
        return true;
    http_problem(req, 400, NULL, "\"after\" must be what \"next\" said");
    return false;
}

bool api_id(struct http_request *req, const char *name, int64_t *ret_id)
{
    const char *text = http_param(req, name);

    if (text != NULL && parse_id(text, ret_id))
        return true;
    http_problem(req, 404, NULL, "there is nothing of that %s: it must be a number", name);
    return false;
}

char *api_json_text(const void *ctx, const json_t *value)
{
    char *text = mem_must(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
    char *copy = mem_strdup(ctx, text);

    free(text);
    return copy;
}
