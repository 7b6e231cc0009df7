/* worker.h - what the main functions of the workers share: arguments, settings, signals, systemd.
 *
 *     lazo-mailer [--config FILE] [--name NAME] [--check] [--version]
 *
 * SIGTERM and SIGINT: no more jobs are taken, what is in hand is finished and its results acknowledged (at most `grace`), then the loop ends. */
#ifndef LAZO_COMMON_WORKER_H
#define LAZO_COMMON_WORKER_H

#include "common/settings.h"

#include <ev.h>

struct worker {
    const char *program;  /* "lazo-mailer" */
    const char *name;     /* lasting name of this worker: --name, else program@hostname */
    struct settings *settings;
    struct ev_loop *loop;
};

/* worker_start() - parses arguments, loads settings, ignores SIGPIPE, makes the loop. Exits with 2 on bad arguments, with 1 and messages by file and
 * line on bad settings, with 0 after --check or --version. Child of ctx. */
struct worker *worker_start(const void *ctx, const char *program, int argc, char **argv);
/* worker_run() - says READY=1 to systemd, feeds its watchdog from the loop, runs until a signal; then calls drain(arg) each 100 ms until it gives
 * true or 30 s have passed. Returns the exit status. */
int worker_run(struct worker *, bool (*drain)(void *arg), void *arg);

#endif
