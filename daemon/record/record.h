/* record.h - step 1: contacts and interactions, committed in groups, answered when they are on
 * disk.
 *
 * Items of requests in flight at the same time share a transaction: what arrives while one commits
 * makes the next. Duplicates by (organisation, source, key) and contacts by id, external id or
 * e-mail are found in the same statements; unknown contacts are created and never doubled. Every
 * write leaves its row in the change log in the same statement. */
#ifndef LAZO_DAEMON_RECORD_RECORD_H
#define LAZO_DAEMON_RECORD_RECORD_H

#include "common/diag.h"
#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;

/* One contact as it was given: text fields in UTF-8, normalised by record_contact_parse(); NULL:
 * not said. All borrowed from `ctx` of the parse. */
struct record_contact {
    int64_t id; /* 0: not said */
    const char *email, *external_id;
    const char *same_sort, *same_value; /* another identity of the same person, by which they are
                                           found first, whatever else they are called; or NULL */
    bool returns;                       /* by an own act, a confirmed sign-up: lifts an erasure */
    json_t *fields;   /* column → value, only valid columns of contact; empty object where none */
    json_t *attrs;    /* custom field name → value of its type */
    json_t *emails;   /* array of {"email", "label"?, "primary", "place"}: further addresses, the
                         primary   one first; "place": where it stood */
    json_t *phones;   /* the same with "phone" */
    json_t *tags;     /* array of strings to add */
    json_t *groups;   /* array of strings to add */
    json_t *consents; /* array of {"topic", "action", "purpose", "wording", "language", "source",
                         "method", "ip", "user_agent", "at"} */
};

/* Which interaction of the same contact an item amends: by id, or by source and key. Its amount is
 * taken off where it is negative; else it is what the amount is from now on. */
struct record_amends {
    int64_t id; /* 0: by its key */
    const char *source, *key;
    int currency_digits;
};

struct record_item {
    struct record_contact contact;
    const char *kind; /* NULL: the contact alone */
    int64_t occurred_at_us;
    bool has_amount;
    int64_t amount;       /* minor units of `currency` */
    const char *currency; /* ISO 4217; NULL where there is no amount */
    bool foreign;         /* it is not the organisation's: what it counts follows its day's rate */
    bool may_not_count;   /* where there is no rate it is kept as it was said, and counts nothing;
                             else the item is refused */
    const char *source;   /* never NULL */
    const char *by;       /* who says it, for the history of fields: "token:ID", "form:NAME",
                             "import:ID"; NULL: nobody in particular */
    const char *key;      /* or NULL */
    int64_t content;      /* of what request the key is: the same key with another one is refused;
                             0: not looked at */
    const char *data;     /* JSON object as text, or NULL */
    bool quiet; /* imported history: starts nothing; the same for all items of one record_items() */
    int64_t campaign_id;
    struct record_amends *amends; /* NULL: it amends no other one */
};

/* What became of an item. */
struct record_result {
    int64_t contact_id;
    int64_t interaction_id; /* 0 where there is none */
    bool duplicate;
    bool created;        /* the contact is new */
    bool reused;         /* refused: its key came before with another content */
    const char *error;   /* NULL, or why this item was refused; pointer below */
    const char *pointer; /* from the item on: "/contact/email", or "" */
};

/* record_new() - child of ctx. `recorded(arg, org_id)` is called after each commit that left
 * changes. */
struct record *record_new(const void *ctx, struct ev_loop *, struct pgpool *, struct orgs *,
                          void (*recorded)(void *arg, int64_t org_id), void *arg);

/* record_secret() - http.secret, borrowed: with it who was erased is known again and refused,
 * unless the contact `returns`. Without it nobody is. */
void record_secret(struct record *, const char *secret);

/* record_item_parse() - one item of POST /v1/interactions; mistakes go to `d` with JSON pointers
 * under `pointer` ("", "/3", …). False where there were any. record_contact_parse() - the same for
 * a contact alone (POST /v1/contacts). The catalogue gives fields, topics, currency. `now_us` is
 * the default instant. */
bool record_item_parse(const void *ctx, json_t *value, const char *pointer,
                       const struct catalogue *, int64_t now_us, struct record_item *ret_item,
                       struct diag *d);
bool record_contact_parse(const void *ctx, json_t *value, const char *pointer,
                          const struct catalogue *, int64_t now_us,
                          struct record_contact *ret_contact, struct diag *d);

/* record_items() - records all of them; calls back once, when they are on disk (or not: ok is false
 * where the database is away: then nothing is stored). `items` must live until then; results are
 * borrowed until the callback returns. An item that is refused by the database's state (its e-mail
 * belongs to another contact, an id that does not exist) fails alone, has its `error`. With
 * `all_or_nothing` one such item refuses all. */
typedef void record_fn(void *arg, bool ok, const struct record_result *results, size_t n);
void record_items(struct record *, int64_t org_id, const struct record_item *items, size_t n,
                  bool all_or_nothing, record_fn *, void *arg);

/* struct record_work - what a request does that has a transaction of its own: an import's block, a
 * change of a contact on a condition.
 * All are called with `arg`; a batch is that of daemon/record/batch.h. A try that is lost to a race
 * begins again with `found`. */
struct batch;
struct record_work {
    int64_t import_id; /* contacts, identities, interactions and consents that are new say so; 0:
                          none */
    bool dry;          /* nothing is written: it ends with `resolved` */
    /* names were looked up: those that are nobody's may be given an owner. May be NULL */
    void (*found)(void *arg, struct batch *);
    /* it is known who the items speak of; may send queries. Where it is dry it ends the
     * transaction, now or later, by pgtx_rollback() */
    void (*resolved)(void *arg, struct batch *);
    /* all is written: ends the transaction, now or later, by pgtx_commit() or pgtx_rollback() */
    void (*written)(void *arg, struct batch *);
};
/* record_block() - record_items() for such a request; `work` must live until the answer. Rolled
 * back by `written`: answered with ok false. */
void record_block(struct record *, int64_t org_id, const struct record_item *items, size_t n,
                  const struct record_work *work, record_fn *, void *arg);

#endif
