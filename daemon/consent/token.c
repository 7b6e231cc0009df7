/* token.c - see token.h. */
#include "daemon/consent/token.h"

#include "common/mem.h"
#include "common/sign.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static struct sign_secret key_of(const char *secret)
{
    return (struct sign_secret){.bytes = (const uint8_t *)secret, .n = strlen(secret)};
}

char *form_token(const void *ctx, const char *secret, int64_t org_id, const char *nonce)
{
    struct sign_secret key = key_of(secret);
    MEM_SCOPED char *payload = mem_printf(NULL, "f1:%" PRId64 ":%s", org_id, nonce);

    return sign_token(ctx, &key, payload, strlen(payload));
}

bool form_token_org(const char *secret, const char *token, int64_t *ret_org_id)
{
    struct sign_secret key = key_of(secret);
    MEM_SCOPED void *scratch = talloc_new(NULL);
    char nonce[FORM_NONCE];
    uint8_t *payload;
    int64_t org_id;
    int end = -1;
    char *text;
    size_t n;

    if (!sign_token_open(scratch, &key, token, &payload, &n))
        return false;
    text = mem_strndup(scratch, (const char *)payload, n);
    if (sscanf(text, "f1:%" SCNd64 ":%32[0-9a-f]%n", &org_id, nonce, &end) != 2 || end < 0 ||
        (size_t)end != n)
        return false;
    *ret_org_id = org_id;
    return true;
}

void form_nonce(char ret[FORM_NONCE])
{
    unsigned char random[(FORM_NONCE - 1) / 2];

    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(ret, FORM_NONCE, random, sizeof(random));
}
