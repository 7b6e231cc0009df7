/* forecast.h - who will enter a segment and who will leave it by time alone.
 *
 * One transaction that only reads. Candidates are the contacts who are due for something within the
 * days asked for (`wake`), those who are about to be evaluated, and those whose scores are computed
 * by a schedule. The rule, with the rules of segments that it refers to in their place, is asked
 * for each at the instant at which its answer may change, instant after instant: so the list is in
 * order of time, and where it had to be cut off it is complete up to there. */
#ifndef LAZO_DAEMON_EVALUATE_FORECAST_H
#define LAZO_DAEMON_EVALUATE_FORECAST_H

#include "daemon/pg/pgpool.h"
#include "daemon/rules/rule.h"

#include <jansson.h>
#include <stdint.h>

/* So many answers are asked for; what is left of the days is not told then. */
#define FORECAST_LOOKS_MAX 20000

struct forecast_question {
    struct pgpool *pool;
    int64_t org_id;
    const struct catalogue *catalogue; /* borrowed for the call alone */
    int64_t segment_id;
    const struct rule *rule; /* checked */
    int64_t now_us, until_us;
    int limit; /* of the moves that are listed */
};

/* forecast_fn() - called once, from the loop. The report is borrowed; NULL where a statement
 * failed.
 *
 *     {"from", "until": to where it is complete, "complete", "exact": false where something that
 * the rule reads is taken as it is now, "entering", "leaving": how many, "days": [{"day",
 * "entering", "leaving"}], those on which somebody moves, "items": [{"contact", "at", "move":
 * "enter" or "leave"}]} */
typedef void forecast_fn(void *arg, const json_t *report, const struct pgres *failed);

void forecast_run(const void *ctx, const struct forecast_question *, forecast_fn *, void *arg);

#endif
