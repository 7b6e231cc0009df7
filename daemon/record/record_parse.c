/* record_parse.c - interactions and contacts, from JSON to what record.h takes. Pure.
 *
 * To add a field of a contact: a line in contact_fields below, a column in schema/, and its place
 * in record_fields of schema/statements/record.sql. */
#include "daemon/record/record_parse.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/zone.h"
#include "daemon/org/currency.h"
#include "daemon/record/life.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KIND_MAX   80
#define KEY_MAX    200
#define SOURCE_MAX 100
#define ATTR_MAX   2000

static const struct {
    const char *name;
    size_t max; /* characters */
} contact_fields[] = {{"first_name", 200}, {"last_name", 200},  {"company_name", 200},
                      {"phone", 50},       {"language", 35},    {"street", 200},
                      {"city", 200},       {"postal_code", 20}, {"time_zone", 64},
                      {"stage", 80}};

const char *parse_pointer(const struct parse *p, const char *pointer, const char *key)
{
    return diag_pointer(p->ctx, pointer, key);
}

size_t parse_characters(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

bool parse_has_control(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f ||
            ((unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0) ||
            ((unsigned char)s[0] == 0xe2 &&
             (strncmp(s, "\u2028", 3) == 0 || strncmp(s, "\u2029", 3) == 0)))
            return true;
    return false;
}

const char *parse_string(const struct parse *p, const json_t *object, const char *key,
                         const char *pointer, size_t max)
{
    const json_t *value = json_object_get(object, key);
    const char *s;
    char *copy;
    size_t n;

    if (value == NULL || json_is_null(value))
        return NULL;
    if (!json_is_string(value)) {
        diag_field(p->d, parse_pointer(p, pointer, key), "a string is expected");
        return NULL;
    }
    s = json_string_value(value);
    if (strlen(s) != json_string_length(value) || parse_has_control(s)) {
        diag_field(p->d, parse_pointer(p, pointer, key), "control characters are not allowed");
        return NULL;
    }
    s += strspn(s, " ");
    for (n = strlen(s); n > 0 && s[n - 1] == ' '; n--)
        ;
    copy = mem_strndup(p->ctx, s, n);
    if (parse_characters(copy) > max) {
        diag_field(p->d, parse_pointer(p, pointer, key), "at most %zu characters are allowed", max);
        return NULL;
    }
    return copy[0] == '\0' ? NULL : copy;
}

static bool is_known(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (strcmp(key, *keys) == 0)
            return true;
    return false;
}

void parse_refuse_unknown(const struct parse *p, json_t *object, const char *pointer,
                          const char *const *keys)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (!is_known(key, keys))
            diag_field(p->d, parse_pointer(p, pointer, key), "no field has this name");
    }
}

/* --- contacts --- */

/* "1970-03-09", or "--03-09" and "03-09" where the year is not known. Nobody is born after today,
 * wherever it is tomorrow already. */
static bool parse_birth_date(const char *s, int64_t now_us, int *ret_year, int *ret_month,
                             int *ret_day)
{
    char whole[16];
    int64_t at_us;

    *ret_year = 0;
    if (strlen(s) == 10 && sscanf(s, "%4d", ret_year) == 1)
        snprintf(whole, sizeof(whole), "%s", s);
    else if (strlen(s) == 7 && strncmp(s, "--", 2) == 0)
        snprintf(whole, sizeof(whole), "2000-%s", s + 2);
    else if (strlen(s) == 5)
        snprintf(whole, sizeof(whole), "2000-%s", s);
    else
        return false;
    if (!clock_parse(whole, &at_us) ||
        (*ret_year != 0 && (*ret_year < 1850 || at_us > now_us + CLOCK_DAY_US)))
        return false;
    return sscanf(whole + 5, "%2d-%2d", ret_month, ret_day) == 2;
}

static void contact_birth_date(const struct parse *p, const json_t *object, const char *pointer,
                               json_t *fields)
{
    const char *s = parse_string(p, object, "birth_date", pointer, 10);
    int year, month, day;

    if (json_is_null(json_object_get(object, "birth_date"))) {
        json_object_set_new(fields, "birth_year", json_null());
        json_object_set_new(fields, "birth_month", json_null());
        json_object_set_new(fields, "birth_day", json_null());
    }
    if (s == NULL)
        return;
    if (!parse_birth_date(s, p->now_us, &year, &month, &day)) {
        diag_field(p->d, parse_pointer(p, pointer, "birth_date"),
                   "a day of the past like 1970-03-09, or --03-09 without its year, is expected");
        return;
    }
    json_object_set_new(fields, "birth_year", year == 0 ? json_null() : json_integer(year));
    json_object_set_new(fields, "birth_month", json_integer(month));
    json_object_set_new(fields, "birth_day", json_integer(day));
}

