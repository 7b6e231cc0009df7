/* campaign.h - the states of a campaign, and which may follow which. Pure.
 *
 *     draft ──► scheduled ──► expanding ──► running ──► finished
 *                  ▲ │           ▲ │          ▲ │
 *                  │ ▼           │ ▼          │ ▼
 *                  └─┴────────── paused ──────┴─┘
 *
 * Each but finished may become cancelled, and scheduled draft again.
 *
 * scheduled: waits for start_at. expanding: its audience becomes jobs, block by block. running: all
 * jobs are made. finished: none is left. */
#ifndef LAZO_DAEMON_DECIDE_CAMPAIGN_H
#define LAZO_DAEMON_DECIDE_CAMPAIGN_H

#include <stdbool.h>

/* The names are those of campaign.state. */
#define CAMPAIGN_STATES(X)                                                                         \
    X(draft) X(scheduled) X(expanding) X(running) X(paused) X(finished) X(cancelled)
enum campaign_state {
#define X(name) CAMPAIGN_##name,
    CAMPAIGN_STATES(X)
#undef X
        CAMPAIGN_STATE_COUNT
};
const char *campaign_state_name(enum campaign_state);
bool campaign_state_parse(const char *name, enum campaign_state *ret_state);
bool campaign_may_move(enum campaign_state from, enum campaign_state to);

#endif
