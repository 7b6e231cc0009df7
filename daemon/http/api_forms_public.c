/* api_forms_public.c - POST /f/{form}: somebody whom we do not know signs up.
 *
 * The answer says nothing of whether the address is known: with double opt-in nothing of contacts
 * is even asked, the request is kept and a mail goes out, or does not because the address was asked
 * lately. A browser that comes from a plain form is sent on (303) or sees a small page; fetch gets
 * JSON. How often an address on the network and its whole network may come is limited in memory. */
#include "daemon/http/api_forms.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/sign.h"
#include "common/text.h"
#include "daemon/consent/bucket.h"
#include "daemon/consent/form.h"
#include "daemon/consent/page.h"
#include "daemon/consent/token.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define REQUEST_LIVES_US (7 * CLOCK_DAY_US)
/* Between two mails to an address that was asked and did not confirm, and how many a day. */
#define AGAIN_AFTER    "1 hour"
#define AGAIN_AFTER_US (3600 * CLOCK_SECOND_US)
#define MAILS_A_DAY    3
#define USER_AGENT_MAX 500
#define SOURCE_MAX     500

struct signup {
    struct app *app;
    struct http_request *req;
    struct form *form;
    json_t *said, *made; /* owned */
    struct record_item item;
    struct diag mistakes;
    int64_t now_us;
};

static int signup_destroy(struct signup *s)
{
    json_decref(s->said);
    json_decref(s->made);
    return 0;
}

/* --- answers
 * -------------------------------------------------------------------------------------------- */

void api_form_page(struct http_request *req, int status, const struct page *page)
{
    struct buf b;

    buf_init(&b, http_ctx(req), PAGE_MAX);
    page_write(&b, page);
    http_set_header(req, "Content-Security-Policy",
                    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; "
                    "base-uri 'none'");
    http_set_header(req, "Referrer-Policy", "no-referrer");
    http_answer_text(req, status, "text/html; charset=utf-8", b.data, b.len);
}

const char *api_user_agent(struct http_request *req)
{
    const char *given = http_header(req, "User-Agent");

    for (const char *s = given; s != NULL && *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80)
            return NULL;
    return given == NULL ? NULL : mem_strndup(http_ctx(req), given, USER_AGENT_MAX);
}

static bool has(const char *header, const char *word)
{
    return header != NULL && strstr(header, word) != NULL;
}

static bool is_json(struct http_request *req)
{
    return has(http_header(req, "Content-Type"), "json");
}

/* Whether a program reads the answer, and not a person. */
static bool wants_json(struct http_request *req)
{
    return is_json(req) || has(http_header(req, "Accept"), "json") ||
           has(http_header(req, "Sec-Fetch-Mode"), "cors");
}

/* done() - the one answer to everything that was well-formed. */
static void done(struct signup *s)
{
    const char *wanted = json_string_value(json_object_get(s->said, "redirect_to"));
    const char *to = form_redirect(s->form, wanted);
    bool asked = s->form->double_opt_in;

    if (wants_json(s->req)) {
        http_answer_value(s->req, 202,
                          json_pack("{s:s}", "status", asked ? "confirm" : "subscribed"));
    } else if (to != NULL) {
        http_set_header(s->req, "Location", to);
        http_answer_empty(s->req, 303);
    } else {
        api_form_page(s->req, 200,
                      &(struct page){.sort = asked ? PAGE_asked : PAGE_subscribed,
                                     .language = s->form->language,
                                     .organisation = s->form->organisation});
    }
}

static void wrong(struct signup *s)
{
    if (wants_json(s->req))
        http_problem(s->req, 422, &s->mistakes, "the form is not filled as it should be");
    else
        api_form_page(s->req, 422,
                      &(struct page){.sort = PAGE_wrong,
                                     .language = s->form->language,
                                     .organisation = s->form->organisation,
                                     .mistakes = &s->mistakes});
}

/* --- how often
 * ------------------------------------------------------------------------------------------ */

static bool often(struct signup *s)
{
    struct app *app = s->app;
    const char *address = http_client_address(s->req);
    const char *network = bucket_network(s, address);
    int64_t now_us = clock_monotonic_us(), wait_s;

    if (app->visitors == NULL)
        app->visitors = buckets_new(app->http, BUCKETS_DEFAULT);
    wait_s = buckets_take(app->visitors, mem_printf(s, "a %s", address),
                          settings_int(app->settings, "limits.form_address"), now_us);
    if (wait_s == 0)
        wait_s = buckets_take(app->visitors, mem_printf(s, "n %s", network),
                              settings_int(app->settings, "limits.form_network"), now_us);
    if (wait_s == 0)
        return false;
    http_set_header(s->req, "Retry-After", mem_printf(s, "%" PRId64, wait_s));
    if (wants_json(s->req))
        http_problem(s->req, 429, NULL, "too many sign-ups came from there; try again later");
    else
        api_form_page(s->req, 429,
                      &(struct page){.sort = PAGE_often, .language = s->form->language});
    return true;
}

