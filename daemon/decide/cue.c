/* cue.c - interactions that may begin something: a journey, a webhook's call.
 *
 * One transaction: the cues are taken out of their queue; the `where` of each journey and the rule
 * of each webhook that their kinds concern are asked, all at once; then positions and jobs are
 * written. What was older than a journey's `fresh` when it was recorded starts nothing; how long
 * the cue has waited since does not matter. */
#include "daemon/decide/batch.h"
#include "daemon/decide/joblist.h"
#include "daemon/decide/verdict.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

#define CUES_MAX 500
/* So often within an hour what Lazo itself recorded begins one journey for one contact. Journeys
 * whose acts begin each other would go round for ever. */
#define ROUNDS_MAX 24

struct cue {
    int64_t contact_id, interaction_id, occurred_us, recorded_us;
    const char *kind; /* NULL: the interaction is gone */
    const char *segment, *webhook;
    const char *model, *from, *to; /* of label_changed; NULL labels: none */
    bool own;                      /* recorded by a journey, a segment, a delivery */
    bool echo;                     /* a call failed that was about a failed call */
};

struct cue_batch;

/* A journey that some of the cues may start, or a webhook (one of the two) that they may call. */
struct cue_match {
    struct cue_batch *batch;
    const struct plan_journey *journey;
    const struct plan_webhook *webhook;
    bool *holds; /* by index of the cue */
};

struct cue_batch {
    struct batch_env env;
    struct batch_end end;
    struct pgtx *tx;
    int64_t now_us;
    struct cue *cues;
    size_t n_cues;
    struct cue_match *matches;
    size_t n_matches, cap_matches;
    size_t questions; /* asked, not answered */
    batch_fn *fn;
    void *arg;
};

static void cue_write(struct cue_batch *b);

/* --- what matches ------------------------------------------------------------ */

/* As rules compare text: without regard to case. */
static bool label_fits(const char *label, const char *wanted)
{
    return wanted == NULL || (label != NULL && strcasecmp(label, wanted) == 0);
}

static bool cue_starts(const struct cue *cue, const struct journey_def *def)
{
    const struct journey_start *start = &def->start;

    if (cue->kind == NULL || cue->occurred_us < cue->recorded_us - def->fresh_us)
        return false;
    switch (start->kind) {
    case JOURNEY_START_INTERACTION:
        return strcmp(cue->kind, start->name) == 0;
    case JOURNEY_START_SEGMENT_ENTER:
        return strcmp(cue->kind, "segment_entered") == 0 && cue->segment != NULL &&
               strcmp(cue->segment, start->name) == 0;
    case JOURNEY_START_SEGMENT_LEAVE:
        return strcmp(cue->kind, "segment_left") == 0 && cue->segment != NULL &&
               strcmp(cue->segment, start->name) == 0;
    case JOURNEY_START_LABEL:
        return strcmp(cue->kind, "label_changed") == 0 && cue->model != NULL &&
               strcmp(cue->model, start->name) == 0 && label_fits(cue->from, start->from) &&
               label_fits(cue->to, start->to);
    case JOURNEY_START_BIRTHDAY:
    case JOURNEY_START_ANNIVERSARY:
        return false;
    }
    return false;
}

/* A webhook that fails is not told of its own failure, nor anybody that telling of a failure
 * failed: that would never end. */
static bool cue_calls(const struct cue *cue, const struct plan_webhook *w)
{
    size_t i;
    json_t *event;

    if (cue->kind == NULL || cue->echo || !w->enabled || w->broken ||
        (strcmp(cue->kind, "webhook_failed") == 0 && cue->webhook != NULL &&
         strcmp(cue->webhook, w->name) == 0))
        return false;
    json_array_foreach(w->events, i,
                       event) if (json_is_string(event) &&
                                  strcmp(json_string_value(event), cue->kind) == 0) return true;
    return false;
}

/* Notes the match; `holds` is true for the cues that concern it. Nothing is noted where there are
 * none. */
