/* bounce.c - the token in a bounce address; pure. See hand.h. */
#include "daemon/dispatch/hand.h"

#include "common/mem.h"
#include "common/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *bounce_token(const void *ctx, const char *secret, int64_t org_id, int64_t job_id)
{
    struct sign_secret key = {.bytes = (const uint8_t *)secret, .n = strlen(secret)};
    char payload[64];
    int n = snprintf(payload, sizeof(payload), "b%" PRIx64 ":%" PRIx64, org_id, job_id);

    return sign_token(ctx, &key, payload, (size_t)n);
}

bool bounce_token_open(const char *secret, const char *token, int64_t *ret_org_id,
                       int64_t *ret_job_id)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct sign_secret key = {.bytes = (const uint8_t *)secret, .n = strlen(secret)};
    uint8_t *payload;
    char text[64];
    size_t n;
    int end = 0;

    if (!sign_token_open(scratch, &key, token, &payload, &n) || n >= sizeof(text))
        return false;
    memcpy(text, payload, n);
    text[n] = '\0';
    return sscanf(text, "b%" SCNx64 ":%" SCNx64 "%n", ret_org_id, ret_job_id, &end) == 2 &&
           (size_t)end == n;
}
