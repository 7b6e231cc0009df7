/* api_record_contacts.c - contacts over HTTP: shown, written, forgotten. See api_record.h; PATCH is
 * api_record_patch.c's. */
#include "common/address.h"
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- one contact
 * -------------------------------------------------------------------------------------- */

void api_contact_show(void *arg, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_show(arg, req, Q_API_CONTACT_SHOW, &args, "contact");
}

struct shown {
    struct http_request *req;
    int status;
};

static void shown_on_result(void *arg, const struct pgres *res)
{
    struct shown *s = arg;

    if (api_failed(s->req, res))
        return;
    if (pgres_rows(res) == 0)
        http_problem(s->req, 404, NULL, "there is no such contact");
    else
        api_answer_body(s->req, s->status, res);
}

/* answer_contact() - the contact as it is now, which was just written. */
static void answer_contact(struct recording *r, int64_t id, int status)
{
    struct shown *s = mem_new(http_ctx(r->req), struct shown);
    struct pgargs args;

    s->req = r->req;
    s->status = status;
    pgargs_init(&args, s);
    pgargs_int(&args, id);
    pgpool_query(r->app->pool, api_org(r->req), Q_API_CONTACT_WRITTEN, &args, shown_on_result, s);
}

void contact_answer(struct recording *r, const struct record_result *results)
{
    answer_contact(r, results[0].contact_id, results[0].created && r->contact_id == 0 ? 201 : 200);
}

static void contact_fill(struct recording *r, const struct catalogue *catalogue)
{
    recording_contact(r, http_json(r->req), catalogue);
}

void api_contact_post(void *arg, struct http_request *req)
{
    struct recording *r;

    if (http_json(req) == NULL)
        return;
    r = recording_new(arg, req);
    r->fill = contact_fill;
    r->answer = contact_answer;
    recording_start(r);
}

/* --- the end of one
 * -------------------------------------------------------------------------------------- */

void api_contact_delete(void *arg, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_change(arg, req, Q_API_CONTACT_DELETE, &args, "contact");
}

/* --- what hangs on a contact
 * ----------------------------------------------------------------------------- */

struct timeline {
    struct app *app;
    struct http_request *req;
    struct pgargs args;
    int limit;
};

/* read_cursor() - "INSTANT.ID", microseconds of the last one shown. */
static bool read_cursor(const char *s, int64_t *ret_at_us, int64_t *ret_id)
{
    char *end;

    errno = 0;
    *ret_at_us = strtoll(s, &end, 10);
    if (end == s || *end != '.' || errno != 0)
        return false;
    s = end + 1;
    *ret_id = strtoll(s, &end, 10);
    return end != s && *end == '\0' && errno == 0;
}

static void timeline_on_org(void *arg, const struct org *org)
{
    struct timeline *t = arg;

    if (org == NULL) {
        api_away(t->req);
        return;
    }
    pgargs_int(&t->args, org->catalogue.currency_digits);
    api_list(t->app, t->req, Q_API_CONTACT_INTERACTIONS, &t->args, t->limit, "contact");
}

static struct timeline *timeline_new(struct app *app, struct http_request *req)
{
    struct timeline *t = mem_new(http_ctx(req), struct timeline);

    t->app = app;
    t->req = req;
    return api_id_args(req, &t->args) && http_limit(req, &t->limit) ? t : NULL;
}

/* timeline_after() - the cursor of the query and the limit, as parameters. False where it is none;
 * that was answered. */
static bool timeline_after(struct timeline *t)
{
    const char *after = http_query(t->req, "after");
    int64_t at_us, id;

    if (after == NULL) {
        pgargs_text(&t->args, NULL);
        pgargs_text(&t->args, NULL);
    } else if (read_cursor(after, &at_us, &id)) {
        pgargs_instant(&t->args, at_us);
        pgargs_int(&t->args, id);
    } else {
        http_problem(t->req, 400, NULL, "\"after\" is no cursor of this list");
        return false;
    }
    pgargs_int(&t->args, t->limit + 1);
    return true;
}

void api_contact_interactions(void *arg, struct http_request *req)
{
    struct timeline *t = timeline_new(arg, req);

    if (t == NULL)
        return;
    pgargs_text(&t->args, http_query(req, "kind"));
    if (timeline_after(t))
        orgs_get(t->app->orgs, api_org(req), timeline_on_org, t);
}

void api_contact_history(void *arg, struct http_request *req)
{
    struct timeline *t = timeline_new(arg, req);

    if (t == NULL)
        return;
    pgargs_text(&t->args, http_query(req, "field"));
    if (timeline_after(t))
        api_list(t->app, req, Q_API_CONTACT_HISTORY, &t->args, t->limit, "contact");
}

struct past {
    struct app *app;
    struct http_request *req;
};

static void past_on_result(void *arg, const struct pgres *res)
{
    struct past *p = arg;

    if (api_failed(p->req, res))
        return;
    if (pgres_rows(res) == 0)
        api_contact_absent(p->app, p->req);
    else if (pgres_null(res, 0, "body"))
        http_problem(p->req, 404, NULL, "the contact was not there yet at that instant");
    else
        api_answer_body(p->req, 200, res);
}

