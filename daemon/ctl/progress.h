/* progress.h - how far a long job is, on stderr: a bar on a terminal, else a line each tenth. */
#ifndef LAZO_DAEMON_CTL_PROGRESS_H
#define LAZO_DAEMON_CTL_PROGRESS_H

#include <stdint.h>

struct progress {
    const char *what;
    int64_t total;
    int said; /* tenths or, on a terminal, hundredths */
};

/* progress_start() - of a job `what` with `total` units. progress_at() - `done` of them are done;
 * cheap. progress_end() - leaves the bar's line. */
void progress_start(struct progress *, const char *what, int64_t total);
void progress_at(struct progress *, int64_t done);
void progress_end(struct progress *);

#endif
