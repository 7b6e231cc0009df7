/* batch_rates.c - amounts in other currencies, in the organisation's at the rate of their day. Only
 * a batch that has some costs a question. */
#include "daemon/record/batch.h"

#include "common/mem.h"

static bool is_converted(const struct record_item *item)
{
    return item->has_amount && item->foreign && item->amends == NULL;
}

bool batch_rates_args(struct batch *b, struct pgargs *args)
{
    struct pgarray currencies, amounts, instants;

    pgarray_init(&currencies, b);
    pgarray_init(&amounts, b);
    pgarray_init(&instants, b);
    b->converting = mem_array(b, size_t, b->n);
    b->n_converting = 0;
    for (size_t i = 0; i < b->n; i++) {
        b->counts[i] = b->items[i]->amount;
        if (!is_converted(b->items[i]))
            continue;
        pgarray_text(&currencies, b->items[i]->currency);
        pgarray_int(&amounts, b->items[i]->amount);
        pgarray_instant(&instants, b->items[i]->occurred_at_us);
        b->converting[b->n_converting++] = i;
    }
    pgargs_init(args, b);
    pgargs_array(args, &currencies);
    pgargs_array(args, &amounts);
    pgargs_array(args, &instants);
    return b->n_converting > 0;
}

void batch_on_rates(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++)
        b->counts[b->converting[pgres_int(res, row, "ord")]] =
            pgres_null(res, row, "amount") ? FACTS_NO_RATE : pgres_int(res, row, "amount");
}
