/* import_row.c - see import_row.h. */
#include "daemon/import/import_row.h"

#include "common/csv.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/text.h"
#include "common/utf8.h"
#include "daemon/import/import_value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUOTED 60 /* bytes of a value that a reason shows */

struct row {
    const void *ctx;
    const struct import_settings *s;
    const struct catalogue *catalogue;
    json_t *contact, *interaction, *data, *attr;
    const char *column, *why;
};

static void fault(struct row *r, size_t column, const char *text, const char *wanted)
{
    r->column = r->s->map.headings[column];
    r->why = mem_printf(r->ctx, "\"%.*s\" is no %s", (int)utf8_fit(text, QUOTED), text, wanted);
}

/* --- contacts -----------------------------------------------------------------------------------
 */

/* "a; b" or "a, b" as an array. */
static json_t *list_of(const void *ctx, const char *text)
{
    json_t *list = mem_must(json_array());
    char *rest = mem_strdup(ctx, text), *word;

    while ((word = strsep(&rest, ";,|")) != NULL) {
        word = text_trim(word);
        if (*word != '\0')
            json_array_append_new(list, json_string(word));
    }
    return list;
}

static json_t *boolean_of(const char *text)
{
    static const char *const yes[] = {"true", "yes", "y", "1", "si", "sí", "SÍ", "Sí", "x"},
                             *const no[] = {"false", "no", "n", "0"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (strcasecmp(text, yes[i]) == 0)
            return json_true();
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (strcasecmp(text, no[i]) == 0)
            return json_false();
    return NULL;
}

static const struct catalogue_field *field_of(const struct row *r, const char *name)
{
    for (size_t i = 0; i < r->catalogue->n_fields; i++)
        if (strcmp(r->catalogue->fields[i].name, name) == 0)
            return &r->catalogue->fields[i];
    return NULL;
}

/* A custom field's value in its type. One that is not known is the recorder's to refuse. */
static void attr_put(struct row *r, size_t column, const char *name, const char *text)
{
    const struct catalogue_field *field = field_of(r, name);
    const char *plain = NULL, *wanted = NULL;
    json_t *value = NULL;

    switch (field == NULL ? FIELD_TEXT : field->type) {
    case FIELD_TEXT:
        value = json_string(text);
        break;
    case FIELD_NUMBER:
        plain = import_amount(r->ctx, text, &r->s->format);
        value = plain == NULL ? NULL : json_real(strtod(plain, NULL));
        wanted = "number";
        break;
    case FIELD_DATE:
        plain = import_day(r->ctx, text, &r->s->format);
        value = plain == NULL ? NULL : json_stringn(plain, strlen(plain) < 10 ? strlen(plain) : 10);
        wanted = "date";
        break;
    case FIELD_BOOLEAN:
        value = boolean_of(text);
        wanted = "yes or no";
        break;
    }
    if (value == NULL)
        fault(r, column, text, wanted);
    else
        json_object_set_new(r->attr, name, value);
}

/* A day of birth, with a time behind it that means nothing, or without its year. */
static const char *birth_of(const struct row *r, const char *text)
{
    char *day;

    if (text_begins(text, "--") || strlen(text) == 5)
        return text;
    day = import_day(r->ctx, text, &r->s->format);
    if (day != NULL && strlen(day) > 10 && (day[10] == ' ' || day[10] == 'T'))
        day[10] = '\0';
    return day;
}

static void deceased_put(struct row *r, size_t column, const char *text)
{
    json_t *value = boolean_of(text);

    if (value == NULL)
        fault(r, column, text, "yes or no");
    else
        json_object_set_new(r->contact, "deceased", value);
}

/* The next of the addresses or phones that a cell has; NULL behind the last. */
static const char *several_next(const struct import_settings *s, char **rest)
{
    const char marks[2] = {s->split, '\0'};
    char *one;

    while ((one = strsep(rest, marks)) != NULL) {
        one = text_trim(one);
        if (*one != '\0')
            return one;
    }
    return NULL;
}

static bool list_has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
            return true;
    return false;
}

/* The first one is the primary one, all others go into a list. */
static void several_put(struct row *r, const char *field, const char *text)
{
    const char *list_name = strcmp(field, "email") == 0 ? "emails" : "phones", *one;
    char *rest = mem_strdup(r->ctx, text);

    while ((one = several_next(r->s, &rest)) != NULL) {
        const char *first = json_string_value(json_object_get(r->contact, field));
        json_t *list = json_object_get(r->contact, list_name);

        if (first == NULL) {
            json_object_set_new(r->contact, field, json_string(one));
            continue;
        }
        if (strcmp(first, one) == 0 || list_has(list, one))
            continue;
        if (list == NULL) {
            list = mem_must(json_array());
            json_object_set_new(r->contact, list_name, list);
        }
        json_array_append_new(list, json_string(one));
    }
}

