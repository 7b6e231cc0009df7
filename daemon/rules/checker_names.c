/* checker_names.c - the checker's names: kinds, topics, segments, fields, each with what is close
 * to it. See checker.h. */
#include "daemon/rules/checker.h"

#include "common/mem.h"

#include <string.h>
#include <strings.h>

/* --- names --- */

static const struct catalogue_name *name_find(const struct catalogue_name *names, size_t n,
                                              const char *wanted)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i].name, wanted) == 0)
            return &names[i];
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(names[i].name, wanted) == 0)
            return &names[i];
    return NULL;
}

static struct rule_close name_close(struct checker *k, const struct catalogue_name *names, size_t n,
                                    const char *wanted)
{
    struct rule_close close = rule_close_start(k->rule, wanted);

    for (size_t i = 0; i < n; i++)
        rule_close_offer(&close, names[i].name);
    return close;
}

static void remember(struct rule *rule, const char ***list, size_t *n, size_t *cap,
                     const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp((*list)[i], name) == 0)
            return;
    mem_grow(rule, list, cap, *n + 1);
    (*list)[(*n)++] = name;
}

void rule_checker_kind(struct checker *k, struct rule_node *node)
{
    struct rule *r = k->rule;
    const struct catalogue_name *kind;
    struct rule_close close;

    node->id = 0;
    remember(r, &r->kinds, &r->n_kinds, &r->cap_kinds, node->text);
    if (k->cat == NULL)
        return;
    kind = name_find(k->cat->kinds, k->cat->n_kinds, node->text);
    if (kind != NULL) {
        node->id = kind->id;
        return;
    }
    close = name_close(k, k->cat->kinds, k->cat->n_kinds, node->text);
    if (k->warnings != NULL)
        diag_at(k->warnings, node->line, node->column,
                "no interaction of the kind \"%.80s\" has been recorded yet%s", node->text,
                rule_close_hint(&close));
}

void rule_checker_topic(struct checker *k, struct rule_node *node)
{
    const struct catalogue_name *topic;
    struct rule_close close;

    if (k->cat == NULL)
        return;
    topic = name_find(k->cat->topics, k->cat->n_topics, node->text);
    if (topic != NULL) {
        node->id = topic->id;
        return;
    }
    close = name_close(k, k->cat->topics, k->cat->n_topics, node->text);
    complain(k, node, "there is no topic \"%.80s\"%s", node->text, rule_close_hint(&close));
}

static const struct catalogue_segment *segment_find(const struct catalogue *cat, const char *wanted)
{
    for (size_t i = 0; i < cat->n_segments; i++)
        if (strcmp(cat->segments[i].name, wanted) == 0)
            return &cat->segments[i];
    for (size_t i = 0; i < cat->n_segments; i++)
        if (strcasecmp(cat->segments[i].name, wanted) == 0)
            return &cat->segments[i];
    return NULL;
}

void rule_checker_segment(struct checker *k, struct rule_node *node)
{
    struct rule *r = k->rule;
    const struct catalogue_segment *segment;
    struct rule_close close;

    segment = k->cat == NULL ? NULL : segment_find(k->cat, node->text);
    remember(r, &r->segments, &r->n_segments, &r->cap_segments,
             segment == NULL ? node->text : mem_strdup(r, segment->name));
    if (k->cat == NULL)
        return;
    if (segment != NULL) {
        node->id = segment->id;
        return;
    }
    close = rule_close_start(k->rule, node->text);
    for (size_t i = 0; i < k->cat->n_segments; i++)
        rule_close_offer(&close, k->cat->segments[i].name);
    complain(k, node, "there is no segment \"%.100s\"%s", node->text, rule_close_hint(&close));
}

static const struct catalogue_relation *relation_find(const struct catalogue *cat,
                                                      const char *wanted)
{
    for (size_t i = 0; i < cat->n_relations; i++)
        if (strcasecmp(cat->relations[i].name, wanted) == 0)
            return &cat->relations[i];
    return NULL;
}

static const struct catalogue_relation *relation_of_id(const struct catalogue *cat, int64_t id)
{
    for (size_t i = 0; i < cat->n_relations; i++)
        if (cat->relations[i].id == id)
            return &cat->relations[i];
    return NULL;
}

void rule_checker_relation(struct checker *k, struct rule_node *node)
{
    const struct catalogue_relation *relation;
    struct rule_close close;

    if (k->cat == NULL)
        return;
    relation = relation_find(k->cat, node->text);
    node->shared = relation != NULL && relation->shares_id != 0;
    if (node->shared)
        relation = relation_of_id(k->cat, relation->shares_id);
    if (relation != NULL) {
        node->id = relation->id;
        node->back_id = relation->inverse_id;
        return;
    }
    close = rule_close_start(k->rule, node->text);
    for (size_t i = 0; i < k->cat->n_relations; i++)
        rule_close_offer(&close, k->cat->relations[i].name);
    complain(k, node, "there is no relation \"%.100s\"%s", node->text, rule_close_hint(&close));
}

/* --- fields --- */

static enum rule_type attribute_type(enum field_type type)
{
    switch (type) {
    case FIELD_TEXT:
        return RULE_TYPE_TEXT;
    case FIELD_NUMBER:
        return RULE_TYPE_NUMBER;
    case FIELD_DATE:
        return RULE_TYPE_DATE;
    case FIELD_BOOLEAN:
        return RULE_TYPE_BOOLEAN;
    }
    return RULE_TYPE_UNKNOWN;
}

