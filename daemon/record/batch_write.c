/* batch_write.c - what a batch writes, once every slot has its contact: one statement a table,
 * pipelined. */
#include "daemon/record/batch.h"

#include "common/mem.h"

#include <string.h>

/* --- identities and fields of contacts -------------------------------------------------------- */

/* Who was quicker has the name: then all of it is tried anew. */
static void on_attached(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (pgres_ok(res) && (size_t)pgres_int(res, 0, "attached") < b->n_attaching)
        b->again = true;
}

static void write_attach(struct batch *b)
{
    struct pgarray sorts, values, ids;
    struct pgargs args;

    pgarray_init(&sorts, b);
    pgarray_init(&values, b);
    pgarray_init(&ids, b);
    for (size_t i = 0; i < b->identities.n; i++) {
        const struct batch_name *name = b->identities.list[i];

        if (name->contact_id != 0 || name->slot == NULL || !name->slot->wanted)
            continue;
        if (name->slot->created && (name == name->slot->email || name == name->slot->external))
            continue;
        pgarray_text(&sorts, name->first);
        pgarray_text(&values, name->second);
        pgarray_int(&ids, name->slot->contact_id);
    }
    b->n_attaching = ids.n;
    if (ids.n == 0)
        return;
    pgargs_init(&args, b);
    pgargs_int(&args, b->org_id);
    pgargs_array(&args, &sorts);
    pgargs_array(&args, &values);
    pgargs_array(&args, &ids);
    pgargs_instant(&args, b->now_us);
    pgargs_bool(&args, b->quiet);
    pgtx_query(b->tx, Q_RECORD_ATTACH, &args, on_attached, b);
}

static int slot_destroy(struct batch_slot *slot)
{
    json_decref(slot->fields);
    json_decref(slot->attrs);
    return 0;
}

/* Later items win, field by field. */
static void merge(struct batch_slot *slot, json_t **into, json_t *from)
{
    if (from == NULL || json_object_size(from) == 0)
        return;
    if (*into == NULL) {
        talloc_set_destructor(slot, slot_destroy);
        *into = json_object();
    }
    json_object_update(*into, from);
}

static void merge_fields(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->slots[i] == NULL)
            continue;
        merge(b->slots[i], &b->slots[i]->fields, b->items[i]->contact.fields);
        merge(b->slots[i], &b->slots[i]->attrs, b->items[i]->contact.attrs);
    }
}

/* write_pairs() - sends a statement that takes contacts and, beside each, what is said of it. */
static void write_pairs(struct batch *b, struct pgarray *ids, struct pgarray *values,
                        enum query query)
{
    struct pgargs args;

    if (ids->n == 0)
        return;
    pgargs_init(&args, b);
    pgargs_int(&args, b->org_id);
    pgargs_array(&args, ids);
    pgargs_array(&args, values);
    pgargs_instant(&args, b->now_us);
    pgargs_bool(&args, b->quiet);
    pgtx_query(b->tx, query, &args, NULL, NULL);
}

static void array_json(struct batch *b, struct pgarray *array, const json_t *value)
{
    char *text = mem_must(json_dumps(value, JSON_COMPACT));

    pgarray_text(array, mem_strdup(b, text));
    free(text);
}

/* One row a contact, of what `of` gives: an object as JSON. */
static void write_objects(struct batch *b, json_t *(*of)(const struct batch_slot *),
                          enum query query)
{
    struct pgarray ids, docs;

    pgarray_init(&ids, b);
    pgarray_init(&docs, b);
    for (size_t i = 0; i < b->n_slots; i++) {
        if (of(b->all[i]) == NULL)
            continue;
        pgarray_int(&ids, b->all[i]->contact_id);
        array_json(b, &docs, of(b->all[i]));
    }
    write_pairs(b, &ids, &docs, query);
}

static json_t *fields_of(const struct batch_slot *slot)
{
    return slot->fields;
}

/* Custom fields travel as JSON; the statement knows their ids and types. */
static json_t *attrs_of(const struct batch_slot *slot)
{
    return slot->attrs;
}

/* --- lists
 * ----------------------------------------------------------------------------------------- */

/* One row for each entry of the items' lists that `list_of` gives; strings as they are, objects as
 * JSON. */
static void write_lists(struct batch *b, json_t *(*list_of)(const struct record_contact *),
                        enum query query)
{
    struct pgarray ids, values;

