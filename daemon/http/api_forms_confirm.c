/* api_forms_confirm.c - /f/confirm/{token}: the page behind the link in the mail that confirms a
 * sign-up.
 *
 * GET and HEAD change nothing, since scanners follow links: they show a page with a button. POST
 * records the contact and the sign-up under the request's key, then marks the request as confirmed
 * together with the grants: breaking off between the two and doing it again loses and doubles
 * nothing. */
#include "daemon/http/api_forms.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/consent/page.h"
#include "daemon/consent/token.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

struct visit {
    struct app *app;
    struct http_request *req;
    int64_t org_id, request_id;
    bool post;
    const char *language, *organisation, *wording, *onward, *form;
    json_t *contact; /* owned */
    struct record_item item;
    int64_t now_us;
};

static int visit_destroy(struct visit *v)
{
    json_decref(v->contact);
    return 0;
}

static void show(struct visit *v, enum page_sort sort)
{
    api_form_page(v->req, sort == PAGE_gone ? 404 : 200,
                  &(struct page){.sort = sort,
                                 .language = v->language,
                                 .organisation = v->organisation,
                                 .wording = sort == PAGE_confirm ? v->wording : NULL,
                                 .onward = sort == PAGE_confirmed ? v->onward : NULL});
}

static void on_confirmed(void *arg, const struct pgres *res)
{
    struct visit *v = arg;

    if (api_failed(v->req, res))
        return;
    if (pgres_rows(res) > 0)
        app_recorded(v->app, v->org_id);
    show(v, PAGE_confirmed);
}

static void on_recorded(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct visit *v = arg;
    struct pgargs args;

    if (!ok || n != 1 || results[0].error != NULL) {
        api_away(v->req);
        return;
    }
    pgargs_init(&args, v);
    pgargs_int(&args, v->request_id);
    pgargs_int(&args, results[0].contact_id);
    pgargs_text(&args, "double opt-in");
    pgargs_text(&args, http_client_address(v->req));
    pgargs_text(&args, api_user_agent(v->req));
    pgargs_instant(&args, v->now_us);
    pgpool_query(v->app->pool, v->org_id, Q_FORM_CONFIRM, &args, on_confirmed, v);
}

static void confirm_on_org(void *arg, const struct org *org)
{
    struct visit *v = arg;
    struct diag mistakes;
    json_t *bare;

    if (org == NULL) {
        api_away(v->req);
        return;
    }
    diag_init(&mistakes, v);
    if (!record_contact_parse(v, v->contact, "", &org->catalogue, v->now_us, &v->item.contact,
                              &mistakes)) {
        /* A custom field that was asked for is gone since: the address alone remains. */
        bare = json_pack("{s:O}", "email", json_object_get(v->contact, "email"));
        json_decref(v->contact);
        v->contact = mem_must(bare);
        record_contact_parse(v, v->contact, "", &org->catalogue, v->now_us, &v->item.contact,
                             &mistakes);
    }
    v->item.contact.returns = true;
    v->item.kind = "signup";
    v->item.source = "form";
    v->item.by = mem_printf(v, "form:%s", v->form);
    v->item.key = mem_printf(v, "request:%" PRId64, v->request_id);
    v->item.occurred_at_us = v->now_us;
    v->item.data = mem_printf(v, "{\"form\":\"%s\"}", v->form);
    record_items(v->app->record, v->org_id, &v->item, 1, true, on_recorded, v);
}

static void on_request(void *arg, const struct pgres *res)
{
    struct visit *v = arg;

    if (api_failed(v->req, res))
        return;
    if (pgres_rows(res) == 0) {
        show(v, PAGE_gone);
        return;
    }
    v->request_id = pgres_int(res, 0, "id");
    v->language = mem_strdup(v, pgres_text(res, 0, "language"));
    v->organisation = mem_strdup(v, pgres_text(res, 0, "organisation"));
    v->wording = mem_strdup(v, pgres_text(res, 0, "wording"));
    v->form = mem_strdup(v, pgres_text(res, 0, "form"));
    if (!pgres_null(res, 0, "redirect_to"))
        v->onward = mem_strdup(v, pgres_text(res, 0, "redirect_to"));
    if (pgres_bool(res, 0, "confirmed")) {
        show(v, PAGE_confirmed);
    } else if (!v->post) {
        show(v, PAGE_confirm);
    } else {
        v->contact = mem_must(json_loads(pgres_text(res, 0, "contact"), 0, NULL));
        orgs_get(v->app->orgs, v->org_id, confirm_on_org, v);
    }
}

static void visit(struct app *app, struct http_request *req, bool post)
{
    struct visit *v = mem_new(http_ctx(req), struct visit);
    const char *token = http_param(req, "token");
    unsigned char hash[crypto_hash_sha256_BYTES];
    struct pgargs args;

    talloc_set_destructor(v, visit_destroy);
    v->app = app;
    v->req = req;
    v->post = post;
    v->now_us = clock_now_us();
    v->language = http_header(req, "Accept-Language");
    if (v->language == NULL || strncmp(v->language, "es", 2) != 0)
        v->language = "en";
    else
        v->language = "es";
    if (!form_token_org(settings_text(app->settings, "http.secret"), token, &v->org_id)) {
        show(v, PAGE_gone);
        return;
    }
    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    pgargs_init(&args, v);
    pgargs_bytea(&args, hash, sizeof(hash));
    pgargs_instant(&args, v->now_us);
    pgpool_query(app->pool, v->org_id, Q_FORM_REQUEST_SHOW, &args, on_request, v);
}

void api_form_confirm_page(void *app, struct http_request *req)
{
    visit(app, req, false);
}

void api_form_confirm(void *app, struct http_request *req)
{
    visit(app, req, true);
}
