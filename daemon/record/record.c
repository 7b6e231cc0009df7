/* record.c - see record.h.
 *
 * Requests wait in a queue per organisation. When no batch of that organisation is under way, all
 * that wait become one, and one transaction:
 *
 *     record_find ──► record_create ──► the writes, pipelined ──► commit ──► answers
 *
 * Interactions that say nothing new of their contact first go the short way (quick.h), one
 * statement for all that wait; what it leaves goes the long one. A second one goes beside the first
 * where many wait.
 *
 * A batch that raced with another process for the names of one contact, and lost, is tried again
 * from the start. One that failed for a reason of its content is split: each request alone, so that
 * the others do not suffer; the request that is at fault is told what the database said. When the
 * outcome is not known (the connection broke), its requests are answered with ok = false, and their
 * callers may repeat them: keys make that harmless. */
#include "daemon/record/record.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/record/batch.h"
#include "daemon/record/quick.h"

#include <inttypes.h>
#include <string.h>

#define BATCH_ITEMS_MAX 5000
/* New contacts that the planner is to know of. */
#define MADE_MANY 1000
/* Each time somebody else has got on: who meets a stranger's long line of single rows loses often.
 */
#define TRIES_MAX 25

static struct record_lane *record_lane(struct record *r, int64_t org_id)
{
    struct record_lane *lane;

    for (lane = r->lanes; lane != NULL; lane = lane->next)
        if (lane->org_id == org_id)
            return lane;
    lane = mem_new(r, struct record_lane);
    lane->record = r;
    lane->org_id = org_id;
    lane->last = &lane->first;
    lane->quick_last = &lane->quick_first;
    lane->next = r->lanes;
    r->lanes = lane;
    return lane;
}

void lane_append(struct record_lane *lane, struct record_request *request)
{
    request->next = NULL;
    *lane->last = request;
    lane->last = &request->next;
}

/* --- a batch's end --------------------------------------------------------------------------- */

static void batch_fill_results(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct record_result *result = &b->results[i];
        const struct batch_name *name;

        if (result->error != NULL)
            continue;
        if (b->slots[i] != NULL) {
            result->contact_id = b->slots[i]->contact_id;
            result->created = b->slots[i]->created;
        }
        if (b->items[i]->key == NULL || result->interaction_id != 0)
            continue;
        name = batch_key(b, i);
        result->duplicate = true;
        if (name != NULL && name->contact_id != 0) {
            result->contact_id = name->contact_id;
            result->interaction_id = name->interaction_id;
        }
    }
}

static void batch_answer(struct batch *b, bool ok)
{
    struct record_request *request = b->requests;
    size_t at = 0;

    while (request != NULL) {
        struct record_request *next = request->next;

        request->fn(request->arg, ok, ok ? b->results + at : NULL, ok ? request->n : 0);
        at += request->n;
        talloc_free(request);
        request = next;
    }
}

/* Its requests go back to the head of the queue. */
static void batch_put_back(struct batch *b, struct record_lane *lane)
{
    struct record_request *last;

    for (last = b->requests; last->next != NULL; last = last->next)
        ;
    last->next = lane->first;
    if (lane->first == NULL)
        lane->last = &last->next;
    lane->first = b->requests;
}

/* 22: a value that its type does not take, 23: a constraint, 54: too large. */
static bool is_content(const struct pgres *error)
{
    const char *state = pgres_sqlstate(error);

    return strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
           strncmp(state, "54", 2) == 0;
}

/* The contact is not as who writes it knows it (If-Match). */
static bool is_condition(const struct pgres *error)
{
    return strcmp(pgres_sqlstate(error), "LZ412") == 0;
}

