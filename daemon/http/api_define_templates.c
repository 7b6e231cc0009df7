/* api_define_templates.c - /v1/templates: what mail is made of. Nothing is stored that does not
 * compile; a text that is there already makes no new version. A preview is rendered by the engine
 * that the mailer uses, over data of the same shape. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/template/template.h"
#include "daemon/http/api_define.h"

#include <string.h>

#define SUBJECT_MAX  ((size_t)2000)
#define PART_MAX     ((size_t)1 << 20)
#define LANGUAGE_MAX ((size_t)35)

void api_templates_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_TEMPLATE_LIST);
}

void api_template_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_TEMPLATE_SHOW, "template");
}

void api_template_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_TEMPLATE_DELETE, "template");
}

/* --- definition
 * ------------------------------------------------------------------------------------------- */

struct version {
    struct app *app;
    struct http_request *req;
    const char *name, *language, *subject, *html, *text;
};

/* compile() - mistakes get `pointer` beside their line and column. */
static struct template *compile(const void *ctx, const char *text, const char *pointer,
                                struct diag *d)
{
    size_t before = d->n;
    struct template *made = template_compile(ctx, text, strlen(text), d);

    for (size_t i = before; i < d->n; i++)
        d->items[i].pointer = pointer;
    return made;
}

static const char *read_part(struct version *v, struct api_body *body, const char *name, size_t max)
{
    const char *text = api_body_text(body, name, max);

    if (text == NULL && json_is_null(json_object_get(body->object, name)))
        diag_field(&body->mistakes, mem_printf(v, "/%s", name), "this must be a text");
    else if (text == NULL && json_object_get(body->object, name) == NULL)
        diag_field(&body->mistakes, mem_printf(v, "/%s", name), "this is missing");
    else if (text != NULL)
        talloc_free(compile(v, text, mem_printf(v, "/%s", name), &body->mistakes));
    return text;
}

/* language_fits() - BCP 47 as template_version.language takes it. */
static bool language_fits(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

    if (n < 2 || n > 3)
        return false;
    for (s += n; *s == '-'; s += 1 + n) {
        n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        if (n < 2 || n > 8)
            return false;
    }
    return *s == '\0';
}

static void put_on_org(void *arg, const struct org *org)
{
    const struct version *v = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(v->req);
        return;
    }
    pgargs_init(&args, v);
    pgargs_text(&args, v->name);
    pgargs_text(&args, v->language != NULL ? v->language : org->catalogue.language);
    pgargs_text(&args, v->subject);
    pgargs_text(&args, v->html);
    pgargs_text(&args, v->text);
    pgargs_instant(&args, clock_now_us());
    api_change(v->app, v->req, Q_API_TEMPLATE_PUT, &args, "template");
}

void api_template_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"name", "language", "subject", "html", "text", NULL};
    struct version *v = mem_new(http_ctx(req), struct version);
    struct api_body body;

    if (!api_body_read(&body, req, known))
        return;
    v->app = app;
    v->req = req;
    v->name = http_param(req, "name");
    api_body_path_name(&body, v->name);
    v->language = api_body_text(&body, "language", LANGUAGE_MAX);
    if (v->language != NULL && !language_fits(v->language))
        diag_field(&body.mistakes, "/language", "this must be a language like \"es\" or \"es-MX\"");
    v->subject = read_part(v, &body, "subject", SUBJECT_MAX);
    v->html = read_part(v, &body, "html", PART_MAX);
    v->text = read_part(v, &body, "text", PART_MAX);
    if (v->subject != NULL && strpbrk(v->subject, "\r\n") != NULL)
        diag_field(&body.mistakes, "/subject", "a subject is one line");
    if (api_body_ok(&body))
        orgs_get(v->app->orgs, api_org(req), put_on_org, v);
}

/* --- preview
 * ---------------------------------------------------------------------------------------------- */

struct preview {
    struct app *app;
    struct http_request *req;
    json_t *given;  /* "data" of the body: goes over what the engine makes; borrowed */
    json_t *data;   /* what the template sees */
    json_t *answer; /* {"subject", "html", "text", "language"} */
    struct template_missing missing;
    struct diag mistakes;
};

