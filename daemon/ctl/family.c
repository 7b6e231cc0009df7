/* family.c - see family.h. */
#include "daemon/ctl/family.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMBERS_MAX      8
#define REST_FIRST_US    (CLOCK_SECOND_US / 5)
#define REST_MAX_US      (10 * CLOCK_SECOND_US)
#define LIVED_LONG_US    (10 * CLOCK_SECOND_US)
#define STOP_POLL_MS     50
#define COMMAND_LINE_MAX 8192

enum member_state { MEMBER_absent, MEMBER_running, MEMBER_resting, MEMBER_ending };

struct member {
    struct family_child child;
    enum member_state state;
    pid_t pid;          /* running, ending */
    int64_t started_us; /* monotonic */
    int64_t rested_us;  /* resting: when it is started again */
    int64_t rest_us;    /* length of the last rest */
    int deaths;
};

struct family {
    const struct home *home;
    struct member members[MEMBERS_MAX];
    int n;
    sigset_t awaited;
    sigset_t former; /* the mask that children get */
    bool asked_to_end;
};

/* --- programs
 * ------------------------------------------------------------------------------------- */

static bool program_open(const char *path, struct program *p)
{
    p->fd = access(path, X_OK) == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    p->path = path;
    return p->fd >= 0;
}

static bool program_in_path(const void *ctx, const char *name, struct program *p)
{
    const char *from = getenv("PATH");

    while (from != NULL && *from != '\0') {
        size_t n = strcspn(from, ":");

        if (program_open(mem_printf(ctx, "%.*s/%s", (int)n, from, name), p))
            return true;
        from += n + (from[n] == ':');
    }
    return false;
}

bool program_find(const void *ctx, const char *name, struct program *p)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    p->name = name;
    self[n > 0 ? n : 0] = '\0';
    slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (program_open(mem_printf(ctx, "%s/%s", self, name), p) ||
            program_open(mem_printf(ctx, "%s/../sbin/%s", self, name), p))
            return true;
    }
    if (program_in_path(ctx, name, p))
        return true;
    fprintf(stderr, "lazoctl up: %s is neither beside lazoctl nor in PATH\n", name);
    return false;
}

/* --- a child's birth
 * -------------------------------------------------------------------------------- */

struct family *family_new(const void *ctx, const struct home *home)
{
    struct family *f = mem_new(ctx, struct family);

    f->home = home;
    sigemptyset(&f->awaited);
    sigaddset(&f->awaited, SIGINT);
    sigaddset(&f->awaited, SIGTERM);
    sigaddset(&f->awaited, SIGHUP);
    sigaddset(&f->awaited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &f->awaited, &f->former);
    signal(SIGPIPE, SIG_IGN);
    return f;
}

static void child_streams(const char *log)
{
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    close(in);
    close(out);
}

/* Between fork and exec. Where the path is closed to our user the descriptor still opens the way.
 */
static _Noreturn void child_become(const struct family *f, const struct family_child *child,
                                   const char *log, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, child->death_signal);
    if (getppid() != parent)
        _exit(126);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &f->former, NULL);
    child_streams(log);
    if (chdir("/") != 0)
        _exit(126);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    execv(child->program.path, child->argv);
    fexecve(child->program.fd, child->argv, environ);
    fprintf(stderr, "lazoctl up: %s: %s\n", child->program.path, strerror(errno));
    _exit(127);
}

static void pid_write(const struct family *f, const struct member *m)
{
    char name[64], pid[24];

    snprintf(name, sizeof(name), "run/%s.pid", m->child.program.name);
    snprintf(pid, sizeof(pid), "%d", (int)m->pid);
    home_write(f->home, name, pid);
}

/* absent, resting -> running */
static void member_start(struct family *f, struct member *m)
{
    MEM_SCOPED char *log = mem_printf(NULL, "%s/log/%s.log", f->home->dir, m->child.program.name);
    pid_t parent = getpid();

    m->started_us = clock_monotonic_us();
    m->pid = fork();
    if (m->pid == 0)
        child_become(f, &m->child, log, parent);
    if (m->pid < 0) {
        fprintf(stderr, "lazoctl up: fork: %s\n", strerror(errno));
        m->state = MEMBER_resting;
        m->rested_us = m->started_us + CLOCK_SECOND_US;
        return;
    }
    m->state = MEMBER_running;
    pid_write(f, m);
}

void family_start(struct family *f, const struct family_child *child)
{
    struct member *m = &f->members[f->n];

    if (f->n == MEMBERS_MAX)
        bug("more than %d children", MEMBERS_MAX);
    f->n++;
    m->child = *child;
    member_start(f, m);
}

/* --- deaths
 * ------------------------------------------------------------------------------------------ */

static void death_say(const struct member *m, int status)
{
    const char *name = m->child.program.name;

    if (WIFSIGNALED(status))
        fprintf(stderr, "lazoctl up: %s was killed by signal %d; it is started again\n", name,
                WTERMSIG(status));
    else
        fprintf(stderr,
                "lazoctl up: %s ended with status %d; it is started again (see log/%s.log)\n", name,
                WEXITSTATUS(status), name);
}

