/* http_uri.h - what a request line asks for: its path in segments, its query, and the route that
 * answers. Pure.
 *
 * A path is split first and percent-decoded then, segment by segment, so that %2F is a character of
 * a name and never a separator. Refused: what begins neither with a slash nor with http:// or
 * https:// and a host (RFC 9112, 3.2), a broken percent escape, control characters (encoded or
 * not), "." and ".." as segments, bytes that are no UTF-8. In queries and forms only NUL, broken
 * escapes and what is no UTF-8 are refused: a rule may have lines. */
#ifndef LAZO_DAEMON_HTTP_HTTP_URI_H
#define LAZO_DAEMON_HTTP_HTTP_URI_H

#include "daemon/http/http.h"

#include <stdbool.h>
#include <stddef.h>

struct http_pair {
    const char *name;
    const char *value;
};
struct http_pairs {
    struct http_pair *items;
    size_t n, cap;
};
/* HTTP_PAIRS_MAX - a query or form with more fields is refused. */
#define HTTP_PAIRS_MAX 200

struct http_uri {
    const char *path;            /* as it was sent, without host and query */
    const char *const *segments; /* decoded; "/" is one empty segment */
    size_t n_segments;
    struct http_pairs query;
};

/* http_uri_parse() - takes the target of a request line apart; results are children of ctx. False
 * where it is refused. */
bool http_uri_parse(const void *ctx, const char *target, struct http_uri *ret_uri);
/* http_pairs_parse() - application/x-www-form-urlencoded, `n` bytes at `s`. False where it is
 * refused. */
bool http_pairs_parse(const void *ctx, const char *s, size_t n, struct http_pairs *ret_pairs);
/* http_pairs_add() - one more; both texts are borrowed. False where there are too many. */
bool http_pairs_add(const void *ctx, struct http_pairs *, const char *name, const char *value);
/* http_pairs_find() - the first value of `name`, or NULL. */
const char *http_pairs_find(const struct http_pairs *, const char *name);

/* http_route_find() - the route of `routes` (ends with a NULL path) for this path and method; NULL
 * where there is none. Where several fit, the one with a literal segment further to the left wins.
 * `*ret_allowed` gets the methods that the path has, as bits 1 << enum http_method; 0: no such
 * path. */
const struct http_route *http_route_find(const struct http_route *routes, const struct http_uri *,
                                         enum http_method, unsigned *ret_allowed);
/* http_route_param() - the segment that stands for {name} in the route's path; NULL where it has no
 * such name. */
const char *http_route_param(const struct http_route *, const struct http_uri *, const char *name);
/* http_query_fault() - why the route does not take this query, child of ctx; NULL where it does. */
const char *http_query_fault(const void *ctx, const struct http_route *, const struct http_pairs *);
/* http_allow() - the value of an Allow header for those bits; GET implies HEAD. Child of ctx. */
const char *http_allow(const void *ctx, unsigned allowed);

#endif
