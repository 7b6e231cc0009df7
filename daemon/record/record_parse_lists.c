/* record_parse_lists.c - what a contact has several of: tags, groups, consents, e-mail addresses,
 * phones. See record_parse.h. */
#include "daemon/record/record_parse.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#include <string.h>

#define TAG_MAX   100
#define LIST_MAX  100
#define LABEL_MAX 50

json_t *parse_names(const struct parse *p, json_t *object, const char *pointer, const char *name)
{
    json_t *list = json_object_get(object, name), *value;
    const char *where;
    size_t i;

    if (list == NULL)
        return NULL;
    where = parse_pointer(p, pointer, name);
    if (!json_is_array(list) || json_array_size(list) > LIST_MAX) {
        diag_field(p->d, where, "an array of at most %d strings is expected", LIST_MAX);
        return NULL;
    }
    json_array_foreach(list, i, value)
    {
        const char *s = json_string_value(value);

        if (s == NULL || s[0] == '\0' || parse_has_control(s) || parse_characters(s) > TAG_MAX ||
            strlen(s) != json_string_length(value))
            diag_field(p->d, mem_printf(p->ctx, "%s/%zu", where, i),
                       "a string of 1 to %d characters is expected", TAG_MAX);
    }
    return list;
}

static bool topic_known(const struct catalogue *c, const char *topic)
{
    for (size_t i = 0; topic != NULL && i < c->n_topics; i++)
        if (strcmp(c->topics[i].name, topic) == 0)
            return true;
    return false;
}

/* One entry of the ledger, its texts trimmed and its instant in UTC, as a new reference. */
static json_t *consent_read(const struct parse *p, json_t *entry, const char *where)
{
    static const struct {
        const char *name;
        size_t max;
    } texts[] = {{"topic", 63},    {"action", 10},      {"purpose", 500}, {"wording", 5000},
                 {"version", 100}, {"language", 35},    {"source", 500},  {"method", 100},
                 {"ip", 45},       {"user_agent", 500}, {"at", 40}};
    static const char *const keys[] = {"topic",   "action",     "purpose", "wording",
                                       "version", "language",   "source",  "method",
                                       "ip",      "user_agent", "at",      NULL};
    json_t *read = mem_must(json_object());
    const char *action, *at;
    char utc[CLOCK_TEXT];
    int64_t at_us;

    parse_refuse_unknown(p, entry, where, keys);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *s = parse_string(p, entry, texts[i].name, where, texts[i].max);

        if (s != NULL)
            json_object_set_new(read, texts[i].name, json_string(s));
    }
    action = json_string_value(json_object_get(read, "action"));
    at = json_string_value(json_object_get(read, "at"));
    if (!topic_known(p->catalogue, json_string_value(json_object_get(read, "topic"))))
        diag_field(p->d, parse_pointer(p, where, "topic"), "the name of a topic is expected");
    if (action == NULL || (strcmp(action, "grant") != 0 && strcmp(action, "withdraw") != 0))
        diag_field(p->d, parse_pointer(p, where, "action"), "grant or withdraw is expected");
    if (at != NULL && !clock_parse(at, &at_us))
        diag_field(p->d, parse_pointer(p, where, "at"), "an RFC 3339 time is expected");
    else if (at != NULL)
        json_object_set_new(read, "at", json_string(clock_format(at_us, utc)));
    return read;
}

json_t *parse_consents(const struct parse *p, json_t *object, const char *pointer)
{
    json_t *list = json_object_get(object, "consents"), *entry, *read;
    const char *where;
    size_t i;

    if (list == NULL)
        return NULL;
    where = parse_pointer(p, pointer, "consents");
    if (!json_is_array(list) || json_array_size(list) > LIST_MAX) {
        diag_field(p->d, where, "an array of at most %d entries is expected", LIST_MAX);
        return NULL;
    }
    read = json_keep(p->ctx, mem_must(json_array()));
    json_array_foreach(list, i, entry)
    {
        const char *place = mem_printf(p->ctx, "%s/%zu", where, i);

        if (json_is_object(entry))
            json_array_append_new(read, consent_read(p, entry, place));
        else
            diag_field(p->d, place, "an object is expected");
    }
    return read;
}

/* --- addresses --- */

