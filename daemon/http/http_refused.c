/* http_refused.c - what libmicrohttpd refuses by itself (lines that are no HTTP, other versions,
 * heads that are too large) is a problem document, too.
 *
 * libmicrohttpd has no door for that: it makes a page in HTML and gives it to
 * MHD_queue_response(), which it calls like everybody by its name. The executable's own stands
 * first and gives our document in its place. What is ours comes through http_queue(). */
#include "common/mem.h"
#include "daemon/http/http_request.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef enum MHD_Result queue_fn(struct MHD_Connection *, unsigned, struct MHD_Response *);

static queue_fn *queue_next(void)
{
    static queue_fn *next;

    if (next == NULL) {
        void *found = dlsym(RTLD_NEXT, "MHD_queue_response");

        if (found == NULL)
            bug("there is no MHD_queue_response");
        memcpy(&next, &found, sizeof next);
    }
    return next;
}

enum MHD_Result http_queue(struct MHD_Connection *mhd, unsigned status,
                           struct MHD_Response *response)
{
    return queue_next()(mhd, status, response);
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *mhd, unsigned status,
                                   struct MHD_Response *response)
{
    char text[256];
    struct MHD_Response *problem;
    enum MHD_Result result;

    (void)response;
    snprintf(text, sizeof text,
             "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"The request is "
             "malformed or too large: it was not read to its end.\"}",
             MHD_get_reason_phrase_for(status), status);
    problem = mem_must(MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY));
    if (MHD_add_response_header(problem, MHD_HTTP_HEADER_CONTENT_TYPE,
                                "application/problem+json") != MHD_YES)
        bug("libmicrohttpd refuses a header");
    result = queue_next()(mhd, status, problem);
    MHD_destroy_response(problem);
    return result;
}
