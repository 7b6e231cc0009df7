/* lease.c - from the queue to the workers: one lease statement at a time for each sort of job.
 *
 *     idle ──wanted and credit──► asks which organisation and class has jobs ──► leases for one
 * worker ──► reads the templates that it lacks ▲ │ └───────────────────────────────── templates and
 * jobs are sent ◄─────────────────────────────────────────────┘
 *
 * The lowest class goes first, so that a campaign never delays a thank-you. A lease whose answer is
 * lost, or whose worker went away meanwhile, is given back. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/dispatch/hand.h"

#include <inttypes.h>
#include <string.h>

#define LEASE_MAX 500
/* Bytes of the texts in one message of jobs, and of those in one job. As JSON in JSON they may grow
 * to the double; BUS_MESSAGE_MAX is above both together. */
#define JOBS_BYTES ((size_t)4 << 20)
#define JOB_BYTES  ((size_t)8 << 20)

static const char *const sorts[] = {"mail", "hook"};

/* One turn. */
struct lease {
    struct dispatch *dispatch;
    int sort;
    int64_t org_id, class, session;
    int64_t *ids;  /* the leases that were made */
    size_t *bytes; /* of the texts of each */
    size_t n;
    json_t *jobs;     /* for the worker. Owned. */
    int64_t *lacking; /* template versions */
    size_t n_lacking;
};

static int lease_destroy(struct lease *l)
{
    json_decref(l->jobs);
    return 0;
}

static struct hand *hand_with_credit(struct dispatch *d, const char *sort)
{
    struct hand *best = NULL;

    for (struct hand *h = d->hands; h != NULL; h = h->next)
        if (h->state == HAND_ready && strcmp(h->sort, sort) == 0 && h->credit > 0 &&
            (best == NULL || h->credit > best->credit))
            best = h;
    return best;
}

static void lease_end(struct lease *l, bool more)
{
    struct dispatch *d = l->dispatch;
    int sort = l->sort;

    talloc_free(l);
    d->asking[sort] = false;
    d->wanted[sort] = d->wanted[sort] || more;
    lease_pump(d);
}

/* Those from `first` on never reached a worker. */
static void lease_give_back(struct lease *l, size_t first)
{
    struct pgarray ids;
    struct pgargs args;

    pgarray_init(&ids, l);
    for (size_t i = first; i < l->n; i++)
        pgarray_int(&ids, l->ids[i]);
    pgargs_init(&args, l);
    pgargs_array(&args, &ids);
    pgargs_instant(&args, clock_now_us());
    l->dispatch->released += l->n - first;
    pgpool_query(l->dispatch->pool, l->org_id, Q_LEASE_GIVE_BACK, &args, NULL, NULL);
}

/* Nobody can be told of a job so large: it fails, where it would come back for ever. */
static void lease_refuse(struct lease *l, size_t i)
{
    log_warning("lease", "job too large", "org=%" PRId64 " lease=%" PRId64 " bytes=%zu", l->org_id,
                l->ids[i], l->bytes[i]);
    result_own(l->dispatch, l->org_id, &l->ids[i], 1, "failed", "its data is too large to send");
}

/* One message with the jobs from *first on, as many as fit; false where it cannot be sent. */
static bool lease_send_some(struct lease *l, struct hand *hand, size_t *first)
{
    json_t *items = json_array();
    size_t bytes = 0, next = *first;
    int64_t n;

    for (; next < l->n && bytes < JOBS_BYTES; next++) {
        if (l->bytes[next] > JOB_BYTES) {
            lease_refuse(l, next);
            continue;
        }
        bytes += l->bytes[next];
        json_array_append(items, json_array_get(l->jobs, next));
    }
    n = (int64_t)json_array_size(items);
    if (n == 0)
        json_decref(items);
    else if (!hand_send(hand, BUS_jobs, json_pack("{s:o}", "items", items)))
        return false;
    hand->credit -= n;
    hand->sent += n;
    l->dispatch->leased += (uint64_t)n;
    *first = next;
    return true;
}

static void lease_send(struct lease *l)
{
    struct hand *hand = hand_by_session(l->dispatch, l->session);
    size_t first = 0;

    while (hand != NULL && first < l->n && lease_send_some(l, hand, &first))
        ;
    if (first < l->n)
        lease_give_back(l, first);
    lease_end(l, true);
}

/* --- templates ---------------------------------------------------------------------------------
 */

static bool hand_has_template(const struct hand *hand, int64_t id)
{
    for (size_t i = 0; i < hand->n_templates; i++)
        if (hand->templates[i] == id)
            return true;
    return false;
}

