/* mailtext.c - see mailtext.h. */
#include "workers/inbox/mailtext.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LOCAL_MAX  64
#define DOMAIN_MAX 253
#define FIELD_READ 8000 /* bytes of a field, with its blanks */
#define FIELD_MAX  4000

size_t mailtext_line(const char *s, const char **ret_next)
{
    size_t n = strcspn(s, "\n");

    *ret_next = s[n] == '\0' ? NULL : s + n + 1;
    return n;
}

/* The part of the line behind "NAME:", or NULL. */
static const char *field_value(const char *line, size_t n, const char *name)
{
    size_t len = strlen(name);

    if (n <= len || strncasecmp(line, name, len) != 0)
        return NULL;
    while (len < n && (line[len] == ' ' || line[len] == '\t'))
        len++;
    return len < n && line[len] == ':' ? line + len + 1 : NULL;
}

/* As much of it as there is room for. */
static void field_add(struct buf *value, const char *s, size_t n)
{
    size_t room = value->max - value->len;

    buf_add(value, s, n < room ? n : room);
}

char *mailtext_field(const void *ctx, const char *s, size_t n, const char *name)
{
    const char *end = s + n, *next;
    bool found = false;
    struct buf value;
    char *clean = NULL;

    buf_init(&value, NULL, FIELD_READ);

    for (const char *line = s; line != NULL && line < end; line = next) {
        size_t len = mailtext_line(line, &next);
        const char *from;

        if (line + len > end)
            len = (size_t)(end - line);
        if (found && (len == 0 || (*line != ' ' && *line != '\t')))
            break;
        from = found ? line : field_value(line, len, name);
        if (from == NULL)
            continue;
        if (found)
            buf_char(&value, ' ');
        field_add(&value, from, (size_t)(line + len - from));
        found = true;
    }
    if (found)
        clean = mailtext_oneline(ctx, value.data, value.len, FIELD_MAX);
    buf_done(&value);
    return clean;
}

static bool is_local(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool is_domain(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '-' || c == '.' ||
           c == '_';
}

/* Where the local part that ends before `at` begins; `at` itself where there is none. */
static const char *local_begin(const char *s, const char *at)
{
    const char *b = at;

    if (b > s && b[-1] == '"') {
        for (b--; b > s && b[-1] != '"' && b[-1] != '\n';)
            b--;
        return b > s && b[-1] == '"' ? b - 1 : at;
    }
    while (b > s && is_local(b[-1]) && at - b < LOCAL_MAX)
        b--;
    while (b < at && (*b == '\'' || *b == '.' || *b == '*' || *b == '=' || *b == '`'))
        b++;
    return b;
}

char *mailtext_address(const void *ctx, const char *s, size_t n, const char **ret_end)
{
    const char *end = s + n;

    for (const char *at = s; (at = memchr(at, '@', (size_t)(end - at))) != NULL; at++) {
        const char *begin = local_begin(s, at), *stop = at + 1;
        char *address;

        while (stop < end && is_domain(*stop) && stop - at <= DOMAIN_MAX)
            stop++;
        while (stop > at + 1 && (stop[-1] == '.' || stop[-1] == '-' || stop[-1] == '_'))
            stop--;
        if (begin == at || stop == at + 1 || at[1] == '.' ||
            (memchr(at, '.', (size_t)(stop - at)) == NULL &&
             strncasecmp(at + 1, "localhost", 9) != 0))
            continue;
        address = mem_strndup(ctx, begin, (size_t)(stop - begin));
        for (char *c = address + (at - begin); *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        if (ret_end != NULL)
            *ret_end = stop;
        return address;
    }
    return NULL;
}

char *mailtext_oneline(const void *ctx, const char *s, size_t n, size_t max)
{
    char *out = mem_array(ctx, char, max + 1);
    size_t len = 0;

    for (size_t i = 0; i < n && len < max;) {
        size_t step = utf8_length(s + i, n - i);

        if (step == 0 || (unsigned char)s[i] <= 0x20 || s[i] == 0x7f) {
            char c = step == 0 ? '?' : ' ';

            if (c == '?' || (len > 0 && out[len - 1] != ' '))
                out[len++] = c;
            i++;
        } else if (len + step <= max) {
            memcpy(out + len, s + i, step);
            len += step;
            i += step;
        } else {
            break;
        }
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return out;
}
