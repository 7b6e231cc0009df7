/* worker.c - see worker.h. The one file of common/ that logs: it stands for the three main
 * functions. */
#include "common/worker.h"

#include "common/log.h"
#include "common/mem.h"

#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_EVERY_S 0.1

struct running {
    struct worker *worker;
    bool (*drain)(void *arg);
    void *arg;
    bool stopping;
    int status;
    ev_tstamp stop_by;
    ev_signal term, interrupt, hangup;
    ev_timer watchdog, draining;
};

/* --- start ------------------------------------------------------------------------------- */

static void print_usage(FILE *out, const char *program)
{
    fprintf(out, "usage: %s [--config FILE] [--name NAME] [--check] [--version]\n", program);
}

static struct settings *load(const void *ctx, const char *path, void tell(const char *message))
{
    struct settings *settings;
    struct diag d;
    void *scratch = mem_must(talloc_new(NULL));

    diag_init(&d, scratch);
    settings = settings_load(ctx, path, &d);
    for (size_t i = 0; i < d.n; i++)
        tell(d.items[i].message);
    talloc_free(scratch);
    return settings;
}

static void tell_person(const char *message)
{
    fprintf(stderr, "%s\n", message);
}

static void tell_journal(const char *message)
{
    log_warning("settings", "not reloaded", "reason=%s", log_value(message));
}

static void apply_log_level(const struct settings *settings)
{
    enum log_level level;

    if (log_level_parse(settings_text(settings, "log.level"), &level))
        log_set_level(level);
}

static const char *lasting_name(const void *ctx, const char *program)
{
    char host[256] = "";

    if (gethostname(host, sizeof(host) - 1) != 0 || *host == '\0')
        return mem_strdup(ctx, program);
    return mem_printf(ctx, "%s@%s", program, host);
}

/* Gives whether --check was asked. */
static bool read_arguments(struct worker *w, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"name", required_argument, NULL, 'n'},
        {"check", no_argument, NULL, 'k'},        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    bool check = false;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            w->config = mem_strdup(w, optarg);
            break;
        case 'n':
            w->name = mem_strdup(w, optarg);
            break;
        case 'k':
            check = true;
            break;
        case 'V':
            printf("%s %s\n", w->program, LAZO_VERSION);
            exit(0);
        case 'h':
            print_usage(stdout, w->program);
            exit(0);
        default:
            print_usage(stderr, w->program);
            exit(2);
        }
    }
    if (optind < argc || (w->name != NULL && *w->name == '\0')) {
        print_usage(stderr, w->program);
        exit(2);
    }
    return check;
}

struct worker *worker_start(const void *ctx, const char *program, int argc, char **argv)
{
    struct worker *w = mem_new(ctx, struct worker);
    bool check;
    const char *address;

    w->program = mem_strdup(w, program);
    check = read_arguments(w, argc, argv);
    if (w->name == NULL)
        w->name = lasting_name(w, program);
    if (w->config == NULL && access(WORKER_CONFIG, F_OK) == 0)
        w->config = WORKER_CONFIG;
    w->settings = load(w, w->config, tell_person);
    if (w->settings == NULL)
        exit(1);
    address = settings_text(w->settings, "bus.address");
    if (strncmp(address, "ipc://", 6) != 0 && strncmp(address, "tcp://", 6) != 0) {
        fprintf(stderr, "bus.address must begin with ipc:// or tcp://, not \"%s\"\n", address);
        exit(1);
    }
    if (check) {
        printf("%s: the settings are good\n", w->config == NULL ? "defaults" : w->config);
        exit(0);
    }
    apply_log_level(w->settings);
    signal(SIGPIPE, SIG_IGN);
    json_object_seed(0);
    w->loop = ev_default_loop(EVFLAG_AUTO);
    if (w->loop == NULL)
        log_fatal(program, "no event loop", "name=%s", log_value(w->name));
    return w;
}

/* --- run --------------------------------------------------------------------------------- */

static void on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)w, (void)revents;
    sd_notify(0, "WATCHDOG=1");
}

static void on_draining(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct running *r = w->data;

    (void)revents;
    if (r->drain(r->arg)) {
        r->status = 0;
        ev_break(loop, EVBREAK_ALL);
    } else if (ev_now(loop) >= r->stop_by) {
        log_warning(r->worker->program, "stopped with work in hand", "grace_s=%d", WORKER_GRACE_S);
        ev_break(loop, EVBREAK_ALL);
    }
}

static void on_stop(struct ev_loop *loop, ev_signal *w, int revents)
{
    struct running *r = w->data;

    (void)revents;
    if (r->stopping) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    r->stopping = true;
    r->status = 1;
    r->stop_by = ev_now(loop) + WORKER_GRACE_S;
    sd_notify(0, "STOPPING=1");
    log_info(r->worker->program, "stopping", "signal=%d", w->signum);
    ev_timer_init(&r->draining, on_draining, 0., DRAIN_EVERY_S);
    ev_timer_start(loop, &r->draining);
}

static void on_hangup(struct ev_loop *loop, ev_signal *w, int revents)
{
    struct running *r = w->data;
    struct settings *fresh = load(NULL, r->worker->config, tell_journal);

    (void)loop, (void)revents;
    if (fresh == NULL)
        return;
    apply_log_level(fresh);
    talloc_free(fresh);
    log_info(r->worker->program, "settings reloaded", "file=%s", log_value(r->worker->config));
}

static void watch_signal(struct running *r, ev_signal *w, int number,
                         void (*on)(struct ev_loop *, ev_signal *, int))
{
    ev_signal_init(w, on, number);
    w->data = r;
    ev_signal_start(r->worker->loop, w);
}

int worker_run(struct worker *w, bool (*drain)(void *arg), void *arg)
{
    struct running r = {.worker = w, .drain = drain, .arg = arg};
    uint64_t watchdog_us = 0;

    watch_signal(&r, &r.term, SIGTERM, on_stop);
    watch_signal(&r, &r.interrupt, SIGINT, on_stop);
    watch_signal(&r, &r.hangup, SIGHUP, on_hangup);
    r.watchdog.data = r.draining.data = &r;
    ev_init(&r.watchdog, on_watchdog);
    ev_init(&r.draining, on_draining);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0 && watchdog_us > 0) {
        ev_timer_set(&r.watchdog, (double)watchdog_us / 2e6, (double)watchdog_us / 2e6);
        ev_timer_start(w->loop, &r.watchdog);
    }
    sd_notify(0, "READY=1");
    log_info(w->program, "started", "name=%s version=%s", log_value(w->name), LAZO_VERSION);
    ev_run(w->loop, 0);
    ev_signal_stop(w->loop, &r.term);
    ev_signal_stop(w->loop, &r.interrupt);
    ev_signal_stop(w->loop, &r.hangup);
    ev_timer_stop(w->loop, &r.watchdog);
    ev_timer_stop(w->loop, &r.draining);
    return r.status;
}
