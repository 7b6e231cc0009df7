/* rule_sql.c - the compiler as a filter for tests/rules/: one JSON request a line in, one answer a
 * line out.
 *
 * Request: {"mode": "some" | "page" | "range" | "first" | "search" | "each" | "whole" | "where" |
 * "cycle", "rules": [text, ...], "name"?, "catalogue": {...}}; the rules' tags are 1, 2, ... Mode
 * "first" wants "tags", ids of segments, "org" and "referred", pairs [segment, by which]. Answer:
 * {"sql", "params", "warnings", "texts"}, or {"errors": ["line:column: message", ...]}. */
#include "common/mem.h"
#include "daemon/rules/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *get(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static struct catalogue_name *names(const void *ctx, json_t *object, size_t *ret_n)
{
    struct catalogue_name *list = mem_array(ctx, struct catalogue_name, json_object_size(object));
    const char *name;
    json_t *id;

    *ret_n = 0;
    json_object_foreach(object, name, id) list[(*ret_n)++] =
        (struct catalogue_name){name, json_integer_value(id)};
    return list;
}

static void fields(const void *ctx, json_t *list, struct catalogue *cat)
{
    size_t i;
    json_t *one;

    cat->fields = mem_array(ctx, struct catalogue_field, json_array_size(list));
    cat->n_fields = json_array_size(list);
    json_array_foreach(list, i, one)
    {
        const char *type = get(one, "type");

        cat->fields[i].name = get(one, "name");
        cat->fields[i].id = json_integer_value(json_object_get(one, "id"));
        cat->fields[i].type = strcmp(type, "text") == 0     ? FIELD_TEXT
                              : strcmp(type, "number") == 0 ? FIELD_NUMBER
                              : strcmp(type, "date") == 0   ? FIELD_DATE
                                                            : FIELD_BOOLEAN;
    }
}

static void relations(const void *ctx, json_t *list, struct catalogue *cat)
{
    size_t i;
    json_t *one;

    cat->relations = mem_array(ctx, struct catalogue_relation, json_array_size(list));
    cat->n_relations = json_array_size(list);
    json_array_foreach(list, i, one)
    {
        cat->relations[i] = (struct catalogue_relation){
            .name = get(one, "name"),
            .id = json_integer_value(json_object_get(one, "id")),
            .inverse_id = json_integer_value(json_object_get(one, "inverse")),
            .shares_id = json_integer_value(json_object_get(one, "shares")),
        };
    }
}

static struct catalogue *catalogue(const void *ctx, json_t *c)
{
    struct catalogue *cat = mem_new(ctx, struct catalogue);
    json_t *segments = json_object_get(c, "segments"), *one;
    size_t i;

    cat->org_id = 1;
    cat->time_zone = get(c, "time_zone");
    cat->currency = "EUR";
    cat->currency_digits = (int)json_integer_value(json_object_get(c, "currency_digits"));
    cat->language = "es";
    cat->leap_birthday = get(c, "leap_birthday");
    cat->kinds = names(ctx, json_object_get(c, "kinds"), &cat->n_kinds);
    cat->topics = names(ctx, json_object_get(c, "topics"), &cat->n_topics);
    cat->models = names(ctx, json_object_get(c, "models"), &cat->n_models);
    fields(ctx, json_object_get(c, "fields"), cat);
    relations(ctx, json_object_get(c, "relations"), cat);
    cat->segments = mem_array(ctx, struct catalogue_segment, json_array_size(segments));
    cat->n_segments = json_array_size(segments);
    json_array_foreach(segments, i, one)
    {
        cat->segments[i].name = get(one, "name");
        cat->segments[i].id = json_integer_value(json_object_get(one, "id"));
        cat->segments[i].rule = get(one, "rule");
    }
    return cat;
}

static json_t *diag_list(const struct diag *d)
{
    json_t *list = json_array();

    for (size_t i = 0; i < d->n; i++)
        json_array_append_new(list, json_sprintf("%d:%d: %s", d->items[i].line, d->items[i].column,
                                                 d->items[i].message));
    return list;
}

