/* acts.c - what a step does to those who stand at it: one statement for all of them, sent without
 * waiting for its answer.
 *
 * Mails and calls become jobs whose key names journey, version, contact, entry and step, so that
 * doing it again finds them there. The rest is written in the transaction that moves the positions,
 * with its rows in the change log. */
#include "daemon/decide/advance.h"
#include "daemon/decide/joblist.h"

#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

static void act_on_jobs(void *arg, const struct pgres *res)
{
    struct advance *a = arg;

    if (!pgres_ok(res) || pgres_rows(res) == 0)
        return;
    a->env.counts->jobs += (uint64_t)pgres_rows(res);
    a->ret.jobs = true;
}

static void act_on_changed(void *arg, const struct pgres *res)
{
    struct advance *a = arg;

    if (pgres_ok(res) && pgres_affected(res) > 0)
        a->ret.changes = true;
}

/* {"type": "journey", "journey": NAME, "step": n} */
static const char *hook_data(const void *ctx, const struct plan_journey *j, size_t step)
{
    struct buf data;

    buf_init(&data, ctx, 4096);
    buf_str(&data, "{\"type\":\"journey\",\"journey\":");
    buf_json(&data, j->name, strlen(j->name));
    buf_printf(&data, ",\"step\":%zu}", step);
    return data.data;
}

/* Jobs that differ from `item` only by contact, entry and interaction. */
static void act_jobs(struct advance *a, size_t step, const struct joblist_item *item)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct joblist list;

    joblist_init(&list, scratch);
    for (size_t i = a->first; i < a->end; i++) {
        const struct walker *w = &a->walkers[i];
        struct joblist_item one = *item;

        if (!w->walking || w->step != step)
            continue;
        one.key = mem_printf(scratch, "journey:%" PRId64 ":v%" PRId64 ":%" PRId64 ":%s:%zu",
                             w->journey_id, w->version, w->contact_id, w->entry, step);
        one.contact_id = w->contact_id;
        one.interaction_id = w->interaction_id;
        one.journey_id = w->journey_id;
        joblist_add(&list, &one, a->now_us);
    }
    if (list.n > 0)
        joblist_send(&list, a->tx, scratch, act_on_jobs, a);
}

/* The template or webhook was deleted, or the webhook disabled, after the journey was enabled. */
static void act_skipped(struct advance *a, size_t step)
{
    const struct journey_step *s = &a->journey->def->steps[step];

    a->env.counts->skipped++;
    log_warning("journey", "step left out: what it names does not exist or is disabled",
                "org=%" PRId64 " journey=%s step=%zu kind=%s name=%s", a->env.org_id,
                a->journey->name, step, journey_step_name(s->kind), log_value(s->name));
}

static void act_send(struct advance *a, size_t step)
{
    const struct journey_step *s = &a->journey->def->steps[step];
    struct joblist_item item = {.sort = "mail",
                                .template_id = plan_template(a->env.plan, s->name),
                                .topic_id = s->topic_id};

    if (item.template_id == 0)
        act_skipped(a, step);
    else
        act_jobs(a, step, &item);
}

static void act_webhook(struct advance *a, size_t step)
{
    const struct journey_step *s = &a->journey->def->steps[step];
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct joblist_item item = {.sort = "hook",
                                .webhook_id = plan_webhook(a->env.plan, s->name),
                                .data = hook_data(scratch, a->journey, step)};

    if (item.webhook_id == 0)
        act_skipped(a, step);
    else
        act_jobs(a, step, &item);
}

static void add_contacts(struct pgargs *args, struct advance *a, size_t step)
{
    struct pgarray array;
    size_t n;
    int64_t *ids = advance_contacts(a, step, &n);

    pgarray_init(&array, args->ctx);
    for (size_t i = 0; i < n; i++)
        pgarray_int(&array, ids[i]);
    pgargs_array(args, &array);
    talloc_free(ids);
}

/* Who says so, in the history of fields. */
static void add_actor(struct pgargs *args, const struct advance *a)
{
    pgargs_text(args, mem_printf(args->ctx, "journey:%s", a->journey->name));
}

/* What is read of these contacts stays so until the end of the transaction. */
static void act_lock(struct advance *a, size_t step, const void *ctx)
{
    struct pgargs args;

    pgargs_init(&args, ctx);
    add_contacts(&args, a, step);
    pgtx_query(a->tx, Q_RECORD_LOCK, &args, NULL, NULL);
}

