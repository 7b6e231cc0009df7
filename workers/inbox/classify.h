/* classify.h - what a mail that came in is: bounce, complaint, automatic answer, unsubscription,
 * reply, or nothing of ours. Pure.
 *
 * The first that fits wins: abuse report (RFC 5965), delivery report (RFC 3464), receipt (nothing),
 * bounce in prose, automatic answer (RFC 3834), list mail (nothing), unsubscription, reply. */
#ifndef LAZO_INBOX_CLASSIFY_H
#define LAZO_INBOX_CLASSIFY_H

#include "workers/inbox/dsn.h"

#include <jansson.h>
#include <stddef.h>

/* classify_mail() - the findings of a mail; none where it is nothing of ours or no mail at all.
 * Children of ctx. */
struct findings *classify_mail(const void *ctx, const char *bytes, size_t n);

/* classify_token() - the token of the bounce address that the mail came to (bounce+TOKEN@..., in
 * Delivered-To, X-Original-To, Envelope-To or To), child of ctx; "" where there is none. Whether it
 * is one of ours, and not somebody's own plus address, its MAC tells. */
char *classify_token(const void *ctx, const char *bytes, size_t n);

/* classify_json() - the findings as INTERFACES.md has them; a new reference. */
json_t *classify_json(const struct findings *);

#endif
