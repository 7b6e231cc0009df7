/* batch_fields.c - what the items of a batch say of one contact, put together; and who said it. */
#include "daemon/record/batch.h"

#include "common/mem.h"

#include <string.h>

void batch_said(const struct batch_slot *slot, const struct record_item *item, struct pgarray *by,
                struct pgarray *source)
{
    pgarray_text(by, slot->created ? NULL : item->by != NULL ? item->by : "");
    pgarray_text(source, slot->created ? NULL : item->source);
}

static int slot_destroy(struct batch_slot *slot)
{
    json_decref(slot->fields);
    json_decref(slot->attrs);
    json_decref(slot->others);
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Who said a field: the slot's first item, or another one. */
static void attribute(struct batch *b, struct batch_slot *slot, const struct record_item *item,
                      const char *prefix, const char *field)
{
    const struct record_item *first = slot->said;
    bool same = same_text(first->by, item->by) && same_text(first->source, item->source);
    const char *name;

    if (same && slot->others == NULL)
        return;
    name = mem_printf(b, "%s%s", prefix, field);
    if (slot->others == NULL)
        slot->others = mem_must(json_object());
    if (same)
        json_object_del(slot->others, name);
    else
        json_object_set_new(
            slot->others, name,
            mem_must(json_pack("[s, s]", item->by == NULL ? "" : item->by, item->source)));
}

/* Later items win, field by field. */
static void merge(struct batch *b, struct batch_slot *slot, const struct record_item *item,
                  const char *prefix, json_t **into, json_t *from)
{
    const char *field;
    json_t *value;

    if (from == NULL || json_object_size(from) == 0)
        return;
    if (slot->said == NULL) {
        talloc_set_destructor(slot, slot_destroy);
        slot->said = item;
    }
    if (*into == NULL)
        *into = mem_must(json_object());
    json_object_update(*into, from);
    if (slot->said == item || slot->created)
        return;
    json_object_foreach(from, field, value)
    {
        attribute(b, slot, item, prefix, field);
    }
}

void batch_merge_fields(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct record_contact *c = &b->items[i]->contact;
        struct batch_slot *slot = b->slots[i];

        if (slot == NULL)
            continue;
        merge(b, slot, b->items[i], "", &slot->fields, c->fields);
        merge(b, slot, b->items[i], "attr.", &slot->attrs, c->attrs);
    }
}

bool batch_lock_args(struct batch *b, struct pgargs *args)
{
    struct pgarray ids;

    pgarray_init(&ids, b);
    for (size_t i = 0; i < b->n; i++) {
        const struct record_contact *c = &b->items[i]->contact;
        struct batch_slot *slot = b->slots[i];

        if (slot == NULL || slot->created || slot->locked ||
            json_object_size(c->fields) + json_object_size(c->attrs) + json_array_size(c->tags) +
                    json_array_size(c->groups) + json_array_size(c->emails) +
                    json_array_size(c->phones) ==
                0)
            continue;
        slot->locked = true;
        pgarray_int(&ids, slot->contact_id);
    }
    b->n_locking = ids.n;
    pgargs_init(args, b);
    pgargs_array(args, &ids);
    return ids.n > 0;
}
