/* import_settings.c - see import_settings.h. To add a setting: a line in `known`, a reader below,
 * its place in the struct and in lazo-import(7). */
#include "daemon/import/import_settings.h"

#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"
#include "common/zone.h"
#include "daemon/import/import_decode.h"

#include <stdio.h>
#include <string.h>

#define KIND_MAX   80
#define SOURCE_MAX 100
#define TEXT_MAX   5000

struct reading {
    const void *ctx;
    const json_t *document;
    struct import_settings *s;
    struct diag *d;
};

static const char *const known[] = {"what",      "encoding",     "delimiter",       "columns",
                                    "dates",     "decimal",      "thousands",       "time_zone",
                                    "kind",      "source",       "currency",        "key_columns",
                                    "amount_of", "refunds",      "without_contact", "live",
                                    "consent",   "two_contacts", "split",           "others"};

static void unknown_refuse(struct reading *r, const json_t *object, const char *pointer,
                           const char *const *names, size_t n)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        const char *near = NULL;
        bool found = false;

        for (size_t i = 0; i < n; i++)
            found = found || strcmp(names[i], key) == 0;
        if (found)
            continue;
        near = suggest_nearest(key, names, n);
        diag_field(r->d, diag_pointer(r->ctx, pointer, key), "no setting has this name%s%s%s",
                   near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?" : "");
    }
}

/* A text of `object`; NULL where it is not said or is none (then `d` says so). */
static const char *text_of(struct reading *r, const json_t *object, const char *pointer,
                           const char *name, size_t max)
{
    const json_t *value = json_object_get(object, name);
    const char *s = json_string_value(value);

    if (value == NULL || json_is_null(value))
        return NULL;
    if (s == NULL || *s == '\0' || strlen(s) != json_string_length(value) || strlen(s) > max) {
        diag_field(r->d, diag_pointer(r->ctx, pointer, name),
                   "a text of 1 to %zu bytes is expected", max);
        return NULL;
    }
    return mem_strdup(r->ctx, s);
}

static bool flag_of(struct reading *r, const char *name)
{
    const json_t *value = json_object_get(r->document, name);

    if (value != NULL && !json_is_null(value) && !json_is_boolean(value))
        diag_field(r->d, diag_pointer(r->ctx, "", name), "true or false is expected");
    return json_is_true(value);
}

/* --- columns ------------------------------------------------------------------------------------
 */

