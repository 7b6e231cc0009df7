/* The conditions that explaining shows: each leaf of and, or and not, in the order of the text, a
 * rule of its own. */
#include "common/diag.h"
#include "common/mem.h"
#include "daemon/rules/parts.h"
#include "daemon/rules/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *rule;
    const char *parts[6];
} cases[] = {
    {"person", {"person"}},
    {"not person", {"person"}},
    {"city = \"a\" and (person or not company)", {"city = \"a\"", "person", "company"}},
    {"not (tag \"x\" or not (tag \"y\" and tag \"z\"))", {"tag \"x\"", "tag \"y\"", "tag \"z\""}},
    {"count(donation where amount > 1 and source = \"w\") >= 2 and true",
     {"count(donation where amount > 1 and source = \"w\") >= 2", "true"}},
    {"age between 3 and 5 or country not in (\"ES\", \"PT\")",
     {"age between 3 and 5", "country not in (\"ES\", \"PT\")"}},
};

static void test_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        const struct rule *const *parts;
        struct rule *rule;
        struct diag d;
        size_t n;

        diag_init(&d, ctx);
        rule = rule_parse(ctx, cases[i].rule, strlen(cases[i].rule), &d);
        assert_non_null(rule);
        assert_true(rule_check(rule, NULL, &d, NULL));
        parts = rule_parts(ctx, rule, &n);
        for (size_t k = 0; k < n; k++) {
            assert_non_null(cases[i].parts[k]);
            assert_string_equal(rule_text(ctx, parts[k]), cases[i].parts[k]);
        }
        assert_null(cases[i].parts[n]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
