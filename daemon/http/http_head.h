/* http_head.h - what a request's head says, and whether it may be said so. */
#ifndef LAZO_DAEMON_HTTP_HTTP_HEAD_H
#define LAZO_DAEMON_HTTP_HTTP_HEAD_H

#include "daemon/http/http_request.h"

struct http_head {
    const char *why; /* the request is refused; NULL: nothing is wrong */
    const char *authorization, *forwarded_for, *encoding; /* borrowed; NULL: not said */
    bool has_body, too_large;
    uint64_t length; /* of the body; 0: it says none, or is chunked */
};

/* http_head_read() - reads the headers, and keeps what the request's conditions are. `method` and
 * `version` as libmicrohttpd gave them. To be called once, before anything of the body is there. */
void http_head_read(struct http_request *, const char *method, const char *version,
                    struct http_head *ret_head);
/* http_head_length() - Content-Length (RFC 9110, 8.6); false where it is none. */
bool http_head_length(const char *value, uint64_t *ret_length);

#endif
