/* Reading bodies and answering results, without HTTP and without a database: both are faked here,
 * so that the linker leaves the real ones out. */
#include "common/mem.h"
#include "daemon/http/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- the fakes
 * -----------------------------------------------------------------------------------------------
 */

struct http_request {
    void *ctx;
    const char *type, *body, *after, *id;
    int status; /* of the answer; 0: none was given */
    char *text; /* of the answer */
    const char *retry_after, *etag, *match, *none;
    struct http_caller caller;
};

struct pgres {
    bool ok, lost;
    const char *sqlstate, *constraint;
    int rows;
    const char *cursors[5], *items[5];
    int status;
    const char *body;
};

const void *http_ctx(const struct http_request *r)
{
    return r->ctx;
}
const struct http_caller *http_caller(const struct http_request *r)
{
    return &r->caller;
}
const char *http_path(const struct http_request *r)
{
    (void)r;
    return "/v1/test";
}
const char *http_param(const struct http_request *r, const char *name)
{
    return strcmp(name, "id") == 0 ? r->id : NULL;
}
const char *http_query(const struct http_request *r, const char *name)
{
    return strcmp(name, "after") == 0 ? r->after : NULL;
}
const char *http_header(const struct http_request *r, const char *name)
{
    return strcmp(name, "Content-Type") == 0 ? r->type : NULL;
}
const char *http_body(const struct http_request *r, size_t *ret_n)
{
    *ret_n = strlen(r->body);
    return r->body;
}
static int release(json_t **value)
{
    json_decref(*value);
    return 0;
}
json_t *http_json(struct http_request *r)
{
    json_t **holder = mem_new(r->ctx, json_t *);

    *holder = json_loads(r->body, 0, NULL);
    talloc_set_destructor(holder, release);
    return *holder;
}
static void answered(struct http_request *r, int status, const char *text, size_t n)
{
    assert_int_equal(r->status, 0); /* exactly one answer a request */
    r->status = status;
    r->text = mem_strndup(r->ctx, text, n);
}
void http_answer_json(struct http_request *r, int status, const char *json, size_t n)
{
    answered(r, status, json, n);
}
void http_answer_empty(struct http_request *r, int status)
{
    answered(r, status, "", 0);
}
void http_set_header(struct http_request *r, const char *name, const char *value)
{
    if (strcmp(name, "ETag") == 0) {
        r->etag = value;
    } else {
        assert_string_equal(name, "Retry-After");
        r->retry_after = value;
    }
}
void http_condition(const struct http_request *r, const char **ret_match, const char **ret_none)
{
    *ret_match = r->match;
    *ret_none = r->none;
}
enum http_method http_method(const struct http_request *r)
{
    (void)r;
    return HTTP_GET;
}
/* The answer's text is "POINTER DETAIL" of each mistake, or the detail where there are none. */
void http_problem(struct http_request *r, int status, const struct diag *d, const char *format, ...)
{
    char *text = mem_strdup(r->ctx, "");
    va_list ap;

    va_start(ap, format);
    if (d == NULL)
        text = talloc_vasprintf(r->ctx, format, ap);
    va_end(ap);
    for (size_t i = 0; d != NULL && i < d->n; i++)
        text = mem_printf(r->ctx, "%s%s %s\n", text,
                          d->items[i].pointer == NULL ? "-" : d->items[i].pointer,
                          d->items[i].message);
    answered(r, status, text, strlen(text));
}
bool pgres_ok(const struct pgres *p)
{
    return p->ok;
}
bool pgres_has(const struct pgres *p, const char *column)
{
    (void)p;
    assert_string_equal(column, "etag");
    return false;
}
bool pgres_lost(const struct pgres *p)
{
    return p->lost;
}
const char *pgres_sqlstate(const struct pgres *p)
{
    return p->sqlstate;
}
const char *pgres_message(const struct pgres *p)
{
    (void)p;
    return "what the server says";
}
const char *pgres_constraint(const struct pgres *p)
{
    return p->constraint;
}
int pgres_rows(const struct pgres *p)
{
    return p->rows;
}
const char *pgres_text(const struct pgres *p, int row, const char *column)
{
    if (strcmp(column, "body") == 0)
        return p->body;
    return strcmp(column, "cursor") == 0 ? p->cursors[row] : p->items[row];
}
bool pgres_null(const struct pgres *p, int row, const char *column)
{
    return pgres_text(p, row, column) == NULL;
}
int64_t pgres_int(const struct pgres *p, int row, const char *column)
{
    assert_int_equal(row, 0);
    assert_string_equal(column, "status");
    return p->status;
}
void pgpool_query(struct pgpool *pool, int64_t org_id, enum query q, const struct pgargs *args,
                  pgres_fn *fn, void *arg)
{
    (void)pool;
    (void)org_id;
    (void)q;
    (void)args;
    fn(arg, NULL);
    fail();
}
void pgpool_query_as(struct pgpool *pool, int64_t org_id, const struct pgact *act, enum query q,
                     const struct pgargs *args, pgres_fn *fn, void *arg)
{
    (void)act;
    pgpool_query(pool, org_id, q, args, fn, arg);
}
static struct catalogue_name topics[] = {{"news", 1}, {"events", 2}};
void orgs_get(struct orgs *orgs, int64_t org_id, org_fn *fn, void *arg)
{
    struct org org = {.catalogue = {.topics = topics, .n_topics = 2}};

    assert_int_equal(org_id, 7);
    fn(arg, orgs == NULL ? &org : NULL);
}
static int defined;
void api_contact_absent(struct app *app, struct http_request *req)
{
    (void)app;
    http_problem(req, 404, NULL, "there is no such contact");
}

