/* scoring.h - all contacts of an RFM model scored anew, in one transaction that goes on beside the
 * evaluator's passes. */
#ifndef LAZO_DAEMON_EVALUATE_SCORING_H
#define LAZO_DAEMON_EVALUATE_SCORING_H

#include "daemon/pg/pgpool.h"

#include <stdbool.h>
#include <stdint.h>

struct scoring_job {
    int64_t org_id, model_id;
    int currency_digits; /* of the organisation */
    bool quiet;          /* who changes class by it starts nothing */
    bool is_read;        /* a rule reads the model: who has other scores stands in the change log */
};

struct scoring_result {
    int64_t scored;     /* contacts */
    int64_t relabelled; /* labels that are in the timeline */
};

/* scoring_start() - the breaks and scores as they are now, and when they change by time alone.
 * `done` is called once, from the loop. Where `r` is NULL nothing was written: an error, or
 * somebody edited the model meanwhile (error is NULL, too), and it is to be scored anew, as it is
 * now. `arg` lives as long as the pool. */
typedef void scoring_fn(void *arg, const struct scoring_result *r, const struct pgres *error);
void scoring_start(const void *ctx, struct pgpool *, const struct scoring_job *, scoring_fn *done,
                   void *arg);

#endif
