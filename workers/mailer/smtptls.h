/* smtptls.h - the TLS of libesmtp's sessions: our own SSL_CTX, TLS 1.2, the relay's name
 * sent (SNI) and checked.
 *
 * With credentials or mail.tls = required the certificate must be valid for the relay's name.
 * Opportunistic TLS hides the mail from listeners and checks no certificate: an attacker who can
 * change the traffic could as well remove the offer of STARTTLS. */
#ifndef LAZO_MAILER_SMTPTLS_H
#define LAZO_MAILER_SMTPTLS_H

#include "workers/mailer/relay.h"

#include <stdbool.h>
#include <stddef.h>

/* libesmtp.h declares what takes their types only after these. */
#include <auth-client.h>
#include <libesmtp.h>

struct smtp_tls;

/* smtp_tls_new() - for this relay, which must outlive it; NULL and a sentence in *ret_why (child of
 * the parent of ctx's tree) where `ca_file` ("": the system's certificates) cannot be read. One per
 * process. */
struct smtp_tls *smtp_tls_new(const void *ctx, const struct relay *, const char *ca_file,
                              char **ret_why);
/* smtp_tls_use() - the session uses it; NULL: the session uses no TLS. */
void smtp_tls_use(struct smtp_tls *, smtp_session_t);
/* smtp_tls_checks() - whether certificates must be valid. */
bool smtp_tls_checks(const struct smtp_tls *);
/* smtp_tls_trouble() - why OpenSSL failed in this thread since it was last asked; NULL: it did not.
 */
const char *smtp_tls_trouble(void);

#endif