static void check_attribute(struct checker *k, struct rule_node *node)
{
    struct rule_close close;

    if (node->n_path != 2) {
        complain(k, node, "a custom field is written attr.NAME");
        return;
    }
    if (k->cat == NULL)
        return;
    close = rule_close_start(k->rule, node->path[1]);
    for (size_t i = 0; i < k->cat->n_fields; i++) {
        const struct catalogue_field *field = &k->cat->fields[i];

        if (strcasecmp(field->name, node->path[1]) == 0) {
            node->id = field->id;
            node->value_type = attribute_type(field->type);
            return;
        }
        rule_close_offer(&close, field->name);
    }
    complain(k, node, "there is no custom field \"%.80s\"%s", node->path[1],
             rule_close_hint(&close));
}

static void check_score_model(struct checker *k, struct rule_node *node)
{
    const struct catalogue_name *model;
    struct rule_close close;

    if (k->cat == NULL)
        return;
    if (k->cat->n_models == 0 || (node->n_path == 2 && k->cat->no_first_model)) {
        complain(k, node, "this organisation has no RFM model");
        return;
    }
    if (node->n_path == 2) {
        node->id = k->cat->models[0].id;
        return;
    }
    model = name_find(k->cat->models, k->cat->n_models, node->path[1]);
    if (model != NULL) {
        node->id = model->id;
        return;
    }
    close = name_close(k, k->cat->models, k->cat->n_models, node->path[1]);
    complain(k, node, "there is no RFM model \"%.80s\"%s", node->path[1], rule_close_hint(&close));
}

static void check_score(struct checker *k, struct rule_node *node)
{
    const char *name = node->path[node->n_path - 1];
    struct rule_close close = rule_close_start(k->rule, name);

    if (node->n_path < 2) {
        complain(k, node, "a score is written rfm.NAME, for instance rfm.label");
        return;
    }
    node->field = rule_rfm_field(name);
    if (node->field == NULL) {
        for (size_t i = 0; rule_rfm_field_name(i) != NULL; i++)
            rule_close_offer(&close, rule_rfm_field_name(i));
        complain(k, node, "a score has no \"%.80s\"%s", name, rule_close_hint(&close));
        return;
    }
    check_score_model(k, node);
    node->value_type = node->field->type;
}

/* A field of an interaction: within `where`, or after an aggregate's kind. */
void rule_checker_interaction_field(struct checker *k, struct rule_node *node)
{
    struct rule_close close = rule_close_start(k->rule, node->path[0]);
    const char *fields = "";

    if (strcasecmp(node->path[0], "data") == 0) {
        if (node->n_path == 2)
            node->value_type = RULE_TYPE_ANY;
        else
            complain(k, node, "a value of data is written data.NAME");
        return;
    }
    node->field = node->n_path == 1 ? rule_interaction_field(node->path[0]) : NULL;
    if (node->field != NULL) {
        node->value_type = node->field->type;
        return;
    }
    for (size_t i = 0; rule_interaction_field_name(i) != NULL; i++) {
        rule_close_offer(&close, rule_interaction_field_name(i));
        fields = mem_printf(k->rule, "%s%s, ", fields, rule_interaction_field_name(i));
    }
    complain(k, node, "an interaction has no field \"%.80s\", but %sand data.NAME%s", node->path[0],
             fields, rule_close_hint(&close));
}

/* What a word may be meant as that is near no field. */
static const char *field_meant(struct checker *k, const char *name)
{
    if (k->cat != NULL && name_find(k->cat->kinds, k->cat->n_kinds, name) != NULL)
        return "; it is a kind of interaction: write any(...), count(...) or the like";
    if (strcasecmp(name, "null") == 0)
        return "; who has no value is found with \"is unknown\"";
    if (strcasecmp(name, "today") == 0 || strcasecmp(name, "yesterday") == 0)
        return "; it is a window, before which no \"=\" stands: created_at today";
    return k->compared ? "; a text stands in double quotes" : "";
}

void rule_checker_field(struct checker *k, struct rule_node *node)
{
    struct rule_close close = rule_close_start(k->rule, node->path[0]);
    const char *hint;

    if (k->interaction) {
        rule_checker_interaction_field(k, node);
        return;
    }
    if (strcasecmp(node->path[0], "attr") == 0) {
        check_attribute(k, node);
        return;
    }
    if (strcasecmp(node->path[0], "rfm") == 0) {
        check_score(k, node);
        return;
    }
    node->field = node->n_path == 1 ? rule_contact_field(node->path[0]) : NULL;
    if (node->field != NULL) {
        node->value_type = node->field->type;
        return;
    }
    if (node->n_path > 1) {
        complain(k, node,
                 "there is no field \"%.80s.%.80s\"; custom fields are attr.NAME, scores rfm.NAME",
                 node->path[0], node->path[1]);
        return;
    }
    for (size_t i = 0; rule_contact_field_name(i) != NULL; i++)
        rule_close_offer(&close, rule_contact_field_name(i));
    rule_close_offer(&close, rule_node_word(RULE_NODE_BIRTHDAY));
    hint = rule_close_hint(&close);
    complain(k, node, "there is no field \"%.80s\"%s", node->path[0],
             hint[0] != '\0' ? hint : field_meant(k, node->path[0]));
}
