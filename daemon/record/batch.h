/* batch.h - the inside of the recorder: one batch, the items of several requests that share a
 * transaction. For record.c and its parts, and for imports, which look on (struct record_work). */
#ifndef LAZO_DAEMON_RECORD_BATCH_H
#define LAZO_DAEMON_RECORD_BATCH_H

#include "daemon/record/facts.h"
#include "daemon/record/record.h"

#include <uthash.h>

struct record_request {
    struct record_request *next;
    int64_t org_id;
    const struct record_item *items;
    size_t n, bytes;
    bool all_or_nothing;
    bool quiet; /* imported history; a batch is all of one sort */
    record_fn *fn;
    void *arg;
    const struct record_work *work; /* NULL: it may share a transaction */
    int tries;                      /* how often a race made it start anew */
    struct record_result *settled;  /* of each item, what became of it before: refused by an earlier
                                       try, or recorded the short way; NULL: nothing */
};

/* One person that items of the batch speak of. */
struct batch_slot {
    int64_t contact_id;   /* 0: to be created */
    bool known_elsewhere; /* has an external id in the database */
    struct batch_name *email,
        *external; /* claimed in this batch: a new contact is made with them */
    bool created;
    bool wanted;                    /* some item that is not refused speaks of it */
    json_t *fields, *attrs;         /* merged of all its items; NULL where none. Owned. */
    const struct record_item *said; /* the item that said the first of them */
    json_t *others; /* what other ones said: field or attr.NAME → [by, source]; or NULL. Owned. */
    bool locked;    /* it is among those of record_lock */
};

/* An interaction's key (source, key), an identity (sort, value), or an id ("id", digits). */
struct batch_name {
    UT_hash_handle hh;
    const char *text; /* the hash's key: first, 0x1f, second */
    const char *first, *second;
    int64_t contact_id, interaction_id; /* as found in the database; 0: not there */
    int64_t content;                    /* of a key: as record_item's */
    bool has_external_id;
    bool erased, returned;                   /* its person was erased; and comes back */
    struct batch_slot *slot;                 /* of an identity or id: whose it is */
    const struct record_request *claimed_by; /* which request said first that it is the slot's */
    const struct record_item *said;          /* and which item of it */
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
    struct batch_slot **slots; /* of each item; NULL: refused, or a duplicate */
    int64_t *counts;           /* of each item: its amount in the organisation's currency */
    size_t *converting;        /* items in record_rates, in its order */
    size_t n_converting;
    struct batch_slot **all;
    size_t n_slots, cap_slots;
    struct batch_names keys, identities, ids;
    struct batch_slot **creating; /* in the order of record_create */
    size_t n_creating, n_attaching, n_locking;
    size_t *written; /* items in record_interactions, in its order */
    size_t n_written;
    bool new_kinds;   /* a kind was used for the first time */
    bool again;       /* somebody else was quicker to claim a name: to be tried anew */
    bool refused;     /* an amendment was: to be tried anew without it */
    size_t *amending; /* items in record_amend, in its order */
    size_t n_amending;
    const struct record_work *work; /* of its one request; or NULL */
    void *work_arg;
    bool resolved;             /* a dry one came to its end */
    bool some_erased;          /* the organisation erased somebody */
    struct batch_name **asked; /* whose hashes are in record_erased, in its order */
    size_t n_asked;
    struct pgtx *tx;
};

/* --- batch_slots.c: who the items speak of
 * ---------------------------------------------------------- */

/* batch_name_items() - the names of all items. batch_find_args() - the parameters of record_find.
 * batch_on_found() - takes its answer; batch_resolve() then gives each item its slot, or refuses
 * it. */
void batch_name_items(struct batch *);
void batch_find_args(struct batch *, struct pgargs *);
void batch_on_found(struct batch *, const struct pgres *);
void batch_resolve(struct batch *);
/* batch_create_args() - the parameters of record_create for slots without a contact; false where
 * there are none. */
bool batch_create_args(struct batch *, struct pgargs *);
void batch_on_created(struct batch *, const struct pgres *);
/* batch_key() - the name of the item's key; NULL where it has none. */
struct batch_name *batch_key(const struct batch *, size_t item);

/* --- batch_write.c: what is written once all are resolved
 * -------------------------------------------- */

/* batch_merge_fields() - the fields and custom fields of each slot, of all its items; later ones
 * win. In batch_fields.c. */
void batch_merge_fields(struct batch *);
/* batch_lock_args() - the contacts whose fields, tags or groups are written, but for new ones;
 * false where there are none. In batch_fields.c. */
bool batch_lock_args(struct batch *, struct pgargs *);
/* batch_said() - two more elements: who says it and the source, as the item has them; nulls for a
 * contact that the batch makes, which has no history yet. In batch_fields.c. */
void batch_said(const struct batch_slot *, const struct record_item *, struct pgarray *by,
                struct pgarray *source);
/* batch_write() - sends the statements; the last one's answer goes to `done`. */
void batch_write(struct batch *, pgres_fn *done);
void batch_on_interactions(struct batch *, const struct pgres *);

/* --- batch_amend.c: interactions that amend others, after all others are written
 * -------------------------------------------- */

/* batch_amend() - sends them; false where there are none. batch_on_amended() - takes the answer. An
 * item that is refused, or with all_or_nothing all of its request, is so in the next try: `refused`
 * says that there must be one. */
bool batch_amend(struct batch *, pgres_fn *done);
void batch_on_amended(struct batch *, const struct pgres *);
/* batch_refuse() - the same of one item: it is refused in the next try, which a rollback brings. */
void batch_refuse(struct batch *, size_t item, const char *pointer, const char *error);
/* batch_settled_before() - what became of items before, into the results of a new batch: they are
 * passed over. batch_is_settled() - whether that is so. */
void batch_settled_before(struct batch *);
bool batch_is_settled(const struct record_result *);

/* --- batch_erased.c: names whose person was erased
 * -------------------------------------------- */

/* batch_erased_args() - the hashes of names that are nobody's; false where nothing is to be asked.
 * batch_on_erased() - takes the answer. batch_returned_args() - those of who came back. */
bool batch_erased_args(struct batch *, const char *secret, struct pgargs *);
void batch_on_erased(struct batch *, const struct pgres *);
bool batch_returned_args(struct batch *, const char *secret, struct pgargs *);

/* --- batch_rates.c: amounts in other currencies
 * -------------------------------------------- */

/* batch_rates_args() - the amounts to convert; false where there are none. batch_on_rates() - takes
 * the answer into `counts`; FACTS_NO_RATE where there is no rate. Amendments are converted where
 * they are written. */
bool batch_rates_args(struct batch *, struct pgargs *);
void batch_on_rates(struct batch *, const struct pgres *);

#endif