static void contact_country(const struct parse *p, const json_t *object, const char *pointer,
                            json_t *fields)
{
    const char *s = parse_string(p, object, "country", pointer, 100);
    char upper[4]; /* one more than a code has */

    if (json_is_null(json_object_get(object, "country")))
        json_object_set_new(fields, "country", json_null());
    if (s == NULL)
        return;
    snprintf(upper, sizeof(upper), "%s", s);
    for (char *c = upper; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    if (strlen(upper) != 2 || strspn(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2)
        diag_field(p->d, parse_pointer(p, pointer, "country"),
                   "a code of two letters (ISO 3166) is expected, like ES");
    else
        json_object_set_new(fields, "country", json_string(upper));
}

static void contact_kind(const struct parse *p, const json_t *object, const char *pointer,
                         json_t *fields)
{
    const char *s = parse_string(p, object, "kind", pointer, 10);

    if (s == NULL)
        return;
    if (strcmp(s, "person") != 0 && strcmp(s, "company") != 0 && strcmp(s, "household") != 0)
        diag_field(p->d, parse_pointer(p, pointer, "kind"),
                   "person, company or household is expected");
    else
        json_object_set_new(fields, "kind", json_string(s));
}

static json_t *contact_columns(const struct parse *p, json_t *object, const char *pointer)
{
    json_t *fields = json_object();
    const char *zone;

    for (size_t i = 0; i < sizeof(contact_fields) / sizeof(contact_fields[0]); i++) {
        const char *name = contact_fields[i].name;
        const char *s = parse_string(p, object, name, pointer, contact_fields[i].max);

        if (s != NULL)
            json_object_set_new(fields, name, json_string(s));
        else if (json_is_null(json_object_get(object, name)))
            json_object_set_new(fields, name, json_null());
    }
    zone = json_string_value(json_object_get(fields, "time_zone"));
    if (zone != NULL && !zone_known(zone))
        diag_field(p->d, parse_pointer(p, pointer, "time_zone"),
                   "a time zone is expected, like Europe/Madrid");
    contact_kind(p, object, pointer, fields);
    life_stage(p->ctx, pointer, p->catalogue, fields, p->d);
    life_deceased(p->ctx, object, pointer, p->now_us, fields, p->d);
    contact_country(p, object, pointer, fields);
    contact_birth_date(p, object, pointer, fields);
    return fields;
}

static const struct catalogue_field *find_field(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_fields; i++)
        if (strcmp(c->fields[i].name, name) == 0)
            return &c->fields[i];
    return NULL;
}

static const char *attr_fault(const struct catalogue_field *field, const json_t *value)
{
    int64_t at_us;

    if (field == NULL)
        return "no custom field has this name";
    if (json_is_null(value))
        return NULL;
    switch (field->type) {
    case FIELD_TEXT:
        if (!json_is_string(value) || parse_has_control(json_string_value(value)))
            return "a string without control characters is expected";
        return parse_characters(json_string_value(value)) > ATTR_MAX ? "the text is too long"
                                                                     : NULL;
    case FIELD_NUMBER:
        return json_is_number(value) ? NULL : "a number is expected";
    case FIELD_BOOLEAN:
        return json_is_boolean(value) ? NULL : "true or false is expected";
    case FIELD_DATE:
        return json_is_string(value) && strlen(json_string_value(value)) == 10 &&
                       clock_parse(json_string_value(value), &at_us)
                   ? NULL
                   : "a date like 2026-03-01 is expected";
    }
    return "the field has no type";
}

static json_t *contact_attrs(const struct parse *p, json_t *object, const char *pointer)
{
    json_t *attrs = json_object_get(object, "attr"), *value;
    const char *key, *where;

    if (attrs == NULL)
        return NULL;
    where = parse_pointer(p, pointer, "attr");
    if (!json_is_object(attrs)) {
        diag_field(p->d, where, "an object of custom fields is expected");
        return NULL;
    }
    json_object_foreach(attrs, key, value)
    {
        const char *fault = attr_fault(find_field(p->catalogue, key), value);

        if (fault != NULL)
            diag_field(p->d, parse_pointer(p, where, key), "%s", fault);
    }
    return attrs;
}

static int64_t contact_id(const struct parse *p, const json_t *object, const char *pointer)
{
    const json_t *id = json_object_get(object, "id");

    if (id == NULL)
        return 0;
    if (!json_is_integer(id) || json_integer_value(id) <= 0) {
        diag_field(p->d, parse_pointer(p, pointer, "id"), "a positive integer is expected");
        return 0;
    }
    return json_integer_value(id);
}

static void contact_read(const struct parse *p, json_t *object, const char *pointer,
                         struct record_contact *ret)
{
    static const char *const keys[] = {
        "id",     "email",    "external_id", "kind",   "first_name",  "last_name",  "company_name",
        "phone",  "language", "country",     "city",   "postal_code", "birth_date", "time_zone",
        "stage",  "attr",     "tags",        "groups", "consents",    "street",     "emails",
        "phones", "deceased", "deceased_on", NULL};

    parse_refuse_unknown(p, object, pointer, keys);
    ret->id = contact_id(p, object, pointer);
    ret->email = parse_email(p, object, "email", pointer);
    ret->external_id = parse_string(p, object, "external_id", pointer, 200);
    ret->fields = json_keep(p->ctx, contact_columns(p, object, pointer));
    ret->attrs = contact_attrs(p, object, pointer);
    ret->emails = parse_emails(p, object, pointer);
    ret->phones = parse_phones(p, object, pointer);
    ret->tags = parse_names(p, object, pointer, "tags");
    ret->groups = parse_names(p, object, pointer, "groups");
    ret->consents = parse_consents(p, object, pointer);
}

bool record_contact_parse(const void *ctx, json_t *value, const char *pointer,
                          const struct catalogue *catalogue, int64_t now_us,
                          struct record_contact *ret_contact, struct diag *d)
{
    struct parse p = {.ctx = ctx, .catalogue = catalogue, .now_us = now_us, .d = d};
    size_t before = d->n;

    *ret_contact = (struct record_contact){0};
    if (!json_is_object(value)) {
        diag_field(d, pointer, "a contact is expected: an object");
        return false;
    }
    contact_read(&p, value, pointer, ret_contact);
    return d->n == before;
}

/* --- interactions --- */

static void item_instant(const struct parse *p, const json_t *object, const char *pointer,
                         struct record_item *item)
{
    const char *s = parse_string(p, object, "occurred_at", pointer, 40);

    item->occurred_at_us = p->now_us;
    if (s == NULL)
        return;
    if (!clock_parse(s, &item->occurred_at_us))
        diag_field(p->d, parse_pointer(p, pointer, "occurred_at"),
                   "an RFC 3339 time is expected, like 2026-03-01T10:00:00Z");
    else if (strlen(s) == 10)
        /* A day without a time is that day's noon, so that it is the same day in every zone that
         * people live in but the farthest. */
        item->occurred_at_us += CLOCK_DAY_US / 2;
}

/* The catalogue does not live as long as the item. */
static void item_currency(const struct parse *p, const json_t *object, const char *pointer,
                          struct record_item *item)
{
    const char *said = parse_string(p, object, "currency", pointer, 3);

    if (said != NULL && !currency_is_code(said))
        diag_field(p->d, parse_pointer(p, pointer, "currency"),
                   "a currency is expected: three capital letters, like EUR");
    item->foreign = said != NULL && strcmp(said, p->catalogue->currency) != 0;
    item->currency = mem_strdup(p->ctx, item->foreign ? said : p->catalogue->currency);
}

static void item_amount(const struct parse *p, const json_t *object, const char *pointer,
                        struct record_item *item)
{
    const json_t *value = json_object_get(object, "amount");
    char text[AMOUNT_TEXT];
    int digits;

    item_currency(p, object, pointer, item);
    if (value == NULL || json_is_null(value)) {
        item->currency = NULL;
        return;
    }
    digits = item->foreign ? currency_digits(item->currency) : p->catalogue->currency_digits;
    if (!amount_text(value, text) || !amount_parse(text, digits, &item->amount))
        diag_field(p->d, parse_pointer(p, pointer, "amount"),
                   "a decimal with at most %d digits after the point is expected, like \"%s\"",
                   digits, amount_format(0, digits, text));
    item->has_amount = true;
}

static void item_data(const struct parse *p, json_t *object, const char *pointer,
                      struct record_item *item)
{
    json_t *data = json_object_get(object, "data");
    char *text;

    if (data == NULL || json_is_null(data))
        return;
    if (!json_is_object(data)) {
        diag_field(p->d, parse_pointer(p, pointer, "data"), "an object is expected");
        return;
    }
    text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));
    mem_must(text);
    item->data = mem_strdup(p->ctx, text);
    free(text);
}

