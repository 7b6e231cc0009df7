/* joblist.c - see joblist.h. The columns are those of job_enqueue in
 * schema/statements/decide_jobs.sql. */
#include "daemon/decide/joblist.h"

#define JOB_CLASS_JOURNEY 1

enum joblist_column {
    COLUMN_CLASS,
    COLUMN_SORT,
    COLUMN_RUN_AT,
    COLUMN_CONTACT,
    COLUMN_KEY,
    COLUMN_TEMPLATE,
    COLUMN_WEBHOOK,
    COLUMN_TOPIC,
    COLUMN_CAMPAIGN,
    COLUMN_JOURNEY,
    COLUMN_INTERACTION,
    COLUMN_TO_EMAIL,
    COLUMN_DATA,
    COLUMN_FIRST_AT,
    COLUMN_COUNT
};
_Static_assert(COLUMN_COUNT == sizeof(((struct joblist *)0)->columns) / sizeof(struct pgarray),
               "a column is missing");

void joblist_init(struct joblist *list, const void *ctx)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        pgarray_init(&list->columns[i], ctx);
    list->n = 0;
}

static void column_id(struct joblist *list, enum joblist_column column, int64_t id)
{
    if (id == 0)
        pgarray_text(&list->columns[column], NULL);
    else
        pgarray_int(&list->columns[column], id);
}

void joblist_add(struct joblist *list, const struct joblist_item *item, int64_t now_us)
{
    pgarray_int(&list->columns[COLUMN_CLASS], JOB_CLASS_JOURNEY);
    pgarray_text(&list->columns[COLUMN_SORT], item->sort);
    pgarray_instant(&list->columns[COLUMN_RUN_AT], now_us);
    column_id(list, COLUMN_CONTACT, item->contact_id);
    pgarray_text(&list->columns[COLUMN_KEY], item->key);
    column_id(list, COLUMN_TEMPLATE, item->template_id);
    column_id(list, COLUMN_WEBHOOK, item->webhook_id);
    column_id(list, COLUMN_TOPIC, item->topic_id);
    column_id(list, COLUMN_CAMPAIGN, 0);
    column_id(list, COLUMN_JOURNEY, item->journey_id);
    column_id(list, COLUMN_INTERACTION, item->interaction_id);
    pgarray_text(&list->columns[COLUMN_TO_EMAIL], NULL);
    pgarray_text(&list->columns[COLUMN_DATA], item->data);
    pgarray_instant(&list->columns[COLUMN_FIRST_AT], now_us);
    list->n++;
}

void joblist_send(struct joblist *list, struct pgtx *tx, const void *ctx, pgres_fn *fn, void *arg)
{
    struct pgargs args;

    pgargs_init(&args, ctx);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        pgargs_array(&args, &list->columns[i]);
    pgtx_query(tx, Q_JOB_ENQUEUE, &args, fn, arg);
}
