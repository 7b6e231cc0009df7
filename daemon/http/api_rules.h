/* api_rules.h - the handlers of what proves and explains rules, for the table of routes in
 * api_define.c. */
#ifndef LAZO_DAEMON_HTTP_API_RULES_H
#define LAZO_DAEMON_HTTP_API_RULES_H

#include "daemon/http/http.h"

http_handler api_check, api_rule_sql;
http_handler api_exceptions_list, api_exception_put, api_exception_delete;
http_handler api_segment_history, api_segment_forecast;
/* api_segment_members_then() - /members?as_of=: who was in at that instant. */
void api_segment_members_then(void *app, struct http_request *, const char *as_of);

#endif
