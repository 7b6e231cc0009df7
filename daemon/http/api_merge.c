/* api_merge.c - contacts that are one person: merged, taken apart, proposed. See lazo-contacts(7).
 *
 * The database does it in one transaction, under the lock of both. Who asks for a contact that was
 * merged is sent on to the one that was kept. */
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/http/api.h"
#include "daemon/http/api_record.h"

#include <inttypes.h>
#include <string.h>

/* Fields of which the caller may choose whose is kept. */
static const char *const fields[] = {"kind",        "first_name", "last_name",   "company_name",
                                     "email",       "phone",      "language",    "country",
                                     "street",      "city",       "postal_code", "time_zone",
                                     "external_id", "stage",      "birth_date",  "deceased"};

static bool is_field(const char *name)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strcmp(fields[i], name) == 0)
            return true;
    return false;
}

static const char *read_choices(struct api_body *body)
{
    json_t *choices = api_body_object(body, "fields"), *value;
    const void *ctx = http_ctx(body->req);
    const char *name;

    if (choices == NULL)
        return "{}";
    json_object_foreach(choices, name, value)
    {
        const char *s = json_string_value(value);

        if (!is_field(name))
            diag_field(&body->mistakes, diag_pointer(ctx, "/fields", name),
                       "no field has this name");
        else if (s == NULL || (strcmp(s, "keep") != 0 && strcmp(s, "merge") != 0))
            diag_field(&body->mistakes, diag_pointer(ctx, "/fields", name),
                       "this must be keep or merge");
    }
    return api_json_text(ctx, choices);
}

static int64_t need_id(struct api_body *body, const char *name)
{
    int64_t id = api_body_int(body, name, 1, INT64_MAX, 0);

    if (json_object_get(body->object, name) == NULL)
        diag_field(&body->mistakes, diag_pointer(http_ctx(body->req), "", name),
                   "the id of a contact is expected");
    return id;
}

struct merging {
    struct app *app;
    struct http_request *req;
    const char *what;
    uint64_t *count;
};

static void merge_on_result(void *arg, const struct pgres *res)
{
    const struct merging *m = arg;

    if (pgres_ok(res) && pgres_rows(res) > 0 && pgres_int(res, 0, "status") == 200)
        ++*m->count;
    api_answer_change(m->app, m->req, res, m->what);
}

static void merge_ask(struct app *app, struct http_request *req, enum query query,
                      const struct pgargs *args, const char *what, uint64_t *count)
{
    struct merging *m = mem_new(http_ctx(req), struct merging);
    struct pgact act = api_act(req, what);

    *m = (struct merging){.app = app, .req = req, .what = what, .count = count};
    pgpool_query_as(app->pool, api_org(req), &act, query, args, merge_on_result, m);
}

void api_merge_metrics(const struct app *app, struct buf *out)
{
    buf_printf(out,
               "# HELP lazo_contact_merges_total Contacts merged, and merges undone.\n"
               "# TYPE lazo_contact_merges_total counter\n"
               "lazo_contact_merges_total{what=\"merged\"} %" PRIu64 "\n"
               "lazo_contact_merges_total{what=\"undone\"} %" PRIu64 "\n",
               app->merged, app->unmerged);
}

void api_contacts_merge(void *arg, struct http_request *req)
{
    struct app *app = arg;
    static const char *const known[] = {"keep", "merge", "fields", NULL};
    struct api_body body;
    struct pgargs args;

    if (!api_body_read(&body, req, known))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, need_id(&body, "keep"));
    pgargs_int(&args, need_id(&body, "merge"));
    pgargs_text(&args, read_choices(&body));
    pgargs_text(&args, api_by(http_ctx(req), req));
    pgargs_instant(&args, clock_now_us());
    if (api_body_ok(&body))
        merge_ask(app, req, Q_MERGE_CONTACTS, &args, "contact", &app->merged);
}

void api_merge_undo(void *arg, struct http_request *req)
{
    struct app *app = arg;
    struct pgargs args;
    int64_t id;

    if (!api_id(req, "merge", &id))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, id);
    pgargs_text(&args, api_by(http_ctx(req), req));
    pgargs_instant(&args, clock_now_us());
    merge_ask(app, req, Q_MERGE_UNDO, &args, "merge", &app->unmerged);
}

