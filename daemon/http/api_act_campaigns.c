/* api_act_campaigns.c - /v1/campaigns: one template to one audience.
 *
 *     draft ──start──► scheduled ──(decide)──► expanding ──(decide)──► running ──(decide)──►
 * finished │  ▲                    │  ▲                   │ └──┴──── paused
 * ◄───────┴──┴───────────────────┘      cancel: from each but finished
 *
 * Here are start, pause, resume and cancel; the rest is daemon/decide's. Each move names the states
 * that it expects, so that of two who move at the same time one is refused. Who resumes goes back
 * to scheduled or expanding: making jobs is harmless when it is done already. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/template/template.h"
#include "daemon/http/api_act.h"
#include "daemon/http/api_define.h"

#include <string.h>

#define CAMPAIGN_DATA_MAX ((size_t)64 << 10)

void api_campaign_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_CAMPAIGN_SHOW, "campaign");
}

void api_campaign_report(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_CAMPAIGN_REPORT, "campaign");
}

void api_campaign_delete(void *app, struct http_request *req)
{
    api_delete_named(app, req, Q_API_CAMPAIGN_DELETE, "campaign");
}

void api_campaigns_list(void *app, struct http_request *req)
{
    struct pgargs args;
    int limit;

    if (api_page_args(req, &args, &limit))
        api_list(app, req, Q_API_CAMPAIGN_LIST, &args, limit, NULL);
}

/* --- what a campaign needs before it may go out
 * ---------------------------------------------------------------- */

/* mentions() - whether the template's part shows the link that ends the subscription. */
static bool mentions(const void *ctx, const char *text, const char *wanted)
{
    const char *const *names;
    struct template *compiled;
    struct diag ignored;
    size_t n;

    diag_init(&ignored, ctx);
    compiled = template_compile(ctx, text, strlen(text), &ignored);
    if (compiled == NULL)
        return false;
    names = template_names(compiled, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], wanted) == 0)
            return true;
    return false;
}

/* refuse_unready() - adds what is missing to `d`; `res` has the columns of api_campaign_refs or
 * api_campaign_parts. */
static void refuse_unready(const void *ctx, const struct pgres *res, struct diag *d)
{
    static const char *const parts[] = {"html", "text"};

    if (!pgres_bool(res, 0, "has_address"))
        diag_field(d, "",
                   "the organisation has no postal address, which a campaign's mail must show");
    if (pgres_null(res, 0, "html")) {
        diag_field(d, "/template", "the template has no version in the organisation's language, %s",
                   pgres_text(res, 0, "language"));
        return;
    }
    for (size_t i = 0; i < 2; i++)
        if (!mentions(ctx, pgres_text(res, 0, parts[i]), "unsubscribe_url"))
            diag_field(d, "/template", "the template's %s does not show {{ unsubscribe_url }}",
                       parts[i]);
}

/* --- definition
 * ------------------------------------------------------------------------------------------- */

struct definition {
    struct app *app;
    struct http_request *req;
    struct api_body body;
    const char *name, *template, *segment, *rule, *topic, *data;
    bool has_start, create;
    int64_t start_at_us;
};

static void store(const struct definition *def, const struct pgres *refs)
{
    struct pgargs args;

    pgargs_init(&args, def);
    pgargs_text(&args, def->name);
    pgargs_int(&args, pgres_int(refs, 0, "template_id"));
    pgargs_text(&args, pgres_text(refs, 0, "segment_id"));
    pgargs_text(&args, def->rule);
    pgargs_int(&args, pgres_int(refs, 0, "topic_id"));
    if (def->has_start)
        pgargs_instant(&args, def->start_at_us);
    else
        pgargs_text(&args, NULL);
    pgargs_text(&args, def->data);
    pgargs_instant(&args, clock_now_us());
    api_change(def->app, def->req, def->create ? Q_API_CAMPAIGN_CREATE : Q_API_CAMPAIGN_PUT, &args,
               "campaign");
}

static void define_on_refs(void *arg, const struct pgres *res)
{
    struct definition *def = arg;
    struct diag *mistakes = &def->body.mistakes;

    if (api_failed(def->req, res))
        return;
    if (pgres_null(res, 0, "template_id"))
        diag_field(mistakes, "/template", "there is no template \"%s\"", def->template);
    if (def->segment != NULL && pgres_null(res, 0, "segment_id"))
        diag_field(mistakes, "/segment", "there is no segment \"%s\"", def->segment);
    if (pgres_null(res, 0, "topic_id"))
        diag_field(mistakes, "/topic", "there is no topic \"%s\"", def->topic);
    if (def->has_start && !diag_any(mistakes))
        refuse_unready(def, res, mistakes);
    if (api_body_ok(&def->body))
        store(def, res);
}

