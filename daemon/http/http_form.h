/* http_form.h - the fields of a form's body: application/x-www-form-urlencoded, or
 * multipart/form-data (RFC 7578) without its files. Pure. */
#ifndef LAZO_DAEMON_HTTP_HTTP_FORM_H
#define LAZO_DAEMON_HTTP_HTTP_FORM_H

#include "daemon/http/http_uri.h"

#include <stdbool.h>
#include <stddef.h>

/* http_form_parse() - the fields of the `n` bytes of `body`; children of ctx. False where
 * `content_type` (may be NULL) is no form's or the body is malformed. */
bool http_form_parse(const void *ctx, const char *content_type, const char *body, size_t n,
                     struct http_pairs *ret_pairs);

#endif
