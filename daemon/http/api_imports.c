/* api_imports.c - imports over HTTP: a file comes in pieces, what it seems to be is answered, what
 * it is is confirmed, and what is to be done with it is noted for the lazod that leads. See
 * daemon/import/. */

#include "common/clock.h"
#include "common/csv.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/export/export.h"
#include "daemon/http/api.h"
#include "daemon/http/api_record.h"
#include "daemon/import/import_settings.h"

#include <inttypes.h>
#include <string.h>

#define PAGE     500
#define PAGE_MAX ((size_t)64 << 20)

/* --- what is known of it ------------------------------------------------------------------------
 */

static void imports_list(void *arg, struct http_request *req)
{
    struct pgargs args;
    int64_t before;
    int limit;

    if (!api_after(req, &before) || !http_limit(req, &limit))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, before == 0 ? INT64_MAX : before);
    pgargs_int(&args, limit + 1);
    api_list(arg, req, Q_IMPORTS_LIST, &args, limit, NULL);
}

static void import_show(void *arg, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_show(arg, req, Q_IMPORT_SHOW, &args, "import");
}

/* --- what is said of it -------------------------------------------------------------------------
 */

struct steering {
    struct app *app;
    struct http_request *req;
    int64_t id;
    json_t *said;
    struct pgargs args;
    json_t *guess;
};

static struct steering *steering_new(struct app *app, struct http_request *req)
{
    struct steering *s = mem_new(http_ctx(req), struct steering);

    s->app = app;
    s->req = req;
    if (!api_id(req, "id", &s->id))
        return NULL;
    pgargs_init(&s->args, s);
    pgargs_int(&s->args, s->id);
    return s;
}

/* An import's row changed: 202 wakes who works on it. */
static void steering_on_moved(void *arg, const struct pgres *res)
{
    struct steering *s = arg;
    int status;

    if (api_failed(s->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(s->req, 404, NULL, "there is no such import");
        return;
    }
    status = (int)pgres_int(res, 0, "status");
    if (status >= 400) {
        http_problem(s->req, status, NULL, "%s", pgres_text(res, 0, "body"));
        return;
    }
    if (status == 202 && s->app->imports != NULL)
        imports_wake(s->app->imports, api_org(s->req));
    if (status == 204)
        http_answer_empty(s->req, 204);
    else
        api_answer_body(s->req, status, res);
}

/* The statement of a steering, by its caller: the audit has it. */
static void act(struct steering *s, enum query query)
{
    struct pgact who = api_act(s->req, "import");

    pgpool_query_as(s->app->pool, api_org(s->req), &who, query, &s->args, steering_on_moved, s);
}

static bool topic_known(const struct catalogue *c, const char *topic)
{
    for (size_t i = 0; i < c->n_topics; i++)
        if (strcmp(c->topics[i].name, topic) == 0)
            return true;
    return false;
}

static bool attr_known(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_fields; i++)
        if (strcmp(c->fields[i].name, name) == 0)
            return true;
    return false;
}

static bool relation_known(const void *ctx, const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_relations; i++)
        if (c->relations[i].inverse_id != 0 &&
            strcmp(import_fold(ctx, c->relations[i].name), import_fold(ctx, name)) == 0)
            return true;
    return false;
}

/* What only the organisation knows: its topics, custom fields and relations. */
static void names_check(struct steering *s, const struct import_settings *settings,
                        const struct catalogue *c, struct diag *d)
{
    if (settings->topic != NULL && !topic_known(c, settings->topic))
        diag_field(d, "/consent/topic", "the name of a topic is expected");
    for (size_t i = 0; i < settings->map.n; i++) {
        const char *field = settings->map.fields[i];

        if (field != NULL && strncmp(field, "attr.", 5) == 0 && !attr_known(c, field + 5))
            diag_field(d, diag_pointer(s, "/columns", settings->map.headings[i]),
                       "no custom field has this name");
        if (field != NULL && import_field_relation(field) != NULL &&
            !relation_known(s, c, import_field_relation(field)))
            diag_field(d, diag_pointer(s, "/columns", settings->map.headings[i]),
                       "no relation that can be written has this name");
    }
}

