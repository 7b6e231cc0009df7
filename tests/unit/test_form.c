/* What a stranger says in a form, as a contact; where the browser may go; the pages. */
#include "common/mem.h"
#include "daemon/consent/form.h"
#include "daemon/consent/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct catalogue_field fields[] = {{"size", 1, FIELD_NUMBER},
                                          {"since", 2, FIELD_DATE},
                                          {"vegan", 3, FIELD_BOOLEAN},
                                          {"note", 4, FIELD_TEXT}};
static const struct catalogue catalogue = {.fields = fields, .n_fields = 4};
static const char document[] =
    "{\"name\": \"alta\", \"title\": \"Alta\", \"language\": \"es\", \"double_opt_in\": true,"
    " \"fields\": [\"first_name\", \"attr.size\", \"attr.vegan\", \"attr.note\", \"attr.gone\"],"
    " \"redirect_to\": [\"https://a.example/x\", \"https://a.example/y\"],"
    " \"origins\": [\"https://a.example\"], \"tags\": [\"web\"], \"topics\": [\"news\"],"
    " \"honeypot\": \"website\", \"wording\": \"Sí\", \"version\": \"1\", \"purpose\": \"\"}";

static void contact(const char *said_text, const char *wanted_text)
{
    struct form *f = form_read(NULL, document);
    json_t *said = json_loads(said_text, 0, NULL), *wanted = json_loads(wanted_text, 0, NULL);
    json_t *got = form_contact(f, &catalogue, said);
    char *text = json_dumps(got, JSON_COMPACT);

    if (!json_equal(got, wanted))
        fail_msg("%s: %s", said_text, text);
    free(text);
    json_decref(said);
    json_decref(wanted);
    json_decref(got);
    talloc_free(f);
}

static void test_contact(void **state)
{
    (void)state;
    contact("{}", "{\"tags\": [\"web\"]}");
    contact("{\"email\": \"a@b.example\", \"first_name\": \"\", \"last_name\": \"X\", \"id\": 5}",
            "{\"email\": \"a@b.example\", \"tags\": [\"web\"]}");
    contact("{\"attr.size\": \"38.5\", \"attr.vegan\": \"on\", \"attr.note\": \"7\"}",
            "{\"attr\": {\"size\": 38.5, \"vegan\": true, \"note\": \"7\"}, \"tags\": [\"web\"]}");
    contact("{\"attr.size\": \"large\", \"attr.vegan\": \"no\", \"attr.gone\": \"x\"}",
            "{\"attr\": {\"size\": \"large\", \"vegan\": false}, \"tags\": [\"web\"]}");
    contact("{\"attr.size\": \"inf\"}", "{\"attr\": {\"size\": \"inf\"}, \"tags\": [\"web\"]}");
    contact("{\"attr\": {\"size\": 4, \"since\": \"2020-01-01\"}, \"tags\": [\"vip\"]}",
            "{\"attr\": {\"size\": 4}, \"tags\": [\"web\"]}");
    contact("{\"attr\": 5, \"first_name\": null}", "{\"tags\": [\"web\"]}");
}

static void test_trap(void **state)
{
    struct form *f = form_read(NULL, document);
    json_t *empty = json_loads("{\"website\": \"\"}", 0, NULL);
    json_t *full = json_loads("{\"website\": \"x\"}", 0, NULL);

    (void)state;
    assert_false(form_trapped(f, empty));
    assert_true(form_trapped(f, full));
    json_decref(empty);
    json_decref(full);
    talloc_free(f);
}

static void test_other_sites(void **state)
{
    struct form *f = form_read(NULL, document);

    (void)state;
    assert_string_equal(form_redirect(f, NULL), "https://a.example/x");
    assert_string_equal(form_redirect(f, "https://a.example/y"), "https://a.example/y");
    assert_string_equal(form_redirect(f, "https://a.example/y/"), "https://a.example/x");
    assert_string_equal(form_redirect(f, "//evil.example"), "https://a.example/x");
    assert_true(form_origin_fits(f, "https://a.example"));
    assert_false(form_origin_fits(f, "https://a.example.evil"));
    assert_false(form_origin_fits(f, "null"));
    talloc_free(f);
}

static void test_definitions(void **state)
{
    static const char *const origins[] = {"*", "https://a.example", "http://127.0.0.1:8080"};
    static const char *const no_origins[] = {
        "",     "https://", "https://a.example/", "a.example", "https://*.a.example",
        "null", "ftp://a",  "https://a b"};
    static const char *const urls[] = {"https://a.example", "http://a.example/x?y=1#z"};
    static const char *const no_urls[] = {"",
                                          "javascript:x",
                                          "https://u@a.example/",
                                          "//a/b",
                                          "https://a.example/\n",
                                          "data:text/html,x",
                                          "https:",
                                          "https:///x"};

    (void)state;
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++)
        assert_true(form_origin_valid(origins[i]));
    for (size_t i = 0; i < sizeof no_origins / sizeof no_origins[0]; i++)
        assert_false(form_origin_valid(no_origins[i]));
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        assert_true(form_redirect_valid(urls[i]));
    for (size_t i = 0; i < sizeof no_urls / sizeof no_urls[0]; i++)
        assert_false(form_redirect_valid(no_urls[i]));
    assert_true(form_field_fits(&catalogue, "birth_date"));
    assert_true(form_field_fits(&catalogue, "attr.size"));
    assert_false(form_field_fits(&catalogue, "attr.nothing"));
    assert_false(form_field_fits(&catalogue, "external_id"));
    assert_false(form_field_fits(&catalogue, "stage"));
}

static void test_pages(void **state)
{
    static const char *const languages[] = {"es", "es-ES", "en", "fr", ""};
    struct diag d;
    struct buf b;

    (void)state;
    buf_init(&b, NULL, PAGE_MAX);
    diag_init(&d, b.data);
    diag_field(&d, "/email", "a <b> is wrong");
    for (size_t l = 0; l < sizeof languages / sizeof languages[0]; l++)
        for (int sort = PAGE_asked; sort <= PAGE_often; sort++) {
            buf_reset(&b);
            page_write(&b, &(struct page){.sort = (enum page_sort)sort,
                                          .language = languages[l],
                                          .organisation = "<O>",
                                          .wording = "\"W\"<",
                                          .onward = "https://x/\"><script>",
                                          .mistakes = &d});
            assert_null(strstr(b.data, "(null)"));
            assert_null(strstr(b.data, "<O>"));
            assert_null(strstr(b.data, "<b>"));
            assert_null(strstr(b.data, "<script>"));
            assert_true((strstr(b.data, "<form") != NULL) == (sort == PAGE_confirm));
            assert_non_null(strstr(b.data, l < 2 ? "lang=\"es\"" : "lang=\"en\""));
        }
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contact),     cmocka_unit_test(test_trap),
        cmocka_unit_test(test_other_sites), cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
