/* organisation.h - organisations and their first tokens, made in the database itself: there is no
 * API before there is a token. */
#ifndef LAZO_DAEMON_CTL_ORGANISATION_H
#define LAZO_DAEMON_CTL_ORGANISATION_H

#include "daemon/ctl/db.h"

#include <stdint.h>

struct organisation_new {
    const char *slug, *name, *time_zone, *language, *currency;
};

/* organisation_find() - its id; 0 where there is none, -1 where the database failed. */
int64_t organisation_find(struct db *, const char *slug);
/* organisation_create() - its id; -1, with the reason on stderr, where that failed. */
int64_t organisation_create(struct db *, const struct organisation_new *);
/* token_create() - a new token of the organisation: "lazo_" and 32 random bytes in base64url. The
 * database keeps its SHA-256 alone. Child of ctx; NULL, with the reason on stderr, where that
 * failed. */
char *token_create(const void *ctx, struct db *, int64_t org_id, const char *name,
                   const char *role);

#endif
