/* app.h - what the handlers of HTTP requests are given: the services of lazod. Made by main; all
 * pointers are borrowed. */
#ifndef LAZO_DAEMON_HTTP_APP_H
#define LAZO_DAEMON_HTTP_APP_H

#include "common/settings.h"
#include "daemon/decide/decide.h"
#include "daemon/dispatch/dispatch.h"
#include "daemon/evaluate/evaluate.h"
#include "daemon/http/http.h"
#include "daemon/import/imports.h"
#include "daemon/org/org.h"
#include "daemon/pg/pgpool.h"
#include "daemon/record/record.h"

#include <ev.h>

struct app {
    struct ev_loop *loop;
    const struct settings *settings;
    const char *public_url; /* no slash at its end */
    struct pgpool *pool;
    struct orgs *orgs;
    struct record *record;
    struct evaluate *evaluate; /* NULL while this lazod does not lead; so are decide and dispatch */
    struct decide *decide;
    struct dispatch *dispatch;
    struct imports *imports; /* NULL too while it does not lead */
    struct http *http;
    struct tokens *tokens;     /* of api_auth.c, made at first use; NULL at start */
    struct streams *streams;   /* of api_record_lines.c, likewise */
    struct buckets *visitors;  /* of api_forms_public.c, likewise */
    uint64_t merged, unmerged; /* contacts, of api_merge.c */
    bool simulated;            /* the clock may be moved */
    int64_t clock_offset_us;
};

/* app_defined() - a definition of the organisation changed (kind, field, topic, segment, model,
 * journey, webhook, campaign): forgets what is in memory of it and wakes the steps. */
void app_defined(struct app *, int64_t org_id);
/* app_recorded() - facts were recorded: wakes the evaluator. app_clock_moved() - wakes everything.
 */
void app_recorded(struct app *, int64_t org_id);
void app_clock_moved(struct app *);

/* The tables of routes; each is an array that ends with a NULL path. Their handlers take a struct
 * app * as arg. main puts them together. */
extern const struct http_route
    api_record_routes[]; /* interactions, contacts, consents, Segment calls */
extern const struct http_route api_people_routes[]; /* addresses, groups, relations of contacts */
extern const struct http_route
    api_service_routes[]; /* healthz, readyz, metrics, openapi.yaml, status, clock */
extern const struct http_route api_public_routes[];  /* /u/: preferences and unsubscribe */
extern const struct http_route api_define_routes[];  /* segments, rules, rfm, templates, topics,
                                                        fields, suppressions, webhooks */
extern const struct http_route api_act_routes[];     /* campaigns, journeys, messages, deliveries */
extern const struct http_route api_consent_routes[]; /* the ledger verified, evidence */
extern const struct http_route api_import_routes[];  /* files */
extern const struct http_route api_form_routes[];    /* forms, /f/ */
extern const struct http_route api_admin_routes[];   /* tokens, users, audit, tags, tasks */

/* api_streams() - http_options.streams: NDJSON for POST /v1/interactions, files of imports. */
bool api_streams(void *app, const struct http_request *);

/* api_authorise() - http_options.authorise: finds the token's organisation by its SHA-256; answers
 * 401 where there is none, and 429 with Retry-After where it asks too often. */
void api_authorise(void *app, struct http_request *, const char *token);
void api_auth_metrics(struct app *, struct buf *);
void api_merge_metrics(const struct app *, struct buf *);
/* api_forget_tokens() - what is remembered of the organisation's tokens (0: of all) no longer
 * counts. */
void api_forget_tokens(struct app *, int64_t org_id);

#endif
