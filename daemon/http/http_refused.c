/* http_refused.c - what libmicrohttpd refuses by itself (lines that are no HTTP, other versions,
 * heads that are too large) is a problem document, too.
 *
 * libmicrohttpd has no door for that: it makes a page in HTML and gives it to
 * MHD_queue_response(), which it calls like everybody by its name. The executable's own stands
 * first and gives our document in its place. What is ours comes through http_queue(). */
#include "common/mem.h"
#include "daemon/http/http_head.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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

/* Whether it refuses a Content-Length: with 0.9.75 an answer to that goes out with its head twice.
 */
static bool is_of_length(struct MHD_Connection *mhd)
{
    const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
    uint64_t n;

    return length != NULL && !http_head_length(length, &n);
}

/* answer_raw() - the whole answer in one piece, as far as the socket takes it: nothing else is on
 * its way, and the connection is closed behind it. */
static enum MHD_Result answer_raw(struct MHD_Connection *mhd, unsigned status, const char *problem)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    char text[512];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %u %s\r\nContent-Type: application/problem+json\r\nContent-Length: "
                     "%zu\r\nConnection: close\r\n\r\n%s",
                     status, MHD_get_reason_phrase_for(status), strlen(problem), problem);

    (void)send(info->connect_fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return MHD_NO;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *mhd, unsigned status,
                                   struct MHD_Response *response)
{
    char text[256];
    struct MHD_Response *problem;
    enum MHD_Result result;

    (void)response; /* stays the caller's */
    snprintf(text, sizeof text,
             "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"The request is "
             "malformed or too large: it was not read to its end.\"}",
             MHD_get_reason_phrase_for(status), status);
    if (is_of_length(mhd))
        return answer_raw(mhd, status, text);
    problem = mem_must(MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY));
    if (MHD_add_response_header(problem, MHD_HTTP_HEADER_CONTENT_TYPE,
                                "application/problem+json") != MHD_YES)
        bug("libmicrohttpd refuses a header");
    result = queue_next()(mhd, status, problem);
    MHD_destroy_response(problem);
    return result;
}
