/* test_import.c - headings guessed, amounts and days as people write them, encodings, rows as JSON,
 * keys and refunds. */
#include "common/mem.h"
#include "daemon/import/import_decode.h"
#include "daemon/import/import_guess.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_row.h"
#include "daemon/import/import_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_headings(void **state)
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

/* --- values -------------------------------------------------------------------------------------
 */

static void amount_as(const struct import_format *f, const char *text, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    char *seen = import_amount(ctx, text, f);

    if (expected == NULL)
        assert_null(seen);
    else
        assert_string_equal(seen != NULL ? seen : "(none)", expected);
}

static void amount(const char *text, const char *expected)
{
    const struct import_format any = {0};

    amount_as(&any, text, expected);
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
    amount("1.234", "1.234"); /* the recorder refuses it: too many digits */
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

static void test_declared_amounts(void **state)
{
    const struct import_format comma = {.decimal = ',', .thousands = '.'}, bare = {.decimal = ','},
                               point = {.decimal = '.', .thousands = ','};

    (void)state;
    amount_as(&comma, "1.234", "1234");
    amount_as(&comma, "1.234,5", "1234.5");
    amount_as(&comma, "12.34", NULL);
    amount_as(&bare, "12.34", NULL);
    amount_as(&bare, "12,345", "12.345");
    amount_as(&point, "1,234", "1234");
    amount_as(&point, "1,23", NULL);
    amount_as(&point, "0.5", "0.5");
}

static void day_as(const char *pattern, const char *text, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_format f = {0};
    char *seen;

    if (pattern != NULL)
        assert_true(import_days_parse(pattern, &f));
    seen = import_day(ctx, text, &f);
    if (expected == NULL)
        assert_null(seen);
    else
        assert_string_equal(seen != NULL ? seen : "(none)", expected);
}

static void test_days(void **state)
{
    struct import_format f;

    (void)state;
    day_as(NULL, "2006-12-31", "2006-12-31");
    day_as(NULL, "31/12/2006", "2006-12-31");
    day_as(NULL, "1/2/2006", "2006-02-01");
    day_as(NULL, "1-2-2006", "2006-02-01");
    day_as(NULL, "31.12.2006 10:30", "2006-12-31 10:30");
    day_as(NULL, "31/12/06", NULL);
    day_as(NULL, "0/1/2006", NULL);
    day_as(NULL, "December 31", NULL);
    day_as(NULL, "", NULL);
    day_as("mm/dd/yyyy", "12/31/2006", "2006-12-31");
    day_as("DD-MM-YYYY", "31/12/2006", "2006-12-31");
    day_as("dd/mm/yyyy", "2006-12-31", NULL);
    day_as("dd/mm/yyyy", "31/12/06", NULL);
    day_as("dd/mm/yy", "31/12/06", "2006-12-31");
    day_as("dd/mm/yy", "31/12/30", "1930-12-31");
    day_as("dd/mm/yy", "31/12/2030", "2030-12-31");
    day_as("dd/mm/yy", "31/12/203", NULL);
    day_as("yyyy-mm-dd", "31/12/2006", NULL);
    day_as("yyyymmdd", "2006/1/2", "2006-01-02");
    assert_false(import_days_parse("ddmm", &f));
    assert_false(import_days_parse("day/month/year", &f));
}

static void instant(const char *zone, const char *text, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct import_format f = {.time_zone = zone};
    char *seen = import_instant(ctx, text, &f);

    if (expected == NULL)
        assert_null(seen);
    else
        assert_string_equal(seen != NULL ? seen : "(none)", expected);
}

static void test_instants(void **state)
{
    (void)state;
    instant("Europe/Madrid", "31/12/2006", "2006-12-31");
    instant("Europe/Madrid", "31/12/2006 10:30", "2006-12-31T09:30:00.000000Z");
    instant("Europe/Madrid", "01/07/2006 9:05", "2006-07-01T07:05:00.000000Z");
    instant(NULL, "2006-12-31 10:30:15", "2006-12-31T10:30:15.000000Z");
    instant("Europe/Madrid", "2006-12-31T10:30:00+05:00", "2006-12-31T10:30:00+05:00");
    instant(NULL, "2006-12-31 x", NULL);
    instant(NULL, "2006-12-31 25:61", NULL);
}

static void test_other_values(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    assert_string_equal(import_product(ctx, "6", "2.55", 2), "15.3");
    assert_string_equal(import_product(ctx, "-3", "0.335", 2), "-1.01");
    assert_string_equal(import_product(ctx, "3", "0.335", 2), "1.01");
    assert_string_equal(import_country(ctx, "España"), "ES");
    assert_string_equal(import_country(ctx, "united kingdom"), "GB");
    assert_string_equal(import_country(ctx, "fr"), "fr");
    assert_null(import_country(ctx, "Atlantis"));
    assert_string_equal(import_fold(ctx, "SOCIA Señera"), "socia senera");
}

/* --- encodings ----------------------------------------------------------------------------------
 */

/* Sniffed and decoded in pieces of every size. */
static void encoded(const char *bytes, size_t n, const char *encoding, const char *text)
{
    for (size_t piece = 1; piece <= n; piece++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct import_sniff sniff = {0};
        struct import_decode *d;
        struct buf out;

        for (size_t at = 0; at < n; at += piece)
            import_sniff_add(&sniff, bytes + at, n - at < piece ? n - at : piece);
        assert_string_equal(import_sniff_end(&sniff), encoding);
        d = import_decode_new(ctx, encoding);
        buf_init(&out, ctx, 1000);
        for (size_t at = 0; at < n; at += piece)
            import_decode_add(d, bytes + at, n - at < piece ? n - at : piece, false, &out);
        import_decode_add(d, "", 0, true, &out);
        assert_string_equal(out.data, text);
    }
}

#define ENCODED(bytes, encoding, text) encoded(bytes, sizeof(bytes) - 1, encoding, text)

static void test_encodings(void **state)
{
    (void)state;
    ENCODED("a;b\n\xC3\xB1;\xE2\x82\xAC\n", "utf-8", "a;b\nñ;€\n");
    ENCODED("\xEF\xBB\xBF"
            "a\n\xC3\xB1\n",
            "utf-8", "a\nñ\n");
    ENCODED("a\n\xF1\x80\n", "windows-1252", "a\nñ€\n");
    ENCODED("\xFF\xFE"
            "a\0\n\0\xF1\0",
            "utf-16le", "a\nñ");
    ENCODED("\xFE\xFF\0a\0\n\0\xF1", "utf-16be", "a\nñ");
    ENCODED("a\0b\0c\0\n\0", "utf-16le", "abc\n");
    ENCODED("a\n\xC3", "windows-1252", "a\nÃ");
    ENCODED("a\0b\n", "utf-8",
            "a\xEF\xBF\xBD"
            "b\n");
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static struct catalogue_field fields_known[] = {
    {"socio", 1, FIELD_NUMBER}, {"alta", 2, FIELD_DATE}, {"activo", 3, FIELD_BOOLEAN}};
static const struct catalogue catalogue = {
    .currency = "EUR", .currency_digits = 2, .fields = fields_known, .n_fields = 3};
static const char *const header[] = {"email",     "Nombre",     "Fecha", "Importe",
                                     "Etiquetas", "attr.socio", "nota"};

static struct import_settings settings_of(void *ctx, const char *document)
{
    struct import_settings settings;
    struct import_map map;
    json_t *value = json_loads(document, 0, NULL);
    struct diag d;

    diag_init(&d, ctx);
    import_map_header(ctx, header, 7, &map);
    assert_non_null(value);
    if (!import_settings_read(ctx, value, &map, &settings, &d))
        fail_msg("%s: %s", d.items[0].pointer, d.items[0].message);
    json_decref(value);
    return settings;
}

#define COLUMNS                                                                                    \
    "\"columns\": {\"email\": \"email\", \"Nombre\": \"first_name\", \"Fecha\": \"occurred_at\", " \
    "\"Importe\": \"amount\", \"Etiquetas\": \"tags\", \"attr.socio\": \"attr.socio\", \"nota\": " \
    "\"data.nota\"}"
#define GIFTS "{\"what\": \"interactions\", \"kind\": \"donation\", " COLUMNS "}"

static void row(const char *document, const char *const *fields, size_t n, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_settings settings = settings_of(ctx, document);
    json_t *wanted = json_loads(expected, 0, NULL);
    struct import_row seen;
    enum import_verdict verdict = import_row_read(ctx, &settings, &catalogue, fields, n, &seen);

    if (wanted == NULL) {
        assert_int_equal(verdict, IMPORT_ROW_refused);
        assert_string_equal(mem_printf(ctx, "%s%s%s", seen.column != NULL ? seen.column : "",
                                       seen.column != NULL ? ": " : "", seen.why),
                            expected);
    } else {
        assert_int_equal(verdict, IMPORT_ROW_item);
        assert_true(json_equal(seen.item, wanted));
    }
    json_decref(seen.item);
    json_decref(wanted);
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
    row(GIFTS, all, 7,
        "{\"contact\": {\"email\": \"ana@example.org\", \"first_name\": \"Ana\", \"tags\": "
        "[\"socia\", \"amiga\"], \"attr\": {\"socio\": 17.0}}, \"kind\": \"donation\", \"source\": "
        "\"import\", \"occurred_at\": \"2006-12-31T10:30:00.000000Z\", \"amount\": \"25.00\", "
        "\"data\": {\"nota\": \"gracias\"}}");
    row(GIFTS, bare, 7,
        "{\"contact\": {\"email\": \"ana@example.org\"}, \"kind\": \"donation\", \"source\": "
        "\"import\", \"occurred_at\": \"2006-12-31\"}");
    row(GIFTS, nobody, 7, "the row does not say who it is: email and external_id are empty");
    row(GIFTS, wrong, 7, "Fecha: \"ayer\" is no day that can be read");
    row(GIFTS, text, 7, "attr.socio: \"mucho\" is no number");
    row(GIFTS, bare, 6, "there are 6 columns; the header has 7");
    row("{\"what\": \"contacts\", " COLUMNS "}", bare, 7,
        "{\"contact\": {\"email\": \"ana@example.org\"}}");
}

/* The first address is the primary one, whatever column it stands in; none is told twice. */
static void test_several_addresses(void **state)
{
    static const char *const columns =
        "{\"what\": \"contacts\", \"split\": \"/\", \"columns\": {\"email\": \"email\", "
        "\"Nombre\": \"phone\", \"Fecha\": \"email\", \"Importe\": \"phone\", \"Etiquetas\": "
        "null, \"attr.socio\": \"email\", \"nota\": null}}";
    const char *const fields[] = {"", "600 / 700", "a@x/b@x", "'+1 / 700 / /", "", "c@x / a@x", ""};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_settings s = settings_of(ctx, columns);

    (void)state;
    row(columns, fields, 7,
        "{\"contact\": {\"email\": \"a@x\", \"emails\": [\"b@x\", \"c@x\"], \"phone\": \"600\", "
        "\"phones\": [\"700\", \"+1\"]}}");
    assert_string_equal(import_row_column(&s, fields, 7, "/contact/emails/0"), "Fecha");
    assert_string_equal(import_row_column(&s, fields, 7, "/contact/emails/1/email"), "attr.socio");
    assert_string_equal(import_row_column(&s, fields, 7, "/contact/phones/0"), "Nombre");
    assert_string_equal(import_row_column(&s, fields, 7, "/contact/phones/1/phone"), "Importe");
    assert_null(import_row_column(&s, fields, 7, "/contact/phones/2"));
    assert_string_equal(import_map_guess("Teléfono 2"), "phone");
    assert_string_equal(import_map_guess("email2"), "email");
    assert_null(import_map_guess("nombre 2"));
}

static void test_columns_of_mistakes(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_settings s = settings_of(ctx, GIFTS);

    (void)state;
    assert_string_equal(import_row_column(&s, NULL, 0, "/contact/email"), "email");
    assert_string_equal(import_row_column(&s, NULL, 0, "/contact/attr/socio"), "attr.socio");
    assert_string_equal(import_row_column(&s, NULL, 0, "/contact/tags/0"), "Etiquetas");
    assert_string_equal(import_row_column(&s, NULL, 0, "/amount"), "Importe");
    assert_string_equal(import_row_column(&s, NULL, 0, "/data/nota"), "nota");
    assert_null(import_row_column(&s, NULL, 0, "/contact"));
    assert_null(import_row_column(&s, NULL, 0, "/kind"));
    assert_null(import_row_column(&s, NULL, 0, ""));
}

static void mistake(const char *document, const char *pointer)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_settings settings;
    struct import_map map;
    json_t *value = json_loads(document, 0, NULL);
    struct diag d;
    bool found = false;

    diag_init(&d, ctx);
    import_map_header(ctx, header, 7, &map);
    assert_non_null(value);
    assert_false(import_settings_read(ctx, value, &map, &settings, &d));
    for (size_t i = 0; i < d.n; i++)
        found = found || strcmp(d.items[i].pointer, pointer) == 0;
    if (!found)
        fail_msg("%s is not told of %s", pointer, document);
    json_decref(value);
}

static void test_settings(void **state)
{
    (void)state;
    mistake("[]", "");
    mistake("{\"what\": \"people\", " COLUMNS "}", "/what");
    mistake("{\"what\": \"interactions\", " COLUMNS "}", "/kind");
    mistake("{\"what\": \"contacts\", \"columns\": {\"email\": \"email\"}}", "/columns/nota");
    mistake("{\"what\": \"contacts\", \"columns\": {\"email\": null}}", "/columns");
    mistake("{\"what\": \"contacts\", \"columns\": {\"email\": \"email\", \"Nombre\": "
            "\"first_name\", \"nota\": \"first_name\"}}",
            "/columns/nota");
    mistake("{\"what\": \"contacts\", \"split\": \"-\", " COLUMNS "}", "/split");
    mistake("{\"what\": \"contacts\", \"thousands\": \".\", " COLUMNS "}", "/decimal");
    mistake("{\"what\": \"contacts\", \"dates\": \"soon\", " COLUMNS "}", "/dates");
    mistake("{\"what\": \"contacts\", \"encoding\": \"ebcdic\", " COLUMNS "}", "/encoding");
    mistake("{\"what\": \"contacts\", \"consent\": {\"topic\": \"news\"}, " COLUMNS "}",
            "/consent");
    mistake("{\"what\": \"interactions\", \"kind\": \"x\", \"amount_of\": [\"nota\"], " COLUMNS "}",
            "/amount_of");
    mistake(
        "{\"what\": \"interactions\", \"kind\": \"x\", \"refunds\": {\"same\": [\"no\"]}, " COLUMNS
        "}",
        "/refunds/same/0");
    mistake("{\"what\": \"contacts\", \"colums\": 1, " COLUMNS "}", "/colums");
}

/* --- keys and refunds ---------------------------------------------------------------------------
 */

static json_t *keyed(struct import_keys *k, const char *amount_text, const char *note)
{
    const char *const fields[] = {"ana@example.org", "", "", amount_text, "", "", note};
    json_t *item = json_pack("{s:{s:s}, s:s, s:s}", "contact", "email", fields[0], "kind",
                             "donation", "amount", amount_text);
    const char *why = NULL;

    import_keys_row(k, fields, item, &why);
    if (why != NULL)
        json_object_set_new(item, "why", json_string(why));
    return item;
}

static const char *of(const json_t *item, const char *name)
{
    const char *s = json_string_value(json_object_get(item, name));

    return s == NULL ? "" : s;
}

static void test_keys(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_settings s = settings_of(ctx, GIFTS);
    struct import_keys *one = import_keys_new(ctx, &s), *other = import_keys_new(ctx, &s);
    json_t *a = keyed(one, "5", ""), *b = keyed(one, "5", ""), *c = keyed(other, "5", ""),
           *d = keyed(one, "6", "");

    (void)state;
    assert_string_not_equal(of(a, "key"), of(b, "key"));
    assert_string_equal(of(a, "key"), of(c, "key"));
    assert_string_not_equal(of(a, "key"), of(d, "key"));
    assert_int_equal(strlen(of(a, "key")), 42);
    json_decref(a);
    json_decref(b);
    json_decref(c);
    json_decref(d);
}

static void test_refunds(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_settings s = settings_of(
        ctx, "{\"what\": \"interactions\", \"kind\": \"donation\", \"refunds\": {\"same\": "
             "[\"nota\"], \"otherwise\": \"return\"}, " COLUMNS "}");
    struct import_keys *k = import_keys_new(ctx, &s);
    json_t *first = keyed(k, "10", "2"), *second = keyed(k, "7.50", "2"),
           *back = keyed(k, "-8", "-2"), *more = keyed(k, "-7", "-2"), *lost = keyed(k, "-3", "-2"),
           *alien = keyed(k, "-1", "3");

    (void)state;
    assert_string_equal(of(back, "amends"), of(first, "key"));
    assert_string_equal(of(back, "kind"), "refund");
    assert_string_equal(of(more, "amends"), of(second, "key"));
    assert_string_equal(of(lost, "amends"), "");
    assert_string_equal(of(lost, "kind"), "return");
    assert_string_equal(of(alien, "kind"), "return");
    s.refunds.otherwise = NULL;
    json_decref(alien);
    alien = keyed(k, "-1", "3");
    assert_string_not_equal(of(alien, "why"), "");
    json_decref(first);
    json_decref(second);
    json_decref(back);
    json_decref(more);
    json_decref(lost);
    json_decref(alien);
}

static void test_table(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_table t = {.ctx = ctx};

    (void)state;
    assert_null(import_table_find(&t, 7));
    for (uint64_t i = 1; i <= 50000; i++)
        *import_table_at(&t, i * 2654435761U) = (int64_t)i;
    for (uint64_t i = 1; i <= 50000; i++)
        assert_int_equal(*import_table_find(&t, i * 2654435761U), i);
    assert_null(import_table_find(&t, 12345));
    assert_int_equal(t.n, 50000);
    assert_true(import_hash("ab", "c", NULL) != import_hash("a", "bc", NULL));
}

/* --- guesses ------------------------------------------------------------------------------------
 */

static void test_guess(void **state)
{
    static const char *const names[] = {"Correo", "Fecha", "Importe", "color", "e-mail"};
    static const char *const rows[][5] = {{"a@x / b@x", "1/2/2006", "1.234,50", "red", ""},
                                          {"b@x", "13/2/2006", "3", "", ""}};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import_guess *g = import_guess_new(ctx);
    json_t *guess, *settings, *wanted;

    (void)state;
    assert_null(import_guess_end(g, "utf-8", ';', "Europe/Madrid"));
    import_guess_header(g, names, 5);
    for (size_t i = 0; i < 2; i++)
        import_guess_row(g, rows[i], 5);
    guess = import_guess_end(g, "utf-8", ';', "Europe/Madrid");
    settings = json_object_get(guess, "settings");
    wanted = json_loads("{\"what\": \"interactions\", \"columns\": {\"Correo\": \"email\", "
                        "\"Fecha\": \"occurred_at\", \"Importe\": \"amount\", \"e-mail\": "
                        "\"email\"}, \"split\": \"/\", \"dates\": "
                        "\"dd/mm/yyyy\", \"decimal\": \",\", \"thousands\": \".\", \"encoding\": "
                        "\"utf-8\", \"delimiter\": \";\", \"time_zone\": \"Europe/Madrid\"}",
                        0, NULL);
    assert_true(json_equal(settings, wanted));
    assert_int_equal(json_array_size(json_object_get(guess, "unknown")), 1);
    assert_int_equal(json_array_size(json_object_get(guess, "ambiguous")), 0);
    json_decref(guess);
    json_decref(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headings),
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_declared_amounts),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_other_values),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_columns_of_mistakes),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_refunds),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_guess),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
