/* audit.h - step 2, proved: what is stored of dynamic segments and scores, compared with what the
 * facts say now.
 *
 * One transaction that only reads, and sees one state of the database (REPEATABLE READ): every rule
 * is evaluated over every contact from nothing, in blocks by id; so is every score, with the breaks
 * of its model's last full scoring; those breaks are computed anew from the facts of then, where
 * these are still the same; so is when time changes an answer or a score next: the contact must not
 * be looked at again later than that (sooner is in vain, and no difference); and the spans of
 * memberships and scores are looked at: none may overlap, or begin or end in the future. A rule
 * that refers to a segment or a score reads what is stored of that; since references have no
 * circle, no difference anywhere means that all of it is true.
 *
 * Contacts that are in the change log or due, and who is related to them, are about to be
 * evaluated: they are waited for a little (5 s), and those that wait still are left out, and
 * counted. So it may run while facts come in. What differs is looked at a second time, after a
 * pause, before it is believed. Then, where mending is asked for, the contacts that differ are
 * evaluated anew, quietly (it starts no journey), models whose breaks differ are scored anew, spans
 * are cut, and all is compared once more.
 */
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
 *                     {"model", "contact", "stored", "true"}, both null or an object; the contact
 *                     is null where it is the breaks that differ; a span has since and until;
 *                     {"next": "segments" or "scores", "contact", "stored", "true"}: two instants,
 *                     stored null where the contact would not be looked at again,
 *      "waiting": whether contacts, segments or models were left out, "left_out": how many
 * contacts, "unreadable": segments whose rule no longer checks, "mended", "left": how much was
 * evaluated anew, and how much differs after it} */
typedef void audit_fn(void *arg, const json_t *report, const struct pgres *failed);

/* audit_run() - begins; what it needs is a child of ctx. */
void audit_run(const void *ctx, const struct audit_options *, audit_fn *, void *arg);

#endif
