/* serve.c - see serve.h.
 *
 * HTTP listens as soon as the clock of the instance was read once; while the database is away it
 * answers 503. The steps wake each other in memory; what strangers wrote with psql, and what mere
 * time brings, is found by asking work_waiting once a second. */
#include "daemon/serve.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/consent/purge.h"
#include "daemon/record/history.h"
#include "daemon/http/app.h"
#include "daemon/lead.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define POLL_S         1.0
#define CALENDAR_TICKS 60
#define DRAIN_S        0.1
#define DRAIN_MAX_S    20.0

struct serve {
    struct app app; /* its steps are NULL while this daemon does not lead */
    struct {
        struct evaluate *evaluate;
        struct decide *decide;
        struct dispatch *dispatch;
        struct imports *imports;
    } steps; /* made when it first leads */
    struct lead *lead;
    struct settings *settings;
    const char *path;
    ev_signal term, interrupt, hangup;
    ev_timer poll, drain, watchdog;
    double drained_s;
    uint64_t ticks;
    bool clock_known, polling, stopping;
    int status;
};

/* --- the steps wake each other
 * --------------------------------------------------------------------- */

void app_recorded(struct app *app, int64_t org_id)
{
    if (app->evaluate != NULL)
        evaluate_wake(app->evaluate, org_id);
}

void app_defined(struct app *app, int64_t org_id)
{
    orgs_forget(app->orgs, org_id);
    api_forget_tokens(app, org_id);
    if (app->evaluate == NULL)
        return;
    evaluate_wake(app->evaluate, org_id);
    decide_wake(app->decide, org_id);
    dispatch_wake(app->dispatch);
}

static void serve_on_recorded(void *arg, int64_t org_id)
{
    app_recorded(arg, org_id);
}

static void serve_on_evaluated(void *arg, int64_t org_id)
{
    struct app *app = arg;

    if (app->decide != NULL)
        decide_wake(app->decide, org_id);
}

static void serve_on_jobs(void *arg)
{
    struct app *app = arg;

    if (app->dispatch != NULL)
        dispatch_wake(app->dispatch);
}

/* --- leading
 * ----------------------------------------------------------------------------------------- */

static void serve_poll(struct serve *s);

static void serve_begin_to_lead(struct serve *s)
{
    struct app *app = &s->app;
    struct decide_ops ops = {.jobs_made = serve_on_jobs, .changed = serve_on_recorded};

    s->steps.evaluate = evaluate_new(s, app->loop, app->pool, app->orgs, serve_on_evaluated, app);
    s->steps.decide = decide_new(s, app->loop, app->pool, app->orgs, &ops, app);
    s->steps.dispatch = dispatch_new(s, app->loop, app->settings, app->public_url, app->pool,
                                     app->orgs, serve_on_recorded, app);
    if (s->steps.dispatch == NULL)
        log_fatal("bus", "cannot be bound", "address=%s why=%s",
                  log_value(settings_text(app->settings, "bus.address")),
                  log_value(strerror(errno)));
    s->steps.imports = imports_new(s, app->pool, app->orgs, app->record, serve_on_recorded, app);
    decide_calendar(s->steps.decide);
}

/* Who changed it, this daemon or another, is not told apart: it costs one statement. */
static void serve_on_defined(void *arg, int64_t org_id)
{
    struct serve *s = arg;

    api_forget_tokens(&s->app, org_id);
    if (org_id == 0)
        orgs_forget(s->app.orgs, 0);
    else
        app_defined(&s->app, org_id);
}

/* While the database is away nobody leads: the steps rest, and go on when the lock was got again.
 * Where another daemon has it meanwhile, this process ends: what its steps had under way is the
 * other's now, and a start is the one clean state. systemd starts it again, as a standby. */
static void serve_on_lead(void *arg, enum lead_state state)
{
    struct serve *s = arg;

    switch (state) {
    case LEAD_here:
        if (s->steps.evaluate == NULL)
            serve_begin_to_lead(s);
        s->app.evaluate = s->steps.evaluate;
        s->app.decide = s->steps.decide;
        s->app.dispatch = s->steps.dispatch;
        s->app.imports = s->steps.imports;
        serve_poll(s);
        break;
    case LEAD_none:
        s->app.evaluate = NULL;
        s->app.decide = NULL;
        s->app.dispatch = NULL;
        s->app.imports = NULL;
        break;
    case LEAD_elsewhere:
        if (s->steps.evaluate != NULL && !s->stopping) {
            s->status = 1;
            ev_break(s->app.loop, EVBREAK_ALL);
        }
        break;
    }
}

