/* api_admin.c - the routes of what an administrator keeps, and /v1/tokens. A token's secret is made
 * here, shown in this one answer and kept nowhere: the database has its SHA-256. */
#include "daemon/http/api_admin.h"

#include "common/clock.h"
#include "common/mem.h"

#include <sodium.h>
#include <string.h>

#define TOKEN_BYTES 32

const char *api_role(struct api_body *b, const char *name)
{
    static const char *const roles[] = {"reader", "recorder", "editor", "owner"};
    const char *role = api_body_text(b, name, 20);

    for (size_t i = 0; role != NULL && i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(role, roles[i]) == 0)
            return role;
    if (role != NULL)
        diag_field(&b->mistakes, mem_printf(http_ctx(b->req), "/%s", name),
                   "this must be reader, recorder, editor or owner");
    return NULL;
}

void api_arg_id(struct api_body *b, const char *name, struct pgargs *args)
{
    int64_t id = api_body_int(b, name, 1, INT64_MAX, 0);

    if (id > 0)
        pgargs_int(args, id);
    else
        pgargs_text(args, NULL);
}

bool api_query_int(struct http_request *req, const char *name, struct pgargs *args)
{
    int64_t value;

    if (http_query(req, name) == NULL) {
        pgargs_text(args, NULL);
        return true;
    }
    if (!http_query_int(req, name, &value)) {
        http_problem(req, 400, NULL, "\"%s\" must be a number", name);
        return false;
    }
    pgargs_int(args, value);
    return true;
}

/* --- tokens
 * --------------------------------------------------------------------------------------- */

static void tokens_list(void *arg, struct http_request *req)
{
    struct pgargs args;
    int limit;

    if (!api_page_args(req, &args, &limit))
        return;
    if (api_query_int(req, "user", &args))
        api_list(arg, req, Q_API_TOKEN_LIST, &args, limit, NULL);
}

struct making {
    struct app *app;
    struct http_request *req;
    char *token;
};

static void token_on_made(void *arg, const struct pgres *res)
{
    struct making *m = arg;
    json_t *body;

    if (!pgres_ok(res) || pgres_int(res, 0, "status") != 201) {
        api_answer_change(m->app, m->req, res, "token");
        return;
    }
    body = mem_must(json_loads(pgres_text(res, 0, "body"), 0, NULL));
    json_object_set_new(body, "token", json_string(m->token));
    http_answer_value(m->req, 201, body);
    sodium_memzero(m->token, strlen(m->token));
}

static char *secret_new(const void *ctx)
{
    unsigned char bytes[TOKEN_BYTES];
    char base64[sodium_base64_ENCODED_LEN(TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(base64, sizeof base64, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return mem_printf(ctx, "lazo_%s", base64);
}

static void token_create(void *arg, struct http_request *req)
{
    static const char *const known[] = {"name", "role", "user", NULL};
    struct making *m = mem_new(http_ctx(req), struct making);
    unsigned char hash[crypto_hash_sha256_BYTES];
    struct api_body b;
    struct pgargs args;
    struct pgact act;
    const char *name, *role;

    if (!api_body_read(&b, req, known))
        return;
    *m = (struct making){.app = arg, .req = req, .token = secret_new(m)};
    crypto_hash_sha256(hash, (const unsigned char *)m->token, strlen(m->token));
    name = api_body_need(&b, "name", 400);
    api_body_title(&b, "/name", name);
    api_body_need(&b, "role", 20);
    role = api_role(&b, "role");
    pgargs_init(&args, m);
    pgargs_text(&args, name);
    pgargs_text(&args, role);
    api_arg_id(&b, "user", &args);
    pgargs_bytea(&args, hash, sizeof hash);
    pgargs_instant(&args, clock_now_us());
    act = api_act(req, "token");
    if (api_body_ok(&b))
        pgpool_query_as(m->app->pool, api_org(req), &act, Q_API_TOKEN_CREATE, &args, token_on_made,
                        m);
}

static void token_delete(void *arg, struct http_request *req)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_change(arg, req, Q_API_TOKEN_DELETE, &args, "token");
}

const struct http_route api_admin_routes[] = {
    {HTTP_GET, "/v1/tokens", "owner", tokens_list, "limit after user"},
    {HTTP_POST, "/v1/tokens", "owner", token_create, NULL},
    {HTTP_DELETE, "/v1/tokens/{id}", "owner", token_delete, NULL},
    {HTTP_GET, "/v1/users", "owner", api_users_list, "limit after"},
    {HTTP_POST, "/v1/users", "owner", api_user_create, NULL},
    {HTTP_GET, "/v1/users/{id}", "owner", api_user_show, NULL},
    {HTTP_PATCH, "/v1/users/{id}", "owner", api_user_patch, NULL},
    {HTTP_DELETE, "/v1/users/{id}", "owner", api_user_delete, NULL},
    {HTTP_GET, "/v1/audit", "owner", api_audit_list, "limit after what name token action from to"},
    {HTTP_GET, "/v1/audit/export", "owner", api_audit_export,
     "format what name token action from to"},
    {HTTP_GET, "/v1/tags", "reader", api_tags_list, "limit after"},
    {HTTP_PATCH, "/v1/tags/{tag}", "editor", api_tag_rename, NULL},
    {HTTP_DELETE, "/v1/tags/{tag}", "editor", api_tag_delete, NULL},
    {HTTP_GET, "/v1/tasks", "reader", api_tasks_list, "limit after state user contact due"},
    {HTTP_POST, "/v1/tasks", "recorder", api_task_create, NULL},
    {HTTP_GET, "/v1/tasks/{id}", "reader", api_task_show, NULL},
    {HTTP_PATCH, "/v1/tasks/{id}", "recorder", api_task_patch, NULL},
    {HTTP_DELETE, "/v1/tasks/{id}", "editor", api_task_delete, NULL},
    {0, NULL, NULL, NULL, NULL},
};
