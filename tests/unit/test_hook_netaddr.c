/* Which addresses a webhook may call. The list of refused ranges is STANDARDS.md rule 37's, each
 * tried at its first and last address and, where the neighbours are public, just beside. */
#include "workers/hook/netaddr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static bool is_public(const char *text)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &a4.sin_addr) == 1)
        return netaddr_public((const struct sockaddr *)&a4, sizeof(a4));
    assert_int_equal(inet_pton(AF_INET6, text, &a6.sin6_addr), 1);
    return netaddr_public((const struct sockaddr *)&a6, sizeof(a6));
}

static void test_closed(void **state)
{
    static const char *const closed[] = {"0.0.0.0",
                                         "0.255.255.255",
                                         "10.0.0.0",
                                         "10.255.255.255",
                                         "100.64.0.0",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.0.0",
                                         "169.254.169.254",
                                         "169.254.255.255",
                                         "172.16.0.0",
                                         "172.31.255.255",
                                         "192.0.0.0",
                                         "192.0.0.255",
                                         "192.0.2.0",
                                         "192.0.2.255",
                                         "192.88.99.0",
                                         "192.88.99.255",
                                         "192.168.0.0",
                                         "192.168.255.255",
                                         "198.18.0.0",
                                         "198.19.255.255",
                                         "198.51.100.0",
                                         "198.51.100.255",
                                         "203.0.113.0",
                                         "203.0.113.255",
                                         "224.0.0.0",
                                         "239.255.255.255",
                                         "240.0.0.0",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::127.0.0.1",
                                         "::8.8.8.8",
                                         "::ffff:127.0.0.1",
                                         "::ffff:8.8.8.8",
                                         "::ffff:0:127.0.0.1",
                                         "64:ff9b::127.0.0.1",
                                         "64:ff9b::8.8.8.8",
                                         "64:ff9b:1::1",
                                         "100::1",
                                         "1fff:ffff::1",
                                         "2001::1",
                                         "2001:1ff:ffff::1",
                                         "2001:db8::1",
                                         "2001:db8:ffff::",
                                         "2002:7f00:1::",
                                         "2002:808:808::1",
                                         "3fff::1",
                                         "3fff:fff::1",
                                         "4000::1",
                                         "5f00::1",
                                         "fc00::1",
                                         "fdff::1",
                                         "fe80::1",
                                         "febf::1",
                                         "fec0::1",
                                         "ff02::1",
                                         "ffff::1"};

    (void)state;
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        if (is_public(closed[i]))
            fail_msg("%s", closed[i]);
}

static void test_open(void **state)
{
    static const char *const open[] = {
        "1.0.0.0",          "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",   "100.128.0.0",     "126.255.255.255", "128.0.0.0",
        "169.253.255.255",  "169.255.0.0",     "172.15.255.255",  "172.32.0.0",
        "191.255.255.255",  "192.0.1.0",       "192.0.3.0",       "192.88.98.255",
        "192.88.100.0",     "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.0",       "198.51.99.255",   "198.51.101.0",    "203.0.112.255",
        "203.0.114.0",      "223.255.255.255", "2001:200::1",     "2001:4860:4860::8888",
        "2001:db7:ffff::1", "2001:db9::1",     "2003::1",         "2606:4700::1111",
        "2a00:1450::1",     "3ffe:ffff::1",    "3fff:1000::1"};

    (void)state;
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        if (!is_public(open[i]))
            fail_msg("%s", open[i]);
}

/* Every IPv4 address of a stride against the ranges written the other way, as bounds of numbers. */
static void test_bounds(void **state)
{
    static const struct {
        uint32_t first, last;
    } closed[] = {{0, 0xffffff},
                  {0x0a000000, 0x0affffff},
                  {0x64400000, 0x647fffff},
                  {0x7f000000, 0x7fffffff},
                  {0xa9fe0000, 0xa9feffff},
                  {0xac100000, 0xac1fffff},
                  {0xc0000000, 0xc00000ff},
                  {0xc0000200, 0xc00002ff},
                  {0xc0586300, 0xc05863ff},
                  {0xc0a80000, 0xc0a8ffff},
                  {0xc6120000, 0xc613ffff},
                  {0xc6336400, 0xc63364ff},
                  {0xcb007100, 0xcb0071ff},
                  {0xe0000000, 0xffffffff}};

    (void)state;
    for (uint64_t n = 0; n <= UINT32_MAX; n += 7919) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl((uint32_t)n)}};
        bool inside = false;

        for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
            inside = inside || (n >= closed[i].first && n <= closed[i].last);
        if (netaddr_public((const struct sockaddr *)&a, sizeof(a)) == inside)
            fail_msg("%llu", (unsigned long long)n);
    }
}

/* Odd spellings: what the resolver makes of them is what is asked about. */
static void test_spellings(void **state)
{
    static const char *const spellings[] = {
        "127.1",     "0x7f000001", "2130706433",    "0177.0.0.1", "0x7f.1", "0",
        "127.0.0.1", "0xa9fea9fe", "::ffff:7f00:1", "[::1]",      "10.1",   "192.168.257"};
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    int resolved = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct addrinfo *found;

        if (getaddrinfo(spellings[i], "80", &hints, &found) != 0)
            continue;
        for (struct addrinfo *a = found; a != NULL; a = a->ai_next)
            if (netaddr_public(a->ai_addr, a->ai_addrlen))
                fail_msg("%s", spellings[i]);
        freeaddrinfo(found);
        resolved++;
    }
    assert_true(resolved >= 9);
}

static void test_no_internet_address(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(0x08080808)}};

    (void)state;
    assert_true(netaddr_public((const struct sockaddr *)&a, sizeof(a)));
    assert_false(netaddr_public((const struct sockaddr *)&a, sizeof(a) - 1));
    assert_false(netaddr_public((const struct sockaddr *)&a, 0));
    a.sin_family = AF_UNIX;
    assert_false(netaddr_public((const struct sockaddr *)&a, sizeof(a)));
    a.sin_family = AF_INET6; /* too short for one */
    assert_false(netaddr_public((const struct sockaddr *)&a, sizeof(a)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_no_internet_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
