/* smtp.h - one connection to the relay, many messages over it, through libesmtp. Blocking: it
 * belongs into a thread.
 *
 * Messages have one recipient each. The caller is asked for the next message while one is under
 * way; each message that the session took ends in exactly one of done() and untried(). */
#ifndef LAZO_MAILER_SMTP_H
#define LAZO_MAILER_SMTP_H

#include "workers/mailer/relay.h"
#include "workers/mailer/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all sessions share. Made once, before the threads. */
struct smtp;

struct smtp_options {
    const struct relay *relay;
    const char *hostname;   /* for EHLO; "": the machine's */
    const char *ca_file;    /* "": the system's certificates */
    int64_t timeout_us;     /* for each answer, and for the transfer of a whole message */
    int64_t dot_timeout_us; /* for the answer to a whole message */
    int per_session;
};

/* smtp_new() - child of ctx; what options point to must outlive it. NULL and a sentence in *ret_why
 * (child of ctx) where the certificates cannot be loaded. One per process. */
struct smtp *smtp_new(const void *ctx, const struct smtp_options *, char **ret_why);

/* One message; the caller's until it is given to the session, and again after done() or untried().
 */
struct smtp_message {
    const char *from, *to; /* fit for SMTP as they are (address.h) */
    const char *bytes;     /* CRLF lines, 7-bit, ends with CRLF */
    size_t size;
};

struct smtp_ops {
    /* The next message, or NULL where there is none. `wait`: the connection is idle, a short wait
     * for one is worth it. */
    struct smtp_message *(*next)(void *arg, bool wait);
    /* The whole message but its end is with the relay. True once that is noted on disk; false: it
     * is not ended, and so not sent. */
    bool (*offer)(void *arg, struct smtp_message *);
    void (*done)(void *arg, struct smtp_message *, const struct verdict *);
    /* Nothing of it was tried; it may go over another connection. */
    void (*untried)(void *arg, struct smtp_message *);
};

/* smtp_run() - a session that begins with `first`. True where the relay answered to at least one
 * message; false where it could not be worked with (no connection, greeting, TLS, AUTH): then all
 * messages were untried and `ret_why` says why. */
#define SMTP_WHY 256
bool smtp_run(struct smtp *, struct smtp_message *first, const struct smtp_ops *, void *arg,
              char ret_why[SMTP_WHY]);

#endif