static void column_field(struct reading *r, size_t column, const json_t *value, const char *where)
{
    const char *field = json_string_value(value), *near;

    if (field == NULL || !import_field_known(field)) {
        near = field == NULL ? NULL : import_field_nearest(field);
        diag_field(r->d, where, "a field, or null to leave the column out, is expected%s%s%s",
                   near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?" : "");
    } else if (r->s->interactions || !import_field_of_interaction(field)) {
        r->s->map.fields[column] = mem_strdup(r->ctx, field);
    }
}

static void columns_once(struct reading *r)
{
    const struct import_map *map = &r->s->map;

    for (size_t i = 0; i < map->n; i++)
        for (size_t k = i + 1; map->fields[i] != NULL && k < map->n; k++)
            if (map->fields[k] != NULL && !import_field_again(map->fields[i]) &&
                strcmp(map->fields[i], map->fields[k]) == 0)
                diag_field(r->d, diag_pointer(r->ctx, "/columns", map->headings[k]),
                           "the column \"%s\" is %s already", map->headings[i], map->fields[i]);
}

static void columns_read(struct reading *r, const struct import_map *headings)
{
    const json_t *columns = json_object_get(r->document, "columns");
    struct import_map *map = &r->s->map;
    const char *key;
    json_t *value;

    map->n = headings->n;
    map->headings = mem_array(r->ctx, const char *, map->n);
    map->fields = mem_array(r->ctx, const char *, map->n);
    for (size_t i = 0; i < map->n; i++)
        map->headings[i] = mem_strdup(r->ctx, headings->headings[i]);
    json_object_foreach((json_t *)columns, key, value) if (import_map_heading(map, key) < 0)
        diag_field(r->d, diag_pointer(r->ctx, "/columns", key), "the file has no such column");
    for (size_t i = 0; i < map->n; i++) {
        const char *where = diag_pointer(r->ctx, "/columns", map->headings[i]);

        value = json_object_get(columns, map->headings[i]);
        if (value == NULL)
            diag_field(r->d, where,
                       "this column is not known: say which field it is, or null to leave it out");
        else if (!json_is_null(value))
            column_field(r, i, value, where);
    }
    columns_once(r);
    if (import_map_field(map, "email") < 0 && import_map_field(map, "external_id") < 0)
        diag_field(r->d, "/columns", "no column says who it is: email or external_id is expected");
}

/* Names of columns as their numbers. */
static int *column_list(struct reading *r, const json_t *list, const char *pointer, size_t *ret_n)
{
    int *columns = mem_array(r->ctx, int, json_array_size(list));
    json_t *value;
    size_t i;

    *ret_n = 0;
    if (list != NULL && !json_is_null(list) && !json_is_array(list))
        diag_field(r->d, pointer, "an array of columns is expected");
    json_array_foreach((json_t *)list, i, value)
    {
        const char *name = json_string_value(value);
        int column = name == NULL ? -1 : import_map_heading(&r->s->map, name);

        if (column < 0 && name != NULL)
            column = import_map_field(&r->s->map, name);
        if (column < 0)
            diag_field(r->d, mem_printf(r->ctx, "%s/%zu", pointer, i),
                       "the file has no such column");
        else
            columns[(*ret_n)++] = column;
    }
    return columns;
}

/* --- how values are written ---------------------------------------------------------------------
 */

static char mark_of(struct reading *r, const char *name, const char *marks)
{
    const char *s = text_of(r, r->document, "", name, 2);

    if (s == NULL)
        return 0;
    if (strcmp(s, "\\t") == 0)
        s = "\t";
    if (strlen(s) == 1 && strchr(marks, *s) != NULL)
        return *s;
    diag_field(r->d, diag_pointer(r->ctx, "", name), "one of these is expected: %s", marks);
    return 0;
}

static void format_read(struct reading *r)
{
    struct import_format *f = &r->s->format;
    const char *dates = text_of(r, r->document, "", "dates", 20);

    if (dates != NULL && !import_days_parse(dates, f))
        diag_field(r->d, "/dates",
                   "an order like \"yyyy-mm-dd\", \"dd/mm/yyyy\" or \"mm/dd/yy\" is "
                   "expected");
    f->decimal = mark_of(r, "decimal", ".,");
    f->thousands = mark_of(r, "thousands", ".,' ");
    if (f->thousands != 0 && f->decimal == 0)
        diag_field(r->d, "/decimal", "with \"thousands\" this is said too");
    if (f->thousands != 0 && f->thousands == f->decimal)
        diag_field(r->d, "/thousands", "it is another mark than the decimal's");
    f->time_zone = text_of(r, r->document, "", "time_zone", 64);
    if (f->time_zone != NULL && !zone_known(f->time_zone))
        diag_field(r->d, "/time_zone", "a time zone like Europe/Madrid is expected");
    r->s->encoding = text_of(r, r->document, "", "encoding", 20);
    if (r->s->encoding != NULL && !import_encoding_known(r->s->encoding))
        diag_field(r->d, "/encoding", "one of these is expected: %s", IMPORT_ENCODINGS);
    r->s->delimiter = mark_of(r, "delimiter", ",;|\t");
    r->s->split = mark_of(r, "split", IMPORT_SPLITS);
}

/* --- what the rows are --------------------------------------------------------------------------
 */

static void what_read(struct reading *r)
{
    const char *what = text_of(r, r->document, "", "what", 20);

    r->s->interactions = what != NULL && strcmp(what, "interactions") == 0;
    if (what == NULL || (!r->s->interactions && strcmp(what, "contacts") != 0))
        diag_field(r->d, "/what", "contacts or interactions is expected");
}

static void kind_read(struct reading *r)
{
    struct import_settings *s = r->s;

    s->kind = text_of(r, r->document, "", "kind", KIND_MAX);
    s->source = text_of(r, r->document, "", "source", SOURCE_MAX);
    if (s->source == NULL)
        s->source = "import";
    s->currency = text_of(r, r->document, "", "currency", 3);
    if (s->interactions && s->kind == NULL && import_map_field(&s->map, "kind") < 0)
        diag_field(
            r->d, "/kind",
            "no column is the kind of the interactions: say one kind for all, like donation");
}

static void product_read(struct reading *r)
{
    const json_t *list = json_object_get(r->document, "amount_of");
    int *columns;
    size_t n;

    r->s->product[0] = r->s->product[1] = -1;
    if (list == NULL || json_is_null(list))
        return;
    columns = column_list(r, list, "/amount_of", &n);
    if (json_array_size(list) != 2)
        diag_field(r->d, "/amount_of", "two columns are expected: the amount is their product");
    else if (n == 2)
        memcpy(r->s->product, columns, sizeof(r->s->product));
    if (import_map_field(&r->s->map, "amount") >= 0)
        diag_field(r->d, "/amount_of", "a column is the amount already");
}

static void refunds_read(struct reading *r)
{
    static const char *const names[] = {"kind", "otherwise", "same"};
    const json_t *refunds = json_object_get(r->document, "refunds");
    struct import_refunds *f = &r->s->refunds;

    if (refunds == NULL || json_is_null(refunds))
        return;
    if (!json_is_object(refunds)) {
        diag_field(r->d, "/refunds", "an object is expected");
        return;
    }
    unknown_refuse(r, refunds, "/refunds", names, sizeof(names) / sizeof(names[0]));
    f->wanted = true;
    f->kind = text_of(r, refunds, "/refunds", "kind", KIND_MAX);
    if (f->kind == NULL)
        f->kind = "refund";
    f->otherwise = text_of(r, refunds, "/refunds", "otherwise", KIND_MAX);
    f->same = column_list(r, json_object_get(refunds, "same"), "/refunds/same", &f->n_same);
    if (f->n_same == 0)
        diag_field(r->d, "/refunds/same",
                   "the columns that a purchase and its refund share are "
                   "expected");
}

static void consent_read(struct reading *r)
{
    static const char *const names[] = {"topic", "attestation", "by"};
    const json_t *consent = json_object_get(r->document, "consent");
    struct import_settings *s = r->s;

    if (consent == NULL || json_is_null(consent))
        return;
    if (!json_is_object(consent)) {
        diag_field(r->d, "/consent", "an object is expected");
        return;
    }
    unknown_refuse(r, consent, "/consent", names, sizeof(names) / sizeof(names[0]));
    s->topic = text_of(r, consent, "/consent", "topic", 63);
    s->attestation = text_of(r, consent, "/consent", "attestation", TEXT_MAX);
    s->attested_by = text_of(r, consent, "/consent", "by", 200);
    if (s->topic == NULL || s->attestation == NULL)
        diag_field(r->d, "/consent",
                   "topic and attestation belong together: what did these people agree to, and how "
                   "do you know?");
    else if (s->interactions)
        diag_field(r->d, "/consent", "consent comes with contacts; import them first");
}

/* Whether what is done is not "refuse", but `other`. */
static bool instead_of_refuse(struct reading *r, const char *name, const char *other)
{
    const char *said = text_of(r, r->document, "", name, 10);

    if (said == NULL || strcmp(said, "refuse") == 0)
        return false;
    if (strcmp(said, other) != 0)
        diag_field(r->d, diag_pointer(r->ctx, "", name), "%s or refuse is expected", other);
    return true;
}

bool import_settings_read(const void *ctx, const json_t *document,
                          const struct import_map *headings, struct import_settings *ret_settings,
                          struct diag *d)
{
    struct reading r = {.ctx = ctx, .document = document, .s = ret_settings, .d = d};
    size_t before = d->n;

    *ret_settings = (struct import_settings){0};
    if (!json_is_object(document)) {
        diag_field(d, "", "an object is expected");
        return false;
    }
    unknown_refuse(&r, document, "", known, sizeof(known) / sizeof(known[0]));
    what_read(&r);
    columns_read(&r, headings);
    format_read(&r);
    kind_read(&r);
    product_read(&r);
    refunds_read(&r);
    consent_read(&r);
    ret_settings->keys = column_list(&r, json_object_get(document, "key_columns"), "/key_columns",
                                     &ret_settings->n_keys);
    ret_settings->skip_nobody = instead_of_refuse(&r, "without_contact", "skip");
    ret_settings->merge_two = instead_of_refuse(&r, "two_contacts", "merge");
    ret_settings->make_others = instead_of_refuse(&r, "others", "make");
    for (size_t i = 0; i < ret_settings->map.n; i++)
        ret_settings->relations =
            ret_settings->relations || (ret_settings->map.fields[i] != NULL &&
                                        import_field_relation(ret_settings->map.fields[i]) != NULL);
    ret_settings->live = flag_of(&r, "live");
    return d->n == before;
}

json_t *import_settings_join(const json_t *guessed, const json_t *said)
{
    json_t *joined = mem_must(json_deep_copy(guessed)),
           *columns = json_object_get(joined, "columns"), *value;
    const char *key;

    json_object_foreach((json_t *)said, key, value)
    {
        if (strcmp(key, "columns") == 0 && json_is_object(value) && json_is_object(columns))
            json_object_update(columns, value);
        else
            json_object_set(joined, key, value);
    }
    return joined;
}
