/* serve.h - lazod's life: services made, joined, run until a signal, drained, freed. */
#ifndef LAZO_DAEMON_SERVE_H
#define LAZO_DAEMON_SERVE_H

#include "common/settings.h"

/* serve_run() - until SIGTERM or SIGINT; `path` is read again on SIGHUP. Returns the exit status.
 */
int serve_run(const void *ctx, struct settings *, const char *path);
#endif
