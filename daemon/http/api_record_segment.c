/* api_record_segment.c - the HTTP tracking calls of Segment: identify, track, batch, so that their
 * client libraries work unchanged.
 *
 * A message becomes the JSON of one of our own items and is read like it. userId is the external
 * id; without one, an e-mail among the traits must say who it is, since an anonymous visitor is
 * nobody's contact. Messages of a batch stand alone: those libraries never look at an answer, so
 * one wrong message must not cost the others. A page or screen that a known person saw is a fact
 * whose data also has its name and category; a group is one that the contact is in. What anonymous
 * visitors saw, and alias, are counted as ignored.
 *
 *     userId → contact.external_id      event → kind        messageId → key
 *     traits → contact                  properties → data   timestamp → occurred_at
 *     properties.revenue → amount       groupId → contact.groups */
#include "common/mem.h"
#include "daemon/http/api_record.h"

#include <string.h>

#define SOURCE "segment"

static const char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));

    return s != NULL && s[0] != '\0' ? s : NULL;
}

static void set_text(json_t *contact, const char *name, const char *value)
{
    if (value != NULL && json_object_get(contact, name) == NULL)
        json_object_set_new(contact, name, json_string(value));
}

/* take() - the text traits that are fields of ours under another name, or the same. */
static void take(json_t *contact, const json_t *traits)
{
    static const struct {
        const char *trait, *field;
    } names[] = {
        {"email", "email"},
        {"phone", "phone"},
        {"firstName", "first_name"},
        {"first_name", "first_name"},
        {"lastName", "last_name"},
        {"last_name", "last_name"},
        {"company", "company_name"},
        {"company_name", "company_name"},
        {"language", "language"},
        {"street", "street"},
        {"city", "city"},
        {"postalCode", "postal_code"},
        {"postal_code", "postal_code"},
        {"stage", "stage"},
    };
    const char *country = text_of(traits, "country"), *birthday = text_of(traits, "birthday");

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        set_text(contact, names[i].field, text_of(traits, names[i].trait));
    /* Segment lets both be anything; we take what is exact. */
    if (country != NULL && strlen(country) == 2)
        set_text(contact, "country", country);
    if (birthday != NULL && strlen(birthday) >= 10) {
        char day[11];

        memcpy(day, birthday, 10);
        day[10] = '\0';
        set_text(contact, "birth_date", day);
    }
}

/* take_name() - "name" as a whole, where its parts are not said. */
static void take_name(json_t *contact, const json_t *traits)
{
    const char *name = text_of(traits, "name"), *space;

    if (name == NULL || json_object_get(contact, "first_name") != NULL ||
        json_object_get(contact, "last_name") != NULL)
        return;
    space = strchr(name, ' ');
    if (space == NULL) {
        set_text(contact, "first_name", name);
        return;
    }
    json_object_set_new(contact, "first_name", json_stringn(name, (size_t)(space - name)));
    set_text(contact, "last_name", space + 1);
}

/* take_attrs() - traits that are custom fields of the organisation, where the type fits. */
static void take_attrs(json_t *contact, const json_t *traits, const struct catalogue *catalogue)
{
    json_t *attr = mem_must(json_object());

    for (size_t i = 0; i < catalogue->n_fields; i++) {
        const struct catalogue_field *f = &catalogue->fields[i];
        json_t *value = json_object_get(traits, f->name);
        bool fits =
            (f->type == FIELD_TEXT && json_is_string(value)) ||
            (f->type == FIELD_NUMBER && json_is_number(value)) ||
            (f->type == FIELD_BOOLEAN && json_is_boolean(value)) ||
            (f->type == FIELD_DATE && json_is_string(value) && json_string_length(value) == 10);

        if (fits)
            json_object_set(attr, f->name, value);
    }
    if (json_object_size(attr) > 0)
        json_object_set(contact, "attr", attr);
    json_decref(attr);
}

/* contact_of() - who a message speaks of, as a contact of ours; a new reference. The traits of a
 * group are not the contact's. */
