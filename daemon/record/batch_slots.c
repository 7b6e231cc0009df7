/* batch_slots.c - who the items of a batch speak of.
 *
 * An item names its contact by id, else by external id, else by e-mail. Each external id and e-mail
 * of the batch is a name and belongs to one slot: the first item that says it. record_find tells
 * which names and ids have a contact; slots without one are created with their names; who loses a
 * race for a name finds the winner in the next record_find. A name that is another contact's is a
 * conflict: its items are refused. */
#include "daemon/record/batch.h"

#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

static struct batch_name *name_get(struct batch *b, struct batch_names *names, const char *first,
                                   const char *second)
{
    char *text = mem_printf(b, "%s\x1f%s", first, second);
    struct batch_name *name;

    HASH_FIND_STR(names->table, text, name);
    if (name != NULL) {
        talloc_free(text);
        return name;
    }
    name = mem_new(b, struct batch_name);
    name->text = text;
    name->first = first;
    name->second = second;
    HASH_ADD_KEYPTR(hh, names->table, name->text, strlen(name->text), name);
    mem_grow(b, &names->list, &names->cap, names->n + 1);
    names->list[names->n++] = name;
    return name;
}

static struct batch_name *email_name(struct batch *b, const struct record_contact *c)
{
    return c->email == NULL ? NULL : name_get(b, &b->identities, "email", c->email);
}

static struct batch_name *external_name(struct batch *b, const struct record_contact *c)
{
    return c->external_id == NULL ? NULL
                                  : name_get(b, &b->identities, "external_id", c->external_id);
}

static struct batch_slot *slot_new(struct batch *b, const struct record_contact *c)
{
    struct batch_slot *slot = mem_new(b, struct batch_slot);

    slot->given_id = c->id;
    mem_grow(b, &b->all, &b->cap_slots, b->n_slots + 1);
    b->all[b->n_slots++] = slot;
    return slot;
}

/* The slot that already has one of the item's names; NULL: none, or none that fits. */
static struct batch_slot *slot_of_names(const struct batch_name *external,
                                        const struct batch_name *email)
{
    if (external != NULL && external->slot != NULL)
        return external->slot;
    if (email == NULL || email->slot == NULL)
        return NULL;
    /* Somebody else may have the same address: with another external id it is another person. */
    return external != NULL && email->slot->external_id != NULL ? NULL : email->slot;
}

static void slot_take(struct batch_slot *slot, struct batch_name *name, const char **field)
{
    if (name == NULL || name->slot != NULL)
        return;
    name->slot = slot;
    if (*field == NULL)
        *field = name->second;
}

static struct batch_slot *item_slot(struct batch *b, const struct record_contact *c)
{
    struct batch_name *external = external_name(b, c), *email = email_name(b, c);
    struct batch_slot *slot = c->id != 0 ? NULL : slot_of_names(external, email);

    if (slot == NULL)
        slot = slot_new(b, c);
    slot_take(slot, external, &slot->external_id);
    slot_take(slot, email, &slot->email);
    return slot;
}

void batch_name_items(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i]->key != NULL)
            name_get(b, &b->keys, b->items[i]->source, b->items[i]->key);
        b->slots[i] = item_slot(b, &b->items[i]->contact);
    }
}

void batch_find_args(struct batch *b, struct pgargs *args)
{
    struct pgarray sources, keys, sorts, values, ids;

    pgarray_init(&sources, b);
    pgarray_init(&keys, b);
    pgarray_init(&sorts, b);
    pgarray_init(&values, b);
    pgarray_init(&ids, b);
    for (size_t i = 0; i < b->keys.n; i++) {
        pgarray_text(&sources, b->keys.list[i]->first);
        pgarray_text(&keys, b->keys.list[i]->second);
    }
    for (size_t i = 0; i < b->identities.n; i++) {
        pgarray_text(&sorts, b->identities.list[i]->first);
        pgarray_text(&values, b->identities.list[i]->second);
    }
    for (size_t i = 0; i < b->n_slots; i++)
        pgarray_int(&ids, b->all[i]->given_id);
    pgargs_int(args, b->org_id);
    pgargs_array(args, &sources);
    pgargs_array(args, &keys);
    pgargs_array(args, &sorts);
    pgargs_array(args, &values);
    pgargs_array(args, &ids);
}

/* External ids say who it is before e-mails do; a contact that has another external id is not found
 * by its e-mail alone. */
