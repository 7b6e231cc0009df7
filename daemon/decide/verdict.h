/* verdict.h - for which of some contacts one rule holds, asked in a transaction. Private to
 * daemon/decide. */
#ifndef LAZO_DAEMON_DECIDE_VERDICT_H
#define LAZO_DAEMON_DECIDE_VERDICT_H

#include "daemon/pg/pgpool.h"
#include "daemon/rules/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verdict;

/* verdict_ask() - `ids` may hold one twice. Calls back once; NULL: the query failed, the
 * transaction ends by itself. The verdict is a child of `ctx`. */
typedef void verdict_fn(void *arg, const struct verdict *);
void verdict_ask(const void *ctx, struct pgtx *, const struct rule *, const struct catalogue *,
                 int64_t now_us, const int64_t *ids, size_t n, verdict_fn *, void *arg);
bool verdict_holds(const struct verdict *, int64_t contact_id);

/* verdict_params() - adds a compiled rule's own parameters. */
void verdict_params(struct pgargs *, const struct rule_sql *);

#endif
