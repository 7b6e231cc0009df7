/* campaign.c - campaigns under way, each taken one step on by a batch.
 *
 *     scheduled   its time comes: its audience is fixed in one transaction  -> expanding
 *     expanding   1,000 of the audience become jobs, if few wait;
 *                 after the last of them                                    -> running
 *     running     nothing to do until its last job is gone                  -> finished
 *
 * Each step names the state and the place that it expects, so killing lazod anywhere loses nothing
 * and makes nothing twice. A paused campaign is not looked at. */
#include "daemon/decide/campaign.h"
#include "daemon/decide/batch.h"
#include "daemon/decide/verdict.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK_CONTACTS 1000
#define QUEUED_MAX     5000
#define AUDIENCE_BLOCK 5000

struct campaign {
    int64_t id, expanded_to, queued;
    enum campaign_state state;
    const char *rule; /* NULL: a segment */
    bool ready;
};

struct campaign_batch {
    struct batch_env env;
    struct batch_end end;
    int64_t now_us;
    struct campaign *campaigns;
    size_t n_campaigns, next;
    const struct campaign *campaign; /* the one in hand */
    struct pgtx *tx;                 /* while its audience is fixed */
    const struct rule_sql *search;
    batch_fn *fn;
    void *arg;
};

static void campaign_next(struct campaign_batch *b);

/* True where the query failed; then the batch goes on with the next campaign. */
static bool campaign_failed(struct campaign_batch *b, const struct pgres *res)
{
    if (pgres_ok(res))
        return false;
    batch_failed(&b->env, "campaign", res);
    b->end.ok = false;
    campaign_next(b);
    return true;
}

/* --- changing the state ------------------------------------------------------ */

static void add_move(struct pgargs *args, const struct campaign_batch *b, enum campaign_state to)
{
    const struct campaign *c = b->campaign;

    if (!campaign_may_move(c->state, to))
        bug("a campaign cannot go from %s to %s", campaign_state_name(c->state),
            campaign_state_name(to));
    log_info("campaign", campaign_state_name(to), "org=%" PRId64 " campaign=%" PRId64 " was=%s",
             b->env.org_id, c->id, campaign_state_name(c->state));
    pgargs_int(args, c->id);
    pgargs_text(args, campaign_state_name(c->state));
    pgargs_text(args, campaign_state_name(to));
    pgargs_instant(args, b->now_us);
}

static void campaign_on_moved(void *arg, const struct pgres *res)
{
    struct campaign_batch *b = arg;

    if (!campaign_failed(b, res))
        campaign_next(b);
}

static void campaign_move(struct campaign_batch *b, enum campaign_state to)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    add_move(&args, b, to);
    pgpool_query(b->env.pool, b->env.org_id, Q_DECIDE_CAMPAIGN_MOVE, &args, campaign_on_moved, b);
}

/* --- scheduled: the audience ------------------------------------------------- */

static void audience_on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct campaign_batch *b = arg;

    b->tx = NULL;
    if (committed) {
        b->end.more = true;
    } else if (error != NULL) {
        batch_failed(&b->env, "audience", error);
        b->end.ok = false;
    }
    campaign_next(b);
}

/* Somebody else moved it: nothing of ours stays. */
static void audience_on_moved(void *arg, const struct pgres *res)
{
    struct campaign_batch *b = arg;

    if (!pgres_ok(res))
        return;
    if (pgres_rows(res) == 1)
        pgtx_commit(b->tx);
    else
        pgtx_rollback(b->tx);
}

static void audience_is_complete(struct campaign_batch *b)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    add_move(&args, b, CAMPAIGN_expanding);
    pgtx_query(b->tx, Q_DECIDE_CAMPAIGN_MOVE, &args, audience_on_moved, b);
}

static void audience_search(struct campaign_batch *b, int64_t after);

static void audience_on_found(void *arg, const struct pgres *res)
{
    struct campaign_batch *b = arg;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray contacts;
    struct pgargs args;
    int rows;

    if (!pgres_ok(res))
        return;
    rows = pgres_rows(res);
    pgargs_init(&args, scratch);
    pgargs_int(&args, b->campaign->id);
    pgarray_init(&contacts, scratch);
    for (int i = 0; i < rows; i++)
        pgarray_int(&contacts, pgres_int(res, i, "contact_id"));
    pgargs_array(&args, &contacts);
    if (rows > 0)
        pgtx_query(b->tx, Q_DECIDE_AUDIENCE_ADD, &args, NULL, NULL);
    if (rows == AUDIENCE_BLOCK)
        audience_search(b, pgres_int(res, rows - 1, "contact_id"));
    else
        audience_is_complete(b);
}

static void audience_search(struct campaign_batch *b, int64_t after)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, after);
    pgargs_instant(&args, b->now_us);
    pgargs_int(&args, AUDIENCE_BLOCK);
    verdict_params(&args, b->search);
    pgtx_query_sql(b->tx, b->search->text, &args, audience_on_found, b);
}

static void audience_on_begun(void *arg, struct pgtx *tx)
{
    struct campaign_batch *b = arg;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    b->tx = tx;
    if (b->search != NULL) {
        audience_search(b, 0);
        return;
    }
    pgargs_init(&args, scratch);
    pgargs_int(&args, b->campaign->id);
    pgtx_query(tx, Q_DECIDE_AUDIENCE_SEGMENT, &args, NULL, NULL);
    audience_is_complete(b);
}

