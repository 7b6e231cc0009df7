/* api_record.h - the handlers of contacts and interactions, for the table of routes in
 * api_record.c; and what they share: the items of one request on their way to the recorder.
 *
 * A recording waits for the organisation's catalogue, lets `fill` turn the request into items,
 * gives them to the recorder and lets `answer` speak when they are on disk. Mistakes that `fill`
 * finds refuse the whole request, unless `each` says that items stand alone. */
#ifndef LAZO_DAEMON_HTTP_API_RECORD_H
#define LAZO_DAEMON_HTTP_API_RECORD_H

#include "daemon/http/api.h"

struct recording {
    struct app *app;
    struct http_request *req;
    int64_t now_us;
    bool each; /* an item that is wrong is left out, and told of */
    struct record_item *items;
    const char **places; /* of each item in the body: "", "/3" */
    size_t n, cap, cap_places;
    struct diag mistakes;
    void (*fill)(struct recording *, const struct catalogue *);
    void (*answer)(struct recording *, const struct record_result *);
    int64_t contact_id; /* of the path; 0: none */
    const char *within; /* pointer to the body in the contact that it is an entry of; or NULL */
    bool bare;          /* an item stands in the body as its contact alone */
    json_t *made;       /* what items were parsed from and is not the body; owned, or NULL */
    size_t ignored;     /* parts of the request that are no facts for us */
    const struct record_work *work; /* it has a transaction of its own; NULL: it may share one */
    void (*undone)(struct recording *); /* answers where such a one was rolled back */
    struct patch *patch;                /* api_record_patch.c's; or NULL */
};

/* recording_refused() - answers what the recorder found: 404 where the path's contact is not there,
 * 409 where the Idempotency-Key came before with another body, else 422 with each of them.
 * contact_answer() - the contact as it is now, which was just written. */
void recording_refused(struct recording *, const struct record_result *, size_t n);
void contact_answer(struct recording *, const struct record_result *);
/* recording_new() - owned by the request. recording_start() - sends it on its way; it answers by
 * itself. */
struct recording *recording_new(struct app *, struct http_request *);
void recording_start(struct recording *);
/* recording_within() - whether the item's data keeps to limits.line; else a mistake at `place`. */
void recording_within(struct recording *, const struct record_item *, const char *place,
                      struct diag *d);
/* recording_add() - room for one more item, zeroed, that stands at `place` in the body (a JSON
 * pointer that lives as long). */
struct record_item *recording_add(struct recording *, const char *place);
/* recording_contact() - one item that is a contact alone, read from `value`; its id is the path's
 * where that has one. */
void recording_contact(struct recording *, json_t *value, const struct catalogue *);

/* recording_on_contact() - what the body says of the contact of the path, by `fill`; answers with
 * the contact. For `fill`: recording_names() - the body has strings under `list`, or one under
 * `one`. recording_entry() - the body, or what is made of it, is one entry of `list`. */
void recording_on_contact(struct app *, struct http_request *,
                          void (*fill)(struct recording *, const struct catalogue *));
/* recording_of() - the same of the contact under `name` of the path, without a body. */
void recording_of(struct app *, struct http_request *, const char *name,
                  void (*fill)(struct recording *, const struct catalogue *));
void recording_names(struct recording *, const struct catalogue *, const char *list,
                     const char *one);
void recording_entry(struct recording *, const struct catalogue *, const char *list,
                     json_t *entry_take);

/* What POST /v1/interactions answers: {"recorded", "duplicates", "refused"?, "items", "errors"?}.
 * Of lines, the first `most` are listed and the first `most` that were refused; all are counted. */
struct tally {
    size_t recorded, duplicates, mistakes;
    size_t most;          /* 0: all are listed, and "refused" is not said */
    size_t refused;       /* lines with a mistake */
    int64_t last_refused; /* the last of them */
    struct buf items, errors;
};
void tally_init(struct tally *, const void *ctx, size_t most);
/* tally_add() - one result; `line` (0: none) goes along. tally_mistake() - those of one line come
 * one after the other. */
void tally_add(struct tally *, const struct record_result *, int64_t line);
void tally_mistake(struct tally *, int64_t line, const char *pointer, const char *detail);
/* tally_answer() - 201 where something was recorded or was there already, 422 where all was
 * refused. */
void tally_answer(struct tally *, struct http_request *);

/* api_import() - whether the query says import=true. False in *ret_ok, and answered, where the
 * value is neither true nor false or the role does not suffice. */
bool api_import(struct http_request *, bool *ret_ok);
/* api_idempotency_key() - checks the header Idempotency-Key; *ret_key is NULL where there is none.
 * False where it was answered. */
bool api_idempotency_key(struct http_request *, const char **ret_key);
/* api_idempotent() - an item without a key of its own gets the request's with its place in it.
 * `content` is api_content() of the request: the same key with another one is refused. */
void api_idempotent(const void *ctx, struct record_item *, const char *key, size_t index,
                    int64_t content);
/* api_by() - "token:ID" of who asks, for record_item.by. */
const char *api_by(const void *ctx, const struct http_request *);
/* api_imports_stream() - whether the request brings an import's file: its body is read as it comes.
 */
bool api_imports_stream(const struct http_request *);
http_handler api_import_post, api_import_piece_post;
/* api_content() - a hash of so many bytes; never 0. */
int64_t api_content(const char *bytes, size_t n);

http_handler api_interactions_post, api_identify, api_track, api_batch;
/* api_is_lines() - whether the body is lines of JSON (NDJSON). api_lines_post() -
 * api_interactions_post for these. */
bool api_is_lines(const struct http_request *);
void api_lines_post(struct app *, struct http_request *);
http_handler api_contacts_list, api_contact_post, api_contact_show, api_contact_patch,
    api_contact_delete;
http_handler api_contact_history, api_contact_as_of;
http_handler api_contact_interactions, api_contact_segments, api_contact_tags_post,
    api_contact_untag;
http_handler api_contact_consents, api_contact_consent_post;
/* api_erased_hashes() - the next parameter: hashes of a contact's e-mail and external id, where
 * they are said. */
void api_erased_hashes(const void *ctx, struct app *, int64_t org_id, const struct record_contact *,
                       struct pgargs *);
http_handler api_contacts_merge, api_merge_undo, api_merges_list, api_duplicates_list,
    api_duplicates_dismiss;
http_handler api_contact_erase, api_erasures_list, api_erasures_totals;
http_handler api_export, api_contact_file, api_contact_vcard;
http_handler api_interaction_patch, api_interaction_delete;

#endif