void app_clock_moved(struct app *app)
{
    struct serve *s = (struct serve *)app;

    if (app->decide != NULL) {
        decide_calendar(app->decide);
        imports_purge(app->pool, app->settings);
        consent_purge(app->pool);
        history_purge(app->pool, app->settings);
    }
    ev_feed_event(app->loop, &s->poll, EV_TIMER);
}

/* --- what strangers and time bring
 * ---------------------------------------------------------------------- */

static void serve_on_work(void *arg, const struct pgres *res)
{
    struct serve *s = arg;
    struct app *app = &s->app;

    s->polling = false;
    for (int row = 0; row < pgres_rows(res); row++) {
        int64_t org_id = pgres_int(res, row, "org_id");

        if (app->evaluate != NULL && pgres_bool(res, row, "evaluate"))
            evaluate_wake(app->evaluate, org_id);
        if (app->decide != NULL && pgres_bool(res, row, "decide"))
            decide_wake(app->decide, org_id);
    }
}

static void serve_start_http(struct serve *s);

static void serve_on_clock(void *arg, const struct pgres *res)
{
    struct serve *s = arg;

    /* It never runs backwards: an answer that was under way while the clock was moved is older than
     * what is known. */
    if (pgres_rows(res) != 1 ||
        (s->clock_known && pgres_int(res, 0, "offset_us") < s->app.clock_offset_us))
        return;
    s->app.simulated = pgres_bool(res, 0, "simulated");
    s->app.clock_offset_us = pgres_int(res, 0, "offset_us");
    clock_set_offset(s->app.clock_offset_us);
    if (s->clock_known)
        return;
    s->clock_known = true;
    serve_start_http(s);
}

static void serve_poll(struct serve *s)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct app *app = &s->app;
    struct pgargs args;

    if (!pgpool_up(app->pool) || s->polling)
        return;
    if (!s->clock_known || app->simulated)
        pgpool_query(app->pool, 0, Q_CLOCK_READ, NULL, serve_on_clock, s);
    if (app->evaluate == NULL)
        return;
    s->polling = true;
    pgargs_init(&args, scratch);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(app->pool, 0, Q_WORK_WAITING, &args, serve_on_work, s);
    imports_poll(app->imports);
    if (++s->ticks % CALENDAR_TICKS == 0) {
        imports_purge(app->pool, app->settings);
        decide_calendar(app->decide);
        consent_purge(app->pool);
        history_purge(app->pool, app->settings);
    }
}

static void serve_poll_cb(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)revents;
    serve_poll(w->data);
}

static void serve_on_database(void *arg, bool up)
{
    struct serve *s = arg;

    if (up)
        serve_poll(s);
}

/* --- HTTP
 * --------------------------------------------------------------------------------------------------
 */

static struct http_route *serve_routes(const void *ctx)
{
    static const struct http_route *const tables[] = {
        api_record_routes, api_people_routes, api_service_routes, api_public_routes,
        api_define_routes, api_act_routes,    api_consent_routes, api_form_routes,
        api_admin_routes,  api_import_routes};
    struct http_route *routes = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct http_route *r = tables[i]; r->path != NULL; r++) {
            mem_grow(ctx, &routes, &cap, n + 1);
            routes[n++] = *r;
        }
    }
    mem_grow(ctx, &routes, &cap, n + 1);
    routes[n] = (struct http_route){0};
    return routes;
}

static void serve_public_url(struct serve *s)
{
    const char *url = settings_text(s->settings, "http.public_url");
    const char *listen = settings_text(s->settings, "http.listen"), *colon = strrchr(listen, ':');

    if (url[0] != '\0')
        s->app.public_url =
            mem_strndup(s, url, url[strlen(url) - 1] == '/' ? strlen(url) - 1 : strlen(url));
    else
        s->app.public_url =
            mem_printf(s, "http://%.*s:%d", colon == NULL ? 0 : (int)(colon - listen), listen,
                       http_port(s->app.http));
}

static void serve_start_http(struct serve *s)
{
    struct http_options options = {.settings = s->settings,
                                   .routes = serve_routes(s),
                                   .authorise = api_authorise,
                                   .streams = api_streams,
                                   .arg = &s->app};
    const struct lead_owner owner = {
        .changed = serve_on_lead, .defined = serve_on_defined, .arg = s};
    struct diag d;

    diag_init(&d, s);
    s->app.http = http_new(s, s->app.loop, &options, &d);
    if (s->app.http == NULL)
        log_fatal("http", "cannot listen", "address=%s why=%s",
                  log_value(settings_text(s->settings, "http.listen")),
                  log_value(d.n > 0 ? d.items[0].message : ""));
    serve_public_url(s);
    s->lead = lead_new(s, s->app.loop, settings_text(s->settings, "database.url"), &owner);
    log_info("lazod", "ready", "port=%d simulated=%d", http_port(s->app.http), s->app.simulated);
    sd_notify(0, "READY=1");
}

