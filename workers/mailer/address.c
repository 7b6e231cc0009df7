/* address.c - envelope addresses. The local part is left as it is; the domain is checked label by
 * label after libidn2, which lets empty labels pass. */
#include "workers/mailer/address.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <idn2.h>
#include <stdbool.h>
#include <string.h>

#define LOCAL_MAX   64
#define DOMAIN_MAX  253
#define LABEL_MAX   63
#define ADDRESS_MAX 254

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_atext(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

/* Atoms with single dots between them. */
static bool dot_atom(const char *s, size_t n)
{
    bool want_atom = true;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            if (want_atom)
                return false;
            want_atom = true;
        } else if (is_atext(s[i])) {
            want_atom = false;
        } else {
            return false;
        }
    }
    return !want_atom;
}

/* "..." of visible characters, without < and >. */
static bool quoted(const char *s, size_t n)
{
    if (n < 3 || s[0] != '"' || s[n - 1] != '"')
        return false;
    for (size_t i = 1; i < n - 1; i++) {
        if (s[i] == '\\' && ++i == n - 1)
            return false;
        bool escaped = s[i - 1] == '\\' && i > 1;
        if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '<' || s[i] == '>')
            return false;
        if (s[i] == '"' && !escaped)
            return false;
    }
    return true;
}

static bool host_name(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > DOMAIN_MAX)
        return false;
    size_t label = 0;
    for (size_t i = 0; i <= n; i++) {
        if (s[i] == '.' || s[i] == '\0') {
            if (label == 0 || label > LABEL_MAX || s[i - 1] == '-' || s[i - label] == '-')
                return false;
            label = 0;
        } else if (is_alnum(s[i]) || s[i] == '-') {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

/* The A-label form of `domain`, child of ctx, or NULL. */
static char *ascii_domain(const void *ctx, const char *domain)
{
    char *found = NULL;
    if (is_ascii(domain, strlen(domain)) && strstr(domain, "xn--") == NULL) {
        found = mem_strdup(ctx, domain);
        for (char *p = found; *p != '\0'; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p - 'A' + 'a');
    } else {
        char *idn = NULL;
        if (!utf8_valid(domain, strlen(domain)) ||
            idn2_to_ascii_8z(domain, &idn, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
            return NULL;
        found = mem_strdup(ctx, idn);
        idn2_free(idn);
    }
    if (host_name(found))
        return found;
    talloc_free(found);
    return NULL;
}

char *address_envelope(const void *ctx, const char *s, enum address_fault *ret_fault)
{
    *ret_fault = ADDRESS_MALFORMED;
    const char *at = strrchr(s, '@');
    if (at == NULL || at == s || at - s > LOCAL_MAX || strlen(at + 1) > 4 * DOMAIN_MAX)
        return NULL;
    size_t local = (size_t)(at - s);
    if (!is_ascii(s, local)) {
        if (utf8_valid(s, local))
            *ret_fault = ADDRESS_NOT_ASCII;
        return NULL;
    }
    if (!dot_atom(s, local) && !quoted(s, local))
        return NULL;
    char *domain = ascii_domain(ctx, at + 1);
    if (domain == NULL)
        return NULL;
    char *whole = mem_printf(ctx, "%.*s@%s", (int)local, s, domain);
    talloc_free(domain);
    if (strlen(whole) > ADDRESS_MAX) {
        talloc_free(whole);
        return NULL;
    }
    *ret_fault = ADDRESS_GOOD;
    return whole;
}