/* --- what is recorded
 * ------------------------------------------------------------------------------------ */

/* source_of() - the page that the form stands on, as far as the browser says. */
static const char *source_of(struct signup *s)
{
    const char *page = http_header(s->req, "Referer");

    if (page == NULL)
        page = http_header(s->req, "Origin");
    for (const char *c = page; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c >= 0x7f)
            page = NULL;
    return page == NULL ? mem_printf(s, "form %s", s->form->name)
                        : mem_strndup(s, page, SOURCE_MAX);
}

static void on_kept(void *arg, const struct pgres *res)
{
    struct signup *s = arg;

    if (api_failed(s->req, res))
        return;
    if (s->app->dispatch != NULL)
        dispatch_wake(s->app->dispatch);
    done(s);
}

/* job_key() - the same for all requests of an address to this form within an hour; the address
 * cannot be read from it. */
static const char *job_key(struct signup *s, const char *email)
{
    const char *secret = settings_text(s->app->settings, "http.secret");
    struct sign_secret key = {.bytes = (const uint8_t *)secret, .n = strlen(secret)};
    const char *text = mem_printf(s, "form %" PRId64 " %" PRId64 " %s", s->form->id,
                                  s->now_us / AGAIN_AFTER_US, email);
    char hex[2 * SIGN_HMAC_BYTES + 1];
    uint8_t mac[SIGN_HMAC_BYTES];

    sign_hmac(&key, text, strlen(text), mac);
    sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
    return mem_printf(s, "form:%s", hex);
}

static void keep_request(struct signup *s)
{
    const struct form *f = s->form;
    const char *token, *topic, *email = s->item.contact.email;
    unsigned char hash[crypto_hash_sha256_BYTES];
    char nonce[FORM_NONCE];
    struct pgarray topics;
    struct pgargs args;
    json_t *item;
    size_t i;

    form_nonce(nonce);
    token = form_token(s, settings_text(s->app->settings, "http.secret"), f->org_id, nonce);
    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    pgarray_init(&topics, s);
    json_array_foreach(f->topics, i, item) if ((topic = json_string_value(item)) != NULL)
        pgarray_text(&topics, topic);
    pgargs_init(&args, s);
    pgargs_int(&args, f->id);
    pgargs_bytea(&args, hash, sizeof(hash));
    pgargs_text(&args, email);
    pgargs_text(&args, api_json_text(s, s->made));
    pgargs_array(&args, &topics);
    pgargs_text(&args, f->purpose);
    pgargs_text(&args, f->wording);
    pgargs_text(&args, f->version);
    pgargs_text(&args, f->language);
    pgargs_text(&args, source_of(s));
    pgargs_text(&args, http_client_address(s->req));
    pgargs_text(&args, api_user_agent(s->req));
    pgargs_instant(&args, s->now_us);
    pgargs_instant(&args, s->now_us + REQUEST_LIVES_US);
    pgargs_text(&args, nonce);
    pgargs_text(&args, job_key(s, email));
    pgargs_text(&args, AGAIN_AFTER);
    pgargs_int(&args, MAILS_A_DAY);
    pgpool_query(s->app->pool, f->org_id, Q_FORM_REQUEST, &args, on_kept, s);
}

static void on_granted(void *arg, const struct pgres *res)
{
    struct signup *s = arg;

    if (api_failed(s->req, res))
        return;
    app_recorded(s->app, s->form->org_id);
    done(s);
}

static void on_recorded(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct signup *s = arg;
    struct pgargs args;

    if (!ok || n != 1) {
        api_away(s->req);
        return;
    }
    /* Who was erased: nothing shows that the address is proven, so nothing is kept. The answer is
     * the same for everybody. */
    if (results[0].error != NULL) {
        done(s);
        return;
    }
    pgargs_init(&args, s);
    pgargs_int(&args, s->form->id);
    pgargs_int(&args, results[0].contact_id);
    pgargs_text(&args, source_of(s));
    pgargs_text(&args, http_client_address(s->req));
    pgargs_text(&args, api_user_agent(s->req));
    pgargs_instant(&args, s->now_us);
    pgpool_query(s->app->pool, s->form->org_id, Q_FORM_GRANT, &args, on_granted, s);
}

/* Nothing shows that it is the person who signs up: of somebody who is known already, what a
 * stranger says changes nothing. */
static void signup_on_known(void *arg, const struct pgres *res)
{
    struct signup *s = arg;

    if (api_failed(s->req, res))
        return;
    if (pgres_rows(res) > 0) {
        json_object_clear(s->item.contact.fields);
        json_object_clear(s->item.contact.attrs);
    }
    s->item.kind = "signup";
    s->item.source = "form";
    s->item.by = mem_printf(s, "form:%s", s->form->name);
    s->item.occurred_at_us = s->now_us;
    s->item.data = mem_printf(s, "{\"form\":\"%s\"}", s->form->name);
    record_items(s->app->record, s->form->org_id, &s->item, 1, true, on_recorded, s);
}

