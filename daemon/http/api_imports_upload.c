/* api_imports_upload.c - the file of an import comes in: as it is sent, in constant memory, whole
 * or piece by piece. When all of it is there it is looked at, and what it seems to be is answered.
 */
#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/http/api.h"
#include "daemon/http/api_record.h"
#include "daemon/import/import_look.h"
#include "daemon/record/record_parse.h"

#include <inttypes.h>
#include <string.h>

#define PIECE      ((size_t)256 << 10)
#define NAME_BYTES 200

/* The body is stored piece by piece while it comes; its sender waits while one is stored. */
struct upload {
    struct app *app;
    struct http_request *req;
    int64_t id, at,
        size;         /* id 0: it is being made; where the next piece begins; of the whole file */
    bool open;        /* how long it is is not known before its end */
    struct buf piece; /* what is not stored yet */
    bool storing, held, ended, whole, failed;
};

static void upload_store(struct upload *u);

static void upload_on_looked(void *arg, bool ok)
{
    struct upload *u = arg;
    struct pgargs args;

    if (!ok) {
        api_away(u->req);
        return;
    }
    pgargs_init(&args, u);
    pgargs_int(&args, u->id);
    api_show(u->app, u->req, Q_IMPORT_SHOW, &args, "import");
}

static void upload_on_org(void *arg, const struct org *org)
{
    struct upload *u = arg;

    if (org == NULL)
        api_away(u->req);
    else
        import_look(u, u->app->pool, api_org(u->req), u->id, org->catalogue.time_zone,
                    upload_on_looked, u);
}

/* Behind the last piece of the file, a look at it. */
static void upload_show(struct upload *u)
{
    if (u->at == u->size)
        orgs_get(u->app->orgs, api_org(u->req), upload_on_org, u);
    else
        upload_on_looked(u, true);
}

static void upload_on_sized(void *arg, const struct pgres *res)
{
    struct upload *u = arg;

    if (api_failed(u->req, res))
        return;
    u->size = u->at;
    upload_show(u);
}

/* The body is over, and all of it stored. */
static void upload_end(struct upload *u)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    if (!u->whole) {
        http_problem(u->req, 400, NULL, "the body ended early; %" PRId64 " bytes are there", u->at);
        return;
    }
    if (!u->open) {
        upload_show(u);
        return;
    }
    pgargs_init(&args, scratch);
    pgargs_int(&args, u->id);
    pgpool_query(u->app->pool, api_org(u->req), Q_IMPORT_SIZED, &args, upload_on_sized, u);
}

static void upload_go_on(struct upload *u)
{
    if (u->failed || u->storing || u->id == 0)
        return;
    if (u->piece.len == PIECE || (u->ended && u->piece.len > 0))
        upload_store(u);
    else if (u->ended)
        upload_end(u);
}

/* There is room again: the sender goes on. Not to be called while a piece is taken. */
static void upload_release(struct upload *u)
{
    bool held = u->held;

    u->held = false;
    if (held && (u->failed || u->piece.len < PIECE))
        http_more(u->req);
}

/* False, and answered, where the piece was not taken. */
static bool piece_taken(struct upload *u, const struct pgres *res)
{
    if (api_failed(u->req, res))
        return false;
    if (pgres_rows(res) == 0) {
        http_problem(u->req, 404, NULL, "there is no such upload under way");
        return false;
    }
    u->size = pgres_int(res, 0, "size");
    if (pgres_bool(res, 0, "added"))
        return true;
    if (pgres_int(res, 0, "received") == u->at)
        http_problem(u->req, 413, NULL, "the file may have %" PRId64 " bytes", u->size);
    else
        http_problem(u->req, 409, NULL,
                     "%" PRId64 " bytes were received: the next piece begins there",
                     pgres_int(res, 0, "received"));
    return false;
}

static void upload_on_piece(void *arg, const struct pgres *res)
{
    struct upload *u = arg;

    u->storing = false;
    u->failed = !piece_taken(u, res);
    if (!u->failed) {
        u->at = pgres_int(res, 0, "received");
        http_advanced(u->req);
        upload_go_on(u);
    }
    upload_release(u);
}

static void upload_store(struct upload *u)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    u->storing = true;
    pgargs_init(&args, scratch);
    pgargs_int(&args, u->id);
    pgargs_int(&args, u->at);
    pgargs_bytea(&args, u->piece.data, u->piece.len);
    buf_reset(&u->piece);
    pgpool_query(u->app->pool, api_org(u->req), Q_IMPORT_PIECE_ADD, &args, upload_on_piece, u);
}

