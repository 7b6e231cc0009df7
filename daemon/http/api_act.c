/* api_act.c - the routes of what Lazo does. A campaign is named in the path by its name or its id.
 */
#include "daemon/http/api_act.h"

const struct http_route api_act_routes[] = {
    {HTTP_GET, "/v1/campaigns", "reader", api_campaigns_list, "limit after"},
    {HTTP_POST, "/v1/campaigns", "editor", api_campaign_create, NULL},
    {HTTP_GET, "/v1/campaigns/{name}", "reader", api_campaign_show, NULL},
    {HTTP_PUT, "/v1/campaigns/{name}", "editor", api_campaign_put, NULL},
    {HTTP_DELETE, "/v1/campaigns/{name}", "editor", api_campaign_delete, NULL},
    {HTTP_GET, "/v1/campaigns/{name}/report", "reader", api_campaign_report, NULL},
    {HTTP_POST, "/v1/campaigns/{name}/start", "editor", api_campaign_start, NULL},
    {HTTP_POST, "/v1/campaigns/{name}/pause", "editor", api_campaign_pause, NULL},
    {HTTP_POST, "/v1/campaigns/{name}/resume", "editor", api_campaign_resume, NULL},
    {HTTP_POST, "/v1/campaigns/{name}/cancel", "editor", api_campaign_cancel, NULL},
    {HTTP_GET, "/v1/journeys", "reader", api_journeys_list, "limit after"},
    {HTTP_GET, "/v1/journeys/{name}", "reader", api_journey_show, NULL},
    {HTTP_PUT, "/v1/journeys/{name}", "editor", api_journey_put, NULL},
    {HTTP_DELETE, "/v1/journeys/{name}", "editor", api_journey_delete, NULL},
    {HTTP_POST, "/v1/journeys/{name}/enable", "editor", api_journey_enable, NULL},
    {HTTP_POST, "/v1/journeys/{name}/disable", "editor", api_journey_disable, NULL},
    {HTTP_GET, "/v1/journeys/{name}/runs", "reader", api_journey_runs, "state limit after"},
    {HTTP_POST, "/v1/messages", "editor", api_message_create, NULL},
    {HTTP_POST, "/v1/templates/{name}/test", "editor", api_template_test, NULL},
    {HTTP_GET, "/v1/messages/{id}", "reader", api_message_show, NULL},
    {HTTP_GET, "/v1/deliveries", "reader", api_deliveries_list, "state sort contact limit after"},
    {HTTP_GET, "/v1/deliveries/{id}", "reader", api_delivery_show, NULL},
    {HTTP_POST, "/v1/deliveries/{id}/resend", "editor", api_delivery_resend, NULL},
    {0, NULL, NULL, NULL, NULL},
};