static void resolve(struct batch *b, const char *sort)
{
    for (size_t i = 0; i < b->identities.n; i++) {
        struct batch_name *name = b->identities.list[i];

        if (strcmp(name->first, sort) != 0 || name->contact_id == 0)
            continue;
        if (name->slot->contact_id == 0 && name->slot->given_id == 0 &&
            !(sort[0] == 'e' && sort[1] == 'm' && name->slot->external_id != NULL &&
              name->has_external_id))
            name->slot->contact_id = name->contact_id;
        name->conflict = name->slot->contact_id != name->contact_id;
    }
}

static void refuse_conflict(struct batch *b, size_t item, const struct batch_name *name)
{
    if (name != NULL && (name->conflict || name->slot != b->slots[item]))
        batch_refuse(b, item,
                     strcmp(name->first, "email") == 0 ? "/contact/email" : "/contact/external_id",
                     mem_printf(b, "belongs to another contact (%" PRId64 ")", name->contact_id));
}

static void refuse_conflicts(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct record_contact *c = &b->items[i]->contact;

        if (batch_is_duplicate(b, i))
            continue;
        if (c->id != 0 && b->slots[i]->contact_id == 0)
            batch_refuse(b, i, "/contact/id", "no contact has this id");
        refuse_conflict(b, i, external_name(b, c));
        refuse_conflict(b, i, email_name(b, c));
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->results[i].error == NULL && !batch_is_duplicate(b, i))
            b->slots[i]->wanted = true;
}

void batch_on_found(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        const char *sort = pgres_text(res, row, "sort");
        size_t ord = (size_t)pgres_int(res, row, "ord");
        struct batch_name *name;

        if (strcmp(sort, "id") == 0) {
            b->all[ord]->contact_id = pgres_int(res, row, "contact_id");
            continue;
        }
        name = strcmp(sort, "key") == 0 ? b->keys.list[ord] : b->identities.list[ord];
        name->contact_id = pgres_int(res, row, "contact_id");
        name->interaction_id = pgres_int(res, row, "interaction_id");
        name->has_external_id = pgres_bool(res, row, "has_external_id");
    }
    resolve(b, "external_id");
    resolve(b, "email");
    refuse_conflicts(b);
}

bool batch_create_args(struct batch *b, struct pgargs *args)
{
    struct pgarray emails, externals;
    size_t n = 0;

    b->creating = mem_array(b, struct batch_slot *, b->n_slots);
    pgarray_init(&emails, b);
    pgarray_init(&externals, b);
    for (size_t i = 0; i < b->n_slots; i++) {
        if (b->all[i]->contact_id != 0 || !b->all[i]->wanted)
            continue;
        b->creating[n++] = b->all[i];
        pgarray_text(&emails, b->all[i]->email);
        pgarray_text(&externals, b->all[i]->external_id);
    }
    pgargs_int(args, b->org_id);
    pgargs_array(args, &emails);
    pgargs_array(args, &externals);
    pgargs_instant(args, b->now_us);
    pgargs_bool(args, b->quiet);
    return n > 0;
}

void batch_on_created(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        struct batch_slot *slot = b->creating[pgres_int(res, row, "ord")];

        slot->contact_id = pgres_int(res, row, "contact_id");
        slot->created = true;
    }
    for (size_t i = 0; i < b->identities.n; i++) {
        struct batch_name *name = b->identities.list[i];
        const struct batch_slot *slot = name->slot;

        if (slot->created && (name->second == slot->email || name->second == slot->external_id))
            name->contact_id = slot->contact_id;
    }
}

void batch_refuse(struct batch *b, size_t item, const char *pointer, const char *error)
{
    if (b->results[item].error == NULL) {
        b->results[item].error = error;
        b->results[item].pointer = pointer;
    }
    for (size_t i = 0; b->owners[item]->all_or_nothing && i < b->n; i++)
        if (b->owners[i] == b->owners[item] && b->results[i].error == NULL) {
            b->results[i].error = "not recorded: another item of the request was refused";
            b->results[i].pointer = "";
        }
}

bool batch_is_duplicate(const struct batch *b, size_t item)
{
    struct batch_name *name = NULL;
    char *text;

    if (b->items[item]->key == NULL)
        return false;
    text = mem_printf(NULL, "%s\x1f%s", b->items[item]->source, b->items[item]->key);
    HASH_FIND_STR(b->keys.table, text, name);
    talloc_free(text);
    return name != NULL && name->contact_id != 0;
}
