/* lazo-template.7 names every tag and filter that there is. */
#include "common/mem.h"
#include "common/template/template.h"
#include "common/text.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* named() - whether the word stands on a line of macros that shows a command. */
static bool named(const char *page, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = page; (at = strstr(at, word)) != NULL; at += n) {
        const char *line = at;
        while (line > page && line[-1] != '\n')
            line--;
        bool whole = !isalnum((unsigned char)at[-1]) && at[-1] != '_' &&
                     !isalnum((unsigned char)at[n]) && at[n] != '_';
        const char *end = strchr(at, '\n'), *macro = strstr(line, "Ic ");
        if (whole && macro != NULL && macro < at && at < end)
            return true;
    }
    return false;
}

static void check(const char *(*nth)(size_t))
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    size_t n;
    char *page = text_file_read(ctx, "common/template/lazo-template.7", 1 << 20, &n);
    assert_non_null(page);
    for (size_t i = 0; nth(i) != NULL; i++) {
        if (!named(page, nth(i)))
            fail_msg("lazo-template.7 does not name “%s”", nth(i));
    }
}

static void test_filters(void **state)
{
    (void)state;
    check(template_filter_name);
}

static void test_tags(void **state)
{
    (void)state;
    check(template_tag_name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
