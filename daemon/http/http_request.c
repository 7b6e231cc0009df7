/* http_request.c - what a handler reads of its request. See http.h. */
#include "daemon/http/http_request.h"

#include "common/buf.h"
#include "common/mem.h"
#include "daemon/http/http_form.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Levels of arrays and objects in a body. */
#define JSON_DEPTH_MAX 64

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     1000

const void *http_ctx(const struct http_request *r)
{
    return r;
}

const struct http_caller *http_caller(const struct http_request *r)
{
    return &r->caller;
}

enum http_method http_method(const struct http_request *r)
{
    return r->method;
}

/* Percent-encoded, but for unreserved characters (RFC 3986). */
static void encode(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (isalnum((unsigned char)*s) || strchr("-._~", *s) != NULL)
            buf_char(out, *s);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*s);
    }
}

const char *http_query_text(const struct http_request *r)
{
    struct buf out;

    buf_init(&out, r, 1 << 20);
    for (size_t i = 0; i < r->uri.query.n; i++) {
        if (i > 0)
            buf_char(&out, '&');
        encode(&out, r->uri.query.items[i].name);
        buf_char(&out, '=');
        encode(&out, r->uri.query.items[i].value);
    }
    return buf_take(&out, http_ctx(r));
}

const char *http_path(const struct http_request *r)
{
    return r->uri.path;
}

const char *http_param(const struct http_request *r, const char *name)
{
    return http_route_param(r->route, &r->uri, name);
}

static bool int_parse(const char *s, int64_t *ret)
{
    char *end;
    long long value;

    if (*s == '\0' || strspn(s, "0123456789") != strlen(s))
        return false;
    errno = 0;
    value = strtoll(s, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret = value;
    return true;
}

bool http_param_int(const struct http_request *r, const char *name, int64_t *ret)
{
    const char *value = http_param(r, name);

    return value != NULL && int_parse(value, ret);
}

const char *http_query(const struct http_request *r, const char *name)
{
    return http_pairs_find(&r->uri.query, name);
}

bool http_query_int(const struct http_request *r, const char *name, int64_t *ret)
{
    const char *value = http_query(r, name);

    return value != NULL && int_parse(value, ret);
}

const char *http_header(const struct http_request *r, const char *name)
{
    /* Once the client is gone its headers are too; nobody will see the answer. */
    return r->mhd == NULL ? NULL : MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

void http_condition(const struct http_request *r, const char **ret_match, const char **ret_none)
{
    *ret_match = r->if_match;
    *ret_none = r->if_none_match;
}

const char *http_client_address(const struct http_request *r)
{
    return r->address;
}

const char *http_body(const struct http_request *r, size_t *ret_n)
{
    *ret_n = r->body.len;
    return r->body.data != NULL ? r->body.data : "";
}

/* depth_fits() - whether nothing in the JSON text nests deeper than JSON_DEPTH_MAX. */
static bool depth_fits(const char *s, size_t n)
{
    bool quoted = false;
    int depth = 0;

    for (size_t i = 0; i < n; i++) {
        if (quoted) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                quoted = false;
        } else if (s[i] == '"') {
            quoted = true;
        } else if (s[i] == '[' || s[i] == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if (s[i] == ']' || s[i] == '}') {
            depth--;
        }
    }
    return true;
}

json_t *http_json_parse(const char *s, size_t n, struct diag *d)
{
    json_error_t error;
    json_t *value;

    if (!depth_fits(s, n)) {
        diag_at(d, 0, 0, "nested deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    value = json_loadb(s, n, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        diag_at(d, error.line, error.column, "%s", error.text);
    return value;
}

json_t *http_json(struct http_request *r)
{
    struct diag d;
    size_t n;
    const char *body = http_body(r, &n);

    if (r->json != NULL)
        return r->json;
    diag_init(&d, r);
    r->json = http_json_parse(body, n, &d);
    if (r->json == NULL)
        http_problem(r, 400, &d, "The body is no JSON.");
    return r->json;
}

const char *http_form(struct http_request *r, const char *name)
{
    size_t n;
    const char *body = http_body(r, &n);

    if (!r->form_parsed) {
        r->form_parsed = true;
        if (!http_form_parse(r, http_header(r, MHD_HTTP_HEADER_CONTENT_TYPE), body, n, &r->form))
            r->form = (struct http_pairs){0};
    }
    return http_pairs_find(&r->form, name);
}

bool http_limit(struct http_request *r, int *ret_limit)
{
    int64_t limit = LIMIT_DEFAULT;

    if (http_query(r, "limit") != NULL &&
        (!http_query_int(r, "limit", &limit) || limit < 1 || limit > LIMIT_MAX)) {
        http_problem(r, 400, NULL, "\"limit\" is a number from 1 to %d.", LIMIT_MAX);
        return false;
    }
    *ret_limit = (int)limit;
    return true;
}
