/* unsubscribe.c - see unsubscribe.h. */
#include "daemon/dispatch/unsubscribe.h"

#include "common/mem.h"
#include "common/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct sign_secret key_of(const char *secret)
{
    return (struct sign_secret){.bytes = (const uint8_t *)secret, .n = strlen(secret)};
}

char *unsubscribe_token(const void *ctx, const char *secret, const struct unsubscribe *u)
{
    struct sign_secret key = key_of(secret);
    MEM_SCOPED void *scratch = talloc_new(NULL);
    char *payload = mem_printf(scratch, "u1:%" PRId64 ":%" PRId64 ":%" PRId64, u->org_id,
                               u->contact_id, u->topic_id);

    return sign_token(ctx, &key, payload, strlen(payload));
}

bool unsubscribe_token_open(const char *secret, const char *token, struct unsubscribe *ret)
{
    struct sign_secret key = key_of(secret);
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct unsubscribe u;
    uint8_t *payload;
    char *text;
    size_t n;
    int end = -1;

    if (!sign_token_open(scratch, &key, token, &payload, &n))
        return false;
    text = mem_strndup(scratch, (const char *)payload, n);
    if (sscanf(text, "u1:%" SCNd64 ":%" SCNd64 ":%" SCNd64 "%n", &u.org_id, &u.contact_id,
               &u.topic_id, &end) != 3 ||
        end < 0 || (size_t)end != n)
        return false;
    *ret = u;
    return true;
}
