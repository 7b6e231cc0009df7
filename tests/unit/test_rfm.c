/* test_rfm.c - recency, frequency and money: the scores of 995 people as the R package rfm has
 * them, quantiles, classes, and what is no model. */
#include "common/csv.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/rfm/rfm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PEOPLE_MAX 1000

struct people {
    struct rfm_row rows[PEOPLE_MAX];
    int expected[PEOPLE_MAX][3];
    size_t n;
};

static void on_person(void *arg, const struct csv_record *record)
{
    struct people *p = arg;
    struct rfm_row *row = &p->rows[p->n];

    if (record->line == 1)
        return;
    assert_true(record->n >= 7 && p->n < PEOPLE_MAX);
    row->recency_days = atoll(record->fields[1]);
    row->frequency = atoll(record->fields[2]);
    row->monetary = atof(record->fields[3]);
    for (int i = 0; i < 3; i++)
        p->expected[p->n][i] = atoi(record->fields[4 + i]);
    p->n++;
}

static void the_orders_of_995_people(void **state)
{
    void *ctx = talloc_new(NULL);
    struct people *p = mem_new(ctx, struct people);
    struct rfm_model *model = mem_new(ctx, struct rfm_model);
    struct csv *csv = csv_new(ctx, ',', on_person, p);
    size_t n;
    char *text = text_file_read(ctx, "tests/data/rfm/expected_orders_20061231.csv", 1 << 20, &n);

    (void)state;
    if (text == NULL) {
        talloc_free(ctx);
        skip();
    }
    csv_feed(csv, text, n);
    csv_end(csv);
    assert_int_equal(p->n, 995);
    model->classes = 5;
    model->integer_bins = true;
    rfm_score(model, p->rows, p->n);
    for (size_t i = 0; i < p->n; i++) {
        assert_int_equal(p->rows[i].r, p->expected[i][0]);
        assert_int_equal(p->rows[i].f, p->expected[i][1]);
        assert_int_equal(p->rows[i].m, p->expected[i][2]);
    }
    talloc_free(ctx);
}

/* R: quantile(c(1, 2, 4, 8), c(0, .2, .5, .9, 1)) */
static void quantiles_of_type_7(void **state)
{
    const double x[] = {1, 2, 4, 8}, p[] = {0, .2, .5, .9, 1}, q[] = {1, 1.6, 3, 6.8, 8};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_true(rfm_quantile(x, 4, p[i]) > q[i] - 1e-9 &&
                    rfm_quantile(x, 4, p[i]) < q[i] + 1e-9);
    assert_true(rfm_quantile(x, 1, .3) == 1);
}

static void classes_by_breaks(void **state)
{
    const double breaks[] = {10, 20, 20, 30};

    (void)state;
    assert_int_equal(rfm_class(9, breaks, 4, false), 1);
    assert_int_equal(rfm_class(10, breaks, 4, false), 1);
    assert_int_equal(rfm_class(10, breaks, 4, true), 2);
    assert_int_equal(rfm_class(20, breaks, 4, false), 2);
    assert_int_equal(rfm_class(20, breaks, 4, true), 4);
    assert_int_equal(rfm_class(31, breaks, 4, false), 5);
}

static bool parse(const char *text, struct rfm_model *model, struct diag *d, json_t **ret_json)
{
    *ret_json = json_loads(text, 0, NULL);
    assert_non_null(*ret_json);
    return rfm_model_parse(*ret_json, model, d);
}

static void models_that_are_none(void **state)
{
    static const struct {
        const char *text, *pointer;
    } bad[] = {
        {"{\"classes\": 2}", "/classes"},
        {"{\"classes\": 11}", "/classes"},
        {"{\"classes\": \"5\"}", "/classes"},
        {"{\"classes\": 4294967301}", "/classes"},
        {"{\"scoring\": \"fxied\"}", "/scoring"},
        {"{\"scoring\": 5}", "/scoring"},
        {"{\"integer_bins\": \"yes\"}", "/integer_bins"},
        {"{\"labels\": {}}", "/labels"},
        {"{\"labels\": [{\"label\": \"x\", \"r\": [1, 6], \"f\": [1, 5], \"m\": [1, 5]}]}",
         "/labels"},
        {"{\"labels\": [{\"label\": \"x\", \"r\": [2, 1], \"f\": [1, 5], \"m\": [1, 5]}]}",
         "/labels"},
        {"{\"labels\": [{\"label\": \"x\", \"r\": [1], \"f\": [1, 5], \"m\": [1, 5]}]}", "/labels"},
        {"{\"labels\": [{\"label\": \"x\", \"r\": [1, 5], \"f\": [1, 5], \"m\": [1, 4294967297]}]}",
         "/labels"},
        {"{\"labels\": [{\"r\": [1, 5], \"f\": [1, 5], \"m\": [1, 5]}]}", "/labels"},
        {"{\"look_back\": \"1001 years\"}", "/look_back"},
        {"{\"scoring\": \"fixed\"}", "/breaks"},
        {"{\"classes\": 3, \"scoring\": \"fixed\", \"breaks\": {\"recency\": [2, 1], "
         "\"frequency\": "
         "[1, 2], \"monetary\": [1, 2]}}",
         "/breaks"},
        {"{\"classes\": 3, \"scoring\": \"fixed\", \"breaks\": {\"recency\": [1, 2], "
         "\"frequency\": "
         "[1, \"2\"], \"monetary\": [1, 2]}}",
         "/breaks"},
    };
    void *ctx = talloc_new(NULL);
    struct rfm_model *model = mem_new(ctx, struct rfm_model);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct diag d;
        json_t *json;

        diag_init(&d, ctx);
        if (parse(bad[i].text, model, &d, &json) || strcmp(d.items[0].pointer, bad[i].pointer) != 0)
            fail_msg("%s", bad[i].text);
        json_decref(json);
    }
    talloc_free(ctx);
}

