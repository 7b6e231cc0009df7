/* result.c - results of workers, written in one transaction an organisation, then acknowledged; and
 * mail that the inbox brought.
 *
 * A result names its lease. Leases that are not there (the answer to an earlier ack was lost) are
 * acknowledged and change nothing. What could not be written is not acknowledged: the worker sends
 * it again. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/dispatch/hand.h"

#include <inttypes.h>
#include <string.h>

/* One message of results on its way to disk. */
struct result {
    struct dispatch *dispatch;
    int64_t session;          /* who waits for the ack; 0: nobody */
    json_t *items;            /* owned */
    int64_t *leases, *owners; /* of each item; owner 0: no such lease */
    size_t n;
    int left; /* organisations still to be written */
    bool failed;
};

static int result_destroy(struct result *r)
{
    json_decref(r->items);
    return 0;
}

static void result_finish(struct result *r)
{
    struct hand *hand = hand_by_session(r->dispatch, r->session);
    json_t *leases;

    if (--r->left > 0)
        return;
    if (!r->failed && hand != NULL) {
        leases = json_array();
        for (size_t i = 0; i < r->n; i++)
            json_array_append_new(leases, json_integer(r->leases[i]));
        hand_send(hand, BUS_ack, json_pack("{s:o}", "leases", leases));
    } else if (r->failed && hand != NULL) {
        /* It keeps its results and says hello with them. */
        hand_drop(hand, true);
    }
    talloc_free(r);
}

struct result_part {
    struct result *result;
    int64_t org_id;
};

static void result_on_written(void *arg, const struct pgres *res)
{
    struct result_part *part = arg;
    struct result *r = part->result;
    struct dispatch *d = r->dispatch;

    if (pgres_ok(res)) {
        d->sent += (uint64_t)pgres_int(res, 0, "sent");
        d->failed += (uint64_t)pgres_int(res, 0, "failed");
        d->uncertain += (uint64_t)pgres_int(res, 0, "uncertain");
        d->again += (uint64_t)pgres_int(res, 0, "again");
        d->recorded(d->arg, part->org_id);
    } else {
        r->failed = true;
        if (!pgres_lost(res))
            log_error("result", "cannot be written", "org=%" PRId64 " why=%s", part->org_id,
                      log_value(pgres_message(res)));
    }
    result_finish(r);
}

static const char *item_text(const json_t *item, const char *key)
{
    const char *s = json_string_value(json_object_get(item, key));

    return s == NULL ? "" : s;
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

static void result_write(struct result *r, int64_t org_id)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct result_part *part = mem_new(r, struct result_part);
    const struct settings *s = r->dispatch->settings;
    struct pgarray leases, states, statuses, codes, hards, gones;
    struct pgargs args;

    pgarray_init(&leases, scratch);
    pgarray_init(&states, scratch);
    pgarray_init(&statuses, scratch);
    pgarray_init(&codes, scratch);
    pgarray_init(&hards, scratch);
    pgarray_init(&gones, scratch);
    for (size_t i = 0; i < r->n; i++) {
        const json_t *item = json_array_get(r->items, i);

        if (r->owners[i] != org_id)
            continue;
        pgarray_int(&leases, r->leases[i]);
        pgarray_text(&states, item_state(item));
        pgarray_text(&statuses, mem_strndup(scratch, item_text(item, "status"), 500));
        pgarray_text(&codes, mem_strndup(scratch, item_text(item, "code"), 20));
        pgarray_bool(&hards, json_is_true(json_object_get(item, "hard")));
        pgarray_bool(&gones, json_is_true(json_object_get(item, "gone")));
    }
    part->result = r;
    part->org_id = org_id;
    pgargs_init(&args, scratch);
    pgargs_int(&args, org_id);
    pgargs_array(&args, &leases);
    pgargs_array(&args, &states);
    pgargs_array(&args, &statuses);
    pgargs_array(&args, &codes);
    pgargs_array(&args, &hards);
    pgargs_array(&args, &gones);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, settings_int(s, "mail.retry_first") / CLOCK_SECOND_US);
    pgargs_int(&args, settings_int(s, "mail.give_up") / CLOCK_SECOND_US);
    pgpool_query(r->dispatch->pool, org_id, Q_RESULT_WRITE, &args, result_on_written, part);
}

/* Owners come in order of organisation; each gets one statement. */
static void result_on_owners(void *arg, const struct pgres *res)
{
    struct result *r = arg;
    int64_t last = 0;

    r->failed = !pgres_ok(res);
    r->left = 1;
    for (int row = 0; row < pgres_rows(res); row++)
        for (size_t i = 0; i < r->n; i++)
            if (r->leases[i] == pgres_int(res, row, "lease"))
                r->owners[i] = pgres_int(res, row, "org_id");
    for (int row = 0; row < pgres_rows(res); row++) {
        int64_t org_id = pgres_int(res, row, "org_id");

        if (org_id == last)
            continue;
        last = org_id;
        r->left++;
        result_write(r, org_id);
    }
    result_finish(r);
}

static struct result *result_new(struct dispatch *d, json_t *items, int64_t session)
{
    struct result *r = mem_new(d, struct result);

    r->dispatch = d;
    r->session = session;
    r->items = json_incref(items);
    r->n = json_array_size(items);
    r->leases = mem_array(r, int64_t, r->n);
    r->owners = mem_array(r, int64_t, r->n);
    talloc_set_destructor(r, result_destroy);
    for (size_t i = 0; i < r->n; i++)
        r->leases[i] = json_integer_value(json_object_get(json_array_get(items, i), "lease"));
    return r;
}

void result_take(struct hand *hand, json_t *items)
{
    struct result *r = result_new(hand->dispatch, items, hand->session);
    struct pgarray leases;
    struct pgargs args;

    pgarray_init(&leases, r);
    for (size_t i = 0; i < r->n; i++)
        pgarray_int(&leases, r->leases[i]);
    pgargs_init(&args, r);
    pgargs_array(&args, &leases);
    pgpool_query(hand->dispatch->pool, 0, Q_LEASE_OWNERS, &args, result_on_owners, r);
}

void result_uncertain(struct dispatch *d, int64_t org_id, const int64_t *leases, size_t n)
{
    json_t *items = json_array();
    struct result *r;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(items,
                              json_pack("{s:I, s:s, s:s}", "lease", (json_int_t)leases[i], "state",
                                        "uncertain", "status", "its worker did not come back"));
    r = result_new(d, items, 0);
    json_decref(items);
    for (size_t i = 0; i < n; i++)
        r->owners[i] = org_id;
    r->left = 1;
    result_write(r, org_id);
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
    pgargs_text(&args, mem_strndup(in, item_text(item, "reason"), 400));
    pgargs_instant(&args, clock_now_us());
    pgpool_query(d->pool, in->org_id, Q_MAIL_IN_WRITE, &args, incoming_on_written, in);
}

void mail_in_take(struct hand *hand, json_t *items)
{
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) incoming_take(hand, item);
}
