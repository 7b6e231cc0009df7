/* What `matches` may be given: rule_pattern_fault(). */
#include "daemon/rules/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void good(void **state)
{
    static const char *const patterns[] = {
        "a",     "^a$",     "a|b",      "(a|b)*c",   "[a-z]+",       "[^0-9]",
        "[]a]",  "[a-]",    "[-a]",     "[^]a]",     "[[:digit:]x]", "a{3}",
        "a{2,}", "a{0,5}",  "\\.es$",   "\\[x\\]",   "(a{10}){10}",  "ñandú",
        "^$",    "a.c",     "[é]",      "((a))",     "[A-Z]",        "x\\{2\\}",
        "[.]",   "(^a|b$)", "a{1,100}", "[a-z0-9_]", "a-b",          "[[:alpha:][:space:]-]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        if (rule_pattern_fault(patterns[i]) != NULL)
            fail_msg("%s: %s", patterns[i], rule_pattern_fault(patterns[i]));
}

static void bad(void **state)
{
    static const char *const patterns[] = {
        "",
        "*a",
        "a**",
        "a*?",
        "a+*",
        "(a",
        "a)",
        "()",
        "a||b",
        "|a",
        "a|",
        "[a",
        "[z-a]",
        "[a-Z]",
        "[à-ü]",
        "[[.x.]]",
        "[[=x=]]",
        "[[:nope:]]",
        "[a\\]",
        "\\d",
        "\\1",
        "(a)\\1",
        "\\",
        "a{",
        "a{,3}",
        "a{3,2}",
        "a{101}",
        "a{0}",
        "^*",
        "$+",
        "(?:a)",
        "***:a",
        "{2}",
        "a]",
        "a}",
        "(a{50}){50}",
        "a{1,x}",
        "[",
        "[^",
        "[]",
        "((((((((((((a))))))))))))",
        "[a-c-e]",
        "a{99999999999}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        if (rule_pattern_fault(patterns[i]) == NULL)
            fail_msg("%s passes", patterns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
