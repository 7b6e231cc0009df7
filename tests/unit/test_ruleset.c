/* test_ruleset.c - the rules of an organisation, compiled together. */
#include "common/mem.h"
#include "daemon/evaluate/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 250

static struct catalogue_name kinds[] = {{"donation", 4}, {"signup", 9}};
static struct catalogue_segment few[] = {{"spain", 11, "country = \"ES\""},
                                         {"hand-made", 12, NULL},
                                         {"broken", 13, "shoe_size = 5"},
                                         {"givers", 14, "any(donation) and in segment \"spain\""}};
static struct catalogue_segment many[MANY];

static struct catalogue catalogue_of(struct catalogue_segment *segments, size_t n)
{
    return (struct catalogue){.org_id = 1,
                              .time_zone = "Europe/Madrid",
                              .currency = "EUR",
                              .currency_digits = 2,
                              .language = "es",
                              .leap_birthday = "02-28",
                              .kinds = kinds,
                              .n_kinds = 2,
                              .segments = segments,
                              .n_segments = n};
}

static void dynamic_ones_that_check(void **state)
{
    struct catalogue c = catalogue_of(few, 4);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, NULL, 0, &d);
    assert_int_equal(set->n_segments, 2);
    assert_int_equal(set->segments[0], 11);
    assert_int_equal(set->segments[1], 14);
    assert_int_equal(set->n_parts, 1);
    assert_non_null(set->parts[0].some->text);
    assert_non_null(set->parts[0].page->text);
    assert_true(set->refers);
    assert_int_equal(set->last_kind, 9);
    assert_int_equal(d.n, 1);
    assert_string_equal(d.items[0].pointer, "broken");
    talloc_free(ctx);
}

static void some_alone(void **state)
{
    const int64_t only[] = {11, 12, 99};
    struct catalogue c = catalogue_of(few, 4);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, only, 3, &d);
    assert_int_equal(set->n_segments, 1);
    assert_int_equal(set->segments[0], 11);
    assert_false(set->refers);
    assert_false(diag_any(&d));
    set = ruleset_compile(ctx, &c, only, 0, &d);
    assert_int_equal(set->n_segments, 0);
    assert_int_equal(set->n_parts, 0);
    talloc_free(ctx);
}

/* One statement holds so many; none is lost at the edges. */
static void many_are_parted(void **state)
{
    struct catalogue c = catalogue_of(many, MANY);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        many[i] = (struct catalogue_segment){.name = mem_printf(ctx, "s%zu", i),
                                             .id = (int64_t)i + 1,
                                             .rule = "count(donation) > 3"};
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, NULL, 0, &d);
    assert_int_equal(set->n_segments, MANY);
    assert_int_equal(set->n_parts, (MANY + RULE_ROOTS_MAX - 1) / RULE_ROOTS_MAX);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(set->segments[i], i + 1);
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dynamic_ones_that_check),
        cmocka_unit_test(some_alone),
        cmocka_unit_test(many_are_parted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
