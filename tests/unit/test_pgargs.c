/* test_pgargs.c - parameters as PostgreSQL reads them. */
#include "common/mem.h"
#include "daemon/pg/pgargs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void single_values(void **state)
{
    void *ctx = talloc_new(NULL);
    const char *given[] = {"x", NULL};
    struct pgargs a;

    (void)state;
    pgargs_init(&a, ctx);
    pgargs_text(&a, "it's");
    pgargs_text(&a, NULL);
    pgargs_int(&a, INT64_MIN);
    pgargs_bool(&a, true);
    pgargs_bool(&a, false);
    pgargs_instant(&a, INT64_C(1500000));
    pgargs_bytea(&a, "\x00\xff\x7f", 3);
    pgargs_bytea(&a, "", 0);
    pgargs_params(&a, given, 2);
    assert_int_equal(a.n, 10);
    assert_string_equal(a.values[0], "it's");
    assert_null(a.values[1]);
    assert_string_equal(a.values[2], "-9223372036854775808");
    assert_string_equal(a.values[3], "t");
    assert_string_equal(a.values[4], "f");
    assert_string_equal(a.values[5], "1970-01-01T00:00:01.500000Z");
    assert_string_equal(a.values[6], "\\x00ff7f");
    assert_string_equal(a.values[7], "\\x");
    assert_string_equal(a.values[8], "x");
    assert_null(a.values[9]);
    talloc_free(ctx);
}

static void arrays(void **state)
{
    void *ctx = talloc_new(NULL);
    struct pgarray text, rest, none;
    struct pgargs a;

    (void)state;
    pgargs_init(&a, ctx);
    pgarray_init(&text, ctx);
    pgarray_text(&text, "a,b");
    pgarray_text(&text, "say \"hi\" \\ {}");
    pgarray_text(&text, NULL);
    pgarray_text(&text, "NULL");
    pgarray_text(&text, "");
    pgarray_text(&text, "ñ\n");
    assert_int_equal(text.n, 6);
    pgargs_array(&a, &text);
    pgarray_init(&rest, ctx);
    pgarray_int(&rest, -1);
    pgarray_bool(&rest, true);
    pgarray_instant(&rest, 0);
    pgargs_array(&a, &rest);
    pgarray_init(&none, ctx);
    pgargs_array(&a, &none);
    assert_string_equal(a.values[0],
                        "{\"a,b\",\"say \\\"hi\\\" \\\\ {}\",NULL,\"NULL\",\"\",\"ñ\n\"}");
    assert_string_equal(a.values[1], "{-1,t,1970-01-01T00:00:00.000000Z}");
    assert_string_equal(a.values[2], "{}");
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_values), cmocka_unit_test(arrays)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