static size_t upload_take(void *arg, const char *bytes, size_t n)
{
    struct upload *u = arg;
    size_t room = PIECE - u->piece.len;

    if (u->failed)
        return n;
    if (n > room) {
        u->held = true;
        n = room;
    }
    buf_add(&u->piece, bytes, n);
    upload_go_on(u);
    return n;
}

static void upload_on_ended(void *arg, bool whole)
{
    struct upload *u = arg;

    u->ended = true;
    u->whole = whole;
    u->held = false;
    upload_go_on(u);
}

static struct upload *upload_new(struct app *app, struct http_request *req)
{
    struct upload *u = mem_new(http_ctx(req), struct upload);

    u->app = app;
    u->req = req;
    buf_init(&u->piece, u, PIECE);
    return u;
}

static void upload_begin(struct upload *u)
{
    struct http_taker taker = {.piece = upload_take, .ended = upload_on_ended, .arg = u};

    http_take(u->req, &taker);
}

static void upload_on_created(void *arg, const struct pgres *res)
{
    struct upload *u = arg;

    u->failed = api_failed(u->req, res);
    if (!u->failed) {
        u->id = pgres_int(res, 0, "id");
        http_set_header(u->req, "Location", mem_printf(u, "/v1/imports/%" PRId64, u->id));
        upload_go_on(u);
    }
    upload_release(u);
}

/* "size" of the query, or the body's; what comes in chunks shows its size at its end. False where
 * it was answered. */
static bool upload_size(struct upload *u)
{
    int64_t most = settings_int(u->app->settings, "limits.import_size"), length = 0;
    const char *header = http_header(u->req, "Content-Length");

    if (header != NULL && !text_int(header, &length))
        length = 0;
    u->size = header != NULL ? length : most;
    u->open = header == NULL && http_query(u->req, "size") == NULL;
    if (http_query(u->req, "size") != NULL &&
        (!http_query_int(u->req, "size", &u->size) || u->size < length)) {
        http_problem(u->req, 400, NULL, "\"size\" is how many bytes the whole file has");
        return false;
    }
    if (u->size > most) {
        http_problem(u->req, 413, NULL, "a file may have %" PRId64 " bytes", most);
        return false;
    }
    return true;
}

void api_import_post(void *arg, struct http_request *req)
{
    struct upload *u = upload_new(arg, req);
    const char *name = http_query(req, "name");
    struct pgact who = api_act(req, "import");
    struct pgargs args;

    if (!upload_size(u))
        return;
    if (name != NULL && (strlen(name) > NAME_BYTES || *name == '\0' || parse_has_control(name))) {
        http_problem(req, 400, NULL, "\"name\" has 1 to %d bytes and no control characters",
                     NAME_BYTES);
        return;
    }
    pgargs_init(&args, u);
    pgargs_text(&args, name != NULL ? name : "import.csv");
    pgargs_int(&args, u->size);
    pgargs_instant(&args, clock_now_us());
    pgargs_text(&args, api_by(u, req));
    pgpool_query_as(u->app->pool, api_org(req), &who, Q_IMPORT_CREATE, &args, upload_on_created, u);
    upload_begin(u);
}

static void upload_on_shown(void *arg, const struct pgres *res)
{
    struct upload *u = arg;

    u->failed = api_failed(u->req, res) || pgres_rows(res) == 0;
    if (!u->failed) {
        u->id = pgres_int(res, 0, "id");
        u->size = pgres_int(res, 0, "size");
        upload_go_on(u);
    } else if (pgres_ok(res)) {
        http_problem(u->req, 404, NULL, "there is no such upload under way");
    }
    upload_release(u);
}

void api_import_piece_post(void *arg, struct http_request *req)
{
    struct upload *u = upload_new(arg, req);
    struct pgargs args;
    int64_t id;

    if (!api_id(req, "id", &id))
        return;
    if (!http_query_int(req, "offset", &u->at) || u->at < 0) {
        http_problem(req, 400, NULL, "\"offset\" is where in the file the piece begins");
        return;
    }
    pgargs_init(&args, u);
    pgargs_int(&args, id);
    pgpool_query(u->app->pool, api_org(req), Q_IMPORT_UPLOADING, &args, upload_on_shown, u);
    upload_begin(u);
}

bool api_imports_stream(const struct http_request *req)
{
    const char *path = http_path(req);

    return http_method(req) == HTTP_POST &&
           (strcmp(path, "/v1/imports") == 0 || text_ends(path, "/pieces"));
}
