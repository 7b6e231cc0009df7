/* api.c - see api.h. The way from a statement's result to an answer; the reading of bodies is in
 * api_body.c. */
#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "daemon/http/api.h"

#include <string.h>

int64_t api_org(const struct http_request *req)
{
    return http_caller(req)->org_id;
}

void api_away(struct http_request *req)
{
    http_set_header(req, "Retry-After", "1");
    http_problem(req, 503, NULL, "the database is away; try again");
}

static bool sqlstate_is(const struct pgres *res, const char *prefix)
{
    return strncmp(pgres_sqlstate(res), prefix, strlen(prefix)) == 0;
}

bool api_failed(struct http_request *req, const struct pgres *res)
{
    if (pgres_ok(res))
        return false;
    /* 53: resources, 57: cancelled, shutting down; 40: deadlock or serialisation, 55P03: lock not
     * available. */
    if (pgres_lost(res) || sqlstate_is(res, "53") || sqlstate_is(res, "57")) {
        api_away(req);
    } else if (sqlstate_is(res, "40") || sqlstate_is(res, "55P03")) {
        http_set_header(req, "Retry-After", "1");
        http_problem(req, 503, NULL, "somebody else was changing the same; try again");
    } else if (sqlstate_is(res, "LZ412")) {
        http_problem(req, 412, NULL, "%s", pgres_message(res));
    } else if (sqlstate_is(res, "23505")) {
        if (strstr(pgres_constraint(res), "_name") != NULL)
            http_problem(req, 409, NULL, "there is one of this name already");
        else
            http_problem(req, 409, NULL, "there is one already (%s)", pgres_constraint(res));
    } else if (sqlstate_is(res, "23503")) {
        http_problem(req, 409, NULL, "it is still used, or what it refers to is gone (%s)",
                     pgres_constraint(res));
    } else if (sqlstate_is(res, "23514")) {
        http_problem(req, 422, NULL, "a value does not fit (%s)", pgres_constraint(res));
    } else if (sqlstate_is(res, "22")) {
        http_problem(req, 422, NULL, "a value cannot be stored: %s", pgres_message(res));
    } else {
        log_error("http", "statement failed", "path=%s sqlstate=%s message=%s",
                  log_value(http_path(req)), pgres_sqlstate(res), log_value(pgres_message(res)));
        http_problem(req, 500, NULL, "an error inside Lazo; it was logged");
    }
    return true;
}

void api_answer_body(struct http_request *req, int status, const struct pgres *res)
{
    const char *body = pgres_text(res, 0, "body");

    if (pgres_has(res, "etag") && !pgres_null(res, 0, "etag") &&
        api_unchanged(req, pgres_text(res, 0, "etag")))
        return;
    http_answer_json(req, status, body, strlen(body));
}

void api_answer_list(struct http_request *req, const struct pgres *res, int limit)
{
    int rows = pgres_rows(res);
    int shown = rows > limit ? limit : rows;
    struct buf b;

    buf_init(&b, http_ctx(req), API_ANSWER_MAX);
    buf_str(&b, "{\"items\": [");
    for (int i = 0; i < shown; i++) {
        if (pgres_null(res, i, "item"))
            continue;
        buf_str(&b, i == 0 ? "\n" : ",\n");
        buf_str(&b, pgres_text(res, i, "item"));
    }
    buf_str(&b, "], \"next\": ");
    if (rows > limit) {
        const char *cursor = pgres_text(res, shown - 1, "cursor");

        buf_json(&b, cursor, strlen(cursor));
    } else {
        buf_str(&b, "null");
    }
    buf_char(&b, '}');
    if (buf_full(&b))
        http_problem(req, 422, NULL, "the page is too large; ask with a smaller limit");
    else
        http_answer_json(req, 200, b.data, b.len);
    buf_done(&b);
}

/* --- not found
 * -------------------------------------------------------------------------------------------- */

struct not_found {
    struct http_request *req;
    const char *what;
    const char *name;
};

