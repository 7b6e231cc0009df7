/* api_enqueue.h - one job made by a request: a single message, a webhook's test, a delivery once
 * more. */
#ifndef LAZO_DAEMON_HTTP_API_ENQUEUE_H
#define LAZO_DAEMON_HTTP_API_ENQUEUE_H

#include "daemon/http/api.h"

/* Ids that are 0 and texts that are NULL become null. Borrowed until api_enqueue() returns. */
struct api_job {
    int class;        /* 0 transactional, 1 journey, 2 campaign */
    const char *sort; /* "mail" or "hook" */
    const char *key;
    int64_t contact_id, template_id, webhook_id, topic_id, campaign_id, journey_id, interaction_id;
    const char *to_email;
    const char *data; /* JSON object */
};

/* api_enqueue() - makes the job and answers 202 {"id", "duplicate"}: a key that was used before
 * gives the first job's id and makes none. */
void api_enqueue(struct app *, struct http_request *, const struct api_job *);

#endif
