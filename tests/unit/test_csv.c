/* test_csv.c - CSV: the suite csv-spectrum, broken lines, and that bytes may be cut anywhere. */
#include "common/csv.h"
#include "common/mem.h"
#include "common/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SUITE_MAX ((size_t)1 << 20)

/* What was read, a line a record: "LINE:[field|field]" or "LINE:COLUMN! error {raw}". */
struct seen {
    struct buf text;
};

static void on_record(void *arg, const struct csv_record *r)
{
    struct seen *seen = arg;

    if (r->error != NULL) {
        buf_printf(&seen->text, "%d:%d! {%.*s}\n", (int)r->line, r->column, (int)r->raw_n, r->raw);
        return;
    }
    buf_printf(&seen->text, "%d:[", (int)r->line);
    for (size_t i = 0; i < r->n; i++)
        buf_printf(&seen->text, "%s%s", i > 0 ? "|" : "", r->fields[i]);
    buf_str(&seen->text, "]\n");
}

static char *read_cut(const void *ctx, const char *text, size_t n, char delimiter, size_t piece)
{
    struct seen seen;
    struct csv *csv = csv_new(ctx, delimiter, on_record, &seen);

    buf_init(&seen.text, ctx, 64 << 20);
    for (size_t at = 0; at < n; at += piece)
        csv_feed(csv, text + at, n - at < piece ? n - at : piece);
    csv_end(csv);
    talloc_free(csv);
    return buf_take(&seen.text, ctx);
}

static void reads(const char *text, const char *expected)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    assert_string_equal(read_cut(ctx, text, strlen(text), ',', 1 << 20), expected);
    assert_string_equal(read_cut(ctx, text, strlen(text), ',', 1), expected);
}

static void test_plain(void **state)
{
    (void)state;
    reads("", "");
    reads("a,b\n1,2\n", "1:[a|b]\n2:[1|2]\n");
    reads("a,b\r\n1,2", "1:[a|b]\n2:[1|2]\n");
    reads("a,b\r1,2\r", "1:[a|b]\n2:[1|2]\n");
    reads("\xEF\xBB\xBF"
          "a,b\n",
          "1:[a|b]\n");
    reads("a\n\n\r\n\nb\n", "1:[a]\n5:[b]\n");
    reads("\"\"\n,\n", "1:[]\n2:[|]\n");
    reads("\"a \"\"b\"\" c\",\"x,\ny\"\nz,\n", "1:[a \"b\" c|x,\ny]\n3:[z|]\n");
    reads("\"a\r\nb\"\r\nc\r\n", "1:[a\r\nb]\n3:[c]\n");
    reads("a,5\" nail\nd\n", "1:[a|5\" nail]\n2:[d]\n");
}

static void test_broken(void **state)
{
    (void)state;
    reads("\"a\"b,c\nd\n", "1:4! {\"a\"b,c}\n2:[d]\n");
    reads("é,\"a\" b\nd\n", "1:6! {é,\"a\" b}\n2:[d]\n");
    /* A quote never closed spoils its own line alone. */
    reads("a\nx,\"y\nb\nc\n", "1:[a]\n2:3! {x,\"y}\n3:[b]\n4:[c]\n");
    reads("x,\"y\nb,\"z\"\nc\n", "1:3! {x,\"y}\n2:[b|z]\n3:[c]\n");
    reads("x,\"y\r\nb,\"z\"\r\nc\r\n", "1:3! {x,\"y}\n2:[b|z]\n3:[c]\n");
    reads("\"a\nb\nc", "1:1! {\"a}\n2:[b]\n3:[c]\n");
    reads("\"a\n\"b\n\"c\nd", "1:1! {\"a}\n2:1! {\"b}\n3:1! {\"c}\n4:[d]\n");
    reads("ok\n\xFF\xFE,1\nok\n", "1:[ok]\n2:1! {\xFF\xFE,1}\n3:[ok]\n");
}

static void test_nul(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    assert_string_equal(read_cut(ctx, "a\nb\0c,d\ne\n", 10, ',', 3), "1:[a]\n2:2! {b}\n3:[e]\n");
}

