/* cluster.c - see cluster.h.
 *
 * initdb works in DIR/pg.new, which becomes DIR/pg when it is complete: a start that was cut short
 * leaves nothing half made.
 *
 * After a kill -9 of `up` the server gets SIGINT from the kernel and shuts down fast; where it is
 * still there at the next start it is asked again and waited for, so that two servers never share
 * the files. A server that was itself killed recovers by its log, as always. */
#include "daemon/ctl/cluster.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/ctl/db.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_S       120
#define FORMER_S      60
#define READY_POLL_MS 50
/* Of the machine's memory one part in so many is the server's own cache; what is left over serves
 * as the system's. PostgreSQL's default of 128 MB is the least. */
#define CACHE_PART   8
#define CACHE_MIN_MB 128
#define CACHE_MAX_MB 1024
#define DEATHS_MAX                                                                                 \
    7 /* after that it will not start; a server whose former processes linger does by then */

/* PostgreSQL's programs: the newest version that is installed, else what PATH has. */
static const char *binary(const void *ctx, const char *name)
{
    char *pattern = mem_printf(ctx, "/usr/lib/postgresql/*/bin/%s", name);
    const char *best = name;
    glob_t found;
    long newest = 0;

    if (glob(pattern, 0, NULL, &found) != 0)
        return name;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);

        if (version > newest) {
            newest = version;
            best = mem_strdup(ctx, found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return best;
}

/* Runs a program to its end with its output in `log`; whether it succeeded. Signals that ask us to
 * end wait for it: it takes about a second. */
static bool run_logged(const char *log, char *const *argv)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (freopen("/dev/null", "r", stdin) == NULL || freopen(log, "a", stdout) == NULL ||
            dup2(1, 2) < 0 || chdir("/") != 0)
            _exit(126);
        execvp(argv[0], argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return false;
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool cluster_make(const struct home *h)
{
    const char *made = home_path(h, "pg.new"), *log = home_path(h, "log/initdb.log");
    char *const clear[] = {"rm", "-rf", "--", (char *)made, NULL};
    char *const init[] = {(char *)binary(h, "initdb"),
                          "-D",
                          (char *)made,
                          "-U",
                          "postgres",
                          "--auth=trust",
                          "--encoding=UTF8",
                          "--locale=C.UTF-8",
                          NULL};

    if (run_logged(log, clear) && run_logged(log, init) && rename(made, home_path(h, "pg")) == 0)
        return true;
    fprintf(stderr, "lazoctl up: initdb failed; see %s\n", log);
    return false;
}

/* The process that postmaster.pid names, where it is a server of this very cluster: a server works
 * in its data folder. 0: none. */
static pid_t former_server(const struct home *h)
{
    char link[64], cwd[PATH_MAX];
    FILE *file = fopen(home_path(h, "pg/postmaster.pid"), "re");
    ssize_t n;
    long pid = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld", &pid) != 1)
        pid = 0;
    fclose(file);
    snprintf(link, sizeof(link), "/proc/%ld/cwd", pid);
    n = pid > 1 ? readlink(link, cwd, sizeof(cwd) - 1) : -1;
    if (n < 0)
        return 0;
    cwd[n] = '\0';
    return strcmp(cwd, home_path(h, "pg")) == 0 ? (pid_t)pid : 0;
}

static void former_end(const struct home *h)
{
    pid_t pid = former_server(h);
    int64_t until_us = clock_monotonic_us() + FORMER_S * CLOCK_SECOND_US;

    if (pid == 0)
        return;
    fprintf(stderr, "lazoctl up: ending PostgreSQL, process %d, of an earlier start\n", (int)pid);
    kill(pid, SIGINT);
    while (former_server(h) == pid) {
        if (clock_monotonic_us() > until_us)
            kill(pid, SIGQUIT);
        usleep(READY_POLL_MS * 1000);
    }
}

static long cache_mb(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE), mb;

    if (pages <= 0 || page_bytes <= 0)
        return CACHE_MIN_MB;
    mb = pages / (1024 * 1024 / page_bytes) / CACHE_PART;
    return mb < CACHE_MIN_MB ? CACHE_MIN_MB : mb > CACHE_MAX_MB ? CACHE_MAX_MB : mb;
}

static void server_start(const struct home *h, struct family *f)
{
    char **argv = mem_array(h, char *, 32);
    struct family_child child = {
        .program = {.name = "postgres", .path = binary(h, "postgres"), .fd = -1},
        .argv = argv,
        .death_signal = SIGINT,
        .stop_signal = SIGINT};
    const char *const settings[] = {
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "max_connections=60",
        "timezone=UTC",
        "log_timezone=UTC",
        "jit=off",
        "log_min_messages=error",
        "log_line_prefix=%m [%p] ",
        "max_wal_size=2GB",
        mem_printf(h, "shared_buffers=%ldMB", cache_mb()),
        mem_printf(h, "unix_socket_directories=%s", h->sockets),
    };
    int n = 0;

    argv[n++] = (char *)child.program.path; /* it finds its libraries by this */
    argv[n++] = "-D";
    argv[n++] = (char *)home_path(h, "pg");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        argv[n++] = "-c";
        argv[n++] = (char *)settings[i];
    }
    family_start(f, &child);
}

static bool server_ready(const struct home *h, struct family *f)
{
    int64_t until_us = clock_monotonic_us() + READY_S * CLOCK_SECOND_US;
    const char *conninfo = cluster_conninfo(h, "postgres", "postgres");

    while (PQping(conninfo) != PQPING_OK) {
        if (clock_monotonic_us() > until_us || family_deaths(f, "postgres") >= DEATHS_MAX) {
            fprintf(stderr, "lazoctl up: PostgreSQL does not answer; see %s\n",
                    home_path(h, "log/postgres.log"));
            return false;
        }
        if (!family_wait(f, READY_POLL_MS))
            return false;
    }
    return true;
}

static bool database_make(const struct home *h)
{
    struct db *db = db_open(h, cluster_conninfo(h, "postgres", "postgres"));
    PGresult *found = db == NULL ? NULL : db_query(db, Q_CTL_DATABASE_FIND, 0, NULL);
    bool ok = found != NULL && (PQntuples(found) > 0 || db_run(db, Q_CTL_DATABASE_CREATE, 0, NULL));

    PQclear(found);
    talloc_free(db);
    return ok;
}

bool cluster_start(const struct home *h, struct family *f)
{
    if (!home_has(h, "pg") && !cluster_make(h))
        return false;
    former_end(h);
    server_start(h, f);
    return server_ready(h, f) && database_make(h);
}

const char *cluster_conninfo(const struct home *h, const char *database, const char *user)
{
    return mem_printf(h, "host='%s' dbname=%s user=%s", h->sockets, database, user);
}
