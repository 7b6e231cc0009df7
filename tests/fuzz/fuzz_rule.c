/* fuzz_rule.c - any bytes as a rule, of contacts and of interactions: parsed, checked, printed,
 * parsed again to the same text, and compiled every way. */
#include "common/mem.h"
#include "daemon/rules/rule.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct catalogue_name kinds[] = {{"donation", 1}, {"call", 2}};
static struct catalogue_name topics[] = {{"news", 1}};
static struct catalogue_name models[] = {{"main", 1}};
static struct catalogue_field fields[] = {
    {"t", 1, FIELD_TEXT}, {"n", 2, FIELD_NUMBER}, {"d", 3, FIELD_DATE}, {"b", 4, FIELD_BOOLEAN}};
static struct catalogue_segment segments[] = {{"s", 1, "in segment \"s2\""}, {"s2", 2, "person"}};
static const struct catalogue catalogue = {.org_id = 1,
                                           .time_zone = "Europe/Madrid",
                                           .currency = "EUR",
                                           .currency_digits = 2,
                                           .language = "es",
                                           .leap_birthday = "02-28",
                                           .kinds = kinds,
                                           .n_kinds = 2,
                                           .fields = fields,
                                           .n_fields = 4,
                                           .topics = topics,
                                           .n_topics = 1,
                                           .segments = segments,
                                           .n_segments = 2,
                                           .models = models,
                                           .n_models = 1};

static void compile(const void *ctx, const struct rule *rule, bool where)
{
    struct rule_root root = {rule, 1};
    struct diag d;

    diag_init(&d, ctx);
    if (where) {
        rule_compile_where(ctx, rule, &catalogue);
        return;
    }
    rule_cycle("s2", rule, &catalogue, &d);
    rule_compile_some(ctx, &root, 1, &catalogue);
    rule_compile_page(ctx, &root, 1, &catalogue);
    rule_compile_search(ctx, rule, &catalogue);
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
