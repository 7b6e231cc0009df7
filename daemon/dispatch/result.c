/* result.c - results of workers, written together, then acknowledged; and mail that the inbox
 * brought.
 *
 * Results wait in a queue. While some are being written the next ones gather, so that what many
 * threads of a mailer report one by one costs a few commits a second:
 *
 *     queue ──nobody writes──► owners of the leases asked ──► one statement an organisation ──►
 * acks ──► the queue again
 *
 * A result names its lease. Leases that are not there (the answer to an earlier ack was lost) are
 * acknowledged and change nothing. What could not be written is not acknowledged: the worker's
 * session ends, and it brings its results to the next one. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/dispatch/hand.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_MAX  1000
#define STATUS_MAX 500
#define CODE_MAX   20

/* One result of one job. */
struct result {
    struct result *next;
    int64_t session; /* who waits for the ack; 0: nobody */
    int64_t lease;
    int64_t org_id; /* 0: no such lease */
    bool failed;
    json_t *item; /* owned */
};

/* Those that are being written. */
struct result_write {
    struct dispatch *dispatch;
    struct result **results;
    size_t n;
    int left; /* statements under way */
};

struct result_queue {
    struct result *first, **last;
    bool writing;
};

static void result_pump(struct dispatch *d);

static int result_destroy(struct result *r)
{
    json_decref(r->item);
    return 0;
}

struct result_queue *result_queue_new(struct dispatch *d)
{
    struct result_queue *q = mem_new(d, struct result_queue);

    q->last = &q->first;
    return q;
}

static void result_put(struct dispatch *d, int64_t session, int64_t org_id, json_t *item)
{
    struct result_queue *q = d->results;
    struct result *r = mem_new(q, struct result);

    r->session = session;
    r->org_id = org_id;
    r->lease = json_integer_value(json_object_get(item, "lease"));
    r->item = json_incref(item);
    talloc_set_destructor(r, result_destroy);
    *q->last = r;
    q->last = &r->next;
}

/* --- the end: acks
 * -------------------------------------------------------------------------------- */

/* One ack to each session for all of its results that were written; a session with one that was not
 * is ended: it keeps them and says hello with them. */
static void write_ack_session(struct result_write *w, int64_t session)
{
    struct hand *hand = hand_by_session(w->dispatch, session);
    json_t *leases = json_array();
    bool failed = false;

    for (size_t i = 0; i < w->n; i++) {
        struct result *r = w->results[i];

        if (r->session != session)
            continue;
        r->session = 0;
        failed = failed || r->failed;
        if (!r->failed)
            json_array_append_new(leases, json_integer(r->lease));
    }
    if (hand != NULL && json_array_size(leases) > 0)
        hand_send(hand, BUS_ack, json_pack("{s:O}", "leases", leases));
    json_decref(leases);
    if (hand != NULL && failed)
        hand_drop(hand, true);
}

static void write_finish(struct result_write *w)
{
    struct dispatch *d = w->dispatch;

    if (--w->left > 0)
        return;
    for (size_t i = 0; i < w->n; i++)
        if (w->results[i]->session != 0)
            write_ack_session(w, w->results[i]->session);
    talloc_free(w);
    d->results->writing = false;
    result_pump(d);
}

/* --- the writing
 * ----------------------------------------------------------------------------------- */

struct result_part {
    struct result_write *write;
    int64_t org_id;
};

static void part_on_written(void *arg, const struct pgres *res)
{
    struct result_part *part = arg;
    struct result_write *w = part->write;
    struct dispatch *d = w->dispatch;

    if (pgres_ok(res)) {
        d->sent += (uint64_t)pgres_int(res, 0, "sent");
        d->failed += (uint64_t)pgres_int(res, 0, "failed");
        d->uncertain += (uint64_t)pgres_int(res, 0, "uncertain");
        d->again += (uint64_t)pgres_int(res, 0, "again");
        d->recorded(d->arg, part->org_id);
    } else {
        if (!pgres_lost(res))
            log_error("result", "cannot be written", "org=%" PRId64 " why=%s", part->org_id,
                      log_value(pgres_message(res)));
        for (size_t i = 0; i < w->n; i++)
            w->results[i]->failed = w->results[i]->failed || w->results[i]->org_id == part->org_id;
    }
    write_finish(w);
}

