/* address.h - ADDR:PORT as `lazoctl up --http` takes it. */
#ifndef LAZO_DAEMON_CTL_ADDRESS_H
#define LAZO_DAEMON_CTL_ADDRESS_H

#include <stdbool.h>

struct address {
    const char *listen; /* ADDR:PORT, the port never 0 */
    const char *url;    /* how this machine reaches it: http://ADDR:PORT */
};

/* address_parse() - "127.0.0.1:7400", "[::1]:7400"; port 0 becomes one that is free now. False,
 * said on stderr, where `text` is none of these. Children of ctx. */
bool address_parse(const void *ctx, const char *text, struct address *ret);

#endif
