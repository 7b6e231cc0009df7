/* plan.h - what step 3 knows of an organisation: its journeys, compiled; its templates and webhooks
 * by name. Private to daemon/decide.
 *
 * A plan never changes. Each turn begins with plan_get(): one cheap statement asks whether the
 * definitions are still the same; only then they are read. */
#ifndef LAZO_DAEMON_DECIDE_PLAN_H
#define LAZO_DAEMON_DECIDE_PLAN_H

#include "daemon/decide/journey.h"
#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_journey {
    int64_t id;
    const char *name;
    int64_t version;
    bool current; /* else an earlier version in which somebody stands */
    bool enabled;
    struct journey_def *
        def; /* NULL: it cannot be read (a segment that it names is gone); who stands in it waits */
};

struct plan_webhook {
    int64_t id;
    const char *name;
    bool enabled;
    json_t *events;    /* array of kinds */
    struct rule *rule; /* or NULL */
    bool broken;       /* its rule cannot be read: it calls nobody by itself */
};

struct plan {
    struct catalogue catalogue; /* our own copy */
    char *catalogue_text;       /* all of it in one text, to compare */
    uint64_t generation;        /* the last reading of the organisation that said the same */
    char *signature;            /* what the database said of the definitions */
    json_t *body;               /* names are borrowed from it */
    struct plan_journey *journeys;
    size_t n_journeys;
    struct plan_webhook *webhooks;
    size_t n_webhooks;
};

/* plan_get() - calls back with `old` where it still holds, with a new plan (child of `ctx`; `old`,
 * which may be NULL, stays the caller's), or with NULL where the database is away or the
 * organisation is gone. A new plan has woken those who stood in journeys that are enabled again,
 * and made the kinds that its journeys record. */
typedef void plan_fn(void *arg, struct plan *);
void plan_get(const void *ctx, struct pgpool *, struct orgs *, int64_t org_id, struct plan *old,
              int64_t now_us, plan_fn *, void *arg);

/* plan_journey() - NULL where there is none of that version. */
const struct plan_journey *plan_journey(const struct plan *, int64_t id, int64_t version);
/* plan_runs() - whether people move in it. */
bool plan_runs(const struct plan_journey *);
/* plan_template(), plan_webhook() - id of that name, 0 where there is none. A webhook that is
 * disabled is none. */
int64_t plan_template(const struct plan *, const char *name);
int64_t plan_webhook(const struct plan *, const char *name);
/* plan_runnable() - adds two arrays: ids and versions of the journeys that run. */
void plan_runnable(struct pgargs *, const struct plan *);
/* plan_knows_kind() - whether rules of this plan can speak of it. */
bool plan_knows_kind(const struct plan *, const char *kind);

#endif
