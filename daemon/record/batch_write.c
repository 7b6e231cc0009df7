/* batch_write.c - what a batch writes, once every slot has its contact: one statement a table,
 * pipelined. */
#include "daemon/record/batch.h"

#include "common/mem.h"

#include <string.h>

/* What a statement is given beside each contact. */
struct pairs {
    struct pgarray ids, values, by, source, others;
};

/* --- identities and fields of contacts -------------------------------------------------------- */

/* Who was quicker has the name: then all of it is tried anew. */
static void on_attached(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (pgres_ok(res) && (size_t)pgres_int(res, 0, "attached") < b->n_attaching)
        b->again = true;
}

/* Who is missing was deleted meanwhile. */
static void on_locked(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (pgres_ok(res) && (size_t)pgres_int(res, 0, "locked") < b->n_locking)
        b->again = true;
}

static void write_lock(struct batch *b)
{
    struct pgargs args;

    if (batch_lock_args(b, &args))
        pgtx_query(b->tx, Q_RECORD_LOCK, &args, on_locked, b);
}

static void write_attach(struct batch *b)
{
    struct pgarray sorts, values, ids, by, source;
    struct pgargs args;

    pgarray_init(&sorts, b);
    pgarray_init(&values, b);
    pgarray_init(&ids, b);
    pgarray_init(&by, b);
    pgarray_init(&source, b);
    for (size_t i = 0; i < b->identities.n; i++) {
        const struct batch_name *name = b->identities.list[i];

        if (name->contact_id != 0 || name->slot == NULL || !name->slot->wanted)
            continue;
        if (name->slot->created && (name == name->slot->email || name == name->slot->external))
            continue;
        pgarray_text(&sorts, name->first);
        pgarray_text(&values, name->second);
        pgarray_int(&ids, name->slot->contact_id);
        batch_said(name->slot, name->said, &by, &source);
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
    pgargs_array(&args, &by);
    pgargs_array(&args, &source);
    pgtx_query(b->tx, Q_RECORD_ATTACH, &args, on_attached, b);
}

static void pairs_init(struct pairs *p, const void *ctx)
{
    pgarray_init(&p->ids, ctx);
    pgarray_init(&p->values, ctx);
    pgarray_init(&p->by, ctx);
    pgarray_init(&p->source, ctx);
    pgarray_init(&p->others, ctx);
}

/* write_pairs() - sends a statement that takes contacts and, beside each, what is said of it and by
 * whom. */
static void write_pairs(struct batch *b, struct pairs *p, enum query query)
{
    struct pgargs args;

    if (p->ids.n == 0)
        return;
    pgargs_init(&args, b);
    pgargs_int(&args, b->org_id);
    pgargs_array(&args, &p->ids);
    pgargs_array(&args, &p->values);
    pgargs_instant(&args, b->now_us);
    pgargs_bool(&args, b->quiet);
    if (p->by.n > 0) {
        pgargs_array(&args, &p->by);
        pgargs_array(&args, &p->source);
    }
    if (p->others.n > 0)
        pgargs_array(&args, &p->others);
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
    struct pairs p;

    pairs_init(&p, b);
    for (size_t i = 0; i < b->n_slots; i++) {
        const struct batch_slot *slot = b->all[i];

        if (of(slot) == NULL)
            continue;
        pgarray_int(&p.ids, slot->contact_id);
        array_json(b, &p.values, of(slot));
        batch_said(slot, slot->said, &p.by, &p.source);
        if (slot->others != NULL)
            array_json(b, &p.others, slot->others);
        else
            pgarray_text(&p.others, NULL);
    }
    write_pairs(b, &p, query);
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
 * JSON. `told`: the statement takes who says it. */
static void write_lists(struct batch *b, json_t *(*list_of)(const struct record_contact *),
                        bool told, enum query query)
{
    struct pairs p;

    pairs_init(&p, b);
    for (size_t i = 0; i < b->n; i++) {
        json_t *list = list_of(&b->items[i]->contact), *value;
        size_t k;

        if (list == NULL || b->slots[i] == NULL)
            continue;
        json_array_foreach(list, k, value)
        {
            pgarray_int(&p.ids, b->slots[i]->contact_id);
            if (json_is_string(value))
                pgarray_text(&p.values, json_string_value(value));
            else
                array_json(b, &p.values, value);
            if (told)
                batch_said(b->slots[i], b->items[i], &p.by, &p.source);
        }
    }
    write_pairs(b, &p, query);
}

static json_t *emails_of(const struct record_contact *c)
{
    return c->emails;
}

static json_t *phones_of(const struct record_contact *c)
{
    return c->phones;
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

static void write_interactions(struct batch *b, pgres_fn *done)
{
    struct pgarray contacts;
    struct facts facts;
    struct pgargs args;

    pgarray_init(&contacts, b);
    facts_init(&facts, b);
    b->written = mem_array(b, size_t, b->n);
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i]->kind == NULL || b->items[i]->amends != NULL || b->slots[i] == NULL)
            continue;
        pgarray_int(&contacts, b->slots[i]->contact_id);
        facts_add(&facts, b->items[i], b->counts[i]);
        b->written[b->n_written++] = i;
    }
    pgargs_init(&args, b);
    pgargs_int(&args, b->org_id);
    pgargs_array(&args, &contacts);
    facts_args(&facts, &args);
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
    batch_merge_fields(b);
    write_lock(b);
    write_attach(b);
    write_objects(b, fields_of, Q_RECORD_FIELDS);
    write_objects(b, attrs_of, Q_RECORD_ATTRS);
    write_lists(b, emails_of, true, Q_RECORD_EMAILS);
    write_lists(b, phones_of, true, Q_RECORD_PHONES);
    write_lists(b, tags_of, true, Q_RECORD_TAGS);
    write_lists(b, groups_of, true, Q_RECORD_GROUPS);
    write_lists(b, consents_of, false, Q_RECORD_CONSENTS);
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
