/* names.c - "did you mean" over names that come one by one; see tree.h. */
#include "common/mem.h"
#include "common/suggest.h"
#include "daemon/rules/tree.h"

struct rule_close rule_close_start(const void *ctx, const char *wanted)
{
    return (struct rule_close){.ctx = ctx, .wanted = wanted};
}

void rule_close_offer(struct rule_close *close, const char *name)
{
    mem_grow(close->ctx, &close->names, &close->cap, close->n + 1);
    close->names[close->n++] = name;
}

const char *rule_close_hint(const struct rule_close *close)
{
    const char *best = suggest_nearest(close->wanted, close->names, close->n);

    return best == NULL ? "" : mem_printf(close->ctx, "; did you mean \"%s\"?", best);
}