static void match_add(struct cue_batch *b, const struct plan_journey *journey,
                      const struct plan_webhook *webhook)
{
    bool *holds = mem_array(b, bool, b->n_cues);
    bool any = false;

    for (size_t i = 0; i < b->n_cues; i++) {
        holds[i] = journey != NULL ? cue_starts(&b->cues[i], journey->def)
                                   : cue_calls(&b->cues[i], webhook);
        any = any || holds[i];
    }
    if (!any) {
        talloc_free(holds);
        return;
    }
    mem_grow(b, &b->matches, &b->cap_matches, b->n_matches + 1);
    b->matches[b->n_matches++] = (struct cue_match){b, journey, webhook, holds};
}

static void find_matches(struct cue_batch *b)
{
    const struct plan *plan = b->env.plan;

    for (size_t i = 0; i < plan->n_journeys; i++)
        if (plan->journeys[i].current && plan_runs(&plan->journeys[i]))
            match_add(b, &plan->journeys[i], NULL);
    for (size_t i = 0; i < plan->n_webhooks; i++)
        match_add(b, NULL, &plan->webhooks[i]);
}

/* --- conditions -------------------------------------------------------------- */

static void question_answered(struct cue_batch *b)
{
    if (--b->questions == 0)
        cue_write(b);
}

static void match_on_where(void *arg, const struct pgres *res)
{
    struct cue_match *m = arg;
    struct cue_batch *b = m->batch;
    bool *asked = m->holds;

    if (!pgres_ok(res))
        return;
    m->holds = mem_array(b, bool, b->n_cues);
    for (int row = 0; row < pgres_rows(res); row++) {
        int64_t id = pgres_int(res, row, "interaction_id");

        for (size_t i = 0; i < b->n_cues; i++)
            if (b->cues[i].interaction_id == id)
                m->holds[i] = asked[i];
    }
    question_answered(b);
}

static void match_ask_where(struct cue_match *m)
{
    struct cue_batch *b = m->batch;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct rule_sql *sql =
        rule_compile_where(scratch, m->journey->def->start.where, &b->env.plan->catalogue);
    struct pgarray contacts, interactions;
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgarray_init(&contacts, scratch);
    pgarray_init(&interactions, scratch);
    for (size_t i = 0; i < b->n_cues; i++) {
        if (!m->holds[i])
            continue;
        pgarray_int(&contacts, b->cues[i].contact_id);
        pgarray_int(&interactions, b->cues[i].interaction_id);
    }
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &interactions);
    pgargs_instant(&args, b->now_us);
    verdict_params(&args, sql);
    pgtx_query_sql(b->tx, sql->text, &args, match_on_where, m);
}

static void match_on_verdict(void *arg, const struct verdict *v)
{
    struct cue_match *m = arg;
    struct cue_batch *b = m->batch;

    if (v == NULL)
        return;
    for (size_t i = 0; i < b->n_cues; i++)
        m->holds[i] = m->holds[i] && verdict_holds(v, b->cues[i].contact_id);
    question_answered(b);
}

static void match_ask_rule(struct cue_match *m)
{
    struct cue_batch *b = m->batch;
    int64_t *ids = mem_array(b, int64_t, b->n_cues);
    size_t n = 0;

    for (size_t i = 0; i < b->n_cues; i++)
        if (m->holds[i])
            ids[n++] = b->cues[i].contact_id;
    verdict_ask(b, b->tx, m->webhook->rule, &b->env.plan->catalogue, b->now_us, ids, n,
                match_on_verdict, m);
}

static void ask_conditions(struct cue_batch *b)
{
    b->questions = 1; /* ours: so that no answer can end it before all are asked */
    for (size_t i = 0; i < b->n_matches; i++) {
        struct cue_match *m = &b->matches[i];

        if (m->journey != NULL && m->journey->def->start.where != NULL) {
            b->questions++;
            match_ask_where(m);
        } else if (m->webhook != NULL && m->webhook->rule != NULL) {
            b->questions++;
            match_ask_rule(m);
        }
    }
    question_answered(b);
}

/* --- what follows ------------------------------------------------------------ */

struct start_columns {
    struct pgarray journeys, versions, contacts, interactions, entries, gaps, own;
    size_t n;
};

