/* scoring.c - see scoring.h. */
#include "daemon/evaluate/scoring.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>

struct scoring {
    struct scoring_job job;
    struct scoring_result result;
    struct pgtx *tx;
    scoring_fn *done;
    void *arg;
};

static void scoring_ended(void *arg, bool committed, const struct pgres *error)
{
    struct scoring *s = arg;

    if (committed)
        log_info("rfm", "model scored",
                 "org=%" PRId64 " model=%" PRId64 " contacts=%" PRId64 " relabelled=%" PRId64,
                 s->job.org_id, s->job.model_id, s->result.scored, s->result.relabelled);
    s->done(s->arg, committed ? &s->result : NULL, error);
    talloc_free(s);
}

static void scoring_on_scored(void *arg, const struct pgres *res)
{
    struct scoring *s = arg;

    if (!pgres_ok(res))
        return;
    if (pgres_int(res, 0, "kept") == 0) {
        pgtx_rollback(s->tx);
        return;
    }
    s->result.scored = pgres_int(res, 0, "scored");
    s->result.relabelled = pgres_int(res, 0, "relabelled");
    pgtx_commit_soon(s->tx);
}

static void scoring_begun(void *arg, struct pgtx *tx)
{
    struct scoring *s = arg;
    struct pgargs args;
    int64_t unit = 1;

    for (int i = 0; i < s->job.currency_digits; i++)
        unit *= 10;
    s->tx = tx;
    pgtx_unhurried(tx);
    pgargs_init(&args, s);
    pgargs_int(&args, s->job.org_id);
    pgargs_int(&args, s->job.model_id);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, unit);
    pgargs_bool(&args, s->job.quiet);
    pgargs_bool(&args, s->job.is_read);
    pgtx_query(tx, Q_RFM_SCORE_ALL, &args, scoring_on_scored, s);
}

void scoring_start(const void *ctx, struct pgpool *pool, const struct scoring_job *job,
                   scoring_fn *done, void *arg)
{
    struct scoring *s = mem_new(ctx, struct scoring);

    s->job = *job;
    s->done = done;
    s->arg = arg;
    pgtx_begin(pool, job->org_id, scoring_begun, scoring_ended, s);
}
