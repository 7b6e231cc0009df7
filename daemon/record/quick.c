/* quick.c - see quick.h.
 *
 * While one statement is under way what arrives waits, and makes the next. Where enough items wait,
 * half of those that are under way, another one goes beside it: it is written while the one before
 * is committed, or by the other CPU. A small statement costs as much as some items more.
 * After a statement that left most of what it was asked, some requests go the long way at once. */
#include "daemon/record/quick.h"

#include "common/clock.h"
#include "common/mem.h"

/* Items of one statement; statements at a time; items that wait before there is more than one. */
#define ITEMS_MAX      2000
#define STATEMENTS_MAX 3
#define ENOUGH         16
#define REST           20

struct quick {
    struct record_lane *lane;
    struct record_request *requests;
    struct record_request **owners; /* of each item that is asked, and its place there */
    size_t *places;
    size_t n;
    struct pgargs args;
};

/* --- what may go ------------------------------------------------------------------------------ */

static bool is_simple(const struct record_item *item)
{
    const struct record_contact *c = &item->contact;

    return item->kind != NULL && item->amends == NULL && !item->foreign && c->id == 0 &&
           (c->email == NULL) != (c->external_id == NULL) && !c->returns &&
           json_object_size(c->fields) + json_object_size(c->attrs) + json_array_size(c->emails) +
                   json_array_size(c->phones) + json_array_size(c->tags) +
                   json_array_size(c->groups) + json_array_size(c->consents) ==
               0;
}

bool quick_add(struct record_lane *lane, struct record_request *r)
{
    size_t simple = 0;

    for (size_t i = 0; i < r->n; i++)
        simple += is_simple(&r->items[i]);
    if ((r->all_or_nothing && r->n > 1) || simple * 2 <= r->n)
        return false;
    if (lane->rest > 0) {
        lane->rest--;
        return false;
    }
    *lane->quick_last = r;
    lane->quick_last = &r->next;
    lane->quick_items += r->n;
    return true;
}

static struct record_request *take(struct record_lane *lane)
{
    struct record_request *first = lane->quick_first, *request = first;
    size_t n = first->n, bytes = first->bytes;

    while (request->next != NULL && n + request->next->n <= ITEMS_MAX &&
           bytes + request->next->bytes <= BATCH_BYTES_MAX) {
        request = request->next;
        n += request->n;
        bytes += request->bytes;
    }
    lane->quick_first = request->next;
    if (lane->quick_first == NULL)
        lane->quick_last = &lane->quick_first;
    lane->quick_items -= n;
    request->next = NULL;
    return first;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Its answer, where all of it is known; else it goes the long way. */
static void request_ended(struct record_lane *lane, struct record_request *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->settled != NULL && batch_is_settled(&r->settled[i]))
            continue;
        lane_append(lane, r);
        return;
    }
    r->fn(r->arg, true, r->settled, r->n);
    talloc_free(r);
}

static void told(struct quick *q, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++) {
        size_t at = (size_t)pgres_int(res, row, "ord");
        struct record_request *r = q->owners[at];

        if (r->settled == NULL)
            r->settled = mem_array(r, struct record_result, r->n);
        r->settled[q->places[at]] =
            (struct record_result){.contact_id = pgres_int(res, row, "contact_id"),
                                   .interaction_id = pgres_int(res, row, "id"),
                                   .pointer = ""};
    }
}

/* What was not committed left nothing: it goes the long way, or, where nobody knows, its callers
 * are told so. */
static void on_committed(void *arg, const struct pgres *res)
{
    struct quick *q = arg;
    struct record_lane *lane = q->lane;
    struct record_request *r = q->requests, *next;
    size_t recorded = (size_t)pgres_rows(res);

    lane->n_quick--;
    lane->under_way -= q->n;
    told(q, res);
    if (!pgres_lost(res) && recorded * 2 < q->n)
        lane->rest = REST;
    if (recorded > 0)
        lane->record->recorded(lane->record->arg, lane->org_id);
    talloc_free(q);
    for (; r != NULL; r = next) {
        next = r->next;
        if (pgres_lost(res)) {
            r->fn(r->arg, false, NULL, 0);
            talloc_free(r);
        } else {
            request_ended(lane, r);
        }
    }
    quick_start(lane);
    lane_start(lane);
}

/* --- the statement ---------------------------------------------------------------------------- */

static void send(struct quick *q)
{
    struct pgarray sorts, values;
    struct facts facts;

    pgarray_init(&sorts, q);
    pgarray_init(&values, q);
    facts_init(&facts, q);
    for (size_t i = 0; i < q->n; i++) {
        const struct record_item *item = &q->owners[i]->items[q->places[i]];
        const struct record_contact *c = &item->contact;

        pgarray_text(&sorts, c->email != NULL ? "email" : "external_id");
        pgarray_text(&values, c->email != NULL ? c->email : c->external_id);
        facts_add(&facts, item, item->amount);
    }
    pgargs_init(&q->args, q);
    pgargs_int(&q->args, q->lane->org_id);
    pgargs_array(&q->args, &sorts);
    pgargs_array(&q->args, &values);
    facts_args(&facts, &q->args);
    pgargs_instant(&q->args, clock_now_us());
    pgtx_once(q->lane->record->pool, q->lane->org_id, Q_RECORD_QUICK, &q->args, on_committed, q);
}

static void start(struct record_lane *lane)
{
    struct quick *q = mem_new(lane->record, struct quick);
    size_t most = 0;

    q->lane = lane;
    q->requests = take(lane);
    for (const struct record_request *r = q->requests; r != NULL; r = r->next)
        most += r->n;
    q->owners = mem_array(q, struct record_request *, most);
    q->places = mem_array(q, size_t, most);
    for (struct record_request *r = q->requests; r != NULL; r = r->next)
        for (size_t i = 0; i < r->n; i++)
            if (is_simple(&r->items[i])) {
                q->owners[q->n] = r;
                q->places[q->n++] = i;
            }
    lane->n_quick++;
    lane->under_way += q->n;
    send(q);
}

static bool may_start(const struct record_lane *lane)
{
    if (lane->quick_first == NULL || lane->n_quick == STATEMENTS_MAX)
        return false;
    return lane->n_quick == 0 ||
           (lane->quick_items >= ENOUGH && 2 * lane->quick_items >= lane->under_way);
}

void quick_start(struct record_lane *lane)
{
    while (may_start(lane))
        start(lane);
}