static void act_tag(struct advance *a, size_t step, struct pgargs *args)
{
    pgargs_text(args, a->journey->def->steps[step].name);
    add_contacts(args, a, step);
    pgargs_instant(args, a->now_us);
    add_actor(args, a);
    pgtx_query(a->tx, Q_DECIDE_TAG, args, act_on_changed, a);
}

static void act_untag(struct advance *a, size_t step, struct pgargs *args)
{
    pgargs_text(args, a->journey->def->steps[step].name);
    add_contacts(args, a, step);
    pgargs_instant(args, a->now_us);
    add_actor(args, a);
    pgtx_query(a->tx, Q_DECIDE_UNTAG, args, act_on_changed, a);
}

static void act_set_column(struct advance *a, size_t step, struct pgargs *args)
{
    const struct journey_step *s = &a->journey->def->steps[step];

    act_lock(a, step, args->ctx);
    pgargs_text(args, s->name);
    pgargs_text(args, s->value);
    add_contacts(args, a, step);
    pgargs_instant(args, a->now_us);
    add_actor(args, a);
    pgtx_query(a->tx, Q_DECIDE_SET_COLUMN, args, act_on_changed, a);
}

static void act_set_attr(struct advance *a, size_t step, struct pgargs *args)
{
    const struct journey_step *s = &a->journey->def->steps[step];

    act_lock(a, step, args->ctx);
    pgargs_int(args, s->field_id);
    if (s->value == NULL) {
        add_contacts(args, a, step);
        pgargs_instant(args, a->now_us);
        add_actor(args, a);
        pgtx_query(a->tx, Q_DECIDE_CLEAR_ATTR, args, act_on_changed, a);
        return;
    }
    pgargs_text(args, s->field_type == FIELD_TEXT ? s->value : NULL);
    pgargs_text(args, s->field_type == FIELD_NUMBER ? s->value : NULL);
    pgargs_text(args, s->field_type == FIELD_DATE ? s->value : NULL);
    pgargs_text(args, s->field_type == FIELD_BOOLEAN ? s->value : NULL);
    add_contacts(args, a, step);
    pgargs_instant(args, a->now_us);
    add_actor(args, a);
    pgtx_query(a->tx, Q_DECIDE_SET_ATTR, args, act_on_changed, a);
}

static void act_member(struct advance *a, size_t step, struct pgargs *args, enum query query)
{
    const struct journey_step *s = &a->journey->def->steps[step];

    pgargs_int(args, s->segment_id);
    pgargs_text(args, s->name);
    pgargs_text(args, a->journey->name);
    add_contacts(args, a, step);
    pgargs_instant(args, a->now_us);
    pgtx_query(a->tx, query, args, act_on_changed, a);
}

static void act_record(struct advance *a, size_t step, struct pgargs *args)
{
    const struct journey_step *s = &a->journey->def->steps[step];

    pgargs_text(args, s->name);
    pgargs_text(args, s->value);
    pgargs_text(args, a->journey->name);
    add_contacts(args, a, step);
    pgargs_instant(args, a->now_us);
    pgtx_query(a->tx, Q_DECIDE_RECORD, args, act_on_changed, a);
}

/* Acts that are one statement of their own. */
static void act_write(struct advance *a, size_t step)
{
    const struct journey_step *s = &a->journey->def->steps[step];
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    if (s->kind == JOURNEY_STEP_tag)
        act_tag(a, step, &args);
    else if (s->kind == JOURNEY_STEP_untag)
        act_untag(a, step, &args);
    else if (s->kind == JOURNEY_STEP_set && s->field_id == 0)
        act_set_column(a, step, &args);
    else if (s->kind == JOURNEY_STEP_set)
        act_set_attr(a, step, &args);
    else if (s->kind == JOURNEY_STEP_record)
        act_record(a, step, &args);
    else
        act_member(a, step, &args,
                   s->kind == JOURNEY_STEP_add ? Q_DECIDE_MEMBER_ADD : Q_DECIDE_MEMBER_REMOVE);
}

void act_do(struct advance *a, size_t step)
{
    enum journey_step_kind kind = a->journey->def->steps[step].kind;

    if (kind == JOURNEY_STEP_send)
        act_send(a, step);
    else if (kind == JOURNEY_STEP_webhook)
        act_webhook(a, step);
    else
        act_write(a, step);
}
