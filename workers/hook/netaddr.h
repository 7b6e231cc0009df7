/* netaddr.h - which addresses a webhook may call. Pure.
 *
 * Asked with the address that is about to be connected to, never with a name or its spelling:
 * "127.1", "0x7f000001", a fullwidth digit or a name that resolves anew each time all end here as
 * the four or sixteen bytes that the kernel gets. */
#ifndef LAZO_HOOK_NETADDR_H
#define LAZO_HOOK_NETADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* netaddr_public() - whether the address is one of the public internet: none of the ranges that are
 * private, shared, link-local, loopback, documentation, benchmarking, multicast or reserved (RFC
 * 6890 and its registries). An IPv6 address that carries an IPv4 one is not public. What is neither
 * AF_INET nor AF_INET6, or shorter than its family's structure, is not public. */
bool netaddr_public(const struct sockaddr *, size_t n);

#endif