static void start_add(struct start_columns *s, const struct plan_journey *j, const struct cue *cue)
{
    char entry[24];

    snprintf(entry, sizeof(entry), "%" PRId64, cue->interaction_id);
    pgarray_int(&s->journeys, j->id);
    pgarray_int(&s->versions, j->version);
    pgarray_int(&s->contacts, cue->contact_id);
    pgarray_int(&s->interactions, cue->interaction_id);
    pgarray_text(&s->entries, j->def->again == JOURNEY_AGAIN_ONCE ? "once" : entry);
    if (j->def->again == JOURNEY_AGAIN_ALWAYS)
        pgarray_text(&s->gaps, NULL);
    else
        pgarray_int(&s->gaps, j->def->again_days);
    pgarray_bool(&s->own, cue->own);
    s->n++;
}

static const char *journey_name(const struct cue_batch *b, int64_t id)
{
    for (size_t i = 0; i < b->env.plan->n_journeys; i++)
        if (b->env.plan->journeys[i].id == id)
            return b->env.plan->journeys[i].name;
    return "";
}

static void cue_on_started(void *arg, const struct pgres *res)
{
    struct cue_batch *b = arg;

    if (!pgres_ok(res))
        return;
    b->env.counts->starts += (uint64_t)pgres_int(res, 0, "started");
    if (pgres_int(res, 0, "loops") == 0)
        return;
    b->env.counts->loops += (uint64_t)pgres_int(res, 0, "loops");
    log_warning("journey", "goes round",
                "org=%" PRId64 " journey=%s contact=%" PRId64 " not_started=%" PRId64
                " most_an_hour=%d",
                b->env.org_id, log_value(journey_name(b, pgres_int(res, 0, "journey_id"))),
                pgres_int(res, 0, "contact_id"), pgres_int(res, 0, "loops"), ROUNDS_MAX);
}

static void send_starts(struct cue_batch *b)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct start_columns s = {.n = 0};
    struct pgarray *columns[] = {&s.journeys, &s.versions, &s.contacts, &s.interactions,
                                 &s.entries,  &s.gaps,     &s.own};
    struct pgargs args;

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        pgarray_init(columns[i], scratch);
    for (size_t k = 0; k < b->n_matches; k++)
        for (size_t i = 0; i < b->n_cues && b->matches[k].journey != NULL; i++)
            if (b->matches[k].holds[i])
                start_add(&s, b->matches[k].journey, &b->cues[i]);
    if (s.n == 0)
        return;
    pgargs_init(&args, scratch);
    for (size_t i = 0; columns[i] != &s.own; i++)
        pgargs_array(&args, columns[i]);
    pgargs_instant(&args, b->now_us);
    pgargs_array(&args, &s.own);
    pgargs_int(&args, ROUNDS_MAX);
    pgtx_query(b->tx, Q_DECIDE_START, &args, cue_on_started, b);
}

static void cue_on_jobs(void *arg, const struct pgres *res)
{
    struct cue_batch *b = arg;

    if (!pgres_ok(res) || pgres_rows(res) == 0)
        return;
    b->env.counts->jobs += (uint64_t)pgres_rows(res);
    b->end.jobs = true;
}

/* {"type": KIND} */
static const char *hook_data(const void *ctx, const char *kind)
{
    struct buf data;

    buf_init(&data, ctx, 4096);
    buf_str(&data, "{\"type\":");
    buf_json(&data, kind, strlen(kind));
    buf_char(&data, '}');
    return data.data;
}

static void send_hooks(struct cue_batch *b)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct joblist list;

    joblist_init(&list, scratch);
    for (size_t k = 0; k < b->n_matches; k++) {
        const struct cue_match *m = &b->matches[k];

        for (size_t i = 0; i < b->n_cues && m->webhook != NULL; i++) {
            const struct cue *cue = &b->cues[i];
            struct joblist_item item = {.sort = "hook",
                                        .contact_id = cue->contact_id,
                                        .webhook_id = m->webhook->id,
                                        .interaction_id = cue->interaction_id};

            if (!m->holds[i])
                continue;
            item.key = mem_printf(scratch, "event:%" PRId64 ":%" PRId64, m->webhook->id,
                                  cue->interaction_id);
            item.data = hook_data(scratch, cue->kind);
            joblist_add(&list, &item, b->now_us);
        }
    }
    if (list.n > 0)
        joblist_send(&list, b->tx, scratch, cue_on_jobs, b);
}

