/* api_admin_users.c - /v1/users: people who administer, and whose tokens may at most what they may.
 * There is no login: a user is who a token belongs to. */
#include "common/address.h"
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_admin.h"

void api_users_list(void *app, struct http_request *req)
{
    struct pgargs args;
    int limit;

    if (!api_page_args(req, &args, &limit))
        return;
    api_list(app, req, Q_API_USER_LIST, &args, limit, NULL);
}

/* fields() - name, e-mail and role as the next parameters; null where they are not said. */
static void fields(struct api_body *b, struct pgargs *args)
{
    const char *name = api_body_text(b, "name", 400), *email = api_body_text(b, "email", 400);
    const char *why = NULL, *normal = NULL;

    if (name != NULL)
        api_body_title(b, "/name", name);
    if (email != NULL)
        normal = address_normalise(http_ctx(b->req), email, &why);
    if (why != NULL)
        diag_field(&b->mistakes, "/email", "no valid e-mail address: %s", why);
    pgargs_text(args, name);
    pgargs_text(args, normal);
    pgargs_text(args, api_role(b, "role"));
    pgargs_instant(args, clock_now_us());
}

static const char *const known[] = {"name", "email", "role", NULL};

void api_user_create(void *app, struct http_request *req)
{
    struct pgargs args;
    struct api_body b;

    if (!api_body_read(&b, req, known))
        return;
    for (const char *const *need = known; *need != NULL; need++)
        if (json_object_get(b.object, *need) == NULL ||
            json_is_null(json_object_get(b.object, *need)))
            diag_field(&b.mistakes, mem_printf(http_ctx(req), "/%s", *need), "this is missing");
    pgargs_init(&args, http_ctx(req));
    fields(&b, &args);
    if (api_body_ok(&b))
        api_change(app, req, Q_API_USER_CREATE, &args, "user");
}

void api_user_show(void *app, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_show(app, req, Q_API_USER_SHOW, &args, "user");
}

void api_user_patch(void *app, struct http_request *req)
{
    struct pgargs args;
    struct api_body b;

    if (!api_id_args(req, &args) || !api_body_read(&b, req, known))
        return;
    fields(&b, &args);
    if (api_body_ok(&b))
        api_change(app, req, Q_API_USER_PATCH, &args, "user");
}

void api_user_delete(void *app, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_change(app, req, Q_API_USER_DELETE, &args, "user");
}