static void test_long(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    size_t n = 3 * CSV_RECORD_MAX;
    char *text = mem_array(ctx, char, n + 1);
    char *seen;

    (void)state;
    memset(text, 'x', n);
    text[n - 2] = '\n';
    seen = read_cut(ctx, text, n, ',', 1000);
    assert_memory_equal(seen, "1:", 2);
    assert_non_null(strstr(seen, "! {"));
    assert_true(text_ends(seen, "}\n2:[x]\n"));
    /* A quote opened once in a long file costs its line, not the file. */
    for (size_t i = 0; i < n; i += 2)
        memcpy(text + i, "y\n", 2);
    text[0] = '"';
    seen = read_cut(ctx, text, n, ',', 4096);
    assert_true(text_begins(seen, "1:1! {\"}\n2:[y]\n3:[y]\n"));
    assert_non_null(strstr(seen, mem_printf(ctx, "\n%d:[y]\n", (int)(n / 2))));
}

static void test_delimiter(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    assert_int_equal(csv_guess_delimiter("a;b,c;d\n,,,,,", 14), ';');
    assert_int_equal(csv_guess_delimiter("\"a,b,c\"\tb\n", 10), '\t');
    assert_int_equal(csv_guess_delimiter("email\n", 6), ',');
    assert_string_equal(read_cut(ctx, "a,b;\"c;d\"\n", 10, ';', 10), "1:[a,b|c;d]\n");
}

/* Whatever is written is read back, however it is cut. */
static void test_round_trip(void **state)
{
    static const char letters[] = "ab\",;\r\n\xC3";
    unsigned seed = (unsigned)time(NULL);
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 300; round++) {
        struct buf written, expected;
        int rows = rand() % 4 + 1, line = 1;

        buf_init(&written, ctx, 1 << 16);
        buf_init(&expected, ctx, 1 << 16);
        for (int r = 0; r < rows; r++) {
            int begun = line;

            buf_printf(&expected, "%d:[", begun);
            for (int f = 0; f < 3; f++) {
                char field[8];
                size_t n = (size_t)rand() % sizeof(field), used = 0;

                for (size_t i = 0; i < n; i++) {
                    char b = letters[(size_t)rand() % (sizeof(letters) - 1)];

                    if (b == '\xC3' && used + 2 <= sizeof(field)) {
                        memcpy(field + used, "\xC3\xB1", 2);
                        used += 2;
                    } else if (b != '\xC3' && used < sizeof(field)) {
                        field[used++] = b;
                    }
                }
                for (size_t i = 0; i < used; i++)
                    line +=
                        field[i] == '\r' || (field[i] == '\n' && (i == 0 || field[i - 1] != '\r'));
                csv_add_field(&written, field, used, ',');
                buf_str(&written, f < 2 ? "," : "\r\n");
                buf_printf(&expected, "%s%.*s", f > 0 ? "|" : "", (int)used, field);
            }
            buf_str(&expected, "]\n");
            line++;
        }
        assert_string_equal(read_cut(ctx, written.data, written.len, ',', (size_t)rand() % 5 + 1),
                            expected.data);
        buf_done(&written);
        buf_done(&expected);
    }
}

/* What is marked for a spreadsheet is unmarked by who reads it, and nothing else is; no field that
 * is written begins like a formula, but for numbers. */
static void test_marks(void **state)
{
    static const char *const pieces[] = {"'",      "=",      "+",      "-",      "@", "\t", "\n",
                                         "\uFF1D", "\uFF0B", "\uFF0D", "\uFF20", "7", ".",  "ñ"};
    unsigned seed = (unsigned)time(NULL);
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 5000; round++) {
        char text[32] = "", *copy;
        struct buf written;
        size_t at;

        for (int i = rand() % 5; i > 0; i--)
            strcat(text, pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
        buf_init(&written, ctx, 64);
        csv_add_text(&written, text, strlen(text), '|');
        at = written.data[0] == '"';
        copy = mem_strndup(ctx, written.data + at, written.len - 2 * at);
        assert_string_equal(csv_unmarked(copy), text);
        if (strspn(copy, "-.7") < strlen(copy) || strpbrk(copy, "7") == NULL)
            for (size_t i = 1; i < 11; i++)
                assert_false(text_begins(copy, pieces[i]));
        buf_done(&written);
    }
}

