/* api_record.c - what happened, over HTTP: POST /v1/interactions as an object or an array; the
 * table of routes. See api_record.h.
 *
 * Lines (NDJSON) are in api_record_lines.c, the Segment calls in api_record_segment.c, contacts in
 * api_record_contacts.c. */
#include "daemon/http/api_record.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

/* It grows with the body, which has a limit of its own. */
#define ITEMS_MAX ((size_t)1 << 30)
/* With "idem:" and the item's place it stays within a key's length. */
#define IDEMPOTENCY_MAX 150

const struct http_route api_record_routes[] = {
    {HTTP_POST, "/v1/interactions", "recorder", api_interactions_post, "import"},
    {HTTP_POST, "/v1/identify", "recorder", api_identify, NULL},
    {HTTP_POST, "/v1/track", "recorder", api_track, NULL},
    {HTTP_POST, "/v1/batch", "recorder", api_batch, NULL},
    {HTTP_GET, "/v1/contacts", "reader", api_contacts_list, "rule q limit after"},
    {HTTP_POST, "/v1/contacts", "recorder", api_contact_post, NULL},
    {HTTP_POST, "/v1/contacts/merge", "editor", api_contacts_merge, NULL},
    {HTTP_GET, "/v1/contacts/merges", "reader", api_merges_list, "contact limit after"},
    {HTTP_POST, "/v1/contacts/merges/{merge}/undo", "editor", api_merge_undo, NULL},
    {HTTP_GET, "/v1/contacts/duplicates", "reader", api_duplicates_list, "contact limit after"},
    {HTTP_POST, "/v1/contacts/duplicates/dismiss", "editor", api_duplicates_dismiss, NULL},
    {HTTP_GET, "/v1/contacts/{id}", "reader", api_contact_show, NULL},
    {HTTP_PATCH, "/v1/contacts/{id}", "recorder", api_contact_patch, NULL},
    {HTTP_DELETE, "/v1/contacts/{id}", "editor", api_contact_delete, NULL},
    {HTTP_GET, "/v1/contacts/{id}/interactions", "reader", api_contact_interactions,
     "kind limit after"},
    {HTTP_GET, "/v1/contacts/{id}/history", "reader", api_contact_history, "field limit after"},
    {HTTP_GET, "/v1/contacts/{id}/as-of", "reader", api_contact_as_of, "at"},
    {HTTP_PATCH, "/v1/contacts/{id}/interactions/{interaction}", "editor", api_interaction_patch,
     NULL},
    {HTTP_DELETE, "/v1/contacts/{id}/interactions/{interaction}", "editor", api_interaction_delete,
     NULL},
    {HTTP_GET, "/v1/exports", "reader", api_export, "what format rule columns"},
    {HTTP_POST, "/v1/contacts/{id}/erase", "editor", api_contact_erase, NULL},
    {HTTP_GET, "/v1/erasures", "editor", api_erasures_list, "limit after"},
    {HTTP_GET, "/v1/erasures/totals", "reader", api_erasures_totals, NULL},
    {HTTP_GET, "/v1/contacts/{id}/file", "reader", api_contact_file, NULL},
    {HTTP_GET, "/v1/contacts/{id}/vcard", "reader", api_contact_vcard, NULL},
    {HTTP_GET, "/v1/contacts/{id}/segments", "reader", api_contact_segments, "limit after"},
    {HTTP_POST, "/v1/contacts/{id}/tags", "recorder", api_contact_tags_post, NULL},
    {HTTP_DELETE, "/v1/contacts/{id}/tags", "recorder", api_contact_untag, "tag"},
    {HTTP_DELETE, "/v1/contacts/{id}/tags/{tag}", "recorder", api_contact_untag, NULL},
    {HTTP_GET, "/v1/contacts/{id}/consents", "reader", api_contact_consents, "limit after"},
    {HTTP_POST, "/v1/contacts/{id}/consents", "recorder", api_contact_consent_post, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};

/* --- the items of one request ------------------------------------------------------------------
 */

static int recording_destroy(struct recording *r)
{
    json_decref(r->made);
    return 0;
}

struct recording *recording_new(struct app *app, struct http_request *req)
{
    struct recording *r = mem_new(http_ctx(req), struct recording);

    talloc_set_destructor(r, recording_destroy);
    r->app = app;
    r->req = req;
    r->now_us = clock_now_us();
    diag_init(&r->mistakes, r);
    return r;
}

void recording_within(struct recording *r, const struct record_item *item, const char *place,
                      struct diag *d)
{
    int64_t most = settings_int(r->app->settings, "limits.line");

    if (item->data != NULL && (int64_t)strlen(item->data) > most)
        diag_field(d, mem_printf(r, "%s/data", place), "at most %lld bytes are allowed",
                   (long long)most);
}

struct record_item *recording_add(struct recording *r, const char *place)
{
    mem_grow(r, &r->items, &r->cap, r->n + 1);
    mem_grow(r, &r->places, &r->cap_places, r->n + 1);
    r->places[r->n] = place;
    r->items[r->n] = (struct record_item){0};
    return &r->items[r->n++];
}

void recording_contact(struct recording *r, json_t *value, const struct catalogue *catalogue)
{
    struct record_item *item = recording_add(r, "");

    r->bare = true;
    record_contact_parse(r, value, "", catalogue, r->now_us, &item->contact, &r->mistakes);
    item->source = "";
    item->occurred_at_us = r->now_us;
    if (r->contact_id != 0)
        item->contact.id = r->contact_id;
}

void recording_refused(struct recording *r, const struct record_result *results, size_t n)
{
    int status = 422;
    struct diag d;

    diag_init(&d, r);
    for (size_t i = 0; i < n; i++) {
        const char *pointer = results[i].pointer;

        if (results[i].error == NULL)
            continue;
        if (r->contact_id != 0 && strcmp(pointer, "/contact/id") == 0) {
            http_problem(r->req, 404, NULL, "there is no such contact");
            return;
        }
        if (results[i].reused)
            status = 409;
        if (r->bare && text_begins(pointer, "/contact/"))
            pointer += strlen("/contact");
        if (r->within != NULL && text_begins(pointer, r->within))
            pointer += strlen(r->within);
        diag_field(&d, mem_printf(r, "%s%s", r->places[i], pointer), "%s", results[i].error);
    }
    http_problem(r->req, status, &d, "nothing was recorded");
}

static void on_recorded(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct recording *r = arg;
    size_t errors = 0;

    if (!ok && r->work != NULL) {
        r->undone(r);
        return;
    }
    if (!ok) {
        api_away(r->req);
        return;
    }
    for (size_t i = 0; i < n; i++)
        errors += results[i].error != NULL;
    if (errors > 0 && !r->each)
        recording_refused(r, results, n);
    else
        r->answer(r, results);
}

static void on_org(void *arg, const struct org *org)
{
    struct recording *r = arg;

    if (org == NULL) {
        api_away(r->req);
        return;
    }
    r->fill(r, &org->catalogue);
    for (size_t i = 0; i < r->n; i++)
        r->items[i].by = api_by(r, r->req);
    if (diag_any(&r->mistakes) && (!r->each || r->n == 0))
        http_problem(r->req, 422, &r->mistakes, "nothing was recorded");
    else if (r->n == 0)
        r->answer(r, NULL);
    else if (r->work != NULL)
        record_block(r->app->record, api_org(r->req), r->items, r->n, r->work, on_recorded, r);
    else
        record_items(r->app->record, api_org(r->req), r->items, r->n, !r->each, on_recorded, r);
}

void recording_start(struct recording *r)
{
    orgs_get(r->app->orgs, api_org(r->req), on_org, r);
}

/* --- the answer
 * ----------------------------------------------------------------------------------- */

void tally_init(struct tally *t, const void *ctx, size_t most)
{
    *t = (struct tally){.most = most};
    buf_init(&t->items, ctx, ITEMS_MAX);
    buf_init(&t->errors, ctx, ITEMS_MAX);
}

void tally_add(struct tally *t, const struct record_result *result, int64_t line)
{
    if (result->error != NULL) {
        tally_mistake(t, line, result->pointer, result->error);
        return;
    }
    if (result->duplicate)
        t->duplicates++;
    else
        t->recorded++;
    if (t->most > 0 && t->recorded + t->duplicates > t->most)
        return;
    buf_str(&t->items, t->items.len == 0 ? "{" : ",{");
    if (line > 0)
        buf_printf(&t->items, "\"line\":%lld,", (long long)line);
    buf_printf(&t->items, "\"id\":%lld,\"contact\":%lld%s}", (long long)result->interaction_id,
               (long long)result->contact_id, result->duplicate ? ",\"duplicate\":true" : "");
}

void tally_mistake(struct tally *t, int64_t line, const char *pointer, const char *detail)
{
    if (line == 0 || line != t->last_refused)
        t->refused++;
    t->last_refused = line;
    t->mistakes++;
    if (t->most > 0 && t->refused > t->most)
        return;
    buf_str(&t->errors, t->errors.len == 0 ? "{" : ",{");
    if (line > 0)
        buf_printf(&t->errors, "\"line\":%lld,", (long long)line);
    if (pointer != NULL) {
        buf_str(&t->errors, "\"pointer\":");
        buf_json(&t->errors, pointer, strlen(pointer));
        buf_char(&t->errors, ',');
    }
    buf_str(&t->errors, "\"detail\":");
    buf_json(&t->errors, detail, strlen(detail));
    buf_char(&t->errors, '}');
}

void tally_answer(struct tally *t, struct http_request *req)
{
    bool refused = t->mistakes > 0 && t->recorded + t->duplicates == 0;
    struct buf b;

    buf_init(&b, http_ctx(req), 2 * ITEMS_MAX + 1000);
    buf_char(&b, '{');
    if (refused)
        buf_str(&b, "\"type\":\"about:blank\",\"title\":\"Unprocessable Content\","
                    "\"status\":422,\"detail\":\"nothing was recorded\",");
    buf_printf(&b, "\"recorded\":%zu,\"duplicates\":%zu,", t->recorded, t->duplicates);
    if (t->most > 0)
        buf_printf(&b, "\"refused\":%zu,", t->refused);
    buf_str(&b, "\"items\":[");
    buf_add(&b, t->items.data, t->items.len);
    buf_char(&b, ']');
    if (t->mistakes > 0) {
        buf_str(&b, ",\"errors\":[");
        buf_add(&b, t->errors.data, t->errors.len);
        buf_char(&b, ']');
    }
    buf_char(&b, '}');
    http_answer_text(req, refused ? 422 : 201,
                     refused ? "application/problem+json" : "application/json", b.data, b.len);
    buf_done(&b);
}

/* --- POST /v1/interactions
 * -------------------------------------------------------------------------- */

bool api_import(struct http_request *req, bool *ret_ok)
{
    const char *import = http_query(req, "import");
    bool yes = import != NULL && strcmp(import, "true") == 0;

    *ret_ok = false;
    if (import != NULL && !yes && strcmp(import, "false") != 0)
        http_problem(req, 400, NULL, "\"import\" is true or false.");
    else if (yes && !http_caller_may(req, "editor"))
        http_problem(req, 403, NULL, "Importing history needs the role \"editor\".");
    else
        *ret_ok = true;
    return yes;
}

bool api_idempotency_key(struct http_request *req, const char **ret_key)
{
    const char *key = http_header(req, "Idempotency-Key");

    *ret_key = NULL;
    if (key == NULL)
        return true;
    if (key[0] == '\0' || strlen(key) > IDEMPOTENCY_MAX) {
        http_problem(req, 400, NULL, "Idempotency-Key has 1 to %d characters.", IDEMPOTENCY_MAX);
        return false;
    }
    for (const char *s = key; *s != '\0'; s++)
        if (*s < 0x20 || *s > 0x7e) {
            http_problem(req, 400, NULL, "Idempotency-Key is printable ASCII.");
            return false;
        }
    *ret_key = mem_strdup(http_ctx(req), key);
    return true;
}

void api_idempotent(const void *ctx, struct record_item *item, const char *key, size_t index,
                    int64_t content)
{
    if (key == NULL || item->key != NULL || item->kind == NULL)
        return;
    item->key = mem_printf(ctx, "idem:%s:%zu", key, index);
    item->content = content;
}

const char *api_by(const void *ctx, const struct http_request *req)
{
    return mem_printf(ctx, "token:%" PRId64, http_caller(req)->token_id);
}

int64_t api_content(const char *bytes, size_t n)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    int64_t content;

    crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes, n, NULL, 0);
    memcpy(&content, hash, sizeof content);
    return content == 0 ? 1 : content;
}

