/* test_ctl_import.c - headings guessed, amounts and days as people write them, rows as JSON. */
#include "common/mem.h"
#include "daemon/ctl/import_map.h"
#include "daemon/ctl/import_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_guess(void **state)
{
    (void)state;
    assert_string_equal(import_map_guess("email"), "email");
    assert_string_equal(import_map_guess("Correo electrónico"), "email");
    assert_string_equal(import_map_guess("  E-Mail "), "email");
    assert_string_equal(import_map_guess("TELÉFONO"), "phone");
    assert_string_equal(import_map_guess("Fecha de nacimiento"), "birth_date");
    assert_string_equal(import_map_guess("Cumpleaños"), "birth_date");
    assert_string_equal(import_map_guess("Código postal"), "postal_code");
    assert_string_equal(import_map_guess("order_date"), "occurred_at");
    assert_string_equal(import_map_guess("Importe"), "amount");
    assert_null(import_map_guess("color"));
    assert_null(import_map_guess(""));
    assert_null(import_map_guess("\xFF\xFF"));
}

static void amount(const char *text, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    char *seen = import_amount(ctx, text);

    if (expected == NULL)
        assert_null(seen);
    else
        assert_string_equal(seen != NULL ? seen : "(none)", expected);
}

static void test_amounts(void **state)
{
    (void)state;
    amount("25", "25");
    amount("25.50", "25.50");
    amount("25,50", "25.50");
    amount("25,5 €", "25.5");
    amount("€25.50", "25.50");
    amount("25,00\xC2\xA0€", "25.00");
    amount("1.234,56", "1234.56");
    amount("1,234.56", "1234.56");
    amount("1.234.567,8", "1234567.8");
    amount("-3,10", "-3.10");
    amount("+3", "3");
    /* A thousand or three decimals: nobody knows. */
    amount("1,234", NULL);
    amount("1.234", "1.234"); /* the server refuses it: too many digits */
    amount("12.34,56", NULL);
    amount("1.2345,6", NULL);
    amount("1,2,3", NULL);
    amount("", NULL);
    amount("-", NULL);
    amount(".", NULL);
    amount("12a", NULL);
    amount("1-2", NULL);
    amount(",.", NULL);
}

static void day(const char *text, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    char *seen = import_day(ctx, text);

    if (expected == NULL)
        assert_null(seen);
    else
        assert_string_equal(seen != NULL ? seen : "(none)", expected);
}

static void test_days(void **state)
{
    (void)state;
    day("2006-12-31", "2006-12-31");
    day("31/12/2006", "2006-12-31");
    day("1/2/2006", "2006-02-01");
    day("1-2-2006", "2006-02-01");
    day("31.12.2006 10:30", "2006-12-31 10:30");
    day("31/12/06", NULL);
    day("0/1/2006", NULL);
    day("December 31", NULL);
    day("", NULL);
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static const char *header[] = {"email",     "Nombre",     "Fecha", "Importe",
                               "Etiquetas", "attr.socio", "nota"};

static struct import_plan plan_of(void *ctx, bool interactions, const json_t *types)
{
    const struct csv_record record = {.fields = header, .n = 7};
    const struct option_list said = {.items = {"nota=data.nota"}, .n = 1};
    struct import_plan plan = {.interactions = interactions, .source = "import", .types = types};

    assert_true(import_map_read(ctx, &record, &said, interactions, &plan.map));
    plan.kind = interactions ? "donation" : NULL;
    return plan;
}

static void row(bool interactions, const char *const *fields, size_t n, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    json_t *types = json_pack("{s:s}", "socio", "number");
    struct import_plan plan = plan_of(ctx, interactions, types);
    const char *why = NULL;
    json_t *seen = import_row(ctx, &plan, fields, n, &why), *wanted = json_loads(expected, 0, NULL);

    if (wanted == NULL) {
        assert_null(seen);
        assert_string_equal(why, expected);
    } else {
        assert_null(why);
        assert_true(json_equal(seen, wanted));
    }
    json_decref(seen);
    json_decref(wanted);
    json_decref(types);
}

static void test_rows(void **state)
{
    const char *const all[] = {" ana@example.org", "Ana", "31/12/2006 10:30", "25,00 €",
                               "socia; amiga",     "17",  "gracias"};
    const char *const bare[] = {"ana@example.org", "", "2006-12-31", "", "", "", ""};
    const char *const nobody[] = {" ", "Ana", "", "", "", "", ""};
    const char *const wrong[] = {"ana@example.org", "Ana", "ayer", "", "", "", ""};
    const char *const text[] = {"ana@example.org", "Ana", "", "", "", "mucho", ""};

    (void)state;
    row(true, all, 7,
        "{\"contact\": {\"email\": \"ana@example.org\", \"first_name\": \"Ana\", \"tags\": "
        "[\"socia\", \"amiga\"], \"attr\": {\"socio\": 17.0}},"
        " \"kind\": \"donation\", \"source\": \"import\", \"occurred_at\": "
        "\"2006-12-31T10:30:00Z\", \"amount\": \"25.00\", \"data\": {\"nota\": \"gracias\"}}");
    row(true, bare, 7,
        "{\"contact\": {\"email\": \"ana@example.org\"}, \"kind\": \"donation\", \"source\": "
        "\"import\", \"occurred_at\": \"2006-12-31\"}");
    row(true, nobody, 7, "the row does not say who it is: email and external_id are empty");
    row(true, wrong, 7, "Fecha: \"ayer\" is no day like 2006-12-31 or 31/12/2006");
    row(true, text, 7, "attr.socio: \"mucho\" is no number");
    row(true, bare, 6, "there are 6 columns; the header has 7");
}

static void test_map(void **state)
{
    static const char *const once[] = {"email", "Correo"}, *const strange[] = {"email", "color"},
                             *const none[] = {"Nombre"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_map map;
    struct option_list said = {0};

    (void)state;
    assert_false(
        import_map_read(ctx, &(struct csv_record){.fields = once, .n = 2}, &said, false, &map));
    assert_false(
        import_map_read(ctx, &(struct csv_record){.fields = strange, .n = 2}, &said, false, &map));
    assert_false(
        import_map_read(ctx, &(struct csv_record){.fields = none, .n = 1}, &said, false, &map));
    said = (struct option_list){.items = {"color=-"}, .n = 1};
    assert_true(
        import_map_read(ctx, &(struct csv_record){.fields = strange, .n = 2}, &said, false, &map));
    assert_string_equal(map.fields[1], "");
    said = (struct option_list){.items = {"color=emial"}, .n = 1};
    assert_false(
        import_map_read(ctx, &(struct csv_record){.fields = strange, .n = 2}, &said, false, &map));
    said = (struct option_list){.items = {"colour=-"}, .n = 1};
    assert_false(
        import_map_read(ctx, &(struct csv_record){.fields = strange, .n = 2}, &said, false, &map));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guess), cmocka_unit_test(test_amounts), cmocka_unit_test(test_days),
        cmocka_unit_test(test_rows),  cmocka_unit_test(test_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