static void send_template(struct hand *hand, const struct pgres *res, int row)
{
    int64_t id = pgres_int(res, row, "id");

    if (!hand_send(hand, BUS_template,
                   json_pack("{s:I, s:s, s:s, s:s, s:s}", "id", (json_int_t)id, "language",
                             pgres_text(res, row, "language"), "subject",
                             pgres_text(res, row, "subject"), "html", pgres_text(res, row, "html"),
                             "text", pgres_text(res, row, "text"))))
        return;
    mem_grow(hand, &hand->templates, &hand->cap_templates, hand->n_templates + 1);
    hand->templates[hand->n_templates++] = id;
}

static void lease_on_templates(void *arg, const struct pgres *res)
{
    struct lease *l = arg;
    struct hand *hand = hand_by_session(l->dispatch, l->session);

    if (!pgres_ok(res)) {
        lease_give_back(l, 0);
        lease_end(l, false);
        return;
    }
    for (int row = 0; hand != NULL && row < pgres_rows(res); row++)
        send_template(hand, res, row);
    lease_send(l);
}

static void lease_templates(struct lease *l)
{
    struct pgarray ids;
    struct pgargs args;

    if (l->n_lacking == 0) {
        lease_send(l);
        return;
    }
    pgarray_init(&ids, l);
    for (size_t i = 0; i < l->n_lacking; i++)
        pgarray_int(&ids, l->lacking[i]);
    pgargs_init(&args, l);
    pgargs_array(&args, &ids);
    pgpool_query(l->dispatch->pool, l->org_id, Q_TEMPLATE_TEXTS, &args, lease_on_templates, l);
}

/* --- the lease
 * ------------------------------------------------------------------------------------- */

static void lease_note_template(struct lease *l, const struct hand *hand, int64_t id)
{
    if (hand == NULL || hand_has_template(hand, id))
        return;
    for (size_t i = 0; i < l->n_lacking; i++)
        if (l->lacking[i] == id)
            return;
    l->lacking[l->n_lacking++] = id;
}

static size_t text_bytes(const struct pgres *res, int row, const char *column)
{
    const char *text = pgres_text(res, row, column);

    return text == NULL ? 0 : strlen(text);
}

struct lease_rows {
    struct lease *lease;
    const struct pgres *res;
};

static void lease_rows_on_org(void *arg, const struct org *org)
{
    struct lease_rows *rows = arg;
    struct lease *l = rows->lease;
    const struct pgres *res = rows->res;
    const struct hand *hand = hand_by_session(l->dispatch, l->session);

    if (org == NULL)
        return;
    l->jobs = json_array();
    for (int row = 0; row < pgres_rows(res); row++) {
        json_array_append_new(l->jobs, l->sort == 0 ? letter_mail(l->dispatch, org, res, row)
                                                    : letter_hook(org, res, row));
        if (l->sort == 0)
            lease_note_template(l, hand, pgres_int(res, row, "template_version_id"));
    }
}

static void lease_on_leased(void *arg, const struct pgres *res)
{
    struct lease *l = arg;
    struct lease_rows rows = {.lease = l, .res = res};
    struct hand *hand;

    if (!pgres_ok(res)) {
        if (!pgres_lost(res))
            log_error("lease", "refused by the database", "why=%s", log_value(pgres_message(res)));
        /* It may have been made: the worker's next hello tells that it has none of them. */
        hand = hand_by_session(l->dispatch, l->session);
        if (hand != NULL && pgres_lost(res))
            hand_drop(hand, true);
        lease_end(l, false);
        return;
    }
    l->n = (size_t)pgres_rows(res);
    l->ids = mem_array(l, int64_t, l->n);
    l->lacking = mem_array(l, int64_t, l->n);
    l->bytes = mem_array(l, size_t, l->n);
    for (size_t i = 0; i < l->n; i++) {
        l->ids[i] = pgres_int(res, (int)i, "lease");
        l->bytes[i] = text_bytes(res, (int)i, "contact") + text_bytes(res, (int)i, "interaction") +
                      text_bytes(res, (int)i, "data");
    }
    /* The organisation is in memory: it was asked for before the lease. */
    orgs_get_now(l->dispatch->orgs, l->org_id, lease_rows_on_org, &rows);
    if (l->n == 0)
        lease_end(l, true);
    else if (l->jobs == NULL) {
        lease_give_back(l, 0);
        lease_end(l, false);
    } else {
        lease_templates(l);
    }
}

