/* joblist.h - jobs to be made by one statement (job_enqueue). Private to daemon/decide. */
#ifndef LAZO_DAEMON_DECIDE_JOBLIST_H
#define LAZO_DAEMON_DECIDE_JOBLIST_H

#include "daemon/pg/pgpool.h"

#include <stddef.h>
#include <stdint.h>

struct joblist {
    struct pgarray columns[14];
    size_t n;
};

/* One job of class 1 (journey). Ids that are 0 and texts that are NULL become null. */
struct joblist_item {
    const char *sort; /* "mail" or "hook" */
    const char *key;
    int64_t contact_id, template_id, webhook_id, topic_id, journey_id, interaction_id;
    const char *data; /* JSON object */
};

void joblist_init(struct joblist *, const void *ctx);
void joblist_add(struct joblist *, const struct joblist_item *, int64_t now_us);
/* joblist_send() - hands the jobs over; `fn` gets the rows that were made (those whose keys are
 * new). Not to be called with none. */
void joblist_send(struct joblist *, struct pgtx *, const void *ctx, pgres_fn *fn, void *arg);

#endif