/* One request, alone in its batch, holds something that the database does not take. */
static void batch_answer_refused(struct batch *b, const struct pgres *error)
{
    const char *why = pgres_constraint(error)[0] != '\0'
                          ? mem_printf(b, "a value does not fit (%s)", pgres_constraint(error))
                          : mem_printf(b, "a value cannot be stored: %s", pgres_message(error));

    for (size_t i = 0; i < b->n; i++)
        b->results[i] = (struct record_result){
            .pointer = "",
            .error =
                b->n == 1 ? why : mem_printf(b, "one of %zu items was refused: %s", b->n, why)};
    batch_settled_before(b);
    batch_answer(b, true);
}

/* What to do with a batch that did not commit. */
static void batch_failed(struct batch *b, struct record_lane *lane, const struct pgres *error)
{
    bool lost = !b->again && (error == NULL || pgres_lost(error));

    if (b->refused) {
        batch_put_back(b, lane);
    } else if ((b->again || (!lost && error != NULL && pgres_raced(error))) &&
               b->requests->tries < TRIES_MAX) {
        b->requests->tries++;
        batch_put_back(b, lane);
    } else if (!lost && b->requests->next != NULL) {
        for (struct record_request *r = b->requests; r != NULL; r = r->next)
            lane->n_alone++;
        batch_put_back(b, lane);
    } else {
        if (error != NULL && !lost && !is_condition(error))
            log_error("record", "batch refused by the database", "sqlstate=%s constraint=%s why=%s",
                      pgres_sqlstate(error), pgres_constraint(error),
                      log_value(pgres_message(error)));
        else if (b->again)
            log_warning("record", "batch lost every race", "items=%zu tries=%d", b->n,
                        b->requests->tries);
        if (error != NULL && !lost && is_content(error))
            batch_answer_refused(b, error);
        else
            batch_answer(b, false);
    }
}

static void record_on_looked(void *arg, const struct pgres *res)
{
    (void)arg;
    if (!pgres_ok(res) && !pgres_lost(res))
        log_warning("record", "no statistics", "why=%s", log_value(pgres_message(res)));
}

/* Contacts of which the planner knows nothing it looks up by any index; who comes upon that falls
 * behind. So it is told to look when there are many that are new, and when they have doubled. */
static void record_made(struct record *r, const struct batch *b)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    for (size_t i = 0; i < b->n; i++)
        r->made += b->results[i].created;
    if (r->made < MADE_MANY || r->made < 2 * r->looked)
        return;
    r->looked = r->made;
    pgargs_init(&args, scratch);
    pgargs_int(&args, (int64_t)r->made);
    pgpool_query(r->pool, 0, Q_RECORD_STATISTICS, &args, record_on_looked, NULL);
}

static void batch_ended(void *arg, bool committed, const struct pgres *error)
{
    struct batch *b = arg;
    struct record *r = b->record;
    struct record_lane *lane = record_lane(r, b->org_id);
    int64_t org_id = b->org_id;

    lane->busy = false;
    if (committed) {
        if (b->new_kinds)
            orgs_forget(r->orgs, org_id);
        batch_fill_results(b);
        batch_answer(b, true);
        record_made(r, b);
        r->recorded(r->arg, org_id);
    } else if (b->resolved && b->work->dry && !b->refused && error == NULL) {
        batch_fill_results(b);
        batch_answer(b, true);
    } else {
        batch_failed(b, lane, error);
    }
    talloc_free(b);
    lane_start(lane);
}

/* --- a batch's way ---------------------------------------------------------------------------- */

static void batch_find(struct batch *b, pgres_fn *fn)
{
    struct pgargs args;

    pgargs_init(&args, b);
    batch_find_args(b, &args);
    pgtx_query(b->tx, Q_RECORD_FIND, &args, fn, b);
}

static void batch_on_keys(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (!pgres_ok(res))
        return;
    batch_on_found(b, res);
    pgtx_commit(b->tx);
}

/* Duplicates are told which interaction they repeat. */
static void batch_finish(struct batch *b)
{
    if (b->work != NULL) {
        batch_fill_results(b);
        b->work->written(b->work_arg, b);
        return;
    }
    for (size_t i = 0; i < b->n_written; i++) {
        if (b->results[b->written[i]].duplicate) {
            batch_find(b, batch_on_keys);
            return;
        }
    }
    pgtx_commit(b->tx);
}

