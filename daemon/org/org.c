/* org.c - see org.h. One statement reads an organisation as JSON; its strings are borrowed from
 * that JSON. */
#include "daemon/org/org.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/org/currency.h"

#include <jansson.h>
#include <string.h>

/* While no notification can come (lead.h) a change is seen after so long. */
#define ORG_REFRESH_US (10 * CLOCK_SECOND_US)

/* What waits for an organisation that is being read. */
struct org_waiter {
    struct org_waiter *next;
    org_fn *fn;
    void *arg;
};

struct org_entry {
    struct orgs *orgs;
    struct org_entry *next;
    int64_t org_id;
    struct org *org; /* NULL: never read, or forgotten */
    int64_t read_at_us;
    bool reading, again; /* again: forgotten while it was read */
    struct org_waiter *waiters;
};

struct orgs {
    struct pgpool *pool;
    struct org_entry *entries;
    uint64_t generation;
};

static const char *org_string(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static int64_t org_item_id(const json_t *item)
{
    return json_integer_value(json_object_get(item, "id"));
}

static struct catalogue_name *org_names(const void *ctx, const json_t *json, const char *key,
                                        size_t *ret_n)
{
    const json_t *array = json_object_get(json, key);
    struct catalogue_name *names = mem_array(ctx, struct catalogue_name, json_array_size(array));

    *ret_n = json_array_size(array);
    for (size_t i = 0; i < *ret_n; i++) {
        const json_t *item = json_array_get(array, i);

        names[i].name = org_string(item, "name");
        names[i].id = org_item_id(item);
    }
    return names;
}

static enum field_type org_field_type(const char *name)
{
    if (strcmp(name, "number") == 0)
        return FIELD_NUMBER;
    if (strcmp(name, "date") == 0)
        return FIELD_DATE;
    if (strcmp(name, "boolean") == 0)
        return FIELD_BOOLEAN;
    return FIELD_TEXT;
}

static void org_read_fields(struct org *org, const json_t *json)
{
    const json_t *array = json_object_get(json, "fields");
    struct catalogue *c = &org->catalogue;

    c->n_fields = json_array_size(array);
    c->fields = mem_array(org, struct catalogue_field, c->n_fields);
    for (size_t i = 0; i < c->n_fields; i++) {
        const json_t *item = json_array_get(array, i);

        c->fields[i].name = org_string(item, "name");
        c->fields[i].id = org_item_id(item);
        c->fields[i].type = org_field_type(org_string(item, "type"));
    }
}

static void org_read_relations(struct org *org, const json_t *json)
{
    const json_t *array = json_object_get(json, "relations");
    struct catalogue *c = &org->catalogue;

    c->n_relations = json_array_size(array);
    c->relations = mem_array(org, struct catalogue_relation, c->n_relations);
    for (size_t i = 0; i < c->n_relations; i++) {
        const json_t *item = json_array_get(array, i);

        c->relations[i] = (struct catalogue_relation){
            .name = org_string(item, "name"),
            .id = org_item_id(item),
            .inverse_id = json_integer_value(json_object_get(item, "inverse")),
            .shares_id = json_integer_value(json_object_get(item, "shares")),
        };
    }
}

static void org_read_segments(struct org *org, const json_t *json)
{
    const json_t *array = json_object_get(json, "segments");
    struct catalogue *c = &org->catalogue;

    c->n_segments = json_array_size(array);
    c->segments = mem_array(org, struct catalogue_segment, c->n_segments);
    for (size_t i = 0; i < c->n_segments; i++) {
        const json_t *item = json_array_get(array, i);

        c->segments[i].name = org_string(item, "name");
        c->segments[i].id = org_item_id(item);
        c->segments[i].rule = org_string(item, "rule");
    }
}

static void org_read_score_kinds(struct org *org, const json_t *json)
{
    const json_t *array = json_object_get(json, "score_kinds");
    struct catalogue *c = &org->catalogue;

    c->n_score_kinds = json_array_size(array);
    c->score_kinds = mem_array(org, int64_t, c->n_score_kinds);
    for (size_t i = 0; i < c->n_score_kinds; i++)
        c->score_kinds[i] = json_integer_value(json_array_get(array, i));
}

static void org_read_stages(struct org *org, const json_t *json)
{
    const json_t *array = json_object_get(json, "stages");
    struct catalogue *c = &org->catalogue;

    c->n_stages = json_array_size(array);
    c->stages = mem_array(org, const char *, c->n_stages);
    for (size_t i = 0; i < c->n_stages; i++)
        c->stages[i] = org_string(json_array_get(array, i), "name");
}

/* Takes the reference. */
static struct org *org_from_json(const void *ctx, int64_t org_id, json_t *json)
{
    struct org *org = mem_new(ctx, struct org);
    struct catalogue *c = &org->catalogue;

    json_keep(org, json);
    c->org_id = org_id;
    c->time_zone = org_string(json, "time_zone");
    c->currency = org_string(json, "currency");
    c->currency_digits = currency_digits(c->currency);
    c->language = org_string(json, "language");
    c->leap_birthday = org_string(json, "leap_birthday");
    c->kinds = org_names(org, json, "kinds", &c->n_kinds);
    c->topics = org_names(org, json, "topics", &c->n_topics);
    c->models = org_names(org, json, "models", &c->n_models);
    org_read_fields(org, json);
    org_read_segments(org, json);
    org_read_score_kinds(org, json);
    org_read_relations(org, json);
    org_read_stages(org, json);
    org->slug = org_string(json, "slug");
    org->name = org_string(json, "name");
    org->mail_from = org_string(json, "mail_from");
    org->mail_from_name = org_string(json, "mail_from_name");
    org->mail_reply_to = org_string(json, "mail_reply_to");
    org->postal_address = org_string(json, "postal_address");
    return org;
}

static struct org_entry *orgs_entry(struct orgs *orgs, int64_t org_id)
{
    struct org_entry *e;

    for (e = orgs->entries; e != NULL; e = e->next)
        if (e->org_id == org_id)
            return e;
    e = mem_new(orgs, struct org_entry);
    e->orgs = orgs;
    e->org_id = org_id;
    e->next = orgs->entries;
    orgs->entries = e;
    return e;
}

static void org_entry_read(struct org_entry *e);

static void org_entry_answer(struct org_entry *e)
{
    struct org_waiter *waiter = e->waiters;

    e->waiters = NULL;
    while (waiter != NULL) {
        struct org_waiter *next = waiter->next;

        waiter->fn(waiter->arg, e->org);
        talloc_free(waiter);
        waiter = next;
    }
}

static void org_entry_on_read(void *arg, const struct pgres *res)
{
    struct org_entry *e = arg;

    e->reading = false;
    if (!pgres_ok(res) && !pgres_lost(res))
        log_error("org", "cannot be read", "org=%lld why=%s", (long long)e->org_id,
                  log_value(pgres_message(res)));
    talloc_free(e->org);
    e->org = NULL;
    if (pgres_rows(res) == 1) {
        json_t *json = json_loads(pgres_text(res, 0, "body"), 0, NULL);

        if (json == NULL)
            bug("the organisation's JSON is none");
        e->org = org_from_json(e, e->org_id, json);
        e->org->generation = ++e->orgs->generation;
        e->read_at_us = clock_monotonic_us();
    }
    if (e->again && e->org != NULL) {
        e->again = false;
        org_entry_read(e);
        return;
    }
    org_entry_answer(e);
}

static void org_entry_read(struct org_entry *e)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    e->reading = true;
    pgargs_init(&args, scratch);
    pgargs_int(&args, e->org_id);
    pgpool_query(e->orgs->pool, e->org_id, Q_ORGANISATION_LOAD, &args, org_entry_on_read, e);
}

