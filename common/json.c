/* json.c - see json.h. */
#include "common/json.h"

#include "common/mem.h"

static int json_release(json_t **holder)
{
    json_decref(*holder);
    return 0;
}

json_t *json_keep(const void *ctx, json_t *value_take)
{
    json_t **holder = mem_new(ctx, json_t *);

    *holder = value_take;
    talloc_set_destructor(holder, json_release);
    return value_take;
}
