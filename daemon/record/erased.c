/* erased.c - see erased.h. */
#include "daemon/record/erased.h"

#include "common/mem.h"
#include "common/sign.h"

#include <inttypes.h>
#include <string.h>

char *erased_hash(const void *ctx, const char *secret, int64_t org_id, const char *sort,
                  const char *value)
{
    static const char digits[] = "0123456789abcdef";
    const struct sign_secret key = {.bytes = (const uint8_t *)secret, .n = strlen(secret)};
    char *text = mem_printf(ctx, "erased\x1f%" PRId64 "\x1f%s\x1f%s", org_id, sort, value);
    char *hex = mem_array(ctx, char, 2 + 2 * SIGN_HMAC_BYTES + 1);
    uint8_t mac[SIGN_HMAC_BYTES];

    hex[0] = '\\';
    hex[1] = 'x';
    sign_hmac(&key, text, strlen(text), mac);
    for (size_t i = 0; i < SIGN_HMAC_BYTES; i++) {
        hex[2 + 2 * i] = digits[mac[i] >> 4];
        hex[2 + 2 * i + 1] = digits[mac[i] & 15];
    }
    talloc_free(text);
    return hex;
}
