/* api_act.h - the handlers of what Lazo does, for the table of routes in api_act.c. */
#ifndef LAZO_DAEMON_HTTP_API_ACT_H
#define LAZO_DAEMON_HTTP_API_ACT_H

#include "daemon/http/api.h"

http_handler api_campaigns_list, api_campaign_create, api_campaign_show, api_campaign_put,
    api_campaign_delete, api_campaign_report;
http_handler api_campaign_start, api_campaign_pause, api_campaign_resume, api_campaign_cancel;
http_handler api_journeys_list, api_journey_show, api_journey_put, api_journey_delete,
    api_journey_enable, api_journey_disable, api_journey_runs;
http_handler api_message_create, api_message_show, api_template_test;
http_handler api_deliveries_list, api_delivery_show, api_delivery_resend;

#endif
