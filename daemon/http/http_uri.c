/* http_uri.c - see http_uri.h. */
#include "daemon/http/http_uri.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <string.h>
#include <strings.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* What stays of the control characters after decoding. */
enum strictness { NO_CONTROLS, NO_NUL };

/* decode() - the `n` bytes at `s` without their percent escapes; NULL where they are refused. */
static char *decode(const void *ctx, const char *s, size_t n, bool plus, enum strictness strict)
{
    char *out = mem_strndup(ctx, s, n), *w = out;

    if (strlen(out) != n)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '%') {
            if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
                return NULL;
            c = (unsigned char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0 || (strict == NO_CONTROLS && (c < 0x20 || c == 0x7f)))
            return NULL;
        *w++ = (char)c;
    }
    *w = '\0';
    return utf8_valid(out, (size_t)(w - out)) ? out : NULL;
}

bool http_pairs_add(const void *ctx, struct http_pairs *pairs, const char *name, const char *value)
{
    if (pairs->n == HTTP_PAIRS_MAX)
        return false;
    mem_grow(ctx, &pairs->items, &pairs->cap, pairs->n + 1);
    pairs->items[pairs->n++] = (struct http_pair){.name = name, .value = value};
    return true;
}

bool http_pairs_parse(const void *ctx, const char *s, size_t n, struct http_pairs *ret_pairs)
{
    struct http_pairs pairs = {0};
    const char *end = s + n;

    while (s < end) {
        const char *amp = memchr(s, '&', (size_t)(end - s));
        const char *stop = amp != NULL ? amp : end;
        const char *eq = memchr(s, '=', (size_t)(stop - s));
        const char *name_end = eq != NULL ? eq : stop;
        const char *value_at = eq != NULL ? eq + 1 : stop;

        if (stop > s) {
            char *name = decode(ctx, s, (size_t)(name_end - s), true, NO_NUL);
            char *value = decode(ctx, value_at, (size_t)(stop - value_at), true, NO_NUL);

            if (name == NULL || value == NULL || !http_pairs_add(ctx, &pairs, name, value))
                return false;
        }
        s = stop + 1;
    }
    *ret_pairs = pairs;
    return true;
}

const char *http_pairs_find(const struct http_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->n; i++)
        if (strcmp(pairs->items[i].name, name) == 0)
            return pairs->items[i].value;
    return NULL;
}

static bool path_parse(const void *ctx, struct http_uri *uri)
{
    const char *s = uri->path + 1;
    const char **segments = NULL;
    size_t n = 0, cap = 0;

    for (;;) {
        size_t len = strcspn(s, "/");
        char *segment = decode(ctx, s, len, false, NO_CONTROLS);

        if (segment == NULL || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
            return false;
        mem_grow(ctx, &segments, &cap, n + 1);
        segments[n++] = segment;
        if (s[len] == '\0')
            break;
        s += len + 1;
    }
    uri->segments = segments;
    uri->n_segments = n;
    return true;
}

/* origin_form() - the target behind the scheme and the host that proxies put before it (RFC 9112,
 * 3.2.2); which host it is matters as little as the Host header does. NULL: there is no host, or
 * more than a host and a port. */
static const char *origin_form(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    if (target[0] == '/')
        return target;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i]);

        if (strncasecmp(target, schemes[i], n) == 0) {
            size_t host = strcspn(target + n, "/?"), plain = strcspn(target + n, "/?@\\%#");

            return host > 0 && host == plain ? target + n + host : NULL;
        }
    }
    return NULL;
}

bool http_uri_parse(const void *ctx, const char *target, struct http_uri *ret_uri)
{
    struct http_uri uri = {0};
    size_t n;

    target = origin_form(target);
    if (target == NULL || strchr(target, '#') != NULL)
        return false;
    n = strcspn(target, "?");
    uri.path = n > 0 ? mem_strndup(ctx, target, n) : mem_strdup(ctx, "/");
    if (!path_parse(ctx, &uri))
        return false;
    if (target[n] == '?' &&
        !http_pairs_parse(ctx, target + n + 1, strlen(target + n + 1), &uri.query))
        return false;
    *ret_uri = uri;
    return true;
}

/* One segment of a route's path; the next call goes on from *at. NULL after the last. */
static const char *next_segment(const char **at, size_t *ret_len)
{
    const char *s = *at;

    if (*s != '/')
        return NULL;
    *ret_len = strcspn(s + 1, "/");
    *at = s + 1 + *ret_len;
    return s + 1;
}

