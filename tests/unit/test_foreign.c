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
    {"related to \"parent of\"", 1, 1, "did you mean \"related as\"?"},
    {"any(donation between 24 months ago and 12 months ago)", 1, 14, "found \"between\""},
    {"any(donation after 2026-01-01)", 1, 20, "from a day on is written since 2026-01-01"},
    {"any(donation until 2026-01-01)", 1, 14, "did you mean \"before\"?"},
    {"any(donation from 2026-01-01)", 1, 14, "did you mean \"since\" or \"between\"?"},
    {"last(donation) > 365 days", 1, 22, "in last 365 days, or before 365 days ago"},
    {"created_at >= 30 days ago", 1, 18, "in last 30 days, or before 30 days ago"},
    {"last(donation) in last 3 months ago", 1, 33, "expected \"and\", \"or\" or the end"},
    {"country is \"ES\"", 1, 12, "did you mean \"=\"?"},
    {"country not \"ES\"", 1, 9, "did you mean \"!=\"?"},
    {"tag = \"socio\"", 1, 5, "the name follows at once: tag \"...\""},
    {"subscribed in (\"boletin\")", 1, 12, "the name follows at once: subscribed \"...\""},
    {"city = \"Sevilla\" or \"Cádiz\"", 1, 28, "each side of and, or is a whole condition"},
    {"not email", 1, 10, "who has no value is found with email is unknown"},
    {"city in [\"Sevilla\"]", 1, 9, "a list stands in round brackets"},
    {"sum(donation.amount) > 2 * age", 1, 26, "a rule does not calculate: there is no \"*\""},
    {"last(donation) - first(donation) < 5", 1, 16, "there is no \"-\""},
    {"contains(city, \"a\")", 1, 1, "the text stands on its left: city contains"},
    {"segment \"socios\"", 1, 1, "did you mean \"in segment\"?"},
    {"group \"junta\"", 1, 1, "did you mean \"in group\"?"},
    {"consent \"boletin\"", 1, 1, "did you mean \"subscribed\"?"},
    {"everybody", 1, 1, "did you mean \"true\"?"},
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

static struct catalogue_name kinds[] = {{"donation", 1}};
static struct catalogue_field fields[] = {{"carnet", 1, FIELD_TEXT}};
static const struct catalogue catalogue = {.org_id = 1,
                                           .time_zone = "Europe/Madrid",
                                           .currency = "EUR",
                                           .currency_digits = 2,
                                           .language = "es",
                                           .leap_birthday = "02-28",
                                           .kinds = kinds,
                                           .n_kinds = 1,
                                           .fields = fields,
                                           .n_fields = 1};

/* What is no mistake of grammar, and never holds. */
static void test_warns_of_what_holds_for_nobody(void **state)
{
    static const struct {
        const char *text;
        int column;
        const char *message; /* NULL: none */
    } cases[] = {
        {"country = \"España\"", 11, "a code of two letters"},
        {"country in (\"es\", \"PRT\")", 19, "a code of two letters"},
        {"country starts with \"E\" or country = \"es\"", 0, NULL},
        {"email = \"\"", 9, "who has none is found with \"is unknown\""},
        {"attr.carnet = \"\" or any(donation where data.x = \"\")", 0, NULL},
        {"any(donation where currency = \"euros\")", 31, "a code of three letters"},
        {"language = \"español\" or language = \"pt-BR\"", 12, "a tag such as \"es\""},
        {"first(donation) in next 3 days", 17, "only once it has happened"},
        {"last(donation.data.day) = \"x\" or created_at in next 3 days", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct diag d, warnings;
        struct rule *rule;

        diag_init(&d, ctx);
        diag_init(&warnings, ctx);
        rule = rule_parse(ctx, cases[i].text, strlen(cases[i].text), &d);
        if (rule == NULL || !rule_check(rule, &catalogue, &d, &warnings))
            fail_msg("%s: %s", cases[i].text, d.items[0].message);
        if (warnings.n != (cases[i].message != NULL) ||
            (warnings.n > 0 && (warnings.items[0].column != cases[i].column ||
                                strstr(warnings.items[0].message, cases[i].message) == NULL)))
            fail_msg("%s: %zu: %d: %s", cases[i].text, warnings.n,
                     warnings.n > 0 ? warnings.items[0].column : 0,
                     warnings.n > 0 ? warnings.items[0].message : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_to_write),
                                       cmocka_unit_test(test_warns_of_what_holds_for_nobody)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
