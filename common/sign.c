/* sign.c - see sign.h. On libsodium; its multi-part HMAC takes keys of any length, the one-shot
 * form wants exactly 32 bytes. */
#include "common/sign.h"

#include "common/mem.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define SECRET_PREFIX "whsec_"

void sign_hmac(const struct sign_secret *key, const void *bytes, size_t n,
               uint8_t ret_mac[SIGN_HMAC_BYTES])
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key->bytes, key->n);
    crypto_auth_hmacsha256_update(&state, bytes, n);
    crypto_auth_hmacsha256_final(&state, ret_mac);
}

static char *encode(const void *ctx, const void *bytes, size_t n, int variant)
{
    size_t max = sodium_base64_encoded_len(n, variant);
    char *text = mem_array(ctx, char, max);

    return sodium_bin2base64(text, max, bytes, n, variant);
}

char *sign_base64(const void *ctx, const void *bytes, size_t n)
{
    return encode(ctx, bytes, n, sodium_base64_VARIANT_ORIGINAL);
}

static bool decode(const void *ctx, const char *text, size_t len, int variant, uint8_t **ret_bytes,
                   size_t *ret_n)
{
    uint8_t *bytes = mem_array(ctx, uint8_t, len / 4 * 3 + 4);
    size_t n;

    if (sodium_base642bin(bytes, talloc_get_size(bytes), text, len, NULL, &n, NULL, variant) != 0) {
        talloc_free(bytes);
        return false;
    }
    *ret_bytes = bytes;
    *ret_n = n;
    return true;
}

/* Secrets are made by hand too, with spare bits of the last letter that are not zero; other
 * libraries take them, so they are cleared. */
bool sign_base64_parse(const void *ctx, const char *text, uint8_t **ret_bytes, size_t *ret_n)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    MEM_SCOPED char *copy = NULL;
    const char *last;

    for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++)
        len--;
    copy = mem_strndup(NULL, text, len);
    last = len % 4 >= 2 ? strchr(letters, copy[len - 1]) : NULL;
    if (last != NULL)
        copy[len - 1] = letters[(last - letters) & (len % 4 == 2 ? ~0xf : ~0x3)];
    return decode(ctx, copy, len, sodium_base64_VARIANT_ORIGINAL_NO_PADDING, ret_bytes, ret_n);
}

bool sign_secret_parse(const void *ctx, const char *text, struct sign_secret *ret_secret)
{
    uint8_t *bytes;
    size_t n;

    if (strncmp(text, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0)
        text += strlen(SECRET_PREFIX);
    if (strlen(text) > SIGN_SECRET_MAX * 2 || !sign_base64_parse(ctx, text, &bytes, &n))
        return false;
    if (n == 0 || n > SIGN_SECRET_MAX) {
        talloc_free(bytes);
        return false;
    }
    *ret_secret = (struct sign_secret){bytes, n};
    return true;
}

char *sign_webhook(const void *ctx, const char *id, int64_t timestamp_s, const void *body, size_t n,
                   const struct sign_secret *secrets, size_t n_secrets)
{
    MEM_SCOPED char *head = mem_printf(NULL, "%s.%" PRId64 ".", id, timestamp_s);
    char *all = mem_strdup(ctx, "");

    for (size_t i = 0; i < n_secrets; i++) {
        crypto_auth_hmacsha256_state state;
        uint8_t mac[SIGN_HMAC_BYTES];
        MEM_SCOPED char *text = NULL;

        crypto_auth_hmacsha256_init(&state, secrets[i].bytes, secrets[i].n);
        crypto_auth_hmacsha256_update(&state, (const uint8_t *)head, strlen(head));
        crypto_auth_hmacsha256_update(&state, body, n);
        crypto_auth_hmacsha256_final(&state, mac);
        text = sign_base64(NULL, mac, sizeof(mac));
        all = mem_must(talloc_asprintf_append(all, "%sv1,%s", i > 0 ? " " : "", text));
    }
    return all;
}

char *sign_token(const void *ctx, const struct sign_secret *key, const void *payload, size_t n)
{
    uint8_t whole[SIGN_TOKEN_MAX], mac[SIGN_HMAC_BYTES];

    if (n > SIGN_TOKEN_MAX / 4 * 3 - SIGN_TOKEN_MAC)
        bug("a token of %zu bytes", n);
    sign_hmac(key, payload, n, mac);
    if (n > 0)
        memcpy(whole, payload, n);
    memcpy(whole + n, mac, SIGN_TOKEN_MAC);
    return encode(ctx, whole, n + SIGN_TOKEN_MAC, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool sign_token_open(const void *ctx, const struct sign_secret *key, const char *token,
                     uint8_t **ret_payload, size_t *ret_n)
{
    size_t len = strnlen(token, SIGN_TOKEN_MAX + 1), n;
    uint8_t *bytes, mac[SIGN_HMAC_BYTES];

    if (len > SIGN_TOKEN_MAX ||
        !decode(ctx, token, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING, &bytes, &n))
        return false;
    if (n >= SIGN_TOKEN_MAC) {
        n -= SIGN_TOKEN_MAC;
        sign_hmac(key, bytes, n, mac);
        if (sodium_memcmp(mac, bytes + n, SIGN_TOKEN_MAC) == 0) {
            *ret_payload = bytes;
            *ret_n = n;
            return true;
        }
    }
    talloc_free(bytes);
    return false;
}
