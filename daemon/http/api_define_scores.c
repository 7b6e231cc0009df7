/* api_define_scores.c - /v1/rfm/{name}/scores and breaks, and what one contact's scores are and
 * were. A score that lasts stands in rfm_score, one that is over in rfm_history. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/http/api_define.h"

#include <limits.h>
#include <string.h>

struct question {
    struct app *app;
    struct http_request *req;
    const char *name; /* of the model; NULL: all of them */
    int64_t contact;  /* 0: all */
    int64_t after, at_us;
    int limit; /* 0: not a list */
    bool then; /* at_us counts */
};

/* The common beginning of a list; NULL where a mistake was answered. */
static struct question *question_new(struct app *app, struct http_request *req)
{
    struct question *q = mem_new(http_ctx(req), struct question);
    const char *as_of = http_query(req, "as_of");

    q->app = app;
    q->req = req;
    q->at_us = clock_now_us();
    q->then = as_of != NULL;
    if (as_of != NULL && !api_past(req, "as_of", as_of, &q->at_us))
        return NULL;
    return http_limit(req, &q->limit) && api_after(req, &q->after) ? q : NULL;
}

/* --- of a model ----------------------------------------------------------------------------------
 */

static void scores_on_org(void *arg, const struct org *org)
{
    const struct question *q = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(q->req);
        return;
    }
    pgargs_init(&args, q);
    pgargs_text(&args, q->name);
    pgargs_int(&args, q->after);
    pgargs_int(&args, q->limit + 1);
    pgargs_int(&args, org->catalogue.currency_digits);
    if (!q->then && q->contact == 0) {
        api_list(q->app, q->req, Q_API_RFM_SCORES, &args, q->limit, "model");
        return;
    }
    pgargs_instant(&args, q->at_us);
    if (q->contact != 0)
        pgargs_int(&args, q->contact);
    else
        pgargs_text(&args, NULL);
    api_list(q->app, q->req, Q_API_RFM_SCORES_THEN, &args, q->limit, "model");
}

void api_rfm_scores(void *app, struct http_request *req)
{
    struct question *q = question_new(app, req);
    const char *contact = http_query(req, "contact");

    if (q == NULL)
        return;
    if (contact != NULL && (!text_int(contact, &q->contact) || q->contact < 1)) {
        http_problem(req, 422, NULL, "contact must be the id of a contact");
        return;
    }
    q->name = http_param(req, "name");
    orgs_get(q->app->orgs, api_org(req), scores_on_org, q);
}

static void breaks_on_org(void *arg, const struct org *org)
{
    const struct question *q = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(q->req);
        return;
    }
    pgargs_init(&args, q);
    pgargs_text(&args, http_param(q->req, "name"));
    pgargs_int(&args, org->catalogue.currency_digits);
    api_show(q->app, q->req, Q_API_RFM_BREAKS, &args, "model");
}

void api_rfm_breaks(void *app, struct http_request *req)
{
    struct question *q = mem_new(http_ctx(req), struct question);

    q->app = app;
    q->req = req;
    orgs_get(q->app->orgs, api_org(req), breaks_on_org, q);
}

void api_rfm_recompute(void *app, struct http_request *req)
{
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "name"));
    api_change(app, req, Q_API_RFM_RECOMPUTE, &args, "model");
}

/* --- of a contact --------------------------------------------------------------------------------
 */

static bool has_model(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_models; i++)
        if (strcmp(c->models[i].name, name) == 0)
            return true;
    return false;
}

static void contact_on_org(void *arg, const struct org *org)
{
    const struct question *q = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(q->req);
        return;
    }
    if (q->name != NULL && !has_model(&org->catalogue, q->name)) {
        http_problem(q->req, 404, NULL, "there is no model \"%s\"", q->name);
        return;
    }
    pgargs_init(&args, q);
    pgargs_int(&args, q->contact);
    pgargs_int(&args, q->after);
    pgargs_int(&args, q->limit + 1);
    pgargs_int(&args, org->catalogue.currency_digits);
    pgargs_text(&args, q->name);
    if (q->then)
        pgargs_instant(&args, q->at_us);
    else
        pgargs_text(&args, NULL);
    api_list(q->app, q->req, Q_API_CONTACT_RFM, &args, q->limit, "contact");
}

void api_contact_rfm(void *app, struct http_request *req)
{
    struct question *q = question_new(app, req);

    if (q == NULL || !api_id(req, "id", &q->contact))
        return;
    q->name = http_query(req, "model");
    orgs_get(q->app->orgs, api_org(req), contact_on_org, q);
}
