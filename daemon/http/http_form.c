/* http_form.c - see http_form.h. */
#include "daemon/http/http_form.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <string.h>
#include <strings.h>

/* RFC 2046, 5.1.1. */
#define BOUNDARY_MAX 70

static bool media_type_is(const char *content_type, const char *type)
{
    size_t n = strlen(type);

    return strncasecmp(content_type, type, n) == 0 && strchr("; \t", content_type[n]) != NULL;
}

/* parameter() - the value of `name` in "…; name=value; name="value"", a copy; NULL where it is not
 * there. */
static char *parameter(const void *ctx, const char *header, const char *name)
{
    size_t n = strlen(name);

    for (const char *s = strchr(header, ';'); s != NULL; s = strchr(s, ';')) {
        s += 1 + strspn(s + 1, " \t");
        if (strncasecmp(s, name, n) != 0 || s[n] != '=')
            continue;
        s += n + 1;
        if (*s == '"')
            return mem_strndup(ctx, s + 1, strcspn(s + 1, "\""));
        return mem_strndup(ctx, s, strcspn(s, "; \t"));
    }
    return NULL;
}

/* part_add() - one part, its headers and body between `s` and `end`. Files are left out. */
static bool part_add(const void *ctx, const char *s, const char *end, struct http_pairs *pairs)
{
    const char *blank = memmem(s, (size_t)(end - s), "\r\n\r\n", 4);
    const char *name = NULL, *value;
    bool file = false;

    if (blank == NULL)
        return false;
    while (s < blank + 2) {
        const char *eol = memmem(s, (size_t)(blank + 2 - s), "\r\n", 2);
        char *line = mem_strndup(ctx, s, (size_t)(eol - s));

        if (strncasecmp(line, "content-disposition:", 20) == 0) {
            name = parameter(ctx, line, "name");
            file = parameter(ctx, line, "filename") != NULL;
        }
        s = eol + 2;
    }
    s = blank + 4;
    if (name == NULL)
        return false;
    if (file)
        return true;
    if (memchr(s, '\0', (size_t)(end - s)) != NULL || !utf8_valid(s, (size_t)(end - s)) ||
        !utf8_valid(name, strlen(name)))
        return false;
    value = mem_strndup(ctx, s, (size_t)(end - s));
    return http_pairs_add(ctx, pairs, name, value);
}

static bool multipart_parse(const void *ctx, const char *boundary, const char *body, size_t n,
                            struct http_pairs *ret_pairs)
{
    const char *delimiter = mem_printf(ctx, "\r\n--%s", boundary);
    size_t len = strlen(delimiter);
    const char *s, *end = body + n;
    struct http_pairs pairs = {0};

    if (boundary[0] == '\0' || strlen(boundary) > BOUNDARY_MAX)
        return false;
    /* The first delimiter may stand at the very beginning, without its line end. */
    if (n >= len - 2 && memcmp(body, delimiter + 2, len - 2) == 0)
        s = body + len - 2;
    else if ((s = memmem(body, n, delimiter, len)) != NULL)
        s += len;
    else
        return false;
    for (;;) {
        const char *next;

        if (end - s >= 2 && memcmp(s, "--", 2) == 0)
            break;
        if (end - s < 2 || memcmp(s, "\r\n", 2) != 0)
            return false;
        s += 2;
        next = memmem(s, (size_t)(end - s), delimiter, len);
        if (next == NULL || !part_add(ctx, s, next, &pairs))
            return false;
        s = next + len;
    }
    *ret_pairs = pairs;
    return true;
}

bool http_form_parse(const void *ctx, const char *content_type, const char *body, size_t n,
                     struct http_pairs *ret_pairs)
{
    const char *boundary;

    if (content_type == NULL)
        return false;
    if (media_type_is(content_type, "application/x-www-form-urlencoded"))
        return http_pairs_parse(ctx, body, n, ret_pairs);
    if (!media_type_is(content_type, "multipart/form-data"))
        return false;
    boundary = parameter(ctx, content_type, "boundary");
    return boundary != NULL && multipart_parse(ctx, boundary, body, n, ret_pairs);
}
