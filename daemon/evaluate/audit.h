/* audit.h - step 2, proved: what is stored of dynamic segments and scores, compared with what the
 * facts say now.
 *
 * Every rule is evaluated over every contact from nothing, in blocks by id; so is every score, with
 * the breaks of its model's last full scoring. Each block is one statement that only reads: one
 * snapshot, at lazod's clock. A rule that refers to a segment or a score reads what is stored of
 * that; since references have no circle, no difference anywhere means that all of it is true.
 *
 * What waits to be evaluated is waited for (30 s at most) and is no difference. What differs is
 * looked at a second time, after a pause, before it is believed: an evaluation may have gone on
 * between. Then, where mending is asked for, the contacts that differ are evaluated anew, quietly
 * (it starts no journey), and all is compared once more. */
#ifndef LAZO_DAEMON_EVALUATE_AUDIT_H
#define LAZO_DAEMON_EVALUATE_AUDIT_H

#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct audit_options {
    struct ev_loop *loop;
    struct pgpool *pool;
    struct orgs *orgs;
    int64_t org_id;
    bool segments, scores, repair;
    /* There is something to evaluate. */
    void (*wake)(void *arg, int64_t org_id);
    void *arg;
};

/* audit_fn() - called once, from the loop. The report is borrowed until it returns; NULL where the
 * database was away or a statement failed (then `failed` says it, else NULL).
 *
 *     {"now", "contacts", "segments", "models", "count": how many differences,
 *      "differences": the first 1,000 of them: {"segment", "contact", "stored", "true"} or
 *                     {"model", "contact", "stored", "true"}, both null or an object,
 *      "waiting": whether the instance did not come to rest, so that some contacts were left out,
 *      "unreadable": segments whose rule no longer checks,
 *      "mended", "left": how much was evaluated anew, and how much differs after it} */
typedef void audit_fn(void *arg, const json_t *report, const struct pgres *failed);

/* audit_run() - begins; what it needs is a child of ctx. */
void audit_run(const void *ctx, const struct audit_options *, audit_fn *, void *arg);

#endif
