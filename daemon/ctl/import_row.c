/* import_row.c - see import_row.h. */
#include "daemon/ctl/import_row.h"

#include "common/mem.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS "0123456789"

/* --- amounts
 * -------------------------------------------------------------------------------------------- */

/* Without the currency's sign and blanks, be they plain or no-break ones; NULL where letters
 * remain. */
static char *amount_bare(const void *ctx, const char *text)
{
    static const char *const signs[] = {
        "€", "$", "£", "EUR", "USD", "GBP", "\xC2\xA0", "\xE2\x80\xAF", " ", "'"};
    char *bare = mem_strdup(ctx, text);

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t n = strlen(signs[i]);
        char *at;

        while ((at = strstr(bare, signs[i])) != NULL)
            memmove(at, at + n, strlen(at + n) + 1);
    }
    return strspn(bare, DIGITS ".,-+") == strlen(bare) ? bare : NULL;
}

/* Takes every `mark` out; false where they do not stand before groups of three. */
static bool groups_drop(char *s, char mark)
{
    char *at = strchr(s, mark), *to;

    if (at != NULL && at == s)
        return false;
    for (to = at; at != NULL && *at == mark;) {
        if (strspn(at + 1, DIGITS) != 3)
            return false;
        memmove(to, at + 1, 3);
        to += 3;
        at += 4;
    }
    if (to != NULL)
        memmove(to, at, strlen(at) + 1);
    return to == NULL || strchr(s, mark) == NULL;
}

char *import_amount(const void *ctx, const char *text)
{
    char *bare = amount_bare(ctx, text), *comma = bare == NULL ? NULL : strrchr(bare, ','),
         *point = bare == NULL ? NULL : strrchr(bare, '.');
    const char *digits;

    if (bare == NULL)
        return NULL;
    if (comma != NULL && point != NULL) {
        if (!groups_drop(bare, comma > point ? '.' : ','))
            return NULL;
        comma = strchr(bare, ',');
    } else if (comma != NULL && strlen(comma + 1) == 3) {
        return NULL; /* a thousand, or three decimals? */
    }
    if (comma != NULL)
        *comma = '.';
    digits = bare + (*bare == '-' || *bare == '+');
    digits += strspn(digits, DIGITS);
    if (*digits == '.')
        digits += 1 + strspn(digits + 1, DIGITS);
    if (*digits != '\0' || strpbrk(bare, DIGITS) == NULL)
        return NULL;
    return *bare == '+' ? bare + 1 : bare;
}

/* --- days
 * -----------------------------------------------------------------------------------------------------
 */

char *import_day(const void *ctx, const char *text)
{
    int day, month, year, used = 0;

    if (strspn(text, DIGITS) == 4 && text[4] == '-')
        return mem_strdup(ctx, text);
    if (sscanf(text, "%2d/%2d/%4d%n", &day, &month, &year, &used) == 3 ||
        sscanf(text, "%2d-%2d-%4d%n", &day, &month, &year, &used) == 3 ||
        sscanf(text, "%2d.%2d.%4d%n", &day, &month, &year, &used) == 3) {
        if (day >= 1 && month >= 1 && year >= 1000)
            return mem_printf(ctx, "%04d-%02d-%02d%s", year, month, day, text + used);
    }
    return NULL;
}

/* An instant as RFC 3339. A time without an offset is taken as UTC, as the API takes a bare day's
 * noon. */
static char *instant_of(const void *ctx, const char *text)
{
    char *day = import_day(ctx, text);
    const char *time, *offset;

    if (day == NULL || strlen(day) <= 10)
        return day;
    time = day + 11;
    if (strlen(day) < 16 || (day[10] != ' ' && day[10] != 'T'))
        return NULL;
    offset = time + strspn(time, DIGITS ":.");
    return mem_printf(ctx, "%.10sT%.*s%s%s", day, (int)(offset - time), time,
                      offset - time == 5 ? ":00" : "", *offset != '\0' ? offset : "Z");
}

/* --- fields
 * ---------------------------------------------------------------------------------------------------------
 */

struct row {
    const void *ctx;
    const struct import_plan *plan;
    json_t *contact, *interaction, *data, *attr;
    const char *why;
};

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
    static const char *const yes[] = {"true", "yes", "y", "1", "si", "sí", "x"}, *const no[] = {
                                                                                     "false", "no",
                                                                                     "n", "0"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0)
            return json_true();
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (strcasecmp(text, no[i]) == 0)
            return json_false();
    }
    return NULL;
}

/* The value of a custom field in its type; NULL where it does not fit. */
static json_t *attr_of(const struct row *r, const char *name, const char *text)
{
    const char *type = json_string_value(json_object_get(r->plan->types, name));
    const char *number, *day;

    if (type != NULL && strcmp(type, "number") == 0) {
        number = import_amount(r->ctx, text);
        return number == NULL ? NULL : json_real(strtod(number, NULL));
    }
    if (type != NULL && strcmp(type, "date") == 0) {
        day = import_day(r->ctx, text);
        return day == NULL ? NULL : json_string(day);
    }
    return type != NULL && strcmp(type, "boolean") == 0 ? boolean_of(text) : json_string(text);
}

