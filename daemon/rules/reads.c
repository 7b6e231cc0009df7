/* reads.c - rule_reads(): the facts that a rule's answer hangs on. */
#include "common/mem.h"
#include "daemon/rules/tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert(RULE_HOPS_MAX >= 2 * RULE_RELATED_MAX, "each `related as` is at most two hops");

struct reads {
    const void *ctx;
    struct rule_reach at; /* whose facts are being read: the way from there to the contact */
    struct rule_reach *found;
    size_t n, cap;
};

static void add(struct reads *r, const char *word)
{
    mem_grow(r->ctx, &r->found, &r->cap, r->n + 1);
    r->found[r->n] = r->at;
    r->found[r->n++].word = word;
}

static void add_id(struct reads *r, const char *sort, int64_t id)
{
    add(r, mem_printf(r->ctx, "%s:%lld", sort, (long long)id));
}

/* label_word() - the word of a tag or group, as the change log has it: folded, and without commas.
 * Where folding is more than small letters, which the database alone knows, it is that of all of
 * them. */
static const char *label_word(struct reads *r, const char *sort, const char *name)
{
    char *word = mem_printf(r->ctx, "%s:%s", sort, name);

    if (*name == '\0')
        return sort;
    for (char *c = word + strlen(sort) + 1; *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80)
            return sort;
        *c = *c == ',' ? ';' : (char)tolower((unsigned char)*c);
    }
    return word;
}

/* A day of the contact begins in the contact's own time zone. */
static void add_day(struct reads *r)
{
    add(r, "field:time_zone");
}

static void read_field(struct reads *r, const struct rule_node *node)
{
    const struct rule_field *field = node->field;

    if (field == NULL) {
        if (node->value_type != RULE_TYPE_ANY)
            add_id(r, "attr", node->id);
        return;
    }
    if (strcasecmp(node->path[0], "rfm") == 0) {
        add_id(r, "score", node->id);
        return;
    }
    switch (field->need) {
    case RULE_NEED_DAY:
        add(r, "field:birth");
        add_day(r);
        return;
    case RULE_NEED_FIRST:
        add(r, "kind");
        add(r, "field:created_at");
        return;
    case RULE_NEED_TODAY:
    case RULE_NEED_NOTHING:
        break;
    }
    if (strcmp(field->name, "updated_at") == 0)
        add(r, "field");
    else if (strcmp(field->name, "email_domain") == 0)
        add(r, "field:email");
    else if (strncmp(field->name, "birth_", 6) == 0)
        add(r, "field:birth");
    else
        add(r, mem_printf(r->ctx, "field:%s", field->name));
}

static void read_node(struct reads *r, const struct rule_node *node);

/* step_out() - one more relation away from the contact; `hop` leads back. */
static void step_out(struct rule_reach *at, int64_t hop)
{
    if (at->n_hops == RULE_HOPS_MAX)
        bug("a way of more than %d relations", RULE_HOPS_MAX);
    memmove(at->hops + 1, at->hops, at->n_hops * sizeof(at->hops[0]));
    at->hops[0] = hop;
    at->n_hops++;
}

/* The relations of a contact stand with the contact; of one that is shared half of them stands with
 * whom it is shared. */
static void read_related(struct reads *r, const struct rule_node *node)
{
    struct rule_reach here = r->at;

    add(r, "relation");
    step_out(&r->at, node->back_id);
    if (node->shared) {
        add(r, "relation");
        step_out(&r->at, node->id);
    }
    if (node->where != NULL)
        read_node(r, node->where);
    r->at = here;
}

static void read_node(struct reads *r, const struct rule_node *node)
{
    switch (node->type) {
    case RULE_NODE_FIELD:
        read_field(r, node);
        break;
    case RULE_NODE_AGGREGATE:
        /* One that nobody used has no number; when it gets one, the rule is checked anew. */
        if (node->id != 0)
            add_id(r, "kind", node->id);
        break;
    case RULE_NODE_BIRTHDAY:
        add(r, "field:birth");
        add_day(r);
        break;
    case RULE_NODE_ANNIVERSARY:
        add_day(r);
        break;
    case RULE_NODE_TAG:
        add(r, label_word(r, "tag", node->text));
        break;
    case RULE_NODE_GROUP:
        add(r, label_word(r, "group", node->text));
        break;
    case RULE_NODE_SUBSCRIBED:
        add_id(r, "topic", node->id);
        break;
    case RULE_NODE_SEGMENT:
        if (node->op == RULE_MEMBER)
            add_id(r, "segment", node->id);
        break;
    case RULE_NODE_PERSON:
    case RULE_NODE_COMPANY:
    case RULE_NODE_HOUSEHOLD:
        add(r, "field:kind");
        break;
    case RULE_NODE_RELATED:
        read_related(r, node);
        break;
    case RULE_NODE_AND:
    case RULE_NODE_OR:
    case RULE_NODE_NOT:
    case RULE_NODE_COMPARE:
    case RULE_NODE_IN:
    case RULE_NODE_BETWEEN:
    case RULE_NODE_TEXT_TEST:
    case RULE_NODE_KNOWN:
    case RULE_NODE_DURING:
    case RULE_NODE_CONSTANT:
    case RULE_NODE_STRING:
    case RULE_NODE_NUMBER:
    case RULE_NODE_DATE:
    case RULE_NODE_BOOLEAN:
        break;
    }
    for (size_t i = 0; i < node->n_child; i++)
        read_node(r, node->child[i]);
}

static int compare_reaches(const void *a, const void *b)
{
    const struct rule_reach *x = a, *y = b;

    if (x->n_hops != y->n_hops)
        return x->n_hops < y->n_hops ? -1 : 1;
    for (size_t i = 0; i < x->n_hops; i++)
        if (x->hops[i] != y->hops[i])
            return x->hops[i] < y->hops[i] ? -1 : 1;
    return strcmp(x->word, y->word);
}

/* All facts, sorted, each once: the contact's own first. */
static struct reads read_rule(const void *ctx, const struct rule *rule)
{
    struct reads r = {.ctx = ctx};
    size_t n = 0;

    if (!rule->checked)
        bug("a rule is asked unchecked");
    read_node(&r, rule->root);
    if (r.n > 0)
        qsort(r.found, r.n, sizeof(r.found[0]), compare_reaches);
    for (size_t i = 0; i < r.n; i++)
        if (i == 0 || compare_reaches(&r.found[i], &r.found[n - 1]) != 0)
            r.found[n++] = r.found[i];
    r.n = n;
    return r;
}

const char *const *rule_reads(const void *ctx, const struct rule *rule, size_t *ret_n)
{
    struct reads r = read_rule(ctx, rule);
    const char **words = mem_array(ctx, const char *, r.n);

    for (*ret_n = 0; *ret_n < r.n && r.found[*ret_n].n_hops == 0; (*ret_n)++)
        words[*ret_n] = r.found[*ret_n].word;
    return words;
}

const struct rule_reach *rule_reaches(const void *ctx, const struct rule *rule, size_t *ret_n)
{
    struct reads r = read_rule(ctx, rule);
    size_t own = 0;

    while (own < r.n && r.found[own].n_hops == 0)
        own++;
    *ret_n = r.n - own;
    return *ret_n == 0 ? NULL : r.found + own;
}
