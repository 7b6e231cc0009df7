/* form.c - see form.h. To let forms ask for another field of the contact: a line in `askable`. */
#include "daemon/consent/form.h"

#include "common/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const askable[] = {"first_name",  "last_name",  "company_name", "phone",
                                      "language",    "country",    "street",       "city",
                                      "postal_code", "birth_date", "time_zone"};

static int json_release(json_t **holder)
{
    json_decref(*holder);
    return 0;
}

static const char *text_of(const json_t *document, const char *key)
{
    const char *s = json_string_value(json_object_get(document, key));

    return s != NULL ? s : "";
}

struct form *form_read(const void *ctx, const char *document)
{
    struct form *f = mem_new(ctx, struct form);
    json_t **holder = mem_new(f, json_t *);
    json_t *d = json_loads(document, 0, NULL), *redirect;

    if (d == NULL)
        bug("the form's document is no JSON");
    *holder = d;
    talloc_set_destructor(holder, json_release);
    redirect = json_object_get(d, "redirect_to");
    if (json_is_string(redirect))
        json_object_set_new(d, "redirect_to", json_pack("[O]", redirect));
    f->name = text_of(d, "name");
    f->title = text_of(d, "title");
    f->purpose = text_of(d, "purpose");
    f->wording = text_of(d, "wording");
    f->version = text_of(d, "version");
    f->language = text_of(d, "language");
    f->honeypot = text_of(d, "honeypot");
    f->double_opt_in = json_is_true(json_object_get(d, "double_opt_in"));
    f->fields = json_object_get(d, "fields");
    f->topics = json_object_get(d, "topics");
    f->redirect_to = json_object_get(d, "redirect_to");
    f->origins = json_object_get(d, "origins");
    f->tags = json_object_get(d, "tags");
    return f;
}

/* --- what is said
 * ---------------------------------------------------------------------------------------- */

static const struct catalogue_field *field_find(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_fields; i++)
        if (strcmp(c->fields[i].name, name) == 0)
            return &c->fields[i];
    return NULL;
}

bool form_field_fits(const struct catalogue *c, const char *field)
{
    if (strncmp(field, "attr.", 5) == 0)
        return field_find(c, field + 5) != NULL;
    for (size_t i = 0; i < sizeof(askable) / sizeof(askable[0]); i++)
        if (strcmp(field, askable[i]) == 0)
            return true;
    return false;
}

/* said_of() - what was said for a field; NULL where nothing was. */
static json_t *said_of(const json_t *said, const char *field)
{
    json_t *value = json_object_get(said, field);

    if (value == NULL && strncmp(field, "attr.", 5) == 0)
        value = json_object_get(json_object_get(said, "attr"), field + 5);
    if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
        return NULL;
    return value;
}

static bool is_yes(const char *s)
{
    static const char *const words[] = {"on", "true", "1", "yes", "si", "sí"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(s, words[i]) == 0)
            return true;
    return false;
}

/* typed() - the text of a form as a value of the field's type; a new reference. What is no number
 * stays a text, which is then refused with the rest. */
static json_t *typed(enum field_type type, json_t *value)
{
    const char *s = json_string_value(value);
    char *end;
    double number;

    if (s == NULL)
        return json_incref(value);
    switch (type) {
    case FIELD_NUMBER:
        number = strtod(s, &end);
        return end != s && *end == '\0' && isfinite(number) ? json_real(number)
                                                            : json_incref(value);
    case FIELD_BOOLEAN:
        return json_boolean(is_yes(s));
    case FIELD_TEXT:
    case FIELD_DATE:
        break;
    }
    return json_incref(value);
}

json_t *form_contact(const struct form *f, const struct catalogue *c, const json_t *said)
{
    json_t *contact = mem_must(json_object()), *attrs = mem_must(json_object()), *name;
    json_t *email = said_of(said, "email");
    size_t i;

    if (email != NULL)
        json_object_set(contact, "email", email);
    json_array_foreach(f->fields, i, name)
    {
        const char *field = json_string_value(name);
        json_t *value = said_of(said, field);

        if (value == NULL || !form_field_fits(c, field))
            continue;
        if (strncmp(field, "attr.", 5) == 0)
            json_object_set_new(attrs, field + 5, typed(field_find(c, field + 5)->type, value));
        else
            json_object_set(contact, field, value);
    }
    if (json_object_size(attrs) > 0)
        json_object_set(contact, "attr", attrs);
    json_decref(attrs);
    if (json_array_size(f->tags) > 0)
        json_object_set(contact, "tags", f->tags);
    return contact;
}

bool form_trapped(const struct form *f, const json_t *said)
{
    return f->honeypot[0] != '\0' && said_of(said, f->honeypot) != NULL;
}

/* --- other sites
 * ----------------------------------------------------------------------------------------- */

static bool is_listed(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (strcmp(json_string_value(item), text) == 0) return true;
    return false;
}

bool form_origin_fits(const struct form *f, const char *origin)
{
    return is_listed(f->origins, "*") || is_listed(f->origins, origin);
}

/* after_scheme() - what follows http:// or https://; NULL where neither begins it, or it holds what
 * no address has. */
static const char *after_scheme(const char *s)
{
    const char *rest = strncmp(s, "https://", 8) == 0  ? s + 8
                       : strncmp(s, "http://", 7) == 0 ? s + 7
                                                       : NULL;

    for (const char *c = s; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\\\"<>", *c) != NULL)
            return NULL;
    return rest;
}

bool form_origin_valid(const char *origin)
{
    const char *host = after_scheme(origin);

    if (strcmp(origin, "*") == 0)
        return true;
    return host != NULL && *host != '\0' && strpbrk(host, "/?#@*") == NULL;
}

bool form_redirect_valid(const char *url)
{
    const char *host = after_scheme(url);
    size_t n = host == NULL ? 0 : strcspn(host, "/?#");

    return n > 0 && memchr(host, '@', n) == NULL;
}

const char *form_redirect(const struct form *f, const char *wanted)
{
    if (wanted != NULL && is_listed(f->redirect_to, wanted))
        return wanted;
    return json_string_value(json_array_get(f->redirect_to, 0));
}
