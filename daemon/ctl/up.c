/* up.c - `lazoctl up`: a whole instance in the foreground.
 *
 *     open programs ─► home (root is given up) ─► PostgreSQL ─► migrate ─► organisation and token
 * ─► lazo.conf ─► lazod and the workers ─► answers? ─► example ─► "ready" ─► wait ─► workers,
 * lazod, PostgreSQL end
 *
 * Every step finds what an earlier start left and does only what is missing, so that starting again
 * on a folder is the same as going on. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/address.h"
#include "daemon/ctl/apply.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/cluster.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/db.h"
#include "daemon/ctl/family.h"
#include "daemon/ctl/home.h"
#include "daemon/ctl/migrate.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/organisation.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORGANISATION   "demo"
#define HTTP_DEFAULT   "127.0.0.1:7400"
#define READY_S        90
#define READY_POLL_MS  50
#define LOOK_MS        1000 /* how often it looks after its children though no signal came */
#define DEATHS_MAX     4
#define WORKER_GRACE_S 40
#define LAZOD_GRACE_S  40
#define SERVER_GRACE_S 120
#define LOG_MAX        ((size_t)64 << 20)

/* lazod first, then the workers; ended in the opposite order. Ends with NULL, as family_stop()
 * wants it. */
static const char *const program_names[] = {"lazod", "lazo-mailer", "lazo-hook", "lazo-inbox",
                                            NULL};
#define PROGRAMS (sizeof(program_names) / sizeof(program_names[0]) - 1)

struct up {
    const char *dir, *http, *relay, *clock;
    bool example;
    int64_t clock_us;
    int example_fd; /* the example's folder, opened while it can be reached; -1 */
    const char *example_shown;
    struct address address;
    struct program programs[PROGRAMS];
    struct home *home;
    struct family *family;
};

/* --- before root is given up
 * --------------------------------------------------------------------------- */

static bool example_try(struct up *up, const char *path)
{
    up->example_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    up->example_shown = path;
    return up->example_fd >= 0;
}

/* The example lies in the source tree that lazoctl was built in, or where it was installed. */
static bool example_open(const void *ctx, struct up *up)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    self[n > 0 ? n : 0] = '\0';
    slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    if (example_try(up, mem_printf(ctx, "%s/../../config/example", self)) ||
        example_try(up, LAZO_PREFIX "/share/lazo/example") || example_try(up, "config/example"))
        return true;
    fputs("lazoctl up: the example organisation is not installed\n", stderr);
    return false;
}

static bool programs_find(const void *ctx, struct up *up)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        if (!program_find(ctx, program_names[i], &up->programs[i]))
            return false;
    }
    return true;
}

/* --- database
 * -------------------------------------------------------------------------------------------- */

static bool clock_simulate(const struct up *up, struct db *db)
{
    char offset[24];
    const char *values[] = {offset};

    snprintf(offset, sizeof(offset), "%" PRId64, up->clock_us - clock_real_us());
    return up->clock == NULL || db_run(db, Q_CTL_CLOCK_SIMULATE, 1, values);
}

static bool owner_make(const struct up *up, struct db *db)
{
    const struct organisation_new demo = {ORGANISATION, "Demo", "Europe/Madrid", "es", "EUR"};
    int64_t org_id = organisation_find(db, ORGANISATION);
    char *token;

    if (org_id == 0)
        org_id = organisation_create(db, &demo);
    if (org_id <= 0 || home_has(up->home, "token"))
        return org_id > 0;
    token = token_create(up->home, db, org_id, "lazoctl up", "owner");
    return token != NULL && home_write(up->home, "token", token);
}

/* The clock comes first: what is made from here on is dated by it. */
static bool database_ready(const struct up *up)
{
    const char *superuser = cluster_conninfo(up->home, "lazo", "postgres");
    struct db *db;
    bool ok;

    if (!migrate_run(superuser, true, NULL) || !home_write(up->home, "database", superuser))
        return false;
    db = db_open(up->home, cluster_conninfo(up->home, "lazo", "lazo_owner"));
    ok = db != NULL && clock_simulate(up, db) && owner_make(up, db);
    talloc_free(db);
    return ok;
}

/* --- settings
 * ------------------------------------------------------------------------------------------------
 */

static bool secret_ready(const struct home *h)
{
    unsigned char bytes[32];
    char text[sizeof(bytes) * 2 + 1];

    if (home_has(h, "secret"))
        return true;
    randombytes_buf(bytes, sizeof(bytes));
    return home_write(h, "secret", sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes)));
}

static bool conf_write(const struct up *up)
{
    const struct home *h = up->home;
    struct buf conf;

    buf_init(&conf, h, 1 << 16);
    buf_str(&conf, "# Written by lazoctl up at each start.\n");
    buf_printf(&conf, "[database]\nurl = %s\n", cluster_conninfo(h, "lazo", "lazo_app"));
    buf_printf(&conf, "[http]\nlisten = %s\npublic_url = %s\nsecret_file = %s\n",
               up->address.listen, up->address.url, home_path(h, "secret"));
    buf_printf(&conf, "[bus]\naddress = ipc://%s/bus\n", h->sockets);
    buf_str(&conf, "[mail]\n");
    if (up->relay != NULL)
        buf_printf(&conf, "relay = %s\n", up->relay);
    buf_printf(&conf, "maildir = %s\njournal = %s\n", home_path(h, "outbox"),
               home_path(h, "mailer.journal"));
    buf_str(&conf, "[hook]\nallow_private = yes\n");
    buf_printf(&conf, "[inbox]\nmaildir = %s\n", home_path(h, "inbox"));
    return secret_ready(h) && home_write(h, "lazo.conf", conf.data) &&
           home_write(h, "url", up->address.url);
}