static void signup_on_org(void *arg, const struct org *org)
{
    struct signup *s = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(s->req);
        return;
    }
    s->made = form_contact(s->form, &org->catalogue, s->said);
    if (json_object_get(s->made, "email") == NULL)
        diag_field(&s->mistakes, "/email", "this is missing");
    record_contact_parse(s, s->made, "", &org->catalogue, s->now_us, &s->item.contact,
                         &s->mistakes);
    if (diag_any(&s->mistakes) || s->item.contact.email == NULL) {
        wrong(s);
        return;
    }
    if (s->form->double_opt_in) {
        keep_request(s);
        return;
    }
    pgargs_init(&args, s);
    pgargs_text(&args, s->item.contact.email);
    pgpool_query(s->app->pool, s->form->org_id, Q_FORM_KNOWN, &args, signup_on_known, s);
}

/* --- the request
 * ----------------------------------------------------------------------------------------- */

static void say(json_t *said, struct http_request *req, const char *field)
{
    const char *value = http_form(req, field);

    if (value != NULL)
        json_object_set_new(said, field, json_string(value));
}

/* said_read() - what was said, by field; NULL where that was answered. A new reference. */
static json_t *said_read(struct signup *s)
{
    json_t *said, *name;
    size_t i;

    if (is_json(s->req)) {
        said = http_json(s->req);
        if (said != NULL && !json_is_object(said)) {
            http_problem(s->req, 422, NULL, "an object is expected");
            return NULL;
        }
        return json_incref(said);
    }
    said = mem_must(json_object());
    say(said, s->req, "email");
    say(said, s->req, "redirect_to");
    if (s->form->honeypot[0] != '\0')
        say(said, s->req, s->form->honeypot);
    json_array_foreach(s->form->fields, i, name) say(said, s->req, json_string_value(name));
    return said;
}

/* cors() - the headers that let pages of the form's origins read the answer. */
static void cors(struct http_request *req, const struct form *f)
{
    const char *origin = http_header(req, "Origin");

    http_set_header(req, "Vary", "Origin");
    if (origin != NULL && form_origin_fits(f, origin))
        http_set_header(req, "Access-Control-Allow-Origin", origin);
}

static struct form *form_of(const void *ctx, const struct pgres *res)
{
    struct form *f = form_read(ctx, pgres_text(res, 0, "body"));

    f->org_id = pgres_int(res, 0, "org_id");
    f->id = pgres_int(res, 0, "id");
    f->organisation = mem_strdup(f, pgres_text(res, 0, "organisation"));
    return f;
}

/* open_form() - whether it is there; else it was answered. */
static bool open_form(struct signup *s, const struct pgres *res)
{
    if (api_failed(s->req, res))
        return false;
    if (pgres_rows(res) == 0) {
        http_problem(s->req, 404, NULL, "There is nothing at this path.");
        return false;
    }
    s->form = form_of(s, res);
    cors(s->req, s->form);
    return true;
}

static void signup_on_form(void *arg, const struct pgres *res)
{
    struct signup *s = arg;

    if (!open_form(s, res) || often(s))
        return;
    s->said = said_read(s);
    if (s->said == NULL)
        return;
    if (form_trapped(s->form, s->said))
        done(s);
    else
        orgs_get(s->app->orgs, s->form->org_id, signup_on_org, s);
}

static void preflight_on_form(void *arg, const struct pgres *res)
{
    struct signup *s = arg;
    const char *origin = http_header(s->req, "Origin");

    if (!open_form(s, res))
        return;
    if (origin != NULL && form_origin_fits(s->form, origin)) {
        http_set_header(s->req, "Access-Control-Allow-Methods", "POST");
        http_set_header(s->req, "Access-Control-Allow-Headers", "Content-Type");
        http_set_header(s->req, "Access-Control-Max-Age", "600");
    }
    http_answer_empty(s->req, 204);
}

/* ask() - finds the form: "SLUG.NAME", or the first organisation's "NAME". */
static void ask(struct app *app, struct http_request *req, pgres_fn *fn)
{
    struct signup *s = mem_new(http_ctx(req), struct signup);
    const char *path = http_param(req, "form"), *dot = strchr(path, '.');
    struct pgargs args;

    talloc_set_destructor(s, signup_destroy);
    s->app = app;
    s->req = req;
    s->now_us = clock_now_us();
    diag_init(&s->mistakes, s);
    pgargs_init(&args, s);
    pgargs_text(&args, dot == NULL ? NULL : mem_strndup(s, path, (size_t)(dot - path)));
    pgargs_text(&args, dot == NULL ? path : dot + 1);
    pgpool_query(app->pool, 0, Q_FORM_OPEN, &args, fn, s);
}

void api_form_signup(void *app, struct http_request *req)
{
    ask(app, req, signup_on_form);
}

void api_form_preflight(void *app, struct http_request *req)
{
    ask(app, req, preflight_on_form);
}