static void define_on_org(void *arg, const struct org *org)
{
    struct definition *def = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(def->req);
        return;
    }
    if (def->rule != NULL)
        api_rule_read(def, def->rule, "/rule", &org->catalogue, &def->body.mistakes, NULL);
    if (!api_body_ok(&def->body))
        return;
    pgargs_init(&args, def);
    pgargs_text(&args, def->template);
    pgargs_text(&args, def->segment);
    pgargs_text(&args, def->topic);
    pgpool_query(def->app->pool, api_org(def->req), Q_API_CAMPAIGN_REFS, &args, define_on_refs,
                 def);
}

static void read_start(struct definition *def)
{
    const char *at = api_body_text(&def->body, "start_at", CLOCK_TEXT);

    def->has_start = at != NULL;
    if (at != NULL && !clock_parse(at, &def->start_at_us))
        diag_field(&def->body.mistakes, "/start_at", "this must be a time as in RFC 3339");
}

static void read_data(struct definition *def)
{
    json_t *data = api_body_object(&def->body, "data");

    def->data = data == NULL ? "{}" : api_json_text(def, data);
    if (strlen(def->data) > CAMPAIGN_DATA_MAX)
        diag_field(&def->body.mistakes, "/data", "this is longer than %zu bytes",
                   CAMPAIGN_DATA_MAX);
}

static void read_name(struct definition *def)
{
    struct api_body *body = &def->body;
    const char *given =
        def->create ? api_body_need(body, "name", 400) : api_body_text(body, "name", 400);

    def->name = def->create ? given : http_param(def->req, "name");
    if (def->name == NULL)
        return;
    if (given != NULL && strcmp(given, def->name) != 0)
        diag_field(&body->mistakes, "/name", "this is not the name in the path");
    if (api_body_title(body, "/name", def->name) &&
        strspn(def->name, "0123456789") == strlen(def->name))
        diag_field(&body->mistakes, "/name", "a name is not a number alone: that is an id");
}

static void define(struct app *app, struct http_request *req, bool create)
{
    static const char *const known[] = {"name",  "template", "segment", "rule",
                                        "topic", "start_at", "data",    NULL};
    struct definition *def = mem_new(http_ctx(req), struct definition);

    if (!api_body_read(&def->body, req, known))
        return;
    def->app = app;
    def->req = req;
    def->create = create;
    read_name(def);
    def->template = api_body_need(&def->body, "template", 100);
    def->topic = api_body_need(&def->body, "topic", 100);
    def->segment = api_body_text(&def->body, "segment", 400);
    def->rule = api_body_text(&def->body, "rule", API_RULE_MAX);
    if ((def->segment == NULL) == (def->rule == NULL))
        diag_field(&def->body.mistakes, "/segment", "there must be either a segment or a rule");
    read_start(def);
    read_data(def);
    if (api_body_ok(&def->body))
        orgs_get(def->app->orgs, api_org(req), define_on_org, def);
}

void api_campaign_create(void *app, struct http_request *req)
{
    define(app, req, true);
}

void api_campaign_put(void *app, struct http_request *req)
{
    define(app, req, false);
}

/* --- moves
 * ------------------------------------------------------------------------------------------------
 */

struct move_sort {
    const char *verb;
    const char *from[5]; /* states */
    const char *to;      /* NULL: where it stood before it was paused */
    bool starts;         /* now, and only when it is ready */
    bool has_jobs;       /* then this is done to its jobs */
    bool jobs_now;       /* with the instant as a parameter */
    enum query jobs;
};

static const struct move_sort start_sort = {
    "started", {"draft", "scheduled"}, "scheduled", true, false, false, 0};
static const struct move_sort pause_sort = {
    "paused",           {"scheduled", "expanding", "running"}, "paused", false, true, false,
    Q_API_CAMPAIGN_HOLD};
static const struct move_sort resume_sort = {
    "resumed", {"paused"}, NULL, false, true, true, Q_API_CAMPAIGN_RELEASE};
static const struct move_sort cancel_sort = {
    "cancelled",
    {"draft", "scheduled", "expanding", "running", "paused"},
    "cancelled",
    false,
    true,
    true,
    Q_API_CAMPAIGN_DROP};