static int preview_free(struct preview *p)
{
    json_decref(p->data);
    json_decref(p->answer);
    return 0;
}

/* set_parsed() - `text` may be NULL: then the name is not there. */
static void set_parsed(json_t *object, const char *name, const char *text)
{
    json_t *value = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (value != NULL)
        json_object_set_new(object, name, value);
}

static void collect_data(struct preview *p, const struct pgres *res)
{
    p->data = mem_must(json_object());
    set_parsed(p->data, "contact", pgres_text(res, 0, "contact"));
    set_parsed(p->data, "organisation", pgres_text(res, 0, "organisation"));
    json_object_set_new(p->data, "unsubscribe_url",
                        json_sprintf("%s/u/preview", p->app->public_url));
    if (p->given != NULL)
        json_object_update(p->data, p->given);
}

static void render(struct preview *p, const struct pgres *res, const char *part,
                   const char *pointer)
{
    const char *text = pgres_text(res, 0, part);
    struct template_env env = {
        .data = p->data,
        .escape_html = strcmp(part, "html") == 0,
        .locale = pgres_text(res, 0, "locale"),
        .time_zone = pgres_text(res, 0, "time_zone"),
        .currency = pgres_text(res, 0, "currency"),
        .now_us = clock_now_us(),
        .limits = template_limits_default(),
    };
    struct template *compiled = compile(p, text, pointer, &p->mistakes);
    size_t before = p->mistakes.n;
    struct buf out;

    if (compiled == NULL)
        return;
    buf_init(&out, p, env.limits.max_output);
    if (template_render(compiled, &env, &out, &p->missing, &p->mistakes))
        json_object_set_new(p->answer, part, json_stringn(out.data, out.len));
    for (size_t i = before; i < p->mistakes.n; i++)
        p->mistakes.items[i].pointer = pointer;
}

static void answer_preview(struct preview *p)
{
    json_t *names = mem_must(json_array());

    for (size_t i = 0; i < p->missing.n; i++)
        json_array_append_new(names, json_string(p->missing.names[i]));
    json_object_set_new(p->answer, "missing", names);
    if (diag_any(&p->mistakes))
        http_problem(p->req, 422, &p->mistakes, "the template cannot be rendered with this data");
    else
        http_answer_value(p->req, 200, json_incref(p->answer));
}

static void preview_on_result(void *arg, const struct pgres *res)
{
    struct preview *p = arg;

    if (api_failed(p->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_not_found(p->app, p->req, "template");
        return;
    }
    if (pgres_bool(res, 0, "stranger")) {
        http_problem(p->req, 404, NULL, "there is no such contact");
        return;
    }
    collect_data(p, res);
    p->answer = mem_must(json_pack("{s:s}", "language", pgres_text(res, 0, "language")));
    render(p, res, "subject", "/subject");
    render(p, res, "html", "/html");
    render(p, res, "text", "/text");
    answer_preview(p);
}

void api_template_preview(void *app, struct http_request *req)
{
    static const char *const known[] = {"contact", "data", "language", NULL};
    struct preview *p = mem_new(http_ctx(req), struct preview);
    struct api_body body;
    struct pgargs args;
    int64_t contact;

    if (!api_body_read(&body, req, known))
        return;
    p->app = app;
    p->req = req;
    talloc_set_destructor(p, preview_free);
    template_missing_init(&p->missing, p);
    diag_init(&p->mistakes, p);
    contact = api_body_int(&body, "contact", 1, INT64_MAX, 0);
    p->given = api_body_object(&body, "data");
    pgargs_init(&args, p);
    pgargs_text(&args, http_param(req, "name"));
    pgargs_text(&args, api_body_text(&body, "language", LANGUAGE_MAX));
    if (contact != 0)
        pgargs_int(&args, contact);
    else
        pgargs_text(&args, NULL);
    if (api_body_ok(&body))
        pgpool_query(p->app->pool, api_org(req), Q_API_TEMPLATE_PREVIEW, &args, preview_on_result,
                     p);
}
