/* lazo-rules.7 names every word of operators.def and fields.def, and its examples are rules. */
#include "common/mem.h"
#include "daemon/rules/rule.h"
#include "daemon/rules/tree.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PAGE "daemon/rules/lazo-rules.7"

static char *page_read(const void *ctx)
{
    static char page[1 << 16];
    FILE *f = fopen(PAGE, "r");
    size_t n;

    assert_non_null(f);
    n = fread(page, 1, sizeof(page) - 1, f);
    fclose(f);
    return mem_strndup(ctx, page, n);
}

/* Whether the words stand on a line of the page that shows commands (Ic). */
static bool shown(const char *page, const char *words)
{
    size_t n = strlen(words);

    for (const char *at = page; (at = strstr(at, words)) != NULL; at += n) {
        const char *line = at, *macro;

        while (line > page && line[-1] != '\n')
            line--;
        macro = strstr(line, "Ic ");
        if (macro != NULL && macro < at && !isalnum((unsigned char)at[-1]) && at[-1] != '_' &&
            !isalnum((unsigned char)at[n]) && at[n] != '_')
            return true;
    }
    return false;
}

static void test_names(void **state)
{
    static const char *const words[] = {
#define RULE_COMPARISON(name, word, sql) word,
#define RULE_TEXT_TEST(name, word)       word,
#define RULE_AGGREGATE(name, word)       word,
#define RULE_UNIT(name, word, most)      word,
#define RULE_PERIOD(name, word)          word,
#define RULE_WINDOW(name, words)         words,
#define RULE_DAY(name, words)            words,
#include "daemon/rules/operators.def"
#define RULE_FIELD(name, type, sql, need)       #name,
#define RULE_INTERACTION_FIELD(name, type, sql) #name,
#define RULE_RFM_FIELD(name, type, sql, need)   #name,
#include "daemon/rules/fields.def"
    };
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *page = page_read(ctx);

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!shown(page, words[i]))
            fail_msg("%s does not show %s", PAGE, words[i]);
}

static void test_examples(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    char *at = strstr(page_read(ctx), ".Bd -literal\n"), *end;
    int n = 0;

    (void)state;
    assert_non_null(at);
    end = strstr(at, "\n.Ed");
    assert_non_null(end);
    *end = '\0';
    for (at = strchr(at, '\n') + 1; at != NULL && *at != '\0'; n++) {
        char *next = strstr(at, "\n\n");
        struct rule *rule;
        struct diag d;

        if (next != NULL)
            *next = '\0';
        diag_init(&d, ctx);
        rule = rule_parse(ctx, at, strlen(at), &d);
        if (rule == NULL || !rule_check(rule, NULL, &d, NULL))
            fail_msg("%s: %d:%d: %s", at, d.items[0].line, d.items[0].column, d.items[0].message);
        at = next == NULL ? NULL : next + 2;
    }
    assert_true(n >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
