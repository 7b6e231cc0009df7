/* Other people's test cases for Liquid, read in place from shared/suites/liquid. Skipped, saying
 * so, where that folder is not there. */
#include "common/buf.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/template/template.h"
#include "common/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* The instant at which reference.json was made. */
#define REFERENCE_NOW_US (INT64_C(1704067318) * 1000000)

struct partials {
    const void *ctx;
    json_t *texts;
};

static const struct template *find_partial(void *arg, const char *name)
{
    struct partials *p = arg;
    struct diag d;
    char *with_suffix = mem_printf(p->ctx, "%s.liquid", name);
    json_t *text = json_object_get(p->texts, name);
    text = text != NULL ? text : json_object_get(p->texts, with_suffix);
    diag_init(&d, p->ctx);
    return text == NULL
               ? NULL
               : template_compile(p->ctx, json_string_value(text), json_string_length(text), &d);
}

/* run() - the result of the case, child of `ctx`, or NULL where it is an error; *ret_message then
 * says which. */
static const char *run(const void *ctx, json_t *test, const char *data, const char *partials,
                       const char **ret_message)
{
    struct partials p = {.ctx = ctx, .texts = json_object_get(test, partials)};
    struct template_env env = {.data = json_object_get(test, data),
                               .now_us = REFERENCE_NOW_US,
                               .partial = find_partial,
                               .arg = &p};
    json_t *text = json_object_get(test, "template");
    struct buf out;
    struct diag d;
    diag_init(&d, ctx);
    buf_init(&out, ctx, 1 << 20);
    const struct template *t =
        template_compile(ctx, json_string_value(text), json_string_length(text), &d);
    bool ok = t != NULL && template_render(t, &env, &out, NULL, &d);
    assert_int_equal(ok, !diag_any(&d));
    if (!ok) {
        assert_true(d.items[0].line >= 1 && d.items[0].column >= 1);
        *ret_message = d.items[0].message;
        return NULL;
    }
    *ret_message = "";
    return buf_take(&out, ctx);
}

/* parse() - the file, where numbers beyond 64 bits, which no JSON of ours has, count as 0. */
static json_t *parse(const char *path)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    json_error_t error;
    json_t *suite;
    size_t n;
    char *text = text_file_read(ctx, path, 16 << 20, &n);
    assert_non_null(text);
    while ((suite = json_loadb(text, n, JSON_ALLOW_NUL, &error)) == NULL) {
        size_t at = (size_t)error.position;
        assert_non_null(strstr(error.text, "too big"));
        while (at > 0 && !(text[at] >= '0' && text[at] <= '9'))
            at--;
        text[at] = '0';
        while (at > 0 && ((text[at - 1] >= '0' && text[at - 1] <= '9') || text[at - 1] == '-'))
            text[--at] = ' ';
    }
    return suite;
}

static json_t *load(const char *file)
{
    const char *shared = getenv("LAZO_SHARED");
    char path[4096];
    snprintf(path, sizeof path, "%s/suites/liquid/%s", shared == NULL ? "../shared" : shared, file);
    if (access(path, R_OK) != 0) {
        print_message("SKIPPED: %s is not there\n", path);
        skip();
    }
    json_t *suite = parse(path);
    assert_non_null(suite);
    return suite;
}

static void complain(json_t *test, const char *result, const char *message)
{
    if (getenv("VERBOSE") != NULL)
        print_message("FAIL %s\n  template %s\n  got %s%s\n  wanted %s\n",
                      json_string_value(json_object_get(test, "name")),
                      json_string_value(json_object_get(test, "template")),
                      result == NULL ? "error: " : "", result == NULL ? message : result,
                      json_string_value(json_object_get(test, "expected") != NULL
                                            ? json_object_get(test, "expected")
                                            : json_object_get(test, "result")));
}

static bool one_of(json_t *wanted, const char *result)
{
    size_t i;
    json_t *item;
    if (json_is_string(wanted))
        return strcmp(json_string_value(wanted), result) == 0;
    json_array_foreach(wanted, i, item)
    {
        if (strcmp(json_string_value(item), result) == 0)
            return true;
    }
    return false;
}

/* Every case of golden-liquid: the result to the byte, and an error where the case is invalid. */
static void test_golden(void **state)
{
    json_t *suite = load("golden.json"), *test;
    size_t i, passed = 0;
    (void)state;
    json_array_foreach(suite, i, test)
    {
        void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
        const char *message, *result = run(ctx, test, "data", "templates", &message);
        json_t *wanted = json_object_get(test, "result");
        wanted = wanted != NULL ? wanted : json_object_get(test, "results");
        bool ok = json_is_true(json_object_get(test, "invalid"))
                      ? result == NULL
                      : result != NULL && one_of(wanted, result);
        passed += ok;
        if (!ok)
            complain(test, result, message);
    }
    print_message("golden.json: %zu of %zu\n", passed, json_array_size(suite));
    assert_int_equal(passed, 556);
    json_decref(suite);
}

static void test_reference(void **state)
{
    json_t *suite = load("reference.json"), *test;
    size_t i, passed = 0, asked = 0;
    (void)state;
    json_array_foreach(suite, i, test)
    {
        void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
        json_t *wanted = json_object_get(test, "expected");
        if (!json_is_string(wanted) && json_object_get(test, "errors") == NULL)
            continue;
        const char *message, *result = run(ctx, test, "environment", "filesystem", &message);
        bool ok = json_object_get(test, "errors") != NULL
                      ? result == NULL
                      : result != NULL && json_is_string(wanted) && one_of(wanted, result);
        asked++;
        passed += ok;
        if (!ok)
            complain(test, result, message);
    }
    print_message("reference.json: %zu of %zu\n", passed, asked);
    /* The rest are Ruby's own types, its lax mode and errors as text in the output, none of which
     * are ours. */
    assert_int_equal(passed, 2215);
    json_decref(suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