/* The search for the campaign's rule; NULL where it is none any more. */
static const struct rule_sql *compile_search(struct campaign_batch *b)
{
    const struct campaign *c = b->campaign;
    struct rule *rule;
    struct diag d;

    diag_init(&d, b);
    rule = rule_parse(b, c->rule, strlen(c->rule), &d);
    if (rule != NULL && rule_check(rule, &b->env.plan->catalogue, &d, NULL))
        return rule_compile_search(b, rule, &b->env.plan->catalogue);
    log_error("campaign", "its rule cannot be read", "org=%" PRId64 " campaign=%" PRId64 " why=%s",
              b->env.org_id, c->id, log_value(diag_any(&d) ? d.items[0].message : ""));
    return NULL;
}

static void campaign_start(struct campaign_batch *b)
{
    const struct campaign *c = b->campaign;

    b->search = c->rule == NULL ? NULL : compile_search(b);
    if (c->rule != NULL && b->search == NULL)
        campaign_move(b, CAMPAIGN_paused);
    else
        pgtx_begin(b->env.pool, b->env.org_id, audience_on_begun, audience_on_ended, b);
}

/* --- expanding: a block of jobs ---------------------------------------------- */

static void campaign_on_block(void *arg, const struct pgres *res)
{
    struct campaign_batch *b = arg;
    int64_t block, moved, jobs;

    if (campaign_failed(b, res))
        return;
    block = pgres_int(res, 0, "block");
    moved = pgres_int(res, 0, "moved");
    jobs = pgres_int(res, 0, "jobs");
    if (block == 0) {
        campaign_move(b, CAMPAIGN_running);
        return;
    }
    b->env.counts->campaign_blocks += (uint64_t)moved;
    b->env.counts->jobs += (uint64_t)jobs;
    b->end.jobs = b->end.jobs || jobs > 0;
    b->end.more = b->end.more || moved > 0;
    campaign_next(b);
}

static void campaign_expand(struct campaign_batch *b)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, b->campaign->id);
    pgargs_int(&args, b->campaign->expanded_to);
    pgargs_int(&args, BLOCK_CONTACTS);
    pgargs_instant(&args, b->now_us);
    pgpool_query(b->env.pool, b->env.org_id, Q_DECIDE_CAMPAIGN_BLOCK, &args, campaign_on_block, b);
}

/* --- the batch --------------------------------------------------------------- */

static void campaign_done(struct campaign_batch *b)
{
    struct batch_end end = b->end;
    batch_fn *fn = b->fn;
    void *arg = b->arg;

    talloc_free(b);
    fn(arg, &end);
}

/* Takes the next campaign that has something to do one step on. */
static void campaign_next(struct campaign_batch *b)
{
    while (b->next < b->n_campaigns) {
        const struct campaign *c = b->campaign = &b->campaigns[b->next++];

        if (c->state == CAMPAIGN_scheduled && c->ready) {
            campaign_start(b);
            return;
        }
        if (c->state == CAMPAIGN_expanding && c->queued < QUEUED_MAX) {
            campaign_expand(b);
            return;
        }
        if (c->state == CAMPAIGN_running && c->queued == 0) {
            campaign_move(b, CAMPAIGN_finished);
            return;
        }
    }
    campaign_done(b);
}

static void campaigns_on_due(void *arg, const struct pgres *res)
{
    struct campaign_batch *b = arg;

    if (!pgres_ok(res)) {
        batch_failed(&b->env, "campaigns", res);
        b->end.ok = false;
        campaign_done(b);
        return;
    }
    b->n_campaigns = (size_t)pgres_rows(res);
    b->campaigns = mem_array(b, struct campaign, b->n_campaigns);
    for (size_t i = 0; i < b->n_campaigns; i++) {
        struct campaign *c = &b->campaigns[i];
        const char *rule = pgres_text(res, (int)i, "rule"),
                   *state = pgres_text(res, (int)i, "state");

        c->id = pgres_int(res, (int)i, "id");
        c->expanded_to = pgres_int(res, (int)i, "expanded_to");
        c->queued = pgres_int(res, (int)i, "queued");
        c->ready = pgres_bool(res, (int)i, "ready");
        c->rule = rule == NULL ? NULL : mem_strdup(b, rule);
        if (!campaign_state_parse(state, &c->state))
            bug("a campaign is %s", state);
    }
    campaign_next(b);
}

void campaign_batch(const void *ctx, const struct batch_env *env, batch_fn *fn, void *arg)
{
    struct campaign_batch *b = mem_new(ctx, struct campaign_batch);
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    b->env = *env;
    b->end.ok = true;
    b->now_us = clock_now_us();
    b->fn = fn;
    b->arg = arg;
    pgargs_init(&args, scratch);
    pgargs_instant(&args, b->now_us);
    pgargs_int(&args, QUEUED_MAX);
    pgpool_query(env->pool, env->org_id, Q_DECIDE_CAMPAIGNS_DUE, &args, campaigns_on_due, b);
}