/* "contact" of the query; NULL in *ret_contact: of all. False and 400 answered where it is no id.
 */
static bool read_contact(struct http_request *req, const char **ret_contact)
{
    int64_t id;

    *ret_contact = http_query(req, "contact");
    if (*ret_contact == NULL || (text_int(*ret_contact, &id) && id > 0))
        return true;
    http_problem(req, 400, NULL, "\"contact\" is the id of a contact");
    return false;
}

void api_merges_list(void *app, struct http_request *req)
{
    const char *contact;
    struct pgargs args;
    int64_t after;
    int limit;

    if (!http_limit(req, &limit) || !api_after(req, &after) || !read_contact(req, &contact))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, contact);
    if (after == 0)
        pgargs_text(&args, NULL);
    else
        pgargs_int(&args, after);
    pgargs_int(&args, limit + 1);
    api_list(app, req, Q_MERGE_LIST, &args, limit, NULL);
}

/* --- pairs that may be one person
 *
 * Few contacts are compared when somebody asks. Of many, the pairs that were found last are shown,
 * as they are now; who asks has them found anew where that was long ago, and waits for it only
 * where it never was. */

struct duplicates {
    struct app *app;
    struct http_request *req;
    int limit;
};

struct gathering {
    int64_t org_id;
};

static void gather_on_done(void *arg, const struct pgres *res)
{
    (void)arg;
    (void)res;
}

static void gather_ended(void *arg, bool committed, const struct pgres *error)
{
    struct gathering *g = arg;

    if (!committed)
        log_warning("http", "duplicates were not found", "org=%" PRId64 " sqlstate=%s", g->org_id,
                    error == NULL ? "" : pgres_sqlstate(error));
    talloc_free(g);
}

static void gather_begun(void *arg, struct pgtx *tx)
{
    struct pgargs args;

    pgtx_unhurried(tx);
    pgargs_init(&args, arg);
    pgargs_instant(&args, clock_now_us());
    pgtx_query(tx, Q_DUPLICATES_GATHER, &args, gather_on_done, arg);
    pgtx_commit(tx);
}

/* duplicates_gather() - outlives the request. */
static void duplicates_gather(struct app *app, int64_t org_id)
{
    struct gathering *g = mem_new(app, struct gathering);

    g->org_id = org_id;
    pgtx_begin(app->pool, org_id, gather_begun, gather_ended, g);
}

static void duplicates_compare(struct app *app, struct http_request *req, const char *contact,
                               int limit)
{
    struct pgargs args;

    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, contact);
    pgargs_text(&args, http_query(req, "after"));
    pgargs_int(&args, limit + 1);
    api_list(app, req, Q_DUPLICATES_LIST, &args, limit, NULL);
}

static void duplicates_on_state(void *arg, const struct pgres *res)
{
    struct duplicates *d = arg;
    const char *after = http_query(d->req, "after");
    struct pgargs args;

    if (api_failed(d->req, res))
        return;
    if (pgres_bool(res, 0, "small")) {
        duplicates_compare(d->app, d->req, NULL, d->limit);
        return;
    }
    if (pgres_bool(res, 0, "due"))
        duplicates_gather(d->app, api_org(d->req));
    if (!pgres_bool(res, 0, "kept")) {
        http_set_header(d->req, "Retry-After", "5");
        http_problem(d->req, 503, NULL,
                     "all contacts are being compared for the first time; ask again in a moment");
        return;
    }
    pgargs_init(&args, d);
    pgargs_text(&args, after == NULL ? "" : after);
    pgargs_int(&args, d->limit + 1);
    api_list(d->app, d->req, Q_DUPLICATES_KEPT, &args, d->limit, NULL);
}

void api_duplicates_list(void *app, struct http_request *req)
{
    const char *contact;
    struct duplicates *d;
    struct pgargs args;
    int limit;

    if (!http_limit(req, &limit) || !read_contact(req, &contact))
        return;
    if (contact != NULL) {
        duplicates_compare(app, req, contact, limit);
        return;
    }
    d = mem_new(http_ctx(req), struct duplicates);
    d->app = app;
    d->req = req;
    d->limit = limit;
    pgargs_init(&args, d);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(d->app->pool, api_org(req), Q_DUPLICATES_STATE, &args, duplicates_on_state, d);
}

