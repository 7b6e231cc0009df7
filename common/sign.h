/* sign.h - signatures of webhooks (Standard Webhooks) and MACed tokens for links in mail. Pure.
 *
 * A token is base64url(payload, HMAC-SHA256(key, payload) cut to 16 bytes), without padding:
 * opaque, unforgeable, and everything that is needed to understand it comes with it. Give each
 * purpose its own first byte of the payload, so that a token for one is none for another. */
#ifndef LAZO_COMMON_SIGN_H
#define LAZO_COMMON_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGN_HMAC_BYTES 32
#define SIGN_TOKEN_MAC  16
#define SIGN_TOKEN_MAX  1024 /* characters of a token, its NUL not counted */
#define SIGN_SECRET_MAX 512  /* bytes of a secret */

struct sign_secret {
    const uint8_t *bytes;
    size_t n;
};

/* sign_hmac() - HMAC-SHA256 (RFC 2104) of `n` bytes with a key of any length. */
void sign_hmac(const struct sign_secret *key, const void *bytes, size_t n,
               uint8_t ret_mac[SIGN_HMAC_BYTES]);

/* sign_base64() - standard alphabet with padding (RFC 4648); child of ctx. */
char *sign_base64(const void *ctx, const void *bytes, size_t n);
/* sign_base64_parse() - the bytes of `text`, padding or not, spare bits zero or not; child of ctx.
 * False where it is no base64. */
bool sign_base64_parse(const void *ctx, const char *text, uint8_t **ret_bytes, size_t *ret_n);

/* sign_secret_parse() - "whsec_BASE64", the prefix and the padding being optional; its bytes become
 * a child of ctx. False where it is no base64, empty or too long. */
bool sign_secret_parse(const void *ctx, const char *text, struct sign_secret *ret_secret);

/* sign_webhook() - the value of the header webhook-signature: "v1,BASE64" for each of the secrets
 * (an old and a new one during rotation), separated by spaces. Signed is "ID.TIMESTAMP.BODY" with
 * the timestamp in whole seconds; `id` holds no dot. Child of ctx. */
char *sign_webhook(const void *ctx, const char *id, int64_t timestamp_s, const void *body, size_t n,
                   const struct sign_secret *secrets, size_t n_secrets);

/* sign_token() - the token of a payload that leaves it within SIGN_TOKEN_MAX; longer ones are a
 * bug. Child of ctx. */
char *sign_token(const void *ctx, const struct sign_secret *key, const void *payload, size_t n);
/* sign_token_open() - the payload of a token that this key made, child of ctx; false for everything
 * else. Takes the same time whatever is wrong with the MAC. */
bool sign_token_open(const void *ctx, const struct sign_secret *key, const char *token,
                     uint8_t **ret_payload, size_t *ret_n);

#endif
