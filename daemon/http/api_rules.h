/* api_rules.h - the handlers of what proves and explains rules, for the table of routes in
 * api_define.c. */
#ifndef LAZO_DAEMON_HTTP_API_RULES_H
#define LAZO_DAEMON_HTTP_API_RULES_H

#include "daemon/http/http.h"

http_handler api_check;

#endif