/* running -> resting, ending -> absent. Who fails again soon after its start rests longer each
 * time; who was killed has not failed. */
static void member_died(struct member *m, int status)
{
    int64_t now_us = clock_monotonic_us();
    bool failed = !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    m->pid = 0;
    if (m->state == MEMBER_ending) {
        m->state = MEMBER_absent;
        return;
    }
    death_say(m, status);
    m->deaths++;
    m->rest_us = m->rest_us == 0 || !failed || now_us - m->started_us > LIVED_LONG_US
                     ? REST_FIRST_US
                     : m->rest_us * 2;
    if (m->rest_us > REST_MAX_US)
        m->rest_us = REST_MAX_US;
    m->rested_us = now_us + m->rest_us;
    m->state = MEMBER_resting;
}

static void members_reap(struct family *f)
{
    int status;

    for (int i = 0; i < f->n; i++) {
        struct member *m = &f->members[i];

        if (m->pid > 0 && waitpid(m->pid, &status, WNOHANG) == m->pid)
            member_died(m, status);
    }
}

static void members_wake(struct family *f)
{
    int64_t now_us = clock_monotonic_us();

    for (int i = 0; i < f->n; i++) {
        if (f->members[i].state == MEMBER_resting && f->members[i].rested_us <= now_us)
            member_start(f, &f->members[i]);
    }
}

/* Takes one signal, or lets the time pass. */
static void signal_take(struct family *f, int ms)
{
    const struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    int sig = sigtimedwait(&f->awaited, NULL, &wait);

    if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
        f->asked_to_end = true;
    members_reap(f);
}

bool family_wait(struct family *f, int ms)
{
    int64_t now_us = clock_monotonic_us();

    for (int i = 0; i < f->n; i++) {
        const struct member *m = &f->members[i];

        if (m->state == MEMBER_resting && (m->rested_us - now_us) / 1000 < ms)
            ms = m->rested_us <= now_us ? 0 : (int)((m->rested_us - now_us) / 1000) + 1;
    }
    signal_take(f, ms);
    if (!f->asked_to_end)
        members_wake(f);
    return !f->asked_to_end;
}

int family_deaths(const struct family *f, const char *name)
{
    for (int i = 0; i < f->n; i++) {
        if (strcmp(f->members[i].child.program.name, name) == 0)
            return f->members[i].deaths;
    }
    return 0;
}

/* --- the end
 * --------------------------------------------------------------------------------------------- */

static bool is_named(const struct member *m, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(m->child.program.name, *names) == 0)
            return true;
    }
    return names == NULL;
}

/* running, resting -> ending, absent. How many are still there. */
static int members_signal(struct family *f, const char *const *names, bool kill_them)
{
    int left = 0;

    for (int i = 0; i < f->n; i++) {
        struct member *m = &f->members[i];

        if (!is_named(m, names))
            continue;
        if (m->state == MEMBER_resting)
            m->state = MEMBER_absent;
        if (m->state == MEMBER_running || (m->state == MEMBER_ending && kill_them)) {
            kill(m->pid, kill_them ? SIGKILL : m->child.stop_signal);
            m->state = MEMBER_ending;
        }
        left += m->state == MEMBER_ending;
    }
    return left;
}

void family_stop(struct family *f, const char *const *names, int grace_s)
{
    int64_t until_us = clock_monotonic_us() + grace_s * CLOCK_SECOND_US;

    while (members_signal(f, names, clock_monotonic_us() > until_us) > 0)
        signal_take(f, STOP_POLL_MS);
}

static bool command_holds(pid_t pid, const char *mark)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    size_t n;
    const char *line =
        text_file_read(ctx, mem_printf(ctx, "/proc/%d/cmdline", (int)pid), COMMAND_LINE_MAX, &n);

    return line != NULL && memmem(line, n, mark, strlen(mark)) != NULL;
}

void family_end_former(const struct home *h, const char *name, const char *mark, int sig,
                       int grace_s)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    int64_t pid = 0, until_us = clock_monotonic_us() + grace_s * CLOCK_SECOND_US;
    size_t n;
    char *line = text_file_read(ctx, mem_printf(ctx, "%s/run/%s.pid", h->dir, name), 64, &n);

    if (line == NULL || !text_int(text_trim(line), &pid) || pid <= 1 || pid > INT_MAX ||
        !command_holds((pid_t)pid, mark))
        return;
    fprintf(stderr, "lazoctl up: ending %s, process %d, of an earlier start\n", name, (int)pid);
    kill((pid_t)pid, sig);
    while (command_holds((pid_t)pid, mark)) {
        if (clock_monotonic_us() > until_us)
            kill((pid_t)pid, SIGKILL);
        usleep(STOP_POLL_MS * 1000);
    }
}
