/* api_amend.c - PATCH and DELETE of one interaction; amendments themselves come through
 * POST /v1/interactions. See api_record.h. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_record.h"
#include "daemon/org/currency.h"

#include <string.h>

#define KIND_BYTES_MAX 320
#define INSTANT_MAX    40
#define DIGITS_MAX     4

struct edit {
    struct app *app;
    struct api_body body;
    json_t *said; /* owned */
    int64_t contact_id, id;
};

static int edit_destroy(struct edit *e)
{
    json_decref(e->said);
    return 0;
}

static bool is_plain(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* The database knows the digits of a currency that is not said: here, as many as any has. */
static void edit_amount(struct edit *e, const struct catalogue *c)
{
    const json_t *given = json_object_get(e->body.object, "amount");
    const char *currency = api_body_text(&e->body, "currency", 3);
    int digits = currency != NULL ? currency_digits(currency) : DIGITS_MAX;
    char text[AMOUNT_TEXT];
    int64_t amount;

    if (strcmp(currency != NULL ? currency : "", c->currency) == 0)
        digits = c->currency_digits;
    if (json_is_null(given))
        json_object_set_new(e->said, "amount", json_null());
    if (currency != NULL && !currency_is_code(currency))
        diag_field(&e->body.mistakes, "/currency",
                   "a currency is expected: three capital letters, like EUR");
    else if (currency != NULL && (given == NULL || json_is_null(given)))
        diag_field(&e->body.mistakes, "/amount", "an amount in %s is expected beside it", currency);
    else if (currency != NULL)
        json_object_set_new(e->said, "currency", json_string(currency));
    if (given == NULL || json_is_null(given))
        return;
    if (amount_text(given, text) && amount_parse(text, digits, &amount))
        json_object_set_new(e->said, "amount", json_string(text));
    else
        diag_field(&e->body.mistakes, "/amount",
                   "a decimal with at most %d digits after the point is expected, like \"25.00\"",
                   digits);
}

static void edit_others(struct edit *e)
{
    const char *kind = api_body_text(&e->body, "kind", KIND_BYTES_MAX);
    const char *at = api_body_text(&e->body, "occurred_at", INSTANT_MAX);
    json_t *data = api_body_object(&e->body, "data");
    char utc[CLOCK_TEXT];
    int64_t at_us;

    if (kind != NULL && (*kind == '\0' || !is_plain(kind)))
        diag_field(&e->body.mistakes, "/kind", "the name of a kind is expected, like donation");
    else if (kind != NULL)
        json_object_set_new(e->said, "kind", json_string(kind));
    if (at != NULL && !clock_parse(at, &at_us))
        diag_field(&e->body.mistakes, "/occurred_at",
                   "an RFC 3339 time is expected, like 2026-03-01T10:00:00Z");
    else if (at != NULL)
        json_object_set_new(e->said, "occurred_at", json_string(clock_format(at_us, utc)));
    if (data != NULL)
        json_object_set(e->said, "data", data);
    else if (json_is_null(json_object_get(e->body.object, "data")))
        json_object_set_new(e->said, "data", json_null());
}

static void edit_on_org(void *arg, const struct org *org)
{
    struct edit *e = arg;
    struct http_request *req = e->body.req;
    struct pgargs args;

    if (org == NULL) {
        api_away(req);
        return;
    }
    edit_amount(e, &org->catalogue);
    edit_others(e);
    if (!api_body_ok(&e->body))
        return;
    pgargs_init(&args, e);
    pgargs_int(&args, e->contact_id);
    pgargs_int(&args, e->id);
    pgargs_text(&args, api_json_text(e, e->said));
    pgargs_int(&args, org->catalogue.currency_digits);
    api_change(e->app, req, Q_API_INTERACTION_EDIT, &args, "interaction");
}

void api_interaction_patch(void *arg, struct http_request *req)
{
    static const char *const known[] = {"amount", "currency", "kind", "occurred_at", "data", NULL};
    struct edit *e = mem_new(http_ctx(req), struct edit);

    e->app = arg;
    e->said = mem_must(json_object());
    talloc_set_destructor(e, edit_destroy);
    if (!api_id(req, "id", &e->contact_id) || !api_id(req, "interaction", &e->id) ||
        !api_body_read(&e->body, req, known))
        return;
    orgs_get(e->app->orgs, api_org(req), edit_on_org, e);
}

void api_interaction_delete(void *arg, struct http_request *req)
{
    struct pgargs args;
    int64_t contact_id, id;

    if (!api_id(req, "id", &contact_id) || !api_id(req, "interaction", &id))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, contact_id);
    pgargs_int(&args, id);
    api_change(arg, req, Q_API_INTERACTION_DELETE, &args, "interaction");
}