void api_absent(struct app *app, struct http_request *req, const char *why)
{
    (void)app;
    http_problem(req, 404, NULL, "%s", why);
}

void app_defined(struct app *app, int64_t org_id)
{
    (void)app;
    assert_int_equal(org_id, 7);
    defined++;
}

static struct http_request request(void *ctx, const char *body)
{
    return (struct http_request){.ctx = ctx, .body = body, .caller = {.org_id = 7}};
}

/* --- bodies
 * --------------------------------------------------------------------------------------------------
 */

static const char *const known[] = {"name", "count", "on", "list", "object", NULL};

static void test_readers(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request r = request(
        ctx, "{\"name\": \"n\", \"count\": 3, \"on\": true, \"list\": [1], \"object\": {}}");
    struct api_body b;

    (void)state;
    assert_true(api_body_read(&b, &r, known));
    assert_string_equal(api_body_text(&b, "name", 10), "n");
    assert_string_equal(api_body_need(&b, "name", 10), "n");
    assert_int_equal(api_body_int(&b, "count", 1, 5, 4), 3);
    assert_true(api_body_bool(&b, "on", false));
    assert_int_equal(json_array_size(api_body_array(&b, "list")), 1);
    assert_non_null(api_body_object(&b, "object"));
    assert_true(api_body_ok(&b));
    assert_int_equal(r.status, 0);
}

static void test_absent(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request r = request(ctx, "{\"name\": null, \"count\": null}");
    struct api_body b;

    (void)state;
    assert_true(api_body_read(&b, &r, known));
    assert_null(api_body_text(&b, "name", 10));
    assert_int_equal(api_body_int(&b, "count", 1, 5, 4), 4);
    assert_true(api_body_bool(&b, "on", true));
    assert_null(api_body_array(&b, "list"));
    assert_null(api_body_object(&b, "object"));
    assert_true(api_body_ok(&b));
    assert_null(api_body_need(&b, "name", 10));
    assert_false(api_body_ok(&b));
    assert_int_equal(r.status, 422);
    assert_string_equal(r.text, "/name this is missing\n");
}

static void test_mistakes(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request r = request(
        ctx, "{\"name\": \"too long\", \"count\": 9, \"on\": 1, \"list\": {}, \"object\": []}");
    struct api_body b;

    (void)state;
    assert_true(api_body_read(&b, &r, known));
    assert_null(api_body_text(&b, "name", 3));
    assert_int_equal(api_body_int(&b, "count", 1, 5, 4), 4);
    api_body_bool(&b, "on", true);
    assert_null(api_body_array(&b, "list"));
    assert_null(api_body_object(&b, "object"));
    assert_false(api_body_ok(&b));
    assert_string_equal(r.text, "/name this is longer than 3 bytes\n"
                                "/count this must be a whole number from 1 to 5\n"
                                "/on this must be true or false\n"
                                "/list this must be a list\n"
                                "/object this must be an object\n");
}

