/* address.c - see address.h. */
#include "daemon/ctl/address.h"

#include "common/mem.h"
#include "common/text.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below the ports that the kernel gives to connections, so that none takes it before lazod, or
 * while lazod is started again. */
#define PORT_FIRST 20000
#define PORT_COUNT 10000
#define PORT_TRIES 100

static bool port_bind(const struct addrinfo *at, int port)
{
    struct sockaddr_storage address;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound;

    memcpy(&address, at->ai_addr, at->ai_addrlen);
    if (address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
    bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, at->ai_addrlen) == 0;
    if (fd >= 0)
        close(fd);
    return bound;
}

/* A port that nobody listens on at this address; 0 where none is found. */
static int port_free(const struct addrinfo *at)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        int port = PORT_FIRST + (int)randombytes_uniform(PORT_COUNT);

        if (port_bind(at, port))
            return port;
    }
    return 0;
}

static bool refuse(const char *text)
{
    fprintf(stderr, "lazoctl up: --http %s: an address and a port are wanted, as 127.0.0.1:7400\n",
            text);
    return false;
}

bool address_parse(const void *ctx, const char *text, struct address *ret)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    struct addrinfo *at;
    char *host;
    bool six, any;
    int64_t port;

    if (colon == NULL || colon == text || !text_int(colon + 1, &port) || port < 0 || port > 65535)
        return refuse(text);
    six = text[0] == '[' && colon[-1] == ']';
    host = six ? mem_strndup(ctx, text + 1, (size_t)(colon - text) - 2)
               : mem_strndup(ctx, text, (size_t)(colon - text));
    if (strcmp(host, "localhost") == 0)
        host = mem_strdup(ctx, "127.0.0.1");
    if (getaddrinfo(host, "0", &hints, &at) != 0)
        return refuse(text);
    if (port == 0)
        port = port_free(at);
    any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    freeaddrinfo(at);
    if (port == 0)
        return refuse(text);
    ret->listen = mem_printf(ctx, six ? "[%s]:%d" : "%s:%d", host, (int)port);
    ret->url = any ? mem_printf(ctx, six ? "http://[::1]:%d" : "http://127.0.0.1:%d", (int)port)
                   : mem_printf(ctx, "http://%s", ret->listen);
    return true;
}
