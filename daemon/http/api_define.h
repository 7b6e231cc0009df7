/* api_define.h - the handlers of what an organisation defines, for the table of routes in
 * api_define.c; and what they share. */
#ifndef LAZO_DAEMON_HTTP_API_DEFINE_H
#define LAZO_DAEMON_HTTP_API_DEFINE_H

#include "daemon/http/api.h"
#include "daemon/rules/rule.h"

http_handler api_segments_list, api_segment_create, api_segment_show, api_segment_put,
    api_segment_delete;
http_handler api_segment_members, api_segment_member_add, api_segment_member_remove;
http_handler api_rule_check, api_rule_explain;
http_handler api_rfm_list, api_rfm_show, api_rfm_put, api_rfm_delete, api_rfm_scores,
    api_rfm_summary, api_rfm_breaks, api_rfm_recompute, api_contact_rfm;
http_handler api_templates_list, api_template_show, api_template_put, api_template_delete,
    api_template_preview;
http_handler api_rates_list, api_rates_set, api_rate_delete;
http_handler api_topics_list, api_topic_show, api_topic_put, api_topic_delete;
http_handler api_fields_list, api_field_show, api_field_put, api_field_delete;
http_handler api_stages_show, api_stages_put;
http_handler api_kinds_list;
http_handler api_suppressions_list, api_suppression_add, api_suppression_delete;
http_handler api_webhooks_list, api_webhook_show, api_webhook_put, api_webhook_delete,
    api_webhook_deliveries, api_webhook_test;

#define API_RULE_MAX ((size_t)64 << 10)

/* api_rule_read() - `text` parsed and checked, child of ctx; NULL and mistakes in `d`, each with
 * `pointer` beside line and column. `warnings` may be NULL. */
struct rule *api_rule_read(const void *ctx, const char *text, const char *pointer,
                           const struct catalogue *, struct diag *d, struct diag *warnings);
/* api_list_by_name() - a list whose statement takes $1 after this name, $2 limit. */
void api_list_by_name(struct app *, struct http_request *, enum query);
/* api_show_named(), api_delete_named() - a statement whose only parameter is {name} of the path. */
void api_show_named(struct app *, struct http_request *, enum query, const char *what);
void api_delete_named(struct app *, struct http_request *, enum query, const char *what);
/* api_delete_unused() - the same for what definitions may name ("segment", "topic", "field",
 * "model", "template", "webhook", "relation"): 409 with who uses it where others refer to it, or
 * would not hold together without it. */
void api_delete_unused(struct app *, struct http_request *, enum query, const char *what);

#endif
