/* api_define.c - the routes of what an organisation defines. To add one: a line in the table, a
 * handler in the file of its noun, its statement in schema/statements/api_define.sql. */
#include "daemon/http/api_define.h"

#include "common/mem.h"

#include <string.h>

const struct http_route api_define_routes[] = {
    {HTTP_GET, "/v1/segments", "reader", api_segments_list},
    {HTTP_POST, "/v1/segments", "editor", api_segment_create},
    {HTTP_GET, "/v1/segments/{name}", "reader", api_segment_show},
    {HTTP_PUT, "/v1/segments/{name}", "editor", api_segment_put},
    {HTTP_DELETE, "/v1/segments/{name}", "editor", api_segment_delete},
    {HTTP_GET, "/v1/segments/{name}/members", "reader", api_segment_members},
    {HTTP_PUT, "/v1/segments/{name}/members/{contact}", "editor", api_segment_member_add},
    {HTTP_DELETE, "/v1/segments/{name}/members/{contact}", "editor", api_segment_member_remove},
    {HTTP_POST, "/v1/rules/check", "reader", api_rule_check},
    {HTTP_POST, "/v1/rules/explain", "reader", api_rule_explain},
    {HTTP_GET, "/v1/rfm", "reader", api_rfm_list},
    {HTTP_GET, "/v1/rfm/{name}", "reader", api_rfm_show},
    {HTTP_PUT, "/v1/rfm/{name}", "editor", api_rfm_put},
    {HTTP_DELETE, "/v1/rfm/{name}", "editor", api_rfm_delete},
    {HTTP_GET, "/v1/rfm/{name}/scores", "reader", api_rfm_scores},
    {HTTP_GET, "/v1/rfm/{name}/summary", "reader", api_rfm_summary},
    {HTTP_GET, "/v1/rfm/{name}/breaks", "reader", api_rfm_breaks},
    {HTTP_GET, "/v1/templates", "reader", api_templates_list},
    {HTTP_GET, "/v1/templates/{name}", "reader", api_template_show},
    {HTTP_PUT, "/v1/templates/{name}", "editor", api_template_put},
    {HTTP_DELETE, "/v1/templates/{name}", "editor", api_template_delete},
    {HTTP_POST, "/v1/templates/{name}/preview", "reader", api_template_preview},
    {HTTP_GET, "/v1/topics", "reader", api_topics_list},
    {HTTP_PUT, "/v1/topics/{name}", "editor", api_topic_put},
    {HTTP_DELETE, "/v1/topics/{name}", "editor", api_topic_delete},
    {HTTP_GET, "/v1/fields", "reader", api_fields_list},
    {HTTP_PUT, "/v1/fields/{name}", "editor", api_field_put},
    {HTTP_DELETE, "/v1/fields/{name}", "editor", api_field_delete},
    {HTTP_GET, "/v1/kinds", "reader", api_kinds_list},
    {HTTP_GET, "/v1/suppressions", "reader", api_suppressions_list},
    {HTTP_POST, "/v1/suppressions", "editor", api_suppression_add},
    {HTTP_DELETE, "/v1/suppressions/{email}", "editor", api_suppression_delete},
    {HTTP_GET, "/v1/webhooks", "reader", api_webhooks_list},
    {HTTP_GET, "/v1/webhooks/{name}", "reader", api_webhook_show},
    {HTTP_PUT, "/v1/webhooks/{name}", "editor", api_webhook_put},
    {HTTP_DELETE, "/v1/webhooks/{name}", "editor", api_webhook_delete},
    {HTTP_GET, "/v1/webhooks/{name}/deliveries", "reader", api_webhook_deliveries},
    {HTTP_POST, "/v1/webhooks/{name}/test", "editor", api_webhook_test},
    {0, NULL, NULL, NULL},
};

void api_list_by_name(struct app *app, struct http_request *req, enum query q)
{
    struct pgargs args;
    int limit;

    if (!http_limit(req, &limit))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_query(req, "after"));
    pgargs_int(&args, limit + 1);
    api_list(app, req, q, &args, limit, NULL);
}

static void by_name(const struct http_request *req, struct pgargs *ret_args)
{
    pgargs_init(ret_args, http_ctx(req));
    pgargs_text(ret_args, http_param(req, "name"));
}

void api_show_named(struct app *app, struct http_request *req, enum query q, const char *what)
{
    struct pgargs args;

    by_name(req, &args);
    api_show(app, req, q, &args, what);
}

