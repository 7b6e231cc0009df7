/* import_overlay.c - see import_overlay.h. */
#include "daemon/import/import_overlay.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/import/import_table.h"
#include "daemon/import/import_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum sort { SORT_unknown, SORT_person, SORT_other };

struct merged_pair {
    int64_t keep_id, gone_id;
};

/* Names → whose they are; keys of interactions → whose; what is left of amounts; facts of either.
 */
struct layer {
    struct import_table names, keys, lefts, flags;
    int64_t serial; /* of the last contact that would be created, negative */
};

struct import_overlay {
    struct layer before; /* of all blocks before */
    struct layer now;    /* of the block in hand: forgotten where it is tried again */
    void *now_ctx;       /* owner of its tables */
    struct import_table fields, countries;
    struct import_table sorts, said; /* contact → whether a person; its name by the file */
    struct import_table counted;     /* contact → name under which it stands in: */
    struct import_table companies, named_by; /* name → how many; their numbers, xor */
    struct import_table relations;
    struct import_table merged; /* who was merged → into whom */
    struct merged_pair *pairs;  /* the same, in their order */
    size_t n_pairs, cap_pairs;
    bool *repeats;  /* of each item of the batch in hand: its key came before */
    size_t *asking; /* items whose target was asked for, in its order */
};

static void layer_own(struct layer *l, const void *ctx)
{
    l->names.ctx = l->keys.ctx = l->lefts.ctx = l->flags.ctx = ctx;
}

struct import_overlay *import_overlay_new(const void *ctx)
{
    struct import_overlay *o = mem_new(ctx, struct import_overlay);

    layer_own(&o->before, o);
    o->fields.ctx = o->countries.ctx = o->merged.ctx = o;
    o->sorts.ctx = o->said.ctx = o->counted.ctx = o;
    o->companies.ctx = o->named_by.ctx = o->relations.ctx = o;
    return o;
}

static void table_move(const struct import_table *from, struct import_table *to)
{
    for (size_t i = 0; i < from->cap; i++)
        if (from->keys[i] != 0)
            *import_table_at(to, from->keys[i]) = from->values[i];
}

static void layer_begin(struct import_overlay *o)
{
    talloc_free(o->now_ctx);
    o->now_ctx = mem_must(talloc_new(o));
    o->now = (struct layer){.serial = o->before.serial};
    layer_own(&o->now, o->now_ctx);
}

void import_overlay_keep(struct import_overlay *o)
{
    table_move(&o->now.names, &o->before.names);
    table_move(&o->now.keys, &o->before.keys);
    table_move(&o->now.lefts, &o->before.lefts);
    table_move(&o->now.flags, &o->before.flags);
    o->before.serial = o->now.serial;
    layer_begin(o);
}

/* What the block in hand says, or else the blocks before. */
static const int64_t *seen(const struct import_table *now, const struct import_table *before,
                           uint64_t hash)
{
    const int64_t *value = import_table_find(now, hash);

    return value != NULL ? value : import_table_find(before, hash);
}

static const int64_t *name_seen(const struct import_overlay *o, const struct batch_name *name)
{
    return seen(&o->now.names, &o->before.names, import_hash(name->first, name->second, NULL));
}

static const int64_t *key_seen(const struct import_overlay *o, const char *source, const char *key)
{
    return seen(&o->now.keys, &o->before.keys, import_hash(source, key, NULL));
}

static bool flag_seen(const struct import_overlay *o, uint64_t hash)
{
    return seen(&o->now.flags, &o->before.flags, hash) != NULL;
}

static uint64_t contact_hash(const char *what, int64_t contact_id)
{
    char id[24];

    snprintf(id, sizeof(id), "%" PRId64, contact_id);
    return import_hash(what, id, NULL);
}

static bool has_external(const struct import_overlay *o, int64_t contact_id)
{
    return flag_seen(o, contact_hash("external_id", contact_id));
}

/* --- merges -------------------------------------------------------------------------------------
 */

static int64_t kept(const struct import_overlay *o, int64_t contact_id)
{
    const int64_t *into;

    while (o->n_pairs > 0 &&
           (into = import_table_find(&o->merged, contact_hash("merged", contact_id))) != NULL)
        contact_id = *into;
    return contact_id;
}

