/* api_define_webhooks.c - /v1/webhooks: who is called when something happens. The secret is made
 * here, answered once, and signs every call. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_enqueue.h"

#include <curl/curl.h>
#include <sodium.h>
#include <string.h>

#define EVENTS_MAX   100
#define SECRET_BYTES 32
#define URL_BYTES    2000

struct webhook {
    struct app *app;
    struct http_request *req;
    struct api_body body;
    const char *name, *url, *rule;
    struct pgarray events;
    bool enabled;
};

void api_webhooks_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_WEBHOOK_LIST);
}

void api_webhook_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_WEBHOOK_SHOW, "webhook");
}

void api_webhook_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_WEBHOOK_DELETE, "webhook");
}

/* --- definition
 * ------------------------------------------------------------------------------------------- */

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static bool scheme_is(CURLU *url, const char *wanted)
{
    char *text = NULL;
    bool is =
        curl_url_get(url, CURLUPART_SCHEME, &text, 0) == CURLUE_OK && strcmp(text, wanted) == 0;

    curl_free(text);
    return is;
}

/* url_fault() - what is wrong with an address to be called; NULL where nothing is. Where it leads
 * is asked when it is called. */
static const char *url_fault(const char *text, bool plain_allowed)
{
    CURLU *url = mem_must(curl_url());
    const char *why = NULL;

    for (const char *s = text; *s != '\0'; s++)
        if (*s <= ' ' || *s >= 0x7f)
            why = "an address has neither spaces nor letters beyond ASCII";
    if (why == NULL &&
        curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        why = "this is no address like https://example.org/path";
    else if (why == NULL && !scheme_is(url, "https") && !scheme_is(url, "http"))
        why = "only https and http are called";
    else if (why == NULL && !plain_allowed && !scheme_is(url, "https"))
        why = "this must be https: the setting hook.allow_private is off";
    else if (why == NULL && (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)))
        why = "an address must not hold a user or password";
    else if (why == NULL && has_part(url, CURLUPART_FRAGMENT))
        why = "an address must not end in a #fragment";
    curl_url_cleanup(url);
    return why;
}

static void read_url(struct webhook *w)
{
    const char *why;

    w->url = api_body_need(&w->body, "url", URL_BYTES);
    if (w->url == NULL)
        return;
    why = url_fault(w->url, settings_bool(w->app->settings, "hook.allow_private"));
    if (why != NULL)
        diag_field(&w->body.mistakes, "/url", "%s", why);
}

static void read_events(struct webhook *w)
{
    json_t *events = api_body_array(&w->body, "events");
    size_t n = json_array_size(events);

    pgarray_init(&w->events, w);
    if (n > EVENTS_MAX)
        diag_field(&w->body.mistakes, "/events", "there are more than %d events", EVENTS_MAX);
    for (size_t i = 0; i < n && n <= EVENTS_MAX; i++) {
        const char *event = json_string_value(json_array_get(events, i));

        if (event == NULL || *event == '\0' || strlen(event) > 320)
            diag_field(&w->body.mistakes, mem_printf(w, "/events/%zu", i),
                       "an event is the name of a kind of interactions");
        else
            pgarray_text(&w->events, event);
    }
}

static void put(struct webhook *w)
{
    unsigned char secret[SECRET_BYTES];
    struct pgargs args;

    randombytes_buf(secret, sizeof(secret));
    pgargs_init(&args, w);
    pgargs_text(&args, w->name);
    pgargs_text(&args, w->url);
    pgargs_array(&args, &w->events);
    pgargs_text(&args, w->rule);
    pgargs_bool(&args, w->enabled);
    pgargs_bytea(&args, secret, sizeof(secret));
    pgargs_instant(&args, clock_now_us());
    api_change(w->app, w->req, Q_API_WEBHOOK_PUT, &args, "webhook");
}

static void put_on_org(void *arg, const struct org *org)
{
    struct webhook *w = arg;

    if (org == NULL) {
        api_away(w->req);
        return;
    }
    if (w->rule != NULL)
        api_rule_read(w, w->rule, "/rule", &org->catalogue, &w->body.mistakes, NULL);
    if (api_body_ok(&w->body))
        put(w);
}

void api_webhook_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"name", "url", "events", "rule", "enabled", NULL};
    struct webhook *w = mem_new(http_ctx(req), struct webhook);

    if (!api_body_read(&w->body, req, known))
        return;
    w->app = app;
    w->req = req;
    w->name = http_param(req, "name");
    api_body_path_name(&w->body, w->name);
    read_url(w);
    read_events(w);
    w->rule = api_body_text(&w->body, "rule", API_RULE_MAX);
    w->enabled = api_body_bool(&w->body, "enabled", true);
    if (api_body_ok(&w->body))
        orgs_get(w->app->orgs, api_org(req), put_on_org, w);
}

/* --- calls
 * ------------------------------------------------------------------------------------------------
 */

void api_webhook_deliveries(void *app, struct http_request *req)
{
    api_list_within(app, req, Q_API_WEBHOOK_DELIVERIES, "name", "webhook");
}

struct test {
    struct app *app;
    struct http_request *req;
};

static void test_on_webhook(void *arg, const struct pgres *res)
{
    const struct test *t = arg;
    unsigned char random[8];
    char text[2 * sizeof(random) + 1];

    if (api_failed(t->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_not_found(t->app, t->req, "webhook");
        return;
    }
    if (!pgres_bool(res, 0, "enabled")) {
        http_problem(t->req, 409, NULL, "the webhook is disabled");
        return;
    }
    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(text, sizeof(text), random, sizeof(random));
    api_enqueue(t->app, t->req,
                &(struct api_job){.class = 0,
                                  .sort = "hook",
                                  .key = mem_printf(t, "test:%s", text),
                                  .webhook_id = pgres_int(res, 0, "id"),
                                  .data = "{\"type\":\"test\"}"});
}

void api_webhook_test(void *app, struct http_request *req)
{
    struct test *t = mem_new(http_ctx(req), struct test);
    struct pgargs args;

    t->app = app;
    t->req = req;
    pgargs_init(&args, t);
    pgargs_text(&args, http_param(req, "name"));
    pgpool_query(t->app->pool, api_org(req), Q_API_WEBHOOK_ID, &args, test_on_webhook, t);
}
