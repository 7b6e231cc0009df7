/* family.h - the child processes of `lazoctl up`: started, started again when they die, ended in
 * order.
 *
 * This is systemd's part on an installed machine. A child's life:
 *
 *     absent ──start──► running ──dies──► resting ──back-off over──► running
 *                          └──stop──► ending ──gone──► absent
 *
 * Children run in process groups of their own (Ctrl-C reaches `up` alone) and get a signal should
 * `up` itself be killed. Their output goes to DIR/log/NAME.log, their process ids to
 * DIR/run/NAME.pid. */
#ifndef LAZO_DAEMON_CTL_FAMILY_H
#define LAZO_DAEMON_CTL_FAMILY_H

#include "daemon/ctl/home.h"

#include <stdbool.h>

/* A program that was found and opened while we could (see home.h). */
struct program {
    const char *name;
    const char *path;
    int fd;
};

/* program_find() - `name` in lazoctl's own folder or the sbin beside it, else in PATH; false, said
 * on stderr, where it is in neither. Child of ctx. */
bool program_find(const void *ctx, const char *name, struct program *ret_program);

struct family;

struct family_child {
    struct program program;
    char **argv;      /* ends with NULL; must live as long as the family */
    int death_signal; /* what it gets when `up` dies */
    int stop_signal;  /* what it gets from family_stop() */
};

/* family_new() - none yet. Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD: family_wait() takes them.
 * Child of ctx. */
struct family *family_new(const void *ctx, const struct home *);
/* family_start() - starts a child; from now on it is started again when it dies. */
void family_start(struct family *, const struct family_child *);
/* family_wait() - lets `ms` pass, or less where something happened; takes note of children that
 * died and starts again those whose back-off is over. False once a signal asked us to end. */
bool family_wait(struct family *, int ms);
/* family_deaths() - how often this child died by itself. */
int family_deaths(const struct family *, const char *name);
/* family_stop() - sends every child that is named (NULL: all) its stop signal and waits until they
 * are gone; after `grace_s` seconds they are killed. */
void family_stop(struct family *, const char *const *names, int grace_s);
/* family_end_former() - a child of an earlier `up` on the same home that still lives, as its pid
 * file says, is ended: `signal`, after `grace_s` seconds SIGKILL. `mark` is a word that its command
 * line must hold, so that a stranger with its number is left alone. */
void family_end_former(const struct home *, const char *name, const char *mark, int signal,
                       int grace_s);

#endif