/* --- children
 * -------------------------------------------------------------------------------------------------
 */

/* What an `up` that was killed left behind has SIGTERM already; it is waited for, so that nothing
 * of it holds the port, the bus or the journal. */
static void former_end(const struct up *up)
{
    for (size_t i = PROGRAMS; i-- > 0;)
        family_end_former(up->home, program_names[i], home_path(up->home, "lazo.conf"), SIGTERM,
                          LAZOD_GRACE_S);
}

static void children_start(struct up *up)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        char **argv = mem_array(up->home, char *, 4);
        const struct family_child child = {.program = up->programs[i],
                                           .argv = argv,
                                           .death_signal = SIGTERM,
                                           .stop_signal = SIGTERM};

        argv[0] = (char *)program_names[i];
        argv[1] = "--config";
        argv[2] = (char *)home_path(up->home, "lazo.conf");
        family_start(up->family, &child);
    }
}

static bool answers(struct client *c)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a = client_call(ctx, c, "GET", "/readyz", NULL);

    return a != NULL && answer_ok(a);
}

/* What lazod said last. */
static void lazod_last_words(const struct up *up)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *path = home_path(up->home, "log/lazod.log");
    size_t n;
    char *log = text_file_read(ctx, path, LOG_MAX, &n), *line;

    fprintf(stderr, "lazoctl up: lazod does not answer; see %s\n", path);
    if (log == NULL)
        return;
    log = text_trim(log);
    line = strrchr(log, '\n');
    fprintf(stderr, "%s\n", line == NULL ? log : line + 1);
}

static bool children_ready(struct up *up)
{
    int64_t until_us = clock_monotonic_us() + READY_S * CLOCK_SECOND_US;
    struct client *c = client_new(up->home, up->address.url, NULL);

    client_quiet(c);
    while (!answers(c)) {
        if (clock_monotonic_us() > until_us || family_deaths(up->family, "lazod") >= DEATHS_MAX) {
            lazod_last_words(up);
            return false;
        }
        if (!family_wait(up->family, READY_POLL_MS))
            return false;
    }
    talloc_free(c);
    return true;
}

static bool example_load(struct up *up)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct apply_options options = {
        .dir = mem_printf(ctx, "/proc/self/fd/%d", up->example_fd),
        .shown = up->example_shown,
        .secrets = up->home->dir,
    };
    struct client *c;

    if (!up->example)
        return true;
    c = client_open(ctx, up->home->dir);
    return c != NULL && apply_folder(c, &options);
}

static void children_stop(struct up *up)
{
    static const char *const lazod[] = {"lazod", NULL};

    family_stop(up->family, &program_names[1], WORKER_GRACE_S);
    family_stop(up->family, lazod, LAZOD_GRACE_S);
    family_stop(up->family, NULL, SERVER_GRACE_S);
}

/* --- the command
 * -------------------------------------------------------------------------------------------------
 */

static bool up_start(struct up *up)
{
    former_end(up);
    if (!cluster_start(up->home, up->family) || !database_ready(up) || !conf_write(up))
        return false;
    children_start(up);
    return children_ready(up) && example_load(up);
}

static int up_run(const void *ctx, struct up *up)
{
    bool started;

    if (!programs_find(ctx, up) || (up->example && !example_open(ctx, up)))
        return CTL_FAILED;
    up->home = home_open(ctx, up->dir);
    if (up->home == NULL)
        return CTL_FAILED;
    up->family = family_new(ctx, up->home);
    started = up_start(up);
    if (started) {
        printf("ready %s\n", up->address.url);
        fflush(stdout);
        while (family_wait(up->family, LOOK_MS))
            continue;
    } else if (family_wait(up->family, 0)) {
        children_stop(up);
        return CTL_FAILED;
    }
    children_stop(up);
    home_leave(up->home);
    return CTL_DONE;
}

int ctl_up(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct up up = {.http = HTTP_DEFAULT, .example_fd = -1};
    const struct option_spec specs[] = {
        {.name = "home", .text = &up.dir},        {.name = "http", .text = &up.http},
        {.name = "relay", .text = &up.relay},     {.name = "clock", .text = &up.clock},
        {.name = "example", .flag = &up.example}, {0},
    };

    if (!options_parse(&argc, argv, specs) || argc != 1 || up.dir == NULL || *up.dir == '\0')
        return ctl_usage("up");
    if (up.clock != NULL && !clock_parse(up.clock, &up.clock_us)) {
        fprintf(stderr, "lazoctl up: --clock %s: an instant is wanted, as 2006-12-31T09:00:00Z\n",
                up.clock);
        return CTL_USAGE;
    }
    if (!address_parse(ctx, up.http, &up.address))
        return CTL_USAGE;
    return up_run(ctx, &up);
}
