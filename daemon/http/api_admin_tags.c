/* api_admin_tags.c - /v1/tags over all contacts: how many have each, renaming, removing. Those of
 * one contact are in api_record_contacts.c. */
#include "daemon/http/api_admin.h"
#include "daemon/http/api_define.h"

#define TAG_MAX 400 /* bytes of the 100 characters of a tag */

void api_tags_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_TAG_LIST);
}

void api_tag_rename(void *app, struct http_request *req)
{
    static const char *const known[] = {"tag", NULL};
    struct pgargs args;
    struct api_body b;

    if (!api_body_read(&b, req, known))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "tag"));
    pgargs_text(&args, api_body_need(&b, "tag", TAG_MAX));
    if (api_body_ok(&b))
        api_change(app, req, Q_API_TAG_RENAME, &args, "tag");
}

void api_tag_delete(void *app, struct http_request *req)
{
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "tag"));
    api_change(app, req, Q_API_TAG_DELETE, &args, "tag");
}
