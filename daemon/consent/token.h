/* token.h - the token in the link that confirms a sign-up. Pure.
 *
 * Its payload is "f1:ORG:NONCE", MACed with http.secret (common/sign.h). The database has the nonce
 * (while the mail waits) and the SHA-256 of the token, and neither makes a link without the secret.
 */
#ifndef LAZO_DAEMON_CONSENT_TOKEN_H
#define LAZO_DAEMON_CONSENT_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#define FORM_NONCE 33 /* 32 hexadecimal digits and a NUL */

/* form_token() - child of ctx; it goes into a URL as it is. */
char *form_token(const void *ctx, const char *secret, int64_t org_id, const char *nonce);
/* form_token_org() - the organisation that it is for; false where this secret did not make it, or
 * for another purpose. */
bool form_token_org(const char *secret, const char *token, int64_t *ret_org_id);
/* form_nonce() - a new one. */
void form_nonce(char ret[FORM_NONCE]);

#endif
