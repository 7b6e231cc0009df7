/* erased.h - the keyed hash by which somebody who was erased is known again, and nothing else is.
 * Pure. */
#ifndef LAZO_DAEMON_RECORD_ERASED_H
#define LAZO_DAEMON_RECORD_ERASED_H

#include <stdint.h>

/* erased_hash() - HMAC-SHA256 (RFC 2104) with http.secret over the organisation, the sort ("email",
 * "external_id") and the normalised value of an identity, as the database
 * reads a bytea ("\x" and hexadecimal digits); child of ctx. */
char *erased_hash(const void *ctx, const char *secret, int64_t org_id, const char *sort,
                  const char *value);

#endif
