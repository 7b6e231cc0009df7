/* batch.c - see batch.h. */
#include "daemon/decide/batch.h"

#include "common/log.h"

#include <inttypes.h>
#include <string.h>

void batch_failed(const struct batch_env *env, const char *what, const struct pgres *error)
{
    env->counts->failures++;
    if (error == NULL || pgres_lost(error))
        return;
    log_error("decide", "batch failed", "org=%" PRId64 " what=%s sqlstate=%s why=%s", env->org_id,
              what, pgres_sqlstate(error), log_value(pgres_message(error)));
}

static const char *own_zone(const struct batch_env *env)
{
    for (size_t i = 0; i < env->n_zones; i++)
        if (strcmp(env->zones[i], env->plan->catalogue.time_zone) == 0)
            return env->zones[i];
    return "UTC";
}

void batch_zones(struct pgargs *args, const struct batch_env *env)
{
    struct pgarray zones;

    pgarray_init(&zones, args->ctx);
    for (size_t i = 0; i < env->n_zones; i++)
        pgarray_text(&zones, env->zones[i]);
    pgargs_array(args, &zones);
    pgargs_text(args, own_zone(env));
}
