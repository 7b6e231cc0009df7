/* api_args.c - the parameters that many handlers begin with; see api.h. */
#include "daemon/http/api.h"

bool api_id_args(struct http_request *req, struct pgargs *ret_args)
{
    int64_t id;

    if (!api_id(req, "id", &id))
        return false;
    pgargs_init(ret_args, http_ctx(req));
    pgargs_int(ret_args, id);
    return true;
}

bool api_page_args(struct http_request *req, struct pgargs *ret_args, int *ret_limit)
{
    int64_t after;

    if (!http_limit(req, ret_limit) || !api_after(req, &after))
        return false;
    pgargs_init(ret_args, http_ctx(req));
    pgargs_int(ret_args, after);
    pgargs_int(ret_args, *ret_limit + 1);
    return true;
}

bool api_member_args(struct http_request *req, struct pgargs *ret_args)
{
    int64_t contact;

    if (!api_id(req, "contact", &contact))
        return false;
    pgargs_init(ret_args, http_ctx(req));
    pgargs_text(ret_args, http_param(req, "name"));
    pgargs_int(ret_args, contact);
    return true;
}

void api_list_within(struct app *app, struct http_request *req, enum query q, const char *name,
                     const char *what)
{
    struct pgargs args;
    int64_t after;
    int limit;

    if (!http_limit(req, &limit) || !api_after(req, &after))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, name));
    pgargs_int(&args, after);
    pgargs_int(&args, limit + 1);
    api_list(app, req, q, &args, limit, what);
}
