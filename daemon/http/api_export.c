/* api_export.c - what leaves Lazo over HTTP: GET /v1/exports in pages of the database, one in
 * memory at a time; a person's complete file and vCard. See api_record.h.
 *
 * A page has at most PAGE rows and ends, too, with the row that passes PAGE_BYTES. The answer
 * begins when the first page is there, so that a database that is away is told as 503. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/export/export.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_record.h"

#include <string.h>

#define PAGE       500
#define PAGE_BYTES 1000000
/* Of a page as it is sent: one row that a stranger inserted may be larger than all others. */
#define PAGE_MAX ((size_t)28 << 20)
#define CARD_MAX ((size_t)1 << 20)

struct export
{
    struct app *app;
    struct http_request *req;
    const char *rule;
    enum export_what what;
    enum export_format format;
    struct export_columns columns;
    bool all, begun, over;
    struct buf first; /* what the answer begins with: the header and the first page */
    int digits;
    const struct rule_sql *sql; /* NULL: no rule, everybody */
    int64_t ids[PAGE];          /* contacts of the page that the rule gave */
    int n_ids;                  /* 0: none asked for */
    int64_t after;              /* the last contact that the rule gave */
    bool rule_over;
    int64_t contact_id, id; /* of the last document given */
    void *asking;           /* what the statement under way was given */
};

static void next_page(struct export *e);
static void next_ids(struct export *e);

/* Parameters of the next statement; those of the last one go. */
static void args_begin(struct export *e, struct pgargs *args)
{
    talloc_free(e->asking);
    e->asking = mem_must(talloc_new(e));
    pgargs_init(args, e->asking);
}

/* Once the answer was begun the status is out: what fails then breaks the stream. */
static void export_failed(struct export *e, const struct pgres *res)
{
    if (e->begun)
        http_stream_end(e->req, false);
    else
        api_failed(e->req, res);
}

static void export_more(void *arg)
{
    struct export *e = arg;

    if (e->first.len > 0) {
        http_stream_add(e->req, e->first.data, e->first.len);
        buf_done(&e->first);
    } else if (e->over) {
        http_stream_end(e->req, true);
    } else {
        next_page(e);
    }
}

static void export_begin(struct export *e)
{
    bool csv = e->format == EXPORT_CSV;

    e->begun = true;
    http_set_header(e->req, "Content-Disposition",
                    mem_printf(e, "attachment; filename=\"%s.%s\"",
                               e->what == EXPORT_CONTACTS ? "contacts" : "interactions",
                               csv ? "csv" : "ndjson"));
    http_answer_stream(e->req, 200, csv ? "text/csv; charset=utf-8" : "application/x-ndjson",
                       export_more, e);
}

/* All is given. */
static void export_end(struct export *e)
{
    e->over = true;
    if (e->begun)
        http_stream_end(e->req, true);
    else
        export_begin(e);
}

static void rows_add(struct export *e, struct buf *out, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        json_t *document = json_loads(pgres_text(res, row, "item"), 0, NULL);

        mem_must(document);
        export_row(out, e->format, &e->columns, e->all, document);
        json_decref(document);
        e->contact_id = pgres_int(res, row, "contact_id");
        e->id = pgres_int(res, row, "id");
    }
}

static void rows_give(struct export *e, const struct pgres *res)
{
    struct buf later, *out = e->begun ? &later : &e->first;

    buf_init(&later, NULL, PAGE_MAX);
    rows_add(e, out, res);
    if (!e->begun && !buf_full(out))
        export_begin(e);
    else if (!e->begun)
        http_problem(e->req, 500, NULL, "a row is too large to be sent");
    else if (buf_full(out))
        http_stream_end(e->req, false);
    else
        http_stream_add(e->req, later.data, later.len);
    buf_done(&later);
}

static void export_on_page(void *arg, const struct pgres *res)
{
    struct export *e = arg;

    if (!pgres_ok(res))
        export_failed(e, res);
    else if (pgres_rows(res) > 0)
        rows_give(e, res);
    else if (e->sql != NULL && !e->rule_over)
        next_ids(e);
    else
        export_end(e);
}

static void page_of_ids(struct export *e)
{
    struct pgarray ids;
    struct pgargs args;

    args_begin(e, &args);
    if (e->what == EXPORT_INTERACTIONS) {
        pgargs_int(&args, e->contact_id);
        pgargs_int(&args, e->id);
        pgargs_int(&args, PAGE);
        pgargs_int(&args, e->digits);
    } else {
        pgargs_int(&args, e->contact_id);
    }
    pgarray_init(&ids, e->asking);
    for (int i = 0; i < e->n_ids; i++)
        pgarray_int(&ids, e->ids[i]);
    pgargs_array(&args, &ids);
    pgargs_int(&args, PAGE_BYTES);
    pgpool_query(e->app->pool, api_org(e->req),
                 e->what == EXPORT_CONTACTS ? Q_EXPORT_CONTACTS_OF : Q_EXPORT_INTERACTIONS_OF,
                 &args, export_on_page, e);
}

static void export_on_ids(void *arg, const struct pgres *res)
{
    struct export *e = arg;
    int n;

    if (!pgres_ok(res)) {
        export_failed(e, res);
        return;
    }
    n = pgres_rows(res);
    e->rule_over = n < PAGE;
    if (n == 0) {
        export_end(e);
        return;
    }
    for (e->n_ids = 0; e->n_ids < n; e->n_ids++)
        e->ids[e->n_ids] = pgres_int(res, e->n_ids, "contact_id");
    e->after = e->ids[n - 1];
    page_of_ids(e);
}

