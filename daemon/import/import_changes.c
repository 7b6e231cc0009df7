/* import_changes.c - see import_changes.h. */
#include "daemon/import/import_changes.h"

#include "common/mem.h"
#include "common/text.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_table.h"
#include "daemon/import/import_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One field of a contact that the block says. */
struct said {
    const char *name; /* "city", "attr.size", "tag:socia", "consent:news" */
    json_t *value;    /* owned by the person's documents, or by `kept` */
    bool differs;     /* from what the database has */
    const char *was;
};

struct person {
    struct batch_slot *slot;
    int64_t line;
    bool created;
    bool is_person;                  /* by the database */
    json_t *fields, *attrs, *labels; /* owned */
    const char *topic;
    struct said *said;
    size_t n, cap;
};

/* A phone that a person's rows say: `place` is -1 for the primary one, else among the labels. */
struct spoken {
    size_t person;
    int place;
};

struct import_changes {
    struct batch *batch;
    struct import_overlay *overlay;
    struct person *people;
    size_t n, cap;
    struct import_table places; /* slot → place in people, from 1 */
    struct import_table named;  /* person and name → place in said, from 1 */
    size_t *asked;              /* places of those whom the database is asked about */
    size_t n_asked;
    struct spoken *spoken; /* phones as the rows have them */
    size_t n_spoken, cap_spoken;
    json_t *kept;
};

static int changes_free(struct import_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        json_decref(c->people[i].fields);
        json_decref(c->people[i].attrs);
        json_decref(c->people[i].labels);
    }
    json_decref(c->kept);
    return 0;
}

/* --- who ----------------------------------------------------------------------------------------
 */

static struct person *person_of(struct import_changes *c, struct batch_slot *slot, int64_t line)
{
    int64_t *place = import_table_at(&c->places, (uint64_t)(uintptr_t)slot);
    struct person *p;

    if (*place != 0)
        return &c->people[*place - 1];
    mem_grow(c, &c->people, &c->cap, c->n + 1);
    p = &c->people[c->n++];
    *place = (int64_t)c->n;
    *p = (struct person){.slot = slot,
                         .line = line,
                         .created = slot->contact_id == 0 || slot->created,
                         .fields = mem_must(json_object()),
                         .attrs = mem_must(json_object()),
                         .labels = mem_must(json_array())};
    return p;
}

static void labels_add(struct person *p, const char *sort, const json_t *list)
{
    json_t *label;
    size_t i;

    json_array_foreach((json_t *)list, i, label)
        json_array_append_new(p->labels, json_pack("{s:O}", sort, label));
}

static void phones_add(struct person *p, const json_t *phones)
{
    json_t *phone;
    size_t i;

    json_array_foreach((json_t *)phones, i, phone) json_array_append_new(
        p->labels, json_pack("{s:O}", "phone", json_object_get(phone, "phone")));
}

static void person_says(struct import_changes *c, struct person *p, struct record_item *item)
{
    struct record_contact *contact = &item->contact;

    json_object_update(p->fields, contact->fields);
    json_object_update(p->attrs, contact->attrs);
    phones_add(p, contact->phones);
    labels_add(p, "tag", contact->tags);
    labels_add(p, "group", contact->groups);
    if (contact->consents == NULL)
        return;
    if (p->topic != NULL)
        contact->consents = NULL;
    else
        p->topic = mem_strdup(
            c, json_string_value(json_object_get(json_array_get(contact->consents, 0), "topic")));
}

/* --- what ---------------------------------------------------------------------------------------
 */

static uint64_t said_hash(const struct import_changes *c, const struct person *p, const char *name)
{
    char place[24];

    snprintf(place, sizeof(place), "%zu", (size_t)(p - c->people));
    return import_hash(place, name, NULL);
}

static struct said *say(struct import_changes *c, struct person *p, const char *name, json_t *value)
{
    int64_t *place = import_table_at(&c->named, said_hash(c, p, name));

    if (*place != 0)
        return &p->said[*place - 1];
    mem_grow(c, &p->said, &p->cap, p->n + 1);
    p->said[p->n] = (struct said){.name = mem_strdup(c, name), .value = value};
    *place = (int64_t)++p->n;
    return &p->said[p->n - 1];
}

/* The three parts of a day of birth are one field, written as everywhere: "1980-02-29", "--02-29".
 */
static void say_birth(struct import_changes *c, struct person *p)
{
    json_int_t year = json_integer_value(json_object_get(p->fields, "birth_year"));
    json_int_t month = json_integer_value(json_object_get(p->fields, "birth_month"));
    json_int_t day = json_integer_value(json_object_get(p->fields, "birth_day"));
    const char *from = year == 0 ? "-" : mem_printf(c, "%04d", (int)year);
    json_t *text = mem_must(json_string(mem_printf(c, "%s-%02d-%02d", from, (int)month, (int)day)));

    json_array_append_new(c->kept, text);
    say(c, p, "birth_date", text);
}

