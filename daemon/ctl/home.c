/* home.c - see home.h.
 *
 * PostgreSQL refuses to run as root, and nothing else here needs to: so root is given up for good
 * before anything is made in the folder. What only root can reach must be opened before
 * home_open(). */
#include "daemon/ctl/home.h"

#include "common/mem.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of sun_path's 108 bytes some are kept for the longest name, ".s.PGSQL.5432.lock". */
#define SOCKET_DIR_MAX 80

static bool failed(const char *path)
{
    fprintf(stderr, "lazoctl up: %s: %s\n", path, strerror(errno));
    return false;
}

/* mkdir -p; the last one closed to others. */
static bool folder_make(const char *path)
{
    MEM_SCOPED char *part = mem_strdup(NULL, path);

    for (char *p = strchr(part + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return failed(part);
        *p = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST || failed(path);
}

/* Says which folder above `dir` is closed to us. */
static bool folder_reachable(const char *dir, const char *user)
{
    MEM_SCOPED char *part = mem_strdup(NULL, dir);

    if (access(dir, R_OK | W_OK | X_OK) == 0)
        return true;
    for (char *p = strchr(part + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (access(part, X_OK) != 0) {
            fprintf(stderr,
                    "lazoctl up: PostgreSQL cannot run as root, so the instance runs as user %s, "
                    "to whom %s is closed; "
                    "choose another DIR or open it (chmod o+x)\n",
                    user, part);
            return false;
        }
        *p = '/';
    }
    return failed(dir);
}

/* From root to the user lazo, where there is none to postgres, whom PostgreSQL's package makes. */
static bool root_leave(const char *dir)
{
    const struct passwd *user = getpwnam("lazo");

    if (user == NULL)
        user = getpwnam("postgres");
    if (user == NULL) {
        fputs("lazoctl up: PostgreSQL cannot run as root, and there is neither a user lazo nor "
              "postgres\n",
              stderr);
        return false;
    }
    if (chown(dir, user->pw_uid, user->pw_gid) != 0)
        return failed(dir);
    if (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        return failed(user->pw_name);
    /* A process that changed its user may not look into its own /proc/self otherwise. */
    prctl(PR_SET_DUMPABLE, 1);
    return folder_reachable(dir, user->pw_name);
}

static bool lock_take(struct home *h)
{
    const char *path = home_path(h, "lock");

    h->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->lock < 0)
        return failed(path);
    if (flock(h->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        fprintf(stderr, "lazoctl up: another lazoctl up runs on %s\n", h->dir);
    else
        failed(path);
    return false;
}

/* What is always in the folder; a Maildir for bounces and replies among it. */
static bool folders_make(const struct home *h)
{
    static const char *const names[] = {"run",       "log",       "inbox",
                                        "inbox/cur", "inbox/new", "inbox/tmp"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!folder_make(home_path(h, names[i])))
            return false;
    }
    return true;
}

/* The folder in /tmp is named after DIR, so that the next start finds it; it must be ours alone. */
static bool sockets_choose(struct home *h)
{
    char sum[TEXT_SHA256];
    struct stat st;

    h->sockets = home_path(h, "run");
    if (strlen(h->sockets) <= SOCKET_DIR_MAX)
        return true;
    h->sockets = mem_printf(h, "/tmp/lazo-%.16s", text_sha256(h->dir, strlen(h->dir), sum));
    if (mkdir(h->sockets, 0700) != 0 && errno != EEXIST)
        return failed(h->sockets);
    if (lstat(h->sockets, &st) != 0)
        return failed(h->sockets);
    if (S_ISDIR(st.st_mode) && st.st_uid == getuid() && (st.st_mode & 077) == 0)
        return true;
    fprintf(stderr, "lazoctl up: %s is not a private folder of ours\n", h->sockets);
    return false;
}

struct home *home_open(const void *ctx, const char *dir)
{
    struct home *h = mem_new(ctx, struct home);
    char real[PATH_MAX];

    umask(077);
    if (!folder_make(dir))
        return NULL;
    if (realpath(dir, real) == NULL) {
        failed(dir);
        return NULL;
    }
    h->dir = mem_strdup(h, real);
    if (strpbrk(h->dir, "'\\\n") != NULL) {
        fputs("lazoctl up: the name of DIR must not hold quotes, backslashes or line ends\n",
              stderr);
        return NULL;
    }
    if (geteuid() == 0 && !root_leave(h->dir))
        return NULL;
    setenv("HOME", h->dir, 1);
    if (!lock_take(h) || !folders_make(h) || !sockets_choose(h))
        return NULL;
    return h;
}

void home_leave(const struct home *h)
{
    const char *bus = mem_printf(h, "%s/bus", h->sockets);

    if (text_begins(h->sockets, h->dir))
        return;
    unlink(bus);
    rmdir(h->sockets);
}

const char *home_path(const struct home *h, const char *name)
{
    return mem_printf(h, "%s/%s", h->dir, name);
}

bool home_write(const struct home *h, const char *name, const char *text)
{
    MEM_SCOPED char *line = mem_printf(NULL, "%s\n", text);
    const char *path = home_path(h, name);

    return text_file_write(path, 0600, line) || failed(path);
}

bool home_has(const struct home *h, const char *name)
{
    return access(home_path(h, name), F_OK) == 0;
}
