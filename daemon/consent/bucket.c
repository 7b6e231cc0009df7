/* bucket.c - see bucket.h. */
#include "daemon/consent/bucket.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

#define WAYS    8
#define HOUR_US (INT64_C(3600) * 1000000)

struct bucket {
    uint64_t hash; /* 0: empty */
    double full;   /* 0 to 1 of what is allowed */
    int64_t at_us;
};

struct buckets {
    unsigned char key[crypto_shorthash_KEYBYTES];
    size_t sets;
    int64_t period_us;
    struct bucket *items;
};

struct buckets *buckets_new(const void *ctx, size_t n)
{
    struct buckets *b = mem_new(ctx, struct buckets);

    crypto_shorthash_keygen(b->key);
    b->sets = n / WAYS > 0 ? n / WAYS : 1;
    b->items = mem_array(b, struct bucket, b->sets * WAYS);
    b->period_us = HOUR_US;
    return b;
}

void buckets_period(struct buckets *b, int64_t period_us)
{
    b->period_us = period_us;
}

/* How full it is by now. */
static double level(const struct buckets *b, const struct bucket *item, int64_t now_us)
{
    double full = item->full + (double)(now_us - item->at_us) / (double)b->period_us;

    return item->hash == 0 || full > 1 ? 1 : full;
}

/* bucket_of() - the key's bucket, made where there is none. */
static struct bucket *bucket_of(struct buckets *b, const char *key, int64_t now_us)
{
    struct bucket *set, *fullest;
    uint64_t hash;

    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key, strlen(key), b->key);
    hash |= 1;
    set = fullest = &b->items[(hash >> 1) % b->sets * WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
        if (level(b, &set[i], now_us) > level(b, fullest, now_us) ||
            (set[i].hash == 0 && fullest->hash != 0))
            fullest = &set[i];
    }
    *fullest = (struct bucket){.hash = hash, .full = 1, .at_us = now_us};
    return fullest;
}

int64_t buckets_take(struct buckets *b, const char *key, int64_t allowed, int64_t now_us)
{
    struct bucket *item = bucket_of(b, key, now_us);
    double one = allowed > 0 ? 1.0 / (double)allowed : 2;

    item->full = level(b, item, now_us);
    item->at_us = now_us;
    if (item->full + 1e-9 >= one) {
        item->full = item->full > one ? item->full - one : 0;
        return 0;
    }
    return (int64_t)ceil((one - item->full) * (double)b->period_us / 1e6);
}

char *bucket_network(const void *ctx, const char *address)
{
    unsigned char bytes[16] = {0};
    char text[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET, address, bytes) == 1) {
        bytes[3] = 0;
        inet_ntop(AF_INET, bytes, text, sizeof(text));
        return mem_printf(ctx, "%s/24", text);
    }
    if (inet_pton(AF_INET6, address, bytes) != 1)
        return mem_strdup(ctx, address);
    memset(bytes + 6, 0, 10);
    inet_ntop(AF_INET6, bytes, text, sizeof(text));
    return mem_printf(ctx, "%s/48", text);
}
