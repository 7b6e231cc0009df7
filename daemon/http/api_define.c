/* api_define.c - the routes of what an organisation defines. To add one: a line in the table, a
 * handler in the file of its noun, its statement in schema/statements/api_define.sql. */
#include "daemon/http/api_define.h"
#include "daemon/http/api_rules.h"

#include <string.h>

const struct http_route api_define_routes[] = {
    {HTTP_GET, "/v1/segments", "reader", api_segments_list, "limit after"},
    {HTTP_POST, "/v1/segments", "editor", api_segment_create, NULL},
    {HTTP_GET, "/v1/segments/{name}", "reader", api_segment_show, NULL},
    {HTTP_PUT, "/v1/segments/{name}", "editor", api_segment_put, NULL},
    {HTTP_DELETE, "/v1/segments/{name}", "editor", api_segment_delete, NULL},
    {HTTP_GET, "/v1/segments/{name}/members", "reader", api_segment_members, "as_of limit after"},
    {HTTP_PUT, "/v1/segments/{name}/members/{contact}", "editor", api_segment_member_add, NULL},
    {HTTP_DELETE, "/v1/segments/{name}/members/{contact}", "editor", api_segment_member_remove,
     NULL},
    {HTTP_GET, "/v1/segments/{name}/forecast", "reader", api_segment_forecast, "days limit"},
    {HTTP_GET, "/v1/segments/{name}/history", "reader", api_segment_history, "from to"},
    {HTTP_GET, "/v1/segments/{name}/exceptions", "reader", api_exceptions_list, "limit after"},
    {HTTP_PUT, "/v1/segments/{name}/exceptions/{contact}", "editor", api_exception_put, NULL},
    {HTTP_DELETE, "/v1/segments/{name}/exceptions/{contact}", "editor", api_exception_delete, NULL},
    {HTTP_POST, "/v1/check", "editor", api_check, NULL},
    {HTTP_POST, "/v1/rules/check", "reader", api_rule_check, NULL},
    {HTTP_POST, "/v1/rules/explain", "reader", api_rule_explain, NULL},
    {HTTP_POST, "/v1/rules/sql", "reader", api_rule_sql, NULL},
    {HTTP_GET, "/v1/rfm", "reader", api_rfm_list, "limit after"},
    {HTTP_GET, "/v1/rfm/{name}", "reader", api_rfm_show, NULL},
    {HTTP_PUT, "/v1/rfm/{name}", "editor", api_rfm_put, NULL},
    {HTTP_DELETE, "/v1/rfm/{name}", "editor", api_rfm_delete, NULL},
    {HTTP_GET, "/v1/rfm/{name}/scores", "reader", api_rfm_scores, "contact as_of limit after"},
    {HTTP_GET, "/v1/rfm/{name}/summary", "reader", api_rfm_summary, NULL},
    {HTTP_GET, "/v1/rfm/{name}/breaks", "reader", api_rfm_breaks, NULL},
    {HTTP_POST, "/v1/rfm/{name}/recompute", "editor", api_rfm_recompute, NULL},
    {HTTP_GET, "/v1/contacts/{id}/rfm", "reader", api_contact_rfm, "model as_of limit after"},
    {HTTP_GET, "/v1/templates", "reader", api_templates_list, "limit after"},
    {HTTP_GET, "/v1/templates/{name}", "reader", api_template_show, NULL},
    {HTTP_PUT, "/v1/templates/{name}", "editor", api_template_put, NULL},
    {HTTP_DELETE, "/v1/templates/{name}", "editor", api_template_delete, NULL},
    {HTTP_POST, "/v1/templates/{name}/preview", "reader", api_template_preview, NULL},
    {HTTP_GET, "/v1/topics", "reader", api_topics_list, "limit after"},
    {HTTP_GET, "/v1/topics/{name}", "reader", api_topic_show, NULL},
    {HTTP_PUT, "/v1/topics/{name}", "editor", api_topic_put, NULL},
    {HTTP_DELETE, "/v1/topics/{name}", "editor", api_topic_delete, NULL},
    {HTTP_GET, "/v1/stages", "reader", api_stages_show, NULL},
    {HTTP_PUT, "/v1/stages", "editor", api_stages_put, NULL},
    {HTTP_GET, "/v1/fields", "reader", api_fields_list, "limit after"},
    {HTTP_GET, "/v1/fields/{name}", "reader", api_field_show, NULL},
    {HTTP_PUT, "/v1/fields/{name}", "editor", api_field_put, NULL},
    {HTTP_DELETE, "/v1/fields/{name}", "editor", api_field_delete, NULL},
    {HTTP_GET, "/v1/kinds", "reader", api_kinds_list, "limit after"},
    {HTTP_GET, "/v1/rates", "reader", api_rates_list, "currency limit after"},
    {HTTP_POST, "/v1/rates", "editor", api_rates_set, NULL},
    {HTTP_DELETE, "/v1/rates/{currency}/{on}", "editor", api_rate_delete, NULL},
    {HTTP_GET, "/v1/suppressions", "reader", api_suppressions_list, "limit after"},
    {HTTP_POST, "/v1/suppressions", "editor", api_suppression_add, NULL},
    {HTTP_DELETE, "/v1/suppressions/{email}", "editor", api_suppression_delete, NULL},
    {HTTP_GET, "/v1/webhooks", "reader", api_webhooks_list, "limit after"},
    {HTTP_GET, "/v1/webhooks/{name}", "reader", api_webhook_show, NULL},
    {HTTP_PUT, "/v1/webhooks/{name}", "editor", api_webhook_put, NULL},
    {HTTP_DELETE, "/v1/webhooks/{name}", "editor", api_webhook_delete, NULL},
    {HTTP_GET, "/v1/webhooks/{name}/deliveries", "reader", api_webhook_deliveries, "limit after"},
    {HTTP_POST, "/v1/webhooks/{name}/test", "editor", api_webhook_test, NULL},
    {0, NULL, NULL, NULL, NULL},
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
