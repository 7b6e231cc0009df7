/* hand.h - the inside of the dispatcher: the workers that are connected. For dispatch.c and its
 * parts. */
#ifndef LAZO_DAEMON_DISPATCH_HAND_H
#define LAZO_DAEMON_DISPATCH_HAND_H

#include "common/bus.h"
#include "daemon/dispatch/dispatch.h"
#include "daemon/pg/pgpool.h"

#define HAND_PEER_MAX 64

/* A connected worker, in one session.
 *
 *     hello ──► joining ──welcome──► ready ──silence, another hello──► gone
 *
 * While it joins, what it had and does not hold goes back to the queue. */
enum hand_state { HAND_joining, HAND_ready };

struct hand {
    struct dispatch *dispatch;
    struct hand *next;
    enum hand_state state;
    unsigned char peer[HAND_PEER_MAX];
    size_t peer_len;
    const char *name, *sort;
    int64_t session;
    int64_t credit;
    int64_t sent;        /* jobs given in this session */
    int64_t heard_at_us; /* monotonic */
    int64_t since_us;    /* business clock */
    json_t *held;        /* leases of its hello, until it is ready. Owned. */
    int64_t *templates;  /* versions that were sent in this session */
    size_t n_templates, cap_templates;
    int joining_left; /* organisations whose leases are still to be released */
};

struct result_queue;

struct dispatch {
    struct ev_loop *loop;
    const struct settings *settings;
    const char *public_url;
    struct pgpool *pool;
    struct orgs *orgs;
    struct bus *bus;
    void (*recorded)(void *arg, int64_t org_id);
    void *arg;
    struct hand *hands;
    struct result_queue *results;
    ev_timer tick;
    bool asking[2]; /* a lease of this sort is under way: see lease.c */
    bool wanted[2];
    int64_t ticks;
    int64_t up_since_us, renewed_us; /* monotonic; since when the database is there; 0: it is not */
    uint64_t leased, sent, failed, uncertain, again, released, refused;
};

struct hand *hand_find(struct dispatch *, const void *peer, size_t n, int64_t session);
/* hand_by_session() - NULL where it is gone: an answer for it comes too late. */
struct hand *hand_by_session(struct dispatch *, int64_t session);
/* hand_send() - false where the peer is gone. `body` gets the session; the reference is taken. */
bool hand_send(struct hand *, enum bus_type, json_t *body_take);
/* hand_drop() - forgets it; its leases stay until it says hello again or they run out. `again`:
 * tells it to say hello. */
void hand_drop(struct hand *, bool again);

/* lease.c */
void lease_pump(struct dispatch *);
/* lease_expire() - jobs whose leases have run out on the machine's clock. */
void lease_expire(struct dispatch *);
void lease_renew(struct dispatch *);

/* result.c */
struct result_queue *result_queue_new(struct dispatch *);
/* result_take() - one result message of a worker; acknowledged when it is on disk. */
void result_take(struct hand *, json_t *items);
/* result_own() - a result of ours for leases of one organisation that no worker will report. */
void result_own(struct dispatch *, int64_t org_id, const int64_t *leases, size_t n,
                const char *state, const char *status);
/* mail_in_take() - classified mail of the inbox. */
void mail_in_take(struct hand *, json_t *items);

/* letter.c */
/* letter_mail(), letter_hook() - the job message of one leased row; a new reference. */
json_t *letter_mail(const struct dispatch *, const struct org *, const struct pgres *, int row);
json_t *letter_hook(const struct org *, const struct pgres *, int row);

/* bounce.c */
/* bounce_token() - the token in a bounce address: which delivery of which organisation, signed.
 * Small letters and digits, at most 55 of them. Child of ctx. bounce_token_open() - false for what
 * is no such token; its case does not matter. */
char *bounce_token(const void *ctx, const char *secret, int64_t org_id, int64_t job_id);
bool bounce_token_open(const char *secret, const char *token, int64_t *ret_org_id,
                       int64_t *ret_job_id);

#endif
