/* busclient.h - a worker's side of the bus: hello, credit, pings, results kept until they are
 * acknowledged. See bus.h for the messages.
 *
 * States: connecting (hello sent, no welcome), ready. Silence for dead_after, or `again`, closes
 * the socket and begins a new session with all results not acknowledged and all leases still held.
 * Nothing a worker finished is lost while its process lives; what must outlive the process is the
 * owner's journal. */
#ifndef LAZO_COMMON_BUSCLIENT_H
#define LAZO_COMMON_BUSCLIENT_H

#include "common/settings.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct busclient;

struct busclient_ops {
    /* One job; borrowed. The client holds its lease from now until busclient_result(). */
    void (*job)(void *arg, const json_t *job);
    /* A template came; borrowed. NULL for a worker without. */
    void (*template)(void *arg, const json_t *template);
    /* The daemon has these results on disk: the journal may forget them. May be NULL. */
    void (*acked)(void *arg, const int64_t *leases, size_t n);
    /* For the inbox: mail_in items with these ids are on disk. May be NULL. */
    void (*acked_ids)(void *arg, const json_t *ids);
};

/* busclient_new() - connects and says hello as `worker` of `sort` ("mail", "hook", "inbox") with
 * `credit` jobs. Reads bus.* of the settings. Child of ctx. */
struct busclient *busclient_new(const void *ctx, struct ev_loop *, const struct settings *,
                                const char *worker, const char *sort, int credit,
                                const struct busclient_ops *, void *arg);
/* busclient_result() - hands over one job's result (a new reference is taken) and gives back one
 * credit. Results go out together, once a turn of the loop. `lease` need not be of this process's
 * time: a journal's results are handed over the same way after a start (before the first turn of
 * the loop, so that hello comes after them). */
void busclient_result(struct busclient *, int64_t lease, json_t *result);
/* busclient_mail_in() - one classified mail (new reference taken), sent until acknowledged. */
void busclient_mail_in(struct busclient *, json_t *item);
/* busclient_release() - takes no more jobs (SIGTERM); those held are still worked on. It begins a
 * new session without credit, so that lazod takes back the jobs that were on their way. May be
 * called again and again. */
void busclient_release(struct busclient *);
/* busclient_renew() - begins a new session, soon: the owner no longer has what lazod told it in
 * this one (a template). */
void busclient_renew(struct busclient *);
/* busclient_held() - jobs taken and not answered; busclient_unacked() - results not yet
 * acknowledged. */
size_t busclient_held(const struct busclient *);
/* busclient_epoch() - changes when leases that are held may have run out meanwhile, since nothing
 * was heard of lazod for too long. busclient_may_act() - whether a job that came in this epoch is
 * still its worker's: to be asked by whichever thread, just before what cannot be undone. */
uint64_t busclient_epoch(const struct busclient *);
bool busclient_may_act(const struct busclient *, uint64_t epoch);
size_t busclient_unacked(const struct busclient *);

#endif