static void item_contact(const struct parse *p, json_t *object, const char *pointer,
                         struct record_item *item)
{
    json_t *contact = json_object_get(object, "contact");
    const char *where = parse_pointer(p, pointer, "contact");

    if (!json_is_object(contact)) {
        diag_field(p->d, where, "a contact is expected: an object with email, external_id or id");
        return;
    }
    contact_read(p, contact, where, &item->contact);
    if (item->contact.id == 0 && item->contact.email == NULL && item->contact.external_id == NULL &&
        json_array_size(item->contact.emails) == 0)
        diag_field(p->d, where, "email, external_id or id is expected");
}

/* "amends": an id, a key of the same source, or {"key", "source"}. */
static void item_amends(const struct parse *p, const json_t *object, const char *pointer,
                        struct record_item *item)
{
    static const char *const keys[] = {"key", "source", NULL};
    json_t *value = json_object_get(object, "amends");
    const char *where, *source;
    struct record_amends *amends;

    if (value == NULL || json_is_null(value))
        return;
    where = parse_pointer(p, pointer, "amends");
    amends = mem_new(p->ctx, struct record_amends);
    amends->source = item->source;
    amends->currency_digits = p->catalogue->currency_digits;
    if (json_is_object(value)) {
        parse_refuse_unknown(p, value, where, keys);
        amends->key = parse_string(p, value, "key", where, KEY_MAX);
        source = parse_string(p, value, "source", where, SOURCE_MAX);
        amends->source = source == NULL ? item->source : source;
    } else if (json_is_string(value)) {
        amends->key = parse_string(p, object, "amends", pointer, KEY_MAX);
    } else if (json_is_integer(value)) {
        amends->id = json_integer_value(value);
    }
    if (amends->id <= 0 && amends->key == NULL)
        diag_field(p->d, where, "the id or the key of an interaction is expected");
    if (!item->has_amount)
        diag_field(p->d, parse_pointer(p, pointer, "amount"),
                   "an amendment says what is taken off, like \"-25.00\", or what the amount is "
                   "from now on, like \"0\"");
    else if (item->kind != NULL && strcmp(item->kind, "refund") == 0 && item->amount > 0)
        diag_field(p->d, parse_pointer(p, pointer, "amount"),
                   "a refund is what is taken off: a negative amount, like \"-25.00\"");
    item->amends = amends;
    if (item->kind == NULL)
        item->kind = item->amount <= 0 ? "refund" : "correction";
}

