/* Paths, queries, routes and forms: what is taken apart and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "daemon/http/http_form.h"
#include "daemon/http/http_uri.h"

#include <string.h>

static void on_request(void *arg, struct http_request *req)
{
    (void)arg;
    (void)req;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/contacts", "reader", on_request, "rule q"},
    {HTTP_POST, "/v1/contacts", "recorder", on_request, NULL},
    {HTTP_GET, "/v1/contacts/{id}", "reader", on_request, NULL},
    {HTTP_DELETE, "/v1/contacts/{id}", "editor", on_request, NULL},
    {HTTP_POST, "/v1/contacts/merge", "editor", on_request, NULL},
    {HTTP_GET, "/v1/{sort}/merge", "editor", on_request, NULL},
    {HTTP_PUT, "/v1/segments/{name}/members/{contact}", "editor", on_request, NULL},
    {HTTP_GET, "/u", NULL, on_request, NULL},
    {HTTP_GET, NULL, NULL, NULL, NULL}};

static int setup(void **state)
{
    *state = talloc_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    talloc_free(*state);
    return 0;
}

static void paths_are_decoded_by_segment(void **state)
{
    struct http_uri uri;

    assert_true(http_uri_parse(*state, "/v1/segments/a%2Fb%20c/members/%C3%B1", &uri));
    assert_int_equal(uri.n_segments, 5);
    assert_string_equal(uri.segments[2], "a/b c");
    assert_string_equal(uri.segments[4], "\xc3\xb1");
    assert_string_equal(uri.path, "/v1/segments/a%2Fb%20c/members/%C3%B1");
    assert_true(http_uri_parse(*state, "/", &uri));
    assert_int_equal(uri.n_segments, 1);
    /* A plus sign is itself in a path. */
    assert_true(http_uri_parse(*state, "/a+b?q=a+b%2B&q=2&empty=&bare&&rule=x%0Ay", &uri));
    assert_string_equal(uri.segments[0], "a+b");
    assert_string_equal(http_pairs_find(&uri.query, "q"), "a b+");
    assert_string_equal(http_pairs_find(&uri.query, "empty"), "");
    assert_string_equal(http_pairs_find(&uri.query, "bare"), "");
    assert_string_equal(http_pairs_find(&uri.query, "rule"), "x\ny");
    assert_null(http_pairs_find(&uri.query, "absent"));
}

/* RFC 9112, 3.2.2: what a proxy asks for begins with the scheme and the host. */
static void absolute_targets_are_taken(void **state)
{
    static const struct {
        const char *target, *path;
    } good[] = {
        {"http://lazo.example/v1/contacts?q=a", "/v1/contacts"},
        {"HTTPS://lazo.example:8443/v1/contacts?q=a", "/v1/contacts"},
        {"http://[::1]:8080?q=a", "/"},
    };
    struct http_uri uri;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(http_uri_parse(*state, good[i].target, &uri));
        assert_string_equal(uri.path, good[i].path);
        assert_string_equal(http_pairs_find(&uri.query, "q"), "a");
    }
    assert_true(http_uri_parse(*state, "http://lazo.example", &uri));
    assert_string_equal(uri.path, "/");
    assert_int_equal(uri.n_segments, 1);
}

static void bad_targets_are_refused(void **state)
{
    static const char *const bad[] = {
        "http://",
        "http:///a",
        "http:/a",
        "http://me@host/a",
        "http://ho%73t/a",
        "http://host\\a/b",
        "http://host/a#b",
        "http://host/../a",
        "ftp://host/a",
        "host/a",
        "",
        "*",
        "http//host/",
        "v1",
        "/a%00b",
        "/a%0ab",
        "/a%7f",
        "/a/../b",
        "/a/%2e%2e",
        "/.",
        "/%2E",
        "/a%",
        "/a%2",
        "/a%zz",
        "/%ff",
        "/%c3%28",
        "/%ed%a0%80",
        "/a#b",
        "/a\x01",
        "/a?q=%00",
        "/a?q=%ff",
        "/a?q=%",
        "/a?%=1",
        "/a?q=%c0%80",
        "/..%2f/..",
        "/..",
        "/a/b/..",
    };
    struct http_uri uri;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (http_uri_parse(*state, bad[i], &uri))
            fail_msg("\"%s\" was not refused", bad[i]);
}

static void too_many_fields_are_refused(void **state)
{
    struct http_pairs pairs;
    struct buf b;

    buf_init(&b, *state, 10000);
    for (int i = 0; i <= HTTP_PAIRS_MAX; i++)
        buf_str(&b, "a=1&");
    assert_false(http_pairs_parse(*state, b.data, b.len, &pairs));
    assert_true(http_pairs_parse(*state, b.data, b.len - 4, &pairs));
    assert_int_equal(pairs.n, HTTP_PAIRS_MAX);
}

static const struct http_route *find(void *ctx, const char *target, enum http_method method,
                                     unsigned *ret_allowed, struct http_uri *ret_uri)
{
    assert_true(http_uri_parse(ctx, target, ret_uri));
    return http_route_find(routes, ret_uri, method, ret_allowed);
}

