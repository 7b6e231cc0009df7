/* printer.c - a rule's tree as JSON and back as text in canonical form: keywords in lower case,
 * names in backquotes where they are no plain words, brackets only where they are needed. */
#include "common/buf.h"
#include "common/mem.h"
#include "daemon/rules/lexer.h"
#include "daemon/rules/tree.h"

#include <string.h>

#define TEXT_MAX (8 * RULE_BYTES_MAX)

/* --- text --- */

static void print_node(struct buf *b, const struct rule_node *node);

static void print_name(struct buf *b, const char *name)
{
    bool plain = *name != '\0' && rule_word(name, strlen(name)) == strlen(name);

    buf_printf(b, plain ? "%s" : "`%s`", name);
}

static void print_path(struct buf *b, const struct rule_node *node)
{
    for (int i = 0; i < node->n_path; i++) {
        if (i > 0)
            buf_char(b, '.');
        print_name(b, node->path[i]);
    }
}

static void print_string(struct buf *b, const char *s)
{
    buf_char(b, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            buf_char(b, '\\');
        buf_char(b, *s);
    }
    buf_char(b, '"');
}

static void print_duration(struct buf *b, struct rule_duration d)
{
    buf_printf(b, "%lld %s%s", (long long)d.n, rule_unit_word(d.unit), d.n == 1 ? "" : "s");
}

static void print_window(struct buf *b, const struct rule_window *w)
{
    buf_printf(b, " %s", rule_window_word(w->type));
    switch (w->type) {
    case RULE_WINDOW_IN_LAST:
    case RULE_WINDOW_IN_NEXT:
    case RULE_WINDOW_BEFORE_AGO:
    case RULE_WINDOW_AFTER_AGO:
        buf_char(b, ' ');
        print_duration(b, w->duration);
        if (w->type == RULE_WINDOW_BEFORE_AGO || w->type == RULE_WINDOW_AFTER_AGO)
            buf_str(b, " ago");
        return;
    case RULE_WINDOW_SINCE:
    case RULE_WINDOW_BEFORE:
    case RULE_WINDOW_ON:
        buf_printf(b, " %s", w->from);
        return;
    case RULE_WINDOW_BETWEEN:
        buf_printf(b, " %s and %s", w->from, w->to);
        return;
    case RULE_WINDOW_THIS:
    case RULE_WINDOW_PREVIOUS:
        buf_printf(b, " %s", rule_period_word(w->period));
        return;
    case RULE_WINDOW_TODAY:
    case RULE_WINDOW_YESTERDAY:
        return;
    }
}

static void print_aggregate(struct buf *b, const struct rule_node *node)
{
    buf_printf(b, "%s(", rule_aggregate_word((enum rule_aggregate)node->op));
    print_name(b, node->text);
    if (node->n_path > 0)
        buf_char(b, '.');
    print_path(b, node);
    if (node->where != NULL) {
        buf_str(b, " where ");
        print_node(b, node->where);
    }
    if (node->window != NULL)
        print_window(b, node->window);
    buf_char(b, ')');
}

static void print_joined(struct buf *b, const struct rule_node *node, const char *word)
{
    for (size_t i = 0; i < node->n_child; i++) {
        const struct rule_node *child = node->child[i];
        bool brackets = child->type == RULE_NODE_OR || child->type == RULE_NODE_AND;

        if (i > 0)
            buf_printf(b, " %s ", word);
        /* "and" within "or" needs none, and has none. */
        if (node->type == RULE_NODE_OR && child->type == RULE_NODE_AND)
            brackets = false;
        buf_str(b, brackets ? "(" : "");
        print_node(b, child);
        buf_str(b, brackets ? ")" : "");
    }
}

static void print_not(struct buf *b, const struct rule_node *node)
{
    const struct rule_node *inner = node->child[0];
    bool brackets = inner->type == RULE_NODE_OR || inner->type == RULE_NODE_AND;

    buf_str(b, brackets ? "not (" : "not ");
    print_node(b, inner);
    buf_str(b, brackets ? ")" : "");
}

static void print_in(struct buf *b, const struct rule_node *node)
{
    print_node(b, node->child[0]);
    buf_str(b, node->negated ? " not in (" : " in (");
    for (size_t i = 1; i < node->n_child; i++) {
        if (i > 1)
            buf_str(b, ", ");
        print_node(b, node->child[i]);
    }
    buf_char(b, ')');
}

static void print_named(struct buf *b, const char *words, const struct rule_node *node)
{
    buf_printf(b, "%s ", words);
    print_string(b, node->text);
    if (node->where == NULL)
        return;
    buf_str(b, " where (");
    print_node(b, node->where);
    buf_char(b, ')');
}

static void print_day(struct buf *b, const struct rule_node *node)
{
    buf_printf(b, " %s", rule_day_word((enum rule_day)node->op));
    if (node->op != RULE_DAY_IN_NEXT)
        return;
    buf_char(b, ' ');
    print_duration(b, node->duration);
}

static void print_pair(struct buf *b, const struct rule_node *node, const char *between)
{
    print_node(b, node->child[0]);
    buf_printf(b, " %s ", between);
    print_node(b, node->child[1]);
}

