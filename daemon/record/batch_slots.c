/* batch_slots.c - who the items of a batch speak of.
 *
 * An item names its contact by id, else by external id, else by e-mail, of which it may have
 * several. record_find tells which ids and names have a contact. Then the items are gone through in
 * their order, as if they came one after the other: each gets the slot of its contact, or a new
 * one, and claims the names that were nobody's. A name that is another contact's refuses its item;
 * what a refused item or request claimed is nobody's again. Slots without a contact are created
 * with their names. */
#include "daemon/record/batch.h"

#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

static char *name_text(const void *ctx, const char *first, const char *second)
{
    return mem_printf(ctx, "%s\x1f%s", first, second);
}

static struct batch_name *name_get(struct batch *b, struct batch_names *names, const char *first,
                                   const char *second)
{
    char *text = name_text(b, first, second);
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

static struct batch_name *same_name(struct batch *b, const struct record_contact *c)
{
    return c->same_value == NULL ? NULL : name_get(b, &b->identities, c->same_sort, c->same_value);
}

/* The `i`th of the contact's further addresses. */
static struct batch_name *further_name(struct batch *b, const struct record_contact *c, size_t i)
{
    return name_get(b, &b->identities, "email",
                    json_string_value(json_object_get(json_array_get(c->emails, i), "email")));
}

static struct batch_name *id_name(struct batch *b, int64_t id)
{
    return name_get(b, &b->ids, "id", mem_printf(b, "%" PRId64, id));
}

struct batch_name *batch_key(const struct batch *b, size_t item)
{
    const struct record_item *it = b->items[item];
    struct batch_name *name = NULL;
    char *text;

    if (it->key == NULL)
        return NULL;
    text = name_text(NULL, it->source, it->key);
    HASH_FIND_STR(b->keys.table, text, name);
    talloc_free(text);
    return name;
}

void batch_name_items(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct record_contact *c = &b->items[i]->contact;

        if (batch_is_settled(&b->results[i]))
            continue;
        if (b->items[i]->key != NULL)
            name_get(b, &b->keys, b->items[i]->source, b->items[i]->key);
        if (c->id != 0)
            id_name(b, c->id);
        external_name(b, c);
        email_name(b, c);
        for (size_t k = 0; k < json_array_size(c->emails); k++)
            further_name(b, c, k);
        same_name(b, c);
    }
}

/* --- what the database knows ------------------------------------------------------------------ */

static void args_names(struct batch *b, struct pgargs *args, const struct batch_names *names)
{
    struct pgarray firsts, seconds;

    pgarray_init(&firsts, b);
    pgarray_init(&seconds, b);
    for (size_t i = 0; i < names->n; i++) {
        pgarray_text(&firsts, names->list[i]->first);
        pgarray_text(&seconds, names->list[i]->second);
    }
    if (names != &b->ids)
        pgargs_array(args, &firsts);
    pgargs_array(args, &seconds);
}

void batch_find_args(struct batch *b, struct pgargs *args)
{
    pgargs_int(args, b->org_id);
    args_names(b, args, &b->keys);
    args_names(b, args, &b->identities);
    args_names(b, args, &b->ids);
}

void batch_on_found(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        const char *sort = pgres_text(res, row, "sort");
        const struct batch_names *names = strcmp(sort, "key") == 0  ? &b->keys
                                          : strcmp(sort, "id") == 0 ? &b->ids
                                                                    : &b->identities;
        struct batch_name *name;

        if (strcmp(sort, "erased") == 0) {
            b->some_erased = true;
            continue;
        }
        name = names->list[pgres_int(res, row, "ord")];
        name->contact_id = pgres_int(res, row, "contact_id");
        name->interaction_id = pgres_int(res, row, "interaction_id");
        name->content = pgres_int(res, row, "content");
        name->has_external_id = pgres_bool(res, row, "has_external_id");
    }
}

/* --- slots ------------------------------------------------------------------------------------ */

static struct batch_slot *slot_new(struct batch *b)
{
    struct batch_slot *slot = mem_new(b, struct batch_slot);

