/* facts.h - interactions as the parallel arrays of a statement: kind, occurred_at, amount,
 * amount_recorded, currency, source, key, data, quiet, campaign, content. For the recorder's parts.
 */
#ifndef LAZO_DAEMON_RECORD_FACTS_H
#define LAZO_DAEMON_RECORD_FACTS_H

#include "daemon/pg/pgargs.h"
#include "daemon/record/record.h"

/* An amount that counts nothing: its day has no rate. */
#define FACTS_NO_RATE INT64_MIN

struct facts {
    struct pgarray kind, at, amount, recorded, currency, source, key, data, quiet, campaign,
        content;
};

void facts_init(struct facts *, const void *ctx);
/* facts_add() - one more; `counts` is its amount in the organisation's currency. */
void facts_add(struct facts *, const struct record_item *, int64_t counts);
/* facts_args() - the next parameters, in the order above. */
void facts_args(struct facts *, struct pgargs *);

/* facts_bytes() - about how many bytes the item brings along. */
size_t facts_bytes(const struct record_item *);

#endif