bool import_overlay_merge(struct import_overlay *o, int64_t keep_id, int64_t gone_id)
{
    keep_id = kept(o, keep_id);
    gone_id = kept(o, gone_id);
    if (keep_id == gone_id)
        return false;
    mem_grow(o, &o->pairs, &o->cap_pairs, o->n_pairs + 1);
    o->pairs[o->n_pairs++] = (struct merged_pair){.keep_id = keep_id, .gone_id = gone_id};
    *import_table_at(&o->merged, contact_hash("merged", gone_id)) = keep_id;
    *import_table_at(&o->before.flags, contact_hash("external_id", keep_id)) = 1;
    return true;
}

bool import_overlay_merges(struct import_overlay *o, const void *ctx, const int64_t *ids, size_t n,
                           int64_t import_id, struct pgargs *args)
{
    struct import_table wanted = {.ctx = ctx};
    struct pgarray keep, gone;

    if (o->n_pairs == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (ids[i] > 0)
            *import_table_at(&wanted, (uint64_t)ids[i]) = 1;
    pgarray_init(&keep, ctx);
    pgarray_init(&gone, ctx);
    for (size_t i = 0; i < o->n_pairs; i++) {
        const struct merged_pair *p = &o->pairs[i];

        if (import_table_find(&wanted, (uint64_t)kept(o, p->keep_id)) == NULL)
            continue;
        pgarray_int(&keep, p->keep_id);
        pgarray_int(&gone, p->gone_id);
    }
    pgargs_init(args, ctx);
    pgargs_int(args, import_id);
    pgargs_array(args, &keep);
    pgargs_array(args, &gone);
    pgargs_instant(args, clock_now_us());
    return keep.n > 0;
}

/* --- what is known before a block ---------------------------------------------------------------
 */

void import_overlay_found(struct import_overlay *o, struct batch *b)
{
    layer_begin(o);
    for (size_t i = 0; i < b->identities.n; i++) {
        struct batch_name *name = b->identities.list[i];
        const int64_t *owner = name_seen(o, name);

        if (name->contact_id == 0 && owner != NULL)
            name->contact_id = *owner;
        name->contact_id = kept(o, name->contact_id);
        if (name->contact_id != 0 && has_external(o, name->contact_id))
            name->has_external_id = true;
    }
    for (size_t i = 0; i < b->keys.n; i++) {
        struct batch_name *name = b->keys.list[i];
        const int64_t *owner = key_seen(o, name->first, name->second);

        if (name->contact_id == 0 && owner != NULL)
            name->contact_id = *owner;
    }
}

/* --- what the block would write -----------------------------------------------------------------
 */

static void names_remember(struct import_overlay *o, struct batch *b)
{
    for (size_t i = 0; i < b->n_slots; i++)
        if (b->all[i]->wanted && b->all[i]->contact_id == 0) {
            b->all[i]->contact_id = --o->now.serial;
            b->all[i]->created = true;
        }
    for (size_t i = 0; i < b->identities.n; i++) {
        const struct batch_name *name = b->identities.list[i];

        if (name->slot == NULL || !name->slot->wanted)
            continue;
        if (name->contact_id == 0)
            *import_table_at(&o->now.names, import_hash(name->first, name->second, NULL)) =
                name->slot->contact_id;
        if (strcmp(name->first, "external_id") == 0)
            *import_table_at(&o->now.flags, contact_hash("external_id", name->slot->contact_id)) =
                1;
    }
}

static uint64_t left_hash(const char *source, const char *key)
{
    return import_hash("left", source, key, NULL);
}

static uint64_t amends_hash(const char *source, const char *key)
{
    return import_hash("amends", source, key, NULL);
}

static void keys_remember(struct import_overlay *o, struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct record_item *item = b->items[i];

        if (item->kind == NULL || item->key == NULL || b->slots[i] == NULL)
            continue;
        o->repeats[i] = key_seen(o, item->source, item->key) != NULL;
        if (o->repeats[i])
            continue;
        *import_table_at(&o->now.keys, import_hash(item->source, item->key, NULL)) =
            b->slots[i]->contact_id;
        if (item->amends != NULL)
            *import_table_at(&o->now.flags, amends_hash(item->source, item->key)) = 1;
        else if (item->has_amount && b->counts[i] != FACTS_NO_RATE)
            *import_table_at(&o->now.lefts, left_hash(item->source, item->key)) = b->counts[i];
    }
}

