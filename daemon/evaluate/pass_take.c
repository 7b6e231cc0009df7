/* pass_take.c - what a pass of changes begins with. See pass.h.
 *
 *     change log ──► who is due ──► scores ──► the rules (pass_evaluate()) */
#include "daemon/evaluate/pass.h"

#define WAKES_MAX 1000

static void take_on_scored(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++) {
        int64_t contact_id = pgres_int(res, row, "contact_id");

        pass_touch_all(p, contact_id, "score:");
        if (p->scoring == 0)
            pass_add_wake(p, contact_id, RULESET_SCORES,
                          pgres_null(res, row, "changes_at")
                              ? INT64_MAX
                              : pgres_instant(res, row, "changes_at"),
                          1);
        p->n_relabelled += pgres_int(res, row, "relabelled");
    }
    p->more = p->more || p->n_relabelled > 0; /* those are interactions: for the next pass */
    pass_evaluate(p);
}

static void take_mark_models(struct pass *p)
{
    struct pgargs args;

    pgargs_init(&args, p);
    pgargs_instant(&args, p->now_us);
    pgtx_query(p->tx, Q_RFM_MODELS, &args, pass_mark_models, p);
}

/* The scoring that goes on beside the pass may have read these contacts before what is new of them,
 * and holds the rows that say when a score changes next: they come again when it has ended. */
static void take_again(struct pass *p)
{
    struct pgarray kinds;
    struct pgargs args;

    pgarray_init(&kinds, p);
    for (size_t i = 0; i < p->n_quiet_kinds; i++)
        pgarray_int(&kinds, p->quiet_kinds[i]);
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pass_ids_args(p, &p->scored, &args);
    pass_quiet_args(p, &args);
    pgargs_array(&args, &kinds);
    pgargs_int(&args, p->contacts[0].id);
    pgtx_query(p->tx, Q_CHANGE_SCORE_AGAIN, &args, NULL, NULL);
}

static void take_score(struct pass *p)
{
    struct pgargs args;

    if (p->n_contacts == 0) {
        pgtx_commit_soon(p->tx);
        return;
    }
    for (size_t i = 0; i < p->whole.n; i++)
        pass_ids_add(p, &p->scored, p->whole.ids[i]);
    pass_ids_sort(&p->scored);
    if (p->n_quiet_kinds > 0 && p->scoring == 0)
        take_mark_models(p);
    if (p->scoring != 0 && (p->scored.n > 0 || p->n_quiet_kinds > 0))
        take_again(p);
    if (p->scored.n == 0) {
        pass_evaluate(p);
        return;
    }
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pass_ids_args(p, &p->scored, &args);
    pgargs_instant(&args, p->now_us);
    pass_quiet_args(p, &args);
    pgargs_int(&args, p->scoring);
    pgtx_query(p->tx, Q_RFM_SCORE_SOME, &args, take_on_scored, p);
}

static void take_on_wakes(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    if (p->unknown_kind != 0) {
        pgtx_rollback(p->tx);
        return;
    }
    for (int row = 0; row < pgres_rows(res); row++)
        pass_take_wake(p, pgres_int(res, row, "contact_id"), (int32_t)pgres_int(res, row, "part"));
    p->more = p->more || pgres_rows(res) >= WAKES_MAX;
    take_score(p);
}

static void take_on_changes(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        pass_take_change(p, res, row);
    p->more = pgres_rows(res) == p->most || (p->half != PASS_EVERYBODY && pgres_rows(res) > 0);
}

void pass_take(struct pass *p)
{
    struct pgargs args;

    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pgargs_int(&args, p->most);
    pgargs_int(&args, p->half);
    pgargs_bool(&args, p->scoring != 0);
    pgtx_query(p->tx, Q_CHANGE_TAKE, &args, take_on_changes, p);
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pgargs_instant(&args, p->now_us);
    pgargs_int(&args, WAKES_MAX);
    pgargs_int(&args, p->half);
    pgargs_bool(&args, p->scoring != 0);
    pgtx_query(p->tx, Q_WAKE_TAKE, &args, take_on_wakes, p);
}
