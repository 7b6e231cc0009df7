/* retry.h - when a webhook call that failed is made again by the worker that has it. Pure.
 *
 * The first waits are short, since most failures pass within minutes; the waits of days are the
 * dispatcher's. */
#ifndef LAZO_HOOK_RETRY_H
#define LAZO_HOOK_RETRY_H

#include <stdint.h>

/* No wait is longer, whatever is configured or asked by Retry-After: the job's lease runs on
 * meanwhile. */
#define HOOKRETRY_MOST_US (INT64_C(300) * 1000000)

/* hookretry_wait_us() - the wait after failure number `failure` (from 0): first_us * 6^failure, and
 * up to a fifth more by `random` (any 32 bits), so that calls that failed together do not come back
 * together. Where the endpoint asked for a wait (Retry-After, in seconds; 0: it did not), not less
 * than that. */
int64_t hookretry_wait_us(int64_t first_us, int failure, uint32_t random, int64_t retry_after_s);

#endif