static void serve_log_level(const struct settings *settings)
{
    enum log_level level;

    if (log_level_parse(settings_text(settings, "log.level"), &level))
        log_set_level(level);
}

/* --- signals
 * --------------------------------------------------------------------------------------------------
 */

static void serve_stop_cb(EV_P_ ev_signal *w, int revents)
{
    struct serve *s = w->data;

    (void)loop;
    (void)revents;
    if (s->stopping)
        return;
    s->stopping = true;
    sd_notify(0, "STOPPING=1");
    log_info("lazod", "stops", "%s", "");
    if (s->app.http != NULL)
        http_stop(s->app.http);
    ev_timer_start(s->app.loop, &s->drain);
}

/* What was asked is answered; what the steps have under way is in the database. */
static void serve_drain_cb(EV_P_ ev_timer *w, int revents)
{
    struct serve *s = w->data;

    (void)loop;
    (void)revents;
    s->drained_s += DRAIN_S;
    if (s->app.http == NULL || http_in_flight(s->app.http) == 0 || s->drained_s > DRAIN_MAX_S)
        ev_break(s->app.loop, EVBREAK_ALL);
}

static void serve_reload_cb(EV_P_ ev_signal *w, int revents)
{
    struct serve *s = w->data;
    struct diag d;
    void *scratch = talloc_new(NULL);

    (void)loop;
    (void)revents;
    diag_init(&d, scratch);
    if (settings_reload(s->settings, s->path, &d)) {
        serve_log_level(s->settings);
        log_info("settings", "reloaded", "%s", "");
    }
    for (size_t i = 0; i < d.n; i++)
        log_warning("settings", "not reloaded", "why=%s", log_value(d.items[i].message));
    talloc_free(scratch);
}

static void serve_watchdog_cb(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    sd_notify(0, "WATCHDOG=1");
}

static void serve_watch(struct serve *s)
{
    struct ev_loop *loop = s->app.loop;
    uint64_t watchdog_us = 0;

    ev_signal_init(&s->term, serve_stop_cb, SIGTERM);
    ev_signal_init(&s->interrupt, serve_stop_cb, SIGINT);
    ev_signal_init(&s->hangup, serve_reload_cb, SIGHUP);
    ev_timer_init(&s->poll, serve_poll_cb, POLL_S, POLL_S);
    ev_timer_init(&s->drain, serve_drain_cb, DRAIN_S, DRAIN_S);
    s->term.data = s->interrupt.data = s->hangup.data = s->poll.data = s->drain.data = s;
    ev_signal_start(loop, &s->term);
    ev_signal_start(loop, &s->interrupt);
    ev_signal_start(loop, &s->hangup);
    ev_timer_start(loop, &s->poll);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
        ev_timer_init(&s->watchdog, serve_watchdog_cb, 0., (double)watchdog_us / 2e6);
        ev_timer_start(loop, &s->watchdog);
    }
}

static int serve_end(struct serve *s)
{
    int status = s->status;

    /* In this order: who asks goes before who answers. */
    talloc_free(s->lead);
    talloc_free(s->app.http);
    talloc_free(s->steps.imports);
    talloc_free(s->steps.dispatch);
    talloc_free(s->steps.decide);
    talloc_free(s->steps.evaluate);
    talloc_free(s->app.record);
    talloc_free(s->app.pool);
    ev_loop_destroy(s->app.loop);
    talloc_free(s);
    return status;
}

int serve_run(const void *ctx, struct settings *settings, const char *path)
{
    struct serve *s = mem_new(ctx, struct serve);
    struct app *app = &s->app;
    struct pgpool_options options = {
        .conninfo = settings_text(settings, "database.url"),
        .shared = (int)settings_int(settings, "database.shared"),
        .exclusive = (int)settings_int(settings, "database.exclusive"),
        .statement_timeout_ms = settings_int(settings, "database.statement_timeout") / 1000,
        .state = serve_on_database,
        .arg = s,
    };

    s->settings = settings;
    s->path = path;
    serve_log_level(settings);
    if (strlen(settings_text(settings, "http.secret")) < 32)
        log_fatal("settings", "http.secret needs at least 32 characters", "%s", "");
    app->loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (app->loop == NULL)
        log_fatal("lazod", "no event loop", "%s", "");
    app->settings = settings;
    app->pool = pgpool_new(s, app->loop, &options);
    app->orgs = orgs_new(s, app->pool);
    app->record = record_new(s, app->loop, app->pool, app->orgs, serve_on_recorded, app);
    record_secret(app->record, settings_text(app->settings, "http.secret"));
    serve_watch(s);
    ev_run(app->loop, 0);
    return serve_end(s);
}
