/* api_admin_tasks.c - /v1/tasks: what somebody is to do about a contact. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_admin.h"

#include <string.h>

#define TITLE_MAX 800
#define NOTE_MAX  20000

/* day_fits() - YYYY-MM-DD; the database judges whether there is such a day. */
static bool day_fits(const char *s)
{
    return strlen(s) == 10 && strspn(s, "0123456789") == 4 && s[4] == '-' &&
           strspn(s + 5, "0123456789") == 2 && s[7] == '-' && strspn(s + 8, "0123456789") == 2;
}

static bool list_state(struct http_request *req, struct pgargs *args)
{
    const char *state = http_query(req, "state");

    if (state == NULL)
        pgargs_text(args, NULL);
    else if (strcmp(state, "open") == 0 || strcmp(state, "done") == 0)
        pgargs_bool(args, strcmp(state, "open") == 0);
    else
        http_problem(req, 400, NULL, "\"state\" is open or done");
    return state == NULL || strcmp(state, "open") == 0 || strcmp(state, "done") == 0;
}

void api_tasks_list(void *app, struct http_request *req)
{
    const char *due = http_query(req, "due");
    struct pgargs args;
    int limit;

    if (!api_page_args(req, &args, &limit))
        return;
    if (!list_state(req, &args) || !api_query_int(req, "user", &args) ||
        !api_query_int(req, "contact", &args))
        return;
    pgargs_text(&args, due);
    if (due != NULL && !day_fits(due))
        http_problem(req, 400, NULL, "\"due\" is a day like 2027-03-08");
    else
        api_list(app, req, Q_API_TASK_LIST, &args, limit, NULL);
}

static const char *due_on(struct api_body *b)
{
    const char *day = api_body_text(b, "due_on", 20);

    if (day != NULL && !day_fits(day))
        diag_field(&b->mistakes, "/due_on", "a day like 2027-03-08 is expected");
    return day;
}

static const char *title(struct api_body *b)
{
    const char *s = api_body_text(b, "title", TITLE_MAX);

    if (s != NULL && *s == '\0')
        diag_field(&b->mistakes, "/title", "this is empty");
    return s;
}

void api_task_create(void *app, struct http_request *req)
{
    static const char *const known[] = {"contact", "title", "note", "due_on", "user", NULL};
    struct pgargs args;
    struct api_body b;

    if (!api_body_read(&b, req, known))
        return;
    if (json_object_get(b.object, "contact") == NULL)
        diag_field(&b.mistakes, "/contact", "this is missing");
    pgargs_init(&args, http_ctx(req));
    api_arg_id(&b, "contact", &args);
    pgargs_text(&args, api_body_need(&b, "title", TITLE_MAX));
    pgargs_text(&args, api_body_text(&b, "note", NOTE_MAX));
    pgargs_text(&args, due_on(&b));
    api_arg_id(&b, "user", &args);
    pgargs_int(&args, http_caller(req)->token_id);
    pgargs_instant(&args, clock_now_us());
    if (api_body_ok(&b))
        api_change(app, req, Q_API_TASK_CREATE, &args, "task");
}

void api_task_show(void *app, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_show(app, req, Q_API_TASK_SHOW, &args, "task");
}

void api_task_patch(void *app, struct http_request *req)
{
    static const char *const known[] = {"title", "note", "due_on", "user", "done", NULL};
    struct pgargs args;
    struct api_body b;
    int64_t id;
    bool done;

    if (!api_id(req, "id", &id) || !api_body_read(&b, req, known))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, id);
    pgargs_text(&args, title(&b));
    pgargs_text(&args, api_body_text(&b, "note", NOTE_MAX));
    pgargs_bool(&args, json_object_get(b.object, "due_on") != NULL);
    pgargs_text(&args, due_on(&b));
    pgargs_bool(&args, json_object_get(b.object, "user") != NULL);
    api_arg_id(&b, "user", &args);
    done = api_body_bool(&b, "done", false);
    if (json_is_boolean(json_object_get(b.object, "done")))
        pgargs_bool(&args, done);
    else
        pgargs_text(&args, NULL);
    pgargs_int(&args, http_caller(req)->token_id);
    pgargs_instant(&args, clock_now_us());
    if (api_body_ok(&b))
        api_change(app, req, Q_API_TASK_PATCH, &args, "task");
}

void api_task_delete(void *app, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_change(app, req, Q_API_TASK_DELETE, &args, "task");
}