static const char *label_name(const void *ctx, const json_t *label)
{
    const char *sort = json_object_iter_key(json_object_iter((json_t *)label));
    const char *text = json_string_value(json_object_get(label, sort));

    return mem_printf(ctx, "%s:%s", sort,
                      strcmp(sort, "phone") == 0 ? text : import_fold(ctx, text));
}

static void person_list(struct import_changes *c, struct person *p)
{
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(p->fields, key, value)
    {
        if (text_begins(key, "birth_"))
            say_birth(c, p);
        else
            say(c, p, key, value);
    }
    json_object_foreach(p->attrs, key, value) say(c, p, mem_printf(c, "attr.%s", key), value);
    json_array_foreach(p->labels, i, value)
        say(c, p, label_name(c, value), json_object_iter_value(json_object_iter(value)));
    if (p->topic != NULL)
        say(c, p, mem_printf(c, "consent:%s", p->topic), json_true());
}

/* Names that a contact did not have. */
static void names_list(struct import_changes *c)
{
    for (size_t i = 0; i < c->batch->identities.n; i++) {
        const struct batch_name *name = c->batch->identities.list[i];
        const int64_t *place = name->slot == NULL
                                   ? NULL
                                   : import_table_find(&c->places, (uint64_t)(uintptr_t)name->slot);
        json_t *value;

        if (name->contact_id != 0 || place == NULL)
            continue;
        value = mem_must(json_string(name->second));
        json_array_append_new(c->kept, value);
        say(c, &c->people[*place - 1], mem_printf(c, "%s:%s", name->first, name->second), value)
            ->differs = true;
    }
}

/* Anew, where phones took their form meanwhile. */
static void all_list(struct import_changes *c)
{
    c->named = (struct import_table){.ctx = c};
    for (size_t i = 0; i < c->n; i++) {
        c->people[i].n = 0;
        person_list(c, &c->people[i]);
    }
    names_list(c);
}

struct import_changes *import_changes_new(const void *ctx, struct batch *b,
                                          struct record_item *items, const int64_t *lines,
                                          struct import_overlay *overlay)
{
    struct import_changes *c = mem_new(ctx, struct import_changes);

    c->places.ctx = c;
    c->batch = b;
    c->overlay = overlay;
    c->kept = mem_must(json_array());
    talloc_set_destructor(c, changes_free);
    for (size_t i = 0; i < b->n; i++)
        if (b->slots[i] != NULL)
            person_says(c, person_of(c, b->slots[i], lines[i]), &items[i]);
    return c;
}

/* --- phones -------------------------------------------------------------------------------------
 */

static void spoken_add(struct import_changes *c, size_t person, int place)
{
    mem_grow(c, &c->spoken, &c->cap_spoken, c->n_spoken + 1);
    c->spoken[c->n_spoken++] = (struct spoken){.person = person, .place = place};
}

static const char *spoken_text(const struct import_changes *c, const struct spoken *s)
{
    const struct person *p = &c->people[s->person];

    return json_string_value(json_object_get(
        s->place < 0 ? p->fields : json_array_get(p->labels, (size_t)s->place), "phone"));
}

bool import_changes_phones(struct import_changes *c, struct pgargs *args)
{
    struct pgarray ids, countries, phones;

    pgarray_init(&ids, c);
    pgarray_init(&countries, c);
    pgarray_init(&phones, c);
    for (size_t i = 0; i < c->n; i++) {
        if (json_object_get(c->people[i].fields, "phone") != NULL)
            spoken_add(c, i, -1);
        for (size_t k = 0; k < json_array_size(c->people[i].labels); k++)
            if (json_object_get(json_array_get(c->people[i].labels, k), "phone") != NULL)
                spoken_add(c, i, (int)k);
    }
    for (size_t i = 0; i < c->n_spoken; i++) {
        const struct person *p = &c->people[c->spoken[i].person];
        const char *country = json_string_value(json_object_get(p->fields, "country"));

        pgarray_int(&ids, p->slot->contact_id);
        pgarray_text(&countries, country != NULL || c->overlay == NULL
                                     ? country
                                     : import_overlay_country(c->overlay, c, p->slot->contact_id));
        pgarray_text(&phones, spoken_text(c, &c->spoken[i]));
    }
    pgargs_init(args, c);
    pgargs_array(args, &ids);
    pgargs_array(args, &countries);
    pgargs_array(args, &phones);
    return c->n_spoken > 0;
}

void import_changes_on_phones(struct import_changes *c, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        const struct spoken *s = &c->spoken[pgres_int(res, row, "ord")];
        const struct person *p = &c->people[s->person];

        json_object_set_new(s->place < 0 ? p->fields : json_array_get(p->labels, (size_t)s->place),
                            "phone", json_string(pgres_text(res, row, "phone")));
    }
    if (c->asked != NULL)
        all_list(c);
}