const char *parse_email(const struct parse *p, const json_t *object, const char *key,
                        const char *pointer)
{
    const char *given = parse_string(p, object, key, pointer, 320), *why, *email;

    if (given == NULL)
        return NULL;
    email = address_normalise(p->ctx, given, &why);
    if (email == NULL)
        diag_field(p->d, parse_pointer(p, pointer, key), "no valid e-mail address: %s", why);
    return email;
}

/* A phone has three digits at least; its form is the database's (phone_normal of schema/). */
static const char *phone_read(const struct parse *p, const json_t *object, const char *key,
                              const char *pointer)
{
    const char *given = parse_string(p, object, key, pointer, 50);
    size_t digits = 0;

    for (const char *s = given; s != NULL && *s != '\0'; s++)
        digits += *s >= '0' && *s <= '9';
    if (given == NULL || digits >= 3)
        return given;
    diag_field(p->d, parse_pointer(p, pointer, key), "a phone number is expected");
    return NULL;
}

typedef const char *address_read_fn(const struct parse *, const json_t *, const char *,
                                    const char *);

/* {key: address, "label", "primary"} as a new reference, read by `read`; NULL where it is wrong. */
static json_t *address_object(const struct parse *p, json_t *entry, const char *key,
                              const char *where, address_read_fn *read)
{
    const char *const keys[] = {key, "label", "primary", NULL};
    const json_t *primary = json_object_get(entry, "primary");
    size_t before = p->d->n;
    const char *address = read(p, entry, key, where);
    const char *label = parse_string(p, entry, "label", where, LABEL_MAX);

    parse_refuse_unknown(p, entry, where, keys);
    if (address == NULL && p->d->n == before)
        diag_field(p->d, parse_pointer(p, where, key), "this is missing");
    if (primary != NULL && !json_is_boolean(primary))
        diag_field(p->d, parse_pointer(p, where, "primary"), "true or false is expected");
    if (p->d->n > before)
        return NULL;
    entry = mem_must(json_pack("{s:s, s:b}", key, address, "primary", json_is_true(primary)));
    if (label != NULL)
        json_object_set_new(entry, "label", json_string(label));
    return entry;
}

/* The list under `name`: addresses as strings, or objects that have more to say of them. The
 * primary one comes first. */
static json_t *parse_addresses(const struct parse *p, json_t *object, const char *pointer,
                               const char *name, const char *key, address_read_fn *read)
{
    json_t *list = json_object_get(object, name), *entry, *all;
    const char *where;
    size_t i;

    if (list == NULL)
        return NULL;
    where = parse_pointer(p, pointer, name);
    if (!json_is_array(list) || json_array_size(list) > LIST_MAX) {
        diag_field(p->d, where, "an array of at most %d is expected", LIST_MAX);
        return NULL;
    }
    all = json_keep(p->ctx, mem_must(json_array()));
    json_array_foreach(list, i, entry)
    {
        const char *place = mem_printf(p->ctx, "%s/%zu", where, i);
        json_t *plain = json_is_string(entry) ? mem_must(json_pack("{s:O}", key, entry)) : NULL;
        json_t *made = NULL;

        if (plain == NULL && !json_is_object(entry))
            diag_field(p->d, place, "an address, or an object with \"%s\", is expected", key);
        else
            made = address_object(p, plain != NULL ? plain : entry, key, place, read);
        json_decref(plain);
        if (made != NULL && json_is_true(json_object_get(made, "primary")) &&
            json_is_true(json_object_get(json_array_get(all, 0), "primary")))
            diag_field(p->d, parse_pointer(p, place, "primary"), "only one is the primary one");
        if (made != NULL) {
            json_object_set_new(made, "place", json_integer((json_int_t)i));
            json_array_insert_new(
                all, json_is_true(json_object_get(made, "primary")) ? 0 : json_array_size(all),
                made);
        }
    }
    return all;
}

json_t *parse_emails(const struct parse *p, json_t *object, const char *pointer)
{
    return parse_addresses(p, object, pointer, "emails", "email", parse_email);
}

json_t *parse_phones(const struct parse *p, json_t *object, const char *pointer)
{
    return parse_addresses(p, object, pointer, "phones", "phone", phone_read);
}
