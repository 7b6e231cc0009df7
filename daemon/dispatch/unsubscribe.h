/* unsubscribe.h - the token in the links that end a subscription: who, of which organisation, from
 * which topic. Pure.
 *
 * The payload is "u1:ORG:CONTACT:TOPIC" in decimal, MACed with http.secret (common/sign.h): opaque,
 * unforgeable, and good for as long as the secret is (RFC 8058 wants one that identifies recipient
 * and list; STANDARDS.md 8, 9). */
#ifndef LAZO_DAEMON_DISPATCH_UNSUBSCRIBE_H
#define LAZO_DAEMON_DISPATCH_UNSUBSCRIBE_H

#include <stdbool.h>
#include <stdint.h>

struct unsubscribe {
    int64_t org_id, contact_id, topic_id;
};

/* unsubscribe_token() - the token, child of ctx; it goes into a URL as it is. */
char *unsubscribe_token(const void *ctx, const char *secret, const struct unsubscribe *);
/* unsubscribe_token_open() - what the token says; false where this secret did not make it, or for
 * another purpose. */
bool unsubscribe_token_open(const char *secret, const char *token, struct unsubscribe *ret);

#endif