    mem_grow(b, &b->all, &b->cap_slots, b->n_slots + 1);
    b->all[b->n_slots++] = slot;
    return slot;
}

/* name_slot() - whose the name is, in the database or by an earlier item; NULL: nobody's. A contact
 * has one slot, whatever it is called by. */
static struct batch_slot *name_slot(struct batch *b, struct batch_name *name)
{
    struct batch_name *id;

    if (name == NULL || name->slot != NULL || name->contact_id == 0)
        return name == NULL ? NULL : name->slot;
    id = id_name(b, name->contact_id);
    if (id->slot == NULL) {
        id->slot = slot_new(b);
        id->slot->contact_id = name->contact_id;
        id->slot->known_elsewhere = name->has_external_id;
    }
    name->slot = id->slot;
    return name->slot;
}

static void name_claim(struct batch *b, size_t item, struct batch_name *name,
                       struct batch_slot *slot, struct batch_name **first)
{
    if (name == NULL || name->slot != NULL)
        return;
    name->slot = slot;
    name->claimed_by = b->owners[item];
    name->said = b->items[item];
    if (*first == NULL)
        *first = name;
}

/* A request that is refused as a whole claims nothing; the items of a slot of its own are its
 * own. */
static void names_release(struct batch *b, const struct record_request *request)
{
    for (size_t i = 0; i < b->identities.n; i++) {
        struct batch_name *name = b->identities.list[i];

        if (name->claimed_by != request)
            continue;
        if (name->slot->email == name)
            name->slot->email = NULL;
        if (name->slot->external == name)
            name->slot->external = NULL;
        name->slot = NULL;
        name->claimed_by = NULL;
    }
}

static void refuse(struct batch *b, size_t item, const char *pointer, const char *error)
{
    const struct record_request *request = b->owners[item];

    b->results[item].error = error;
    b->results[item].pointer = pointer;
    if (!request->all_or_nothing)
        return;
    for (size_t i = 0; i < b->n; i++)
        if (b->owners[i] == request && b->results[i].error == NULL) {
            b->results[i].error = "not recorded: another item of the request was refused";
            b->results[i].pointer = "";
            b->slots[i] = NULL;
        }
    names_release(b, request);
}

static bool is_anothers(struct batch *b, size_t item, struct batch_name *name,
                        const struct batch_slot *slot, const char *pointer)
{
    const struct batch_slot *owner = name_slot(b, name);

    if (owner == NULL || owner == slot)
        return false;
    refuse(b, item, pointer,
           owner->contact_id == 0
               ? "belongs to another contact"
               : mem_printf(b, "belongs to another contact (%" PRId64 ")", owner->contact_id));
    return true;
}

/* Somebody who was erased is refused, unless they come back by themselves. */
static bool is_erased(struct batch *b, size_t item, struct batch_name *name, const char *pointer)
{
    if (name == NULL || !name->erased)
        return false;
    name->returned = name->returned || b->items[item]->contact.returns;
    if (name->returned)
        return false;
    refuse(b, item, pointer,
           "this person was erased; only a sign-up of their own brings them back");
    return true;
}

/* further_refused() - whether one of the further addresses is another contact's, or of somebody who
 * was erased. */
static bool further_refused(struct batch *b, size_t item, const struct batch_slot *slot)
{
    const struct record_contact *c = &b->items[item]->contact;

    for (size_t i = 0; i < json_array_size(c->emails); i++) {
        const json_t *place = json_object_get(json_array_get(c->emails, i), "place");
        const char *pointer = mem_printf(b, "/contact/emails/%lld", json_integer_value(place));
        struct batch_name *name = further_name(b, c, i);

        if (is_anothers(b, item, name, slot, pointer) || is_erased(b, item, name, pointer))
            return true;
    }
    return false;
}

/* item_named() - whose the names are that the item has; NULL: nobody's. */
static struct batch_slot *item_named(struct batch *b, const struct record_contact *c)
{
    struct batch_name *external = external_name(b, c), *same = same_name(b, c);
    struct batch_slot *slot = same == NULL || same->erased ? NULL : name_slot(b, same);