static void interactions_fill(struct recording *r, const struct catalogue *catalogue)
{
    json_t *body = http_json(r->req), *value;
    bool many = json_is_array(body), ok;
    bool quiet = api_import(r->req, &ok);
    size_t n = many ? json_array_size(body) : 1, bytes;
    const char *key, *text = http_body(r->req, &bytes);
    int64_t content;

    api_idempotency_key(r->req, &key);
    content = key == NULL ? 0 : api_content(text, bytes);
    for (size_t i = 0; i < n; i++) {
        const char *place = many ? mem_printf(r, "/%zu", i) : "";
        struct record_item *item = recording_add(r, place);

        value = many ? json_array_get(body, i) : body;
        record_item_parse(r, value, place, catalogue, r->now_us, item, &r->mistakes);
        recording_within(r, item, place, &r->mistakes);
        item->quiet = quiet;
        api_idempotent(r, item, key, i, content);
    }
}

static void interactions_answer(struct recording *r, const struct record_result *results)
{
    struct tally t;

    tally_init(&t, r, 0);
    for (size_t i = 0; i < r->n; i++)
        tally_add(&t, &results[i], 0);
    tally_answer(&t, r->req);
}

void api_interactions_post(void *arg, struct http_request *req)
{
    struct app *app = arg;
    int64_t most = settings_int(app->settings, "limits.items");
    struct recording *r;
    const char *key;
    json_t *body;
    bool ok;

    api_import(req, &ok);
    if (!ok || !api_idempotency_key(req, &key))
        return;
    if (api_is_lines(req)) {
        api_lines_post(app, req);
        return;
    }
    body = http_json(req);
    if (body == NULL)
        return;
    if (!json_is_array(body) && !json_is_object(body)) {
        http_problem(req, 422, NULL, "an interaction or an array of them is expected");
        return;
    }
    if (json_is_array(body) && (int64_t)json_array_size(body) > most) {
        http_problem(req, 413, NULL, "an array holds at most %lld interactions; send NDJSON",
                     (long long)most);
        return;
    }
    r = recording_new(app, req);
    r->fill = interactions_fill;
    r->answer = interactions_answer;
    recording_start(r);
}
