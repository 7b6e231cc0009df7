/* json.h - jansson's references under talloc. */
#ifndef LAZO_COMMON_JSON_H
#define LAZO_COMMON_JSON_H

#include <jansson.h>

/* json_keep() - takes the reference, which lives as long as `ctx`; returns the value. NULL stays
 * NULL. */
json_t *json_keep(const void *ctx, json_t *value_take);

#endif
