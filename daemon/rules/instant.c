/* instant.c - see instant.h. A table expression goes before a table of its name; the tables
 * themselves are reached with their schema's. */
#include "daemon/rules/instant.h"

#include "common/mem.h"
#include "daemon/rules/tree.h"

#include <string.h>
#include <strings.h>

#define INLINE_DEPTH 20
/* What exceptions add to a segment in place. */
#define EXCEPTION_HEIGHT     2
#define EXCEPTION_CONDITIONS 2

/* --- statements ----------------------------------------------------------------------------------
 */

static const struct {
    const char *table, *fn, *id;
} pasts[] = {
    {"contact", "contacts_as_of", "id"},
    {"contact_attr", "attrs_as_of", "contact_id"},
    {"contact_tag", "tags_as_of", "contact_id"},
    {"contact_group", "groups_as_of", "contact_id"},
    {"subscription", "subscriptions_as_of", "contact_id"},
    {"membership", "members_as_of", "contact_id"},
    {"rfm_score", "scores_as_of", "contact_id"},
};

/* Other contacts, who are related, are as they are. */
static const char *shadow(const void *ctx, const char *table, const char *fn, const char *id,
                          const char *ids)
{
    return mem_printf(ctx,
                      "%s AS NOT MATERIALIZED (SELECT * FROM lazo.%s(%s, $2::timestamptz)\n"
                      "  UNION ALL SELECT * FROM lazo.%s WHERE %s <> ALL (%s))",
                      table, fn, ids, table, id, ids);
}

static struct rule_sql *wrap(const void *ctx, const struct rule_sql *sql, const char *shadows,
                             const char *columns)
{
    struct rule_sql *wrapped = mem_new(ctx, struct rule_sql);

    *wrapped = *sql;
    wrapped->text =
        mem_printf(wrapped, "WITH %s\nSELECT %s FROM (%s) q", shadows, columns, sql->text);
    return wrapped;
}

struct rule_sql *rule_instant_past(const void *ctx, const struct rule_sql *sql, bool one)
{
    const char *ids = one ? "ARRAY[$1::bigint]" : "$1::bigint[]";
    const char *shadows = "";

    for (size_t i = 0; i < sizeof(pasts) / sizeof(pasts[0]); i++)
        shadows = mem_printf(ctx, "%s%s%s", shadows, i == 0 ? "" : ",\n",
                             shadow(ctx, pasts[i].table, pasts[i].fn, pasts[i].id, ids));
    return wrap(ctx, sql, shadows, "q.*");
}

struct rule_sql *rule_instant_ahead(const void *ctx, const struct rule_sql *sql, bool one)
{
    const char *scores = shadow(ctx, "rfm_score", "scores_ahead", "contact_id",
                                one ? "ARRAY[$1::bigint]" : "$1::bigint[]");

    if (one)
        return wrap(ctx, sql, scores, "q.*");
    return wrap(ctx, sql,
                mem_printf(ctx,
                           "rfm_changes AS MATERIALIZED (SELECT contact_id AS id, "
                           "min(changes_at) AS at\n"
                           "  FROM lazo.rfm_ahead($1::bigint[], $2::timestamptz) GROUP BY 1),\n%s",
                           scores),
                "q.*, (SELECT r.at FROM rfm_changes r WHERE r.id = q.contact_id) AS scores_at");
}

/* --- segments in place ---------------------------------------------------------------------------
 */

struct inlining {
    const void *ctx;
    const struct catalogue *cat;
    struct rule *whole; /* counts what it grows to */
    bool left;
};

/* Where a node stands: within how many segments, and within how many `and` and `or` of all. */
struct place {
    int depth, height;
};

static struct rule_node *inlined(struct inlining *in, struct rule_node *node, struct place at);

/* Of the `and` and `or` within one another. */
static int node_height(const struct rule_node *node)
{
    int highest = 0;

    for (size_t i = 0; i < node->n_child; i++) {
        int height = node_height(node->child[i]);

        highest = height > highest ? height : highest;
    }
    return highest + (node->type == RULE_NODE_AND || node->type == RULE_NODE_OR);
}

/* The rule of the dynamic segment; NULL where it cannot stand in its place. */
static struct rule_node *segment_root(struct inlining *in, int64_t id, struct place at)
{
    const struct catalogue_segment *s = NULL;
    struct rule *rule;
    struct diag d;