struct move {
    struct app *app;
    struct http_request *req;
    const struct move_sort *sort;
    int64_t campaign;
    const char *state; /* as it was read */
    int64_t now_us;
    const char *body; /* of the answer; NULL: it was not moved */
};

static void move_ended(void *arg, bool committed, const struct pgres *error)
{
    struct move *m = arg;

    if (error != NULL && api_failed(m->req, error))
        return;
    if (!committed && m->body != NULL) {
        api_away(m->req);
    } else if (!committed) {
        http_problem(m->req, 409, NULL, "a campaign that is %s cannot be %s", m->state,
                     m->sort->verb);
    } else {
        app_defined(m->app, api_org(m->req));
        if (m->app->dispatch != NULL)
            dispatch_wake(m->app->dispatch);
        http_answer_json(m->req, 200, m->body, strlen(m->body));
    }
}

struct step {
    struct move *move;
    struct pgtx *tx;
};

static void jobs_on_result(void *arg, const struct pgres *res)
{
    const struct step *s = arg;

    if (pgres_ok(res))
        pgtx_commit(s->tx);
}

/* The jobs are asked for in a statement of their own: it sees those that were made while the first
 * one waited for the campaign's row. */
static void move_on_result(void *arg, const struct pgres *res)
{
    const struct step *s = arg;
    struct move *m = s->move;
    struct pgargs args;

    if (!pgres_ok(res))
        return;
    if (pgres_rows(res) == 0) {
        pgtx_rollback(s->tx);
        return;
    }
    m->body = mem_strdup(m, pgres_text(res, 0, "body"));
    if (!m->sort->has_jobs) {
        pgtx_commit(s->tx);
        return;
    }
    pgargs_init(&args, m);
    pgargs_int(&args, m->campaign);
    if (m->sort->jobs_now)
        pgargs_instant(&args, m->now_us);
    pgtx_query(s->tx, m->sort->jobs, &args, jobs_on_result, arg);
}

static void move_begun(void *arg, struct pgtx *tx)
{
    struct move *m = arg;
    struct step *s = mem_new(m, struct step);
    struct pgarray from;
    struct pgargs args;

    *s = (struct step){m, tx};
    pgargs_init(&args, m);
    pgargs_int(&args, m->campaign);
    pgarray_init(&from, m);
    for (size_t i = 0; i < sizeof(m->sort->from) / sizeof(m->sort->from[0]); i++)
        if (m->sort->from[i] != NULL)
            pgarray_text(&from, m->sort->from[i]);
    pgargs_array(&args, &from);
    pgargs_text(&args, m->sort->to);
    pgargs_instant(&args, m->now_us);
    pgargs_bool(&args, m->sort->starts);
    pgtx_query(tx, Q_API_CAMPAIGN_MOVE, &args, move_on_result, s);
}

static void move_on_parts(void *arg, const struct pgres *res)
{
    struct move *m = arg;
    struct diag mistakes;
    struct pgact act;

    if (api_failed(m->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_not_found(m->app, m->req, "campaign");
        return;
    }
    m->campaign = pgres_int(res, 0, "id");
    m->state = mem_strdup(m, pgres_text(res, 0, "state"));
    act = api_act(m->req, "campaign");
    diag_init(&mistakes, m);
    if (m->sort->starts)
        refuse_unready(m, res, &mistakes);
    if (diag_any(&mistakes))
        http_problem(m->req, 422, &mistakes, "the campaign is not ready");
    else
        pgtx_begin_as(m->app->pool, api_org(m->req), &act, move_begun, move_ended, m);
}

static void move(struct app *app, struct http_request *req, const struct move_sort *sort)
{
    struct move *m = mem_new(http_ctx(req), struct move);
    struct pgargs args;

    m->app = app;
    m->req = req;
    m->sort = sort;
    m->now_us = clock_now_us();
    pgargs_init(&args, m);
    pgargs_text(&args, http_param(req, "name"));
    pgpool_query(app->pool, api_org(req), Q_API_CAMPAIGN_PARTS, &args, move_on_parts, m);
}

void api_campaign_start(void *app, struct http_request *req)
{
    move(app, req, &start_sort);
}

void api_campaign_pause(void *app, struct http_request *req)
{
    move(app, req, &pause_sort);
}

void api_campaign_resume(void *app, struct http_request *req)
{
    move(app, req, &resume_sort);
}

void api_campaign_cancel(void *app, struct http_request *req)
{
    move(app, req, &cancel_sort);
}