static void routes_are_found(void **state)
{
    struct http_uri uri;
    unsigned allowed;
    const struct http_route *r;

    assert_ptr_equal(find(*state, "/v1/contacts", HTTP_POST, &allowed, &uri), &routes[1]);
    assert_ptr_equal(find(*state, "/v1/contacts/merge", HTTP_POST, &allowed, &uri), &routes[4]);
    /* The literal segment that stands further to the left wins. */
    assert_ptr_equal(find(*state, "/v1/contacts/merge", HTTP_GET, &allowed, &uri), &routes[2]);
    assert_ptr_equal(find(*state, "/v1/x/merge", HTTP_GET, &allowed, &uri), &routes[5]);
    r = find(*state, "/v1/segments/a/members/7", HTTP_PUT, &allowed, &uri);
    assert_ptr_equal(r, &routes[6]);
    assert_string_equal(http_route_param(r, &uri, "name"), "a");
    assert_string_equal(http_route_param(r, &uri, "contact"), "7");
    assert_null(http_route_param(r, &uri, "nam"));
    assert_null(http_route_param(r, &uri, "members"));
    /* A slash that was escaped is part of its segment; so is what only begins like a route's. */
    assert_null(find(*state, "/v1%2Fcontacts", HTTP_POST, &allowed, &uri));
    assert_int_equal(allowed, 0);
    assert_null(find(*state, "/v1/contact", HTTP_POST, &allowed, &uri));
    assert_null(find(*state, "/v1/contactss", HTTP_POST, &allowed, &uri));
    assert_int_equal(allowed, 0);
}

static void unknown_paths_and_methods_differ(void **state)
{
    static const char *const nowhere[] = {
        "/", "/v1", "/v1/contacts/", "//", "/v1//contacts", "/v1/contacts/1/2", "/V1/contacts"};
    struct http_uri uri;
    unsigned allowed;

    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        assert_null(find(*state, nowhere[i], HTTP_GET, &allowed, &uri));
        assert_int_equal(allowed, 0);
    }
    assert_null(find(*state, "/v1/contacts/5", HTTP_PUT, &allowed, &uri));
    assert_string_equal(http_allow(*state, allowed), "GET, HEAD, DELETE");
    assert_null(find(*state, "/v1/contacts", HTTP_DELETE, &allowed, &uri));
    assert_string_equal(http_allow(*state, allowed), "GET, HEAD, POST");
}

static bool form(void *ctx, const char *type, const char *body, struct http_pairs *ret)
{
    return http_form_parse(ctx, type, body, strlen(body), ret);
}

static void what_a_query_may_say(void **state)
{
    static const struct {
        const char *target, *fault; /* NULL: none */
    } cases[] = {
        {"/v1/contacts", NULL},
        {"/v1/contacts?q=1&rule=", NULL},
        {"/v1/contacts?rul=1", "The query has no “rul” here, only: rule q."},
        {"/v1/contacts?rule%20q=1", "The query has no “rule q” here, only: rule q."},
        {"/v1/contacts?=1", "The query has no “” here, only: rule q."},
        {"/v1/contacts?q=1&q=1", "The query says “q” twice."},
        {"/v1/contacts/7?q=1", "The query has no “q” here, nor anything else."},
        {"/u?utm_source=mail&utm_source=mail", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_uri uri;
        unsigned allowed;
        const struct http_route *r = find(*state, cases[i].target, HTTP_GET, &allowed, &uri);
        const char *fault = http_query_fault(*state, r, &uri.query);

        if (cases[i].fault == NULL)
            assert_null(fault);
        else
            assert_string_equal(fault, cases[i].fault);
    }
}

static void forms_are_read(void **state)
{
    static const char *const types[] = {"multipart/form-data; boundary=xyz",
                                        "Multipart/Form-Data;charset=utf-8; boundary=\"xyz\""};
    static const char body[] =
        "preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n"
        "\r\nOne-Click\r\n--xyz\r\ncontent-disposition: form-data; name=f; filename=\"x\"\r\n"
        "Content-Type: text/plain\r\n\r\n--xy\r\n--xyz\r\n"
        "Content-Disposition: form-data; name=empty\r\n\r\n\r\n--xyz--\r\nepilogue";
    struct http_pairs p;

    assert_true(form(*state, "application/x-www-form-urlencoded",
                     "List-Unsubscribe=One-Click&a=%C3%B1+%26", &p));
    assert_string_equal(http_pairs_find(&p, "List-Unsubscribe"), "One-Click");
    assert_string_equal(http_pairs_find(&p, "a"), "\xc3\xb1 &");
    assert_true(form(*state, "application/x-www-form-urlencoded; charset=UTF-8", "confirm=1", &p));
    assert_string_equal(http_pairs_find(&p, "confirm"), "1");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_true(form(*state, types[i], body, &p));
        assert_int_equal(p.n, 2);
        assert_string_equal(http_pairs_find(&p, "List-Unsubscribe"), "One-Click");
        assert_string_equal(http_pairs_find(&p, "empty"), "");
        assert_true(form(*state, types[i], strstr(body, "--xyz"), &p));
    }
}

static void bad_forms_are_refused(void **state)
{
    static const char mp[] = "multipart/form-data; boundary=xyz";
    static const struct {
        const char *type, *body;
    } bad[] = {
        {NULL, "a=1"},
        {"text/plain", "a=1"},
        {"application/x-www-form-urlencodedx", "a=1"},
        {"application/x-www-form-urlencoded", "a=%"},
        {"multipart/form-data", "--xyz--"},
        {"multipart/form-data; boundary=", "--\r\n--"},
        {mp, ""},
        {mp, "--xyz"},
        {mp, "--xyz\r\n"},
        {mp, "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\nno end"},
        {mp, "--xyz\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xyz--"},
        {mp, "--xyz\r\nContent-Disposition: form-data; name=a\r\nx\r\n--xyz--"},
        {mp, "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--xyz--"},
        {mp, "--xyzContent-Disposition: form-data; name=a\r\n\r\nx\r\n--xyz--"},
    };
    struct http_pairs p;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (form(*state, bad[i].type, bad[i].body, &p))
            fail_msg("form %zu was not refused", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_are_decoded_by_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(absolute_targets_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_targets_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_fields_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(routes_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_paths_and_methods_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_query_may_say, setup, teardown),
        cmocka_unit_test_setup_teardown(forms_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_forms_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
