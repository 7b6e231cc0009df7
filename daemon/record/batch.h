/* batch.h - the inside of the recorder: one batch, the items of several requests that share a
 * transaction. For record.c and its parts. */
#ifndef LAZO_DAEMON_RECORD_BATCH_H
#define LAZO_DAEMON_RECORD_BATCH_H

#include "daemon/record/record.h"

#include <uthash.h>

struct record_request {
    struct record_request *next;
    int64_t org_id;
    const struct record_item *items;
    size_t n;
    bool all_or_nothing;
    bool quiet; /* imported history; a batch is all of one sort */
    record_fn *fn;
    void *arg;
    int tries; /* how often a race made it start anew */
};

/* One person that items of the batch speak of. */
struct batch_slot {
    const char *email, *external_id; /* that a new contact is made with */
    int64_t given_id, contact_id;
    bool created;
    bool wanted;            /* some item that is not refused speaks of it */
    json_t *fields, *attrs; /* merged of all its items; NULL where none. Owned. */
};

/* An interaction's key (source, key), or an identity (sort, value). */
struct batch_name {
    UT_hash_handle hh;
    const char *text; /* the hash's key: first, 0x1f, second */
    const char *first, *second;
    struct batch_slot *slot;            /* of an identity: whose it is in this batch */
    int64_t contact_id, interaction_id; /* as found in the database; 0: not there */
    bool has_external_id;
    bool conflict; /* belongs to another contact than its slot's */
};

struct batch_names {
    struct batch_name *table, **list;
    size_t n, cap;
};

struct batch {
    struct record *record;
    int64_t org_id, now_us;
    bool quiet;
    struct record_request *requests; /* in order; their items are borrowed */
    size_t n;                        /* items of all of them */
    const struct record_item **items;
    struct record_request **owners; /* of each item */
    struct record_result *results;
    struct batch_slot **slots; /* of each item; NULL: refused while reading */
    struct batch_slot **all;
    size_t n_slots, cap_slots;
    struct batch_names keys, identities;
    struct batch_slot **creating; /* in the order of record_create */
    size_t *written;              /* items in record_interactions, in its order */
    size_t n_written;
    bool new_kinds; /* a kind was used for the first time */
    int finds;
    struct pgtx *tx;
};

/* --- batch_slots.c: who the items speak of
 * ---------------------------------------------------------- */

/* batch_names() - slots and names of all items. batch_find_args() - the parameters of record_find;
 * batch_on_found() - its answer. */
void batch_name_items(struct batch *);
void batch_find_args(struct batch *, struct pgargs *);
void batch_on_found(struct batch *, const struct pgres *);
/* batch_create_args() - the parameters of record_create for slots without a contact; false where
 * there are none. */
bool batch_create_args(struct batch *, struct pgargs *);
void batch_on_created(struct batch *, const struct pgres *);
/* batch_refuse() - an item is refused; with all_or_nothing so are all items of its request. */
void batch_refuse(struct batch *, size_t item, const char *pointer, const char *error);
bool batch_is_duplicate(const struct batch *, size_t item);

/* --- batch_write.c: what is written once all are resolved
 * -------------------------------------------- */

/* batch_write() - sends the statements; the last one's answer goes to `done`. */
void batch_write(struct batch *, pgres_fn *done);
void batch_on_interactions(struct batch *, const struct pgres *);

#endif