void api_contact_as_of(void *arg, struct http_request *req)
{
    struct past *p = mem_new(http_ctx(req), struct past);
    const char *at = http_query(req, "at");
    struct pgargs args;
    int64_t at_us;

    p->app = arg;
    p->req = req;
    if (at == NULL || !clock_parse(at, &at_us)) {
        http_problem(req, 400, NULL, "\"at\" is an RFC 3339 time, like 2026-03-01T10:00:00Z");
        return;
    }
    if (!api_past(req, "at", at, &at_us) || !api_id_args(req, &args))
        return;
    pgargs_instant(&args, at_us);
    pgpool_query(p->app->pool, api_org(req), Q_API_CONTACT_AS_OF, &args, past_on_result, p);
}

void api_contact_segments(void *arg, struct http_request *req)
{
    struct timeline *t = timeline_new(arg, req);

    if (t == NULL)
        return;
    pgargs_text(&t->args, http_query(req, "after"));
    pgargs_int(&t->args, t->limit + 1);
    api_list(t->app, req, Q_API_CONTACT_SEGMENTS, &t->args, t->limit, "contact");
}

void api_contact_consents(void *arg, struct http_request *req)
{
    struct timeline *t = timeline_new(arg, req);
    int64_t after;

    if (t == NULL || !api_after(req, &after))
        return;
    pgargs_int(&t->args, after);
    pgargs_int(&t->args, t->limit + 1);
    api_list(t->app, req, Q_API_CONTACT_CONSENTS, &t->args, t->limit, "contact");
}

/* fill_with() - the contact of the path with one field of it, whose reference is taken. */
static void fill_with(struct recording *r, const struct catalogue *catalogue, const char *field,
                      json_t *value_take)
{
    json_t *contact = mem_must(json_object());

    json_object_set_new(contact, field, value_take);
    r->made = contact;
    recording_contact(r, contact, catalogue);
}

void recording_names(struct recording *r, const struct catalogue *catalogue, const char *list,
                     const char *one)
{
    json_t *body = http_json(r->req), *name = json_object_get(body, one);
    json_t *names = json_object_get(body, list);

    if (name == NULL && names == NULL)
        diag_field(&r->mistakes, "", "\"%s\": [...] or \"%s\" is expected", list, one);
    else
        fill_with(r, catalogue, list, name != NULL ? json_pack("[O]", name) : json_incref(names));
}

static void tags_fill(struct recording *r, const struct catalogue *catalogue)
{
    recording_names(r, catalogue, "tags", "tag");
}

void recording_entry(struct recording *r, const struct catalogue *catalogue, const char *list,
                     json_t *entry_take)
{
    size_t n;

    r->within = mem_printf(r, "/%s/0", list);
    n = strlen(r->within);
    fill_with(r, catalogue, list, json_pack("[o]", entry_take));
    for (size_t i = 0; i < r->mistakes.n; i++)
        if (strncmp(r->mistakes.items[i].pointer, r->within, n) == 0)
            r->mistakes.items[i].pointer += n;
}

/* One entry of the ledger as the body. */
static void consent_fill(struct recording *r, const struct catalogue *catalogue)
{
    json_t *entry = mem_must(json_copy(http_json(r->req)));

    if (json_object_get(entry, "method") == NULL)
        json_object_set_new(entry, "method", json_string("api"));
    recording_entry(r, catalogue, "consents", entry);
}

void recording_of(struct app *app, struct http_request *req, const char *name,
                  void (*fill)(struct recording *, const struct catalogue *))
{
    struct recording *r;
    int64_t id;

    if (!api_id(req, name, &id))
        return;
    r = recording_new(app, req);
    r->contact_id = id;
    r->fill = fill;
    r->answer = contact_answer;
    recording_start(r);
}

void recording_on_contact(struct app *app, struct http_request *req,
                          void (*fill)(struct recording *, const struct catalogue *))
{
    json_t *body = http_json(req);

    if (body == NULL)
        return;
    if (json_is_object(body))
        recording_of(app, req, "id", fill);
    else
        http_problem(req, 422, NULL, "an object is expected");
}

void api_contact_tags_post(void *arg, struct http_request *req)
{
    recording_on_contact(arg, req, tags_fill);
}

void api_contact_consent_post(void *arg, struct http_request *req)
{
    recording_on_contact(arg, req, consent_fill);
}

struct untagged {
    struct app *app;
    struct http_request *req;
};

static void untag_on_result(void *arg, const struct pgres *res)
{
    struct untagged *u = arg;

    if (api_failed(u->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_absent(u->app, u->req, "the contact does not have this tag");
        return;
    }
    app_recorded(u->app, api_org(u->req));
    http_answer_empty(u->req, 204);
}

void api_contact_untag(void *arg, struct http_request *req)
{
    struct untagged *u = mem_new(http_ctx(req), struct untagged);
    const char *tag = http_param(req, "tag");
    struct pgargs args;

    u->app = arg;
    u->req = req;
    if (tag == NULL)
        tag = http_query(req, "tag");
    if (tag == NULL) {
        http_problem(req, 400, NULL, "which \"tag\"?");
        return;
    }
    if (!api_id_args(req, &args))
        return;
    pgargs_text(&args, tag);
    pgargs_text(&args, api_by(u, req));
    pgargs_instant(&args, clock_now_us());
    pgpool_query(u->app->pool, api_org(req), Q_API_CONTACT_UNTAG, &args, untag_on_result, u);
}
