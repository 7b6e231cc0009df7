/* shelf.c - see shelf.h. A hash by id whose order is that of use, the oldest first. A template that
 * leaves the shelf while it is held stays in memory until its last holder lets go. */
#include "workers/mailer/shelf.h"

#include "common/diag.h"
#include "common/mem.h"
#include "common/template/template.h"

#include <stdbool.h>
#include <string.h>
#include <uthash.h>

struct slot {
    struct letter_template letter; /* first: a holder's pointer is the slot's */
    int64_t id;
    unsigned holders;
    bool gone; /* not on the shelf any more */
    UT_hash_handle hh;
};

struct shelf {
    struct slot *slots;
    size_t max;
};

/* The slots are children of the shelf; the table itself is uthash's. */
static int clear(struct shelf *shelf)
{
    HASH_CLEAR(hh, shelf->slots);
    return 0;
}

struct shelf *shelf_new(const void *ctx, size_t max)
{
    struct shelf *shelf = mem_new(ctx, struct shelf);
    shelf->max = max;
    talloc_set_destructor(shelf, clear);
    return shelf;
}

static void take_off(struct shelf *shelf, struct slot *slot)
{
    HASH_DEL(shelf->slots, slot);
    slot->gone = true;
    if (slot->holders == 0)
        talloc_free(slot);
}

/* Compiles one part; an empty one is NULL. The first mistake of a part goes into letter->broken. */
static struct template *compile(struct slot *slot, const json_t *message, const char *part)
{
    const json_t *value = json_object_get(message, part);
    if (json_string_length(value) == 0 || slot->letter.broken != NULL)
        return NULL;
    struct diag d;
    diag_init(&d, slot);
    struct template *t =
        template_compile(slot, json_string_value(value), json_string_length(value), &d);
    if (t == NULL)
        slot->letter.broken = diag_any(&d) ? mem_printf(slot, "%s %d:%d: %s", part, d.items[0].line,
                                                        d.items[0].column, d.items[0].message)
                                           : mem_printf(slot, "%s: cannot be compiled", part);
    return t;
}

int64_t shelf_put(struct shelf *shelf, const json_t *message)
{
    const json_t *id = json_object_get(message, "id");
    const char *language = json_string_value(json_object_get(message, "language"));
    if (!json_is_integer(id))
        return 0;
    struct slot *slot = mem_new(shelf, struct slot);
    slot->id = json_integer_value(id);
    slot->letter.language = mem_strdup(slot, language != NULL ? language : "en");
    slot->letter.subject = compile(slot, message, "subject");
    slot->letter.html = compile(slot, message, "html");
    slot->letter.text = compile(slot, message, "text");
    struct slot *old = NULL;
    HASH_FIND(hh, shelf->slots, &slot->id, sizeof slot->id, old);
    if (old != NULL)
        take_off(shelf, old);
    if (HASH_COUNT(shelf->slots) >= shelf->max)
        take_off(shelf, shelf->slots);
    HASH_ADD(hh, shelf->slots, id, sizeof slot->id, slot);
    return slot->id;
}

const struct letter_template *shelf_hold(struct shelf *shelf, int64_t id)
{
    struct slot *slot = NULL;
    HASH_FIND(hh, shelf->slots, &id, sizeof id, slot);
    if (slot == NULL)
        return NULL;
    /* To the young end of the order. */
    HASH_DEL(shelf->slots, slot);
    HASH_ADD(hh, shelf->slots, id, sizeof slot->id, slot);
    slot->holders++;
    return &slot->letter;
}

void shelf_release(struct shelf *shelf, const struct letter_template *letter)
{
    (void)shelf;
    struct slot *slot = (struct slot *)(uintptr_t)letter;
    slot->holders--;
    if (slot->gone && slot->holders == 0)
        talloc_free(slot);
}

size_t shelf_size(const struct shelf *shelf)
{
    return HASH_COUNT(shelf->slots);
}