static void contact_put(struct row *r, size_t column, const char *field, const char *text)
{
    const char *value = text;

    if (text_begins(field, "attr.")) {
        attr_put(r, column, field + 5, text);
        return;
    }
    if (strcmp(field, "tags") == 0 || strcmp(field, "groups") == 0) {
        json_object_set_new(r->contact, field, list_of(r->ctx, text));
        return;
    }
    if (strcmp(field, "deceased") == 0) {
        deceased_put(r, column, text);
        return;
    }
    if (import_field_again(field)) {
        several_put(r, field, text);
        return;
    }
    if (strcmp(field, "birth_date") == 0 || strcmp(field, "deceased_on") == 0)
        value = birth_of(r, text);
    else if (strcmp(field, "country") == 0)
        value = import_country(r->ctx, text);
    if (value == NULL)
        fault(r, column, text,
              strcmp(field, "country") == 0 ? "country like ES or España" : "day that can be read");
    else
        json_object_set_new(r->contact, strcmp(field, "contact_kind") == 0 ? "kind" : field,
                            json_string(value));
}

/* --- interactions -------------------------------------------------------------------------------
 */

/* Fields of the interaction itself; false where it is none. */
static bool interaction_put(struct row *r, size_t column, const char *field, const char *text)
{
    const char *value = text;

    if (!import_field_of_interaction(field))
        return false;
    if (text_begins(field, "data.")) {
        json_object_set_new(r->data, field + 5, json_string(text));
        return true;
    }
    if (strcmp(field, "occurred_at") == 0)
        value = import_instant(r->ctx, text, &r->s->format);
    else if (strcmp(field, "amount") == 0)
        value = import_amount(r->ctx, text, &r->s->format);
    if (value == NULL)
        fault(r, column, text,
              strcmp(field, "amount") == 0 ? "amount that can be read" : "day that can be read");
    else
        json_object_set_new(r->interaction, field, json_string(value));
    return true;
}

/* An amount that is the product of two columns. */
static void product_put(struct row *r, const char *const *fields)
{
    const char *factors[2], *product;

    for (size_t i = 0; i < 2; i++) {
        const char *text = text_trim(mem_strdup(r->ctx, fields[r->s->product[i]]));

        if (*text == '\0')
            return;
        factors[i] = import_amount(r->ctx, text, &r->s->format);
        if (factors[i] == NULL) {
            fault(r, (size_t)r->s->product[i], text, "number");
            return;
        }
    }
    product = import_product(r->ctx, factors[0], factors[1], r->catalogue->currency_digits);
    if (product == NULL)
        fault(r, (size_t)r->s->product[0], factors[0], "number that can be multiplied");
    else
        json_object_set_new(r->interaction, "amount", json_string(product));
}

/* --- rows ---------------------------------------------------------------------------------------
 */

/* A cell without its blanks, and without the mark that keeps a spreadsheet from running it. */
static char *cell_of(const void *ctx, const char *field)
{
    return csv_unmarked(text_trim(mem_strdup(ctx, field)));
}

static void row_fill(struct row *r, const char *const *fields)
{
    for (size_t i = 0; i < r->s->map.n && r->why == NULL; i++) {
        const char *field = r->s->map.fields[i];
        const char *text = field == NULL ? "" : cell_of(r->ctx, fields[i]);

        if (*text == '\0' || import_field_relation(field) != NULL)
            continue;
        if (!r->s->interactions || !interaction_put(r, i, field, text))
            contact_put(r, i, field, text);
    }
    if (r->why == NULL && r->s->interactions && r->s->product[0] >= 0)
        product_put(r, fields);
}

/* Puts the parts together. */
static json_t *row_join(struct row *r)
{
    if (json_object_size(r->attr) > 0)
        json_object_set(r->contact, "attr", r->attr);
    json_object_set(r->interaction, "contact", r->contact);
    if (json_object_size(r->data) > 0)
        json_object_set(r->interaction, "data", r->data);
    if (!r->s->interactions)
        return json_incref(r->interaction);
    if (r->s->kind != NULL)
        json_object_set_new(r->interaction, "kind", json_string(r->s->kind));
    if (r->s->currency != NULL && json_object_get(r->interaction, "amount") != NULL &&
        json_object_get(r->interaction, "currency") == NULL)
        json_object_set_new(r->interaction, "currency", json_string(r->s->currency));
    if (json_object_get(r->interaction, "source") == NULL)
        json_object_set_new(r->interaction, "source", json_string(r->s->source));
    return json_incref(r->interaction);
}

