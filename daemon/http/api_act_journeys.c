/* api_act_journeys.c - /v1/journeys: definitions (JSON or YAML), running or not, and who stands
 * where. A definition is only stored when it parses and all that it names is there. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/decide/journey.h"
#include "daemon/http/api_act.h"
#include "daemon/http/api_define.h"

#include <string.h>

struct definition {
    struct app *app;
    struct http_request *req;
    json_t *document; /* borrowed of the request */
    struct diag mistakes;
    struct journey_use *templates, *webhooks;
    size_t n_templates, n_webhooks;
};

void api_journeys_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_JOURNEY_LIST);
}

void api_journey_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_JOURNEY_SHOW, "journey");
}

void api_journey_delete(void *app, struct http_request *req)
{
    api_delete_named(app, req, Q_API_JOURNEY_DELETE, "journey");
}

/* --- definition
 * ------------------------------------------------------------------------------------------- */

static void store(struct definition *def)
{
    struct pgargs args;

    pgargs_init(&args, def);
    pgargs_text(&args, http_param(def->req, "name"));
    pgargs_text(&args, api_json_text(def, def->document));
    pgargs_instant(&args, clock_now_us());
    api_change(def->app, def->req, Q_API_JOURNEY_PUT, &args, "journey");
}

static void put_on_refs(void *arg, const struct pgres *res)
{
    struct definition *def = arg;

    if (api_failed(def->req, res))
        return;
    for (int i = 0; i < pgres_rows(res); i++) {
        const char *what = pgres_text(res, i, "what");
        size_t place = (size_t)pgres_int(res, i, "place") - 1;
        const struct journey_use *use =
            strcmp(what, "template") == 0 ? &def->templates[place] : &def->webhooks[place];

        diag_field(&def->mistakes, use->pointer, "there is no %s \"%s\"", what, use->name);
    }
    if (diag_any(&def->mistakes))
        http_problem(def->req, 422, &def->mistakes, "the journey names what is not there");
    else
        store(def);
}

static void add_names(struct pgargs *args, const struct journey_use *uses, size_t n)
{
    struct pgarray names;

    pgarray_init(&names, args->ctx);
    for (size_t i = 0; i < n; i++)
        pgarray_text(&names, uses[i].name);
    pgargs_array(args, &names);
}

static void put_on_org(void *arg, const struct org *org)
{
    struct definition *def = arg;
    struct journey_def *parsed;
    struct pgargs args;

    if (org == NULL) {
        api_away(def->req);
        return;
    }
    parsed = journey_parse(def, def->document, &org->catalogue, &def->mistakes);
    if (parsed == NULL) {
        http_problem(def->req, 422, &def->mistakes, "the journey's definition is wrong");
        return;
    }
    def->templates = journey_uses(def, parsed, JOURNEY_STEP_send, &def->n_templates);
    def->webhooks = journey_uses(def, parsed, JOURNEY_STEP_webhook, &def->n_webhooks);
    pgargs_init(&args, def);
    add_names(&args, def->templates, def->n_templates);
    add_names(&args, def->webhooks, def->n_webhooks);
    pgpool_query(def->app->pool, api_org(def->req), Q_API_JOURNEY_REFS, &args, put_on_refs, def);
}

void api_journey_put(void *app, struct http_request *req)
{
    struct definition *def = mem_new(http_ctx(req), struct definition);
    struct api_body body = {.req = req};

    def->app = app;
    def->req = req;
    diag_init(&def->mistakes, def);
    diag_init(&body.mistakes, def);
    def->document = api_document(req);
    if (def->document == NULL)
        return;
    api_body_name(&body, "/name", http_param(req, "name"));
    if (api_body_ok(&body))
        orgs_get(def->app->orgs, api_org(req), put_on_org, def);
}

/* --- running
 * ---------------------------------------------------------------------------------------------- */

static void enable(struct app *app, struct http_request *req, bool enabled)
{
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "name"));
    pgargs_bool(&args, enabled);
    pgargs_instant(&args, clock_now_us());
    api_change(app, req, Q_API_JOURNEY_ENABLE, &args, "journey");
}

void api_journey_enable(void *app, struct http_request *req)
{
    enable(app, req, true);
}

void api_journey_disable(void *app, struct http_request *req)
{
    enable(app, req, false);
}

/* is_cursor() - "INSTANT:CONTACT:ENTRY", as "next" gave it. */
static bool is_cursor(const char *text)
{
    size_t instant = strspn(text, "0123456789");
    size_t contact = text[instant] == ':' ? strspn(text + instant + 1, "0123456789") : 0;

    return instant >= 1 && instant <= 18 && contact >= 1 && contact <= 18 &&
           text[instant + 1 + contact] == ':';
}

void api_journey_runs(void *app, struct http_request *req)
{
    const char *after = http_query(req, "after");
    struct pgargs args;
    int limit;

    if (!http_limit(req, &limit))
        return;
    if (after != NULL && !is_cursor(after)) {
        http_problem(req, 400, NULL, "\"after\" must be what \"next\" said");
        return;
    }
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "name"));
    pgargs_text(&args, after);
    pgargs_int(&args, limit + 1);
    pgargs_text(&args, http_query(req, "state"));
    api_list(app, req, Q_API_JOURNEY_RUNS, &args, limit, "journey");
}
