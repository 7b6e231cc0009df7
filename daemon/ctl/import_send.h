/* import_send.h - a batch of rows sent to the API; each row learns what became of it. */
#ifndef LAZO_DAEMON_CTL_IMPORT_SEND_H
#define LAZO_DAEMON_CTL_IMPORT_SEND_H

#include "daemon/ctl/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct import_row {
    int64_t line;        /* in the file */
    const char **fields; /* NULL where the line is no CSV: then raw is it */
    size_t n;
    const char *raw;
    json_t *body;    /* owned; NULL where the row was refused before it was sent */
    const char *why; /* NULL, or why it was refused */
};

struct import_batch {
    struct import_row *rows; /* and all in them: children of ctx */
    size_t n, cap;
    void *ctx;
};

struct import_counts {
    size_t recorded, duplicates; /* interactions */
    size_t created, updated;     /* contacts */
    size_t consents;
};

/* What each imported contact agreed to, as whoever imports attests; topic NULL: nothing. Who has
 * ever said yes or no to the topic keeps his word. */
struct import_consent {
    const char *topic, *wording, *source;
};

/* Both give false, said on stderr, where the instance cannot be reached or refuses all; the batch
 * may then be sent again after. A database that is away for a moment is waited for. */
bool import_send_interactions(struct client *, struct import_batch *, bool live,
                              struct import_counts *);
bool import_send_contacts(struct client *, struct import_batch *, const struct import_consent *,
                          struct import_counts *);

#endif
