/* fuzz_rule.c - any bytes as a rule, of contacts and of interactions: parsed, checked, printed,
 * parsed again to the same text, and compiled every way. */
#include "common/mem.h"
#include "daemon/rules/instant.h"
#include "daemon/rules/parts.h"
#include "daemon/rules/rule.h"
#include "tests/fuzz/catalogue.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What explain makes of it: its conditions, and other instants. */
static void explain(const void *ctx, const struct rule *rule)
{
    struct rule_root root = {.tag = 1};
    const struct rule *const *parts;
    bool left;
    size_t n;

    parts = rule_parts(ctx, rule, &n);
    for (size_t i = 0; i < n; i++)
        rule_text(ctx, parts[i]);
    rule_compile_values(ctx, parts, n < RULE_ROOTS_MAX ? n : RULE_ROOTS_MAX, &catalogue);
    rule_no_history(rule);
    root.rule = rule_inline(ctx, rule, &catalogue, &left);
    rule_instant_ahead(ctx, rule_compile_some(ctx, &root, 1, &catalogue), false);
}

static void compile(const void *ctx, const struct rule *rule, bool where)
{
    struct rule_root root = {rule, 1};
    struct diag d;
    size_t n;

    diag_init(&d, ctx);
    if (where) {
        rule_compile_where(ctx, rule, &catalogue);
        return;
    }
    rule_cycle("s2", rule, &catalogue, &d);
    rule_reads(ctx, rule, &n);
    rule_reaches(ctx, rule, &n);
    rule_compile_some(ctx, &root, 1, &catalogue);
    rule_compile_page(ctx, &root, 1, &catalogue);
    rule_compile_range(ctx, &root, 1, &catalogue);
    rule_compile_search(ctx, rule, &catalogue);
    rule_compile_all(ctx, rule, &catalogue, RULE_FORM_EACH);
    rule_compile_all(ctx, rule, &catalogue, RULE_FORM_WHOLE);
    explain(ctx, rule);
}

static void play(const char *text, size_t n, bool where)
{
    MEM_SCOPED void *ctx = mem_must(talloc_new(NULL));
    struct rule *(*parse)(const void *, const char *, size_t, struct diag *) =
        where ? rule_parse_where : rule_parse;
    struct rule *rule, *again;
    struct diag d, more;
    char *shown;

    diag_init(&d, ctx);
    diag_init(&more, ctx);
    rule = parse(ctx, text, n, &d);
    if (rule == NULL) {
        if (!diag_any(&d))
            bug("refused without a reason");
        return;
    }
    shown = rule_text(ctx, rule);
    json_decref(rule_json(rule));
    if (rule_check(rule, &catalogue, &d, NULL))
        compile(ctx, rule, where);
    again = parse(ctx, shown, strlen(shown), &more);
    if (again != NULL && strcmp(rule_text(ctx, again), shown) != 0)
        bug("\"%s\" is not its own canonical text", shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    play((const char *)bytes, n, false);
    play((const char *)bytes, n, true);
    return 0;
}
