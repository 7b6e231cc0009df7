/* home.h - the folder that an instance of `lazoctl up` lives in.
 *
 *     DIR/lock          held (flock) by the one `up` that runs
 *     DIR/url           http://ADDR:PORT                       DIR/token   the owner's API token
 *     DIR/database      libpq connection string of a superuser, for psql
 *     DIR/lazo.conf     settings of lazod and the workers       DIR/secret  key that signs links in
 * mail DIR/pg/           the private PostgreSQL cluster DIR/run/          sockets, and NAME.pid of
 * each child     DIR/log/    NAME.log of each child DIR/outbox/       Maildir: mail where no relay
 * is set     DIR/inbox/  Maildir: bounces and replies are put here
 *
 * Only its owner can read it. Where DIR is so long that a socket's path would not fit, the sockets
 * lie in a private folder in /tmp. */
#ifndef LAZO_DAEMON_CTL_HOME_H
#define LAZO_DAEMON_CTL_HOME_H

#include <stdbool.h>

struct home {
    const char *dir;     /* absolute */
    const char *sockets; /* folder for sockets: DIR/run or one in /tmp */
    int lock;            /* descriptor */
};

/* home_open() - makes `dir` where it is missing, becomes the unprivileged user that the instance
 * runs as where we are root (and gives the folder to that user), takes the lock, makes what is in
 * it. NULL with the reason on stderr. Child of ctx. */
struct home *home_open(const void *ctx, const char *dir);
/* home_leave() - takes away what need not stay: a folder in /tmp. The children are gone. */
void home_leave(const struct home *);
/* home_path() - DIR/name; child of the home. */
const char *home_path(const struct home *, const char *name);
/* home_write() - DIR/name with `text` and a line end, mode 0600; home_has() - whether it is there.
 * False: said on stderr. */
bool home_write(const struct home *, const char *name, const char *text);
bool home_has(const struct home *, const char *name);

#endif