static void fixed_breaks_and_labels(void **state)
{
    void *ctx = talloc_new(NULL);
    struct rfm_model *model = mem_new(ctx, struct rfm_model);
    struct rfm_row rows[] = {{.recency_days = 30, .frequency = 3, .monetary = 100},
                             {.recency_days = 31, .frequency = 1, .monetary = 99.99},
                             {.recency_days = 400, .frequency = 1, .monetary = 5}};
    struct diag d;
    json_t *json;

    (void)state;
    diag_init(&d, ctx);
    assert_true(
        parse("{\"classes\": 3, \"scoring\": \"fixed\", \"breaks\": {\"recency\": [30, 365], "
              "\"frequency\": [2, 3], \"monetary\": [50, 100]}, \"labels\": [{\"label\": "
              "\"best\", \"r\": [3, 3], \"f\": [3, 3], \"m\": [3, 3]}, {\"label\": \"some\", "
              "\"r\": [2, 3], \"f\": [1, 3], \"m\": [1, 3]}]}",
              model, &d, &json));
    rfm_score(model, rows, 3);
    assert_int_equal(rows[0].r * 100 + rows[0].f * 10 + rows[0].m, 333);
    assert_string_equal(rows[0].label, "best");
    assert_int_equal(rows[1].r * 100 + rows[1].f * 10 + rows[1].m, 212);
    assert_string_equal(rows[1].label, "some");
    assert_int_equal(rows[2].r * 100 + rows[2].f * 10 + rows[2].m, 111);
    assert_string_equal(rows[2].label, "");
    assert_int_equal(rfm_uncovered(model), 9);
    rfm_score(model, rows, 0);
    json_decref(json);
    talloc_free(ctx);
}

/* 0.7 * 90 is less than 63: the 64th of 91 values must not pass its own quantile. */
static void a_quantile_is_its_value(void **state)
{
    void *ctx = talloc_new(NULL);
    struct rfm_row *rows = mem_array(ctx, struct rfm_row, 91);
    struct rfm_model *model = mem_new(ctx, struct rfm_model);

    (void)state;
    for (int i = 0; i < 91; i++)
        rows[i] = (struct rfm_row){.recency_days = i, .frequency = i, .monetary = i};
    model->classes = 10;
    rfm_score(model, rows, 91);
    assert_true(model->frequency[6] == 63);
    assert_int_equal(rows[63].f, 7);
    assert_int_equal(rows[64].f, 8);
    assert_int_equal(rows[63].r, 4);
    talloc_free(ctx);
}

static void a_look_back_begins_with_a_day(void **state)
{
    static const struct {
        int days, months;
        int64_t today, first; /* days since 1970 */
    } cases[] = {
        {7, 0, 20000, 19994}, {0, 1, 19813, 19783}, /* 31 March less a month is 29 February */
        {0, 1, 19446, 19417}, {0, 12, 19782, 19417},    {0, 36, 20833, 19738},
        {0, 14, 30, -396},    {0, 0, 19782, INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rfm_model model = {.look_back_days = cases[i].days,
                                  .look_back_months = cases[i].months};

        assert_int_equal(rfm_first_day(&model, cases[i].today), cases[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_orders_of_995_people),
        cmocka_unit_test(quantiles_of_type_7),
        cmocka_unit_test(classes_by_breaks),
        cmocka_unit_test(a_quantile_is_its_value),
        cmocka_unit_test(a_look_back_begins_with_a_day),
        cmocka_unit_test(models_that_are_none),
        cmocka_unit_test(fixed_breaks_and_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