static void lease_on_org(void *arg, const struct org *org)
{
    struct lease *l = arg;
    struct dispatch *d = l->dispatch;
    struct hand *hand = hand_with_credit(d, sorts[l->sort]);
    struct pgargs args;

    if (org == NULL || hand == NULL) {
        lease_end(l, false);
        return;
    }
    l->session = hand->session;
    pgargs_init(&args, l);
    pgargs_int(&args, l->org_id);
    pgargs_text(&args, sorts[l->sort]);
    pgargs_int(&args, l->class);
    pgargs_int(&args, hand->credit < LEASE_MAX ? hand->credit : LEASE_MAX);
    pgargs_instant(&args, clock_now_us());
    pgargs_text(&args, hand->name);
    pgargs_instant(&args, clock_real_us() + settings_int(d->settings, "bus.lease"));
    pgargs_int(&args, org->catalogue.currency_digits);
    pgpool_query(d->pool, l->org_id, Q_JOB_LEASE, &args, lease_on_leased, l);
}

static void lease_on_waiting(void *arg, const struct pgres *res)
{
    struct lease *l = arg;

    if (pgres_rows(res) == 0) {
        lease_end(l, false);
        return;
    }
    l->org_id = pgres_int(res, 0, "org_id");
    l->class = pgres_int(res, 0, "class");
    orgs_get(l->dispatch->orgs, l->org_id, lease_on_org, l);
}

static void lease_start(struct dispatch *d, int sort)
{
    struct lease *l = mem_new(d, struct lease);
    struct pgargs args;

    l->dispatch = d;
    l->sort = sort;
    talloc_set_destructor(l, lease_destroy);
    d->asking[sort] = true;
    d->wanted[sort] = false;
    pgargs_init(&args, l);
    pgargs_instant(&args, clock_now_us());
    pgargs_text(&args, sorts[sort]);
    pgpool_query(d->pool, 0, Q_JOBS_WAITING, &args, lease_on_waiting, l);
}

void lease_pump(struct dispatch *d)
{
    for (int sort = 0; sort < 2; sort++)
        if (d->wanted[sort] && !d->asking[sort] && hand_with_credit(d, sorts[sort]) != NULL)
            lease_start(d, sort);
}

/* --- leases that run out
 * -------------------------------------------------------------------------------- */

struct expiry {
    struct dispatch *dispatch;
    int64_t org_id;
};

static void lease_on_expired(void *arg, const struct pgres *res)
{
    struct expiry *x = arg;
    size_t n = (size_t)pgres_rows(res);
    int64_t *leases = mem_array(x, int64_t, n);

    for (size_t i = 0; i < n; i++)
        leases[i] = pgres_int(res, (int)i, "lease");
    if (n > 0) {
        log_warning("lease", "ran out", "org=%" PRId64 " jobs=%zu", x->org_id, n);
        result_own(x->dispatch, x->org_id, leases, n, "uncertain", "its worker did not come back");
    }
    talloc_free(x);
}

static void lease_on_run_out(void *arg, const struct pgres *res)
{
    struct dispatch *d = arg;

    for (int row = 0; row < pgres_rows(res); row++) {
        struct expiry *x = mem_new(d, struct expiry);
        struct pgargs args;

        x->dispatch = d;
        x->org_id = pgres_int(res, row, "org_id");
        pgargs_init(&args, x);
        pgargs_instant(&args, clock_real_us());
        pgpool_query(d->pool, x->org_id, Q_LEASE_EXPIRED, &args, lease_on_expired, x);
    }
}

void lease_expire(struct dispatch *d)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_real_us());
    pgpool_query(d->pool, 0, Q_LEASES_RUN_OUT, &args, lease_on_run_out, d);
}

/* --- leases of those who live
 * ------------------------------------------------------------------------------ */

struct renewal {
    struct dispatch *dispatch;
    const char *worker;
    int64_t until_us;
};

static void lease_on_held(void *arg, const struct pgres *res)
{
    struct renewal *renewal = arg;

    for (int row = 0; row < pgres_rows(res); row++) {
        struct pgargs args;

        pgargs_init(&args, renewal);
        pgargs_text(&args, renewal->worker);
        pgargs_instant(&args, renewal->until_us);
        pgpool_query(renewal->dispatch->pool, pgres_int(res, row, "org_id"), Q_LEASE_RENEW, &args,
                     NULL, NULL);
    }
    talloc_free(renewal);
}

void lease_renew(struct dispatch *d)
{
    for (struct hand *hand = d->hands; hand != NULL; hand = hand->next) {
        struct renewal *renewal = mem_new(d, struct renewal);
        struct pgargs args;

        renewal->dispatch = d;
        renewal->worker = mem_strdup(renewal, hand->name);
        renewal->until_us = clock_real_us() + settings_int(d->settings, "bus.lease");
        pgargs_init(&args, renewal);
        pgargs_text(&args, hand->name);
        pgpool_query(d->pool, 0, Q_LEASES_HELD, &args, lease_on_held, renewal);
    }
}
