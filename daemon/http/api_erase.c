/* api_erase.c - POST /v1/contacts/{id}/erase and what stays of it. The hashes of who is erased are
 * made here: the secret never reaches the database. See api_record.h. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_record.h"
#include "daemon/record/erased.h"

#define REASON_MAX 500

struct erasing {
    struct app *app;
    struct api_body body;
    const char *reason;
    int64_t contact_id;
};

static char *hash_of(const void *ctx, struct app *app, int64_t org_id, const char *sort,
                     const char *value)
{
    return erased_hash(ctx, settings_text(app->settings, "http.secret"), org_id, sort, value);
}

void api_erased_hashes(const void *ctx, struct app *app, int64_t org_id,
                       const struct record_contact *contact, struct pgargs *args)
{
    struct pgarray hashes;

    pgarray_init(&hashes, ctx);
    if (contact->email != NULL)
        pgarray_text(&hashes, hash_of(ctx, app, org_id, "email", contact->email));
    if (contact->external_id != NULL)
        pgarray_text(&hashes, hash_of(ctx, app, org_id, "external_id", contact->external_id));
    pgargs_array(args, &hashes);
}

static void erase_on_identities(void *arg, const struct pgres *res)
{
    struct erasing *e = arg;
    struct http_request *req = e->body.req;
    struct pgarray hashes;
    struct pgargs args;

    if (api_failed(req, res))
        return;
    pgarray_init(&hashes, e);
    for (int i = 0; i < pgres_rows(res); i++)
        if (!pgres_null(res, i, "value"))
            pgarray_text(&hashes, hash_of(e, e->app, api_org(req), pgres_text(res, i, "sort"),
                                          pgres_text(res, i, "value")));
    pgargs_init(&args, e);
    pgargs_int(&args, e->contact_id);
    pgargs_array(&args, &hashes);
    pgargs_text(&args, e->reason);
    pgargs_int(&args, http_caller(req)->token_id);
    pgargs_instant(&args, clock_now_us());
    api_change(e->app, req, Q_ERASE_CONTACT, &args, "contact");
}

void api_contact_erase(void *arg, struct http_request *req)
{
    static const char *const known[] = {"reason", NULL};
    struct erasing *e = mem_new(http_ctx(req), struct erasing);
    struct pgargs args;

    e->app = arg;
    if (!api_id(req, "id", &e->contact_id) || !api_body_read(&e->body, req, known))
        return;
    e->reason = api_body_need(&e->body, "reason", REASON_MAX);
    if (!api_body_ok(&e->body))
        return;
    pgargs_init(&args, e);
    pgargs_int(&args, e->contact_id);
    pgpool_query(e->app->pool, api_org(req), Q_ERASE_IDENTITIES, &args, erase_on_identities, e);
}

void api_erasures_list(void *arg, struct http_request *req)
{
    struct pgargs args;
    int limit;

    if (!api_page_args(req, &args, &limit))
        return;
    api_list(arg, req, Q_API_ERASURES_LIST, &args, limit, NULL);
}

struct totals {
    struct app *app;
    struct http_request *req;
};

static void totals_on_org(void *arg, const struct org *org)
{
    struct totals *t = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(t->req);
        return;
    }
    pgargs_init(&args, t);
    pgargs_int(&args, org->catalogue.currency_digits);
    api_show(t->app, t->req, Q_API_ERASURES_TOTALS, &args, "organisation");
}

void api_erasures_totals(void *arg, struct http_request *req)
{
    struct totals *t = mem_new(http_ctx(req), struct totals);

    t->app = arg;
    t->req = req;
    orgs_get(t->app->orgs, api_org(req), totals_on_org, t);
}
