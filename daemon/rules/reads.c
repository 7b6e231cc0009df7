/* reads.c - rule_reads(): the facts that a rule's answer hangs on. */
#include "common/mem.h"
#include "daemon/rules/tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct reads {
    const void *ctx;
    const char **words;
    size_t n, cap;
};

static void add(struct reads *r, const char *word)
{
    mem_grow(r->ctx, &r->words, &r->cap, r->n + 1);
    r->words[r->n++] = word;
}

static void add_id(struct reads *r, const char *sort, int64_t id)
{
    add(r, mem_printf(r->ctx, "%s:%lld", sort, (long long)id));
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
        add(r, "tag");
        break;
    case RULE_NODE_GROUP:
        add(r, "group");
        break;
    case RULE_NODE_SUBSCRIBED:
        add_id(r, "topic", node->id);
        break;
    case RULE_NODE_SEGMENT:
        add_id(r, "segment", node->id);
        break;
    case RULE_NODE_PERSON:
    case RULE_NODE_COMPANY:
        add(r, "field:kind");
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
    case RULE_NODE_RELATED:
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

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *rule_reads(const void *ctx, const struct rule *rule, size_t *ret_n)
{
    struct reads r = {.ctx = ctx};
    size_t n = 0;

    if (!rule->checked)
        bug("a rule is asked unchecked");
    read_node(&r, rule->root);
    if (r.n > 0)
        qsort(r.words, r.n, sizeof(r.words[0]), compare_words);
    for (size_t i = 0; i < r.n; i++)
        if (i == 0 || strcmp(r.words[i], r.words[n - 1]) != 0)
            r.words[n++] = r.words[i];
    *ret_n = n;
    return r.words;
}