static void batch_on_amended_all(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (!pgres_ok(res))
        return;
    batch_on_amended(b, res);
    if (b->refused)
        pgtx_rollback(b->tx);
    else
        batch_finish(b);
}

static void batch_on_written(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (!pgres_ok(res))
        return;
    if (b->again) {
        pgtx_rollback(b->tx);
        return;
    }
    batch_on_interactions(b, res);
    if (!batch_amend(b, batch_on_amended_all))
        batch_finish(b);
}

static void batch_on_create(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (!pgres_ok(res))
        return;
    batch_on_created(b, res);
    if (b->again)
        pgtx_rollback(b->tx);
    else
        batch_write(b, batch_on_written);
}

/* Creates what is not there, then writes. */
static void batch_go_on(struct batch *b)
{
    struct pgargs args;

    batch_resolve(b);
    if (b->work != NULL) {
        b->resolved = true;
        b->work->resolved(b->work_arg, b);
        if (b->work->dry)
            return;
    }
    if (batch_returned_args(b, b->record->secret, &args))
        pgtx_query(b->tx, Q_RECORD_RETURNED, &args, NULL, NULL);
    pgargs_init(&args, b);
    if (batch_create_args(b, &args))
        pgtx_query(b->tx, Q_RECORD_CREATE, &args, batch_on_create, b);
    else
        batch_write(b, batch_on_written);
}

static void batch_on_converted(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (!pgres_ok(res))
        return;
    batch_on_rates(b, res);
    batch_go_on(b);
}

/* What the amounts count is known before anything is written. */
static void batch_convert(struct batch *b)
{
    struct pgargs args;

    if (batch_rates_args(b, &args))
        pgtx_query(b->tx, Q_RECORD_RATES, &args, batch_on_converted, b);
    else
        batch_go_on(b);
}

static void batch_on_erased_found(void *arg, const struct pgres *res)
{
    struct batch *b = arg;

    if (!pgres_ok(res))
        return;
    batch_on_erased(b, res);
    batch_convert(b);
}

static void batch_on_first_found(void *arg, const struct pgres *res)
{
    struct batch *b = arg;
    struct pgargs args;

    if (!pgres_ok(res))
        return;
    batch_on_found(b, res);
    if (b->work != NULL && b->work->found != NULL)
        b->work->found(b->work_arg, b);
    if (batch_erased_args(b, b->record->secret, &args))
        pgtx_query(b->tx, Q_RECORD_ERASED, &args, batch_on_erased_found, b);
    else
        batch_convert(b);
}

static void batch_begun(void *arg, struct pgtx *tx)
{
    struct batch *b = arg;

    b->tx = tx;
    if (b->work != NULL && !b->work->dry && b->work->import_id != 0)
        pgtx_query_sql(tx,
                       mem_printf(b, "SET LOCAL lazo.import = '%" PRId64 "'", b->work->import_id),
                       NULL, NULL, NULL);
    batch_find(b, batch_on_first_found);
}

/* --- making batches -----------------------------------------------------------------------------
 */

static struct record_request *lane_take(struct record_lane *lane, size_t *ret_items)
{
    struct record_request *first = lane->first, *request = first;
    size_t n = first->n, bytes = first->bytes;

    if (lane->n_alone > 0)
        lane->n_alone--;
    else
        while (request->next != NULL && first->work == NULL && request->next->work == NULL &&
               request->next->quiet == first->quiet && n + request->next->n <= BATCH_ITEMS_MAX &&
               bytes + request->next->bytes <= BATCH_BYTES_MAX) {
            request = request->next;
            n += request->n;
            bytes += request->bytes;
        }
    lane->first = request->next;
    if (lane->first == NULL)
        lane->last = &lane->first;
    request->next = NULL;
    *ret_items = n;
    return first;
}

