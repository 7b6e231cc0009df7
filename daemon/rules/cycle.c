/* cycle.c - a segment's rule must not lead back to the segment; see rule_cycle() in rule.h.
 *
 * Depth first over the segments that rules name, as the checker found them: names that differ in
 * their capital letters alone are those of two. The path is kept for the message; a segment that
 * was found harmless is not walked again. */
#include "common/buf.h"
#include "common/mem.h"
#include "daemon/rules/tree.h"

#include <string.h>
#include <strings.h>

#define PATH_SHOWN_MAX 1000

struct walk {
    const void *ctx;
    const struct catalogue *cat;
    const char *goal;
    bool *seen; /* per segment of the catalogue */
    const char **path;
    size_t n_path, cap_path;
};

static bool leads_back(struct walk *w, const char *name);

/* A saved rule that does not parse or check leads nowhere. */
static bool rule_leads_back(struct walk *w, const char *text)
{
    struct rule *rule;
    struct diag d;
    bool found = false;

    diag_init(&d, w->ctx);
    rule = rule_parse(w->ctx, text, strlen(text), &d);
    if (rule == NULL)
        return false;
    rule_check(rule, w->cat, &d, NULL);
    for (size_t i = 0; i < rule->n_segments && !found; i++)
        found = leads_back(w, rule->segments[i]);
    return found;
}

static bool leads_back(struct walk *w, const char *name)
{
    mem_grow(w->ctx, &w->path, &w->cap_path, w->n_path + 1);
    w->path[w->n_path++] = name;
    if (strcmp(name, w->goal) == 0)
        return true;
    for (size_t i = 0; i < w->cat->n_segments; i++) {
        const struct catalogue_segment *s = &w->cat->segments[i];

        if (w->seen[i] || strcmp(s->name, name) != 0)
            continue;
        w->seen[i] = true;
        if (s->rule != NULL && rule_leads_back(w, s->rule))
            return true;
    }
    w->n_path--;
    return false;
}

static const struct rule_node *segment_node(const struct rule_node *node, const char *name)
{
    const struct rule_node *found = NULL;

    if (node->type == RULE_NODE_SEGMENT && strcasecmp(node->text, name) == 0)
        return node;
    for (size_t i = 0; i < node->n_child && found == NULL; i++)
        found = segment_node(node->child[i], name);
    if (found == NULL && node->type == RULE_NODE_RELATED && node->where != NULL)
        found = segment_node(node->where, name);
    return found;
}

bool rule_cycle(const char *name, const struct rule *rule, const struct catalogue *cat,
                struct diag *d)
{
    MEM_SCOPED void *scratch = mem_must(talloc_new(NULL));
    struct walk w = {.ctx = scratch, .cat = cat, .goal = name};
    const struct rule_node *at;
    struct buf shown;

    w.seen = mem_array(scratch, bool, cat->n_segments);
    for (size_t i = 0; i < rule->n_segments; i++) {
        if (!leads_back(&w, rule->segments[i]))
            continue;
        buf_init(&shown, scratch, PATH_SHOWN_MAX);
        for (size_t j = 0; j < w.n_path; j++)
            buf_printf(&shown, " > %s", w.path[j]);
        at = segment_node(rule->root, rule->segments[i]);
        diag_at(d, at == NULL ? 1 : at->line, at == NULL ? 1 : at->column,
                "the segment would refer to itself: %s%s", name, shown.data);
        return true;
    }
    return false;
}