static void cue_write(struct cue_batch *b)
{
    send_starts(b);
    send_hooks(b);
    pgtx_commit(b->tx);
}

/* --- the batch --------------------------------------------------------------- */

static const char *read_text(const void *ctx, const struct pgres *res, int row, const char *column)
{
    const char *text = pgres_text(res, row, column);

    return text == NULL ? NULL : mem_strdup(ctx, text);
}

static void read_cues(struct cue_batch *b, const struct pgres *res)
{
    int rows = pgres_rows(res);

    b->cues = mem_array(b, struct cue, rows);
    b->n_cues = (size_t)rows;
    for (int i = 0; i < rows; i++) {
        struct cue *cue = &b->cues[i];
        const char *kind = pgres_text(res, i, "kind"), *segment = pgres_text(res, i, "segment"),
                   *webhook = pgres_text(res, i, "webhook");

        cue->contact_id = pgres_int(res, i, "contact_id");
        cue->interaction_id = pgres_int(res, i, "interaction_id");
        cue->occurred_us = pgres_instant(res, i, "occurred_at");
        cue->recorded_us = pgres_instant(res, i, "recorded_at");
        cue->kind = kind == NULL ? NULL : mem_strdup(b, kind);
        cue->segment = segment == NULL ? NULL : mem_strdup(b, segment);
        cue->own = pgres_bool(res, i, "own");
        cue->echo = pgres_bool(res, i, "echo");
        cue->webhook = webhook == NULL ? NULL : mem_strdup(b, webhook);
        cue->model = read_text(b, res, i, "model");
        cue->from = read_text(b, res, i, "label_from");
        cue->to = read_text(b, res, i, "label_to");
    }
}

/* A rule that was compiled before the kind existed would not see the very fact that is in hand:
 * such cues wait for the next plan. */
static bool any_kind_is_new(const struct cue_batch *b)
{
    for (size_t i = 0; i < b->n_cues; i++)
        if (b->cues[i].kind != NULL && !plan_knows_kind(b->env.plan, b->cues[i].kind))
            return true;
    return false;
}

static void cue_on_taken(void *arg, const struct pgres *res)
{
    struct cue_batch *b = arg;

    if (!pgres_ok(res))
        return;
    read_cues(b, res);
    b->end.more = b->n_cues == CUES_MAX;
    b->end.kinds = any_kind_is_new(b);
    if (b->end.kinds) {
        pgtx_rollback(b->tx);
        return;
    }
    find_matches(b);
    ask_conditions(b);
}

static void cue_on_begun(void *arg, struct pgtx *tx)
{
    struct cue_batch *b = arg;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    b->tx = tx;
    pgargs_init(&args, scratch);
    pgargs_int(&args, CUES_MAX);
    pgtx_query(tx, Q_DECIDE_CUES_TAKE, &args, cue_on_taken, b);
}

static void cue_on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct cue_batch *b = arg;
    struct batch_end end = {0};
    batch_fn *fn = b->fn;
    void *fn_arg = b->arg;

    if (committed) {
        end = b->end;
        end.ok = true;
        b->env.counts->cues += b->n_cues;
    } else if (b->end.kinds && error == NULL) {
        end = (struct batch_end){.ok = true, .more = true, .kinds = true};
    } else {
        batch_failed(&b->env, "cues", error);
    }
    talloc_free(b);
    fn(fn_arg, &end);
}

void cue_batch(const void *ctx, const struct batch_env *env, batch_fn *fn, void *arg)
{
    struct cue_batch *b = mem_new(ctx, struct cue_batch);

    b->env = *env;
    b->now_us = clock_now_us();
    b->fn = fn;
    b->arg = arg;
    pgtx_begin(env->pool, env->org_id, cue_on_begun, cue_on_ended, b);
}
