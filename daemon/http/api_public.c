/* api_public.c - /u/{token}: the page behind the link in mail that ends a subscription (RFC 8058).
 *
 * No token of the API is asked; the link itself is the proof (daemon/dispatch/unsubscribe.h). GET
 * and HEAD change nothing, since scanners follow links: they show a page with a button. POST ends
 * the subscription, once; it never redirects. It works as well when the contact is gone: then there
 * is nothing left to end, and the answer is the same. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/dispatch/unsubscribe.h"
#include "daemon/http/api.h"

#include <string.h>

#define PAGE_MAX       ((size_t)16 * 1024)
#define USER_AGENT_MAX 500

/* What the page says; the sentences take the organisation's and the topic's names. */
struct words {
    const char *language;
    const char *title, *ask, *ask_topic, *button, *done, *done_topic;
};

static const struct words words[] = {
    {"es", "Cancelar la suscripción", "¿Quieres dejar de recibir los correos de %s?",
     "¿Quieres dejar de recibir «%2$s» de %1$s?", "Cancelar la suscripción",
     "Hecho: ya no recibirás estos correos de %s.", "Hecho: ya no recibirás «%2$s» de %1$s."},
    {"en", "Unsubscribe", "Do you want to stop receiving mail from %s?",
     "Do you want to stop receiving “%2$s” from %1$s?", "Unsubscribe",
     "Done: you will no longer receive this mail from %s.",
     "Done: you will no longer receive “%2$s” from %1$s."},
};

struct visit {
    struct app *app;
    struct http_request *req;
    struct unsubscribe who;
};

static const struct words *words_for(const char *language)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(language, words[i].language, 2) == 0 && strchr("-", language[2]) != NULL)
            return &words[i];
    return &words[1];
}

/* sentence() - `form` with the names put in for %s, %1$s and %2$s, as HTML. */
static void sentence(struct buf *b, const char *form, const char *organisation, const char *topic)
{
    for (const char *s = form; *s != '\0'; s++) {
        if (strncmp(s, "%s", 2) == 0 || strncmp(s, "%1$s", 4) == 0) {
            buf_html(b, organisation, strlen(organisation));
            s += s[1] == 's' ? 1 : 3;
        } else if (strncmp(s, "%2$s", 4) == 0) {
            buf_html(b, topic, strlen(topic));
            s += 3;
        } else {
            buf_char(b, *s);
        }
    }
}

/* show() - the page: with the question and its button, or with what was done. */
static void show(struct visit *v, const struct pgres *res, bool done)
{
    const char *organisation = pgres_text(res, 0, "organisation");
    const char *topic = pgres_text(res, 0, "topic");
    const struct words *w = words_for(pgres_text(res, 0, "language"));
    struct buf b;

    buf_init(&b, http_ctx(v->req), PAGE_MAX);
    buf_printf(&b,
               "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width\">\n"
               "<meta name=\"robots\" content=\"noindex\">\n<title>%s</title>\n</head>\n<body>\n"
               "<h1>%s</h1>\n<p>",
               w->language, w->title, w->title);
    if (done)
        sentence(&b, topic[0] != '\0' ? w->done_topic : w->done, organisation, topic);
    else
        sentence(&b, topic[0] != '\0' ? w->ask_topic : w->ask, organisation, topic);
    buf_str(&b, "</p>\n");
    if (!done)
        buf_printf(&b,
                   "<form method=\"post\">\n<input type=\"hidden\" name=\"confirm\" value=\"1\">\n"
                   "<button type=\"submit\">%s</button>\n</form>\n",
                   w->button);
    buf_str(&b, "</body>\n</html>\n");
    http_set_header(v->req, "Content-Security-Policy",
                    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; "
                    "base-uri 'none'");
    http_set_header(v->req, "Referrer-Policy", "no-referrer");
    http_answer_text(v->req, 200, "text/html; charset=utf-8", b.data, b.len);
}

static struct visit *visit_new(struct app *app, struct http_request *req)
{
    struct visit *v = mem_new(http_ctx(req), struct visit);
    const char *secret = settings_text(app->settings, "http.secret");

    v->app = app;
    v->req = req;
    if (!unsubscribe_token_open(secret, http_param(req, "token"), &v->who)) {
        http_problem(req, 404, NULL, "There is nothing at this path.");
        return NULL;
    }
    return v;
}

/* Whether the row is there; else it was answered. */
static bool has_row(struct visit *v, const struct pgres *res)
{
    if (api_failed(v->req, res))
        return false;
    if (pgres_rows(res) == 0) {
        http_problem(v->req, 404, NULL, "There is nothing at this path.");
        return false;
    }
    return true;
}

static void on_shown(void *arg, const struct pgres *res)
{
    struct visit *v = arg;

    if (has_row(v, res))
        show(v, res, !pgres_bool(res, 0, "subscribed"));
}

static void page_get(void *arg, struct http_request *req)
{
    struct visit *v = visit_new(arg, req);
    struct pgargs args;

    if (v == NULL)
        return;
    pgargs_init(&args, v);
    pgargs_int(&args, v->who.contact_id);
    pgargs_int(&args, v->who.topic_id);
    pgpool_query(v->app->pool, v->who.org_id, Q_PUBLIC_UNSUBSCRIBE_SHOW, &args, on_shown, v);
}

static void on_unsubscribed(void *arg, const struct pgres *res)
{
    struct visit *v = arg;

    if (!has_row(v, res))
        return;
    if (pgres_bool(res, 0, "changed"))
        app_recorded(v->app, v->who.org_id);
    show(v, res, true);
}

/* method_of() - how the wish was said: by the mail program itself or with the page's button; NULL
 * where the body says neither. */
static const char *method_of(struct http_request *req)
{
    const char *one_click = http_form(req, "List-Unsubscribe");
    const char *confirm = http_form(req, "confirm");

    if (one_click != NULL && strcmp(one_click, "One-Click") == 0)
        return "one-click";
    return confirm != NULL && strcmp(confirm, "1") == 0 ? "page" : NULL;
}

/* user_agent() - its first characters, where it is UTF-8; else NULL. */
static const char *user_agent(struct http_request *req)
{
    const char *given = http_header(req, "User-Agent");

    if (given == NULL)
        return NULL;
    for (const char *s = given; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80)
            return NULL;
    return mem_strndup(http_ctx(req), given, USER_AGENT_MAX);
}

static void page_post(void *arg, struct http_request *req)
{
    struct visit *v = visit_new(arg, req);
    struct pgargs args;
    const char *method;

    if (v == NULL)
        return;
    method = method_of(req);
    if (method == NULL) {
        http_problem(req, 422, NULL, "List-Unsubscribe=One-Click is expected.");
        return;
    }
    pgargs_init(&args, v);
    pgargs_int(&args, v->who.contact_id);
    pgargs_int(&args, v->who.topic_id);
    pgargs_text(&args, method);
    pgargs_text(&args, http_client_address(req));
    pgargs_text(&args, user_agent(req));
    pgargs_instant(&args, clock_now_us());
    pgpool_query(v->app->pool, v->who.org_id, Q_PUBLIC_UNSUBSCRIBE, &args, on_unsubscribed, v);
}

const struct http_route api_public_routes[] = {
    {HTTP_GET, "/u/{token}", NULL, page_get, NULL},
    {HTTP_POST, "/u/{token}", NULL, page_post, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};
