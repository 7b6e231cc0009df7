/* fuzz_address.c - any bytes as an e-mail address: what is accepted fits an envelope, ends no
 * command of SMTP, and is its own normal form. */
#include "common/address.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(const void *ctx, const char *address)
{
    const char *why = NULL, *at = strrchr(address, '@');
    const char *again = address_envelope(ctx, address, &why);
    size_t n = strlen(address);

    if (!utf8_valid(address, n))
        bug("an address is not UTF-8");
    if (n > 254 || at == NULL || at == address || at[1] == '\0' || at - address > 64)
        bug("an address of a wrong shape");
    for (const char *s = address; *s != '\0'; s++)
        if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("<>()\",;:\\", *s) != NULL)
            bug("an address holds the character %d", *s);
    for (const char *s = at; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80 || (*s >= 'A' && *s <= 'Z'))
            bug("a domain that is not in A-labels and small letters");
    if (again == NULL || strcmp(again, address) != 0)
        bug("an address is not what it becomes: %s", again == NULL ? why : again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    const char *given = mem_strndup(ctx, (const char *)bytes, n);
    const char *why = NULL, *envelope = address_envelope(ctx, given, &why);
    const char *normal = address_normalise(ctx, given, &why);

    if ((envelope == NULL) != (normal == NULL) || (normal == NULL && why == NULL))
        bug("the two forms disagree");
    if (normal == NULL)
        return 0;
    check(ctx, envelope);
    check(ctx, normal);
    if (strcmp(address_normalise(ctx, normal, &why), normal) != 0)
        bug("the normal form has another one");
    return 0;
}
