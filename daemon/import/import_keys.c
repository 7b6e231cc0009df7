/* import_keys.c - see import_keys.h. Purchases that a refund may belong to are a list for each
 * contact and values of the columns that they share, the newest first. */
#include "daemon/import/import_keys.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/import/import_table.h"
#include "daemon/org/currency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX ((size_t)1 << 20)
#define POOL_MAX   ((size_t)1 << 30)
#define DIGITS     4 /* of amounts, as many as any currency has */

struct purchase {
    int64_t next; /* of the list, from 1; 0: the last */
    int64_t left; /* of its amount */
    size_t key;   /* place in `pool` */
};

struct import_keys {
    const struct import_settings *s;
    struct import_table twins, lists;
    struct purchase *purchases;
    size_t n, cap;
    struct buf pool; /* keys, a NUL behind each */
};

struct import_keys *import_keys_new(const void *ctx, const struct import_settings *s)
{
    struct import_keys *k = mem_new(ctx, struct import_keys);

    k->s = s;
    k->twins.ctx = k->lists.ctx = k;
    buf_init(&k->pool, k, POOL_MAX);
    return k;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static void key_make(struct import_keys *k, const char *const *fields, json_t *item)
{
    const struct import_settings *s = k->s;
    char hash[TEXT_SHA256], key[TEXT_SHA256 + 16], head[17];
    size_t n = s->n_keys > 0 ? s->n_keys : s->map.n;
    struct buf text;

    buf_init(&text, k, RECORD_MAX);
    buf_str(&text, s->kind != NULL ? s->kind : "");
    for (size_t i = 0; i < n; i++) {
        buf_char(&text, '\x1f');
        buf_str(&text, fields[s->n_keys > 0 ? (size_t)s->keys[i] : i]);
    }
    text_sha256(text.data, text.len, hash);
    buf_done(&text);
    snprintf(head, sizeof(head), "%.16s", hash);
    snprintf(key, sizeof(key), "%.40s-%lld", hash,
             (long long)++*import_table_at(&k->twins, strtoull(head, NULL, 16) | 1));
    json_object_set_new(item, "key", json_string(key));
}

/* --- refunds ------------------------------------------------------------------------------------
 */

/* Whose the row is and what it shares with a purchase or refund of the same thing. */
static uint64_t list_hash(const struct import_keys *k, const char *const *fields,
                          const json_t *item)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    const json_t *contact = json_object_get(item, "contact");
    const char *external = json_string_value(json_object_get(contact, "external_id")),
               *email = json_string_value(json_object_get(contact, "email"));
    struct buf text;

    buf_init(&text, scratch, RECORD_MAX);
    for (size_t i = 0; i < k->s->refunds.n_same; i++) {
        const char *field = text_trim(mem_strdup(scratch, fields[k->s->refunds.same[i]]));

        buf_str(&text, field + (*field == '-'));
        buf_char(&text, '\x1f');
    }
    return import_hash(external != NULL ? external : email, text.data, NULL);
}

static void purchase_add(struct import_keys *k, uint64_t hash, int64_t amount, const char *key)
{
    int64_t *list = import_table_at(&k->lists, hash);

    mem_grow(k, &k->purchases, &k->cap, k->n + 1);
    k->purchases[k->n++] = (struct purchase){.next = *list, .left = amount, .key = k->pool.len};
    buf_add(&k->pool, key, strlen(key) + 1);
    *list = (int64_t)k->n;
}

/* The newest purchase of which so much is left; takes it off. */
static const char *purchase_take(struct import_keys *k, uint64_t hash, int64_t amount)
{
    const int64_t *list = import_table_find(&k->lists, hash);

    for (int64_t at = list == NULL ? 0 : *list; at != 0; at = k->purchases[at - 1].next) {
        struct purchase *p = &k->purchases[at - 1];

        if (p->left < amount)
            continue;
        p->left -= amount;
        return k->pool.data + p->key;
    }
    return NULL;
}

static bool refund_find(struct import_keys *k, const char *const *fields, json_t *item,
                        const char **ret_why)
{
    const struct import_refunds *f = &k->s->refunds;
    const char *text = json_string_value(json_object_get(item, "amount")), *key;
    int64_t amount;
    uint64_t hash;

    if (text == NULL || json_object_get(item, "amends") != NULL ||
        !amount_parse(text, DIGITS, &amount) || amount == 0)
        return true;
    hash = list_hash(k, fields, item);
    if (amount > 0) {
        purchase_add(k, hash, amount, json_string_value(json_object_get(item, "key")));
        return true;
    }
    key = purchase_take(k, hash, -amount);
    if (key == NULL && f->otherwise == NULL) {
        *ret_why = "no earlier row is what this one takes back";
        return false;
    }
    json_object_set_new(item, "kind", json_string(key != NULL ? f->kind : f->otherwise));
    if (key != NULL)
        json_object_set_new(item, "amends", json_string(key));
    return true;
}

bool import_keys_row(struct import_keys *k, const char *const *fields, json_t *item,
                     const char **ret_why)
{
    if (!k->s->interactions)
        return true;
    if (json_object_get(item, "key") == NULL)
        key_make(k, fields, item);
    return !k->s->refunds.wanted || refund_find(k, fields, item, ret_why);
}
