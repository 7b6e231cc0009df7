/* bucket.h - how often somebody may come: token buckets by key, in a table of fixed size. Pure.
 *
 * A bucket holds as many tokens as are allowed in a period, and fills again within one. Where the
 * table is full, a new key takes the place of the one among its neighbours that is the fullest:
 * whoever was held back the least is forgotten first. */
#ifndef LAZO_DAEMON_CONSENT_BUCKET_H
#define LAZO_DAEMON_CONSENT_BUCKET_H

#include <stddef.h>
#include <stdint.h>

#define BUCKETS_DEFAULT 8192

struct buckets;

/* buckets_new() - room for `n` keys (a multiple of 8), with a period of an hour; child of ctx. Keys
 * are hashed under a random key. */
struct buckets *buckets_new(const void *ctx, size_t n);
/* buckets_period() - another period from now on. */
void buckets_period(struct buckets *, int64_t period_us);
/* buckets_take() - 0 where one of the tokens of `key` was there and is now taken; else the seconds
 * until there will be one. `allowed` are there in a period. `now_us` never runs backwards. */
int64_t buckets_take(struct buckets *, const char *key, int64_t allowed, int64_t now_us);

/* bucket_network() - the network that an address belongs to (IPv4 /24, IPv6 /48) as text; the
 * address itself where it is none. Child of ctx. */
char *bucket_network(const void *ctx, const char *address);

#endif
