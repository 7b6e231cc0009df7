/* http.h - HTTP/1.1 on the loop by libmicrohttpd: requests in, answers out. Knows nothing of what
 * is asked.
 *
 * A request is handed to its route's handler once its body is complete (or, for routes that stream,
 * piece by piece). The handler answers at once or later, from the loop, exactly once. A client that
 * goes away does not end a request: the answer is then dropped. Smuggling shapes (two
 * Content-Length, Content-Length with Transfer-Encoding, unknown encodings) are refused with 400
 * and the connection closed; bodies over the limit with 413; slow requests are cut
 * (limits.request_time). Errors are application/problem+json (RFC 9457), those of libmicrohttpd
 * itself too (other versions, heads past 48 KiB); but a first line that is no request ends the
 * connection without an answer, and before the answer to a Content-Length that is no number it
 * sends the head twice. */
#ifndef LAZO_DAEMON_HTTP_HTTP_H
#define LAZO_DAEMON_HTTP_HTTP_H

#include "common/buf.h"
#include "common/diag.h"
#include "common/settings.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct http_request;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS };

/* Who asks. Resolved by the `authorise` callback before the handler of a route that needs it. */
struct http_caller {
    int64_t org_id;
    int64_t token_id;
    char role[16]; /* "owner", "editor", "recorder", "reader" */
};

typedef void http_handler(void *arg, struct http_request *);

struct http_route {
    enum http_method method;
    const char *path; /* "/v1/segments/{name}/members": {…} takes one path segment */
    const char
        *role; /* least role: "reader", "recorder", "editor", "owner"; NULL: no token needed */
    http_handler *handler;
    /* The names that its query may have, once each, as "limit after"; NULL: none. Whatever stands
     * in the query of a route without a role is let be: programs that show mail add to its links.
     */
    const char *query;
};

/* http_new() - listens; child of ctx; NULL and a line in `d` where it cannot. `authorise(arg,
 * request, token)` must call http_authorised() or http_problem() exactly once, now or later.
 * Freeing it resumes and drops all requests. */
struct http_options {
    const struct settings *settings;
    const struct http_route *routes; /* borrowed; ends with a NULL path */
    void (*authorise)(void *arg, struct http_request *, const char *token);
    /* streams() - whether the body of this request is read piece by piece; asked when only its head
     * is there. Its handler is then called before the body, and answers or calls http_take(). NULL:
     * no request is. */
    bool (*streams)(void *arg, const struct http_request *);
    void *arg; /* of authorise, streams and all handlers */
};
struct http *http_new(const void *ctx, struct ev_loop *, const struct http_options *,
                      struct diag *d);
int http_port(const struct http *);
size_t http_in_flight(const struct http *);
/* http_stop() - accepts no more connections; requests in flight are still answered, but bodies that
 * come piece by piece are cut. */
void http_stop(struct http *);
/* http_metrics() - Prometheus text of what it counts (requests by status class, in flight,
 * refused). */
void http_metrics(const struct http *, struct buf *);

void http_authorised(struct http_request *, const struct http_caller *);

/* --- what a handler reads; all borrowed for the life of the request
 * --------------------------------------- */

/* The talloc context of the request: freed after it is answered and the client is done. */
const void *http_ctx(const struct http_request *);
const struct http_caller *http_caller(const struct http_request *);
/* http_caller_may() - whether the caller has this role or a higher one. */
bool http_caller_may(const struct http_request *, const char *role);
enum http_method http_method(const struct http_request *);
const char *http_path(const struct http_request *);
const char *http_param(const struct http_request *,
                       const char *name); /* {name} of the path, decoded; NUL and control characters
                                             were refused. NULL where the route has no such name */
bool http_param_int(const struct http_request *, const char *name, int64_t *ret);
const char *http_query(const struct http_request *,
                       const char *name); /* of the query string, decoded; or NULL */
/* http_query_text() - the query string, encoded anew: "a=1&b=2"; "" where there is none. Child of
 * the request. */
const char *http_query_text(const struct http_request *);
bool http_query_int(const struct http_request *, const char *name,
                    int64_t *ret); /* false: not there, or no number */
const char *http_header(const struct http_request *, const char *name); /* or NULL */
/* http_condition() - the headers If-Match and If-None-Match, several lines as one; NULL: none. They
 * stay when the client is gone: its write is held to them. */
void http_condition(const struct http_request *, const char **ret_match, const char **ret_none);
const char *http_client_address(const struct http_request *);
const char *http_body(const struct http_request *, size_t *ret_n);
/* http_json() - the body as JSON (strict: UTF-8, no duplicate keys, depth ≤ 64); NULL where it is
 * none: the problem was then already answered. Owned by the request. */
json_t *http_json(struct http_request *);
/* http_json_parse() - the same for `n` bytes of any text; a new reference, or NULL and a line in
 * `d`. Pure. */
json_t *http_json_parse(const char *s, size_t n, struct diag *d);
/* http_form() - a field of an application/x-www-form-urlencoded or multipart/form-data body; or
 * NULL. */
const char *http_form(struct http_request *, const char *name);
/* http_limit() - "limit" of the query (default 50, at most 1000); false and 400 answered where it
 * is no number in range. */
bool http_limit(struct http_request *, int *ret_limit);

/* http_take() - a body of any length, in constant memory: what its handler does where streams()
 * said so. `piece` takes what it can of `n` bytes and says how many. After fewer than n none come,
 * and the sender is held back, until http_more(). `ended` is called once: the body is whole, or its
 * sender went away or was cut because no bytes were taken for limits.stall. Either way the handler
 * still owes its one answer, then or later; it may give it before, and what comes after is thrown
 * away, for limits.request_time at most. */
struct http_taker {
    size_t (*piece)(void *arg, const char *bytes, size_t n);
    void (*ended)(void *arg, bool whole);
    void *arg;
};
void http_take(struct http_request *, const struct http_taker *);
void http_more(struct http_request *);
/* http_advanced() - the handler was given something whole, a line: limits.stall counts anew. */
void http_advanced(struct http_request *);

/* --- answers: exactly one a request
 * ------------------------------------------------------------------------ */

void http_answer_json(struct http_request *, int status, const char *json, size_t n); /* copied */
void http_answer_value(struct http_request *, int status,
                       json_t *value_take); /* the reference is taken */
void http_answer_text(struct http_request *, int status, const char *content_type, const char *text,
                      size_t n);
void http_answer_empty(struct http_request *, int status);
/* http_answer_stream() - an answer of unknown length, given piece by piece in constant memory.
 * `more(arg)` is called when the client has taken what there was; it must lead, now or later from
 * the loop, to exactly one http_stream_add() or http_stream_end(). A client that goes away is asked
 * for no more: then nothing is called again. An end that is not `whole` breaks the connection, so
 * that the client sees that something is missing. Each piece must be taken within
 * limits.request_time. */
typedef void http_more_fn(void *arg);
void http_answer_stream(struct http_request *, int status, const char *content_type,
                        http_more_fn *more, void *arg);
void http_stream_add(struct http_request *, const char *bytes, size_t n); /* copied; n > 0 */
void http_stream_end(struct http_request *, bool whole);
/* http_set_header() - an extra header of the answer, before it is given. */
void http_set_header(struct http_request *, const char *name, const char *value);
/* http_problem() - application/problem+json {"type": "about:blank", "title", "status", "detail",
 * "errors"}. `d` (may be NULL) gives "errors": [{"pointer"?, "line"?, "column"?, "detail"}]. */
void http_problem(struct http_request *, int status, const struct diag *d,
                  const char *detail_format, ...) __attribute__((format(printf, 4, 5)));

#endif
