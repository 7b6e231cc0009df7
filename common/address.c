/* address.c - see address.h. The domain is IDN's (libidn2); the rest of the grammar is dot-atoms.
 */
#include "common/address.h"

#include "common/mem.h"

#include <ctype.h>
#include <idn2.h>
#include <stdbool.h>
#include <string.h>

#define ADDRESS_MAX 254
#define LOCAL_MAX   64
#define LABEL_MAX   63
#define DOMAIN_MAX  253

static bool is_atext(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static const char *local_fault(const char *s, size_t n)
{
    if (n == 0)
        return "nothing stands before the @";
    if (n > LOCAL_MAX)
        return "more than 64 characters stand before the @";
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] >= 0x80)
            return "the part before the @ must be ASCII";
        if (s[i] == '.' && (i == 0 || i == n - 1 || s[i - 1] == '.'))
            return "a dot stands at the edge of the part before the @, or twice";
        if (s[i] != '.' && !is_atext(s[i]))
            return "a character that is not allowed stands before the @";
    }
    return NULL;
}

/* ASCII in small letters, in place. */
static void fold(char *s)
{
    for (; *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
}

/* `s` is in A-labels. */
static const char *domain_fault(const char *s)
{
    size_t label = 0;

    if (s[0] == '\0')
        return "no domain stands after the @";
    if (strlen(s) > DOMAIN_MAX)
        return "the domain is too long";
    for (size_t i = 0;; i++) {
        if (s[i] == '.' || s[i] == '\0') {
            if (label == 0 || label > LABEL_MAX || s[i - 1] == '-')
                return "the domain has a part that is empty, too long or ends in a hyphen";
            if (s[i] == '\0')
                return NULL;
            label = 0;
            continue;
        }
        if (!isalnum((unsigned char)s[i]) && (s[i] != '-' || label == 0))
            return "the domain has a character that is not allowed";
        label++;
    }
}

/* The domain of `n` bytes in A-labels and small letters, child of ctx; NULL and why. */
static char *domain_of(const void *ctx, const char *s, size_t n, const char **ret_why)
{
    MEM_SCOPED char *given = mem_strndup(NULL, s, n);
    char *ascii = NULL, *domain;

    *ret_why = "the domain is no valid name";
    if (n > 4 * DOMAIN_MAX ||
        idn2_to_ascii_8z(given, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return NULL;
    domain = mem_strdup(ctx, ascii);
    idn2_free(ascii);
    fold(domain);
    *ret_why = domain_fault(domain);
    if (*ret_why == NULL)
        return domain;
    talloc_free(domain);
    return NULL;
}

char *address_envelope(const void *ctx, const char *s, const char **ret_why)
{
    MEM_SCOPED char *domain = NULL;
    const char *at;
    char *address;
    size_t n;

    s += strspn(s, " \t");
    for (n = strlen(s); n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'); n--)
        ;
    at = memrchr(s, '@', n);
    *ret_why = at == NULL ? "an address has an @" : local_fault(s, (size_t)(at - s));
    if (*ret_why != NULL)
        return NULL;
    domain = domain_of(NULL, at + 1, n - (size_t)(at + 1 - s), ret_why);
    if (domain == NULL)
        return NULL;
    address = mem_printf(ctx, "%.*s@%s", (int)(at - s), s, domain);
    if (strlen(address) <= ADDRESS_MAX)
        return address;
    *ret_why = "the address is longer than 254 characters";
    talloc_free(address);
    return NULL;
}

char *address_normalise(const void *ctx, const char *s, const char **ret_why)
{
    char *address = address_envelope(ctx, s, ret_why);

    if (address != NULL)
        fold(address);
    return address;
}
