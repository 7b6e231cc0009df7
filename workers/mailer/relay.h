/* relay.h - where mail goes: the settings mail.relay and mail.tls, taken apart. Pure. */
#ifndef LAZO_MAILER_RELAY_H
#define LAZO_MAILER_RELAY_H

#include <stdbool.h>

enum relay_tls { RELAY_TLS_OFF, RELAY_TLS_OPPORTUNISTIC, RELAY_TLS_REQUIRED };

struct relay {
    const char *host;            /* a name or an IPv4 address */
    int port;                    /* 25 where the URL has none */
    const char *user, *password; /* NULL: no AUTH */
    enum relay_tls tls;
};

/* relay_parse() - "smtp://[user[:password]@]host[:port]", user and password percent-encoded, and
 * the word of mail.tls. With a user, TLS is required whatever "opportunistic" says; with "off" that
 * is an error. Child of ctx; NULL and a sentence in *ret_why (child of ctx) where it is wrong. */
struct relay *relay_parse(const void *ctx, const char *url, const char *tls, char **ret_why);

#endif
