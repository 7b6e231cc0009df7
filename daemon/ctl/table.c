/* table.c - see table.h. */
#include "daemon/ctl/table.h"

#include "common/mem.h"

#include <langinfo.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 16

struct table {
    struct libscols_table *scols;
    size_t n_columns;
};

static int table_free(struct table *t)
{
    scols_unref_table(t->scols);
    return 0;
}

/* libsmartcols escapes what the locale cannot show; names of people are UTF-8. */
static void locale_ready(void)
{
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

struct table *table_new(const void *ctx, const char *const *headings)
{
    struct table *t = mem_new(ctx, struct table);

    locale_ready();
    t->scols = mem_must(scols_new_table());
    talloc_set_destructor(t, table_free);
    for (; headings[t->n_columns] != NULL; t->n_columns++) {
        bool right = headings[t->n_columns][0] == '>';

        mem_must(scols_table_new_column(t->scols, headings[t->n_columns] + right, 0,
                                        right ? SCOLS_FL_RIGHT : 0));
    }
    return t;
}

void table_row(struct table *t, const char *const *cells)
{
    struct libscols_line *line = mem_must(scols_table_new_line(t->scols, NULL));

    for (size_t i = 0; i < t->n_columns; i++) {
        if (cells[i] != NULL && scols_line_set_data(line, i, cells[i]) != 0)
            bug("a cell was refused");
    }
}

void table_print(struct table *t)
{
    scols_print_table(t->scols);
}

const char *table_value(const void *ctx, const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return "";
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        return mem_printf(ctx, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_real(value))
        return mem_printf(ctx, "%.10g", json_real_value(value));
    if (json_is_boolean(value))
        return json_is_true(value) ? "yes" : "no";
    return json_is_array(value) ? "" : "{}";
}

/* "a, b, c" of an array of plain values. */
static const char *value_joined(const void *ctx, const json_t *array)
{
    const char *text = "";
    const json_t *item;
    size_t i;

    json_array_foreach(array, i, item) text =
        mem_printf(ctx, "%s%s%s", text, i > 0 ? ", " : "", table_value(ctx, item));
    return text;
}

void table_items(const json_t *items, const char *const *headings, const char *const *keys)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct table *t = table_new(ctx, headings);
    const json_t *item;
    size_t i;

    if (t->n_columns > COLUMNS_MAX)
        bug("more than %d columns", COLUMNS_MAX);
    json_array_foreach(items, i, item)
    {
        const char *cells[COLUMNS_MAX];

        for (size_t k = 0; k < t->n_columns; k++)
            cells[k] = table_value(ctx, json_object_get(item, keys[k]));
        table_row(t, cells);
    }
    table_print(t);
}

static void object_rows(const void *ctx, struct table *t, const char *prefix, json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        const char *name = mem_printf(ctx, "%s%s", prefix, key);
        const char *cells[] = {name, NULL};

        if (json_is_object(value)) {
            object_rows(ctx, t, mem_printf(ctx, "%s.", name), value);
            continue;
        }
        if (json_is_array(value) && json_is_object(json_array_get(value, 0)))
            continue;
        cells[1] = json_is_array(value) ? value_joined(ctx, value) : table_value(ctx, value);
        table_row(t, cells);
    }
}

void table_object(const json_t *object)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct table *t = table_new(ctx, (const char *const[]){"NAME", "VALUE", NULL});

    object_rows(ctx, t, "", (json_t *)object);
    table_print(t);
}

void table_json(const json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    putchar('\n');
}
