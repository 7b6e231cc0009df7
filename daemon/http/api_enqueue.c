/* api_enqueue.c - see api_enqueue.h. The statement is the one door into the queue, job_enqueue;
 * where it makes nothing, the key tells whose job it was. */
#include "daemon/http/api_enqueue.h"

#include "common/clock.h"
#include "common/mem.h"

struct errand {
    struct app *app;
    struct http_request *req;
    const char *key;
};

static void answer(const struct errand *e, int64_t id, bool duplicate)
{
    http_answer_value(e->req, 202,
                      json_pack("{s:I, s:b}", "id", (json_int_t)id, "duplicate", duplicate));
}

static void known_on_result(void *arg, const struct pgres *res)
{
    const struct errand *e = arg;

    if (api_failed(e->req, res))
        return;
    if (pgres_rows(res) == 0)
        api_away(
            e->req); /* the transaction that took the key was undone since: trying again helps */
    else
        answer(e, pgres_int(res, 0, "job_id"), true);
}

static void enqueue_on_result(void *arg, const struct pgres *res)
{
    struct errand *e = arg;
    struct pgargs args;

    if (api_failed(e->req, res))
        return;
    if (pgres_rows(res) == 1) {
        if (e->app->dispatch != NULL)
            dispatch_wake(e->app->dispatch);
        answer(e, pgres_int(res, 0, "id"), false);
        return;
    }
    pgargs_init(&args, e);
    pgargs_text(&args, e->key);
    pgpool_query(e->app->pool, api_org(e->req), Q_API_JOB_OF_KEY, &args, known_on_result, e);
}

/* Each adds an array of one item. */
static void one_int(struct pgargs *args, int64_t value)
{
    struct pgarray array;

    pgarray_init(&array, args->ctx);
    pgarray_int(&array, value);
    pgargs_array(args, &array);
}

static void one_text(struct pgargs *args, const char *value)
{
    struct pgarray array;

    pgarray_init(&array, args->ctx);
    pgarray_text(&array, value);
    pgargs_array(args, &array);
}

static void one_id(struct pgargs *args, int64_t id)
{
    if (id == 0)
        one_text(args, NULL);
    else
        one_int(args, id);
}

static void one_instant(struct pgargs *args, int64_t at_us)
{
    struct pgarray array;

    pgarray_init(&array, args->ctx);
    pgarray_instant(&array, at_us);
    pgargs_array(args, &array);
}

void api_enqueue(struct app *app, struct http_request *req, const struct api_job *job)
{
    struct errand *e = mem_new(http_ctx(req), struct errand);
    int64_t now_us = clock_now_us();
    struct pgargs args;

    e->app = app;
    e->req = req;
    e->key = mem_strdup(e, job->key);
    pgargs_init(&args, e);
    one_int(&args, job->class);
    one_text(&args, job->sort);
    one_instant(&args, now_us);
    one_id(&args, job->contact_id);
    one_text(&args, job->key);
    one_id(&args, job->template_id);
    one_id(&args, job->webhook_id);
    one_id(&args, job->topic_id);
    one_id(&args, job->campaign_id);
    one_id(&args, job->journey_id);
    one_id(&args, job->interaction_id);
    one_text(&args, job->to_email);
    one_text(&args, job->data);
    one_instant(&args, now_us);
    pgpool_query(app->pool, api_org(req), Q_JOB_ENQUEUE, &args, enqueue_on_result, e);
}
