/* worker.h - what the main functions of the workers share: arguments, settings, signals, systemd.
 *
 *     lazo-mailer [--config FILE] [--name NAME] [--check] [--version]
 *
 * Without --config it reads /etc/lazo/lazo.conf where there is one. SIGTERM and SIGINT: no more
 * jobs are taken, what is in hand is finished and its results acknowledged (at most
 * WORKER_GRACE_S), then the loop ends; a second one ends it at once. SIGHUP takes over log.level.
 */
#ifndef LAZO_COMMON_WORKER_H
#define LAZO_COMMON_WORKER_H

#include "common/settings.h"

#include <ev.h>

#define WORKER_CONFIG  "/etc/lazo/lazo.conf"
#define WORKER_GRACE_S 30

struct worker {
    const char *program; /* "lazo-mailer" */
    const char *name;    /* lasting name of this worker: --name, else program@hostname */
    struct settings *settings;
    struct ev_loop *loop;
    const char *config; /* path of the settings file, or NULL */
};

/* worker_start() - parses arguments, loads settings, ignores SIGPIPE, makes the loop. Exits with 2
 * on bad arguments, with 1 and messages by file and line on bad settings, with 0 after --check or
 * --version. Child of ctx. */
struct worker *worker_start(const void *ctx, const char *program, int argc, char **argv);
/* worker_run() - says READY=1 to systemd, feeds its watchdog from the loop, runs until a signal;
 * then calls drain(arg) each 100 ms until it gives true or WORKER_GRACE_S have passed. drain()
 * begins with busclient_release(). Returns the exit status: 0 where all was done. */
int worker_run(struct worker *, bool (*drain)(void *arg), void *arg);

#endif
