/* api_args.c - the parameters that many handlers begin with; see api.h. */
#include "daemon/http/api.h"

#include "common/clock.h"

#define CLOCKS_DIFFER_US (60 * (int64_t)1000000)

bool api_past(struct http_request *req, const char *name, const char *text, int64_t *ret_us)
{
    int64_t now_us = clock_now_us();
    char now[CLOCK_TEXT];

    if (!clock_parse(text, ret_us)) {
        http_problem(req, 422, NULL, "%s must be a time as in RFC 3339", name);
        return false;
    }
    if (*ret_us > now_us + CLOCKS_DIFFER_US) {
        http_problem(req, 422, NULL, "%s is still to come: it is %s", name,
                     clock_format(now_us, now));
        return false;
    }
    *ret_us = *ret_us > now_us ? now_us : *ret_us;
    return true;
}

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
