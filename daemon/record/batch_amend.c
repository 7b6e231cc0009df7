/* batch_amend.c - interactions that amend others.
 *
 * They are written after all others of the batch, one after the other, so that an interaction and
 * what amends it may come together. What the database refuses is remembered at its request; then
 * the transaction is rolled back and the batch tried again without it, so that nothing of a refused
 * item stays. */
#include "daemon/record/batch.h"

#include "common/mem.h"

struct columns {
    struct pgarray contact, target, target_source, target_key, kind, at, sets, amount, currency,
        source, key, data, content;
};

static void columns_add(struct columns *c, const struct record_item *item, int64_t contact_id)
{
    pgarray_int(&c->contact, contact_id);
    pgarray_int(&c->target, item->amends->id);
    pgarray_text(&c->target_source, item->amends->source);
    pgarray_text(&c->target_key, item->amends->key);
    pgarray_text(&c->kind, item->kind);
    pgarray_instant(&c->at, item->occurred_at_us);
    pgarray_bool(&c->sets, item->amount >= 0);
    pgarray_int(&c->amount, item->amount);
    pgarray_text(&c->currency, item->currency);
    pgarray_text(&c->source, item->source);
    pgarray_text(&c->key, item->key);
    pgarray_text(&c->data, item->data);
    pgarray_int(&c->content, item->content);
}

bool batch_amend(struct batch *b, pgres_fn *done)
{
    struct columns c;
    struct pgarray *all[] = {&c.contact, &c.target, &c.target_source, &c.target_key, &c.kind,
                             &c.at,      &c.sets,   &c.amount,        &c.currency,   &c.source,
                             &c.key,     &c.data,   &c.content};
    struct pgargs args;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgarray_init(all[i], b);
    b->amending = mem_array(b, size_t, b->n);
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i]->amends == NULL || b->slots[i] == NULL)
            continue;
        columns_add(&c, b->items[i], b->slots[i]->contact_id);
        b->amending[b->n_amending++] = i;
    }
    if (b->n_amending == 0)
        return false;
    pgargs_init(&args, b);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pgargs_array(&args, all[i]);
    pgargs_bool(&args, b->quiet);
    pgargs_instant(&args, b->now_us);
    pgargs_int(&args, b->items[b->amending[0]]->amends->currency_digits);
    pgtx_query(b->tx, Q_RECORD_AMEND, &args, done, b);
    return true;
}

/* The place of an item in its request. */
static size_t place_of(const struct batch *b, size_t item)
{
    size_t at = item;

    while (at > 0 && b->owners[at - 1] == b->owners[item])
        at--;
    return item - at;
}

void batch_refuse(struct batch *b, size_t item, const char *pointer, const char *error)
{
    struct record_request *r = b->owners[item];

    if (r->settled == NULL)
        r->settled = mem_array(r, struct record_result, r->n);
    r->settled[place_of(b, item)] =
        (struct record_result){.error = mem_strdup(r, error), .pointer = mem_strdup(r, pointer)};
    for (size_t i = 0; r->all_or_nothing && i < r->n; i++) {
        if (r->settled[i].error == NULL)
            r->settled[i] = (struct record_result){
                .error = "not recorded: another item of the request was refused", .pointer = ""};
    }
    b->refused = true;
}

void batch_on_amended(struct batch *b, const struct pgres *res)
{
    b->new_kinds = true; /* `refunded`, where it was nobody's before */
    for (int row = 0; row < pgres_rows(res); row++) {
        size_t item = b->amending[pgres_int(res, row, "ord")];

        if (!pgres_null(res, row, "error"))
            batch_refuse(b, item, pgres_text(res, row, "pointer"), pgres_text(res, row, "error"));
        else
            b->results[item].interaction_id = pgres_int(res, row, "id");
        b->results[item].duplicate = pgres_bool(res, row, "repeated");
    }
}

bool batch_is_settled(const struct record_result *result)
{
    return result->error != NULL || result->interaction_id != 0;
}

void batch_settled_before(struct batch *b)
{
    size_t at = 0;

    for (const struct record_request *r = b->requests; r != NULL; at += r->n, r = r->next)
        for (size_t i = 0; r->settled != NULL && i < r->n; i++)
            if (batch_is_settled(&r->settled[i]))
                b->results[at + i] = r->settled[i];
}