    for (size_t i = 0; i < in->cat->n_segments; i++)
        if (in->cat->segments[i].id == id)
            s = &in->cat->segments[i];
    if (s == NULL || s->rule == NULL)
        return NULL;
    diag_init(&d, in->ctx);
    rule = rule_parse(in->ctx, s->rule, strlen(s->rule), &d);
    if (rule == NULL || !rule_check(rule, in->cat, &d, NULL) || at.depth >= INLINE_DEPTH ||
        at.height + EXCEPTION_HEIGHT + node_height(rule->root) > RULE_HEIGHT_MAX ||
        in->whole->n_aggregates + rule->n_aggregates > RULE_AGGREGATES_MAX ||
        in->whole->n_conditions + rule->n_conditions + EXCEPTION_CONDITIONS > RULE_CONDITIONS_MAX ||
        in->whole->n_literals + rule->n_literals > RULE_LITERALS_MAX) {
        in->left = true;
        return NULL;
    }
    in->whole->n_aggregates += rule->n_aggregates;
    in->whole->n_conditions += rule->n_conditions + EXCEPTION_CONDITIONS;
    in->whole->n_literals += rule->n_literals;
    return rule->root;
}

static struct rule_node *inlined_children(struct inlining *in, struct rule_node *node,
                                          struct place at)
{
    struct rule_node *copy = mem_new(in->ctx, struct rule_node);

    at.height += node->type != RULE_NODE_NOT;
    *copy = *node;
    copy->child = mem_array(in->ctx, struct rule_node *, node->n_child);
    for (size_t i = 0; i < node->n_child; i++)
        copy->child[i] = inlined(in, node->child[i], at);
    return copy;
}

/* Whether it asks for what is computed: a segment or a score. */
static bool asks_computed(const struct rule_node *node)
{
    if (node->type == RULE_NODE_SEGMENT || (node->where != NULL && asks_computed(node->where)) ||
        (node->type == RULE_NODE_FIELD && strcasecmp(node->path[0], "rfm") == 0))
        return true;
    for (size_t i = 0; i < node->n_child; i++)
        if (asks_computed(node->child[i]))
            return true;
    return false;
}

static struct rule_node *node_of(struct inlining *in, const struct rule_node *like,
                                 enum rule_node_type type, size_t n)
{
    struct rule_node *node = mem_new(in->ctx, struct rule_node);

    *node = *like;
    node->type = type;
    node->child = mem_array(in->ctx, struct rule_node *, n);
    node->n_child = n;
    return node;
}

/* Kept in by hand, or not kept out and the rule holds. */
static struct rule_node *with_exceptions(struct inlining *in, const struct rule_node *segment,
                                         struct rule_node *root, struct place at)
{
    struct rule_node *either = node_of(in, segment, RULE_NODE_OR, 2),
                     *both = node_of(in, segment, RULE_NODE_AND, 2),
                     *not_out = node_of(in, segment, RULE_NODE_NOT, 1);

    at.depth++;
    at.height += EXCEPTION_HEIGHT;
    either->child[0] = node_of(in, segment, RULE_NODE_SEGMENT, 0);
    either->child[0]->op = RULE_KEPT_IN;
    not_out->child[0] = node_of(in, segment, RULE_NODE_SEGMENT, 0);
    not_out->child[0]->op = RULE_KEPT_OUT;
    both->child[0] = not_out;
    both->child[1] = inlined(in, root, at);
    either->child[1] = both;
    return either;
}

static struct rule_node *inlined(struct inlining *in, struct rule_node *node, struct place at)
{
    struct rule_node *root;

    if (node->type == RULE_NODE_AND || node->type == RULE_NODE_OR || node->type == RULE_NODE_NOT)
        return inlined_children(in, node, at);
    if (node->type == RULE_NODE_RELATED)
        in->left = in->left || (node->where != NULL && asks_computed(node->where));
    if (node->type != RULE_NODE_SEGMENT)
        return node;
    root = segment_root(in, node->id, at);
    return root == NULL ? node : with_exceptions(in, node, root, at);
}

const struct rule *rule_inline(const void *ctx, const struct rule *rule,
                               const struct catalogue *cat, bool *ret_left)
{
    struct rule *whole = mem_new(ctx, struct rule);
    struct inlining in = {.ctx = whole, .cat = cat, .whole = whole};

    *whole = *rule;
    whole->root = inlined(&in, rule->root, (struct place){0});
    *ret_left = in.left;
    return whole;
}

/* --- the past ------------------------------------------------------------------------------------
 */

static const char *node_no_history(const struct rule_node *node)
{
    const char *why = NULL;

    if (node->type == RULE_NODE_RELATED)
        return "relations have no history: they are taken as they are now";
    if (node->type == RULE_NODE_FIELD && node->n_path == 1 &&
        strcasecmp(node->path[0], "updated_at") == 0)
        return "what updated_at was is not kept";
    for (size_t i = 0; i < node->n_child && why == NULL; i++)
        why = node_no_history(node->child[i]);
    return why;
}

const char *rule_no_history(const struct rule *rule)
{
    return node_no_history(rule->root);
}