void api_delete_named(struct app *app, struct http_request *req, enum query q, const char *what)
{
    struct pgargs args;

    by_name(req, &args);
    api_change(app, req, q, &args, what);
}

struct rule *api_rule_read(const void *ctx, const char *text, const char *pointer,
                           const struct catalogue *catalogue, struct diag *d, struct diag *warnings)
{
    size_t before = d->n;
    struct rule *rule = rule_parse(ctx, text, strlen(text), d);

    if (rule != NULL && !rule_check(rule, catalogue, d, warnings))
        rule = NULL;
    for (size_t i = before; i < d->n; i++)
        d->items[i].pointer = pointer;
    return rule;
}

/* --- deleting what rules may speak of
 * ------------------------------------------------------------------------ */

struct deletion {
    struct app *app;
    struct http_request *req;
    enum query q;
    const char *what;
};

/* without_name() - how many of `n` names are left, the one that goes being moved behind them. */
static size_t without_name(struct catalogue_name *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i].name, name) == 0) {
            memmove(&names[i], &names[i + 1], (n - i - 1) * sizeof(*names));
            return n - 1;
        }
    }
    return n;
}

static size_t without_field(struct catalogue_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            memmove(&fields[i], &fields[i + 1], (n - i - 1) * sizeof(*fields));
            return n - 1;
        }
    }
    return n;
}

static size_t without_segment(struct catalogue_segment *segments, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(segments[i].name, name) == 0) {
            memmove(&segments[i], &segments[i + 1], (n - i - 1) * sizeof(*segments));
            return n - 1;
        }
    }
    return n;
}

#define COPY_OF(ctx, array, n) mem_must(talloc_memdup((ctx), (array), sizeof(*(array)) * (n)))

/* without() - the catalogue as it would be; the arrays that change are copies, children of ctx. */
static struct catalogue without(const void *ctx, const struct catalogue *c, const char *what,
                                const char *name)
{
    struct catalogue rest = *c;

    if (strcmp(what, "topic") == 0 && c->n_topics > 0) {
        rest.topics = COPY_OF(ctx, c->topics, c->n_topics);
        rest.n_topics = without_name(rest.topics, c->n_topics, name);
    } else if (strcmp(what, "model") == 0 && c->n_models > 0) {
        rest.models = COPY_OF(ctx, c->models, c->n_models);
        rest.n_models = without_name(rest.models, c->n_models, name);
    } else if (strcmp(what, "field") == 0 && c->n_fields > 0) {
        rest.fields = COPY_OF(ctx, c->fields, c->n_fields);
        rest.n_fields = without_field(rest.fields, c->n_fields, name);
    } else if (strcmp(what, "segment") == 0 && c->n_segments > 0) {
        rest.segments = COPY_OF(ctx, c->segments, c->n_segments);
        rest.n_segments = without_segment(rest.segments, c->n_segments, name);
    }
    return rest;
}

/* user_of() - the first segment whose rule holds together now, and would not with the rest; NULL
 * where there is none. */
static const char *user_of(const void *ctx, const struct catalogue *c, const struct catalogue *rest)
{
    for (size_t i = 0; i < rest->n_segments; i++) {
        const char *text = rest->segments[i].rule;
        struct diag d;

        if (text == NULL)
            continue;
        diag_init(&d, ctx);
        if (api_rule_read(ctx, text, NULL, rest, &d, NULL) == NULL &&
            api_rule_read(ctx, text, NULL, c, &d, NULL) != NULL)
            return rest->segments[i].name;
    }
    return NULL;
}

static void delete_on_org(void *arg, const struct org *org)
{
    struct deletion *del = arg;
    const char *user;
    struct catalogue rest;

    if (org == NULL) {
        api_away(del->req);
        return;
    }
    rest = without(del, &org->catalogue, del->what, http_param(del->req, "name"));
    user = user_of(del, &org->catalogue, &rest);
    if (user != NULL)
        http_problem(del->req, 409, NULL, "the rule of the segment \"%s\" uses this %s", user,
                     del->what);
    else
        api_delete_named(del->app, del->req, del->q, del->what);
}

void api_delete_unused(struct app *app, struct http_request *req, enum query q, const char *what)
{
    struct deletion *del = mem_new(http_ctx(req), struct deletion);

    *del = (struct deletion){app, req, q, what};
    orgs_get(app->orgs, api_org(req), delete_on_org, del);
}
