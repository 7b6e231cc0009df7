/* audit.c - see audit.h.
 *
 *     waiting ──at rest──► segments, part by part, block by block ──► scores, block by block ──┐
 *        ▲                                                                                    │
 *        ├──── second look, where something differs ◄─────────────────────────────────────────┤
 *        └──── after mending ◄──── mend ◄─────────────────────────────────────────────────────┘
 *                                                                                     report
 */
#include "daemon/evaluate/audit.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/evaluate/ruleset.h"

#include <string.h>

#define BLOCK_CONTACTS 5000
#define LISTED_MAX     1000
#define REST_TRIES     300
#define REST_S         0.1

struct audit {
    struct audit_options o;
    audit_fn *done;
    void *arg;
    ev_timer pause;
    int tries;    /* looks at whether the instance rests */
    bool waiting; /* it did not */
    bool again;   /* this is the second look */
    bool mending; /* mended: this is what is left */
    int64_t mended;
    struct ruleset *rules;
    size_t part;
    int64_t after;
    int64_t contacts, found;
    size_t models;
    json_t *differences, *unreadable;
    json_t *crowded;     /* names of segments and models of which more differ than are listed */
    int64_t first_found; /* before mending */
    json_t *first;
};

static void audit_wait(struct audit *a);
static void audit_block(struct audit *a);

static int audit_destroy(struct audit *a)
{
    ev_timer_stop(a->o.loop, &a->pause);
    json_decref(a->differences);
    json_decref(a->unreadable);
    json_decref(a->crowded);
    json_decref(a->first);
    return 0;
}

static void audit_failed(struct audit *a, const struct pgres *res)
{
    a->done(a->arg, NULL, res);
}

/* --- the end -------------------------------------------------------------------------------------
 */

static void audit_report(struct audit *a)
{
    char now[CLOCK_TEXT];
    json_t *report;

    report = mem_must(json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:O, s:b, s:O}", "now", clock_format(clock_now_us(), now),
        "contacts", (json_int_t)a->contacts, "segments",
        (json_int_t)(a->o.segments ? a->rules->n_segments : 0), "models", (json_int_t)a->models,
        "count", (json_int_t)(a->mending ? a->first_found : a->found), "differences",
        a->mending ? a->first : a->differences, "waiting", a->waiting, "unreadable",
        a->unreadable));
    if (a->o.repair) {
        json_object_set_new(report, "mended", json_integer(a->mended));
        json_object_set_new(report, "left", json_integer(a->found));
    }
    a->done(a->arg, report, NULL);
    json_decref(report);
}

static void audit_on_mended(void *arg, const struct pgres *res)
{
    struct audit *a = arg;

    if (!pgres_ok(res)) {
        audit_failed(a, res);
        return;
    }
    a->mended = pgres_int(res, 0, "mended");
    a->mending = true;
    a->again = false;
    a->first = json_incref(a->differences);
    a->first_found = a->found;
    audit_wait(a);
}

/* Contacts that are listed are evaluated anew; what has more differences than that, in full. */
static void audit_mend(struct audit *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray contacts, segments, models;
    struct pgargs args;
    const char *name;
    json_t *item;
    size_t i;

    pgarray_init(&contacts, scratch);
    pgarray_init(&segments, scratch);
    pgarray_init(&models, scratch);
    json_array_foreach(a->differences, i, item)
        pgarray_int(&contacts, json_integer_value(json_object_get(item, "contact")));
    json_object_foreach(a->crowded, name, item)
        pgarray_text(strcmp(json_string_value(item), "segment") == 0 ? &segments : &models, name);
    pgargs_init(&args, scratch);
    pgargs_int(&args, a->o.org_id);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &segments);
    pgargs_array(&args, &models);
    pgpool_query(a->o.pool, a->o.org_id, Q_CHECK_MEND, &args, audit_on_mended, a);
}

static void audit_ended(struct audit *a)
{
    if (a->found > 0 && !a->again) {
        a->again = true;
        audit_wait(a);
    } else if (a->found > 0 && a->o.repair && !a->mending) {
        audit_mend(a);
    } else {
        audit_report(a);
    }
}

/* --- blocks --------------------------------------------------------------------------------------
 */

