/* What people write who have learnt it elsewhere: the mistake says what to write in its place. */
#include "common/mem.h"
#include "daemon/rules/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int line, column;
    const char *message; /* stands in the message */
} bad[] = {
    {"city = “Las Palmas” and", 1, 8, "straight double quotes: \"Las Palmas\""},
    {"city = «Málaga»", 1, 8, "straight double quotes: \"Málaga\""},
    {"city = ‘x", 1, 8, "straight double quotes"},
    {"city = Madrid”", 1, 14, "straight double quotes"},
    {"person && company", 1, 8, "\"&&\" is written \"and\""},
    {"person || company", 1, 8, "\"||\" is written \"or\""},
    {"!company", 1, 1, "\"!\" is written \"not\""},
    {"age ≥ 18", 1, 5, "\"≥\" is written \">=\""},
    {"age => 18", 1, 5, "\"=>\" is written \">=\""},
    {"sum(donation.amount) > 50€", 1, 26, "without its currency"},
    {"sum(donation.amount) > €50", 1, 24, "without its currency"},
    {"sum(donation.amount) > 50 EUR", 1, 27, "without its currency"},
    {"sum(donation.amount) > 50,5", 1, 26,
     "found \",\"; a number has a point before its decimals: 50.5"},
    {"sum(donation.amount) > 1.000,50", 1, 29, "numbers are written as 1250.50"},
    {"sum(donation.amount) > 1,000", 1, 25, "numbers are written as 1250.50"},
    {"any(donation since 31/12/2025)", 1, 20, "this date is written 2025-12-31"},
    {"any(donation since 12-31-2025)", 1, 20, "this date is written 2025-12-31"},
    {"any(donation since 2025/12/31)", 1, 20, "this date is written 2025-12-31"},
    {"any(donation since 31.12.25)", 1, 20, "as year, month and day"},
    {"any(donation since 03/04/2025)", 1, 20, "as year, month and day"},
    {"any(donation in 2025)", 1, 14, "between 2025-01-01 and 2025-12-31"},
    {"any(donation in last year)", 1, 22, "did you mean \"in last 1 year\" or \"previous year\"?"},
    {"any(donation in the last 3 days)", 1, 14, "did you mean \"in last\"?"},
    {"any(donation in lats 3 days)", 1, 14, "did you mean \"last\"?"},
    {"any(donation last 3 days)", 1, 14, "did you mean \"in last\"?"},
    {"any(donation previus year)", 1, 14, "did you mean \"previous\"?"},
    {"any(donation this year where amount > 1)", 1, 24, "\"where\" stands before the window"},
    {"city is null", 1, 9, "did you mean \"is unknown\"?"},
    {"city is not null", 1, 9, "did you mean \"is known\"?"},
    {"city like \"x\"", 1, 6, "did you mean \"contains\"?"},
    {"relatd as \"parent of\"", 1, 1, "no field \"relatd\"; did you mean \"related\"?"},
    {"aniversary of created_at today", 1, 1, "did you mean \"anniversary\"?"},
    {"nto person", 1, 1, "did you mean \"not\"?"},
    {"deceased and person", 1, 1, "deceased is true or false: write deceased = true"},
};

static void test_what_to_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct diag d;

        diag_init(&d, ctx);
        assert_null(rule_parse(ctx, bad[i].text, strlen(bad[i].text), &d));
        assert_true(diag_any(&d));
        if (d.items[0].line != bad[i].line || d.items[0].column != bad[i].column ||
            strstr(d.items[0].message, bad[i].message) == NULL)
            fail_msg("%s: %d:%d: %s", bad[i].text, d.items[0].line, d.items[0].column,
                     d.items[0].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_to_write)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
