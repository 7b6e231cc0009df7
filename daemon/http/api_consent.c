/* api_consent.c - the ledger of consent: its chains verified block by block, and the evidence for
 * one person as a file. See lazo-consent(7). */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api.h"

#include <inttypes.h>

struct evidence {
    struct app *app;
    struct http_request *req;
    int64_t contact_id;
};

static void consents_verify(void *arg, struct http_request *req)
{
    struct pgargs args;
    int64_t after;
    int limit;

    if (!http_limit(req, &limit) || !api_after(req, &after))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, after);
    pgargs_int(&args, limit);
    api_show(arg, req, Q_CONSENT_VERIFY, &args, "ledger");
}

static void evidence_on_result(void *arg, const struct pgres *res)
{
    const struct evidence *e = arg;

    if (api_failed(e->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_contact_absent(e->app, e->req);
        return;
    }
    http_set_header(
        e->req, "Content-Disposition",
        mem_printf(e, "attachment; filename=\"consent-%" PRId64 ".json\"", e->contact_id));
    api_answer_body(e->req, 200, res);
}

static void consents_evidence(void *arg, struct http_request *req)
{
    struct app *app = arg;
    struct evidence *e = mem_new(http_ctx(req), struct evidence);
    struct pgargs args;

    e->app = app;
    e->req = req;
    if (!api_id(req, "id", &e->contact_id))
        return;
    pgargs_init(&args, e);
    pgargs_int(&args, e->contact_id);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(app->pool, api_org(req), Q_CONSENT_EVIDENCE, &args, evidence_on_result, e);
}

const struct http_route api_consent_routes[] = {
    {HTTP_GET, "/v1/consents/verify", "reader", consents_verify, "limit after"},
    {HTTP_GET, "/v1/contacts/{id}/consents/evidence", "reader", consents_evidence, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};
