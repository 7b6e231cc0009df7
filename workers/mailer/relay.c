/* relay.c - see relay.h. Refuses what libesmtp cannot do: TLS from the first byte, IPv6 literals
 * (it takes the first colon for the port). */
#include "workers/mailer/relay.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define SMTP_PORT 25
#define PART_MAX  255

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

/* `n` bytes with %XX decoded, child of ctx; NULL where a sequence is none, or gives a control
 * character. */
static char *decoded(const void *ctx, const char *s, size_t n)
{
    char *out = mem_array(ctx, char, n + 1);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            if (i + 2 >= n || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0)
                return NULL;
            c = hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]);
            i += 2;
        }
        if (c < ' ' || c == 0x7f)
            return NULL;
        out[used++] = (char)c;
    }
    return out;
}

static const char *take_credentials(struct relay *r, const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    size_t user = colon != NULL ? (size_t)(colon - s) : n;
    r->user = decoded(r, s, user);
    r->password = colon != NULL ? decoded(r, colon + 1, n - user - 1) : "";
    if (r->user == NULL || r->password == NULL || r->user[0] == '\0' ||
        strlen(r->user) > PART_MAX || strlen(r->password) > PART_MAX)
        return "user and password must be percent-encoded text of at most 255 characters";
    return NULL;
}

static const char *take_host(struct relay *r, const char *s)
{
    size_t n = strcspn(s, ":");
    if (s[0] == '[')
        return "an IPv6 address is not possible here, give the relay's name";
    if (n == 0 || n > PART_MAX ||
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != n)
        return "there is no host in it";
    r->host = mem_strndup(r, s, n);
    if (s[n] == '\0')
        return NULL;
    char *end = NULL;
    long port = strtol(s + n + 1, &end, 10);
    if (s[n + 1] < '0' || s[n + 1] > '9' || *end != '\0' || port < 1 || port > 65535)
        return "the port must be a number from 1 to 65535";
    r->port = (int)port;
    return NULL;
}

static const char *take_tls(struct relay *r, const char *tls)
{
    if (strcmp(tls, "off") == 0)
        r->tls = RELAY_TLS_OFF;
    else if (strcmp(tls, "opportunistic") == 0)
        r->tls = r->user != NULL ? RELAY_TLS_REQUIRED : RELAY_TLS_OPPORTUNISTIC;
    else if (strcmp(tls, "required") == 0)
        r->tls = RELAY_TLS_REQUIRED;
    else
        return "mail.tls must be off, opportunistic or required";
    if (r->tls == RELAY_TLS_OFF && r->user != NULL)
        return "a password is not sent without TLS, mail.tls must not be off";
    return NULL;
}

static const char *take(struct relay *r, const char *url, const char *tls)
{
    static const char scheme[] = "smtp://";
    if (strncmp(url, "smtps://", 8) == 0)
        return "smtps is not supported, use smtp with mail.tls = required";
    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return "it must begin with smtp://";
    const char *rest = url + strlen(scheme);
    size_t n = strlen(rest);
    if (n > 0 && rest[n - 1] == '/')
        n--;
    char *whole = mem_strndup(r, rest, n);
    char *at = strrchr(whole, '@');
    const char *why = NULL;
    if (at != NULL)
        why = take_credentials(r, whole, (size_t)(at - whole));
    if (why == NULL)
        why = take_host(r, at != NULL ? at + 1 : whole);
    if (why == NULL)
        why = take_tls(r, tls);
    return why;
}

struct relay *relay_parse(const void *ctx, const char *url, const char *tls, char **ret_why)
{
    struct relay *r = mem_new(ctx, struct relay);
    r->port = SMTP_PORT;
    const char *why = take(r, url, tls);
    if (why == NULL)
        return r;
    /* The URL may hold a password, so it is not repeated. */
    *ret_why = mem_printf(ctx, "mail.relay: %s", why);
    talloc_free(r);
    return NULL;
}
