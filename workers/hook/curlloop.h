/* curlloop.h - a curl multi handle on the loop.
 *
 * Easy handles are added from anywhere on the loop's thread but from inside curl's own callbacks.
 * Each one added comes back exactly once, from the loop, already removed from the multi handle, so
 * that the owner may free it or add it again. */
#ifndef LAZO_HOOK_CURLLOOP_H
#define LAZO_HOOK_CURLLOOP_H

#include <curl/curl.h>
#include <ev.h>

struct curlloop;

typedef void curlloop_fn(void *arg, CURL *, CURLcode);

/* curlloop_new() - keeps at most `connections` open. Child of ctx. Remove what is under way before
 * it is freed. */
struct curlloop *curlloop_new(const void *ctx, struct ev_loop *, long connections,
                              curlloop_fn *done, void *arg);
void curlloop_add(struct curlloop *, CURL *);
/* curlloop_remove() - ends a transfer; it does not come back. */
void curlloop_remove(struct curlloop *, CURL *);

#endif
