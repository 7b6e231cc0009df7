/* netaddr.c - see netaddr.h. One more range is one more line of a table. */
#include "workers/hook/netaddr.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct range4 {
    uint8_t bytes[4];
    int bits;
};

static const struct range4 closed4[] = {
    {{0, 0, 0, 0}, 8},       /* this network */
    {{10, 0, 0, 0}, 8},      /* private */
    {{100, 64, 0, 0}, 10},   /* shared, carrier-grade NAT */
    {{127, 0, 0, 0}, 8},     /* loopback */
    {{169, 254, 0, 0}, 16},  /* link-local; clouds keep their metadata there */
    {{172, 16, 0, 0}, 12},   /* private */
    {{192, 0, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2, 0}, 24},    /* documentation */
    {{192, 88, 99, 0}, 24},  /* 6to4 relays */
    {{192, 168, 0, 0}, 16},  /* private */
    {{198, 18, 0, 0}, 15},   /* benchmarking */
    {{198, 51, 100, 0}, 24}, /* documentation */
    {{203, 0, 113, 0}, 24},  /* documentation */
    {{224, 0, 0, 0}, 4},     /* multicast */
    {{240, 0, 0, 0}, 4},     /* reserved, broadcast */
};

struct range6 {
    uint8_t bytes[16];
    int bits;
};

/* IPv6 is closed but for 2000::/3, and of that these are closed too. What carries an IPv4 address
 * in its last four bytes (mapped, NAT64) lies outside 2000::/3. */
static const struct range6 open6 = {{0x20}, 3};
static const struct range6 closed6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: carries any IPv4 address */
};

static bool within(const uint8_t *address, const uint8_t *range, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00 >> rest);

    return memcmp(address, range, (size_t)whole) == 0 &&
           (rest == 0 || (address[whole] & mask) == (range[whole] & mask));
}

static bool public4(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof(closed4) / sizeof(closed4[0]); i++)
        if (within(address, closed4[i].bytes, closed4[i].bits))
            return false;
    return true;
}

static bool public6(const uint8_t *address)
{
    if (!within(address, open6.bytes, open6.bits))
        return false;
    for (size_t i = 0; i < sizeof(closed6) / sizeof(closed6[0]); i++)
        if (within(address, closed6[i].bytes, closed6[i].bits))
            return false;
    return true;
}

bool netaddr_public(const struct sockaddr *address, size_t n)
{
    if (n >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET)
        return public4(
            (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (n >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6)
        return public6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return false;
}
