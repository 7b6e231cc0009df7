/* export.c - rows of CSV and NDJSON; see export.h. A field that contact_doc() or interaction_doc()
 * of schema/ gives anew needs its name here. */
#include "daemon/export/export.h"

#include "common/csv.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define CELL_MAX ((size_t)16 << 20)

static const char *const contact_names[] = {
    "id",        "kind",       "email",      "external_id", "first_name",
    "last_name", "phone",      "language",   "country",     "company_name",
    "city",      "stage",      "birth_date", "postal_code", "time_zone",
    "tags",      "groups",     "identities", "emails",      "phones",
    "street",    "created_at", "updated_at", "attr",        "subscriptions",
    "deceased",  "deceased_on"};
static const char *const interaction_names[] = {
    "id",     "contact",         "email",    "external_id", "kind",   "occurred_at", "recorded_at",
    "amount", "recorded_amount", "currency", "source",      "amends", "data"};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const *names_of(enum export_what what, size_t *ret_n)
{
    switch (what) {
    case EXPORT_CONTACTS:
        *ret_n = COUNT(contact_names);
        return contact_names;
    case EXPORT_INTERACTIONS:
        *ret_n = COUNT(interaction_names);
        return interaction_names;
    }
    *ret_n = 0;
    return NULL;
}

static void add(const void *ctx, struct export_columns *columns, size_t *cap, const char *name)
{
    mem_grow(ctx, &columns->names, cap, columns->n + 1);
    columns->names[columns->n++] = name;
}

static void add_all(const void *ctx, enum export_what what, const struct catalogue *catalogue,
                    struct export_columns *columns)
{
    size_t n, cap = 0;
    const char *const *names = names_of(what, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], "attr") != 0)
            add(ctx, columns, &cap, names[i]);
    for (size_t i = 0; what == EXPORT_CONTACTS && i < catalogue->n_fields; i++)
        add(ctx, columns, &cap, mem_printf(ctx, "attr.%s", catalogue->fields[i].name));
}

static bool name_fits(const char *name, enum export_what what, const struct catalogue *catalogue)
{
    size_t n;
    const char *const *names = names_of(what, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    for (size_t i = 0; what == EXPORT_CONTACTS && i < catalogue->n_fields; i++)
        if (text_begins(name, "attr.") && strcmp(catalogue->fields[i].name, name + 5) == 0)
            return true;
    return what == EXPORT_INTERACTIONS && text_begins(name, "data.") && name[5] != '\0';
}

bool export_columns_read(const void *ctx, const char *text, enum export_what what,
                         const struct catalogue *catalogue, struct export_columns *ret,
                         struct diag *d)
{
    size_t before = d->n, n, cap = 0;
    const char *const *names = names_of(what, &n);
    char *rest, *name;

    *ret = (struct export_columns){0};
    if (text == NULL || *text == '\0') {
        add_all(ctx, what, catalogue, ret);
        return true;
    }
    rest = mem_strdup(ctx, text);
    while ((name = strsep(&rest, ",")) != NULL) {
        const char *near;

        name = text_trim(name);
        near = suggest_nearest(name, names, n);
        if (name_fits(name, what, catalogue))
            add(ctx, ret, &cap, name);
        else if (near != NULL)
            diag_at(d, 0, 0, "there is no column \"%s\"; did you mean \"%s\"?", name, near);
        else
            diag_at(d, 0, 0, "there is no column \"%s\"", name);
    }
    return d->n == before;
}

/* --- cells --------------------------------------------------------------------------------------
 */

static const json_t *value_of(const json_t *document, const char *name)
{
    if (text_begins(name, "attr."))
        return json_object_get(json_object_get(document, "attr"), name + 5);
    if (text_begins(name, "data."))
        return json_object_get(json_object_get(document, "data"), name + 5);
    return json_object_get(document, name);
}

static bool is_list_of_text(const json_t *value)
{
    const json_t *item;
    size_t i;

    if (!json_is_array(value))
        return false;
    json_array_foreach(value, i, item) if (!json_is_string(item)) return false;
    return true;
}

/* The value as plain text. */
static void cell_text(struct buf *cell, const json_t *value)
{
    const json_t *item;
    char *text;
    size_t i;

    if (value == NULL || json_is_null(value))
        return;
    if (json_is_string(value)) {
        buf_add(cell, json_string_value(value), json_string_length(value));
    } else if (is_list_of_text(value)) {
        json_array_foreach(value, i, item)
        {
            buf_str(cell, i == 0 ? "" : "; ");
            buf_str(cell, json_string_value(item));
        }
    } else {
        text =
            mem_must(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)));
        buf_str(cell, text);
        free(text);
    }
}

static void csv_cell(struct buf *out, const json_t *value)
{
    struct buf cell;

    buf_init(&cell, NULL, CELL_MAX);
    cell_text(&cell, value);
    csv_add_text(out, cell.data, cell.len, ',');
    buf_done(&cell);
}

void export_header(struct buf *out, enum export_format format, const struct export_columns *columns)
{
    if (format != EXPORT_CSV)
        return;
    for (size_t i = 0; i < columns->n; i++) {
        buf_str(out, i == 0 ? "" : ",");
        csv_add_field(out, columns->names[i], strlen(columns->names[i]), ',');
    }
    buf_str(out, "\r\n");
}

static void ndjson_row(struct buf *out, const struct export_columns *columns, bool all,
                       const json_t *document)
{
    json_t *picked = all ? json_incref((json_t *)(uintptr_t)document) : mem_must(json_object());
    char *text;

    for (size_t i = 0; !all && i < columns->n; i++) {
        const json_t *value = value_of(document, columns->names[i]);

        json_object_set_new(picked, columns->names[i],
                            value == NULL ? json_null() : json_incref((json_t *)(uintptr_t)value));
    }
    text = mem_must(json_dumps(picked, JSON_COMPACT | JSON_REAL_PRECISION(15)));
    buf_str(out, text);
    buf_char(out, '\n');
    free(text);
    json_decref(picked);
}

void export_row(struct buf *out, enum export_format format, const struct export_columns *columns,
                bool all, const json_t *document)
{
    switch (format) {
    case EXPORT_CSV:
        for (size_t i = 0; i < columns->n; i++) {
            buf_str(out, i == 0 ? "" : ",");
            csv_cell(out, value_of(document, columns->names[i]));
        }
        buf_str(out, "\r\n");
        return;
    case EXPORT_NDJSON:
        ndjson_row(out, columns, all, document);
        return;
    }
}
