/* org.h - what lazod keeps in memory of an organisation: its catalogue of names and its settings.
 *
 * Loaded on first use, kept until orgs_forget() (after a change of a definition, here or by
 * another) or, where nothing is heard of changes, for ten seconds. A struct org is replaced, never
 * changed, and is borrowed only for the length of the callback: who needs it later asks again. */
#ifndef LAZO_DAEMON_ORG_ORG_H
#define LAZO_DAEMON_ORG_ORG_H

#include "daemon/pg/pgpool.h"
#include "daemon/rules/catalogue.h"

#include <stdbool.h>
#include <stdint.h>

struct org {
    uint64_t generation; /* another one each time it is read */
    struct catalogue catalogue;
    const char *slug, *name;
    const char *mail_from, *mail_from_name, *mail_reply_to; /* reply_to may be NULL */
    const char *postal_address;
};

struct orgs;

struct orgs *orgs_new(const void *ctx, struct pgpool *);
/* orgs_get() - calls back with the organisation, from the loop or at once where it is in memory;
 * NULL where it does not exist or the database is away. Borrowed until the callback returns. */
typedef void org_fn(void *arg, const struct org *);
void orgs_get(struct orgs *, int64_t org_id, org_fn *, void *arg);
/* orgs_get_now() - calls back at once with what is in memory, however old; NULL where nothing is.
 */
void orgs_get_now(struct orgs *, int64_t org_id, org_fn *, void *arg);
/* orgs_forget() - the next orgs_get() reads it anew: to be called after each change of a kind,
 * field, topic, segment or model. org_id 0: all of them. */
void orgs_forget(struct orgs *, int64_t org_id);
#endif
