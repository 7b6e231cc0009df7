/* api_admin_audit.c - /v1/audit: who did what to which definition or contact, written by the
 * database's triggers (schema/README.md). As a page, newest first, or as a file, streamed. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/export/export.h"
#include "daemon/http/api_admin.h"

#include <string.h>

#define PAGE     500
#define PAGE_MAX ((size_t)16 << 20)

static bool filter_instant(struct http_request *req, const char *name, struct pgargs *args)
{
    const char *said = http_query(req, name);
    int64_t at_us;

    if (said != NULL && !clock_parse(said, &at_us)) {
        http_problem(req, 400, NULL, "\"%s\" must be an instant like 2027-03-08T09:00:00Z", name);
        return false;
    }
    if (said == NULL)
        pgargs_text(args, NULL);
    else
        pgargs_instant(args, at_us);
    return true;
}

/* asked() - the statement for what the query asks for, and its parameters: the page before the id
 * `before`. False where that was answered. */
static bool asked(struct http_request *req, int64_t before, int limit, enum query *ret,
                  struct pgargs *args)
{
    static const char *const filters[] = {"what", "name", "token", "action", "from", "to"};
    bool all = true;

    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        all = all && http_query(req, filters[i]) == NULL;
    pgargs_int(args, before);
    pgargs_int(args, limit);
    *ret = Q_API_AUDIT_LIST;
    if (all)
        return true;
    *ret = http_query(req, "what") != NULL && http_query(req, "name") != NULL ? Q_API_AUDIT_OF
                                                                              : Q_API_AUDIT_SOME;
    pgargs_text(args, http_query(req, "what"));
    pgargs_text(args, http_query(req, "name"));
    if (!api_query_int(req, "token", args))
        return false;
    pgargs_text(args, http_query(req, "action"));
    return filter_instant(req, "from", args) && filter_instant(req, "to", args);
}

void api_audit_list(void *app, struct http_request *req)
{
    struct pgargs args;
    int64_t after;
    enum query q;
    int limit;

    if (!http_limit(req, &limit) || !api_after(req, &after))
        return;
    pgargs_init(&args, http_ctx(req));
    if (asked(req, after > 0 ? after : INT64_MAX, limit + 1, &q, &args))
        api_list(app, req, q, &args, limit, NULL);
}

/* --- as a file
 * ------------------------------------------------------------------------------------ */

struct audit_file {
    struct app *app;
    struct http_request *req;
    enum export_format format;
    bool begun;
    int64_t before;
    void *asking; /* what the statement under way was given */
};

static const char *names[] = {"id",   "at",   "by",     "token", "user",
                              "what", "name", "action", "detail"};
static const struct export_columns columns = {sizeof(names) / sizeof(names[0]), names};

static void file_on_page(void *arg, const struct pgres *res)
{
    struct audit_file *f = arg;
    int n = pgres_rows(res);
    struct buf out;

    if (!pgres_ok(res) || n == 0) {
        http_stream_end(f->req, pgres_ok(res));
        return;
    }
    buf_init(&out, NULL, PAGE_MAX);
    for (int row = 0; row < n; row++) {
        json_t *document = mem_must(json_loads(pgres_text(res, row, "item"), 0, NULL));

        export_row(&out, f->format, &columns, true, document);
        json_decref(document);
    }
    f->before = pgres_int(res, n - 1, "cursor");
    if (buf_full(&out))
        http_stream_end(f->req, false);
    else
        http_stream_add(f->req, out.data, out.len);
    buf_done(&out);
}

static void file_more(void *arg)
{
    struct audit_file *f = arg;
    struct buf header;
    struct pgargs args;
    enum query q;

    if (!f->begun && f->format == EXPORT_CSV) {
        f->begun = true;
        buf_init(&header, NULL, PAGE_MAX);
        export_header(&header, f->format, &columns);
        http_stream_add(f->req, header.data, header.len);
        buf_done(&header);
        return;
    }
    talloc_free(f->asking);
    f->asking = mem_must(talloc_new(f));
    pgargs_init(&args, f->asking);
    if (asked(f->req, f->before, PAGE, &q, &args))
        pgpool_query(f->app->pool, api_org(f->req), q, &args, file_on_page, f);
}

void api_audit_export(void *app, struct http_request *req)
{
    struct audit_file *f = mem_new(http_ctx(req), struct audit_file);
    const char *format = http_query(req, "format");
    bool csv = format == NULL || strcmp(format, "csv") == 0;
    struct pgargs args;
    enum query q;

    f->app = app;
    f->before = INT64_MAX;
    f->req = req;
    f->format = csv ? EXPORT_CSV : EXPORT_NDJSON;
    pgargs_init(&args, f);
    if (!asked(req, f->before, PAGE, &q, &args))
        return;
    if (!csv && strcmp(format, "ndjson") != 0) {
        http_problem(req, 400, NULL, "\"format\" is csv or ndjson");
        return;
    }
    http_set_header(req, "Content-Disposition",
                    mem_printf(f, "attachment; filename=\"audit.%s\"", csv ? "csv" : "ndjson"));
    http_answer_stream(req, 200, csv ? "text/csv; charset=utf-8" : "application/x-ndjson",
                       file_more, f);
}
