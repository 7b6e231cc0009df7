/* quick.h - the short way of interactions that say nothing new of their contact: one statement
 * finds the contact by its name and writes. And the lanes, one for each organisation, that record.c
 * and quick.c share.
 *
 * The short way records an item whose contact and kind are known and whose key is new. All others
 * it leaves, and their requests go the long way with what was recorded settled. */
#ifndef LAZO_DAEMON_RECORD_QUICK_H
#define LAZO_DAEMON_RECORD_QUICK_H

#include "daemon/record/batch.h"

#include <ev.h>

/* Of what the items of a batch bring along. */
#define BATCH_BYTES_MAX ((size_t)32 << 20)

struct record_lane {
    struct record *record;
    struct record_lane *next;
    int64_t org_id;
    /* The short way: who waits, and how many items; statements under way, and of how many items;
     * how many of the next requests do not try it. */
    struct record_request *quick_first, **quick_last;
    size_t quick_items, n_quick, under_way, rest;
    /* The long way. */
    struct record_request *first, **last;
    bool busy;
    size_t n_alone; /* so many of the next batches take one request each: one of them spoils a
                       transaction */
};

struct record {
    struct pgpool *pool;
    struct orgs *orgs;
    struct record_lane *lanes;
    size_t made, looked; /* contacts that were made, and how many had been when the planner was last
                            told to look at them */
    struct ev_loop *loop;
    ev_prepare prepare;
    void (*recorded)(void *arg, int64_t org_id);
    void *arg;
    const char *secret; /* or NULL */
};

/* lane_append() - the request waits for the long way. lane_start() - begins a batch where none is
 * under way. Both are in record.c. */
void lane_append(struct record_lane *, struct record_request *);
void lane_start(struct record_lane *);

/* quick_add() - the request waits for the short way; false where it is not to try it.
 * quick_start() - sends what waits. */
bool quick_add(struct record_lane *, struct record_request *);
void quick_start(struct record_lane *);

#endif