    pgarray_init(&ids, b);
    pgarray_init(&values, b);
    for (size_t i = 0; i < b->n; i++) {
        json_t *list = list_of(&b->items[i]->contact), *value;
        size_t k;

        if (list == NULL || b->slots[i] == NULL)
            continue;
        json_array_foreach(list, k, value)
        {
            pgarray_int(&ids, b->slots[i]->contact_id);
            if (json_is_string(value))
                pgarray_text(&values, json_string_value(value));
            else
                array_json(b, &values, value);
        }
    }
    write_pairs(b, &ids, &values, query);
}

static json_t *tags_of(const struct record_contact *c)
{
    return c->tags;
}

static json_t *groups_of(const struct record_contact *c)
{
    return c->groups;
}

static json_t *consents_of(const struct record_contact *c)
{
    return c->consents;
}

/* --- interactions
 * ------------------------------------------------------------------------------------- */

static void write_kinds(struct batch *b, pgres_fn *fn)
{
    struct pgarray names;
    struct pgargs args;
    const char *last = "";

    pgarray_init(&names, b);
    for (size_t i = 0; i < b->n; i++) {
        const char *kind = b->items[i]->kind;

        if (kind == NULL || strcmp(kind, last) == 0 || b->slots[i] == NULL)
            continue;
        pgarray_text(&names, kind);
        last = kind;
    }
    if (names.n == 0)
        return;
    pgargs_init(&args, b);
    pgargs_int(&args, b->org_id);
    pgargs_array(&args, &names);
    pgtx_query(b->tx, Q_RECORD_KINDS, &args, fn, b);
}

struct columns {
    struct pgarray contact, kind, at, amount, recorded, currency, source, key, data, quiet,
        campaign, content;
};

static void array_nonzero(struct pgarray *array, int64_t value)
{
    if (value != 0)
        pgarray_int(array, value);
    else
        pgarray_text(array, NULL);
}

static void columns_add(struct columns *c, const struct record_item *item, int64_t contact_id)
{
    pgarray_int(&c->contact, contact_id);
    pgarray_text(&c->kind, item->kind);
    pgarray_instant(&c->at, item->occurred_at_us);
    if (item->has_amount) {
        pgarray_int(&c->amount, item->amount);
        pgarray_int(&c->recorded, item->amount);
        pgarray_text(&c->currency, item->currency);
    } else {
        pgarray_text(&c->amount, NULL);
        pgarray_text(&c->recorded, NULL);
        pgarray_text(&c->currency, NULL);
    }
    pgarray_text(&c->source, item->source);
    pgarray_text(&c->key, item->key);
    pgarray_text(&c->data, item->data);
    pgarray_bool(&c->quiet, item->quiet);
    array_nonzero(&c->campaign, item->campaign_id);
    array_nonzero(&c->content, item->content);
}

static void write_interactions(struct batch *b, pgres_fn *done)
{
    struct columns c;
    struct pgarray *all[] = {&c.contact, &c.kind, &c.at,   &c.amount, &c.recorded, &c.currency,
                             &c.source,  &c.key,  &c.data, &c.quiet,  &c.campaign, &c.content};
    struct pgargs args;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgarray_init(all[i], b);
    b->written = mem_array(b, size_t, b->n);
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i]->kind == NULL || b->items[i]->amends != NULL || b->slots[i] == NULL)
            continue;
        columns_add(&c, b->items[i], b->slots[i]->contact_id);
        b->written[b->n_written++] = i;
    }
    pgargs_init(&args, b);
    pgargs_int(&args, b->org_id);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgargs_array(&args, all[i]);
    pgargs_instant(&args, b->now_us);
    pgtx_query(b->tx, Q_RECORD_INTERACTIONS, &args, done, b);
}

static void on_kinds(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    b->new_kinds = pgres_affected(res) > 0;
}

void batch_write(struct batch *b, pgres_fn *done)
{
    merge_fields(b);
    write_attach(b);
    write_objects(b, fields_of, Q_RECORD_FIELDS);
    write_objects(b, attrs_of, Q_RECORD_ATTRS);
    write_lists(b, tags_of, Q_RECORD_TAGS);
    write_lists(b, groups_of, Q_RECORD_GROUPS);
    write_lists(b, consents_of, Q_RECORD_CONSENTS);
    write_kinds(b, on_kinds);
    write_interactions(b, done);
}

void batch_on_interactions(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++)
        b->results[b->written[pgres_int(res, row, "ord")]].interaction_id =
            pgres_int(res, row, "id");
    for (size_t i = 0; i < b->n_written; i++)
        b->results[b->written[i]].duplicate = b->results[b->written[i]].interaction_id == 0;
}
