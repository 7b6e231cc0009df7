/* api_admin.h - the handlers of what an administrator keeps, for the table of routes in
 * api_admin.c. */
#ifndef LAZO_DAEMON_HTTP_API_ADMIN_H
#define LAZO_DAEMON_HTTP_API_ADMIN_H

#include "daemon/http/api.h"

http_handler api_users_list, api_user_create, api_user_show, api_user_patch, api_user_delete;
http_handler api_audit_list, api_audit_export;
http_handler api_tags_list, api_tag_rename, api_tag_delete;
http_handler api_tasks_list, api_task_create, api_task_show, api_task_patch, api_task_delete;

/* api_role() - a field that names a role; NULL where it is absent, or wrong: a mistake then. */
const char *api_role(struct api_body *, const char *name);
/* api_arg_id() - a field that is an id as the next parameter, null where it is absent. */
void api_arg_id(struct api_body *, const char *name, struct pgargs *);
/* api_query_int() - a number of the query as the next parameter, null where it is absent; false and
 * 400 answered where it is none. */
bool api_query_int(struct http_request *, const char *name, struct pgargs *);

#endif
