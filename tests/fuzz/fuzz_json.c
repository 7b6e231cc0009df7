/* fuzz_json.c - any bytes as the body of a request in JSON, read by all that read one: what is
 * refused is told of with a pointer, what is accepted can be stored. */
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "daemon/decide/journey.h"
#include "daemon/http/api.h"
#include "daemon/http/http_request.h"
#include "daemon/record/record.h"
#include "daemon/rfm/rfm.h"
#include "tests/fuzz/catalogue.h"

#include <string.h>

#define NOW_US INT64_C(1700000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_mistakes(const struct diag *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const char *pointer = d->items[i].pointer, *message = d->items[i].message;

        if (message == NULL || !utf8_valid(message, strlen(message)))
            bug("a mistake without a readable message");
        if (pointer != NULL &&
            ((pointer[0] != '/' && pointer[0] != '\0') || !utf8_valid(pointer, strlen(pointer))))
            bug("\"%s\" is no pointer", pointer);
    }
}

static void check_text(const char *s)
{
    if (s == NULL)
        return;
    if (!utf8_valid(s, strlen(s)))
        bug("a text is not UTF-8");
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            bug("a text holds the character %d", *s);
}

static void check_contact(const struct record_contact *c)
{
    const char *name;
    json_t *value;

    check_text(c->email);
    check_text(c->external_id);
    json_object_foreach(c->fields, name, value) check_text(json_string_value(value));
    if (c->id < 0)
        bug("an id below 0");
}

static void check_item(const struct record_item *item)
{
    json_t *data;

    check_text(item->kind);
    check_text(item->source);
    check_text(item->key);
    check_contact(&item->contact);
    if (item->kind == NULL || item->source == NULL ||
        (item->has_amount && item->currency == NULL) ||
        (item->contact.id == 0 && item->contact.email == NULL && item->contact.external_id == NULL))
        bug("an item lacks what every item has");
    if (item->data == NULL)
        return;
    data = json_loads(item->data, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(data))
        bug("the data of an item is no object");
    json_decref(data);
}

static void read_one(const void *ctx, json_t *value)
{
    struct record_contact contact;
    struct record_item item;
    struct diag d;

    diag_init(&d, ctx);
    if (record_item_parse(ctx, value, "/0", &catalogue, NOW_US, &item, &d) == diag_any(&d))
        bug("an interaction and its diagnosis disagree");
    if (!diag_any(&d))
        check_item(&item);
    check_mistakes(&d);
    diag_init(&d, ctx);
    if (record_contact_parse(ctx, value, "", &catalogue, NOW_US, &contact, &d) == diag_any(&d))
        bug("a contact and its diagnosis disagree");
    if (!diag_any(&d))
        check_contact(&contact);
    check_mistakes(&d);
}

static void read_definition(const void *ctx, const json_t *value)
{
    struct rfm_model *model = mem_new(ctx, struct rfm_model);
    struct diag d;

    diag_init(&d, ctx);
    if ((journey_parse(ctx, value, &catalogue, &d) == NULL) != diag_any(&d))
        bug("a journey and its diagnosis disagree");
    check_mistakes(&d);
    diag_init(&d, ctx);
    if (rfm_model_parse(value, model, &d)) {
        if (rfm_uncovered(model) > model->classes * model->classes * model->classes)
            bug("more triples are uncovered than there are");
        json_decref(rfm_coverage(model));
    }
    check_mistakes(&d);
}

/* As a handler reads a body; nobody listens to the answer. */
static void read_fields(const void *ctx, const uint8_t *bytes, size_t n)
{
    static const char *const known[] = {"name", "rule", "n", "on", "list", "object", NULL};
    struct http *http = mem_new(ctx, struct http);
    struct http_request *req = mem_new(ctx, struct http_request);
    struct api_body b;
    int64_t number;

    req->http = http;
    req->ended = true;
    buf_init(&req->body, req, n + 1);
    buf_add(&req->body, (const char *)bytes, n);
    if (api_body_read(&b, req, known)) {
        api_body_path_name(&b, "a");
        api_body_title(&b, "/rule", api_body_need(&b, "rule", 100));
        number = api_body_int(&b, "n", -5, 5, 6);
        if (number < -5 || number > 6)
            bug("a number out of its range");
        api_body_bool(&b, "on", true);
        api_body_array(&b, "list");
        api_body_object(&b, "object");
        api_body_ok(&b);
        check_mistakes(&b.mistakes);
    }
    json_decref(req->json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    struct diag d;
    json_t *json, *member;
    size_t i;

    read_fields(ctx, bytes, n);
    diag_init(&d, ctx);
    json = http_json_parse((const char *)bytes, n, &d);
    if ((json == NULL) != diag_any(&d))
        bug("a body and its diagnosis disagree");
    if (json == NULL)
        return 0;
    json_array_foreach(json, i, member) read_one(ctx, member);
    read_one(ctx, json);
    read_definition(ctx, json);
    /* Items borrow from it. */
    json_decref(json);
    return 0;
}
