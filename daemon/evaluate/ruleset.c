/* ruleset.c - see ruleset.h. */
#include "daemon/evaluate/ruleset.h"

#include "common/mem.h"

#include <string.h>

static bool is_among(int64_t id, const int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static const struct rule *compile_rule(const void *ctx, const struct catalogue_segment *s,
                                       const struct catalogue *c, struct diag *d)
{
    struct diag found;
    struct rule *rule;

    diag_init(&found, ctx);
    rule = rule_parse(ctx, s->rule, strlen(s->rule), &found);
    if (rule != NULL && rule_check(rule, c, &found, NULL))
        return rule;
    diag_field(d, s->name, "%s", found.n > 0 ? found.items[0].message : "the rule does not check");
    return NULL;
}

struct ruleset *ruleset_compile(const void *ctx, const struct catalogue *c, const int64_t *only,
                                size_t n_only, struct diag *d)
{
    struct ruleset *set = mem_new(ctx, struct ruleset);
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct rule_root *roots = mem_array(scratch, struct rule_root, c->n_segments);

    set->segments = mem_array(set, int64_t, c->n_segments);
    for (size_t i = 0; i < c->n_kinds; i++)
        set->last_kind = c->kinds[i].id > set->last_kind ? c->kinds[i].id : set->last_kind;
    for (size_t i = 0; i < c->n_segments; i++) {
        const struct catalogue_segment *s = &c->segments[i];
        const struct rule *rule;
        size_t n_referred;

        if (s->rule == NULL || (only != NULL && !is_among(s->id, only, n_only)))
            continue;
        rule = compile_rule(scratch, s, c, d);
        if (rule == NULL)
            continue;
        rule_segments(rule, &n_referred);
        set->refers = set->refers || n_referred > 0;
        roots[set->n_segments] = (struct rule_root){.rule = rule, .tag = s->id};
        set->segments[set->n_segments++] = s->id;
    }
    set->n_parts = (set->n_segments + RULE_ROOTS_MAX - 1) / RULE_ROOTS_MAX;
    set->parts = mem_array(set, struct ruleset_part, set->n_parts);
    for (size_t i = 0; i < set->n_parts; i++) {
        size_t at = i * RULE_ROOTS_MAX;
        size_t n = set->n_segments - at < RULE_ROOTS_MAX ? set->n_segments - at : RULE_ROOTS_MAX;

        set->parts[i].some = rule_compile_some(set, roots + at, n, c);
        set->parts[i].page = rule_compile_page(set, roots + at, n, c);
    }
    return set;
}
