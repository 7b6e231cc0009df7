/* campaign_state.c - see campaign.h. */
#include "daemon/decide/campaign.h"

#include <string.h>

static const char *const names[] = {
#define X(name) #name,
    CAMPAIGN_STATES(X)
#undef X
};

const char *campaign_state_name(enum campaign_state state)
{
    return names[state];
}

bool campaign_state_parse(const char *name, enum campaign_state *ret_state)
{
    for (unsigned i = 0; i < CAMPAIGN_STATE_COUNT; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *ret_state = (enum campaign_state)i;
        return true;
    }
    return false;
}

bool campaign_may_move(enum campaign_state from, enum campaign_state to)
{
#define BIT(state) (1U << CAMPAIGN_##state)
    static const unsigned next[] = {
        [CAMPAIGN_draft] = BIT(scheduled) | BIT(cancelled),
        [CAMPAIGN_scheduled] = BIT(draft) | BIT(expanding) | BIT(paused) | BIT(cancelled),
        [CAMPAIGN_expanding] = BIT(running) | BIT(paused) | BIT(cancelled),
        [CAMPAIGN_running] = BIT(finished) | BIT(paused) | BIT(cancelled),
        [CAMPAIGN_paused] = BIT(scheduled) | BIT(expanding) | BIT(running) | BIT(cancelled),
        [CAMPAIGN_finished] = 0,
        [CAMPAIGN_cancelled] = 0,
    };
#undef BIT

    return (next[from] >> to & 1) != 0;
}
