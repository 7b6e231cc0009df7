/* api_forms.c - /v1/forms: the definitions of sign-up forms; the table of routes. What strangers
 * call is in api_forms_public.c and api_forms_confirm.c. See lazo-consent(7). */
#include "daemon/http/api_forms.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/consent/form.h"
#include "daemon/http/api_define.h"

#include <string.h>

#define LIST_MAX 50

struct definition {
    struct app *app;
    struct http_request *req;
    struct api_body body;
    const char *name, *title, *template, *purpose, *wording, *version, *language, *honeypot;
    bool double_opt_in;
};

static void forms_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_FORM_LIST);
}

static void form_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_FORM_SHOW, "form");
}

static void form_delete(void *app, struct http_request *req)
{
    api_delete_named(app, req, Q_API_FORM_DELETE, "form");
}

/* --- PUT
 * ------------------------------------------------------------------------------------------- */

typedef bool fits_fn(const struct catalogue *, const char *);

static bool topic_fits(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_topics; i++)
        if (strcmp(c->topics[i].name, name) == 0)
            return true;
    return false;
}

static bool origin_fits(const struct catalogue *c, const char *origin)
{
    (void)c;
    return form_origin_valid(origin);
}

static bool redirect_fits(const struct catalogue *c, const char *url)
{
    (void)c;
    return form_redirect_valid(url);
}

static bool tag_fits(const struct catalogue *c, const char *tag)
{
    (void)c;
    for (const char *s = tag; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return strlen(tag) <= 100;
}

/* read_list() - the texts of a field, which may be one text alone, as a parameter. `expected` is
 * said of each that does not fit. */
static void read_list(struct definition *d, const char *field, fits_fn *fits,
                      const struct catalogue *c, const char *expected, struct pgargs *args)
{
    json_t *value = json_object_get(d->body.object, field), *item;
    const char *where = diag_pointer(d, "", field);
    struct pgarray array;
    size_t i, n = json_is_array(value) ? json_array_size(value) : 0;

    pgarray_init(&array, d);
    if (value != NULL && !json_is_null(value) && !json_is_array(value) && !json_is_string(value))
        diag_field(&d->body.mistakes, where, "this must be a list of texts");
    if (n > LIST_MAX)
        diag_field(&d->body.mistakes, where, "there are more than %d", LIST_MAX);
    for (i = 0; i < n || (i == 0 && json_is_string(value)); i++) {
        const char *text;

        item = json_is_string(value) ? value : json_array_get(value, i);
        text = json_string_value(item);
        if (text == NULL || *text == '\0' || strlen(text) > 2000 || !fits(c, text))
            diag_field(&d->body.mistakes,
                       json_is_string(value) ? where : mem_printf(d, "%s/%zu", where, i), "%s",
                       expected);
        else
            pgarray_text(&array, text);
    }
    pgargs_array(args, &array);
}

static void put_on_org(void *arg, const struct org *org)
{
    struct definition *d = arg;
    const struct catalogue *c;
    struct pgargs args;

    if (org == NULL) {
        api_away(d->req);
        return;
    }
    c = &org->catalogue;
    pgargs_init(&args, d);
    pgargs_text(&args, d->name);
    pgargs_text(&args, d->title != NULL ? d->title : "");
    read_list(d, "fields", form_field_fits, c,
              "a field of contacts that strangers may fill, or attr.NAME, is expected", &args);
    pgargs_bool(&args, d->double_opt_in);
    pgargs_text(&args, d->template);
    read_list(d, "redirect_to", redirect_fits, c, "an address like https://example.org/thanks",
              &args);
    read_list(d, "origins", origin_fits, c, "an origin like https://example.org is expected",
              &args);
    pgargs_text(&args, d->purpose != NULL ? d->purpose : "");
    pgargs_text(&args, d->wording);
    pgargs_text(&args, d->version != NULL ? d->version : "");
    pgargs_text(&args, d->language);
    read_list(d, "tags", tag_fits, c, "a text of at most 100 characters is expected", &args);
    pgargs_text(&args, d->honeypot != NULL ? d->honeypot : "website");
    read_list(d, "topics", topic_fits, c, "the name of a topic is expected", &args);
    pgargs_instant(&args, clock_now_us());
    if (api_body_ok(&d->body))
        api_change(d->app, d->req, Q_API_FORM_PUT, &args, "form");
}

static void form_put(void *arg, struct http_request *req)
{
    static const char *const known[] = {"name",          "title",    "topics",      "fields",
                                        "double_opt_in", "template", "purpose",     "wording",
                                        "language",      "version",  "redirect_to", "origins",
                                        "tags",          "honeypot", NULL};
    struct definition *d = mem_new(http_ctx(req), struct definition);

    if (!api_body_read(&d->body, req, known))
        return;
    d->app = arg;
    d->req = req;
    d->name = http_param(req, "name");
    api_body_path_name(&d->body, d->name);
    d->title = api_body_text(&d->body, "title", 200);
    d->double_opt_in = api_body_bool(&d->body, "double_opt_in", true);
    d->template = d->double_opt_in ? api_body_need(&d->body, "template", 63)
                                   : api_body_text(&d->body, "template", 63);
    d->purpose = api_body_text(&d->body, "purpose", 500);
    d->wording = api_body_need(&d->body, "wording", 5000);
    d->version = api_body_text(&d->body, "version", 100);
    d->language = api_body_text(&d->body, "language", 35);
    d->honeypot = api_body_text(&d->body, "honeypot", 63);
    if (d->honeypot != NULL && strcmp(d->honeypot, "email") == 0)
        diag_field(&d->body.mistakes, "/honeypot", "people fill this field");
    if (api_body_ok(&d->body))
        orgs_get(d->app->orgs, api_org(req), put_on_org, d);
}

const struct http_route api_form_routes[] = {
    {HTTP_GET, "/v1/forms", "reader", forms_list, "limit after"},
    {HTTP_GET, "/v1/forms/{name}", "reader", form_show, NULL},
    {HTTP_PUT, "/v1/forms/{name}", "editor", form_put, NULL},
    {HTTP_DELETE, "/v1/forms/{name}", "editor", form_delete, NULL},
    {HTTP_POST, "/f/{form}", NULL, api_form_signup, NULL},
    {HTTP_OPTIONS, "/f/{form}", NULL, api_form_preflight, NULL},
    {HTTP_GET, "/f/confirm/{token}", NULL, api_form_confirm_page, NULL},
    {HTTP_POST, "/f/confirm/{token}", NULL, api_form_confirm, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};
