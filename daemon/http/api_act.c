/* api_act.c - the routes of what Lazo does. A campaign is named in the path by its name or its id.
 */
#include "daemon/http/api_act.h"

const struct http_route api_act_routes[] = {
    {HTTP_GET, "/v1/campaigns", "reader", api_campaigns_list},
    {HTTP_POST, "/v1/campaigns", "editor", api_campaign_create},
    {HTTP_GET, "/v1/campaigns/{name}", "reader", api_campaign_show},
    {HTTP_PUT, "/v1/campaigns/{name}", "editor", api_campaign_put},
    {HTTP_DELETE, "/v1/campaigns/{name}", "editor", api_campaign_delete},
    {HTTP_GET, "/v1/campaigns/{name}/report", "reader", api_campaign_report},
    {HTTP_POST, "/v1/campaigns/{name}/start", "editor", api_campaign_start},
    {HTTP_POST, "/v1/campaigns/{name}/pause", "editor", api_campaign_pause},
    {HTTP_POST, "/v1/campaigns/{name}/resume", "editor", api_campaign_resume},
    {HTTP_POST, "/v1/campaigns/{name}/cancel", "editor", api_campaign_cancel},
    {HTTP_GET, "/v1/journeys", "reader", api_journeys_list},
    {HTTP_GET, "/v1/journeys/{name}", "reader", api_journey_show},
    {HTTP_PUT, "/v1/journeys/{name}", "editor", api_journey_put},
    {HTTP_DELETE, "/v1/journeys/{name}", "editor", api_journey_delete},
    {HTTP_POST, "/v1/journeys/{name}/enable", "editor", api_journey_enable},
    {HTTP_POST, "/v1/journeys/{name}/disable", "editor", api_journey_disable},
    {HTTP_GET, "/v1/journeys/{name}/runs", "reader", api_journey_runs},
    {HTTP_POST, "/v1/messages", "editor", api_message_create},
    {HTTP_POST, "/v1/templates/{name}/test", "editor", api_template_test},
    {HTTP_GET, "/v1/messages/{id}", "reader", api_message_show},
    {HTTP_GET, "/v1/deliveries", "reader", api_deliveries_list},
    {HTTP_GET, "/v1/deliveries/{id}", "reader", api_delivery_show},
    {HTTP_POST, "/v1/deliveries/{id}/resend", "editor", api_delivery_resend},
    {0, NULL, NULL, NULL},
};