/* Bytes of all sorts: never a crash, every line accounted for, the same however it is cut. */
static void test_noise(void **state)
{
    static const char letters[] = "a,\"\n\r";
    unsigned seed = (unsigned)time(NULL);
    char text[200];

    (void)state;
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 2000; round++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        size_t n = (size_t)rand() % sizeof(text);

        for (size_t i = 0; i < n; i++)
            text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        assert_string_equal(read_cut(ctx, text, n, ',', 1), read_cut(ctx, text, n, ',', 7));
    }
}

/* --- csv-spectrum
 * --------------------------------------------------------------------------------- */

struct spectrum {
    json_t *header; /* NULL before the first record */
    json_t *rows;
};

static void on_spectrum(void *arg, const struct csv_record *r)
{
    struct spectrum *s = arg;
    json_t *row;

    if (r->error != NULL)
        fail_msg("line %d: %s", (int)r->line, r->error);
    if (s->header == NULL) {
        s->header = json_array();
        for (size_t i = 0; i < r->n; i++)
            json_array_append_new(s->header, json_string(r->fields[i]));
        return;
    }
    row = json_object();
    for (size_t i = 0; i < r->n; i++)
        json_object_set_new(row, json_string_value(json_array_get(s->header, i)),
                            json_string(r->fields[i]));
    json_array_append_new(s->rows, row);
}

static void test_spectrum(void **state)
{
    static const char *const names[] = {"comma_in_quotes", "empty",         "empty_crlf",
                                        "escaped_quotes",  "json",          "location_coordinates",
                                        "newlines",        "newlines_crlf", "quotes_and_newlines",
                                        "simple",          "simple_crlf",   "utf8"};
    const char *shared = getenv("LAZO_SHARED") != NULL ? getenv("LAZO_SHARED") : "../shared";
    MEM_SCOPED void *ctx = talloc_new(NULL);
    size_t n;

    (void)state;
    if (text_file_read(ctx, mem_printf(ctx, "%s/suites/csv/csvs/simple.csv", shared), SUITE_MAX,
                       &n) == NULL) {
        printf("skipped: %s/suites/csv is not there\n", shared);
        talloc_free(ctx);
        skip();
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct spectrum s = {.rows = json_array()};
        char *text = text_file_read(
            ctx, mem_printf(ctx, "%s/suites/csv/csvs/%s.csv", shared, names[i]), SUITE_MAX, &n);
        json_t *expected = json_load_file(
            mem_printf(ctx, "%s/suites/csv/json/%s.json", shared, names[i]), 0, NULL);
        struct csv *csv = csv_new(ctx, ',', on_spectrum, &s);

        assert_non_null(text);
        assert_non_null(expected);
        csv_feed(csv, text, n);
        csv_end(csv);
        if (strcmp(names[i], "location_coordinates") ==
            0) { /* the suite's file and JSON have different numbers */
            json_object_del(json_array_get(s.rows, 0), "Contact Phone Number");
            json_object_del(expected, "Contact Phone Number");
            json_object_del(json_array_get(expected, 0), "Contact Phone Number");
        }
        if (json_is_object(expected)) /* its one row stands without an array */
            expected = json_pack("[o]", expected);
        if (!json_equal(expected, s.rows))
            fail_msg("%s: read %s", names[i], json_dumps(s.rows, 0));
        json_decref(expected);
        json_decref(s.rows);
        json_decref(s.header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),     cmocka_unit_test(test_broken),
        cmocka_unit_test(test_nul),       cmocka_unit_test(test_long),
        cmocka_unit_test(test_delimiter), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_marks),     cmocka_unit_test(test_noise),
        cmocka_unit_test(test_spectrum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