bool import_overlay_targets(struct import_overlay *o, struct batch *b, struct pgargs *args)
{
    struct pgarray sources, keys;
    size_t n = 0;

    talloc_free(o->repeats);
    talloc_free(o->asking);
    o->repeats = mem_array(o, bool, b->n);
    o->asking = mem_array(o, size_t, b->n);
    names_remember(o, b);
    keys_remember(o, b);
    pgarray_init(&sources, b);
    pgarray_init(&keys, b);
    for (size_t i = 0; i < b->n; i++) {
        const struct record_amends *a = b->items[i]->amends;

        if (a == NULL || a->key == NULL || b->slots[i] == NULL || o->repeats[i] ||
            key_seen(o, a->source, a->key) != NULL)
            continue;
        o->asking[n++] = i;
        pgarray_text(&sources, a->source);
        pgarray_text(&keys, a->key);
    }
    pgargs_init(args, b);
    pgargs_array(args, &sources);
    pgargs_array(args, &keys);
    return n > 0;
}

/* --- amendments ---------------------------------------------------------------------------------
 */

static void targets_take(struct import_overlay *o, const struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        const struct record_amends *a = b->items[o->asking[pgres_int(res, row, "ord")]]->amends;

        *import_table_at(&o->now.keys, import_hash(a->source, a->key, NULL)) =
            kept(o, pgres_int(res, row, "contact_id"));
        if (pgres_bool(res, row, "amends"))
            *import_table_at(&o->now.flags, amends_hash(a->source, a->key)) = 1;
        if (!pgres_null(res, row, "amount"))
            *import_table_at(&o->now.lefts, left_hash(a->source, a->key)) =
                pgres_int(res, row, "amount");
    }
}

/* Why an amendment would be refused, or NULL; then the amount that is left is what it leaves. */
static const char *amend_fault(struct import_overlay *o, const struct batch *b, size_t i,
                               const char **ret_pointer)
{
    const struct record_amends *a = b->items[i]->amends;
    uint64_t hash = left_hash(a->source, a->key);
    const int64_t *owner = key_seen(o, a->source, a->key);
    const int64_t *left = seen(&o->now.lefts, &o->before.lefts, hash);
    int64_t by = b->counts[i] == FACTS_NO_RATE ? b->items[i]->amount : b->counts[i];

    *ret_pointer = "/amends";
    if (owner == NULL)
        return "no interaction has this key";
    if (*owner != b->slots[i]->contact_id)
        return "this interaction is another contact's";
    if (flag_seen(o, amends_hash(a->source, a->key)))
        return "this interaction is an amendment itself";
    if (left == NULL && by < 0)
        return "this interaction has no amount to take from";
    if (by < 0 && *left + by < 0) {
        *ret_pointer = "/amount";
        return "more than is left";
    }
    by = by >= 0 ? by : *left + by;
    *import_table_at(&o->now.lefts, hash) = by;
    return NULL;
}

bool import_overlay_on_targets(struct import_overlay *o, struct batch *b, const struct pgres *res)
{
    if (res != NULL)
        targets_take(o, b, res);
    for (size_t i = 0; i < b->n; i++) {
        const char *error, *pointer;

        if (b->items[i]->amends == NULL || b->slots[i] == NULL || o->repeats[i])
            continue;
        error = amend_fault(o, b, i, &pointer);
        if (error != NULL)
            batch_refuse(b, i, pointer, error);
    }
    return !b->refused;
}

/* --- fields -------------------------------------------------------------------------------------
 */

