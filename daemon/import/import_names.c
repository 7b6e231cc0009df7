/* import_names.c - see import_names.h. Persons are a forest: one that was joined to another leads
 * to it. */
#include "daemon/import/import_names.h"

#include "common/mem.h"
#include "daemon/import/import_table.h"

#include <string.h>

struct person {
    size_t into;              /* place of who it was joined to; its own: nobody */
    int64_t contact_id;       /* of the database; 0: the file makes it */
    bool external;            /* it has an external id */
    bool joined;              /* of several, so that its rows must be told */
    const char *sort, *value; /* of one that was joined: a name that it has */
};

struct import_names {
    struct import_table names;    /* place of the person, from 1; 0: it is known to be nobody's */
    struct import_table contacts; /* of the database → place of the person, from 1 */
    struct person *people;
    size_t n, cap;
};

/* What one row says. */
struct said {
    const char *external, *email;
    const json_t *emails;
};

struct import_names *import_names_new(const void *ctx)
{
    struct import_names *names = mem_new(ctx, struct import_names);

    names->names.ctx = names->contacts.ctx = names;
    return names;
}

static uint64_t name_hash(const char *sort, const char *value)
{
    return import_hash(sort, value, NULL);
}

static size_t person_new(struct import_names *names, int64_t contact_id, bool external)
{
    mem_grow(names, &names->people, &names->cap, names->n + 1);
    names->people[names->n] =
        (struct person){.into = names->n, .contact_id = contact_id, .external = external};
    return names->n++;
}

bool import_names_known(const struct import_names *names, const char *sort, const char *value)
{
    return import_table_find(&names->names, name_hash(sort, value)) != NULL;
}

void import_names_owner(struct import_names *names, const char *sort, const char *value,
                        int64_t contact_id, bool has_external_id)
{
    int64_t *place = import_table_at(&names->names, name_hash(sort, value));
    int64_t *owner;

    if (contact_id == 0 || *place != 0)
        return;
    owner = import_table_at(&names->contacts, (uint64_t)contact_id);
    if (*owner == 0)
        *owner = (int64_t)person_new(names, contact_id, has_external_id) + 1;
    *place = *owner;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static struct said said_of(const struct record_contact *c)
{
    return (struct said){.external = c->external_id, .email = c->email, .emails = c->emails};
}

static size_t said_count(const struct said *s)
{
    return 2 + json_array_size(s->emails);
}

/* The `i`th name, by which of them a contact is found first; false where it is not said. */
static bool said_name(const struct said *s, size_t i, const char **ret_sort, const char **ret_value)
{
    *ret_sort = i == 0 ? "external_id" : "email";
    *ret_value =
        i == 0   ? s->external
        : i == 1 ? s->email
                 : json_string_value(json_object_get(json_array_get(s->emails, i - 2), "email"));
    return *ret_value != NULL;
}

/* Whose the `i`th name is; NULL: nobody's, or not said. */
static struct person *said_person(const struct import_names *names, const struct said *s, size_t i)
{
    const char *sort, *value;
    const int64_t *place;
    size_t at;

    if (!said_name(s, i, &sort, &value))
        return NULL;
    place = import_table_find(&names->names, name_hash(sort, value));
    if (place == NULL || *place == 0)
        return NULL;
    /* Each step shortens the way of the next one. */
    for (at = (size_t)*place - 1; names->people[at].into != at; at = names->people[at].into)
        names->people[at].into = names->people[names->people[at].into].into;
    return &names->people[at];
}

/* As the recorder sees it: somebody else has the address, and this external id is another's. */
static bool is_another(const struct import_names *names, const struct said *s)
{
    if (s->external == NULL || said_person(names, s, 0) != NULL)
        return false;
    for (size_t i = 1; i < said_count(s); i++) {
        const struct person *p = said_person(names, s, i);

        if (p != NULL && p->external)
            return true;
    }
    return false;
}

static void join(struct import_names *names, struct person *keep, struct person *other,
                 const char *sort, const char *value)
{
    other->into = (size_t)(keep - names->people);
    keep->contact_id = keep->contact_id != 0 ? keep->contact_id : other->contact_id;
    keep->external = keep->external || other->external;
    keep->joined = true;
    keep->sort = mem_strdup(names, sort);
    keep->value = mem_strdup(names, value);
}

/* Names that are nobody's are the person's from now on. */
static void names_claim(struct import_names *names, const struct said *s, struct person *p)
{
    for (size_t i = 0; i < said_count(s); i++) {
        const char *sort, *value;
        int64_t *place;

        if (!said_name(s, i, &sort, &value))
            continue;
        place = import_table_at(&names->names, name_hash(sort, value));
        if (*place == 0)
            *place = p - names->people + 1;
    }
    p->external = p->external || s->external != NULL;
}

size_t import_names_row(struct import_names *names, const struct record_contact *c,
                        void (*merge)(void *arg, int64_t keep_id, int64_t gone_id), void *arg)
{
    const struct said s = said_of(c);
    struct person *keep = NULL;
    const char *sort, *value;
    size_t joined = 0, first;

    if (is_another(names, &s))
        return 0;
    for (first = 0; keep == NULL && first < said_count(&s); first++)
        keep = said_person(names, &s, first);
    if (keep == NULL) {
        size_t place = person_new(names, 0, false);

        keep = &names->people[place];
    }
    for (size_t i = first; i < said_count(&s); i++) {
        struct person *other = said_person(names, &s, i);

        if (other == NULL || other == keep)
            continue;
        if (keep->contact_id != 0 && other->contact_id != 0)
            merge(arg, keep->contact_id, other->contact_id);
        else
            joined++;
        said_name(&s, first - 1, &sort, &value);
        join(names, keep, other, sort, value);
    }
    names_claim(names, &s, keep);
    return joined;
}

/* --- afterwards ---------------------------------------------------------------------------------
 */

void import_names_apply(const struct import_names *names, struct record_contact *c)
{
    const struct said s = said_of(c);
    const struct person *whose = NULL;
    const char *sort, *value;

    for (size_t i = 0; i < said_count(&s); i++) {
        const struct person *p = said_person(names, &s, i);

        if (!said_name(&s, i, &sort, &value))
            continue;
        /* A row that is refused: its names are of two. */
        if (p == NULL || (whose != NULL && p != whose))
            return;
        whose = p;
    }
    if (whose == NULL || !whose->joined)
        return;
    if (whose->contact_id != 0) {
        c->id = whose->contact_id;
        return;
    }
    c->same_sort = whose->sort;
    c->same_value = whose->value;
}
