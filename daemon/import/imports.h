/* imports.h - the imports of all organisations, taken on by the lazod that leads: one of each
 * organisation at a time. What is to be done is in the table import. */
#ifndef LAZO_DAEMON_IMPORT_IMPORTS_H
#define LAZO_DAEMON_IMPORT_IMPORTS_H

#include "common/buf.h"
#include "common/settings.h"
#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"
#include "daemon/record/record.h"

#include <stdint.h>

struct imports;

/* imports_new() - child of ctx. `changed(arg, org_id)` is called where an undoing leaves changes.
 */
struct imports *imports_new(const void *ctx, struct pgpool *, struct orgs *, struct record *,
                            void (*changed)(void *arg, int64_t org_id), void *arg);
/* imports_wake() - the organisation has something to do. imports_poll() - asks which ones have: to
 * be called now and then, for what other processes wrote and what had failed. */
void imports_wake(struct imports *, int64_t org_id);
void imports_poll(struct imports *);
/* imports_purge() - files that are older than limits.import_keep go. */
void imports_purge(struct pgpool *, const struct settings *);
/* imports_metrics() - Prometheus text. */
void imports_metrics(const struct imports *, struct buf *);

#endif