static json_t *contact_of(const json_t *message, const char *type,
                          const struct catalogue *catalogue)
{
    const json_t *traits = strcmp(type, "group") == 0 ? NULL : json_object_get(message, "traits"),
                 *company;
    const json_t *context = json_object_get(message, "context");
    json_t *contact = mem_must(json_object());
    const json_t *user = json_object_get(message, "userId");

    if (traits == NULL)
        traits = json_object_get(context, "traits");
    if (json_is_integer(user))
        json_object_set_new(contact, "external_id",
                            json_sprintf("%lld", (long long)json_integer_value(user)));
    else
        set_text(contact, "external_id", text_of(message, "userId"));
    take(contact, traits);
    take(contact, json_object_get(traits, "address"));
    take_name(contact, traits);
    company = json_object_get(traits, "company");
    if (json_is_object(company))
        set_text(contact, "company_name", text_of(company, "name"));
    take_attrs(contact, traits, catalogue);
    return contact;
}

/* seen_of() - the data of a page or screen; a new reference. */
static json_t *seen_of(const json_t *message)
{
    json_t *properties = json_object_get(message, "properties");
    json_t *data = json_is_object(properties) ? json_copy(properties) : json_object();

    set_text(mem_must(data), "name", text_of(message, "name"));
    set_text(data, "category", text_of(message, "category"));
    return data;
}

/* fact_of() - a track, page or screen call as an interaction of ours, which takes the contact; a
 * new reference. */
static json_t *fact_of(json_t *message, const char *type, json_t *contact_take)
{
    json_t *fact = mem_must(json_object()), *properties = json_object_get(message, "properties");
    json_t *revenue = json_object_get(properties, "revenue");

    json_object_set_new(fact, "contact", contact_take);
    json_object_set_new(fact, "source", json_string(SOURCE));
    json_object_set(fact, "occurred_at", json_object_get(message, "timestamp"));
    json_object_set(fact, "key", json_object_get(message, "messageId"));
    if (strcmp(type, "track") != 0) {
        json_object_set_new(fact, "kind", json_string(type));
        json_object_set_new(fact, "data", seen_of(message));
        return fact;
    }
    json_object_set(fact, "kind", json_object_get(message, "event"));
    json_object_set(fact, "data", properties);
    if (revenue != NULL) {
        json_object_set(fact, "amount", revenue);
        set_text(fact, "currency", text_of(properties, "currency"));
    }
    return fact;
}

/* Where a mistake is, in the message's own names. */
static const char *translate(const void *ctx, const char *pointer, const char *at)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {{"/contact/external_id", "/userId"},
                 {"/contact", "/traits"},
                 {"/kind", "/event"},
                 {"/occurred_at", "/timestamp"},
                 {"/key", "/messageId"},
                 {"/data", "/properties"},
                 {"/amount", "/properties/revenue"},
                 {"/currency", "/properties/currency"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i].ours);

        if (strncmp(pointer, names[i].ours, n) == 0)
            return mem_printf(ctx, "%s%s%s", at, names[i].theirs, pointer + n);
    }
    return mem_printf(ctx, "%s%s", at, pointer);
}

static bool is_one_of(const char *type, const char *const *types)
{
    for (; *types != NULL; types++)
        if (strcmp(type, *types) == 0)
            return true;
    return false;
}

/* add() - the message as an item, or its mistakes. The contact is taken. */
static void add(struct recording *r, json_t *msg, const char *type, const char *at,
                json_t *contact_take, const struct catalogue *catalogue)
{
    static const char *const persons[] = {"identify", "group", NULL};
    struct record_item *item = recording_add(r, at);
    json_t *made = contact_take;
    struct diag d;

    diag_init(&d, r);
    if (is_one_of(type, persons)) {
        if (strcmp(type, "group") == 0)
            json_object_set_new(made, "groups", json_pack("[O?]", json_object_get(msg, "groupId")));
        record_contact_parse(r, made, "/contact", catalogue, r->now_us, &item->contact, &d);
        item->source = SOURCE;
        item->occurred_at_us = r->now_us;
    } else {
        made = fact_of(msg, type, contact_take);
        record_item_parse(r, made, "", catalogue, r->now_us, item, &d);
        item->may_not_count = true; /* the caller sends an event once and cannot mend it */
        recording_within(r, item, "", &d);
    }
    json_array_append_new(r->made, made);
    if (diag_any(&d))
        r->n--;
    for (size_t i = 0; i < d.n; i++)
        diag_field(&r->mistakes, translate(r, d.items[i].pointer, at), "%s", d.items[i].message);
}