struct orgs *orgs_new(const void *ctx, struct pgpool *pool)
{
    struct orgs *orgs = mem_new(ctx, struct orgs);

    orgs->pool = pool;
    return orgs;
}

void orgs_get(struct orgs *orgs, int64_t org_id, org_fn *fn, void *arg)
{
    struct org_entry *e = orgs_entry(orgs, org_id);
    struct org_waiter *waiter, **last;

    if (e->org != NULL && !e->reading && clock_monotonic_us() - e->read_at_us < ORG_REFRESH_US) {
        fn(arg, e->org);
        return;
    }
    waiter = mem_new(e, struct org_waiter);
    waiter->fn = fn;
    waiter->arg = arg;
    for (last = &e->waiters; *last != NULL; last = &(*last)->next)
        ;
    *last = waiter;
    if (!e->reading)
        org_entry_read(e);
}

void orgs_get_now(struct orgs *orgs, int64_t org_id, org_fn *fn, void *arg)
{
    fn(arg, orgs_entry(orgs, org_id)->org);
}

static void org_entry_forget(struct org_entry *e)
{
    if (e->reading)
        e->again = true;
    e->read_at_us = INT64_MIN / 2;
}

void orgs_forget(struct orgs *orgs, int64_t org_id)
{
    if (org_id != 0)
        org_entry_forget(orgs_entry(orgs, org_id));
    else
        for (struct org_entry *e = orgs->entries; e != NULL; e = e->next)
            org_entry_forget(e);
}
