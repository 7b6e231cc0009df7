/* service.h - the inbox at work: mails of a Maildir are classified, told to lazod, and put away
 * when lazod has them on disk. */
#ifndef LAZO_INBOX_SERVICE_H
#define LAZO_INBOX_SERVICE_H

#include "common/settings.h"

#include <ev.h>
#include <stdbool.h>

struct service;

/* service_new() - connects as `worker`; reads bus.* and inbox.*. Without a Maildir it is connected
 * and idle. Child of ctx. */
struct service *service_new(const void *ctx, struct ev_loop *, const struct settings *,
                            const char *worker);
/* service_drained() - stops looking for mail; true once all that was told is acknowledged. */
bool service_drained(struct service *);

#endif