static struct rule_sql *compile(const void *ctx, const char *mode, const struct rule_root *roots,
                                size_t n, const struct catalogue *cat)
{
    if (strcmp(mode, "some") == 0)
        return rule_compile_some(ctx, roots, n, cat);
    if (strcmp(mode, "page") == 0)
        return rule_compile_page(ctx, roots, n, cat);
    if (strcmp(mode, "range") == 0)
        return rule_compile_range(ctx, roots, n, cat);
    if (strcmp(mode, "search") == 0)
        return rule_compile_search(ctx, roots[0].rule, cat);
    if (strcmp(mode, "each") == 0 || strcmp(mode, "whole") == 0)
        return rule_compile_all(ctx, roots[0].rule, cat,
                                strcmp(mode, "each") == 0 ? RULE_FORM_EACH : RULE_FORM_WHOLE);
    return rule_compile_where(ctx, roots[0].rule, cat);
}

/* As the evaluator has it, of part 7. */
static struct rule_sql *compile_first(const void *ctx, json_t *request,
                                      const struct rule_root *roots, size_t n,
                                      const struct catalogue *cat)
{
    json_t *pairs = json_object_get(request, "referred"), *pair;
    int64_t *ids = mem_array(ctx, int64_t, n), *referred, *by;
    size_t n_pairs = json_array_size(pairs), i;

    for (i = 0; i < n; i++)
        ids[i] = roots[i].tag;
    referred = mem_array(ctx, int64_t, n_pairs);
    by = mem_array(ctx, int64_t, n_pairs);
    json_array_foreach(pairs, i, pair)
    {
        referred[i] = json_integer_value(json_array_get(pair, 0));
        by[i] = json_integer_value(json_array_get(pair, 1));
    }
    return rule_compile_first(
        ctx, rule_compile_range(ctx, roots, n, cat),
        &(struct rule_first){.org_id = json_integer_value(json_object_get(request, "org")),
                             .part = 7,
                             .segments = ids,
                             .n_segments = n,
                             .referred = referred,
                             .by = by,
                             .n_referred = n_pairs});
}

static json_t *answer_sql(const struct rule_sql *sql, const struct diag *warnings, json_t *texts)
{
    json_t *params = json_array();

    for (size_t i = 0; i < sql->n_params; i++)
        json_array_append_new(params, json_string(sql->params[i]));
    return json_pack("{s:s, s:o, s:o, s:O}", "sql", sql->text, "params", params, "warnings",
                     diag_list(warnings), "texts", texts);
}

static json_t *answer(const void *ctx, json_t *request)
{
    struct catalogue *cat = catalogue(ctx, json_object_get(request, "catalogue"));
    json_t *rules = json_object_get(request, "rules"), *one, *texts = json_array(), *result;
    size_t n = json_array_size(rules), i;
    struct rule_root *roots = mem_array(ctx, struct rule_root, n);
    const char *mode = get(request, "mode");
    json_t *tags = json_object_get(request, "tags");
    bool where = strcmp(mode, "where") == 0;
    struct diag d, warnings;

    diag_init(&d, ctx);
    diag_init(&warnings, ctx);
    json_array_foreach(rules, i, one)
    {
        const char *text = json_string_value(one);
        struct rule *rule = (where ? rule_parse_where : rule_parse)(ctx, text, strlen(text), &d);

        if (rule != NULL && rule_check(rule, cat, &d, &warnings))
            json_array_append_new(texts, json_string(rule_text(ctx, rule)));
        roots[i] = (struct rule_root){
            rule, tags == NULL ? (int64_t)i + 1 : json_integer_value(json_array_get(tags, i))};
    }
    if (!diag_any(&d) && strcmp(mode, "cycle") == 0)
        rule_cycle(get(request, "name"), roots[0].rule, cat, &d);
    if (diag_any(&d) || strcmp(mode, "cycle") == 0)
        result = json_pack("{s:o}", "errors", diag_list(&d));
    else
        result = answer_sql(strcmp(mode, "first") == 0 ? compile_first(ctx, request, roots, n, cat)
                                                       : compile(ctx, mode, roots, n, cat),
                            &warnings, texts);
    json_decref(texts);
    return result;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0) {
        void *ctx = mem_must(talloc_new(NULL));
        json_error_t error;
        json_t *request = json_loads(line, 0, &error), *result;

        if (request == NULL)
            return 1;
        result = answer(ctx, request);
        json_dumpf(result, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(result);
        json_decref(request);
        talloc_free(ctx);
    }
    free(line);
    return 0;
}