static void next_ids(struct export *e)
{
    struct pgargs args;

    args_begin(e, &args);
    pgargs_int(&args, e->after);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, PAGE);
    for (size_t i = 0; i < e->sql->n_params; i++)
        pgargs_text(&args, e->sql->params[i]);
    pgpool_query_sql(e->app->pool, api_org(e->req), e->sql->text, &args, export_on_ids, e);
}

static void next_plain(struct export *e)
{
    struct pgargs args;

    args_begin(e, &args);
    pgargs_int(&args, e->contact_id);
    if (e->what == EXPORT_INTERACTIONS)
        pgargs_int(&args, e->id);
    pgargs_int(&args, PAGE);
    if (e->what == EXPORT_INTERACTIONS)
        pgargs_int(&args, e->digits);
    pgargs_int(&args, PAGE_BYTES);
    pgpool_query(e->app->pool, api_org(e->req),
                 e->what == EXPORT_CONTACTS ? Q_EXPORT_CONTACTS : Q_EXPORT_INTERACTIONS, &args,
                 export_on_page, e);
}

static void next_page(struct export *e)
{
    if (e->sql == NULL)
        next_plain(e);
    else if (e->n_ids > 0)
        page_of_ids(e);
    else
        next_ids(e);
}

/* --- what is asked ------------------------------------------------------------------------------
 */

static bool export_rule(struct export *e, const struct org *org)
{
    struct rule *rule;
    struct diag d;

    if (e->rule == NULL)
        return true;
    diag_init(&d, e);
    rule = api_rule_read(e, e->rule, NULL, &org->catalogue, &d, NULL);
    if (rule == NULL) {
        http_problem(e->req, 422, &d, "the rule has mistakes");
        return false;
    }
    e->sql = rule_compile_search(e, rule, &org->catalogue);
    return true;
}

static void export_on_org(void *arg, const struct org *org)
{
    struct export *e = arg;
    const char *columns = http_query(e->req, "columns");
    struct diag d;

    if (org == NULL) {
        api_away(e->req);
        return;
    }
    diag_init(&d, e);
    e->digits = org->catalogue.currency_digits;
    e->all = columns == NULL || *columns == '\0';
    if (!export_columns_read(e, columns, e->what, &org->catalogue, &e->columns, &d)) {
        http_problem(e->req, 422, &d, "some columns are not there");
        return;
    }
    if (!export_rule(e, org))
        return;
    buf_init(&e->first, e, PAGE_MAX);
    export_header(&e->first, e->format, &e->columns);
    next_page(e);
}

/* chosen() - which of two words the query says; the first where it says none. */
static bool chosen(struct http_request *req, const char *name, const char *first,
                   const char *second, bool *ret_second)
{
    const char *said = http_query(req, name);

    *ret_second = said != NULL && strcmp(said, second) == 0;
    if (said == NULL || *ret_second || strcmp(said, first) == 0)
        return true;
    http_problem(req, 400, NULL, "\"%s\" is %s or %s", name, first, second);
    return false;
}

void api_export(void *arg, struct http_request *req)
{
    struct export *e = mem_new(http_ctx(req), struct export);
    bool interactions, ndjson;

    e->app = arg;
    e->req = req;
    e->rule = http_query(req, "rule");
    if (!chosen(req, "what", "contacts", "interactions", &interactions) ||
        !chosen(req, "format", "csv", "ndjson", &ndjson))
        return;
    e->what = interactions ? EXPORT_INTERACTIONS : EXPORT_CONTACTS;
    e->format = ndjson ? EXPORT_NDJSON : EXPORT_CSV;
    orgs_get(e->app->orgs, api_org(req), export_on_org, e);
}

/* --- one person ---------------------------------------------------------------------------------
 */

struct person {
    struct app *app;
    struct http_request *req;
    int64_t id;
};

static struct person *person_new(struct app *app, struct http_request *req)
{
    struct person *p = mem_new(http_ctx(req), struct person);

    p->app = app;
    p->req = req;
    return api_id(req, "id", &p->id) ? p : NULL;
}

static void file_on_org(void *arg, const struct org *org)
{
    struct person *p = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(p->req);
        return;
    }
    pgargs_init(&args, p);
    pgargs_int(&args, p->id);
    pgargs_int(&args, org->catalogue.currency_digits);
    pgargs_instant(&args, clock_now_us());
    api_show(p->app, p->req, Q_API_CONTACT_FILE, &args, "contact");
}

void api_contact_file(void *arg, struct http_request *req)
{
    struct person *p = person_new(arg, req);

    if (p != NULL)
        orgs_get(p->app->orgs, api_org(req), file_on_org, p);
}

static void vcard_on_result(void *arg, const struct pgres *res)
{
    struct person *p = arg;
    json_t *contact;
    struct buf out;

    if (api_failed(p->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_not_found(p->app, p->req, "contact");
        return;
    }
    contact = mem_must(json_loads(pgres_text(res, 0, "body"), 0, NULL));
    buf_init(&out, p, CARD_MAX);
    export_vcard(&out, contact);
    json_decref(contact);
    http_answer_text(p->req, 200, "text/vcard; charset=utf-8", out.data, out.len);
    buf_done(&out);
}

void api_contact_vcard(void *arg, struct http_request *req)
{
    struct person *p = person_new(arg, req);
    struct pgargs args;

    if (p == NULL)
        return;
    pgargs_init(&args, p);
    pgargs_int(&args, p->id);
    pgpool_query(p->app->pool, api_org(req), Q_API_CONTACT_SHOW, &args, vcard_on_result, p);
}
