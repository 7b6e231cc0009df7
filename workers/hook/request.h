/* request.h - a hook job as an HTTP request, and an HTTP answer as the job's result. Pure.
 *
 * Standard Webhooks: webhook-id is the delivery's constant id, webhook-timestamp the second of this
 * attempt, webhook-signature the HMAC of both and of the exact bytes of the body, once for each
 * secret. */
#ifndef LAZO_HOOK_REQUEST_H
#define LAZO_HOOK_REQUEST_H

#include "common/sign.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_SECRETS    4
#define REQUEST_HEADERS    7
#define REQUEST_URL_MAX    2000
#define REQUEST_STATUS_MAX 500 /* bytes of a result's status text (bus.h) */

struct request {
    int64_t lease;
    json_t *job; /* a reference; the strings below belong to it */
    const char *url;
    const char *id;
    const char *body;
    size_t body_len;
    struct sign_secret secrets[REQUEST_SECRETS];
    size_t n_secrets;
};

/* request_new() - child of ctx. Gives NULL and why (a constant sentence) where the job is none that
 * can be sent: not http or https, a URL with user or password, control characters or too long, an
 * id with a dot or of other than printable ASCII, no secret or one that is no base64, more than
 * REQUEST_SECRETS of them, no body. */
struct request *request_new(const void *ctx, const json_t *job, const char **ret_why);

/* request_headers() - the header lines "name: value" of an attempt at `now_s` (seconds since 1970),
 * children of ctx. The last one is "Expect:", which keeps curl from asking for leave first. */
void request_headers(const void *ctx, const struct request *, int64_t now_s,
                     char *ret_lines[REQUEST_HEADERS]);

/* --- what an answer means ---------------------------------------------------------------- */

enum verdict {
    VERDICT_SENT,  /* 2xx */
    VERDICT_GONE,  /* 410: the endpoint wants no more calls at all */
    VERDICT_AGAIN, /* everything else, redirects among it */
};
/* request_verdict() - of an HTTP status; 0 where no answer came. */
enum verdict request_verdict(int status);

/* request_status_text() - one line for people of the last answer: "HTTP 503: busy", the begin of
 * the answer's body being `body`, cleaned of what is not printable ASCII. At most
 * REQUEST_STATUS_MAX bytes; child of ctx. */
char *request_status_text(const void *ctx, int status, const char *body, size_t n);

/* request_result() - the result message's item (bus.h); a new reference. `state` is "sent",
 * "failed" or "retry". Text beyond REQUEST_STATUS_MAX is cut. */
json_t *request_result(const json_t *job, const char *state, const char *text, int status,
                       bool gone);

#endif