/* The tables of names are the hash's own memory; the names are the batch's. */
static int batch_free(struct batch *b)
{
    HASH_CLEAR(hh, b->keys.table);
    HASH_CLEAR(hh, b->identities.table);
    HASH_CLEAR(hh, b->ids.table);
    return 0;
}

static struct batch *batch_new(struct record_lane *lane)
{
    struct batch *b = mem_new(lane->record, struct batch);
    size_t at = 0;

    talloc_set_destructor(b, batch_free);
    b->record = lane->record;
    b->org_id = lane->org_id;
    b->now_us = clock_now_us();
    b->requests = lane_take(lane, &b->n);
    b->quiet = b->requests->quiet;
    b->work = b->requests->work;
    b->work_arg = b->requests->arg;
    b->items = mem_array(b, const struct record_item *, b->n);
    b->owners = mem_array(b, struct record_request *, b->n);
    b->results = mem_array(b, struct record_result, b->n);
    b->slots = mem_array(b, struct batch_slot *, b->n);
    b->counts = mem_array(b, int64_t, b->n);
    for (struct record_request *r = b->requests; r != NULL; r = r->next) {
        for (size_t i = 0; i < r->n; i++, at++) {
            b->items[at] = &r->items[i];
            b->owners[at] = r;
        }
    }
    batch_settled_before(b);
    batch_name_items(b);
    return b;
}

void lane_start(struct record_lane *lane)
{
    if (lane->busy || lane->first == NULL)
        return;
    lane->busy = true;
    pgtx_begin(lane->record->pool, lane->org_id, batch_begun, batch_ended, batch_new(lane));
}

/* Once a turn of the loop: what its requests brought goes together. */
static void record_prepare_cb(EV_P_ ev_prepare *w, int revents)
{
    struct record *r = w->data;

    (void)loop;
    (void)revents;
    for (struct record_lane *lane = r->lanes; lane != NULL; lane = lane->next) {
        quick_start(lane);
        lane_start(lane);
    }
}

static int record_destroy(struct record *r)
{
    ev_prepare_stop(r->loop, &r->prepare);
    return 0;
}

struct record *record_new(const void *ctx, struct ev_loop *loop, struct pgpool *pool,
                          struct orgs *orgs, void (*recorded)(void *arg, int64_t org_id), void *arg)
{
    struct record *r = mem_new(ctx, struct record);

    r->loop = loop;
    r->pool = pool;
    r->orgs = orgs;
    r->recorded = recorded;
    r->arg = arg;
    ev_prepare_init(&r->prepare, record_prepare_cb);
    r->prepare.data = r;
    ev_prepare_start(loop, &r->prepare);
    talloc_set_destructor(r, record_destroy);
    return r;
}

void record_secret(struct record *r, const char *secret)
{
    r->secret = secret;
}

static struct record_request *request_new(struct record *r, int64_t org_id,
                                          const struct record_item *items, size_t n, record_fn *fn,
                                          void *arg)
{
    struct record_request *request = mem_new(r, struct record_request);

    request->org_id = org_id;
    request->items = items;
    request->n = n;
    for (size_t i = 0; i < n; i++)
        request->bytes += facts_bytes(&items[i]);
    request->quiet = n > 0 && items[0].quiet;
    request->fn = fn;
    request->arg = arg;
    return request;
}

void record_items(struct record *r, int64_t org_id, const struct record_item *items, size_t n,
                  bool all_or_nothing, record_fn *fn, void *arg)
{
    struct record_lane *lane = record_lane(r, org_id);
    struct record_request *request = request_new(r, org_id, items, n, fn, arg);

    request->all_or_nothing = all_or_nothing;
    if (!quick_add(lane, request))
        lane_append(lane, request);
}

void record_block(struct record *r, int64_t org_id, const struct record_item *items, size_t n,
                  const struct record_work *work, record_fn *fn, void *arg)
{
    struct record_request *request = request_new(r, org_id, items, n, fn, arg);

    request->work = work;
    lane_append(record_lane(r, org_id), request);
}