/* --- against the database -----------------------------------------------------------------------
 */

static void array_json(struct pgarray *array, const json_t *value)
{
    char *text = mem_must(json_dumps(value, JSON_COMPACT));

    pgarray_text(array, text);
    free(text);
}

void import_changes_args(struct import_changes *c, struct pgargs *args)
{
    struct pgarray ids, fields, attrs, labels, topics;

    pgarray_init(&ids, c);
    pgarray_init(&fields, c);
    pgarray_init(&attrs, c);
    pgarray_init(&labels, c);
    pgarray_init(&topics, c);
    all_list(c);
    c->asked = mem_array(c, size_t, c->n);
    for (size_t i = 0; i < c->n; i++) {
        const struct person *p = &c->people[i];

        if (p->slot->contact_id <= 0 || p->n == 0)
            continue;
        c->asked[c->n_asked++] = i;
        pgarray_int(&ids, p->slot->contact_id);
        array_json(&fields, p->fields);
        array_json(&attrs, p->attrs);
        array_json(&labels, p->labels);
        pgarray_text(&topics, p->topic);
    }
    pgargs_init(args, c);
    pgargs_array(args, &ids);
    pgargs_array(args, &fields);
    pgargs_array(args, &attrs);
    pgargs_array(args, &labels);
    pgargs_array(args, &topics);
}

void import_changes_on_compared(struct import_changes *c, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        struct person *p = &c->people[c->asked[pgres_int(res, row, "ord")]];
        const char *field = pgres_text(res, row, "field");
        const char *was = pgres_text(res, row, "was");
        const int64_t *place;

        if (strcmp(field, "is:person") == 0)
            p->is_person = true;
        if (text_begins(field, "birth_"))
            field = "birth_date";
        place = import_table_find(&c->named, said_hash(c, p, field));
        if (place == NULL)
            continue;
        p->said[*place - 1].differs = true;
        p->said[*place - 1].was = was == NULL ? NULL : mem_strdup(c, was);
    }
}

/* --- counting -----------------------------------------------------------------------------------
 */

/* What a field is called in the report: "tags" for "tag:socia". */
static const char *shown(const void *ctx, const char *name)
{
    if (text_begins(name, "tag:"))
        return "tags";
    if (text_begins(name, "group:"))
        return "groups";
    return mem_strndup(ctx, name, strcspn(name, ":"));
}

static void person_sample(struct import_changes *c, const struct person *p, bool changed,
                          struct import_counts *counts)
{
    json_t *fields, *one;

    if (!p->created && !changed)
        return;
    fields = mem_must(json_object());
    for (size_t i = 0; i < p->n; i++)
        if (p->created || p->said[i].differs)
            json_object_set_new(
                fields, shown(c, p->said[i].name),
                json_pack("{s:s?, s:O}", "was", p->said[i].was, "becomes", p->said[i].value));
    one = mem_must(json_pack("{s:I, s:b, s:o}", "line", (json_int_t)p->line, "created", p->created,
                             "fields", fields));
    if (!p->created && p->slot->contact_id > 0)
        json_object_set_new(one, "contact", json_integer(p->slot->contact_id));
    import_counts_sample(counts, one);
}

/* The primary phone is one of the contact's phones, too. */
static void phone_remember(struct import_changes *c, int64_t contact_id, const json_t *phone)
{
    import_overlay_field(c->overlay, contact_id,
                         mem_printf(c, "phone:%s", json_string_value(phone)), phone, true);
}

/* Who may be said by name in a relation. One that is new is a person where nothing is said. */
static void company_remember(struct import_changes *c, const struct person *p)
{
    const char *name = json_string_value(json_object_get(p->fields, "company_name"));
    const char *kind = json_string_value(json_object_get(p->fields, "kind"));

    if (c->overlay != NULL && (name != NULL || kind != NULL))
        import_overlay_company(c->overlay, p->slot->contact_id, kind, name,
                               p->is_person || p->slot->contact_id < 0);
}

void import_changes_count(struct import_changes *c, struct import_counts *counts)
{
    for (size_t i = 0; i < c->n; i++) {
        struct person *p = &c->people[i];
        bool changed = false;

        counts->created += p->created;
        for (size_t k = 0; k < p->n; k++) {
            struct said *said = &p->said[k];

            if (c->overlay != NULL)
                said->differs = import_overlay_field(c->overlay, p->slot->contact_id, said->name,
                                                     said->value, said->differs);
            if (c->overlay != NULL && strcmp(said->name, "phone") == 0)
                phone_remember(c, p->slot->contact_id, said->value);
            if (text_begins(said->name, "consent:")) {
                counts->consents += p->created || said->differs;
                continue;
            }
            changed = changed || (said->differs && !p->created);
            if (said->differs && !p->created)
                import_counts_field(counts, shown(c, said->name));
        }
        counts->changed += changed;
        company_remember(c, p);
        person_sample(c, p, changed, counts);
    }
}