void api_duplicates_dismiss(void *app, struct http_request *req)
{
    static const char *const known[] = {"contacts", NULL};
    const json_t *contacts;
    struct api_body body;
    struct pgargs args;
    bool pair;

    if (!api_body_read(&body, req, known))
        return;
    contacts = api_body_array(&body, "contacts");
    pair = json_array_size(contacts) == 2 && json_is_integer(json_array_get(contacts, 0)) &&
           json_is_integer(json_array_get(contacts, 1));
    if (!pair)
        diag_field(&body.mistakes, "/contacts", "the ids of two contacts are expected");
    if (!api_body_ok(&body))
        return;
    pgargs_init(&args, http_ctx(req));
    for (size_t i = 0; i < 2; i++)
        pgargs_int(&args, json_integer_value(json_array_get(contacts, i)));
    pgargs_text(&args, api_by(http_ctx(req), req));
    pgargs_instant(&args, clock_now_us());
    api_change(app, req, Q_DUPLICATES_DISMISS, &args, "pair of contacts");
}

/* --- a contact that is no more
 * -------------------------------------------------------------------------- */

#define CONTACTS "/v1/contacts/"

struct sent_on {
    struct http_request *req;
    const char *why;
};

/* path_to() - the path of the request with the kept contacts in it. Routes have a contact's {id}
 * behind CONTACTS alone, and a {contact} at their end. */
static const char *path_to(const struct sent_on *s, const struct pgres *res)
{
    const char *path = http_path(s->req), *end = path + strlen(path), *rest = path;
    const char *head = "", *tail = "";

    if (!pgres_null(res, 0, "one")) {
        rest += strlen(CONTACTS);
        rest += strcspn(rest, "/");
        head = mem_printf(s, CONTACTS "%" PRId64, pgres_int(res, 0, "one"));
    }
    if (!pgres_null(res, 0, "other")) {
        end = strrchr(path, '/') + 1;
        tail = mem_printf(s, "%" PRId64, pgres_int(res, 0, "other"));
    }
    return mem_printf(s, "%s%.*s%s", head, (int)(end - rest), rest, tail);
}

static void sent_on_result(void *arg, const struct pgres *res)
{
    const struct sent_on *s = arg;
    struct http_request *req = s->req;
    const char *body, *query = http_query_text(req);
    int64_t id;

    if (api_failed(req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(req, 404, NULL, "%s", s->why);
        return;
    }
    id = pgres_int(res, 0, pgres_null(res, 0, "one") ? "other" : "one");
    http_set_header(req, "Location",
                    mem_printf(arg, "%s%s%s", path_to(s, res), *query == '\0' ? "" : "?", query));
    body = mem_printf(arg, "{\"contact\": %" PRId64 "}", id);
    http_answer_json(req, 308, body, strlen(body));
}

void api_contact_absent(struct app *app, struct http_request *req)
{
    api_absent(app, req, "there is no such contact");
}

/* arg_param() - one parameter more: {name} of the path as an id, or null where it is none. */
static bool arg_param(struct pgargs *args, const struct http_request *req, const char *name)
{
    int64_t id;

    if (http_param_int(req, name, &id)) {
        pgargs_int(args, id);
        return true;
    }
    pgargs_text(args, NULL);
    return false;
}

void api_absent(struct app *app, struct http_request *req, const char *why)
{
    struct sent_on *s = mem_new(http_ctx(req), struct sent_on);
    bool one, other;
    struct pgargs args;

    s->req = req;
    s->why = mem_strdup(s, why);
    pgargs_init(&args, s);
    one = arg_param(&args, req, text_begins(http_path(req), CONTACTS) ? "id" : "");
    other = arg_param(&args, req, "contact");
    if (one || other)
        pgpool_query(app->pool, api_org(req), Q_MERGED_INTO, &args, sent_on_result, s);
    else
        http_problem(req, 404, NULL, "%s", why);
}
