/* dispatch.h - step 4: leases jobs to workers over the bus and writes their results. See
 * common/bus.h for the messages. Runs in the leader alone. */
#ifndef LAZO_DAEMON_DISPATCH_DISPATCH_H
#define LAZO_DAEMON_DISPATCH_DISPATCH_H

#include "common/buf.h"
#include "common/settings.h"
#include "daemon/org/org.h"

#include <ev.h>
#include <jansson.h>
#include <stdint.h>

struct dispatch;

/* dispatch_new() - binds the bus; NULL and errno where it cannot. `recorded(arg, org_id)` is called
 * after results were written (they are interactions). `public_url` is how links in mail begin.
 * Child of ctx. */
struct dispatch *dispatch_new(const void *ctx, struct ev_loop *, const struct settings *,
                              const char *public_url, struct pgpool *, struct orgs *,
                              void (*recorded)(void *arg, int64_t org_id), void *arg);
/* dispatch_wake() - jobs were made. Cheap. */
void dispatch_wake(struct dispatch *);
/* dispatch_workers() - who is connected: [{"worker", "sort", "credit", "held", "since"}]; a new
 * reference. */
json_t *dispatch_workers(const struct dispatch *);
void dispatch_metrics(const struct dispatch *, struct buf *);

#endif