/* names_of() - those that the catalogue has of this sort of thing; an array of *ret_n. */
static const char **names_of(const void *ctx, const struct catalogue *c, const char *what,
                             size_t *ret_n)
{
    size_t most = c->n_segments + c->n_topics + c->n_fields + c->n_models;
    const char **names = mem_array(ctx, const char *, most);
    size_t n = 0;

    if (strcmp(what, "segment") == 0)
        for (size_t i = 0; i < c->n_segments; i++)
            names[n++] = c->segments[i].name;
    else if (strcmp(what, "topic") == 0)
        for (size_t i = 0; i < c->n_topics; i++)
            names[n++] = c->topics[i].name;
    else if (strcmp(what, "field") == 0)
        for (size_t i = 0; i < c->n_fields; i++)
            names[n++] = c->fields[i].name;
    else if (strcmp(what, "model") == 0)
        for (size_t i = 0; i < c->n_models; i++)
            names[n++] = c->models[i].name;
    *ret_n = n;
    return names;
}

static void not_found_on_org(void *arg, const struct org *org)
{
    struct not_found *f = arg;
    const char *near = NULL;
    const char **names;
    size_t n;

    if (org != NULL) {
        names = names_of(f, &org->catalogue, f->what, &n);
        near = suggest_nearest(f->name, names, n);
    }
    if (near != NULL)
        http_problem(f->req, 404, NULL, "there is no %s \"%s\"; did you mean \"%s\"?", f->what,
                     f->name, near);
    else
        http_problem(f->req, 404, NULL, "there is no %s \"%s\"", f->what, f->name);
}

void api_not_found(struct app *app, struct http_request *req, const char *what)
{
    struct not_found *f = mem_new(http_ctx(req), struct not_found);

    f->req = req;
    f->what = what;
    f->name = http_param(req, "name");
    if (strcmp(what, "contact") == 0 && http_param(req, "id") != NULL)
        api_contact_absent(app, req);
    else if (f->name != NULL)
        orgs_get(app->orgs, api_org(req), not_found_on_org, f);
    else
        http_problem(req, 404, NULL, "there is no such %s", what);
}

/* --- one statement
 * ---------------------------------------------------------------------------------------- */

struct asked {
    struct app *app;
    struct http_request *req;
    const char *what;
    int limit;
};

static struct asked *asked_new(struct app *app, struct http_request *req, const char *what)
{
    struct asked *a = mem_new(http_ctx(req), struct asked);

    a->app = app;
    a->req = req;
    a->what = what;
    return a;
}

static void show_on_result(void *arg, const struct pgres *res)
{
    struct asked *a = arg;

    if (api_failed(a->req, res))
        return;
    if (pgres_rows(res) == 0)
        api_not_found(a->app, a->req, a->what);
    else
        api_answer_body(a->req, 200, res);
}

void api_show(struct app *app, struct http_request *req, enum query q, const struct pgargs *args,
              const char *what)
{
    pgpool_query(app->pool, api_org(req), q, args, show_on_result, asked_new(app, req, what));
}

static void list_on_result(void *arg, const struct pgres *res)
{
    struct asked *a = arg;

    if (api_failed(a->req, res))
        return;
    if (pgres_rows(res) == 0 && a->what != NULL)
        api_not_found(a->app, a->req, a->what);
    else
        api_answer_list(a->req, res, a->limit);
}

void api_list(struct app *app, struct http_request *req, enum query q, const struct pgargs *args,
              int limit, const char *what)
{
    struct asked *a = asked_new(app, req, what);

    a->limit = limit;
    pgpool_query(app->pool, api_org(req), q, args, list_on_result, a);
}

void api_answer_change(struct app *app, struct http_request *req, const struct pgres *res,
                       const char *what)
{
    int status;

    if (api_failed(req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_not_found(app, req, what);
        return;
    }
    status = (int)pgres_int(res, 0, "status");
    if (status == 404) {
        api_absent(app, req, pgres_text(res, 0, "body"));
        return;
    }
    if (status >= 400) {
        http_problem(req, status, NULL, "%s", pgres_text(res, 0, "body"));
        return;
    }
    app_defined(app, api_org(req));
    if (status == 204)
        http_answer_empty(req, 204);
    else
        api_answer_body(req, status, res);
}

static void change_on_result(void *arg, const struct pgres *res)
{
    struct asked *a = arg;

    api_answer_change(a->app, a->req, res, a->what);
}

void api_change(struct app *app, struct http_request *req, enum query q, const struct pgargs *args,
                const char *what)
{
    struct pgact act = api_act(req, what);

    pgpool_query_as(app->pool, api_org(req), &act, q, args, change_on_result,
                    asked_new(app, req, what));
}