static enum import_verdict row_judge(struct row *r)
{
    if (r->why != NULL)
        return IMPORT_ROW_refused;
    if (json_object_get(r->contact, "email") != NULL ||
        json_object_get(r->contact, "external_id") != NULL)
        return IMPORT_ROW_item;
    if (r->s->skip_nobody)
        return IMPORT_ROW_nobody;
    r->why = "the row does not say who it is: email and external_id are empty";
    return IMPORT_ROW_refused;
}

enum import_verdict import_row_read(const void *ctx, const struct import_settings *settings,
                                    const struct catalogue *catalogue, const char *const *fields,
                                    size_t n, struct import_row *ret_row)
{
    struct row r = {.ctx = ctx,
                    .s = settings,
                    .catalogue = catalogue,
                    .contact = mem_must(json_object()),
                    .interaction = mem_must(json_object()),
                    .data = mem_must(json_object()),
                    .attr = mem_must(json_object())};
    enum import_verdict verdict;

    *ret_row = (struct import_row){0};
    if (n != settings->map.n)
        r.why = mem_printf(ctx, "there are %zu columns; the header has %zu", n, settings->map.n);
    else
        row_fill(&r, fields);
    verdict = row_judge(&r);
    if (verdict == IMPORT_ROW_item)
        ret_row->item = row_join(&r);
    json_decref(r.contact);
    json_decref(r.interaction);
    json_decref(r.data);
    json_decref(r.attr);
    ret_row->column = r.column;
    ret_row->why = r.why;
    return verdict;
}

/* The column of the `place`th further address or phone of the row; `field` is "email" or "phone".
 * It goes through the row as several_put() does. */
static const char *several_column(const struct import_settings *s, const char *const *fields,
                                  size_t n, const char *field, size_t place)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    json_t *seen = json_keep(scratch, mem_must(json_array()));

    for (size_t i = 0; i < s->map.n && i < n; i++) {
        const char *one;
        char *rest;

        if (s->map.fields[i] == NULL || strcmp(s->map.fields[i], field) != 0)
            continue;
        rest = cell_of(scratch, fields[i]);
        while ((one = several_next(s, &rest)) != NULL) {
            if (list_has(seen, one))
                continue;
            json_array_append_new(seen, json_string(one));
            if (json_array_size(seen) == place + 2)
                return s->map.headings[i];
        }
    }
    return NULL;
}

const char *import_row_column(const struct import_settings *s, const char *const *fields, size_t n,
                              const char *pointer)
{
    const struct import_map *map = &s->map;

    if (text_begins(pointer, "/contact/"))
        pointer += strlen("/contact");
    if (text_begins(pointer, "/emails/") || text_begins(pointer, "/phones/"))
        return several_column(s, fields, n, pointer[1] == 'e' ? "email" : "phone",
                              strtoull(pointer + strlen("/emails/"), NULL, 10));
    if (*pointer != '/')
        return NULL;
    pointer++;
    for (size_t i = 0; i < map->n; i++) {
        const char *field = map->fields[i];
        size_t len = field == NULL ? 0 : strcspn(field, ".");

        if (field == NULL || strncmp(field, pointer, len) != 0 ||
            (pointer[len] != '\0' && pointer[len] != '/'))
            continue;
        if (field[len] == '\0' ||
            (pointer[len] == '/' && strcmp(field + len + 1, pointer + len + 1) == 0))
            return map->headings[i];
    }
    if (strcmp(pointer, "amount") == 0 && s->product[0] >= 0)
        return map->headings[s->product[0]];
    return NULL;
}

size_t import_row_relations(const void *ctx, const struct import_settings *s,
                            const char *const *fields, struct import_relation **ret_relations)
{
    struct import_relation *all = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < s->map.n; i++) {
        const char *kind =
            s->map.fields[i] == NULL ? NULL : import_field_relation(s->map.fields[i]);
        const char *other;
        char *rest;

        if (kind == NULL)
            continue;
        rest = cell_of(ctx, fields[i]);
        while ((other = several_next(s, &rest)) != NULL) {
            mem_grow(ctx, &all, &cap, n + 1);
            all[n++] = (struct import_relation){
                .kind = kind, .other = other, .heading = s->map.headings[i]};
        }
    }
    *ret_relations = all;
    return n;
}
