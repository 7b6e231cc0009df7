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
