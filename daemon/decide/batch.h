/* batch.h - what a batch of step 3 is given and what it answers. Private to daemon/decide.
 *
 * A batch is one bounded piece of work in one organisation, asked by decide.c, one at a time each.
 * It calls back once, from the loop. */
#ifndef LAZO_DAEMON_DECIDE_BATCH_H
#define LAZO_DAEMON_DECIDE_BATCH_H

#include "daemon/decide/plan.h"
#include "daemon/pg/pgpool.h"

#include <stdbool.h>
#include <stdint.h>

/* What was counted since the start, for decide_metrics(). */
#define DECIDE_COUNTS(X)                                                                           \
    X(cues, "Interactions looked at for journeys and webhooks.")                                   \
    X(starts, "Journeys started for a contact.")                                                   \
    X(loops, "Journeys not started since they go round: too often within an hour for a contact.")  \
    X(steps, "Steps of journeys done for a contact.")                                              \
    X(jobs, "Jobs made.")                                                                          \
    X(campaign_blocks, "Blocks of campaigns made into jobs.")                                      \
    X(skipped, "Acts left out because their template or webhook is gone.")                         \
    X(failures, "Batches that failed and were tried again.")
struct decide_counts {
#define X(name, help) uint64_t name;
    DECIDE_COUNTS(X)
#undef X
};

struct batch_env {
    struct pgpool *pool;
    int64_t org_id;
    const struct plan *plan;  /* lives until the batch has called back */
    const char *const *zones; /* names of time zones that the database knows */
    size_t n_zones;
    struct decide_counts *counts;
};

struct batch_end {
    bool ok;      /* false: nothing was changed; ask again later */
    bool more;    /* there is more of the same to do at once */
    bool jobs;    /* jobs were made */
    bool changes; /* rows of the change log were written */
    bool kinds;   /* the organisation has kinds that the plan does not know */
};

typedef void batch_fn(void *arg, const struct batch_end *);

/* cue_batch() - takes up to 500 cues: starts journeys, makes the jobs of webhooks. */
void cue_batch(const void *ctx, const struct batch_env *, batch_fn *, void *arg);
/* advance_batch() - takes up to 500 positions that are due through their steps. */
void advance_batch(const void *ctx, const struct batch_env *, batch_fn *, void *arg);
/* anniversary_batch() - starts the journeys whose start is the calendar; `more`: positions were
 * made. */
void anniversary_batch(const void *ctx, const struct batch_env *, batch_fn *, void *arg);
/* campaign_batch() - takes each campaign that is under way one step on. */
void campaign_batch(const void *ctx, const struct batch_env *, batch_fn *, void *arg);

/* batch_failed() - logs a failure once (a lost connection is no news) and counts it. */
void batch_failed(const struct batch_env *, const char *what, const struct pgres *error);
/* batch_zones() - adds the array of the zones' names, then the organisation's zone. */
void batch_zones(struct pgargs *, const struct batch_env *);

#endif
