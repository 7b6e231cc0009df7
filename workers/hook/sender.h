/* sender.h - makes webhook calls, hundreds at a time on one loop, and tells how each ended.
 *
 *     called ──► 2xx: sent        410: failed, gone
 *        ▲   ├─► address not public, job unusable: failed
 *        │   └─► anything else: waits (retry.h), hook.retries times, then failed
 *        └────────────────────────┘
 *
 * Where half of hook.concurrency is waiting already, a job ends as "retry" in place of waiting: it
 * goes back to lazod's queue.
 *
 * A call is bounded whatever the endpoint does: hook.timeout in all, 64 kB of answer, no redirects,
 * no proxy, http and https alone, and only public addresses unless hook.allow_private. */
#ifndef LAZO_HOOK_SENDER_H
#define LAZO_HOOK_SENDER_H

#include "common/settings.h"

#include <ev.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct sender;

/* The result is borrowed. Called exactly once for each job, from the loop or from within
 * sender_call() or sender_release(). */
typedef void sender_fn(void *arg, int64_t lease, json_t *result);

/* sender_new() - reads hook.* of the settings; needs curl_global_init() before. Child of ctx;
 * freeing it drops what is under way. */
struct sender *sender_new(const void *ctx, struct ev_loop *, const struct settings *,
                          sender_fn *done, void *arg);
/* sender_call() - makes the job's call; the job is borrowed. */
void sender_call(struct sender *, const json_t *job);
/* sender_release() - from now on nobody waits: jobs between two attempts end as "retry" at once,
 * and so do those whose call fails. */
void sender_release(struct sender *);
/* sender_busy() - jobs taken that have no result yet. */
size_t sender_busy(const struct sender *);

#endif