static void mapping_on_org(void *arg, const struct org *org)
{
    struct steering *s = arg;
    json_t *joined, *heading, *headings = json_object_get(s->guess, "headings");
    const char **names = mem_array(s, const char *, json_array_size(headings));
    struct import_settings settings;
    struct import_map map;
    struct diag d;
    size_t i;

    if (org == NULL) {
        api_away(s->req);
        return;
    }
    joined = json_keep(s, import_settings_join(json_object_get(s->guess, "settings"), s->said));
    json_array_foreach(headings, i, heading) names[i] = json_string_value(heading);
    import_map_header(s, names, json_array_size(headings), &map);
    diag_init(&d, s);
    if (import_settings_read(s, joined, &map, &settings, &d))
        names_check(s, &settings, &org->catalogue, &d);
    if (diag_any(&d)) {
        http_problem(s->req, 422, &d, "the mapping was not taken");
        return;
    }
    pgargs_text(&s->args, api_json_text(s, joined));
    act(s, Q_IMPORT_SETTLE);
}

static void mapping_on_head(void *arg, const struct pgres *res)
{
    struct steering *s = arg;

    if (api_failed(s->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(s->req, 404, NULL, "there is no such import");
        return;
    }
    if (pgres_null(res, 0, "guess")) {
        http_problem(s->req, 409, NULL, "the file is not all there yet");
        return;
    }
    s->guess = json_keep(s, mem_must(json_loads(pgres_text(res, 0, "guess"), 0, NULL)));
    orgs_get(s->app->orgs, api_org(s->req), mapping_on_org, s);
}

static void import_map(void *arg, struct http_request *req)
{
    struct steering *s = steering_new(arg, req);
    struct pgargs args;

    if (s == NULL || (s->said = api_document(req)) == NULL)
        return;
    if (!json_is_object(s->said)) {
        http_problem(req, 422, NULL, "an object is expected");
        return;
    }
    pgargs_init(&args, s);
    pgargs_int(&args, s->id);
    pgpool_query(s->app->pool, api_org(req), Q_IMPORT_HEAD, &args, mapping_on_head, s);
}

/* --- what is done with it -----------------------------------------------------------------------
 */

static void move(struct app *app, struct http_request *req, const char *const *from, const char *to,
                 bool anew)
{
    struct steering *s = steering_new(app, req);
    struct pgarray states;

    if (s == NULL)
        return;
    pgarray_init(&states, s);
    for (; *from != NULL; from++)
        pgarray_text(&states, *from);
    pgargs_array(&s->args, &states);
    pgargs_text(&s->args, to);
    pgargs_instant(&s->args, clock_now_us());
    pgargs_bool(&s->args, anew);
    act(s, Q_IMPORT_MOVE);
}

static void import_check(void *arg, struct http_request *req)
{
    static const char *const from[] = {"ready", NULL};

    move(arg, req, from, "checking", false);
}

static void import_start(void *arg, struct http_request *req)
{
    static const char *const from[] = {"ready", "finished", "undone", NULL};

    move(arg, req, from, "running", true);
}

static void import_resume(void *arg, struct http_request *req)
{
    static const char *const from[] = {"paused", "cancelled", "failed", NULL};

    move(arg, req, from, "running", false);
}

static void import_pause(void *arg, struct http_request *req)
{
    static const char *const from[] = {"running", NULL};

    move(arg, req, from, "paused", false);
}

static void import_cancel(void *arg, struct http_request *req)
{
    static const char *const from[] = {"uploading", "ready", "checking", "running", "paused", NULL};

    move(arg, req, from, "cancelled", false);
}

static void import_undo(void *arg, struct http_request *req)
{
    static const char *const from[] = {"paused", "finished", "cancelled", "failed", NULL};

    move(arg, req, from, "undoing", false);
}

static void import_delete(void *arg, struct http_request *req)
{
    struct steering *s = steering_new(arg, req);

    if (s != NULL)
        act(s, Q_IMPORT_DELETE);
}

/* --- what was refused of it ---------------------------------------------------------------------
 */

struct refusals {
    struct app *app;
    struct http_request *req;
    int64_t id, after;
    bool dry, begun;
    json_t *headings;
    void *asking;
};

static void cell(struct buf *out, const char *text)
{
    csv_add_text(out, text, strlen(text), ',');
}

static void refusals_header(struct refusals *r, struct buf *out)
{
    json_t *heading;
    size_t i;

    json_array_foreach(r->headings, i, heading)
    {
        cell(out, json_string_value(heading));
        buf_char(out, ',');
    }
    buf_str(out, "line,column,reason\r\n");
}

/* The row as it stood, filled up or cut to the header's columns. */
static void refusals_row(struct refusals *r, struct buf *out, const struct pgres *res, int row)
{
    json_t *fields = mem_must(json_loads(pgres_text(res, row, "fields"), 0, NULL));

    for (size_t i = 0; i < json_array_size(r->headings); i++) {
        const char *text = json_string_value(json_array_get(fields, i));

        if (text != NULL)
            cell(out, text);
        buf_char(out, ',');
    }
    r->after = pgres_int(res, row, "line");
    buf_printf(out, "%" PRId64 ",", r->after);
    cell(out, pgres_text(res, row, "heading"));
    buf_char(out, ',');
    cell(out, pgres_text(res, row, "reason"));
    buf_str(out, "\r\n");
    json_decref(fields);
}

static void refusals_on_page(void *arg, const struct pgres *res)
{
    struct refusals *r = arg;
    struct buf out;

    if (!pgres_ok(res) || pgres_rows(res) == 0) {
        http_stream_end(r->req, pgres_ok(res));
        return;
    }
    buf_init(&out, NULL, PAGE_MAX);
    for (int row = 0; row < pgres_rows(res); row++)
        refusals_row(r, &out, res, row);
    if (buf_full(&out))
        http_stream_end(r->req, false);
    else
        http_stream_add(r->req, out.data, out.len);
    buf_done(&out);
}

static void refusals_more(void *arg)
{
    struct refusals *r = arg;
    struct pgargs args;
    struct buf out;

    if (!r->begun) {
        r->begun = true;
        buf_init(&out, NULL, PAGE_MAX);
        refusals_header(r, &out);
        http_stream_add(r->req, out.data, out.len);
        buf_done(&out);
        return;
    }
    talloc_free(r->asking);
    r->asking = mem_must(talloc_new(r));
    pgargs_init(&args, r->asking);
    pgargs_int(&args, r->id);
    pgargs_bool(&args, r->dry);
    pgargs_int(&args, r->after);
    pgargs_int(&args, PAGE);
    pgpool_query(r->app->pool, api_org(r->req), Q_IMPORT_REFUSALS, &args, refusals_on_page, r);
}

static void refusals_on_head(void *arg, const struct pgres *res)
{
    struct refusals *r = arg;
    const char *said = http_query(r->req, "dry");

    if (api_failed(r->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(r->req, 404, NULL, "there is no such import");
        return;
    }
    r->dry = said != NULL ? strcmp(said, "true") == 0 : pgres_bool(res, 0, "dry");
    r->headings = json_keep(r, mem_must(json_loads(pgres_text(res, 0, "headings"), 0, NULL)));
    http_set_header(r->req, "Content-Disposition", "attachment; filename=\"rejected.csv\"");
    http_answer_stream(r->req, 200, "text/csv; charset=utf-8", refusals_more, r);
}

static void import_rejected(void *arg, struct http_request *req)
{
    struct refusals *r = mem_new(http_ctx(req), struct refusals);
    struct pgargs args;

    r->app = arg;
    r->req = req;
    r->after = -1;
    if (!api_id(req, "id", &r->id))
        return;
    pgargs_init(&args, r);
    pgargs_int(&args, r->id);
    pgpool_query(r->app->pool, api_org(req), Q_IMPORT_HEAD, &args, refusals_on_head, r);
}

const struct http_route api_import_routes[] = {
    {HTTP_POST, "/v1/imports", "editor", api_import_post, "name size"},
    {HTTP_GET, "/v1/imports", "editor", imports_list, "limit after"},
    {HTTP_GET, "/v1/imports/{id}", "editor", import_show, NULL},
    {HTTP_DELETE, "/v1/imports/{id}", "editor", import_delete, NULL},
    {HTTP_POST, "/v1/imports/{id}/pieces", "editor", api_import_piece_post, "offset"},
    {HTTP_PUT, "/v1/imports/{id}/mapping", "editor", import_map, NULL},
    {HTTP_POST, "/v1/imports/{id}/dry-run", "editor", import_check, NULL},
    {HTTP_POST, "/v1/imports/{id}/start", "editor", import_start, NULL},
    {HTTP_POST, "/v1/imports/{id}/pause", "editor", import_pause, NULL},
    {HTTP_POST, "/v1/imports/{id}/resume", "editor", import_resume, NULL},
    {HTTP_POST, "/v1/imports/{id}/cancel", "editor", import_cancel, NULL},
    {HTTP_POST, "/v1/imports/{id}/undo", "editor", import_undo, NULL},
    {HTTP_GET, "/v1/imports/{id}/rejected", "editor", import_rejected, "dry"},
    {HTTP_GET, NULL, NULL, NULL, NULL},
};
