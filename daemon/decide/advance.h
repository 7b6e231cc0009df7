/* advance.h - people on their way through journeys, as advance.c and acts.c see them. Private to
 * daemon/decide. */
#ifndef LAZO_DAEMON_DECIDE_ADVANCE_H
#define LAZO_DAEMON_DECIDE_ADVANCE_H

#include "daemon/decide/batch.h"

struct walker {
    int64_t contact_id, journey_id, version, interaction_id; /* interaction_id may be 0 */
    const char *entry;
    size_t old_step, step;
    bool walking; /* else parked or at an end */
    enum journey_state state;
    int64_t wake_us; /* waiting: until then, or, where minute >= 0, until that minute of the day
                        comes */
    int minute;
};

struct advance {
    struct batch_env env;
    struct batch_end ret;
    struct pgtx *tx;
    int64_t now_us;
    struct walker *walkers; /* sorted by journey, version */
    size_t n_walkers;
    size_t first, end; /* the group that walks now */
    const struct plan_journey *journey;
    size_t sweeping; /* the step at which the sweep is */
    batch_fn *fn;
    void *arg;
};

/* advance_contacts() - who of the group stands at the step; child of the batch. One may be there
 * twice, in two passages. */
int64_t *advance_contacts(struct advance *, size_t step, size_t *ret_n);
/* act_do() - sends the statement of an act for all of the group who stand at the step. */
void act_do(struct advance *, size_t step);

#endif