static void fault(struct row *r, size_t column, const char *text, const char *wanted)
{
    r->why =
        mem_printf(r->ctx, "%s: \"%.60s\" is no %s", r->plan->map.headings[column], text, wanted);
}

/* Fields of a contact. */
static void contact_put(struct row *r, size_t column, const char *field, const char *text)
{
    json_t *value;
    const char *day;

    if (text_begins(field, "attr.")) {
        value = attr_of(r, field + 5, text);
        if (value == NULL)
            fault(r, column, text, json_string_value(json_object_get(r->plan->types, field + 5)));
        else
            json_object_set_new(r->attr, field + 5, value);
    } else if (strcmp(field, "birth_date") == 0) {
        day = text_begins(text, "--") || strlen(text) == 5 ? text : import_day(r->ctx, text);
        if (day == NULL)
            fault(r, column, text, "day");
        else
            json_object_set_new(r->contact, field, json_string(day));
    } else if (strcmp(field, "tags") == 0 || strcmp(field, "groups") == 0) {
        json_object_set_new(r->contact, field, list_of(r->ctx, text));
    } else {
        json_object_set_new(r->contact, field, json_string(text));
    }
}

/* Fields of the interaction itself; false where it is none. */
static bool interaction_put(struct row *r, size_t column, const char *field, const char *text)
{
    const char *value = text;

    if (text_begins(field, "data.")) {
        json_object_set_new(r->data, field + 5, json_string(text));
        return true;
    }
    if (strcmp(field, "kind") != 0 && strcmp(field, "occurred_at") != 0 &&
        strcmp(field, "amount") != 0 && strcmp(field, "currency") != 0 &&
        strcmp(field, "source") != 0 && strcmp(field, "key") != 0 && strcmp(field, "amends") != 0)
        return false;
    if (strcmp(field, "occurred_at") == 0)
        value = instant_of(r->ctx, text);
    else if (strcmp(field, "amount") == 0)
        value = import_amount(r->ctx, text);
    if (value == NULL)
        fault(r, column, text,
              strcmp(field, "amount") == 0 ? "amount like 25.50"
                                           : "day like 2006-12-31 or 31/12/2006");
    else
        json_object_set_new(r->interaction, field, json_string(value));
    return true;
}

static void row_fill(struct row *r, const char *const *fields)
{
    for (size_t i = 0; i < r->plan->map.n && r->why == NULL; i++) {
        const char *field = r->plan->map.fields[i];
        const char *text = text_trim(mem_strdup(r->ctx, fields[i]));

        if (*field == '\0' || *text == '\0')
            continue;
        if (!r->plan->interactions || !interaction_put(r, i, field, text))
            contact_put(r, i, field, text);
    }
}

static const char *row_fault(const struct row *r, size_t n)
{
    if (n != r->plan->map.n)
        return mem_printf(r->ctx, "there are %zu columns; the header has %zu", n, r->plan->map.n);
    return NULL;
}

/* Puts the parts together. */
static json_t *row_join(struct row *r)
{
    if (json_object_size(r->attr) > 0)
        json_object_set(r->contact, "attr", r->attr);
    if (!r->plan->interactions)
        return json_incref(r->contact);
    json_object_set(r->interaction, "contact", r->contact);
    if (json_object_size(r->data) > 0)
        json_object_set(r->interaction, "data", r->data);
    if (r->plan->kind != NULL)
        json_object_set_new(r->interaction, "kind", json_string(r->plan->kind));
    if (json_object_get(r->interaction, "source") == NULL)
        json_object_set_new(r->interaction, "source", json_string(r->plan->source));
    return json_incref(r->interaction);
}

json_t *import_row(const void *ctx, const struct import_plan *plan, const char *const *fields,
                   size_t n, const char **ret_why)
{
    struct row r = {.ctx = ctx,
                    .plan = plan,
                    .contact = mem_must(json_object()),
                    .interaction = mem_must(json_object()),
                    .data = mem_must(json_object()),
                    .attr = mem_must(json_object())};
    json_t *joined = NULL;

    r.why = row_fault(&r, n);
    if (r.why == NULL)
        row_fill(&r, fields);
    if (r.why == NULL && json_object_get(r.contact, "email") == NULL &&
        json_object_get(r.contact, "external_id") == NULL)
        r.why = "the row does not say who it is: email and external_id are empty";
    if (r.why == NULL)
        joined = row_join(&r);
    json_decref(r.contact);
    json_decref(r.interaction);
    json_decref(r.data);
    json_decref(r.attr);
    *ret_why = r.why;
    return joined;
}