    if (slot != NULL)
        return slot;
    slot = name_slot(b, external);
    if (slot == NULL)
        slot = name_slot(b, email_name(b, c));
    for (size_t i = 0; slot == NULL && i < json_array_size(c->emails); i++)
        slot = name_slot(b, further_name(b, c, i));
    /* Somebody else may have the same address: with another external id it is another. */
    if (slot != NULL && external != NULL && name_slot(b, external) == NULL &&
        (slot->known_elsewhere || slot->external != NULL))
        return NULL;
    return slot;
}

static void item_resolve(struct batch *b, size_t item)
{
    const struct record_contact *c = &b->items[item]->contact;
    struct batch_name *external = external_name(b, c), *email = email_name(b, c), *same;
    struct batch_slot *slot;

    if (c->id != 0) {
        slot = name_slot(b, id_name(b, c->id));
        if (slot == NULL) {
            refuse(b, item, "/contact/id", "no contact has this id");
            return;
        }
    } else {
        slot = item_named(b, c);
    }
    if (is_anothers(b, item, external, slot, "/contact/external_id") ||
        is_anothers(b, item, email, slot, "/contact/email") ||
        is_erased(b, item, external, "/contact/external_id") ||
        is_erased(b, item, email, "/contact/email") || further_refused(b, item, slot))
        return;
    if (slot == NULL)
        slot = slot_new(b);
    name_claim(b, item, external, slot, &slot->external);
    name_claim(b, item, email, slot, &slot->email);
    for (size_t i = 0; i < json_array_size(c->emails); i++)
        name_claim(b, item, further_name(b, c, i), slot, &slot->email);
    same = same_name(b, c);
    if (same != NULL && !same->erased)
        name_claim(b, item, same, slot,
                   strcmp(same->first, "email") == 0 ? &slot->email : &slot->external);
    b->slots[item] = slot;
}

void batch_resolve(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct batch_name *key = batch_key(b, i);

        if (batch_is_settled(&b->results[i]))
            continue;
        if (key == NULL || key->contact_id == 0) {
            if (b->counts[i] == FACTS_NO_RATE && !b->items[i]->may_not_count)
                refuse(b, i, "/currency",
                       mem_printf(b, "there is no rate for %s on this day or before",
                                  b->items[i]->currency));
            else
                item_resolve(b, i);
        } else if (b->items[i]->content != 0 && key->content != b->items[i]->content) {
            b->results[i].reused = true;
            refuse(b, i, "", "the Idempotency-Key came before, with another body");
        }
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->slots[i] != NULL)
            b->slots[i]->wanted = true;
}

/* --- new contacts ----------------------------------------------------------------------------- */

bool batch_create_args(struct batch *b, struct pgargs *args)
{
    struct pgarray emails, externals;

    b->creating = mem_array(b, struct batch_slot *, b->n_slots);
    pgarray_init(&emails, b);
    pgarray_init(&externals, b);
    for (size_t i = 0; i < b->n_slots; i++) {
        struct batch_slot *slot = b->all[i];

        if (slot->contact_id != 0 || !slot->wanted)
            continue;
        b->creating[b->n_creating++] = slot;
        pgarray_text(&emails, slot->email == NULL ? NULL : slot->email->second);
        pgarray_text(&externals, slot->external == NULL ? NULL : slot->external->second);
    }
    pgargs_int(args, b->org_id);
    pgargs_array(args, &emails);
    pgargs_array(args, &externals);
    pgargs_instant(args, b->now_us);
    pgargs_bool(args, b->quiet);
    return b->n_creating > 0;
}

void batch_on_created(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        struct batch_slot *slot = b->creating[pgres_int(res, row, "ord")];

        slot->contact_id = pgres_int(res, row, "contact_id");
        slot->created = true;
    }
    b->again = (size_t)pgres_rows(res) < b->n_creating;
}