static const char *item_text(const json_t *item, const char *key)
{
    const char *s = json_string_value(json_object_get(item, key));

    return s == NULL ? "" : s;
}

/* At most `most` bytes, and no half character at the end. */
static const char *text_within(const void *ctx, const char *text, size_t most)
{
    size_t n = strlen(text);

    if (n > most)
        for (n = most; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
            ;
    return mem_strndup(ctx, text, n);
}

/* What a worker says is checked like what any stranger says. */
static const char *item_state(const json_t *item)
{
    static const char *const states[] = {"sent", "failed", "retry", "uncertain"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(item_text(item, "state"), states[i]) == 0)
            return states[i];
    return "failed";
}

/* Six parallel arrays of the organisation's results. */
struct columns {
    struct pgarray lease, state, status, code, hard, gone;
};

static void columns_add(struct columns *c, const void *ctx, const struct result *r)
{
    pgarray_int(&c->lease, r->lease);
    pgarray_text(&c->state, item_state(r->item));
    pgarray_text(&c->status, text_within(ctx, item_text(r->item, "status"), STATUS_MAX));
    pgarray_text(&c->code, text_within(ctx, item_text(r->item, "code"), CODE_MAX));
    pgarray_bool(&c->hard, json_is_true(json_object_get(r->item, "hard")));
    pgarray_bool(&c->gone, json_is_true(json_object_get(r->item, "gone")));
}

static void write_part(struct result_write *w, int64_t org_id)
{
    struct result_part *part = mem_new(w, struct result_part);
    const struct settings *s = w->dispatch->settings;
    struct columns c;
    struct pgarray *all[] = {&c.lease, &c.state, &c.status, &c.code, &c.hard, &c.gone};
    struct pgargs args;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgarray_init(all[i], part);
    for (size_t i = 0; i < w->n; i++)
        if (w->results[i]->org_id == org_id)
            columns_add(&c, part, w->results[i]);
    part->write = w;
    part->org_id = org_id;
    pgargs_init(&args, part);
    pgargs_int(&args, org_id);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgargs_array(&args, all[i]);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, settings_int(s, "mail.retry_first") / CLOCK_SECOND_US);
    pgargs_int(&args, settings_int(s, "mail.give_up") / CLOCK_SECOND_US);
    pgargs_int(&args, settings_int(s, "hook.again_first") / CLOCK_SECOND_US);
    pgargs_int(&args, settings_int(s, "hook.give_up") / CLOCK_SECOND_US);
    w->left++;
    pgpool_query(w->dispatch->pool, org_id, Q_RESULT_WRITE, &args, part_on_written, part);
}

/* Each organisation among the results gets one statement. */
static void write_parts(struct result_write *w)
{
    w->left = 1;
    for (size_t i = 0; i < w->n; i++) {
        int64_t org_id = w->results[i]->org_id;
        bool seen = org_id == 0;

        for (size_t k = 0; k < i && !seen; k++)
            seen = w->results[k]->org_id == org_id;
        if (!seen)
            write_part(w, org_id);
    }
    write_finish(w);
}

static int compare_leases(const void *a, const void *b)
{
    int64_t x = (*(struct result *const *)a)->lease, y = (*(struct result *const *)b)->lease;

    return x < y ? -1 : x > y;
}

static void write_on_owners(void *arg, const struct pgres *res)
{
    struct result_write *w = arg;

    for (size_t i = 0; i < w->n && !pgres_ok(res); i++)
        w->results[i]->failed = true;
    for (int row = 0; row < pgres_rows(res); row++) {
        struct result key = {.lease = pgres_int(res, row, "lease")}, *at = &key;
        struct result **found = bsearch(&at, w->results, w->n, sizeof(at), compare_leases);

        if (found != NULL)
            (*found)->org_id = pgres_int(res, row, "org_id");
    }
    write_parts(w);
}

