/* api_service.c - the instance itself over HTTP: whether it lives, what it counts, its state, its
 * clock, the organisation's settings. */
#include "common/address.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/zone.h"
#include "daemon/http/api.h"
#include "daemon/http/openapi.h"
#include "daemon/org/currency.h"

#include <string.h>

#define METRICS_MAX ((size_t)1 << 20)

/* --- without a token
 * -------------------------------------------------------------------------------- */

static void healthz(void *arg, struct http_request *req)
{
    (void)arg;
    http_answer_text(req, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

static void readyz(void *arg, struct http_request *req)
{
    struct app *app = arg;

    if (pgpool_up(app->pool))
        http_answer_text(req, 200, "text/plain; charset=utf-8", "ready\n", 6);
    else
        api_away(req);
}

static void metrics(void *arg, struct http_request *req)
{
    struct app *app = arg;
    struct buf b;

    buf_init(&b, http_ctx(req), METRICS_MAX);
    http_metrics(app->http, &b);
    api_auth_metrics(app, &b);
    api_merge_metrics(app, &b);
    buf_printf(&b,
               "# HELP lazo_database_up Whether the database answers.\n"
               "# TYPE lazo_database_up gauge\nlazo_database_up %d\n"
               "# HELP lazo_database_waiting Queries and transactions that are not answered yet.\n"
               "# TYPE lazo_database_waiting gauge\nlazo_database_waiting %zu\n"
               "# HELP lazo_leader Whether this lazod evaluates, decides and dispatches.\n"
               "# TYPE lazo_leader gauge\nlazo_leader %d\n",
               pgpool_up(app->pool), pgpool_waiting(app->pool), app->evaluate != NULL);
    if (app->evaluate != NULL)
        evaluate_metrics(app->evaluate, &b);
    if (app->decide != NULL)
        decide_metrics(app->decide, &b);
    if (app->dispatch != NULL)
        dispatch_metrics(app->dispatch, &b);
    if (app->imports != NULL)
        imports_metrics(app->imports, &b);
    http_answer_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", b.data, b.len);
}

static void openapi(void *arg, struct http_request *req)
{
    (void)arg;
    http_answer_text(req, 200, "application/yaml", openapi_yaml, strlen(openapi_yaml));
}

/* --- state
 * ------------------------------------------------------------------------------------------ */

struct asked {
    struct app *app;
    struct http_request *req;
};

static struct asked *asked_new(struct app *app, struct http_request *req)
{
    struct asked *a = mem_new(http_ctx(req), struct asked);

    a->app = app;
    a->req = req;
    return a;
}

static json_t *now_json(void)
{
    char now[CLOCK_TEXT];

    return json_string(clock_format(clock_now_us(), now));
}

static void status_on_result(void *arg, const struct pgres *res)
{
    struct asked *a = arg;
    struct app *app = a->app;
    json_t *status, *counts;

    if (api_failed(a->req, res))
        return;
    counts = json_loads(pgres_text(res, 0, "body"), 0, NULL);
    status = json_pack("{s:s, s:o, s:b, s:b, s:s}", "version", LAZO_VERSION, "now", now_json(),
                       "simulated", app->simulated, "leader", app->evaluate != NULL, "database",
                       pgpool_up(app->pool) ? "up" : "away");
    mem_must(status);
    json_object_set_new(status, "workers",
                        app->dispatch != NULL ? dispatch_workers(app->dispatch) : json_array());
    json_object_update(status, counts);
    json_decref(counts);
    http_answer_value(a->req, 200, status);
}

static void status_show(void *arg, struct http_request *req)
{
    struct app *app = arg;
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    pgargs_instant(&args, clock_now_us());
    pgpool_query(app->pool, api_org(req), Q_API_STATUS, &args, status_on_result,
                 asked_new(app, req));
}

/* --- the clock
 * --------------------------------------------------------------------------------------- */

static void clock_answer(struct app *app, struct http_request *req)
{
    http_answer_value(req, 200,
                      json_pack("{s:o, s:b}", "now", now_json(), "simulated", app->simulated));
}

static void clock_show(void *arg, struct http_request *req)
{
    clock_answer(arg, req);
}

static void clock_on_moved(void *arg, const struct pgres *res)
{
    struct asked *a = arg;

    if (api_failed(a->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(a->req, 409, NULL, "the clock runs forward only");
        return;
    }
    a->app->clock_offset_us = pgres_int(res, 0, "offset_us");
    clock_set_offset(a->app->clock_offset_us);
    app_clock_moved(a->app);
    clock_answer(a->app, a->req);
}

static void clock_move(void *arg, struct http_request *req)
{
    static const char *const known[] = {"advance", "to", NULL};
    struct app *app = arg;
    struct api_body body;
    const char *advance, *to;
    struct pgargs args;
    int64_t by_us = 0, to_us = 0;

    if (!api_body_read(&body, req, known))
        return;
    advance = api_body_text(&body, "advance", 100);
    to = api_body_text(&body, "to", CLOCK_TEXT);
    if ((advance == NULL) == (to == NULL))
        diag_field(&body.mistakes, "", "either \"advance\" or \"to\" is expected");
    else if (advance != NULL && !clock_parse_duration(advance, &by_us))
        diag_field(&body.mistakes, "/advance", "a duration is expected, like \"9 h\"");
    else if (to != NULL && !clock_parse(to, &to_us))
        diag_field(&body.mistakes, "/to", "an RFC 3339 time is expected");
    if (!api_body_ok(&body))
        return;
    if (!app->simulated) {
        http_problem(req, 409, NULL, "the clock of this instance is the machine's");
        return;
    }
    pgargs_init(&args, http_ctx(req));
    if (advance != NULL) {
        pgargs_int(&args, by_us);
        pgargs_text(&args, NULL);
    } else {
        pgargs_text(&args, NULL);
        pgargs_int(&args, to_us - clock_real_us());
    }
    pgpool_query(app->pool, api_org(req), Q_API_CLOCK_ADVANCE, &args, clock_on_moved,
                 asked_new(app, req));
}

/* --- the organisation
 * --------------------------------------------------------------------------------- */

static void organisation_show(void *arg, struct http_request *req)
{
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    api_show(arg, req, Q_API_ORGANISATION_SHOW, &args, "organisation");
}

/* plain() - the text of a field, without control characters: it may go into a header. */
static const char *plain(struct api_body *b, const char *name, size_t max)
{
    const char *s = api_body_text(b, name, max);

    for (const char *c = s; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            diag_field(&b->mistakes, mem_printf(http_ctx(b->req), "/%s", name),
                       "control characters are not allowed");
            return NULL;
        }
    return s;
}

/* judged() - the text of a field whose form `fits` judges. */
static const char *judged(struct api_body *b, const char *name, bool (*fits)(const char *),
                          const char *expected)
{
    const char *s = plain(b, name, 100);

    if (s != NULL && !fits(s))
        diag_field(&b->mistakes, mem_printf(http_ctx(b->req), "/%s", name), "%s is expected",
                   expected);
    return s;
}

static bool is_language(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

    return (n == 2 || n == 3) && (s[n] == '\0' || (s[n] == '-' && strlen(s) <= 35)) &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               strlen(s);
}

static bool is_leap_birthday(const char *s)
{
    return strcmp(s, "02-28") == 0 || strcmp(s, "03-01") == 0;
}

static bool is_keep_ip(const char *s)
{
    return strcmp(s, "none") == 0 || strcmp(s, "truncated") == 0 || strcmp(s, "full") == 0;
}

static bool is_country(const char *s)
{
    return strlen(s) == 2 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 2;
}

static const char *address(struct api_body *b, const char *name)
{
    const char *given = plain(b, name, 254), *why = NULL, *s;

    if (given == NULL)
        return NULL;
    s = address_normalise(http_ctx(b->req), given, &why);
    if (s == NULL)
        diag_field(&b->mistakes, mem_printf(http_ctx(b->req), "/%s", name),
                   "no valid e-mail address: %s", why);
    return s;
}

static void organisation_patch(void *arg, struct http_request *req)
{
    static const char *const known[] = {"name",           "time_zone",     "language",
                                        "currency",       "leap_birthday", "mail_from",
                                        "mail_from_name", "mail_reply_to", "postal_address",
                                        "keep_ip",        "country",       NULL};
    struct api_body b;
    struct pgargs args;

    if (!api_body_read(&b, req, known))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, plain(&b, "name", 200));
    pgargs_text(&args, judged(&b, "time_zone", zone_known, "a time zone like Europe/Madrid"));
    pgargs_text(&args, judged(&b, "language", is_language, "a language like \"es\""));
    pgargs_text(&args, judged(&b, "currency", currency_is_code, "a currency like \"EUR\""));
    pgargs_text(&args, judged(&b, "leap_birthday", is_leap_birthday, "02-28 or 03-01"));
    pgargs_text(&args, address(&b, "mail_from"));
    pgargs_text(&args, plain(&b, "mail_from_name", 200));
    pgargs_bool(&args, json_object_get(b.object, "mail_reply_to") != NULL);
    pgargs_text(&args, address(&b, "mail_reply_to"));
    pgargs_text(&args, api_body_text(&b, "postal_address", 1000));
    pgargs_text(&args, judged(&b, "keep_ip", is_keep_ip, "none, truncated or full"));
    pgargs_text(&args, judged(&b, "country", is_country, "a code of two letters like \"ES\""));
    if (api_body_ok(&b))
        api_change(arg, req, Q_API_ORGANISATION_PATCH, &args, "organisation");
}

const struct http_route api_service_routes[] = {
    {HTTP_GET, "/healthz", NULL, healthz, NULL},
    {HTTP_GET, "/readyz", NULL, readyz, NULL},
    {HTTP_GET, "/metrics", NULL, metrics, NULL},
    {HTTP_GET, "/openapi.yaml", NULL, openapi, NULL},
    {HTTP_GET, "/v1/status", "reader", status_show, NULL},
    {HTTP_GET, "/v1/clock", "reader", clock_show, NULL},
    {HTTP_POST, "/v1/clock", "owner", clock_move, NULL},
    {HTTP_GET, "/v1/organisation", "reader", organisation_show, NULL},
    {HTTP_PATCH, "/v1/organisation", "owner", organisation_patch, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};
