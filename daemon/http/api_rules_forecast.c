/* api_rules_forecast.c - /v1/segments/{name}/forecast: who will enter and leave by time alone. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/evaluate/forecast.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_rules.h"

#include <string.h>

#define DAYS_DEFAULT 30
#define DAYS_MAX     366

struct forecasting {
    struct app *app;
    struct http_request *req;
    int64_t days;
    int limit;
};

static void forecast_done(void *arg, const json_t *report, const struct pgres *failed)
{
    const struct forecasting *x = arg;

    if (failed != NULL && api_failed(x->req, failed))
        return;
    if (report == NULL)
        api_away(x->req);
    else
        http_answer_value(x->req, 200, json_deep_copy(report));
}

static void forecast_on_org(void *arg, const struct org *org)
{
    struct forecasting *x = arg;
    const struct catalogue_segment *s = NULL;
    struct forecast_question q = {.pool = x->app->pool, .limit = x->limit};
    struct diag mistakes;

    if (org == NULL) {
        api_away(x->req);
        return;
    }
    for (size_t i = 0; i < org->catalogue.n_segments; i++)
        if (strcmp(org->catalogue.segments[i].name, http_param(x->req, "name")) == 0)
            s = &org->catalogue.segments[i];
    if (s == NULL) {
        api_not_found(x->app, x->req, "segment");
        return;
    }
    diag_init(&mistakes, x);
    if (s->rule == NULL) {
        http_problem(x->req, 422, NULL,
                     "time alone moves nobody into a fixed segment, or out of it");
        return;
    }
    q.rule = api_rule_read(x, s->rule, NULL, &org->catalogue, &mistakes, NULL);
    if (q.rule == NULL) {
        http_problem(x->req, 409, &mistakes, "the segment's rule no longer checks");
        return;
    }
    q.org_id = api_org(x->req);
    q.catalogue = &org->catalogue;
    q.segment_id = s->id;
    q.now_us = clock_now_us();
    q.until_us = q.now_us + x->days * CLOCK_DAY_US;
    forecast_run(x, &q, forecast_done, x);
}

void api_segment_forecast(void *app, struct http_request *req)
{
    struct forecasting *x = mem_new(http_ctx(req), struct forecasting);
    const char *days = http_query(req, "days");

    x->app = app;
    x->req = req;
    x->days = DAYS_DEFAULT;
    if (days != NULL && (!text_int(days, &x->days) || x->days < 1 || x->days > DAYS_MAX)) {
        http_problem(req, 422, NULL, "days must be a number from 1 to %d", DAYS_MAX);
        return;
    }
    if (http_limit(req, &x->limit))
        orgs_get(x->app->orgs, api_org(req), forecast_on_org, x);
}