static void test_unknown_fields(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request r = request(ctx, "{\"nmae\": 1, \"a/b~c\": 2}");
    struct api_body b;

    (void)state;
    assert_true(api_body_read(&b, &r, known));
    assert_false(api_body_ok(&b));
    assert_string_equal(r.text, "/nmae this field is not known; did you mean \"name\"?\n"
                                "/a~1b~0c this field is not known\n");
}

static void test_no_object(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request r = request(ctx, "[]");
    struct api_body b;

    (void)state;
    assert_false(api_body_read(&b, &r, known));
    assert_int_equal(r.status, 422);
}

static void test_yaml(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request good = request(ctx, "name: n\ncount: 2\n");
    struct http_request bad = request(ctx, "name: [\n");
    struct api_body b;

    (void)state;
    good.type = bad.type = "application/yaml; charset=utf-8";
    assert_true(api_body_read(&b, &good, known));
    assert_string_equal(api_body_text(&b, "name", 10), "n");
    assert_int_equal(api_body_int(&b, "count", 1, 5, 4), 2);
    assert_true(api_body_ok(&b));
    assert_false(api_body_read(&b, &bad, known));
    assert_int_equal(bad.status, 400);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool plain, title;
    } cases[] = {
        {"news", true, true},   {"a-b_9", true, true},     {"9", true, true},
        {"", false, false},     {"-a", false, true},       {"A", false, true},
        {"a b", false, true},   {"a/b", false, false},     {"a\nb", false, false},
        {"\x7f", false, false}, {"\xc3\xb1", false, true}, {"\xff", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct http_request r = request(ctx, "{}");
        struct api_body b;

        assert_true(api_body_read(&b, &r, known));
        assert_int_equal(api_body_name(&b, "/name", cases[i].name), cases[i].plain);
        assert_int_equal(api_body_title(&b, "/name", cases[i].name), cases[i].title);
        assert_int_equal(b.mistakes.n, !cases[i].plain + !cases[i].title);
    }
}

/* A name's length counts in characters where it is a title: a hundred of four bytes each fit. */
static void test_long_names(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct http_request r = request(ctx, "{}");
    struct api_body b;
    char title[405] = "", plain[65];

    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(title, "\xf0\x9f\x8e\x82");
    memset(plain, 'a', 64);
    plain[64] = '\0';
    assert_true(api_body_read(&b, &r, known));
    assert_true(api_body_title(&b, "/name", title));
    strcat(title, "a");
    assert_false(api_body_title(&b, "/name", title));
    assert_true(api_body_name(&b, "/name", plain + 1));
    assert_false(api_body_name(&b, "/name", plain));
}

