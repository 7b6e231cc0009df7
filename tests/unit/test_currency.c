/* test_currency.c - minor units and exact decimals. */
#include "daemon/org/currency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void digits_of_currencies(void **state)
{
    (void)state;
    assert_int_equal(currency_digits("EUR"), 2);
    assert_int_equal(currency_digits("JPY"), 0);
    assert_int_equal(currency_digits("KWD"), 3);
    assert_int_equal(currency_digits("QQQ"), 2);
    assert_int_equal(currency_digits(""), 2);
    assert_int_equal(currency_digits("EURO"), 2);
}

static void amounts_read(void **state)
{
    static const struct {
        const char *text;
        int digits;
        int64_t minor;
    } good[] = {{"0", 2, 0},
                {"-0", 2, 0},
                {"007", 2, 700},
                {"25", 2, 2500},
                {"25.5", 2, 2550},
                {"25.50", 2, 2550},
                {"25.5000", 2, 2550},
                {"-0.07", 2, -7},
                {"1000", 0, 1000},
                {"1000.0", 0, 1000},
                {"1.234", 3, 1234},
                {"10000000000000", 2, INT64_C(1000000000000000)},
                {"1000000000000000", 0, INT64_C(1000000000000000)}};
    static const char *const bad[] = {"",
                                      "-",
                                      ".",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1,5",
                                      "1e3",
                                      "25.555",
                                      "1 ",
                                      " 1",
                                      "--1",
                                      "1.2.3",
                                      "0x1",
                                      "१",
                                      "NaN",
                                      "1.-1",
                                      "-.5",
                                      "1..2",
                                      "10000000000000.01",
                                      "99999999999999999999999999999999999999"};
    int64_t minor;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!amount_parse(good[i].text, good[i].digits, &minor) || minor != good[i].minor)
            fail_msg("%s", good[i].text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        minor = 77;
        if (amount_parse(bad[i], 2, &minor))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(minor, 77);
    }
}

static void what_is_written_is_read(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    char text[AMOUNT_TEXT];

    (void)state;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        int64_t minor = (int64_t)rand_r(&seed) * rand_r(&seed) % INT64_C(1000000000000000);
        int digits = rand_r(&seed) % 4;
        int64_t read;

        minor = rand_r(&seed) % 2 == 0 ? minor : -minor;
        minor /= rand_r(&seed) % 2 == 0 ? 1 : INT64_C(1000000000000);
        if (!amount_parse(amount_format(minor, digits, text), digits, &read) || read != minor)
            fail_msg("%lld with %d digits: %s", (long long)minor, digits, text);
    }
    assert_string_equal(amount_format(INT64_MIN, 2, text), "-92233720368547758.08");
    assert_string_equal(amount_format(-7, 2, text), "-0.07");
    assert_string_equal(amount_format(5, 0, text), "5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_of_currencies),
        cmocka_unit_test(amounts_read),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