bool import_overlay_field(struct import_overlay *o, int64_t contact_id, const char *field,
                          const json_t *value, bool differs)
{
    char *text = mem_must(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
    int64_t hash = (int64_t)import_hash(text, NULL), *known;
    uint64_t place = contact_hash(field, contact_id);

    free(text);
    known = import_table_find(&o->fields, place);
    if (known != NULL)
        differs = *known != hash;
    else if (contact_id < 0)
        differs = !json_is_null(value);
    if (differs)
        *import_table_at(&o->fields, place) = hash;
    if (strcmp(field, "country") == 0 && json_string_length(value) == 2)
        *import_table_at(&o->countries, place) =
            json_string_value(value)[0] << 8 | json_string_value(value)[1];
    return differs;
}

const char *import_overlay_country(const struct import_overlay *o, const void *ctx,
                                   int64_t contact_id)
{
    const int64_t *country = import_table_find(&o->countries, contact_hash("country", contact_id));

    return country == NULL ? NULL
                           : mem_printf(ctx, "%c%c", (int)(*country >> 8), (int)(*country & 0xff));
}

bool import_overlay_repeats(const struct import_overlay *o, size_t item)
{
    return o->repeats[item];
}

/* --- relations ----------------------------------------------------------------------------------
 */

int64_t import_overlay_owner(const struct import_overlay *o, const char *sort, const char *value,
                             int64_t contact_id)
{
    const int64_t *owner = import_table_find(&o->before.names, import_hash(sort, value, NULL));

    return kept(o, contact_id == 0 && owner != NULL ? *owner : contact_id);
}

static uint64_t company_hash(const char *name)
{
    char *folded = import_fold(NULL, name);
    uint64_t hash = import_hash(folded, NULL);

    talloc_free(folded);
    return hash;
}

static void company_count(struct import_overlay *o, int64_t name, int64_t contact_id, int step)
{
    if (name == 0)
        return;
    *import_table_at(&o->companies, (uint64_t)name) += step;
    *import_table_at(&o->named_by, (uint64_t)name) ^= contact_id;
}

void import_overlay_company(struct import_overlay *o, int64_t contact_id, const char *kind,
                            const char *name, bool is_person)
{
    uint64_t contact = contact_hash("company", contact_id);
    int64_t *sort = import_table_at(&o->sorts, contact);
    int64_t *said = import_table_at(&o->said, contact);
    int64_t *counted = import_table_at(&o->counted, contact), becomes;

    if (kind != NULL || *sort == SORT_unknown)
        *sort = (kind == NULL ? is_person : strcmp(kind, "person") == 0) ? SORT_person : SORT_other;
    if (name != NULL)
        *said = (int64_t)company_hash(name);
    becomes = *sort == SORT_other ? *said : 0;
    if (becomes == *counted)
        return;
    company_count(o, *counted, contact_id, -1);
    company_count(o, becomes, contact_id, 1);
    *counted = becomes;
}

int64_t import_overlay_company_of(const struct import_overlay *o, const char *name)
{
    uint64_t hash = company_hash(name);
    const int64_t *n = import_table_find(&o->companies, hash);

    if (n == NULL || *n == 0)
        return 0;
    return *n == 1 ? *import_table_find(&o->named_by, hash) : INT64_MIN;
}

bool import_overlay_renamed(const struct import_overlay *o, int64_t contact_id)
{
    const int64_t *sort = import_table_find(&o->sorts, contact_hash("company", contact_id));

    return (sort != NULL && *sort == SORT_person) ||
           import_table_find(&o->fields, contact_hash("company_name", contact_id)) != NULL;
}

int64_t import_overlay_make(struct import_overlay *o, const char *name)
{
    import_overlay_company(o, --o->before.serial, "company", name, false);
    return o->before.serial;
}

bool import_overlay_relate(struct import_overlay *o, int64_t own, int64_t kind_id,
                           int64_t inverse_id, int64_t other)
{
    char there[80], back[80];
    int64_t *seen_before;

    snprintf(there, sizeof(there), "%" PRId64 " %" PRId64 " %" PRId64, own, kind_id, other);
    snprintf(back, sizeof(back), "%" PRId64 " %" PRId64 " %" PRId64, other, inverse_id, own);
    seen_before = import_table_at(&o->relations, import_hash(there, NULL));
    if (*seen_before != 0)
        return false;
    *seen_before = 1;
    *import_table_at(&o->relations, import_hash(back, NULL)) = 1;
    return true;
}