static void test_ids(void **state)
{
    static const struct {
        const char *text;
        bool fits;
    } cases[] = {{"0", true},
                 {"12", true},
                 {"9223372036854775807", true},
                 {"9223372036854775808", false},
                 {"-1", false},
                 {"", false},
                 {"1x", false},
                 {" 1", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct http_request r = request(ctx, "{}");
        int64_t id = -1;

        r.id = cases[i].text;
        assert_int_equal(api_id(&r, "id", &id), cases[i].fits);
        assert_int_equal(r.status, cases[i].fits ? 0 : 404);
        r.status = 0;
        r.after = cases[i].text;
        assert_int_equal(api_after(&r, &id), cases[i].fits);
        assert_int_equal(r.status, cases[i].fits ? 0 : 400);
    }
}

/* --- answers
 * -------------------------------------------------------------------------------------------------
 */

static void test_failures(void **state)
{
    static const struct {
        struct pgres res;
        int status; /* 0: it is no failure */
    } cases[] = {
        {{.ok = true}, 0},
        {{.lost = true, .sqlstate = ""}, 503},
        {{.sqlstate = "40P01"}, 503},
        {{.sqlstate = "57014"}, 503},
        {{.sqlstate = "55P03"}, 503},
        {{.sqlstate = "53300"}, 503},
        {{.sqlstate = "23505", .constraint = "segment_org_id_name_key"}, 409},
        {{.sqlstate = "23503", .constraint = "campaign_topic_id_fkey"}, 409},
        {{.sqlstate = "23514", .constraint = "some_check"}, 422},
        {{.sqlstate = "22P02"}, 422},
        {{.sqlstate = "42P01"}, 500},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct http_request r = request(ctx, "{}");

        assert_int_equal(api_failed(&r, &cases[i].res), cases[i].status != 0);
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(r.retry_after != NULL, cases[i].status == 503);
    }
}

static void test_list(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct pgres res = {
        .ok = true, .rows = 3, .cursors = {"a", "b\"", "c"}, .items = {"1", "2", "3"}};
    struct http_request r = request(ctx, "{}");

    (void)state;
    api_answer_list(&r, &res, 2);
    assert_string_equal(r.text, "{\"items\": [\n1,\n2], \"next\": \"b\\\"\"}");
    r.status = 0;
    api_answer_list(&r, &res, 3);
    assert_string_equal(r.text, "{\"items\": [\n1,\n2,\n3], \"next\": null}");
    r.status = 0;
    res = (struct pgres){.ok = true, .rows = 1};
    api_answer_list(&r, &res, 3);
    assert_string_equal(r.text, "{\"items\": [], \"next\": null}");
}

static void test_changes(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct pgres res = {.ok = true, .rows = 1, .status = 201, .body = "{}"};
    struct app app = {0};
    struct http_request r = request(ctx, "{}");

    (void)state;
    defined = 0;
    api_answer_change(&app, &r, &res, "topic");
    assert_int_equal(r.status, 201);
    assert_int_equal(defined, 1);
    r.status = 0;
    res.status = 204;
    api_answer_change(&app, &r, &res, "topic");
    assert_int_equal(r.status, 204);
    assert_int_equal(defined, 2);
    r.status = 0;
    res.status = 409;
    res.body = "it is %s";
    api_answer_change(&app, &r, &res, "topic");
    assert_int_equal(r.status, 409);
    assert_string_equal(r.text, "it is %s");
    assert_int_equal(defined, 2);
}

/* --- conditions
 * -------------------------------------------------------------------------------------------- */

/* What the database is told of If-Match and If-None-Match. */
static void test_conditions(void **state)
{
    static const struct {
        const char *match, *none, *guard;
    } cases[] = {
        {NULL, NULL, NULL},
        {"\"a-1\"", NULL, "[\"a-1\"]"},
        {" \"a-1\" ,\t\"b\",W/\"c\",\"\"", NULL, "[\"a-1\",\"b\",\"\"]"},
        {"*", NULL, "\"*\""},
        {"", NULL, "[]"},
        {"a-1", NULL, "[]"},
        {"\"a-1", NULL, "[]"},
        {"\"a\" b", NULL, "[\"a\"]"},
        {NULL, " * ", "\"*\""},
        {NULL, "W/\"c\"", "[\"c\"]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct http_request r = request(ctx, "{}");
        struct pgact act;
        const char *expected;

        r.id = "5";
        r.match = cases[i].match;
        r.none = cases[i].none;
        r.caller.token_id = 9;
        act = api_act(&r, "task");
        assert_string_equal(act.actor, "token:9");
        expected = cases[i].guard == NULL
                       ? NULL
                       : mem_printf(ctx, "{\"what\":\"task\",\"name\":\"5\",\"%s\":%s}",
                                    r.match != NULL ? "match" : "none", cases[i].guard);
        if (expected == NULL)
            assert_null(act.guard);
        else
            assert_string_equal(act.guard, expected);
    }
}

static void test_unchanged(void **state)
{
    static const struct {
        const char *none;
        bool unchanged;
    } cases[] = {{NULL, false},          {"\"a\"", true}, {"W/\"a\"", true},
                 {"\"b\", \"a\"", true}, {"*", true},     {"\"b\"", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct http_request r = request(ctx, "");

        r.none = cases[i].none;
        assert_int_equal(api_unchanged(&r, "a"), cases[i].unchanged);
        assert_string_equal(r.etag, "\"a\"");
        assert_int_equal(r.status, cases[i].unchanged ? 304 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),   cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_unchanged), cmocka_unit_test(test_absent),
        cmocka_unit_test(test_mistakes),  cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_no_object), cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_ids),       cmocka_unit_test(test_failures),
        cmocka_unit_test(test_list),      cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
