/* pool.h - the sender threads: jobs in at one end, results out at the other.
 *
 * The loop's thread puts tasks in and takes finished ones out; everything slow (rendering, the
 * relay, fdatasync) happens in the threads. Each thread takes tasks one after the other over one
 * connection, as long as there are any. */
#ifndef LAZO_MAILER_POOL_H
#define LAZO_MAILER_POOL_H

#include "workers/mailer/journal.h"
#include "workers/mailer/letter.h"
#include "workers/mailer/smtp.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

/* A job on its way. Made by task_new(), its owner is whoever has it: the loop, then the pool, then
 * the loop again. */
struct task {
    int64_t lease, job;
    uint64_t epoch; /* of the bus when it came; see busclient_may_act() */
    json_t *body;   /* the job; only read by the threads */
    const struct letter_template *letter_template; /* held on the shelf by the loop */
    struct verdict verdict;                        /* set when it comes back */
    /* The pool's own. */
    void *scratch;
    struct letter letter;
    struct smtp_message message;
    struct task *next;
};
/* task_new() - holds a reference to `body`. NULL where it has no lease and id. task_free() - gives
 * it back. */
struct task *task_new(json_t *body, const struct letter_template *);
void task_free(struct task *);

struct pool_options {
    int threads;
    struct smtp *smtp; /* NULL: into the Maildir */
    const char *maildir;
    struct journal *journal;
    /* Whether a task of this epoch is still ours; asked in a sender thread just before a message is
     * ended. */
    bool (*may_act)(void *arg, uint64_t epoch);
    void (*finished)(void *arg); /* called in a sender thread when there is something to take out */
    void *arg;
};

/* pool_new() - starts the threads. Child of ctx; what options point to must outlive it. */
struct pool *pool_new(const void *ctx, const struct pool_options *);
void pool_put_take(struct pool *, struct task *);
/* pool_take_out() - the finished tasks as a list by `next`, in the order in which they finished;
 * NULL: none. */
struct task *pool_take_out(struct pool *);
/* pool_hurry() - nobody waits any more for a relay that is away: what cannot be sent at once is
 * given back. */
void pool_hurry(struct pool *);
/* pool_stop() - waits until all tasks are finished and the threads have ended. */
void pool_stop(struct pool *);

#endif