/* message() - one message becomes an item, a mistake at `at`, or is ignored. */
static void message(struct recording *r, json_t *msg, const char *type, const char *at,
                    const struct catalogue *catalogue)
{
    static const char *const known[] = {"identify", "track", "page", "screen",
                                        "group",    "alias", NULL};
    static const char *const seen[] = {"page", "screen", NULL};
    json_t *contact;

    if (type == NULL || !is_one_of(type, known)) {
        diag_field(&r->mistakes, mem_printf(r, "%s/type", at),
                   "\"identify\", \"track\", \"page\", \"screen\", \"group\" or \"alias\"");
        return;
    }
    contact = contact_of(msg, type, catalogue);
    if (json_object_get(contact, "external_id") != NULL ||
        json_object_get(contact, "email") != NULL) {
        if (strcmp(type, "alias") != 0) {
            add(r, msg, type, at, contact, catalogue);
            return;
        }
        r->ignored++;
    } else if (is_one_of(type, seen) || strcmp(type, "alias") == 0) {
        r->ignored++;
    } else {
        diag_field(&r->mistakes, at, "a userId, or an email among the traits, is needed");
    }
    json_decref(contact);
}

static void answer(struct recording *r, const struct record_result *results)
{
    struct tally t;
    json_t *all;

    tally_init(&t, r, 0);
    for (size_t i = 0; i < r->n; i++) {
        struct record_result result = results[i];

        if (result.error != NULL)
            result.pointer = translate(r, result.pointer, r->places[i]);
        tally_add(&t, &result, 0);
    }
    for (size_t i = 0; i < r->mistakes.n; i++)
        tally_mistake(&t, 0, r->mistakes.items[i].pointer, r->mistakes.items[i].message);
    all = json_pack("{s:b, s:I, s:I, s:I}", "success", 1, "recorded", (json_int_t)t.recorded,
                    "duplicates", (json_int_t)t.duplicates, "ignored", (json_int_t)r->ignored);
    if (t.mistakes > 0)
        json_object_set_new(all, "errors",
                            json_loads(mem_printf(r, "[%s]", t.errors.data), 0, NULL));
    http_answer_value(r->req, 200, all);
}

static void start(struct app *app, struct http_request *req,
                  void (*fill)(struct recording *, const struct catalogue *))
{
    struct recording *r;

    if (http_json(req) == NULL)
        return;
    if (!json_is_object(http_json(req))) {
        http_problem(req, 422, NULL, "an object is expected");
        return;
    }
    r = recording_new(app, req);
    r->made = mem_must(json_array());
    r->fill = fill;
    r->answer = answer;
    r->each = true;
    recording_start(r);
}

static void identify_fill(struct recording *r, const struct catalogue *catalogue)
{
    message(r, http_json(r->req), "identify", "", catalogue);
}

static void track_fill(struct recording *r, const struct catalogue *catalogue)
{
    message(r, http_json(r->req), "track", "", catalogue);
}

static void batch_fill(struct recording *r, const struct catalogue *catalogue)
{
    json_t *batch = json_object_get(http_json(r->req), "batch"), *msg;
    size_t most = (size_t)settings_int(r->app->settings, "limits.items"), i;

    if (!json_is_array(batch) || json_array_size(batch) > most) {
        diag_field(&r->mistakes, "/batch", "an array of at most %zu messages is expected", most);
        return;
    }
    json_array_foreach(batch, i, msg)
        message(r, msg, text_of(msg, "type"), mem_printf(r, "/batch/%zu", i), catalogue);
}

void api_identify(void *arg, struct http_request *req)
{
    start(arg, req, identify_fill);
}

void api_track(void *arg, struct http_request *req)
{
    start(arg, req, track_fill);
}

void api_batch(void *arg, struct http_request *req)
{
    start(arg, req, batch_fill);
}
