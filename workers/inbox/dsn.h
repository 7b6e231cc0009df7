/* dsn.h - a delivery status report (RFC 3464) as findings. Pure.
 *
 * Only "Action: failed" counts; delayed, delivered, relayed and expanded are none of our business.
 * Writers are careless: groups without an empty line between them, without Action, with comments
 * behind the codes and with the report in a plain text part are read all the same. */
#ifndef LAZO_INBOX_DSN_H
#define LAZO_INBOX_DSN_H

#include "workers/inbox/finding.h"

#include <stddef.h>

struct findings {
    struct finding *items;
    size_t n, cap;
};

/* One message of ours has one recipient; who reports more than these is not to be trusted with our
 * time. */
#define DSN_RECIPIENTS 100

/* dsn_read() - adds the findings of the report `status` (the text of message/delivery-status).
 * `text` is what the mail says to people: its words are judged where the report has none. Gives how
 * many recipients the report names, failed or not. Strings become children of ctx. */
size_t dsn_read(const void *ctx, const char *status, const char *text, struct findings *);

/* findings_add() - one more, all set to nothing but its class, recipient (which may be NULL) and
 * reason (`n` bytes of the words). */
struct finding *findings_add(const void *ctx, struct findings *, enum finding_class,
                             const char *recipient, const char *words, size_t n);

#endif