bool record_item_parse(const void *ctx, json_t *value, const char *pointer,
                       const struct catalogue *catalogue, int64_t now_us,
                       struct record_item *ret_item, struct diag *d)
{
    static const char *const keys[] = {"contact", "kind", "occurred_at", "amount", "currency",
                                       "source",  "key",  "data",        "amends", NULL};
    struct parse p = {.ctx = ctx, .catalogue = catalogue, .now_us = now_us, .d = d};
    size_t before = d->n;
    const char *source;

    *ret_item = (struct record_item){.source = ""};
    if (!json_is_object(value)) {
        diag_field(d, pointer, "an interaction is expected: an object");
        return false;
    }
    parse_refuse_unknown(&p, value, pointer, keys);
    item_contact(&p, value, pointer, ret_item);
    ret_item->kind = parse_string(&p, value, "kind", pointer, KIND_MAX);
    source = parse_string(&p, value, "source", pointer, SOURCE_MAX);
    ret_item->source = source == NULL ? "" : source;
    ret_item->key = parse_string(&p, value, "key", pointer, KEY_MAX);
    item_instant(&p, value, pointer, ret_item);
    item_amount(&p, value, pointer, ret_item);
    item_data(&p, value, pointer, ret_item);
    item_amends(&p, value, pointer, ret_item);
    if (ret_item->kind == NULL)
        diag_field(d, parse_pointer(&p, pointer, "kind"),
                   "the name of a kind is expected, like donation");
    return d->n == before;
}
