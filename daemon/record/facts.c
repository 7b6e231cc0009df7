/* facts.c - see facts.h. */
#include "daemon/record/facts.h"

#include <string.h>

void facts_init(struct facts *f, const void *ctx)
{
    struct pgarray *all[] = {&f->kind, &f->at,   &f->amount, &f->recorded, &f->currency, &f->source,
                             &f->key,  &f->data, &f->quiet,  &f->campaign, &f->content};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgarray_init(all[i], ctx);
}

static void nonzero(struct pgarray *array, int64_t value)
{
    if (value != 0)
        pgarray_int(array, value);
    else
        pgarray_text(array, NULL);
}

void facts_add(struct facts *f, const struct record_item *item, int64_t counts)
{
    pgarray_text(&f->kind, item->kind);
    pgarray_instant(&f->at, item->occurred_at_us);
    if (!item->has_amount || counts == FACTS_NO_RATE)
        pgarray_text(&f->amount, NULL);
    else
        pgarray_int(&f->amount, counts);
    if (item->has_amount) {
        pgarray_int(&f->recorded, item->amount);
        pgarray_text(&f->currency, item->currency);
    } else {
        pgarray_text(&f->recorded, NULL);
        pgarray_text(&f->currency, NULL);
    }
    pgarray_text(&f->source, item->source);
    pgarray_text(&f->key, item->key);
    pgarray_text(&f->data, item->data);
    pgarray_bool(&f->quiet, item->quiet);
    nonzero(&f->campaign, item->campaign_id);
    nonzero(&f->content, item->content);
}

void facts_args(struct facts *f, struct pgargs *args)
{
    struct pgarray *all[] = {&f->kind, &f->at,   &f->amount, &f->recorded, &f->currency, &f->source,
                             &f->key,  &f->data, &f->quiet,  &f->campaign, &f->content};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgargs_array(args, all[i]);
}

static size_t json_bytes(const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i, n = 0;

    if (json_is_string(value))
        return json_string_length(value);
    json_array_foreach((json_t *)value, i, member) n += json_bytes(member);
    json_object_foreach((json_t *)value, key, member) n += json_bytes(member);
    return n;
}

size_t facts_bytes(const struct record_item *item)
{
    const struct record_contact *c = &item->contact;

    return (item->data == NULL ? 0 : strlen(item->data)) + json_bytes(c->fields) +
           json_bytes(c->attrs) + json_bytes(c->emails) + json_bytes(c->phones) +
           json_bytes(c->tags) + json_bytes(c->groups) + json_bytes(c->consents);
}
