/* import_table.c - see import_table.h. Open addressing, at most two thirds full. */
#include "daemon/import/import_table.h"

#include "common/mem.h"

#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#define FIRST_CAP 1024

uint64_t import_hash(const char *first, ...)
{
    crypto_generichash_state state;
    uint64_t hash;
    va_list list;

    crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES_MIN);
    va_start(list, first);
    for (const char *s = first; s != NULL; s = va_arg(list, const char *))
        crypto_generichash_update(&state, (const unsigned char *)s, strlen(s) + 1);
    va_end(list);
    {
        unsigned char out[crypto_generichash_BYTES_MIN];

        crypto_generichash_final(&state, out, sizeof(out));
        memcpy(&hash, out, sizeof(hash));
    }
    return hash == 0 ? 1 : hash;
}

/* Where the key is, or would be. */
static size_t place_of(const struct import_table *t, uint64_t key)
{
    size_t i = (size_t)key & (t->cap - 1);

    while (t->keys[i] != 0 && t->keys[i] != key)
        i = (i + 1) & (t->cap - 1);
    return i;
}

static void table_grow(struct import_table *t)
{
    struct import_table old = *t;

    t->cap = old.cap == 0 ? FIRST_CAP : old.cap * 2;
    t->keys = mem_array(t->ctx, uint64_t, t->cap);
    t->values = mem_array(t->ctx, int64_t, t->cap);
    for (size_t i = 0; i < old.cap; i++) {
        size_t place = old.keys[i] == 0 ? 0 : place_of(t, old.keys[i]);

        if (old.keys[i] == 0)
            continue;
        t->keys[place] = old.keys[i];
        t->values[place] = old.values[i];
    }
    talloc_free(old.keys);
    talloc_free(old.values);
}

int64_t *import_table_find(const struct import_table *t, uint64_t key)
{
    size_t place = t->cap == 0 ? 0 : place_of(t, key);

    return t->cap == 0 || t->keys[place] == 0 ? NULL : &t->values[place];
}

int64_t *import_table_at(struct import_table *t, uint64_t key)
{
    size_t place;

    if ((t->n + 1) * 3 > t->cap * 2)
        table_grow(t);
    place = place_of(t, key);
    if (t->keys[place] == 0) {
        t->keys[place] = key;
        t->n++;
    }
    return &t->values[place];
}
