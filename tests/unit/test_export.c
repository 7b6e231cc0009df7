/* test_export.c - rows of CSV and NDJSON, and vCards. */
#include "common/mem.h"
#include "daemon/export/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct catalogue_field fields[] = {{.name = "size"}};
static const struct catalogue catalogue = {.fields = fields, .n_fields = 1, .currency_digits = 2};

static void row_is(const char *columns, const char *document, const char *expected)
{
    void *ctx = talloc_new(NULL);
    json_t *value = json_loads(document, 0, NULL);
    struct export_columns c;
    struct diag d;
    struct buf out;

    diag_init(&d, ctx);
    buf_init(&out, ctx, 1 << 20);
    assert_true(export_columns_read(ctx, columns, EXPORT_CONTACTS, &catalogue, &c, &d));
    export_row(&out, EXPORT_CSV, &c, false, value);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
    json_decref(value);
    talloc_free(ctx);
}

static void test_cells(void **state)
{
    (void)state;
    row_is("id,email", "{\"id\":7,\"email\":\"a@b.example\"}", "7,a@b.example\r\n");
    row_is("tags, attr.size", "{\"tags\":[\"a\",\"b\"],\"attr\":{\"size\":1.5}}", "a; b,1.5\r\n");
    row_is("city,stage", "{\"city\":\"a,\\\"b\\\"\",\"stage\":null}", "\"a,\"\"b\"\"\",\"\"\r\n");
    row_is("city", "{\"city\":\"two\\nlines\"}", "\"two\nlines\"\r\n");
}

static void test_formulas(void **state)
{
    (void)state;
    row_is("city", "{\"city\":\"=1+1\"}", "'=1+1\r\n");
    row_is("city", "{\"city\":\"@SUM(A1)\"}", "'@SUM(A1)\r\n");
    row_is("phone", "{\"phone\":\"+34 600\"}", "'+34 600\r\n");
    row_is("city", "{\"city\":\"-1+1\"}", "'-1+1\r\n");
    row_is("city", "{\"city\":\"\\t=1\"}", "'\t=1\r\n");
    row_is("city", "{\"city\":\"＝1+1\"}", "'＝1+1\r\n");
    row_is("city", "{\"city\":\"'=1\"}", "''=1\r\n");
    row_is("city", "{\"city\":\"'t Hof\"}", "'t Hof\r\n");
    row_is("city", "{\"city\":\"-25.00\"}", "-25.00\r\n");
    row_is("city", "{\"city\":\"'-25.00\"}", "''-25.00\r\n");
    row_is("city", "{\"city\":\"-\"}", "'-\r\n");
    row_is("city", "{\"city\":\"a=1\"}", "a=1\r\n");
}

static void test_columns(void **state)
{
    void *ctx = talloc_new(NULL);
    struct export_columns c;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    assert_false(export_columns_read(ctx, "emial,data.x", EXPORT_CONTACTS, &catalogue, &c, &d));
    assert_int_equal(d.n, 2);
    assert_non_null(strstr(d.items[0].message, "did you mean \"email\""));
    assert_true(export_columns_read(ctx, "data.x", EXPORT_INTERACTIONS, &catalogue, &c, &d));
    assert_true(export_columns_read(ctx, NULL, EXPORT_CONTACTS, &catalogue, &c, &d));
    assert_string_equal(c.names[c.n - 1], "attr.size");
    talloc_free(ctx);
}

static void test_vcard(void **state)
{
    json_t *contact = json_loads(
        "{\"id\":1,\"kind\":\"person\",\"first_name\":\"Ana, \\\\ María;\",\"last_name\":\"Núñez\","
        "\"email\":\"a@b.example\",\"emails\":[{\"email\":\"a@b.example\",\"label\":null,"
        "\"primary\":true},"
        "{\"email\":\"c@d.example\",\"label\":\"work\",\"primary\":false}],"
        "\"phones\":[{\"phone\":\"+34600111222\",\"label\":\"boat\",\"primary\":true}],\"street\":"
        "\"Sol 1\",\"birth_date\":\"--03-09\",\"city\":"
        "\"Lugo\","
        "\"tags\":[\"x,y\",\"z\"],\"company_name\":\"áááááááááááááááááááááááááááááááááááááááá\"}",
        0, NULL);
    struct buf out;

    (void)state;
    buf_init(&out, NULL, 1 << 20);
    export_vcard(&out, contact);
    buf_char(&out, '\0');
    assert_non_null(strstr(out.data, "BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:individual\r\n"
                                     "FN:Ana\\, \\\\ María\\; Núñez\r\n"
                                     "N:Núñez;Ana\\, \\\\ María\\;;;;\r\n"));
    assert_non_null(strstr(out.data, "EMAIL;PREF=1:a@b.example\r\nEMAIL;TYPE=work:c@d.example\r\n"
                                     "TEL;PREF=1:+34600111222\r\n"));
    assert_non_null(strstr(out.data, "ADR:;;Sol 1;Lugo;;;\r\n"));
    assert_non_null(strstr(out.data, "BDAY:--0309\r\nCATEGORIES:x\\,y,z\r\nEND:VCARD\r\n"));
    /* "ORG:" and 35 letters of two bytes are 74; one more would be cut. */
    assert_non_null(strstr(out.data, "á\r\n ááááá\r\n"));
    buf_done(&out);
    json_decref(contact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_vcard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