static void audit_take(struct audit *a, const char *differences)
{
    json_t *list = json_loads(differences, 0, NULL), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *sort = json_object_get(item, "segment") != NULL ? "segment" : "model";

        a->found++;
        if (json_array_size(a->differences) < LISTED_MAX)
            json_array_append(a->differences, item);
        else
            json_object_set_new(a->crowded, json_string_value(json_object_get(item, sort)),
                                json_string(sort));
    }
    json_decref(list);
}

/* Scores come after the last part of the rules. */
static void audit_on_block(void *arg, const struct pgres *res)
{
    struct audit *a = arg;
    bool scores = a->part == a->rules->n_statements;
    int64_t seen;

    if (!pgres_ok(res)) {
        audit_failed(a, res);
        return;
    }
    seen = pgres_int(res, 0, "seen");
    audit_take(a, pgres_text(res, 0, "differences"));
    if (a->part == 0 || (scores && !a->o.segments))
        a->contacts += seen;
    a->after = pgres_int(res, 0, "last");
    if (seen == BLOCK_CONTACTS) {
        audit_block(a);
    } else if (scores) {
        audit_ended(a);
    } else {
        a->part++;
        a->after = 0;
        audit_block(a);
    }
}

static void audit_block(struct audit *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, a->after);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, BLOCK_CONTACTS);
    if (a->part < a->rules->n_statements) {
        const struct ruleset_statement *s = &a->rules->statements[a->part];
        const struct rule_sql *sql =
            rule_compile_truth(scratch, s->sql, s->segments, s->n_segments);

        pgargs_params(&args, sql->params, sql->n_params);
        pgpool_query_sql(a->o.pool, a->o.org_id, sql->text, &args, audit_on_block, a);
    } else if (a->o.scores) {
        pgpool_query(a->o.pool, a->o.org_id, Q_CHECK_SCORES, &args, audit_on_block, a);
    } else {
        audit_ended(a);
    }
}

static void audit_on_org(void *arg, const struct org *org)
{
    static const int64_t none[] = {0};
    struct audit *a = arg;
    struct diag d;

    if (org == NULL) {
        audit_failed(a, NULL);
        return;
    }
    talloc_free(a->rules);
    diag_init(&d, a);
    a->rules =
        ruleset_compile(a, &org->catalogue, RULESET_page, a->o.segments ? NULL : none, 0, &d);
    json_array_clear(a->unreadable);
    json_decref(a->differences);
    a->differences = mem_must(json_array());
    json_object_clear(a->crowded);
    for (size_t i = 0; i < d.n; i++)
        json_array_append_new(a->unreadable, json_string(d.items[i].pointer));
    a->models = a->o.scores ? org->catalogue.n_models : 0;
    a->part = 0;
    a->after = a->contacts = a->found = 0;
    audit_block(a);
}

/* --- rest ----------------------------------------------------------------------------------------
 */

static void audit_on_waiting(void *arg, const struct pgres *res)
{
    struct audit *a = arg;

    if (!pgres_ok(res)) {
        audit_failed(a, res);
        return;
    }
    a->waiting =
        pgres_int(res, 0, "changes") + pgres_int(res, 0, "due") + pgres_int(res, 0, "stale") > 0;
    if (a->waiting && ++a->tries < REST_TRIES) {
        a->o.wake(a->o.arg, a->o.org_id);
        ev_timer_set(&a->pause, REST_S, 0.);
        ev_timer_start(a->o.loop, &a->pause);
        return;
    }
    if (a->again)
        orgs_forget(a->o.orgs, a->o.org_id);
    orgs_get(a->o.orgs, a->o.org_id, audit_on_org, a);
}

static void audit_ask_waiting(struct audit *a)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(a->o.pool, a->o.org_id, Q_CHECK_WAITING, &args, audit_on_waiting, a);
}

static void audit_pause_cb(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)revents;
    audit_ask_waiting(w->data);
}

static void audit_wait(struct audit *a)
{
    a->tries = 0;
    ev_timer_set(&a->pause, REST_S, 0.);
    ev_timer_start(a->o.loop, &a->pause);
}

void audit_run(const void *ctx, const struct audit_options *o, audit_fn *done, void *arg)
{
    struct audit *a = mem_new(ctx, struct audit);

    a->o = *o;
    a->done = done;
    a->arg = arg;
    a->differences = mem_must(json_array());
    a->unreadable = mem_must(json_array());
    a->crowded = mem_must(json_object());
    ev_init(&a->pause, audit_pause_cb);
    a->pause.data = a;
    talloc_set_destructor(a, audit_destroy);
    audit_ask_waiting(a);
}