static void write_owners(struct result_write *w)
{
    struct pgarray leases;
    struct pgargs args;

    pgarray_init(&leases, w);
    for (size_t i = 0; i < w->n; i++)
        pgarray_int(&leases, w->results[i]->lease);
    pgargs_init(&args, w);
    pgargs_array(&args, &leases);
    pgpool_query(w->dispatch->pool, 0, Q_LEASE_OWNERS, &args, write_on_owners, w);
}

/* A lease stands once in a write: one that was reported twice waits for the next. */
static bool write_has(const struct result_write *w, int64_t lease)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->results[i]->lease == lease)
            return true;
    return false;
}

static void result_pump(struct dispatch *d)
{
    struct result_queue *q = d->results;
    struct result_write *w;

    if (q->writing || q->first == NULL)
        return;
    q->writing = true;
    w = mem_new(d, struct result_write);
    w->dispatch = d;
    w->results = mem_array(w, struct result *, WRITE_MAX);
    while (q->first != NULL && w->n < WRITE_MAX && !write_has(w, q->first->lease)) {
        struct result *r = q->first;

        q->first = r->next;
        w->results[w->n++] = talloc_steal(w, r);
    }
    if (q->first == NULL)
        q->last = &q->first;
    qsort(w->results, w->n, sizeof(w->results[0]), compare_leases);
    write_owners(w);
}

void result_take(struct hand *hand, json_t *items)
{
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item) result_put(hand->dispatch, hand->session, 0, item);
    result_pump(hand->dispatch);
}

void result_own(struct dispatch *d, int64_t org_id, const int64_t *leases, size_t n,
                const char *state, const char *status)
{
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_pack("{s:I, s:s, s:s}", "lease", (json_int_t)leases[i], "state", state,
                                 "status", status);

        result_put(d, 0, org_id, item);
        json_decref(item);
    }
    result_pump(d);
}

/* --- the inbox
 * --------------------------------------------------------------------------------------- */

/* One mail; its id is acknowledged when it is written, or when its token is forged: then it is
 * nobody's. */
struct incoming {
    struct dispatch *dispatch;
    int64_t session, org_id;
    char *id;
};

static void incoming_ack(struct dispatch *d, int64_t session, const char *id)
{
    struct hand *hand = hand_by_session(d, session);

    if (hand != NULL)
        hand_send(hand, BUS_ack, json_pack("{s:[s]}", "ids", id));
}

static void incoming_on_written(void *arg, const struct pgres *res)
{
    struct incoming *in = arg;

    if (pgres_ok(res)) {
        incoming_ack(in->dispatch, in->session, in->id);
        in->dispatch->recorded(in->dispatch->arg, in->org_id);
    } else if (!pgres_lost(res)) {
        log_error("mail_in", "cannot be written", "why=%s", log_value(pgres_message(res)));
    }
    talloc_free(in);
}

/* The mail's id may be longer than a key: its hash stands for it. Child of `in`. */
static char *incoming_key(const struct incoming *in)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof(hash) + 1];

    crypto_hash_sha256(hash, (const unsigned char *)in->id, strlen(in->id));
    return mem_strdup(in, sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
}

static void incoming_take(struct hand *hand, const json_t *item)
{
    struct dispatch *d = hand->dispatch;
    struct incoming *in = mem_new(d, struct incoming);
    int64_t job_id;
    struct pgargs args;

    in->dispatch = d;
    in->session = hand->session;
    in->id = mem_strdup(in, item_text(item, "id"));
    if (!bounce_token_open(settings_text(d->settings, "http.secret"), item_text(item, "token"),
                           &in->org_id, &job_id)) {
        d->refused++;
        incoming_ack(d, in->session, in->id);
        talloc_free(in);
        return;
    }
    pgargs_init(&args, in);
    pgargs_int(&args, in->org_id);
    pgargs_int(&args, job_id);
    pgargs_text(&args, item_text(item, "class"));
    pgargs_text(&args, item_text(item, "status"));
    pgargs_text(&args, text_within(in, item_text(item, "reason"), STATUS_MAX - 100));
    pgargs_instant(&args, clock_now_us());
    pgargs_text(&args, incoming_key(in));
    pgpool_query(d->pool, in->org_id, Q_MAIL_IN_WRITE, &args, incoming_on_written, in);
}

void mail_in_take(struct hand *hand, json_t *items)
{
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) incoming_take(hand, item);
}