static void print_node(struct buf *b, const struct rule_node *node)
{
    switch (node->type) {
    case RULE_NODE_AND:
    case RULE_NODE_OR:
        print_joined(b, node, rule_node_word(node->type));
        return;
    case RULE_NODE_NOT:
        print_not(b, node);
        return;
    case RULE_NODE_COMPARE:
        print_pair(b, node, rule_comparison_word((enum rule_comparison)node->op));
        return;
    case RULE_NODE_IN:
        print_in(b, node);
        return;
    case RULE_NODE_BETWEEN:
        print_pair(b, node, "between");
        buf_str(b, " and ");
        print_node(b, node->child[2]);
        return;
    case RULE_NODE_TEXT_TEST:
        print_pair(b, node, rule_text_test_word((enum rule_text_test)node->op));
        return;
    case RULE_NODE_KNOWN:
        print_node(b, node->child[0]);
        buf_str(b, node->negated ? " is unknown" : " is known");
        return;
    case RULE_NODE_DURING:
        print_node(b, node->child[0]);
        print_window(b, node->window);
        return;
    case RULE_NODE_ANNIVERSARY:
        buf_str(b, "anniversary of ");
        print_node(b, node->child[0]);
        print_day(b, node);
        return;
    case RULE_NODE_BIRTHDAY:
        buf_str(b, "birthday");
        print_day(b, node);
        return;
    case RULE_NODE_TAG:
    case RULE_NODE_SUBSCRIBED:
        print_named(b, rule_node_word(node->type), node);
        return;
    case RULE_NODE_SEGMENT:
        print_named(b, "in segment", node);
        return;
    case RULE_NODE_GROUP:
        print_named(b, "in group", node);
        return;
    case RULE_NODE_RELATED:
        print_named(b, "related as", node);
        return;
    case RULE_NODE_PERSON:
    case RULE_NODE_COMPANY:
    case RULE_NODE_HOUSEHOLD:
        buf_str(b, rule_node_word(node->type));
        return;
    case RULE_NODE_CONSTANT:
        buf_str(b, node->negated ? "false" : "true");
        return;
    case RULE_NODE_FIELD:
        print_path(b, node);
        return;
    case RULE_NODE_STRING:
        print_string(b, node->text);
        return;
    case RULE_NODE_NUMBER:
    case RULE_NODE_DATE:
    case RULE_NODE_BOOLEAN:
        buf_str(b, node->text);
        return;
    case RULE_NODE_AGGREGATE:
        print_aggregate(b, node);
        return;
    }
}

char *rule_text(const void *ctx, const struct rule *rule)
{
    struct buf b;

    buf_init(&b, ctx, TEXT_MAX);
    print_node(&b, rule->root);
    return buf_take(&b, ctx);
}

/* --- JSON --- */

static json_t *node_json(const struct rule_node *node);

static json_t *duration_json(struct rule_duration d)
{
    return json_pack("{s:I, s:s}", "n", (json_int_t)d.n, "unit", rule_unit_word(d.unit));
}

static json_t *window_json(const struct rule_window *w)
{
    json_t *json = json_pack("{s:s, s:i, s:i}", "window", rule_window_word(w->type), "line",
                             w->line, "column", w->column);

    if (w->duration.n > 0)
        json_object_set_new(json, "duration", duration_json(w->duration));
    if (w->type == RULE_WINDOW_BEFORE_AGO || w->type == RULE_WINDOW_AFTER_AGO)
        json_object_set_new(json, "ago", json_true());
    if (w->type == RULE_WINDOW_THIS || w->type == RULE_WINDOW_PREVIOUS)
        json_object_set_new(json, "period", json_string(rule_period_word(w->period)));
    if (w->from != NULL)
        json_object_set_new(json, "from", json_string(w->from));
    if (w->to != NULL)
        json_object_set_new(json, "to", json_string(w->to));
    return json;
}

static json_t *path_json(const struct rule_node *node)
{
    json_t *path = json_array();

    for (int i = 0; i < node->n_path; i++)
        json_array_append_new(path, json_string(node->path[i]));
    return path;
}

/* The word that says which of its sort a node is, or NULL. */
static const char *node_operator(const struct rule_node *node)
{
    if (node->type == RULE_NODE_COMPARE)
        return rule_comparison_word((enum rule_comparison)node->op);
    if (node->type == RULE_NODE_TEXT_TEST)
        return rule_text_test_word((enum rule_text_test)node->op);
    if (node->type == RULE_NODE_AGGREGATE)
        return rule_aggregate_word((enum rule_aggregate)node->op);
    if (node->type == RULE_NODE_BIRTHDAY || node->type == RULE_NODE_ANNIVERSARY)
        return rule_day_word((enum rule_day)node->op);
    return NULL;
}

static void node_json_values(json_t *json, const struct rule_node *node)
{
    json_t *children = json_array();

    for (size_t i = 0; i < node->n_child; i++)
        json_array_append_new(children, node_json(node->child[i]));
    if (node->n_child > 0)
        json_object_set(json, "of", children);
    json_decref(children);
    if (node->type == RULE_NODE_CONSTANT)
        json_object_set_new(json, "value", json_boolean(!node->negated));
    else if (node->negated)
        json_object_set_new(json, "negated", json_true());
    if (node->text != NULL)
        json_object_set_new(json, node->type == RULE_NODE_AGGREGATE ? "kind" : "text",
                            json_string(node->text));
    if (node->n_path > 0)
        json_object_set_new(json, node->type == RULE_NODE_AGGREGATE ? "field" : "name",
                            path_json(node));
}

static json_t *node_json(const struct rule_node *node)
{
    const char *word = node_operator(node);
    json_t *json = json_pack("{s:s, s:i, s:i}", "type", rule_node_word(node->type), "line",
                             node->line, "column", node->column);

    if (word != NULL)
        json_object_set_new(json, "operator", json_string(word));
    node_json_values(json, node);
    if (node->duration.n > 0)
        json_object_set_new(json, "duration", duration_json(node->duration));
    if (node->where != NULL)
        json_object_set_new(json, "where", node_json(node->where));
    if (node->window != NULL)
        json_object_set_new(json, "during", window_json(node->window));
    return json;
}

json_t *rule_json(const struct rule *rule)
{
    return node_json(rule->root);
}
