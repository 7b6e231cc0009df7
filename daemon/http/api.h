/* api.h - what all handlers share: reading a body field by field, asking one statement, answering
 * its result.
 *
 * A statement for api_show() gives one row with a column "body": JSON text. One for api_list()
 * gives rows of "cursor" and "item" and is asked for one row more than is shown. One for
 * api_change() gives one row of "status" and "body": a status from 400 on is a problem and body its
 * sentence; 204 has no body; other ones mean that a definition was written, so app_defined() is
 * called. No row at all is a 404.
 *
 * What a caller changes is written in their name: api_change() sees to it, and whoever asks the
 * pool gives api_act() along. The database then keeps the audit and holds to If-Match. */
#ifndef LAZO_DAEMON_HTTP_API_H
#define LAZO_DAEMON_HTTP_API_H

#include "common/diag.h"
#include "daemon/http/app.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- reading
 * ---------------------------------------------------------------------------------------------- */

/* A body that is a JSON object (or YAML, where Content-Type says application/yaml), read field by
 * field. Mistakes are collected. */
struct api_body {
    struct http_request *req;
    json_t *object; /* owned by the request */
    struct diag mistakes;
};
/* api_document() - the body as JSON or YAML; NULL where it is neither: the problem was then
 * answered. Owned by the request. */
json_t *api_document(struct http_request *);
/* api_body_read() - false where the body is no object (then answered). A field that is not among
 * `known` (ends with NULL) is a mistake. */
bool api_body_read(struct api_body *, struct http_request *, const char *const *known);
/* The readers give NULL, or `otherwise`, where the field is absent or null; a value that does not
 * fit is a mistake. Text is borrowed; `max` is in bytes. */
const char *api_body_text(struct api_body *, const char *name, size_t max);
/* api_body_need() - the same; an absent or empty text is a mistake. */
const char *api_body_need(struct api_body *, const char *name, size_t max);
bool api_body_bool(struct api_body *, const char *name, bool otherwise);
int64_t api_body_int(struct api_body *, const char *name, int64_t least, int64_t most,
                     int64_t otherwise);
json_t *api_body_array(struct api_body *, const char *name);
json_t *api_body_object(struct api_body *, const char *name);
/* api_body_name() - whether `name` (of the path or a field) is a plain name: a letter or digit,
 * then at most 62 of a-z 0-9 _ - ; else a mistake at `pointer`. */
bool api_body_name(struct api_body *, const char *pointer, const char *name);
/* api_body_path_name() - the same for the name of a PUT, which the body may repeat. */
bool api_body_path_name(struct api_body *, const char *path_name);
/* api_body_title() - whether `name` may be that of a segment or campaign: 1 to 100 characters
 * without controls and slashes; else a mistake. */
bool api_body_title(struct api_body *, const char *pointer, const char *name);
/* api_body_ok() - true where no mistake was made; else 422 with all of them was answered. */
bool api_body_ok(struct api_body *);

/* api_after() - "after" of the query as an id (0: absent); false and 400 answered where it is none.
 */
bool api_after(struct http_request *, int64_t *ret_after);
/* api_past() - an instant of the query, which may be ahead of now by the minute that two machines'
 * clocks may differ by, and is taken as now then; false and 422 answered where it is none, or is
 * still to come. */
bool api_past(struct http_request *, const char *name, const char *text, int64_t *ret_us);
/* api_id() - {name} of the path as an id; false and 404 answered where it is none. */
bool api_id(struct http_request *, const char *name, int64_t *ret_id);
/* api_id_args() - parameters that begin with {id} of the path; false and 404 answered where it is
 * none. api_page_args() - ones that begin with "after" of the query as an id and with one row more
 * than *ret_limit; false and 400 answered where they are none. */
bool api_id_args(struct http_request *, struct pgargs *ret_args);
bool api_page_args(struct http_request *, struct pgargs *ret_args, int *ret_limit);
/* api_member_args() - parameters that begin with {name} and {contact} of the path; false and 404
 * answered where that is no id. */
bool api_member_args(struct http_request *, struct pgargs *ret_args);
int64_t api_org(const struct http_request *);
/* api_json_text() - `value` as compact JSON text, child of ctx. */
char *api_json_text(const void *ctx, const json_t *value);

/* api_act() - for pgpool_query_as(): the caller, and the request's If-Match and If-None-Match upon
 * the definition that the path names by {name} or {id}. `what` is its sort as the triggers of its
 * table call it. A child of the request. */
struct pgact api_act(struct http_request *, const char *what);

/* --- answering
 * -------------------------------------------------------------------------------------------- */

/* api_failed() - false where the statement succeeded. Else it answered: 503 with Retry-After where
 * the database is away, 412 where api_act()'s condition did not hold, 409 for what is there already
 * or still used, 422 for values that the database refuses, 500 for our own mistakes (logged). */
bool api_failed(struct http_request *, const struct pgres *);
/* api_away() - 503 with Retry-After. */
void api_away(struct http_request *);
/* api_unchanged() - sets the header ETag; true, and 304 answered, where the request is a GET whose
 * If-None-Match names it. */
bool api_unchanged(struct http_request *, const char *etag);
/* api_answer_body() - `status` and the column "body" of row 0, with its column "etag" as ETag where
 * it has one. */
void api_answer_body(struct http_request *, int status, const struct pgres *);
/* Bytes of a page. */
#define API_ANSWER_MAX ((size_t)64 << 20)
/* api_answer_list() - {"items": [...], "next": cursor or null} of at most `limit` rows. */
void api_answer_list(struct http_request *, const struct pgres *, int limit);
/* api_answer_change() - what api_change() does with its row. `what` as there. */
void api_answer_change(struct app *, struct http_request *, const struct pgres *, const char *what);
/* api_not_found() - 404 "there is no <what> of that name", with the nearest known name where the
 * catalogue has some. */
void api_not_found(struct app *, struct http_request *, const char *what);

/* api_absent() - where the path has a contact's number, {id} of /v1/contacts/ or {contact}, that
 * was merged: 308 to the kept one's; else 404 with `why`. api_contact_absent() - the same, where it
 * is the contact that is not there. In api_merge.c. Numbers in bodies and queries are the
 * statements' to follow, by contact_now(). */
void api_contact_absent(struct app *, struct http_request *);
void api_absent(struct app *, struct http_request *, const char *why);

/* Each asks one statement in the caller's organisation and answers. `what` names the thing for a
 * 404: "segment", "template". */
void api_show(struct app *, struct http_request *, enum query, const struct pgargs *,
              const char *what);
/* api_list() - `what` may be NULL. Else no row at all is a 404 and a row of nulls stands for an
 * empty list. */
void api_list(struct app *, struct http_request *, enum query, const struct pgargs *, int limit,
              const char *what);
void api_change(struct app *, struct http_request *, enum query, const struct pgargs *,
                const char *what);
/* api_list_within() - api_list() of what is in the thing that {name} of the path says: $1 that, $2
 * after this id, $3 limit. */
void api_list_within(struct app *, struct http_request *, enum query, const char *name,
                     const char *what);

#endif
