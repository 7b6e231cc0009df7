/* api_rules_segments.c - what surrounds the members of a segment: exceptions to its rule, made by
 * hand, and its history. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api.h"
#include "daemon/http/api_rules.h"

#include <string.h>

#define REASON_MAX 500
#define DAYS_MAX   1000
#define DAY_TEXT   10

/* --- exceptions ----------------------------------------------------------------------------------
 */

void api_exceptions_list(void *app, struct http_request *req)
{
    api_list_within(app, req, Q_EXCEPTION_LIST, "name", "segment");
}

void api_exception_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"mode", "reason", NULL};
    struct api_body body;
    struct pgargs args;
    const char *mode, *reason;

    if (!api_member_args(req, &args) || !api_body_read(&body, req, known))
        return;
    mode = api_body_need(&body, "mode", 10);
    reason = api_body_text(&body, "reason", REASON_MAX);
    if (mode != NULL && strcmp(mode, "in") != 0 && strcmp(mode, "out") != 0)
        diag_field(&body.mistakes, "/mode", "this must be \"in\" or \"out\"");
    if (!api_body_ok(&body))
        return;
    pgargs_text(&args, mode);
    pgargs_text(&args, reason);
    pgargs_int(&args, http_caller(req)->token_id);
    pgargs_instant(&args, clock_now_us());
    api_change(app, req, Q_EXCEPTION_PUT, &args, "segment");
}

void api_exception_delete(void *app, struct http_request *req)
{
    struct pgargs args;

    if (api_member_args(req, &args))
        api_change(app, req, Q_EXCEPTION_DELETE, &args, "segment");
}

/* --- history -------------------------------------------------------------------------------------
 */

/* read_day() - a day of the query, or NULL where it is absent; false and 422 answered where it is
 * none. */
static bool read_day(struct http_request *req, const char *name, const char **ret_day,
                     int64_t *ret_us)
{
    const char *day = http_query(req, name);

    if (day != NULL && (strlen(day) != DAY_TEXT || !clock_parse(day, ret_us))) {
        http_problem(req, 422, NULL, "%s must be a day like 2026-03-01", name);
        return false;
    }
    *ret_day = day;
    return true;
}

void api_segment_history(void *app, struct http_request *req)
{
    const char *from, *to;
    int64_t from_us = 0, to_us = clock_now_us();
    struct pgargs args;

    if (!read_day(req, "from", &from, &from_us) || !read_day(req, "to", &to, &to_us))
        return;
    if (from == NULL && to != NULL)
        from_us = to_us;
    if (from != NULL && to != NULL && from_us > to_us) {
        http_problem(req, 422, NULL, "from is after to");
        return;
    }
    if (from != NULL && (to_us - from_us) / CLOCK_DAY_US >= DAYS_MAX) {
        http_problem(req, 422, NULL, "at most %d days are shown at a time", DAYS_MAX);
        return;
    }
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "name"));
    pgargs_text(&args, from);
    pgargs_text(&args, to);
    pgargs_instant(&args, clock_now_us());
    api_list(app, req, Q_HISTORY_DAYS, &args, DAYS_MAX, "segment");
}

void api_segment_members_then(void *app, struct http_request *req, const char *as_of)
{
    int64_t after, at_us;
    struct pgargs args;
    int limit;

    if (!http_limit(req, &limit) || !api_after(req, &after))
        return;
    if (!api_past(req, "as_of", as_of, &at_us))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_param(req, "name"));
    pgargs_int(&args, after);
    pgargs_int(&args, limit + 1);
    pgargs_instant(&args, at_us);
    api_list(app, req, Q_HISTORY_MEMBERS, &args, limit, "segment");
}
