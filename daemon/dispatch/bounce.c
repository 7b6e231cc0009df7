/* bounce.c - the token in a bounce address; pure. See hand.h.
 *
 *     b ORG j JOB m MAC      without the blanks; all hexadecimal; the MAC is of what stands before
 * m
 *
 * Mail servers fold the case of a local part and some take more than "+" for a separator, so it is
 * of small letters and digits alone, and its case does not matter when it comes back. */
#include "daemon/dispatch/hand.h"

#include "common/mem.h"
#include "common/sign.h"

#include <ctype.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define MAC_BYTES 10 /* 80 bits: each guess costs a mail */
#define MAC_HEX   (2 * MAC_BYTES + 1)
#define TOKEN_MAX 64

static void mac_of(const char *secret, const char *text, char ret_hex[MAC_HEX])
{
    struct sign_secret key = {.bytes = (const uint8_t *)secret, .n = strlen(secret)};
    uint8_t mac[SIGN_HMAC_BYTES];

    sign_hmac(&key, text, strlen(text), mac);
    sodium_bin2hex(ret_hex, MAC_HEX, mac, MAC_BYTES);
}

char *bounce_token(const void *ctx, const char *secret, int64_t org_id, int64_t job_id)
{
    MEM_SCOPED char *text = mem_printf(NULL, "b%" PRIx64 "j%" PRIx64, org_id, job_id);
    char mac[MAC_HEX];

    mac_of(secret, text, mac);
    return mem_printf(ctx, "%sm%s", text, mac);
}

bool bounce_token_open(const char *secret, const char *token, int64_t *ret_org_id,
                       int64_t *ret_job_id)
{
    char text[TOKEN_MAX + 1], mac[MAC_HEX], *given;
    int64_t org_id, job_id;
    int end = -1;

    if (strlen(token) > TOKEN_MAX)
        return false;
    for (size_t i = 0; i <= strlen(token); i++)
        text[i] = (char)tolower((unsigned char)token[i]);
    given = strchr(text, 'm');
    if (given == NULL)
        return false;
    *given++ = '\0';
    mac_of(secret, text, mac);
    if (strlen(given) != MAC_HEX - 1 || sodium_memcmp(given, mac, MAC_HEX - 1) != 0 ||
        sscanf(text, "b%" SCNx64 "j%" SCNx64 "%n", &org_id, &job_id, &end) != 2 || end < 0 ||
        text[end] != '\0')
        return false;
    *ret_org_id = org_id;
    *ret_job_id = job_id;
    return true;
}
