/* Exact decimals: against the machine's own integers on random numbers, and at the edges. */
#include "common/buf.h"
#include "common/mem.h"
#include "common/template/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define ROUNDS 20000

static struct decimal read_all(const char *s)
{
    struct decimal d;
    assert_true(decimal_parse(s, strlen(s), &d));
    return d;
}

static void shows(struct decimal d, const char *wanted)
{
    struct buf text;
    buf_init(&text, NULL, 100);
    decimal_print(&text, d);
    assert_string_equal(text.data, wanted);
    buf_done(&text);
}

/* cents() - a whole number of hundredths as a decimal. */
static struct decimal cents(int64_t n)
{
    return (struct decimal){.digits = n, .scale = 2, .real = true};
}

/* Sums, differences, products and order of hundredths are those of whole numbers. */
static void test_against_integers(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t a = (int64_t)rand() - RAND_MAX / 2, b = (int64_t)rand() - RAND_MAX / 2;
        struct decimal d;
        assert_true(decimal_add(cents(a), cents(b), &d));
        assert_int_equal(decimal_compare(d, cents(a + b)), 0);
        assert_true(decimal_subtract(cents(a), cents(b), &d));
        assert_int_equal(decimal_compare(d, cents(a - b)), 0);
        assert_true(decimal_multiply(cents(a), decimal_int(b), &d));
        assert_int_equal(decimal_compare(d, cents(a * b)), 0);
        int order = decimal_compare(cents(a), cents(b));
        assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
        if (b == 0)
            continue;
        struct decimal q, rest, back;
        assert_true(decimal_divide(decimal_int(a), decimal_int(b), &q));
        assert_true(decimal_modulo(decimal_int(a), decimal_int(b), &rest));
        assert_true(decimal_multiply(q, decimal_int(b), &back));
        assert_true(decimal_add(back, rest, &back));
        assert_int_equal(decimal_compare(back, decimal_int(a)), 0);
        assert_true(rest.digits == 0 || (rest.digits < 0) == (b < 0));
    }
}

/* What is printed reads back as the same number. */
static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct decimal d = {.digits = (__int128)rand() * rand() * (rand() % 2 ? 1 : -1),
                            .scale = rand() % 20,
                            .real = true};
        struct decimal back;
        struct buf text;
        buf_init(&text, NULL, 100);
        decimal_print(&text, d);
        assert_true(decimal_parse(text.data, text.len, &back));
        assert_int_equal(decimal_compare(d, back), 0);
        buf_done(&text);
    }
}

static void test_reading(void **state)
{
    static const char *const BAD[] = {
        "",      "-",   ".",     ".5",    "5.",
        "1.2.3", "1e",  "1e+",   "0x1",   " 1",
        "1 ",    "--1", "1e999", "1e-99", "100000000000000000000000000000000000000"};
    struct decimal d;
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(decimal_parse(BAD[i], strlen(BAD[i]), &d));
    shows(read_all("-007"), "-7");
    shows(read_all("25.00"), "25.0");
    shows(read_all("0.05"), "0.05");
    shows(read_all("-0.5"), "-0.5");
    shows(read_all("1.5e3"), "1500.0");
    shows(read_all("15e-1"), "1.5");
    shows(read_all("99999999999999999999999999999999999999"),
          "99999999999999999999999999999999999999");
    assert_true(decimal_double(0.1, &d));
    shows(d, "0.1");
    assert_true(decimal_double(1e20, &d));
    shows(d, "100000000000000000000.0");
    assert_false(decimal_double(1e300, &d));
    shows(decimal_lenient(" 12abc", 6), "12");
    shows(decimal_lenient("1.5x", 4), "1");
    shows(decimal_lenient(" 1.50 ", 6), "1.5");
    shows(decimal_lenient("abc", 3), "0");
}

static void test_rounding(void **state)
{
    struct decimal d;
    (void)state;
    shows(decimal_round(read_all("2.5"), 0), "3");
    shows(decimal_round(read_all("-2.5"), 0), "-3");
    shows(decimal_round(read_all("2.345"), 2), "2.35");
    shows(decimal_round(read_all("2.3"), 5), "2.3");
    shows(decimal_floor(read_all("-0.1")), "-1");
    shows(decimal_ceil(read_all("-0.9")), "0");
    shows(decimal_ceil(read_all("0.1")), "1");
    assert_true(decimal_divide(read_all("10.50"), decimal_int(4), &d));
    shows(d, "2.625");
    assert_true(decimal_divide(read_all("20.0"), decimal_int(7), &d));
    shows(d, "2.857142857142857");
    assert_true(decimal_divide(decimal_int(-7), decimal_int(2), &d));
    shows(d, "-4");
}

static void test_too_many_digits(void **state)
{
    struct decimal most = read_all("99999999999999999999999999999999999999"), d;
    (void)state;
    assert_false(decimal_add(most, decimal_int(1), &d));
    assert_false(decimal_subtract(decimal_int(-1), most, &d));
    assert_false(decimal_multiply(most, decimal_int(2), &d));
    assert_false(decimal_divide(decimal_int(1), decimal_int(0), &d));
    assert_false(decimal_modulo(decimal_int(1), decimal_int(0), &d));
    int64_t whole;
    assert_false(decimal_whole(most, &whole));
    assert_true(decimal_whole(read_all("-9223372036854775808"), &whole));
    assert_true(whole == INT64_MIN);
    assert_true(decimal_compare(most, read_all("0.000000000000000000000000000001")) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_integers), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_reading),          cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_too_many_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