/* segment_is() - whether the segment of the route's path at `s` is this one, which may hold a
 * slash. Most routes are told apart by the first byte or two. */
static bool segment_is(const char *s, const char *segment)
{
    while (*segment != '\0' && *s == *segment && *s != '/') {
        s++;
        segment++;
    }
    return *segment == '\0' && (*s == '/' || *s == '\0');
}

/* route_fits() - whether the path is this route's. *ret_rank orders the routes that fit: a bit a
 * segment, the leftmost the highest, set where it is literal. */
static bool route_fits(const struct http_route *route, const struct http_uri *uri,
                       uint64_t *ret_rank)
{
    const char *at = route->path;
    uint64_t rank = 0;
    size_t i = 0;

    for (; *at == '/'; i++) {
        if (i == uri->n_segments)
            return false;
        rank <<= 1;
        if (at[1] == '{') {
            if (uri->segments[i][0] == '\0')
                return false;
            at += 1 + strcspn(at + 1, "/");
        } else {
            if (!segment_is(at + 1, uri->segments[i]))
                return false;
            rank |= 1;
            at += 1 + strlen(uri->segments[i]);
        }
    }
    *ret_rank = rank;
    return i == uri->n_segments;
}

const struct http_route *http_route_find(const struct http_route *routes,
                                         const struct http_uri *uri, enum http_method method,
                                         unsigned *ret_allowed)
{
    const struct http_route *best = NULL;
    uint64_t best_rank = 0;

    *ret_allowed = 0;
    for (const struct http_route *r = routes; r->path != NULL; r++) {
        uint64_t rank;

        if (!route_fits(r, uri, &rank))
            continue;
        *ret_allowed |= 1u << r->method;
        if (r->method == method && (best == NULL || rank > best_rank)) {
            best = r;
            best_rank = rank;
        }
    }
    return best;
}

const char *http_route_param(const struct http_route *route, const struct http_uri *uri,
                             const char *name)
{
    const char *at = route->path, *s;
    size_t len, n = strlen(name);

    for (size_t i = 0; (s = next_segment(&at, &len)) != NULL && i < uri->n_segments; i++)
        if (len == n + 2 && s[0] == '{' && memcmp(s + 1, name, n) == 0)
            return uri->segments[i];
    return NULL;
}

/* --- what a query may say ------------------------------------------------------------------------
 */

/* Longer ones are not repeated in an answer. */
#define NAME_SHOWN_MAX 64

/* names_have() - whether the name is one of those in `names`, between which are spaces. */
static bool names_have(const char *names, const char *name)
{
    size_t n = strlen(name);

    for (; *names != '\0'; names += strspn(names, " ")) {
        size_t len = strcspn(names, " ");

        if (len == n && memcmp(names, name, n) == 0)
            return true;
        names += len;
    }
    return false;
}

const char *http_query_fault(const void *ctx, const struct http_route *route,
                             const struct http_pairs *query)
{
    const char *names = route->query != NULL ? route->query : "";

    for (size_t i = 0; i < query->n && route->role != NULL; i++) {
        const char *name = query->items[i].name;
        const char *shown = strlen(name) <= NAME_SHOWN_MAX ? name : "…";

        if (!names_have(names, name))
            return names[0] != '\0'
                       ? mem_printf(ctx, "The query has no “%s” here, only: %s.", shown, names)
                       : mem_printf(ctx, "The query has no “%s” here, nor anything else.", shown);
        for (size_t j = 0; j < i; j++)
            if (strcmp(query->items[j].name, name) == 0)
                return mem_printf(ctx, "The query says “%s” twice.", shown);
    }
    return NULL;
}

const char *http_allow(const void *ctx, unsigned allowed)
{
    static const struct {
        enum http_method method;
        const char *names;
    } methods[] = {{HTTP_GET, "GET, HEAD"}, {HTTP_POST, "POST"},     {HTTP_PUT, "PUT"},
                   {HTTP_PATCH, "PATCH"},   {HTTP_DELETE, "DELETE"}, {HTTP_OPTIONS, "OPTIONS"}};
    char *text = mem_strdup(ctx, "");

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (allowed & (1u << methods[i].method))
            text = mem_printf(ctx, "%s%s%s", text, text[0] == '\0' ? "" : ", ", methods[i].names);
    return text;
}
