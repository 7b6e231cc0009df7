/* api_people.c - the routes of what contacts have several of, and of what joins them. See
 * lazo-contacts(7). */
#include "daemon/http/api_people.h"

#include "common/mem.h"

const struct http_route api_people_routes[] = {
    {HTTP_GET, "/v1/contacts/{id}/emails", "reader", api_contact_emails_list, NULL},
    {HTTP_POST, "/v1/contacts/{id}/emails", "recorder", api_contact_emails_post, NULL},
    {HTTP_DELETE, "/v1/contacts/{id}/emails/{email}", "recorder", api_contact_email_delete, NULL},
    {HTTP_GET, "/v1/contacts/{id}/phones", "reader", api_contact_phones_list, NULL},
    {HTTP_POST, "/v1/contacts/{id}/phones", "recorder", api_contact_phones_post, NULL},
    {HTTP_DELETE, "/v1/contacts/{id}/phones/{phone}", "recorder", api_contact_phone_delete, NULL},
    {HTTP_POST, "/v1/contacts/{id}/groups", "recorder", api_contact_groups_post, NULL},
    {HTTP_DELETE, "/v1/contacts/{id}/groups/{group}", "recorder", api_contact_group_delete, NULL},
    {HTTP_GET, "/v1/groups", "reader", api_groups_list, "limit after"},
    {HTTP_GET, "/v1/groups/{group}/members", "reader", api_group_members, "limit after"},
    {HTTP_PUT, "/v1/groups/{group}/members/{contact}", "recorder", api_group_member_add, NULL},
    {HTTP_DELETE, "/v1/groups/{group}/members/{contact}", "recorder", api_group_member_remove,
     NULL},
    {HTTP_GET, "/v1/relations", "reader", api_relations_list, "limit after"},
    {HTTP_PUT, "/v1/relations/{name}", "editor", api_relation_put, NULL},
    {HTTP_DELETE, "/v1/relations/{name}", "editor", api_relation_delete, NULL},
    {HTTP_GET, "/v1/contacts/{id}/relations", "reader", api_contact_relations,
     "relation limit after"},
    {HTTP_PUT, "/v1/contacts/{id}/relations/{relation}/{contact}", "recorder", api_contact_relate,
     NULL},
    {HTTP_DELETE, "/v1/contacts/{id}/relations/{relation}/{contact}", "recorder",
     api_contact_unrelate, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};

struct changed {
    struct app *app;
    struct http_request *req;
    const char *absent;
};

static void changed_on_result(void *arg, const struct pgres *res)
{
    const struct changed *c = arg;
    int status;

    if (api_failed(c->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_absent(c->app, c->req, c->absent);
        return;
    }
    status = (int)pgres_int(res, 0, "status");
    if (status == 404) {
        api_absent(c->app, c->req, pgres_text(res, 0, "body"));
        return;
    }
    if (status >= 400) {
        http_problem(c->req, status, NULL, "%s", pgres_text(res, 0, "body"));
        return;
    }
    app_recorded(c->app, api_org(c->req));
    if (status == 204)
        http_answer_empty(c->req, 204);
    else
        api_answer_body(c->req, status, res);
}

void api_people_change(struct app *app, struct http_request *req, enum query q,
                       const struct pgargs *args, const char *absent)
{
    struct changed *c = mem_new(http_ctx(req), struct changed);

    c->app = app;
    c->req = req;
    c->absent = absent;
    pgpool_query(app->pool, api_org(req), q, args, changed_on_result, c);
}
