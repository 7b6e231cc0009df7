/* api_rules_truth.c - /v1/check: whether what is stored of segments and scores is what the facts
 * say. */
#include "common/mem.h"
#include "daemon/evaluate/audit.h"
#include "daemon/http/api.h"
#include "daemon/http/api_rules.h"

struct checking {
    struct app *app;
    struct http_request *req;
};

static void checking_wake(void *arg, int64_t org_id)
{
    const struct checking *c = arg;

    app_recorded(c->app, org_id);
}

static void checking_done(void *arg, const json_t *report, const struct pgres *failed)
{
    struct checking *c = arg;

    if (failed != NULL && api_failed(c->req, failed))
        return;
    if (report == NULL)
        api_away(c->req);
    else
        http_answer_value(c->req, 200, json_deep_copy(report));
}

void api_check(void *arg, struct http_request *req)
{
    static const char *const known[] = {"segments", "rfm", "repair", NULL};
    struct checking *c = mem_new(http_ctx(req), struct checking);
    struct app *app = arg;
    struct api_body body;
    struct audit_options o = {
        .loop = app->loop, .pool = app->pool, .orgs = app->orgs, .wake = checking_wake, .arg = c};

    if (!api_body_read(&body, req, known))
        return;
    c->app = app;
    c->req = req;
    o.org_id = api_org(req);
    o.segments = api_body_bool(&body, "segments", true);
    o.scores = api_body_bool(&body, "rfm", true);
    o.repair = api_body_bool(&body, "repair", false);
    if (api_body_ok(&body))
        audit_run(http_ctx(req), &o, checking_done, c);
}
